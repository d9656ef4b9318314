//! The two directions of one name space: name → entry, and port → name.

use alloc::collections::BTreeMap;

use super::dense::{DENSE, Dense};
use super::{DEAD, NAMES_MAX, NULL, Name, PortId, SetId};

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
    /// Names below [`DENSE`].
    dense: Dense,
    /// Larger ones, which only `allocate_name` and `rename` make.
    sparse: BTreeMap<u32, Entry>,
    by_port: BTreeMap<PortId, Name>,
    len: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn get(&self, name: Name) -> Option<&Entry> {
        if name.0 < DENSE { self.dense.get(name.0) } else { self.sparse.get(&name.0) }
    }

    /// The entry to change in place. Its port must stay what it is: `by_port` is not mended here.
    pub(super) fn get_mut(&mut self, name: Name) -> Option<&mut Entry> {
        if name.0 < DENSE { self.dense.get_mut(name.0) } else { self.sparse.get_mut(&name.0) }
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
        self.dense.unused().map(Name)
    }

    /// Puts an entry under a name that denotes nothing.
    pub(super) fn insert(&mut self, name: Name, entry: Entry) {
        debug_assert!(name != NULL && name != DEAD && self.get(name).is_none());
        if let Entry::Port { port, .. } = entry {
            self.by_port.insert(port, name);
        }
        if name.0 < DENSE {
            self.dense.insert(name.0, entry);
        } else {
            self.sparse.insert(name.0, entry);
        }
        self.len += 1;
    }

    /// Takes the entry away; the name denotes nothing afterwards.
    pub(super) fn remove(&mut self, name: Name) -> Option<Entry> {
        let entry = if name.0 < DENSE { self.dense.remove(name.0) } else { self.sparse.remove(&name.0) }?;
        if let Entry::Port { port, .. } = entry {
            self.by_port.remove(&port);
        }
        self.len -= 1;
        Some(entry)
    }

    /// Puts another entry in place of the one under `name`.
    pub(super) fn replace(&mut self, name: Name, entry: Entry) {
        self.remove(name);
        self.insert(name, entry);
    }

    /// All names in use, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.dense.names().chain(self.sparse.keys().copied()).map(Name)
    }

    /// Any name in use, for a space that is being emptied.
    pub(super) fn any(&mut self) -> Option<Name> {
        self.dense.names().next_back().or_else(|| self.sparse.keys().next().copied()).map(Name)
    }
}
