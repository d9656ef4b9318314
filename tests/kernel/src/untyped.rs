//! Making objects out of memory: kernel ABI 3.2.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O, Syscall};

use crate::call::{Answer, call, message, signal, syscall};
use crate::case::{
    DELETE_FIRST, Done, ILLEGAL, NOT_SOURCE, OK, REVOKE_FIRST, TRUNCATED, argument, cases, invalid_root, missing,
    no_memory, range, too_deep,
};
use crate::start::{peek, poke};
use crate::trace::note;
use crate::world::{DEPTH, Must, NO_CODE, PAGE, ROOT, VSPACE, WINDOW, World, copy, delete, map, retype, revoke};

/// `UntypedRetype` with all its words: type, size, index, depth, offset, number.
fn all(untyped: CPtr, words: [u64; 6], root: CPtr) -> Answer {
    call(untyped, L::UntypedRetype, &words, &[root])
}

/// Asks for what the words say, in a CNode of 16 slots, of an untyped with `size_bits`.
fn ask(w: &mut World, size_bits: u64, object: u64, bits: u64, offset: u64, count: u64) -> Done {
    let untyped = w.untyped(size_bits)?;
    let window = w.cnode(4)?;
    all(untyped, [object, bits, 0, 0, offset, count], window).note();
    Ok(())
}

/// The same of a device's memory.
fn ask_device(w: &mut World, object: O, bits: u64) -> Done {
    let window = w.cnode(4)?;
    all(w.device, [object.number(), bits, 0, 0, 0, 1], window).note();
    Ok(())
}

const EP: u64 = O::Endpoint.number();
const FRAME: u64 = O::SmallPage.number();

cases! {
    "untyped.retype.err01_other_label" => ILLEGAL, |w| {
        let untyped = w.untyped(12)?;
        call(untyped, L::CNodeCopy, &[EP, 0, 0, 0, 0, 1], &[ROOT]).note();
        Ok(())
    };
    "untyped.retype.err01_label_beyond_all" => ILLEGAL, |w| {
        let untyped = w.untyped(12)?;
        call(untyped, 1 << 32 | 1, &[EP, 0, 0, 0, 0, 1], &[ROOT]).note();
        Ok(())
    };
    "untyped.retype.err02_five_words" => TRUNCATED, |w| {
        let untyped = w.untyped(12)?;
        call(untyped, L::UntypedRetype, &[EP, 0, 0, 0, 0], &[ROOT]).note();
        Ok(())
    };
    "untyped.retype.err02_no_root" => TRUNCATED, |w| {
        let untyped = w.untyped(12)?;
        call(untyped, L::UntypedRetype, &[EP, 0, 0, 0, 0, 1], &[]).note();
        Ok(())
    };
    "untyped.retype.err03_type_12" => argument(0), |w| ask(w, 12, 12, 0, 0, 1);
    "untyped.retype.err03_type_beyond_all" => argument(0), |w| ask(w, 12, u64::MAX, 64, 16, 0);
    "untyped.retype.err04_size_64_of_an_endpoint" => range(0, 47), |w| ask(w, 12, EP, 64, 0, 1);
    "untyped.retype.err04_untyped_of_48_bits" => range(0, 47), |w| ask(w, 12, O::Untyped.number(), 48, 0, 1);
    "untyped.retype.err04_cnode_of_48_bits" => range(0, 47), |w| ask(w, 12, O::CNode.number(), 43, 0, 1);
    "untyped.retype.err04_size_of_all_bits" => range(0, 47), |w| ask(w, 12, FRAME, u64::MAX, 0, 1);
    "untyped.retype.err05_cnode_without_slots" => argument(1), |w| ask(w, 12, O::CNode.number(), 0, 16, 0);
    "untyped.retype.err06_untyped_of_3_bits" => argument(1), |w| ask(w, 12, O::Untyped.number(), 3, 16, 0);
    "untyped.retype.err07_scheduling_context_of_6_bits" => argument(1), |w| {
        ask(w, 12, O::SchedContext.number(), 6, 16, 0)
    };
    "untyped.retype.err08_depth_65" => range(1, 64), |w| {
        let untyped = w.untyped(12)?;
        all(untyped, [EP, 0, ROOT, 65, 0, 0], ROOT).note();
        Ok(())
    };
    "untyped.retype.err08_root_is_no_cnode" => invalid_root(NOT_SOURCE), |w| {
        let untyped = w.untyped(12)?;
        all(untyped, [EP, 0, 0, 4, 0, 1], untyped).note();
        Ok(())
    };
    "untyped.retype.err08_depth_too_small" => too_deep(NOT_SOURCE, 3, 4), |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 3, 0, 1], window).note();
        Ok(())
    };
    "untyped.retype.err08_depth_too_large" => too_deep(NOT_SOURCE, 1, 0), |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 5, 0, 1], window).note();
        Ok(())
    };
    "untyped.retype.err09_root_itself_is_no_cnode" => missing(NOT_SOURCE, 0), |w| {
        let untyped = w.untyped(12)?;
        all(untyped, [EP, 0, 0, 0, 0, 0], untyped).note();
        Ok(())
    };
    "untyped.retype.err09_slot_holds_no_cnode" => missing(NOT_SOURCE, 64), |w| {
        let untyped = w.untyped(12)?;
        all(untyped, [EP, 0, untyped, DEPTH, 0, 0], ROOT).note();
        Ok(())
    };
    "untyped.retype.err09_slot_is_empty" => missing(NOT_SOURCE, 4), |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 3, 4, 0, 0], window).note();
        Ok(())
    };
    "untyped.retype.err10_offset_is_the_size" => range(0, 15), |w| ask(w, 12, EP, 0, 16, 0);
    "untyped.retype.err10_offset_beyond_all" => range(0, 15), |w| ask(w, 12, EP, 0, u64::MAX, 300);
    "untyped.retype.err11_no_objects" => range(1, 256), |w| ask(w, 12, EP, 0, 15, 0);
    "untyped.retype.err11_257_objects" => range(1, 256), |w| ask(w, 12, EP, 0, 15, 257);
    "untyped.retype.err11_objects_beyond_all" => range(1, 256), |w| ask(w, 12, EP, 0, 0, 1 << 31);
    "untyped.retype.err12_window_leaves_the_cnode" => range(1, 6), |w| ask(w, 12, EP, 0, 10, 7);
    "untyped.retype.err12_before_err13" => range(1, 15), |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 0, 1, 15], window).must("no endpoints")?;
        all(untyped, [EP, 0, 0, 0, 1, 16], window).note();
        Ok(())
    };
    "untyped.retype.err13_last_slot_is_occupied" => DELETE_FIRST, |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 0, 7, 1], window).must("no endpoint")?;
        all(untyped, [EP, 0, 0, 0, 4, 4], window).note();
        Ok(())
    };
    "untyped.retype.err13_before_err14" => DELETE_FIRST, |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 0, 0, 1], window).must("no endpoint")?;
        all(untyped, [FRAME, 0, 0, 0, 0, 1], window).note();
        Ok(())
    };
    "untyped.retype.err14_object_larger_than_the_untyped" => no_memory(4096), |w| {
        ask(w, 12, O::LargePage.number(), 0, 0, 1)
    };
    "untyped.retype.err14_one_object_too_many" => no_memory(8192), |w| ask(w, 13, FRAME, 0, 0, 3);
    "untyped.retype.err14_bytes_left_are_not_aligned" => no_memory(4080), |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 0, 0, 1], window).must("no endpoint")?;
        all(untyped, [FRAME, 0, 0, 0, 1, 1], window).note();
        Ok(())
    };
    "untyped.retype.err14_before_err15" => no_memory(1 << 12), |w| {
        let small = w.slot();
        retype(w.device, O::Untyped, 12, small, 1).must("no device untyped")?;
        let window = w.cnode(4)?;
        all(small, [O::CNode.number(), 8, 0, 0, 0, 1], window).note();
        Ok(())
    };
    "untyped.retype.err15_endpoint_in_a_device" => argument(1), |w| ask_device(w, O::Endpoint, 0);
    "untyped.retype.err15_page_table_in_a_device" => argument(1), |w| ask_device(w, O::PageTable, 0);
    "untyped.retype.err15_cnode_in_a_device" => argument(1), |w| ask_device(w, O::CNode, 4);

    "untyped.retype.every_type" => [0; 12], |w| {
        let window = w.cnode(4)?;
        let sizes = [
            (O::Untyped, 4), (O::Tcb, 0), (O::Endpoint, 0), (O::Notification, 0), (O::CNode, 1), (O::SchedContext, 7),
            (O::Reply, 0), (O::VSpace, 0), (O::SmallPage, 0), (O::LargePage, 0), (O::PageTable, 0),
        ];
        for ((object, bits), slot) in sizes.into_iter().zip(0..) {
            all(w.memory, [object.number(), bits, 0, 0, slot, 1], window).note();
        }
        all(w.device, [O::HugePage.number(), 0, 0, 0, 15, 1], window).note();
        Ok(())
    };
    "untyped.retype.sizes_below_64_of_fixed_objects_are_ignored" => OK, |w| ask(w, 12, EP, 63, 0, 1);
    "untyped.retype.by_address_of_a_cnode" => [0, 8], |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        all(untyped, [EP, 0, window, DEPTH, 9, 2], ROOT).note();
        all(untyped, [EP, 0, 0, 0, 10, 1], window).note();
        Ok(())
    };
    "untyped.retype.window_of_all_slots" => OK, |w| ask(w, 12, EP, 0, 0, 16);
    "untyped.retype.256_objects_in_one_call" => OK, |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(8)?);
        all(untyped, [EP, 0, 0, 0, 0, 256], window).note();
        Ok(())
    };
    "untyped.retype.guard_of_the_cnode_is_of_no_account" => OK, |w| {
        let (untyped, window) = (w.untyped(12)?, w.cnode(4)?);
        // A guard of four bits, all set.
        let guarded = w.mint(window, 15, 0xf << 6 | 4)?;
        all(untyped, [EP, 0, 0, 0, 15, 1], guarded).note();
        Ok(())
    };
    "untyped.retype.aligns_and_does_not_go_back" => [0, 0, 10, 0], |w| {
        let (untyped, window) = (w.untyped(13)?, w.cnode(4)?);
        all(untyped, [EP, 0, 0, 0, 0, 1], window).note();
        all(untyped, [FRAME, 0, 0, 0, 1, 1], window).note();
        let slot = w.slot();
        // What lies between the endpoint and the frame is lost.
        retype(untyped, O::Endpoint, 0, slot, 1).note();
        Ok(())
    };
    "untyped.retype.starts_again_when_its_children_are_gone" => [0, 10, 0, 0], |w| {
        let (untyped, frame) = (w.untyped(12)?, w.slot());
        retype(untyped, O::SmallPage, 0, frame, 1).note();
        let other = w.slot();
        note(retype(untyped, O::Endpoint, 0, other, 1).info.label());
        delete(frame).note();
        retype(untyped, O::SmallPage, 0, other, 1).note();
        Ok(())
    };
    "untyped.retype.used_memory_comes_back_as_zeros" => [0, 0, 0xabcd, 0, 0, 0, 0], |w| {
        let (untyped, frame) = (w.untyped(12)?, w.slot());
        for round in 0..2 {
            retype(untyped, O::SmallPage, 0, frame, 1).note();
            map(frame, VSPACE, WINDOW, 3, NO_CODE).must("cannot be mapped")?;
            note(peek(WINDOW + PAGE - 8));
            if round == 0 {
                poke(WINDOW + PAGE - 8, 0xabcd);
                note(peek(WINDOW + PAGE - 8));
                delete(frame).note();
            }
        }
        delete(frame).note();
        Ok(())
    };
    "untyped.retype.of_an_untyped_that_was_copied" => [0, 10, 0, 0], |w| {
        let untyped = w.untyped(12)?;
        let (same, slot) = (w.slot(), w.slot());
        copy(untyped, same, 15).note();
        retype(untyped, O::Endpoint, 0, slot, 1).note();
        retype(same, O::Endpoint, 0, slot, 1).note();
        Ok(())
    };
    "untyped.retype.of_an_untyped_whose_copy_was_revoked" => [0, 0, 0], |w| {
        let untyped = w.untyped(12)?;
        let (same, slot) = (w.slot(), w.slot());
        copy(untyped, same, 15).note();
        revoke(untyped).note();
        retype(untyped, O::SmallPage, 0, slot, 1).note();
        Ok(())
    };
    "untyped.copy.has_children" => REVOKE_FIRST, |w| {
        let untyped = w.untyped(12)?;
        let (slot, dest) = (w.slot(), w.slot());
        retype(untyped, O::Endpoint, 0, slot, 1).must("no endpoint")?;
        copy(untyped, dest, 15).note();
        Ok(())
    };
    "untyped.retype.in_a_first_phase_is_done_silently" => [0, 8], |w| {
        let (untyped, slot, ready) = (w.untyped(12)?, w.slot(), w.notification()?);
        signal(ready);
        let mut x = message(L::UntypedRetype, &[EP, 0, 0, 0, slot, 1], &[ROOT]);
        (x[0], x[8]) = (ready, untyped);
        syscall(Syscall::NbSendRecv, &mut x);
        note(x[0]);
        retype(untyped, O::Endpoint, 0, slot, 1).note();
        Ok(())
    };
}
