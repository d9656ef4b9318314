//! The steps from Rust's entry point to the kernel's, a letter each.

use core::{convert::Infallible, fmt::Write};

use boot::{
    elf::Image,
    failure::Failure,
    machine::Machine,
    payload::Payload,
    place::{Placement, Plan, Request, place},
    tables::{self, Tables},
    tree::{Tree, TreeError, copy_trimmed},
};
use handoff::{Handoff, PhysRange, RootImage};

use super::{
    entry::{self, Entry},
    memory,
    uart::{self, Log},
};

/// What the entry code found.
pub(super) struct Start {
    /// x0: where the firmware says the device tree is.
    pub(super) tree: u64,
    /// Index of the fallback line.
    pub(super) board: u64,
    /// Exception level at the first entry.
    pub(super) level: u64,
    /// Whether this is the copy that was moved out of the way.
    pub(super) is_moved: bool,
}

/// Larger trees are taken for damaged.
const MAX_TREE: u32 = 16 << 20;

/// Does everything; comes back only with a failure.
pub(super) fn run(start: &Start) -> Failure {
    let Err(failure) = steps(start);
    failure
}

fn steps(start: &Start) -> Result<Infallible, Failure> {
    uart::use_fallback(start.board);
    step(start, b'C');
    if start.level > 2 {
        return Err(Failure::Level(start.level));
    }
    let boot = memory::own_image();
    let payload = Payload::parse(memory::own_payload())?;
    step(start, b'D');
    let firmware_tree = find_tree(start, &payload)?;
    let tree_bytes = keep_tree(&firmware_tree)?;
    step(start, b'E');
    let tree = Tree::parse(tree_bytes).map_err(|error| Failure::BadTree(start.tree, error))?;
    let machine = Machine::from_tree(&tree)?;
    uart::use_named(&machine.uart);
    step(start, b'F');
    let kernel = Image::parse(payload.kernel).map_err(Failure::Kernel)?;
    let kernel_address = kernel.kernel_address().map_err(Failure::Kernel)?;
    let root = Image::parse(payload.root).map_err(Failure::Root)?;
    step(start, b'G');
    let plan = place(&Request {
        ram: &machine.ram,
        reserved: &machine.reserved,
        boot,
        firmware_tree: memory::range_of(firmware_tree.bytes()),
        kernel: kernel_address,
        kernel_size: kernel.size,
        tree_size: tree_bytes.len() as u64,
        root_size: root.size,
    })?;
    let job = Job { start, machine, kernel, root, tree: tree_bytes, boot };
    match plan {
        Plan::Load(placement) => job.finish(&placement),
        Plan::MoveTo(to) => memory::move_image(start, to),
    }
}

/// Prints a step's letter; a copy that was moved does not repeat them.
fn step(start: &Start, letter: u8) {
    if !start.is_moved {
        Log::letter(letter);
    }
}

/// The firmware's device tree; on a Raspberry Pi 4 without one, the payload's.
fn find_tree<'a>(start: &Start, payload: &Payload<'a>) -> Result<Tree<'a>, Failure> {
    match firmware_tree(start.tree) {
        Ok(tree) => Ok(tree),
        Err(failure) if start.board == uart::QEMU_VIRT || payload.device_tree.is_empty() => Err(failure),
        Err(failure) => {
            if !start.is_moved {
                // A log that cannot be written cannot be complained about either.
                let _ = writeln!(Log, "\nboot: {failure}\nboot: going on with the built-in device tree");
            }
            Tree::parse(payload.device_tree).map_err(|error| Failure::BadTree(start.tree, error))
        }
    }
}

fn firmware_tree<'a>(at: u64) -> Result<Tree<'a>, Failure> {
    let bad = |error| Failure::BadTree(at, error);
    let bytes = |size| match memory::firmware_bytes(PhysRange { base: at, size }) {
        Some(bytes) if at.is_multiple_of(4) => Ok(bytes),
        _ => Err(Failure::NoTree(at)),
    };
    let header = bytes(8)?;
    let size = Tree::total_size(header).map_err(bad)?;
    if size > MAX_TREE {
        return Err(bad(TreeError::Size(size)));
    }
    Tree::parse(bytes(size.into())?).map_err(bad)
}

/// Copies the tree into the image, where nothing that is loaded can overwrite it.
fn keep_tree(tree: &Tree<'_>) -> Result<&'static [u8], Failure> {
    let too_large = Failure::LargeTree { size: tree.used_len(), room: memory::TREE_ROOM };
    memory::take_tree_room().and_then(|room| copy_trimmed(tree, room)).ok_or(too_large)
}

/// Everything known, nothing loaded yet.
struct Job<'a> {
    start: &'a Start,
    machine: Machine,
    kernel: Image<'a>,
    root: Image<'a>,
    tree: &'a [u8],
    boot: PhysRange,
}

impl Job<'_> {
    /// Loads everything where it was placed and enters the kernel.
    fn finish(&self, at: &Placement) -> Result<Infallible, Failure> {
        Log::letter(b'H');
        let free = memory::Free::placed(at);
        free.load(&self.kernel, at.kernel());
        free.load(&self.root, at.root());
        free.copy(self.tree, at.tree());
        if let Some(page) = at.handoff() {
            free.write_handoff(&self.handoff(at), page);
        }
        Log::letter(b'I');
        let pa_range = entry::pa_range();
        let (tables, tables_at) = memory::take_tables().ok_or(Failure::Bug(line!()))?;
        tables.fill(tables_at, self.boot, self.kernel.virt_base, at.kernel().base)?;
        Log::letter(b'J');
        self.report(at);
        let (root, tree) = (self.root_image(at), at.tree());
        let handoff_at = at.handoff().map_or(0, |page| page.base);
        let entry = Entry {
            arguments: [
                root.phys.base,
                root.phys.end(),
                root.phys_minus_virt,
                root.entry,
                tree.base,
                tree.size,
                handoff_at,
            ],
            pc: self.kernel.entry,
            mair: tables::MAIR,
            tcr: tables::tcr(pa_range),
            ttbr0: Tables::ttbr0(tables_at),
            ttbr1: Tables::ttbr1(tables_at),
        };
        // SAFETY: the tables map this image and this kernel, and all that the arguments name is loaded.
        unsafe { entry::enter(&entry) }
    }

    fn root_image(&self, at: &Placement) -> RootImage {
        let phys = at.root();
        RootImage { phys, phys_minus_virt: phys.base.wrapping_sub(self.root.virt_base), entry: self.root.entry }
    }

    fn handoff(&self, at: &Placement) -> Handoff {
        Handoff {
            ram: self.machine.ram.clone(),
            reserved: self.machine.reserved.clone(),
            kernel: PhysRange::new(at.kernel().base, at.handoff().unwrap_or(at.kernel()).end()),
            device_tree: at.tree(),
            root: self.root_image(at),
            gic: self.machine.gic,
            max_irq: self.machine.max_irq,
            uart: self.machine.uart,
            timer_irq: self.machine.timer_irq,
            phys_bits: tables::phys_bits(entry::pa_range()),
            ..Handoff::EMPTY
        }
    }

    /// Says what was found and placed, for whoever reads the log.
    fn report(&self, at: &Placement) {
        let m = &self.machine;
        let mib = m.ram.as_slice().iter().map(|ram| ram.size).sum::<u64>() >> 20;
        // A log that cannot be written cannot be complained about either.
        let _ = writeln!(
            Log,
            "\nboot: entered at EL{}, {mib} MiB of RAM, GICv{}, timer interrupt {}, log at {:#x}",
            self.start.level, m.gic.version, m.timer_irq, m.uart.base
        );
        for (name, range) in [("kernel", at.kernel()), ("device tree", at.tree()), ("root task", at.root())] {
            let _ = writeln!(Log, "boot: {name} at {:#x} to {:#x}", range.base, range.end());
        }
    }
}
