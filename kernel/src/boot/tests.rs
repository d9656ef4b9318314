//! The initial task, made over the arena and looked at from all sides.

use std::vec::Vec;

use handoff::{Gic, Handoff, PhysRange, Ranges, RootImage};
use sel4_abi::object::PAGE_BITS;
use sel4_abi::{BootInfo, InitSlot, SlotRegion};

use super::{BootError, memory, task};
use crate::arch::Machine;
use crate::arch::pte::Level;
use crate::cap::{CNodeCap, Cap, FrameCap, UntypedCap, VSpaceCap, cdt};
use crate::kernel::Kernel;
use crate::kobj::{KRef, MemRegion};
use crate::mem::UserVa;
use crate::object::tcb::ThreadState;
use crate::object::{Tcb, TcbSlot};
use crate::vspace;

const PAGE: u64 = 1 << PAGE_BITS;
const IMAGE: u64 = 0x40_0000;
const IMAGE_BYTES: u64 = 16 * PAGE;
const ENTRY: u64 = IMAGE + 0x123;
const TREE_BYTES: u64 = PAGE + 100;

/// A machine whose upper half is RAM, and what the boot stage would say of it.
fn machine() -> (Machine, MemRegion, Handoff) {
    let mut m = Machine::new(24);
    let ram = m.take(23);
    let base = ram.base().0;
    let mut handoff = Handoff::EMPTY;
    let range = |from: u64, size: u64| PhysRange { base: base + from, size };
    handoff.ram = ranges(&[PhysRange { base, size: ram.bytes() }]);
    handoff.reserved = ranges(&[range(0, PAGE), range(0x20_0000, 0x800)]);
    handoff.kernel = range(PAGE, PAGE);
    handoff.device_tree = range(2 * PAGE, TREE_BYTES);
    let phys = range(4 * PAGE, IMAGE_BYTES);
    handoff.root = RootImage { phys, phys_minus_virt: phys.base.wrapping_sub(IMAGE), entry: ENTRY };
    handoff.gic = Gic {
        version: 2,
        distributor: PhysRange { base: 0x800_0000, size: 0x1000 },
        cpu_interface: PhysRange { base: 0x801_0000, size: 0x1000 },
        redistributors: PhysRange::EMPTY,
    };
    handoff.timer_irq = 27;
    handoff.phys_bits = 48;
    let tree: Vec<u8> = (0..TREE_BYTES).map(|i| (i % 251) as u8).collect();
    let lower = ram.carve(0, PAGE_BITS + 2).unwrap();
    memory::write(&mut m.kernel, lower, 2 * PAGE, &tree);
    (m, ram, handoff)
}

fn ranges(list: &[PhysRange]) -> Ranges {
    let mut ranges = Ranges::EMPTY;
    list.iter().for_each(|range| ranges.insert(*range).unwrap());
    ranges
}

/// What the initial task sees.
struct Task<'k> {
    k: &'k Kernel,
    thread: KRef<Tcb>,
    cnode: CNodeCap,
    info: BootInfo,
}

impl<'k> Task<'k> {
    fn new(k: &'k Kernel) -> Self {
        crate::sched::activate(k);
        let thread = k.current().unwrap();
        let Cap::CNode(cnode) = thread.slot(k, TcbSlot::CSpaceRoot).cap(k) else { panic!("no CSpace") };
        let mut task = Task { k, thread, cnode, info: BootInfo::EMPTY };
        let Cap::Frame(frame) = task.fixed(InitSlot::BootInfoFrame) else { panic!("no boot information") };
        task.info = memory::read_info(frame.region);
        task
    }

    fn cap(&self, slot: u64) -> Cap {
        self.cnode.slots.slot(slot as usize).unwrap().cap(self.k)
    }

    fn fixed(&self, slot: InitSlot) -> Cap {
        self.cap(slot.number())
    }

    fn caps(&self, region: SlotRegion) -> Vec<Cap> {
        (region.start..region.end).map(|slot| self.cap(slot)).collect()
    }

    fn vspace(&self) -> VSpaceCap {
        match self.fixed(InitSlot::VSpace) {
            Cap::VSpace(vspace) => vspace,
            other => panic!("{other:?}"),
        }
    }

    /// Checks that a frame capability is mapped at `vaddr`, readable and writable, and says so.
    fn assert_mapped(&self, cap: Cap, vaddr: u64) -> FrameCap {
        let Cap::Frame(frame) = cap else { panic!("{cap:?} is no frame") };
        assert_eq!(frame.mapping.map(|m| m.vaddr), Some(UserVa(vaddr)));
        let page = vspace::page_at(self.k, self.vspace().root, UserVa(vaddr)).unwrap();
        assert_eq!((page.base, page.size_bits, page.is_writable), (frame.region.base(), PAGE_BITS, true));
        frame
    }
}

#[test]
fn slots_are_filled_in_order_and_described() {
    let (mut m, _, handoff) = machine();
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    let info = task.info;
    // Paging, extra boot information, scheduling control, image, untypeds, empty: no gap between.
    assert_eq!(info.user_image_paging, SlotRegion { start: 16, end: 19 });
    assert_eq!(info.extra_bi_pages, SlotRegion { start: 19, end: 21 });
    assert_eq!(info.schedcontrol, SlotRegion { start: 21, end: 22 });
    assert_eq!(info.user_image_frames, SlotRegion { start: 22, end: 22 + IMAGE_BYTES / PAGE });
    assert_eq!(info.untyped.start, info.user_image_frames.end);
    assert_eq!(info.empty, SlotRegion { start: info.untyped.end, end: 1 << 13 });
    assert_eq!(info.init_thread_cnode_size_bits, 13);
    assert_eq!((info.num_nodes, info.node_id, info.num_io_pt_levels), (1, 0, 0));
    assert!(info.shared_frames.is_empty() && info.io_space_caps.is_empty());
    assert!(task.caps(info.empty).iter().all(|cap| cap.is_null()));
    for slot in [0, 7, 8, 12, 13, 15] {
        assert_eq!(task.cap(slot), Cap::Null);
    }
    assert_eq!(task.fixed(InitSlot::IrqControl), Cap::IrqControl);
    assert_eq!(task.fixed(InitSlot::AsidControl), Cap::AsidControl);
    assert_eq!(task.fixed(InitSlot::Domain), Cap::Domain);
    assert!(matches!(task.fixed(InitSlot::AsidPool), Cap::AsidPool(pool) if pool.base.0 == 0));
    assert!(matches!(task.fixed(InitSlot::SchedContext), Cap::SchedContext(sc) if sc.size_bits == 7));
    assert_eq!(task.caps(info.schedcontrol), [Cap::SchedControl { core: 0 }]);
    assert_eq!(task.cnode.guard_size, 64 - 13);
}

#[test]
fn the_address_space_holds_the_image_and_what_lies_behind_it() {
    let (mut m, _, handoff) = machine();
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    for (i, cap) in task.caps(task.info.user_image_frames).into_iter().enumerate() {
        let offset = i as u64 * PAGE;
        let frame = task.assert_mapped(cap, IMAGE + offset);
        assert_eq!(frame.region.base().0, handoff.root.phys.base + offset);
    }
    let end = IMAGE + IMAGE_BYTES;
    assert_eq!(task.info.ipc_buffer, end);
    task.assert_mapped(task.fixed(InitSlot::IpcBuffer), end);
    task.assert_mapped(task.fixed(InitSlot::BootInfoFrame), end + PAGE);
    for (i, cap) in task.caps(task.info.extra_bi_pages).into_iter().enumerate() {
        task.assert_mapped(cap, end + (2 + i as u64) * PAGE);
    }
    let behind = UserVa(end + 4 * PAGE);
    assert_eq!(vspace::page_at(task.k, task.vspace().root, behind), None);
    assert_eq!(vspace::walk(task.k, task.vspace().root, behind).level, Level::L3);
    assert_eq!(task.vspace().asid.map(|asid| asid.0), Some(1));
}

#[test]
fn the_device_tree_is_one_chunk() {
    let (mut m, _, handoff) = machine();
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    assert_eq!(task.info.extra_len, 16 + TREE_BYTES);
    let mut bytes = Vec::new();
    for cap in task.caps(task.info.extra_bi_pages) {
        let Cap::Frame(frame) = cap else { panic!() };
        bytes.extend_from_slice(memory::read(PhysRange { base: frame.region.base().0, size: PAGE }));
    }
    assert_eq!(bytes[..16], [6u64.to_le_bytes(), (16 + TREE_BYTES).to_le_bytes()].concat());
    let (tree, rest) = bytes[16..].split_at(TREE_BYTES as usize);
    assert!(tree.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
    assert!(rest.iter().all(|byte| *byte == 0));
}

#[test]
fn without_a_device_tree_there_is_no_extra_information() {
    let (mut m, _, mut handoff) = machine();
    handoff.device_tree = PhysRange::EMPTY;
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    assert_eq!(task.info.extra_len, 0);
    assert!(task.info.extra_bi_pages.is_empty());
}

#[test]
fn the_thread_starts_with_the_boot_information_and_nothing_else() {
    let (mut m, _, handoff) = machine();
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    let thread = task.thread.get(task.k);
    assert_eq!(task.fixed(InitSlot::Tcb), Cap::Thread(task.thread));
    assert_eq!(thread.context.resume_pc.get(), ENTRY);
    assert_eq!(thread.context.x[0].get(), IMAGE + IMAGE_BYTES + PAGE);
    assert!(thread.context.x[1..].iter().all(|x| x.get() == 0));
    assert_eq!((thread.context.sp.get(), thread.context.tpidr.get()), (0, 0));
    assert_eq!((thread.priority.get().0, thread.mcp.get().0), (255, 255));
    assert_eq!(thread.state.get(), ThreadState::Running);
    for (slot, copy) in [
        (InitSlot::CNode, TcbSlot::CSpaceRoot),
        (InitSlot::VSpace, TcbSlot::VSpaceRoot),
        (InitSlot::IpcBuffer, TcbSlot::IpcBuffer),
    ] {
        let original = task.cnode.slots.slot(slot.number() as usize).unwrap();
        assert!(cdt::is_parent_of(task.k, original, task.thread.slot(task.k, copy)));
    }
    let buffer = task.thread.slot(task.k, TcbSlot::IpcBuffer).cap(task.k);
    assert!(matches!(buffer, Cap::Frame(frame) if frame.mapping.is_none()));
}

#[test]
fn untypeds_are_the_free_ram_and_the_devices() {
    let (mut m, ram, handoff) = machine();
    task::start(&mut m.kernel, &handoff).unwrap();
    let task = Task::new(&m.kernel);
    let list = &task.info.untyped_list[..task.info.untyped.len() as usize];
    let mut regions = Vec::new();
    for (cap, entry) in task.caps(task.info.untyped).into_iter().zip(list) {
        let Cap::Untyped(UntypedCap { region, watermark, .. }) = cap else { panic!("{cap:?}") };
        assert_eq!(watermark, region.bytes(), "boot untypeds are full");
        assert_eq!(entry.paddr, region.base().0);
        assert_eq!(u32::from(entry.size_bits), region.size_bits());
        assert_eq!(entry.is_device == 1, region.is_device());
        assert!(region.base().is_aligned(region.size_bits()));
        regions.push(region);
    }
    // Devices first; each sort ascending and disjoint.
    let devices = regions.iter().take_while(|r| r.is_device()).count();
    let (devices, ordinary) = regions.split_at(devices);
    assert!(ordinary.iter().all(|r| !r.is_device() && ram.contains(*r)));
    assert!(devices.iter().all(|r| !overlaps(r, ram.base().0, ram.bytes())));
    for sort in [devices, ordinary] {
        assert!(sort.windows(2).all(|w| w[0].last() < w[1].base()));
    }
    for kept in [handoff.gic.distributor, handoff.gic.cpu_interface] {
        assert!(devices.iter().all(|r| !overlaps(r, kept.base, kept.size)));
    }
    let placed = [handoff.kernel, handoff.device_tree, handoff.root.phys];
    for kept in placed.iter().chain(handoff.reserved.as_slice()) {
        assert!(ordinary.iter().all(|r| !overlaps(r, kept.base, kept.size)));
    }
    // All else of RAM went into objects: CNode, root, pool, 3 tables, IPC buffer, boot information,
    // 2 pages of extra information, thread, scheduling context.
    let objects = (1 << 18) + 9 * PAGE + 2048 + 128;
    let kept = (1 + 1 + 2 + 1) * PAGE + IMAGE_BYTES;
    let free: u64 = ordinary.iter().map(|r| r.bytes()).sum();
    assert_eq!(free, ram.bytes() - objects - kept);
}

fn overlaps(region: &MemRegion, base: u64, size: u64) -> bool {
    region.base().0 < base + size && base <= region.last().0
}

#[test]
fn the_largest_interrupt_is_the_smaller_of_boards_and_controllers() {
    use super::max_irq;
    assert_eq!(max_irq(287, 159), 159);
    assert_eq!(max_irq(223, 216), 216);
    assert_eq!(max_irq(127, 159), 127, "no more than the controller has");
    assert_eq!(max_irq(287, handoff::ANY_IRQ), 287);
    assert_eq!(max_irq(u32::MAX, handoff::ANY_IRQ), 1019, "beyond are no interrupts");
}

#[test]
fn an_image_outside_user_space_is_refused() {
    let (mut m, _, mut handoff) = machine();
    handoff.root.phys_minus_virt = handoff.root.phys.base.wrapping_sub(0x7fff_ffff_0000);
    assert_eq!(task::start(&mut m.kernel, &handoff), Err(BootError::ImageOutsideUserSpace));
}

#[test]
fn too_little_ram_is_refused() {
    let (mut m, ram, mut handoff) = machine();
    let rest = PhysRange::new(ram.base().0 + 0x2_0000, ram.base().0 + ram.bytes());
    handoff.reserved = ranges(&[rest]);
    assert_eq!(task::start(&mut m.kernel, &handoff), Err(BootError::NoMemory));
}
