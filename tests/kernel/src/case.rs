//! What a case is, the words that kernels answer with, and the run of all cases.
//!
//! A case does something and notes what it sees, as words. It passes if these are the words that the interface's
//! specification says. They are printed too (`TEST result NAME WORDS`, hexadecimal), so that runs on different kernels
//! can be compared word by word.

use core::fmt::{self, Write};

use mach_sys::bootinfo::Boot;
use mach_sys::debug::{SemihostingLog, semihosting_exit};
use test_report::Line;

use crate::trace;
use crate::world::World;

/// Why a case could not come to its point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble(pub(crate) &'static str);

/// What a case comes to: its observations are in the trace.
pub(crate) type Done = Result<(), Trouble>;

/// A case.
pub(crate) struct Case {
    /// The object, the operation, and what is shown: `errNN_` for a row of the operation's table of checks.
    pub(crate) name: &'static str,
    /// What it is to see.
    pub(crate) wanted: &'static [u64],
    pub(crate) run: fn(&mut World) -> Done,
}

/// A list of cases: `"name" => WANTED, |world| what it does;`.
macro_rules! cases {
    ($($name:literal => $wanted:expr, |$w:pat_param| $run:expr;)*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case { name: $name, wanted: &$wanted, run: |$w| $run },
        )*];
    };
}
pub(crate) use cases;

// ---- the words of an answer: its label, then its message registers (kernel ABI 3.1) ----

pub(crate) const OK: [u64; 1] = [0];
pub(crate) const ILLEGAL: [u64; 1] = [3];
pub(crate) const ALIGNMENT: [u64; 1] = [5];
pub(crate) const TRUNCATED: [u64; 1] = [7];
pub(crate) const DELETE_FIRST: [u64; 1] = [8];
pub(crate) const REVOKE_FIRST: [u64; 1] = [9];

pub(crate) const fn argument(number: u64) -> [u64; 2] {
    [1, number]
}

pub(crate) const fn capability(number: u64) -> [u64; 2] {
    [2, number]
}

pub(crate) const fn range(min: u64, max: u64) -> [u64; 3] {
    [4, min, max]
}

pub(crate) const fn no_memory(left: u64) -> [u64; 2] {
    [10, left]
}

/// The lookups that can fail: that of the source, or any other.
pub(crate) const SOURCE: u64 = 1;
pub(crate) const NOT_SOURCE: u64 = 0;

pub(crate) const fn invalid_root(which: u64) -> [u64; 3] {
    [6, which, 1]
}

pub(crate) const fn missing(which: u64, bits_left: u64) -> [u64; 4] {
    [6, which, 2, bits_left]
}

pub(crate) const fn too_deep(which: u64, bits_left: u64, bits_found: u64) -> [u64; 5] {
    [6, which, 3, bits_left, bits_found]
}

pub(crate) const fn guard_mismatch(which: u64, bits_left: u64, guard: u64, guard_bits: u64) -> [u64; 6] {
    [6, which, 4, bits_left, guard, guard_bits]
}

/// Writes a line to the emulator's log, which every kernel lets through.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    // The log takes everything.
    let _ = writeln!(SemihostingLog, "{line}");
}

/// Words as they are printed.
struct Words<'a>(&'a [u64]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, " {word:x}"))
    }
}

/// Runs every case, and ends the machine.
pub(crate) fn run(boot: &Boot) -> ! {
    let mut status = 0;
    match World::new(boot) {
        Ok(mut world) => {
            for case in crate::GROUPS.iter().copied().flatten() {
                status |= i32::from(!judge(case, &mut world));
            }
            say(format_args!("{}", Line::Done));
        }
        Err(Trouble(why)) => {
            status = 1;
            say(format_args!("kernel-tests: {why}"));
        }
    }
    semihosting_exit(status)
}

/// Runs one case; whether it saw what it was to see.
fn judge(case: &Case, world: &mut World) -> bool {
    let Case { name, wanted, run } = case;
    say(format_args!("{}", Line::Start(name)));
    trace::clear();
    let done = run(world);
    let trace = trace::words();
    let seen = trace.as_slice();
    say(format_args!("TEST result {name}{}", Words(seen)));
    let cleared = world.clear();
    match (done, cleared) {
        (Ok(()), Ok(())) if seen == *wanted => {
            say(format_args!("{}", Line::Pass(name)));
            return true;
        }
        (Err(Trouble(why)), _) | (_, Err(Trouble(why))) => {
            say(format_args!("TEST fail {name}: {why}; saw{}", Words(seen)));
        }
        _ => say(format_args!("TEST fail {name}: wanted{}, saw{}", Words(wanted), Words(seen))),
    }
    false
}
