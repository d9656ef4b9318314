//! The programs that the shell has started.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use libmach::msg::Timeout;
use libmach::port::mach_port_deallocate;
use libmach::programs::{self, Notify};
use libmach::task::{TaskEnd, mach_task_self, task_terminate};
use libmach::{KernReturn, PortName, Result};

use crate::attendant::{self, Attendant};
use crate::session::Session;
use crate::terminal::{Event, Terminal, on_new_line};

/// A program that runs.
struct Job {
    name: String,
    task: PortName,
}

impl Drop for Job {
    fn drop(&mut self) {
        // The right that root gave for this job alone.
        let _ = mach_port_deallocate(mach_task_self(), self.task);
    }
}

/// All of them, by the word that comes back with the end of each.
pub(crate) struct Jobs {
    attendant: Attendant,
    running: BTreeMap<u64, Job>,
    next: u64,
}

impl Jobs {
    /// None yet.
    ///
    /// # Errors
    ///
    /// Those of [`Attendant::start`].
    pub(crate) fn new(terminal: &Terminal) -> Result<Self> {
        Ok(Self { attendant: Attendant::start(terminal.console())?, running: BTreeMap::new(), next: 1 })
    }

    /// The line of `help` that names the programs.
    pub(crate) fn programs(&self) -> String {
        match programs::list() {
            Ok(names) => format!("programs: {}\n", names.join(", ")),
            Err(code) => format!("the programs cannot be listed: {code}\n"),
        }
    }

    /// Starts a program. Answers the number of the job.
    ///
    /// # Errors
    ///
    /// Those of [`programs::start`].
    fn start(&mut self, words: &[&str], ends: PortName, is_background: bool) -> Result<u64> {
        let job = self.next;
        self.next += 1;
        let bootstrap = self.attendant.attend(job)?;
        attendant::set_foreground((!is_background).then_some(job));
        let started = programs::start(words, Notify { port: ends, cookie: job }, bootstrap);
        // A program that was not started is forgotten at once.
        self.attendant.watch(bootstrap)?;
        let name = words.first().copied().unwrap_or_default().into();
        self.running.insert(job, Job { name, task: started? });
        Ok(job)
    }

    /// A program has ended. Answers what the user is told, if it is one of the shell's.
    pub(crate) fn ended(&mut self, job: u64, end: TaskEnd) -> Option<String> {
        self.running.remove(&job).map(|job| format!("[{}: {end}]", job.name))
    }
}

impl Session {
    /// Starts a program, and waits for its end unless it runs in the background.
    ///
    /// # Errors
    ///
    /// Those of messages.
    pub(crate) fn run(&mut self, words: &[String], is_background: bool) -> Result<()> {
        let words: alloc::vec::Vec<&str> = words.iter().map(String::as_str).collect();
        let name = words.first().copied().unwrap_or_default();
        match self.jobs.start(&words, self.terminal.ends(), is_background) {
            Err(KernReturn::INVALID_NAME) => self.terminal.say(&format!("{name}: no such command or program")),
            Err(code) => self.terminal.say(&format!("{name}: cannot be started: {code}")),
            Ok(job) if is_background => {
                let number = self.jobs.running.get(&job).and_then(|job| self.tasks.number(job.task));
                self.terminal.say(&format!("[{name} runs as task {}]", number.unwrap_or_default()));
            }
            Ok(job) => self.wait_for(job)?,
        }
        attendant::set_foreground(None);
        Ok(())
    }

    /// Waits for the end of a program. The interrupt key ends it; if it does not end then, the key again leaves it in the
    /// background.
    fn wait_for(&mut self, job: u64) -> Result<()> {
        let mut was_ended = false;
        while self.jobs.running.contains_key(&job) {
            match self.terminal.next(false, Timeout::Never)? {
                Some(Event::Interrupt) if was_ended => {
                    self.terminal.say(&on_new_line("^C: it has not ended yet, and is left in the background"));
                    return Ok(());
                }
                Some(Event::Interrupt) => {
                    self.terminal.say("^C");
                    was_ended = true;
                    // It may have ended by itself meanwhile.
                    let _ = self.jobs.running.get(&job).map(|job| task_terminate(job.task));
                }
                Some(Event::Ended(job, end)) => self.tell(job, end),
                Some(Event::Keys(_)) | None => {}
            }
        }
        Ok(())
    }
}
