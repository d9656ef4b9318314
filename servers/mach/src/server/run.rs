//! Stopping, starting and answering threads.

use mach_protocol::KernReturn;
use mach_protocol::table::{REPLY_OFFSET, pack_reply};
use mach_protocol::wire::{Wire, Words};

use super::Server;
use crate::machine::Machine;
use crate::task::TaskId;
use crate::thread::Answer;
use crate::thread::ThreadId;

impl<M: Machine> Server<M> {
    /// Answers a call with these words.
    pub(super) fn answer_call(&mut self, thread: ThreadId, request: u32, words: &Words) {
        let label = if request == 0 { 0 } else { u64::from(request + REPLY_OFFSET) };
        self.answer(thread, label, words.as_slice());
    }

    /// Answers a call with a result.
    pub(super) fn answer_result<T: Wire>(&mut self, thread: ThreadId, request: u32, result: &Result<T, KernReturn>) {
        self.answer_call(thread, request, &pack_reply(result));
    }

    /// Answers a call with a return code alone.
    pub(super) fn answer_code(&mut self, thread: ThreadId, request: u32, code: KernReturn) {
        let mut words = Words::new();
        code.0.pack(&mut words);
        self.answer_call(thread, request, &words);
    }

    /// Lets a thread that faulted go on.
    pub(super) fn answer_fault(&mut self, thread: ThreadId) {
        self.answer(thread, 0, &[]);
    }

    /// Answers a blocked thread, now or when it may run.
    fn answer(&mut self, id: ThreadId, label: u64, words: &[u64]) {
        let Self { threads, tasks, .. } = self;
        let Some(thread) = threads.get_mut(id).filter(|thread| thread.is_blocked) else { return };
        if thread.may_run(tasks.get(thread.task)) {
            thread.is_blocked = false;
            self.hw.machine.reply(thread.reply, label, words);
        } else {
            thread.withheld = Some(Answer { label, words: words.to_vec() });
        }
    }

    /// Whether neither the thread nor its task is suspended or ending.
    pub(super) fn may_run(&self, id: ThreadId) -> bool {
        self.threads.get(id).is_some_and(|thread| thread.may_run(self.tasks.get(thread.task)))
    }

    /// Makes a thread stand still or go on, as its counts say.
    pub(super) fn update_run(&mut self, id: ThreadId) {
        let may_run = self.may_run(id);
        let Some(thread) = self.threads.get_mut(id) else { return };
        if thread.is_blocked {
            if let Some(answer) = thread.withheld.take_if(|_| may_run) {
                thread.is_blocked = false;
                self.hw.machine.reply(thread.reply, answer.label, &answer.words);
            }
        } else if thread.is_held && may_run {
            thread.is_held = false;
            self.hw.machine.resume(thread.tcb);
        } else if !thread.is_held && !may_run {
            thread.is_held = true;
            self.hw.machine.suspend(thread.tcb);
        }
    }

    /// The same for all threads of a task.
    pub(super) fn update_task(&mut self, task: TaskId) {
        let threads = self.tasks.get(task).map(|task| task.threads.clone()).unwrap_or_default();
        threads.into_iter().for_each(|thread| self.update_run(thread));
    }
}
