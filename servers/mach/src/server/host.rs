//! Calls to the host (`spec/mach-vm.md` A.14, A.20 to A.22).

use mach_protocol::host as wire;
use mach_protocol::host::HostRequest;
use mach_protocol::{KernReturn, PortName};
use vm::{Host, Limits};

use super::operation::{Op, Work};
use super::work::{VmWork, family};
use super::{Caller, Server};
use crate::machine::Machine;
use crate::memory::PAGE;
use crate::port::ObjectKind;

impl<M: Machine> Server<M> {
    /// A call to the host.
    ///
    /// Checks, for every call: the name is a usable send right, else SEND_INVALID_DEST. What it stands for is an
    /// argument like others.
    pub(super) fn host_call(&mut self, caller: Caller, request: u32, target: PortName, call: &HostRequest) {
        let host = match self.object(caller.space, target) {
            Err(code) => return self.answer_code(caller.thread, request, code),
            Ok(object) => match object.map(|object| object.kind) {
                Some(ObjectKind::Host) => Host::Plain,
                Some(ObjectKind::HostPrivileged) => Host::Privileged,
                _ => Host::None,
            },
        };
        match call {
            HostRequest::HostPageSize(_) => {
                let answer = match host {
                    Host::None => Err(KernReturn::INVALID_ARGUMENT),
                    Host::Plain | Host::Privileged => Ok(wire::HostPageSizeReply { size: PAGE }),
                };
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::VmWire(c) => {
                let map = self.map_argument(caller.space, c.task);
                let wire = vm::Wire::new(host, map, c.address, c.size, c.access, family(request));
                self.begin(Op::new(Some(caller.thread), request, Work::Vm(VmWork::Wire(wire))));
            }
            HostRequest::VmSetSizeLimit(c) => {
                let map = self.map_argument(caller.space, c.task);
                let limits = Limits { current: c.current_limit, max: c.max_limit };
                let answer = self.vm.set_limits(host, map, limits).map(|()| wire::VmSetSizeLimitReply {});
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::VmSetDefaultMemoryManager(_) | HostRequest::HostDefaultMemoryManager(_) => {
                self.default_manager_call(caller, request, host, call);
            }
        }
    }
}
