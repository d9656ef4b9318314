//! How long the kernel keeps everybody else waiting: the longest stays in it that nothing interrupts.
//!
//! A thread of higher priority, the watcher, wakes each period and takes down by how much it was late at most. The
//! root task does what takes long, so begun that the watcher's time comes at another moment of it each round.

use core::sync::atomic::Ordering::SeqCst;

use mach_sys::abi::{InitSlot, InvocationLabel};
use mach_sys::cap::sched::Budget;
use mach_sys::cap::{Notification, Untyped};
use mach_sys::{CPtr, Cap, CapRights, ObjectType, VmAttributes, debug};

use crate::code::{self, Act, Step, Watcher};
use crate::invocations::{DEPTH, invocation};
use crate::measure::{self, Failure, SAMPLES};
use crate::objects::{CNODE, Objects, TCB};
use crate::space::{Space, WINDOW};
use crate::worker::{PRIORITY, Worker};

/// Period and budget of the watcher. A period is 47,000 instructions.
const PERIOD_US: u64 = 47;
const BUDGET_US: u64 = 20;
/// From one round to the next the watcher's time comes by so many ticks later.
const STEP: u64 = 12;
const PAGE: u64 = 4096;
const FAN_OUT: u64 = 256;

/// Measures them all.
pub(crate) fn measure_all(scene: &mut Objects, space: &Space) -> Result<(), Failure> {
    // The root task gives way to the watcher.
    TCB.set_priority(TCB, PRIORITY)?;
    let stays = Stays { buffer: scene.buffer, period: start_watcher(scene, space)? };
    stays.measure("kernel.stay.none", 10, &[], || 0)?;
    make(scene, &stays)?;
    clear(scene, &stays)?;
    revoke(scene, space, &stays)?;
    delete(scene, &stays)?;
    pool(scene, &stays)?;
    cancel(scene, space, &stays)
}

/// Starts the watcher; answers its period in ticks.
fn start_watcher(scene: &mut Objects, space: &Space) -> Result<u64, Failure> {
    let period = PERIOD_US * debug::counter_frequency() / 1_000_000;
    let entry = code::watcher as extern "C" fn(*const Watcher, u64) -> ! as usize;
    let watcher: *const Watcher = &raw const code::WATCHER;
    let worker = Worker::new(0, *space, entry, [watcher.addr() as u64, period, 0, 0]);
    let (tcb, running) = Worker { priority: PRIORITY + 1, ..worker }.prepare(scene)?;
    scene.control.configure(running.context, &Budget::periodic(BUDGET_US, PERIOD_US))?;
    tcb.resume()?;
    Ok(period)
}

/// What measuring needs.
#[derive(Clone, Copy, Debug)]
struct Stays {
    /// The address of the root task's IPC buffer.
    buffer: u64,
    /// The watcher's period in ticks.
    period: u64,
}

impl Stays {
    /// Runs the steps; 0 if none was refused.
    fn run(self, steps: &[Step]) -> u64 {
        code::run(steps, Act::Call, self.buffer)
    }

    /// Does it in rounds, each after `prepare`, and prints the longest stay. In the first round the watcher's time
    /// comes as the call begins, in each further one [`STEP`] ticks later.
    fn measure(
        self,
        name: &'static str,
        rounds: u64,
        watched: &[Step],
        mut prepare: impl FnMut() -> u64,
    ) -> Result<(), Failure> {
        let watcher = &code::WATCHER;
        let mut longest = 0;
        let mut errors = 0;
        for round in 0..rounds {
            errors |= prepare();
            Self::next_wake();
            let begin = watcher.last.load(SeqCst) + self.period - round * STEP;
            while debug::virtual_counter() < begin {}
            watcher.latest.store(0, SeqCst);
            errors |= self.run(watched);
            Self::next_wake();
            longest = watcher.latest.load(SeqCst).max(longest);
        }
        if errors != 0 {
            return Err(Failure::Refused(name));
        }
        // It is the longest of all rounds, so it has no others to be compared with.
        (0..SAMPLES).for_each(|_| measure::report(name, longest, 1, 0));
        Ok(())
    }

    /// Waits until the watcher has run.
    fn next_wake() {
        let last = code::WATCHER.last.load(SeqCst);
        while code::WATCHER.last.load(SeqCst) == last {}
    }
}

fn retype(memory: CPtr, kind: ObjectType, size_bits: u64, slot: CPtr, count: u64) -> Step {
    invocation(memory, InvocationLabel::UntypedRetype, &[kind.number(), size_bits, 0, 0, slot, count])
}

fn on_slot(label: InvocationLabel, slot: CPtr) -> Step {
    invocation(CNODE.cptr(), label, &[slot, DEPTH])
}

/// As many objects as one call makes, of the kind of which most has to be written.
fn make(scene: &mut Objects, stays: &Stays) -> Result<(), Failure> {
    scene.send_along(&[CNODE.cptr()]);
    let slots = scene.empty(FAN_OUT + 1)?;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 20)?.cptr();
    let prepare = [on_slot(InvocationLabel::CNodeRevoke, memory), retype(memory, ObjectType::Endpoint, 0, slots, 1)];
    let make = [retype(memory, ObjectType::Tcb, 0, slots + 1, FAN_OUT)];
    stays.measure("kernel.stay.retype-256", 200, &make, || stays.run(&prepare))
}

/// The clearing of 16 MiB.
fn clear(scene: &mut Objects, stays: &Stays) -> Result<(), Failure> {
    scene.send_along(&[CNODE.cptr()]);
    let slots = scene.empty(8)?;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 24)?.cptr();
    let revoke = on_slot(InvocationLabel::CNodeRevoke, memory);
    let prepare = [revoke, retype(memory, ObjectType::LargePage, 0, slots, 8), revoke];
    let make = [retype(memory, ObjectType::SmallPage, 0, slots, 1)];
    stays.measure("kernel.stay.clear", 4, &make, || stays.run(&prepare))
}

/// Revoke of an untyped with 1,024 frames, half of which are mapped.
fn revoke(scene: &mut Objects, space: &Space, stays: &Stays) -> Result<(), Failure> {
    const FRAMES: u64 = 1024;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 22)?.cptr();
    let slots = scene.empty(FRAMES)?;
    let revoke = [on_slot(InvocationLabel::CNodeRevoke, memory)];
    stays.measure("kernel.stay.revoke", 4, &revoke, || {
        scene.send_along(&[CNODE.cptr()]);
        let make = |first| stays.run(&[retype(memory, ObjectType::SmallPage, 0, slots + first, FAN_OUT)]);
        let made = (0..FRAMES).step_by(FAN_OUT as usize).fold(0, |errors, first| errors | make(first));
        scene.send_along(&[space.vspace.cptr()]);
        let map = |index| {
            let words = [WINDOW + index * PAGE, CapRights::READ_WRITE.bits(), VmAttributes::DEFAULT.bits()];
            // One of two, so that a stay has some of both.
            stays.run(&[invocation(slots + 2 * index, InvocationLabel::PageMap, &words)])
        };
        (0..FRAMES / 2).fold(made, |errors, index| errors | map(index))
    })
}

/// Delete of a CNode with 4,096 endpoints, of each the only capability.
fn delete(scene: &mut Objects, stays: &Stays) -> Result<(), Failure> {
    const RADIX: u64 = 12;
    let nodes = scene.one::<Untyped>(ObjectType::Untyped, RADIX + 5)?.cptr();
    let memory = scene.one::<Untyped>(ObjectType::Untyped, RADIX + 4)?.cptr();
    let node = scene.empty(1)?;
    let delete = [on_slot(InvocationLabel::CNodeDelete, node)];
    stays.measure("kernel.stay.delete", 4, &delete, || {
        scene.send_along(&[CNODE.cptr()]);
        let made = stays.run(&[retype(nodes, ObjectType::CNode, RADIX, node, 1)]);
        scene.send_along(&[node]);
        let fill = |first| stays.run(&[retype(memory, ObjectType::Endpoint, 0, first, FAN_OUT)]);
        (0..1 << RADIX).step_by(FAN_OUT as usize).fold(made, |errors, first| errors | fill(first))
    })
}

/// Delete of an ASID pool with all the address spaces that it has room for.
fn pool(scene: &mut Objects, stays: &Stays) -> Result<(), Failure> {
    const SPACES: u64 = 512;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 12)?.cptr();
    let roots = scene.one::<Untyped>(ObjectType::Untyped, 21)?.cptr();
    let slots = scene.empty(SPACES + 1)?;
    let pool = slots + SPACES;
    let delete = [on_slot(InvocationLabel::CNodeDelete, pool)];
    let revoke = [on_slot(InvocationLabel::CNodeRevoke, roots)];
    stays.measure("kernel.stay.pool", 60, &delete, || {
        scene.send_along(&[CNODE.cptr()]);
        let make = |first| stays.run(&[retype(roots, ObjectType::VSpace, 0, slots + first, FAN_OUT)]);
        let mut errors = stays.run(&revoke) | make(0) | make(FAN_OUT);
        scene.send_along(&[memory, CNODE.cptr()]);
        let control = InitSlot::AsidControl.number();
        errors |= stays.run(&[invocation(control, InvocationLabel::AsidControlMakePool, &[pool, DEPTH])]);
        for index in 0..SPACES {
            scene.send_along(&[slots + index]);
            errors |= stays.run(&[invocation(pool, InvocationLabel::AsidPoolAssign, &[])]);
        }
        errors
    })
}

/// Cancelling the sends of some threads that wait at one endpoint.
fn cancel(scene: &mut Objects, space: &Space, stays: &Stays) -> Result<(), Failure> {
    const SENDERS: u64 = 32;
    const BADGE: u64 = 7;
    let endpoint = scene.several(ObjectType::Endpoint, 0, 1)?;
    let badged = scene.empty(1)?;
    Objects::path(badged).mint_from(Objects::path(endpoint), CapRights::ALL, BADGE)?;
    let entry = code::idler as extern "C" fn(CPtr) -> ! as usize;
    for number in 1..=SENDERS {
        let sender = Worker::new(number, *space, entry, [badged, 0, 0, 0]);
        Worker { priority: PRIORITY - 1, ..sender }.start(scene)?;
    }
    // Below them runs who says that all of them wait.
    let all_wait: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let teller = Worker::new(SENDERS + 1, *space, entry, [all_wait.cptr(), 0, 0, 0]);
    Worker { priority: PRIORITY - 2, ..teller }.start(scene)?;
    let cancel = [on_slot(InvocationLabel::CNodeCancelBadgedSends, badged)];
    stays.measure("kernel.stay.cancel-32", 60, &cancel, || {
        // Twice: the first may be a signal of the time before.
        let _ = (all_wait.wait(), all_wait.wait());
        0
    })
}
