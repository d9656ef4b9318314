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

use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use file_pager::open::{OpenFiles, State};
use file_pager::volume::{Problem, Volume};
use libmach::memory_object::{
    After, Answer, Attributes, Init, LockCompleted, MemoryManager, Object, Returned, ShouldReturn, Supply,
};
use libmach::msg::{self, PortMessage};
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, PortName};
use mach_protocol::service;

use crate::disk::Session;

/// Bytes that are read from the disk at once.
const PIECE: u64 = 16 * PAGE_SIZE;

/// A file that changes its size when its last pages have come back.
struct Resize {
    number: u64,
    size: u64,
    request: PortMessage,
}

/// The volume, and its files that are open.
pub(crate) struct Pager {
    pub(crate) volume: Volume<Session>,
    pub(crate) open: OpenFiles<Object>,
    resizes: Vec<Resize>,
    /// Memory for pages on their way: what is supplied is copied from here before the next message is served.
    buffer: Vec<u8>,
    /// Where in it a page begins.
    aligned: usize,
}

impl Pager {
    pub(crate) fn new(volume: Volume<Session>) -> Self {
        let buffer = vec![0; (PIECE + PAGE_SIZE) as usize];
        let aligned = (buffer.as_ptr().addr()).next_multiple_of(PAGE_SIZE as usize) - buffer.as_ptr().addr();
        Self { volume, open: OpenFiles::default(), resizes: Vec::new(), buffer, aligned }
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

    /// Has a file change its size, and answers the request when that is done. One change is made at a time, so that the
    /// last to be answered is the last that was made.
    pub(crate) fn resize(&mut self, number: u64, size: u64, request: PortMessage) {
        let Some(open) = self.open.get(number) else { return answer(&request, Err(Problem::NotFound)) };
        if self.resizes.iter().any(|resize| resize.number == number) {
            return answer(&request, Err(Problem::Busy));
        }
        let (object, before) = (open.object, open.file.size());
        let first = before.min(size) / PAGE_SIZE * PAGE_SIZE;
        let end = before.next_multiple_of(PAGE_SIZE);
        let is_mapped = open.is_mapped;
        self.resizes.push(Resize { number, size, request });
        let taken = first < end
            && is_mapped
            && object.lock_request(first, end - first, ShouldReturn::DIRTY, true, VmProt::NO_CHANGE).is_ok();
        if !taken {
            self.finish_resize(number);
        }
    }

    /// Does what waited for the last pages of a file.
    fn finish_resize(&mut self, number: u64) {
        let Some(index) = self.resizes.iter().position(|resize| resize.number == number) else { return };
        let Resize { size, request, .. } = self.resizes.remove(index);
        let done = match self.open.get(number) {
            Some(open) if open.state == State::Named => self.volume.resize(&mut open.file, size),
            _ => Err(Problem::NotFound),
        };
        answer(&request, done.map(|()| service::answer(request.header.id, KernReturn::SUCCESS)));
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
                Init::Ready(Attributes::default())
            }
            _ => Init::Refuse,
        }
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _desired_access: VmProt) -> Answer {
        let size = match self.open.get(object.tag()) {
            Some(open) if open.state == State::Named => open.file.size().next_multiple_of(PAGE_SIZE),
            _ => return Answer::Error(KernReturn::MEMORY_ERROR),
        };
        let end = offset.saturating_add(length);
        let inside = end.min(size);
        if inside <= offset {
            return Answer::Error(KernReturn::MEMORY_ERROR);
        }
        if inside < end {
            // An object that was destroyed meanwhile has nobody who waits; so below.
            let _ = object.error(inside, end - inside, KernReturn::MEMORY_ERROR);
        }
        let mut at = offset;
        while inside - at > PIECE {
            let piece = self.piece(object.tag(), at, PIECE);
            let _ = object.answer(at, PIECE, piece);
            at += PIECE;
        }
        match self.piece(object.tag(), at, inside - at) {
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
        let pieces = returned.data.bytes().chunks(PIECE as usize);
        for (offset, bytes) in (returned.offset..).step_by(PIECE as usize).zip(pieces) {
            let Some(buffer) = self.buffer.get_mut(..bytes.len()) else { return };
            buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from.load(Relaxed));
            if let Err(problem) = self.volume.write(&open.file, offset, buffer) {
                open.has_failed = true;
                libmach::names::note(&alloc::format!(
                    "file-pager: {} at {offset:#x} is not written: {problem}",
                    open.file.path()
                ));
            }
        }
    }

    fn lock_completed(&mut self, object: &Object, _completed: LockCompleted) {
        self.finish_resize(object.tag());
    }

    fn terminate(&mut self, object: &Object) -> After {
        // A lock_request that the end overtook is over as well.
        while self.resizes.iter().any(|resize| resize.number == object.tag()) {
            self.finish_resize(object.tag());
        }
        match self.open.get(object.tag()) {
            Some(open) if open.state == State::Named => {
                open.is_mapped = false;
                After::Keep
            }
            _ => {
                self.open.forget(object.tag());
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
