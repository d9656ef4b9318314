//! Slots and memory: objects are made one after the other, and all of a part's are taken back at once.

use mach_sys::abi::{InitSlot, SlotRegion};
use mach_sys::bootinfo::Boot;
use mach_sys::cap::cnode::{NodePath, SlotPath};
use mach_sys::cap::{CNode, SchedControl, Tcb, Untyped};
use mach_sys::ipc_buffer::IpcBuffer;
use mach_sys::{CPtr, Cap, ObjectType};

use crate::measure::Failure;

/// The root task's own CNode.
pub(crate) const CNODE: Cap<CNode> = Cap::new(InitSlot::CNode.number());
/// The root task's own thread.
pub(crate) const TCB: Cap<Tcb> = Cap::new(InitSlot::Tcb.number());

/// Memory to make objects of, and slots to put them into.
pub(crate) struct Objects {
    memory: Cap<Untyped>,
    slots: SlotRegion,
    next: u64,
    /// The address of the root task's IPC buffer.
    pub(crate) buffer: u64,
    /// The authority over budgets.
    pub(crate) control: Cap<SchedControl>,
}

impl Objects {
    /// The largest piece of memory that the kernel gave, and all empty slots.
    pub(crate) fn new(boot: &Boot) -> Result<Self, Failure> {
        let ordinary = boot.untypeds().filter(|(_, piece)| piece.is_device == 0);
        let (slot, _) = ordinary.max_by_key(|(_, piece)| piece.size_bits).ok_or(Failure::Missing("memory"))?;
        let info = boot.info();
        Ok(Self {
            memory: Cap::new(slot),
            slots: info.empty,
            next: info.empty.start,
            buffer: info.ipc_buffer,
            control: Cap::new(info.schedcontrol.start),
        })
    }

    /// So many empty slots, one after the other: the first.
    pub(crate) fn empty(&mut self, count: u64) -> Result<CPtr, Failure> {
        let first = self.next;
        if self.slots.end.saturating_sub(first) < count {
            return Err(Failure::Missing("slot"));
        }
        self.next += count;
        Ok(first)
    }

    /// So many objects, one after the other: the first's slot.
    pub(crate) fn several(&mut self, kind: ObjectType, size_bits: u64, count: u64) -> Result<CPtr, Failure> {
        let first = self.empty(count)?;
        self.memory.retype(kind, size_bits, NodePath::root(CNODE), first, count)?;
        Ok(first)
    }

    /// One object.
    pub(crate) fn one<T>(&mut self, kind: ObjectType, size_bits: u64) -> Result<Cap<T>, Failure> {
        self.several(kind, size_bits, 1).map(Cap::new)
    }

    /// A part of this memory with so many of the slots that are left.
    pub(crate) fn divide(&mut self, size_bits: u64, count: u64) -> Result<Self, Failure> {
        let memory = self.one(ObjectType::Untyped, size_bits)?;
        let start = self.empty(count)?;
        Ok(Self { memory, slots: SlotRegion { start, end: start + count }, next: start, ..*self })
    }

    /// Takes back all that was made of this memory.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        CNODE.slot_of(self.memory).revoke()?;
        self.next = self.slots.start;
        Ok(())
    }

    /// The path of a slot.
    pub(crate) const fn path(cptr: CPtr) -> SlotPath {
        CNODE.slot(cptr)
    }

    /// Makes these the first extra capabilities of the calls to come.
    pub(crate) fn send_along(&self, caps: &[CPtr]) {
        if let Some(buffer) = IpcBuffer::current() {
            for (index, cap) in caps.iter().enumerate() {
                buffer.set_cap(index, *cap);
            }
        }
    }
}
