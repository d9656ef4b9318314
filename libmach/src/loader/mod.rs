//! Programs made into tasks: an ELF file, its arguments, a stack.
//!
//! 1. [`Program::parse`] reads the file's headers and checks every number in them.
//! 2. [`load`] makes a task without memory, gives each segment its pages, contents and protection, then the
//!    stack with the start block on top, then the first thread, which is suspended.
//! 3. [`Loaded::start`] lets it run.

use alloc::vec;
use core::fmt;

use mach_protocol::start::write_start_block;

use crate::port::mach_port_deallocate;
use crate::task::{Memory, mach_task_self, task_create, task_set_name, task_terminate};
use crate::thread::{ThreadState, thread_create, thread_resume, thread_set_state};
use crate::vm::{PAGE_SIZE, VmFlags, VmProt, Which, vm_allocate, vm_protect, vm_write};
use crate::{KernReturn, PortName, Result};

mod program;

pub use program::{BadProgram, Program, Segment};

/// Bytes of a first thread's stack, start block included.
pub const STACK: u64 = 256 * 1024;

/// Bytes that a start block may have.
const START_BLOCK_MAX: usize = 16 * 1024;

/// Why a program could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is no program for this machine.
    Program(BadProgram),
    /// The arguments are too long.
    Arguments,
    /// A call failed.
    Call(&'static str, KernReturn),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(bad) => write!(f, "{bad}"),
            Self::Arguments => f.write_str("the arguments are too long"),
            Self::Call(call, code) => write!(f, "{call}: {code}"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<BadProgram> for LoadError {
    fn from(bad: BadProgram) -> Self {
        Self::Program(bad)
    }
}

/// Names the call in the error.
trait In<T> {
    fn in_call(self, call: &'static str) -> core::result::Result<T, LoadError>;
}

impl<T> In<T> for Result<T> {
    fn in_call(self, call: &'static str) -> core::result::Result<T, LoadError> {
        self.map_err(|code| LoadError::Call(call, code))
    }
}

/// A task whose first thread has not run yet. The caller has a send right to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The task.
    pub task: PortName,
    /// Its thread.
    pub thread: PortName,
}

impl Loaded {
    /// Lets the task run.
    ///
    /// # Errors
    ///
    /// Those of [`thread_resume`].
    pub fn start(&self) -> Result<()> {
        thread_resume(self.thread)
    }
}

/// Makes a task out of a program; `args` are its arguments, the first of which names it.
///
/// # Errors
///
/// [`LoadError`]; nothing is left of a task that could not be loaded.
pub fn load<'a>(
    program: &Program<'_>,
    args: impl Iterator<Item = &'a str> + Clone,
) -> core::result::Result<Loaded, LoadError> {
    let task = task_create(mach_task_self(), Memory::Empty).in_call("task_create")?;
    let loaded = fill(task, program, args);
    if loaded.is_err() {
        // The failure to load is what is reported.
        let _ = task_terminate(task);
        let _ = mach_port_deallocate(mach_task_self(), task);
    }
    loaded
}

fn fill<'a>(
    task: PortName,
    program: &Program<'_>,
    args: impl Iterator<Item = &'a str> + Clone,
) -> core::result::Result<Loaded, LoadError> {
    if let Some(name) = args.clone().next() {
        task_set_name(task, name).in_call("task_set_name")?;
    }
    for segment in program.segments() {
        place(task, &segment)?;
    }
    let start_block = make_stack(task, args)?;
    let thread = thread_create(task).in_call("thread_create")?;
    let mut state = ThreadState { pc: program.entry(), sp: start_block & !0xf, ..ThreadState::default() };
    state.x[0] = start_block;
    thread_set_state(thread, &state).in_call("thread_set_state")?;
    Ok(Loaded { task, thread })
}

/// Gives the segment its pages: made writable, filled, and then protected as the file says.
fn place(task: PortName, segment: &Segment<'_>) -> core::result::Result<(), LoadError> {
    let (start, size) = segment.pages();
    vm_allocate(task, start, size, VmFlags::FIXED).in_call("vm_allocate of a segment")?;
    vm_write(task, segment.address, segment.data).in_call("vm_write of a segment")?;
    vm_protect(task, start, size, Which::Current, segment.protection).in_call("vm_protect of a segment")
}

/// Makes the stack, with an inaccessible page on either side and the start block on its top. Answers the block's
/// address. The upper page keeps what is allocated next from becoming a part of the stack's object: a copy of the
/// stack would stay as long as that.
fn make_stack<'a>(task: PortName, args: impl Iterator<Item = &'a str>) -> core::result::Result<u64, LoadError> {
    let mut block = vec![0; START_BLOCK_MAX];
    let len = write_start_block(args, &mut block).map_err(|_| LoadError::Arguments)?;
    let block = block.get(..len).unwrap_or_default();
    let size = PAGE_SIZE + STACK + PAGE_SIZE;
    let guard = vm_allocate(task, 0, size, VmFlags::ANYWHERE).in_call("vm_allocate of the stack")?;
    for side in [guard, guard + PAGE_SIZE + STACK] {
        vm_protect(task, side, PAGE_SIZE, Which::Current, VmProt::NONE).in_call("vm_protect beside the stack")?;
    }
    let address = (guard + PAGE_SIZE + STACK - len as u64) & !0xf;
    vm_write(task, address, block).in_call("vm_write of the start block")?;
    Ok(address)
}
