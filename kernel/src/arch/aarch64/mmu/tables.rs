//! The kernel's own tables: built once, from the list of RAM that the boot stage hands over.

use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering};

use handoff::PhysRange;

use super::pte::{ENTRIES, KernelContent, Level, MemoryType, Pte};
use super::{ALIAS_BASE, DEVICE_BASE, IMAGE_BASE, WINDOW_BASE, WINDOW_SIZE};
use crate::mem::{KernelVa, PhysAddr};

const PAGE: u64 = 1 << 12;
const BLOCK: u64 = 1 << 21;
const GIB: u64 = 1 << 30;
/// Level-2 tables of the window: each range of RAM can begin and end within a GiB.
const WINDOW_TABLES: usize = 2 * handoff::MAX_RANGES;

/// A table; atomics because it is a static, and the walker reads it.
#[repr(C, align(4096))]
pub(crate) struct Table([AtomicU64; ENTRIES]);

impl Table {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ENTRIES])
    }

    fn get(&self, index: usize) -> Pte {
        Pte::from_bits(self.0.get(index).map_or(0, |entry| entry.load(Ordering::Relaxed)))
    }

    fn set(&self, index: usize, pte: Pte) {
        if let Some(entry) = self.0.get(index) {
            entry.store(pte.bits(), Ordering::Relaxed);
        }
    }

    /// The physical address of this table, which is part of the image.
    pub(crate) fn phys(&self, image: PhysAddr) -> PhysAddr {
        let address = core::ptr::from_ref(self).addr() as u64;
        PhysAddr(address - IMAGE_BASE + image.0)
    }
}

static ROOT: Table = Table::new();
static TOP: Table = Table::new();
static IMAGE: Table = Table::new();
/// The pages of the image, once it is sealed.
static PAGES: Table = Table::new();
static DEVICES: Table = Table::new();
static WINDOW: [Table; WINDOW_TABLES] = [const { Table::new() }; WINDOW_TABLES];
static EMPTY_USER_ROOT: Table = Table::new();
/// The physical address of the image, once the tables are built.
static IMAGE_AT: AtomicU64 = AtomicU64::new(0);

/// The tables of the user half of a thread that has no address space.
pub(crate) fn empty_user_root() -> PhysAddr {
    EMPTY_USER_ROOT.phys(PhysAddr(IMAGE_AT.load(Ordering::Relaxed)))
}

/// Why the kernel's mappings could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// More level-2 tables than a list of [`handoff::MAX_RANGES`] ranges can need.
    TooManyTables,
    /// No room for another device, or its address is not aligned as its registers need.
    NoDeviceRoom,
}

/// Builds the tables for the image at `image` and for all of `ram`; answers the root's address.
///
/// The image is one block, as in the boot stage's tables (`kernel.ld` keeps it that small), until
/// [`super::seal`] gives each part what it needs.
pub(crate) fn build(image: PhysAddr, ram: &[PhysRange]) -> Result<PhysAddr, MapError> {
    IMAGE_AT.store(image.0, Ordering::Relaxed);
    ROOT.set(Level::L0.index(WINDOW_BASE), Pte::table(TOP.phys(image)));
    TOP.set(Level::L1.index(IMAGE_BASE), Pte::table(IMAGE.phys(image)));
    IMAGE.set(Level::L2.index(DEVICE_BASE), Pte::table(DEVICES.phys(image)));
    let block = Pte::kernel_page(Level::L2, image, MemoryType::Normal, KernelContent::Mixed);
    IMAGE.set(Level::L2.index(IMAGE_BASE), block);
    IMAGE.set(Level::L2.index(ALIAS_BASE), block);
    let mut window = Window { image, used: 0 };
    for range in ram {
        window.map(*range)?;
    }
    Ok(ROOT.phys(image))
}

/// Fills the table of the image's pages: `content` says what each holds, or that it stays unmapped.
/// Answers the address of the entry that is to lead there, and the descriptor for it.
pub(crate) fn build_pages(content: impl Fn(u64) -> Option<KernelContent>) -> (usize, Pte) {
    let image = PhysAddr(IMAGE_AT.load(Ordering::Relaxed));
    for offset in (0..BLOCK).step_by(PAGE as usize) {
        let Some(content) = content(IMAGE_BASE + offset) else { continue };
        let pte = Pte::kernel_page(Level::L3, image.add(offset), MemoryType::Normal, content);
        PAGES.set(Level::L3.index(IMAGE_BASE + offset), pte);
    }
    let entry = IMAGE.0.get(Level::L2.index(IMAGE_BASE));
    (entry.map_or(0, |entry| core::ptr::from_ref(entry).addr()), Pte::table(PAGES.phys(image)))
}

/// Takes the second mapping of the image away again.
pub(crate) fn remove_alias() {
    IMAGE.set(Level::L2.index(ALIAS_BASE), Pte::EMPTY);
    super::tlb::invalidate_all();
}

/// The window while it is being built.
struct Window {
    image: PhysAddr,
    used: usize,
}

impl Window {
    /// Maps the whole blocks of 2 MiB in `range`, by GiB where that fits.
    fn map(&mut self, range: PhysRange) -> Result<(), MapError> {
        let mut at = range.base.next_multiple_of(BLOCK);
        let end = range.end().min(WINDOW_SIZE) / BLOCK * BLOCK;
        while at < end {
            let level1 = Level::L1.index(WINDOW_BASE + at);
            let page = PhysAddr(at);
            if at.is_multiple_of(GIB) && end - at >= GIB {
                let pte = Pte::kernel_page(Level::L1, page, MemoryType::Normal, KernelContent::Data);
                TOP.set(level1, pte);
                at += GIB;
            } else {
                let pte = Pte::kernel_page(Level::L2, page, MemoryType::Normal, KernelContent::Data);
                self.level2(level1)?.set(Level::L2.index(WINDOW_BASE + at), pte);
                at += BLOCK;
            }
        }
        Ok(())
    }

    /// The table behind entry `index` of the level-1 table, made if it is not there.
    fn level2(&mut self, index: usize) -> Result<&'static Table, MapError> {
        let present = TOP.get(index);
        let existing = WINDOW.iter().take(self.used).find(|table| Pte::table(table.phys(self.image)) == present);
        if let Some(table) = existing {
            return Ok(table);
        }
        let table = WINDOW.get(self.used).ok_or(MapError::TooManyTables)?;
        self.used += 1;
        TOP.set(index, Pte::table(table.phys(self.image)));
        Ok(table)
    }
}

/// The registers of a device, mapped for good.
pub(crate) struct Registers<T: 'static>(&'static T);

// SAFETY: a device has no owner core; what orders accesses is the kernel's lock, and the types used
// here are cells of integers over device memory, whose accesses are single instructions.
unsafe impl<T> Sync for Registers<T> {}
// SAFETY: as for `Sync`.
unsafe impl<T> Send for Registers<T> {}

impl<T> Deref for Registers<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

/// Hands out mappings of device registers, from [`DEVICE_BASE`] upwards.
pub(crate) struct DeviceMappings {
    next: u64,
}

impl DeviceMappings {
    /// Nothing is mapped yet. There is one caller, the kernel's start.
    pub(crate) const fn new() -> Self {
        Self { next: DEVICE_BASE }
    }

    /// Maps `length` bytes of device registers at `address`.
    pub(crate) fn map_bytes(&mut self, address: PhysAddr, length: u64) -> Result<KernelVa, MapError> {
        let first = address.0 / PAGE * PAGE;
        let end = (address.0 + length).next_multiple_of(PAGE);
        let start = self.next;
        for page in (first..end).step_by(PAGE as usize) {
            if Level::L2.index(self.next) != Level::L2.index(DEVICE_BASE) {
                return Err(MapError::NoDeviceRoom);
            }
            let page = PhysAddr(page);
            let pte = Pte::kernel_page(Level::L3, page, MemoryType::Device, KernelContent::Data);
            DEVICES.set(Level::L3.index(self.next), pte);
            self.next += PAGE;
        }
        super::tlb::publish();
        Ok(KernelVa((start + address.0 % PAGE) as usize))
    }

    /// Maps the register block `T` at `address`.
    pub(crate) fn map<T>(&mut self, address: PhysAddr) -> Result<Registers<T>, MapError> {
        let base = self.map_bytes(address, size_of::<T>() as u64)?;
        if !base.0.is_multiple_of(align_of::<T>()) {
            return Err(MapError::NoDeviceRoom);
        }
        // SAFETY: (1) `map_bytes` mapped all bytes of `T` as Device memory and never unmaps;
        // (2) the alignment was checked; (3) register blocks are cells of integers, for which
        // any bits are valid and shared access is allowed.
        Ok(Registers(unsafe { &*core::ptr::with_exposed_provenance::<T>(base.0) }))
    }
}
