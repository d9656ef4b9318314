//! The end of threads and of tasks: everything that they had is given back, in steps.
//!
//! | # | phase of a task's end                                     | a step            |
//! |---|-----------------------------------------------------------|-------------------|
//! | 0 | at once: its port dies, its threads stop, its calls end   |                   |
//! | 1 | threads are destroyed                                     | 4 threads         |
//! | 2 | names are released                                        | 64 names          |
//! | 3 | the map is destroyed                                      | 64 pages          |
//! | 4 | what the map left behind is tidied                        | 64 pages          |
//! | 5 | special ports are released; whoever watches is told       | one               |
//!
//! Whoever watches is told last, so frames counted after the message show all of the task's memory back.

use alloc::boxed::Box;

use mach_protocol::private::{TASK_ENDED, TaskEnd, TaskEnded, ThreadParkReply};
use mach_protocol::table::pack_reply;
use mach_protocol::task::TaskTerminateReply;
use mach_protocol::thread::ThreadTerminateRelease;
use mach_protocol::{KernReturn, wire::Words};
use vm::{Operation, Step};

use super::operation::{Op, Progress, Work};
use super::work::VmWork;
use super::{Caller, OpId, Server};
use crate::machine::Machine;
use crate::pmap;
use crate::port::{Right, Rights};
use crate::task::TaskId;
use crate::thread::ThreadId;

/// Threads that a step destroys.
const THREADS_A_STEP: usize = 4;
/// Names that a step releases.
const NAMES_A_STEP: usize = 64;

/// The end of a task, as far as it came.
#[derive(Debug)]
pub(super) struct EndTask {
    task: TaskId,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Threads,
    Names,
    Map(vm::Destroy),
    Tidying,
    Telling,
    /// A map that never became a task's.
    Discarding(vm::Destroy),
}

/// What became of what a thread waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// It waits no longer, or did not.
    Yes,
    /// It is a call in whose middle nothing can be left, and runs on to its answer.
    RunsOn,
}

impl<M: Machine> Server<M> {
    /// Ends a task. `caller` is the thread that asked, with its request: it is answered when all is given back, unless
    /// it is one of the task's own.
    pub(super) fn end_task(&mut self, id: TaskId, end: TaskEnd, caller: Option<(ThreadId, u32)>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if task.end.is_some() {
            if let Some((caller, request)) = caller {
                self.answer_code(caller, request, KernReturn::FAILURE);
            }
            return;
        }
        task.end = Some(end);
        if id == self.root {
            // Nobody is left to report ends of tasks, this one included.
            self.hw.machine.stop(format_args!("root: stopped: the first task has ended: {end}"));
        }
        let (port, threads) = (task.port, task.threads.clone());
        self.ports.destroy_port(port);
        let caller = caller.filter(|(thread, _)| !threads.contains(thread));
        for thread in threads {
            self.stop_for_good(thread);
        }
        let work = Work::EndTask(EndTask { task: id, phase: Phase::Threads });
        let (thread, request) = caller.unzip();
        self.begin_later(Op::new(thread, request.unwrap_or_default(), work));
    }

    /// Ends a task that nobody can reach and that cannot do anything: nobody holds a right to it or to one of its
    /// threads, and none of these can run. Without this, who makes tasks and goes would leave their memory behind.
    pub(super) fn end_if_stranded(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(id).filter(|task| task.end.is_none()) else { return };
        let is_lost = |port| !self.ports.has_senders(port);
        let is_stuck = |thread: &ThreadId| {
            !self.may_run(*thread) && self.threads.get(*thread).is_none_or(|thread| is_lost(thread.port))
        };
        if id != self.root && is_lost(task.port) && task.threads.iter().all(is_stuck) {
            self.end_task(id, TaskEnd::Terminated, None);
        }
    }

    /// Takes a map down that was made for a task that is not.
    pub(super) fn discard_map(&mut self, map: vm::MapId) {
        let nobody = TaskId::new(u32::MAX, 0);
        let work = Work::EndTask(EndTask { task: nobody, phase: Phase::Discarding(vm::Destroy::new(map)) });
        self.begin_later(Op::new(None, 0, work));
    }

    /// Stops a thread that will not run again, and ends what it waits for. It stays until it is destroyed.
    fn stop_for_good(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        thread.withheld = None;
        self.hw.machine.suspend(thread.tcb);
        (thread.is_held, thread.is_blocked) = (true, false);
        let (port, raised, op) = (thread.port, thread.raised.take(), thread.op.take());
        self.ports.destroy_port(port);
        if let Some(raised) = raised {
            self.ports.destroy_port(raised.reply_port);
        }
        if let Some(op) = op {
            self.cancel(op);
        }
    }

    /// Gives an operation up whose caller is going away.
    fn cancel(&mut self, id: OpId) {
        let Some(op) = self.ops.get_mut(id) else { return };
        op.caller = None;
        let is_over = match &mut op.work {
            Work::Vm(work) => work.cancel(&mut self.vm),
            Work::Fault(fault, _) => fault.cancel(&mut self.vm) == vm::Cancel::Dropped,
            Work::Fork(fork, _) => fork.cancel(&mut self.vm) == vm::Cancel::Dropped,
            Work::Message(message) => {
                message.cancel(&mut self.vm, &mut self.hw.managers, &mut self.ports);
                true
            }
            Work::Arrays(work) => work.cancel(&mut self.vm),
            Work::Park => true,
            Work::Supply(supply) => supply.cancel(&mut self.vm, &mut self.ports),
            Work::RegionProxy(work) => work.cancel(&mut self.vm),
            Work::EndTask(_) | Work::Lock(_) | Work::Away => false,
        };
        if is_over {
            self.remove_op(id);
            self.is_untidy = true;
        } else {
            // It waits for no manager on the way.
            op.is_abandoned = true;
            self.ops.fail_wait(id, KernReturn::ABORTED);
        }
    }

    /// Interrupts what a thread waits for in the server: messages, parking, page faults, exceptions. Calls on maps run
    /// on.
    pub(super) fn interrupt(&mut self, id: ThreadId) -> Interrupted {
        let Some(thread) = self.threads.get_mut(id) else { return Interrupted::Yes };
        if let Some(raised) = thread.raised.take() {
            self.ports.destroy_port(raised.reply_port);
            self.answer_fault(id);
            return Interrupted::Yes;
        }
        let Some(op_id) = thread.op else { return Interrupted::Yes };
        let Some(op) = self.ops.get_mut(op_id) else { return Interrupted::Yes };
        let request = op.request;
        let answer = match &mut op.work {
            Work::Message(message) => message.interrupt(&mut self.ports),
            Work::Park => Some(pack_reply(&Ok(ThreadParkReply { unparked: false }))),
            Work::Fault(fault, _) => match fault.cancel(&mut self.vm) {
                vm::Cancel::Dropped => Some(Words::new()),
                vm::Cancel::RunOn => None,
            },
            _ => None,
        };
        let Some(words) = answer else { return Interrupted::RunsOn };
        self.remove_op(op_id);
        if let Some(thread) = self.threads.get_mut(id) {
            thread.op = None;
        }
        self.answer_call(id, request, &words);
        Interrupted::Yes
    }

    /// `thread_terminate_release`: ends a thread, then gives up two names and memory of a task's. A caller that was that
    /// thread gets no answer.
    ///
    /// Checks: the argument is a task, else INVALID_ARGUMENT; the memory can be given up by an operation of its own, else
    /// RESOURCE_SHORTAGE. Then, of the memory, those of `mach_vm_deallocate`.
    pub(super) fn terminate_release(
        &mut self,
        caller: Caller,
        request: u32,
        id: ThreadId,
        call: &ThreadTerminateRelease,
    ) {
        const RECEIVE: u32 = 1;
        let task = self.named_task(caller.space, call.task).ok().flatten().and_then(|task| self.tasks.get(task));
        let Some((space, map)) = task.map(|task| (task.space, task.map)) else {
            return self.answer_code(caller.thread, request, KernReturn::INVALID_ARGUMENT);
        };
        if !self.ops.has_room() {
            return self.refuse(Some(caller.thread), request);
        }
        self.end_thread(id);
        // Names that are none, or not what they are to be, are left alone.
        let _ = self.ports.deallocate(space, call.thread_name);
        let _ = self.ports.mod_refs(space, call.reply_port, RECEIVE, -1);
        let free = vm::Deallocate::new(Some(map), call.address, call.size, vm::Holes::Allowed);
        let answered = Some(caller.thread).filter(|thread| *thread != id);
        self.begin_later(Op::new(answered, request, Work::Vm(Box::new(VmWork::Deallocate(free)))));
    }

    /// Ends one thread.
    pub(super) fn end_thread(&mut self, id: ThreadId) {
        let task = self.threads.get(id).map(|thread| thread.task);
        self.stop_for_good(id);
        self.destroy_thread(id);
        task.into_iter().for_each(|task| self.end_if_stranded(task));
    }

    /// Gives everything back that a stopped thread has.
    fn destroy_thread(&mut self, id: ThreadId) {
        let used_us = self.used_us(id);
        let Some(thread) = self.threads.remove(id) else { return };
        thread.exception.release(&mut self.ports);
        self.remove_doorbells(&thread.doorbells);
        let hw = &mut self.hw;
        if let Some(kit) = thread.kit {
            // With the TCB goes its copy of the IPC buffer's frame, which therefore goes first.
            hw.memory.put_kit(&mut hw.machine, kit);
        }
        hw.memory.put_reply(thread.reply);
        let Some(task) = self.tasks.get_mut(thread.task) else { return };
        task.threads.retain(|other| *other != id);
        task.ended_us += used_us;
        if let Some(buffer) = thread.buffer {
            task.put_buffer(buffer.address);
            if let Some(space) = self.vm.space_of(task.map) {
                let (first, end) = (buffer.address, buffer.address + crate::memory::PAGE);
                let space = pmap::SpaceId(space.0);
                hw.pmaps.remove(&mut hw.memory, &mut hw.machine, space, first, end, 1);
            }
            hw.memory.put_frame(buffer.frame);
        }
    }

    /// Takes one step of a task's end.
    pub(super) fn advance_end(&mut self, end: &mut EndTask) -> Progress {
        match &mut end.phase {
            Phase::Threads => {
                let threads = self.tasks.get(end.task).map(|task| task.threads.clone()).unwrap_or_default();
                for thread in threads.iter().take(THREADS_A_STEP) {
                    self.destroy_thread(*thread);
                }
                if threads.len() <= THREADS_A_STEP {
                    end.phase = Phase::Names;
                }
            }
            Phase::Names => {
                let Some(task) = self.tasks.get(end.task) else { return Progress::Silent };
                if self.ports.destroy_space_step(task.space, NAMES_A_STEP) {
                    end.phase = Phase::Map(vm::Destroy::new(task.map));
                }
            }
            Phase::Map(destroy) => match destroy.step(&mut self.vm, &mut self.hw) {
                Step::Again => {}
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Done(_) => end.phase = Phase::Tidying,
            },
            Phase::Discarding(destroy) => match destroy.step(&mut self.vm, &mut self.hw) {
                Step::Again => {}
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Done(_) => return Progress::Silent,
            },
            Phase::Tidying => {
                if !self.vm.reap(&mut self.hw) {
                    end.phase = Phase::Telling;
                }
            }
            Phase::Telling => return Progress::Done(self.tell(end.task)),
        }
        Progress::Again
    }

    /// Forgets the task and tells whoever watched it. Answers the reply of `task_terminate`.
    fn tell(&mut self, id: TaskId) -> Words {
        if let Some(task) = self.tasks.remove(id) {
            self.ports.release(task.bootstrap);
            task.exception.release(&mut self.ports);
            task.registered.into_iter().for_each(|right| self.ports.release(right));
            if let (Some((watcher, cookie)), Some(how)) = (task.watch, task.end) {
                let words = TaskEnded { cookie, end: how }.words();
                if let Some(port) = watcher.port()
                    && let Some(Right::SendOnce(once)) = self.ports.make_send_once(port)
                {
                    self.ports.post_message(once, TASK_ENDED, words.as_slice().into(), Rights::new());
                }
                self.ports.release(watcher);
            }
        }
        pack_reply(&Ok(TaskTerminateReply {}))
    }
}
