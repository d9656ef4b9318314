//! From a trap to the thread that runs next.
//!
//! The vectors saved the registers of the current thread in its TCB. The kernel is entered here and
//! left here, and nowhere else; what happens in between cannot be interrupted, but for the places
//! where a long operation looks whether it should stop. When no thread can run the kernel waits
//! inside, so there is no idle thread and no exception ever comes from EL1.

use crate::arch::context::Context;
use crate::ipc::fault::{self, VmFault};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::lock::{self, Entered};
use crate::object::Tcb;
use crate::syscall::entry;
use crate::{arch, fpu, sched, vspace};

/// Why the kernel was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// An `svc` instruction.
    Syscall,
    /// An `svc` instruction that yields.
    Yield,
    /// An interrupt.
    Interrupt,
    /// A data access was refused.
    DataAbort {
        /// The address.
        address: u64,
        /// The syndrome.
        esr: u64,
    },
    /// An instruction fetch was refused; the address is the PC.
    InstructionAbort {
        /// The address.
        address: u64,
        /// The syndrome.
        esr: u64,
    },
    /// User mode used the floating-point registers, which were not open to it.
    FpuAccess {
        /// The syndrome.
        esr: u64,
    },
    /// Any other synchronous exception.
    Exception {
        /// The syndrome.
        esr: u64,
    },
}

/// Enters the kernel for `trap`; answers the context of the thread to run next.
#[inline(always)]
pub fn run(entered: Entered, trap: Trap) -> *const Context {
    lock::enter(entered, |k| {
        match trap {
            Trap::Syscall => entry::handle_syscall(k),
            Trap::Yield => entry::handle_yield(k),
            Trap::Interrupt => entry::handle_interrupt(k),
            Trap::DataAbort { address, esr } => {
                fault::handle_vm_fault(k, VmFault { address, esr, instruction: false });
            }
            Trap::InstructionAbort { address, esr } => {
                fault::handle_vm_fault(k, VmFault { address, esr, instruction: true });
            }
            Trap::FpuAccess { esr } => {
                if !k.current().is_some_and(|t| fpu::give(k, t)) {
                    fault::handle_user_exception(k, esr);
                }
            }
            Trap::Exception { esr } => fault::handle_user_exception(k, esr),
        }
        leave(k)
    })
}

/// Enters the kernel by a fast path; answers the context of the thread to run next, or null if [`run`] is to be called for
/// the same exception: the path is not open, and nothing has changed, or it has left something to do that it can tell.
#[inline(always)]
pub fn run_fast(entered: Entered, path: impl FnOnce(&mut Kernel) -> Option<KRef<Tcb>>) -> *const Context {
    lock::enter(entered, |k| path(k).map_or(core::ptr::null(), |t| core::ptr::from_ref(&t.get(k).context)))
}

/// Puts `kernel` in charge, with an initial thread that waits to run; answers its context.
pub fn begin(kernel: Kernel) -> *const Context {
    lock::enter(lock::install(kernel), leave)
}

/// Chooses a thread, waiting for one if need be, and prepares the core for it.
fn leave(k: &mut Kernel) -> *const Context {
    let thread = loop {
        sched::activate(k);
        if let Some(thread) = k.current() {
            break thread;
        }
        arch::irq::wait();
        entry::handle_interrupt(k);
    };
    vspace::activate(k, vspace::root_of(k, thread));
    fpu::switch(k, thread);
    core::ptr::from_ref(&thread.get(k).context)
}
