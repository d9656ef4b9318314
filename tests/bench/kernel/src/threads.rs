//! Invocations of threads and scheduling contexts that switch to no other thread.

use mach_sys::abi::InvocationLabel;
use mach_sys::cap::Untyped;
use mach_sys::{Cap, ObjectType};

use crate::code::{self, Act};
use crate::invocations::{BATCH, DEPTH, ROUNDS, batch, invocation, long_invocation};
use crate::measure::{Failure, Round, measure};
use crate::objects::{CNODE, Objects, TCB};
use crate::space::Space;

/// The untyped that threads are made of, log2.
const UNTYPED_BITS: u64 = 17;
const SCHED_CONTEXT_BITS: u64 = 8;
/// Registers of a thread that messages can name.
const REGISTERS: u64 = 36;
/// A time slice of 5 ms each 5 ms: round robin.
const SLICE: u64 = 5000;

/// Measures them all.
pub(crate) fn measure_all(objects: &mut Objects, space: &Space) -> Result<(), Failure> {
    configure(objects, space)?;
    let threads = objects.several(ObjectType::Tcb, 0, BATCH as u64)?;
    let write = batch(|index| {
        long_invocation(threads + index, InvocationLabel::TcbWriteRegisters, &[0, REGISTERS], 2 + REGISTERS as usize)
    });
    measure("kernel.write-registers", &Round::only(&write), ROUNDS, objects)?;
    let read = batch(|index| invocation(threads + index, InvocationLabel::TcbReadRegisters, &[0, REGISTERS]));
    measure("kernel.read-registers", &Round::only(&read), ROUNDS, objects)?;

    let (handler, nothing) = (objects.one::<Untyped>(ObjectType::Endpoint, 0)?, objects.empty(1)?);
    objects.send_along(&[TCB.cptr(), nothing, handler.cptr()]);
    let parameters = batch(|index| invocation(threads + index, InvocationLabel::TcbSetSchedParams, &[0, 0]));
    measure("kernel.sched-params", &Round::only(&parameters), ROUNDS, objects)?;

    let contexts = objects.several(ObjectType::SchedContext, SCHED_CONTEXT_BITS, BATCH as u64)?;
    for index in 0..BATCH as u64 {
        // Which one is configured is said in the buffer, so each is by a call of its own.
        objects.send_along(&[contexts + index]);
        let words = [SLICE, SLICE, 0, 0, 0];
        let step = invocation(objects.control.cptr(), InvocationLabel::SchedControlConfigureFlags, &words);
        code::run(&[step], Act::Call, objects.buffer);
        objects.send_along(&[threads + index]);
        code::run(&[invocation(contexts + index, InvocationLabel::SchedContextBind, &[])], Act::Call, objects.buffer);
    }
    // They are of the lowest priority and never run.
    let resume = batch(|index| invocation(threads + index, InvocationLabel::TcbResume, &[]));
    let suspend = batch(|index| invocation(threads + index, InvocationLabel::TcbSuspend, &[]));
    measure("kernel.resume", &Round { before: &[], timed: &resume, after: &suspend }, ROUNDS, objects)?;
    measure("kernel.suspend", &Round { before: &resume, timed: &suspend, after: &[] }, ROUNDS, objects)?;

    let context = objects.one::<Untyped>(ObjectType::SchedContext, SCHED_CONTEXT_BITS)?;
    objects.send_along(&[context.cptr()]);
    let words = [SLICE, SLICE, 0, 0, 0];
    let control = batch(|_| invocation(objects.control.cptr(), InvocationLabel::SchedControlConfigureFlags, &words));
    measure("kernel.sched-control", &Round::only(&control), ROUNDS, objects)
}

/// `TCBConfigure` of threads that have nothing yet.
fn configure(objects: &mut Objects, space: &Space) -> Result<(), Failure> {
    let memory = objects.one::<Untyped>(ObjectType::Untyped, UNTYPED_BITS)?;
    let threads = objects.empty(BATCH as u64)?;
    let frame: Cap<Untyped> = objects.one(ObjectType::SmallPage, 0)?;
    let words = [ObjectType::Tcb.number(), 0, 0, 0, threads, BATCH as u64];
    let make = [invocation(memory.cptr(), InvocationLabel::UntypedRetype, &words)];
    let revoke = [invocation(CNODE.cptr(), InvocationLabel::CNodeRevoke, &[memory.cptr(), DEPTH])];
    objects.send_along(&[CNODE.cptr(), space.vspace.cptr(), frame.cptr()]);
    let configure = batch(|index| invocation(threads + index, InvocationLabel::TcbConfigure, &[0, 0, 0x1000]));
    measure("kernel.configure", &Round { before: &make, timed: &configure, after: &revoke }, ROUNDS, objects)
}
