//! Backing stores: error rows, and the cases of the specification with disks that have names.

use mach_protocol::KernReturn;
use mach_protocol::block::{DISK, DiskInfo, DiskName};
use mach_protocol::default_pager::{AddSegment, BasicInfo};

use super::model::{Data, Model};
use crate::core::Core;
use crate::stores::{AtStart, MAX_STORES, StoreId, Stores, at_start};

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;

/// A pager with disks that it could use: `big`, also called `disk`, of 100 pages, `small` of 10, `fixed` that cannot be written,
/// and `tiny` of less than a page.
struct World {
    core: Core<Data>,
    model: Model,
    stores: Stores,
}

impl World {
    fn new() -> Self {
        let shelf =
            vec![("big", "disk", 800, true), ("small", "", 80, true), ("fixed", "", 80, false), ("tiny", "", 7, true)];
        let mut model = Model::default();
        (model.shelf, model.sessions) = (shelf, 4);
        Self { core: Core::default(), model, stores: Stores::default() }
    }

    fn store(&mut self) -> StoreId {
        self.stores.create(4, 16 * 4096).expect("a store")
    }

    /// Adds a segment of so many pages from a page on.
    fn add(&mut self, id: StoreId, disk: &str, page: u64, pages: u64) -> Result<(), KernReturn> {
        self.segment(id, AddSegment { device: DiskName::new(disk), offset: page, count: pages, record_size: 4096 })
    }

    fn segment(&mut self, id: StoreId, segment: AddSegment) -> Result<(), KernReturn> {
        self.stores.add_segment(&mut self.core, &mut self.model, id, &segment)
    }

    fn add_file(&mut self, name: &str) -> Result<(), KernReturn> {
        self.stores.add_file(&mut self.core, &mut self.model, &DiskName::new(name))
    }

    fn remove_file(&mut self, name: &str) -> Result<(), KernReturn> {
        self.stores.remove_file(&mut self.core, &mut self.model, &DiskName::new(name)).map(drop)
    }

    fn delete(&mut self, id: StoreId) -> Result<(), KernReturn> {
        self.stores.delete(&mut self.core, &mut self.model, id).map(drop)
    }

    /// All transfers end, and removals with them. Answers the stores that are gone.
    fn settle(&mut self) -> Vec<StoreId> {
        self.model.finish_all(&mut self.core);
        let drained = core::mem::take(&mut self.model.drained);
        let gone =
            drained.into_iter().filter_map(|(removal, outcome)| self.stores.removed(&mut self.model, removal, outcome));
        gone.collect()
    }

    fn info(&self, id: StoreId) -> BasicInfo {
        self.stores.info(&self.core, id, 1, 15).expect("there is such a store")
    }

    /// So many pages of a new object go out.
    fn page_out(&mut self, pages: u64) -> u64 {
        let object = self.core.create();
        for page in (0..pages).step_by(16) {
            self.model.page_out(&mut self.core, object, page, (pages - page).min(16));
        }
        self.model.finish_all(&mut self.core);
        object
    }

    /// All pages of an object come in; the model sees to it that they hold what they must.
    fn page_in(&mut self, object: u64, pages: u64) {
        let before = self.model.supplied;
        for page in 0..pages {
            self.model.page_in(&mut self.core, object, page, 1);
            self.model.finish_all(&mut self.core);
        }
        assert_eq!(self.model.supplied - before, pages);
    }
}

#[test]
fn create_err01_there_are_too_many_stores() {
    let mut world = World::new();
    (0..MAX_STORES as u64).for_each(|number| assert_eq!(world.store(), number));
    assert_eq!(world.stores.create(0, 0), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(world.add_file("big"), Err(KernReturn::FAILURE));
    assert_eq!(world.delete(3), Ok(()));
    assert_eq!(world.settle(), [3]);
    assert!(world.stores.create(0, 0).is_ok());
}

#[test]
fn a_store_has_a_priority_and_a_cluster() {
    let mut world = World::new();
    for (priority, wanted) in [(4, 4), (-1, 4), (0, 0), (3, 0), (5, 0), (i32::MIN, 0)] {
        let id = world.stores.create(priority, 0).expect("a store");
        assert_eq!(world.info(id).bs_priority, wanted);
    }
    for (bytes, pages) in
        [(0, 16), (1, 1), (4096, 1), (4097, 2), (5 * 4096, 8), (65536, 16), (65537, 16), (u64::MAX, 16)]
    {
        let id = world.stores.create(0, bytes).expect("a store");
        assert_eq!(world.info(id).bs_clsize, pages * 4096, "{bytes} bytes");
    }
}

#[test]
fn add_segment_err01_there_is_no_such_store() {
    let mut world = World::new();
    assert_eq!(world.add(7, "big", 0, 16), Err(BAD));
    let (first, second) = (world.store(), world.store());
    assert_eq!(world.add(first, "big", 0, 32), Ok(()));
    assert_eq!(world.add(second, "big", 32, 32), Ok(()));
    world.core.create();
    let object = world.page_out(20);
    assert_eq!(world.delete(first), Ok(()));
    assert_eq!(world.add(first, "small", 0, 10), Err(BAD), "it is being deleted");
    assert_eq!(world.settle(), [first]);
    world.page_in(object, 20);
}

#[test]
fn add_segment_err02_records_are_no_sectors_or_wrap() {
    let mut world = World::new();
    let id = world.store();
    let good = AddSegment { device: DiskName::new("big"), offset: 0, count: 16, record_size: 4096 };
    for record_size in [0, 1, 511, 513, u32::MAX] {
        assert_eq!(world.segment(id, AddSegment { record_size, ..good }), Err(BAD), "{record_size}");
    }
    for (offset, count) in [(u64::MAX, 16), (0, u64::MAX), (u64::MAX / 8, 16), (1, u64::MAX / 8)] {
        assert_eq!(world.segment(id, AddSegment { offset, count, ..good }), Err(BAD), "{count} from {offset} on");
    }
    assert_eq!(world.segment(id, AddSegment { offset: 8, count: 128, record_size: 512, ..good }), Ok(()));
    assert_eq!(world.info(id).bs_pages_total, 16);
}

#[test]
fn add_segment_err03_there_is_no_full_cluster() {
    let mut world = World::new();
    let id = world.store();
    for pages in [0, 1, 15] {
        assert_eq!(world.add(id, "big", 0, pages), Err(BAD));
    }
    assert_eq!(world.add(id, "big", 0, 33), Ok(()), "what is left behind the last one is not used");
    assert_eq!(world.info(id).bs_pages_total, 32);
}

#[test]
fn add_segment_err04_there_are_too_many_areas() {
    let mut world = World::new();
    let id = world.stores.create(0, 1).expect("a store");
    world.model.sessions = 100;
    for page in 0..32 {
        assert_eq!(world.add(id, "big", page, 1), Ok(()));
    }
    assert_eq!(world.add(id, "big", 40, 1), Err(KernReturn::RESOURCE_SHORTAGE));
}

#[test]
fn i_dp_12_add_segment_err05_an_overlapping_segment_or_none_of_the_disk() {
    let mut world = World::new();
    let (first, second) = (world.store(), world.store());
    assert_eq!(world.add(first, "big", 16, 32), Ok(()));
    for (page, pages) in [(16, 32), (0, 32), (47, 16), (20, 16), (0, 100)] {
        for id in [first, second] {
            assert_eq!(world.add(id, "big", page, pages), Err(BAD), "{pages} pages from {page} on");
        }
    }
    for (disk, page, pages) in [("none", 0, 16), ("big", 100, 16), ("big", 90, 16)] {
        assert_eq!(world.add(first, disk, page, pages), Err(BAD), "{pages} pages of {disk} from {page} on");
    }
    assert_eq!(world.add(second, "big", 0, 16), Ok(()));
    assert_eq!(world.add(second, "big", 48, 52), Ok(()));
    assert_eq!((world.info(first).bs_pages_total, world.info(second).bs_pages_total), (32, 64));
}

#[test]
fn add_segment_err06_the_driver_has_no_room() {
    let mut world = World::new();
    let id = world.store();
    world.model.sessions = 1;
    assert_eq!(world.add(id, "big", 0, 16), Ok(()));
    assert_eq!(world.add(id, "big", 16, 16), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(world.core.space(), (16, 16));
}

#[test]
fn add_segment_err07_the_disk_cannot_be_written() {
    let mut world = World::new();
    let id = world.stores.create(0, 1).expect("a store");
    assert_eq!(world.add(id, "fixed", 0, 10), Err(KernReturn::FAILURE));
}

#[test]
fn paging_file_codes() {
    let mut world = World::new();
    for (name, wanted) in [
        ("none", Err(BAD)),
        ("fixed", Err(KernReturn::FAILURE)),
        ("tiny", Err(KernReturn::FAILURE)),
        ("big", Ok(())),
        ("big", Err(BAD)),
        ("disk", Err(BAD)),
        ("small", Ok(())),
    ] {
        assert_eq!(world.add_file(name), wanted, "{name}");
    }
    assert_eq!(world.core.space(), (110, 110));
    assert_eq!(world.remove_file("none"), Err(BAD));
    assert_eq!(world.remove_file("tiny"), Err(BAD), "it could not be added");
    assert_eq!(world.remove_file("disk"), Ok(()), "by its other name");
    assert_eq!(world.settle().len(), 1);
    assert_eq!(world.core.space(), (10, 10));
    assert_eq!(world.remove_file("big"), Err(BAD));
    assert_eq!(world.add_file("disk"), Ok(()), "once more");
}

#[test]
fn a_file_is_no_segments() {
    let mut world = World::new();
    let id = world.store();
    assert_eq!(world.add(id, "big", 0, 32), Ok(()));
    assert_eq!(world.add_file("big"), Err(BAD), "some of it is in use");
    assert_eq!(world.remove_file("big"), Err(BAD), "it was not added so");
    assert_eq!(world.info(id).bs_pages_total, 32);
}

#[test]
fn i_dp_11_info_needs_its_flavor_and_room() {
    let mut world = World::new();
    let id = world.store();
    for (flavor, count, store) in [(0, 15, id), (2, 15, id), (1, 14, id), (1, 0, id), (1, 15, id + 1)] {
        assert_eq!(world.stores.info(&world.core, store, flavor, count), Err(BAD), "{flavor} {count} {store}");
    }
    assert!(world.stores.info(&world.core, id, 1, 16).is_ok());
}

#[test]
fn i_dp_11_info_counts() {
    let mut world = World::new();
    let (first, second) = (world.store(), world.stores.create(0, 0).expect("a store"));
    assert_eq!(world.add(first, "big", 0, 16), Ok(()));
    assert_eq!(world.add(first, "small", 0, 10), Err(BAD), "less than a cluster");
    assert_eq!(world.add(second, "big", 16, 32), Ok(()));
    let object = world.page_out(20);
    world.page_in(object, 18);
    let (high, low) = (world.info(first), world.info(second));
    assert_eq!((high.bs_pages_total, high.bs_pages_free, high.bs_pages_out, high.bs_pages_in), (16, 0, 16, 16));
    assert_eq!((low.bs_pages_total, low.bs_pages_free, low.bs_pages_out, low.bs_pages_in), (32, 28, 4, 2));
    for info in [high, low] {
        assert_eq!((info.pageout_calls, info.pagein_calls, info.pages_out, info.pages_in), (2, 18, 20, 18));
        assert_eq!((info.bs_pages_in_fail, info.bs_pages_out_fail), (0, 0));
    }
}

#[test]
fn delete_err01_there_is_no_such_store() {
    let mut world = World::new();
    assert_eq!(world.delete(0), Err(BAD));
    let id = world.store();
    assert_eq!(world.delete(id), Ok(()));
    assert_eq!(world.settle(), [id]);
    assert_eq!(world.delete(id), Err(BAD));
}

#[test]
fn delete_err02_it_is_being_deleted() {
    let mut world = World::new();
    let (first, second) = (world.store(), world.store());
    assert_eq!(world.add(first, "big", 0, 32), Ok(()));
    assert_eq!(world.add(second, "big", 32, 32), Ok(()));
    let object = world.page_out(20);
    assert_eq!(world.delete(first), Ok(()));
    assert_eq!(world.delete(first), Err(KernReturn::FAILURE));
    assert_eq!(world.settle(), [first]);
    world.page_in(object, 20);
    // One without segments, of which no area says that it is being removed.
    let empty = world.store();
    assert_eq!(world.delete(empty), Ok(()));
    assert_eq!(world.delete(empty), Err(KernReturn::FAILURE));
    assert_eq!(world.settle(), [empty]);
}

#[test]
fn i_dp_13_delete_err03_the_only_store_is_in_use() {
    let mut world = World::new();
    let id = world.store();
    assert_eq!(world.add(id, "big", 0, 16), Ok(()));
    assert_eq!(world.add(id, "big", 32, 16), Ok(()));
    let object = world.page_out(20);
    assert_eq!(world.delete(id), Err(KernReturn::FAILURE));
    // It stays in use, all of it, and paging goes on.
    let more = world.page_out(12);
    assert_eq!(world.info(id).bs_pages_free, 0);
    world.page_in(object, 20);
    world.page_in(more, 12);
    assert_eq!(world.settle(), [0; 0]);
}

#[test]
fn i_dp_14_one_of_two_stores_is_deleted_and_the_contents_are_intact() {
    let mut world = World::new();
    let (first, second) = (world.store(), world.store());
    // Two segments each, in turn.
    for (id, page) in [(first, 0), (second, 16), (first, 32), (second, 48)] {
        assert_eq!(world.add(id, "big", page, 16), Ok(()));
    }
    let object = world.page_out(30);
    assert_eq!(world.delete(first), Ok(()));
    assert_eq!(world.settle(), [first]);
    assert_eq!(world.core.space(), (32, 2));
    assert_eq!(world.stores.info(&world.core, first, 1, 15), Err(BAD));
    world.page_in(object, 30);
    // What it had can be used again.
    assert_eq!(world.add(second, "big", 0, 16), Ok(()));
}

#[test]
fn a_store_that_cannot_be_emptied_stays_in_use_whole() {
    let mut world = World::new();
    let (first, second) = (world.store(), world.store());
    for (id, page) in [(first, 0), (first, 16), (second, 32)] {
        assert_eq!(world.add(id, "big", page, 16), Ok(()));
    }
    let object = world.page_out(16);
    assert_eq!(world.info(first).bs_pages_free, 16);
    assert_eq!(world.delete(first), Ok(()), "there is room");
    // Until others take it, before all is moved.
    let other = world.core.create();
    world.model.page_out(&mut world.core, other, 0, 16);
    assert_eq!(world.settle(), [0; 0]);
    assert_eq!(world.core.space().0, 48, "all of both is in use");
    world.page_in(object, 16);
    world.model.page_in(&mut world.core, other, 0, 16);
    world.model.finish_all(&mut world.core);
    assert_eq!(world.model.errors, 0);
}

#[test]
fn a_disk_with_something_on_it_is_not_made_a_paging_area_unasked() {
    let whole = DiskInfo { kind: DISK, serial: DiskName::new("disk"), sectors: 8, ..DiskInfo::default() };
    let partition = DiskInfo { kind: 0x82, sectors: 8, ..DiskInfo::default() };
    assert_eq!((at_start(&whole), at_start(&partition)), (AtStart::Use, AtStart::Use));
    let refused = [
        DiskInfo { is_signed: true, ..whole },
        DiskInfo { is_read_only: true, ..whole },
        DiskInfo { sectors: 7, ..whole },
        DiskInfo { is_read_only: true, ..partition },
        DiskInfo { sectors: 1, ..partition },
    ];
    assert!(refused.iter().all(|disk| matches!(at_start(disk), AtStart::Refuse(_))));
    let left = [
        DiskInfo { is_divided: true, is_signed: true, ..whole },
        DiskInfo { serial: DiskName::new("volume"), ..whole },
        DiskInfo { kind: 0x0c, ..partition },
    ];
    assert!(left.iter().all(|disk| at_start(disk) == AtStart::Leave));
}
