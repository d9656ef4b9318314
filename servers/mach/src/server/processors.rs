//! The processor set. There is one, and every task is in it: its port is the right to all tasks.

use alloc::vec::Vec;

use mach_protocol::host as wire;
use mach_protocol::host::HostRequest;
use mach_protocol::{KernReturn, PortName};
use vm::Host;

use super::{Caller, Server};
use crate::machine::Machine;
use crate::port::ObjectKind;

impl<M: Machine> Server<M> {
    /// A call that is about the processor set. Checks: [`mach_protocol::host`].
    pub(super) fn processor_set_call(
        &mut self,
        caller: Caller,
        request: u32,
        target: PortName,
        host: Host,
        call: &HostRequest,
    ) {
        let [name, set] = self.processor_set;
        match call {
            HostRequest::ProcessorSetDefault(_) => {
                let answer = match host {
                    Host::None => Err(KernReturn::INVALID_ARGUMENT),
                    Host::Plain | Host::Privileged => self.ports.give_send(caller.space, name),
                };
                let answer = answer.map(|default_set| wire::ProcessorSetDefaultReply { default_set });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::HostProcessorSetPriv(c) => {
                let answer = if host != Host::Privileged {
                    Err(KernReturn::INVALID_HOST)
                } else if !self.is_kind(caller, c.set_name, ObjectKind::ProcessorSetName) {
                    Err(KernReturn::INVALID_ARGUMENT)
                } else {
                    self.ports.give_send(caller.space, set)
                };
                let answer = answer.map(|set| wire::HostProcessorSetPrivReply { set });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::ProcessorSetTasks(_) if self.is_kind(caller, target, ObjectKind::ProcessorSet) => {
                let ports: Vec<_> =
                    self.tasks.iter().filter(|(_, task)| task.end.is_none()).map(|(_, task)| task.port).collect();
                let names: Result<Vec<u32>, KernReturn> =
                    ports.into_iter().map(|port| self.ports.give_send(caller.space, port).map(|name| name.0)).collect();
                match names {
                    Ok(names) => self.answer_arrays(caller, request, &[names]),
                    Err(code) => self.answer_code(caller.thread, request, code),
                }
            }
            _ => self.answer_code(caller.thread, request, KernReturn::INVALID_ARGUMENT),
        }
    }

    /// Whether a name of the caller's stands for an object of this kind.
    fn is_kind(&mut self, caller: Caller, name: PortName, kind: ObjectKind) -> bool {
        self.object(caller.space, name).is_ok_and(|object| object.is_some_and(|object| object.kind == kind))
    }
}
