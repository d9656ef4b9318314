//! `mach_msg` as an operation of the server: the port layer's, with its time limits and its caller.

use alloc::boxed::Box;

use mach_protocol::message::MsgRequest;

use super::operation::{Op, Progress, Work};
use super::{Caller, OpId, Server};
use crate::machine::Machine;
use crate::port::{self, KernReturn, MessageOperation, Ports, Waiter};

/// A `mach_msg` under way.
pub(super) struct MsgWork {
    operation: MessageOperation,
    /// The time limit that runs is the receive's.
    is_receiving: bool,
}

impl core::fmt::Debug for MsgWork {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MsgWork").field("is_receiving", &self.is_receiving).finish_non_exhaustive()
    }
}

impl MsgWork {
    /// Gives it up: what it holds is destroyed.
    pub(super) fn cancel(&mut self, ports: &mut Ports) {
        self.operation.cancel(ports);
    }

    /// Ends it because its thread is aborted.
    pub(super) fn interrupt(&mut self, ports: &mut Ports) -> Progress {
        Progress::Done(self.operation.interrupt(ports).pack())
    }
}

impl<M: Machine> Server<M> {
    /// A thread calls `mach_msg`.
    pub(super) fn message_call(&mut self, caller: Caller, request: u32, call: MsgRequest) {
        let is_receiving = matches!(call, MsgRequest::Receive(_));
        self.begin_with(Some(caller.thread), request, |id| {
            let operation = MessageOperation::new(caller.space, Waiter(id.to_word()), call);
            Op::new(Some(caller.thread), request, Work::Message(Box::new(MsgWork { operation, is_receiving })))
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
        if let Some(code) = failure {
            return Progress::Done(work.operation.receive_failed(code).pack());
        }
        if is_late {
            return Progress::Done(work.operation.time_out(&mut self.ports).pack());
        }
        loop {
            match work.operation.step(&mut self.ports) {
                port::Progress::Done(reply) => return Progress::Done(reply.pack()),
                port::Progress::Serve(object, message) => self.serve(object, message),
                port::Progress::Attach(_) => {
                    return Progress::Done(work.operation.attached(&mut self.ports, None).pack());
                }
                port::Progress::Wait(limit) => {
                    // The limit counts from the first wait of its half.
                    let is_new_half = work.operation.is_receiving() && !work.is_receiving;
                    if is_new_half || !self.ops.is_limited(id) {
                        self.ops.set_deadline(id, limit.map(|limit| self.deadline(limit)));
                    }
                    work.is_receiving = work.operation.is_receiving();
                    return Progress::Wait;
                }
            }
        }
    }
}
