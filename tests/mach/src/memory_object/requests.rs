//! I-MO 10 to 24: requests for data, and what a manager answers.

use libmach::KernReturn;
use libmach::memory_object::{
    CopyStrategy, Data, ShouldReturn, SupplyCompleted, memory_object_data_error, memory_object_data_supply,
    memory_object_data_unavailable,
};
use libmach::vm::{self, VmProt};

use super::{Access, Manager, WRITES, filled, one_of, send_once_unused};
use crate::support::{P, fails, faults, fixed, hole, me, numbered, ok, page_is, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.10", a_page_and_its_completion),
    ("memory_object.imo.11", more_than_was_asked_for),
    ("memory_object.imo.12", half_a_page),
    ("memory_object.imo.13", what_is_present_stays),
    ("memory_object.imo.14", a_supply_stops_at_what_is_present),
    ("memory_object.imo.15", unavailable_is_zero),
    ("memory_object.imo.16", an_error_is_not_sticky),
    ("memory_object.imo.17", an_error_that_nobody_waits_for),
    ("memory_object.imo.18", two_threads_one_request),
    ("memory_object.imo.19", a_write_says_so),
    ("memory_object.imo.20", supplied_without_write),
    ("memory_object.imo.21", supplied_without_any_access),
    ("memory_object.imo.22", data_that_moves_is_gone),
    ("memory_object.imo.23", data_that_is_copied_can_change),
    ("memory_object.imo.24", an_unknown_lock),
];

const RW_PAGE: (u64, u64) = (0, P);

fn a_page_and_its_completion() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address() + 11)?;
    manager.request(0)?;
    let data = filled(0x5a)?;
    ok("supply", manager.supply_from(0, &data, VmProt::NONE, false, manager.by_reply()))?;
    reader.gives(0x5a)?;
    same("the whole page", true, page_is(region, 0, 0x5a))?;
    manager.supplied(SupplyCompleted { offset: 0, length: P, result: 0, error_offset: 0 })?;
    manager.finish(region)
}

fn more_than_was_asked_for() -> Outcome {
    let (manager, region) = Manager::ready(4, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    ok("supply", manager.supply_from(0, &numbered(4)?, VmProt::NONE, false, None))?;
    reader.gives(2)?;
    for page in 0..4 {
        reads(region.address() + page * P, page as u8 + 1)?;
    }
    manager.nothing()?;
    manager.finish(region)
}

fn half_a_page() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    let data = filled(4)?;
    let half = Data { address: data.address(), size: P / 2, deallocate: false };
    let supplied = memory_object_data_supply(manager.control(), 0, half, VmProt::NONE, false, None);
    fails("half a page", KernReturn::INVALID_ARGUMENT, supplied)?;
    reader.waits()?;
    manager.nothing()?;
    manager.supply(0, 4)?;
    reader.gives(4)?;
    manager.finish(region)
}

fn what_is_present_stays() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    let supplied = manager.supply_from(P, &filled(99)?, VmProt::NONE, false, manager.by_reply());
    fails("supply", KernReturn::MEMORY_PRESENT, supplied)?;
    let result = KernReturn::MEMORY_PRESENT.0;
    manager.supplied(SupplyCompleted { offset: P, length: P, result, error_offset: P })?;
    reads(region.address() + P, 2)?;
    manager.finish(region)
}

fn a_supply_stops_at_what_is_present() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    let supplied = manager.supply_from(0, &numbered(2)?, VmProt::NONE, false, manager.by_reply());
    fails("supply", KernReturn::MEMORY_PRESENT, supplied)?;
    let result = KernReturn::MEMORY_PRESENT.0;
    manager.supplied(SupplyCompleted { offset: 0, length: 2 * P, result, error_offset: 0 })?;
    reader.waits()?;
    manager.supply(P, 22)?;
    reader.gives(22)?;
    manager.finish(region)
}

fn unavailable_is_zero() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    for page in [0, P] {
        let reader = Access::read(region.address() + page)?;
        manager.request(page)?;
        let unavailable = memory_object_data_unavailable(manager.control(), page, P);
        ok("memory_object_data_unavailable", unavailable)?;
        reader.gives(0)?;
    }
    same("zeros", true, page_is(region, 0, 0) && page_is(region, 1, 0))?;
    store(region, 3, 3);
    manager.lock((0, 2 * P), ShouldReturn::DIRTY, true, VmProt::NO_CHANGE)?;
    let back = manager.back()?;
    same("what came back", (0, P, true), (back.offset, back.data.size(), back.dirty))?;
    manager.locked(0, 2 * P)?;
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    manager.supply(P, 6)?;
    reader.gives(6)?;
    manager.finish(region)
}

fn an_error_is_not_sticky() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address() + 77)?;
    manager.request(0)?;
    ok("data_error", memory_object_data_error(manager.control(), 0, P, KernReturn::FAILURE))?;
    reader.fails(KernReturn::MEMORY_ERROR)?;
    let reader = Access::read(region.address() + 77)?;
    manager.request(0)?;
    manager.supply(0, 8)?;
    reader.gives(8)?;
    manager.finish(region)
}

fn an_error_that_nobody_waits_for() -> Outcome {
    let (manager, region) = Manager::ready(3, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    ok("data_error", memory_object_data_error(manager.control(), 0, 3 * P, KernReturn::FAILURE))?;
    reads(region.address(), 1)?;
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    manager.supply(P, 2)?;
    reader.gives(2)?;
    manager.finish(region)
}

fn two_threads_one_request() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let readers = [Access::read(region.address())?, Access::read(region.address() + 1)?];
    manager.request(0)?;
    manager.nothing()?;
    manager.supply(0, 7)?;
    for reader in readers {
        reader.gives(7)?;
    }
    manager.finish(region)
}

fn a_write_says_so() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let writer = Access::write(region, 2, 9)?;
    one_of("access", &WRITES, &manager.request(0)?)?;
    manager.supply(0, 1)?;
    writer.gives(9)?;
    reads(region.address() + 2, 9)?;
    reads(region.address() + 3, 1)?;
    manager.finish_dirty(region, 1)
}

fn supplied_without_write() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply_locked(0, 5, VmProt::WRITE)?;
    reader.gives(5)?;
    let writers = [Access::write(region, 0, 6)?, Access::write(region, 1, 7)?];
    one_of("access", &WRITES, &manager.unlock_wanted(0)?)?;
    manager.nothing()?;
    reads(region.address() + 2, 5)?;
    for writer in &writers {
        writer.waits()?;
    }
    manager.lock_done(RW_PAGE, ShouldReturn::NONE, false, VmProt::NONE)?;
    for (writer, value) in writers.into_iter().zip([6, 7]) {
        writer.gives(value)?;
    }
    manager.finish_dirty(region, 1)
}

fn supplied_without_any_access() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply_locked(0, 5, VmProt::ALL)?;
    same("access", VmProt::READ, manager.unlock_wanted(0)?)?;
    manager.nothing()?;
    reader.waits()?;
    manager.lock_done(RW_PAGE, ShouldReturn::NONE, false, VmProt::NONE)?;
    reader.gives(5)?;
    manager.finish(region)
}

fn data_that_moves_is_gone() -> Outcome {
    let (manager, region) = Manager::ready(40, CopyStrategy::DELAY)?;
    // One page is copied, many are moved: the sender must not see the difference.
    for (offset, count) in [(0, 1), (P, 39)] {
        let address = ok("vm_allocate", fixed(hole(count)?, count * P))?;
        for page in 0..count {
            ok("vm_write", vm::vm_write(me(), address + page * P + 9, &[page as u8 + 1]))?;
        }
        let whole = Data { address, size: count * P, deallocate: true };
        let supplied = memory_object_data_supply(manager.control(), offset, whole, VmProt::NONE, false, None);
        ok("supply", supplied)?;
        faults(whole.address, KernReturn::INVALID_ADDRESS)?;
        faults(whole.address + whole.size - 1, KernReturn::INVALID_ADDRESS)?;
    }
    reads(region.address() + 9, 1)?;
    for page in 1..40 {
        reads(region.address() + page * P + 9, page as u8)?;
    }
    manager.finish(region)
}

fn data_that_is_copied_can_change() -> Outcome {
    let (manager, region) = Manager::ready(40, CopyStrategy::DELAY)?;
    let data = numbered(40)?;
    ok("supply", manager.supply_from(0, &data, VmProt::NONE, false, None))?;
    for page in 0..40 {
        store(&data, page * P, 0xee);
        reads(region.address() + page * P, page as u8 + 1)?;
    }
    manager.finish(region)
}

fn an_unknown_lock() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    let lock = VmProt::from_bits_retain(8);
    let supplied = manager.supply_from(0, &filled(1)?, lock, false, manager.by_reply());
    fails("supply", KernReturn::INVALID_ARGUMENT, supplied)?;
    send_once_unused(manager.reply_port())?;
    reader.waits()?;
    manager.supply(0, 2)?;
    reader.gives(2)?;
    manager.finish(region)
}
