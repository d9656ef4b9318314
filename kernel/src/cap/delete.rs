//! Deleting and revoking capabilities (manual §3.1.4).
//!
//! Deleting the last capability to a CNode or thread empties its slots one by one, which may destroy
//! further CNodes and threads. There is no recursion and no stack: what is left to do is kept in
//! *zombie* capabilities in the slots themselves, so that the work can stop after every step.
//!
//! # Invariants
//!
//! - **DEL-1** An object that is being emptied has exactly one capability, its zombie; the slots from
//!   `remaining` on are empty.
//! - **DEL-2** The work root is a slot with a zombie. While an inner object `D` is emptied, the zombie
//!   of the outer object waits in `D`'s slot 0, which is emptied last: when only that slot is left,
//!   `D` is done, and the outer zombie comes back to the root. So every zombie but the root's is
//!   found again from the object that is emptied now.
//! - **DEL-3** Between two steps everything is consistent, whatever slot the root is (it moves when it
//!   lies inside what is being emptied). A deletion that was preempted is finished by deleting the
//!   slot again, or by revoking an ancestor. A new attempt may need a step or two to find where the
//!   last one stopped, so there must be several steps between two preemptions; there are 32.
//! - **DEL-4** The last capability to an endpoint or notification goes when no thread waits there any more, that to an ASID
//!   pool when no ASID is assigned. If that takes more than a bounded number of steps it stays meanwhile; without rights,
//!   if it has any, so that nobody comes to wait anew.

use super::{Cap, EndpointCap, NotificationCap, RawCap, SlotRef, ZombieCap, ZombieKind, cdt};
use crate::error::Preempted;
use crate::kernel::Kernel;
use crate::object::{
    Finalised, asid_pool, endpoint, frame, irq_handler, notification, page_table, reply, sched_context, tcb,
    vspace_root,
};
use sel4_abi::{CapKind, CapRights};

/// What became of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// The slot is empty.
    Gone,
    /// The slot holds a zombie with this much to do.
    Zombie(ZombieCap),
    /// The slot holds the last capability to what is not yet ended: it is to be closed again, DEL-4.
    Partly,
}

/// What ending a thread is worth in units of work, without its slots.
const THREAD_UNITS: u32 = 3;

/// Deletes the capability in a slot, and what it was the last capability to. An empty slot stays
/// empty.
///
/// # Preemption
///
/// After every slot of a CNode or thread that is destroyed, and after some restarts of threads; DEL-3, DEL-4.
///
/// # Errors
///
/// [`Preempted`]: it is to be called again.
pub fn delete(k: &Kernel, slot: SlotRef) -> Result<(), Preempted> {
    delete_until(k, slot, || k.preemption_point())
}

/// As [`delete`], with a preemption point of the caller's.
pub(super) fn delete_until(
    k: &Kernel,
    slot: SlotRef,
    mut preemption_point: impl FnMut() -> Result<(), Preempted>,
) -> Result<(), Preempted> {
    let mut root = slot;
    loop {
        match close(k, root) {
            Closed::Gone => return Ok(()),
            Closed::Zombie(_) => break,
            Closed::Partly => preemption_point()?,
        }
    }
    while let Some(next) = step(k, root) {
        root = next;
        preemption_point()?;
    }
    Ok(())
}

/// Deletes all capabilities derived from the one in a slot.
///
/// # Preemption
///
/// After every child, and within as [`delete`].
///
/// # Errors
///
/// [`Preempted`]: it is to be called again.
pub fn revoke(k: &Kernel, slot: SlotRef) -> Result<(), Preempted> {
    while let Some(child) = cdt::first_child(k, slot) {
        delete(k, child)?;
        k.preemption_point()?;
    }
    Ok(())
}

/// Deletes a capability whose removal is short: the caller made sure with [`is_long_running`], or
/// knows the kind. What is long after all is left as a zombie; what else takes steps takes them all.
pub fn delete_one(k: &Kernel, slot: SlotRef) {
    while close(k, slot) == Closed::Partly {}
}

/// Would deleting the capability empty an object's slots?
#[must_use]
pub fn is_long_running(k: &Kernel, slot: SlotRef) -> bool {
    match slot.raw(k).kind() {
        CapKind::Zombie => true,
        CapKind::CNode | CapKind::Thread => cdt::is_final(k, slot),
        _ => false,
    }
}

/// Empties a slot if that is short; otherwise starts to, and leaves a zombie.
#[inline]
fn close(k: &Kernel, slot: SlotRef) -> Closed {
    let cap = slot.raw(k);
    let zombie = match cap.kind() {
        CapKind::Null => return Closed::Gone,
        CapKind::Zombie => cap.zombie(),
        CapKind::Frame => {
            frame::finalise(k, cap);
            None
        }
        CapKind::Endpoint | CapKind::Notification | CapKind::AsidPool => {
            if cdt::is_final(k, slot) && finalise_in_steps(k, slot, cap) == Finalised::Partly {
                return Closed::Partly;
            }
            None
        }
        _ if cdt::is_final(k, slot) => finalise(k, cap),
        _ => None,
    };
    match zombie {
        Some(zombie) => {
            slot.update(k, zombie);
            Closed::Zombie(zombie)
        }
        None => {
            cdt::remove(k, slot);
            Closed::Gone
        }
    }
}

/// Ends an object whose last capability goes; returns what is left to empty. (Frames end with each of their
/// capabilities.)
fn finalise(k: &Kernel, cap: RawCap) -> Option<ZombieCap> {
    match cap.kind() {
        CapKind::CNode => cap.cnode().map(|c| ZombieCap::all_of(c.slots, ZombieKind::CNode)),
        CapKind::Thread => {
            let thread = cap.thread()?;
            tcb::thread::finalise(k, thread);
            k.spend(THREAD_UNITS);
            Some(ZombieCap::all_of(thread.slots(), ZombieKind::Thread))
        }
        // These stand for nothing that could end.
        CapKind::Untyped | CapKind::SchedControl | CapKind::Domain | CapKind::SgiSignal => None,
        _ => {
            finalise_short(k, cap.unpack());
            None
        }
    }
}

/// Ends an object that may have much to end, whose last capability is in the slot, or takes a step towards it: then the
/// capability stays, without rights, DEL-4.
fn finalise_in_steps(k: &Kernel, slot: SlotRef, cap: RawCap) -> Finalised {
    let (rights, cap) = (CapRights::NONE, cap.unpack());
    let (finalised, powerless) = match cap {
        Cap::Endpoint(c) => (endpoint::finalise(k, c.endpoint), Cap::Endpoint(EndpointCap { rights, ..c })),
        Cap::Notification(c) => {
            (notification::finalise(k, c.notification), Cap::Notification(NotificationCap { rights, ..c }))
        }
        Cap::AsidPool(c) => (asid_pool::finalise(k, &c), cap),
        _ => return Finalised::Done,
    };
    if finalised == Finalised::Partly {
        slot.update(k, powerless);
    }
    finalised
}

/// Ends an object without capability slots, whose last capability goes.
fn finalise_short(k: &Kernel, cap: Cap) {
    match cap {
        Cap::Reply(c) => reply::finalise(k, c.reply),
        Cap::SchedContext(c) => sched_context::finalise(k, c.sched_context),
        Cap::PageTable(c) => page_table::finalise(k, &c),
        Cap::VSpace(c) => vspace_root::finalise(k, &c),
        Cap::IrqHandler(irq) => irq_handler::finalise(k, irq),
        // The others stand for nothing that could end.
        _ => {}
    }
}

/// Empties one slot more of the object whose zombie is in `root`. Returns the slot that is the root
/// from then on, or `None` when all is done.
fn step(k: &Kernel, root: SlotRef) -> Option<SlotRef> {
    let outer = root.raw(k).zombie()?;
    let Some(last) = outer.remaining.checked_sub(1) else {
        cdt::remove(k, root);
        return None;
    };
    let Some(end) = outer.slots.slot(last) else {
        // Not reached: `remaining` is at most the number of slots.
        cdt::remove(k, root);
        return None;
    };
    if end == root {
        return step_at_self(k, root, outer);
    }
    match close(k, end) {
        Closed::Zombie(inner) if inner.remaining > 0 => Some(enter(k, root, outer, end, inner)),
        Closed::Zombie(_) => {
            cdt::remove(k, end);
            Some(shrink(k, root, outer, last))
        }
        Closed::Gone => Some(shrink(k, root, outer, last)),
        Closed::Partly => Some(root),
    }
}

fn shrink(k: &Kernel, root: SlotRef, zombie: ZombieCap, remaining: usize) -> SlotRef {
    root.update(k, ZombieCap { remaining, ..zombie });
    root
}

/// The slot to empty next is the root itself: the object contains its own last capability. If it is
/// the only slot left, removing it completes the object; otherwise the root moves to slot 0.
fn step_at_self(k: &Kernel, root: SlotRef, zombie: ZombieCap) -> Option<SlotRef> {
    if zombie.remaining == 1 {
        cdt::remove(k, root);
        return None;
    }
    let first = zombie.slots.first();
    cdt::swap(k, root, root.raw(k), first, first.raw(k));
    Some(first)
}

/// Goes on with the object `inner`, whose zombie was found in `end`, the last slot of `outer`; DEL-2.
fn enter(k: &Kernel, root: SlotRef, outer: ZombieCap, end: SlotRef, inner: ZombieCap) -> SlotRef {
    if outer.remaining == 1 {
        // `outer` has nothing but this: it is done.
        cdt::remove(k, root);
        cdt::move_cap(k, end, root, inner);
        return root;
    }
    let stash = inner.slots.first();
    if stash == root {
        // `outer`'s zombie is where it should be; `inner`'s becomes the root where it is.
        return end;
    }
    cdt::swap(k, root, outer, end, inner);
    cdt::swap(k, end, outer, stash, stash.raw(k));
    root
}
