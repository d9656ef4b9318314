//! Doorbells: a port or a set tells whoever asked when its queue is no longer empty.
//!
//! A receiver that also waits for something else, a disk or a clock, hangs a bell on what it receives from, waits
//! for the bell, and then receives until nothing is left. [`Event::Ring`] comes when a queue goes from empty to not
//! empty, when a port with messages joins the set, and when the receive right or the set leaves its space.

use alloc::vec::Vec;

use super::table::Entry;
use super::{Event, KernReturn, Name, PortId, Ports, SetId, SpaceId};

/// A bell, by the server's number for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bell(pub u64);

/// What a bell hangs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// A port.
    Port(PortId),
    /// A port set.
    Set(SetId),
}

impl Ports {
    /// What a bell for messages under this name hangs on.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`; `INVALID_RIGHT`: neither a receive right nor a set.
    pub fn hook(&mut self, space: SpaceId, name: Name) -> Result<Hook, KernReturn> {
        match self.live_entry(space, name)? {
            Entry::Port { port, receive: true, .. } => Ok(Hook::Port(port)),
            Entry::Set(set) => Ok(Hook::Set(set)),
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    /// A bell of who receives from the port to which `name` is a send right: one of the port, or else of its set.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`; `INVALID_RIGHT`: no send right.
    pub fn bell_beyond(&mut self, space: SpaceId, name: Name) -> Result<Option<Bell>, KernReturn> {
        let port = match self.live_entry(space, name)? {
            Entry::Port { port, send, .. } if send > 0 => port,
            _ => return Err(KernReturn::INVALID_RIGHT),
        };
        let Some(port) = self.ports.get(port) else { return Ok(None) };
        let of_set = port.set.and_then(|set| self.sets.get(set)).and_then(|set| set.bells.first());
        Ok(port.bells.first().or(of_set).copied())
    }

    /// Whether there is still something to hang a bell on.
    pub fn is_hook(&self, hook: Hook) -> bool {
        match hook {
            Hook::Port(port) => self.ports.get(port).is_some(),
            Hook::Set(set) => self.sets.get(set).is_some(),
        }
    }

    /// Hangs a bell up, once. It rings at once if a message waits there.
    pub fn hang_bell(&mut self, hook: Hook, bell: Bell) {
        let has_message = match hook {
            Hook::Port(port) => self.has_message(port),
            Hook::Set(set) => {
                self.sets.get(set).is_some_and(|set| set.members.iter().any(|port| self.has_message(*port)))
            }
        };
        let Some(bells) = self.bells_mut(hook) else { return };
        if !bells.contains(&bell) {
            bells.push(bell);
        }
        if has_message {
            self.events.push_back(Event::Ring(bell));
        }
    }

    /// Takes a bell down.
    pub fn unhang_bell(&mut self, hook: Hook, bell: Bell) {
        if let Some(bells) = self.bells_mut(hook) {
            bells.retain(|other| *other != bell);
        }
    }

    fn bells_mut(&mut self, hook: Hook) -> Option<&mut Vec<Bell>> {
        match hook {
            Hook::Port(port) => self.ports.get_mut(port).map(|p| &mut p.bells),
            Hook::Set(set) => self.sets.get_mut(set).map(|set| &mut set.bells),
        }
    }

    fn has_message(&self, port: PortId) -> bool {
        self.ports.get(port).is_some_and(|p| !p.queue.is_empty())
    }

    /// A message is about to be appended to the queue of a port: rings, if the queue was empty.
    pub(super) fn ring_if_empty(&mut self, port: PortId) {
        let Some(p) = self.ports.get(port).filter(|p| p.queue.is_empty()) else { return };
        let set = p.set.and_then(|set| self.sets.get(set));
        for bells in [Some(&p.bells), set.map(|set| &set.bells)].into_iter().flatten() {
            if !bells.is_empty() {
                self.events.extend(bells.iter().copied().map(Event::Ring));
            }
        }
    }

    /// A port has joined a set: rings, if it has messages.
    pub(super) fn ring_if_waiting(&mut self, port: PortId, id: SetId) {
        if self.has_message(port)
            && let Some(set) = self.sets.get(id)
        {
            self.events.extend(set.bells.iter().copied().map(Event::Ring));
        }
    }
}
