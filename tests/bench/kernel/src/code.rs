//! The code that makes the calls that are measured: assembly, so that what it adds to them is known to the instruction.
//!
//! A list of [`Step`]s is run by one of two loops, equal but for one instruction: [`Act::Call`] has `svc`, [`Act::Skip`]
//! a `nop` in its place. The difference of the two is what the kernel executed, from its vector to its `eret`. The other
//! programs are those of the partners: a loop each around one system call, of a stated number of instructions.

use core::arch::naked_asm;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use mach_sys::abi::{IpcBuffer, Syscall};
use mach_sys::cap::Notification;
use mach_sys::{CPtr, Cap, MessageInfo};

use crate::measure::{self, Round, SAMPLES};

/// Instructions of [`server`] and [`kept_server`] around the kernel, for each message: two moves, `svc`, the jump.
pub(crate) const SERVER_LOOP: u64 = 4;
/// Instructions of [`waiter`] around the kernel, for each signal: a move, `svc`, the jump.
pub(crate) const WAITER_LOOP: u64 = 3;
/// The same of [`acker`].
pub(crate) const ACKER_LOOP: u64 = 8;
/// Instructions of [`yielder`] around the kernel: `svc`, the jump.
pub(crate) const YIELDER_LOOP: u64 = 2;
/// Instructions of [`handler`] and [`kept_handler`] around the kernel, for each fault: two moves, `svc`, the count, the
/// jump. The instruction that faults is not executed.
pub(crate) const HANDLER_LOOP: u64 = 5;

/// One system call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Step {
    /// `x0` to `x7`.
    registers: [u64; 8],
    /// Words of the IPC buffer to set first, each with its number.
    words: [(u64, u64); 2],
}

impl Step {
    /// A system call with these registers from `x0` on.
    pub(crate) const fn new(call: Syscall, cptr: CPtr, info: MessageInfo, words: [u64; 4]) -> Self {
        let [first, second, third, fourth] = words;
        // Word 0 of an IPC buffer is nobody's.
        let registers = [cptr, info.0, first, second, third, fourth, 0, call.number() as u64];
        Self { registers, words: [(0, 0); 2] }
    }

    /// The same, with message registers 4 and 5, which travel in the IPC buffer.
    pub(crate) const fn with_more(mut self, fourth: u64, fifth: u64) -> Self {
        self.words = [(IpcBuffer::MSG_WORD as u64 + 4, fourth), (IpcBuffer::MSG_WORD as u64 + 5, fifth)];
        self
    }
}

/// What the loop does at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Call,
    Skip,
}

/// Runs the steps one after the other; 0 if none of them was answered with an error. `buffer` is the address of the
/// calling thread's IPC buffer.
pub(crate) fn run(steps: &[Step], act: Act, buffer: u64) -> u64 {
    let range = steps.as_ptr_range();
    if range.is_empty() {
        return 0;
    }
    match act {
        // SAFETY: the range is a slice's, and not empty. The buffer belongs to the calling thread, and `Step` names only
        // words of it. The calls are what the caller asked for; those it lists here change no memory of this program.
        Act::Call => unsafe { run_calls(range.start, range.end, buffer) },
        // SAFETY: as above, with no call.
        Act::Skip => unsafe { run_nothing(range.start, range.end, buffer) },
    }
}

macro_rules! step_loop {
    ($(#[$doc:meta])* $name:ident, $instruction:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(first: *const Step, end: *const Step, buffer: u64) -> u64 {
            naked_asm!(
                "stp x19, x20, [sp, #-32]!",
                "stp x21, x22, [sp, #16]",
                "mov x19, x0",
                "mov x20, x1",
                "mov x21, x2",
                "mov x22, xzr",
                "1:",
                "ldp x9, x10, [x19, #64]",
                "str x10, [x21, x9, lsl #3]",
                "ldp x9, x10, [x19, #80]",
                "str x10, [x21, x9, lsl #3]",
                "ldp x0, x1, [x19]",
                "ldp x2, x3, [x19, #16]",
                "ldp x4, x5, [x19, #32]",
                "ldp x6, x7, [x19, #48]",
                $instruction,
                // The label of an answer is its error.
                "lsr x9, x1, #12",
                "orr x22, x22, x9",
                "add x19, x19, #96",
                "cmp x19, x20",
                "b.ne 1b",
                "mov x0, x22",
                "ldp x21, x22, [sp, #16]",
                "ldp x19, x20, [sp], #32",
                "ret",
            )
        }
    };
}

const _: () = assert!(size_of::<Step>() == 96, "the loops step by it");

step_loop! {
    /// Makes each call.
    run_calls, "svc #0"
}
step_loop! {
    /// Makes none.
    run_nothing, "nop"
}

/// A server: it signals `ready` when it can be called, and answers each message at once by ReplyRecv with `info`.
#[unsafe(naked)]
pub(crate) extern "C" fn server(endpoint: CPtr, reply: CPtr, ready: CPtr, info: u64) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x20, x3",
        "mov x6, x1",
        "mov x8, x2",
        "mov x1, xzr",
        "mov x7, #{nb_send_recv}",
        "svc #0",
        "mov x7, #{reply_recv}",
        "1:",
        "mov x0, x19",
        "mov x1, x20",
        "svc #0",
        "b 1b",
        nb_send_recv = const Syscall::NbSendRecv.number(),
        reply_recv = const Syscall::ReplyRecv.number(),
    )
}

/// The same, by NBSendRecv to the reply object.
#[unsafe(naked)]
pub(crate) extern "C" fn kept_server(endpoint: CPtr, reply: CPtr, ready: CPtr, info: u64) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x20, x3",
        "mov x6, x1",
        "mov x8, x2",
        "mov x1, xzr",
        "mov x7, #{nb_send_recv}",
        "svc #0",
        "mov x8, x6",
        "1:",
        "mov x0, x19",
        "mov x1, x20",
        "svc #0",
        "b 1b",
        nb_send_recv = const Syscall::NbSendRecv.number(),
    )
}

/// Waits for signals.
#[unsafe(naked)]
pub(crate) extern "C" fn waiter(notification: CPtr) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x7, #{wait}",
        "1:",
        "mov x0, x19",
        "svc #0",
        "b 1b",
        wait = const Syscall::Wait.number(),
    )
}

/// Waits for an interrupt's signals, and lets it come again after each.
#[unsafe(naked)]
pub(crate) extern "C" fn acker(notification: CPtr, handler: CPtr, ack: u64) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x20, x1",
        "mov x21, x2",
        "1:",
        "mov x0, x19",
        "mov x7, #{wait}",
        "svc #0",
        "mov x0, x20",
        "mov x1, x21",
        "mov x7, #{call}",
        "svc #0",
        "b 1b",
        wait = const Syscall::Wait.number(),
        call = const Syscall::Call.number(),
    )
}

/// Signals for ever: the thread that runs when no other does.
#[unsafe(naked)]
pub(crate) extern "C" fn idler(notification: CPtr) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x7, #{send}",
        "1:",
        "mov x0, x19",
        "mov x1, xzr",
        "svc #0",
        "b 1b",
        send = const Syscall::Send.number(),
    )
}

/// What the watcher takes down: [`watcher`] writes it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Watcher {
    /// When it ran last.
    pub(crate) last: AtomicU64,
    /// By how many ticks it was late at most.
    pub(crate) latest: AtomicU64,
}

/// The one watcher's.
pub(crate) static WATCHER: Watcher = Watcher { last: AtomicU64::new(0), latest: AtomicU64::new(0) };

/// Yields what is left of its budget for ever, and takes down how late it gets the next.
#[unsafe(naked)]
pub(crate) extern "C" fn watcher(watcher: *const Watcher, period: u64) -> ! {
    naked_asm!(
        "mov x19, x0",
        "mov x20, x1",
        "mov x7, #{yield_}",
        "mrs x21, cntvct_el0",
        "1:",
        "mrs x9, cntvct_el0",
        "sub x10, x9, x21",
        "sub x10, x10, x20",
        "mov x21, x9",
        "ldr x11, [x19, #8]",
        "cmp x10, x11",
        "csel x11, x10, x11, gt",
        "stp x9, x11, [x19]",
        "svc #0",
        "b 1b",
        yield_ = const Syscall::Yield.number(),
    )
}

/// Reads an address at which there is nothing.
#[unsafe(naked)]
pub(crate) extern "C" fn faulter(address: u64) -> ! {
    naked_asm!("1:", "ldr x1, [x0]", "b 1b")
}

/// Executes an instruction that there is not.
#[unsafe(naked)]
pub(crate) extern "C" fn undefined(_: u64) -> ! {
    naked_asm!("1:", "udf #0", "b 1b")
}

/// Yields for ever.
#[unsafe(naked)]
pub(crate) extern "C" fn yielder() -> ! {
    naked_asm!("mov x7, #{call}", "1:", "svc #0", "b 1b", call = const Syscall::Yield.number())
}

/// What a handler is to do: [`handler`] reads it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Watch {
    pub(crate) endpoint: CPtr,
    pub(crate) reply: CPtr,
    /// Signalled when faults may come, and when all is done.
    pub(crate) ready: CPtr,
    pub(crate) done: CPtr,
    /// Faults that are handled in one sample.
    pub(crate) faults: u64,
    /// Where the ticks of each sample go, and the end of that.
    pub(crate) ticks: *const AtomicU64,
    pub(crate) ticks_end: *const AtomicU64,
}

/// Handles faults by answering them, so that they come again; takes the time that a number of them needs.
macro_rules! fault_handler {
    ($name:ident, $call:expr) => {
        #[unsafe(naked)]
        pub(crate) extern "C" fn $name(watch: *const Watch) -> ! {
            naked_asm!(
                "mov x19, x0",
                "ldp x20, x21, [x19]",
                "ldp x22, x23, [x19, #40]",
                "ldr x24, [x19, #32]",
                // Announces itself and takes the first fault.
                "ldr x8, [x19, #16]",
                "mov x0, x20",
                "mov x1, xzr",
                "mov x6, x21",
                "mov x7, #{nb_send_recv}",
                "svc #0",
                "mov x7, #{call}",
                "mov x8, x21",
                "2:",
                "mov x25, x24",
                "mrs x26, cntvct_el0",
                "1:",
                "mov x0, x20",
                "mov x1, xzr",
                "svc #0",
                "subs x25, x25, #1",
                "b.ne 1b",
                "mrs x27, cntvct_el0",
                "sub x27, x27, x26",
                "str x27, [x22], #8",
                "cmp x22, x23",
                "b.ne 2b",
                "ldr x0, [x19, #24]",
                "mov x1, xzr",
                "mov x7, #{send}",
                "svc #0",
                // The last fault is never answered.
                "mov x7, #{wait}",
                "3:",
                "mov x0, x20",
                "svc #0",
                "b 3b",
                nb_send_recv = const Syscall::NbSendRecv.number(),
                call = const $call.number(),
                send = const Syscall::Send.number(),
                wait = const Syscall::Wait.number(),
            )
        }
    };
}

fault_handler!(handler, Syscall::ReplyRecv);
fault_handler!(kept_handler, Syscall::NbSendRecv);

/// What a client is to measure: [`client`] reads it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Job {
    pub(crate) steps: *const [Step],
    pub(crate) rounds: u64,
    /// The address of the client's IPC buffer.
    pub(crate) buffer: u64,
    /// Signalled when all is done.
    pub(crate) done: Cap<Notification>,
    /// What nobody signals.
    pub(crate) never: Cap<Notification>,
    /// The ticks of each sample; [`REFUSED`] where a call was refused.
    pub(crate) ticks: [AtomicU64; SAMPLES],
}

/// The ticks of a sample that there is not.
pub(crate) const REFUSED: u64 = u64::MAX;

/// Bytes of a client's stack.
const STACK_BYTES: usize = 16 * 1024;

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);

/// Where the stack of the one client begins: its end.
pub(crate) fn client_stack() -> u64 {
    (&raw const STACK).addr() as u64 + STACK_BYTES as u64
}

/// A client: runs the steps of its job as often as that says, then stops.
///
/// # Safety
///
/// The job and its steps stay until it is done.
pub(crate) unsafe extern "C" fn client(job: *const Job) -> ! {
    // SAFETY: the caller's promise.
    let job = unsafe { &*job };
    // SAFETY: the caller's promise.
    let round = Round::only(unsafe { &*job.steps });
    for sample in &job.ticks {
        sample.store(measure::ticks(&round, job.rounds, job.buffer).unwrap_or(REFUSED), SeqCst);
    }
    job.done.signal();
    loop {
        let _ = job.never.wait();
    }
}
