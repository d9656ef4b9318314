//! Long operations on memory: making, clearing, revoking, cache maintenance.

use mach_sys::abi::InvocationLabel;
use mach_sys::cap::{Frame, Untyped};
use mach_sys::{Cap, CapRights, ObjectType, VmAttributes};

use super::{FAN_OUT, Stays, on_slot, retype};
use crate::invocations::invocation;
use crate::measure::Failure;
use crate::objects::{CNODE, Objects};
use crate::space::{Space, WINDOW};

const PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 1 << 21;

pub(super) fn measure_all(scene: &mut Objects, space: &Space, stays: Stays) -> Result<(), Failure> {
    make(scene, stays)?;
    scene.clear()?;
    clear(scene, stays)?;
    scene.clear()?;
    revoke(scene, space, stays)?;
    scene.clear()?;
    maintain(scene, space, stays)
}

/// As many objects as one call makes, of the kind of which most has to be written.
fn make(scene: &mut Objects, stays: Stays) -> Result<(), Failure> {
    let slots = scene.empty(FAN_OUT + 1)?;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 20)?.cptr();
    let prepare = [on_slot(InvocationLabel::CNodeRevoke, memory), retype(memory, ObjectType::Endpoint, 0, slots, 1)];
    let make = [retype(memory, ObjectType::Tcb, 0, slots + 1, FAN_OUT)];
    stays.measure("kernel.stay.retype-256", 20, &make, || {
        scene.send_along(&[CNODE.cptr()]);
        Ok(stays.run(&prepare))
    })
}

/// The clearing of 16 MiB.
fn clear(scene: &mut Objects, stays: Stays) -> Result<(), Failure> {
    let slots = scene.empty(8)?;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 24)?.cptr();
    let revoke = on_slot(InvocationLabel::CNodeRevoke, memory);
    let prepare = [revoke, retype(memory, ObjectType::LargePage, 0, slots, 8), revoke];
    let make = [retype(memory, ObjectType::SmallPage, 0, slots, 1)];
    stays.measure("kernel.stay.clear", 4, &make, || {
        scene.send_along(&[CNODE.cptr()]);
        Ok(stays.run(&prepare))
    })
}

/// Revoke of an untyped with 1,024 frames, half of which are mapped.
fn revoke(scene: &mut Objects, space: &Space, stays: Stays) -> Result<(), Failure> {
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
        Ok((0..FRAMES / 2).fold(made, |errors, index| errors | map(index)))
    })
}

/// Cache maintenance of 2 MiB, by the frame and by the address space.
fn maintain(scene: &mut Objects, space: &Space, stays: Stays) -> Result<(), Failure> {
    let frame: Cap<Frame> = scene.one(ObjectType::LargePage, 0)?;
    let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
    frame.map(space.vspace, Space::PARTS, CapRights::READ_WRITE, attributes)?;
    let clean = [invocation(frame.cptr(), InvocationLabel::PageCleanInvalidateData, &[0, LARGE_PAGE])];
    stays.measure("kernel.stay.clean", 10, &clean, || Ok(0))?;
    let whole = [Space::PARTS, Space::PARTS + LARGE_PAGE];
    let unify = [invocation(space.vspace.cptr(), InvocationLabel::VSpaceUnifyInstruction, &whole)];
    stays.measure("kernel.stay.unify", 10, &unify, || Ok(0))
}
