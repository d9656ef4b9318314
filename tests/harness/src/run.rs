//! `run`: boots, runs one task, and exits with its status.

use crate::board::Board;
use crate::cli::RunArgs;
use crate::image::{self, Base};
use crate::qemu::{self, Console, End, Next, Options, Outcome};
use crate::symbols;
use crate::task::{self, System, Task, Then};
use anyhow::{Result, bail};

/// What root puts before a line that is meant for the user.
const FOR_USER: &str = "tessera: ";
/// The parts that say `PART: error: why`, `PART: help: what to do` and last `PART: stopped`, or the reason on
/// that line, when they cannot go on.
const PARTS: [&str; 4] = ["boot", "kernel", "root", "mach"];
/// Lines of the log that are shown when a run fails and nobody asked for the whole log.
const TAIL: usize = 12;
/// The whole line by which upstream's kernel ends, if it was built to print.
const HALTING: &str = "halting...";
/// Why a kernel that is not Tessera's may fail where Tessera's would not.
const ADVICE: &str = "a kernel of TESSERA_KERNEL must be built for this machine's board, RAM and interrupt controller, with MCS, \
                      for EL1 (docs/boot.md: Another kernel)";

/// Runs the task that the arguments name, or the shell.
pub(crate) fn run(arguments: &RunArgs) -> Result<u8> {
    arguments.machine.check()?;
    let (tasks, then) = match &arguments.task {
        Some(name) => (vec![Task::find(name)?], Then::Semihosting),
        None => (task::examples()?.into_iter().map(Task::Example).collect(), Then::Shell),
    };
    let system = System::build(&tasks)?;
    let root = system.only_task(&arguments.arguments, then)?;
    let image = Base::build()?.compose(&root, "run")?;
    let board = Board::load(&arguments.machine.board)?;
    let options = Options { takes_interrupt_key: then == Then::Shell, ..arguments.machine.options() };
    let command = qemu::command(&board, &options, &image)?;
    let mut watch = Watch::new(arguments.machine.verbose);
    let outcome = qemu::run(command, Console::Mine, arguments.machine.timeout, |line| watch.see(line))?;
    let elf = system.programs.first().map_or(&[][..], |p| &p.elf);
    watch.judge(&outcome, elf, then)
}

/// What the log of a run has told so far.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) verbose: bool,
    /// The kernel is not Tessera's.
    other_kernel: bool,
    /// Why the system gave up.
    pub(crate) stopped: Option<String>,
    /// Complaints and advice so far.
    complaints: Vec<String>,
    /// Root's word on the end of the task.
    pub(crate) last_word: Option<String>,
}

impl Watch {
    /// Has seen nothing of a run of the kernel that the environment asks for.
    pub(crate) fn new(verbose: bool) -> Self {
        Self { verbose, other_kernel: image::other_kernel().is_some(), ..Self::default() }
    }

    /// Takes one line of the log.
    pub(crate) fn see(&mut self, line: &str) -> Next {
        if self.verbose {
            eprintln!("{line}");
        }
        if line == HALTING && self.other_kernel {
            self.stopped = Some(format!("the kernel has halted; {ADVICE}"));
            return Next::Stop;
        }
        let said = PARTS.iter().find_map(|part| line.strip_prefix(part)?.strip_prefix(": "));
        match said.map(|said| said.split_once(": ").unwrap_or((said, ""))) {
            Some(("error" | "help", _)) => self.complaints.push(line.to_owned()),
            Some(("stopped", "")) if !self.complaints.is_empty() => {
                self.stopped = Some(self.complaints.join("; "));
                return Next::Stop;
            }
            Some(("stopped", _)) => {
                self.stopped = Some(line.to_owned());
                return Next::Stop;
            }
            _ => {}
        }
        if line.strip_prefix(FOR_USER).unwrap_or(line).starts_with("task ") {
            self.last_word = Some(line.to_owned());
        }
        Next::Go
    }

    /// The status of this process after that run; says on standard error what the user must know.
    pub(crate) fn judge(&self, outcome: &Outcome, task: &[u8], then: Then) -> Result<u8> {
        match (&outcome.end, &self.stopped, &self.last_word) {
            (End::Timeout(limit), ..) => {
                self.show_tail(outcome);
                let advice = if self.other_kernel { format!("; {ADVICE}") } else { String::new() };
                bail!("the time limit of {} s is over; the run was ended{advice}", limit.as_secs_f64());
            }
            (_, Some(why), _) => {
                self.show_tail(outcome);
                bail!("{why}");
            }
            (End::Exit(status), None, Some(word)) => {
                let status = u8::try_from(*status)?;
                if word.starts_with(FOR_USER) {
                    eprintln!("{}", symbols::with_functions(word, task));
                }
                Ok(if status == 0 && word.contains(": killed: ") { KILLED } else { status })
            }
            (End::Exit(status), None, None) if then == Then::Shell && *status == 0 => Ok(0),
            (end, None, _) => {
                self.show_tail(outcome);
                bail!("the machine ended ({end:?}) before the task did");
            }
        }
    }

    fn show_tail(&self, outcome: &Outcome) {
        if !self.verbose {
            for line in outcome.log.iter().skip(outcome.log.len().saturating_sub(TAIL)) {
                eprintln!("  | {line}");
            }
        }
    }
}

/// Status for a task that was killed while root's own status says nothing.
const KILLED: u8 = 139;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ended(end: End, lines: &[&str]) -> Result<u8> {
        let mut watch = Watch::default();
        for line in lines {
            watch.see(line);
        }
        let outcome = Outcome { end, log: Vec::new(), console: Vec::new(), time: Duration::ZERO };
        watch.judge(&outcome, &[], Then::Semihosting)
    }

    #[test]
    fn the_status_is_the_tasks() {
        for status in [0, 1, 42, 255] {
            let word = format!("task x: exit status {status}");
            assert_eq!(ended(End::Exit(status), &["root: up", &word]).expect("ran"), status as u8);
        }
    }

    #[test]
    fn a_killed_task_never_gives_zero() {
        let word = "tessera: task x: killed: EXC_BAD_ACCESS (KERN_INVALID_ADDRESS) read at 0x0 pc 0x400000: no memory";
        assert_eq!(ended(End::Exit(0), &[word]).expect("ran"), KILLED);
        assert_eq!(ended(End::Exit(137), &[word]).expect("ran"), 137);
    }

    #[test]
    fn an_end_without_the_tasks_is_a_failure() {
        assert!(ended(End::Exit(0), &["root: up"]).is_err());
        assert!(ended(End::Killed, &["tessera: task x: exit status 0"]).is_err());
    }

    #[test]
    fn another_kernel_that_halts_ends_the_run_with_advice() {
        let lines = ["KERNEL DATA ABORT!", HALTING];
        let mut other = Watch { other_kernel: true, ..Watch::default() };
        assert_eq!(lines.map(|line| other.see(line)), [Next::Go, Next::Stop]);
        assert!(other.stopped.is_some_and(|why| why.contains("docs/boot.md")));
        let mut own = Watch::default();
        assert_eq!(lines.map(|line| own.see(line)), [Next::Go, Next::Go], "it is no word of Tessera's");
    }

    #[test]
    fn a_time_limit_has_its_own_message() {
        let error = ended(End::Timeout(Duration::from_secs(3)), &[]).expect_err("is a failure").to_string();
        assert!(error.contains("time limit of 3 s"), "{error}");
    }

    #[test]
    fn a_part_that_stops_is_the_failure() {
        let error =
            ended(End::Stopped, &["boot: stopped: no device tree at x0"]).expect_err("is a failure").to_string();
        assert_eq!(error, "boot: stopped: no device tree at x0");
        let lines = ["boot: error: entered at EL3", "boot: help: start it at EL2", "boot: stopped"];
        let error = ended(End::Stopped, &lines).expect_err("is a failure").to_string();
        assert_eq!(error, "boot: error: entered at EL3; boot: help: start it at EL2");
    }
}
