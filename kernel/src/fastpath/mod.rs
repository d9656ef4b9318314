//! The short ways through the kernel: messages to a thread that waits for them, replies, faults, signals.
//!
//! A fast path is the slow path of the same entry ([`crate::syscall::entry`], [`crate::ipc::fault`]) for the case that
//! occurs most, in which it is known beforehand who runs next. It has two halves: the first looks whether this is that case
//! and changes nothing, so that the slow path can start over from the same state; the second does it and cannot fail.
//!
//! | entry | taken if |
//! |---|---|
//! | `Call`, a VM fault | a receiver waits with a reply object; it is passive, or its own budget is ready |
//! | `ReplyRecv`, `NBSendRecv` to a reply object | a caller or a faulting thread is answered, and nobody queues at the endpoint |
//! | `Send`, `NBSend` to a notification | nobody waits, or the first waiter has a budget of its own, which is ready |
//! | `Call`, `Send`, `NBSend` to a kernel object | it is of a kind, and an operation, in `invoke` |
//! | `Yield` | always (`syscall::entry::yield_at_once`): the scheduler ends it |
//! | `Wait`, `NBWait` on a notification | always, but for bound and lent scheduling contexts |
//!
//! and if further: nothing is due ([`sched::quiet_now`]), messages carry no capabilities, the threads have valid address
//! spaces, and no queued thread is more important than the one that is to run. A property test (`tests`) holds each path
//! against the slow one.
//!
//! # Invariants
//!
//! - `FAST-1` the first half changes nothing, the second one asks nothing; what an invocation leaves to the slow path it
//!   says in [`Unfinished`](crate::kernel::Unfinished);
//! - `FAST-2` what a taken path leaves behind is what the slow path leaves behind, up to time that is not accounted yet:
//!   the next reading of the clock finds it.

mod answer;
mod call;
mod invoke;
mod signal;
#[cfg(test)]
mod tests;

pub use answer::{nb_send_recv, reply_recv};
pub use call::{call, vm_fault};
pub use signal::{nb_wait, send, wait};

use core::cell::Cell;

use crate::arch::context::Context;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{SchedContext, Tcb, sched_context};
use crate::sched::Ticks;
use crate::vspace::{self, UserRoot};
use crate::{fpu, sched};

/// The system calls that have a fast path, by their numbers; the vectors know the same.
#[cfg(test)]
pub(crate) fn by_number(k: &mut Kernel, number: i64) -> Option<KRef<Tcb>> {
    use sel4_abi::Syscall;
    match Syscall::from_number(number)? {
        Syscall::Call => call(k),
        Syscall::ReplyRecv => reply_recv(k),
        Syscall::NbSendRecv => nb_send_recv(k),
        Syscall::Send | Syscall::NbSend => send(k),
        Syscall::Wait => wait(k),
        Syscall::NbWait => nb_wait(k),
        Syscall::Yield => {
            if crate::syscall::entry::yield_at_once(k) {
                k.unfinished.set(crate::kernel::Unfinished::Switch);
            }
            None
        }
        _ => None,
    }
}

/// The thread that made this entry, if nothing is due but what it wants.
#[derive(Clone, Copy)]
struct Entry<'k> {
    t: KRef<Tcb>,
    now: Ticks,
    context: &'k Context,
}

impl<'k> Entry<'k> {
    #[inline(always)]
    fn begin(k: &'k Kernel) -> Option<Self> {
        let now = sched::quiet_now(k)?;
        let t = k.current()?;
        Some(Entry { t, now, context: &t.get(k).context })
    }

    #[inline(always)]
    fn x<const N: usize>(self) -> u64 {
        const { assert!(N < 31) };
        self.context.x.get(N).map_or(0, Cell::get)
    }
}

/// A thread that would be chosen if it could run and the current thread could not, with its address space.
#[derive(Clone, Copy)]
struct Successor {
    t: KRef<Tcb>,
    root: UserRoot,
}

impl Successor {
    #[inline(always)]
    fn find(k: &Kernel, t: KRef<Tcb>) -> Option<Self> {
        if !sched::would_be_chosen(k, t) {
            return None;
        }
        let root = vspace::root_of(k, t)?;
        Some(Successor { t, root })
    }

    /// It is the current thread now; the core is made ready for it.
    #[inline(always)]
    fn enter(self, k: &Kernel) -> KRef<Tcb> {
        vspace::activate(k, Some(self.root));
        fpu::switch(k, self.t);
        self.t
    }
}

/// Whether a thread with this scheduling context, not the current one, could run on it from `now` on.
#[inline(always)]
fn is_released(k: &Kernel, sc: KRef<SchedContext>, now: Ticks) -> bool {
    sc.get(k).is_configured() && sched_context::is_ready_at(k, sc, now)
}
