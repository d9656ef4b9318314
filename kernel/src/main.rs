//! The kernel's program: its entry point is in the library (`arch::aarch64::start`), its panic
//! handler here. On a workstation it is an empty program; the library is what is tested there.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    kernel::debug::epitaph::write(info);
    kernel::arch::halt()
}

#[cfg(not(target_os = "none"))]
fn main() {}
