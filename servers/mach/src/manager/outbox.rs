//! The virtual memory's side: what it tells managers is put down, to be posted when its step is over.

use mach_protocol::memory_object::{CopyObject, DataRequest, DataReturn, DataUnlock, Synchronize, Upcall};
use mach_protocol::private::MANAGER_DEADLINE_MS;
use mach_protocol::{KernResult, KernReturn};
use vm::{AssocId, ManagerId, Prot, ReturnedData, ReturnedPages};

use alloc::vec::Vec;

use super::{Managers, PORT_MESSAGES, Record, port_of};
use crate::hardware::Hardware;
use crate::machine::Machine;
use crate::port::PortId;

/// Something to be told to a manager, with the message's number.
#[derive(Debug)]
pub enum Told {
    /// `memory_object_init`.
    Init(AssocId, u64),
    /// `memory_object_create`, with the object's size.
    Create(AssocId, u64, u64),
    /// A message about the association.
    Message(AssocId, u64, Upcall),
    /// `memory_object_copy`: where, and the port of the new object, which the server still receives from.
    Copy(AssocId, u64, CopyObject, PortId),
    /// `memory_object_terminate`.
    Terminate(AssocId, u64),
}

impl Managers {
    /// The next thing to be posted.
    pub fn next_told(&mut self) -> Option<Told> {
        self.outbox.pop_front()
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_told(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// A port is associated. Two places in its queue must be free, for `init` and `terminate`.
    fn init(&mut self, manager: ManagerId, assoc: AssocId) -> KernResult<()> {
        if self.accounts.port_messages(manager) + 2 > PORT_MESSAGES {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        self.records.insert(assoc, Record { manager: Some(manager), ..Record::new(MANAGER_DEADLINE_MS) });
        self.by_port.insert(port_of(manager), assoc);
        let number = self.charge(assoc, None);
        self.outbox.push_back(Told::Init(assoc, number));
        Ok(())
    }

    /// Associates the port that is ready for a copy.
    fn copy(&mut self, assoc: AssocId, copy: AssocId, part: CopyObject) -> Option<ManagerId> {
        let port = self.unclaimed.take()?;
        let manager = ManagerId(port.to_word());
        let number = self.charge(assoc, None);
        self.outbox.push_back(Told::Copy(assoc, number, part, port));
        // Nothing waits at a new port.
        self.init(manager, copy).ok()?;
        Some(manager)
    }

    /// An anonymous object is paged out for the first time. Nobody watches how long the default pager takes.
    fn create(&mut self, assoc: AssocId, size: u64) -> KernResult<()> {
        let payer = self.default_pager.filter(|task| self.accounts.task_has_room(Some(*task)));
        let payer = payer.ok_or(KernReturn::RESOURCE_SHORTAGE)?;
        self.accounts.move_association(None, Some(payer), 0);
        self.records.insert(assoc, Record { is_paging: true, payer: Some(payer), ..Record::new(0) });
        let number = self.charge(assoc, None);
        self.outbox.push_back(Told::Create(assoc, number, size));
        Ok(())
    }

    fn tell(&mut self, assoc: AssocId, upcall: Upcall, data: Option<ReturnedData>) {
        let number = self.charge(assoc, data);
        self.outbox.push_back(Told::Message(assoc, number, upcall));
    }
}

impl Record {
    pub(super) const fn new(limit_ms: u32) -> Self {
        Self {
            manager: None,
            is_paging: false,
            payer: None,
            ports: None,
            limit_ms,
            is_waited_for: false,
            deadline: None,
            listed: None,
            returns_taken: 0,
            unasked: 0,
            last_words: Vec::new(),
        }
    }
}

fn wire(access: Prot) -> u32 {
    u32::from(access.bits())
}

impl<M: Machine> vm::Pager for Hardware<M> {
    fn init(&mut self, manager: ManagerId, assoc: AssocId) -> KernResult<()> {
        self.managers.init(manager, assoc)
    }

    fn create(&mut self, assoc: AssocId, size: u64) -> KernResult<()> {
        self.managers.create(assoc, size)
    }

    fn has_room(&self, assoc: AssocId) -> bool {
        self.managers.has_room(assoc)
    }

    fn data_request(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot) {
        let request = DataRequest { offset, length, desired_access: wire(access) };
        self.managers.tell(assoc, Upcall::DataRequest(request), None);
    }

    fn data_unlock(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot) {
        let unlock = DataUnlock { offset, length, desired_access: wire(access) };
        self.managers.tell(assoc, Upcall::DataUnlock(unlock), None);
    }

    fn data_return(&mut self, assoc: AssocId, pages: ReturnedPages) {
        let ReturnedPages { offset, data, is_dirty, kernel_copy } = pages;
        let upcall = DataReturn { offset, data: 0, size: data.size(), dirty: is_dirty, kernel_copy };
        self.managers.tell(assoc, Upcall::DataReturn(upcall), Some(data));
    }

    fn copy(&mut self, assoc: AssocId, copy: AssocId, offset: u64, length: u64) -> Option<ManagerId> {
        self.managers.copy(assoc, copy, CopyObject { offset, length })
    }

    fn takes_unasked(&self, assoc: AssocId) -> bool {
        self.managers.takes_unasked(assoc)
    }

    fn supplied_unasked(&mut self, assoc: AssocId) {
        self.managers.count_unasked(assoc, true);
    }

    fn used_unasked(&mut self, assoc: AssocId) {
        self.managers.count_unasked(assoc, false);
    }

    fn returns_taken(&self, assoc: AssocId) -> u64 {
        self.managers.records.get(assoc).map_or(u64::MAX, |record| record.returns_taken)
    }

    fn synchronize(&mut self, assoc: AssocId, offset: u64, length: u64, flags: u32) {
        let request = Synchronize { offset, length, sync_flags: flags };
        self.managers.tell(assoc, Upcall::Synchronize(request), None);
    }

    fn terminate(&mut self, assoc: AssocId) {
        let number = self.managers.charge(assoc, None);
        self.managers.outbox.push_back(Told::Terminate(assoc, number));
    }

    fn waiting(&mut self, assoc: AssocId, is_waiting: bool) {
        self.managers.waiting(assoc, is_waiting, self.clock);
    }

    fn name_dead(&mut self, object: vm::ObjectId) {
        self.unnamed.push(object);
    }
}
