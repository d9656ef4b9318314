//! `memory_object_synchronize`: a manager that wants it is told at the end of each `vm_msync` that waits, behind what was
//! returned, and says when all that it was given is where it must be.

use mach_protocol::{KernResult, KernReturn};

use super::MAX_OWED;
use crate::range::Range;
use crate::step::{Env, WaitOn, Wake};
use crate::types::AssocId;
use crate::vm::Vm;

/// A request that the manager has not answered, or whose answer nobody has seen yet.
#[derive(Debug)]
pub(crate) struct Sync {
    /// What the one who waits knows it by.
    ticket: u64,
    range: Range,
    /// The manager's answer.
    outcome: Option<KernResult<()>>,
    /// Nobody wants the answer any more.
    is_abandoned: bool,
}

/// What can be said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronized {
    /// The manager owes an answer.
    Pending,
    /// It gave this one. It is forgotten.
    Answered(KernResult<()>),
}

impl Vm {
    /// Whether the manager shall be told from now on (7013).
    ///
    /// # Errors
    /// `InvalidArgument`: the association is over.
    pub fn set_synchronizes(&mut self, assoc: AssocId, wanted: bool) -> KernResult<()> {
        let record = self.associations.get_mut(assoc).ok_or(KernReturn::INVALID_ARGUMENT)?;
        record.synchronizes = wanted;
        Ok(())
    }

    /// `memory_object_synchronize_completed` (7011) and `_failed` (7012): the oldest request for exactly this range is
    /// answered.
    ///
    /// # Errors
    /// `InvalidArgument`: the association is over, or no such request is pending.
    pub fn synchronized<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        offset: u64,
        length: u64,
        outcome: KernResult<()>,
    ) -> KernResult<()> {
        const NONE: KernReturn = KernReturn::INVALID_ARGUMENT;
        let record = self.associations.get_mut(assoc).ok_or(NONE)?;
        let end = offset.checked_add(length).ok_or(NONE)?;
        let range = Range { start: offset, end };
        let is_it = |sync: &Sync| sync.outcome.is_none() && sync.range == range;
        let at = record.syncs.iter().position(is_it).ok_or(NONE)?;
        match record.syncs.get_mut(at) {
            Some(sync) if !sync.is_abandoned => sync.outcome = Some(outcome),
            _ => drop(record.syncs.remove(at)),
        }
        self.wake(WaitOn::Manager(assoc), Wake::Retry);
        self.note_progress(env, assoc);
        Ok(())
    }

    /// Tells the manager of a range. Answers the request's ticket.
    ///
    /// # Errors
    /// What has to be waited for first: the manager takes no messages, or owes too many answers.
    pub(crate) fn request_synchronize<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        range: Range,
        flags: u32,
    ) -> Result<u64, WaitOn> {
        if !env.has_room(assoc) {
            self.await_room(env, assoc);
            return Err(WaitOn::Room(assoc));
        }
        let Some(record) = self.associations.get_mut(assoc) else { return Ok(0) };
        if record.syncs.len() >= MAX_OWED {
            return Err(WaitOn::Manager(assoc));
        }
        let ticket = record.next_turn;
        record.next_turn += 1;
        record.syncs.push_back(Sync { ticket, range, outcome: None, is_abandoned: false });
        env.synchronize(assoc, range.start, range.size(), flags);
        self.note_waiting(env, assoc);
        Ok(ticket)
    }

    /// What became of a request. One that is not known was given up: the manager let its time pass.
    pub(crate) fn look_at_synchronize(&mut self, assoc: AssocId, ticket: u64) -> Synchronized {
        const LATE: Synchronized = Synchronized::Answered(Err(KernReturn::MEMORY_ERROR));
        let Some(record) = self.associations.get_mut(assoc) else { return LATE };
        let Some(at) = record.syncs.iter().position(|sync| sync.ticket == ticket) else { return LATE };
        let Some(outcome) = record.syncs.get(at).and_then(|sync| sync.outcome) else { return Synchronized::Pending };
        record.syncs.remove(at);
        // There may have been no room for one more.
        self.wake(WaitOn::Manager(assoc), Wake::Retry);
        Synchronized::Answered(outcome)
    }

    /// Who made the request does not wait any more. Until it is answered it counts.
    pub(crate) fn abandon_synchronize(&mut self, assoc: AssocId, ticket: u64) {
        let Some(record) = self.associations.get_mut(assoc) else { return };
        record.syncs.retain(|sync| sync.ticket != ticket || sync.outcome.is_none());
        if let Some(sync) = record.syncs.iter_mut().find(|sync| sync.ticket == ticket) {
            sync.is_abandoned = true;
        }
    }
}

impl super::Association {
    /// Whether the manager owes an answer to a request to synchronize.
    pub(crate) fn owes_synchronize(&self) -> bool {
        self.syncs.iter().any(|sync| sync.outcome.is_none())
    }
}
