//! What the kernel answers on a machine, asked by a root task: there is nothing between it and the system calls.
//!
//! Most of the kernel is tested on the host (`kernel/src`); here is what depends on boot stage and board. Lines go to
//! the kernel's console, so this needs a kernel with the debug calls.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod irq;
#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "entry and the thread block")]
mod start;

#[cfg(target_os = "none")]
mod cases {
    use core::fmt::{self, Write};

    use mach_sys::bootinfo::Boot;
    use mach_sys::debug::{DebugConsole, semihosting_exit};
    use test_report::Line;

    /// What a case wanted and did not see.
    pub(crate) type Outcome = Result<(), &'static str>;

    /// A case: its name and what it does.
    pub(crate) type Case = (&'static str, fn(&Boot) -> Outcome);

    /// Writes a line to the kernel's console.
    pub(crate) fn say(line: fmt::Arguments<'_>) {
        // The console takes everything.
        let _ = writeln!(DebugConsole, "{line}");
    }

    /// Runs every case, and ends the machine.
    pub(crate) fn run(boot: &Boot) -> ! {
        let mut failed = 0;
        for (name, case) in crate::irq::CASES {
            say(format_args!("{}", Line::Start(name)));
            match case(boot) {
                Ok(()) => say(format_args!("{}", Line::Pass(name))),
                Err(why) => {
                    failed = 1;
                    say(format_args!("{}", Line::Fail(name, why)));
                }
            }
        }
        say(format_args!("{}", Line::Done));
        semihosting_exit(failed)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
