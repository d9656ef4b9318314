//! Making the initial task: its address space, its CSpace, its thread.

use handoff::Handoff;
use sel4_abi::bootinfo::HEADER_FDT;
use sel4_abi::object::{
    ASID_POOL_BITS, MAX_PRIORITY, MIN_SCHED_CONTEXT_BITS, PAGE_BITS, SLOT_BITS, TCB_BITS, USER_TOP,
};
use sel4_abi::{BootInfo, BootInfoHeader, InitSlot};

use super::cspace::{InitialCSpace, radix_for};
use super::memory::{self, BootMemory, ram_region};
use super::paging::{self, InitialTable};
use super::{BootError, info};
use crate::arch::cache;
use crate::arch::pte::{Execute, MemoryType};
use crate::cap::{AsidPoolCap, Badge, Cap, FrameCap, Mapping, PageTableCap, SchedContextCap, VSpaceCap, VmRights, cdt};
use crate::kernel::Kernel;
use crate::kobj::{KRef, MemRegion};
use crate::mem::{PhysAddr, UserVa};
use crate::object::sched_context::{self, Parameters};
use crate::object::{AsidPool, PageTable, SchedContext, Tcb, TcbSlot, ThreadState};
use crate::sched::{self, Micros, Priority};
use crate::vspace::{self, Asid, PageAttributes};

const PAGE: u64 = 1 << PAGE_BITS;
/// The ASID of the initial VSpace.
const INITIAL_ASID: Asid = Asid(1);
/// The time slice of the initial thread.
const TIME_SLICE: Micros = Micros(5000);

/// Where the initial task's pages lie in its address space (spec §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// The first page of the image.
    image: u64,
    /// The page behind the image: the IPC buffer.
    ipc_buffer: u64,
    /// The boot information.
    info: u64,
    /// The first page of the extra boot information.
    extra: u64,
    /// Bytes of extra boot information.
    extra_bytes: u64,
    /// The end of what page tables are made for.
    end: u64,
}

impl Layout {
    fn new(handoff: &Handoff) -> Result<Self, BootError> {
        let image = handoff.root.phys.base.wrapping_sub(handoff.root.phys_minus_virt);
        let extra_bytes = match handoff.device_tree.size {
            0 => 0,
            size => size + size_of::<BootInfoHeader>() as u64,
        };
        let tables_for_extra = match extra_bytes.div_ceil(PAGE) {
            0 => 0,
            pages => pages.next_power_of_two() * PAGE,
        };
        let end = image
            .checked_add(handoff.root.phys.size)
            .and_then(|end| end.checked_add(2 * PAGE + tables_for_extra))
            .filter(|end| *end <= USER_TOP + 1 && image.is_multiple_of(PAGE))
            .ok_or(BootError::ImageOutsideUserSpace)?;
        let ipc_buffer = image + handoff.root.phys.size;
        Ok(Self { image, ipc_buffer, info: ipc_buffer + PAGE, extra: ipc_buffer + 2 * PAGE, extra_bytes, end })
    }

    fn extra_pages(self) -> u64 {
        self.extra_bytes.div_ceil(PAGE)
    }

    /// Slots that are filled before the untypeds.
    fn slots(self) -> u64 {
        let tables = paging::tables(self.image, self.end).count() as u64;
        let frames = (self.ipc_buffer - self.image) / PAGE;
        InitSlot::FIRST_FREE + tables + self.extra_pages() + 1 + frames
    }
}

/// Makes the initial task and lets its thread be the next to run.
///
/// # Errors
/// [`BootError`] says what is missing.
pub(super) fn start(k: &mut Kernel, handoff: &Handoff) -> Result<(), BootError> {
    let layout = Layout::new(handoff)?;
    let mut memory = BootMemory::new(handoff)?;
    let radix = radix_for(layout.slots() + sel4_abi::bootinfo::MAX_UNTYPEDS as u64);
    let cnode = memory.take(k, radix + SLOT_BITS)?;
    let cnode = cnode.place_slots(k).ok_or(BootError::NoMemory)?;
    let mut cspace = InitialCSpace::new(k, cnode)?;
    cspace.set(k, InitSlot::IrqControl, Cap::IrqControl)?;
    cspace.set(k, InitSlot::AsidControl, Cap::AsidControl)?;
    cspace.set(k, InitSlot::Domain, Cap::Domain)?;

    let mut info = BootInfo { init_thread_cnode_size_bits: radix.into(), ..BootInfo::EMPTY };
    info.num_nodes = 1;
    info.ipc_buffer = layout.ipc_buffer;
    info.extra_len = layout.extra_bytes;

    let root = make_vspace(k, &mut memory, cspace)?;
    let space = Space { root };
    let first = cspace.next();
    for table in paging::tables(layout.image, layout.end) {
        let cap = space.add_table(k, &mut memory, table)?;
        cspace.push(k, cap)?;
    }
    info.user_image_paging = cspace.since(first);

    let first = cspace.next();
    provide_extra(k, &mut memory, &mut cspace, space, layout, handoff)?;
    info.extra_bi_pages = cspace.since(first);

    let first = cspace.next();
    cspace.push(k, Cap::SchedControl { core: 0 })?;
    info.schedcontrol = cspace.since(first);

    let first = cspace.next();
    for offset in (0..handoff.root.phys.size).step_by(PAGE as usize) {
        let frame = ram_region(PhysAddr(handoff.root.phys.base + offset), PAGE_BITS);
        let cap = space.add_page(k, frame, layout.image + offset, Execute::Allowed);
        cspace.push(k, cap)?;
    }
    info.user_image_frames = cspace.since(first);

    let ipc_frame = memory.take_page(k)?;
    let cap = space.add_page(k, ipc_frame, layout.ipc_buffer, Execute::Never);
    cspace.set(k, InitSlot::IpcBuffer, cap)?;
    let info_frame = memory.take_page(k)?;
    let cap = space.add_page(k, info_frame, layout.info, Execute::Never);
    cspace.set(k, InitSlot::BootInfoFrame, cap)?;

    sched::start(k);
    make_thread(k, &mut memory, cspace, layout, handoff.root.entry)?;

    info::provide(k, &mut cspace, &mut info, &info::devices(handoff)?, &memory.into_free())?;
    info.empty = cspace.empty();
    memory::write(k, info_frame, 0, memory::info_bytes(&info));
    Ok(())
}

/// Makes the root of the address space and the first ASID pool.
fn make_vspace(k: &mut Kernel, memory: &mut BootMemory, cspace: InitialCSpace) -> Result<KRef<PageTable>, BootError> {
    let root: KRef<PageTable> = memory.take_page(k)?.place(k).ok_or(BootError::NoMemory)?;
    let pool: KRef<AsidPool> = memory.take(k, ASID_POOL_BITS)?.place(k).ok_or(BootError::NoMemory)?;
    k.asids.add_pool(Asid(0), pool);
    pool.get(k).assign(INITIAL_ASID, root);
    cspace.set(k, InitSlot::VSpace, Cap::VSpace(VSpaceCap { root, asid: Some(INITIAL_ASID) }))?;
    cspace.set(k, InitSlot::AsidPool, Cap::AsidPool(AsidPoolCap { pool, base: Asid(0) }))?;
    Ok(root)
}

/// The initial address space while it is being filled.
#[derive(Clone, Copy, Debug)]
struct Space {
    root: KRef<PageTable>,
}

impl Space {
    /// Adds a page table; the parents come first.
    fn add_table(self, k: &mut Kernel, memory: &mut BootMemory, wanted: InitialTable) -> Result<Cap, BootError> {
        let table: KRef<PageTable> = memory.take_page(k)?.place(k).ok_or(BootError::NoMemory)?;
        let vaddr = UserVa(wanted.base);
        let place = vspace::table_place(k, self.root, vaddr).ok_or(BootError::ImageOutsideUserSpace)?;
        vspace::map_table(k, place, table);
        let mapping = Some(Mapping { asid: INITIAL_ASID, vaddr });
        Ok(Cap::PageTable(PageTableCap { table, mapping }))
    }

    /// Maps a page, readable and writable; its tables exist.
    fn add_page(self, k: &Kernel, frame: MemRegion, vaddr: u64, execute: Execute) -> Cap {
        let mapping = Mapping { asid: INITIAL_ASID, vaddr: UserVa(vaddr) };
        let place = vspace::walk(k, self.root, mapping.vaddr);
        let attributes = PageAttributes { rights: VmRights::ReadWrite, memory: MemoryType::Normal, execute };
        vspace::map_page(k, place, mapping, frame.base(), attributes);
        Cap::Frame(FrameCap { region: frame, rights: VmRights::ReadWrite, mapping: Some(mapping) })
    }
}

/// Makes the pages of the extra boot information: one chunk, the device tree.
fn provide_extra(
    k: &mut Kernel,
    memory: &mut BootMemory,
    cspace: &mut InitialCSpace,
    space: Space,
    layout: Layout,
    handoff: &Handoff,
) -> Result<(), BootError> {
    let header = [HEADER_FDT, layout.extra_bytes].map(u64::to_le_bytes);
    let header = header.as_flattened();
    let mut tree = memory::read(handoff.device_tree);
    for page in 0..layout.extra_pages() {
        let frame = memory.take_page(k)?;
        let offset = if page == 0 { header.len() } else { 0 };
        if page == 0 {
            memory::write(k, frame, 0, header);
        }
        let (here, rest) = tree.split_at(tree.len().min(PAGE as usize - offset));
        memory::write(k, frame, offset as u64, here);
        tree = rest;
        let cap = space.add_page(k, frame, layout.extra + page * PAGE, Execute::Allowed);
        cspace.push(k, cap)?;
        cache::clean_to_pou(frame.base().to_kernel(), PAGE as usize);
    }
    Ok(())
}

/// Makes the initial thread and its scheduling context.
fn make_thread(
    k: &mut Kernel,
    memory: &mut BootMemory,
    cspace: InitialCSpace,
    layout: Layout,
    entry: u64,
) -> Result<(), BootError> {
    let tcb: KRef<Tcb> = memory.take(k, TCB_BITS)?.place(k).ok_or(BootError::NoMemory)?;
    let region = memory.take(k, MIN_SCHED_CONTEXT_BITS)?;
    let sc: KRef<SchedContext> = region.place_sched_context(k).ok_or(BootError::NoMemory)?;
    cspace.set(k, InitSlot::Tcb, Cap::Thread(tcb))?;
    let cap = SchedContextCap { sched_context: sc, size_bits: MIN_SCHED_CONTEXT_BITS };
    cspace.set(k, InitSlot::SchedContext, Cap::SchedContext(cap))?;

    for (from, to) in [
        (InitSlot::CNode, TcbSlot::CSpaceRoot),
        (InitSlot::VSpace, TcbSlot::VSpaceRoot),
        (InitSlot::IpcBuffer, TcbSlot::IpcBuffer),
    ] {
        let source = cspace.slot(from)?;
        let copy = match source.cap(k) {
            Cap::Frame(frame) => Cap::Frame(FrameCap { mapping: None, ..frame }),
            cap => cap,
        };
        cdt::insert(k, source, tcb.slot(k, to), copy);
    }

    let thread = tcb.get(k);
    thread.context.resume_pc.set(entry);
    thread.context.restart_pc.set(entry);
    thread.context.badge_register().set(layout.info);
    thread.ipc_buffer.set(layout.ipc_buffer);
    thread.priority.set(Priority(MAX_PRIORITY as u8));
    thread.mcp.set(Priority(MAX_PRIORITY as u8));
    thread.state.set(ThreadState::Running);
    let slice = k.cpu.sched.clock.to_ticks(TIME_SLICE);
    let parameters =
        Parameters { budget: slice, period: slice, max_refills: 2, badge: Badge::NONE, is_sporadic: false };
    sched_context::configure(k, sc, parameters);
    sched_context::bind_tcb(k, sc, tcb);
    Ok(())
}
