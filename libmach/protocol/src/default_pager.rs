//! What the default pager is asked by other tasks (`spec/mach-memory-objects.md` C.3 to C.5).
//!
//! Each is a message to one of its ports, and an answer as in [`crate::service`]:
//!
//! * its own port, which `vm_set_default_memory_manager` gives to those with the privileged host port;
//! * the port of a backing store, which [`DEFAULT_PAGER_BACKING_STORE_CREATE`] answers;
//! * the port that is registered as [`DEFAULT_PAGER`], which answers [`DEFAULT_PAGER_INFO`] to anybody.
//!
//! | id | port | data | right | outs | right |
//! |---|---|---|---|---|---|
//! | [`DEFAULT_PAGER_OBJECT_CREATE`] | own | [`ObjectCreate`] | | | the object (send) |
//! | [`DEFAULT_PAGER_INFO`] | own, public | | | [`PagerInfo`] | |
//! | [`DEFAULT_PAGER_OBJECTS`] | own | [`Objects`] | | pairs: number, bytes of paging space | name ports (send) |
//! | [`DEFAULT_PAGER_OBJECT_PAGES`] | own | [`ObjectPages`] | a name port, instead of the number | up to [`LIST`] offsets | |
//! | [`DEFAULT_PAGER_PAGING_FILE`] | own | [`PagingFile`] | | | |
//! | [`DEFAULT_PAGER_REGISTER_FILESERVER`] | own | anything | anything | | |
//! | [`DEFAULT_PAGER_AREAS`] | own | [`Areas`] | | [`AreaInfo`] | |
//! | [`DEFAULT_PAGER_BACKING_STORE_CREATE`] | own | [`StoreCreate`] | | | the store (send) |
//! | [`DEFAULT_PAGER_BACKING_STORE_DELETE`] | a store's | | | | |
//! | [`DEFAULT_PAGER_BACKING_STORE_INFO`] | a store's | [`StoreInfo`] | | [`BasicInfo`] | |
//! | [`DEFAULT_PAGER_ADD_SEGMENT`] | a store's | [`AddSegment`] | | | |
//! | [`DEFAULT_PAGER_TRIGGERS`] | own | [`Triggers`] | where alerts go (send) | | |
//!
//! All of them, before their own codes: MIG_BAD_ID, there is no such request; INVALID_ARGUMENT, it came to another port than it
//! should, or its data are not its arguments.
//!
//! Mach's lists of all objects and of all pages come in pieces: the next one begins behind the last element of the one
//! before, and an empty one is the end.

use crate::block::DiskName;
use crate::table::wire_struct;

/// The name at the name service of the port that says how much space there is.
pub const DEFAULT_PAGER: &str = "default-pager";

/// `default_pager_object_create`: a memory object that the default pager serves, zero at first, which anybody may map who has
/// a right to it. It keeps its contents without a mapping, and goes with the last right.
/// Codes: NO_SPACE, RESOURCE_SHORTAGE.
pub const DEFAULT_PAGER_OBJECT_CREATE: i32 = 2275;
/// `default_pager_info`.
pub const DEFAULT_PAGER_INFO: i32 = 2276;
/// `default_pager_objects`: the objects from a number on, as many as [`OBJECTS`], each with a right to its name port; null for
/// one that nobody has mapped.
pub const DEFAULT_PAGER_OBJECTS: i32 = 2277;
/// `default_pager_object_pages`: the offsets of the pages that are held, from one on. Codes: INVALID_ARGUMENT, there is no such
/// object.
pub const DEFAULT_PAGER_OBJECT_PAGES: i32 = 2278;
/// `default_pager_paging_file`: adds a disk or a partition, or removes it, its pages moved to the others before the answer.
/// Codes: INVALID_ARGUMENT, there is none of that name, or some of it is in use already, or it was not added so; FAILURE, the
/// others have no room, or the disk is not to be had.
pub const DEFAULT_PAGER_PAGING_FILE: i32 = 2279;
/// `default_pager_register_fileserver`: accepted, and without effect.
pub const DEFAULT_PAGER_REGISTER_FILESERVER: i32 = 2280;
/// `default_pager_space_alert`, the message that [`DEFAULT_PAGER_TRIGGERS`] asks for: data the flags of the alerts.
pub const DEFAULT_PAGER_SPACE_ALERT: i32 = 2295;
/// `default_pager_backing_store_create`: a group of segments, none at first. Codes: RESOURCE_SHORTAGE, there are too many.
pub const DEFAULT_PAGER_BACKING_STORE_CREATE: i32 = 7020;
/// `default_pager_backing_store_delete`: gives all segments of the store up, their pages moved to others before the answer. The
/// port is dead then. Codes: FAILURE, the others have no room, or it is being deleted already; then it stays in use.
pub const DEFAULT_PAGER_BACKING_STORE_DELETE: i32 = 7021;
/// `default_pager_backing_store_info`. Codes: INVALID_ARGUMENT, another flavor than [`BACKING_STORE_BASIC_INFO`], or a count
/// below [`BASIC_INFO_COUNT`].
pub const DEFAULT_PAGER_BACKING_STORE_INFO: i32 = 7022;
/// `default_pager_add_segment`: adds a part of a disk to the store; what is left behind its last full cluster is not used.
/// Codes, in the order of the checks: INVALID_ARGUMENT, the store is being deleted, a record is no whole number of sectors, the
/// segment wraps or has no full cluster; RESOURCE_SHORTAGE, there are too many areas; INVALID_ARGUMENT, there is no such disk, the
/// segment does not lie on it, or some of it is in use already; RESOURCE_SHORTAGE, the driver has no room; FAILURE, the
/// disk is not to be had.
pub const DEFAULT_PAGER_ADD_SEGMENT: i32 = 7023;
/// `default_pager_triggers`: sets where alerts go, and when one is sent; the last call counts. Each is sent once every time that
/// its bound is crossed. Codes: INVALID_ARGUMENT, an unknown flag, or a flag without a send right.
pub const DEFAULT_PAGER_TRIGGERS: i32 = 7024;
/// What is known of an area. Codes: INVALID_ARGUMENT, beyond the last.
pub const DEFAULT_PAGER_AREAS: i32 = 7172;

/// Elements of one piece of a list of pages.
pub const LIST: usize = 32;
/// Elements of one piece of the list of objects.
pub const OBJECTS: usize = crate::message::MAX_RIGHTS;

/// The one flavor of [`DEFAULT_PAGER_BACKING_STORE_INFO`].
pub const BACKING_STORE_BASIC_INFO: u32 = 1;
/// The fields of [`BasicInfo`].
pub const BASIC_INFO_COUNT: u32 = 15;
/// The highest priority of a backing store, which is filled first.
pub const BACKING_STORE_MAXPRI: i32 = 4;
/// No priority is given to a backing store: it has the highest.
pub const BACKING_STORE_NOPRI: i32 = -1;
/// An alert when less space is free than `hi_wat`.
pub const HI_WAT_ALERT: u32 = 1;
/// An alert when more space is free than `lo_wat`.
pub const LO_WAT_ALERT: u32 = 2;

wire_struct! {
    /// A request for an object.
    ObjectCreate {
        /// The most bytes that it can have; pages beyond are errors.
        size: u64,
    }
}

wire_struct! {
    /// How much space there is, in bytes.
    PagerInfo {
        /// In all.
        total_space: u64,
        /// Not in use.
        free_space: u64,
        /// Bytes of a page.
        page_size: u64,
    }
}

wire_struct! {
    /// A request for a piece of the list of objects.
    Objects {
        /// The number of the first object, or a lower one.
        first: u64,
    }
}

wire_struct! {
    /// A request for a piece of the list of an object's pages.
    ObjectPages {
        /// The object's number; not looked at if its name port comes with the request.
        object: u64,
        /// The first page's offset, or a lower one.
        first: u64,
    }
}

wire_struct! {
    /// A request to add or to remove a paging area.
    PagingFile {
        /// Add it, rather than remove it.
        add: bool,
        /// The disk or partition.
        name: DiskName,
    }
}

wire_struct! {
    /// A request for an area.
    Areas {
        /// Its number, from 0.
        index: u64,
    }
}

wire_struct! {
    /// A paging area; pages and not bytes.
    AreaInfo {
        /// The disk or partition; empty if there is no area of that number.
        name: DiskName,
        /// The first sector on it.
        start: u64,
        /// Its pages.
        total: u64,
        /// Those that are free.
        free: u64,
        /// Pages read.
        pages_in: u64,
        /// Pages that could not be read, or were damaged.
        pages_in_failed: u64,
        /// Pages written.
        pages_out: u64,
        /// Pages that could not be written.
        pages_out_failed: u64,
    }
}

wire_struct! {
    /// A request for a backing store.
    StoreCreate {
        /// [`BACKING_STORE_MAXPRI`] or [`BACKING_STORE_NOPRI`] for the highest; everything else is the lowest.
        priority: i32,
        /// The most bytes that are written at once, which is rounded up to a power of two pages, 64 KiB at the most; 0 for that.
        cluster_size: u64,
    }
}

wire_struct! {
    /// A request for what is known of a backing store.
    StoreInfo {
        /// [`BACKING_STORE_BASIC_INFO`].
        flavor: u32,
        /// The fields for which there is room.
        count: u32,
    }
}

wire_struct! {
    /// What is known of a backing store. Counts stay at the highest number when they would pass it.
    BasicInfo {
        /// Messages with pages, of the whole pager.
        pageout_calls: u32,
        /// Requests for pages, of the whole pager.
        pagein_calls: u32,
        /// Pages supplied, of the whole pager.
        pages_in: u32,
        /// Pages that came, of the whole pager.
        pages_out: u32,
        /// Pages that were asked for and held nothing, of the whole pager.
        pages_unavail: u32,
        /// Pages that came by data_initialize, of the whole pager.
        pages_init: u32,
        /// Those of them that were taken, of the whole pager.
        pages_init_writes: u32,
        /// Pages of the store.
        bs_pages_total: u32,
        /// Those that are free.
        bs_pages_free: u32,
        /// Pages read.
        bs_pages_in: u32,
        /// Pages that could not be read, or were damaged.
        bs_pages_in_fail: u32,
        /// Pages written.
        bs_pages_out: u32,
        /// Pages that could not be written.
        bs_pages_out_fail: u32,
        /// The priority: [`BACKING_STORE_MAXPRI`] or 0.
        bs_priority: i32,
        /// The most bytes that are written at once.
        bs_clsize: u32,
    }
}

wire_struct! {
    /// A request to add a segment. Mach names the disk by a device's port; here it is its name.
    AddSegment {
        /// The disk or partition.
        device: DiskName,
        /// The first record.
        offset: u64,
        /// Records.
        count: u64,
        /// Bytes of a record, a multiple of a sector's.
        record_size: u32,
    }
}

wire_struct! {
    /// A request for alerts.
    Triggers {
        /// Bytes: an alert when less is free.
        hi_wat: u64,
        /// Bytes: an alert when more is free.
        lo_wat: u64,
        /// Which alerts are wanted: [`HI_WAT_ALERT`], [`LO_WAT_ALERT`]; none ends them.
        flags: u32,
    }
}

/// The flags that [`Triggers`] may have.
pub const ALERTS: u32 = HI_WAT_ALERT | LO_WAT_ALERT;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reader, Wire, Words};

    #[test]
    fn a_stores_info_has_fifteen_fields() {
        let mut words = Words::new();
        BasicInfo::default().pack(&mut words);
        assert_eq!(words.as_slice().len(), BASIC_INFO_COUNT as usize);
    }

    #[test]
    fn requests_come_back() {
        fn check<T: Wire + PartialEq + core::fmt::Debug>(request: &T) {
            let mut words = Words::new();
            request.pack(&mut words);
            let mut reader = Reader::new(words.as_slice());
            assert_eq!(T::unpack(&mut reader).as_ref(), Ok(request));
            assert_eq!(reader.finish(), Ok(()));
        }
        check(&ObjectCreate { size: u64::MAX });
        check(&ObjectPages { object: 1, first: 2 });
        check(&PagingFile { add: true, name: DiskName::new("disk0p1") });
        check(&StoreCreate { priority: BACKING_STORE_NOPRI, cluster_size: 3 });
        check(&AddSegment { device: DiskName::new("disk"), offset: 1, count: 2, record_size: 512 });
        check(&Triggers { hi_wat: 1, lo_wat: 2, flags: ALERTS });
    }
}
