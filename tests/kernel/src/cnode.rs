//! Moving capabilities about: kernel ABI 3.4, 2.4 to 2.6 and 9.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::call::{Answer, Label, call, nb_wait, signal};
use crate::case::{
    DELETE_FIRST, Done, ILLEGAL, NOT_SOURCE, OK, REVOKE_FIRST, SOURCE, TRUNCATED, cases, guard_mismatch, invalid_root,
    missing, range, too_deep,
};
use crate::trace::note;
use crate::world::{
    ALL, DEPTH, IRQ_CONTROL, Must, READ_WRITE, ROOT, TCB, World, copy, delete, is_empty, mint, move_cap, retype, revoke,
};

/// An operation with a source: destination, source, what follows.
fn transfer(label: L, dest: CPtr, source: CPtr, rest: &[u64]) -> Answer {
    let words = [dest, DEPTH, source, DEPTH, 0, 0, 0, 0];
    let mut all = words;
    all.iter_mut().skip(4).zip(rest).for_each(|(word, value)| *word = *value);
    call(ROOT, label, all.get(..4 + rest.len()).unwrap_or(&all), &[ROOT])
}

/// What an operation needs behind its four words.
fn rest(label: L) -> &'static [u64] {
    match label {
        L::CNodeCopy => &[ALL],
        L::CNodeMint => &[ALL, 0],
        L::CNodeMutate => &[0],
        _ => &[],
    }
}

/// `words` to the root CNode with `caps`.
fn raw(label: impl Label, words: &[u64], caps: &[CPtr]) -> Done {
    call(ROOT, label, words, caps).note();
    Ok(())
}

/// A CNode of four slots, its guard of four bits all set; its first slot holds an endpoint.
fn guarded(w: &mut World) -> Result<CPtr, crate::case::Trouble> {
    let (plain, slot) = (w.cnode(2)?, w.slot());
    call(w.memory, L::UntypedRetype, &[O::Endpoint.number(), 0, 0, 0, 0, 1], &[plain]).must("no endpoint")?;
    mint(plain, slot, ALL, 0xf << 6 | 4).must("no guard")?;
    Ok(slot)
}

fn err03_root_depth(w: &mut World, label: L) -> Done {
    let slot = w.slot();
    let words = [slot, 65, slot, 64, 0, 0, 0, 0];
    call(ROOT, label, words.get(..2).unwrap_or_default(), &[]).note();
    Ok(())
}

/// The four words and more, with a destination in a CNode of its own.
fn into(w: &mut World, label: L, index: u64, depth: u64) -> Done {
    let (window, source) = (w.cnode(4)?, w.endpoint()?);
    let mut words = [index, depth, source, DEPTH, 0, 0];
    words.iter_mut().skip(4).zip(rest(label)).for_each(|(word, value)| *word = *value);
    call(window, label, words.get(..4 + rest(label).len()).unwrap_or(&words), &[ROOT]).note();
    Ok(())
}

fn err04_three_words(w: &mut World, label: L) -> Done {
    let slot = w.slot();
    raw(label, &[slot, DEPTH, TCB], &[ROOT])
}

fn err04_no_source_root(w: &mut World, label: L) -> Done {
    let slot = w.slot();
    raw(label, &[slot, DEPTH, TCB, DEPTH, 15, 0], &[])
}

/// The destination is looked at before the source: this one is not there either.
fn err05_occupied(w: &mut World, label: L) -> Done {
    let endpoint = w.endpoint()?;
    raw(label, &[endpoint, DEPTH, 1 << 40, DEPTH, 15, 0], &[ROOT])
}

fn err06_source_depth(w: &mut World, label: L) -> Done {
    let slot = w.slot();
    raw(label, &[slot, DEPTH, TCB, 0, 15, 0], &[ROOT])
}

fn err06_source_root(w: &mut World, label: L) -> Done {
    let slot = w.slot();
    raw(label, &[slot, DEPTH, TCB, 64, 15, 0], &[TCB])
}

fn err07_empty(w: &mut World, label: L) -> Done {
    let (slot, source) = (w.slot(), w.slot());
    // Before the words that the operation needs are missed.
    raw(label, &[slot, DEPTH, source, DEPTH], &[ROOT])
}

fn err08_words(w: &mut World, label: L) -> Done {
    let (slot, source) = (w.slot(), w.endpoint()?);
    let needed = 4 + rest(label).len();
    raw(label, [slot, DEPTH, source, DEPTH, 15, 0].get(..needed - 1).unwrap_or_default(), &[ROOT])
}

/// Copying an untyped that has children.
fn err09_children(w: &mut World, label: L) -> Done {
    let untyped = w.untyped(12)?;
    let (slot, dest) = (w.slot(), w.slot());
    retype(untyped, O::Endpoint, 0, slot, 1).must("no endpoint")?;
    transfer(label, dest, untyped, rest(label)).note();
    Ok(())
}

/// Rotate with all its words.
fn rotate(dest: CPtr, pivot: CPtr, source: CPtr, data: [u64; 2]) -> Answer {
    let [dest_data, pivot_data] = data;
    let words = [dest, DEPTH, dest_data, pivot, DEPTH, pivot_data, source, DEPTH];
    call(ROOT, L::CNodeRotate, &words, &[ROOT, ROOT])
}

fn revoke_children(w: &mut World, of: CPtr, children: &[CPtr]) -> Done {
    let _ = w;
    revoke(of).note();
    children.iter().for_each(|slot| note(u64::from(is_empty(*slot))));
    Ok(())
}

cases! {
    "cnode.common.err01_other_label" => ILLEGAL, |_| raw(L::TcbSuspend, &[], &[]);
    "cnode.common.err01_label_26" => ILLEGAL, |_| raw(26, &[], &[]);
    "cnode.common.err02_one_word" => TRUNCATED, |_| raw(L::CNodeDelete, &[1 << 40], &[]);
    "cnode.common.err03_depth_0" => range(1, 64), |w| into(w, L::CNodeCopy, 0, 0);
    "cnode.common.err03_depth_65" => range(1, 64), |w| into(w, L::CNodeCopy, 0, 65);
    "cnode.common.err03_depth_too_small" => too_deep(NOT_SOURCE, 3, 4), |w| into(w, L::CNodeMint, 0, 3);
    "cnode.common.err03_depth_too_large" => too_deep(NOT_SOURCE, 1, 0), |w| into(w, L::CNodeMove, 0, 5);
    "cnode.common.err03_guard" => guard_mismatch(NOT_SOURCE, 6, 0xf, 4), |w| {
        let guarded = guarded(w)?;
        call(guarded, L::CNodeDelete, &[0b11_1000, 6], &[]).note();
        Ok(())
    };
    "cnode.common.err03_guard_beyond_the_depth" => guard_mismatch(NOT_SOURCE, 3, 0xf, 4), |w| {
        let guarded = guarded(w)?;
        call(guarded, L::CNodeDelete, &[0b111, 3], &[]).note();
        Ok(())
    };
    "cnode.common.err03_guard_fits_but_not_the_slots" => too_deep(NOT_SOURCE, 5, 6), |w| {
        let guarded = guarded(w)?;
        call(guarded, L::CNodeDelete, &[0b1_1110, 5], &[]).note();
        Ok(())
    };
    "cnode.delete.err03_depth_65" => range(1, 64), |w| err03_root_depth(w, L::CNodeDelete);
    "cnode.revoke.err03_depth_65" => range(1, 64), |w| err03_root_depth(w, L::CNodeRevoke);
    "cnode.rotate.err03_depth_65" => range(1, 64), |w| err03_root_depth(w, L::CNodeRotate);
    "cnode.cancel_badged_sends.err03_depth_65" => range(1, 64), |w| err03_root_depth(w, L::CNodeCancelBadgedSends);

    "cnode.copy.err04_three_words" => TRUNCATED, |w| err04_three_words(w, L::CNodeCopy);
    "cnode.mint.err04_three_words" => TRUNCATED, |w| err04_three_words(w, L::CNodeMint);
    "cnode.move.err04_three_words" => TRUNCATED, |w| err04_three_words(w, L::CNodeMove);
    "cnode.mutate.err04_three_words" => TRUNCATED, |w| err04_three_words(w, L::CNodeMutate);
    "cnode.copy.err04_no_source_root" => TRUNCATED, |w| err04_no_source_root(w, L::CNodeCopy);
    "cnode.mint.err04_no_source_root" => TRUNCATED, |w| err04_no_source_root(w, L::CNodeMint);
    "cnode.move.err04_no_source_root" => TRUNCATED, |w| err04_no_source_root(w, L::CNodeMove);
    "cnode.mutate.err04_no_source_root" => TRUNCATED, |w| err04_no_source_root(w, L::CNodeMutate);
    "cnode.copy.err05_destination_is_occupied" => DELETE_FIRST, |w| err05_occupied(w, L::CNodeCopy);
    "cnode.mint.err05_destination_is_occupied" => DELETE_FIRST, |w| err05_occupied(w, L::CNodeMint);
    "cnode.move.err05_destination_is_occupied" => DELETE_FIRST, |w| err05_occupied(w, L::CNodeMove);
    "cnode.mutate.err05_destination_is_occupied" => DELETE_FIRST, |w| err05_occupied(w, L::CNodeMutate);
    "cnode.copy.err06_source_depth_0" => range(1, 64), |w| err06_source_depth(w, L::CNodeCopy);
    "cnode.mint.err06_source_depth_0" => range(1, 64), |w| err06_source_depth(w, L::CNodeMint);
    "cnode.move.err06_source_depth_0" => range(1, 64), |w| err06_source_depth(w, L::CNodeMove);
    "cnode.mutate.err06_source_depth_0" => range(1, 64), |w| err06_source_depth(w, L::CNodeMutate);
    "cnode.copy.err06_source_root_is_no_cnode" => invalid_root(SOURCE), |w| err06_source_root(w, L::CNodeCopy);
    "cnode.mint.err06_source_root_is_no_cnode" => invalid_root(SOURCE), |w| err06_source_root(w, L::CNodeMint);
    "cnode.move.err06_source_root_is_no_cnode" => invalid_root(SOURCE), |w| err06_source_root(w, L::CNodeMove);
    "cnode.mutate.err06_source_root_is_no_cnode" => invalid_root(SOURCE), |w| err06_source_root(w, L::CNodeMutate);
    "cnode.copy.err07_source_is_empty" => missing(SOURCE, 64), |w| err07_empty(w, L::CNodeCopy);
    "cnode.mint.err07_source_is_empty" => missing(SOURCE, 64), |w| err07_empty(w, L::CNodeMint);
    "cnode.move.err07_source_is_empty" => missing(SOURCE, 64), |w| err07_empty(w, L::CNodeMove);
    "cnode.mutate.err07_source_is_empty" => missing(SOURCE, 64), |w| err07_empty(w, L::CNodeMutate);
    "cnode.copy.err08_no_rights" => TRUNCATED, |w| err08_words(w, L::CNodeCopy);
    "cnode.mint.err08_no_badge" => TRUNCATED, |w| err08_words(w, L::CNodeMint);
    "cnode.mutate.err08_no_data" => TRUNCATED, |w| err08_words(w, L::CNodeMutate);
    "cnode.copy.err09_untyped_with_children" => REVOKE_FIRST, |w| err09_children(w, L::CNodeCopy);
    "cnode.mint.err09_untyped_with_children" => REVOKE_FIRST, |w| err09_children(w, L::CNodeMint);
    "cnode.copy.err09_space_without_an_asid" => ILLEGAL, |w| {
        let (space, slot) = (w.object(O::VSpace, 0)?, w.slot());
        copy(space, slot, ALL).note();
        Ok(())
    };
    "cnode.copy.err09_page_table_that_is_not_mapped" => ILLEGAL, |w| {
        let (table, slot) = (w.object(O::PageTable, 0)?, w.slot());
        copy(table, slot, ALL).note();
        Ok(())
    };
    "cnode.copy.err10_interrupt_control" => ILLEGAL, |w| {
        let slot = w.slot();
        copy(IRQ_CONTROL, slot, ALL).note();
        Ok(())
    };
    "cnode.mint.err10_badge_upon_a_badge" => ILLEGAL, |w| {
        let (endpoint, slot) = (w.endpoint()?, w.slot());
        let badged = w.mint(endpoint, ALL, 5)?;
        mint(badged, slot, ALL, 5).note();
        Ok(())
    };
    "cnode.mint.err10_guard_that_does_not_fit" => ILLEGAL, |w| {
        let (window, slot) = (w.cnode(4)?, w.slot());
        mint(window, slot, ALL, 61).note();
        Ok(())
    };
    "cnode.mutate.err10_endpoint" => ILLEGAL, |w| {
        let (endpoint, slot) = (w.endpoint()?, w.slot());
        transfer(L::CNodeMutate, slot, endpoint, &[5]).note();
        Ok(())
    };
    "cnode.mutate.err10_guard_that_does_not_fit" => ILLEGAL, |w| {
        let (window, slot) = (w.cnode(4)?, w.slot());
        transfer(L::CNodeMutate, slot, window, &[61]).note();
        Ok(())
    };

    "cnode.rotate.err04_seven_words" => TRUNCATED, |w| {
        let slot = w.slot();
        raw(L::CNodeRotate, &[slot, DEPTH, 0, TCB, DEPTH, 0, TCB], &[ROOT, ROOT])
    };
    "cnode.rotate.err04_one_root" => TRUNCATED, |w| {
        let slot = w.slot();
        raw(L::CNodeRotate, &[slot, DEPTH, 0, TCB, DEPTH, 0, TCB, DEPTH], &[ROOT])
    };
    "cnode.rotate.err05_source_depth_0" => range(1, 64), |w| {
        let slot = w.slot();
        raw(L::CNodeRotate, &[slot, DEPTH, 0, TCB, 0, 0, TCB, 0], &[ROOT, ROOT])
    };
    "cnode.rotate.err05_source_root_is_no_cnode" => invalid_root(SOURCE), |w| {
        let slot = w.slot();
        raw(L::CNodeRotate, &[slot, DEPTH, 0, TCB, 0, 0, TCB, DEPTH], &[ROOT, TCB])
    };
    "cnode.rotate.err06_pivot_root_is_no_cnode" => invalid_root(SOURCE), |w| {
        let slot = w.slot();
        raw(L::CNodeRotate, &[slot, DEPTH, 0, TCB, DEPTH, 0, TCB, DEPTH], &[TCB, ROOT])
    };
    "cnode.rotate.err07_pivot_is_the_source" => ILLEGAL, |w| {
        let (dest, source) = (w.endpoint()?, w.slot());
        rotate(dest, source, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err07_pivot_is_the_destination" => ILLEGAL, |w| {
        let (dest, source) = (w.endpoint()?, w.slot());
        rotate(dest, dest, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err08_destination_is_occupied" => DELETE_FIRST, |w| {
        let (dest, pivot, source) = (w.endpoint()?, w.slot(), w.slot());
        rotate(dest, pivot, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err09_source_is_empty" => missing(SOURCE, 64), |w| {
        let (dest, pivot, source) = (w.slot(), w.slot(), w.slot());
        rotate(dest, pivot, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err10_pivot_is_empty" => missing(NOT_SOURCE, 64), |w| {
        let (dest, pivot, source) = (w.slot(), w.slot(), w.tcb()?);
        rotate(dest, pivot, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err11_source_cannot_be_changed" => ILLEGAL, |w| {
        let (dest, pivot, source) = (w.slot(), w.tcb()?, w.endpoint()?);
        rotate(dest, pivot, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.err12_pivot_cannot_be_changed" => ILLEGAL, |w| {
        let (dest, pivot, source) = (w.slot(), w.endpoint()?, w.tcb()?);
        rotate(dest, pivot, source, [0, 0]).note();
        Ok(())
    };
    "cnode.rotate.three_slots" => [0, 0, 1, 0, 0], |w| {
        let (dest, pivot, source) = (w.slot(), w.tcb()?, w.cnode(4)?);
        rotate(dest, pivot, source, [0, 0]).note();
        note(u64::from(is_empty(dest)));
        note(u64::from(is_empty(source)));
        // The thread is at the destination now, the CNode where the pivot was.
        call(dest, L::TcbSuspend, &[], &[]).note();
        call(pivot, L::CNodeDelete, &[3, 4], &[]).note();
        Ok(())
    };
    "cnode.rotate.a_swap" => [0, 0, 0], |w| {
        let (pivot, source) = (w.tcb()?, w.cnode(4)?);
        rotate(source, pivot, source, [0, 0]).note();
        call(source, L::TcbSuspend, &[], &[]).note();
        call(pivot, L::CNodeDelete, &[3, 4], &[]).note();
        Ok(())
    };
    "cnode.rotate.sets_guards" => [0, 0, 0], |w| {
        let (dest, pivot, source) = (w.slot(), w.cnode(4)?, w.cnode(2)?);
        rotate(dest, pivot, source, [0xf << 6 | 4, 0x1 << 6 | 2]).note();
        // Destination data is for the pivot's capability, pivot data for the source's.
        call(dest, L::CNodeDelete, &[0xf3, 8], &[]).note();
        call(pivot, L::CNodeDelete, &[0b0111, 4], &[]).note();
        Ok(())
    };

    "cnode.cancel_badged_sends.err04_empty" => ILLEGAL, |w| {
        let slot = w.slot();
        raw(L::CNodeCancelBadgedSends, &[slot, DEPTH], &[])
    };
    "cnode.cancel_badged_sends.err04_is_no_endpoint" => ILLEGAL, |w| {
        let notification = w.notification()?;
        raw(L::CNodeCancelBadgedSends, &[notification, DEPTH], &[])
    };
    "cnode.cancel_badged_sends.err04_without_a_right" => [3, 3, 3, 3, 0], |w| {
        let endpoint = w.endpoint()?;
        for missing in [1, 2, 4, 8] {
            let less = w.mint(endpoint, 15 - missing, 7)?;
            call(ROOT, L::CNodeCancelBadgedSends, &[less, DEPTH], &[]).note();
        }
        let full = w.mint(endpoint, 15, 7)?;
        call(ROOT, L::CNodeCancelBadgedSends, &[full, DEPTH], &[]).note();
        Ok(())
    };

    "cnode.delete.of_an_empty_slot" => OK, |w| {
        let slot = w.slot();
        delete(slot).note();
        Ok(())
    };
    "cnode.revoke.of_an_empty_slot" => OK, |w| {
        let slot = w.slot();
        revoke(slot).note();
        Ok(())
    };
    "cnode.move.to_itself" => DELETE_FIRST, |w| {
        let endpoint = w.endpoint()?;
        move_cap(endpoint, endpoint).note();
        Ok(())
    };
    "cnode.move.keeps_badge_and_place" => [0, 1, 7, 0, 1], |w| {
        let (notification, dest) = (w.notification()?, w.slot());
        let badged = w.mint(notification, ALL, 7)?;
        move_cap(badged, dest).note();
        note(u64::from(is_empty(badged)));
        signal(dest);
        note(nb_wait(notification).badge);
        revoke_children(w, notification, &[dest])
    };
    "cnode.copy.of_a_badged_capability_has_its_badge" => [0, 7], |w| {
        let (notification, dest) = (w.notification()?, w.slot());
        let badged = w.mint(notification, ALL, 7)?;
        copy(badged, dest, READ_WRITE).note();
        signal(dest);
        note(nb_wait(notification).badge);
        Ok(())
    };
    "cnode.mint.rights_and_badges_of_other_kinds_are_ignored" => [0, 0], |w| {
        let (tcb, dest) = (w.tcb()?, w.slot());
        mint(tcb, dest, 0, 99).note();
        call(dest, L::TcbSuspend, &[], &[]).note();
        Ok(())
    };
    "cnode.mint.rights_only_get_fewer" => [0, 2, 0, 0, 2, 0], |w| {
        let (notification, first, second) = (w.notification()?, w.slot(), w.slot());
        copy(notification, first, 2).note();
        call(first, 0, &[], &[]).note();
        copy(first, second, 3).note();
        call(second, 0, &[], &[]).note();
        Ok(())
    };
    "cnode.lookup.ends_early_at_what_is_no_cnode" => [0, 0], |w| {
        // A two-level CSpace: a CPtr may stop at the first level, a CNode operation may not.
        let (outer, slot) = (w.cnode(4)?, w.slot());
        mint(outer, slot, ALL, 0).note();
        let inner = w.tcb()?;
        call(outer, L::CNodeCopy, &[5, 4, inner, DEPTH, ALL], &[ROOT]).note();
        Ok(())
    };
    "cnode.lookup.through_a_chain_of_cnodes" => [0, 0, 0, 6, 0, 3, 2, 0], |w| {
        let (outer, inner, tcb) = (w.cnode(4)?, w.cnode(2)?, w.tcb()?);
        call(outer, L::CNodeCopy, &[5, 4, inner, DEPTH, ALL], &[ROOT]).note();
        // Four bits of the outer one, two of the inner one.
        call(outer, L::CNodeCopy, &[0b01_0110, 6, tcb, DEPTH, ALL], &[ROOT]).note();
        call(inner, L::CNodeDelete, &[0b10, 2], &[]).note();
        // Beyond an empty slot there is nothing more to resolve.
        call(outer, L::CNodeDelete, &[0b01_1010, 6], &[]).note();
        Ok(())
    };
    "cnode.revoke.all_copies_of_the_original" => [0, 1, 1, 0], |w| {
        let endpoint = w.endpoint()?;
        let (first, badged) = (w.copy(endpoint, ALL)?, w.mint(endpoint, ALL, 5)?);
        revoke_children(w, endpoint, &[first, badged, endpoint])
    };
    "cnode.revoke.of_a_copy_takes_nothing" => [0, 0, 0], |w| {
        let endpoint = w.endpoint()?;
        let first = w.copy(endpoint, ALL)?;
        let second = w.copy(first, ALL)?;
        revoke_children(w, first, &[second, endpoint])
    };
    "cnode.revoke.of_a_badged_capability_takes_its_copies_only" => [0, 1, 0, 0], |w| {
        let endpoint = w.endpoint()?;
        let (first, other) = (w.mint(endpoint, ALL, 5)?, w.mint(endpoint, ALL, 5)?);
        let its = w.copy(first, ALL)?;
        revoke_children(w, first, &[its, other, endpoint])
    };
    "cnode.revoke.of_an_untyped_takes_everything" => [0, 1, 1, 1], |w| {
        let untyped = w.untyped(14)?;
        let (endpoint, inner, deep) = (w.slot(), w.slot(), w.slot());
        retype(untyped, O::Endpoint, 0, endpoint, 1).must("no endpoint")?;
        retype(untyped, O::Untyped, 12, inner, 1).must("no untyped")?;
        retype(inner, O::Tcb, 0, deep, 1).must("no thread")?;
        revoke_children(w, untyped, &[endpoint, inner, deep])
    };
    "cnode.delete.children_go_to_the_grandparent" => [0, 0, 0, 1], |w| {
        let untyped = w.untyped(14)?;
        let (inner, deep) = (w.slot(), w.slot());
        retype(untyped, O::Untyped, 12, inner, 1).must("no untyped")?;
        retype(inner, O::Tcb, 0, deep, 1).must("no thread")?;
        delete(inner).note();
        note(u64::from(is_empty(deep)));
        revoke_children(w, untyped, &[deep])
    };
    "cnode.delete.a_cnode_takes_its_contents" => [0, 0, 0], |w| {
        let (window, untyped) = (w.cnode(4)?, w.untyped(12)?);
        call(untyped, L::UntypedRetype, &[O::Endpoint.number(), 0, 0, 0, 2, 4], &[window]).note();
        delete(window).note();
        let slot = w.slot();
        // Nothing of the untyped is in use any more.
        retype(untyped, O::SmallPage, 0, slot, 1).note();
        Ok(())
    };
    "cnode.delete.a_cnode_that_holds_itself" => [0, 0, 0, 0], |w| {
        let untyped = w.untyped(12)?;
        let (window, slot) = (w.slot(), w.slot());
        retype(untyped, O::CNode, 4, window, 1).note();
        call(window, L::CNodeMove, &[3, 4, window, DEPTH], &[ROOT]).note();
        revoke(untyped).note();
        retype(untyped, O::SmallPage, 0, slot, 1).note();
        Ok(())
    };
    "cnode.delete.two_cnodes_that_hold_each_other" => [0, 0, 0], |w| {
        let untyped = w.untyped(12)?;
        let (first, second) = (w.slots(2), w.slot());
        retype(untyped, O::CNode, 4, first, 2).must("no CNodes")?;
        call(first, L::CNodeCopy, &[3, 4, first + 1, DEPTH, ALL], &[ROOT]).must("cannot be copied")?;
        call(first + 1, L::CNodeMove, &[5, 4, first, DEPTH], &[ROOT]).must("cannot be moved")?;
        delete(first + 1).note();
        // They hold each other, and only the memory's owner can end that.
        revoke(untyped).note();
        retype(untyped, O::SmallPage, 0, second, 1).note();
        Ok(())
    };
}
