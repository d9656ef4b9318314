//! Threads (`spec/mach-ports-tasks.md` E.2): the calls, and threads that run a closure.
//!
//! A thread of [`spawn`] has a stack of [`STACK`] bytes with an inaccessible page below it. The stack is freed
//! when the thread was joined or, if its handle was dropped, at the next `spawn` or `join` after its end.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mach_protocol::private::{
    MachThreadSelf, PARK_FOREVER, ThreadCpuTime, ThreadGrantCap, ThreadPark, ThreadSetBudget, ThreadSetPriority,
    ThreadUnpark,
};
use mach_protocol::thread as proto;
pub use mach_protocol::thread::{AARCH64_THREAD_STATE, THREAD_EXCEPTION_PORT, THREAD_KERNEL_PORT, ThreadState};
use mach_protocol::wire::Text;
use spin::mutex::SpinMutex;

use crate::msg::Timeout;
use crate::port::{Right, mach_port_deallocate, mach_port_mod_refs};
use crate::rpc::{call, call_for_caller};
use crate::rt::{self, ThreadData, ThreadMain, thread_data};
use crate::task::mach_task_self;
use crate::vm::{PAGE_SIZE, VmFlags, VmProt, Which, vm_allocate, vm_deallocate, vm_protect};
use crate::{KernReturn, PortName, Result};

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
/// `INVALID_ARGUMENT` if the target is no thread.
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
    name: PortName,
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

/// Bytes of a thread's stack.
pub const STACK: u64 = 64 * 1024;

/// What a thread and its handle share.
struct Packet<T> {
    result: SpinMutex<Option<T>>,
    done: AtomicBool,
    /// The thread that waits for the end; 0 for none.
    joiner: AtomicU32,
}

/// A thread that has ended or will: what has to be freed then.
#[derive(Clone, Copy, Debug)]
struct Remains {
    thread: PortName,
    stack: u64,
}

impl Remains {
    /// Frees everything. The thread runs no more: it is terminated first.
    fn free(self) {
        let task = mach_task_self();
        // It may have terminated itself already.
        let _ = thread_terminate(self.thread);
        let _ = mach_port_deallocate(task, self.thread);
        let _ = vm_deallocate(task, self.stack, PAGE_SIZE + STACK);
    }
}

/// Threads whose handles were dropped, with the flag that tells of their end.
static DETACHED: SpinMutex<Vec<(Arc<dyn Ended>, Remains)>> = SpinMutex::new(Vec::new());

/// Something that knows whether a thread has run to its end.
trait Ended: Send + Sync {
    fn has_ended(&self) -> bool;
}

impl<T: Send> Ended for Packet<T> {
    fn has_ended(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// Frees what detached threads left that have ended.
fn bury() {
    loop {
        let mut detached = DETACHED.lock();
        let Some(index) = detached.iter().position(|(packet, _)| packet.has_ended()) else {
            return;
        };
        let (packet, remains) = detached.swap_remove(index);
        drop(detached);
        drop(packet);
        remains.free();
    }
}

/// The handle of a thread. Dropping it lets the thread run on by itself.
pub struct JoinHandle<T: Send + 'static> {
    packet: Arc<Packet<T>>,
    remains: Option<Remains>,
    thread: Thread,
}

impl<T: Send + 'static> JoinHandle<T> {
    /// The thread.
    #[must_use]
    pub fn thread(&self) -> Thread {
        self.thread
    }

    /// Whether the thread's closure has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.packet.has_ended()
    }

    /// Waits for the thread's end, and answers what its closure did.
    ///
    /// # Errors
    ///
    /// `TERMINATED` if another thread ended it in the middle, and those of [`current`].
    pub fn join(mut self) -> Result<T> {
        self.packet.joiner.store(current()?.name.0, Ordering::SeqCst);
        while !self.packet.done.load(Ordering::SeqCst) {
            park(Timeout::Never);
        }
        let result = self.packet.result.lock().take();
        if let Some(remains) = self.remains.take() {
            remains.free();
        }
        bury();
        result.ok_or(KernReturn::TERMINATED)
    }

    /// Ends the thread wherever it is, and frees its stack. What it owns is lost.
    pub fn terminate(mut self) {
        if let Some(remains) = self.remains.take() {
            remains.free();
        }
    }
}

impl<T: Send + 'static> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            DETACHED.lock().push((self.packet.clone(), remains));
        }
    }
}

/// Starts a thread that runs `main`.
///
/// # Errors
///
/// `NO_SPACE` and `RESOURCE_SHORTAGE`; nothing is left of a thread that could not be started.
pub fn spawn<T: Send + 'static>(main: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    spawn_with(|_| Ok(()), main)
}

/// The same, with `prepare` to set the thread up before it runs: its exception port, its budget.
///
/// # Errors
///
/// Those of [`spawn`] and of `prepare`.
pub fn spawn_with<T: Send + 'static>(
    prepare: impl FnOnce(PortName) -> Result<()>,
    main: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    bury();
    let task = mach_task_self();
    let packet =
        Arc::new(Packet { result: SpinMutex::new(None), done: AtomicBool::new(false), joiner: AtomicU32::new(0) });
    let stack = vm_allocate(task, 0, PAGE_SIZE + STACK, VmFlags::ANYWHERE)?;
    let thread = vm_protect(task, stack, PAGE_SIZE, Which::Current, VmProt::NONE)
        .and_then(|()| thread_create(task))
        .inspect_err(|_| {
            let _ = vm_deallocate(task, stack, PAGE_SIZE + STACK);
        })?;
    let remains = Remains { thread, stack };
    let started = prepare(thread).and_then(|()| start(&remains, packet.clone(), main));
    match started {
        Ok(()) => Ok(JoinHandle { packet, remains: Some(remains), thread: Thread { name: thread } }),
        Err(code) => {
            remains.free();
            Err(code)
        }
    }
}

/// Sets registers, and lets the thread run.
fn start<T: Send + 'static>(
    remains: &Remains,
    packet: Arc<Packet<T>>,
    main: impl FnOnce() -> T + Send + 'static,
) -> Result<()> {
    let main = Box::new(ThreadMain::new(move || {
        *packet.result.lock() = Some(main());
        packet.done.store(true, Ordering::SeqCst);
        let joiner = packet.joiner.load(Ordering::SeqCst);
        if joiner != 0 {
            // A joiner that has gone needs no waking.
            let _ = Thread { name: PortName(joiner) }.unpark();
        }
    }));
    let entry = rt::thread_entry as extern "C" fn(usize) -> !;
    let mut state = ThreadState {
        sp: remains.stack + PAGE_SIZE + STACK,
        pc: (entry as *const ()).expose_provenance() as u64,
        ..ThreadState::default()
    };
    state.x[0] = core::ptr::from_ref(&*main).expose_provenance() as u64;
    thread_set_state(remains.thread, &state)?;
    thread_resume(remains.thread)?;
    // From here on the box is the thread's.
    core::mem::forget(main);
    Ok(())
}

/// Ends the calling thread.
pub(crate) fn end(data: &ThreadData) -> ! {
    let reply_port = data.made_reply_port();
    if reply_port.is_valid() {
        // Nobody hears of a failure any more.
        let _ = mach_port_mod_refs(mach_task_self(), reply_port, Right::RECEIVE, -1);
    }
    if let Ok(thread) = data.thread() {
        // The kernel ends the thread here.
        let _ = thread_terminate(thread);
    }
    mach_sys::debug::halt()
}
