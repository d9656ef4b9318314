//! What root does, in order: it starts the Mach server, becomes its first task, starts the servers and the task of the
//! run, serves names, and ends the run when the task has ended.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use libmach::KernReturn;
use libmach::PortName;
use libmach::block;
use libmach::loader::{LoadError, Loaded};
use libmach::msg::{PortMessage, receive_request};
use libmach::port::{
    Disposition, Right, mach_port_allocate, mach_port_deallocate, mach_port_insert_right, mach_port_move_member,
};
use libmach::task::{TASK_BOOTSTRAP_PORT, mach_task_self, task_set_name, task_set_special_port, task_watch};
use libmach::thread::thread_set_priority;
use mach_protocol::block::{BLOCK, DISKS};
use mach_protocol::boot::{HOST_PRIV, priority};
use mach_protocol::private::{TASK_ENDED, TaskEnd, TaskEnded};
use mach_protocol::service::PROGRAMS;
use mach_sys::bootinfo::Boot;
use mach_sys::debug;
use root::archive::Archive;
use root::devices;
use root::registry::Client;
use root::system::{self, Exit, Grant, Statement};

use crate::drivers::Devices;
use crate::kernel::{Failure, Kernel};
use crate::launch;
use crate::log::{self, log};
use crate::names::Names;
use crate::programs::{Programs, load_entry};
use crate::report;

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
            log::last_words(format_args!("root: stopped: {problem}"));
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
    let description = archive.find("system").ok_or(Failure::Missing("system"))?;
    let description = core::str::from_utf8(description).unwrap_or_default();
    let statements: Result<Vec<_>, _> = system::statements(description).collect();
    let statements = statements.map_err(|bad| Problem::Description(alloc::format!("{bad}")))?;
    let mut first = FirstTask::new(archive, kernel, devices, &statements)?;
    let (mut task, mut exit) = (None, Exit::default());
    for statement in &statements {
        match *statement {
            Statement::Server(name, needs) => {
                if needs.is_none_or(|other| first.has(other)) {
                    first.start_server(name)?;
                }
            }
            Statement::Task(name, arguments) => task = Some((name, arguments)),
            Statement::Exit(how) => exit = how,
            Statement::Again(_) | Statement::Grant(..) => {}
        }
    }
    let status = match task {
        Some((name, arguments)) => first.run_task(name, arguments)?,
        None => first.run_shell()?,
    };
    Ok((exit, status))
}

/// What a server needs that serves files, in the system description.
const VOLUME: &str = "volume";

/// The cookie of the run's task in the message of its end. Servers have the numbers above it.
const TASK: u64 = 0;
/// The archive's entry that a run without a task starts.
const SHELL: &str = "shell";

/// How often a server is started again.
const AGAIN: u32 = 3;

/// A server that was started.
struct Server {
    name: String,
    /// It gave itself its name: the system has begun with it.
    is_up: bool,
    /// How often it may yet be started again; `None` if the system ends with it.
    again: Option<u32>,
}

/// Root as the first Mach task.
struct FirstTask<'a> {
    archive: Archive<'a>,
    kernel: Kernel,
    devices: Devices,
    statements: &'a [Statement<'a>],
    names: Names,
    /// Where ends of tasks are told. Nobody else has a right to it, so nobody can pretend that a task has ended.
    ends: PortName,
    /// All ports that root receives from.
    set: PortName,
    servers: Vec<Server>,
    /// What the shell can have started, and where it asks for it.
    programs: Option<(PortName, Programs<'a>)>,
}

impl<'a> FirstTask<'a> {
    fn new(
        archive: Archive<'a>,
        kernel: Kernel,
        devices: Devices,
        statements: &'a [Statement<'a>],
    ) -> Result<Self, Problem> {
        let me = mach_task_self();
        let ends = mach_port_allocate(me, Right::RECEIVE).in_call("mach_port_allocate")?;
        let set = mach_port_allocate(me, Right::PORT_SET).in_call("mach_port_allocate")?;
        mach_port_move_member(me, ends, set).in_call("mach_port_move_member")?;
        let mut names = Names::new(set);
        names.reserve(DISKS);
        system_names(statements).for_each(|name| names.reserve(name));
        // What root itself starts without a client of its own is an ordinary one.
        let service = names.client(Client::default()).in_call("making a client")?;
        task_set_special_port(me, TASK_BOOTSTRAP_PORT, service).in_call("task_set_special_port")?;
        task_set_name(me, "root").in_call("task_set_name")?;
        Ok(Self { archive, kernel, devices, statements, names, ends, set, servers: Vec::new(), programs: None })
    }

    /// Whether the system description grants something to a server or a task.
    fn is_granted(&self, what: Grant, name: &str) -> bool {
        self.statements.contains(&Statement::Grant(what, name))
    }

    /// Gives a loaded program its name service, and what the description grants it.
    fn equip(&mut self, name: &str, loaded: Loaded, is_system: bool) -> Result<(), Problem> {
        let client = Client { is_system, may_open_disks: self.is_granted(Grant::Disks, name) };
        let port = self.names.client(client).in_call("making a client")?;
        task_set_special_port(loaded.task, TASK_BOOTSTRAP_PORT, port).in_call("task_set_special_port")?;
        mach_port_deallocate(mach_task_self(), port).in_call("mach_port_deallocate")?;
        if self.is_granted(Grant::Host, name) {
            let given = mach_port_insert_right(loaded.task, HOST_PRIV, HOST_PRIV, Disposition::COPY_SEND);
            given.in_call("giving the privileged host port")?;
        }
        Ok(())
    }

    /// Whether there is what a server needs: another server, or a volume.
    fn has(&mut self, what: &str) -> bool {
        if what == VOLUME {
            let disks = self.names.get(BLOCK).and_then(|server| block::list_of(server).ok());
            return disks.is_some_and(|disks| disks.iter().any(block::DiskInfo::is_volume));
        }
        self.names.has(what)
    }

    /// Loads a program of the archive.
    fn load(&self, name: &str, arguments: &[&str]) -> Result<Loaded, Problem> {
        let arguments = core::iter::once(name).chain(arguments.iter().copied());
        load_entry(self.archive, name, arguments).map_err(|error| match error {
            None => Problem::Missing(name.into()),
            Some(error) => Problem::Load(name.into(), error),
        })
    }

    /// Starts a server, and waits until it has given itself a name. A driver without a device is not started.
    fn start_server(&mut self, name: &str) -> Result<(), Problem> {
        if self.devices.of(name).is_missing() {
            return Ok(());
        }
        let again = self.statements.contains(&Statement::Again(name)).then_some(AGAIN);
        self.servers.push(Server { name: name.into(), is_up: false, again });
        self.launch(name, self.servers.len() as u64)?;
        while !self.names.has(name) {
            self.serve_one()?;
        }
        if let Some(server) = self.servers.last_mut() {
            server.is_up = true;
        }
        Ok(())
    }

    /// Starts a server with the capabilities of its kind. Its end is told with this number.
    fn launch(&mut self, name: &str, number: u64) -> Result<(), Problem> {
        let arguments = self.devices.of(name).arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let loaded = self.load(name, &arguments)?;
        self.equip(name, loaded, true)?;
        let driven = self.devices.of(name);
        let priority = u32::from(driven.priority());
        thread_set_priority(loaded.thread, HOST_PRIV, priority).in_call("thread_set_priority")?;
        driven.grant(&mut self.kernel, loaded)?;
        self.start_watched(loaded, number)
    }

    /// Lets a loaded program run, whose end is told with this number, and gives up the rights to it.
    fn start_watched(&self, loaded: Loaded, number: u64) -> Result<(), Problem> {
        task_watch(loaded.task, self.ends, Disposition::MAKE_SEND, number).in_call("task_watch")?;
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
        let loaded = self.load(name, &arguments)?;
        self.equip(name, loaded, false)?;
        self.start_watched(loaded, TASK)?;
        self.serve_until_end(name)
    }

    /// Runs the shell, which may start what is in the archive and not the system's own.
    fn run_shell(&mut self) -> Result<i32, Problem> {
        let me = mach_task_self();
        let port = mach_port_allocate(me, Right::RECEIVE).in_call("mach_port_allocate")?;
        mach_port_move_member(me, port, self.set).in_call("mach_port_move_member")?;
        let system = system_names(self.statements).map(String::from).collect();
        self.programs = Some((port, Programs::new(self.archive, system)));
        let loaded = self.load(SHELL, &[])?;
        self.equip(SHELL, loaded, true)?;
        let programs = mach_port_insert_right(loaded.task, PROGRAMS, port, Disposition::MAKE_SEND);
        programs.in_call("mach_port_insert_right")?;
        thread_set_priority(loaded.thread, HOST_PRIV, u32::from(priority::SHELL)).in_call("thread_set_priority")?;
        self.start_watched(loaded, TASK)?;
        self.serve_until_end(SHELL)
    }

    /// Serves until the run's task has ended. Answers the status of the run.
    fn serve_until_end(&mut self, name: &str) -> Result<i32, Problem> {
        loop {
            if let Some(ended) = self.serve_one()? {
                log!("{}", report::Ended { name, end: ended.end });
                return Ok(report::status(ended.end));
            }
        }
    }

    /// Serves one message. Answers the end of the run's task.
    fn serve_one(&mut self) -> Result<Option<TaskEnded>, Problem> {
        let message = receive_request(self.set).in_call("mach_msg")?;
        let port = message.header.local.name;
        if self.names.is_client(port) {
            self.names.serve(&message);
            return Ok(None);
        }
        match &self.programs {
            Some((programs, serve)) if *programs == port => {
                serve.serve(&message);
                Ok(None)
            }
            _ => self.on_end(&message),
        }
    }

    fn on_end(&mut self, message: &PortMessage) -> Result<Option<TaskEnded>, Problem> {
        let ended = TaskEnded::from_words(message.data_words()).filter(|_| message.header.id == TASK_ENDED);
        match ended {
            Some(ended) if ended.cookie == TASK => Ok(Some(ended)),
            Some(ended) => self.server_ended(ended.cookie, ended.end).map(|()| None),
            None => Ok(None),
        }
    }

    /// A server has ended: it is started again, or it is missed no more, or the system ends with it.
    fn server_ended(&mut self, number: u64, end: TaskEnd) -> Result<(), Problem> {
        let server = (number as usize).checked_sub(1).and_then(|index| self.servers.get_mut(index));
        let Some(server) = server else { return Ok(()) };
        let name = server.name.clone();
        match &mut server.again {
            Some(left) if server.is_up && *left > 0 => {
                *left -= 1;
                log!("root: the server `{name}` has ended: {end}; it is started again");
                if let Err(problem) = self.launch(&name, number) {
                    log!("root: the server `{name}` cannot be started again: {problem}");
                }
                Ok(())
            }
            Some(_) if server.is_up => {
                log!("root: the server `{name}` has ended: {end}; it has ended too often, and is not started again");
                Ok(())
            }
            _ => Err(Problem::ServerEnded(end, name)),
        }
    }
}

/// The programs that are the system's own.
fn system_names<'a>(statements: &'a [Statement<'a>]) -> impl Iterator<Item = &'a str> {
    let servers = statements.iter().filter_map(|statement| match statement {
        Statement::Server(name, _) => Some(*name),
        _ => None,
    });
    ["mach", "ticker", SHELL].into_iter().chain(servers)
}
