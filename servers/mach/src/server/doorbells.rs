//! Doorbells (7160): a notification of a thread's own that is signalled when messages wait for it, or when a partner
//! rings it (7164).
//!
//! A doorbell belongs to the thread that asked for it, and goes with the thread. Invariant **BELL-1**: a bell hangs only
//! on the hook that its doorbell names, so a thread's end takes it down wherever it hangs.

use alloc::vec::Vec;

use arena::Id;
use mach_protocol::private::{FIRST_GRANT_SLOT, PortDoorbellReply, PortRingReply, signals};
use mach_protocol::{KernReturn, PortName};

use super::{Caller, Server};
use crate::machine::{Grade, Machine, Slot};
use crate::memory::Unit;
use crate::port::{Bell, Hook};
use crate::thread::ThreadId;

/// Identity of a doorbell.
pub type DoorbellId = Id<Doorbell>;

/// A doorbell.
#[derive(Debug)]
pub struct Doorbell {
    /// Where it hangs, or hung: what that was may be gone.
    hook: Hook,
    /// The notification.
    unit: Unit,
    /// The server's capability to signal it.
    signal: Slot,
    /// Its slot in the thread's capability table.
    slot: u32,
    /// The threads that can ring it, and the slot in each's table. Some may be gone.
    ringers: Vec<(ThreadId, u32)>,
}

impl<M: Machine> Server<M> {
    /// Gives the calling thread a doorbell for a port or port set.
    ///
    /// Checks: the name is a receive right or a port set, else INVALID_NAME or INVALID_RIGHT; the thread has a
    /// capability table of the server's, else INVALID_ARGUMENT; memory, else RESOURCE_SHORTAGE; a slot, else NO_SPACE.
    pub(super) fn port_doorbell(&mut self, caller: Caller, target: PortName) -> Result<PortDoorbellReply, KernReturn> {
        let hook = self.ports.hook(caller.space, target)?;
        let thread = self.threads.get(caller.thread).ok_or(KernReturn::FAILURE)?;
        let cnode = thread.kit.ok_or(KernReturn::INVALID_ARGUMENT)?.cnode;
        let hangs = |id: &DoorbellId| self.doorbells.get(*id).is_some_and(|doorbell| doorbell.hook == hook);
        let is_idle =
            |id: &DoorbellId| self.doorbells.get(*id).is_some_and(|doorbell| !self.ports.is_hook(doorbell.hook));
        let known =
            thread.doorbells.iter().find(|id| hangs(id)).or_else(|| thread.doorbells.iter().find(|id| is_idle(id)));
        let id = match known.copied() {
            Some(id) => id,
            None => self.make_doorbell(caller.thread, cnode, hook)?,
        };
        let doorbell = self.doorbells.get_mut(id).ok_or(KernReturn::FAILURE)?;
        doorbell.hook = hook;
        let slot = doorbell.slot;
        self.ports.hang_bell(hook, Bell(id.to_word()));
        Ok(PortDoorbellReply { slot })
    }

    fn make_doorbell(&mut self, thread: ThreadId, cnode: Slot, hook: Hook) -> Result<DoorbellId, KernReturn> {
        let hw = &mut self.hw;
        let signal = hw.memory.take_slot().ok_or(KernReturn::RESOURCE_SHORTAGE)?;
        let Ok(unit) = hw.memory.take_notification(&mut hw.machine, hw.need) else {
            hw.memory.put_slot(&mut hw.machine, signal);
            return Err(KernReturn::RESOURCE_SHORTAGE);
        };
        let notification = hw.memory.layout().second(unit);
        let made = match hw.machine.badge_notification(notification, signal, signals::MESSAGE) {
            Ok(()) => self.give(notification, cnode, Grade::Own(signals::OWN)),
            Err(_) => Err(KernReturn::RESOURCE_SHORTAGE),
        };
        let slot = match made {
            Ok(slot) => slot,
            Err(code) => {
                self.put_doorbell(unit, signal);
                return Err(code);
            }
        };
        let id = self.doorbells.insert(Doorbell { hook, unit, signal, slot, ringers: Vec::new() });
        if let Some(thread) = self.threads.get_mut(thread) {
            thread.doorbells.push(id);
        }
        Ok(id)
    }

    /// Puts a notification into a free slot of a thread's table. Root grants from the lowest slot on, so these go from the
    /// highest one down.
    fn give(&mut self, notification: Slot, cnode: Slot, grade: Grade) -> Result<u32, KernReturn> {
        let machine = &mut self.hw.machine;
        let mut slots = (FIRST_GRANT_SLOT..super::private::THREAD_SLOTS).rev();
        slots
            .find(|slot| machine.give_notification(notification, (cnode, u64::from(*slot)), grade).is_ok())
            .ok_or(KernReturn::NO_SPACE)
    }

    /// Gives the calling thread what rings the doorbell of who receives from a port. The checks are those of 7164.
    pub(super) fn port_ring(&mut self, caller: Caller, name: PortName) -> Result<PortRingReply, KernReturn> {
        let bell = self.ports.bell_beyond(caller.space, name)?.ok_or(KernReturn::FAILURE)?;
        let id = DoorbellId::from_word(bell.0);
        let thread = self.threads.get(caller.thread).ok_or(KernReturn::FAILURE)?;
        let cnode = thread.kit.ok_or(KernReturn::INVALID_ARGUMENT)?.cnode;
        let doorbell = self.doorbells.get(id).ok_or(KernReturn::FAILURE)?;
        if let Some((_, slot)) = doorbell.ringers.iter().find(|(thread, _)| *thread == caller.thread) {
            return Ok(PortRingReply { slot: *slot });
        }
        let notification = self.hw.memory.layout().second(doorbell.unit);
        let slot = self.give(notification, cnode, Grade::Ring(signals::RING))?;
        let threads = &self.threads;
        if let Some(doorbell) = self.doorbells.get_mut(id) {
            doorbell.ringers.retain(|(thread, _)| threads.get(*thread).is_some());
            doorbell.ringers.push((caller.thread, slot));
        }
        Ok(PortRingReply { slot })
    }

    /// Rings a doorbell, if it is still there.
    pub(super) fn ring(&mut self, bell: Bell) {
        if let Some(doorbell) = self.doorbells.get(DoorbellId::from_word(bell.0)) {
            self.hw.machine.signal(doorbell.signal);
        }
    }

    /// Takes down and destroys the doorbells of a thread that is gone.
    pub(super) fn remove_doorbells(&mut self, ids: &[DoorbellId]) {
        for id in ids {
            if let Some(doorbell) = self.doorbells.remove(*id) {
                self.ports.unhang_bell(doorbell.hook, Bell(id.to_word()));
                self.put_doorbell(doorbell.unit, doorbell.signal);
            }
        }
    }

    /// Destroys a notification, with all capabilities for it.
    fn put_doorbell(&mut self, unit: Unit, signal: Slot) {
        let hw = &mut self.hw;
        hw.memory.put_slot(&mut hw.machine, signal);
        hw.memory.put_notification(&mut hw.machine, unit);
    }
}
