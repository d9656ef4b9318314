//! The plain types of Mach's virtual memory: protections, inheritance, handles.
//!
//! Values are the ones of Mach's headers, so that a server can pass wire words through unchanged.

use arena::Id;
use bitflags::bitflags;

use crate::association::Association;
use crate::map::Map;
use crate::object::Object;
use crate::page::Page;

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

bitflags! {
    /// A set of accesses (`vm_prot_t`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Prot: u8 {
        /// `VM_PROT_READ`
        const READ = 1;
        /// `VM_PROT_WRITE`
        const WRITE = 2;
        /// `VM_PROT_EXECUTE`
        const EXECUTE = 4;
    }
}

impl Prot {
    /// `VM_PROT_NONE`
    pub const NONE: Prot = Prot::empty();
    /// `VM_PROT_DEFAULT`, what new memory gets.
    pub const DEFAULT: Prot = Prot::READ.union(Prot::WRITE);
    /// `VM_PROT_ALL`
    pub const ALL: Prot = Prot::all();

    /// The protection that a wire word stands for, or nothing if it has other bits.
    #[must_use]
    pub fn from_wire(word: u32) -> Option<Prot> {
        u8::try_from(word).ok().and_then(Prot::from_bits)
    }
}

/// What a child gets of a range when its parent is copied (`vm_inherit_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Inherit {
    /// Both use the same memory.
    Share = 0,
    /// The child gets a snapshot.
    Copy = 1,
    /// The child gets a hole.
    None = 2,
}

impl Inherit {
    /// The inheritance that a wire word stands for.
    #[must_use]
    pub fn from_wire(word: u32) -> Option<Inherit> {
        match word {
            0 => Some(Inherit::Share),
            1 => Some(Inherit::Copy),
            2 => Some(Inherit::None),
            _ => None,
        }
    }
}

/// Which family of Mach an id belongs to, where the families answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// GNU Mach's ids (2021, 2023, 2089, ...).
    Gnu,
    /// XNU's ids (38xx, 48xx).
    Xnu,
}

/// An address map.
pub type MapId = Id<Map>;
/// A virtual memory object.
pub type ObjectId = Id<Object>;
/// A page of an object: resident, requested, or known to be zero.
pub type PageId = Id<Page>;

/// An association of a memory object port with an object: what its control port stands for.
pub type AssocId = Id<Association>;

/// A frame of physical memory, as the [`crate::FramePool`] numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);

/// A hardware address space, as the [`crate::Pmap`] numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(pub u32);

/// A memory object port, as the [`crate::Pager`] numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManagerId(pub u64);

/// `VM_FLAGS_*` of `vm_allocate`, `vm_map` and `vm_remap`.
pub mod flags {
    /// Exactly at the given address.
    pub const FIXED: u32 = 0;
    /// Anywhere.
    pub const ANYWHERE: u32 = 1;
    /// The memory may be made volatile.
    pub const PURGABLE: u32 = 2;
    /// Removal turns the range into inaccessible memory instead of a hole.
    pub const PERMANENT: u32 = 0x80;
    /// Trusted path read-only memory; never granted here.
    pub const TPRO: u32 = 0x1000;
    /// Fixed: what is there is replaced in one step.
    pub const OVERWRITE: u32 = 0x4000;
    /// The superpage size field.
    pub const SUPERPAGE_MASK: u32 = 0x7_0000;
    /// The result keeps the offset within the page.
    pub const RETURN_DATA_ADDR: u32 = 0x10_0000;
    /// The user tag.
    pub const ALIAS_MASK: u32 = 0xff00_0000;
    /// What `vm_allocate` accepts.
    pub const USER_ALLOCATE: u32 = 0xff07_509f;
    /// What `vm_map` accepts.
    pub const USER_MAP: u32 = 0xff97_509f;
    /// What `vm_remap` accepts.
    pub const USER_REMAP: u32 = 0x0010_4069;
}
