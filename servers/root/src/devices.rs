//! The serial lines of the board, and the places for virtio devices, from its device tree.
//!
//! The line that the tree names for standard output is the log's. The console gets another one if there is one, so
//! that what a task prints never mixes with the log; else both share the one line.

use fdt::Fdt;
use fdt::node::FdtNode;

/// A kind of serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// PrimeCell PL011.
    Pl011,
    /// The Raspberry Pi's mini UART.
    Mini,
}

impl UartKind {
    /// The word for it in the console's arguments.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pl011 => "pl011",
            Self::Mini => "mini-uart",
        }
    }
}

/// A serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uart {
    /// Its kind.
    pub kind: UartKind,
    /// The physical address of its registers.
    pub address: u64,
    /// Its interrupt, as the kernel numbers it.
    pub irq: Option<u64>,
}

/// Who uses which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    /// The log's.
    pub log: Uart,
    /// The console's.
    pub console: Uart,
}

/// A place for a virtio device: its registers say what is there, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Virtio {
    /// The physical address of its registers.
    pub address: u64,
    /// Its interrupt, as the kernel numbers it.
    pub irq: u64,
}

/// The most places for virtio devices that are looked at.
pub const MAX_VIRTIO: usize = 32;

/// Finds the places for virtio devices in a device tree, from the highest address down: in the order in which QEMU fills
/// them.
#[must_use]
pub fn virtio(tree: &[u8]) -> heapless::Vec<Virtio, MAX_VIRTIO> {
    let mut found = heapless::Vec::new();
    let Ok(tree) = Fdt::new(tree) else { return found };
    for node in tree.find_node("/").into_iter().flat_map(FdtNode::children) {
        let is_virtio = node.compatible().is_some_and(|names| names.all().any(|name| name == "virtio,mmio"));
        let address = node.reg().and_then(|mut reg| reg.next()).map(|reg| reg.starting_address as u64);
        if is_virtio && let (Some(address), Some(irq)) = (address, irq(node)) {
            // A board with more places than these has the others unused.
            let _ = found.push(Virtio { address, irq });
        }
    }
    found.sort_unstable_by_key(|place| core::cmp::Reverse(place.address));
    found
}

/// The page that holds a physical address.
#[must_use]
pub const fn page_of(address: u64) -> u64 {
    address & !0xfff
}

/// First interrupt number of those that the interrupt controller shares between processors, and of the others.
const FIRST_SHARED: u64 = 32;
const FIRST_PRIVATE: u64 = 16;

/// Finds the serial lines in a device tree. `None`: there is no tree that can be read, or no line in it.
#[must_use]
pub fn serial(tree: &[u8]) -> Option<Serial> {
    let tree = Fdt::new(tree).ok()?;
    let output = output(&tree).map(|node| node.name);
    let all = || {
        let top = tree.find_node("/").into_iter().flat_map(FdtNode::children).map(|node| (node, 0));
        let soc = tree.find_node("/soc").into_iter().flat_map(|soc| {
            let offset = offset(soc);
            soc.children().map(move |node| (node, offset))
        });
        top.chain(soc).filter_map(|(node, offset)| uart(node, offset).map(|uart| (node.name, uart)))
    };
    let log = all().find(|(name, _)| Some(*name) == output).or_else(|| all().next())?.1;
    // A full UART is preferred to the mini UART, whose speed follows the processor's.
    let other = |kind| all().map(|(_, uart)| uart).find(|uart| *uart != log && uart.kind == kind);
    let console = other(UartKind::Pl011).or_else(|| other(UartKind::Mini)).unwrap_or(log);
    Some(Serial { log, console })
}

/// The node that `/chosen/stdout-path` names, directly or by an alias; options behind a `:` are cut.
fn output<'b, 'a>(tree: &'b Fdt<'a>) -> Option<FdtNode<'b, 'a>> {
    let path = tree.find_node("/chosen")?.property("stdout-path")?.as_str()?;
    tree.find_node(path.split(':').next()?)
}

/// What has to be added to the addresses of a bus's children.
fn offset(bus: FdtNode<'_, '_>) -> u64 {
    // The first range: child address (1 cell here), parent address (2 cells), size.
    let cells = bus.cell_sizes();
    let ranges = bus.property("ranges").map(|property| property.value).unwrap_or_default();
    let cell = |index: usize| {
        let bytes = ranges.get(4 * index..4 * index + 4)?;
        Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?)))
    };
    let number =
        |from: usize, count: usize| (from..from + count).try_fold(0_u64, |sum, index| Some(sum << 32 | cell(index)?));
    let child = number(0, cells.address_cells);
    let parent = number(cells.address_cells, 2);
    match (child, parent) {
        (Some(child), Some(parent)) => parent.wrapping_sub(child),
        _ => 0,
    }
}

fn uart(node: FdtNode<'_, '_>, offset: u64) -> Option<Uart> {
    let kind = node.compatible()?.all().find_map(|name| match name {
        "arm,pl011" => Some(UartKind::Pl011),
        "brcm,bcm2835-aux-uart" => Some(UartKind::Mini),
        _ => None,
    })?;
    let status = node.property("status").and_then(|status| status.as_str());
    if !matches!(status, None | Some("okay" | "ok")) {
        return None;
    }
    let address = node.reg()?.next()?.starting_address as u64;
    Some(Uart { kind, address: address.wrapping_add(offset), irq: irq(node) })
}

fn irq(node: FdtNode<'_, '_>) -> Option<u64> {
    let bytes = node.property("interrupts")?.value;
    let cell = |index: usize| Some(u32::from_be_bytes(bytes.get(4 * index..4 * index + 4)?.try_into().ok()?));
    let number = u64::from(cell(1)?);
    Some(number + if cell(0)? == 0 { FIRST_SHARED } else { FIRST_PRIVATE })
}
