//! What the default pager is asked by other tasks (`spec/mach-memory-objects.md` C.3 to C.5).
//!
//! Each is a message to the default pager's port, which `vm_set_default_memory_manager` gives to those with the privileged
//! host port, and an answer as in [`crate::service`]. The port that is registered as [`DEFAULT_PAGER`] answers
//! [`DEFAULT_PAGER_INFO`] alone, to anybody.
//!
//! | id | data | outs |
//! |---|---|---|
//! | [`DEFAULT_PAGER_INFO`] | | [`PagerInfo`] |
//! | [`DEFAULT_PAGER_OBJECTS`] | the first object's number, or a later one's | up to [`LIST`] pairs: number, bytes of paging space |
//! | [`DEFAULT_PAGER_OBJECT_PAGES`] | an object's number, the first offset | up to [`LIST`] offsets |
//! | [`DEFAULT_PAGER_PAGING_FILE`] | whether to add, [`DiskName`] | |
//! | [`DEFAULT_PAGER_AREAS`] | the number of an area | [`AreaInfo`] |
//!
//! Mach's lists of all objects and of all pages come in pieces: the next one begins behind the last element of the one
//! before, and an empty one is the end.

use crate::block::DiskName;
use crate::table::wire_struct;

/// The name at the name service of the port that says how much space there is.
pub const DEFAULT_PAGER: &str = "default-pager";

/// `default_pager_info`.
pub const DEFAULT_PAGER_INFO: i32 = 2276;
/// `default_pager_objects`.
pub const DEFAULT_PAGER_OBJECTS: i32 = 2277;
/// `default_pager_object_pages`. Codes: INVALID_ARGUMENT, there is no such object.
pub const DEFAULT_PAGER_OBJECT_PAGES: i32 = 2278;
/// `default_pager_paging_file`: adds a disk or a partition, or removes it, its pages moved to the others before the answer.
/// Codes: INVALID_ARGUMENT, there is none of that name, or it is in use already; FAILURE, the others have no room, or the
/// disk is not to be had.
pub const DEFAULT_PAGER_PAGING_FILE: i32 = 2279;
/// `default_pager_register_fileserver`: accepted, and without effect.
pub const DEFAULT_PAGER_REGISTER_FILESERVER: i32 = 2280;
/// What is known of an area. Codes: INVALID_ARGUMENT, beyond the last.
pub const DEFAULT_PAGER_AREAS: i32 = 7172;

/// Elements of one piece of a list.
pub const LIST: usize = 32;

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
    /// A request to add or to remove a paging area.
    PagingFile {
        /// Add it, rather than remove it.
        add: bool,
        /// The disk or partition.
        name: DiskName,
    }
}

wire_struct! {
    /// A paging area; pages and not bytes.
    AreaInfo {
        /// The disk or partition; empty if there is no area of that number.
        name: DiskName,
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
