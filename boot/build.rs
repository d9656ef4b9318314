//! Tells the linker how the boot stage lies in memory; on a host there is nothing to say.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=image.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{here}/image.ld");
        // Position independent: the entry code applies the relative relocations that are left. Core is
        // compiled for a fixed address, so its constants hold pointers in read-only sections.
        for arg in ["-pie", "--no-dynamic-linker", "-znotext", "-zmax-page-size=4096"] {
            println!("cargo:rustc-link-arg-bins={arg}");
        }
    }
}
