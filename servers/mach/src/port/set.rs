//! Port sets: receive rights of one space, received from together.

use alloc::vec::Vec;

use super::table::Entry;
use super::{Event, KernReturn, NULL, Name, PortId, Ports, SetId, SpaceId};

impl Ports {
    /// `mach_port_get_set_status` (3212): the names of a set's members.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT` (not a set).
    pub fn set_members(&mut self, space: SpaceId, name: Name) -> Result<Vec<Name>, KernReturn> {
        let Entry::Set(set) = self.live_entry(space, name)? else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        let set = self.sets.get(set).ok_or(KernReturn::INVALID_NAME)?;
        let table = &self.spaces.get(space).ok_or(KernReturn::INVALID_TASK)?.table;
        Ok(set.members.iter().filter_map(|port| table.name_of(*port)).collect())
    }

    /// `mach_port_move_member` (3213): into the set `after`, or out of any set with `NULL`.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT` of the member; `KERN_NOT_IN_SET` (`NULL`, and in none);
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT` of the set.
    pub fn move_member(&mut self, space: SpaceId, member: Name, after: Name) -> Result<(), KernReturn> {
        let port = self.receive_right(space, member)?;
        if after == NULL {
            return if self.leave_set(port) { Ok(()) } else { Err(KernReturn::NOT_IN_SET) };
        }
        let Entry::Set(id) = self.live_entry(space, after)? else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        self.leave_set(port);
        let set = self.sets.get_mut(id).ok_or(KernReturn::INVALID_NAME)?;
        set.members.push(port);
        let wake = set.receivers.pop_front();
        let p = self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?;
        p.set = Some(id);
        for waiter in core::mem::take(&mut p.receivers) {
            self.events.push_back(Event::ReceiveFails(waiter, KernReturn::RCV_PORT_CHANGED));
        }
        if let Some(waiter) = wake {
            self.events.push_back(Event::Wake(waiter));
        }
        self.ring_if_waiting(port, id);
        Ok(())
    }

    /// Takes a port out of its set. False: it was in none.
    pub(super) fn leave_set(&mut self, port: PortId) -> bool {
        let Some(id) = self.ports.get_mut(port).and_then(|p| p.set.take()) else { return false };
        if let Some(set) = self.sets.get_mut(id) {
            set.members.retain(|member| *member != port);
        }
        true
    }

    pub(super) fn destroy_set(&mut self, id: SetId) {
        let Some(set) = self.sets.remove(id) else { return };
        for member in set.members {
            if let Some(p) = self.ports.get_mut(member) {
                p.set = None;
            }
        }
        for waiter in set.receivers {
            self.events.push_back(Event::ReceiveFails(waiter, KernReturn::RCV_PORT_DIED));
        }
        self.events.extend(set.bells.into_iter().map(Event::Ring));
    }
}
