//! Root's own capabilities: free slots, a piece of memory for what root makes itself, and a window of one page.

use core::fmt;

use mach_sys::abi::InitSlot;
use mach_sys::abi::LookupFailure;
use mach_sys::bootinfo::Boot;
use mach_sys::cap::cnode::{NodePath, SlotPath};
use mach_sys::cap::{
    CNode, Frame, IrqControl, IrqHandler, Notification, PageTable, SchedControl, Tcb, Untyped as UntypedKind, VSpace,
};
use mach_sys::{Cap, CapRights, Error, ObjectType, VmAttributes};
use root::devices::{Uart, page_of};
use root::untyped::{NoPiece, Untyped, Untypeds};

use crate::log;

/// Why root cannot start something.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The boot information is not that of a kernel with scheduling contexts.
    NoSchedulingContexts,
    /// The kernel refused what should have worked.
    Kernel(&'static str, Error),
    /// A piece of memory was not to be had.
    Memory(NoPiece<Error>),
    /// No slot is left in root's CSpace.
    Slots,
    /// The boot archive lacks an entry.
    Missing(&'static str),
    /// An entry of the boot archive is no program that can be loaded.
    Program(&'static str, elf::ParseError),
    /// The Mach server refused a call.
    Call(&'static str, libmach::KernReturn),
    /// More untypeds than the Mach server takes.
    TooManyUntypeds,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSchedulingContexts => f.write_str(
                "the kernel gives no scheduling control of each processor; it must be built with MCS (KernelIsMCS)",
            ),
            Self::Kernel(what, error) => write!(f, "{what}: the kernel answered {error}"),
            Self::Memory(error) => write!(f, "{error}"),
            Self::Slots => f.write_str("the first task's capability table is full"),
            Self::Missing(entry) => write!(f, "the boot archive has no entry `{entry}`"),
            Self::Program(entry, error) => {
                write!(f, "`{entry}` in the boot archive is no program: {error}")
            }
            Self::Call(what, code) => write!(f, "{what}: {code}"),
            Self::TooManyUntypeds => f.write_str("there are more pieces of memory than the Mach server takes"),
        }
    }
}

/// Adds what was being done to a kernel error.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Kernel(what, error))
    }
}

/// log2 of the memory that root uses itself: the Mach server's image and tables, its first capability tables.
const OWN_BITS: u32 = 22;
/// log2 of the size of a slot.
const SLOT_BITS: u32 = 5;
/// Where root maps a page for a moment, far from its image.
const WINDOW: u64 = 0x80_0000_0000;
pub(crate) const PAGE: usize = 4096;
/// Where root maps the registers of the log's line.
const LOG_LINE: u64 = WINDOW + PAGE as u64;
/// Where root maps the registers of a device that it looks at.
const PROBE: u64 = LOG_LINE + PAGE as u64;
/// Where root maps what the watcher uses.
pub(crate) const WATCHER: u64 = WINDOW + 16 * PAGE as u64;
/// Pages of device memory that root makes at the most.
const MAX_DEVICE_PAGES: usize = 16;

/// Root's capabilities.
pub(crate) struct Kernel {
    pub(crate) untypeds: Untypeds,
    own: Cap<UntypedKind>,
    next_slot: u64,
    end_slot: u64,
    sched_control: u64,
    /// Pages of device memory, by their physical addresses.
    devices: heapless::Vec<(u64, Cap<Frame>), MAX_DEVICE_PAGES>,
}

pub(crate) const CNODE: Cap<CNode> = Cap::new(InitSlot::CNode.number());
pub(crate) const VSPACE: Cap<VSpace> = Cap::new(InitSlot::VSpace.number());
const IRQ_CONTROL: Cap<IrqControl> = Cap::new(InitSlot::IrqControl.number());
pub(crate) const TCB: Cap<Tcb> = Cap::new(InitSlot::Tcb.number());

impl Kernel {
    /// Takes stock of what the kernel gave.
    pub(crate) fn new(boot: &Boot) -> Result<Self, Failure> {
        // A kernel without MCS has other fields from here on, and the untypeds stand in this one's place.
        if boot.info().schedcontrol.len() != boot.info().num_nodes {
            return Err(Failure::NoSchedulingContexts);
        }
        let empty = boot.info().empty;
        let mut kernel = Self {
            untypeds: Untypeds::new(),
            own: Cap::null(),
            next_slot: empty.start,
            end_slot: empty.end,
            sched_control: boot.info().schedcontrol.start,
            devices: heapless::Vec::new(),
        };
        for (slot, untyped) in boot.untypeds() {
            let known = Untyped {
                slot,
                address: untyped.paddr,
                bits: u32::from(untyped.size_bits),
                device: untyped.is_device != 0,
            };
            if !kernel.untypeds.add(known) {
                return Err(Failure::TooManyUntypeds);
            }
        }
        kernel.own = Cap::new(kernel.piece(OWN_BITS)?.slot);
        Ok(kernel)
    }

    /// The control of this core's scheduling contexts.
    pub(crate) fn sched_control(&self) -> Cap<SchedControl> {
        Cap::new(self.sched_control)
    }

    /// A free slot.
    pub(crate) fn slot(&mut self) -> Result<SlotPath, Failure> {
        self.slots(1)
    }

    /// The first of several free slots in a row.
    fn slots(&mut self, count: u64) -> Result<SlotPath, Failure> {
        let slot = self.next_slot;
        if self.end_slot - slot < count {
            return Err(Failure::Slots);
        }
        self.next_slot += count;
        Ok(CNODE.slot(slot))
    }

    /// A piece of ordinary memory of its own, log2 of its size given.
    pub(crate) fn piece(&mut self, bits: u32) -> Result<Untyped, Failure> {
        let (next, end) = (&mut self.next_slot, self.end_slot);
        self.untypeds.take(bits, |parent, half| halve(next, end, parent, half)).map_err(Failure::Memory)
    }

    /// The page of device memory at a physical address. It may be mapped already: map a copy of it.
    pub(crate) fn device_page(&mut self, address: u64) -> Result<Cap<Frame>, Failure> {
        if let Some((_, page)) = self.devices.iter().find(|(known, _)| *known == address) {
            return Ok(*page);
        }
        let (next, end) = (&mut self.next_slot, self.end_slot);
        let piece = self
            .untypeds
            .take_at(address, 12, |parent, half| halve(next, end, parent, half))
            .map_err(Failure::Memory)?;
        let slot = self.slot()?;
        let untyped: Cap<UntypedKind> = Cap::new(piece.slot);
        untyped
            .retype(ObjectType::SmallPage, 0, NodePath::root(CNODE), slot.index, 1)
            .during("making a page of device memory")?;
        self.devices.push((address, slot.cap())).map_err(|_| Failure::Slots)?;
        Ok(slot.cap())
    }

    /// What the registers in the word at these offsets of a device page say.
    pub(crate) fn probe<const N: usize>(&mut self, address: u64, offsets: [u64; N]) -> Result<[u32; N], Failure> {
        let frame = self.device_page(page_of(address))?;
        self.map(frame, VSPACE, PROBE, CapRights::READ, VmAttributes::EXECUTE_NEVER)?;
        let found = offsets.map(|offset| view::register(PROBE, (address - page_of(address)) + offset));
        frame.unmap().during("unmapping a page")?;
        Ok(found)
    }

    /// Opens the log on a serial line.
    pub(crate) fn open_log(&mut self, line: &Uart) -> Result<(), Failure> {
        let page = page_of(line.address);
        let frame = self.device_page(page)?;
        self.map(frame, VSPACE, LOG_LINE, CapRights::READ_WRITE, VmAttributes::EXECUTE_NEVER)?;
        log::open(line.kind, LOG_LINE + (line.address - page));
        Ok(())
    }

    /// The handler of an interrupt, which signals nothing yet.
    pub(crate) fn handler(&mut self, irq: u64) -> Result<Cap<IrqHandler>, Failure> {
        let slot = self.slot()?;
        IRQ_CONTROL.issue_handler(irq, slot).during("taking an interrupt")?;
        Ok(slot.cap())
    }

    /// A notification that an interrupt signals, and the interrupt's handler.
    pub(crate) fn interrupt(&mut self, irq: u64) -> Result<(Cap<Notification>, Cap<IrqHandler>), Failure> {
        let notification: Cap<Notification> = self.make(ObjectType::Notification, 0)?;
        let handler = self.handler(irq)?;
        handler.set_notification(notification).during("routing an interrupt")?;
        Ok((notification, handler))
    }

    /// Makes an object out of root's own memory.
    pub(crate) fn make<T>(&mut self, kind: ObjectType, size_bits: u64) -> Result<Cap<T>, Failure> {
        let slot = self.slot()?;
        self.own.retype(kind, size_bits, NodePath::root(CNODE), slot.index, 1).during("making an object")?;
        Ok(slot.cap())
    }

    /// Makes a capability table of 2^`radix` slots out of a piece of memory of its own.
    pub(crate) fn make_large_cnode(&mut self, radix: u64) -> Result<Cap<CNode>, Failure> {
        let piece = self.piece(radix as u32 + SLOT_BITS)?;
        let slot = self.slot()?;
        let untyped: Cap<UntypedKind> = Cap::new(piece.slot);
        let made = untyped.retype(ObjectType::CNode, radix, NodePath::root(CNODE), slot.index, 1);
        made.during("making a large capability table")?;
        Ok(slot.cap())
    }

    /// Maps a frame, making the tables that are missing.
    pub(crate) fn map(
        &mut self,
        frame: Cap<Frame>,
        space: Cap<VSpace>,
        address: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<(), Failure> {
        loop {
            match frame.map(space, address, rights, attributes) {
                Err(Error::FailedLookup { failure: Some(LookupFailure::MissingCapability { .. }), .. }) => {
                    let table: Cap<PageTable> = self.make(ObjectType::PageTable, 0)?;
                    table.map(space, address).during("mapping a table")?;
                }
                other => return other.during("mapping a page"),
            }
        }
    }

    /// Fills a fresh frame through the window.
    pub(crate) fn fill(&mut self, frame: Cap<Frame>, offset: usize, bytes: &[u8]) -> Result<(), Failure> {
        self.map(frame, VSPACE, WINDOW, CapRights::READ_WRITE, VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER)?;
        view::write(WINDOW as usize, offset, bytes);
        frame.unmap().during("unmapping a page")
    }
}

/// Makes two untypeds of half the size.
fn halve(next: &mut u64, end: u64, parent: &Untyped, half: u32) -> Result<(u64, u64), Error> {
    let first = *next;
    if end - first < 2 {
        return Err(Error::NotEnoughMemory { left: 0 });
    }
    let untyped: Cap<UntypedKind> = Cap::new(parent.slot);
    untyped.retype(ObjectType::Untyped, u64::from(half), NodePath::root(CNODE), first, 2)?;
    *next += 2;
    Ok((first, first + 1))
}

#[expect(unsafe_code, reason = "reads and writes the page that is mapped in root's window")]
mod view {
    use super::PAGE;

    /// The device register at an offset in the page mapped at `window`; all ones beyond its end.
    pub(super) fn register(window: u64, offset: u64) -> u32 {
        if offset + 4 > PAGE as u64 || !offset.is_multiple_of(4) {
            return u32::MAX;
        }
        let register = core::ptr::with_exposed_provenance::<u32>((window + offset) as usize);
        // SAFETY: `Kernel::probe` mapped a device page there before it called; the word is aligned and lies in it.
        unsafe { register.read_volatile() }
    }

    /// Copies bytes into the page mapped at `window`; what does not fit is left out.
    pub(super) fn write(window: usize, offset: usize, bytes: &[u8]) {
        let page = core::ptr::with_exposed_provenance_mut::<[u8; PAGE]>(window);
        // SAFETY: `Kernel::fill` maps a frame of this size read-write there before it calls, and only root's first thread
        // has a `Kernel`, so no other reference to the window exists.
        let page = unsafe { &mut *page };
        if let Some(to) = page.get_mut(offset..) {
            to.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        }
    }
}
