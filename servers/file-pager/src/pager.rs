//! The memory manager: pages of files come from the volume, and go back to it.
//!
//! | page | is asked for | comes back |
//! |---|---|---|
//! | with bytes of the file | they are read; zeros behind the end | they are written, as far as the file goes |
//! | behind the end | an error | nothing is written |
//! | of a removed file | an error | nothing is written |
//!
//! A file changes its size when no page at its end is in memory: they are taken back first, and given out anew afterwards.
//! So a mapping never shows what was behind the old end, and never writes behind the new one.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use file_pager::ahead::MOST;
use file_pager::open::{OpenFiles, State};
use file_pager::volume::{Problem, Volume};
use libmach::memory_object::{
    After, Answer, Attributes, Init, LockCompleted, MemoryManager, Object, Returned, ShouldReturn, Supply, Synchronized,
};
use libmach::msg::{self, PortMessage};
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, PortName};
use mach_protocol::service;

use crate::disk::Session;

/// Changes of the sizes of files that wait at a time.
const MOST_RESIZES: usize = 64;

/// Bytes that a file grows by before others are served: zeros are written to the disk.
const GROWTH: u64 = 4 << 20;

/// A file that changes its size when its last pages have come back, and what was asked for before is done.
struct Resize {
    number: u64,
    size: u64,
    /// The size that it had, once it grows in more than one piece.
    before: Option<u64>,
    request: PortMessage,
}

/// The volume, and its files that are open.
pub(crate) struct Pager {
    pub(crate) volume: Volume<Session>,
    pub(crate) open: OpenFiles<Object>,
    /// In the order in which they were asked for. The first of each file is at work.
    resizes: VecDeque<Resize>,
    /// The files of which a piece was added, and more are to come.
    growing: VecDeque<u64>,
    /// Memory for pages on their way: what is supplied is copied from here before the next message is served.
    buffer: Vec<u8>,
    /// Where in it a page begins.
    aligned: usize,
}

impl Pager {
    pub(crate) fn new(volume: Volume<Session>) -> Self {
        let buffer = vec![0; (MOST + PAGE_SIZE) as usize];
        let aligned = (buffer.as_ptr().addr()).next_multiple_of(PAGE_SIZE as usize) - buffer.as_ptr().addr();
        let (resizes, growing) = (VecDeque::new(), VecDeque::new());
        Self { volume, open: OpenFiles::default(), resizes, growing, buffer, aligned }
    }

    /// Reads a piece of a file into the buffer.
    fn piece(&mut self, number: u64, offset: u64, length: u64) -> Answer {
        let Some(open) = self.open.get(number) else { return Answer::Error(KernReturn::MEMORY_ERROR) };
        let Some(pages) = self.buffer.get_mut(self.aligned..self.aligned + length as usize) else {
            return Answer::Error(KernReturn::MEMORY_ERROR);
        };
        match self.volume.read(&open.file, offset, pages) {
            Ok(()) => {
                let address = pages.as_ptr().expose_provenance() as u64;
                Answer::Supply(Supply::copy_at(address, length).at(offset))
            }
            Err(problem) => Answer::Error(problem.code()),
        }
    }

    /// Reads from the disk what will be wanted next of a file, if that is known.
    fn read_ahead(&mut self, number: u64) {
        if let Some(open) = self.open.get(number)
            && let Some(next) = open.ahead.likely_next()
        {
            self.volume.read_ahead(&open.file, next, MOST);
        }
    }

    /// Has a file change its size, and answers the request when that is done. Changes of one file are made one after the
    /// other, in the order of the requests.
    pub(crate) fn resize(&mut self, number: u64, size: u64, request: PortMessage) {
        if self.resizes.len() >= MOST_RESIZES {
            return answer(&request, Err(Problem::Busy));
        }
        let is_first = self.resizes.iter().all(|resize| resize.number != number);
        self.resizes.push_back(Resize { number, size, before: None, request });
        if is_first {
            self.begin_resize(number);
        }
    }

    /// Begins the first change that waits for a file, and makes all that need not wait.
    fn begin_resize(&mut self, number: u64) {
        while let Some(size) = self.resizes.iter().find(|resize| resize.number == number).map(|resize| resize.size) {
            if self.take_end(number, size) || !self.make_resize(number) {
                return;
            }
        }
    }

    /// Whether some file has a part of its new size only: [`grow`](Self::grow) goes on.
    pub(crate) fn is_growing(&self) -> bool {
        !self.growing.is_empty()
    }

    /// Adds the next piece to a file, files taking turns.
    pub(crate) fn grow(&mut self) {
        if let Some(number) = self.growing.pop_front() {
            self.finish_resize(number);
        }
    }

    /// Takes back the pages of a file that its new size changes. Answers whether there may be some: `lock_completed` follows.
    fn take_end(&mut self, number: u64, size: u64) -> bool {
        let Some(open) = self.open.get(number).filter(|open| open.is_mapped) else { return false };
        let before = open.file.size();
        let first = before.min(size) / PAGE_SIZE * PAGE_SIZE;
        let end = before.next_multiple_of(PAGE_SIZE);
        first < end
            && open.object.lock_request(first, end - first, ShouldReturn::DIRTY, true, VmProt::NO_CHANGE).is_ok()
    }

    /// The last pages of a file have come back: what waited for that is done, and the next change begins.
    fn finish_resize(&mut self, number: u64) {
        if self.make_resize(number) {
            self.begin_resize(number);
        }
    }

    /// Makes the first change that waits for a file, or a piece of it. Answers whether it is over.
    fn make_resize(&mut self, number: u64) -> bool {
        self.growing.retain(|growing| *growing != number);
        let Some(index) = self.resizes.iter().position(|resize| resize.number == number) else { return true };
        let Some(resize) = self.resizes.get_mut(index) else { return true };
        let done = match self.open.get(number) {
            Some(open) if open.state == State::Named => {
                let (size, now) = (resize.size, open.file.size());
                let before = *resize.before.get_or_insert(now);
                let piece = size.min((now / GROWTH + 1) * GROWTH);
                let checked = self.volume.check_size(&open.file, size);
                let done = checked.and_then(|_| self.volume.resize(&mut open.file, piece));
                if done.is_ok() && piece < size {
                    self.growing.push_back(number);
                    return false;
                }
                if done.is_err() && before < now {
                    // What it had got is given back. If that fails too, the volume has said why.
                    let _ = self.volume.resize(&mut open.file, before);
                }
                done
            }
            _ => Err(Problem::NotFound),
        };
        if let Some(Resize { request, .. }) = self.resizes.remove(index) {
            answer(&request, done.map(|()| service::answer(request.header.id, KernReturn::SUCCESS)));
        }
        true
    }

    /// Takes the name and the bytes of an open file away.
    pub(crate) fn removed(&mut self, number: u64) -> Option<PortName> {
        let open = self.open.get(number)?;
        open.state = State::Removed;
        if open.is_mapped {
            // Its pages in memory stay with those who have it mapped; terminate follows.
            let _ = open.object.destroy();
            return None;
        }
        self.open.forget(number).map(|open| open.object.port())
    }
}

impl MemoryManager for Pager {
    fn init(&mut self, object: &Object) -> Init {
        match self.open.get(object.tag()) {
            Some(open) if open.state == State::Named => {
                open.is_mapped = true;
                open.object = *object;
                Init::Ready(Attributes { synchronize: true, ..Attributes::default() })
            }
            _ => Init::Refuse,
        }
    }

    /// Pages behind those that are wanted go with them while somebody reads from page to page; what comes next then is read
    /// from the disk while he looks at these.
    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _desired_access: VmProt) -> Answer {
        let number = object.tag();
        let open = self.open.get(number).filter(|open| open.state == State::Named);
        let Some(open) = open else { return Answer::Error(KernReturn::MEMORY_ERROR) };
        let size = open.file.size().next_multiple_of(PAGE_SIZE);
        let end = offset.saturating_add(length);
        let inside = end.min(size);
        if inside <= offset {
            return Answer::Error(KernReturn::MEMORY_ERROR);
        }
        if inside < end {
            // An object that was destroyed meanwhile has nobody who waits; so below.
            let _ = object.error(inside, end - inside, KernReturn::MEMORY_ERROR);
        }
        let given = open.ahead.wanted(offset, inside - offset, size);
        // If it cannot be had: nobody asked for the rest, and what is wrong with that is told to who does.
        if given > inside - offset
            && given <= MOST
            && let supply @ Answer::Supply(_) = self.piece(number, offset, given)
        {
            self.read_ahead(number);
            return supply;
        }
        let mut at = offset;
        while inside - at > MOST {
            let piece = self.piece(number, at, MOST);
            let _ = object.answer(at, MOST, piece);
            at += MOST;
        }
        match self.piece(number, at, inside - at) {
            supply @ Answer::Supply(_) => supply,
            // The answer is for the whole of the request, of which a part was answered.
            other => {
                let _ = object.answer(at, inside - at, other);
                Answer::Later
            }
        }
    }

    fn data_return(&mut self, object: &Object, returned: Returned) {
        let Some(open) = self.open.get(object.tag()).filter(|open| open.state == State::Named) else { return };
        let mut bytes = vec![0; returned.data.size() as usize];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (to, from) in words.iter_mut().zip(returned.data.words()) {
            *to = from.load(Relaxed).to_ne_bytes();
        }
        if let Err(problem) = self.volume.write(&open.file, returned.offset, &bytes) {
            open.has_failed = true;
            libmach::names::note(&alloc::format!(
                "file-pager: {} at {:#x} is not written: {problem}",
                open.file.path(),
                returned.offset
            ));
        }
    }

    /// What came back before is written: it only has to survive a loss of power. A failure is told once.
    fn synchronize(&mut self, object: &Object, _offset: u64, _length: u64) -> Synchronized {
        let has_failed = self.open.get(object.tag()).is_some_and(|open| core::mem::take(&mut open.has_failed));
        match self.volume.flush() {
            Ok(()) if !has_failed => Synchronized::Done,
            _ => Synchronized::Failed(KernReturn::MEMORY_ERROR),
        }
    }

    fn lock_completed(&mut self, object: &Object, _completed: LockCompleted) {
        self.finish_resize(object.tag());
    }

    fn terminate(&mut self, object: &Object) -> After {
        let number = object.tag();
        if let Some(open) = self.open.get(number) {
            open.is_mapped = false;
        }
        // A lock_request that the end overtook is over as well, and nothing is to be taken back any more.
        self.finish_resize(number);
        match self.open.get(number) {
            Some(open) if open.state == State::Named => After::Keep,
            _ => {
                self.open.forget(number);
                After::Close
            }
        }
    }
}

/// Answers a request: with what was asked for, or with a code and a text.
pub(crate) fn answer(request: &PortMessage, outcome: Result<PortMessage, Problem>) {
    let answer = outcome.unwrap_or_else(|problem| {
        let mut answer = service::answer(request.header.id, problem.code());
        answer.push_bytes(alloc::format!("{problem}").as_bytes());
        answer
    });
    // A client that is gone needs no answer.
    msg::reply_or_destroy(request, &answer);
}
