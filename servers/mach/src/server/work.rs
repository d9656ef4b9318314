//! Calls on maps: from a request to the virtual memory's operation, and from its outcome to the reply.

use alloc::boxed::Box;

use mach_protocol::host::{VmWireAllReply, VmWireReply};
use mach_protocol::memory_object::VmObjectSyncReply;
use mach_protocol::table::{is_gnu_id, pack_reply};
use mach_protocol::vm as wire;
use mach_protocol::vm::VmRequest;
use mach_protocol::wire::{Ints, Wire, Words};
use mach_protocol::{KernReturn, PortName};
use vm::{Family, Holes, MapArgs, MapId, Operation, RemapArgs, Step, WriteSource};

use super::lists::ReadListWork;
use super::operation::{Op, Progress, Work};
use super::pages::PagesWork;
use super::{Caller, Server};
use crate::hardware::Hardware;
use crate::machine::Machine;
use crate::port::Object;

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
    ObjectSync(vm::ObjectSync),
    MachineAttribute(vm::MachineAttribute, u32),
    BehaviorSet(vm::BehaviorSet),
    CacheStatistics(vm::CacheStatistics),
    Pages(Box<PagesWork>),
}

/// An operation of the virtual memory that is a call, with the answer that its outcome makes.
trait Answers: Operation {
    type Reply: Wire;

    fn reply(out: Self::Out) -> Self::Reply;

    /// What wires the memory that it made, if that is wanted of its map.
    fn wires(&self, _: &vm::Vm, _: &Self::Out) -> Option<vm::WireNew> {
        None
    }
}

/// Says of operations what their outcomes answer.
macro_rules! answers {
    ($($operation:ty: $out:pat => $Reply:ident { $($field:ident $(: $value:expr)?),* } $(, memory at $made:expr)?;)*) => {
        $(impl Answers for $operation {
            type Reply = wire::$Reply;

            fn reply($out: Self::Out) -> wire::$Reply {
                wire::$Reply { $($field $(: $value)?),* }
            }

            $(fn wires(&self, vm: &vm::Vm, $out: &Self::Out) -> Option<vm::WireNew> {
                let (map, size) = self.made();
                vm::WireNew::of(vm, map, $made, size)
            })?
        })*
    };
}

answers! {
    vm::Allocate: address => VmAllocateReply { address }, memory at *address;
    vm::MapMemory: address => VmMapReply { address }, memory at *address;
    vm::Deallocate: () => VmDeallocateReply {};
    vm::Protect: () => VmProtectReply {};
    vm::SetInherit: () => VmSetInheritReply {};
    vm::Read: out => VmReadReply { data: out.data, count: out.count };
    vm::Write: () => VmWriteReply {};
    vm::Copy: () => VmCopyReply {};
    vm::Remap: out => VmRemapReply {
        address: out.address,
        cur_protection: u32::from(out.protection.bits()),
        max_protection: u32::from(out.max_protection.bits())
    }, memory at out.address;
    vm::Msync: () => VmMsyncReply {};
    vm::BehaviorSet: () => VmBehaviorSetReply {};
}

impl Answers for vm::ObjectSync {
    type Reply = VmObjectSyncReply;

    fn reply((): ()) -> VmObjectSyncReply {
        VmObjectSyncReply {}
    }
}

impl Answers for vm::Wire {
    type Reply = VmWireReply;

    fn reply((): ()) -> VmWireReply {
        VmWireReply {}
    }
}

impl VmWork {
    /// Takes one step.
    pub(super) fn step<M: Machine>(&mut self, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
        match self {
            Self::Allocate(op) => {
                let made = made(op, vm, hw);
                self.go_on(made)
            }
            Self::Map(op) => {
                let made = made(op, vm, hw);
                self.go_on(made)
            }
            Self::Deallocate(op) => answered(op, vm, hw),
            Self::Protect(op) => answered(op, vm, hw),
            Self::Inherit(op) => answered(op, vm, hw),
            Self::Read(op) => answered(op, vm, hw),
            Self::ReadOverwrite(op, count) => {
                let count = *count;
                progress(op.step(vm, hw), |()| wire::VmReadOverwriteReply { count })
            }
            Self::Write(op) => answered(op, vm, hw),
            Self::Copy(op) => answered(op, vm, hw),
            Self::ReadList(work) => work.step(vm, hw),
            Self::Remap(op) => {
                let made = made(op, vm, hw);
                self.go_on(made)
            }
            Self::Wire(op) => answered(op, vm, hw),
            Self::WireAll(op) => progress(op.step(vm, hw), |()| VmWireAllReply {}),
            Self::WireNew(op, answer) => match op.step(vm, hw) {
                Step::Done(Ok(())) => Progress::Done(Words::clone(answer)),
                step => progress(step, |()| VmWireReply {}),
            },
            Self::Msync(op) => answered(op, vm, hw),
            Self::ObjectSync(op) => answered(op, vm, hw),
            Self::MachineAttribute(op, value) => {
                let value = *value;
                progress(op.step(vm, hw), |()| wire::VmMachineAttributeReply { value })
            }
            Self::BehaviorSet(op) => answered(op, vm, hw),
            Self::CacheStatistics(op) => {
                let usage = hw.memory.usage();
                let kernel = usage.tables + usage.threads + usage.notifications;
                progress(op.step(vm, hw), |counts| cache_statistics(&counts, kernel))
            }
            Self::Pages(work) => work.step(vm, hw),
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
            Self::ObjectSync(op) => op.cancel(vm),
            Self::MachineAttribute(op, _) => op.cancel(vm),
            Self::BehaviorSet(op) => op.cancel(vm),
            Self::CacheStatistics(op) => op.cancel(vm),
            Self::Pages(work) => work.cancel(vm),
        };
        cancelled == vm::Cancel::Dropped
    }
}

impl VmWork {
    /// Where memory was made that `vm_wire_all` wants wired, that is done before the answer.
    fn go_on(&mut self, made: Result<Progress, Box<Self>>) -> Progress {
        made.unwrap_or_else(|wire| {
            *self = *wire;
            Progress::Again
        })
    }
}

/// The server's progress out of a step of an operation.
fn answered<M: Machine, O: Answers>(op: &mut O, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
    progress(op.step(vm, hw), O::reply)
}

/// The same of an operation that makes memory; or the work that wires it, and answers then.
fn made<M: Machine, O: Answers>(op: &mut O, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Result<Progress, Box<VmWork>> {
    match op.step(vm, hw) {
        Step::Done(Ok(out)) => match op.wires(vm, &out) {
            Some(wire) => Err(Box::new(wire_then(wire, O::reply(out)))),
            None => Ok(progress(Step::Done(Ok(out)), O::reply)),
        },
        step => Ok(progress(step, O::reply)),
    }
}

/// The work that wires new memory and answers then.
fn wire_then(wire: vm::WireNew, reply: impl Wire) -> VmWork {
    VmWork::WireNew(wire, Box::new(pack_reply(&Ok(reply))))
}

/// The server's progress out of an operation's, with the reply that its outcome makes.
fn progress<T, R: Wire>(step: Step<T>, reply: impl FnOnce(T) -> R) -> Progress {
    match step {
        Step::Done(outcome) => Progress::Done(pack_reply(&outcome.map(reply))),
        Step::Wait(on) => Progress::WaitVm(on),
        Step::Again => Progress::Again,
    }
}

/// What `vm_cache_statistics` answers; `kernel` is the number of pages of kernel objects.
const fn cache_statistics(counts: &vm::CacheCounts, kernel: u32) -> wire::VmCacheStatisticsReply {
    wire::VmCacheStatisticsReply {
        cache_object_count: counts.cached_objects as u32,
        cache_count: counts.cached_pages as u32,
        active_tmp_count: counts.active_temporary as u32,
        inactive_tmp_count: counts.inactive_temporary as u32,
        active_perm_count: counts.active_permanent as u32,
        inactive_perm_count: counts.inactive_permanent as u32,
        dirty_count: counts.dirty as u32,
        laundry_count: counts.laundry as u32,
        writeback_count: 0,
        slab_count: kernel,
        slab_reclaim_count: 0,
    }
}

pub(super) const fn family(request: u32) -> Family {
    if is_gnu_id(request) { Family::Gnu } else { Family::Xnu }
}

/// `mach_vm_*` ids differ from `vm_*` ones in nothing but `vm_region`'s narrow form.
const VM_REGION_NARROW: u32 = 3800;

/// What a call's target stands for, if anything; or why it is none.
pub(super) type Target = Result<Option<Object>, KernReturn>;

impl<M: Machine> Server<M> {
    /// A call on the map of the task that the target is.
    pub(super) fn vm_call(&mut self, caller: Caller, request: u32, target: Target, call: VmRequest) {
        let target = match target {
            Ok(object) => self.map_of(object),
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let family = family(request);
        match call {
            VmRequest::VmAllocate(c) => {
                let op = vm::Allocate::new(target, c.address, c.size, c.flags, family);
                self.perform(caller, request, op, VmWork::Allocate);
            }
            VmRequest::GnuVmAllocate(c) => {
                let op = vm::Allocate::new(target, c.address, c.size, c.anywhere, family);
                self.perform(caller, request, op, VmWork::Allocate);
            }
            VmRequest::VmDeallocate(c) => {
                let op = vm::Deallocate::new(target, c.address, c.size, Holes::Refused);
                self.perform(caller, request, op, VmWork::Deallocate);
            }
            VmRequest::MachVmDeallocate(c) => {
                let op = vm::Deallocate::new(target, c.address, c.size, Holes::Allowed);
                self.perform(caller, request, op, VmWork::Deallocate);
            }
            VmRequest::VmProtect(c) => {
                let op = vm::Protect::new(target, c.address, c.size, c.set_maximum, c.new_protection, family);
                self.perform(caller, request, op, VmWork::Protect);
            }
            VmRequest::VmSetInherit(c) => {
                let op = vm::SetInherit::new(target, c.address, c.size, c.new_inheritance);
                self.perform(caller, request, op, VmWork::Inherit);
            }
            VmRequest::VmRead(c) => {
                let op = vm::Read::new(target, c.address, c.size, caller.map);
                self.perform(caller, request, op, VmWork::Read);
            }
            VmRequest::VmReadOverwrite(c) => {
                let op = vm::Copy::to_caller(target, c.address, c.size, caller.map, c.data);
                self.perform_work(caller, request, VmWork::ReadOverwrite(op, c.size));
            }
            VmRequest::VmWrite(c) => {
                let source = WriteSource::Memory { map: caller.map, address: c.data, size: c.count };
                self.perform(caller, request, vm::Write::new(target, c.address, source), VmWork::Write);
            }
            VmRequest::VmCopy(c) => {
                let op = vm::Copy::new(target, c.source_address, c.size, c.dest_address);
                self.perform(caller, request, op, VmWork::Copy);
            }
            VmRequest::VmMap(c) => {
                let object = self.mappable(caller, c.memory_object);
                let args = MapArgs {
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
                };
                self.perform(caller, request, vm::MapMemory::new(target, args), VmWork::Map);
            }
            VmRequest::GnuVmMap(c) => {
                let object = self.mappable(caller, c.memory_object);
                let args = MapArgs {
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
                };
                self.perform(caller, request, vm::MapMemory::new(target, args), VmWork::Map);
            }
            VmRequest::VmRegion(c) => {
                let answer = self.region(request, target, &c);
                self.answer_result(caller.thread, request, &answer);
            }
            VmRequest::GnuVmRegion(c) => {
                let answer = self.gnu_region(caller, target, &c);
                self.answer_result(caller.thread, request, &answer);
            }
            VmRequest::VmRegionRecurse(c) => {
                let answer = self.region_recurse(target, &c);
                self.answer_result(caller.thread, request, &answer);
            }
            VmRequest::VmReadList(c) => match ReadListWork::new(target, c.list, c.count, caller.map) {
                Ok(work) => self.perform_work(caller, request, VmWork::ReadList(Box::new(work))),
                Err(code) => self.answer_code(caller.thread, request, code),
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
                self.perform(caller, request, vm::Remap::new(target, args), VmWork::Remap);
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
                self.perform(caller, request, vm::Remap::new(target, args), VmWork::Remap);
            }
            VmRequest::VmMsync(c) => {
                let op = vm::Msync::new(target, c.address, c.size, c.sync_flags, family);
                self.perform(caller, request, op, VmWork::Msync);
            }
            VmRequest::VmMachineAttribute(c) => {
                let op = vm::MachineAttribute::new(target, c.address, c.size, c.attribute, c.value, family);
                self.perform_work(caller, request, VmWork::MachineAttribute(op, c.value));
            }
            VmRequest::VmBehaviorSet(c) => {
                let op = vm::BehaviorSet::new(target, c.address, c.size, c.new_behavior);
                self.perform(caller, request, op, VmWork::BehaviorSet);
            }
            VmRequest::VmGetSizeLimit(_) => {
                let answer = self
                    .vm
                    .limits(target)
                    .map(|limits| wire::VmGetSizeLimitReply { current_limit: limits.current, max_limit: limits.max });
                self.answer_result(caller.thread, request, &answer);
            }
            VmRequest::VmCacheStatistics(_) => {
                self.perform_work(caller, request, VmWork::CacheStatistics(vm::CacheStatistics::new(target)));
            }
            VmRequest::VmStatistics(_) => {
                let answer = self.statistics(target);
                self.answer_result(caller.thread, request, &answer);
            }
        }
    }

    /// Takes the first step of a call, and answers it or enters what is left.
    fn perform<O: Answers>(&mut self, caller: Caller, request: u32, mut op: O, keep: impl FnOnce(O) -> VmWork) {
        if !self.ops.has_room() {
            return self.refuse(Some(caller.thread), request);
        }
        let progress = match op.step(&mut self.vm, &mut self.hw) {
            Step::Done(outcome) => {
                self.look_for_chores();
                let wire = outcome.as_ref().ok().and_then(|out| op.wires(&self.vm, out));
                return match (outcome.map(O::reply), wire) {
                    (Ok(reply), Some(wire)) => self.perform_work(caller, request, wire_then(wire, reply)),
                    (answer, _) => self.answer_result(caller.thread, request, &answer),
                };
            }
            Step::Wait(on) => Progress::WaitVm(on),
            Step::Again => Progress::Again,
        };
        self.begin_kept(Op::new(Some(caller.thread), request, Work::Vm(Box::new(keep(op)))), &progress);
    }

    /// The same for work of any kind.
    pub(super) fn perform_work(&mut self, caller: Caller, request: u32, mut work: VmWork) {
        if !self.ops.has_room() {
            return self.refuse(Some(caller.thread), request);
        }
        match work.step(&mut self.vm, &mut self.hw) {
            progress @ (Progress::Done(_) | Progress::Silent) => self.finish(Some(caller.thread), request, progress),
            progress => self.begin_kept(Op::new(Some(caller.thread), request, Work::Vm(Box::new(work))), &progress),
        }
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
