//! Calls on maps: from a request to the virtual memory's operation, and from its outcome to the reply.

use alloc::boxed::Box;

use mach_protocol::host::{VmWireAllReply, VmWireReply};
use mach_protocol::table::{is_gnu_id, pack_reply};
use mach_protocol::vm as wire;
use mach_protocol::vm::VmRequest;
use mach_protocol::wire::{Ints, Words};
use mach_protocol::{KernReturn, PortName};
use vm::{Family, Holes, MapArgs, MapId, Operation, RemapArgs, Step, WriteSource};

use super::lists::ReadListWork;
use super::operation::{Op, Progress, Work};
use super::{Caller, Server};
use crate::hardware::Hardware;
use crate::machine::Machine;

/// A call on a map that is under way.
#[derive(Debug)]
pub(super) enum VmWork {
    Allocate(vm::Allocate),
    Map(vm::MapMemory),
    Deallocate(vm::Deallocate),
    Protect(vm::Protect),
    Inherit(vm::SetInherit),
    Read(vm::Read),
    ReadOverwrite(vm::Copy, u64),
    Write(vm::Write),
    Copy(vm::Copy),
    ReadList(Box<ReadListWork>),
    Remap(vm::Remap),
    Wire(vm::Wire),
    WireAll(vm::WireAll),
    /// What was made is wired; then comes the answer.
    WireNew(vm::WireNew, Box<Words>),
    Msync(vm::Msync),
    MachineAttribute(vm::MachineAttribute, u32),
    BehaviorSet(vm::BehaviorSet),
}

impl VmWork {
    /// Takes one step.
    pub(super) fn step<M: Machine>(&mut self, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
        match self {
            Self::Allocate(op) => {
                let (step, (map, size)) = (op.step(vm, hw), op.made());
                self.then_wire(vm, (map, size), step, |address| {
                    (address, pack_reply(&Ok(wire::VmAllocateReply { address })))
                })
            }
            Self::Map(op) => {
                let (step, (map, size)) = (op.step(vm, hw), op.made());
                self.then_wire(vm, (map, size), step, |address| {
                    (address, pack_reply(&Ok(wire::VmMapReply { address })))
                })
            }
            Self::Deallocate(op) => progress(op.step(vm, hw), |()| wire::VmDeallocateReply {}),
            Self::Protect(op) => progress(op.step(vm, hw), |()| wire::VmProtectReply {}),
            Self::Inherit(op) => progress(op.step(vm, hw), |()| wire::VmSetInheritReply {}),
            Self::Read(op) => progress(op.step(vm, hw), |out| wire::VmReadReply { data: out.data, count: out.count }),
            Self::ReadOverwrite(op, count) => {
                let count = *count;
                progress(op.step(vm, hw), |()| wire::VmReadOverwriteReply { count })
            }
            Self::Write(op) => progress(op.step(vm, hw), |()| wire::VmWriteReply {}),
            Self::Copy(op) => progress(op.step(vm, hw), |()| wire::VmCopyReply {}),
            Self::ReadList(work) => work.step(vm, hw),
            Self::Remap(op) => {
                let (step, (map, size)) = (op.step(vm, hw), op.made());
                self.then_wire(vm, (map, size), step, |out| {
                    let reply = wire::VmRemapReply {
                        address: out.address,
                        cur_protection: u32::from(out.protection.bits()),
                        max_protection: u32::from(out.max_protection.bits()),
                    };
                    (out.address, pack_reply(&Ok(reply)))
                })
            }
            Self::Wire(op) => progress(op.step(vm, hw), |()| VmWireReply {}),
            Self::WireAll(op) => progress(op.step(vm, hw), |()| VmWireAllReply {}),
            Self::WireNew(op, answer) => match op.step(vm, hw) {
                Step::Done(Ok(())) => Progress::Done(Words::clone(answer)),
                step => progress(step, |()| VmWireReply {}),
            },
            Self::Msync(op) => progress(op.step(vm, hw), |()| wire::VmMsyncReply {}),
            Self::MachineAttribute(op, value) => {
                let value = *value;
                progress(op.step(vm, hw), |()| wire::VmMachineAttributeReply { value })
            }
            Self::BehaviorSet(op) => progress(op.step(vm, hw), |()| wire::VmBehaviorSetReply {}),
        }
    }

    /// Gives the work up. `false`: it has to be stepped to its end.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm) -> bool {
        let cancelled = match self {
            Self::Allocate(op) => op.cancel(vm),
            Self::Map(op) => op.cancel(vm),
            Self::Deallocate(op) => op.cancel(vm),
            Self::Protect(op) => op.cancel(vm),
            Self::Inherit(op) => op.cancel(vm),
            Self::Read(op) => op.cancel(vm),
            Self::ReadOverwrite(op, _) | Self::Copy(op) => op.cancel(vm),
            Self::Write(op) => op.cancel(vm),
            Self::ReadList(work) => work.cancel(vm),
            Self::Remap(op) => op.cancel(vm),
            Self::Wire(op) => op.cancel(vm),
            Self::WireAll(op) => op.cancel(vm),
            Self::WireNew(op, _) => op.cancel(vm),
            Self::Msync(op) => op.cancel(vm),
            Self::MachineAttribute(op, _) => op.cancel(vm),
            Self::BehaviorSet(op) => op.cancel(vm),
        };
        cancelled == vm::Cancel::Dropped
    }
}

impl VmWork {
    /// The progress of what makes memory of a map's, so many bytes: where `vm_wire_all` wants it, it is wired before the
    /// answer.
    fn then_wire<T>(
        &mut self,
        vm: &vm::Vm,
        (map, size): (Option<MapId>, u64),
        step: Step<T>,
        made: impl FnOnce(T) -> (u64, Words),
    ) -> Progress {
        match step {
            Step::Done(Ok(out)) => {
                let (address, answer) = made(out);
                match vm::WireNew::of(vm, map, address, size) {
                    Some(wire) => {
                        *self = Self::WireNew(wire, Box::new(answer));
                        Progress::Again
                    }
                    None => Progress::Done(answer),
                }
            }
            Step::Done(Err(error)) => Progress::Done(pack_reply(&Err::<VmWireReply, _>(error))),
            Step::Wait(on) => Progress::WaitVm(on),
            Step::Again => Progress::Again,
        }
    }
}

/// The server's progress out of an operation's, with the reply that its outcome makes.
fn progress<T, R: mach_protocol::wire::Wire>(step: Step<T>, reply: impl FnOnce(T) -> R) -> Progress {
    match step {
        Step::Done(outcome) => Progress::Done(pack_reply(&outcome.map(reply))),
        Step::Wait(on) => Progress::WaitVm(on),
        Step::Again => Progress::Again,
    }
}

pub(super) const fn family(request: u32) -> Family {
    if is_gnu_id(request) { Family::Gnu } else { Family::Xnu }
}

/// `mach_vm_*` ids differ from `vm_*` ones in nothing but `vm_region`'s narrow form.
const VM_REGION_NARROW: u32 = 3800;

impl<M: Machine> Server<M> {
    /// A call on a task's map.
    pub(super) fn vm_call(&mut self, caller: Caller, request: u32, target: PortName, call: VmRequest) {
        let target = match self.named_map(caller.space, target) {
            Ok(map) => map,
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let work = match self.vm_work(caller, request, target, call) {
            Ok(work) => work,
            Err(words) => return self.answer_call(caller.thread, request, &words),
        };
        self.begin(Op::new(Some(caller.thread), request, Work::Vm(work)));
    }

    /// The work that a call is, or the answer of one that is done at once.
    fn vm_work(
        &mut self,
        caller: Caller,
        request: u32,
        target: Option<MapId>,
        call: VmRequest,
    ) -> Result<VmWork, Box<Words>> {
        let family = family(request);
        Ok(match call {
            VmRequest::VmAllocate(c) => VmWork::Allocate(vm::Allocate::new(target, c.address, c.size, c.flags, family)),
            VmRequest::GnuVmAllocate(c) => {
                VmWork::Allocate(vm::Allocate::new(target, c.address, c.size, c.anywhere, family))
            }
            VmRequest::VmDeallocate(c) => {
                VmWork::Deallocate(vm::Deallocate::new(target, c.address, c.size, Holes::Refused))
            }
            VmRequest::MachVmDeallocate(c) => {
                VmWork::Deallocate(vm::Deallocate::new(target, c.address, c.size, Holes::Allowed))
            }
            VmRequest::VmProtect(c) => {
                let set_maximum = c.set_maximum;
                VmWork::Protect(vm::Protect::new(target, c.address, c.size, set_maximum, c.new_protection, family))
            }
            VmRequest::VmSetInherit(c) => {
                VmWork::Inherit(vm::SetInherit::new(target, c.address, c.size, c.new_inheritance))
            }
            VmRequest::VmRead(c) => VmWork::Read(vm::Read::new(target, c.address, c.size, caller.map)),
            VmRequest::VmReadOverwrite(c) => {
                VmWork::ReadOverwrite(vm::Copy::to_caller(target, c.address, c.size, caller.map, c.data), c.size)
            }
            VmRequest::VmWrite(c) => {
                let source = WriteSource::Memory { map: caller.map, address: c.data, size: c.count };
                VmWork::Write(vm::Write::new(target, c.address, source))
            }
            VmRequest::VmCopy(c) => VmWork::Copy(vm::Copy::new(target, c.source_address, c.size, c.dest_address)),
            VmRequest::VmMap(c) => {
                let object = self.mappable(caller, c.memory_object);
                VmWork::Map(vm::MapMemory::new(
                    target,
                    MapArgs {
                        address: c.address,
                        size: c.size,
                        mask: c.mask,
                        flags: c.flags,
                        object,
                        offset: c.offset,
                        copy: c.copy,
                        prot: c.cur_protection,
                        max: c.max_protection,
                        inherit: c.inheritance,
                        family,
                    },
                ))
            }
            VmRequest::GnuVmMap(c) => {
                let object = self.mappable(caller, c.memory_object);
                VmWork::Map(vm::MapMemory::new(
                    target,
                    MapArgs {
                        address: c.address,
                        size: c.size,
                        mask: c.mask,
                        flags: c.anywhere,
                        object,
                        offset: c.offset,
                        copy: c.copy,
                        prot: c.cur_protection,
                        max: c.max_protection,
                        inherit: c.inheritance,
                        family,
                    },
                ))
            }
            VmRequest::VmRegion(c) => return Err(Box::new(pack_reply(&self.region(request, target, &c)))),
            VmRequest::GnuVmRegion(c) => return Err(Box::new(pack_reply(&self.gnu_region(caller, target, &c)))),
            VmRequest::VmRegionRecurse(c) => return Err(Box::new(pack_reply(&self.region_recurse(target, &c)))),
            VmRequest::VmReadList(c) => match ReadListWork::new(target, c.list, c.count, caller.map) {
                Ok(work) => VmWork::ReadList(Box::new(work)),
                Err(code) => return Err(Box::new(pack_reply(&Err::<wire::VmReadListReply, _>(code)))),
            },
            VmRequest::VmRemap(c) => {
                let args = RemapArgs {
                    address: c.address,
                    size: c.size,
                    mask: c.mask,
                    flags: c.flags,
                    source: self.map_argument(caller.space, c.source),
                    source_address: c.source_address,
                    copy: c.copy,
                    protections: None,
                    inherit: c.inheritance,
                };
                VmWork::Remap(vm::Remap::new(target, args))
            }
            VmRequest::VmRemapNew(c) => {
                let args = RemapArgs {
                    address: c.address,
                    size: c.size,
                    mask: c.mask,
                    flags: c.flags,
                    source: self.map_argument(caller.space, c.source),
                    source_address: c.source_address,
                    copy: c.copy,
                    protections: Some((c.cur_protection, c.max_protection)),
                    inherit: c.inheritance,
                };
                VmWork::Remap(vm::Remap::new(target, args))
            }
            VmRequest::VmMsync(c) => VmWork::Msync(vm::Msync::new(target, c.address, c.size, c.sync_flags, family)),
            VmRequest::VmMachineAttribute(c) => {
                let op = vm::MachineAttribute::new(target, c.address, c.size, c.attribute, c.value, family);
                VmWork::MachineAttribute(op, c.value)
            }
            VmRequest::VmBehaviorSet(c) => {
                VmWork::BehaviorSet(vm::BehaviorSet::new(target, c.address, c.size, c.new_behavior))
            }
            VmRequest::VmGetSizeLimit(_) => {
                let answer = self.vm.limits(target);
                let answer = answer
                    .map(|limits| wire::VmGetSizeLimitReply { current_limit: limits.current, max_limit: limits.max });
                return Err(Box::new(pack_reply(&answer)));
            }
            VmRequest::VmStatistics(_) => return Err(Box::new(pack_reply(&self.statistics(target)))),
        })
    }

    fn region(
        &mut self,
        request: u32,
        target: Option<MapId>,
        call: &wire::VmRegion,
    ) -> Result<wire::VmRegionReply, KernReturn> {
        let basic = if request == VM_REGION_NARROW { vm::BasicInfo::Narrow } else { vm::BasicInfo::Wide };
        let found = self.vm.region_info(target, call.address, call.flavor, call.info_count, basic)?;
        Ok(wire::VmRegionReply {
            address: found.address,
            size: found.size,
            object_name: PortName::NULL,
            info: Ints::new(&found.words),
        })
    }

    fn region_recurse(
        &mut self,
        target: Option<MapId>,
        call: &wire::VmRegionRecurse,
    ) -> Result<wire::VmRegionRecurseReply, KernReturn> {
        let found = self.vm.region_recurse(target, call.address, call.info_count)?;
        Ok(wire::VmRegionRecurseReply {
            address: found.address,
            size: found.size,
            nesting_depth: 0,
            info: Ints::new(&found.words),
        })
    }

    fn gnu_region(
        &mut self,
        caller: Caller,
        target: Option<MapId>,
        call: &wire::GnuVmRegion,
    ) -> Result<wire::GnuVmRegionReply, KernReturn> {
        let found = self.vm.region(target, call.address)?;
        let object_name = match found.object_name {
            Some(object) => self.name_of(caller.space, object)?,
            None => PortName::NULL,
        };
        Ok(wire::GnuVmRegionReply {
            address: found.address,
            size: found.size,
            protection: u32::from(found.protection.bits()),
            max_protection: u32::from(found.max_protection.bits()),
            inheritance: found.inheritance as u32,
            is_shared: found.is_shared,
            object_name,
            offset: found.offset,
        })
    }

    fn statistics(&mut self, target: Option<MapId>) -> Result<wire::VmStatisticsReply, KernReturn> {
        let counts = self.vm.vm_statistics(&self.hw, target)?;
        Ok(wire::VmStatisticsReply {
            pagesize: counts.pagesize as u32,
            free_count: counts.free_count as u32,
            active_count: counts.active_count as u32,
            inactive_count: counts.inactive_count as u32,
            wire_count: counts.wire_count as u32,
            zero_fill_count: counts.zero_fill_count as u32,
            reactivations: counts.reactivations as u32,
            pageins: counts.pageins as u32,
            pageouts: counts.pageouts as u32,
            faults: counts.faults as u32,
            cow_faults: counts.cow_faults as u32,
            lookups: counts.lookups as u32,
            hits: counts.hits as u32,
        })
    }
}
