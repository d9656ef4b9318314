//! The two rings of a session, in the first page of its shared memory.
//!
//! | words | what | written by |
//! |---|---|---|
//! | 0 | requests submitted so far | client |
//! | 8 | completions given so far | server |
//! | 16 | completions taken so far | client |
//! | 24 | 1: the server sleeps, and wants [`BLOCK_KICK`](super::BLOCK_KICK) | both |
//! | 32 | 1: the client sleeps, and wants [`BLOCK_DONE`](super::BLOCK_DONE) | both |
//! | 64 + 4 n | request n: operation, tag, sector, offset in the data pages and bytes (32 bits each) | client |
//! | 320 + 2 n | completion n: tag, status | server |
//!
//! The counters run on and are taken modulo [`ENTRIES`] for a place. A request is in the ring until it is completed: at most
//! [`ENTRIES`] are, so a completion always has a place. (RING-1: taken by the server ≤ submitted ≤ completions taken by the
//! client + ENTRIES.)
//!
//! Neither side trusts the other's words. The server keeps its own counters ([`ServerEnd`]), reads each word of a request
//! once, and checks what it read ([`Request::check`]). A client that breaks RING-1 loses its session ([`Broken`]) and
//! hurts nobody else; a request that makes no sense is completed with [`Status::Invalid`].

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use super::{MAX_REQUEST, SECTOR};

/// Requests that can be in the ring, from submission to completion.
pub const ENTRIES: u64 = 64;

const SUBMITTED: usize = 0;
const COMPLETED: usize = 8;
const TAKEN: usize = 16;
const SERVER_SLEEPS: usize = 24;
const CLIENT_SLEEPS: usize = 32;
const REQUESTS: usize = 64;
const REQUEST_WORDS: usize = 4;
const COMPLETIONS: usize = REQUESTS + ENTRIES as usize * REQUEST_WORDS;
const COMPLETION_WORDS: usize = 2;

/// Words that the rings take up.
pub const WORDS: usize = COMPLETIONS + ENTRIES as usize * COMPLETION_WORDS;

const _: () = assert!(WORDS * 8 <= 4096, "the rings fit one page");

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sectors into data pages.
    Read,
    /// Data pages into sectors.
    Write,
    /// What was written and completed before is to survive a loss of power.
    Flush,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub op: Op,
    /// The client's own word, which comes back in the completion.
    pub tag: u64,
    /// The first sector.
    pub sector: u64,
    /// Where in the data pages, in bytes; a multiple of [`SECTOR`].
    pub offset: u32,
    /// Bytes, at most [`MAX_REQUEST`]; a multiple of [`SECTOR`].
    pub length: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Well.
    Ok,
    /// The request makes no sense.
    Invalid,
    /// It goes beyond the end of the disk.
    OutOfRange,
    /// The disk cannot be written.
    ReadOnly,
    /// The device failed.
    Io,
    /// The device knows no such operation.
    Unsupported,
}

impl Status {
    const fn to_word(self) -> u64 {
        self as u64
    }

    const fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Ok,
            1 => Self::Invalid,
            2 => Self::OutOfRange,
            3 => Self::ReadOnly,
            5 => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The request's tag.
    pub tag: u64,
    /// How it ended.
    pub status: Status,
}

/// What a session may do: its disk and its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The disk's size.
    pub sectors: u64,
    /// Bytes of the data pages.
    pub data: u64,
    /// Whether writing is refused.
    pub is_read_only: bool,
}

impl Request {
    const fn words(&self) -> [u64; REQUEST_WORDS] {
        let op = match self.op {
            Op::Read => 0,
            Op::Write => 1,
            Op::Flush => 2,
        };
        [op, self.tag, self.sector, (self.length as u64) << 32 | self.offset as u64]
    }

    /// `None`: no such operation.
    const fn from_words([op, tag, sector, place]: [u64; REQUEST_WORDS]) -> Option<Self> {
        let op = match op {
            0 => Op::Read,
            1 => Op::Write,
            2 => Op::Flush,
            _ => return None,
        };
        Some(Self { op, tag, sector, offset: place as u32, length: (place >> 32) as u32 })
    }

    /// Checks a request against what its session may do.
    ///
    /// # Errors
    ///
    /// | # | check (a flush has none) | status |
    /// |---|---|---|
    /// | 1 | offset and length are multiples of a sector, the length is neither 0 nor above [`MAX_REQUEST`] | `Invalid` |
    /// | 2 | the bytes lie in the data pages | `Invalid` |
    /// | 3 | a write is allowed | `ReadOnly` |
    /// | 4 | the sectors lie on the disk | `OutOfRange` |
    pub fn check(&self, bounds: &Bounds) -> Result<(), Status> {
        let (offset, length) = (u64::from(self.offset), u64::from(self.length));
        if self.op == Op::Flush {
            return Ok(());
        }
        if !offset.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) || length == 0 || length > MAX_REQUEST {
            return Err(Status::Invalid);
        }
        if offset + length > bounds.data {
            return Err(Status::Invalid);
        }
        if self.op == Op::Write && bounds.is_read_only {
            return Err(Status::ReadOnly);
        }
        let end = self.sector.checked_add(length / SECTOR);
        if end.is_none_or(|end| end > bounds.sectors) {
            return Err(Status::OutOfRange);
        }
        Ok(())
    }
}

/// The words of the rings. A page that is too short for a word reads as 0 and forgets what is written.
#[derive(Clone, Copy)]
struct Page<'a>(&'a [AtomicU64]);

impl Page<'_> {
    fn get(self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |word| word.load(SeqCst))
    }

    fn set(self, index: usize, value: u64) {
        if let Some(word) = self.0.get(index) {
            word.store(value, SeqCst);
        }
    }

    fn take(self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |word| word.swap(0, SeqCst))
    }

    fn words<const N: usize>(self, first: usize) -> [u64; N] {
        core::array::from_fn(|index| self.get(first + index))
    }
}

const fn place(count: u64, first: usize, words: usize) -> usize {
    first + (count % ENTRIES) as usize * words
}

/// The client broke the rules of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// The server's end of a session: the counters that it trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerEnd {
    /// Requests taken out of the ring.
    taken: u64,
    /// Completions put into it.
    given: u64,
}

impl ServerEnd {
    /// Takes the next request, if there is one: it, or the tag of one with an unknown operation.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the client's counters cannot be. Nothing was taken.
    pub fn take(&mut self, words: &[AtomicU64]) -> Result<Option<Result<Request, u64>>, Broken> {
        let page = Page(words);
        let (submitted, seen) = (page.get(SUBMITTED), page.get(TAKEN));
        // RING-1, and that the client has not seen what was not given.
        let waiting = submitted.wrapping_sub(self.taken);
        let unseen = self.given.wrapping_sub(seen);
        let in_ring = submitted.wrapping_sub(seen);
        if waiting > ENTRIES || unseen > ENTRIES || in_ring > ENTRIES {
            return Err(Broken);
        }
        if waiting == 0 {
            return Ok(None);
        }
        let words: [u64; REQUEST_WORDS] = page.words(place(self.taken, REQUESTS, REQUEST_WORDS));
        self.taken = self.taken.wrapping_add(1);
        let [_, tag, ..] = words;
        Ok(Some(Request::from_words(words).ok_or(tag)))
    }

    /// Gives a completion of a request that was taken. Answers whether the client sleeps and must be woken.
    pub fn give(&mut self, words: &[AtomicU64], completion: Completion) -> bool {
        let page = Page(words);
        let at = place(self.given, COMPLETIONS, COMPLETION_WORDS);
        page.set(at, completion.tag);
        page.set(at + 1, completion.status.to_word());
        self.given = self.given.wrapping_add(1);
        page.set(COMPLETED, self.given);
        page.take(CLIENT_SLEEPS) != 0
    }

    /// Requests that were taken and not completed.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.taken.wrapping_sub(self.given)
    }

    /// Says that the server goes to sleep. It must look for requests once more before it does.
    pub fn sleeps(words: &[AtomicU64]) {
        Page(words).set(SERVER_SLEEPS, 1);
    }
}

/// The ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The client's end of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientEnd {
    submitted: u64,
    taken: u64,
}

impl ClientEnd {
    /// Submits a request. The server may need to be woken ([`ClientEnd::must_kick`]), once for several.
    ///
    /// # Errors
    ///
    /// [`Full`]: as many are in the ring as fit.
    pub fn submit(&mut self, words: &[AtomicU64], request: &Request) -> Result<(), Full> {
        if self.in_flight() >= ENTRIES {
            return Err(Full);
        }
        let page = Page(words);
        let at = place(self.submitted, REQUESTS, REQUEST_WORDS);
        request.words().into_iter().zip(at..).for_each(|(word, at)| page.set(at, word));
        self.submitted = self.submitted.wrapping_add(1);
        page.set(SUBMITTED, self.submitted);
        Ok(())
    }

    /// Whether the server sleeps and must be sent [`BLOCK_KICK`](super::BLOCK_KICK).
    #[must_use]
    pub fn must_kick(words: &[AtomicU64]) -> bool {
        Page(words).take(SERVER_SLEEPS) != 0
    }

    /// The next completion.
    pub fn take(&mut self, words: &[AtomicU64]) -> Option<Completion> {
        let page = Page(words);
        if self.in_flight() == 0 || page.get(COMPLETED) == self.taken {
            return None;
        }
        let [tag, status] = page.words(place(self.taken, COMPLETIONS, COMPLETION_WORDS));
        self.taken = self.taken.wrapping_add(1);
        page.set(TAKEN, self.taken);
        Some(Completion { tag, status: Status::from_word(status) })
    }

    /// Asks to be woken by the next completion. Answers whether one is there already.
    #[must_use]
    pub fn sleeps(&self, words: &[AtomicU64]) -> bool {
        let page = Page(words);
        page.set(CLIENT_SLEEPS, 1);
        page.get(COMPLETED) != self.taken
    }

    /// Requests that were submitted and whose completions were not taken.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.submitted.wrapping_sub(self.taken)
    }
}

#[cfg(test)]
mod tests;
