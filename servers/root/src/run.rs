//! What root does, in order: it starts the Mach server, becomes its first task, starts the servers and the task of the
//! run, serves names, and ends the run when the task has ended.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use libmach::KernReturn;
use libmach::PortName;
use libmach::loader::{LoadError, Loaded, Program, load};
use libmach::msg::{PortMessage, Timeout, receive};
use libmach::port::{
    Disposition, Right, mach_port_allocate, mach_port_deallocate, mach_port_insert_right, mach_port_move_member,
};
use libmach::task::{TASK_BOOTSTRAP_PORT, mach_task_self, task_set_special_port, task_watch};
use libmach::thread::thread_set_priority;
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::{TASK_ENDED, TaskEnd, TaskEnded};
use mach_protocol::service::CONSOLE;
use mach_sys::bootinfo::Boot;
use mach_sys::debug;
use root::archive::Archive;
use root::devices;
use root::system::{self, Exit, Statement};

use crate::drivers::Devices;
use crate::kernel::{Failure, Kernel};
use crate::launch;
use crate::log::log;
use crate::names::Names;
use crate::report;
use crate::shell::{Command, Terminal};

/// The status of a run that root could not begin.
pub(crate) const STATUS_ROOT_FAILED: i32 = 125;

/// Why the run cannot begin.
enum Problem {
    /// Something failed before there was a Mach server.
    Start(Failure),
    /// A call to the Mach server failed.
    Call(&'static str, KernReturn),
    /// The archive lacks a program.
    Missing(String),
    /// A program could not be loaded.
    Load(String, LoadError),
    /// A line of the system description is none.
    Description(String),
    /// A server ended.
    ServerEnded(TaskEnd, String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(failure) => write!(f, "{failure}"),
            Self::Call(call, code) => write!(f, "{call}: {code}"),
            Self::Missing(name) => write!(f, "the boot archive has no entry `{name}`"),
            Self::Load(name, error) => write!(f, "`{name}` cannot be loaded: {error}"),
            Self::Description(line) => f.write_str(line),
            Self::ServerEnded(end, name) => write!(f, "the server `{name}` has ended: {end}"),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Start(failure)
    }
}

/// Names the call that failed.
trait In<T> {
    fn in_call(self, call: &'static str) -> Result<T, Problem>;
}

impl<T> In<T> for Result<T, KernReturn> {
    fn in_call(self, call: &'static str) -> Result<T, Problem> {
        self.map_err(|code| Problem::Call(call, code))
    }
}

/// Starts everything, waits for the end of the run, ends it.
pub(crate) fn run(boot: &Boot, archive: Archive<'_>) -> ! {
    match begin(boot, archive) {
        Ok((Exit::Semihosting | Exit::Shell, status)) => debug::semihosting_exit(status),
        Ok(_) => debug::halt(),
        Err(problem) => {
            log!("root: stopped: {problem}");
            debug::semihosting_exit(STATUS_ROOT_FAILED)
        }
    }
}

fn begin(boot: &Boot, archive: Archive<'_>) -> Result<(Exit, i32), Problem> {
    let mut kernel = Kernel::new(boot)?;
    if let Some(serial) = boot.device_tree().and_then(devices::serial) {
        kernel.open_log(&serial.log)?;
    }
    let devices = Devices::find(&mut kernel, boot.device_tree())?;
    let mach = archive.find("mach").ok_or(Failure::Missing("mach"))?;
    let ticker = archive.find("ticker").ok_or(Failure::Missing("ticker"))?;
    launch::start(&mut kernel, mach, ticker)?;
    log!("root: the Mach server runs");
    let mut first = FirstTask::new(archive)?;
    let description = archive.find("system").ok_or(Failure::Missing("system"))?;
    let description = core::str::from_utf8(description).unwrap_or_default();
    let (mut task, mut exit) = (None, Exit::default());
    for statement in system::statements(description) {
        match statement.map_err(|bad| Problem::Description(alloc::format!("{bad}")))? {
            Statement::Server(name, needs) => {
                if needs.is_none_or(|other| first.names.has(other)) {
                    first.start_server(&mut kernel, name, &devices)?;
                }
            }
            Statement::Task(name, arguments) => task = Some((name, arguments)),
            Statement::Exit(how) => exit = how,
        }
    }
    let status = match task {
        Some((name, arguments)) => first.run_task(name, arguments)?,
        None => first.run_shell()?,
    };
    Ok((exit, status))
}

/// The cookie of the run's task in the message of its end. Servers have the numbers above it.
const TASK: u64 = 0;

/// Root as the first Mach task.
struct FirstTask<'a> {
    archive: Archive<'a>,
    names: Names,
    /// Where requests to the name service arrive: everybody's bootstrap port.
    service: PortName,
    /// Where ends of tasks are told. Nobody else has a right to it, so nobody can pretend that a task has ended.
    ends: PortName,
    /// Both of them.
    set: PortName,
    servers: Vec<String>,
}

impl<'a> FirstTask<'a> {
    fn new(archive: Archive<'a>) -> Result<Self, Problem> {
        let me = mach_task_self();
        let port = || mach_port_allocate(me, Right::RECEIVE).in_call("mach_port_allocate");
        let (service, ends) = (port()?, port()?);
        let set = mach_port_allocate(me, Right::PORT_SET).in_call("mach_port_allocate")?;
        for member in [service, ends] {
            mach_port_move_member(me, member, set).in_call("mach_port_move_member")?;
        }
        mach_port_insert_right(me, service, service, Disposition::MAKE_SEND).in_call("mach_port_insert_right")?;
        task_set_special_port(me, TASK_BOOTSTRAP_PORT, service).in_call("task_set_special_port")?;
        Ok(Self { archive, names: Names::new(), service, ends, set, servers: Vec::new() })
    }

    /// Loads a program of the archive.
    fn load(&self, name: &str, arguments: &[&str]) -> Result<Loaded, Problem> {
        let bytes = self.archive.find(name).ok_or_else(|| Problem::Missing(name.into()))?;
        // The image of root is no part of its map, from which the server copies.
        let bytes = bytes.to_vec();
        let bad = |error| Problem::Load(name.into(), error);
        let program = Program::parse(&bytes).map_err(|error| bad(error.into()))?;
        load(&program, core::iter::once(name).chain(arguments.iter().copied())).map_err(bad)
    }

    /// Starts a server with the capabilities of its kind, and waits until it has given itself a name. A driver without a
    /// device is not started.
    fn start_server(&mut self, kernel: &mut Kernel, name: &str, devices: &Devices) -> Result<(), Problem> {
        let driven = devices.of(name);
        if driven.is_missing() {
            return Ok(());
        }
        let arguments = driven.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let loaded = self.load(name, &arguments)?;
        let priority = u32::from(driven.priority());
        thread_set_priority(loaded.thread, HOST_PRIV, priority).in_call("thread_set_priority")?;
        driven.grant(kernel, loaded)?;
        self.servers.push(name.into());
        let cookie = self.servers.len() as u64;
        task_watch(loaded.task, self.ends, Disposition::MAKE_SEND, cookie).in_call("task_watch")?;
        loaded.start().in_call("thread_resume")?;
        while !self.names.has(name) {
            self.serve_one()?;
        }
        Ok(())
    }

    /// Starts the run's task, and gives up the rights to it.
    fn start_task(&self, name: &str, arguments: &[&str]) -> Result<(), Problem> {
        let loaded = self.load(name, arguments)?;
        task_watch(loaded.task, self.ends, Disposition::MAKE_SEND, TASK).in_call("task_watch")?;
        loaded.start().in_call("thread_resume")?;
        for right in [loaded.task, loaded.thread] {
            mach_port_deallocate(mach_task_self(), right).in_call("mach_port_deallocate")?;
        }
        Ok(())
    }

    /// Runs the task of the run to its end. Answers the status of the run.
    fn run_task(&mut self, name: &str, arguments: &str) -> Result<i32, Problem> {
        // Arguments with spaces come as an entry of their own, each closed by a NUL. No file can have its name.
        let exact = self.archive.find("system/args").and_then(|bytes| core::str::from_utf8(bytes).ok());
        let arguments: Vec<&str> = match exact {
            Some(text) => text.split_terminator('\0').collect(),
            None => arguments.split_whitespace().collect(),
        };
        self.start_task(name, &arguments)?;
        loop {
            if let Some(ended) = self.serve_one()? {
                log!("{}", report::Ended { name, end: ended.end });
                return Ok(report::status(ended.end));
            }
        }
    }

    /// Runs what the user names, until the user ends the run.
    fn run_shell(&mut self) -> Result<i32, Problem> {
        let me = mach_task_self();
        let input = mach_port_allocate(me, Right::RECEIVE).in_call("mach_port_allocate")?;
        mach_port_move_member(me, input, self.set).in_call("mach_port_move_member")?;
        let console = self.names.get(CONSOLE).ok_or_else(|| Problem::Missing(CONSOLE.into()))?;
        let terminal = Terminal::new(console, input);
        terminal.show("Tessera. `help` lists what can be run.\n");
        terminal.prompt().in_call("mach_msg")?;
        loop {
            let message = receive(self.set, Timeout::Never).in_call("mach_msg")?;
            if message.header.local.name == self.service {
                self.names.serve(&message);
            } else if message.header.local.name == self.ends {
                if let Some(ended) = self.on_end(&message)? {
                    log!("{}", report::Ended { name: "", end: ended.end });
                    terminal.show(&alloc::format!("{}\n", report::Short(ended.end)));
                    terminal.prompt().in_call("mach_msg")?;
                }
            } else {
                match Command::parse(&Terminal::line(&message).in_call("reading the console")?) {
                    Command::Exit => return Ok(0),
                    Command::Run(name, arguments) => {
                        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                        match self.start_task(&name, &arguments) {
                            Ok(()) => continue,
                            Err(problem) => terminal.show(&alloc::format!("{problem}\n")),
                        }
                    }
                    Command::Help => terminal.help(self.programs()),
                    Command::Nothing => {}
                }
                terminal.prompt().in_call("mach_msg")?;
            }
        }
    }

    /// The programs of the archive that are tasks.
    fn programs(&self) -> impl Iterator<Item = &'a str> {
        const ELF: &[u8] = b"\x7fELF";
        const NO_TASKS: [&str; 4] = ["mach", "ticker", "console", "block"];
        let programs = self.archive.entries().filter(|(_, contents)| contents.starts_with(ELF));
        let names = programs.filter_map(|(name, _)| core::str::from_utf8(name).ok());
        names.filter(|name| !NO_TASKS.contains(name))
    }

    /// Serves one message. Answers the end of the run's task.
    fn serve_one(&mut self) -> Result<Option<TaskEnded>, Problem> {
        let message = receive(self.set, Timeout::Never).in_call("mach_msg")?;
        if message.header.local.name == self.service {
            self.names.serve(&message);
            return Ok(None);
        }
        self.on_end(&message)
    }

    fn on_end(&self, message: &PortMessage) -> Result<Option<TaskEnded>, Problem> {
        let ended = TaskEnded::from_words(message.data_words()).filter(|_| message.header.id == TASK_ENDED);
        match ended {
            Some(ended) if ended.cookie == TASK => Ok(Some(ended)),
            Some(ended) => {
                let name = self.servers.get((ended.cookie as usize).wrapping_sub(1)).cloned().unwrap_or_default();
                Err(Problem::ServerEnded(ended.end, name))
            }
            None => Ok(None),
        }
    }
}
