//! How long the kernel keeps everybody else waiting: the longest stays in it that nothing interrupts.
//!
//! A thread of higher priority, the watcher, wakes each period and takes down by how much it was late at most. The
//! root task does what takes long, so begun that the watcher's time comes at another moment of it each round. What is
//! taken down holds the way to the watcher as well, which `kernel.stay.none` shows alone.

mod capabilities;
mod memory;
mod threads;

use core::sync::atomic::Ordering::SeqCst;

use mach_sys::abi::InvocationLabel;
use mach_sys::cap::sched::Budget;
use mach_sys::{CPtr, ObjectType, debug};

use crate::code::{self, Act, Step, Watcher};
use crate::invocations::{DEPTH, invocation};
use crate::measure::{self, Failure, SAMPLES};
use crate::objects::{CNODE, Objects, TCB};
use crate::space::Space;
use crate::worker::{PRIORITY, Worker};

/// Period and budget of the watcher. A period is 47,000 instructions. The budget is above the smallest that there is, as a
/// call begins only if the smallest is left.
const PERIOD_US: u64 = 47;
const BUDGET_US: u64 = 25;
/// The watcher sees the clock by so many ticks later than the timer interrupts.
const LEAD: u64 = 24;
/// From one round to the next the watcher's time comes by so many ticks later.
const STEP: u64 = 3;
/// Objects that one call makes at most.
const FAN_OUT: u64 = 256;

/// Measures them all.
pub(crate) fn measure_all(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    // The root task gives way to the watcher.
    TCB.set_priority(TCB, PRIORITY)?;
    let period = PERIOD_US * debug::counter_frequency() / 1_000_000;
    start_watcher(scene, &spaces[0], period)?;
    let mut scene = scene.divide(PART_BITS, PART_SLOTS)?;
    let stays = Stays { buffer: scene.buffer, period };
    stays.measure("kernel.stay.none", 10, &[], || Ok(0))?;
    for part in [memory::measure_all, capabilities::measure_all, threads::measure_all] {
        part(&mut scene, &spaces[0], stays)?;
        scene.clear()?;
    }
    Ok(())
}

/// The memory and the slots of each part of them.
const PART_BITS: u64 = 25;
const PART_SLOTS: u64 = 1600;

fn start_watcher(scene: &mut Objects, space: &Space, period: u64) -> Result<(), Failure> {
    let entry = code::watcher as extern "C" fn(*const Watcher, u64) -> ! as usize;
    let watcher: *const Watcher = &raw const code::WATCHER;
    let worker = Worker::new(0, *space, entry, [watcher.addr() as u64, period, 0, 0]);
    let (tcb, running) = Worker { priority: PRIORITY + 1, ..worker }.prepare(scene)?;
    scene.control.configure(running.context, &Budget::periodic(BUDGET_US, PERIOD_US))?;
    tcb.resume()?;
    Ok(())
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
        mut prepare: impl FnMut() -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        let watcher = &code::WATCHER;
        let mut longest = 0;
        let mut errors = 0;
        for round in 0..rounds {
            errors |= prepare()?;
            Self::next_wake();
            let begin = watcher.last.load(SeqCst) + self.period - LEAD - round * STEP;
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

/// A retype into the root task's own CNode, which the caller sends along.
fn retype(memory: CPtr, kind: ObjectType, size_bits: u64, slot: CPtr, count: u64) -> Step {
    invocation(memory, InvocationLabel::UntypedRetype, &[kind.number(), size_bits, 0, 0, slot, count])
}

/// An operation on one slot of the root task's own CNode.
fn on_slot(label: InvocationLabel, slot: CPtr) -> Step {
    invocation(CNODE.cptr(), label, &[slot, DEPTH])
}
