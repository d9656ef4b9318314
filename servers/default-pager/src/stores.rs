//! Backing stores: segments of disks, in groups that are deleted as one.
//!
//! | call | store |
//! |---|---|
//! | `default_pager_paging_file`, and each paging area that is there at the start | of one segment, a whole disk or partition |
//! | `default_pager_backing_store_create`, `default_pager_add_segment` | of any segments |
//!
//! A segment is an area of the [`core`](mod@crate::core). Invariant **STORE-1**: every area of the core is one segment of one
//! store, until the store is gone.

use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::block::{DISK, DiskInfo, DiskName, PAGING_AREA};
use mach_protocol::default_pager::{
    BACKING_STORE_BASIC_INFO, BACKING_STORE_MAXPRI, BACKING_STORE_NOPRI, BASIC_INFO_COUNT, BasicInfo,
};

use crate::PAGE_SIZE;
use crate::core::{AreaInfo, Core, Extent};
use crate::held::CLUSTER;
use crate::world::{Backing, NoRoom, Pages, Removal, SECTORS_A_PAGE, Wanted};

/// The most backing stores.
pub const MAX_STORES: usize = 16;

/// The serial number of a disk that is a paging area as a whole.
const PAGING_DISK: &str = "disk";

/// What a disk is to a pager that starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// A paging area.
    Use,
    /// None of the pager's business.
    Leave,
    /// It would be a paging area, but for this.
    Refuse(&'static str),
}

/// Looks at a disk when the pager starts: paging areas are all partitions of that type, and the whole disk with the serial number
/// `disk` unless it shows that there is something on it, which would be lost.
#[must_use]
pub fn at_start(disk: &DiskInfo) -> AtStart {
    let is_named = disk.kind == DISK && !disk.is_divided && disk.serial == DiskName::new(PAGING_DISK);
    if !is_named && disk.kind != u32::from(PAGING_AREA) {
        AtStart::Leave
    } else if disk.is_signed {
        AtStart::Refuse(
            "its first sector is that of a volume, or has a partition table that makes no sense, or cannot be read",
        )
    } else if disk.is_read_only {
        AtStart::Refuse("it cannot be written")
    } else if disk.sectors < SECTORS_A_PAGE {
        AtStart::Refuse("it has no room for a page")
    } else {
        AtStart::Use
    }
}

/// The number of a store. Numbers are not used again.
pub type StoreId = u64;

/// A part of a disk, which is an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    disk: DiskName,
    start: u64,
    area: usize,
}

#[derive(Debug)]
struct Store {
    id: StoreId,
    priority: i32,
    /// Pages that are written at once.
    cluster: u64,
    segments: Vec<Segment>,
    /// The disk that it is, if it was made by `paging_file`.
    file: Option<DiskName>,
    /// It is being deleted.
    removal: Option<Removal>,
}

/// All stores.
#[derive(Debug, Default)]
pub struct Stores {
    all: Vec<Store>,
    next: StoreId,
}

impl Stores {
    /// `default_pager_backing_store_create`: a store without segments. How its priority and its cluster's bytes are taken is said at
    /// [`StoreCreate`](mach_protocol::default_pager::StoreCreate).
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | there are not [`MAX_STORES`] | `RESOURCE_SHORTAGE` |
    pub fn create(&mut self, priority: i32, cluster_size: u64) -> Result<StoreId, KernReturn> {
        let cluster = match cluster_size.div_ceil(PAGE_SIZE) {
            0 => CLUSTER,
            pages => pages.min(CLUSTER).next_power_of_two(),
        };
        let is_highest = matches!(priority, BACKING_STORE_MAXPRI | BACKING_STORE_NOPRI);
        self.enter(if is_highest { BACKING_STORE_MAXPRI } else { 0 }, cluster, None)
    }

    fn enter(&mut self, priority: i32, cluster: u64, file: Option<DiskName>) -> Result<StoreId, KernReturn> {
        if self.all.len() >= MAX_STORES {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        let id = self.next;
        self.next += 1;
        self.all.push(Store { id, priority, cluster, segments: Vec::new(), file, removal: None });
        Ok(id)
    }

    fn get(&self, id: StoreId) -> Result<&Store, KernReturn> {
        self.all.iter().find(|store| store.id == id).ok_or(KernReturn::INVALID_ARGUMENT)
    }

    fn get_mut(&mut self, id: StoreId) -> Result<&mut Store, KernReturn> {
        self.all.iter_mut().find(|store| store.id == id).ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// `default_pager_add_segment`: `count` records of a disk, from record `offset` on.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | there is such a store, and it is not being deleted | `INVALID_ARGUMENT` |
    /// | 2 | a record has whole sectors, and the segment's end is a number | `INVALID_ARGUMENT` |
    /// | 3 | the segment has a full cluster | `INVALID_ARGUMENT` |
    /// | 4 | there is room for one more area | `RESOURCE_SHORTAGE` |
    /// | 5 | the disk is there, and has the segment, and nothing of it is in use | `INVALID_ARGUMENT` |
    /// | 6 | the driver has room for one more session | `RESOURCE_SHORTAGE` |
    /// | 7 | the disk can be written | `FAILURE` |
    pub fn add_segment<D: Pages, W: Backing<Data = D>>(
        &mut self,
        core: &mut Core<D>,
        world: &mut W,
        id: StoreId,
        segment: &mach_protocol::default_pager::AddSegment,
    ) -> Result<(), KernReturn> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        const SECTOR: u64 = PAGE_SIZE / SECTORS_A_PAGE;
        let store = self.get_mut(id).ok().filter(|store| store.removal.is_none()).ok_or(BAD)?;
        let record = u64::from(segment.record_size);
        let sectors =
            Some(record / SECTOR).filter(|sectors| *sectors > 0 && record.is_multiple_of(SECTOR)).ok_or(BAD)?;
        let start = segment.offset.checked_mul(sectors).ok_or(BAD)?;
        let length = segment.count.checked_mul(sectors).ok_or(BAD)?;
        start.checked_add(length).ok_or(BAD)?;
        let cluster = store.cluster * SECTORS_A_PAGE;
        let sectors = length / cluster * cluster;
        if sectors == 0 {
            return Err(BAD);
        }
        let wanted = Wanted { disk: segment.device, start, sectors, buffers: SEGMENT_BUFFERS };
        add(core, world, store, &wanted).map_err(|code| match code {
            KernReturn::RESOURCE_SHORTAGE => code,
            code => disk_code(code),
        })
    }

    /// `default_pager_paging_file`: adds a whole disk or partition, as a store of its own.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | there is room for one more store and one more area | `FAILURE` |
    /// | 2 | the disk is there, and nothing of it is in use | `INVALID_ARGUMENT` |
    /// | 3 | the driver has room, and the disk can be written | `FAILURE` |
    pub fn add_file<D: Pages, W: Backing<Data = D>>(
        &mut self,
        core: &mut Core<D>,
        world: &mut W,
        name: &DiskName,
    ) -> Result<(), KernReturn> {
        let file = world.canonical(name).unwrap_or(*name);
        let id = self.enter(BACKING_STORE_MAXPRI, CLUSTER, Some(file)).map_err(|_| KernReturn::FAILURE)?;
        let wanted = Wanted { disk: file, start: 0, sectors: 0, buffers: FILE_BUFFERS };
        let added = self.get_mut(id).and_then(|store| add(core, world, store, &wanted).map_err(disk_code));
        added.inspect_err(|_| self.all.retain(|store| store.id != id))
    }

    /// `default_pager_paging_file`: begins to remove what [`Stores::add_file`] added.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | the disk was added so | `INVALID_ARGUMENT` |
    /// | 2 | those of [`Stores::delete`] | `FAILURE` |
    pub fn remove_file<D: Pages, W: Backing<Data = D>>(
        &mut self,
        core: &mut Core<D>,
        world: &mut W,
        name: &DiskName,
    ) -> Result<Removal, KernReturn> {
        let file = world.canonical(name).unwrap_or(*name);
        let store = self.all.iter().find(|store| store.file == Some(file)).ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.delete(core, world, store.id)
    }

    /// `default_pager_backing_store_delete`: begins to delete a store; the world is told of the end, and [`Stores::removed`] has
    /// to be.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | there is such a store | `INVALID_ARGUMENT` |
    /// | 2 | it is not being deleted | `FAILURE` |
    /// | 3 | the others have room for what it holds | `FAILURE` |
    pub fn delete<D: Pages, W: Backing<Data = D>>(
        &mut self,
        core: &mut Core<D>,
        world: &mut W,
        id: StoreId,
    ) -> Result<Removal, KernReturn> {
        let store = self.get_mut(id)?;
        if store.removal.is_some() {
            return Err(KernReturn::FAILURE);
        }
        let areas: Vec<usize> = store.segments.iter().map(|segment| segment.area).collect();
        let removal = core.remove_areas(world, &areas).map_err(|NoRoom| KernReturn::FAILURE)?;
        store.removal = Some(removal);
        Ok(removal)
    }

    /// A removal is over. Answers the store, if it is gone with it.
    pub fn removed<W: Backing>(
        &mut self,
        world: &mut W,
        removal: Removal,
        outcome: Result<(), NoRoom>,
    ) -> Option<StoreId> {
        let index = self.all.iter().position(|store| store.removal == Some(removal))?;
        if outcome.is_err() {
            self.all.get_mut(index)?.removal = None;
            return None;
        }
        let store = self.all.swap_remove(index);
        store.segments.iter().for_each(|segment| world.close(segment.area));
        Some(store.id)
    }

    /// `default_pager_backing_store_info`.
    ///
    /// # Errors
    ///
    /// | # | check | code |
    /// |---|---|---|
    /// | 1 | the flavor is [`BACKING_STORE_BASIC_INFO`] | `INVALID_ARGUMENT` |
    /// | 2 | there is room for [`BASIC_INFO_COUNT`] fields | `INVALID_ARGUMENT` |
    /// | 3 | there is such a store | `INVALID_ARGUMENT` |
    pub fn info<D: Pages>(
        &self,
        core: &Core<D>,
        id: StoreId,
        flavor: u32,
        count: u32,
    ) -> Result<BasicInfo, KernReturn> {
        if flavor != BACKING_STORE_BASIC_INFO || count < BASIC_INFO_COUNT {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let store = self.get(id)?;
        let areas = || store.segments.iter().filter_map(|segment| core.area_info(segment.area));
        let sum = |of: fn(&AreaInfo) -> u64| narrow(areas().map(|area| of(&area)).sum());
        let counts = core.counts();
        Ok(BasicInfo {
            pageout_calls: narrow(counts.pageout_calls),
            pagein_calls: narrow(counts.pagein_calls),
            pages_in: narrow(counts.pages_in),
            pages_out: narrow(counts.pages_out),
            pages_unavail: narrow(counts.pages_unavailable),
            pages_init: narrow(counts.pages_initialized),
            pages_init_writes: narrow(counts.initial_pages_taken),
            bs_pages_total: sum(|area| area.total),
            bs_pages_free: sum(|area| area.free),
            bs_pages_in: sum(|area| area.counts.pages_in),
            bs_pages_in_fail: sum(|area| area.counts.pages_in_failed),
            bs_pages_out: sum(|area| area.counts.pages_out),
            bs_pages_out_fail: sum(|area| area.counts.pages_out_failed),
            bs_priority: store.priority,
            bs_clsize: narrow(store.cluster * PAGE_SIZE),
        })
    }

    /// Where an area is: the disk, and the first sector on it.
    #[must_use]
    pub fn place(&self, area: usize) -> Option<(DiskName, u64)> {
        let mut segments = self.all.iter().flat_map(|store| &store.segments);
        segments.find(|segment| segment.area == area).map(|segment| (segment.disk, segment.start))
    }
}

/// Buffers of a segment, and of a whole disk.
const SEGMENT_BUFFERS: usize = 4;
const FILE_BUFFERS: usize = 16;

/// Opens a part of a disk, and makes it a segment of a store. The error is what [`Backing::open`] says, or `RESOURCE_SHORTAGE`.
fn add<D: Pages, W: Backing<Data = D>>(
    core: &mut Core<D>,
    world: &mut W,
    store: &mut Store,
    wanted: &Wanted,
) -> Result<(), KernReturn> {
    let area = core.free_area().ok_or(KernReturn::RESOURCE_SHORTAGE)?;
    let opened = world.open(area, wanted)?;
    let slots = u32::try_from(opened.sectors / SECTORS_A_PAGE).unwrap_or(u32::MAX);
    if slots == 0 {
        world.close(area);
        return Err(KernReturn::FAILURE);
    }
    let extent = Extent { slots, buffers: opened.buffers, priority: store.priority, cluster: store.cluster as u32 };
    store.segments.push(Segment { disk: wanted.disk, start: wanted.start, area });
    core.add_area(world, extent).map(drop).ok_or(KernReturn::RESOURCE_SHORTAGE)
}

/// What is answered for a disk that could not be opened: it is the name that is wrong, or the disk.
const fn disk_code(code: KernReturn) -> KernReturn {
    match code {
        KernReturn::INVALID_NAME | KernReturn::INVALID_ARGUMENT | KernReturn::NO_ACCESS => KernReturn::INVALID_ARGUMENT,
        _ => KernReturn::FAILURE,
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
