//! Threads that run a closure: start, end, and what remains.
//!
//! A thread has a stack of [`STACK`] bytes with an inaccessible page below it. The stack is freed when the thread
//! was joined or, if its handle was dropped, at the next [`spawn`] or join after its end.
//!
//! Whoever frees the stack ends the thread before, wherever it is. A thread that is ended while it allocates leaves the
//! heap locked for ever; so a thread's last words ([`End::tell`]) come when it has given back all it had, and after
//! them it only asks the server for its end.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use spin::mutex::SpinMutex;

use super::{ThreadData, ThreadMain, thread_entry};
use crate::msg::Timeout;
use crate::port::{Right, mach_port_deallocate, mach_port_mod_refs};
use crate::task::mach_task_self;
use crate::thread::{
    Thread, ThreadState, current, park, thread_create, thread_resume, thread_set_state, thread_terminate,
};
use crate::vm::{PAGE_SIZE, VmFlags, VmProt, Which, vm_allocate, vm_deallocate, vm_protect};
use crate::{KernReturn, PortName, Result};

/// Bytes of a thread's stack.
pub const STACK: u64 = 64 * 1024;

/// What a thread and its handle share. The handle's side owns it: the thread is ended first.
struct Packet<T> {
    result: SpinMutex<Option<T>>,
    end: End,
}

/// Whether a thread has ended, and who wants to know.
#[derive(Debug)]
pub(crate) struct End {
    done: AtomicBool,
    /// The thread that waits for the end; 0 for none.
    joiner: AtomicU32,
}

impl End {
    const fn new() -> Self {
        Self { done: AtomicBool::new(false), joiner: AtomicU32::new(0) }
    }

    fn has_come(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Notes the thread's end, and wakes who waits for it. From here on the thread can be ended at any moment.
    fn tell(&self) {
        self.done.store(true, Ordering::SeqCst);
        let joiner = self.joiner.load(Ordering::SeqCst);
        if joiner != 0 {
            // A joiner that has gone needs no waking.
            let _ = Thread { name: PortName(joiner) }.unpark();
        }
    }

    /// Waits for it.
    fn wait(&self) -> Result<()> {
        self.joiner.store(current()?.name().0, Ordering::SeqCst);
        while !self.has_come() {
            park(Timeout::Never);
        }
        Ok(())
    }
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
        // The reference and the stack are this value's own: nothing can be wrong with them, and nobody could do anything about it.
        let _ = mach_port_deallocate(task, self.thread);
        let _ = vm_deallocate(task, self.stack, PAGE_SIZE + STACK);
    }
}

/// Threads whose handles were dropped, with what tells of their end.
static DETACHED: SpinMutex<Vec<(Arc<dyn Ended>, Remains)>> = SpinMutex::new(Vec::new());

/// Something that knows whether a thread has run to its end.
trait Ended: Send + Sync {
    fn has_ended(&self) -> bool;
}

impl<T: Send> Ended for Packet<T> {
    fn has_ended(&self) -> bool {
        self.end.has_come()
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
        remains.free();
        drop(packet);
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

    /// Whether the thread's closure has returned, and all that it had is given back.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.packet.has_ended()
    }

    /// Waits for the thread's end, and answers what its closure did.
    ///
    /// # Errors
    ///
    /// Those of [`current`].
    pub fn join(mut self) -> Result<T> {
        self.packet.end.wait()?;
        let result = self.packet.result.lock().take();
        self.free();
        bury();
        result.ok_or(KernReturn::TERMINATED)
    }

    /// Ends the thread wherever it is, and frees its stack. What it owns is lost, locks included: one that may be
    /// allocating just now would leave the heap locked.
    pub fn terminate(mut self) {
        self.free();
    }

    fn free(&mut self) {
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
    // SAFETY: what `main` borrows lives for ever.
    unsafe { spawn_borrowing(prepare, main, || ()) }
}

/// Starts a thread that runs `main` and then `farewell`, has `watch` watch it, and ends it when that returns: if
/// `main` did not come to its end, wherever it is. Answers what `watch` answered, and what `main` did if it came to
/// its end.
///
/// # Errors
///
/// Those of [`spawn`] and of `prepare`.
pub(crate) fn run_watched<T: Send + 'static, W>(
    prepare: impl FnOnce(PortName) -> Result<()>,
    main: impl FnOnce() -> T + Send,
    farewell: impl FnOnce() + Send,
    watch: impl FnOnce() -> W,
) -> Result<(W, Option<T>)> {
    // SAFETY: the thread is ended below, before anything that `main` borrows; a panic in between ends the task.
    let mut handle = unsafe { spawn_borrowing(prepare, main, farewell) }?;
    let watched = watch();
    let result = handle.packet.result.lock().take();
    // One that came to its end is on its way out. It is ended in any case, as what it borrows goes.
    let waited = if result.is_some() { handle.packet.end.wait() } else { Ok(()) };
    handle.free();
    waited?;
    Ok((watched, result))
}

/// Starts a thread that runs `main`, leaves its answer, and runs `farewell`.
///
/// # Safety
///
/// The thread is ended before what the closures borrow.
unsafe fn spawn_borrowing<T: Send + 'static>(
    prepare: impl FnOnce(PortName) -> Result<()>,
    main: impl FnOnce() -> T + Send,
    farewell: impl FnOnce() + Send,
) -> Result<JoinHandle<T>> {
    bury();
    let task = mach_task_self();
    let packet = Arc::new(Packet { result: SpinMutex::new(None), end: End::new() });
    let stack = vm_allocate(task, 0, PAGE_SIZE + STACK, VmFlags::ANYWHERE)?;
    let thread = vm_protect(task, stack, PAGE_SIZE, Which::Current, VmProt::NONE)
        .and_then(|()| thread_create(task))
        .inspect_err(|_| {
            // Memory that was allocated above: the failure to make the thread is what is reported.
            let _ = vm_deallocate(task, stack, PAGE_SIZE + STACK);
        })?;
    let remains = Remains { thread, stack };
    // SAFETY: the packet is kept by the handle, or by `DETACHED`, and both end the thread (`Remains::free`) before they
    // let it go; a handle that is forgotten never does.
    let shared: &Packet<T> = unsafe { &*Arc::as_ptr(&packet) };
    let run = move || {
        let result = main();
        *shared.result.lock() = Some(result);
        farewell();
    };
    let main = Box::new(ThreadMain::new(run, &shared.end));
    match prepare(thread).and_then(|()| start(&remains, &main)) {
        Ok(()) => {
            // From here on the box is the thread's.
            core::mem::forget(main);
            Ok(JoinHandle { packet, remains: Some(remains), thread: Thread { name: thread } })
        }
        Err(code) => {
            remains.free();
            Err(code)
        }
    }
}

/// Sets registers, and lets the thread run.
fn start(remains: &Remains, main: &ThreadMain<'_>) -> Result<()> {
    let entry = thread_entry as extern "C" fn(usize) -> !;
    let mut state = ThreadState {
        sp: remains.stack + PAGE_SIZE + STACK,
        pc: (entry as *const ()).expose_provenance() as u64,
        ..ThreadState::default()
    };
    state.x[0] = core::ptr::from_ref(main).expose_provenance() as u64;
    thread_set_state(remains.thread, &state)?;
    thread_resume(remains.thread)
}

/// Ends the calling thread, which has nothing left but its ports.
pub(crate) fn end(data: &ThreadData, end: &End) -> ! {
    let task = mach_task_self();
    let reply_port = data.made_reply_port();
    if reply_port.is_valid() {
        // Nobody hears of a failure any more.
        let _ = mach_port_mod_refs(task, reply_port, Right::RECEIVE, -1);
    }
    let thread = data.thread();
    if let Ok(thread) = thread {
        // The name lives by its maker's reference until this thread is ended.
        let _ = mach_port_deallocate(task, thread);
    }
    end.tell();
    if let Ok(thread) = thread {
        // The thread ends here.
        let _ = thread_terminate(thread);
    }
    mach_sys::debug::halt()
}
