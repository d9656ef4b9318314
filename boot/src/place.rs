//! Where kernel, hand-off, device tree and root task go.
//!
//! They form one ascending run: the kernel's image; for a kernel that wants one, a page with the
//! hand-off; the device tree on a page; the root task's image on a page. seL4's kernels expect this
//! order, and say at which address the run starts. Tessera's starts at the lowest 2 MiB multiple where
//! it fits. The run may not touch reserved memory, nor the running boot stage: it still executes from
//! there when it enters the kernel. Where a fixed run would, the boot stage moves away first.

use handoff::{PhysRange, Ranges};

use crate::{
    elf::{BLOCK, KernelAddress},
    machine::PAGE,
};

/// What is to be placed, and around what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All RAM.
    pub ram: &'a Ranges,
    /// What must stay untouched.
    pub reserved: &'a Ranges,
    /// The running boot stage with its payload.
    pub boot: PhysRange,
    /// The device tree where the firmware left it: needed again if the boot stage moves.
    pub firmware_tree: PhysRange,
    /// Where the kernel may go.
    pub kernel: KernelAddress,
    /// Bytes of the kernel's image, in whole pages.
    pub kernel_size: u64,
    /// Bytes of the device tree.
    pub tree_size: u64,
    /// Bytes of the root task's image, in whole pages.
    pub root_size: u64,
}

/// The places found, all page aligned. Only [`place`] makes one: who has it may write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    kernel: PhysRange,
    handoff: Option<PhysRange>,
    tree: PhysRange,
    root: PhysRange,
}

impl Placement {
    /// The kernel's image.
    pub const fn kernel(&self) -> PhysRange {
        self.kernel
    }

    /// The hand-off's page, for a kernel that wants one.
    pub const fn handoff(&self) -> Option<PhysRange> {
        self.handoff
    }

    /// The device tree, exact in length.
    pub const fn tree(&self) -> PhysRange {
        self.tree
    }

    /// The root task's image.
    pub const fn root(&self) -> PhysRange {
        self.root
    }
}

/// Free RAM, as long as the boot stage's image and off all that it still needs. Only [`place`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuge(u64);

impl Refuge {
    /// Its first address, a multiple of 2 MiB.
    pub const fn base(&self) -> u64 {
        self.0
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Load everything.
    Load(Placement),
    /// Move the boot stage there first: it is in the way.
    MoveTo(Refuge),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// A kernel that goes to this address alone, where there is no RAM.
    NoRamAt(u64),
    /// A kernel that goes to `at` alone, and RAM there ends before `needed` bytes.
    RamEnds {
        /// Where the run starts.
        at: u64,
        /// How long it is.
        needed: u64,
    },
    /// The run or the boot stage would need to lie on reserved memory.
    Reserved(PhysRange),
    /// No free range of RAM has `needed` bytes.
    TooLittleRam {
        /// How many are wanted in one piece.
        needed: u64,
    },
    /// A size is beyond any memory.
    Size,
}

/// Finds places.
///
/// # Errors
/// See [`PlaceError`].
pub fn place(request: &Request<'_>) -> Result<Plan, PlaceError> {
    let layout = Layout::of(request).ok_or(PlaceError::Size)?;
    match request.kernel {
        KernelAddress::Fixed(at) => place_fixed(request, at, &layout),
        KernelAddress::Anywhere { above_block } => lowest_free(request, &[request.boot], 0, above_block, layout.total)
            .map(|base| Plan::Load(layout.at(request, base)))
            .ok_or(PlaceError::TooLittleRam { needed: layout.total }),
    }
}

fn place_fixed(request: &Request<'_>, at: u64, layout: &Layout) -> Result<Plan, PlaceError> {
    let needed = layout.total;
    let run = PhysRange { base: at, size: needed };
    let first_page = PhysRange { base: at, size: PAGE };
    let ram = request.ram.as_slice();
    if !ram.iter().any(|r| r.contains(&first_page)) {
        return Err(PlaceError::NoRamAt(at));
    }
    if !ram.iter().any(|r| r.contains(&run)) {
        return Err(PlaceError::RamEnds { at, needed });
    }
    if let Some(reserved) = request.reserved.as_slice().iter().find(|r| r.overlaps(&run)) {
        return Err(PlaceError::Reserved(*reserved));
    }
    if !run.overlaps(&request.boot) {
        return Ok(Plan::Load(layout.at(request, at)));
    }
    let taken = [request.boot, request.firmware_tree, run];
    let size = request.boot.size;
    lowest_free(request, &taken, run.end(), 0, size)
        .map(|base| Plan::MoveTo(Refuge(base)))
        .ok_or(PlaceError::TooLittleRam { needed: size })
}

/// The lowest base, `above_block` more than a multiple of 2 MiB and not below `from`, such that `size`
/// bytes there are RAM, not reserved and not `taken`.
fn lowest_free(request: &Request<'_>, taken: &[PhysRange], from: u64, above_block: u64, size: u64) -> Option<u64> {
    let blocked = || request.reserved.as_slice().iter().chain(taken);
    let starts = request.ram.as_slice().iter().map(|ram| ram.base);
    let candidates = starts.chain(blocked().map(PhysRange::end)).filter_map(|address| {
        let block = address.max(from).checked_sub(above_block)?.checked_next_multiple_of(BLOCK)?;
        block.checked_add(above_block)
    });
    let fits = |base: &u64| {
        let run = PhysRange { base: *base, size };
        request.ram.as_slice().iter().any(|ram| ram.contains(&run)) && !blocked().any(|b| b.overlaps(&run))
    };
    candidates.filter(fits).min()
}

/// Offsets of the parts from the run's start.
struct Layout {
    /// Of the hand-off's page, if the kernel wants one.
    handoff: Option<u64>,
    tree: u64,
    root: u64,
    total: u64,
}

impl Layout {
    /// The run's layout; `None` if the sizes are beyond any memory.
    fn of(request: &Request<'_>) -> Option<Self> {
        let after = |offset: u64, size: u64| offset.checked_add(size)?.checked_next_multiple_of(PAGE);
        let behind_kernel = after(0, request.kernel_size)?;
        let (handoff, tree) = match request.kernel {
            KernelAddress::Anywhere { .. } => (Some(behind_kernel), after(behind_kernel, PAGE)?),
            KernelAddress::Fixed(_) => (None, behind_kernel),
        };
        let root = after(tree, request.tree_size)?;
        let total = after(root, request.root_size)?;
        Some(Self { handoff, tree, root, total })
    }

    /// The places for a run at `base`, which lies in RAM with all of its length.
    fn at(&self, request: &Request<'_>, base: u64) -> Placement {
        Placement {
            kernel: PhysRange { base, size: request.kernel_size },
            handoff: self.handoff.map(|offset| PhysRange { base: base + offset, size: PAGE }),
            tree: PhysRange { base: base + self.tree, size: request.tree_size },
            root: PhysRange { base: base + self.root, size: request.root_size },
        }
    }
}

#[cfg(test)]
mod tests;
