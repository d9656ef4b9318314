//! Builds images, boots them in QEMU, judges what they print.
fn main() {}
