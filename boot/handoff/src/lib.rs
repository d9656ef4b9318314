//! What the boot stage tells the kernel: one structure and its checks.
//!
//! The kernel's entry state (registers, translation tables, image placement) is that of any seL4
//! kernel on AArch64; beyond it, Tessera's kernel is given the physical address of a [`Handoff`] in
//! `x6`. It says once what the hardware is, so that neither side has a board constant compiled in.
//!
//! Two things are fixed here:
//!
//! - [`Handoff`], written by `boot`, read once by `kernel::boot` after [`Handoff::check`];
//! - [`KernelNote`], by which a kernel's ELF file says that it wants a [`Handoff`] and may be placed at
//!   any 2 MiB aligned physical address (an ELF without it is loaded where its headers say).
#![no_std]
#![forbid(unsafe_code)]

mod note;
mod range;

pub use note::KernelNote;
pub use range::{Full, PhysRange, Ranges};

/// First word of every [`Handoff`]: "TESSERA" and a zero, read as a little-endian word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TESSERA\0");

/// Version of the layout below; a kernel takes exactly the one it was built with.
pub const VERSION: u32 = 2;

/// [`Handoff::max_irq`] of a board that sets no limit: as many as the controller has.
pub const ANY_IRQ: u64 = u64::MAX;

/// How many ranges of memory a [`Handoff`] can list, of each sort.
pub const MAX_RANGES: usize = 16;

/// What the boot stage found and placed. All addresses are physical unless said otherwise.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Size of this structure in bytes.
    pub size: u32,
    /// All RAM, ascending and disjoint, whole pages.
    pub ram: Ranges,
    /// Parts of the RAM that firmware or other cores keep: never to be used. Ascending, disjoint.
    pub reserved: Ranges,
    /// The kernel's image with its zeroed part, and this structure (in the page after the image).
    pub kernel: PhysRange,
    /// The device tree's bytes, starting on a page; size 0 if there is none.
    pub device_tree: PhysRange,
    /// The initial task's image.
    pub root: RootImage,
    /// The interrupt controller.
    pub gic: Gic,
    /// The largest interrupt that may be handed out, or [`ANY_IRQ`]; the controller may have fewer.
    pub max_irq: u64,
    /// Where the kernel may print.
    pub uart: Uart,
    /// Interrupt of the EL1 virtual timer (a private one: 27 on every board known).
    pub timer_irq: u32,
    /// Width of physical addresses in bits, from `ID_AA64MMFR0_EL1.PARange`.
    pub phys_bits: u32,
}

/// The initial task's image: the values of `x0` to `x3` at the kernel's entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootImage {
    /// Where the image lies: whole pages, one contiguous range.
    pub phys: PhysRange,
    /// Physical minus virtual address, in two's complement.
    pub phys_minus_virt: u64,
    /// Virtual address of the first instruction.
    pub entry: u64,
}

/// The interrupt controller.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gic {
    /// 2 or 3 (a GICv4 is driven as a 3).
    pub version: u64,
    /// The distributor.
    pub distributor: PhysRange,
    /// Version 2: the processor interface (GICC). Version 3: empty.
    pub cpu_interface: PhysRange,
    /// Version 3: the first region of redistributors, core 0's at its start. Version 2: empty.
    pub redistributors: PhysRange,
}

/// The log's serial line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uart {
    /// One of [`UartKind`]'s numbers; see [`Uart::kind`].
    pub kind: u32,
    /// Its interrupt, as the controller numbers it (32 and more).
    pub irq: u32,
    /// Base of its registers, 0 if there is none.
    pub base: u64,
}

/// What sort of serial line the log goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum UartKind {
    /// No log.
    None = 0,
    /// ARM's PL011.
    Pl011 = 1,
    /// The 16550-like "mini UART" of Broadcom's auxiliary block, four bytes a register.
    MiniUart = 2,
}

/// Why a [`Handoff`] cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoffError {
    /// The first word is not [`MAGIC`].
    Magic(u64),
    /// The layout is of another version.
    Version(u32),
    /// The size is not that of this crate's structure.
    Size(u32),
    /// A list counts more ranges than it can hold, or is not ascending and disjoint.
    Ranges(&'static str),
    /// There is no RAM at all.
    NoRam,
    /// The named image is not page aligned or not inside one range of RAM.
    Outside(&'static str),
    /// The named images overlap.
    Overlap(&'static str),
    /// The interrupt controller is none that has a driver.
    Gic(u64),
    /// The serial line is of an unknown kind.
    Uart(u32),
}

impl Handoff {
    /// A structure of this version that says nothing yet; `check` refuses it.
    pub const EMPTY: Self = Self {
        magic: MAGIC,
        version: VERSION,
        size: size_of::<Self>() as u32,
        ram: Ranges::EMPTY,
        reserved: Ranges::EMPTY,
        kernel: PhysRange::EMPTY,
        device_tree: PhysRange::EMPTY,
        root: RootImage { phys: PhysRange::EMPTY, phys_minus_virt: 0, entry: 0 },
        gic: Gic {
            version: 0,
            distributor: PhysRange::EMPTY,
            cpu_interface: PhysRange::EMPTY,
            redistributors: PhysRange::EMPTY,
        },
        max_irq: ANY_IRQ,
        uart: Uart { kind: UartKind::None as u32, irq: 0, base: 0 },
        timer_irq: 0,
        phys_bits: 0,
    };

    /// Checks everything that the kernel relies on. The first failing row is what the caller sees.
    ///
    /// | # | check                                                   | error        |
    /// |---|---------------------------------------------------------|--------------|
    /// | 1 | magic                                                   | `Magic`      |
    /// | 2 | version                                                 | `Version`    |
    /// | 3 | size                                                    | `Size`       |
    /// | 4 | lists of ranges fit, ascend and do not overlap          | `Ranges`     |
    /// | 5 | there is RAM                                            | `NoRam`      |
    /// | 6 | kernel, device tree (if any), root: pages inside RAM    | `Outside`    |
    /// | 7 | these three are disjoint                                | `Overlap`    |
    /// | 8 | interrupt controller has a known version and registers  | `Gic`        |
    /// | 9 | serial line is of a known kind                          | `Uart`       |
    ///
    /// # Errors
    /// As the table says.
    pub fn check(&self) -> Result<(), HandoffError> {
        if self.magic != MAGIC {
            return Err(HandoffError::Magic(self.magic));
        }
        if self.version != VERSION {
            return Err(HandoffError::Version(self.version));
        }
        if self.size as usize != size_of::<Self>() {
            return Err(HandoffError::Size(self.size));
        }
        if !self.ram.is_sorted() {
            return Err(HandoffError::Ranges("ram"));
        }
        if !self.reserved.is_sorted() {
            return Err(HandoffError::Ranges("reserved"));
        }
        if self.ram.as_slice().is_empty() {
            return Err(HandoffError::NoRam);
        }
        let placed = [("kernel", self.kernel), ("device tree", self.device_tree), ("root task", self.root.phys)];
        for (name, range) in placed {
            let may_be_absent = name == "device tree" && range.size == 0;
            if !may_be_absent && !self.is_placed(range) {
                return Err(HandoffError::Outside(name));
            }
        }
        for (i, (_, a)) in placed.iter().enumerate() {
            if let Some((name, _)) = placed.iter().skip(i + 1).find(|(_, b)| a.overlaps(b)) {
                return Err(HandoffError::Overlap(name));
            }
        }
        self.gic.check()?;
        self.uart.kind().map(|_| ())
    }

    /// Whether a range starts on a page and lies inside one range of RAM.
    fn is_placed(&self, range: PhysRange) -> bool {
        range.size != 0 && range.base.is_multiple_of(4096) && self.ram.as_slice().iter().any(|ram| ram.contains(&range))
    }
}

impl Gic {
    fn check(&self) -> Result<(), HandoffError> {
        let second = match self.version {
            2 => self.cpu_interface,
            3 => self.redistributors,
            other => return Err(HandoffError::Gic(other)),
        };
        if self.distributor.size == 0 || second.size == 0 {
            return Err(HandoffError::Gic(self.version));
        }
        Ok(())
    }
}

impl Uart {
    /// A serial line.
    pub const fn new(kind: UartKind, base: u64, irq: u32) -> Self {
        Self { kind: kind as u32, irq, base }
    }

    /// What sort of line it is.
    ///
    /// # Errors
    /// [`HandoffError::Uart`] if this version knows no such kind.
    pub const fn kind(&self) -> Result<UartKind, HandoffError> {
        match self.kind {
            0 => Ok(UartKind::None),
            1 => Ok(UartKind::Pl011),
            2 => Ok(UartKind::MiniUart),
            other => Err(HandoffError::Uart(other)),
        }
    }
}

#[cfg(test)]
mod tests;
