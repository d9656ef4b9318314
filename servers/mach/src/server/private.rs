//! Calls of Tessera's own. Their checks are listed in `mach_protocol::private`.

use mach_protocol::private as wire;
use mach_protocol::private::{DEVICE_BASE, FIRST_GRANT_SLOT, PARK_FOREVER, PHYSICAL_PAGES, PrivateRequest, TaskEnd};
use mach_protocol::table::pack_reply;
use mach_protocol::{KernReturn, PortName};

use super::operation::{Op, Progress, Work};
use super::{Caller, Server};
use crate::machine::{Access, Budget, Machine};
use crate::memory::{PAGE, Unit};
use crate::pmap;
use crate::port::Right;
use crate::thread::ThreadId;

/// Slots of a thread's capability table.
pub(super) const THREAD_SLOTS: u32 = 16;
/// Device pages of a task.
const MAX_DEVICE_PAGES: u64 = 256;
/// The highest priority that a thread can get, and the highest without privilege.
const MAX_PRIORITY: u32 = mach_protocol::boot::priority::DRIVER as u32;
const MAX_ORDINARY_PRIORITY: u32 = 128;

impl<M: Machine> Server<M> {
    /// A call of Tessera's own.
    pub(super) fn private_call(&mut self, caller: Caller, request: u32, target: PortName, call: &PrivateRequest) {
        let reply = caller.thread;
        match call {
            PrivateRequest::ThreadGrantCap(c) => {
                let answer = self.grant_cap(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::TaskMapDevice(c) => {
                let answer = self.map_device(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::TaskPhysicalPages(c) => {
                let answer = self.physical_pages(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::TaskExit(c) => match self.named_task(caller.space, target) {
                Ok(Some(task)) => self.end_task(task, TaskEnd::Exited { status: c.status }, Some((reply, request))),
                Ok(None) => self.answer_code(reply, request, KernReturn::INVALID_ARGUMENT),
                Err(code) => self.answer_code(reply, request, code),
            },
            PrivateRequest::TaskWatch(c) => {
                let answer = self.watch(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::MachReplyPort(_) => {
                const RECEIVE: u32 = 1;
                let answer = self.ports.allocate(caller.space, RECEIVE);
                self.answer_result(reply, request, &answer.map(|name| wire::MachReplyPortReply { name }));
            }
            PrivateRequest::MachTaskSelf(_) => {
                let port = self.tasks.get(caller.task).map(|task| task.port);
                self.answer_port(caller, request, port);
            }
            PrivateRequest::MachThreadSelf(_) => {
                let port = self.threads.get(caller.thread).map(|thread| thread.port);
                self.answer_port(caller, request, port);
            }
            PrivateRequest::MachHostSelf(_) => self.answer_port(caller, request, Some(self.host)),
            PrivateRequest::ThreadPark(c) => self.park(caller, request, c.timeout_ms),
            PrivateRequest::ThreadUnpark(_) => {
                let answer = self.unpark(caller, target);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::ThreadSetBudget(c) => {
                let answer = self.set_budget(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::ThreadSetPriority(c) => {
                let answer = self.set_priority(caller, target, c);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::ThreadCpuTime(_) => {
                let answer = self.target_thread(caller, target).map(|thread| self.used_us(thread));
                let answer = answer.map(|microseconds| wire::ThreadCpuTimeReply { microseconds });
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::TaskGetName(_) => {
                let task = self.named_task(caller.space, target);
                let task = task.and_then(|task| task.ok_or(KernReturn::INVALID_ARGUMENT));
                let name = task.map(|task| self.tasks.get(task).map(|task| task.name).unwrap_or_default());
                self.answer_result(reply, request, &name.map(|name| wire::TaskGetNameReply { name }));
            }
            PrivateRequest::PortDoorbell(_) => {
                let answer = self.port_doorbell(caller, target);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::PortRing(c) => {
                let answer = self.port_ring(caller, c.name);
                self.answer_result(reply, request, &answer);
            }
            PrivateRequest::MemoryObjectSetDeadline(c) => {
                let is_privileged = self.is_privileged(caller.space, c.host_priv);
                let answer = self.set_silence(caller.space, target, c.milliseconds, is_privileged);
                self.answer_result(reply, request, &answer.map(|()| wire::MemoryObjectSetDeadlineReply {}));
            }
            PrivateRequest::ServerUsage(_) => {
                let usage = self.usage();
                self.answer_result(reply, request, &Ok(usage));
            }
            PrivateRequest::DefaultPagerSpace(c) => {
                let answer = self.set_paging_space(caller, c);
                self.answer_result(reply, request, &answer.map(|()| wire::DefaultPagerSpaceReply {}));
            }
            PrivateRequest::SetFreeTargets(c) => {
                let answer = self.set_free_targets(caller, c);
                self.answer_result(reply, request, &answer.map(|()| wire::SetFreeTargetsReply {}));
            }
        }
    }

    /// What is in use, by type.
    fn usage(&self) -> wire::ServerUsageReply {
        let usage = self.hw.memory.usage();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        wire::ServerUsageReply {
            frames: usage.frames,
            tables: usage.tables,
            slots: usage.slots,
            threads: usage.threads,
            notifications: usage.notifications,
            tasks: count(self.tasks.len()),
            ports: count(self.ports.counts().0),
            messages: count(self.ports.queued()),
            objects: count(self.vm.object_count()),
            associations: count(self.hw.managers.len()),
            operations: count(self.ops.len()),
        }
    }

    /// Answers with a new reference to a send right to a port. The three replies of this kind have one shape.
    fn answer_port(&mut self, caller: Caller, request: u32, port: Option<crate::port::PortId>) {
        let answer = match port {
            Some(port) => self.ports.give_send(caller.space, port),
            None => Err(KernReturn::FAILURE),
        };
        self.answer_result(caller.thread, request, &answer.map(|name| wire::MachTaskSelfReply { name }));
    }

    /// The thread that a call is to.
    fn target_thread(&mut self, caller: Caller, target: PortName) -> Result<ThreadId, KernReturn> {
        self.named_thread(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)
    }

    pub(super) fn check_privilege(&mut self, caller: Caller, host_priv: PortName) -> Result<(), KernReturn> {
        if self.is_privileged(caller.space, host_priv) { Ok(()) } else { Err(KernReturn::INVALID_HOST) }
    }

    fn grant_cap(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::ThreadGrantCap,
    ) -> Result<wire::ThreadGrantCapReply, KernReturn> {
        self.check_privilege(caller, call.host_priv)?;
        let thread = self.target_thread(caller, target)?;
        if !(FIRST_GRANT_SLOT..THREAD_SLOTS).contains(&call.slot) {
            return Err(KernReturn::INVALID_VALUE);
        }
        let kit = self.threads.get(thread).and_then(|thread| thread.kit).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let granted = self.hw.machine.grant(call.cptr, kit.cnode, u64::from(call.slot));
        granted.map_err(|_| KernReturn::INVALID_CAPABILITY)?;
        Ok(wire::ThreadGrantCapReply {})
    }

    fn map_device(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::TaskMapDevice,
    ) -> Result<wire::TaskMapDeviceReply, KernReturn> {
        self.check_privilege(caller, call.host_priv)?;
        let id = self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let task = self.tasks.get_mut(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if task.device_pages >= MAX_DEVICE_PAGES {
            return Err(KernReturn::NO_SPACE);
        }
        let address = DEVICE_BASE + task.device_pages * PAGE;
        let space = self.vm.space_of(task.map).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let hw = &mut self.hw;
        let slot = hw.memory.take_slot().ok_or(KernReturn::RESOURCE_SHORTAGE)?;
        if hw.machine.adopt(call.cptr, slot).is_err() {
            hw.memory.put_slot(&mut hw.machine, slot);
            return Err(KernReturn::INVALID_CAPABILITY);
        }
        let access = Access { read: true, write: true, execute: false };
        let (space, machine) = (pmap::SpaceId(space.0), &mut hw.machine);
        hw.pmaps
            .enter_device(&mut hw.memory, machine, space, address, slot, access)
            .map_err(|_| KernReturn::INVALID_CAPABILITY)?;
        task.device_pages += 1;
        Ok(wire::TaskMapDeviceReply { address })
    }

    fn physical_pages(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::TaskPhysicalPages,
    ) -> Result<wire::TaskPhysicalPagesReply, KernReturn> {
        self.check_privilege(caller, call.host_priv)?;
        let id = self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let map = self.tasks.get(id).ok_or(KernReturn::INVALID_ARGUMENT)?.map;
        let mut pages = [0; PHYSICAL_PAGES];
        let count = usize::try_from(call.count).ok().filter(|count| (1..=pages.len()).contains(count));
        let count = count.filter(|_| call.address.is_multiple_of(PAGE)).ok_or(KernReturn::INVALID_VALUE)?;
        for (index, page) in pages.iter_mut().take(count).enumerate() {
            let address = call.address.checked_add(index as u64 * PAGE).ok_or(KernReturn::INVALID_ADDRESS)?;
            let frame = self.vm.wired_frame(map, address).ok_or(KernReturn::INVALID_ADDRESS)?;
            let slot = self.hw.memory.layout().first(Unit(frame.0));
            *page = self.hw.machine.physical_address(slot).map_err(|_| KernReturn::FAILURE)?;
        }
        Ok(wire::TaskPhysicalPagesReply { pages })
    }

    fn watch(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::TaskWatch,
    ) -> Result<wire::TaskWatchReply, KernReturn> {
        let id = self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let disposition = u8::try_from(call.disposition).map_err(|_| KernReturn::INVALID_CAPABILITY)?;
        let right = self.ports.extract_right(caller.space, call.notify, disposition);
        let right = right.map_err(|_| KernReturn::INVALID_CAPABILITY)?;
        if !matches!(right, Right::Send(_)) {
            self.ports.release(right);
            return Err(KernReturn::INVALID_CAPABILITY);
        }
        let Some(task) = self.tasks.get_mut(id) else {
            self.ports.release(right);
            return Err(KernReturn::INVALID_ARGUMENT);
        };
        if let Some((old, _)) = task.watch.replace((right, call.cookie)) {
            self.ports.release(old);
        }
        Ok(wire::TaskWatchReply {})
    }

    fn park(&mut self, caller: Caller, request: u32, timeout_ms: u32) {
        let deadline = (timeout_ms != PARK_FOREVER).then(|| self.hw.clock.after_ms(timeout_ms));
        self.begin(Op::new(Some(caller.thread), request, Work::Park));
        if let Some(op) = self.threads.get(caller.thread).and_then(|thread| thread.op) {
            self.ops.set_deadline(op, deadline);
        }
    }

    /// Takes one step of waiting to be unparked.
    pub(super) fn advance_park(&mut self, caller: Option<ThreadId>, is_late: bool) -> Progress {
        let Some(thread) = caller.and_then(|caller| self.threads.get_mut(caller)) else { return Progress::Silent };
        let unparked = core::mem::take(&mut thread.is_unparked);
        if unparked || is_late {
            return Progress::Done(pack_reply(&Ok(wire::ThreadParkReply { unparked })));
        }
        Progress::Wait
    }

    fn unpark(&mut self, caller: Caller, target: PortName) -> Result<wire::ThreadUnparkReply, KernReturn> {
        let id = self.target_thread(caller, target)?;
        let thread = self.threads.get_mut(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        thread.is_unparked = true;
        if let Some(op) = thread.op
            && let Some(Op { work: Work::Park, .. }) = self.ops.get_mut(op)
        {
            self.ops.make_ready(op);
        }
        Ok(wire::ThreadUnparkReply {})
    }

    fn set_budget(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::ThreadSetBudget,
    ) -> Result<wire::ThreadSetBudgetReply, KernReturn> {
        const LEAST_US: u64 = 1_000;
        const MOST_US: u64 = 10_000_000;
        let id = self.target_thread(caller, target)?;
        let budget = Budget { budget_us: call.budget_us, period_us: call.period_us };
        if budget.budget_us < LEAST_US || budget.period_us > MOST_US || budget.budget_us > budget.period_us {
            return Err(KernReturn::INVALID_VALUE);
        }
        let thread = self.threads.get_mut(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let kit = thread.kit.ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.hw.machine.set_budget(kit.sched_context, budget).map_err(|_| KernReturn::FAILURE)?;
        thread.budget = budget;
        Ok(wire::ThreadSetBudgetReply {})
    }

    fn set_priority(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &wire::ThreadSetPriority,
    ) -> Result<wire::ThreadSetPriorityReply, KernReturn> {
        let id = self.target_thread(caller, target)?;
        let priority = u8::try_from(call.priority).ok().filter(|_| call.priority <= MAX_PRIORITY);
        let priority = priority.ok_or(KernReturn::INVALID_VALUE)?;
        if call.priority > MAX_ORDINARY_PRIORITY {
            self.check_privilege(caller, call.host_priv)?;
        }
        let thread = self.threads.get_mut(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.hw.machine.set_priority(thread.tcb, priority).map_err(|_| KernReturn::FAILURE)?;
        thread.priority = priority;
        if call.priority > MAX_ORDINARY_PRIORITY
            && let Some(task) = self.tasks.get_mut(thread.task)
        {
            // Whom root raises above tasks is a server, or the shell, without whom nothing goes on; so are the threads it will make.
            // It stays in memory: a default pager that dies takes nothing of it along.
            (task.is_server, task.priority) = (true, priority);
            self.vm.keep_resident(task.map);
        }
        Ok(wire::ThreadSetPriorityReply {})
    }
}
