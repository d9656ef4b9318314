//! One kernel entry twice from the same state: by its fast path, if that is open, and by the slow path. Both must leave
//! the same behind. Every test that makes its entries through [`World`] compares so.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::World;
use crate::Kernel;
use crate::arch;
use crate::cap::{Cap, SlotRef, cdt};
use crate::ipc::fault::{self, VmFault};
use crate::kernel::Unfinished;
use crate::kobj::KRef;
use crate::object::{Notification, Reply, SchedContext, Tcb};
use crate::syscall::entry;
use crate::{fastpath, sched};

/// For each system call by its number without the sign, 0 for faults: how often the fast path was taken to the end on
/// the same scheduling context, and on another.
pub(crate) type Taken = [[u32; 2]; 12];

std::thread_local! {
    static TAKEN: Cell<Taken> = const { Cell::new([[0; 2]; 12]) };
    static TURN: Cell<bool> = const { Cell::new(false) };
}

/// The fast paths that this test thread has taken.
pub(crate) fn taken() -> Taken {
    TAKEN.get()
}

/// All that a kernel entry can change.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    scheduler: String,
    deadline: u64,
    threads: Vec<(String, Vec<u64>)>,
    others: Vec<String>,
    /// The memory of everything else.
    memory: Vec<u64>,
}

impl World {
    /// Executes the `svc` of the current thread.
    pub(super) fn enter_syscall(&mut self) {
        let number = self.current().map_or(0, |t| t.get(self.k()).context.x[7].get().cast_signed());
        self.enter_twice(number, |k| fastpath::by_number(k, number), entry::handle_syscall);
    }

    /// The current thread has an abort.
    pub(crate) fn vm_fault(&mut self, fault: VmFault) {
        let fast = |k: &mut Kernel| {
            let pc = k.current()?.get(k).context.restart_pc.get();
            fastpath::vm_fault(k, pc, fault)
        };
        self.enter_twice(0, fast, |k| fault::handle_vm_fault(k, fault));
    }

    fn enter_twice(
        &mut self,
        number: i64,
        fast: impl FnOnce(&mut Kernel) -> Option<KRef<Tcb>>,
        slow: impl FnOnce(&mut Kernel),
    ) {
        let sc = self.k().cpu.sched.current_sc();
        let (before, deadline) = (self.m.checkpoint(), arch::timer::deadline());
        let answered = fast(&mut self.m.kernel);
        let is_unfinished = self.k().unfinished.get() != Unfinished::Nothing;
        if is_unfinished {
            assert_eq!(answered, None);
            entry::handle_syscall(&mut self.m.kernel);
            self.settle();
        } else if answered.is_some() {
            assert_eq!(self.current(), answered);
            self.assert_valid();
        }
        let is_taken = is_unfinished || answered.is_some();
        let (after, after_deadline) = (self.m.checkpoint(), arch::timer::deadline());
        // To look for changes each time would take long.
        let must_look = is_taken || TURN.replace(!TURN.get());
        let by_fast = must_look.then(|| self.picture());
        self.m.restore(&before);
        arch::timer::set_deadline(deadline);
        if !is_taken && by_fast.is_some() {
            assert_eq!(Some(self.picture()), by_fast, "FAST-1: a path that is not open changes nothing");
            self.m.restore(&before);
        }
        slow(&mut self.m.kernel);
        self.settle();
        if let Some(by_fast) = by_fast.filter(|_| is_taken) {
            let mut all = TAKEN.get();
            all[-number as usize][usize::from(self.k().cpu.sched.current_sc() != sc)] += 1;
            TAKEN.set(all);
            let by_slow = self.picture();
            by_fast.assert_same(&by_slow);
            if TURN.replace(!TURN.get()) {
                // Time that the fast path has not accounted for is found by whatever comes next.
                self.m.restore(&after);
                arch::timer::set_deadline(after_deadline);
            }
        }
    }

    /// What there is, with the time accounted that has passed.
    fn picture(&self) -> Picture {
        let k = self.k();
        sched::enter(k);
        let others = (self.contexts.iter().map(|sc| format!("{sc:?} {:?}", sc.get(k))))
            .chain(self.replies.iter().map(|reply| format!("{reply:?} {:?}", reply.get(k))))
            .chain(self.notifications.iter().map(|n| format!("{n:?} {:?}", n.get(k))))
            .collect();
        Picture {
            scheduler: sched::picture(k),
            deadline: arch::timer::deadline(),
            threads: self.threads.iter().map(|t| thread(k, *t)).collect(),
            others,
            memory: self.plain_memory(),
        }
    }

    /// The memory of objects that have no padding, where a word is what was written.
    fn plain_memory(&self) -> Vec<u64> {
        let mut words = self.m.words();
        let first = self.m.first_object().0;
        let mut hide = |addr: usize, size: usize| {
            let start = (addr - first) / 8;
            words.iter_mut().skip(start).take(size / 8).for_each(|word| *word = 0);
        };
        self.threads.iter().for_each(|t| hide(t.addr().0, size_of::<Tcb>()));
        self.contexts.iter().for_each(|sc| hide(sc.addr().0, size_of::<SchedContext>()));
        self.replies.iter().for_each(|reply| hide(reply.addr().0, size_of::<Reply>()));
        self.notifications.iter().for_each(|n| hide(n.addr().0, size_of::<Notification>()));
        for slot in self.linked_slots() {
            // Those that threads have made.
            match slot.cap(self.k()) {
                Cap::Thread(t) => hide(t.addr().0, size_of::<Tcb>()),
                Cap::SchedContext(cap) => hide(cap.sched_context.addr().0, size_of::<SchedContext>()),
                Cap::Reply(cap) => hide(cap.reply.addr().0, size_of::<Reply>()),
                Cap::Notification(cap) => hide(cap.notification.addr().0, size_of::<Notification>()),
                _ => {}
            }
        }
        words
    }

    /// The slots that the derivation list leads to from those of the world's.
    fn linked_slots(&self) -> Vec<SlotRef> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let arrays = self.threads.iter().map(|t| t.slots()).chain([self.cnode]);
        for slot in arrays.flat_map(|slots| (0..slots.len()).filter_map(move |i| slots.slot(i))) {
            let mut at = (!slot.is_empty(self.k())).then_some(slot);
            while let Some(slot) = at.filter(|slot| seen.insert(slot.addr().0)) {
                found.push(slot);
                at = cdt::next(self.k(), slot);
            }
        }
        found
    }
}

impl Picture {
    fn assert_same(&self, slow: &Picture) {
        assert_eq!(self.threads, slow.threads, "FAST-2: threads");
        assert_eq!(self.others, slow.others, "FAST-2: objects");
        assert_eq!(self.scheduler, slow.scheduler, "FAST-2: scheduler");
        assert_eq!(self.deadline, slow.deadline, "FAST-2: timer");
        assert!(self.memory == slow.memory, "FAST-2: memory");
    }
}

fn thread(k: &Kernel, t: KRef<Tcb>) -> (String, Vec<u64>) {
    let Tcb { context, state, fault, priority, mcp, domain, flags, sched_context, .. } = t.get(k);
    let Tcb { yield_to, bound_notification, queued, links, ipc_buffer, .. } = t.get(k);
    let first = format!("{t:?} {state:?} {fault:?} {priority:?} {mcp:?} {domain:?} {flags:?} {sched_context:?}");
    let text = format!("{first} {yield_to:?} {bound_notification:?} {queued:?} {links:?} {ipc_buffer:?}");
    let registers = [&context.sp, &context.resume_pc, &context.spsr, &context.restart_pc, &context.tpidr];
    let words = context.x.iter().chain(registers).map(Cell::get).collect();
    (text, words)
}
