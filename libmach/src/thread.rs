//! Threads (`spec/mach-ports-tasks.md` E.2): the calls, and threads that run a closure.

use crate::msg::Timeout;
use crate::rpc::{call, call_for_caller};
pub use crate::rt::spawn::{JoinHandle, STACK, spawn, spawn_with};
use crate::rt::thread_data;
use crate::{KernReturn, PortName, Result};
use mach_protocol::private::{
    MachThreadSelf, PARK_FOREVER, ThreadCpuTime, ThreadGrantCap, ThreadPark, ThreadSetBudget, ThreadSetPriority,
    ThreadUnpark,
};
use mach_protocol::thread as proto;
pub use mach_protocol::thread::{AARCH64_THREAD_STATE, THREAD_EXCEPTION_PORT, THREAD_KERNEL_PORT, ThreadState};
use mach_protocol::wire::Text;

/// A send right to the calling thread's port; adds a reference, which the caller deallocates.
///
/// # Errors
///
/// `RESOURCE_SHORTAGE`.
pub fn mach_thread_self() -> Result<PortName> {
    call_for_caller(&MachThreadSelf {}).map(|reply| reply.name)
}

/// Makes a suspended thread in `task`. Answers a send right to its port.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no task, `RESOURCE_SHORTAGE`.
pub fn thread_create(task: PortName) -> Result<PortName> {
    call(task, &proto::ThreadCreate {}).map(|reply| reply.thread)
}

/// Makes a thread in `task` that runs with these registers, the thread register apart, which is 0: the call has XNU's form.
/// Answers a send right to its port.
///
/// # Errors
///
/// As for [`thread_create`].
pub fn thread_create_running(task: PortName, state: &ThreadState) -> Result<PortName> {
    let state = proto::StateForm::Arm64.pack(state);
    call(task, &proto::ThreadCreateRunning { flavor: proto::ARM_THREAD_STATE64, state }).map(|reply| reply.thread)
}

/// Ends a thread.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, `FAILURE` if it has ended.
pub fn thread_terminate(thread: PortName) -> Result<()> {
    call(thread, &proto::ThreadTerminate {}).map(drop)
}

/// Holds a thread; counts.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread; `FAILURE` if it was suspended 2^32-1 times.
pub fn thread_suspend(thread: PortName) -> Result<()> {
    call(thread, &proto::ThreadSuspend {}).map(drop)
}

/// Undoes one [`thread_suspend`], or the suspension in which a thread is made.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, `FAILURE` if it is not suspended.
pub fn thread_resume(thread: PortName) -> Result<()> {
    call(thread, &proto::ThreadResume {}).map(drop)
}

/// Interrupts the call or the fault in which a thread waits.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, or the caller.
pub fn thread_abort(thread: PortName) -> Result<()> {
    call(thread, &proto::ThreadAbort {}).map(drop)
}

/// The same, but only if the thread is in no call that runs on to its end.
///
/// # Errors
///
/// `INVALID_ARGUMENT` as for [`thread_abort`]; `FAILURE` if it is in such a call, and then nothing is interrupted.
pub fn thread_abort_safely(thread: PortName) -> Result<()> {
    call(thread, &proto::ThreadAbortSafely {}).map(drop)
}

/// What a thread uses of a task's, for [`thread_terminate_release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The task.
    pub task: PortName,
    /// The task's name of the thread, which loses a reference; or null.
    pub thread_name: PortName,
    /// The task's name of the thread's reply port, whose receive right goes; or null.
    pub reply_port: PortName,
    /// The first byte of its stack.
    pub address: u64,
    /// The bytes of its stack.
    pub size: u64,
}

/// Ends a thread, and then gives up what it used. A thread that ends itself can give up its stack so; it does not return.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, `used.task` is no task, or, when all else is done, the range wraps;
/// `RESOURCE_SHORTAGE`. Names and memory that are none are left out.
pub fn thread_terminate_release(thread: PortName, used: &Used) -> Result<()> {
    let Used { task, thread_name, reply_port, address, size } = *used;
    call(thread, &proto::ThreadTerminateRelease { task, thread_name, reply_port, address, size }).map(drop)
}

/// What a thread does, as `thread_info` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It runs, or could.
    Running,
    /// It is suspended.
    Stopped,
    /// It waits for the server.
    Waiting,
}

/// What is known of a thread, from GNU Mach's `THREAD_BASIC_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Microseconds of processor time.
    pub used_us: u64,
    /// What it does.
    pub state: RunState,
    /// Its priority.
    pub priority: u32,
    /// How often it is suspended.
    pub suspend_count: u32,
}

/// Describes a thread.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread.
pub fn thread_info(thread: PortName) -> Result<ThreadInfo> {
    let request = proto::ThreadInfo { flavor: proto::THREAD_BASIC_INFO, count: proto::THREAD_INFO_MAX as u32 };
    let info = call(thread, &request)?.info;
    let state = match info.word(5) >> 32 {
        1 => RunState::Running,
        2 => RunState::Stopped,
        _ => RunState::Waiting,
    };
    Ok(ThreadInfo {
        used_us: info.word(0) * 1_000_000 + info.word(1),
        state,
        priority: info.word(5) as u32,
        suspend_count: (info.word(6) >> 32) as u32,
    })
}

/// Reads a thread's registers.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, or the caller.
pub fn thread_get_state(thread: PortName) -> Result<ThreadState> {
    let request = proto::ThreadGetState { flavor: AARCH64_THREAD_STATE, count: proto::AARCH64_THREAD_STATE_COUNT };
    let reply = call(thread, &request)?;
    ThreadState::from_ints(&reply.state).ok_or(KernReturn::MIG_TYPE_ERROR)
}

/// Writes a thread's registers.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, or the caller.
pub fn thread_set_state(thread: PortName, state: &ThreadState) -> Result<()> {
    call(thread, &proto::ThreadSetState { flavor: AARCH64_THREAD_STATE, state: state.to_ints() }).map(drop)
}

/// A send right to one of a thread's special ports, or null; the caller deallocates it.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread or `which` is unknown.
pub fn thread_get_special_port(thread: PortName, which: u32) -> Result<PortName> {
    call(thread, &proto::ThreadGetSpecialPort { which }).map(|reply| reply.port)
}

/// Sets one of a thread's special ports, copying the send right `port`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread or `which` is unknown, `INVALID_CAPABILITY` if `port` is no
/// send right.
pub fn thread_set_special_port(thread: PortName, which: u32, port: PortName) -> Result<()> {
    call(thread, &proto::ThreadSetSpecialPort { which, port }).map(drop)
}

/// Gives a thread a name for diagnostics.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread.
pub fn thread_set_name(thread: PortName, name: &str) -> Result<()> {
    call(thread, &proto::ThreadSetName { name: Text::new(name) }).map(drop)
}

/// The name that [`thread_set_name`] gave a thread.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread.
pub fn thread_get_name(thread: PortName) -> Result<Text<4>> {
    call(thread, &proto::ThreadGetName {}).map(|reply| reply.name)
}

/// Sets how much processor time a thread has: `budget_us` microseconds in every `period_us`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, `INVALID_VALUE` unless 1 ms <= budget <= period <= 10 s.
pub fn thread_set_budget(thread: PortName, budget_us: u64, period_us: u64) -> Result<()> {
    call(thread, &ThreadSetBudget { budget_us, period_us }).map(drop)
}

/// Sets a thread's priority. Above that of tasks only with the privileged host port.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread, `INVALID_VALUE`, `INVALID_HOST`.
pub fn thread_set_priority(thread: PortName, host_priv: PortName, priority: u32) -> Result<()> {
    call(thread, &ThreadSetPriority { host_priv, priority }).map(drop)
}

/// The processor time that a thread has used, in microseconds.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no thread.
pub fn thread_cpu_time(thread: PortName) -> Result<u64> {
    call(thread, &ThreadCpuTime {}).map(|reply| reply.microseconds)
}

/// Copies a capability of root's into a thread's CSpace. Root alone may ask.
///
/// # Errors
///
/// `INVALID_HOST`, `INVALID_ARGUMENT`, `INVALID_VALUE`, `INVALID_CAPABILITY`.
pub fn thread_grant_cap(thread: PortName, host_priv: PortName, cptr: u64, slot: u32) -> Result<()> {
    call(thread, &ThreadGrantCap { host_priv, cptr, slot }).map(drop)
}

/// How parking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparked {
    /// Another thread unparked this one.
    ByThread,
    /// The time limit passed, or the call failed.
    ByTime,
}

/// Waits until the calling thread is unparked; at once if it was since it last parked.
pub fn park(timeout: Timeout) -> Unparked {
    let timeout_ms = match timeout {
        Timeout::Never => PARK_FOREVER,
        Timeout::Millis(millis) => millis.min(PARK_FOREVER - 1),
    };
    match call_for_caller(&ThreadPark { timeout_ms }) {
        Ok(reply) if reply.unparked => Unparked::ByThread,
        _ => Unparked::ByTime,
    }
}

/// Waits for so many milliseconds, or until the calling thread is unparked.
pub fn sleep(millis: u32) {
    park(Timeout::Millis(millis));
}

/// Gives up the rest of the thread's present share of the processor.
pub fn yield_now() {
    mach_sys::yield_now();
}

/// A thread, to be unparked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    pub(crate) name: PortName,
}

impl Thread {
    /// The thread's port. The right belongs to the thread's handle, or to the thread itself.
    #[must_use]
    pub fn name(self) -> PortName {
        self.name
    }

    /// Wakes the thread, or lets its next parking return at once.
    ///
    /// # Errors
    ///
    /// `SEND_INVALID_DEST` if it has ended.
    pub fn unpark(self) -> Result<()> {
        call(self.name, &ThreadUnpark {}).map(drop)
    }
}

/// The calling thread.
///
/// # Errors
///
/// `RESOURCE_SHORTAGE`.
pub fn current() -> Result<Thread> {
    let name = thread_data().ok_or(KernReturn::FAILURE)?.thread()?;
    Ok(Thread { name })
}
