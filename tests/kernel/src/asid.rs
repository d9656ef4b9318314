//! Address-space identifiers: kernel ABI 3.14 and 7.4.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::call::{Answer, call};
use crate::case::{DELETE_FIRST, ILLEGAL, NOT_SOURCE, REVOKE_FIRST, TRUNCATED, capability, cases, invalid_root, range};
use crate::frame::new_pool;
use crate::trace::note;
use crate::world::{ALL, ASID_CONTROL, DEPTH, Must, POOL, ROOT, VSPACE, copy, delete, retype};

/// Pools that the kernel can have; one is there from the beginning.
const POOLS: u64 = 128;
/// ASIDs of a pool.
const IDS: u64 = 512;

fn make(untyped: CPtr, slot: CPtr) -> Answer {
    call(ASID_CONTROL, L::AsidControlMakePool, &[slot, DEPTH], &[untyped, ROOT])
}

fn assign(pool: CPtr, space: CPtr) -> Answer {
    call(pool, L::AsidPoolAssign, &[], &[space])
}

cases! {
    "asid_control.make_pool.err01_other_label" => ILLEGAL, |_| {
        call(ASID_CONTROL, L::AsidPoolAssign, &[], &[]).note();
        Ok(())
    };
    "asid_control.make_pool.err02_one_word" => TRUNCATED, |w| {
        let (untyped, slot) = (w.untyped(12)?, w.slot());
        call(ASID_CONTROL, L::AsidControlMakePool, &[slot], &[untyped, ROOT]).note();
        Ok(())
    };
    "asid_control.make_pool.err02_one_capability" => TRUNCATED, |w| {
        let (untyped, slot) = (w.untyped(12)?, w.slot());
        call(ASID_CONTROL, L::AsidControlMakePool, &[slot, DEPTH], &[untyped]).note();
        Ok(())
    };
    "asid_control.make_pool.err03_all_are_there" => [0, 8], |w| {
        let (untypeds, pools) = (w.several(O::Untyped, 12, POOLS - 1)?, w.slots(POOLS - 1));
        let mut failed = 0;
        for index in 0..POOLS - 1 {
            failed += u64::from(!make(untypeds + index, pools + index).is_ok());
        }
        note(failed);
        // Before the untyped is looked at.
        make(ROOT, pools).note();
        Ok(())
    };
    "asid_control.make_pool.err04_untyped_of_13_bits" => capability(1), |w| {
        let (untyped, slot) = (w.untyped(13)?, w.slot());
        make(untyped, slot).note();
        Ok(())
    };
    "asid_control.make_pool.err04_is_no_untyped" => capability(1), |w| {
        let (frame, slot) = (w.frame()?, w.slot());
        make(frame, slot).note();
        Ok(())
    };
    "asid_control.make_pool.err04_is_a_device" => capability(1), |w| {
        let (untyped, slot) = (w.slot(), w.slot());
        retype(w.device, O::Untyped, 12, untyped, 1).must("no device untyped")?;
        make(untyped, slot).note();
        Ok(())
    };
    "asid_control.make_pool.err05_untyped_has_children" => REVOKE_FIRST, |w| {
        let (untyped, child) = (w.untyped(12)?, w.slot());
        retype(untyped, O::Endpoint, 0, child, 1).must("no endpoint")?;
        call(ASID_CONTROL, L::AsidControlMakePool, &[child, 65], &[untyped, ROOT]).note();
        Ok(())
    };
    "asid_control.make_pool.err06_depth_65" => range(1, 64), |w| {
        let untyped = w.untyped(12)?;
        call(ASID_CONTROL, L::AsidControlMakePool, &[ROOT, 65], &[untyped, ROOT]).note();
        Ok(())
    };
    "asid_control.make_pool.err06_root_is_no_cnode" => invalid_root(NOT_SOURCE), |w| {
        let untyped = w.untyped(12)?;
        call(ASID_CONTROL, L::AsidControlMakePool, &[ROOT, 65], &[untyped, untyped]).note();
        Ok(())
    };
    "asid_control.make_pool.err07_destination_is_occupied" => DELETE_FIRST, |w| {
        let untyped = w.untyped(12)?;
        make(untyped, untyped).note();
        Ok(())
    };
    "asid_control.make_pool.uses_its_untyped_up" => [0, 10, 0, 0, 0], |w| {
        let (untyped, pool, slot) = (w.untyped(12)?, w.slot(), w.slot());
        make(untyped, pool).note();
        retype(untyped, O::Endpoint, 0, slot, 1).note();
        delete(pool).note();
        retype(untyped, O::SmallPage, 0, slot, 1).note();
        Ok(())
    };

    "asid_pool.assign.err01_other_label" => ILLEGAL, |_| {
        call(POOL, L::AsidControlMakePool, &[], &[]).note();
        Ok(())
    };
    "asid_pool.assign.err02_no_space" => TRUNCATED, |_| {
        call(POOL, L::AsidPoolAssign, &[1], &[]).note();
        Ok(())
    };
    "asid_pool.assign.err03_is_no_space" => capability(1), |_| {
        assign(POOL, ROOT).note();
        Ok(())
    };
    "asid_pool.assign.err03_has_an_asid" => capability(1), |_| {
        assign(POOL, VSPACE).note();
        Ok(())
    };
    "asid_pool.assign.err06_all_are_given" => [0, 8, 0, 0], |w| {
        // All address spaces at one page's cost each: too many for the slots of a case, so they go to CNodes.
        let (pool, spaces) = (new_pool(w)?, w.cnode(9)?);
        let mut failed = 0;
        let first = w.slot();
        // ASID 0 is never given, but it is not in this pool.
        for index in 0..IDS {
            let made = retype(w.memory, O::VSpace, 0, first, 1).is_ok() && assign(pool, first).is_ok();
            let moved = call(spaces, L::CNodeMove, &[index, 9, first, DEPTH], &[ROOT]).is_ok();
            failed += u64::from(!made || !moved);
        }
        note(failed);
        let space = w.object(O::VSpace, 0)?;
        assign(pool, space).note();
        // One goes, one can come.
        call(spaces, L::CNodeDelete, &[77, 9], &[]).note();
        assign(pool, space).note();
        Ok(())
    };
    "asid_pool.assign.copies_serve_as_well" => [0, 0], |w| {
        let (same, space) = (w.slot(), w.object(O::VSpace, 0)?);
        copy(POOL, same, ALL).note();
        assign(same, space).note();
        Ok(())
    };
    "asid_pool.delete.lets_the_number_be_used_again" => [0, 0, 1, 0], |w| {
        let pool = new_pool(w)?;
        let space = w.object(O::VSpace, 0)?;
        assign(pool, space).note();
        delete(pool).note();
        // The space keeps its ASID, and can have no other.
        let other = new_pool(w)?;
        note(u64::from(!assign(other, space).is_ok()));
        let fresh = w.object(O::VSpace, 0)?;
        assign(other, fresh).note();
        Ok(())
    };
}
