//! Translation-table descriptors: stage 1, 4 KiB granule, four levels (spec §7.1–§7.3).
//!
//! This file is pure arithmetic and is also built for the host, where tables are checked.

use tock_registers::{LocalRegisterCopy, register_bitfields};

use crate::mem::PhysAddr;

/// Descriptors in a table.
pub const ENTRIES: usize = 512;
/// Address bits that a level resolves.
const INDEX_BITS: u32 = 9;
/// Bits of an address within the smallest page.
const PAGE_BITS: u32 = 12;
/// Bits 47:12 of a descriptor: the output address.
const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

register_bitfields! {
    u64,
    DESCRIPTOR [
        /// The descriptor means something.
        VALID OFFSET(0) NUMBITS(1) [],
        /// At levels 0–2 a table rather than a block; must be set at level 3.
        TABLE_OR_PAGE OFFSET(1) NUMBITS(1) [],
        /// Index into `MAIR_EL1`, as the boot stage sets it.
        ATTRIBUTES OFFSET(2) NUMBITS(3) [
            DeviceNGnRnE = 0,
            NormalWriteBack = 4
        ],
        /// Access permissions.
        AP OFFSET(6) NUMBITS(2) [
            KernelReadWrite = 0b00,
            ReadWrite = 0b01,
            KernelReadOnly = 0b10,
            ReadOnly = 0b11
        ],
        /// Shareability; non-shareable serves one core.
        SH OFFSET(8) NUMBITS(2) [
            NonShareable = 0b00,
            InnerShareable = 0b11
        ],
        /// Access flag: no fault on first use.
        AF OFFSET(10) NUMBITS(1) [],
        /// Not global: tagged with the ASID.
        NG OFFSET(11) NUMBITS(1) [],
        /// Not executable at EL1.
        PXN OFFSET(53) NUMBITS(1) [],
        /// Not executable at EL0.
        UXN OFFSET(54) NUMBITS(1) []
    ]
}

/// A level of the tables: 0 is the root, 3 holds small pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The root: an entry covers 512 GiB.
    L0,
    /// An entry covers 1 GiB.
    L1,
    /// An entry covers 2 MiB.
    L2,
    /// An entry covers 4 KiB.
    L3,
}

impl Level {
    /// The next level down, if there is one.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::L0 => Some(Self::L1),
            Self::L1 => Some(Self::L2),
            Self::L2 => Some(Self::L3),
            Self::L3 => None,
        }
    }

    /// How many address bits an entry of this level covers: 39, 30, 21, 12.
    pub const fn entry_bits(self) -> u32 {
        match self {
            Self::L0 => PAGE_BITS + 3 * INDEX_BITS,
            Self::L1 => PAGE_BITS + 2 * INDEX_BITS,
            Self::L2 => PAGE_BITS + INDEX_BITS,
            Self::L3 => PAGE_BITS,
        }
    }

    /// The index of `address` in a table of this level.
    pub const fn index(self, address: u64) -> usize {
        (address >> self.entry_bits()) as usize & (ENTRIES - 1)
    }
}

/// Who may do what with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// EL0 reads and writes.
    UserReadWrite,
    /// EL0 reads.
    UserReadOnly,
    /// EL0 has no data access.
    KernelOnly,
}

/// Normal or Device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Normal, write-back cacheable.
    Normal,
    /// Device-nGnRnE.
    Device,
}

/// Whether EL0 may execute a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execute {
    /// It may.
    Allowed,
    /// It may not.
    Never,
}

/// What kernel memory holds, and so what the kernel may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelContent {
    /// Instructions: read and executed.
    Code,
    /// Constants: read.
    Constants,
    /// Variables: read and written.
    Data,
    /// All of these in one block, as the image is mapped until it is sealed.
    Mixed,
}

/// One descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pte(u64);

/// What a descriptor says, read at its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing is mapped.
    Empty,
    /// The next table.
    Table(PhysAddr),
    /// A page or block of this level's size.
    Page(PhysAddr),
}

impl Pte {
    /// The descriptor that maps nothing.
    pub const EMPTY: Self = Self(0);

    /// The descriptor whose bits are `bits`.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A descriptor for the table at `table`.
    pub fn table(table: PhysAddr) -> Self {
        let fields = DESCRIPTOR::VALID::SET + DESCRIPTOR::TABLE_OR_PAGE::SET;
        Self(fields.value | (table.0 & ADDRESS_MASK))
    }

    /// A user page (at level 3) or block (at levels 1 and 2) at `page`.
    ///
    /// User entries are not global, have the access flag set, and are never executable at EL1.
    pub fn user_page(level: Level, page: PhysAddr, access: Access, memory: MemoryType, execute: Execute) -> Self {
        let access = match access {
            Access::UserReadWrite => DESCRIPTOR::AP::ReadWrite,
            Access::UserReadOnly => DESCRIPTOR::AP::ReadOnly,
            Access::KernelOnly => DESCRIPTOR::AP::KernelReadWrite,
        };
        let execute = match execute {
            Execute::Allowed => DESCRIPTOR::UXN::CLEAR,
            Execute::Never => DESCRIPTOR::UXN::SET,
        };
        let fields = access + execute + DESCRIPTOR::NG::SET + DESCRIPTOR::PXN::SET;
        Self::leaf(level, page, memory, fields)
    }

    /// Kernel memory at `page`: global, invisible to EL0.
    pub fn kernel_page(level: Level, page: PhysAddr, memory: MemoryType, content: KernelContent) -> Self {
        let (access, execute) = match content {
            KernelContent::Code => (DESCRIPTOR::AP::KernelReadOnly, DESCRIPTOR::PXN::CLEAR),
            KernelContent::Constants => (DESCRIPTOR::AP::KernelReadOnly, DESCRIPTOR::PXN::SET),
            KernelContent::Data => (DESCRIPTOR::AP::KernelReadWrite, DESCRIPTOR::PXN::SET),
            KernelContent::Mixed => (DESCRIPTOR::AP::KernelReadWrite, DESCRIPTOR::PXN::CLEAR),
        };
        Self::leaf(level, page, memory, access + execute + DESCRIPTOR::UXN::SET)
    }

    fn leaf(
        level: Level,
        page: PhysAddr,
        memory: MemoryType,
        fields: tock_registers::fields::FieldValue<u64, DESCRIPTOR::Register>,
    ) -> Self {
        let memory = match memory {
            MemoryType::Normal => DESCRIPTOR::ATTRIBUTES::NormalWriteBack,
            MemoryType::Device => DESCRIPTOR::ATTRIBUTES::DeviceNGnRnE,
        };
        let kind = match level {
            Level::L3 => DESCRIPTOR::TABLE_OR_PAGE::SET,
            Level::L0 | Level::L1 | Level::L2 => DESCRIPTOR::TABLE_OR_PAGE::CLEAR,
        };
        let fields = fields + DESCRIPTOR::VALID::SET + DESCRIPTOR::AF::SET + kind + memory;
        Self(fields.value | (page.0 & ADDRESS_MASK))
    }

    /// The next table that the descriptor leads to, in a table above the last level.
    #[inline]
    pub fn next_table(self) -> Option<PhysAddr> {
        let kind = DESCRIPTOR::VALID::SET + DESCRIPTOR::TABLE_OR_PAGE::SET;
        self.fields().matches_all(kind).then_some(PhysAddr(self.0 & ADDRESS_MASK))
    }

    /// What the descriptor says in a table of `level`.
    #[inline]
    pub fn entry(self, level: Level) -> Entry {
        let fields = self.fields();
        if !fields.is_set(DESCRIPTOR::VALID) {
            return Entry::Empty;
        }
        let address = PhysAddr(self.0 & ADDRESS_MASK);
        match (fields.is_set(DESCRIPTOR::TABLE_OR_PAGE), level) {
            (true, Level::L0 | Level::L1 | Level::L2) => Entry::Table(address),
            (true, Level::L3) | (false, Level::L1 | Level::L2) => Entry::Page(address),
            // Reserved encodings, which the kernel never writes.
            (false, Level::L0 | Level::L3) => Entry::Empty,
        }
    }

    /// Whether EL0 may write the page that this maps.
    pub fn is_user_writable(self) -> bool {
        self.fields().matches_all(DESCRIPTOR::VALID::SET + DESCRIPTOR::AP::ReadWrite)
    }

    fn fields(self) -> LocalRegisterCopy<u64, DESCRIPTOR::Register> {
        LocalRegisterCopy::new(self.0)
    }
}

impl core::fmt::Debug for Pte {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pte({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PhysAddr = PhysAddr(0x8765_4320_0000);

    fn user(access: Access, memory: MemoryType, execute: Execute) -> u64 {
        Pte::user_page(Level::L3, PAGE, access, memory, execute).bits()
    }

    #[test]
    fn user_page_bits() {
        // Valid, page, AttrIdx 4, AP 01, AF, nG, PXN.
        let rw = user(Access::UserReadWrite, MemoryType::Normal, Execute::Allowed);
        assert_eq!(rw, 0x0020_8765_4320_0c53);
        let ro = user(Access::UserReadOnly, MemoryType::Normal, Execute::Never);
        assert_eq!(ro, 0x0060_8765_4320_0cd3);
        let none = user(Access::KernelOnly, MemoryType::Device, Execute::Never);
        assert_eq!(none, 0x0060_8765_4320_0c03);
    }

    #[test]
    fn blocks_clear_the_table_bit() {
        for level in [Level::L1, Level::L2] {
            let pte = Pte::user_page(level, PAGE, Access::UserReadWrite, MemoryType::Normal, Execute::Allowed);
            assert_eq!(pte.bits() & 3, 1);
            assert_eq!(pte.entry(level), Entry::Page(PAGE));
        }
    }

    #[test]
    fn entries_read_back() {
        assert_eq!(Pte::EMPTY.entry(Level::L2), Entry::Empty);
        let table = Pte::table(PAGE);
        assert_eq!(table.bits(), PAGE.0 | 3);
        assert_eq!(table.entry(Level::L0), Entry::Table(PAGE));
        assert_eq!(table.next_table(), Some(PAGE));
        assert_eq!(Pte::EMPTY.next_table(), None);
        let block = Pte::user_page(Level::L2, PAGE, Access::UserReadOnly, MemoryType::Normal, Execute::Never);
        assert_eq!(block.next_table(), None);
        // The same bits mean a page at the last level.
        assert_eq!(table.entry(Level::L3), Entry::Page(PAGE));
        assert_eq!(Pte::from_bits(1).entry(Level::L0), Entry::Empty);
        assert_eq!(Pte::from_bits(1).entry(Level::L3), Entry::Empty);
    }

    #[test]
    fn writable_means_by_el0() {
        let pte = |access| Pte::from_bits(user(access, MemoryType::Normal, Execute::Allowed));
        assert!(pte(Access::UserReadWrite).is_user_writable());
        assert!(!pte(Access::UserReadOnly).is_user_writable());
        assert!(!pte(Access::KernelOnly).is_user_writable());
        assert!(!Pte::EMPTY.is_user_writable());
    }

    #[test]
    fn levels_cut_an_address() {
        let address = (3 << 39) | (5 << 30) | (7 << 21) | (511 << 12) | 0xabc;
        assert_eq!(Level::L0.index(address), 3);
        assert_eq!(Level::L1.index(address), 5);
        assert_eq!(Level::L2.index(address), 7);
        assert_eq!(Level::L3.index(address), 511);
        let bits = [Level::L0, Level::L1, Level::L2, Level::L3].map(Level::entry_bits);
        assert_eq!(bits, [39, 30, 21, 12]);
    }

    #[test]
    fn kernel_pages_are_global_and_hidden() {
        let pte = Pte::kernel_page(Level::L2, PAGE, MemoryType::Normal, KernelContent::Data);
        // Valid, block, AttrIdx 4, AP 00, AF, global, PXN, UXN.
        assert_eq!(pte.bits(), 0x0060_8765_4320_0411);
        let page = |content| Pte::kernel_page(Level::L3, PAGE, MemoryType::Normal, content).bits();
        assert_eq!(page(KernelContent::Code), 0x0040_8765_4320_0493);
        assert_eq!(page(KernelContent::Constants), 0x0060_8765_4320_0493);
    }
}
