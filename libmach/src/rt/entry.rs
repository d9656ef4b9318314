//! Where threads begin: a task's first, those made by [`crate::thread::spawn`], and a child's.

use alloc::boxed::Box;
use core::panic::PanicInfo;

use super::{ThreadData, exit, forget_rights, install, note_start_block, spawn};

/// The status of a task that panicked.
const STATUS_PANIC: i32 = 101;

/// What a task's `main` can answer, as an exit status.
pub trait Termination {
    /// The status; 0 is success.
    fn status(self) -> i32;
}

impl Termination for () {
    fn status(self) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn status(self) -> i32 {
        self
    }
}

/// An error is printed; its status is 1.
impl<T: Termination, E: core::fmt::Display> Termination for core::result::Result<T, E> {
    fn status(self) -> i32 {
        match self {
            Ok(value) => value.status(),
            Err(error) => {
                crate::eprintln!("error: {error}");
                1
            }
        }
    }
}

/// Makes `main` the entry of the task: the program starts there, and what it answers is the exit status.
///
/// Also gives the program its heap and its panic handler, which prints where it was and exits with 101.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn _start(start_block: usize) -> ! {
            // SAFETY: the program's first function, called once with what its maker put into x0.
            unsafe { $crate::rt::start(start_block, || $crate::rt::Termination::status($main())) }
        }

        $crate::heap!();

        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::rt::panicked(info)
        }
    };
}

/// Starts the run-time system, runs `main`, exits with its answer.
///
/// # Safety
///
/// Called once, as the first thing that the task does, with the value of `x0` then; the task was made as
/// `mach_protocol::start` says.
pub unsafe fn start(start_block: usize, main: fn() -> i32) -> ! {
    let mut data = ThreadData::new();
    // SAFETY: this frame is never left, and the task's maker keeps to `mach_protocol::start`.
    unsafe { install(&mut data) };
    // SAFETY: the task's maker keeps to `mach_protocol::start`.
    unsafe { note_start_block(start_block) };
    exit(main())
}

/// Prints where the panic was, and exits.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let name = super::args().next().unwrap_or("task");
    match info.location() {
        Some(place) => crate::eprintln!("{name} panicked at {place}: {}", info.message()),
        None => crate::eprintln!("{name} panicked: {}", info.message()),
    }
    exit(STATUS_PANIC)
}

/// What a child of [`crate::task::fork`] runs, behind an address of one word.
pub(crate) struct ChildMain(Box<dyn FnOnce() -> i32>);

impl ChildMain {
    pub(crate) fn new(main: impl FnOnce() -> i32 + 'static) -> Self {
        Self(Box::new(main))
    }
}

/// Where a child of [`crate::task::fork`] begins, with the address of its boxed [`ChildMain`].
pub(crate) extern "C" fn child_entry(main: usize) -> ! {
    let mut data = ThreadData::new();
    // SAFETY: this frame is never left; the Mach server set the read-only thread register of the thread.
    unsafe { install(&mut data) };
    forget_rights();
    let main = core::ptr::with_exposed_provenance_mut::<ChildMain>(main);
    // SAFETY: `fork` kept the box alive during the snapshot, so this task has a live copy, which only this call
    // takes over.
    let main = unsafe { Box::from_raw(main) };
    exit((main.0)())
}

/// What a thread of [`crate::thread::spawn`] runs, behind an address of one word.
pub(crate) struct ThreadMain<'a> {
    main: Box<dyn FnOnce() + Send + 'a>,
    end: &'a spawn::End,
}

impl<'a> ThreadMain<'a> {
    pub(crate) fn new(main: impl FnOnce() + Send + 'a, end: &'a spawn::End) -> Self {
        Self { main: Box::new(main), end }
    }
}

/// Where a thread of [`crate::thread::spawn`] begins, with the address of its boxed [`ThreadMain`].
pub(crate) extern "C" fn thread_entry(main: usize) -> ! {
    let mut data = ThreadData::new();
    // SAFETY: this frame is never left; the Mach server set the read-only thread register of the thread.
    unsafe { install(&mut data) };
    let main = core::ptr::with_exposed_provenance_mut::<ThreadMain<'static>>(main);
    // SAFETY: `spawn` made the address of a box that it gave up, and starts one thread with it; who called it
    // promised that the thread ends before what the closure borrows.
    let ThreadMain { main, end } = *unsafe { Box::from_raw(main) };
    main();
    spawn::end(&data, end)
}
