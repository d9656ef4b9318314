//! The files that are open. Each has one memory object, however many have opened it, and a number that stands for both.

use alloc::collections::BTreeMap;

use crate::ahead::Ahead;
use crate::volume::{File, Place};

/// The most files that are open at once. Beyond it one that nobody has mapped is closed.
pub const MOST_OPEN: usize = 512;

/// What becomes of a file that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has a name, and so a place on the disk.
    Named,
    /// It was removed: it has no bytes any more.
    Removed,
}

/// An open file, whose object is an `O`.
#[derive(Debug)]
pub struct Open<O> {
    /// The file.
    pub file: File,
    /// Its memory object.
    pub object: O,
    /// How it is used.
    pub ahead: Ahead,
    /// Whether somebody has the object mapped.
    pub is_mapped: bool,
    /// Whether it was removed.
    pub state: State,
    /// Whether a page that came back could not be written since this was last told.
    pub has_failed: bool,
}

/// All of them, by their numbers. Numbers are not used again.
#[derive(Debug)]
pub struct OpenFiles<O> {
    files: BTreeMap<u64, Open<O>>,
    next: u64,
}

impl<O> Default for OpenFiles<O> {
    fn default() -> Self {
        Self { files: BTreeMap::new(), next: 1 }
    }
}

impl<O> OpenFiles<O> {
    /// The number that the next file gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Enters a file with its object, which nobody has mapped. Answers its number.
    pub fn insert(&mut self, file: File, object: O) -> u64 {
        let number = self.next;
        self.next += 1;
        let open =
            Open { file, object, ahead: Ahead::default(), is_mapped: false, state: State::Named, has_failed: false };
        self.files.insert(number, open);
        number
    }

    /// The file with that number.
    pub fn get(&mut self, number: u64) -> Option<&mut Open<O>> {
        self.files.get_mut(&number)
    }

    /// Forgets a file.
    pub fn forget(&mut self, number: u64) -> Option<Open<O>> {
        self.files.remove(&number)
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut Open<O>)> {
        self.files.iter_mut().map(|(number, open)| (*number, open))
    }

    /// The number of the file whose entry lies there. A removed file has none.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<u64> {
        let is_it = |open: &Open<O>| open.state == State::Named && open.file.place() == place;
        self.files.iter().find(|(_, open)| is_it(open)).map(|(number, _)| *number)
    }

    /// If there is no room for one more: the oldest that nobody has mapped.
    #[must_use]
    pub fn surplus(&self) -> Option<u64> {
        if self.files.len() < MOST_OPEN {
            return None;
        }
        self.files.iter().find(|(_, open)| !open.is_mapped).map(|(number, _)| *number)
    }

    /// Whether one more can be opened.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.files.len() < MOST_OPEN
    }
}
