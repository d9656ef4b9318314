//! Areas that come and go: paging files, backing stores, segments, alerts.
//!
//! At the start the pager has one area, the disk `disk`; the disk `test` is free.

use libmach::default_pager::{
    AddSegment, BACKING_STORE_BASIC_INFO, BACKING_STORE_NOPRI, BASIC_INFO_COUNT, HI_WAT_ALERT, LO_WAT_ALERT, areas,
    default_pager_add_segment, default_pager_backing_store_create, default_pager_backing_store_delete,
    default_pager_backing_store_info, default_pager_object_create, default_pager_paging_file, default_pager_triggers,
    space_alert,
};
use libmach::msg::{Timeout, receive};
use libmach::port::{PortType, ReceivePort, mach_port_deallocate, mach_port_type};
use libmach::task::mach_task_self;
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, PortName};
use mach_protocol::block::DiskName;

use crate::support::{MEGABYTE, fails, filled, free_space, intact, page_out, pager, said, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("pager.i-dp.11", info_needs_room),
    ("pager.i-dp.12", segments_do_not_overlap),
    ("pager.i-dp.13-14.files", paging_files_come_and_go),
    ("pager.i-dp.13-14.stores", backing_stores_come_and_go),
    ("pager.i-dp.20", an_alert_once_a_crossing),
];

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
const PAGES: u64 = PAGE_SIZE;

/// A segment of the free disk, in pages.
fn segment(offset: u64, count: u64) -> AddSegment {
    AddSegment { device: DiskName::new("test"), offset, count, record_size: PAGES as u32 }
}

fn create(pager: PortName) -> Result<PortName, alloc::string::String> {
    default_pager_backing_store_create(pager, BACKING_STORE_NOPRI, 0).map_err(said("backing_store_create"))
}

/// Deletes a store, and wants its port to be dead.
fn delete(store: PortName) -> Outcome {
    default_pager_backing_store_delete(store).map_err(said("backing_store_delete"))?;
    let kind = mach_port_type(mach_task_self(), store).map_err(said("mach_port_type"))?;
    same("the store's port", PortType::DEAD_NAME, kind)?;
    fails("a call to it", KernReturn::SEND_INVALID_DEST, default_pager_backing_store_delete(store))?;
    mach_port_deallocate(mach_task_self(), store).map_err(said("mach_port_deallocate"))
}

fn info_needs_room() -> Outcome {
    let pager = pager()?;
    let store = create(pager)?;
    let info = |flavor, count| default_pager_backing_store_info(store, flavor, count);
    fails("count 14", BAD, info(BACKING_STORE_BASIC_INFO, 14))?;
    fails("flavor 2", BAD, info(2, BASIC_INFO_COUNT))?;
    let told = info(BACKING_STORE_BASIC_INFO, BASIC_INFO_COUNT).map_err(said("backing_store_info"))?;
    same("its pages, priority and cluster", (0, 4, 65536), (told.bs_pages_total, told.bs_priority, told.bs_clsize))?;
    let by_pager = default_pager_backing_store_info(pager, BACKING_STORE_BASIC_INFO, BASIC_INFO_COUNT);
    fails("at the pager's port", BAD, by_pager)?;
    fails("deleting the pager", BAD, default_pager_backing_store_delete(pager))?;
    fails("an object of the store's", BAD, default_pager_object_create(store, PAGES))?;
    delete(store)
}

fn segments_do_not_overlap() -> Outcome {
    let pager = pager()?;
    let (first, second) = (create(pager)?, create(pager)?);
    let add = default_pager_add_segment;
    add(first, &segment(16, 64)).map_err(said("add_segment"))?;
    for (store, offset, count) in [(first, 16, 64), (second, 0, 32), (second, 79, 16), (first, 32, 16)] {
        fails("an overlapping segment", BAD, add(store, &segment(offset, count)))?;
    }
    fails("a segment beyond the disk", BAD, add(first, &segment(1 << 30, 16)))?;
    fails("less than a cluster", BAD, add(first, &segment(256, 15)))?;
    let device = DiskName::new("no-disk");
    fails("a segment of no disk", BAD, add(first, &AddSegment { device, ..segment(0, 16) }))?;
    let device = DiskName::new("disk");
    fails("a segment of the paging file", BAD, add(first, &AddSegment { device, ..segment(0, 16) }))?;
    fails("the disk as a whole", BAD, default_pager_paging_file(pager, "test", true))?;
    add(second, &segment(80, 40)).map_err(said("add_segment"))?;
    let told = default_pager_backing_store_info(second, BACKING_STORE_BASIC_INFO, BASIC_INFO_COUNT);
    same("pages of the second", 32, told.map_err(said("backing_store_info"))?.bs_pages_total)?;
    let all = areas(pager).map_err(said("areas"))?;
    same("areas", 3, all.len())?;
    delete(first)?;
    delete(second)
}

fn paging_files_come_and_go() -> Outcome {
    let pager = pager()?;
    let file = |name, add| default_pager_paging_file(pager, name, add);
    let memory = filled(1, 4 * MEGABYTE)?;
    page_out(&memory, 800)?;
    fails("removing the only one", KernReturn::FAILURE, file("disk", false))?;
    fails("removing what is none", BAD, file("test", false))?;
    fails("adding one twice", BAD, file("disk", true))?;
    fails("adding what is none", BAD, file("no-disk", true))?;
    intact(&memory, 1)?;
    page_out(&memory, 800)?;
    file("test", true).map_err(said("adding another"))?;
    file("disk", false).map_err(said("removing the first"))?;
    let all = areas(pager).map_err(said("areas"))?;
    same("areas", 1, all.len())?;
    intact(&memory, 1)?;
    // Everything goes on with the other.
    let more = filled(2, 4 * MEGABYTE)?;
    page_out(&more, 800)?;
    file("disk", true).map_err(said("adding the first again"))?;
    file("test", false).map_err(said("removing the other"))?;
    intact(&memory, 1)?;
    intact(&more, 2)
}

fn backing_stores_come_and_go() -> Outcome {
    let pager = pager()?;
    let memory = filled(3, 4 * MEGABYTE)?;
    page_out(&memory, 800)?;
    let store = create(pager)?;
    for offset in [0, 2048] {
        default_pager_add_segment(store, &segment(offset, 1024)).map_err(said("add_segment"))?;
    }
    default_pager_paging_file(pager, "disk", false).map_err(said("removing the file"))?;
    // All is in the store now, which is the only one.
    fails("deleting the only store", KernReturn::FAILURE, default_pager_backing_store_delete(store))?;
    intact(&memory, 3)?;
    page_out(&memory, 800)?;
    default_pager_paging_file(pager, "disk", true).map_err(said("adding the file"))?;
    delete(store)?;
    intact(&memory, 3)
}

fn an_alert_once_a_crossing() -> Outcome {
    let pager = pager()?;
    let port = ReceivePort::new().map_err(said("a port"))?;
    let triggers = |high, low, flags, to| default_pager_triggers(pager, high, low, flags, to);
    fails("unknown flags", BAD, triggers(1, 1, 4, port.name()))?;
    fails("no port", BAD, triggers(1, 1, HI_WAT_ALERT, PortName::NULL))?;
    let memory = filled(6, 4 * MEGABYTE)?;
    let free = free_space(pager)?;
    let (high, low) = (free - MEGABYTE, free - MEGABYTE / 2);
    triggers(high, low, HI_WAT_ALERT | LO_WAT_ALERT, port.name()).map_err(said("triggers"))?;
    let next = |limit| receive(port.name(), Timeout::Millis(limit)).map(|message| space_alert(&message));
    page_out(&memory, 900)?;
    same("the first alert", Ok(Some(HI_WAT_ALERT)), next(5_000))?;
    same("another", Err(KernReturn::RCV_TIMED_OUT), next(100))?;
    drop(memory);
    same("the second alert", Ok(Some(LO_WAT_ALERT)), next(5_000))?;
    same("another", Err(KernReturn::RCV_TIMED_OUT), next(100))?;
    triggers(0, 0, 0, PortName::NULL).map_err(said("no triggers"))?;
    let memory = filled(7, 4 * MEGABYTE)?;
    page_out(&memory, 900)?;
    same("an alert that nobody wants", Err(KernReturn::RCV_TIMED_OUT), next(100))
}
