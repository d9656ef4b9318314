//! Calls to threads, and `thread_create` (`spec/mach-ports-tasks.md` E.2).

use mach_protocol::table::is_gnu_id;
use mach_protocol::thread as wire;
use mach_protocol::thread::{StateForm, ThreadRequest, ThreadState};
use mach_protocol::wire::Ints;
use mach_protocol::{KernReturn, PortName};
use sel4_abi::registers::{CONTEXT, Register};

use super::exception_ports::{NewHandler, Whose};
use super::{Caller, Server};
use crate::badge::Badge;
use crate::machine::{Access, Machine, Registers, ThreadParts};
use crate::memory::PAGE;
use crate::pmap;
use crate::port::Right;
use crate::task::TaskId;
use crate::thread::{Buffer, Thread, ThreadId};

/// The condition flags: what a task may set of the status register.
const FLAGS: u64 = 0xf000_0000;

impl<M: Machine> Server<M> {
    /// A call to a thread.
    ///
    /// Checks, for every call: the name is a usable send right, else SEND_INVALID_DEST; it stands for a thread
    /// (for `thread_create` and `thread_create_running` a task), else INVALID_ARGUMENT.
    pub(super) fn thread_call(&mut self, caller: Caller, request: u32, target: PortName, call: &ThreadRequest) {
        match call {
            ThreadRequest::ThreadCreate(_) => {
                let answer = self.thread_create(caller, target).map(|(thread, _)| wire::ThreadCreateReply { thread });
                return self.answer_result(caller.thread, request, &answer);
            }
            ThreadRequest::ThreadCreateRunning(c) => {
                let answer = self.create_running(caller, request, target, c);
                return self.answer_result(caller.thread, request, &answer);
            }
            _ => {}
        }
        let id = match self.named_thread(caller.space, target) {
            Ok(Some(id)) => id,
            Ok(None) => return self.answer_code(caller.thread, request, KernReturn::INVALID_ARGUMENT),
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let reply = caller.thread;
        match call {
            ThreadRequest::ThreadCreate(_) | ThreadRequest::ThreadCreateRunning(_) => {}
            ThreadRequest::ThreadTerminate(_) => {
                self.end_thread(id);
                self.answer_result(reply, request, &Ok(wire::ThreadTerminateReply {}));
            }
            ThreadRequest::ThreadGetState(c) => {
                let answer = self.get_state(caller, id, request, c);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadSetState(c) => {
                let answer = self.set_state(caller, id, request, c);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadInfo(c) => {
                let answer = match is_gnu_id(request) {
                    true => self.thread_info(id, c.flavor, c.count),
                    false => self.xnu_thread_info(id, c.flavor, c.count),
                };
                self.answer_result(reply, request, &answer.map(|info| wire::ThreadInfoReply { info }));
            }
            ThreadRequest::ThreadSuspend(_) => {
                let answer = self.suspend_thread(id);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadResume(_) => {
                let answer = self.resume_thread(id);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadAbort(_) => {
                let answer = self.abort_thread(caller, id);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadAbortSafely(_) => {
                let answer = self.abort_thread_safely(caller, id);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadTerminateRelease(c) => self.terminate_release(caller, request, id, c),
            ThreadRequest::ThreadGetSpecialPort(c) => {
                let answer = self.thread_special_port(caller, id, c.which);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadSetSpecialPort(c) => {
                let answer = self.set_thread_special_port(caller, id, c);
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadSetExceptionPorts(c) => {
                let wire::ThreadSetExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = *c;
                let answer = self.set_handlers(caller, Whose::Thread(id), NewHandler { mask, port, behavior, flavor });
                self.answer_result(reply, request, &answer.map(|()| wire::ThreadSetExceptionPortsReply {}));
            }
            ThreadRequest::ThreadGetExceptionPorts(c) => {
                let answer = self.list_handlers(caller, Whose::Thread(id), c.exception_mask);
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::ThreadGetExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadSwapExceptionPorts(c) => {
                let wire::ThreadSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = *c;
                let answer = self.swap_handlers(caller, Whose::Thread(id), NewHandler { mask, port, behavior, flavor });
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::ThreadSwapExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(reply, request, &answer);
            }
            ThreadRequest::ThreadSetName(c) => {
                if let Some(thread) = self.threads.get_mut(id) {
                    thread.name = c.name;
                }
                self.answer_result(reply, request, &Ok(wire::ThreadSetNameReply {}));
            }
            ThreadRequest::ThreadGetName(_) => {
                let name = self.threads.get(id).map(|thread| thread.name).unwrap_or_default();
                self.answer_result(reply, request, &Ok(wire::ThreadGetNameReply { name }));
            }
        }
    }

    /// Makes a suspended thread, and gives the caller its port.
    fn thread_create(&mut self, caller: Caller, target: PortName) -> Result<(PortName, ThreadId), KernReturn> {
        let task = self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let thread = self.make_thread(task).ok_or(KernReturn::RESOURCE_SHORTAGE)?;
        let port = self.threads.get(thread).map(|thread| thread.port).ok_or(KernReturn::FAILURE)?;
        match self.ports.give_send(caller.space, port) {
            Ok(name) => Ok((name, thread)),
            Err(code) => {
                self.end_thread(thread);
                Err(code)
            }
        }
    }

    /// Makes a thread that runs with these registers.
    ///
    /// Checks: the target is a task, the flavor is known in the id's family and the registers are of it, else
    /// INVALID_ARGUMENT; then those of `thread_create`.
    fn create_running(
        &mut self,
        caller: Caller,
        request: u32,
        target: PortName,
        call: &wire::ThreadCreateRunning,
    ) -> Result<wire::ThreadCreateRunningReply, KernReturn> {
        self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let state = StateForm::find(request, call.flavor).and_then(|form| form.unpack(&call.state, 0));
        let state = state.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let (thread, id) = self.thread_create(caller, target)?;
        let written = self.write_state(id, |_| Ok(state));
        if let Err(code) = written.and_then(|()| self.resume_thread(id).map(drop)) {
            self.end_thread(id);
            // The name that it was just given, dead now.
            let _ = self.ports.deallocate(caller.space, thread);
            return Err(code);
        }
        Ok(wire::ThreadCreateRunningReply { thread })
    }

    /// Makes a suspended thread. `None`: a limit is reached or memory is short; nothing is left of it.
    fn make_thread(&mut self, task: TaskId) -> Option<ThreadId> {
        let need = self.tasks.get(task)?.need();
        let space = self.vm.space_of(self.tasks.get(task)?.map)?;
        let hw = &mut self.hw;
        let kit = hw.memory.take_kit(&mut hw.machine, need).ok()?;
        let Ok(reply) = hw.memory.take_reply(&mut hw.machine, need) else {
            hw.memory.put_kit(&mut hw.machine, kit);
            return None;
        };
        let Some(id) = self.enter_thread(task, kit.tcb, reply) else {
            self.hw.memory.put_reply(reply);
            self.hw.memory.put_kit(&mut self.hw.machine, kit);
            return None;
        };
        // From here on the thread's end gives everything back.
        self.threads.get_mut(id)?.kit = Some(kit);
        let made = self.make_buffer(task, space, id).and_then(|buffer| {
            let thread = self.threads.get(id)?;
            let parts = ThreadParts {
                tcb: kit.tcb,
                cnode: kit.cnode,
                sched_context: kit.sched_context,
                vspace: self.hw.root_table(space)?,
                ipc_frame: self.hw.memory.layout().second(buffer.frame),
                ipc_address: buffer.address,
                call_badge: Badge::Call(id).pack(),
                fault_badge: Badge::Fault(id).pack(),
            };
            self.hw.machine.assemble(&parts, thread.priority, thread.budget).ok()?;
            let mut registers = [0; crate::machine::REGISTERS];
            set(&mut registers, Register::Tpidrro, buffer.address);
            self.hw.machine.write_registers(kit.tcb, &registers).ok()
        });
        if made.is_none() {
            self.end_thread(id);
            return None;
        }
        Some(id)
    }

    /// Makes and maps the IPC buffer of a thread.
    fn make_buffer(&mut self, task: TaskId, space: vm::SpaceId, thread: ThreadId) -> Option<Buffer> {
        let need = self.tasks.get(task)?.need();
        let hw = &mut self.hw;
        let frame = hw.memory.take_frame(&mut hw.machine, need)?;
        if !hw.memory.forget_zeroed(frame) {
            hw.machine.zero(frame, 0, PAGE as usize);
        }
        let Some(address) = self.tasks.get_mut(task).and_then(|task| task.take_buffer()) else {
            self.hw.memory.put_frame(frame);
            return None;
        };
        let buffer = Buffer { frame, address };
        self.threads.get_mut(thread)?.buffer = Some(buffer);
        let access = Access { read: true, write: true, execute: false };
        let hw = &mut self.hw;
        let space = pmap::SpaceId(space.0);
        hw.pmaps.enter(&mut hw.memory, &mut hw.machine, space, address, frame, access).ok()?;
        Some(buffer)
    }

    /// Checks: the count can grow, else FAILURE, as for a task.
    fn suspend_thread(&mut self, id: ThreadId) -> Result<wire::ThreadSuspendReply, KernReturn> {
        let thread = self.threads.get_mut(id).ok_or(KernReturn::FAILURE)?;
        thread.suspended = thread.suspended.checked_add(1).ok_or(KernReturn::FAILURE)?;
        self.update_run(id);
        Ok(wire::ThreadSuspendReply {})
    }

    fn resume_thread(&mut self, id: ThreadId) -> Result<wire::ThreadResumeReply, KernReturn> {
        let thread = self.threads.get_mut(id).ok_or(KernReturn::FAILURE)?;
        thread.suspended = thread.suspended.checked_sub(1).ok_or(KernReturn::FAILURE)?;
        self.update_run(id);
        Ok(wire::ThreadResumeReply {})
    }

    /// Reads registers.
    ///
    /// Checks: the flavor is known in the id's family, the caller has room, the target is not the caller (GNU ids), else
    /// INVALID_ARGUMENT.
    fn get_state(
        &mut self,
        caller: Caller,
        id: ThreadId,
        request: u32,
        call: &wire::ThreadGetState,
    ) -> Result<wire::ThreadGetStateReply, KernReturn> {
        let is_self = caller.thread == id && is_gnu_id(request);
        let form = StateForm::find(request, call.flavor).filter(|form| call.count >= form.count() && !is_self);
        let form = form.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let tcb = self.threads.get(id).ok_or(KernReturn::FAILURE)?.tcb;
        let registers = self.hw.machine.read_registers(tcb).map_err(|_| KernReturn::FAILURE)?;
        Ok(wire::ThreadGetStateReply { state: form.pack(&to_state(&registers)) })
    }

    /// Writes registers.
    ///
    /// Checks: as [`Self::get_state`], but for all ids.
    fn set_state(
        &mut self,
        caller: Caller,
        id: ThreadId,
        request: u32,
        call: &wire::ThreadSetState,
    ) -> Result<wire::ThreadSetStateReply, KernReturn> {
        let form = StateForm::find(request, call.flavor).filter(|_| caller.thread != id);
        let form = form.ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.write_state(id, |thread_register| {
            form.unpack(&call.state, thread_register).ok_or(KernReturn::INVALID_ARGUMENT)
        })?;
        Ok(wire::ThreadSetStateReply {})
    }

    /// Writes the registers that a state has, which may depend on what the thread register was.
    fn write_state(
        &mut self,
        id: ThreadId,
        state: impl FnOnce(u64) -> Result<ThreadState, KernReturn>,
    ) -> Result<(), KernReturn> {
        let tcb = self.threads.get(id).ok_or(KernReturn::FAILURE)?.tcb;
        let machine = &mut self.hw.machine;
        let mut registers = machine.read_registers(tcb).map_err(|_| KernReturn::FAILURE)?;
        let state = state(get(&registers, Register::Tpidr))?;
        apply_state(&mut registers, &state);
        machine.write_registers(tcb, &registers).map_err(|_| KernReturn::FAILURE)
    }

    /// The send right that a special port is.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: there is no such special port.
    fn thread_special_port(
        &mut self,
        caller: Caller,
        id: ThreadId,
        which: u32,
    ) -> Result<wire::ThreadGetSpecialPortReply, KernReturn> {
        let thread = self.threads.get(id).ok_or(KernReturn::FAILURE)?;
        let right = match which {
            wire::THREAD_KERNEL_PORT => self.ports.make_send(thread.port).unwrap_or(Right::Dead),
            wire::THREAD_EXCEPTION_PORT => thread.exception.special(&mut self.ports),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        let port = self.ports.copy_out(caller.space, right)?;
        Ok(wire::ThreadGetSpecialPortReply { port })
    }

    fn set_thread_special_port(
        &mut self,
        caller: Caller,
        id: ThreadId,
        call: &wire::ThreadSetSpecialPort,
    ) -> Result<wire::ThreadSetSpecialPortReply, KernReturn> {
        if call.which != wire::THREAD_EXCEPTION_PORT {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let right = self.copied_right(caller, call.port)?;
        let Some(thread) = self.threads.get_mut(id) else {
            self.ports.release(right);
            return Err(KernReturn::FAILURE);
        };
        thread.exception.set_special(&mut self.ports, right);
        Ok(wire::ThreadSetSpecialPortReply {})
    }

    /// Describes a thread, by GNU's id.
    ///
    /// Checks: the flavor is known and the count large enough, else INVALID_ARGUMENT.
    fn thread_info(
        &mut self,
        id: ThreadId,
        flavor: u32,
        count: u32,
    ) -> Result<Ints<{ wire::THREAD_INFO_MAX }>, KernReturn> {
        const COUNT: usize = 26;
        const COUNT_WITHOUT_LAST_TIMES: usize = 14;
        if flavor != wire::THREAD_BASIC_INFO || (count as usize) < COUNT_WITHOUT_LAST_TIMES {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let used_us = self.used_us(id);
        let thread = self.threads.get(id).ok_or(KernReturn::FAILURE)?;
        let state = u64::from(run_state(thread));
        let [[seconds, microseconds], [_, nanoseconds]] = super::tasks::times(used_us);
        let pair = |low: u64, high: u64| low | high << 32;
        let priority = u64::from(thread.priority);
        // user_time, system_time, cpu_usage and base_priority, cur_priority and run_state, flags and suspend_count,
        // sleep_time, creation_time; then the three times again in nanoseconds.
        let words = [
            seconds,
            microseconds,
            0,
            0,
            pair(0, priority),
            pair(priority, state),
            pair(0, u64::from(thread.suspended)),
            0,
            0,
            seconds,
            nanoseconds,
            0,
            0,
        ];
        let all = Ints::<{ 2 * 13 }>::from_words(&words);
        Ok(Ints::new(all.as_slice().get(..COUNT.min(count as usize)).unwrap_or_default()))
    }

    /// Microseconds of processor time that a thread used.
    pub(super) fn used_us(&mut self, id: ThreadId) -> u64 {
        let Some(thread) = self.threads.get_mut(id) else { return 0 };
        if let Some(kit) = &thread.kit {
            thread.used_us += self.hw.machine.consumed_us(kit.sched_context);
        }
        thread.used_us
    }
}

/// What `thread_info` says that a thread does.
pub(super) fn run_state(thread: &Thread) -> u32 {
    const RUNNING: u32 = 1;
    const STOPPED: u32 = 2;
    const WAITING: u32 = 3;
    match (thread.is_blocked, thread.suspended) {
        (true, _) => WAITING,
        (false, 0) => RUNNING,
        (false, _) => STOPPED,
    }
}

fn place(register: Register) -> Option<usize> {
    CONTEXT.iter().position(|other| *other == register)
}

fn set(registers: &mut Registers, register: Register, value: u64) {
    if let Some(word) = place(register).and_then(|index| registers.get_mut(index)) {
        *word = value;
    }
}

fn get(registers: &Registers, register: Register) -> u64 {
    place(register).and_then(|index| registers.get(index)).copied().unwrap_or_default()
}

/// The state that a thread's registers are.
fn to_state(registers: &Registers) -> ThreadState {
    ThreadState {
        x: core::array::from_fn(|number| get(registers, Register::X(number as u8))),
        sp: get(registers, Register::Sp),
        pc: get(registers, Register::Pc),
        tpidr_el0: get(registers, Register::Tpidr),
        cpsr: get(registers, Register::Spsr) & FLAGS,
    }
}

/// Puts a state into registers, as far as a task may set them.
fn apply_state(registers: &mut Registers, state: &ThreadState) {
    for (number, value) in (0..).zip(state.x) {
        set(registers, Register::X(number), value);
    }
    set(registers, Register::Sp, state.sp);
    set(registers, Register::Pc, state.pc);
    set(registers, Register::Tpidr, state.tpidr_el0);
    let spsr = get(registers, Register::Spsr) & !FLAGS | state.cpsr & FLAGS;
    set(registers, Register::Spsr, spsr);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_from_registers() {
        let state = ThreadState {
            x: core::array::from_fn(|number| number as u64 + 100),
            sp: 1,
            pc: 2,
            tpidr_el0: 3,
            cpsr: 0x6000_0000,
        };
        let mut registers = [0; crate::machine::REGISTERS];
        set(&mut registers, Register::Tpidrro, 99);
        apply_state(&mut registers, &state);
        assert_eq!(to_state(&registers), state);
        assert_eq!(get(&registers, Register::Tpidrro), 99);
    }

    #[test]
    fn only_the_condition_flags_of_the_status_register_can_be_set() {
        let mut registers = [0; crate::machine::REGISTERS];
        set(&mut registers, Register::Spsr, 0x40);
        apply_state(&mut registers, &ThreadState { cpsr: u64::MAX, ..ThreadState::default() });
        assert_eq!(get(&registers, Register::Spsr), 0xf000_0040);
    }
}
