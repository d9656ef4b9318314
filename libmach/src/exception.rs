//! Exceptions (`spec/mach-ports-tasks.md` E.3): handlers, and catching what a closure raises.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use mach_protocol::exception::{EXCEPTION_RAISE, reply_message};
pub use mach_protocol::exception::{ExceptionRaise, ExceptionType};
use mach_protocol::host::{HostGetExceptionPorts, HostSetExceptionPorts, HostSwapExceptionPorts};
use mach_protocol::task::TaskSwapExceptionPorts;
use mach_protocol::thread::ThreadSwapExceptionPorts;

use crate::msg::{self, CarriedRight, PortMessage, Timeout, mach_msg_destroy};
use crate::port::{Disposition, ReceivePort, mach_port_deallocate};
use crate::rpc::call;
use crate::rt::spawn::run_watched;
use crate::task::{TASK_EXCEPTION_PORT, mach_task_self, task_set_special_port};
use crate::thread::{THREAD_EXCEPTION_PORT, thread_set_special_port};
use crate::{KernReturn, PortName, Result};

/// A handler of some kinds of exceptions, as `swap_exception_ports` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handling {
    /// A bit for each kind.
    pub mask: u32,
    /// A send right to the handler's port, to be deallocated; null if there is none.
    pub port: PortName,
    /// The behavior.
    pub behavior: u32,
}

/// Sets the handler of a task's exceptions of a mask, and answers what handled them before.
///
/// # Errors
///
/// E.4: `INVALID_ARGUMENT` for a target that is no task, a mask with unknown bits or an unknown behavior;
/// `INVALID_CAPABILITY` for a port that no send right can be had to; `NO_SPACE`.
pub fn task_swap_exception_ports(task: PortName, mask: u32, port: PortName, behavior: u32) -> Result<Vec<Handling>> {
    let request = TaskSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor: 0 };
    let old = call(task, &request)?;
    Ok(handlings(old.masks.as_slice(), old.ports.as_slice(), old.behaviors.as_slice()))
}

/// The same for a thread, whose handlers are asked before its task's.
///
/// # Errors
///
/// As [`task_swap_exception_ports`].
pub fn thread_swap_exception_ports(
    thread: PortName,
    mask: u32,
    port: PortName,
    behavior: u32,
) -> Result<Vec<Handling>> {
    let request = ThreadSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor: 0 };
    let old = call(thread, &request)?;
    Ok(handlings(old.masks.as_slice(), old.ports.as_slice(), old.behaviors.as_slice()))
}

/// The same for the host, whose handlers are asked after those of every thread and task, and then get rights to both.
///
/// # Errors
///
/// E.4: `INVALID_ARGUMENT` if `host_priv` is not the privileged host port; else as [`task_swap_exception_ports`].
pub fn host_swap_exception_ports(
    host_priv: PortName,
    mask: u32,
    port: PortName,
    behavior: u32,
) -> Result<Vec<Handling>> {
    let request = HostSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor: 0 };
    let old = call(host_priv, &request)?;
    Ok(handlings(old.masks.as_slice(), old.ports.as_slice(), old.behaviors.as_slice()))
}

/// Sets the host's handler of the exceptions of a mask.
///
/// # Errors
///
/// As [`host_swap_exception_ports`].
pub fn host_set_exception_ports(host_priv: PortName, mask: u32, port: PortName, behavior: u32) -> Result<()> {
    let request = HostSetExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor: 0 };
    call(host_priv, &request).map(drop)
}

/// What handles the exceptions of a mask for the host.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `host_priv` is not the privileged host port; `NO_SPACE`.
pub fn host_get_exception_ports(host_priv: PortName, mask: u32) -> Result<Vec<Handling>> {
    let found = call(host_priv, &HostGetExceptionPorts { exception_mask: mask })?;
    Ok(handlings(found.masks.as_slice(), found.ports.as_slice(), found.behaviors.as_slice()))
}

fn handlings(masks: &[u32], ports: &[u32], behaviors: &[u32]) -> Vec<Handling> {
    let all = masks.iter().zip(ports).zip(behaviors);
    all.map(|((&mask, &port), &behavior)| Handling { mask, port: PortName(port), behavior }).collect()
}

/// What a handler decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The thread goes on with its present registers: the instruction is executed again.
    Restart,
    /// The next handler is asked; after the last one the task is terminated.
    PassOn,
}

impl Verdict {
    const fn code(self) -> KernReturn {
        match self {
            Self::Restart => KernReturn::SUCCESS,
            Self::PassOn => KernReturn::FAILURE,
        }
    }
}

/// A port that exceptions are sent to.
#[derive(Debug)]
pub struct Handler {
    port: ReceivePort,
}

impl Handler {
    /// Makes a port for exceptions. It handles nothing until it is attached.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`.
    pub fn new() -> Result<Self> {
        Ok(Self { port: ReceivePort::new()? })
    }

    /// The name of the port.
    #[must_use]
    pub fn name(&self) -> PortName {
        self.port.name()
    }

    /// Has the exceptions of `thread` sent here.
    ///
    /// # Errors
    ///
    /// Those of [`thread_set_special_port`].
    pub fn attach_to_thread(&self, thread: PortName) -> Result<()> {
        thread_set_special_port(thread, THREAD_EXCEPTION_PORT, self.name())
    }

    /// Has the exceptions of `task`'s threads sent here that their own handlers do not take.
    ///
    /// # Errors
    ///
    /// Those of [`task_set_special_port`].
    pub fn attach_to_task(&self, task: PortName) -> Result<()> {
        task_set_special_port(task, TASK_EXCEPTION_PORT, self.name())
    }

    /// Waits for an exception. Its thread waits until the answer.
    ///
    /// Whoever can name the thread has a right to its exception port, and so to send messages that look like
    /// exceptions. Those that the server did not make are thrown away; the time limit counts from the last of them.
    ///
    /// # Errors
    ///
    /// Those of receiving; `MIG_BAD_ID` for a message of the server's that is no exception.
    pub fn wait(&self, timeout: Timeout) -> Result<Waiting> {
        let message = loop {
            let message = msg::receive(self.name(), timeout)?;
            if message.header.is_from_server {
                break message;
            }
            mach_msg_destroy(&message);
        };
        let raised = raised(&message).inspect_err(|_| mach_msg_destroy(&message))?;
        Ok(Waiting { message, raised })
    }

    /// Waits for an exception, has `decide` decide, and answers the thread.
    ///
    /// # Errors
    ///
    /// Those of [`Handler::wait`] and [`Waiting::answer`].
    pub fn serve(&self, timeout: Timeout, decide: impl FnOnce(&ExceptionRaise) -> Verdict) -> Result<()> {
        let waiting = self.wait(timeout)?;
        let verdict = decide(waiting.raised());
        waiting.answer(verdict)
    }
}

/// An exception whose thread waits for the answer. Dropping it drops the rights that came with it, the one to
/// answer included: that counts as passing on.
#[derive(Debug)]
pub struct Waiting {
    message: PortMessage,
    raised: ExceptionRaise,
}

impl Waiting {
    /// The exception. Its names of thread and task are rights as long as this lives.
    #[must_use]
    pub fn raised(&self) -> &ExceptionRaise {
        &self.raised
    }

    /// Answers the thread.
    ///
    /// # Errors
    ///
    /// `SEND_INVALID_DEST` if the thread has ended meanwhile.
    pub fn answer(mut self, verdict: Verdict) -> Result<()> {
        let answered = msg::reply(&self.message, &reply_message(verdict.code()));
        // The right went with the answer, or was dead.
        if answered.is_ok() {
            self.message.header.remote.name = PortName::NULL;
        }
        answered
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let own = mach_task_self();
        // Rights that the message brought: what is left of them is dropped.
        for name in [self.raised.thread, self.raised.task, self.message.header.remote.name] {
            if name.is_valid() {
                let _ = mach_port_deallocate(own, name);
            }
        }
    }
}

fn raised(message: &PortMessage) -> Result<ExceptionRaise> {
    if message.header.id != EXCEPTION_RAISE {
        return Err(KernReturn::MIG_BAD_ID);
    }
    ExceptionRaise::from_message(message).ok_or(KernReturn::MIG_TYPE_ERROR)
}

/// The message by which a thread under [`catch`] wakes who watches it when it came to its end.
const CAUGHT_NOTHING: i32 = 7400;

/// How a closure under [`catch`] ended.
pub type Caught<T> = core::result::Result<T, ExceptionRaise>;

/// Runs `main` in a thread of its own; answers what it answered, or the exception that it raised.
///
/// A thread that raised an exception is ended where it was; what it owned is lost. The names of thread and
/// task in the exception are no longer rights.
///
/// # Errors
///
/// What kept the thread from being started or watched. The exception is `Ok(Err(_))`.
pub fn catch<T: Send + 'static>(main: impl FnOnce() -> T + Send) -> Result<Caught<T>> {
    let handler = Handler::new()?;
    let port = handler.name();
    let has_ended = AtomicBool::new(false);
    let farewell = || {
        has_ended.store(true, Ordering::SeqCst);
        tell_end(port);
    };
    let watch = || watch(port, &has_ended);
    let (waiting, value) = run_watched(|thread| handler.attach_to_thread(thread), main, farewell, watch)?;
    match waiting? {
        // The thread is gone: nobody waits for the answer, and the rights go.
        Some(waiting) => Ok(Err(*waiting.raised())),
        None => value.map(Ok).ok_or(KernReturn::TERMINATED),
    }
}

/// Waits until the thread under [`catch`] raises an exception, or comes to its end. That others say so counts for
/// nothing: an exception comes from the server, and an end shows in the thread's own word, which only wakes.
fn watch(port: PortName, has_ended: &AtomicBool) -> Result<Option<Waiting>> {
    loop {
        let message = msg::receive(port, Timeout::Never)?;
        if message.header.is_from_server {
            let raised = raised(&message).inspect_err(|_| mach_msg_destroy(&message))?;
            return Ok(Some(Waiting { message, raised }));
        }
        mach_msg_destroy(&message);
        if has_ended.load(Ordering::SeqCst) {
            return Ok(None);
        }
    }
}

fn tell_end(port: PortName) {
    let mut message = PortMessage::new(CAUGHT_NOTHING);
    message.header.remote = CarriedRight { name: port, disposition: Disposition::COPY_SEND };
    // The port lives until its holder has heard this or an exception.
    let _ = msg::send(&message, Timeout::Never);
}
