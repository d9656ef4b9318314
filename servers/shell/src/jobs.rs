//! The programs that the shell has started.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use libmach::msg::Timeout;
use libmach::port::{Disposition, mach_port_deallocate};
use libmach::programs::{self, Notify};
use libmach::task::{TASK_BOOTSTRAP_PORT, TaskEnd, mach_task_self, task_set_special_port, task_terminate, task_watch};
use libmach::{KernReturn, PortName, Result};

use shell::commands::COMMANDS;
use shell::near::nearest;

use crate::attendant::{self, Attendant};
use crate::files;
use crate::session::Session;
use crate::sink::Shared;
use crate::terminal::{Event, Terminal, on_new_line};

/// A program that runs.
struct Job {
    name: String,
    task: PortName,
    sink: Option<Shared>,
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

    /// Starts a program, of the archive or of the volume. Answers the number of the job.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    fn start(
        &mut self,
        words: &[&str],
        ends: PortName,
        is_background: bool,
        sink: Option<Shared>,
    ) -> core::result::Result<u64, String> {
        let job = self.next;
        self.next += 1;
        let cannot = |code: KernReturn| format!("cannot be started: {code}");
        let bootstrap = self.attendant.attend(job, sink.clone()).map_err(cannot)?;
        attendant::set_foreground((!is_background).then_some(job));
        let name = words.first().copied().unwrap_or_default();
        let notify = Notify { port: ends, cookie: job };
        let started = if name.contains('/') {
            start_file(words, notify, bootstrap)
        } else {
            programs::start(words, notify, bootstrap).map_err(|code| match code {
                KernReturn::INVALID_NAME => unknown(name),
                KernReturn::NO_SPACE => "its arguments are too long".into(),
                code => cannot(code),
            })
        };
        // A program that was not started is forgotten at once.
        self.attendant.watch(bootstrap).map_err(cannot)?;
        self.running.insert(job, Job { name: name.into(), task: started?, sink });
        Ok(job)
    }

    /// A program has ended. Answers what the user is told, if it is one of the shell's.
    pub(crate) fn ended(&mut self, job: u64, end: TaskEnd) -> Option<String> {
        let job = self.running.remove(&job)?;
        let why = job.sink.as_ref().and_then(|sink| sink.lock().finish());
        let trouble = why.map(|why| format!("{why}\n")).unwrap_or_default();
        Some(format!("{trouble}[{}: {end}]", job.name))
    }
}

/// What is said of a name that is no command's and no program's.
fn unknown(name: &str) -> String {
    let programs = programs::list().unwrap_or_default();
    let commands = COMMANDS.iter().map(|command| command.name);
    match nearest(name, commands.chain(programs.iter().map(String::as_str))) {
        Some(near) => format!("no such command or program; is it `{near}`?"),
        None => "no such command or program; `help` lists them".into(),
    }
}

/// Starts a program of the volume.
fn start_file(words: &[&str], notify: Notify, bootstrap: PortName) -> core::result::Result<PortName, String> {
    let loaded = files::load_program(words)?;
    let run = || {
        task_watch(loaded.task, notify.port, Disposition::MAKE_SEND, notify.cookie)?;
        task_set_special_port(loaded.task, TASK_BOOTSTRAP_PORT, bootstrap)?;
        loaded.start()
    };
    let started = run();
    let me = mach_task_self();
    // Both rights are the shell's own; what fails here was over before.
    let _ = mach_port_deallocate(me, loaded.thread);
    started.map(|()| loaded.task).map_err(|code| {
        let _ = task_terminate(loaded.task);
        let _ = mach_port_deallocate(me, loaded.task);
        format!("cannot be started: {code}")
    })
}

impl Session {
    /// Starts a program, and waits for its end unless it runs in the background.
    ///
    /// # Errors
    ///
    /// Those of messages.
    pub(crate) fn run(&mut self, words: &[String], is_background: bool, sink: Option<Shared>) -> Result<()> {
        let words: alloc::vec::Vec<&str> = words.iter().map(String::as_str).collect();
        let name = words.first().copied().unwrap_or_default();
        match self.jobs.start(&words, self.terminal.ends(), is_background, sink) {
            Err(why) => self.terminal.say(&format!("{name}: {why}")),
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
