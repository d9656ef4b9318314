//! Doorbells (7160): a notification of a thread's own that is signalled when messages wait for it.
//!
//! A doorbell belongs to the thread that asked for it, and goes with the thread. Invariant **BELL-1**: a bell hangs only
//! on the hook that its doorbell names, so a thread's end takes it down wherever it hangs.

use arena::Id;
use mach_protocol::private::{FIRST_GRANT_SLOT, PortDoorbellReply};
use mach_protocol::{KernReturn, PortName};

use super::{Caller, Server};
use crate::machine::{Machine, Refused, Slot};
use crate::memory::Unit;
use crate::port::{Bell, Hook};
use crate::thread::ThreadId;

/// Identity of a doorbell.
pub type DoorbellId = Id<Doorbell>;

/// A doorbell.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell {
    /// Where it hangs, or hung: what that was may be gone.
    hook: Hook,
    /// The notification.
    unit: Unit,
    /// Its slot in the thread's capability table.
    slot: u32,
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
        let unit = hw.memory.take_notification(&mut hw.machine, hw.need).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let notification = hw.memory.layout().second(unit);
        // Root grants from the lowest slot on, so doorbells go from the highest one down.
        let slot = (FIRST_GRANT_SLOT..super::private::THREAD_SLOTS).rev().find(|slot| {
            let given: Result<(), Refused> = hw.machine.give_notification(notification, cnode, u64::from(*slot));
            given.is_ok()
        });
        let Some(slot) = slot else {
            hw.memory.put_notification(&mut hw.machine, unit);
            return Err(KernReturn::NO_SPACE);
        };
        let id = self.doorbells.insert(Doorbell { hook, unit, slot });
        if let Some(thread) = self.threads.get_mut(thread) {
            thread.doorbells.push(id);
        }
        Ok(id)
    }

    /// Rings a doorbell, if it is still there.
    pub(super) fn ring(&mut self, bell: Bell) {
        if let Some(doorbell) = self.doorbells.get(DoorbellId::from_word(bell.0)) {
            self.hw.machine.signal(self.hw.memory.layout().second(doorbell.unit));
        }
    }

    /// Takes down and destroys the doorbells of a thread that is gone.
    pub(super) fn remove_doorbells(&mut self, ids: &[DoorbellId]) {
        for id in ids {
            if let Some(doorbell) = self.doorbells.remove(*id) {
                self.ports.unhang_bell(doorbell.hook, Bell(id.to_word()));
                self.hw.memory.put_notification(&mut self.hw.machine, doorbell.unit);
            }
        }
    }
}
