//! Calls of memory managers on their control ports (`spec/mach-memory-objects.md` B.3).
//!
//! They are simpleroutines in Mach: nobody waits for what they cause. Here they answer at once with what Mach's kernel
//! function returns, but for `data_supply`, which answers when it has read its data. A call that is refused destroys its
//! message, as in Mach: a send-once right in it is answered by notification 71.
//!
//! | the control port is  | answer |
//! |----------------------|--------|
//! | an association's     | the call's |
//! | handed over (terminated), or no control port | `INVALID_ARGUMENT`; destroy: success, without effect |
//! | dead, or no right    | `SEND_INVALID_DEST` |

use alloc::boxed::Box;

use mach_protocol::memory_object as wire;
use mach_protocol::memory_object::{
    ChangeCompleted, LockCompleted, MemoryObjectRequest, SupplyAndReceive, SupplyCompleted, Upcall,
};
use mach_protocol::message::{MsgReceive, MsgRequest};
use mach_protocol::port::Disposition as WireDisposition;
use mach_protocol::table::pack_reply;
use mach_protocol::{KernReturn, PortName};
use vm::{AssocId, DataSupply, LockArgs, LockRequest, ObjectId, ObjectSync, Operation, Step, SupplyArgs, SyncHow};

use super::message::MsgWork;
use super::operation::{Op, Progress, Work};
use super::work::VmWork;
use super::{Caller, OpId, Server};
use crate::machine::Machine;
use crate::memory::Need;
use crate::port::{Mark, Message, MessageOperation, Object, ObjectKind, Ports, Right, SpaceId, Waiter};

/// A `data_supply` under way.
#[derive(Debug)]
pub(super) struct SupplyWork {
    op: DataSupply,
    assoc: AssocId,
    offset: u64,
    length: u64,
    completion: Completion,
    /// The receive that follows.
    then: Option<MsgReceive>,
    map: vm::MapId,
}

/// A `lock_request` that runs on behind its caller's back.
#[derive(Debug)]
pub(super) struct LockWork {
    op: LockRequest,
    assoc: AssocId,
    offset: u64,
    length: u64,
    completion: Completion,
    need: Need,
}

/// Where a completion goes, and who pays for it.
#[derive(Debug)]
struct Completion {
    to: Right,
    task: SpaceId,
}

impl<M: Machine> Server<M> {
    /// A call on a control port.
    pub(super) fn memory_object_call(
        &mut self,
        caller: Caller,
        request: u32,
        target: PortName,
        call: &MemoryObjectRequest,
    ) {
        let reply = caller.thread;
        if let MemoryObjectRequest::MemoryObjectCreateProxy(c) = call {
            let answer = self.create_proxy(caller, target, c);
            return self.answer_result(reply, request, &answer);
        }
        if let MemoryObjectRequest::VmRegionCreateProxy(c) = call {
            return self.begin_region_proxy(caller, request, target, c);
        }
        if let MemoryObjectRequest::VmObjectSync(c) = call {
            return self.object_sync(caller, request, target, c);
        }
        let target = match self.named_association(caller.space, target) {
            Ok(target) => target,
            Err(code) => return self.answer_code(reply, request, code),
        };
        let Some(assoc) = target else {
            let code = match call {
                MemoryObjectRequest::MemoryObjectDataSupply(c) => {
                    return self.begin_supply(caller, request, nobody(), c, None);
                }
                MemoryObjectRequest::MemoryObjectDestroy(_) => KernReturn::SUCCESS,
                _ => KernReturn::INVALID_ARGUMENT,
            };
            self.release_reply(caller.space, call);
            return self.answer_code(reply, request, code);
        };
        match call {
            MemoryObjectRequest::MemoryObjectGetAttributes(_) => {
                let answer = self.vm.attributes(assoc).map(|found| wire::MemoryObjectGetAttributesReply {
                    object_ready: found.is_ready,
                    may_cache: found.may_cache,
                    copy_strategy: found.copy_strategy,
                    temporary: found.is_temporary,
                });
                self.answer_result(reply, request, &answer);
            }
            MemoryObjectRequest::MemoryObjectDataSupply(c) => self.begin_supply(caller, request, assoc, c, None),
            MemoryObjectRequest::MemoryObjectDataProvided(c) => {
                let supply = wire::MemoryObjectDataSupply {
                    offset: c.offset,
                    data: c.data,
                    size: c.size,
                    lock_value: c.lock_value,
                    ..wire::MemoryObjectDataSupply::default()
                };
                self.begin_supply(caller, request, assoc, &supply, None);
            }
            _ => {
                let answer = self.answer_manager(caller, assoc, call);
                self.is_untidy |= !self.vm.is_tidy();
                self.answer_code(reply, request, answer.map_or_else(|code| code, |()| KernReturn::SUCCESS));
            }
        }
    }

    /// The association that a name stands for. `None`: a live port, but no association's control port.
    pub(super) fn named_association(&mut self, space: SpaceId, name: PortName) -> Result<Option<AssocId>, KernReturn> {
        let object = self.object(space, name)?;
        Ok(object
            .filter(|object| object.kind == ObjectKind::MemoryControl)
            .map(|Object { id, .. }| AssocId::from_word(id)))
    }

    /// The calls that are over when they are answered.
    fn answer_manager(&mut self, caller: Caller, assoc: AssocId, call: &MemoryObjectRequest) -> Result<(), KernReturn> {
        let (vm, hw) = (&mut self.vm, &mut self.hw);
        match *call {
            MemoryObjectRequest::MemoryObjectReady(c) => vm.ready(hw, assoc, c.may_cache, c.copy_strategy).map(drop),
            MemoryObjectRequest::MemoryObjectSetAttributes(c) if !c.object_ready => vm.attributes(assoc).map(drop),
            MemoryObjectRequest::MemoryObjectSetAttributes(c) => {
                vm.ready(hw, assoc, c.may_cache, c.copy_strategy).map(drop)
            }
            MemoryObjectRequest::MemoryObjectChangeAttributes(c) => self.change_attributes(caller, assoc, &c),
            MemoryObjectRequest::MemoryObjectDataUnavailable(c) => vm.data_unavailable(hw, assoc, c.offset, c.size),
            MemoryObjectRequest::MemoryObjectDataError(c) => vm.data_error(hw, assoc, c.offset, c.size),
            MemoryObjectRequest::MemoryObjectDestroy(_) => {
                vm.destroy(hw, assoc);
                Ok(())
            }
            MemoryObjectRequest::MemoryObjectLockRequest(c) => self.lock_request(caller, assoc, &c),
            MemoryObjectRequest::MemoryObjectSynchronizeCompleted(c) => {
                vm.synchronized(hw, assoc, c.offset, c.length, Ok(()))
            }
            MemoryObjectRequest::MemoryObjectSynchronizeFailed(c) => {
                vm.synchronized(hw, assoc, c.offset, c.length, Err(KernReturn::MEMORY_ERROR))
            }
            MemoryObjectRequest::MemoryObjectWantSynchronize(c) => vm.set_synchronizes(assoc, c.wanted),
            MemoryObjectRequest::MemoryObjectGetAttributes(_)
            | MemoryObjectRequest::MemoryObjectDataSupply(_)
            | MemoryObjectRequest::MemoryObjectDataProvided(_)
            | MemoryObjectRequest::MemoryObjectCreateProxy(_)
            | MemoryObjectRequest::VmRegionCreateProxy(_)
            | MemoryObjectRequest::VmObjectSync(_) => Err(KernReturn::NOT_SUPPORTED),
        }
    }

    /// `vm_object_sync`, of an object by its name port.
    fn object_sync(&mut self, caller: Caller, request: u32, target: PortName, call: &wire::VmObjectSync) {
        let object = match self.object(caller.space, target) {
            Ok(object) => object.filter(|object| object.kind == ObjectKind::MemoryName),
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let object = object.map(|object| ObjectId::from_word(object.id));
        let how = SyncHow { flush: call.should_flush, returns: call.should_return, waits: call.should_iosync };
        let op = ObjectSync::new(object, call.offset, call.size, how);
        self.perform_work(caller, request, VmWork::ObjectSync(op));
    }

    /// Takes the right for a completion out of its sender's hands.
    ///
    /// # Errors
    /// SEND_INVALID_TYPE: the disposition makes no right to send to; SEND_INVALID_RIGHT: the caller has none such;
    /// SEND_NO_BUFFER: the caller leaves too many messages unreceived.
    fn completion(&mut self, space: SpaceId, name: PortName, disposition: u32) -> Result<Completion, KernReturn> {
        let task = space;
        if name == PortName::NULL {
            return Ok(Completion { to: Right::Null, task });
        }
        if WireDisposition(disposition) == WireDisposition::MOVE_RECEIVE {
            return Err(KernReturn::SEND_INVALID_TYPE);
        }
        let disposition = u8::try_from(disposition).map_err(|_| KernReturn::SEND_INVALID_TYPE)?;
        let to = self.ports.extract_right(space, name, disposition).map_err(|code| match code {
            KernReturn::INVALID_VALUE => KernReturn::SEND_INVALID_TYPE,
            KernReturn::RESOURCE_SHORTAGE => KernReturn::SEND_NO_BUFFER,
            _ => KernReturn::SEND_INVALID_RIGHT,
        })?;
        if !self.hw.managers.takes_completions(space) {
            self.ports.release(to);
            return Err(KernReturn::SEND_NO_BUFFER);
        }
        Ok(Completion { to, task })
    }

    /// Destroys the right for the completion of a call that is refused before it is looked at.
    fn release_reply(&mut self, space: SpaceId, call: &MemoryObjectRequest) {
        let (name, disposition) = match call {
            MemoryObjectRequest::MemoryObjectChangeAttributes(c) => (c.reply_to, c.reply_disposition),
            MemoryObjectRequest::MemoryObjectDataSupply(c) => (c.reply_to, c.reply_disposition),
            MemoryObjectRequest::MemoryObjectLockRequest(c) => (c.reply_to, c.reply_disposition),
            _ => return,
        };
        if let Ok(completion) = self.completion(space, name, disposition) {
            self.ports.release(completion.to);
        }
    }

    /// The completion as a message; `None`: nobody wants it.
    fn completion_message(
        &mut self,
        completion: Completion,
        control: Option<AssocId>,
        upcall: &Upcall,
    ) -> Option<Message> {
        let Completion { to, task } = completion;
        to.port()?;
        let rights = control.map(|assoc| self.control_right(assoc)).into_iter().collect();
        let mark = Mark { number: self.hw.managers.charge_completion(task), address_word: None };
        let words = upcall.words();
        Some(Message::new(to, Right::Null, upcall.id(), words.as_slice(), rights).with_mark(mark))
    }

    fn complete(&mut self, completion: Completion, control: AssocId, upcall: &Upcall) {
        if let Some(message) = self.completion_message(completion, Some(control), upcall) {
            self.ports.deposit(message);
        }
    }

    /// The completion comes whatever the outcome; after the terminate message, if the change causes one.
    fn change_attributes(
        &mut self,
        caller: Caller,
        assoc: AssocId,
        call: &wire::MemoryObjectChangeAttributes,
    ) -> Result<(), KernReturn> {
        let completion = self.completion(caller.space, call.reply_to, call.reply_disposition)?;
        let outcome = self.vm.ready(&mut self.hw, assoc, call.may_cache, call.copy_strategy);
        let now = self.vm.attributes(assoc).ok();
        let (may_cache, copy_strategy) =
            now.map_or((call.may_cache, call.copy_strategy), |now| (now.may_cache, now.copy_strategy));
        let upcall = Upcall::ChangeCompleted(ChangeCompleted { may_cache, copy_strategy });
        if let Some(message) = self.completion_message(completion, None, &upcall) {
            let unsaid = match outcome {
                Ok(true) => self.hw.managers.say_last(assoc, message),
                _ => Some(message),
            };
            if let Some(message) = unsaid {
                self.ports.deposit(message);
            }
        }
        outcome.map(drop)
    }

    /// Checks a lock_request and lets it run on by itself: a manager with one thread must be able to take what it
    /// causes.
    fn lock_request(
        &mut self,
        caller: Caller,
        assoc: AssocId,
        call: &wire::MemoryObjectLockRequest,
    ) -> Result<(), KernReturn> {
        let completion = self.completion(caller.space, call.reply_to, call.reply_disposition)?;
        let args = LockArgs {
            offset: call.offset,
            size: call.size,
            should_return: call.should_return,
            should_flush: call.should_flush,
            lock_value: call.lock_value,
        };
        let op = LockRequest::new(assoc, args);
        let checked = op.check(&self.vm).and_then(|()| {
            let is_counted = self.hw.managers.begin_request(caller.space);
            if is_counted { Ok(()) } else { Err(KernReturn::RESOURCE_SHORTAGE) }
        });
        if let Err(code) = checked {
            self.ports.release(completion.to);
            return Err(code);
        }
        let (offset, length, need) = (call.offset, call.size, self.hw.need);
        let work = LockWork { op, assoc, offset, length, completion, need };
        self.begin(Op::new(None, 0, Work::Lock(Box::new(work))));
        Ok(())
    }

    /// Takes one step of a lock_request.
    pub(super) fn advance_lock(&mut self, work: &mut LockWork) -> Progress {
        self.hw.need = work.need;
        let outcome = match work.op.step(&mut self.vm, &mut self.hw) {
            Step::Again => return Progress::Again,
            Step::Wait(on) => return Progress::WaitVm(on),
            Step::Done(outcome) => outcome,
        };
        self.hw.managers.end_request(work.completion.task);
        let completion = work.completion.take();
        match outcome {
            Ok(()) => {
                let upcall = Upcall::LockCompleted(LockCompleted { offset: work.offset, length: work.length });
                // What it returned is posted first.
                self.post_all_told();
                self.complete(completion, work.assoc, &upcall);
            }
            Err(_) => self.ports.release(completion.to),
        }
        Progress::Silent
    }

    /// A data_supply that is followed by a receive.
    pub(super) fn supply_and_receive(&mut self, caller: Caller, request: u32, call: &SupplyAndReceive) {
        let target = self.named_association(caller.space, call.control);
        match target {
            Ok(assoc) => {
                let assoc = assoc.unwrap_or_else(nobody);
                self.begin_supply(caller, request, assoc, &call.supply, Some(call.receive));
            }
            Err(code) => {
                self.release_reply(caller.space, &MemoryObjectRequest::MemoryObjectDataSupply(call.supply));
                self.begin_receive(caller, request, call.receive, code);
            }
        }
    }

    fn begin_receive(&mut self, caller: Caller, request: u32, receive: MsgReceive, supplied: KernReturn) {
        self.begin_with(Some(caller.thread), request, |id| {
            let work = receive_after_supply(id, caller.space, caller.map, receive, supplied);
            Op::new(Some(caller.thread), request, Work::Message(Box::new(work)))
        });
    }

    fn begin_supply(
        &mut self,
        caller: Caller,
        request: u32,
        assoc: AssocId,
        call: &wire::MemoryObjectDataSupply,
        then: Option<MsgReceive>,
    ) {
        let completion = match self.completion(caller.space, call.reply_to, call.reply_disposition) {
            Ok(completion) => completion,
            Err(code) => {
                return match then {
                    Some(receive) => self.begin_receive(caller, request, receive, code),
                    None => self.answer_code(caller.thread, request, code),
                };
            }
        };
        let args = SupplyArgs {
            offset: call.offset,
            map: caller.map,
            address: call.data,
            size: call.size,
            deallocate: call.deallocate,
            lock_value: call.lock_value,
            precious: call.precious,
        };
        let (offset, length) = (call.offset, call.size);
        let op = DataSupply::new(assoc, args);
        let work = SupplyWork { op, assoc, offset, length, completion, then, map: caller.map };
        self.begin(Op::new(Some(caller.thread), request, Work::Supply(Box::new(work))));
    }

    /// Takes one step of a data_supply. With a receive to follow, gives the work that it is.
    pub(super) fn advance_supply(&mut self, id: OpId, work: &mut SupplyWork) -> Result<Progress, Box<MsgWork>> {
        let outcome = match work.op.step(&mut self.vm, &mut self.hw) {
            Step::Again => return Ok(Progress::Again),
            Step::Wait(on) => return Ok(Progress::WaitVm(on)),
            Step::Done(outcome) => outcome,
        };
        let completion = work.completion.take();
        let task = completion.task;
        let code = match outcome {
            Ok(done) => {
                let is_all = done.result == KernReturn::SUCCESS;
                let upcall = Upcall::SupplyCompleted(SupplyCompleted {
                    offset: work.offset,
                    length: work.length,
                    result: done.result.0,
                    error_offset: if is_all { 0 } else { done.error_offset },
                });
                self.complete(completion, work.assoc, &upcall);
                done.result
            }
            Err(code) => {
                self.ports.release(completion.to);
                code
            }
        };
        match work.then {
            Some(receive) => Err(Box::new(receive_after_supply(id, task, work.map, receive, code))),
            None => {
                let answer =
                    if code == KernReturn::SUCCESS { Ok(wire::MemoryObjectDataSupplyReply {}) } else { Err(code) };
                Ok(Progress::Done(pack_reply(&answer)))
            }
        }
    }
}

impl SupplyWork {
    /// Whether it takes no more than a small part of a step.
    pub(super) const fn is_small(&self) -> bool {
        const SMALL: u64 = vm::STEP_PAGES as u64 / 8 * vm::PAGE_SIZE;
        self.length <= SMALL
    }

    /// Gives it up. `false`: it has to be stepped to its end.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm, ports: &mut Ports) -> bool {
        let is_over = self.op.cancel(vm) == vm::Cancel::Dropped;
        self.then = None;
        ports.release(self.completion.take().to);
        is_over
    }
}

impl Completion {
    /// The completion, of which there is only one.
    fn take(&mut self) -> Self {
        Self { to: core::mem::replace(&mut self.to, Right::Null), task: self.task }
    }
}

/// No association: whoever supplies to it is refused, and its data destroyed with the message.
const fn nobody() -> AssocId {
    AssocId::from_word(u64::MAX)
}

/// The second half of a [`SupplyAndReceive`].
fn receive_after_supply(
    id: OpId,
    space: SpaceId,
    map: vm::MapId,
    receive: MsgReceive,
    supplied: KernReturn,
) -> MsgWork {
    let operation = MessageOperation::new(space, Waiter(id.to_word()), MsgRequest::Receive(receive));
    MsgWork::after_supply(operation, map, supplied)
}
