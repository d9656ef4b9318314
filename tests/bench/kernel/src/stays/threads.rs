//! Long operations on objects that many threads wait at.

use mach_sys::abi::InvocationLabel;
use mach_sys::abi::rights::TCB_FLAG_FPU_DISABLED;
use mach_sys::cap::sched::Budget;
use mach_sys::cap::tcb::{Spaces, Then, UserContext};
use mach_sys::cap::{Notification, SchedContext, Tcb, Untyped};
use mach_sys::{CPtr, Cap, CapRights, ObjectType};

use super::{Stays, on_slot, retype};
use crate::code;
use crate::measure::Failure;
use crate::objects::{CNODE, Objects, TCB};
use crate::space::Space;
use crate::worker::{CONTEXT_BITS, PRIORITY, SLICE_US, Worker};

/// As many threads wait.
const CROWD: u64 = 256;
const BADGE: u64 = 7;

pub(super) fn measure_all(scene: &mut Objects, space: &Space, stays: Stays) -> Result<(), Failure> {
    let crowd = Crowd::new(scene, space)?;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 6)?.cptr();
    let slot = scene.empty(2)?;
    let badged = slot + 1;
    let make = |kind| {
        scene.send_along(&[CNODE.cptr()]);
        stays.run(&[retype(memory, kind, 0, slot, 1)])
    };
    let sender = code::idler as extern "C" fn(CPtr) -> ! as usize;
    let waiter = code::waiter as extern "C" fn(CPtr) -> ! as usize;

    let delete = [on_slot(InvocationLabel::CNodeDelete, slot)];
    stays.measure("kernel.stay.delete.endpoint", 20, &delete, || {
        let made = make(ObjectType::Endpoint);
        crowd.begin(sender, slot)?;
        Ok(made)
    })?;
    stays.measure("kernel.stay.delete.notification", 20, &delete, || {
        let made = make(ObjectType::Notification);
        crowd.begin(waiter, slot)?;
        Ok(made)
    })?;

    let revoke = on_slot(InvocationLabel::CNodeRevoke, memory);
    let cancel = [on_slot(InvocationLabel::CNodeCancelBadgedSends, badged)];
    stays.measure("kernel.stay.cancel", 20, &cancel, || {
        let made = stays.run(&[revoke]) | make(ObjectType::Endpoint);
        Objects::path(badged).mint_from(Objects::path(slot), CapRights::ALL, BADGE)?;
        crowd.begin(sender, badged)?;
        Ok(made)
    })
}

/// Threads that are there to wait.
struct Crowd {
    threads: CPtr,
    /// Signalled by a thread of lower priority, which runs when all of them wait.
    all_wait: Cap<Notification>,
}

impl Crowd {
    fn new(scene: &mut Objects, space: &Space) -> Result<Self, Failure> {
        let threads = scene.several(ObjectType::Tcb, 0, CROWD)?;
        let contexts = scene.several(ObjectType::SchedContext, CONTEXT_BITS, CROWD)?;
        for index in 0..CROWD {
            let (thread, context) = (Cap::<Tcb>::new(threads + index), Cap::<SchedContext>::new(contexts + index));
            scene.control.configure(context, &Budget::round_robin(SLICE_US))?;
            thread.configure(&Spaces {
                cspace: CNODE,
                cspace_data: 0,
                vspace: space.vspace,
                buffer_frame: Cap::null(),
                buffer_address: 0,
            })?;
            thread.set_sched_params(TCB, 0, PRIORITY - 1, context, Cap::null())?;
            thread.set_flags(0, TCB_FLAG_FPU_DISABLED)?;
        }
        let all_wait: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
        let entry = code::idler as extern "C" fn(CPtr) -> ! as usize;
        let teller = Worker::new(1, *space, entry, [all_wait.cptr(), 0, 0, 0]);
        Worker { priority: PRIORITY - 2, ..teller }.start(scene)?;
        Ok(Self { threads, all_wait })
    }

    /// Lets each begin at `entry` with this capability, and waits until all of them wait.
    fn begin(&self, entry: usize, cptr: CPtr) -> Result<(), Failure> {
        let mut registers = UserContext { pc: entry as u64, ..UserContext::default() };
        if let Some(first) = registers.x0_to_x8.first_mut() {
            *first = cptr;
        }
        for index in 0..CROWD {
            let thread = Cap::<Tcb>::new(self.threads + index);
            thread.suspend()?;
            thread.write_registers(Then::SwitchState, &registers)?;
        }
        // Twice: the first may be a signal of the time before.
        let _ = (self.all_wait.wait(), self.all_wait.wait());
        Ok(())
    }
}
