//! Calls on name spaces: the port layer's, aimed at a task.

use mach_protocol::port::PortRequest;
use mach_protocol::{KernReturn, PortName};

use super::{Caller, Server};
use crate::machine::Machine;
use crate::port::{self, Answer};

impl<M: Machine> Server<M> {
    /// A call on a task's name space.
    ///
    /// Checks, before those of each call: the target is a usable send right, else SEND_INVALID_DEST; it stands for a
    /// task, else INVALID_TASK.
    pub(super) fn port_call(&mut self, caller: Caller, request: u32, target: PortName, call: &PortRequest) {
        let space = match self.named_task(caller.space, target) {
            Ok(task) => task.and_then(|task| self.tasks.get(task)).map(|task| task.space),
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let Some(space) = space else {
            return self.answer_code(caller.thread, request, KernReturn::INVALID_TASK);
        };
        match port::serve(&mut self.ports, caller.space, space, call) {
            Answer::Words(words) => self.answer_call(caller.thread, request, &words),
            Answer::Arrays(arrays) => self.answer_arrays(caller, request, &arrays),
        }
    }
}
