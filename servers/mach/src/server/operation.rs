//! Operations: everything that can take more than one step.
//!
//! A call becomes an [`Op`] and is stepped at once; most are done with that. One that must wait is found again under
//! what it waits for, one that has more to do queues behind pending messages. Invariants: **OP-1** an operation is in
//! the ready queue, or waits, or is being stepped. **OP-2** a thread that waits in the server for an operation names
//! it in `op`, and the operation names the thread as its caller, until the answer is given or the thread is gone.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use arena::{Arena, Id};
use mach_protocol::wire::Words;
use smallvec::SmallVec;

use super::{arrays, end, memory_object, message, proxies, work};
use crate::manager::ALL_REQUESTS;
use crate::port::KernReturn;
use crate::task::TaskId;
use crate::thread::ThreadId;

/// Operations at a time: room for one of each thread, for the end of each task, and for what runs on for nobody.
const MAX_OPS: usize = 16_384;
const _: () = assert!(super::MAX_THREADS + 2 * super::MAX_TASKS + ALL_REQUESTS as usize <= MAX_OPS);

/// What is being done. It is moved at each of its steps, so what is large is on the heap.
#[derive(Debug)]
pub(super) enum Work {
    /// A call on a map.
    Vm(Box<work::VmWork>),
    /// A page fault.
    Fault(vm::Fault, crate::exception::Exception),
    /// `task_create` with inheritance, by the caller's request.
    Fork(Box<vm::Fork>, TaskId),
    /// The end of a task.
    EndTask(end::EndTask),
    /// Arrays for the caller.
    Arrays(Box<arrays::ArraysWork>),
    /// `mach_msg`.
    Message(Box<message::MsgWork>),
    /// `memory_object_data_supply`, alone or with a receive behind it.
    Supply(Box<memory_object::SupplyWork>),
    /// `vm_region_create_proxy`.
    RegionProxy(Box<proxies::RegionProxy>),
    /// `memory_object_lock_request`, for nobody who waits.
    Lock(Box<memory_object::LockWork>),
    /// Waiting to be unparked.
    Park,
    /// A step is being taken, and has the work.
    Away,
}

/// An operation.
#[derive(Debug)]
pub(super) struct Op {
    /// The thread that waits for the answer.
    pub(super) caller: Option<ThreadId>,
    /// The id of its request; 0 for a fault.
    pub(super) request: u32,
    /// What is being done.
    pub(super) work: Work,
    /// Its time limit has passed.
    pub(super) is_late: bool,
    /// The receive that it waits for has failed.
    pub(super) failure: Option<KernReturn>,
    /// How its last wait for the virtual memory ended.
    pub(super) wake: vm::Wake,
    /// Its turn in the line for frames, if it waited there and got none since.
    pub(super) turn: Option<Turn>,
    /// A frame is promised to its next step.
    pub(super) has_frame: bool,
    /// Nobody wants its answer, but it has to run to its end.
    pub(super) is_abandoned: bool,
}

impl Op {
    /// A new operation.
    pub(super) const fn new(caller: Option<ThreadId>, request: u32, work: Work) -> Self {
        Self {
            caller,
            request,
            work,
            is_late: false,
            failure: None,
            wake: vm::Wake::Retry,
            turn: None,
            has_frame: false,
            is_abandoned: false,
        }
    }
}

/// A place in the line for frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Smaller ones come first.
    pub(super) number: u64,
    /// When it has waited long enough.
    pub(super) until: u64,
}

/// The outcome of a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// It is over: this is the answer.
    Done(Words),
    /// It is over, and the caller gets its answer in another way or none.
    Silent,
    /// It waits for something of the virtual memory.
    WaitVm(vm::WaitOn),
    /// It waits to be made ready, or for its time limit.
    Wait,
    /// There is more to do.
    Again,
}

/// Names an operation.
pub(crate) type OpId = Id<Place>;

/// A place in the table.
#[derive(Debug)]
pub(crate) struct Place {
    op: Op,
    is_ready: bool,
    deadline: Option<u64>,
    on: Option<vm::WaitOn>,
}

impl Place {
    /// The operation, if it is not being stepped.
    #[inline]
    fn op(&mut self) -> Option<&mut Op> {
        Some(&mut self.op).filter(|op| !matches!(op.work, Work::Away))
    }
}

/// Who waits for the same.
type Waiters = SmallVec<[OpId; 2]>;

/// Who waits for what. While few things are waited for, they are not kept in order. Invariant: each is in one of the two.
#[derive(Debug, Default)]
struct Waiting {
    few: Vec<(vm::WaitOn, Waiters)>,
    many: BTreeMap<vm::WaitOn, Waiters>,
}

/// Things that are waited for before they are kept in order.
const FEW: usize = 8;

impl Waiting {
    const fn new() -> Self {
        Self { few: Vec::new(), many: BTreeMap::new() }
    }

    fn get_mut(&mut self, on: vm::WaitOn) -> Option<&mut Waiters> {
        match self.few.iter_mut().find(|(other, _)| *other == on) {
            Some((_, waiters)) => Some(waiters),
            None if self.many.is_empty() => None,
            None => self.many.get_mut(&on),
        }
    }

    fn add(&mut self, on: vm::WaitOn, id: OpId) {
        if let Some(waiters) = self.get_mut(on) {
            waiters.push(id);
        } else if self.few.len() < FEW {
            self.few.push((on, Waiters::from_iter([id])));
        } else {
            self.many.insert(on, Waiters::from_iter([id]));
        }
    }

    /// Takes out all who wait for something.
    fn take(&mut self, on: vm::WaitOn) -> Waiters {
        match self.few.iter().position(|(other, _)| *other == on) {
            Some(place) => self.few.swap_remove(place).1,
            None if self.many.is_empty() => Waiters::new(),
            None => self.many.remove(&on).unwrap_or_default(),
        }
    }

    /// One waits no more.
    fn forget(&mut self, on: vm::WaitOn, id: OpId) {
        let Some(waiters) = self.get_mut(on) else { return };
        waiters.retain(|other| *other != id);
        if waiters.is_empty() {
            self.take(on);
        }
    }
}

/// All operations.
#[derive(Debug)]
pub(super) struct Ops {
    table: Arena<Place>,
    ready: VecDeque<OpId>,
    waiting: Waiting,
    deadlines: BTreeSet<(u64, OpId)>,
}

impl Ops {
    pub(super) const fn new() -> Self {
        Self { table: Arena::new(), ready: VecDeque::new(), waiting: Waiting::new(), deadlines: BTreeSet::new() }
    }

    /// Whether there is no operation at all.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Number of operations.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is anything to step.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether some operation has a time limit.
    pub(super) fn has_deadline(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// Whether one more can be entered.
    pub(super) fn has_room(&self) -> bool {
        self.table.len() < MAX_OPS
    }

    /// Enters an operation that is about to be stepped. `None`: there are too many.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(OpId) -> Op) -> Option<OpId> {
        if !self.has_room() {
            return None;
        }
        Some(self.table.insert_with(|id| Place { op: make(id), is_ready: false, deadline: None, on: None }))
    }

    /// Whether an operation has a time limit.
    pub(super) fn is_limited(&self, id: OpId) -> bool {
        self.table.get(id).is_some_and(|place| place.deadline.is_some())
    }

    /// Takes the next ready operation's id off the queue.
    pub(super) fn next_ready(&mut self) -> Option<OpId> {
        let id = self.ready.pop_front()?;
        if let Some(place) = self.table.get_mut(id) {
            place.is_ready = false;
        }
        Some(id)
    }

    /// Takes an operation's work to be stepped, and what happened since the last step. The operation stays where it is.
    #[inline]
    pub(super) fn take(&mut self, id: OpId) -> Option<Op> {
        let op = self.table.get_mut(id)?.op()?;
        Some(Op {
            caller: op.caller,
            request: op.request,
            work: core::mem::replace(&mut op.work, Work::Away),
            is_late: op.is_late,
            failure: op.failure.take(),
            wake: core::mem::replace(&mut op.wake, vm::Wake::Retry),
            turn: op.turn.take(),
            has_frame: core::mem::take(&mut op.has_frame),
            is_abandoned: op.is_abandoned,
        })
    }

    /// Puts an operation's work back after a step.
    #[inline]
    pub(super) fn put_back(&mut self, id: OpId, work: Work) {
        if let Some(place) = self.table.get_mut(id) {
            place.op.work = work;
        }
    }

    /// Looks at an operation that is not being stepped.
    pub(super) fn get_mut(&mut self, id: OpId) -> Option<&mut Op> {
        self.table.get_mut(id)?.op()
    }

    /// Queues an operation behind what is ready.
    pub(super) fn make_ready(&mut self, id: OpId) {
        let Some(place) = self.table.get_mut(id) else { return };
        if !core::mem::replace(&mut place.is_ready, true) {
            self.ready.push_back(id);
        }
    }

    /// Lets an operation wait for something of the virtual memory.
    pub(super) fn wait_vm(&mut self, id: OpId, on: vm::WaitOn) {
        if let Some(place) = self.table.get_mut(id) {
            place.on = Some(on);
            self.waiting.add(on, id);
        }
    }

    /// Whether an operation waits for a frame.
    pub(super) fn waits_for_frame(&self, id: OpId) -> bool {
        self.table.get(id).is_some_and(|place| matches!(place.on, Some(vm::WaitOn::Frames(_))))
    }

    /// Makes an operation ready that waits for a frame: one is promised to it. It goes back to its turn if it takes none.
    pub(super) fn give_frame(&mut self, id: OpId, turn: Turn) {
        self.end_wait(id, vm::Wake::Retry);
        if let Some(op) = self.get_mut(id) {
            (op.has_frame, op.turn) = (true, Some(turn));
        }
    }

    /// Makes everything ready that waits for `what`, and tells it how the wait ended.
    pub(super) fn wake_vm(&mut self, what: vm::WaitOn, wake: vm::Wake) {
        for id in self.waiting.take(what) {
            if let Some(place) = self.table.get_mut(id) {
                place.on = None;
                if let Some(op) = place.op() {
                    op.wake = wake;
                }
            }
            self.make_ready(id);
        }
    }

    /// Ends an operation's wait for the virtual memory: it is resumed with this error.
    pub(super) fn fail_wait(&mut self, id: OpId, error: KernReturn) {
        self.end_wait(id, vm::Wake::Failed(error));
    }

    fn end_wait(&mut self, id: OpId, wake: vm::Wake) {
        let Some(place) = self.table.get_mut(id) else { return };
        let Some(on) = place.on.take() else { return };
        if let Some(op) = place.op() {
            op.wake = wake;
        }
        self.waiting.forget(on, id);
        self.make_ready(id);
    }

    /// Sets or clears an operation's time limit.
    pub(super) fn set_deadline(&mut self, id: OpId, deadline: Option<u64>) {
        let Some(place) = self.table.get_mut(id) else { return };
        if let Some(old) = core::mem::replace(&mut place.deadline, deadline) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, id));
        }
    }

    /// Marks the operations whose time limit is `now` or earlier, and makes them ready.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some(&(deadline, id)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, id));
            if let Some(place) = self.table.get_mut(id) {
                place.deadline = None;
                if let Some(op) = place.op() {
                    op.is_late = true;
                }
            }
            self.make_ready(id);
        }
    }

    /// Forgets an operation that is over. Answers whether a frame was promised to it.
    pub(super) fn remove(&mut self, id: OpId) -> bool {
        let Some(place) = self.table.remove(id) else { return false };
        if let Some(deadline) = place.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(on) = place.on {
            self.waiting.forget(on, id);
        }
        place.op.has_frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn op() -> Op {
        Op::new(None, 0, Work::Park)
    }

    #[test]
    fn ready_operations_take_turns_and_are_queued_once() {
        let mut ops = Ops::new();
        let ids: Vec<OpId> = (0..3).filter_map(|_| ops.insert_with(|_| op())).collect();
        for id in ids.iter().chain(&ids) {
            ops.make_ready(*id);
        }
        let order: Vec<OpId> = core::iter::from_fn(|| ops.next_ready()).collect();
        assert_eq!(order, ids);
    }

    #[test]
    fn an_operation_that_is_over_wakes_no_more() {
        let mut ops = Ops::new();
        let id = ops.insert_with(|_| op()).unwrap();
        ops.make_ready(id);
        ops.set_deadline(id, Some(5));
        ops.remove(id);
        assert!(!ops.has_deadline());
        ops.expire(9);
        assert!(ops.next_ready().is_none_or(|id| ops.take(id).is_none()));
    }

    proptest! {
        #[test]
        fn waiting_is_a_map_of_lists(steps in proptest::collection::vec((0..4_u8, 0..20_u32, 0..4_u32), 0..200)) {
            let (mut waiting, mut model) = (Waiting::new(), BTreeMap::<_, Vec<OpId>>::new());
            for (what, on, id) in steps {
                let (on, id) = (vm::WaitOn::Page(vm::Id::new(on, 1)), OpId::new(id, 1));
                match what {
                    0 => {
                        let taken = model.remove(&on).unwrap_or_default();
                        let is = waiting.take(on);
                        prop_assert_eq!(is.as_slice(), taken.as_slice());
                    }
                    1 => {
                        waiting.forget(on, id);
                        model.entry(on).or_default().retain(|other| *other != id);
                        model.retain(|_, ids| !ids.is_empty());
                    }
                    _ if model.get(&on).is_some_and(|ids| ids.contains(&id)) => {}
                    _ => {
                        waiting.add(on, id);
                        model.entry(on).or_default().push(id);
                    }
                }
                prop_assert_eq!(waiting.few.len() + waiting.many.len(), model.len());
                prop_assert!(model.iter().all(|(on, ids)| waiting.get_mut(*on).is_some_and(|is| is.as_slice() == ids.as_slice())));
            }
        }
    }

    #[test]
    fn time_limits_pass_in_order_and_never_early() {
        let mut ops = Ops::new();
        let (first, second) = (ops.insert_with(|_| op()).unwrap(), ops.insert_with(|_| op()).unwrap());
        ops.set_deadline(second, Some(3));
        ops.set_deadline(first, Some(7));
        ops.expire(2);
        assert!(!ops.has_ready());
        ops.expire(3);
        assert_eq!(ops.next_ready(), Some(second));
        assert!(ops.get_mut(second).is_some_and(|op| op.is_late));
        ops.set_deadline(first, None);
        ops.expire(100);
        assert!(!ops.has_ready() && !ops.has_deadline());
    }
}
