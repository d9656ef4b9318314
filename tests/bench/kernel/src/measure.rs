//! Timing lists of calls, and printing what they took.

use core::fmt::{self, Write};

use mach_sys::Error;
use mach_sys::debug::{self, SemihostingLog};
use test_report::Sample;

use crate::code::{self, Act, Step};
use crate::objects::Objects;

/// How often each operation is measured.
pub(crate) const SAMPLES: usize = 3;

/// Instructions for each tick of the virtual counter: under `-icount shift=0` an instruction is a nanosecond.
pub(crate) fn instructions_per_tick() -> u64 {
    1_000_000_000 / debug::counter_frequency().max(1)
}

/// Prints the sample in which `operations` of them took so many ticks, and `overhead` instructions each that are not
/// the kernel's.
pub(crate) fn report(name: &str, ticks: u64, operations: u64, overhead: u64) {
    let instructions = (ticks * instructions_per_tick()).saturating_sub(overhead * operations);
    // The log of the emulator takes everything.
    let _ = writeln!(SemihostingLog, "{}", Sample { name, instructions, operations });
}

/// Calls that are measured, with what goes before and after them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub(crate) before: &'a [Step],
    pub(crate) timed: &'a [Step],
    pub(crate) after: &'a [Step],
}

impl<'a> Round<'a> {
    /// Nothing but what is timed.
    pub(crate) const fn only(timed: &'a [Step]) -> Self {
        Self { before: &[], timed, after: &[] }
    }
}

/// The ticks that the kernel takes for the timed calls of so many rounds.
///
/// `buffer` is the address of the calling thread's IPC buffer. `None`: a call was answered with an error.
pub(crate) fn ticks(round: &Round<'_>, rounds: u64, buffer: u64) -> Option<u64> {
    let mut total = [0_u64; 2];
    let mut errors = 0;
    for (total, act) in total.iter_mut().zip([Act::Call, Act::Skip]) {
        for _ in 0..rounds {
            let mut answers = [0; 3];
            answers[0] = code::run(round.before, act, buffer);
            let start = debug::virtual_counter();
            answers[1] = code::run(round.timed, act, buffer);
            *total += debug::virtual_counter() - start;
            answers[2] = code::run(round.after, act, buffer);
            if act == Act::Call {
                errors |= answers[0] | answers[1] | answers[2];
            }
        }
    }
    (errors == 0).then(|| total[0].saturating_sub(total[1]))
}

/// Measures by the root task's own thread and prints the samples.
pub(crate) fn measure(name: &'static str, round: &Round<'_>, rounds: u64, objects: &Objects) -> Result<(), Failure> {
    for _ in 0..SAMPLES {
        let ticks = ticks(round, rounds, objects.buffer).ok_or(Failure::Refused(name))?;
        report(name, ticks, rounds * round.timed.len() as u64, 0);
    }
    Ok(())
}

/// Why nothing more can be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// The kernel refused something on the way.
    Kernel(Error),
    /// A call of this operation was answered with an error.
    Refused(&'static str),
    /// There is no memory or no slot for that.
    Missing(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "the kernel refused a call on the way: {error}"),
            Self::Refused(name) => write!(f, "the kernel refused a call of {name}"),
            Self::Missing(what) => write!(f, "there is no {what}"),
        }
    }
}
