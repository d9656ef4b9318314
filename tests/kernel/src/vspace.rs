//! Address spaces: kernel ABI 3.13 and 7.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::call::{call, recv};
use crate::case::{Done, ILLEGAL, cases};
use crate::frame::{robbed, stale};
use crate::trace::note;
use crate::world::{Must, NO_CODE, NO_TABLE, PAGE, POOL, READ, ROOT, VSPACE, WINDOW, delete, map, map_table};

const TOP: u64 = mach_sys::abi::object::USER_TOP;

/// The last address of the window's first page.
const LAST: u64 = WINDOW + PAGE - 1;

/// The four cache operations in a space.
fn all_four(space: CPtr, words: &[u64]) -> Done {
    let labels = [L::VSpaceCleanData, L::VSpaceInvalidateData, L::VSpaceCleanInvalidateData, L::VSpaceUnifyInstruction];
    for label in labels {
        call(space, label, words, &[]).note();
    }
    Ok(())
}

cases! {
    "vspace.cache.err01_other_label" => ILLEGAL, |_| {
        call(VSPACE, L::PageCleanData, &[], &[]).note();
        Ok(())
    };
    // Each of the four labels in turn: clean, invalidate, both, unify.
    "vspace.cache.err02_one_word" => [7; 4], |_| all_four(VSPACE, &[WINDOW]);
    "vspace.cache.err03_end_is_not_behind_the_start" => [1; 8], |_| all_four(VSPACE, &[TOP + 2, TOP + 2]);
    "vspace.cache.err04_beyond_the_last_address" => [3; 4], |w| {
        let space = w.object(O::VSpace, 0)?;
        all_four(space, &[TOP, TOP + 1])
    };
    "vspace.cache.err05_no_asid" => [2, 0, 2, 0, 2, 0, 2, 0], |w| {
        let space = w.object(O::VSpace, 0)?;
        all_four(space, &[WINDOW, WINDOW + 1])
    };
    "vspace.cache.err06_asid_is_gone" => [6, 0, 1, 6, 0, 1, 6, 0, 1, 6, 0, 1], |w| {
        let (space, _) = stale(w)?;
        all_four(space, &[WINDOW, WINDOW + 1])
    };
    "vspace.cache.err07_asid_is_anothers" => [2, 0, 2, 0, 2, 0, 2, 0], |w| {
        let (space, _) = robbed(w)?;
        all_four(space, &[WINDOW, WINDOW + 1])
    };
    "vspace.cache.err08_no_page_is_no_error" => [0; 4], |_| all_four(VSPACE, &[NO_TABLE, NO_TABLE + 9999]);
    "vspace.cache.err09_range_leaves_the_page" => [
        4, WINDOW + 8, LAST, 4, WINDOW + 8, LAST, 4, WINDOW + 8, LAST, 4, WINDOW + 8, LAST,
    ], |w| {
        w.mapped_frame(WINDOW)?;
        all_four(VSPACE, &[WINDOW + 8, WINDOW + PAGE + 1])
    };
    "vspace.cache.err10_mapping_is_read_only" => [0, 3, 0, 0], |w| {
        let frame = w.frame()?;
        map(frame, VSPACE, WINDOW, READ, NO_CODE).must("cannot be mapped")?;
        all_four(VSPACE, &[WINDOW, WINDOW + 64])
    };
    "vspace.cache.over_a_page" => [0; 4], |w| {
        w.mapped_frame(WINDOW)?;
        all_four(VSPACE, &[WINDOW, WINDOW + PAGE])
    };
    "vspace.cache.in_another_space" => [0; 4], |w| {
        let (space, frame) = (w.space()?, w.frame()?);
        for _ in 0..3 {
            let table = w.object(O::PageTable, 0)?;
            map_table(table, space, WINDOW).must("cannot be mapped")?;
        }
        map(frame, space, WINDOW, 3, NO_CODE).must("cannot be mapped")?;
        all_four(space, &[WINDOW + 64, WINDOW + PAGE])
    };
    "vspace.delete.a_thread_in_it_faults" => [6, 1, 0x8200_0004], |w| {
        // Its first instruction fetch finds no table.
        let (space, endpoint, reply) = (w.space()?, w.endpoint()?, w.reply()?);
        let agent = w.prepare(0, 100, [0; 6], |_| {})?;
        call(agent.tcb, L::TcbSetSpace, &[0, 0], &[endpoint, ROOT, space]).must("cannot be set")?;
        agent.resume().must("cannot be resumed")?;
        let got = recv(endpoint, reply);
        note(got.info.label());
        note(got.word(2));
        note(got.word(3));
        Ok(())
    };
    "vspace.delete.frees_its_asid" => [0, 0, 0], |w| {
        for _ in 0..3 {
            let space = w.object(O::VSpace, 0)?;
            call(POOL, L::AsidPoolAssign, &[], &[space]).must("no ASID")?;
            delete(space).note();
        }
        Ok(())
    };
}
