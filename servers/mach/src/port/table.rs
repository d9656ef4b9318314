//! The two directions of one name space: name → entry, and port → name.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{DEAD, NAMES_MAX, NULL, Name, PortId, SetId};

/// Names below this live in a vector; larger ones, which only `allocate_name` and `rename` make, in a tree.
const DENSE: u32 = 2 * NAMES_MAX as u32;

/// What a name denotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// Send right (`send` user references, 0 for none) and receive right to one port, at least one of them.
    Port { port: PortId, receive: bool, send: u32, request: Option<PortId> },
    /// A send-once right.
    SendOnce { port: PortId, request: Option<PortId> },
    /// A port set.
    Set(SetId),
    /// What a send or send-once right became when its port died.
    DeadName { references: u32 },
}

/// Entries of one space. Knows nothing of ports but their identities.
#[derive(Default)]
pub(super) struct Table {
    dense: Vec<Option<Entry>>,
    sparse: BTreeMap<u32, Entry>,
    by_port: BTreeMap<PortId, Name>,
    /// Dense names to try first; entries may be taken meanwhile by name.
    free: Vec<u32>,
    len: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        // Name 0 is NULL and never allocated.
        Table { dense: alloc::vec![None], ..Self::default() }
    }

    pub(super) fn get(&self, name: Name) -> Option<&Entry> {
        match self.dense.get(name.0 as usize) {
            Some(entry) => entry.as_ref(),
            None => self.sparse.get(&name.0),
        }
    }

    /// The entry to change in place. Its port must stay what it is: `by_port` is not mended here.
    pub(super) fn get_mut(&mut self, name: Name) -> Option<&mut Entry> {
        match self.dense.get_mut(name.0 as usize) {
            Some(entry) => entry.as_mut(),
            None => self.sparse.get_mut(&name.0),
        }
    }

    /// The name of the send or receive right to `port`.
    pub(super) fn name_of(&self, port: PortId) -> Option<Name> {
        self.by_port.get(&port).copied()
    }

    /// Whether no further name fits.
    pub(super) fn is_full(&self) -> bool {
        self.len >= NAMES_MAX
    }

    /// A name that denotes nothing, for the entry that the caller is about to insert; `None` when the space is
    /// full.
    pub(super) fn unused(&mut self) -> Option<Name> {
        if self.is_full() {
            return None;
        }
        while let Some(name) = self.free.pop() {
            if self.dense.get(name as usize).is_some_and(Option::is_none) {
                return Some(Name(name));
            }
        }
        let name = self.dense.len() as u32;
        (name < DENSE).then_some(Name(name))
    }

    /// Puts an entry under a name that denotes nothing.
    pub(super) fn insert(&mut self, name: Name, entry: Entry) {
        debug_assert!(name != NULL && name != DEAD && self.get(name).is_none());
        if let Entry::Port { port, .. } = entry {
            self.by_port.insert(port, name);
        }
        if name.0 as usize == self.dense.len() && name.0 < DENSE {
            self.dense.push(Some(entry));
            // Names that the vector has reached move into it, so that its end is always unused.
            while let Some(entry) = self.sparse.remove(&(self.dense.len() as u32)) {
                self.dense.push(Some(entry));
            }
        } else if let Some(cell) = self.dense.get_mut(name.0 as usize) {
            *cell = Some(entry);
        } else {
            self.sparse.insert(name.0, entry);
        }
        self.len += 1;
    }

    /// Takes the entry away; the name denotes nothing afterwards.
    pub(super) fn remove(&mut self, name: Name) -> Option<Entry> {
        let entry = match self.dense.get_mut(name.0 as usize) {
            Some(cell) => {
                let entry = cell.take();
                if entry.is_some() {
                    self.free.push(name.0);
                }
                entry
            }
            None => self.sparse.remove(&name.0),
        }?;
        if let Entry::Port { port, .. } = entry {
            self.by_port.remove(&port);
        }
        self.len -= 1;
        Some(entry)
    }

    /// Puts another entry in place of the one under `name`.
    pub(super) fn replace(&mut self, name: Name, entry: Entry) {
        self.remove(name);
        self.free.pop_if(|last| *last == name.0);
        self.insert(name, entry);
    }

    /// All names in use, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        let dense = self.dense.iter().enumerate();
        dense
            .filter(|(_, entry)| entry.is_some())
            .map(|(name, _)| Name(name as u32))
            .chain(self.sparse.keys().map(|name| Name(*name)))
    }

    /// Any name in use, for a space that is being emptied: unused names at the end are forgotten on the way.
    pub(super) fn any(&mut self) -> Option<Name> {
        while self.dense.len() > 1 && self.dense.last().is_some_and(Option::is_none) {
            self.dense.pop();
        }
        if self.dense.len() > 1 {
            return Some(Name(self.dense.len() as u32 - 1));
        }
        self.sparse.keys().next().map(|name| Name(*name))
    }
}
