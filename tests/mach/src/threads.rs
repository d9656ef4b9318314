//! Threads of libmach's: what is left of one that was joined.

use alloc::vec;

use libmach::KernReturn;
use libmach::port::mach_port_type;
use libmach::thread::{current, spawn, thread_set_budget};

use crate::support::{fails, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[("thread.join", a_joined_thread_leaves_nothing)];

/// Its name is gone: whoever waits for a thread's end waits until the thread has given everything back, so that it is
/// not ended while it holds a lock, as the heap's.
fn a_joined_thread_leaves_nothing() -> Outcome {
    for round in 0..50_u64 {
        let thread = spawn(move || {
            let own = current()?;
            // Its share of the processor ends anywhere, on its way out as well.
            thread_set_budget(own.name(), 1_000, 1_000)?;
            Ok::<_, KernReturn>((own, vec![round; 100]))
        });
        let thread = ok("spawn", thread)?;
        let name = thread.thread().name();
        let (own, data) = ok("the thread", ok("join", thread.join())?)?;
        same("the thread's name for itself", name, own.name())?;
        same("what the thread answered", vec![round; 100], data)?;
        fails("mach_port_type of a joined thread", KernReturn::INVALID_NAME, mach_port_type(me(), name))?;
    }
    Ok(())
}
