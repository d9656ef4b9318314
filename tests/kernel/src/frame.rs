//! Pages: kernel ABI 3.11 and 7.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O, VmAttributes};

use crate::agent::Arguments;
use crate::call::{Label, call, recv};
use crate::case::{
    ALIGNMENT, Done, ILLEGAL, NOT_SOURCE, OK, TRUNCATED, Trouble, argument, capability, cases, invalid_root, missing,
};
use crate::start::{peek, poke};
use crate::trace::note;
use crate::world::{
    ALL, ASID_CONTROL, CACHED, DEPTH, Must, NO_CODE, NO_TABLE, NOTHING, PAGE, READ, READ_WRITE, ROOT, VSPACE, WINDOW,
    WRITE, World, copy, delete, map, map_table, retype,
};

/// The last address that user code can have.
const TOP: u64 = mach_sys::abi::object::USER_TOP;
const LARGE: u64 = 1 << 21;

/// A label with words and caps to a new frame.
fn ask(w: &mut World, label: impl Label, words: &[u64], caps: &[CPtr]) -> Done {
    let frame = w.frame()?;
    call(frame, label, words, caps).note();
    Ok(())
}

/// The four cache operations on a frame.
fn all_four(frame: CPtr, words: &[u64]) -> Done {
    for label in [L::PageCleanData, L::PageInvalidateData, L::PageCleanInvalidateData, L::PageUnifyInstruction] {
        call(frame, label, words, &[]).note();
    }
    Ok(())
}

/// An address space whose pool of ASIDs is gone, with a page that was mapped there: both stale.
pub(crate) fn stale(w: &mut World) -> Result<(CPtr, CPtr), Trouble> {
    let (space, pool) = own_pool(w)?;
    let frame = w.frame()?;
    for _ in 0..3 {
        let table = w.object(O::PageTable, 0)?;
        map_table(table, space, WINDOW).must("cannot be mapped")?;
    }
    map(frame, space, WINDOW, READ_WRITE, NO_CODE).must("cannot be mapped")?;
    delete(pool).must("cannot be deleted")?;
    Ok((space, frame))
}

/// A new pool of ASIDs.
pub(crate) fn new_pool(w: &mut World) -> Result<CPtr, Trouble> {
    let (untyped, pool) = (w.untyped(12)?, w.slot());
    call(ASID_CONTROL, L::AsidControlMakePool, &[pool, DEPTH], &[untyped, ROOT]).must("no pool")?;
    Ok(pool)
}

/// A new address space with the first ASID of a new pool.
pub(crate) fn own_pool(w: &mut World) -> Result<(CPtr, CPtr), Trouble> {
    let pool = new_pool(w)?;
    let space = w.object(O::VSpace, 0)?;
    call(pool, L::AsidPoolAssign, &[], &[space]).must("no ASID")?;
    Ok((space, pool))
}

/// An address space whose ASID belongs to another one by now.
pub(crate) fn robbed(w: &mut World) -> Result<(CPtr, CPtr), Trouble> {
    let (space, frame) = stale(w)?;
    own_pool(w)?;
    Ok((space, frame))
}

/// Maps a frame at `a[0]` with rights `a[1]`, then each access in a thread of its own: the fault's syndrome, or 1.
fn access(w: &mut World, rights: u64, attributes: u64, program: fn(Arguments)) -> Done {
    let (frame, endpoint, reply) = (w.frame()?, w.endpoint()?, w.reply()?);
    map(frame, VSPACE, WINDOW, rights, attributes).note();
    let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], program)?;
    agent.set_fault_handler(endpoint).must("no fault handler")?;
    agent.resume().must("cannot be resumed")?;
    let got = recv(endpoint, reply);
    note(got.info.label());
    if got.info.label() == 6 {
        note(got.word(1) - WINDOW);
        note(got.word(2));
        note(got.word(3));
    }
    Ok(())
}

fn read(a: Arguments) {
    let _ = peek(a[0] + 8);
    crate::call::send(a[1], 1, &[], &[]);
}

fn write(a: Arguments) {
    poke(a[0] + 16, 1);
    crate::call::send(a[1], 1, &[], &[]);
}

fn execute(a: Arguments) {
    crate::start::jump(a[0]);
}

cases! {
    "page.common.err01_other_label" => ILLEGAL, |w| ask(w, L::PageTableUnmap, &[], &[]);
    "page.map.err01_two_words" => TRUNCATED, |w| ask(w, L::PageMap, &[WINDOW, READ_WRITE], &[VSPACE]);
    "page.map.err01_no_space" => TRUNCATED, |w| ask(w, L::PageMap, &[WINDOW, READ_WRITE, CACHED], &[]);
    "page.map.err02_is_no_space" => capability(1), |w| ask(w, L::PageMap, &[1, READ_WRITE, CACHED], &[ROOT]);
    "page.map.err02_space_without_an_asid" => capability(1), |w| {
        let space = w.object(O::VSpace, 0)?;
        ask(w, L::PageMap, &[1, READ_WRITE, CACHED], &[space])
    };
    "page.map.err03_asid_is_gone" => invalid_root(NOT_SOURCE), |w| {
        let (space, _) = stale(w)?;
        ask(w, L::PageMap, &[1, READ_WRITE, CACHED], &[space])
    };
    "page.map.err04_asid_is_anothers" => capability(1), |w| {
        let (space, _) = robbed(w)?;
        ask(w, L::PageMap, &[1, READ_WRITE, CACHED], &[space])
    };
    "page.map.err05_address_is_not_aligned" => ALIGNMENT, |w| {
        ask(w, L::PageMap, &[TOP + 1 + 8, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err06_mapped_in_another_space" => capability(1), |w| {
        let (space, frame) = (w.space()?, w.mapped_frame(WINDOW)?);
        map(frame, space, WINDOW + PAGE, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page.map.err07_mapped_at_another_address" => argument(0), |w| {
        let frame = w.mapped_frame(WINDOW)?;
        map(frame, VSPACE, WINDOW + PAGE, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page.map.err08_beyond_the_last_address" => argument(0), |w| {
        ask(w, L::PageMap, &[TOP + 1, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err08_at_the_end_of_all_addresses" => argument(0), |w| {
        ask(w, L::PageMap, &[0_u64.wrapping_sub(PAGE), READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err09_no_table_of_the_last_level" => missing(NOT_SOURCE, 21), |w| {
        ask(w, L::PageMap, &[NO_TABLE, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err09_no_table_of_the_second_level" => missing(NOT_SOURCE, 30), |w| {
        ask(w, L::PageMap, &[1 << 37, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err09_no_table_of_the_first_level" => missing(NOT_SOURCE, 39), |w| {
        ask(w, L::PageMap, &[NOTHING, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err09_last_page_of_all" => missing(NOT_SOURCE, 39), |w| {
        ask(w, L::PageMap, &[TOP + 1 - PAGE, READ_WRITE, CACHED], &[VSPACE])
    };
    "page.map.err09_large_page_over_a_table" => missing(NOT_SOURCE, 12), |w| {
        let frame = w.large_frame()?;
        map(frame, VSPACE, WINDOW, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page.map.err09_small_page_in_a_large_one" => missing(NOT_SOURCE, 21), |w| {
        let (large, small) = (w.large_frame()?, w.frame()?);
        map(large, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        map(small, VSPACE, NO_TABLE + PAGE, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page.map.err09_huge_page_over_a_table" => missing(NOT_SOURCE, 21), |w| {
        let slot = w.slot();
        retype(w.device, O::HugePage, 0, slot, 1).must("no huge page")?;
        map(slot, VSPACE, 0, READ_WRITE, CACHED).note();
        Ok(())
    };
    "page.map.a_huge_page" => [0, 0], |w| {
        let slot = w.slot();
        retype(w.device, O::HugePage, 0, slot, 1).must("no huge page")?;
        map(slot, VSPACE, 1 << 37, READ_WRITE, CACHED).note();
        call(slot, L::PageUnmap, &[], &[]).note();
        Ok(())
    };
    "page.map.again_changes_rights" => [0, 0, 0], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        map(frame, VSPACE, WINDOW, READ, NO_CODE).note();
        map(frame, VSPACE, WINDOW, READ_WRITE, NO_CODE).note();
        poke(WINDOW, 5);
        map(frame, VSPACE, WINDOW, READ, NO_CODE).note();
        Ok(())
    };
    "page.map.rights_of_the_capability_count" => [0, 6, 16, 0, 0x9200_004f], |w| {
        let frame = w.frame()?;
        let readable = w.copy(frame, READ)?;
        map(readable, VSPACE, WINDOW, READ_WRITE, NO_CODE).note();
        faults_at(w, write)
    };
    "page.map.replaces_what_is_there" => [0, 1, 2], |w| {
        let (first, second) = (w.mapped_frame(WINDOW)?, w.mapped_frame(WINDOW + PAGE)?);
        let same = w.copy(second, ALL)?;
        poke(WINDOW, 1);
        poke(WINDOW + PAGE, 2);
        let seen = peek(WINDOW);
        map(same, VSPACE, WINDOW, READ_WRITE, NO_CODE).note();
        note(seen);
        note(peek(WINDOW));
        let _ = first;
        Ok(())
    };
    "page.unmap.leaves_what_replaced_it" => [0, 2], |w| {
        let (first, second) = (w.mapped_frame(WINDOW)?, w.frame()?);
        map(second, VSPACE, WINDOW, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        poke(WINDOW, 2);
        call(first, L::PageUnmap, &[], &[]).note();
        note(peek(WINDOW));
        Ok(())
    };
    "page.unmap.of_what_is_not_mapped" => OK, |w| ask(w, L::PageUnmap, &[], &[]);
    "page.unmap.then_map_elsewhere" => [0, 0, 9], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        poke(WINDOW, 9);
        call(frame, L::PageUnmap, &[], &[]).note();
        map(frame, VSPACE, WINDOW + PAGE, READ_WRITE, NO_CODE).note();
        note(peek(WINDOW + PAGE));
        Ok(())
    };
    "page.unmap.of_a_stale_one" => OK, |w| {
        let (_, frame) = stale(w)?;
        call(frame, L::PageUnmap, &[], &[]).note();
        Ok(())
    };
    "page.unmap.then_the_page_faults" => [0, 6, 8, 0, 0x9200_0007], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        call(frame, L::PageUnmap, &[], &[]).note();
        faults_at(w, read)
    };
    "page.delete.of_a_mapped_copy_unmaps_it" => [0, 6, 8, 0, 0x9200_0007], |w| {
        let frame = w.frame()?;
        let same = w.copy(frame, ALL)?;
        map(same, VSPACE, WINDOW, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        delete(same).note();
        faults_at(w, read)
    };
    "page.copy.is_not_mapped" => [0, 0, 3], |w| {
        let (frame, same) = (w.mapped_frame(WINDOW)?, w.slot());
        copy(frame, same, ALL).note();
        poke(WINDOW, 3);
        map(same, VSPACE, WINDOW + PAGE, READ_WRITE, NO_CODE).note();
        note(peek(WINDOW + PAGE));
        Ok(())
    };

    // Each of the four labels in turn: clean, invalidate, both, unify.
    "page.cache.err01_one_word" => [7; 4], |w| {
        let frame = w.frame()?;
        all_four(frame, &[0])
    };
    "page.cache.err02_is_not_mapped" => [3; 4], |w| {
        let frame = w.frame()?;
        all_four(frame, &[9, 9])
    };
    "page.cache.err03_asid_is_gone" => [6, 0, 1, 6, 0, 1, 6, 0, 1, 6, 0, 1], |w| {
        let (_, frame) = stale(w)?;
        all_four(frame, &[9, 9])
    };
    "page.cache.err04_end_is_not_behind_the_start" => [1, 1, 1, 1, 1, 1, 1, 1], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        all_four(frame, &[5000, 5000])
    };
    "page.cache.err05_start_beyond_the_page" => [1, 0, 1, 0, 1, 0, 1, 0], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        all_four(frame, &[4096, 4097])
    };
    "page.cache.err05_end_beyond_the_page" => [1, 0, 1, 0, 1, 0, 1, 0], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        all_four(frame, &[0, 4097])
    };
    "page.cache.err06_another_page_is_there" => [2, 0, 2, 0, 2, 0, 2, 0], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        w.mapped_frame(WINDOW)?;
        all_four(frame, &[0, 64])
    };
    "page.cache.err07_mapping_is_read_only" => [0, 3, 0, 0], |w| {
        let frame = w.frame()?;
        map(frame, VSPACE, WINDOW, READ, NO_CODE).must("cannot be mapped")?;
        all_four(frame, &[0, 64])
    };
    "page.cache.all_four_over_a_page" => [0, 0, 0, 0, 0x77], |w| {
        let frame = w.mapped_frame(WINDOW)?;
        poke(WINDOW + 4088, 0x77);
        for label in [L::PageCleanData, L::PageCleanInvalidateData, L::PageUnifyInstruction, L::PageInvalidateData] {
            call(frame, label, &[0, PAGE], &[]).note();
        }
        note(peek(WINDOW + 4088));
        Ok(())
    };
    "page.cache.in_a_large_page" => [0, 0, 1], |w| {
        let frame = w.large_frame()?;
        map(frame, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).note();
        call(frame, L::PageCleanInvalidateData, &[LARGE - 64, LARGE], &[]).note();
        note(call(frame, L::PageCleanData, &[0, LARGE + 1], &[]).info.label());
        Ok(())
    };
    "page.get_address.of_two_in_a_row" => [0, 0, 0x1000, 0], |w| {
        let frames = w.several(O::SmallPage, 0, 2)?;
        let [first, second] = [frames, frames + 1].map(|frame| call(frame, L::PageGetAddress, &[], &[]));
        note(first.info.label());
        note(second.info.label());
        note(second.word(0).wrapping_sub(first.word(0)));
        note(first.word(0) % PAGE);
        Ok(())
    };

    "page.rights.none_has_no_data" => [0, 6, 8, 0, 0x9200_000f], |w| access(w, 0, NO_CODE, read);
    "page.rights.write_alone_has_no_data" => [0, 6, 16, 0, 0x9200_004f], |w| access(w, WRITE, NO_CODE, write);
    "page.rights.read_only_reads" => [0, 1], |w| access(w, READ, NO_CODE, read);
    "page.rights.read_only_does_not_write" => [0, 6, 16, 0, 0x9200_004f], |w| access(w, READ, NO_CODE, write);
    "page.rights.read_write_writes" => [0, 1], |w| access(w, READ_WRITE, NO_CODE, write);
    "page.rights.execute_never" => [0, 6, 0, 1, 0x8200_000f], |w| access(w, READ_WRITE, NO_CODE, execute);
    // Zeros are no instruction: they raise a user exception.
    "page.rights.executable" => [0, 3], |w| access(w, READ_WRITE, CACHED, execute);
    "page.rights.read_only_is_executable" => [0, 3], |w| access(w, READ, CACHED, execute);
    "page.rights.without_data_it_is_still_executable" => [0, 3], |w| access(w, 0, CACHED, execute);
    "page.attributes.uncached_is_readable" => [0, 1], |w| {
        access(w, READ_WRITE, VmAttributes::EXECUTE_NEVER.bits(), read)
    };
    "page.attributes.other_bits_are_ignored" => [0, 1], |w| access(w, READ_WRITE, u64::MAX, write);
    "page.ipc_buffer.outlives_its_mapping" => [0, 8, 0x55], |w| {
        // A sender whose buffer's page is unmapped while it is blocked: the kernel has the frame.
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
            crate::call::send(a[0], 0, &[0, 0, 0, 0, 0, 0, 0, 0x55], &[]);
        })?;
        w.settle();
        let frame = w.buffer_frame(0);
        call(frame, L::PageUnmap, &[], &[]).note();
        let got = recv(endpoint, reply);
        note(got.info.length() as u64);
        note(got.word(7));
        map(frame, VSPACE, crate::agent::BUFFERS, READ_WRITE, NO_CODE).must("cannot be mapped again")?;
        Ok(())
    };
}

/// A thread that accesses the window: what its handler hears.
fn faults_at(w: &mut World, program: fn(Arguments)) -> Done {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], program)?;
    agent.set_fault_handler(endpoint).must("no fault handler")?;
    agent.resume().must("cannot be resumed")?;
    let got = recv(endpoint, reply);
    note(got.info.label());
    note(got.word(1).wrapping_sub(WINDOW));
    note(got.word(2));
    note(got.word(3));
    Ok(())
}
