//! The run-time system: how a task and its threads begin and end.
//!
//! Every thread has a `ThreadData` on its own stack, which starts with the thread block that `TPIDR_EL0`
//! points to. The frame that holds it is never left: a thread ends by a call to the server.
//!
//! `unsafe` is here for the entry points, the heap and the views of memory that the task was given.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use mach_protocol::start;
use mach_sys::ipc_buffer::{self, ThreadBlock};

use crate::port::mach_reply_port;
use crate::{PortName, Result, console, task, thread};

mod entry;
mod heap;
pub(crate) mod spawn;

pub(crate) use entry::{ChildMain, ThreadMain, child_entry, thread_entry};
pub use entry::{Termination, panicked, start};
pub use heap::Heap;

/// What a thread has of its own.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ThreadData {
    block: ThreadBlock,
    reply_port: AtomicU32,
    thread: AtomicU32,
}

impl ThreadData {
    /// The data of the calling thread, whose IPC buffer the server named in the read-only thread register.
    fn new() -> Self {
        Self {
            block: ThreadBlock { ipc_buffer: ipc_buffer::read_only_thread_register(), runtime: 0 },
            reply_port: AtomicU32::new(0),
            thread: AtomicU32::new(0),
        }
    }

    /// The port by which the thread receives answers. It is made once and kept.
    pub(crate) fn reply_port(&self) -> Result<PortName> {
        cached(&self.reply_port, mach_reply_port)
    }

    /// The same port, or null if it was not made.
    pub(crate) fn made_reply_port(&self) -> PortName {
        PortName(self.reply_port.load(Ordering::Relaxed))
    }

    /// The thread's own port. It is asked for once and kept.
    pub(crate) fn thread(&self) -> Result<PortName> {
        cached(&self.thread, thread::mach_thread_self)
    }
}

fn cached(cell: &AtomicU32, make: impl FnOnce() -> Result<PortName>) -> Result<PortName> {
    match cell.load(Ordering::Relaxed) {
        0 => {
            let name = make()?;
            cell.store(name.0, Ordering::Relaxed);
            Ok(name)
        }
        name => Ok(PortName(name)),
    }
}

/// The calling thread's data; `None` in a program that does not start by [`entry!`](crate::entry), as root.
pub(crate) fn thread_data() -> Option<&'static ThreadData> {
    let block = ipc_buffer::thread_block()?;
    // SAFETY: `ipc_buffer::install` requires the block to be valid as long as the register names it.
    let runtime = unsafe { block.as_ref() }.runtime;
    let data = NonNull::new(core::ptr::with_exposed_provenance_mut::<ThreadData>(runtime as usize))?;
    // SAFETY: only `install` sets the word, to data in a frame that is never left; all of it but the block,
    // which nobody changes, is atomic.
    Some(unsafe { data.as_ref() })
}

/// Makes `data` the calling thread's.
///
/// # Safety
///
/// `data` lies in a frame that is never left, and the read-only thread register holds the address of the
/// thread's IPC buffer, which nothing else uses.
unsafe fn install(data: &mut ThreadData) {
    data.block.runtime = core::ptr::from_mut(data).expose_provenance() as u64;
    // SAFETY: the caller's promises are those that `install` asks for; the block is the data's first field.
    unsafe { ipc_buffer::install(NonNull::from(&mut data.block)) };
}

/// Forgets what the task knew of its rights: in a child, which inherits none.
fn forget_rights() {
    task::forget();
    console::forget();
}

/// The start block: its address, and its bytes or 0.
static START_BLOCK: AtomicUsize = AtomicUsize::new(0);
static START_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The task's arguments; the first is its name.
pub fn args() -> impl Iterator<Item = &'static str> + Clone {
    let address = START_BLOCK.load(Ordering::Relaxed);
    let bytes = START_BYTES.load(Ordering::Relaxed);
    let block = if bytes == 0 {
        [].as_slice()
    } else {
        let block = core::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: `note_start_block` set both words; the block stays where the task's maker put it, above the
        // stack that grows down from it, and nobody writes to it.
        unsafe { core::slice::from_raw_parts(block, bytes) }
    };
    start::start_args(block)
}

/// Remembers the start block at `address`, if it is one.
///
/// # Safety
///
/// `address` is 0 or names at least a start block's head of readable memory, and as much as that head says if
/// it begins with the magic, which nobody writes to.
unsafe fn note_start_block(address: usize) {
    let head = core::ptr::with_exposed_provenance::<[u8; start::START_HEAD]>(address);
    if head.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let head = unsafe { head.read() };
    if let Some(bytes) = start::start_block_len(&head) {
        START_BLOCK.store(address, Ordering::Relaxed);
        START_BYTES.store(bytes, Ordering::Relaxed);
    }
}

/// Ends the task with `status`; 0 is success.
pub fn exit(status: i32) -> ! {
    // Without a server that answers there is only giving up the processor.
    let _ = task::task_exit(task::mach_task_self(), status);
    mach_sys::debug::halt()
}
