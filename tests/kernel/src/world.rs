//! What cases are made of: memory, slots, objects, threads. All of it is taken back after each case.

use mach_sys::abi::object::{LARGE_PAGE_BITS, PAGE_BITS};
use mach_sys::abi::{InitSlot, InvocationLabel as L, ObjectType};
use mach_sys::bootinfo::Boot;
use mach_sys::{CPtr, VmAttributes};

use crate::agent::{self, Agent, BUFFERS, MAX_AGENTS};
use crate::call::{Answer, call, wait};
use crate::case::{Done, Trouble};

/// The initial capabilities.
pub(crate) const TCB: CPtr = InitSlot::Tcb.number();
pub(crate) const ROOT: CPtr = InitSlot::CNode.number();
pub(crate) const VSPACE: CPtr = InitSlot::VSpace.number();
pub(crate) const IRQ_CONTROL: CPtr = InitSlot::IrqControl.number();
pub(crate) const ASID_CONTROL: CPtr = InitSlot::AsidControl.number();
pub(crate) const POOL: CPtr = InitSlot::AsidPool.number();
pub(crate) const DOMAIN: CPtr = InitSlot::Domain.number();
pub(crate) const OWN_CONTEXT: CPtr = InitSlot::SchedContext.number();

/// The depth of an address in the root CNode.
pub(crate) const DEPTH: u64 = 64;
pub(crate) const PAGE: u64 = 1 << PAGE_BITS;
/// All rights; and those of pages.
pub(crate) const ALL: u64 = 15;
pub(crate) const READ_WRITE: u64 = 3;
pub(crate) const READ: u64 = 2;
pub(crate) const WRITE: u64 = 1;
/// Cached memory; cached memory without code.
pub(crate) const CACHED: u64 = VmAttributes::DEFAULT.bits();
pub(crate) const NO_CODE: u64 = VmAttributes::DEFAULT.bits() | VmAttributes::EXECUTE_NEVER.bits();

/// Where cases map pages: a last-level table is there.
pub(crate) const WINDOW: u64 = 0x2000_0000;
/// Where there is no last-level table: the first GiB has the table above.
pub(crate) const NO_TABLE: u64 = 0x3000_0000;
/// Where there is nothing but the root.
pub(crate) const NOTHING: u64 = 0x40_0000_0000 * 3;

/// The memory of a case, log2, and what stays over all cases.
const MEMORY_BITS: u64 = 23;
const OWN_BITS: u64 = 18;
/// Slots that a case may use.
const SLOTS: u64 = 600;
/// Slots that stay.
const OWN_SLOTS: u64 = 64;

/// A scheduling context's size: room for ten refills.
pub(crate) const CONTEXT_BITS: u64 = 8;
/// A time slice that no case uses up, in microseconds.
const LONG_US: u64 = 100_000_000;

pub(crate) struct World {
    pub(crate) boot: Boot,
    /// The untyped that a case makes its objects from.
    pub(crate) memory: CPtr,
    /// A device untyped that holds at least 1 GiB.
    pub(crate) device: CPtr,
    /// The authority over the one core's scheduling contexts.
    pub(crate) sched_control: CPtr,
    /// What the lowest thread signals: nobody else can run.
    idle: CPtr,
    /// A notification that nobody signals.
    pub(crate) never: CPtr,
    /// The frames of the agents' IPC buffers.
    buffers: CPtr,
    first: u64,
    next: u64,
}

/// Turns an answer into a step of a case's preparation.
pub(crate) trait Must {
    fn must(self, what: &'static str) -> Done;
}

impl Must for Answer {
    fn must(self, what: &'static str) -> Done {
        if self.is_ok() { Ok(()) } else { Err(Trouble(what)) }
    }
}

/// Makes objects from `untyped` in slots of the root CNode.
pub(crate) fn retype(untyped: CPtr, object: ObjectType, size_bits: u64, slot: u64, count: u64) -> Answer {
    call(untyped, L::UntypedRetype, &[object.number(), size_bits, 0, 0, slot, count], &[ROOT])
}

impl World {
    /// Finds memory, and makes what all cases need.
    pub(crate) fn new(boot: &Boot) -> Result<Self, Trouble> {
        let of_size = |device: bool, bits: u64| {
            let fits = move |desc: &mach_sys::abi::UntypedDesc| {
                u64::from(desc.size_bits) >= bits && (desc.is_device != 0) == device
            };
            boot.untypeds().filter(|(_, desc)| fits(desc)).min_by_key(|(_, desc)| desc.size_bits)
        };
        let (source, _) = of_size(false, MEMORY_BITS + 1).ok_or(Trouble("there is no untyped that is large enough"))?;
        let (device, _) = of_size(true, 30).ok_or(Trouble("there is no device untyped of a GiB"))?;
        let first = boot.info().empty.start;
        let [own, memory, idle, never] = [first, first + 1, first + 2, first + 3];
        retype(source, ObjectType::Untyped, MEMORY_BITS, memory, 1).must("no memory for the cases")?;
        retype(source, ObjectType::Untyped, OWN_BITS, own, 1).must("no memory for what stays")?;
        retype(own, ObjectType::Notification, 0, idle, 2).must("no notifications")?;
        let [tables, buffers, thread] = [first + 4, first + 6, first + 6 + MAX_AGENTS];
        retype(own, ObjectType::PageTable, 0, tables, 2).must("no page tables")?;
        for (table, address) in [(tables, BUFFERS), (tables + 1, WINDOW)] {
            call(table, L::PageTableMap, &[address, CACHED], &[VSPACE]).must("a page table cannot be mapped")?;
        }
        retype(own, ObjectType::SmallPage, 0, buffers, MAX_AGENTS).must("no frames for IPC buffers")?;
        for (frame, address) in (buffers..buffers + MAX_AGENTS).zip((BUFFERS..).step_by(PAGE as usize)) {
            call(frame, L::PageMap, &[address, READ_WRITE, NO_CODE], &[VSPACE])
                .must("an IPC buffer cannot be mapped")?;
        }
        let mut world = Self {
            boot: *boot,
            memory: own,
            device,
            sched_control: boot.info().schedcontrol.start,
            idle,
            never,
            buffers,
            first: thread,
            next: thread,
        };
        // The lowest thread: it runs when nobody else does.
        let idler = |arguments: agent::Arguments| loop {
            crate::call::signal(arguments[0]);
        };
        world.start(MAX_AGENTS - 1, 1, [idle, 0, 0, 0, 0, 0], idler)?;
        world.memory = memory;
        world.first = first + OWN_SLOTS;
        world.next = world.first;
        Ok(world)
    }

    /// Takes everything back that the case used.
    pub(crate) fn clear(&mut self) -> Done {
        revoke(self.memory).must("the memory cannot be revoked")?;
        revoke(self.device).must("the device memory cannot be revoked")?;
        for slot in self.first..self.next {
            delete(slot).must("a slot cannot be deleted")?;
        }
        self.next = self.first;
        Ok(())
    }

    // ---- slots and objects ----

    /// `count` empty slots in a row.
    pub(crate) fn slots(&mut self, count: u64) -> u64 {
        self.next += count;
        // Further slots would be those of the kernel's free ones, too; a case that needs more finds no empty slot.
        debug_assert!(self.next <= self.first + SLOTS);
        self.next - count
    }

    /// An empty slot.
    pub(crate) fn slot(&mut self) -> CPtr {
        self.slots(1)
    }

    /// New objects in slots in a row.
    pub(crate) fn several(&mut self, object: ObjectType, size_bits: u64, count: u64) -> Result<CPtr, Trouble> {
        let slot = self.slots(count);
        retype(self.memory, object, size_bits, slot, count).must("an object cannot be made")?;
        Ok(slot)
    }

    pub(crate) fn object(&mut self, object: ObjectType, size_bits: u64) -> Result<CPtr, Trouble> {
        self.several(object, size_bits, 1)
    }

    pub(crate) fn untyped(&mut self, size_bits: u64) -> Result<CPtr, Trouble> {
        self.object(ObjectType::Untyped, size_bits)
    }

    pub(crate) fn endpoint(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::Endpoint, 0)
    }

    pub(crate) fn notification(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::Notification, 0)
    }

    pub(crate) fn reply(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::Reply, 0)
    }

    pub(crate) fn cnode(&mut self, radix: u64) -> Result<CPtr, Trouble> {
        self.object(ObjectType::CNode, radix)
    }

    pub(crate) fn tcb(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::Tcb, 0)
    }

    pub(crate) fn frame(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::SmallPage, 0)
    }

    pub(crate) fn large_frame(&mut self) -> Result<CPtr, Trouble> {
        debug_assert!(LARGE_PAGE_BITS as u64 <= MEMORY_BITS);
        self.object(ObjectType::LargePage, 0)
    }

    /// A scheduling context that is not configured.
    pub(crate) fn raw_context(&mut self) -> Result<CPtr, Trouble> {
        self.object(ObjectType::SchedContext, CONTEXT_BITS)
    }

    /// A scheduling context with this budget in this period, in microseconds.
    pub(crate) fn context(&mut self, budget: u64, period: u64) -> Result<CPtr, Trouble> {
        let context = self.raw_context()?;
        self.configure(context, budget, period, 0).must("a scheduling context cannot be configured")?;
        Ok(context)
    }

    /// One that lasts for the whole case.
    pub(crate) fn long_context(&mut self) -> Result<CPtr, Trouble> {
        self.context(LONG_US, LONG_US)
    }

    /// `ConfigureFlags` without extra refills.
    pub(crate) fn configure(&self, context: CPtr, budget: u64, period: u64, badge: u64) -> Answer {
        call(self.sched_control, L::SchedControlConfigureFlags, &[budget, period, 0, badge, 0], &[context])
    }

    /// An address space with an ASID.
    pub(crate) fn space(&mut self) -> Result<CPtr, Trouble> {
        let space = self.object(ObjectType::VSpace, 0)?;
        call(POOL, L::AsidPoolAssign, &[], &[space]).must("no ASID")?;
        Ok(space)
    }

    /// A frame that is mapped at this address of the window.
    pub(crate) fn mapped_frame(&mut self, address: u64) -> Result<CPtr, Trouble> {
        let frame = self.frame()?;
        map(frame, VSPACE, address, READ_WRITE, NO_CODE).must("a page cannot be mapped")?;
        Ok(frame)
    }

    /// A copy with these rights.
    pub(crate) fn copy(&mut self, source: CPtr, rights: u64) -> Result<CPtr, Trouble> {
        let slot = self.slot();
        copy(source, slot, rights).must("a capability cannot be copied")?;
        Ok(slot)
    }

    /// A copy with these rights and this badge.
    pub(crate) fn mint(&mut self, source: CPtr, rights: u64, badge: u64) -> Result<CPtr, Trouble> {
        let slot = self.slot();
        mint(source, slot, rights, badge).must("a capability cannot be minted")?;
        Ok(slot)
    }

    // ---- threads ----

    /// A thread in this task's spaces with a buffer of its own, that does not run yet and has no scheduling context.
    pub(crate) fn passive(
        &mut self,
        number: u64,
        priority: u64,
        arguments: agent::Arguments,
        program: agent::Program,
    ) -> Result<Agent, Trouble> {
        let tcb = self.tcb()?;
        let agent = Agent { tcb, number };
        let words = [0, 0, agent.buffer()];
        call(tcb, L::TcbConfigure, &words, &[ROOT, VSPACE, self.buffers + number]).must("no spaces")?;
        call(tcb, L::TcbSetPriority, &[priority], &[TCB]).must("no priority")?;
        call(tcb, L::TcbSetMcPriority, &[255], &[TCB]).must("no maximum priority")?;
        agent.load(arguments, program).must("no registers")?;
        Ok(agent)
    }

    /// The same with a long time slice.
    pub(crate) fn prepare(
        &mut self,
        number: u64,
        priority: u64,
        arguments: agent::Arguments,
        program: agent::Program,
    ) -> Result<Agent, Trouble> {
        let agent = self.passive(number, priority, arguments, program)?;
        let context = self.long_context()?;
        call(context, L::SchedContextBind, &[], &[agent.tcb]).must("no scheduling context")?;
        Ok(agent)
    }

    /// The same, and it is ready to run: it does when this thread waits.
    pub(crate) fn start(
        &mut self,
        number: u64,
        priority: u64,
        arguments: agent::Arguments,
        program: agent::Program,
    ) -> Result<Agent, Trouble> {
        let agent = self.prepare(number, priority, arguments, program)?;
        agent.resume().must("a thread cannot be resumed")?;
        Ok(agent)
    }

    /// Waits until nobody else can run.
    pub(crate) fn settle(&self) {
        let _ = wait(self.idle);
    }

    /// What is signalled when nobody else can run: a case may signal it for other reasons.
    pub(crate) fn idle(&self) -> CPtr {
        self.idle
    }

    /// The frame of an agent's IPC buffer.
    pub(crate) fn buffer_frame(&self, number: u64) -> CPtr {
        self.buffers + number
    }
}

// ---- operations that many cases use ----

pub(crate) fn delete(slot: CPtr) -> Answer {
    call(ROOT, L::CNodeDelete, &[slot, DEPTH], &[])
}

pub(crate) fn revoke(slot: CPtr) -> Answer {
    call(ROOT, L::CNodeRevoke, &[slot, DEPTH], &[])
}

pub(crate) fn copy(source: CPtr, dest: CPtr, rights: u64) -> Answer {
    call(ROOT, L::CNodeCopy, &[dest, DEPTH, source, DEPTH, rights], &[ROOT])
}

pub(crate) fn mint(source: CPtr, dest: CPtr, rights: u64, badge: u64) -> Answer {
    call(ROOT, L::CNodeMint, &[dest, DEPTH, source, DEPTH, rights, badge], &[ROOT])
}

pub(crate) fn move_cap(source: CPtr, dest: CPtr) -> Answer {
    call(ROOT, L::CNodeMove, &[dest, DEPTH, source, DEPTH], &[ROOT])
}

pub(crate) fn map(frame: CPtr, space: CPtr, address: u64, rights: u64, attributes: u64) -> Answer {
    call(frame, L::PageMap, &[address, rights, attributes], &[space])
}

pub(crate) fn map_table(table: CPtr, space: CPtr, address: u64) -> Answer {
    call(table, L::PageTableMap, &[address, CACHED], &[space])
}

/// Whether a slot of the root CNode is empty: a revoked or deleted one can be copied into.
pub(crate) fn is_empty(slot: CPtr) -> bool {
    // A copy of what is there fails in one way only if nothing is there.
    let answer = call(ROOT, L::CNodeMove, &[slot, DEPTH, slot, DEPTH], &[ROOT]);
    answer.info.label() != 8
}
