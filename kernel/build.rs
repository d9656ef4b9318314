//! Passes the linker script when the kernel is built for the machine.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
    println!("cargo:rerun-if-changed=build.rs");
    let is_machine = var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if let (true, Ok(directory)) = (is_machine, var("CARGO_MANIFEST_DIR")) {
        println!("cargo:rustc-link-arg-bins=-T{directory}/kernel.ld");
        println!("cargo:rustc-link-arg-bins=--no-rosegment");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
