//! Calls to tasks (`spec/mach-ports-tasks.md` E.1).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mach_protocol::private::TaskEnd;
use mach_protocol::table::{is_gnu_id, pack_reply};
use mach_protocol::task as wire;
use mach_protocol::task::TaskRequest;
use mach_protocol::wire::Ints;
use mach_protocol::{KernReturn, PortName};
use vm::{Operation, Step};

use super::exception_ports::{NewHandler, Whose};
use super::operation::{Op, Progress, Work};
use super::{Caller, MAP_END, MAP_START, Server};
use crate::handlers::Handlers;
use crate::machine::Machine;
use crate::port::{Ports, Right};
use crate::task::TaskId;
use crate::thread::ThreadId;

/// A time in both forms: seconds with microseconds, and with nanoseconds.
pub(super) const fn times(us: u64) -> [[u64; 2]; 2] {
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    [[seconds, us], [seconds, us * 1000]]
}

/// Words of information, as many integers as the caller has room for.
fn cut(words: &[u64], count: u32) -> Ints<{ wire::TASK_INFO_MAX }> {
    let all = Ints::<{ wire::TASK_INFO_MAX }>::from_words(words);
    Ints::new(all.as_slice().get(..all.len().min(count as usize)).unwrap_or_default())
}

/// Ports that `mach_ports_register` keeps, by the id of the call.
const fn most_registered(request: u32) -> usize {
    if is_gnu_id(request) { wire::REGISTERED_PORTS } else { wire::XNU_REGISTERED_PORTS }
}

/// One more of a right that the server keeps.
fn copied(ports: &mut Ports, right: &Right) -> Right {
    if *right == Right::Null { Right::Null } else { ports.copy_send(right) }
}

impl<M: Machine> Server<M> {
    /// A call to a task.
    ///
    /// Checks, for every call: the name is a usable send right, else SEND_INVALID_DEST; it stands for a task, else
    /// INVALID_ARGUMENT (`task_create` by its GNU id: INVALID_TASK).
    pub(super) fn task_call(&mut self, caller: Caller, request: u32, target: PortName, call: &TaskRequest) {
        const GNU_TASK_CREATE: u32 = 2007;
        let task = match self.named_task(caller.space, target) {
            Ok(Some(task)) => task,
            Ok(None) if request == GNU_TASK_CREATE => {
                return self.answer_code(caller.thread, request, KernReturn::INVALID_TASK);
            }
            Ok(None) => return self.answer_code(caller.thread, request, KernReturn::INVALID_ARGUMENT),
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        match call {
            TaskRequest::TaskCreate(wire::TaskCreate { inherit_memory: true })
            | TaskRequest::XnuTaskCreate(wire::XnuTaskCreate { inherit_memory: true, .. }) => {
                let Some(map) = self.tasks.get(task).map(|task| task.map) else { return };
                self.begin(Op::new(Some(caller.thread), request, Work::Fork(Box::new(vm::Fork::new(map)), task)));
            }
            TaskRequest::TaskCreate(_) | TaskRequest::XnuTaskCreate(_) => {
                let answer = self.create_empty(caller, task);
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::TaskTerminate(_) => {
                self.end_task(task, TaskEnd::Terminated, Some((caller.thread, request)));
            }
            TaskRequest::TaskSuspend(_) => {
                // A task that suspends itself gets the answer when it is resumed.
                let answer = self.suspend_task(task);
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::TaskResume(_) => {
                let answer = self.resume_task(task);
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::TaskGetSpecialPort(c) => {
                let answer = self.get_special_port(caller, task, c.which);
                let answer = answer.map(|port| wire::TaskGetSpecialPortReply { port });
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::TaskSetSpecialPort(c) => {
                let answer = self.set_special_port(caller, task, c.which, c.port);
                self.answer_result(caller.thread, request, &answer.map(|()| wire::TaskSetSpecialPortReply {}));
            }
            TaskRequest::TaskSetExceptionPorts(c) => {
                let wire::TaskSetExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = *c;
                let answer = self.set_handlers(caller, Whose::Task(task), NewHandler { mask, port, behavior, flavor });
                self.answer_result(caller.thread, request, &answer.map(|()| wire::TaskSetExceptionPortsReply {}));
            }
            TaskRequest::TaskGetExceptionPorts(c) => {
                let answer = self.list_handlers(caller, Whose::Task(task), c.exception_mask);
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::TaskGetExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::TaskSwapExceptionPorts(c) => {
                let wire::TaskSwapExceptionPorts { exception_mask: mask, new_port: port, behavior, flavor } = *c;
                let answer = self.swap_handlers(caller, Whose::Task(task), NewHandler { mask, port, behavior, flavor });
                let answer = answer.map(|[masks, ports, behaviors, flavors]| wire::TaskSwapExceptionPortsReply {
                    masks,
                    ports,
                    behaviors,
                    flavors,
                });
                self.answer_result(caller.thread, request, &answer);
            }
            TaskRequest::MachPortsRegister(c) => {
                let answer = self.register_ports(caller, task, most_registered(request), c.ports.as_slice());
                self.answer_result(caller.thread, request, &answer.map(|()| wire::MachPortsRegisterReply {}));
            }
            TaskRequest::MachPortsLookup(_) => {
                let answer = self.registered_ports(caller, task, most_registered(request));
                self.answer_result(caller.thread, request, &answer.map(|ports| wire::MachPortsLookupReply { ports }));
            }
            TaskRequest::TaskWire(_) => self.answer_code(caller.thread, request, KernReturn::NOT_SUPPORTED),
            TaskRequest::TaskSetName(c) => {
                if let Some(task) = self.tasks.get_mut(task) {
                    task.name = c.name;
                }
                self.answer_result(caller.thread, request, &Ok(wire::TaskSetNameReply {}));
            }
            TaskRequest::TaskInfo(c) => {
                let answer = match is_gnu_id(request) {
                    true => self.task_info(task, c.flavor, c.count),
                    false => self.xnu_task_info(task, c.flavor, c.count),
                };
                self.answer_result(caller.thread, request, &answer.map(|info| wire::TaskInfoReply { info }));
            }
            TaskRequest::TaskThreads(_) => self.task_threads(caller, request, task),
        }
    }

    /// Checks: the count can grow, else FAILURE: as many calls as suspended a task must be needed to resume it.
    fn suspend_task(&mut self, id: TaskId) -> Result<wire::TaskSuspendReply, KernReturn> {
        let task = self.tasks.get_mut(id).ok_or(KernReturn::FAILURE)?;
        task.suspended = task.suspended.checked_add(1).ok_or(KernReturn::FAILURE)?;
        self.update_task(id);
        Ok(wire::TaskSuspendReply {})
    }

    fn resume_task(&mut self, id: TaskId) -> Result<wire::TaskResumeReply, KernReturn> {
        let task = self.tasks.get_mut(id).ok_or(KernReturn::FAILURE)?;
        task.suspended = task.suspended.checked_sub(1).ok_or(KernReturn::FAILURE)?;
        self.update_task(id);
        Ok(wire::TaskResumeReply {})
    }

    fn create_empty(&mut self, caller: Caller, parent: TaskId) -> Result<wire::TaskCreateReply, KernReturn> {
        let map = if parent == self.root {
            // Root's own map is a part of an address space that the kernel laid out: children get a whole one.
            let bounds = vm::Range { start: MAP_START, end: MAP_END };
            self.vm.create_map(&mut self.hw, bounds)
        } else {
            let map = self.tasks.get(parent).ok_or(KernReturn::INVALID_TASK)?.map;
            self.vm.create_like(&mut self.hw, map)
        };
        self.finish_create(caller.thread, parent, map?)
    }

    /// Makes a task of a map that was made like its parent's, or by inheritance, and gives the caller its port. If
    /// that fails the map is taken down again.
    fn finish_create(
        &mut self,
        thread: ThreadId,
        parent: TaskId,
        map: vm::MapId,
    ) -> Result<wire::TaskCreateReply, KernReturn> {
        let Some(child) = self.enter_task(map) else {
            self.discard_map(map);
            return Err(KernReturn::RESOURCE_SHORTAGE);
        };
        let inherited = match self.tasks.get(parent) {
            Some(parent) => (
                copied(&mut self.ports, &parent.bootstrap),
                parent.exception.inherit(&mut self.ports),
                parent.registered.each_ref().map(|right| copied(&mut self.ports, right)),
            ),
            None => (Right::Null, Handlers::default(), [const { Right::Null }; wire::REGISTERED_PORTS]),
        };
        if let Some(task) = self.tasks.get_mut(child) {
            (task.bootstrap, task.exception, task.registered) = inherited;
        }
        let port = self.tasks.get(child).map(|child| child.port);
        let space = self.threads.get(thread).and_then(|thread| self.tasks.get(thread.task)).map(|task| task.space);
        let given = match (space, port) {
            (Some(space), Some(port)) => self.ports.give_send(space, port),
            _ => Err(KernReturn::ABORTED),
        };
        match given {
            Ok(child) => Ok(wire::TaskCreateReply { child }),
            Err(code) => {
                self.end_task(child, TaskEnd::Terminated, None);
                Err(code)
            }
        }
    }

    /// Describes a task, by GNU's id.
    ///
    /// Checks: the flavor is known and the count large enough, else INVALID_ARGUMENT.
    fn task_info(&mut self, id: TaskId, flavor: u32, count: u32) -> Result<Ints<{ wire::TASK_INFO_MAX }>, KernReturn> {
        const COUNT_WITHOUT_LAST_TIMES: u32 = 18;
        const TIMES_WITHOUT_LAST: u32 = 8;
        match flavor {
            wire::TASK_BASIC_INFO if count >= COUNT_WITHOUT_LAST_TIMES => {}
            wire::TASK_THREAD_TIMES_INFO if count >= TIMES_WITHOUT_LAST => return self.thread_times(id, count),
            wire::TASK_EVENTS_INFO if count >= wire::TASK_EVENTS_INFO_COUNT => return self.task_events(id, count),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        }
        let task = self.tasks.get(id).ok_or(KernReturn::FAILURE)?;
        let sizes = self.vm.map_info(&self.hw, task.map).ok_or(KernReturn::FAILURE)?;
        let priority = u64::from(mach_protocol::boot::priority::TASK);
        // suspend_count and base_priority, virtual_size, resident_size; then user_time, system_time, creation_time in
        // both forms. Times are those of threads that have ended; what the server does for them counts as nobody's.
        let [user, user_precise] = times(task.ended_us);
        let head = [u64::from(task.suspended) | priority << 32, sizes.virtual_size, sizes.resident_size];
        let words = [&head[..], &user, &[0; 4], &user_precise, &[0; 4]].concat();
        Ok(cut(&words, count))
    }

    /// Microseconds that a task's threads that live have used.
    pub(super) fn live_us(&mut self, id: TaskId) -> Result<u64, KernReturn> {
        let threads = self.tasks.get(id).ok_or(KernReturn::FAILURE)?.threads.clone();
        Ok(threads.into_iter().map(|thread| self.used_us(thread)).sum())
    }

    /// What a task's page faults were: faults, zero_fills, reactivations, pageins, cow_faults, messages_sent,
    /// messages_received. What is not counted by task is 0.
    fn task_events(&self, id: TaskId, count: u32) -> Result<Ints<{ wire::TASK_INFO_MAX }>, KernReturn> {
        let events = self.tasks.get(id).and_then(|task| self.vm.map_events(task.map)).ok_or(KernReturn::FAILURE)?;
        let vm::Events { faults, zero_fills, reactivations, pageins, cow_faults } = events;
        Ok(cut(&[faults, zero_fills, reactivations, pageins, cow_faults, 0, 0], count))
    }

    /// The times of a task's threads that live.
    fn thread_times(&mut self, id: TaskId, count: u32) -> Result<Ints<{ wire::TASK_INFO_MAX }>, KernReturn> {
        let [user, user_precise] = times(self.live_us(id)?);
        // user_time and system_time in both forms.
        Ok(cut(&[&user[..], &[0; 2], &user_precise, &[0; 2]].concat(), count))
    }

    /// Names the threads of a task.
    fn task_threads(&mut self, caller: Caller, request: u32, id: TaskId) {
        let threads = self.tasks.get(id).map(|task| task.threads.clone()).unwrap_or_default();
        let ports: Vec<_> = threads.iter().filter_map(|id| self.threads.get(*id)).map(|thread| thread.port).collect();
        let names: Result<Vec<u32>, KernReturn> =
            ports.into_iter().map(|port| self.ports.give_send(caller.space, port).map(|name| name.0)).collect();
        match names {
            Ok(names) => self.answer_arrays(caller, request, &[names]),
            Err(code) => self.answer_code(caller.thread, request, code),
        }
    }

    /// Takes one step of a task's inheritance.
    pub(super) fn advance_fork(&mut self, caller: Option<ThreadId>, fork: &mut vm::Fork, parent: TaskId) -> Progress {
        let outcome = match fork.step(&mut self.vm, &mut self.hw) {
            Step::Again => return Progress::Again,
            Step::Wait(on) => return Progress::WaitVm(on),
            Step::Done(outcome) => outcome,
        };
        match (outcome, caller) {
            (Ok(map), Some(thread)) => Progress::Done(pack_reply(&self.finish_create(thread, parent, map))),
            (Ok(map), None) => {
                self.discard_map(map);
                Progress::Silent
            }
            (Err(error), _) => Progress::Done(pack_reply(&Err::<wire::TaskCreateReply, _>(error))),
        }
    }

    /// The send right that a special port is.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: there is no such special port.
    fn get_special_port(&mut self, caller: Caller, task: TaskId, which: u32) -> Result<PortName, KernReturn> {
        let task = self.tasks.get(task).ok_or(KernReturn::FAILURE)?;
        let right = match which {
            wire::TASK_KERNEL_PORT => self.ports.make_send(task.port).unwrap_or(Right::Dead),
            wire::TASK_HOST_PORT => self.ports.make_send(self.host).unwrap_or(Right::Dead),
            wire::TASK_EXCEPTION_PORT => task.exception.special(&mut self.ports),
            wire::TASK_BOOTSTRAP_PORT => copied(&mut self.ports, &task.bootstrap),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        self.ports.copy_out(caller.space, right)
    }

    /// Sets a special port to a copy of a right of the caller's.
    ///
    /// # Errors
    /// INVALID_ARGUMENT: the special port cannot be set; INVALID_CAPABILITY: the name is no send right.
    fn set_special_port(&mut self, caller: Caller, id: TaskId, which: u32, port: PortName) -> Result<(), KernReturn> {
        if !matches!(which, wire::TASK_EXCEPTION_PORT | wire::TASK_BOOTSTRAP_PORT) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let right = self.copied_right(caller, port)?;
        let Some(task) = self.tasks.get_mut(id) else {
            self.ports.release(right);
            return Err(KernReturn::FAILURE);
        };
        if which == wire::TASK_EXCEPTION_PORT {
            task.exception.set_special(&mut self.ports, right);
        } else {
            let old = core::mem::replace(&mut task.bootstrap, right);
            self.ports.release(old);
        }
        Ok(())
    }

    /// Keeps copies of rights of the caller's for a task and its children, in place of those before.
    ///
    /// Checks: at most so many, else INVALID_ARGUMENT; each is null or a send right, else INVALID_CAPABILITY.
    fn register_ports(&mut self, caller: Caller, id: TaskId, most: usize, names: &[u32]) -> Result<(), KernReturn> {
        if names.len() > most {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let mut rights = [const { Right::Null }; wire::REGISTERED_PORTS];
        let copied = rights.iter_mut().zip(names).try_for_each(|(right, name)| {
            *right = self.copied_right(caller, PortName(*name))?;
            Ok(())
        });
        let old = match (copied, self.tasks.get_mut(id)) {
            (Ok(()), Some(task)) => core::mem::replace(&mut task.registered, rights),
            _ => rights,
        };
        old.into_iter().for_each(|right| self.ports.release(right));
        copied
    }

    /// Gives the caller the registered ports of a task.
    ///
    /// # Errors
    /// NO_SPACE: the caller has no room for a right; it keeps those before it.
    fn registered_ports(
        &mut self,
        caller: Caller,
        id: TaskId,
        most: usize,
    ) -> Result<Ints<{ wire::REGISTERED_PORTS }>, KernReturn> {
        let task = self.tasks.get(id).ok_or(KernReturn::FAILURE)?;
        let rights: Vec<Right> =
            task.registered.iter().take(most).map(|right| copied(&mut self.ports, right)).collect();
        // All are taken out of the server's hands, whatever becomes of one.
        let names: Vec<_> = rights.into_iter().map(|right| self.ports.copy_out(caller.space, right)).collect();
        let names: Vec<u32> = names.into_iter().map(|name| name.map(|name| name.0)).collect::<Result<_, _>>()?;
        Ok(Ints::new(&names))
    }

    /// A copy of a send right of the caller's: made from the receive right if that is what the name holds.
    ///
    /// # Errors
    /// INVALID_CAPABILITY: the name is neither.
    pub(super) fn copied_right(&mut self, caller: Caller, port: PortName) -> Result<Right, KernReturn> {
        const COPY_SEND: u8 = 19;
        const MAKE_SEND: u8 = 20;
        if port == PortName::NULL {
            return Ok(Right::Null);
        }
        let mut take = |how| self.ports.extract_right(caller.space, port, how).ok();
        take(COPY_SEND)
            .filter(|right| *right != Right::Dead)
            .or_else(|| take(MAKE_SEND))
            .ok_or(KernReturn::INVALID_CAPABILITY)
    }
}
