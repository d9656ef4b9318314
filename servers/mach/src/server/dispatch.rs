//! From a message to the call or fault that it is.

use mach_protocol::memory_object::{SUPPLY_AND_RECEIVE, SupplyAndReceive};
use mach_protocol::message::{MACH_MSG_RECEIVE, MACH_MSG_RPC, MACH_MSG_SEND, MsgRequest};
use mach_protocol::table::DecodeError;
use mach_protocol::vm::VmRequest;
use mach_protocol::{Call, KernReturn, PortName};

use super::operation::{Op, Progress, Work};
use super::work::Target;
use super::{Caller, OpId, Server};
use crate::badge::Badge;
use crate::machine::Machine;
use crate::thread::ThreadId;

/// Heap that a call may use outside of the virtual memory's operations.
const CALL_HEAP: usize = 64 * 1024;

impl<M: Machine> Server<M> {
    /// A message arrived on the spare reply object, or a signal.
    pub fn message(&mut self, badge: u64, label: u64, words: &[u64]) {
        match Badge::unpack(badge) {
            Some(Badge::Ticker) => self.tick(),
            Some(Badge::Call(id)) if self.block(id) => self.call(id, label, words),
            Some(Badge::Fault(id)) if self.fault(id, label, words) => {}
            // A badge that names no thread (BADGE-1): whoever sent it gets an answer that says nothing.
            Some(Badge::Call(_) | Badge::Fault(_)) | None => self.hw.machine.reply(self.spare, 0, &[]),
        }
        self.settle();
        self.arm();
    }

    /// The sender of a message is blocked on the spare from now on: the two exchange reply objects (REPLY-1).
    pub(super) fn block(&mut self, id: ThreadId) -> bool {
        let Some(thread) = self.threads.get_mut(id) else { return false };
        core::mem::swap(&mut thread.reply, &mut self.spare);
        (thread.is_blocked, thread.is_held) = (true, false);
        true
    }

    /// A thread called. Checks, before the call's own, in this order:
    ///
    /// | # | check                                                              | answer               |
    /// |---|--------------------------------------------------------------------|----------------------|
    /// | 1 | the request is known and has its words                             | MIG_BAD_ID, MIG_BAD_ARGUMENTS |
    /// | 2 | the target is no port that a task receives from, if it is a task's, thread's or host's call | SEND_TO_TASK: the caller's library sends the call there as a message |
    /// | 3 | there is heap for the call, the last of which is servers'          | RESOURCE_SHORTAGE    |
    fn call(&mut self, thread: ThreadId, label: u64, words: &[u64]) {
        let Some(caller) = self.caller(thread) else { return };
        self.set_need_of(caller.task);
        // Labels beyond 32 bits are no ids; the client recognises the answer as one to another request.
        let request = u32::try_from(label).unwrap_or(u32::MAX / 2);
        if let Err(error) = self.decode(caller, request, label, words) {
            self.answer_code(thread, request, error.into());
        }
    }

    /// Decodes a call, and makes it. The commonest kinds are decoded by themselves: there is a type that holds a call of any
    /// kind, but it is large.
    fn decode(&mut self, caller: Caller, request: u32, label: u64, words: &[u64]) -> Result<(), DecodeError> {
        let (id, target, body) = Call::head(label, words)?;
        if VmRequest::has(id) {
            let call = VmRequest::decode(id, body)?;
            if let Some(target) = self.admit(caller, request, Some(target)) {
                self.vm_call(caller, request, target, call);
            }
        } else if id == SUPPLY_AND_RECEIVE {
            let call = SupplyAndReceive::unpack(words)?;
            if self.admit(caller, request, None).is_some() {
                self.supply_and_receive(caller, request, &call);
            }
        } else if matches!(id, MACH_MSG_SEND | MACH_MSG_RECEIVE | MACH_MSG_RPC) {
            let call = MsgRequest::unpack(id, words)?;
            if self.admit(caller, request, None).is_some() {
                self.message_call(caller, request, call);
            }
        } else {
            let (target, call) = Call::decode(label, words)?;
            let addressed = Some(target).filter(|_| call.can_be_a_message());
            if self.admit(caller, request, addressed).is_some() {
                self.other_call(caller, request, target, call);
            }
        }
        Ok(())
    }

    /// Checks 2 and 3, and answers if one fails. What the target stands for, if it is a task's, thread's or host's call.
    fn admit(&mut self, caller: Caller, request: u32, target: Option<PortName>) -> Option<Target> {
        let object = target.map(|target| self.object(caller.space, target));
        if object == Some(Ok(None)) {
            self.answer_code(caller.thread, request, KernReturn::SEND_TO_TASK);
            return None;
        }
        if !self.hw.has_heap(CALL_HEAP) {
            self.answer_code(caller.thread, request, KernReturn::RESOURCE_SHORTAGE);
            return None;
        }
        Some(object.unwrap_or(Ok(None)))
    }

    fn other_call(&mut self, caller: Caller, request: u32, target: PortName, call: Call) {
        match call {
            Call::Vm(call) => {
                let target = self.object(caller.space, target);
                self.vm_call(caller, request, target, call);
            }
            Call::Host(call) => self.host_call(caller, request, target, &call),
            Call::Task(call) => self.task_call(caller, request, target, &call),
            Call::Thread(call) => self.thread_call(caller, request, target, &call),
            Call::Port(call) => self.port_call(caller, request, target, &call),
            Call::Private(call) => self.private_call(caller, request, target, &call),
            Call::Message(call) => self.message_call(caller, request, call),
            Call::MemoryObject(call) => self.memory_object_call(caller, request, target, &call),
            Call::SupplyAndReceive(call) => self.supply_and_receive(caller, request, &call),
        }
    }

    fn caller(&self, thread: ThreadId) -> Option<Caller> {
        let task = self.threads.get(thread)?.task;
        let known = self.tasks.get(task).filter(|task| task.end.is_none())?;
        Some(Caller { thread, task, space: known.space, map: known.map })
    }

    /// Takes one step of what an operation is.
    pub(super) fn advance(&mut self, id: OpId, op: &mut Op) -> Progress {
        match &mut op.work {
            Work::Vm(work) => work.step(&mut self.vm, &mut self.hw),
            Work::Fault(fault, exception) => {
                let (caller, exception) = (op.caller, *exception);
                self.advance_fault(caller, fault, exception)
            }
            Work::Fork(fork, parent) => {
                let parent = *parent;
                self.advance_fork(op.caller, fork, parent)
            }
            Work::Arrays(work) => work.step(&mut self.vm, &mut self.hw),
            Work::EndTask(end) => self.advance_end(end),
            Work::Message(message) => self.advance_message(id, message, op.is_late, op.failure.take()),
            Work::Supply(supply) => {
                let is_small = supply.is_small();
                match self.advance_supply(id, supply) {
                    Ok(progress) => progress,
                    Err(mut receive) => {
                        // A small supply leaves room in the step for the receive that follows it.
                        let progress = match is_small {
                            true => self.advance_message(id, &mut receive, false, None),
                            false => Progress::Again,
                        };
                        op.work = Work::Message(receive);
                        progress
                    }
                }
            }
            Work::RegionProxy(work) => self.advance_region_proxy(work),
            Work::Lock(lock) => self.advance_lock(lock),
            Work::Park => self.advance_park(op.caller, op.is_late),
            Work::Away => Progress::Silent,
        }
    }
}
