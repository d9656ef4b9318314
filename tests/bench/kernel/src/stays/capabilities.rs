//! Long operations on capabilities: deleting CNodes and pools of address spaces.

use mach_sys::ObjectType;
use mach_sys::abi::{InitSlot, InvocationLabel};
use mach_sys::cap::Untyped;

use super::{FAN_OUT, Stays, on_slot, retype};
use crate::invocations::{DEPTH, invocation};
use crate::measure::Failure;
use crate::objects::{CNODE, Objects};
use crate::space::Space;

pub(super) fn measure_all(scene: &mut Objects, _: &Space, stays: Stays) -> Result<(), Failure> {
    delete(scene, stays)?;
    scene.clear()?;
    nested(scene, stays)?;
    scene.clear()?;
    pool(scene, stays)
}

/// Delete of a CNode with 4,096 endpoints, of each the only capability.
fn delete(scene: &mut Objects, stays: Stays) -> Result<(), Failure> {
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
        Ok((0..1 << RADIX).step_by(FAN_OUT as usize).fold(made, |errors, first| errors | fill(first)))
    })
}

/// Delete of a CNode with 256 threads that hold the only capabilities to CNodes.
fn nested(scene: &mut Objects, stays: Stays) -> Result<(), Failure> {
    const RADIX: u64 = 8;
    let nodes = scene.one::<Untyped>(ObjectType::Untyped, RADIX + 5)?.cptr();
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 20)?.cptr();
    let node = scene.empty(1)?;
    let delete = [on_slot(InvocationLabel::CNodeDelete, node)];
    stays.measure("kernel.stay.delete.nested", 10, &delete, || {
        scene.send_along(&[CNODE.cptr()]);
        let made = stays.run(&[retype(nodes, ObjectType::CNode, RADIX, node, 1)]);
        scene.send_along(&[node]);
        let threads = stays.run(&[retype(memory, ObjectType::Tcb, 0, 0, FAN_OUT / 2)]);
        Ok(made | threads | stays.run(&[retype(memory, ObjectType::CNode, 4, FAN_OUT / 2, FAN_OUT / 2)]))
    })
}

/// Delete of an ASID pool with all the address spaces that it has room for.
fn pool(scene: &mut Objects, stays: Stays) -> Result<(), Failure> {
    const SPACES: u64 = 512;
    let memory = scene.one::<Untyped>(ObjectType::Untyped, 12)?.cptr();
    let roots = scene.one::<Untyped>(ObjectType::Untyped, 21)?.cptr();
    let slots = scene.empty(SPACES + 1)?;
    let pool = slots + SPACES;
    let delete = [on_slot(InvocationLabel::CNodeDelete, pool)];
    let revoke = [on_slot(InvocationLabel::CNodeRevoke, roots)];
    stays.measure("kernel.stay.delete.pool", 8, &delete, || {
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
        Ok(errors)
    })
}
