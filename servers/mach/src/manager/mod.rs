//! Memory managers, as far as the server has to count: which associations there are, what is queued for whom, and
//! until when a manager may be silent.
//!
//! What the virtual memory tells a manager ([`vm::Pager`]) is kept in order in an *outbox*, with no port touched: the
//! server posts it when the step is over (`server::managers`). Rights and queues are the port layer's, the protocol's
//! states the virtual memory's; here are numbers, and limits:
//!
//! | limit | value | what happens beyond |
//! |---|---|---|
//! | messages on one object port | [`PORT_MESSAGES`] | what can wait waits for room; `vm_map` of the port without association is refused |
//! | messages to one task | [`TASK_MESSAGES`] | the same |
//! | returned pages in messages to one task | [`TASK_PAGES`] | returns wait for room |
//! | returned pages in messages to all but the default pager | an eighth of memory, half of that for tasks that have none | the same |
//! | pages that one task supplied unasked, and nobody used yet | [`TASK_UNASKED`] | the next is refused |
//! | lock_requests of one task that run on | [`TASK_REQUESTS`] | the next is refused |
//! | lock_requests that run on | [`ALL_REQUESTS`] | the next is refused |
//!
//! A task is the one that receives on the object port when a message is posted. Invariants: **MAN-1** a record exists
//! from `init` until the control port is handed over or destroyed. **MAN-2** an account's counts are the sums over `queued`.
//! **MAN-3** a record that is waited for and has a limit is in `deadlines`, once, for its own deadline or an earlier one, and
//! counted in `limited`; what else is there is found to have none when its time comes. **MAN-4** the place for
//! `terminate` is kept: a queue without room for anything else still takes it.

mod account;
mod outbox;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use arena::{Arena, Id, IdMap};
use smallvec::SmallVec;
use vm::{AssocId, Association, ManagerId, ObjectId, ReturnedData};

use crate::clock::Clock;
use crate::port::{Message, Port, PortId, Right, SpaceId};
use account::Accounts;
pub use account::Charge;
pub use outbox::Told;

/// Messages of the server's that one object port holds.
pub const PORT_MESSAGES: u32 = 64;
/// Messages of the server's that wait for one task.
pub const TASK_MESSAGES: u32 = 1024;
/// Returned pages that wait for one task in messages.
pub const TASK_PAGES: u32 = 1024;
/// This part of memory may be returned pages in messages that no manager has received.
const UNRECEIVED_PART: u32 = 8;
/// But so many at least, that small machines page out as well.
const UNRECEIVED_LEAST: u32 = 128;
/// Pages that one task supplied unasked and nobody used yet.
pub const TASK_UNASKED: u32 = 1024;
/// Lock requests of one task that run on behind its back.
pub const TASK_REQUESTS: u32 = 256;
/// Lock requests that run on behind their callers' backs, over all tasks. Operations have no room for more beside
/// those of all threads and of the ends of all tasks.
pub const ALL_REQUESTS: u32 = 4096;

/// The ports that stand for an association.
#[derive(Debug)]
pub struct AssocPorts {
    /// The server's send right to the object port.
    pub object: Right,
    /// The control port.
    pub control: PortId,
    /// The name port.
    pub name: PortId,
    /// The object whose name port that is.
    pub named: ObjectId,
}

/// One association.
#[derive(Debug)]
struct Record {
    /// The object port; none for one of the default pager's until `create` is posted.
    manager: Option<ManagerId>,
    /// Its object is anonymous memory that is paged out.
    is_paging: bool,
    /// Whose task receives the messages, as of the last one.
    payer: Option<SpaceId>,
    /// Its ports, from when `init` is posted.
    ports: Option<AssocPorts>,
    /// How long the manager may be silent; 0 for ever.
    limit_ms: u32,
    is_waited_for: bool,
    deadline: Option<u64>,
    /// When it is looked at, if it is among those with a deadline.
    listed: Option<u64>,
    returns_taken: u64,
    /// Pages that came unasked and were not used yet.
    unasked: u32,
    /// Completions that come after the end.
    last_words: Vec<Message>,
}

/// A message that nobody has received yet.
#[derive(Debug)]
struct Queued {
    charge: Charge,
    /// Whose data_return it is.
    returns: Option<AssocId>,
    data: Option<ReturnedData>,
}

/// What became known when a message left its queue.
#[derive(Debug, Default)]
pub struct Left {
    /// Associations that have room now and may have waited for it.
    pub room: SmallVec<[AssocId; 1]>,
    /// Data that nobody took.
    pub data: Option<ReturnedData>,
}

/// The port that a manager is.
const fn port_of(manager: ManagerId) -> PortId {
    PortId::from_word(manager.0)
}

/// All managers.
#[derive(Debug, Default)]
pub struct Managers {
    records: IdMap<Association, Record>,
    /// The latest association of each object port that has one.
    by_port: IdMap<Port, AssocId>,
    accounts: Accounts,
    /// Messages by their numbers.
    queued: Arena<Queued>,
    outbox: VecDeque<Told>,
    deadlines: BTreeSet<(u64, AssocId)>,
    /// Records with a deadline.
    limited: usize,
    /// A port of the server's that stands for nothing yet: the object port of the next copy.
    unclaimed: Option<PortId>,
    /// The task that receives for the default pager.
    pub default_pager: Option<SpaceId>,
}

impl Managers {
    /// Whether a port is wanted for the next copy.
    #[must_use]
    pub const fn wants_port(&self) -> bool {
        self.unclaimed.is_none()
    }

    /// Here it is.
    pub const fn keep_port(&mut self, port: PortId) {
        self.unclaimed = Some(port);
    }

    /// Says how many frames there are: an eighth of them may be in messages that nobody has received.
    pub fn set_memory(&mut self, frames: u32) {
        self.accounts.set_most_pages((frames / UNRECEIVED_PART).max(UNRECEIVED_LEAST));
    }

    /// Number of associations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether a port that this task receives on can be mapped now: it is associated already, or the task's queues have
    /// room.
    #[must_use]
    pub fn may_map(&self, manager: ManagerId, receiver: Option<SpaceId>) -> bool {
        match self.by_port.get(port_of(manager)) {
            // What is paged out is mapped through its object only.
            Some(assoc) => self.records.get(*assoc).is_some_and(|record| !record.is_paging),
            None => self.accounts.task_has_room(receiver),
        }
    }

    /// Names the port that was made for an association with the default pager.
    pub fn set_port(&mut self, assoc: AssocId, manager: ManagerId) {
        if let Some(record) = self.records.get_mut(assoc) {
            record.manager = Some(manager);
            self.by_port.insert(port_of(manager), assoc);
        }
    }

    /// The object port of an association, and its ports once `init` is posted.
    #[must_use]
    pub fn ports(&self, assoc: AssocId) -> Option<(PortId, Option<&AssocPorts>)> {
        let record = self.records.get(assoc)?;
        Some((PortId::from_word(record.manager?.0), record.ports.as_ref()))
    }

    /// Notes the ports that were made for an association.
    pub fn set_ports(&mut self, assoc: AssocId, ports: AssocPorts) {
        if let Some(record) = self.records.get_mut(assoc) {
            record.ports = Some(ports);
        }
    }

    /// Forgets an association: its ports, and what was to be said after its end.
    pub fn remove(&mut self, assoc: AssocId) -> Option<(Option<AssocPorts>, Vec<Message>)> {
        let record = self.records.remove(assoc)?;
        self.accounts.move_association(record.payer, None, record.unasked);
        if let Some(manager) = record.manager
            && self.by_port.get(port_of(manager)) == Some(&assoc)
        {
            self.by_port.remove(port_of(manager));
        }
        self.limited -= usize::from(record.deadline.is_some());
        if let Some(listed) = record.listed {
            self.deadlines.remove(&(listed, assoc));
        }
        Some((record.ports, record.last_words))
    }

    /// Keeps a message until the association is over. Gives it back if it is.
    pub fn say_last(&mut self, assoc: AssocId, message: Message) -> Option<Message> {
        match self.records.get_mut(assoc) {
            Some(record) => {
                record.last_words.push(message);
                None
            }
            None => Some(message),
        }
    }

    /// The association of a memory object's port.
    #[must_use]
    pub fn find(&self, manager: ManagerId) -> Option<AssocId> {
        self.by_port.get(port_of(manager)).copied()
    }

    /// Charges for a message that will be posted; answers its number.
    fn charge(&mut self, assoc: AssocId, data: Option<ReturnedData>) -> u64 {
        let record = self.records.get(assoc);
        let pages = data.as_ref().map_or(0, |data| (data.size() / vm::PAGE_SIZE) as u32);
        let charge = Charge {
            port: record.and_then(|record| record.manager),
            task: record.and_then(|record| record.payer),
            pages,
            is_paging: record.is_some_and(|record| record.is_paging),
        };
        let returns = data.as_ref().map(|_| assoc);
        self.enter(Queued { charge, returns, data })
    }

    /// Charges a task for a completion; answers the message's number.
    pub fn charge_completion(&mut self, task: SpaceId) -> u64 {
        let charge = Charge { port: None, task: Some(task), pages: 0, is_paging: false };
        self.enter(Queued { charge, returns: None, data: None })
    }

    fn enter(&mut self, message: Queued) -> u64 {
        self.accounts.add(&message.charge);
        self.queued.insert(message).to_word()
    }

    /// A message is posted to a port on which this task receives: it pays.
    pub fn address(&mut self, assoc: AssocId, number: u64, receiver: Option<SpaceId>) {
        // A port that is on its way to the default pager.
        let kept = self.records.get(assoc).filter(|record| record.is_paging).and_then(|record| record.payer);
        let receiver = receiver.or(kept);
        if let Some(message) =
            self.queued.get_mut(Id::from_word(number)).filter(|message| message.charge.task != receiver)
        {
            self.accounts.subtract(&message.charge);
            message.charge.task = receiver;
            self.accounts.add(&message.charge);
        }
        if let Some(record) = self.records.get_mut(assoc).filter(|record| record.payer != receiver) {
            let former = core::mem::replace(&mut record.payer, receiver);
            self.accounts.move_association(former, receiver, record.unasked);
        }
    }

    /// Whether a task is a memory manager: it receives for an association.
    #[must_use]
    pub fn serves(&self, task: SpaceId) -> bool {
        self.accounts.has_association(task)
    }

    /// Whether the task that serves an association may supply one more page unasked.
    fn takes_unasked(&self, assoc: AssocId) -> bool {
        self.records.get(assoc).is_none_or(|record| self.accounts.unasked(record.payer) < TASK_UNASKED)
    }

    /// Counts one more, or one less.
    fn count_unasked(&mut self, assoc: AssocId, is_more: bool) {
        if let Some(record) = self.records.get_mut(assoc) {
            record.unasked = if is_more { record.unasked + 1 } else { record.unasked - 1 };
            self.accounts.count_unasked(record.payer, is_more);
        }
    }

    /// Gives back the data of a message that could not be delivered. Gives it back if the message is gone.
    pub fn return_data(&mut self, number: u64, data: ReturnedData) -> Option<ReturnedData> {
        match self.queued.get_mut(Id::from_word(number)) {
            Some(message) => {
                message.data = Some(data);
                None
            }
            None => Some(data),
        }
    }

    /// Takes the data of a message that is being received.
    pub fn take_data(&mut self, number: u64) -> Option<ReturnedData> {
        self.queued.get_mut(Id::from_word(number))?.data.take()
    }

    /// A message was received.
    pub fn delivered(&mut self, number: u64) -> Left {
        let Some(message) = self.queued.remove(Id::from_word(number)) else { return Left::default() };
        if let Some(record) = message.returns.and_then(|assoc| self.records.get_mut(assoc)) {
            record.returns_taken += 1;
        }
        self.left(message)
    }

    /// A message was destroyed, and nobody received it.
    pub fn destroyed(&mut self, number: u64) -> Left {
        self.queued.remove(Id::from_word(number)).map(|message| self.left(message)).unwrap_or_default()
    }

    fn left(&mut self, message: Queued) -> Left {
        let Queued { charge, data, .. } = message;
        let was_full = !self.accounts.task_has_room(charge.task);
        let was_crowded = charge.pages > 0 && !self.accounts.pages_have_room(charge.task);
        self.accounts.subtract(&charge);
        let own = charge.port.and_then(|port| self.by_port.get(port_of(port))).copied();
        let mut room: SmallVec<[AssocId; 1]> = own.filter(|assoc| self.has_room(*assoc)).into_iter().collect();
        if was_full {
            let others =
                self.records.iter().filter(|(_, record)| record.payer.is_some() && record.payer == charge.task);
            room.extend(others.map(|(assoc, _)| assoc).filter(|assoc| self.has_room(*assoc)));
        } else if was_crowded {
            // Anybody's manager may have waited for that.
            let all = self.records.iter().filter(|(_, record)| !record.is_paging);
            room.extend(all.map(|(assoc, _)| assoc).filter(|assoc| self.has_room(*assoc)));
        }
        Left { room, data }
    }

    /// Whether one more message about an association may be queued, beside the places that are kept.
    #[must_use]
    pub fn has_room(&self, assoc: AssocId) -> bool {
        // The end of an association is near: what is told no more needs no room.
        self.records.get(assoc).is_none_or(|record| {
            let queued = record.manager.map_or(0, |manager| self.accounts.port_messages(manager));
            let has_room = match record.is_paging {
                true => self.accounts.task_has_room(record.payer),
                false => self.accounts.both_have_room(record.payer),
            };
            queued + 1 < PORT_MESSAGES && has_room
        })
    }

    /// Counts one more lock_request of a task that runs on. `false`: it has too many.
    pub fn begin_request(&mut self, task: SpaceId) -> bool {
        self.accounts.begin_request(task)
    }

    /// One of them is over.
    pub fn end_request(&mut self, task: SpaceId) {
        self.accounts.end_request(task);
    }

    /// Whether a task's queues take one more completion.
    #[must_use]
    pub fn takes_completions(&self, task: SpaceId) -> bool {
        self.accounts.task_has_room(Some(task))
    }

    /// Sets how long a manager may be silent, in milliseconds; 0 for ever. `false`: there is no such association.
    pub fn set_limit(&mut self, assoc: AssocId, limit_ms: u32, clock: Clock) -> bool {
        let Some(record) = self.records.get_mut(assoc) else { return false };
        record.limit_ms = limit_ms;
        self.rearm(assoc, clock);
        true
    }

    /// Somebody waits for a manager from now on, or nobody does any more. Told anew when the manager gave an answer that
    /// somebody waited for, and others still wait: its time starts anew. Nothing else that it does buys it time.
    pub fn waiting(&mut self, assoc: AssocId, is_waiting: bool, clock: Clock) {
        if let Some(record) = self.records.get_mut(assoc) {
            record.is_waited_for = is_waiting;
        }
        self.rearm(assoc, clock);
    }

    fn rearm(&mut self, assoc: AssocId, clock: Clock) {
        let Some(record) = self.records.get_mut(assoc) else { return };
        let was_limited = record.deadline.is_some();
        record.deadline = (record.is_waited_for && record.limit_ms > 0).then(|| clock.after_ms(record.limit_ms));
        self.limited = self.limited + usize::from(record.deadline.is_some()) - usize::from(was_limited);
        // A record that is looked at too early is put back then.
        let Some(deadline) = record.deadline.filter(|deadline| record.listed.is_none_or(|listed| *deadline < listed))
        else {
            return;
        };
        if let Some(listed) = record.listed.replace(deadline) {
            self.deadlines.remove(&(listed, assoc));
        }
        self.deadlines.insert((deadline, assoc));
    }

    /// Whether some manager has a time limit just now.
    #[must_use]
    pub const fn has_deadline(&self) -> bool {
        self.limited > 0
    }

    /// A manager whose time is over. Its time starts anew.
    pub fn next_overdue(&mut self, clock: Clock) -> Option<AssocId> {
        loop {
            let (listed, assoc) = *self.deadlines.first().filter(|(listed, _)| *listed <= clock.now())?;
            self.deadlines.remove(&(listed, assoc));
            let Some(record) = self.records.get_mut(assoc) else { continue };
            record.listed = None;
            match record.deadline {
                None => {}
                Some(deadline) if deadline > clock.now() => {
                    record.listed = Some(deadline);
                    self.deadlines.insert((deadline, assoc));
                }
                Some(_) => {
                    self.rearm(assoc, clock);
                    return Some(assoc);
                }
            }
        }
    }
}
