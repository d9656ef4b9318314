//! Threads to measure with.

use mach_sys::abi::rights::TCB_FLAG_FPU_DISABLED;
use mach_sys::cap::sched::Budget;
use mach_sys::cap::tcb::{Spaces, Then, UserContext};
use mach_sys::cap::{Endpoint, SchedContext, Tcb};
use mach_sys::{Cap, ObjectType};

use crate::measure::Failure;
use crate::objects::{CNODE, Objects, TCB};
use crate::space::Space;

/// The priority of clients and of the servers that they call.
pub(crate) const PRIORITY: u64 = 100;
/// Size of a scheduling context, log2.
pub(crate) const CONTEXT_BITS: u64 = 8;
/// More than any measurement takes.
pub(crate) const SLICE_US: u64 = 1_000_000;

/// What a thread is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) space: Space,
    /// Its number among the threads of the part: no two have the same.
    pub(crate) number: u64,
    pub(crate) priority: u64,
    /// Where it begins.
    pub(crate) entry: usize,
    /// Its first four registers.
    pub(crate) arguments: [u64; 4],
    pub(crate) stack: u64,
    pub(crate) fault_handler: Cap<Endpoint>,
}

/// A thread that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    pub(crate) context: Cap<SchedContext>,
    /// The address of its IPC buffer.
    pub(crate) buffer: u64,
}

impl Worker {
    /// Number `number` at `entry` in `space`, without stack and fault handler.
    pub(crate) const fn new(number: u64, space: Space, entry: usize, arguments: [u64; 4]) -> Self {
        Self { space, number, priority: PRIORITY, entry, arguments, stack: 0, fault_handler: Cap::null() }
    }

    /// Makes the thread and lets it run.
    pub(crate) fn start(self, objects: &mut Objects) -> Result<Running, Failure> {
        let (tcb, running) = self.prepare(objects)?;
        tcb.resume()?;
        Ok(running)
    }

    /// Makes the thread, but does not let it run yet.
    pub(crate) fn prepare(self, objects: &mut Objects) -> Result<(Cap<Tcb>, Running), Failure> {
        let tcb: Cap<Tcb> = objects.one(ObjectType::Tcb, 0)?;
        let context: Cap<SchedContext> = objects.one(ObjectType::SchedContext, CONTEXT_BITS)?;
        let (buffer, buffer_frame) = self.space.buffer(objects, self.number)?;
        objects.control.configure(context, &Budget::round_robin(SLICE_US))?;
        tcb.configure(&Spaces {
            cspace: CNODE,
            cspace_data: 0,
            vspace: self.space.vspace,
            buffer_frame,
            buffer_address: buffer,
        })?;
        tcb.set_sched_params(TCB, 0, self.priority, context, self.fault_handler)?;
        // The programs use no floating-point registers, so nothing is to be paid for them on either kernel.
        tcb.set_flags(0, TCB_FLAG_FPU_DISABLED)?;
        let mut registers = UserContext { pc: self.entry as u64, sp: self.stack, ..UserContext::default() };
        registers.x0_to_x8.iter_mut().zip(self.arguments).for_each(|(register, value)| *register = value);
        tcb.write_registers(Then::Leave, &registers)?;
        Ok((tcb, Running { context, buffer }))
    }
}
