//! Signals: where nobody waits, to a waiting thread of lower priority, to one of higher priority. Yielding, and interrupts.

use mach_sys::abi::{InitSlot, InvocationLabel, MessageInfo, Syscall};
use mach_sys::cap::{IrqControl, IrqHandler, Notification};
use mach_sys::{CPtr, Cap, ObjectType};

use crate::calls;
use crate::code::{self, ACKER_LOOP, Step, WAITER_LOOP, YIELDER_LOOP};
use crate::invocations::invocation;
use crate::measure::{self, Failure, Round, SAMPLES, measure};
use crate::objects::Objects;
use crate::space::Space;
use crate::worker::{PRIORITY, Worker};

/// The interrupt that is raised: software's.
const SGI: u64 = 6;
/// Signals that are timed together.
const BATCH: usize = 16;
const ROUNDS: u64 = 32;
/// The priority of waiters below the signaller, and of the thread that runs when all wait.
const BELOW: u64 = 50;
const IDLE: u64 = 40;

fn signal(notification: CPtr) -> Step {
    Step::new(Syscall::Send, notification, MessageInfo::new(0, 0, 0, 0), [0; 4])
}

/// Measures them all.
pub(crate) fn measure_all(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    unheard(scene)?;
    scene.clear()?;
    lower(scene, spaces)?;
    scene.clear()?;
    higher(scene, spaces)?;
    scene.clear()?;
    yields(scene, spaces)?;
    scene.clear()?;
    interrupts(scene, spaces)?;
    scene.clear()
}

/// An interrupt that a thread of higher priority waits for, and allows again.
fn interrupts(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    let control: Cap<IrqControl> = Cap::new(InitSlot::IrqControl.number());
    let (handler, raise): (Cap<IrqHandler>, _) = (Cap::new(scene.empty(1)?), scene.empty(1)?);
    control.issue_handler(SGI, Objects::path(handler.cptr()))?;
    control.issue_sgi_signal(SGI, 0, Objects::path(raise))?;
    let ack = invocation(handler.cptr(), InvocationLabel::IrqAckIrq, &[]);
    measure("kernel.irq-ack", &Round::only(&[ack; BATCH]), ROUNDS, scene)?;
    let notification: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    handler.set_notification(notification)?;
    let entry = code::acker as extern "C" fn(CPtr, CPtr, u64) -> ! as usize;
    let info = MessageInfo::new(InvocationLabel::IrqAckIrq.number(), 0, 0, 0);
    let acker = Worker::new(0, spaces[1], entry, [notification.cptr(), handler.cptr(), info.0, 0]);
    Worker { priority: PRIORITY + 1, ..acker }.start(scene)?;
    calls::by_a_client("kernel.interrupt", &[signal(raise); BATCH], ACKER_LOOP, scene, spaces[0])?;
    // They are not made of the scene's memory.
    Objects::path(raise).delete()?;
    Ok(Objects::path(handler.cptr()).delete()?)
}

/// To a notification for which nobody waits: the first signal sets it, the others add to it.
fn unheard(scene: &mut Objects) -> Result<(), Failure> {
    let notification = scene.several(ObjectType::Notification, 0, 1)?;
    measure("kernel.signal", &Round::only(&[signal(notification); BATCH]), ROUNDS, scene)?;
    let poll = Step::new(Syscall::NbWait, notification, MessageInfo::new(0, 0, 0, 0), [0; 4]);
    measure("kernel.poll", &Round::only(&[poll; BATCH]), ROUNDS, scene)
}

/// To threads of lower priority, of which none runs before all have their signal.
fn lower(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    let first = scene.several(ObjectType::Notification, 0, BATCH as u64)?;
    let steps: [Step; BATCH] = core::array::from_fn(|index| signal(first + index as u64));
    for index in 0..BATCH as u64 {
        let entry = code::waiter as extern "C" fn(CPtr) -> ! as usize;
        let waiter = Worker::new(index, spaces[1], entry, [first + index, 0, 0, 0]);
        Worker { priority: BELOW, ..waiter }.start(scene)?;
    }
    let all_wait: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let entry = code::idler as extern "C" fn(CPtr) -> ! as usize;
    let idler = Worker::new(BATCH as u64, spaces[1], entry, [all_wait.cptr(), 0, 0, 0]);
    Worker { priority: IDLE, ..idler }.start(scene)?;
    for _ in 0..SAMPLES {
        let mut ticks = 0;
        for _ in 0..ROUNDS {
            // Twice: the first may be a signal of the time before.
            let _ = (all_wait.wait(), all_wait.wait());
            ticks +=
                measure::ticks(&Round::only(&steps), 1, scene.buffer).ok_or(Failure::Refused("kernel.signal.lower"))?;
        }
        measure::report("kernel.signal.lower", ticks, ROUNDS * BATCH as u64, 0);
    }
    Ok(())
}

/// To a thread of higher priority, which runs at once and waits again.
fn higher(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    let notification = scene.several(ObjectType::Notification, 0, 1)?;
    let entry = code::waiter as extern "C" fn(CPtr) -> ! as usize;
    let waiter = Worker::new(0, spaces[1], entry, [notification, 0, 0, 0]);
    Worker { priority: PRIORITY + 1, ..waiter }.start(scene)?;
    calls::by_a_client("kernel.signal-and-wait", &[signal(notification); BATCH], WAITER_LOOP, scene, spaces[0])
}

/// Of a thread that is alone with its priority, and between two that are not.
fn yields(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    let step = Step::new(Syscall::Yield, 0, MessageInfo::new(0, 0, 0, 0), [0; 4]);
    measure("kernel.yield", &Round::only(&[step; BATCH]), ROUNDS, scene)?;
    let entry = code::yielder as extern "C" fn() -> ! as usize;
    Worker::new(0, spaces[1], entry, [0; 4]).start(scene)?;
    calls::by_a_client("kernel.yield.pair", &[step; BATCH], YIELDER_LOOP, scene, spaces[0])
}
