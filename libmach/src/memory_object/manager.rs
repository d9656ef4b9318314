//! What a memory manager does: a method a message, with defaults for all but the request for data.

use core::sync::atomic::AtomicU8;

use mach_protocol::memory_object::{ChangeCompleted, CopyStrategy, LockCompleted, ShouldReturn, SupplyCompleted};

use super::{Data, ReplyTo, memory_object_change_attributes, memory_object_data_error};
use super::{memory_object_data_supply, memory_object_data_unavailable, memory_object_destroy};
use super::{
    memory_object_get_attributes, memory_object_lock_request, memory_object_ready, memory_object_set_deadline,
    memory_object_synchronize_completed, memory_object_synchronize_failed, memory_object_want_synchronize,
};
use crate::msg::{Landing, NO_ROOM};
use crate::port::Disposition;
use crate::vm::VmProt;
use crate::{KernReturn, PortName, Region, Result};

/// What a manager says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Whether pages stay in memory, and the object known, without a mapping.
    pub may_cache: bool,
    /// What the manager promises about the data.
    pub copy_strategy: CopyStrategy,
    /// Whether [`MemoryManager::synchronize`] is wanted.
    pub synchronize: bool,
}

impl Default for Attributes {
    /// Not cached; data that does not change behind the server's back.
    fn default() -> Self {
        Self { may_cache: false, copy_strategy: CopyStrategy::DELAY, synchronize: false }
    }
}

/// The answer to [`MemoryManager::init`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// The object can be used.
    Ready(Attributes),
    /// It cannot: whoever waits gets `MEMORY_ERROR`, and terminate comes.
    Refuse,
    /// [`Object::ready`] follows.
    Later,
}

/// The answer to [`MemoryManager::data_request`].
#[derive(Debug)]
pub enum Answer {
    /// The data.
    Supply(Supply),
    /// There is none: the pages are what lies below the object, or zeros.
    Unavailable,
    /// The pages cannot be had now; whoever waits gets `MEMORY_ERROR`. A later access asks again.
    Error(KernReturn),
    /// [`Object::supply`], [`Object::unavailable`] or [`Object::error`] follows.
    Later,
}

/// The answer to [`MemoryManager::synchronize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronized {
    /// All that came back is safe.
    Done,
    /// Some of it is not: whoever waits gets `MEMORY_ERROR`.
    Failed(KernReturn),
    /// [`Object::synchronized`] follows.
    Later,
}

/// What happens to an object after its termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Its port is destroyed. The loop ends with the last object.
    Close,
    /// Its port is kept: it can be mapped again, which begins with another init.
    Keep,
}

/// Pages to be given: where in the object, the data, and how they may be used.
#[derive(Debug)]
pub struct Supply {
    pub(super) offset: Option<u64>,
    pub(super) data: Data,
    pub(super) moved: Option<Region>,
    pub(super) lock_value: VmProt,
    pub(super) precious: bool,
    pub(super) tell: bool,
}

impl Supply {
    fn new(data: Data, moved: Option<Region>) -> Self {
        Self { offset: None, data, moved, lock_value: VmProt::NONE, precious: false, tell: false }
    }

    /// The pages of a region, which move to the object.
    #[must_use]
    pub fn region(region: Region) -> Self {
        let data = Data { address: region.address(), size: region.size(), deallocate: true };
        Self::new(data, Some(region))
    }

    /// A copy of these bytes, whole pages, made before the manager's next method is called: after this one is left, so
    /// they must not go with it. Memory that is gone by then is not supplied, and nobody is told: who waits for the page
    /// waits until the deadline. For memory of the method's own there is [`Supply::region`].
    #[must_use]
    pub fn copy_of(bytes: &[AtomicU8]) -> Self {
        Self::copy_at(bytes.as_ptr().expose_provenance() as u64, bytes.len() as u64)
    }

    /// A copy of what is at this address, made as [`Supply::copy_of`] says. It is safe to name any address: what cannot
    /// be read is not supplied.
    #[must_use]
    pub fn copy_at(address: u64, size: u64) -> Self {
        Self::new(Data { address, size, deallocate: false }, None)
    }

    /// At this offset, instead of that of the request.
    #[must_use]
    pub fn at(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// Without these accesses: the first attempt at one sends [`MemoryManager::data_unlock`].
    #[must_use]
    pub fn locked(self, lock_value: VmProt) -> Self {
        Self { lock_value, ..self }
    }

    /// To come back even if nobody writes to them: the manager keeps no copy.
    #[must_use]
    pub fn precious(self) -> Self {
        Self { precious: true, ..self }
    }

    /// With [`MemoryManager::supply_completed`] to follow.
    #[must_use]
    pub fn tell(self) -> Self {
        Self { tell: true, ..self }
    }
}

/// Pages that came back. The memory is the manager's: it can be kept, and is deallocated when the value goes.
#[derive(Debug)]
pub struct Returned {
    /// Where in the object.
    pub offset: u64,
    /// The pages.
    pub data: Region,
    /// Whether somebody wrote to them; if not, they are precious.
    pub dirty: bool,
    /// Whether the server still has them.
    pub kernel_copy: bool,
}

/// Pages that came back, at the place that was named for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Where in the object.
    pub offset: u64,
    /// How many bytes.
    pub size: u64,
    /// Whether somebody wrote to them; if not, they are precious.
    pub dirty: bool,
    /// Whether the server still has them.
    pub kernel_copy: bool,
}

/// An object as its manager has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    pub(super) port: PortName,
    pub(super) control: PortName,
    pub(super) name: PortName,
    pub(super) tag: u64,
}

impl Object {
    /// The object's port: the receive right, and a send right for clients, under one name.
    #[must_use]
    pub fn port(&self) -> PortName {
        self.port
    }

    /// The control port; null while the object is not mapped.
    #[must_use]
    pub fn control(&self) -> PortName {
        self.control
    }

    /// The port that stands for the object in `vm_region`; null while the object is not mapped.
    #[must_use]
    pub fn name(&self) -> PortName {
        self.name
    }

    /// What the manager told [`Server::add`](super::Server::add).
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// Says that the object can be used.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_ready`].
    pub fn ready(&self, attributes: Attributes) -> Result<()> {
        if attributes.synchronize {
            memory_object_want_synchronize(self.control, true)?;
        }
        memory_object_ready(self.control, attributes.may_cache, attributes.copy_strategy)
    }

    /// Changes the attributes, but for `synchronize`; [`MemoryManager::change_completed`] follows.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_change_attributes`].
    pub fn change_attributes(&self, attributes: Attributes) -> Result<()> {
        memory_object_change_attributes(self.control, attributes.may_cache, attributes.copy_strategy, self.reply_to())
    }

    /// Whether the object is ready, and its attributes, but for `synchronize`.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_get_attributes`].
    pub fn attributes(&self) -> Result<(bool, Attributes)> {
        memory_object_get_attributes(self.control)
    }

    /// Gives pages at `offset`, unless the supply names another place.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_data_supply`].
    pub fn supply(&self, offset: u64, mut supply: Supply) -> Result<()> {
        let moved = supply.moved.take();
        let reply_to = if supply.tell { self.reply_to() } else { None };
        let Supply { data, lock_value, precious, .. } = supply;
        let offset = supply.offset.unwrap_or(offset);
        let supplied = memory_object_data_supply(self.control, offset, data, lock_value, precious, reply_to);
        forget_if_taken(moved, supplied);
        supplied
    }

    /// Answers a request for data now, or one to which the answer was [`Answer::Later`].
    ///
    /// # Errors
    ///
    /// Those of the call that the answer is.
    pub fn answer(&self, offset: u64, length: u64, answer: Answer) -> Result<()> {
        match answer {
            Answer::Supply(supply) => self.supply(offset, supply),
            Answer::Unavailable => self.unavailable(offset, length),
            Answer::Error(code) => self.error(offset, length, code),
            Answer::Later => Ok(()),
        }
    }

    /// Says that there is no data for requested pages.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_data_unavailable`].
    pub fn unavailable(&self, offset: u64, size: u64) -> Result<()> {
        memory_object_data_unavailable(self.control, offset, size)
    }

    /// Answers [`MemoryManager::synchronize`] now.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_synchronize_completed`].
    pub fn synchronized(&self, offset: u64, length: u64, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => memory_object_synchronize_completed(self.control, offset, length),
            Err(code) => memory_object_synchronize_failed(self.control, offset, length, code),
        }
    }

    /// Says that requested pages cannot be had.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_data_error`].
    pub fn error(&self, offset: u64, size: u64, error_value: KernReturn) -> Result<()> {
        memory_object_data_error(self.control, offset, size, error_value)
    }

    /// Returns, flushes and locks resident pages; [`MemoryManager::lock_completed`] follows, behind the pages.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_lock_request`].
    pub fn lock_request(
        &self,
        offset: u64,
        size: u64,
        should_return: ShouldReturn,
        should_flush: bool,
        lock_value: VmProt,
    ) -> Result<()> {
        let (control, reply_to) = (self.control, self.reply_to());
        memory_object_lock_request(control, offset, size, should_return, should_flush, lock_value, reply_to)
    }

    /// Allows every access to resident pages.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_lock_request`].
    pub fn unlock(&self, offset: u64, size: u64) -> Result<()> {
        memory_object_lock_request(self.control, offset, size, ShouldReturn::NONE, false, VmProt::NONE, None)
    }

    /// Gives the object up; [`MemoryManager::terminate`] follows.
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_destroy`].
    pub fn destroy(&self) -> Result<()> {
        memory_object_destroy(self.control, KernReturn::SUCCESS)
    }

    /// Has clients wait at most so many milliseconds for this manager, at most
    /// [`MANAGER_DEADLINE_MS`](super::MANAGER_DEADLINE_MS).
    ///
    /// # Errors
    ///
    /// Those of [`memory_object_set_deadline`].
    pub fn set_deadline(&self, milliseconds: u32) -> Result<()> {
        memory_object_set_deadline(self.control, PortName::NULL, milliseconds)
    }

    /// Completions come by the object's own port: behind everything else that the call caused.
    pub(super) fn reply_to(&self) -> ReplyTo {
        Some((self.port, Disposition::MAKE_SEND_ONCE))
    }
}

/// Memory that went with a supply is no longer the task's, whatever the object's end of it said: nothing is to be
/// deallocated. Only a call that could not be sent took nothing.
pub(super) fn forget_if_taken(moved: Option<Region>, supplied: Result<()>) {
    let taken = supplied.err().is_none_or(|code| !code.is_send_error());
    if let Some(region) = moved.filter(|_| taken) {
        core::mem::forget(region);
    }
}

/// A memory manager: a method for each message of the server's, which [`Server`](super::Server) calls.
///
/// All of them are about objects that were given to the loop. Messages that the server did not make never get
/// here, nor do those with another control port than the object's.
pub trait MemoryManager {
    /// The object was mapped: for the first time, or again after [`MemoryManager::terminate`].
    fn init(&mut self, object: &Object) -> Init {
        let _ = object;
        Init::Ready(Attributes::default())
    }

    /// Data is needed, with at least `desired_access` allowed. Every page of the range must be answered some time.
    fn data_request(&mut self, object: &Object, offset: u64, length: u64, desired_access: VmProt) -> Answer;

    /// Pages came back: store them, if they are dirty or precious. There is no acknowledgement.
    fn data_return(&mut self, object: &Object, returned: Returned) {
        let _ = (object, returned);
    }

    /// Where the pages of the next data_return may be copied to, if they fit there: memory of the task's own, which is best
    /// wired. [`MemoryManager::data_landed`] is called then. For a manager that looks at the pages once, and soon, that is
    /// cheaper than memory that is mapped for it and deallocated again. Asked before each message is received.
    fn landing(&mut self) -> Landing {
        Landing::default()
    }

    /// Pages came back, and are where [`MemoryManager::landing`] said last.
    fn data_landed(&mut self, object: &Object, landed: Landed) {
        let _ = (object, landed);
    }

    /// Pages came back, and this task's map has no room for them. They wait in the queue, and nothing behind them is
    /// received: make room, as by letting go of what came before, and answer success. By default the loop ends.
    ///
    /// # Errors
    ///
    /// Any: [`Server::next`](super::Server::next) answers with it.
    fn no_room(&mut self) -> Result<()> {
        Err(NO_ROOM)
    }

    /// Somebody waits, in `vm_msync`, until all that came back of this range is safe. Only for objects whose attributes say
    /// `synchronize`; for others whoever waits goes on when the pages have been received.
    fn synchronize(&mut self, object: &Object, offset: u64, length: u64) -> Synchronized {
        let _ = (object, offset, length);
        Synchronized::Done
    }

    /// A client wants an access that a lock forbids; a lock_request that allows it lets the client go on. By default
    /// the access is allowed.
    fn data_unlock(&mut self, object: &Object, offset: u64, length: u64, desired_access: VmProt) {
        let _ = desired_access;
        // An object that was destroyed meanwhile has nobody who waits.
        let _ = object.unlock(offset, length);
    }

    /// Copy strategy CALL: `new` shall be a snapshot of a part of `object`, its offset 0 being `offset`. Its init
    /// follows. Answers its tag; nothing if it is not wanted: then it is destroyed, and whoever touches the snapshot gets
    /// an exception.
    ///
    /// The old pages are locked against writing from now on. Requests for the new object can be answered by
    /// [`Answer::Unavailable`] for what has not changed since. Before [`MemoryManager::data_unlock`] allows somebody to
    /// write to the old one, the new one must be supplied with what it has there now; so who says CALL has its own
    /// `data_unlock` as well.
    fn copy(&mut self, object: &Object, offset: u64, length: u64, new: &Object) -> Option<u64> {
        let _ = (object, offset, length, new);
        None
    }

    /// To the default pager alone: anonymous memory is paged out for the first time. `object` is what its pages come
    /// to, and are asked for; it is ready as it is. Answers its tag.
    fn create(&mut self, object: &Object, size: u64) -> u64 {
        let _ = (object, size);
        0
    }

    /// To the default pager alone: pages of anonymous memory, which count only where it has none yet.
    fn data_initialize(&mut self, object: &Object, data: Returned) {
        let _ = (object, data);
    }

    /// Nobody has a right to an object of [`Server::add_shared`](super::Server::add_shared) any more, and nobody has it
    /// mapped.
    fn no_senders(&mut self, object: &Object) -> After {
        let _ = object;
        After::Close
    }

    /// A lock_request is done; its pages came before.
    fn lock_completed(&mut self, object: &Object, completed: LockCompleted) {
        let _ = (object, completed);
    }

    /// A supply that asked to be told is done.
    fn supply_completed(&mut self, object: &Object, completed: SupplyCompleted) {
        let _ = (object, completed);
    }

    /// A change of attributes is done.
    fn change_completed(&mut self, object: &Object, completed: ChangeCompleted) {
        let _ = (object, completed);
    }

    /// The last message about the object: nobody maps it any more, or it was destroyed. The control and name ports,
    /// which the manager receives from now, are destroyed when this returns.
    fn terminate(&mut self, object: &Object) -> After {
        let _ = object;
        After::Close
    }
}
