//! Passes the linker script when the program is built for the board.

fn main() {
    println!("cargo:rerun-if-changed=../../../servers/link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{here}/../../../servers/link.ld");
    }
}
