//! Everything that can stop the boot stage, in words: what failed, and what to do.

use core::fmt;

use crate::{
    elf::ElfError, machine::MachineError, payload::PayloadError, place::PlaceError, tables::Unmappable, tree::TreeError,
};

/// Why the boot stage stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Entered at this exception level (3).
    Level(u64),
    /// The register that should point to a device tree does not; its value.
    NoTree(u64),
    /// There is something at this address, but no sound device tree.
    BadTree(u64, TreeError),
    /// The device tree takes more bytes than the boot stage has room for.
    LargeTree {
        /// Bytes it takes.
        size: usize,
        /// Bytes there are.
        room: usize,
    },
    /// The device tree describes no machine that can be booted.
    Machine(MachineError),
    /// The part of the image behind the boot stage is not whole.
    Payload(PayloadError),
    /// The kernel cannot be loaded.
    Kernel(ElfError),
    /// The root task cannot be loaded.
    Root(ElfError),
    /// There is no place in RAM.
    Place(PlaceError),
    /// The boot stage runs where its own tables cannot map it.
    Tables(Unmappable),
    /// The processor took an exception inside the boot stage.
    Exception {
        /// `ESR_EL1`.
        syndrome: u64,
        /// `ELR_EL1`.
        at: u64,
        /// `FAR_EL1`.
        address: u64,
    },
    /// The boot stage itself is wrong; the line of its source.
    Bug(u32),
}

/// What failed.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(el) => write!(f, "entered at EL{el}; the boot stage starts at EL2 or EL1"),
            Self::NoTree(x0) => write!(f, "no device tree: x0 is {x0:#x}, which is no address of one"),
            Self::BadTree(at, TreeError::Magic(found)) => {
                write!(f, "no device tree at {at:#x} (x0): it starts with {found:#x}, not 0xd00dfeed")
            }
            Self::BadTree(at, error) => write!(f, "the device tree at {at:#x} is damaged: {error}"),
            Self::LargeTree { size, room } => write!(f, "the device tree takes {size} bytes; there is room for {room}"),
            Self::Machine(error) => write!(f, "the device tree {error}"),
            Self::Payload(error) => write!(f, "the image's payload {error}"),
            Self::Kernel(error) => write!(f, "the kernel {error}"),
            Self::Root(error) => write!(f, "the root task {error}"),
            Self::Place(error) => write!(f, "{error}"),
            Self::Tables(Unmappable) => write!(f, "the boot stage lies across a boundary that it cannot map"),
            Self::Exception { syndrome, at, address } => {
                write!(f, "exception in the boot stage at {at:#x}: ESR {syndrome:#x}, FAR {address:#x}")
            }
            Self::Bug(line) => write!(f, "the boot stage contradicts itself (line {line})"),
        }
    }
}

impl Failure {
    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Level(_) => {
                "start the image as firmware does (QEMU: -kernel kernel8.img, without secure=on and without -device loader); \
                 on a board, let the firmware's stub drop to EL2"
            }
            Self::NoTree(_) | Self::BadTree(_, TreeError::Magic(_)) => {
                "pass the device tree's address in x0: on a board put its .dtb beside the image, in QEMU use -kernel (and -dtb FILE for raspi4b)"
            }
            Self::BadTree(..) => {
                "replace the .dtb file (compare it with its source by dtc -I dtb); in QEMU leave -dtb away"
            }
            Self::LargeTree { .. } => "use a smaller device tree (leave overlays and symbols out)",
            Self::Machine(MachineError::NoMemory) => {
                "the tree needs a node with device_type \"memory\" and its size in reg; firmware usually fills it in"
            }
            Self::Machine(_) => "boot on a board with a GICv2 or GICv3 and the generic timer, or mend its device tree",
            Self::Payload(PayloadError::Missing | PayloadError::Version(_)) => {
                "build the image anew with this project's image tool"
            }
            Self::Payload(_) => "copy the image to the card again, whole; if it stays so, build it anew",
            Self::Kernel(ElfError::HandoffVersion(_)) => "build boot stage and kernel from the same sources",
            Self::Kernel(ElfError::LowerHalf(_)) => {
                "use a kernel that is built for EL1 (seL4: KernelArmHypervisorSupport off)"
            }
            Self::Kernel(ElfError::Span | ElfError::TooLarge) => "build a smaller kernel, or link it lower in its GiB",
            Self::Kernel(_) => "build the image with a kernel for AArch64 (an ELF file of type EXEC)",
            Self::Root(ElfError::TooLarge) => "link the root task at lower addresses",
            Self::Root(_) => "build the image with a root task for AArch64 (an ELF file of type EXEC)",
            Self::Place(PlaceError::NoRamAt(_) | PlaceError::RamEnds { .. }) => {
                "this kernel has its RAM compiled in: give the machine that RAM, or use a kernel built for this one"
            }
            Self::Place(PlaceError::Reserved(_)) => {
                "use a kernel built for this board, or mend the reservations in its device tree"
            }
            Self::Place(_) => "give the machine more RAM (QEMU: -m), or put less into the image",
            Self::Tables(_) => "load the image at the start of RAM plus 0x200000, as its header says",
            Self::Exception { .. } | Self::Bug(_) => "report this as a bug, with all that was printed",
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "it is shorter than its header"),
            Self::Magic(found) => write!(f, "it starts with {found:#x}"),
            Self::Size(size) => write!(f, "its header says {size} bytes, which cannot be"),
            Self::Version(version) => write!(f, "it needs a reader of version {version}; this one reads 16 and 17"),
            Self::Block(name) => write!(f, "its block of {name} is not inside it"),
            Self::Token(offset) => write!(f, "its structure makes no sense at offset {offset:#x}"),
            Self::TooDeep => write!(f, "its nodes are nested too deep"),
        }
    }
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory => write!(f, "describes no RAM"),
            Self::TooManyRanges(what) => write!(f, "describes too many ranges of {what}"),
            Self::NoGic => write!(f, "describes no GICv2 or GICv3"),
            Self::NoTimer => write!(f, "describes no generic timer with a virtual interrupt"),
        }
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is missing: this is the bare boot stage"),
            Self::Version(version) => write!(f, "has version {version}, which this boot stage does not know"),
            Self::Header => write!(f, "is damaged: its header has a wrong checksum"),
            Self::Cut { wanted, found } => {
                write!(f, "is cut short: {found} of {wanted} bytes are there")
            }
            Self::Part(name) => write!(f, "is damaged: its {name} has a wrong checksum"),
        }
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => write!(f, "is no 64-bit little-endian ELF file"),
            Self::Machine(machine) => write!(f, "is not for AArch64 (ELF machine {machine})"),
            Self::Type(kind) => {
                write!(f, "is no executable with fixed addresses (ELF type {kind})")
            }
            Self::NoSegments => write!(f, "has nothing to load"),
            Self::TooLarge => write!(f, "does not fit: it reaches beyond the address space"),
            Self::Segment => write!(f, "has a damaged segment"),
            Self::Entry(entry) => write!(f, "has its entry point {entry:#x} outside its code"),
            Self::Distance => write!(f, "has physical addresses that cannot be mapped by 2 MiB blocks"),
            Self::LowerHalf(base) => write!(f, "is linked at {base:#x}, which is no address of a kernel at EL1"),
            Self::Span => write!(f, "does not fit: it reaches beyond the GiB of its virtual base"),
            Self::HandoffVersion(version) => write!(f, "wants hand-off version {version}, not {}", handoff::VERSION),
        }
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRamAt(at) => write!(f, "the kernel must lie at {at:#x}, where this machine has no RAM"),
            Self::RamEnds { at, needed } => {
                write!(f, "too little RAM: kernel and root task need {} KiB from {at:#x} on", needed.div_ceil(1024))
            }
            Self::Reserved(range) => {
                write!(f, "the kernel must lie where the device tree reserves {:#x} to {:#x}", range.base, range.end())
            }
            Self::TooLittleRam { needed } => {
                write!(f, "too little RAM: no free piece of {} KiB", needed.div_ceil(1024))
            }
            Self::Size => write!(f, "kernel and root task are larger than any RAM"),
        }
    }
}

/// `Failure` from each module's error, for `?`.
macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    MachineError => Machine,
    PayloadError => Payload,
    PlaceError => Place,
    Unmappable => Tables,
}
