//! What the device tree says about the machine, as far as boot stage and kernel need it.

use handoff::{ANY_IRQ, Full, Gic, PhysRange, Ranges, Uart, UartKind};

use crate::tree::{MAX_DEPTH, Node, Tree};

/// Size of a page, by which all memory is counted.
pub const PAGE: u64 = 4096;

const GIC_V2: &[&str] = &["arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic", "arm,cortex-a7-gic"];
const GIC_V3: &[&str] = &["arm,gic-v3"];
const TIMER: &[&str] = &["arm,armv8-timer"];
const PL011: &[&str] = &["arm,pl011"];
const MINI_UART: &[&str] = &["brcm,bcm2835-aux-uart"];

/// The largest interrupt that upstream's kernel hands out on the boards that it is built for, by the root node's
/// `compatible`. The controllers have more; which numbers there are is the kernel's interface, so they are no more here.
const MAX_IRQS: [(&[&str], u64); 2] = [(&["linux,dummy-virt"], 159), (&["brcm,bcm2711"], 216)];

/// The virtual timer's place among the timer's interrupts, after secure and non-secure physical.
const VIRTUAL_TIMER: usize = 2;

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// All RAM in whole pages.
    pub ram: Ranges,
    /// What of it (or elsewhere) must stay untouched, in whole pages.
    pub reserved: Ranges,
    /// The interrupt controller.
    pub gic: Gic,
    /// The serial line for the log: `stdout-path`'s, else the mini UART or PL011 found first.
    pub uart: Uart,
    /// The EL1 virtual timer's interrupt.
    pub timer_irq: u32,
    /// The largest interrupt that the kernel may hand out.
    pub max_irq: u64,
}

/// Why a sound device tree describes no machine that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineError {
    /// No enabled memory node with a non-empty `reg`.
    NoMemory,
    /// More ranges of the named sort than the hand-off can list.
    TooManyRanges(&'static str),
    /// No interrupt controller of a known kind with two register blocks.
    NoGic,
    /// No generic timer with a virtual interrupt.
    NoTimer,
}

impl Machine {
    /// Reads the machine from its device tree.
    ///
    /// # Errors
    /// The first thing missing, in the order of [`MachineError`]'s variants.
    pub fn from_tree(tree: &Tree<'_>) -> Result<Self, MachineError> {
        let root = tree.root().ok_or(MachineError::NoMemory)?;
        let mut survey = Survey { stdout: stdout(tree), ..Survey::default() };
        let top = Bus { node: root, parent: None };
        survey.visit(&top, MAX_DEPTH);
        let mut machine = Self {
            ram: Ranges::EMPTY,
            reserved: Ranges::EMPTY,
            gic: Gic::default(),
            uart: survey.uart(),
            timer_irq: 0,
            max_irq: max_irq(&root),
        };
        machine.add_ram(&top)?;
        machine.add_reserved(tree, &top).map_err(|Full| MachineError::TooManyRanges("reserved memory"))?;
        machine.gic = survey.gic.ok_or(MachineError::NoGic)?;
        machine.timer_irq = survey.timer_irq.ok_or(MachineError::NoTimer)?;
        Ok(machine)
    }

    fn add_ram(&mut self, top: &Bus<'_, '_>) -> Result<(), MachineError> {
        let is_memory = |n: &Node<'_>| n.text("device_type") == Some("memory") && n.is_enabled();
        for node in top.node.children().filter(is_memory) {
            for range in top.regs(&node) {
                // Inwards to whole pages: half a page of RAM is none.
                let base = range.base.next_multiple_of(PAGE);
                let inner = PhysRange::new(base, range.end() & !(PAGE - 1));
                self.ram.insert(inner).map_err(|Full| MachineError::TooManyRanges("memory"))?;
            }
        }
        if self.ram.as_slice().is_empty() { Err(MachineError::NoMemory) } else { Ok(()) }
    }

    /// Header reservations, `/reserved-memory`, and the pages by which other cores wait.
    fn add_reserved(&mut self, tree: &Tree<'_>, top: &Bus<'_, '_>) -> Result<(), Full> {
        for range in tree.reservations() {
            self.reserve(range)?;
        }
        if let Some(node) = top.node.child("reserved-memory") {
            // Its addresses are the root's by definition: nothing is lost if `ranges` is missing.
            let bus = Bus { node, parent: None };
            for child in node.children().filter(Node::is_enabled) {
                for range in bus.regs(&child) {
                    self.reserve(range)?;
                }
            }
        }
        let cpus = top.node.child("cpus");
        for cpu in cpus.iter().flat_map(|cpus| cpus.children()) {
            if let Some(address) = cpu.property("cpu-release-addr").and_then(|value| number(value, 0, value.len() / 4))
            {
                self.reserve(PhysRange { base: address, size: 8 })?;
            }
        }
        Ok(())
    }

    fn reserve(&mut self, range: PhysRange) -> Result<(), Full> {
        // Outwards to whole pages.
        let end = range.end().checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        self.reserved.insert(if range.is_empty() { range } else { PhysRange::new(range.base & !(PAGE - 1), end) })
    }
}

/// The largest interrupt of the board with this root node.
fn max_irq(root: &Node<'_>) -> u64 {
    MAX_IRQS.iter().find(|(boards, _)| root.is_compatible(boards)).map_or(ANY_IRQ, |(_, max)| *max)
}

/// The node that `/chosen/stdout-path` names, directly or by an alias; options after `:` are cut.
fn stdout<'a>(tree: &Tree<'a>) -> Option<Node<'a>> {
    let path = tree.find("/chosen")?.text("stdout-path")?;
    let path = path.split(':').next()?;
    if path.starts_with('/') { tree.find(path) } else { tree.find(tree.find("/aliases")?.text(path)?) }
}

/// A node whose children are on its bus, and the way up to the root.
struct Bus<'b, 'a> {
    node: Node<'a>,
    parent: Option<&'b Bus<'b, 'a>>,
}

impl<'a> Bus<'_, 'a> {
    /// The registers of a child of this bus, as the processor addresses them. What the processor
    /// cannot reach is left out.
    fn regs(&self, child: &Node<'a>) -> impl Iterator<Item = PhysRange> + '_ {
        let cells = self.node.cell_sizes();
        let reg = child.property("reg").unwrap_or_default();
        let step = cells.address.saturating_add(cells.size);
        let count = (reg.len() / 4).checked_div(step).unwrap_or(0);
        (0..count).filter_map(move |i| {
            let base = number(reg, i * step, cells.address)?;
            let size = number(reg, i * step + cells.address, cells.size)?;
            Some(PhysRange { base: self.translate(base)?, size })
        })
    }

    /// A child's address as the processor's, by each `ranges` on the way up.
    fn translate(&self, address: u64) -> Option<u64> {
        let Some(parent) = self.parent else {
            return Some(address);
        };
        let ranges = self.node.property("ranges")?;
        if ranges.is_empty() {
            return parent.translate(address);
        }
        let here = self.node.cell_sizes();
        let above = parent.node.cell_sizes().address;
        let step = here.address.checked_add(above)?.checked_add(here.size)?;
        if step == 0 {
            return None;
        }
        (0..ranges.len() / 4 / step).find_map(|i| {
            let at = i * step;
            let child = number(ranges, at, here.address)?;
            let up = number(ranges, at + here.address, above)?;
            let size = number(ranges, at + here.address + above, here.size)?;
            let offset = address.checked_sub(child).filter(|offset| *offset < size)?;
            parent.translate(up.checked_add(offset)?)
        })
    }
}

/// A number of up to two cells at a cell offset. None at all is 0; more than two are no address.
fn number(value: &[u8], at_cell: usize, cells: usize) -> Option<u64> {
    let bytes = value.get(at_cell.checked_mul(4)?..)?.get(..cells.checked_mul(4)?)?;
    match cells {
        0..=2 => Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))),
        _ => None,
    }
}

/// What a walk through the whole tree finds.
#[derive(Default)]
struct Survey<'a> {
    stdout: Option<Node<'a>>,
    gic: Option<Gic>,
    timer_irq: Option<u32>,
    /// The line that `stdout` names, the first mini UART, the first PL011.
    uarts: [Option<Uart>; 3],
}

impl<'a> Survey<'a> {
    /// Looks at every enabled node below `bus`, which are at most `depth` levels (the tree's check bounds it).
    fn visit(&mut self, bus: &Bus<'_, 'a>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        for node in bus.node.children().filter(Node::is_enabled) {
            self.look_at(bus, &node);
            self.visit(&Bus { node, parent: Some(bus) }, depth);
        }
    }

    fn look_at(&mut self, bus: &Bus<'_, 'a>, node: &Node<'a>) {
        if node.is_compatible(GIC_V2) {
            self.found_gic(bus, node, 2);
        } else if node.is_compatible(GIC_V3) {
            self.found_gic(bus, node, 3);
        } else if node.is_compatible(TIMER) {
            self.timer_irq = self.timer_irq.or_else(|| interrupt(node, VIRTUAL_TIMER));
        } else if node.is_compatible(PL011) {
            self.found_uart(bus, node, UartKind::Pl011, 2);
        } else if node.is_compatible(MINI_UART) {
            self.found_uart(bus, node, UartKind::MiniUart, 1);
        }
    }

    fn found_gic(&mut self, bus: &Bus<'_, 'a>, node: &Node<'a>, version: u64) {
        let mut regs = bus.regs(node);
        let (Some(distributor), Some(second)) = (regs.next(), regs.next()) else {
            return;
        };
        let (cpu_interface, redistributors) =
            if version == 2 { (second, PhysRange::EMPTY) } else { (PhysRange::EMPTY, second) };
        self.gic.get_or_insert(Gic { version, distributor, cpu_interface, redistributors });
    }

    fn found_uart(&mut self, bus: &Bus<'_, 'a>, node: &Node<'a>, kind: UartKind, rank: usize) {
        let Some(base) = bus.regs(node).next().map(|reg| reg.base) else {
            return;
        };
        let uart = Uart::new(kind, base, interrupt(node, 0).unwrap_or(0));
        let is_stdout = self.stdout.is_some_and(|stdout| stdout.is(node));
        let rank = if is_stdout { 0 } else { rank };
        if let Some(place) = self.uarts.get_mut(rank) {
            place.get_or_insert(uart);
        }
    }

    fn uart(&self) -> Uart {
        self.uarts.iter().flatten().next().copied().unwrap_or_default()
    }
}

/// The controller's number of a node's `index`th interrupt, in the GIC's three cells: sort, number, flags.
fn interrupt(node: &Node<'_>, index: usize) -> Option<u32> {
    // Anything but threes goes to some other controller.
    let value = node.property("interrupts").filter(|value| value.len().is_multiple_of(12))?;
    let sort = number(value, index * 3, 1)?;
    let number = u32::try_from(number(value, index * 3 + 1, 1)?).ok()?;
    match sort {
        0 => number.checked_add(32),
        1 => number.checked_add(16),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
