//! Who has which name, and who may take and find it: the name service without its ports.
//!
//! A *client* is whoever speaks through one port of the name service. Each task that root starts has a port of its own, which
//! the tasks that it makes inherit; so a client is a task with all that come from it.
//!
//! Invariants. **NAME-1**: a name of the system's belongs to a client of the system's. **NAME-2**: no client has more than
//! [`MAX_NAMES`] names whose ports live.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use mach_protocol::KernReturn;
use mach_protocol::block::DISKS;

/// Names that one client can have at a time: what bounds the memory that clients can make root use.
pub const MAX_NAMES: usize = 64;

/// The number of a client.
pub type ClientId = u32;

/// What a client may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// It is one of the system's servers, which may take the system's names, and have other clients made.
    pub is_system: bool,
    /// It may find [`DISKS`].
    pub may_open_disks: bool,
}

/// What the registry asks of the rights that it keeps.
pub trait Rights {
    /// A right to a port.
    type Right: Copy;
    /// Whether its port lives.
    fn is_alive(&self, right: Self::Right) -> bool;
    /// Gives it up.
    fn let_go(&mut self, right: Self::Right);
}

#[derive(Debug)]
struct Entry<R> {
    right: R,
    owner: ClientId,
}

/// All names. One whose port has died is free: it is forgotten when it is next asked for, or when room is needed.
#[derive(Debug)]
pub struct Registry<W: Rights> {
    entries: BTreeMap<String, Entry<W::Right>>,
    /// The system's names, whether somebody has them or not.
    reserved: BTreeSet<String>,
    /// The rights.
    pub rights: W,
}

impl<W: Rights> Registry<W> {
    /// No names.
    pub const fn new(rights: W) -> Self {
        Self { entries: BTreeMap::new(), reserved: BTreeSet::new(), rights }
    }

    /// Keeps a name for the system's servers.
    pub fn reserve(&mut self, name: &str) {
        self.reserved.insert(name.into());
    }

    /// Gives a name to the port behind a right, and keeps the right; a refused one stays the caller's.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | there is a name | `INVALID_ARGUMENT` |
    /// | 2 | it is none of the system's, or the client is | `NO_ACCESS` |
    /// | 3 | nobody has the name whose port lives | `NAME_EXISTS` |
    /// | 4 | the client has not too many names whose ports live | `RESOURCE_SHORTAGE` |
    pub fn register(&mut self, id: ClientId, client: Client, name: String, right: W::Right) -> Result<(), KernReturn> {
        if name.is_empty() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if self.reserved.contains(&name) && !client.is_system {
            return Err(KernReturn::NO_ACCESS);
        }
        if self.find(&name).is_some() {
            return Err(KernReturn::NAME_EXISTS);
        }
        if self.count(id) >= MAX_NAMES {
            self.forget(|rights, entry| entry.owner != id || rights.is_alive(entry.right));
        }
        if self.count(id) >= MAX_NAMES {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        self.entries.insert(name, Entry { right, owner: id });
        Ok(())
    }

    /// The right behind a name whose port lives.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | the client may find what the name stands for | `INVALID_CAPABILITY` |
    /// | 2 | somebody has the name whose port lives | `INVALID_NAME` |
    pub fn lookup(&mut self, client: Client, name: &str) -> Result<W::Right, KernReturn> {
        if name == DISKS && !client.may_open_disks {
            return Err(KernReturn::INVALID_CAPABILITY);
        }
        self.find(name).ok_or(KernReturn::INVALID_NAME)
    }

    /// The right behind a name whose port lives, whoever asks.
    pub fn find(&mut self, name: &str) -> Option<W::Right> {
        let right = self.entries.get(name)?.right;
        if self.rights.is_alive(right) {
            return Some(right);
        }
        self.entries.remove(name);
        self.rights.let_go(right);
        None
    }

    /// A client is gone, with the tasks that came from it; so are its names.
    pub fn end(&mut self, id: ClientId) {
        self.forget(|_, entry| entry.owner != id);
    }

    fn count(&self, id: ClientId) -> usize {
        self.entries.values().filter(|entry| entry.owner == id).count()
    }

    /// Forgets the names that are not to be kept.
    fn forget(&mut self, keep: impl Fn(&W, &Entry<W::Right>) -> bool) {
        let rights = &mut self.rights;
        self.entries.retain(|_, entry| {
            let is_kept = keep(rights, entry);
            if !is_kept {
                rights.let_go(entry.right);
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::vec::Vec;

    /// Rights are numbers. Some are dead.
    #[derive(Debug, Default)]
    struct Numbers {
        dead: BTreeSet<u32>,
        gone: Vec<u32>,
    }

    impl Rights for Numbers {
        type Right = u32;

        fn is_alive(&self, right: u32) -> bool {
            !self.dead.contains(&right)
        }

        fn let_go(&mut self, right: u32) {
            self.gone.push(right);
        }
    }

    const SYSTEM: Client = Client { is_system: true, may_open_disks: false };
    const PLAIN: Client = Client { is_system: false, may_open_disks: false };

    fn registry() -> Registry<Numbers> {
        let mut registry = Registry::new(Numbers::default());
        registry.reserve("block");
        registry
    }

    #[test]
    fn register_err01_there_is_no_name() {
        assert_eq!(registry().register(1, SYSTEM, "".into(), 7), Err(KernReturn::INVALID_ARGUMENT));
    }

    #[test]
    fn register_err02_the_name_is_the_systems() {
        let mut names = registry();
        assert_eq!(names.register(1, PLAIN, "block".into(), 7), Err(KernReturn::NO_ACCESS));
        assert_eq!(names.find("block"), None);
        assert_eq!(names.register(2, SYSTEM, "block".into(), 8), Ok(()));
        // It stays the system's when its server is dead.
        names.rights.dead.insert(8);
        assert_eq!(names.register(1, PLAIN, "block".into(), 7), Err(KernReturn::NO_ACCESS));
        assert_eq!(names.register(1, PLAIN, "blocks".into(), 7), Ok(()));
    }

    #[test]
    fn register_err03_the_name_is_taken() {
        let mut names = registry();
        assert_eq!(names.register(1, PLAIN, "a".into(), 7), Ok(()));
        for id in [1, 2] {
            assert_eq!(names.register(id, PLAIN, "a".into(), 8), Err(KernReturn::NAME_EXISTS));
        }
        names.rights.dead.insert(7);
        assert_eq!(names.register(2, PLAIN, "a".into(), 8), Ok(()));
        assert_eq!((names.find("a"), names.rights.gone), (Some(8), [7].into()));
    }

    #[test]
    fn register_err04_a_client_has_too_many_names_and_the_others_their_own() {
        let mut names = registry();
        for number in 0..MAX_NAMES as u32 {
            assert_eq!(names.register(1, PLAIN, format!("mine {number}"), number), Ok(()));
        }
        assert_eq!(names.register(1, PLAIN, "one more".into(), 99), Err(KernReturn::RESOURCE_SHORTAGE));
        assert_eq!(names.register(2, PLAIN, "one more".into(), 99), Ok(()));
        assert_eq!(names.register(3, SYSTEM, "block".into(), 98), Ok(()));
        // A dead one makes room, and only one of the client's own.
        names.rights.dead.insert(99);
        assert_eq!(names.register(1, PLAIN, "another".into(), 97), Err(KernReturn::RESOURCE_SHORTAGE));
        names.rights.dead.insert(5);
        assert_eq!(names.register(1, PLAIN, "another".into(), 97), Ok(()));
        assert_eq!(names.rights.gone, [5]);
    }

    #[test]
    fn lookup_err01_the_disks_are_not_for_everybody() {
        let mut names = registry();
        assert_eq!(names.register(1, SYSTEM, DISKS.into(), 7), Ok(()));
        for client in [PLAIN, SYSTEM] {
            assert_eq!(names.lookup(client, DISKS), Err(KernReturn::INVALID_CAPABILITY));
        }
        assert_eq!(names.lookup(Client { may_open_disks: true, ..PLAIN }, DISKS), Ok(7));
    }

    #[test]
    fn lookup_err02_nobody_has_the_name() {
        let mut names = registry();
        assert_eq!(names.lookup(PLAIN, "a"), Err(KernReturn::INVALID_NAME));
        assert_eq!(names.register(1, PLAIN, "a".into(), 7), Ok(()));
        assert_eq!(names.lookup(PLAIN, "a"), Ok(7));
        names.rights.dead.insert(7);
        assert_eq!(names.lookup(PLAIN, "a"), Err(KernReturn::INVALID_NAME));
    }

    #[test]
    fn the_names_of_a_client_go_with_it() {
        let mut names = registry();
        assert_eq!(names.register(1, PLAIN, "a".into(), 7), Ok(()));
        assert_eq!(names.register(2, PLAIN, "b".into(), 8), Ok(()));
        names.end(1);
        assert_eq!((names.find("a"), names.find("b"), names.rights.gone), (None, Some(8), [7].into()));
    }
}
