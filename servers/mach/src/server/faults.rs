//! Page faults, and exceptions with their handlers (`spec/mach-ports-tasks.md` E.3, E.4).
//!
//! | stage              | event                            | next                          |
//! |--------------------|----------------------------------|-------------------------------|
//! | page fault         | the virtual memory can mend it   | the thread goes on            |
//! | page fault         | it cannot                        | exception                     |
//! | exception          | the thread has a handler         | its handler looks at it       |
//! | thread's handler   | answers success                  | the thread goes on            |
//! | thread's handler   | answers anything else, or dies   | the task's handler, if any    |
//! | task's handler     | answers success                  | the thread goes on            |
//! | task's handler     | answers anything else, or dies   | the host's handler, if any    |
//! | host's handler     | answers success                  | the thread goes on            |
//! | host's handler     | answers anything else, or dies   | the task ends                 |
//! | exception          | there is no handler              | the task ends                 |

use mach_protocol::KernReturn;
use mach_protocol::private::TaskEnd;
use mach_protocol::table::REPLY_OFFSET;
use smallvec::smallvec;
use vm::{Operation, Step};

use super::Server;
use super::end::Interrupted;
use super::operation::{Op, Progress, Work};
use crate::exception::{Exception, Fault};
use crate::handlers::Form;
use crate::machine::Machine;
use crate::port::{Data, Message, Object, ObjectKind, PortId, Right, Sent};
use crate::task::TaskId;
use crate::thread::ThreadId;
use crate::thread::{Raised, Stage};

impl<M: Machine> Server<M> {
    /// A thread faulted. `false`: there is no such thread.
    #[inline]
    pub(super) fn fault(&mut self, id: ThreadId, label: u64, words: &[u64]) -> bool {
        let Some(thread) = self.threads.get(id) else { return false };
        let Some(task) = self.tasks.get(thread.task) else { return self.block(id) };
        if task.end.is_some() {
            return self.block(id);
        }
        let is_free = !thread.is_held && thread.may_run(Some(task));
        let (task, map) = (thread.task, task.map);
        match Fault::read(label, words) {
            Fault::Page(exception) => self.page_fault((id, task), map, exception, is_free),
            Fault::Raise(exception) => {
                self.block(id);
                self.raise(id, exception, Stage::Thread);
            }
        }
        true
    }

    /// A thread touched a page of its task's map that is not mapped so.
    ///
    /// Mostly that is over at once. Then a thread that `is_free` to run is answered on the spare, which is nobody else's
    /// (REPLY-1), and never counts as blocked.
    #[inline]
    fn page_fault(&mut self, (id, task): (ThreadId, TaskId), map: vm::MapId, exception: Exception, is_free: bool) {
        if !self.ops.has_room() {
            self.block(id);
            return self.refuse(Some(id), 0);
        }
        self.set_need_of(task);
        let mut fault = vm::Fault::new(map, exception.subcode, exception.access);
        let step = fault.step(&mut self.vm, &mut self.hw);
        if is_free && step == Step::Done(Ok(())) {
            self.hw.machine.reply(self.spare, 0, &[]);
            return self.look_for_chores();
        }
        self.block(id);
        match self.after_fault(Some(id), step, exception) {
            Progress::Done(_) | Progress::Silent => self.look_for_chores(),
            progress => self.begin_kept(Op::new(Some(id), 0, Work::Fault(fault, exception)), &progress),
        }
    }

    /// Takes one step of a page fault.
    pub(super) fn advance_fault(
        &mut self,
        thread: Option<ThreadId>,
        fault: &mut vm::Fault,
        exception: Exception,
    ) -> Progress {
        let step = fault.step(&mut self.vm, &mut self.hw);
        self.after_fault(thread, step, exception)
    }

    /// Answers the thread whose page fault is over, or raises what it was.
    fn after_fault(&mut self, thread: Option<ThreadId>, step: Step<()>, exception: Exception) -> Progress {
        let outcome = match step {
            Step::Again => return Progress::Again,
            Step::Wait(on) => return Progress::WaitVm(on),
            Step::Done(outcome) => outcome,
        };
        if let Some(thread) = thread {
            match outcome {
                Ok(()) => self.answer_fault(thread),
                Err(error) => self.raise(thread, Exception { code: error.0, ..exception }, Stage::Thread),
            }
        }
        Progress::Silent
    }

    /// Asks the handler of a stage, or the next one, or ends the task.
    fn raise(&mut self, id: ThreadId, exception: Exception, from: Stage) {
        let Some(thread) = self.threads.get(id) else { return };
        let handlers = [
            (Stage::Thread, Some(&thread.exception)),
            (Stage::Task, self.tasks.get(thread.task).map(|task| &task.exception)),
            (Stage::Host, Some(&self.host_handlers)),
        ];
        let found = handlers.map(|(stage, handlers)| (stage, handlers.and_then(|of| of.find(exception.kind))));
        for (stage, handler) in found {
            if let Some((port, form)) = handler.filter(|_| stage >= from)
                && self.ask(id, exception, stage, port, form)
            {
                return;
            }
        }
        self.end_by_exception(id, exception);
    }

    /// Sends `exception_raise` to a handler. `false`: it is gone.
    fn ask(&mut self, id: ThreadId, exception: Exception, stage: Stage, handler: PortId, form: Form) -> bool {
        let Some(thread) = self.threads.get(id) else { return false };
        let Some(task) = self.tasks.get(thread.task) else { return false };
        // A send-once right, since the server does not wait for room in a queue.
        let Some(destination) = self.ports.make_send_once(handler) else { return false };
        let rights = [thread.port, task.port].map(|port| self.ports.make_send(port).unwrap_or(Right::Dead));
        let reply_port = self.ports.create_server_port(Object { kind: ObjectKind::Reply, id: id.to_word() });
        let reply = self.ports.make_send_once(reply_port).unwrap_or(Right::Dead);
        let [code, subcode] = form.codes(exception.kind, exception.code, exception.subcode);
        let words: Data = smallvec![i64::from(exception.kind.0) as u64, code, subcode];
        if let Some(thread) = self.threads.get_mut(id) {
            thread.raised = Some(Raised { exception, stage, form, reply_port });
        }
        match self.ports.send(Message::new(destination, reply, form.id(), words, rights.into_iter().collect()), None) {
            Sent::Done => {}
            // A queue has room for what comes by a send-once right; a port of the server's handles no exceptions.
            // Destroying the message answers the reply port, which passes the exception on.
            Sent::Full(message) | Sent::Serve(_, message) => self.ports.destroy_message(*message),
        }
        true
    }

    /// A message came to a port of the server's, other than by a call.
    pub(super) fn serve(&mut self, object: Object, message: Message) {
        if object.kind == ObjectKind::Reply {
            self.exception_reply(ThreadId::from_word(object.id), &message);
        }
        self.ports.destroy_message(message);
    }

    /// A handler answered, or its answer was lost.
    fn exception_reply(&mut self, id: ThreadId, message: &Message) {
        let Some(raised) = self.threads.get_mut(id).and_then(|thread| thread.raised.take()) else { return };
        self.ports.destroy_port(raised.reply_port);
        let code = message.words.first().copied().filter(|_| message.id == raised.form.id() + REPLY_OFFSET as i32);
        match (code, raised.stage) {
            (Some(0), _) => self.answer_fault(id),
            (_, Stage::Thread) => self.raise(id, raised.exception, Stage::Task),
            (_, Stage::Task) => self.raise(id, raised.exception, Stage::Host),
            (_, Stage::Host) => self.end_by_exception(id, raised.exception),
        }
    }

    fn end_by_exception(&mut self, id: ThreadId, exception: Exception) {
        if let Some((task, name)) = self.threads.get(id).map(|thread| (thread.task, thread.name)) {
            let end = TaskEnd::Killed {
                exception: exception.kind.0,
                code: exception.code,
                subcode: exception.subcode,
                pc: exception.pc,
                access: u32::from(exception.access.bits()),
            };
            // Whoever watches the task is told; of any other end this line is all that is seen.
            if let Some(known) = self.tasks.get(task).filter(|task| task.watch.is_none()) {
                let task = known.name;
                self.hw.machine.log(format_args!("mach: task '{task}': thread '{name}': {end}"));
            }
            self.end_task(task, end, None);
        }
    }

    /// `thread_abort`: interrupts what a thread waits for in the server.
    ///
    /// Checks: the target is not the caller, else INVALID_ARGUMENT.
    pub(super) fn abort_thread(
        &mut self,
        caller: super::Caller,
        id: ThreadId,
    ) -> Result<mach_protocol::thread::ThreadAbortReply, KernReturn> {
        if caller.thread == id {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        // What runs on answers its thread by itself.
        self.interrupt(id);
        Ok(mach_protocol::thread::ThreadAbortReply {})
    }

    /// `thread_abort_safely`: the same, unless that would leave the thread in the middle of a call.
    ///
    /// Checks: the target is not the caller, else INVALID_ARGUMENT; it is in no call that runs on, else FAILURE.
    pub(super) fn abort_thread_safely(
        &mut self,
        caller: super::Caller,
        id: ThreadId,
    ) -> Result<mach_protocol::thread::ThreadAbortSafelyReply, KernReturn> {
        if caller.thread == id {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        match self.interrupt(id) {
            Interrupted::Yes => Ok(mach_protocol::thread::ThreadAbortSafelyReply {}),
            Interrupted::RunsOn => Err(KernReturn::FAILURE),
        }
    }
}
