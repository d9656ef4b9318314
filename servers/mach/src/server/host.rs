//! Calls to the host (`spec/mach-vm.md` A.14, A.20 to A.22).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mach_protocol::host as wire;
use mach_protocol::host::HostRequest;
use mach_protocol::table::is_gnu_id;
use mach_protocol::wire::{Ints, Text};
use mach_protocol::{KernReturn, PortName};
use vm::{Host, Limits};

use super::exception_ports::{NewHandler, Whose};
use super::pages::PagesWork;
use super::work::{VmWork, family};
use super::xnu::halves;
use super::{Caller, SLICE_US, Server};
use crate::clock::TICK_MS;
use crate::machine::Machine;
use crate::memory::PAGE;
use crate::port::ObjectKind;

const SECOND_NS: u64 = 1_000_000_000;

/// What `host_kernel_version` answers.
const KERNEL_VERSION: &str =
    concat!("Tessera ", env!("CARGO_PKG_VERSION"), ": Mach servers over the seL4 16.0.0 MCS interface, AArch64");

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
            HostRequest::HostStatistics(c) => {
                let answer = self.host_statistics(host, request, c).map(|info| wire::HostStatisticsReply { info });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::VmWire(c) => {
                let map = self.map_argument(caller.space, c.task);
                let wire = vm::Wire::new(host, map, c.address, c.size, c.access, family(request));
                self.perform_work(caller, request, VmWork::Wire(wire));
            }
            HostRequest::VmWireAll(c) => {
                let map = self.map_argument(caller.space, c.task);
                let wire = vm::WireAll::new(host, map, c.flags);
                self.perform_work(caller, request, VmWork::WireAll(wire));
            }
            HostRequest::HostKernelVersion(_) => {
                let answer = match host {
                    Host::None => Err(KernReturn::INVALID_ARGUMENT),
                    Host::Plain | Host::Privileged => {
                        Ok(wire::HostKernelVersionReply { version: Text::new(KERNEL_VERSION) })
                    }
                };
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::VmSetSizeLimit(c) => {
                let map = self.map_argument(caller.space, c.task);
                let limits = Limits { current: c.current_limit, max: c.max_limit };
                let answer = self.vm.set_limits(host, map, limits).map(|()| wire::VmSetSizeLimitReply {});
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::HostInfo(c) => {
                let answer = self.host_info(host, is_gnu_id(request), c.flavor, c.count);
                self.answer_result(caller.thread, request, &answer.map(|info| wire::HostInfoReply { info }));
            }
            HostRequest::HostReboot(_) => {
                let code = if host == Host::Privileged { KernReturn::NOT_SUPPORTED } else { KernReturn::INVALID_HOST };
                self.answer_code(caller.thread, request, code);
            }
            HostRequest::ThreadWire(c) => {
                let is_own = self.named_thread(caller.space, c.thread) == Ok(Some(caller.thread));
                let answer = match host {
                    Host::Privileged if is_own => Ok(wire::ThreadWireReply {}),
                    _ => Err(KernReturn::INVALID_ARGUMENT),
                };
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::ProcessorSetDefault(_)
            | HostRequest::HostProcessorSetPriv(_)
            | HostRequest::ProcessorSetTasks(_) => self.processor_set_call(caller, request, target, host, call),
            HostRequest::HostGetTime(_) => {
                let answer = self
                    .uptime(host)
                    .map(|ns| wire::HostGetTimeReply { seconds: ns / SECOND_NS, microseconds: ns % SECOND_NS / 1000 });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::HostGetUptime64(_) => {
                let answer = self
                    .uptime(host)
                    .map(|ns| wire::HostGetUptime64Reply { seconds: ns / SECOND_NS, nanoseconds: ns % SECOND_NS });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::VmPagesPhys(c) => {
                let map = self.map_argument(caller.space, c.task);
                match PagesWork::new(host, map, c.address, c.size, caller.map) {
                    Ok(work) => self.perform_work(caller, request, VmWork::Pages(Box::new(work))),
                    Err(code) => self.answer_code(caller.thread, request, code),
                }
            }
            HostRequest::HostSetExceptionPorts(_)
            | HostRequest::HostGetExceptionPorts(_)
            | HostRequest::HostSwapExceptionPorts(_) => self.host_exception_call(caller, request, host, call),
            HostRequest::VmSetDefaultMemoryManager(_) | HostRequest::HostDefaultMemoryManager(_) => {
                self.default_manager_call(caller, request, host, call);
            }
        }
    }

    /// Nanoseconds since the start.
    ///
    /// # Errors
    /// INVALID_HOST: no host port; NOT_SUPPORTED: the kernel keeps the clock to itself.
    fn uptime(&self, host: Host) -> Result<u64, KernReturn> {
        match host {
            Host::None => Err(KernReturn::INVALID_HOST),
            Host::Plain | Host::Privileged => self.hw.machine.uptime_ns().ok_or(KernReturn::NOT_SUPPORTED),
        }
    }

    /// A call on the handlers that are asked last. They get the rights to every task that faults.
    ///
    /// Checks: the privileged host port, else INVALID_ARGUMENT; then those of [`Self::set_handlers`].
    fn host_exception_call(&mut self, caller: Caller, request: u32, host: Host, call: &HostRequest) {
        const OK: Result<(), KernReturn> = Ok(());
        let may = if host == Host::Privileged { OK } else { Err(KernReturn::INVALID_ARGUMENT) };
        match *call {
            HostRequest::HostSetExceptionPorts(c) => {
                let wire::HostSetExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = c;
                let new = NewHandler { mask, port, behavior, flavor };
                let answer = may.and_then(|()| self.set_handlers(caller, Whose::Host, new));
                self.answer_result(caller.thread, request, &answer.map(|()| wire::HostSetExceptionPortsReply {}));
            }
            HostRequest::HostGetExceptionPorts(c) => {
                let answer = may.and_then(|()| self.list_handlers(caller, Whose::Host, c.exception_mask));
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::HostGetExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(caller.thread, request, &answer);
            }
            HostRequest::HostSwapExceptionPorts(c) => {
                let wire::HostSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = c;
                let new = NewHandler { mask, port, behavior, flavor };
                let answer = may.and_then(|()| self.swap_handlers(caller, Whose::Host, new));
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::HostSwapExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(caller.thread, request, &answer);
            }
            _ => self.answer_code(caller.thread, request, KernReturn::MIG_BAD_ID),
        }
    }

    /// `host_statistics`: GNU's counts without the size of a page; nothing can be purged, nothing is speculative, nothing is
    /// compressed. Each id has its own flavor.
    fn host_statistics(
        &self,
        host: Host,
        request: u32,
        call: &wire::HostStatistics,
    ) -> Result<Ints<{ wire::HOST_INFO_MAX }>, KernReturn> {
        const HOST_STATISTICS64: u32 = 219;
        let is_wide = request == HOST_STATISTICS64;
        let (flavor, fewest) = match is_wide {
            true => (wire::HOST_VM_INFO64, wire::HOST_VM_INFO64_FIRST_COUNT),
            false => (wire::HOST_VM_INFO, wire::HOST_VM_INFO_FIRST_COUNT),
        };
        match host {
            Host::None => return Err(KernReturn::INVALID_HOST),
            _ if call.flavor != flavor => return Err(KernReturn::INVALID_ARGUMENT),
            _ if call.count < fewest => return Err(KernReturn::FAILURE),
            Host::Plain | Host::Privileged => {}
        }
        let map = self.tasks.get(self.root).map(|task| task.map);
        let of = self.vm.vm_statistics(&self.hw, map)?;
        let memory = [of.free_count, of.active_count, of.inactive_count, of.wire_count].map(|count| count as u32);
        let events = [
            of.zero_fill_count,
            of.reactivations,
            of.pageins,
            of.pageouts,
            of.faults,
            of.cow_faults,
            of.lookups,
            of.hits,
        ];
        let all: Vec<u32> = if is_wide {
            let events = events.iter().flat_map(|count| halves(*count));
            // purges; purgeable, speculative; decompressions, compressions, swapins, swapouts; compressor_page_count, throttled.
            let none = [0; 2 + 2 + 8 + 2];
            let owners = self.vm.queued_pages().map(|count| count as u32);
            memory.into_iter().chain(events).chain(none).chain(owners).chain([0; 2]).collect()
        } else {
            memory.into_iter().chain(events.iter().map(|count| *count as u32)).chain([0; 3]).collect()
        };
        Ok(Ints::new(all.get(..all.len().min(call.count as usize)).unwrap_or_default()))
    }

    /// Describes the host: one processor, the memory that this server has, and its measures of time.
    fn host_info(
        &self,
        host: Host,
        is_gnu: bool,
        flavor: u32,
        count: u32,
    ) -> Result<Ints<{ wire::HOST_INFO_MAX }>, KernReturn> {
        let fewest = match flavor {
            _ if host == Host::None => return Err(KernReturn::INVALID_ARGUMENT),
            wire::HOST_BASIC_INFO if is_gnu => wire::HOST_BASIC_INFO_COUNT,
            wire::HOST_BASIC_INFO => wire::XNU_HOST_BASIC_INFO_COUNT,
            wire::HOST_SCHED_INFO => wire::HOST_SCHED_INFO_COUNT,
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        if count < fewest {
            return Err(KernReturn::FAILURE);
        }
        if flavor == wire::HOST_SCHED_INFO {
            return Ok(Ints::new(&[TICK_MS as u32, (SLICE_US / 1000) as u32]));
        }
        let memory = u64::from(self.hw.memory.total_frames()) * PAGE;
        if is_gnu {
            return Ok(Ints::from_words(&[1 | 1 << 32, memory, u64::from(wire::CPU_TYPE_ARM64)]));
        }
        let narrow = u32::try_from(memory).unwrap_or(u32::MAX);
        let [low, high] = halves(memory);
        Ok(Ints::new(&[1, 1, narrow, wire::CPU_TYPE_ARM64, 0, 0, 1, 1, 1, 1, low, high]))
    }
}
