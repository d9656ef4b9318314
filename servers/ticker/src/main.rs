//! The ticker: once woken, it sleeps until its scheduling context is refilled, then signals the Mach server.
//!
//! User land has no timer that is the same on every board and kernel; a periodic scheduling context is one. The
//! server wakes the ticker once for each tick that it wants, so nothing ticks while no deadline is armed. A tick
//! comes at most one period after the wake, and no earlier than the next refill.
//!
//! Capabilities: slot 1 the notification to wait for, slot 2 the one to signal. See root's `launch`.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "the entry symbol")]
mod program {
    use mach_sys::Cap;
    use mach_sys::cap::Notification;

    const WAKE: Cap<Notification> = Cap::new(1);
    const TICK: Cap<Notification> = Cap::new(2);

    /// Root starts the ticker here, with a stack.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = ".text.start")]
    extern "C" fn _start() -> ! {
        loop {
            let _ = WAKE.wait();
            // Gives up the rest of this refill: the thread goes on with the next one.
            mach_sys::yield_now();
            TICK.signal();
        }
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        mach_sys::debug::halt()
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
