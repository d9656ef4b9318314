//! Translation tables: kernel ABI 3.12.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::call::{Label, call};
use crate::case::{
    DELETE_FIRST, Done, ILLEGAL, NOT_SOURCE, REVOKE_FIRST, TRUNCATED, argument, capability, cases, invalid_root,
    missing,
};
use crate::frame::{robbed, stale};
use crate::start::{peek, poke};
use crate::trace::note;
use crate::world::{
    ALL, CACHED, Must, NO_CODE, NO_TABLE, NOTHING, READ_WRITE, ROOT, VSPACE, WINDOW, World, copy, delete, map,
    map_table,
};

const TOP: u64 = mach_sys::abi::object::USER_TOP;

fn ask(w: &mut World, label: impl Label, words: &[u64], caps: &[CPtr]) -> Done {
    let table = w.object(O::PageTable, 0)?;
    call(table, label, words, caps).note();
    Ok(())
}

cases! {
    "page_table.common.err01_other_label" => ILLEGAL, |w| ask(w, L::PageMap, &[], &[]);
    "page_table.map.err01_one_word" => TRUNCATED, |w| ask(w, L::PageTableMap, &[NO_TABLE], &[VSPACE]);
    "page_table.map.err01_no_space" => TRUNCATED, |w| ask(w, L::PageTableMap, &[NO_TABLE, 0], &[]);
    "page_table.map.err02_is_mapped" => [0, 2, 0], |w| {
        let table = w.object(O::PageTable, 0)?;
        map_table(table, VSPACE, NO_TABLE).note();
        map_table(table, ROOT, NO_TABLE).note();
        Ok(())
    };
    "page_table.map.err03_is_no_space" => capability(1), |w| ask(w, L::PageTableMap, &[TOP + 1, 0], &[ROOT]);
    "page_table.map.err03_space_without_an_asid" => capability(1), |w| {
        let space = w.object(O::VSpace, 0)?;
        ask(w, L::PageTableMap, &[TOP + 1, 0], &[space])
    };
    "page_table.map.err04_beyond_the_last_address" => argument(0), |w| {
        let (space, _) = stale(w)?;
        ask(w, L::PageTableMap, &[TOP + 1, 0], &[space])
    };
    "page_table.map.err05_asid_is_gone" => invalid_root(NOT_SOURCE), |w| {
        let (space, _) = stale(w)?;
        ask(w, L::PageTableMap, &[WINDOW, 0], &[space])
    };
    "page_table.map.err06_asid_is_anothers" => capability(1), |w| {
        let (space, _) = robbed(w)?;
        ask(w, L::PageTableMap, &[WINDOW, 0], &[space])
    };
    "page_table.map.err07_all_are_there" => DELETE_FIRST, |w| ask(w, L::PageTableMap, &[WINDOW, 0], &[VSPACE]);
    "page_table.map.err07_a_page_is_there" => DELETE_FIRST, |w| {
        let large = w.large_frame()?;
        map(large, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        ask(w, L::PageTableMap, &[NO_TABLE, 0], &[VSPACE])
    };
    "page_table.map.three_levels_then_no_more" => [0, 0, 0, 8, 0], |w| {
        for _ in 0..3 {
            ask(w, L::PageTableMap, &[NOTHING + 0x1234, 0], &[VSPACE])?;
        }
        ask(w, L::PageTableMap, &[NOTHING, 0], &[VSPACE])?;
        let frame = w.frame()?;
        map(frame, VSPACE, NOTHING, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page_table.unmap.err01_copies_exist" => REVOKE_FIRST, |w| {
        let (table, same) = (w.object(O::PageTable, 0)?, w.slot());
        map_table(table, VSPACE, NO_TABLE).must("cannot be mapped")?;
        copy(table, same, ALL).must("cannot be copied")?;
        call(table, L::PageTableUnmap, &[], &[]).note();
        Ok(())
    };
    "page_table.unmap.of_what_is_not_mapped" => [0], |w| ask(w, L::PageTableUnmap, &[], &[]);
    "page_table.unmap.clears_it" => [0, 0, 6, 0, 2, 21, 0], |w| {
        let (table, frame) = (w.object(O::PageTable, 0)?, w.frame()?);
        map_table(table, VSPACE, NO_TABLE).must("cannot be mapped")?;
        map(frame, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        call(table, L::PageTableUnmap, &[], &[]).note();
        // The frame thinks that it is mapped, and has to hear otherwise.
        call(frame, L::PageUnmap, &[], &[]).note();
        map(frame, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).note();
        map_table(table, VSPACE, NO_TABLE).note();
        Ok(())
    };
    "page_table.unmap.in_a_deleted_space" => [0], |w| {
        let (space, table) = (w.space()?, w.object(O::PageTable, 0)?);
        map_table(table, space, WINDOW).must("cannot be mapped")?;
        delete(space).must("cannot be deleted")?;
        call(table, L::PageTableUnmap, &[], &[]).note();
        Ok(())
    };
    "page_table.delete.takes_it_out" => [0, 6, 0, 2, 21], |w| {
        let (table, frame) = (w.object(O::PageTable, 0)?, w.frame()?);
        map_table(table, VSPACE, NO_TABLE).must("cannot be mapped")?;
        delete(table).note();
        map(frame, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).note();
        Ok(())
    };
    "page_table.map.in_the_middle_then_pages" => [0, 0, 4], |w| {
        let (table, large) = (w.object(O::PageTable, 0)?, w.large_frame()?);
        // A second-level table where the first GiB ends: a large page fits in it.
        map_table(table, VSPACE, 1 << 30).note();
        map(large, VSPACE, 1 << 30, READ_WRITE, NO_CODE).note();
        poke(1 << 30, 4);
        note(peek(1 << 30));
        Ok(())
    };
    "page_table.map.first_missing_level_is_named" => missing(NOT_SOURCE, 30), |w| {
        let table = w.object(O::PageTable, 0)?;
        map_table(table, VSPACE, NOTHING).must("cannot be mapped")?;
        let frame = w.frame()?;
        map(frame, VSPACE, NOTHING, READ_WRITE, CACHED).note();
        Ok(())
    };
}
