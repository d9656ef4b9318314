//! Threads of a case: a program, six words, a stack and an IPC buffer.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use mach_sys::CPtr;
use mach_sys::abi::InvocationLabel as L;
use mach_sys::abi::registers::{CONTEXT_REGISTERS, UserContext};
use mach_sys::cap::tcb::context_words;

use crate::call::{Answer, call};

/// How many there can be, the lowest thread included.
pub(crate) const MAX_AGENTS: u64 = 10;
/// Where their IPC buffers are, a page each; a table of its own is there.
pub(crate) const BUFFERS: u64 = 0x1000_0000;
const STACK_BYTES: usize = 16 * 1024;

/// The words that a program is started with.
pub(crate) type Arguments = [u64; 6];
/// What a thread does. When it returns the thread is suspended.
pub(crate) type Program = fn(Arguments);

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACKS: [Stack; MAX_AGENTS as usize] = [const { Stack([0; STACK_BYTES]) }; MAX_AGENTS as usize];

/// A thread block: where the thread's IPC buffer is, and a word that nobody uses here.
#[repr(C, align(16))]
struct Block([AtomicU64; 2]);

static BLOCKS: [Block; MAX_AGENTS as usize] =
    [const { Block([AtomicU64::new(0), AtomicU64::new(0)]) }; MAX_AGENTS as usize];

/// A thread of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agent {
    pub(crate) tcb: CPtr,
    pub(crate) number: u64,
}

impl Agent {
    /// The address of its IPC buffer.
    pub(crate) const fn buffer(self) -> u64 {
        BUFFERS + self.number * 4096
    }

    /// The registers with which it starts on a program.
    pub(crate) fn context(self, arguments: Arguments, program: Program) -> UserContext {
        let mut context = UserContext { pc: begin as *const () as u64, ..UserContext::default() };
        let stacks = (&raw const STACKS).addr() as u64;
        context.sp = stacks + (self.number + 1) * STACK_BYTES as u64;
        if let Some(block) = BLOCKS.get(self.number as usize) {
            block.0[0].store(self.buffer(), SeqCst);
            context.tpidr_el0 = (&raw const *block).expose_provenance() as u64;
        }
        let words = [program as *const () as u64].into_iter().chain(arguments).chain([self.tcb]);
        context.x0_to_x8.iter_mut().zip(words).for_each(|(register, word)| *register = word);
        context
    }

    /// Writes its registers so that it starts on a program when it runs.
    pub(crate) fn load(self, arguments: Arguments, program: Program) -> Answer {
        let mut words = [0; CONTEXT_REGISTERS + 2];
        let context = context_words(&self.context(arguments, program));
        words.iter_mut().zip([0, CONTEXT_REGISTERS as u64].into_iter().chain(context)).for_each(|(w, v)| *w = v);
        call(self.tcb, L::TcbWriteRegisters, &words, &[])
    }

    pub(crate) fn resume(self) -> Answer {
        call(self.tcb, L::TcbResume, &[], &[])
    }

    pub(crate) fn suspend(self) -> Answer {
        call(self.tcb, L::TcbSuspend, &[], &[])
    }

    /// Sets its fault handler, and leaves its spaces as they are.
    pub(crate) fn set_fault_handler(self, handler: CPtr) -> Answer {
        use crate::world::{ROOT, VSPACE};
        call(self.tcb, L::TcbSetSpace, &[0, 0], &[handler, ROOT, VSPACE])
    }
}

/// Where every thread begins.
#[expect(
    improper_ctypes_definitions,
    reason = "the program's address is in x0, and nothing but Rust takes it from there"
)]
extern "C" fn begin(program: Program, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, tcb: CPtr) -> ! {
    program([a, b, c, d, e, f]);
    loop {
        let _ = call(tcb, L::TcbSuspend, &[], &[]);
    }
}
