//! `mach_msg` as an operation of the server: the port layer's, with its time limits, its caller, and the memory that
//! comes with a message.

use alloc::boxed::Box;

use mach_protocol::message::{Landing, MsgRequest};
use mach_protocol::wire::{Wire, Words};
use vm::{Operation, Step};

use super::operation::{Op, Progress, Work};
use super::{Caller, OpId, Server};
use crate::machine::Machine;
use crate::manager::Managers;
use crate::port::{self, KernReturn, MessageOperation, Ports, Waiter};

/// A `mach_msg` under way.
pub(super) struct MsgWork {
    operation: MessageOperation,
    /// The time limit that runs is the receive's.
    is_receiving: bool,
    /// The receiver's memory, for what comes with the message.
    map: vm::MapId,
    /// What came with the message of this number, on its way there.
    attaching: Option<Box<(u64, vm::MapReturned)>>,
    /// What became of the data_supply before it.
    supplied: Option<KernReturn>,
}

impl core::fmt::Debug for MsgWork {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MsgWork").field("is_receiving", &self.is_receiving).finish_non_exhaustive()
    }
}

impl MsgWork {
    fn new(operation: MessageOperation, map: vm::MapId) -> Self {
        Self { is_receiving: operation.is_receiving(), operation, map, attaching: None, supplied: None }
    }

    /// The receive that follows a data_supply with this outcome.
    pub(super) fn after_supply(operation: MessageOperation, map: vm::MapId, supplied: KernReturn) -> Self {
        Self { supplied: Some(supplied), ..Self::new(operation, map) }
    }

    /// The answer that a reply makes.
    fn pack(&self, received: &port::Reply) -> Words {
        let mut words = Words::new();
        if let Some(supplied) = self.supplied {
            supplied.0.pack(&mut words);
        }
        received.pack_into(&mut words);
        words
    }

    /// Gives it up: what it would have sent is destroyed, what it would have received waits again.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm, managers: &mut Managers, ports: &mut Ports) {
        self.detach(vm, managers);
        self.operation.cancel(ports);
    }

    /// What came with the message goes with it again.
    fn detach(&mut self, vm: &mut vm::Vm, managers: &mut Managers) {
        let left = self.attaching.take().and_then(|attaching| {
            let (number, op) = *attaching;
            Some((number, op.into_data()?))
        });
        if let Some(data) = left.and_then(|(number, data)| managers.return_data(number, data)) {
            vm.discard_returned(data);
        }
    }

    /// Ends it because its thread is aborted. `None`: a message is there already, and is about to be delivered.
    pub(super) fn interrupt(&mut self, ports: &mut Ports) -> Option<Words> {
        if self.attaching.is_some() {
            return None;
        }
        let reply = self.operation.interrupt(ports);
        Some(self.pack(&reply))
    }
}

impl<M: Machine> Server<M> {
    /// A thread calls `mach_msg`.
    pub(super) fn message_call(&mut self, caller: Caller, request: u32, call: MsgRequest) {
        self.begin_with(Some(caller.thread), request, |id| {
            let operation = MessageOperation::new(caller.space, Waiter(id.to_word()), call);
            Op::new(Some(caller.thread), request, Work::Message(Box::new(MsgWork::new(operation, caller.map))))
        });
    }

    /// Takes one step of a `mach_msg`.
    pub(super) fn advance_message(
        &mut self,
        id: OpId,
        work: &mut MsgWork,
        is_late: bool,
        failure: Option<KernReturn>,
    ) -> Progress {
        if work.attaching.is_some() {
            return self.attach(work);
        }
        if let Some(code) = failure {
            let reply = work.operation.receive_failed(code);
            return Progress::Done(work.pack(&reply));
        }
        if is_late {
            let reply = work.operation.time_out(&mut self.ports);
            return Progress::Done(work.pack(&reply));
        }
        loop {
            match work.operation.step(&mut self.ports) {
                port::Progress::Done(reply) => return Progress::Done(work.pack(&reply)),
                port::Progress::Serve(object, message) => self.serve(object, *message),
                port::Progress::Attach(number) => {
                    self.ops.set_deadline(id, None);
                    let data = self.hw.managers.take_data(number);
                    let data = match data.ok_or(None).and_then(|data| self.land(work, data).map_err(Some)) {
                        Ok(reply) => return Progress::Done(work.pack(&reply)),
                        Err(data) => data,
                    };
                    work.attaching = data.map(|data| Box::new((number, vm::MapReturned::new(work.map, data))));
                    return self.attach(work);
                }
                port::Progress::Wait(limit) => {
                    // The limit counts from the first wait of its half.
                    let is_new_half = work.operation.is_receiving() && !work.is_receiving;
                    if is_new_half || !self.ops.is_limited(id) {
                        self.ops.set_deadline(id, limit.map(|limit| self.hw.clock.after_ms(limit)));
                    }
                    work.is_receiving = work.operation.is_receiving();
                    return Progress::Wait;
                }
            }
        }
    }

    /// Copies the memory that came with a message to where the receiver wants it, and then delivers the message. Gives the
    /// memory back if it wants it nowhere, or it does not fit there.
    fn land(&mut self, work: &mut MsgWork, data: vm::ReturnedData) -> Result<port::Reply, vm::ReturnedData> {
        let Landing { address, size } = work.operation.landing();
        let Some(end) = address.checked_add(size).filter(|_| size > 0) else { return Err(data) };
        self.vm.land_returned(&mut self.hw, work.map, vm::Range { start: address, end }, data)?;
        Ok(work.operation.attached(&mut self.ports, Some(address)))
    }

    /// Gives the memory that came with a message a place in the receiver, and then delivers the message.
    fn attach(&mut self, work: &mut MsgWork) -> Progress {
        let address = match work.attaching.as_mut().map(|attaching| attaching.1.step(&mut self.vm, &mut self.hw)) {
            Some(Step::Again) => return Progress::Again,
            Some(Step::Wait(on)) => return Progress::WaitVm(on),
            Some(Step::Done(outcome)) => outcome.ok(),
            None => None,
        };
        work.detach(&mut self.vm, &mut self.hw.managers);
        let reply = work.operation.attached(&mut self.ports, address);
        Progress::Done(work.pack(&reply))
    }
}
