//! Tasks (`spec/mach-ports-tasks.md` E.1), and children that run a closure of their parent's.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use mach_protocol::private::{MachTaskSelf, TASK_ENDED, TaskExit, TaskGetName, TaskWatch};
pub use mach_protocol::private::{TaskEnd, TaskEnded};
use mach_protocol::task as proto;
pub use mach_protocol::task::{TASK_BOOTSTRAP_PORT, TASK_EXCEPTION_PORT, TASK_HOST_PORT, TASK_KERNEL_PORT};
use mach_protocol::wire::{Ints, Text};

use crate::msg::{Timeout, receive};
use crate::port::{Disposition, ReceivePort, mach_port_deallocate};
use crate::region::take_ints;
use crate::rpc::{call, call_for_caller};
use crate::thread::{self, ThreadState};
use crate::vm::{PAGE_SIZE, VmFlags, VmInherit, VmProt, Which, vm_allocate, vm_inherit, vm_protect};
use crate::{KernReturn, PortName, Result, rt};

/// The task's own port, once it was asked for; 0 before.
static SELF: AtomicU32 = AtomicU32::new(0);

/// Forgets the own port: a task that was made by inheritance has none of its maker's rights.
pub(crate) fn forget() {
    SELF.store(0, Ordering::Relaxed);
}

/// The send right to the task's own port. It is kept: do not deallocate it. Null if the server has no
/// memory to make it, so that the call it is used in fails.
#[must_use]
pub fn mach_task_self() -> PortName {
    match SELF.load(Ordering::Relaxed) {
        0 => {
            let name = call_for_caller(&MachTaskSelf {}).map_or(PortName::NULL, |reply| reply.name);
            SELF.store(name.0, Ordering::Relaxed);
            name
        }
        name => PortName(name),
    }
}

/// What memory a new task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// None.
    Empty,
    /// What the inheritance of its maker's memory says.
    Inherited,
}

/// Makes a task without threads. Answers a send right to its port.
///
/// # Errors
///
/// `INVALID_TASK` if the target is none, `RESOURCE_SHORTAGE`.
pub fn task_create(target: PortName, memory: Memory) -> Result<PortName> {
    let inherit_memory = memory == Memory::Inherited;
    call(target, &proto::TaskCreate { inherit_memory }).map(|reply| reply.child)
}

/// Ends a task and all that it has.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task, `FAILURE` if it is ending already.
pub fn task_terminate(target: PortName) -> Result<()> {
    call(target, &proto::TaskTerminate {}).map(drop)
}

/// Send rights to the threads of a task; the caller deallocates each.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task, `NO_SPACE`.
pub fn task_threads(target: PortName) -> Result<Vec<PortName>> {
    let reply = call(target, &proto::TaskThreads {})?;
    Ok(take_ints(reply.threads, reply.count).into_iter().map(PortName).collect())
}

/// Holds all threads of a task; counts.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task; `FAILURE` if it was suspended 2^32-1 times.
pub fn task_suspend(target: PortName) -> Result<()> {
    call(target, &proto::TaskSuspend {}).map(drop)
}

/// Undoes one [`task_suspend`].
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task, `FAILURE` if it is not suspended.
pub fn task_resume(target: PortName) -> Result<()> {
    call(target, &proto::TaskResume {}).map(drop)
}

/// A send right to one of a task's special ports, or null; the caller deallocates it.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task or `which` is unknown.
pub fn task_get_special_port(target: PortName, which: u32) -> Result<PortName> {
    call(target, &proto::TaskGetSpecialPort { which }).map(|reply| reply.port)
}

/// Sets one of a task's special ports, copying the send right `port`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task or `which` is unknown, `INVALID_CAPABILITY` if `port` is no
/// send right.
pub fn task_set_special_port(target: PortName, which: u32, port: PortName) -> Result<()> {
    call(target, &proto::TaskSetSpecialPort { which, port }).map(drop)
}

/// Gives a task a name for diagnostics.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task.
pub fn task_set_name(target: PortName, name: &str) -> Result<()> {
    call(target, &proto::TaskSetName { name: Text::new(name) }).map(drop)
}

/// Keeps copies of send rights for the task and for children that it has from now on, in place of those before.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for more than four ports, `INVALID_CAPABILITY` if one is neither null nor a send right.
pub fn mach_ports_register(target: PortName, ports: &[PortName]) -> Result<()> {
    let names: Vec<u32> = ports.iter().map(|port| port.0).collect();
    call(target, &proto::MachPortsRegister { ports: Ints::new(&names) }).map(drop)
}

/// The registered ports of a task, those that are null too. The caller deallocates the rights.
///
/// # Errors
///
/// `NO_SPACE` if there is no room for a right; those before it are the caller's.
pub fn mach_ports_lookup(target: PortName) -> Result<Vec<PortName>> {
    let reply = call(target, &proto::MachPortsLookup {})?;
    Ok(reply.ports.as_slice().iter().map(|name| PortName(*name)).collect())
}

/// The name that [`task_set_name`] gave a task.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task.
pub fn task_get_name(target: PortName) -> Result<Text<8>> {
    call(target, &TaskGetName {}).map(|reply| reply.name)
}

/// What a task uses, from GNU Mach's `TASK_BASIC_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// How often it is suspended.
    pub suspend_count: u32,
    /// The bytes of all its regions.
    pub virtual_size: u64,
    /// The bytes of those of their pages that are in memory.
    pub resident_size: u64,
    /// Microseconds of processor time of its threads that have ended.
    pub ended_us: u64,
}

/// Describes a task.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task.
pub fn task_info(target: PortName) -> Result<TaskInfo> {
    let request = proto::TaskInfo { flavor: proto::TASK_BASIC_INFO, count: proto::TASK_BASIC_INFO_COUNT };
    let info = call(target, &request)?.info;
    let suspend_count = *info.as_slice().first().ok_or(KernReturn::MIG_TYPE_ERROR)?;
    let ended_us = info.word(3) * 1_000_000 + info.word(4);
    Ok(TaskInfo { suspend_count, virtual_size: info.word(1), resident_size: info.word(2), ended_us })
}

/// What a task's page faults were, from GNU Mach's `TASK_EVENTS_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskEvents {
    /// All of them.
    pub faults: u64,
    /// Pages that they filled with zeros.
    pub zero_fills: u64,
    /// Pages that were about to leave memory, and that they used.
    pub reactivations: u64,
    /// Requests to memory managers, the default pager among them, for pages that they wanted.
    pub pageins: u64,
    /// Pages that they copied because somebody wrote.
    pub cow_faults: u64,
}

/// Counts a task's page faults.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task.
pub fn task_events(target: PortName) -> Result<TaskEvents> {
    let request = proto::TaskInfo { flavor: proto::TASK_EVENTS_INFO, count: proto::TASK_EVENTS_INFO_COUNT };
    let info = call(target, &request)?.info;
    Ok(TaskEvents {
        faults: info.word(0),
        zero_fills: info.word(1),
        reactivations: info.word(2),
        pageins: info.word(3),
        cow_faults: info.word(4),
    })
}

/// Microseconds of processor time of a task's threads that live, from GNU Mach's `TASK_THREAD_TIMES_INFO`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task.
pub fn task_thread_times(target: PortName) -> Result<u64> {
    let request = proto::TaskInfo { flavor: proto::TASK_THREAD_TIMES_INFO, count: proto::TASK_THREAD_TIMES_INFO_COUNT };
    let info = call(target, &request)?.info;
    Ok(info.word(0) * 1_000_000 + info.word(1))
}

/// Ends a task with a status.
///
/// # Errors
///
/// As [`task_terminate`].
pub fn task_exit(target: PortName, status: i32) -> Result<()> {
    call(target, &TaskExit { status }).map(drop)
}

/// Asks for the message [`TaskEnded`], with `cookie` in it, on the caller's port `notify`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task, `INVALID_CAPABILITY` if no send right to `notify` can be had.
pub fn task_watch(target: PortName, notify: PortName, disposition: Disposition, cookie: u64) -> Result<()> {
    call(target, &TaskWatch { notify, disposition: disposition.0, cookie }).map(drop)
}

/// A task that this one made and waits for. Dropping it gives up the right; the task lives on.
#[derive(Debug)]
pub struct Child {
    task: PortName,
    thread: PortName,
    end: ReceivePort,
}

/// Bytes of the stack of a child's first thread, without the page below it that stops an overflow.
pub const CHILD_STACK: u64 = 128 * 1024;

impl Child {
    /// Takes over a task and its first thread, and asks to be told of the task's end.
    ///
    /// # Errors
    ///
    /// Those of [`ReceivePort::new`] and [`task_watch`].
    pub fn adopt(task: PortName, thread: PortName) -> Result<Self> {
        let end = ReceivePort::new()?;
        task_watch(task, end.name(), Disposition::MAKE_SEND, 0)?;
        Ok(Self { task, thread, end })
    }

    /// The task's port.
    #[must_use]
    pub fn task(&self) -> PortName {
        self.task
    }

    /// The port of its first thread.
    #[must_use]
    pub fn thread(&self) -> PortName {
        self.thread
    }

    /// Waits for the task's end.
    ///
    /// # Errors
    ///
    /// `RCV_TIMED_OUT`, and those of receiving.
    pub fn wait(&self, timeout: Timeout) -> Result<TaskEnd> {
        let message = receive(self.end.name(), timeout)?;
        if message.header.id != TASK_ENDED {
            return Err(KernReturn::MIG_REPLY_MISMATCH);
        }
        TaskEnded::from_words(message.data_words()).map(|ended| ended.end).ok_or(KernReturn::MIG_TYPE_ERROR)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let own = mach_task_self();
        // Rights of this value's own: dropping them cannot fail while it has them.
        let _ = mach_port_deallocate(own, self.thread);
        let _ = mach_port_deallocate(own, self.task);
    }
}

/// Makes a task with this one's memory by inheritance, which runs `main` on a stack of its own and exits with
/// its answer.
///
/// The child sees the memory as it was at the call, but for what is shared or not inherited. Its stack is not
/// inherited further. Rights are not inherited either: port names mean nothing there. What `main` captured is
/// dropped in this task as well. A lock that another thread holds during the call stays held in the child, the
/// heap's included.
///
/// # Errors
///
/// Those of [`task_create`], [`vm_allocate`] and the thread's calls; nothing is left of a child that failed.
pub fn fork(main: impl FnOnce() -> i32 + 'static) -> Result<Child> {
    let main = Box::new(rt::ChildMain::new(main));
    let task = task_create(mach_task_self(), Memory::Inherited)?;
    let started = start(task, core::ptr::from_ref(&*main).expose_provenance() as u64);
    if started.is_err() {
        // The failure of the start is what is reported.
        let _ = task_terminate(task);
        let _ = mach_port_deallocate(mach_task_self(), task);
    }
    started
}

fn start(task: PortName, main: u64) -> Result<Child> {
    let stack = vm_allocate(task, 0, PAGE_SIZE + CHILD_STACK, VmFlags::ANYWHERE)?;
    vm_protect(task, stack, PAGE_SIZE, Which::Current, VmProt::NONE)?;
    vm_inherit(task, stack, PAGE_SIZE + CHILD_STACK, VmInherit::NONE)?;
    let thread = thread::thread_create(task)?;
    let child = Child::adopt(task, thread);
    let entry = rt::child_entry as extern "C" fn(usize) -> !;
    let mut state = ThreadState {
        sp: stack + PAGE_SIZE + CHILD_STACK,
        pc: (entry as *const ()).expose_provenance() as u64,
        ..ThreadState::default()
    };
    state.x[0] = main;
    let child = child.inspect_err(|_| {
        let _ = mach_port_deallocate(mach_task_self(), thread);
    })?;
    thread::thread_set_state(thread, &state)?;
    thread::thread_resume(thread)?;
    Ok(child)
}
