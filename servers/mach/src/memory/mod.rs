//! All ordinary memory: frames for tasks, untypeds for kernel objects, and the slots that their capabilities sit in.
//!
//! [`pool`] knows which unit is free; this module carries the decisions out. Every unit has two slots of its own, so
//! neither a frame nor a page table ever waits for a slot:
//!
//! | kind of chunk | first slot                         | second slot                             |
//! |---------------|------------------------------------|-----------------------------------------|
//! | frames        | the frame, mapped in the window    | a copy, for the first mapping in a task |
//! | objects       | an untyped of 4 KiB                | the object made of it                   |
//!
//! Invariant **MEM-1**: a unit's second slot of an *objects* chunk is empty while the unit is free; that of a
//! *frames* chunk is then unmapped. **MEM-2**: the bit in `zeroed` of a unit is set only if its frame is all zero and
//! no task ever had it since the kernel made it.

pub mod pool;
pub mod slots;

use alloc::vec;
use alloc::vec::Vec;

use crate::machine::{Machine, Object, Refused, Slot};
use pool::Pools;
pub use pool::{Chunk, Kind, UNITS, Unit, Work};
use slots::Slots;

/// Bytes of a page, and of every unit.
pub const PAGE: u64 = 4096;

/// Where the capabilities of chunks and units sit in the server's CSpace.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Number of chunks.
    pub chunks: u32,
    /// The first chunk's untyped; the others follow.
    pub chunk_base: Slot,
    /// The first unit's two slots; the others follow.
    pub unit_base: Slot,
    /// The first of the slots that come and go.
    pub slot_base: Slot,
    /// Number of the slots that come and go.
    pub slots: u32,
}

impl Layout {
    /// The slot of a chunk's untyped.
    #[must_use]
    pub const fn chunk(&self, chunk: Chunk) -> Slot {
        self.chunk_base.plus(chunk.0)
    }

    /// The first slot of a unit: a frame's window capability, or a small untyped.
    #[must_use]
    pub const fn first(&self, unit: Unit) -> Slot {
        // The first slots of a chunk's units are neighbours, so that one retype fills them.
        self.unit_base.plus(unit.chunk().0 * 2 * UNITS + unit.place())
    }

    /// The second slot of a unit: a frame's capability for a task, or the object.
    #[must_use]
    pub const fn second(&self, unit: Unit) -> Slot {
        self.first(unit).plus(UNITS)
    }
}

/// For whom memory is taken: the last units are kept for those without whom nothing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A task's own wish.
    Ordinary,
    /// A memory manager's: others' pages are not free before it has taken them.
    Manager,
    /// A server's, that others wait for.
    Server,
    /// The default pager's or a driver's, without whom no page goes out; or the last piece of something already begun.
    Reserved,
}

impl Need {
    /// How many units are kept from it.
    const fn kept(self) -> u32 {
        match self {
            Self::Ordinary => RESERVE,
            Self::Manager => RESERVE / 2,
            Self::Server => RESERVE / 4,
            Self::Reserved => 0,
        }
    }
}

/// This part of all frames, and no more than so many, new memory does not get: they are kept for what was paged out, so that
/// it can come in when everything else is used up.
const FLOOR: (u32, u32) = (256, 256);

/// Reply objects that one unit holds.
const REPLIES: u32 = 128;

/// Units that [`Need::Ordinary`] does not get; [`Need::Manager`] gets half of them, [`Need::Server`] three quarters.
pub const RESERVE: u32 = 64;

/// Frames do not get the last whole chunks, up to this part of all.
const CHUNKS_PART: u32 = 64;

/// Objects in use, by type: what accounting of a task's death is checked with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Frames in use.
    pub frames: u32,
    /// Page tables and root tables in use.
    pub tables: u32,
    /// Threads' objects in use.
    pub threads: u32,
    /// Notifications in use.
    pub notifications: u32,
    /// Reply objects that exist; they are kept for later threads.
    pub replies: u32,
    /// Slots in use beyond those of units and of reply objects.
    pub slots: u32,
}

/// How often something happened, to be compared with what it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// A unit was taken, or a frame promised.
    pub taken: u64,
    /// A unit or a slot was given back, or a promise redeemed: who was refused may be luckier now.
    pub freed: u64,
    /// A manager took a frame that a task would not have got.
    pub beyond: u64,
}

/// All ordinary memory.
#[derive(Debug)]
pub struct Memory {
    layout: Layout,
    pools: Pools,
    slots: Slots,
    zeroed: Vec<u16>,
    replies: Vec<Slot>,
    /// Frames kept for pages that are on their way in, and for who is next in the line.
    promised: u32,
    /// Frames that new memory does not get, beside the reserve.
    floor: u32,
    counts: Counts,
    /// Frames that a manager may still take beyond what a task gets.
    allowance: u32,
    usage: Usage,
}

impl Memory {
    /// Memory of `layout`'s chunks, none of them used yet.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            pools: Pools::new(layout.chunks),
            slots: Slots::new(layout.slot_base, layout.slots),
            zeroed: vec![0; layout.chunks as usize],
            replies: Vec::new(),
            promised: 0,
            floor: (layout.chunks * UNITS / FLOOR.0).min(FLOOR.1),
            counts: Counts::default(),
            allowance: 0,
            usage: Usage::default(),
        }
    }

    /// Where capabilities sit.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of frames that could still be taken.
    ///
    /// A 64th of memory is not among them as long as it is there in whole chunks: frames that are free here and there make
    /// no page table, and page-out frees frames here and there.
    #[must_use]
    pub fn free_frames(&self) -> u32 {
        let kept = self.pools.total() / (CHUNKS_PART * UNITS);
        self.pools.obtainable(Kind::Frames) - self.pools.whole().min(kept) * UNITS
    }

    /// Number of units of a kind that this need can get.
    fn obtainable(&self, kind: Kind, need: Need) -> u32 {
        match (kind, need) {
            (Kind::Frames, Need::Ordinary | Need::Manager | Need::Server) => self.free_frames(),
            _ => self.pools.obtainable(kind),
        }
    }

    /// Keeps a frame for a page that is on its way in, or for who is next in the line. Whoever may not use the reserve gets
    /// one less. With `may_use_floor` it may be one that new memory does not get.
    ///
    /// # Errors
    /// [`Shortage`]: none is left for this need.
    pub fn promise_frame(&mut self, need: Need, may_use_floor: bool) -> Result<(), Shortage> {
        let floor = if may_use_floor { 0 } else { self.floor(need) };
        let is_beyond = self.is_beyond(need);
        let is_there = self.obtainable(Kind::Frames, need) > need.kept() + floor + self.promised;
        if !is_there || (is_beyond && self.allowance == 0) {
            return Err(Shortage);
        }
        self.promised += 1;
        self.counts.taken += 1;
        self.count_beyond(is_beyond);
        Ok(())
    }

    /// The page is here, or will not come.
    pub fn redeem_frame(&mut self) {
        self.promised = self.promised.saturating_sub(1);
        self.counts.freed += 1;
    }

    /// Who was next in the line takes the frame now that was kept for it.
    pub fn use_promise(&mut self) {
        self.promised = self.promised.saturating_sub(1);
    }

    /// Frames that new memory of this need does not get, beside the reserve.
    fn floor(&self, need: Need) -> u32 {
        if need == Need::Reserved { 0 } else { self.floor }
    }

    /// What happened so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Notes that who was refused may be luckier now.
    pub fn note_freed(&mut self) {
        self.counts.freed += 1;
    }

    /// Sets how many frames the next manager may take beyond what a task gets.
    pub fn set_allowance(&mut self, frames: u32) {
        self.allowance = frames;
    }

    /// What a need is that has taken its share: that of any task.
    #[must_use]
    pub fn need_left(&self, need: Need) -> Need {
        if need == Need::Manager && self.allowance == 0 { Need::Ordinary } else { need }
    }

    /// Whether a frame for this need is a manager's, and no task would get one.
    fn is_beyond(&self, need: Need) -> bool {
        need == Need::Manager && !self.has_ordinary()
    }

    fn count_beyond(&mut self, is_beyond: bool) {
        if is_beyond {
            self.allowance -= 1;
            self.counts.beyond += 1;
        }
    }

    /// Whether a task gets a frame.
    #[must_use]
    pub fn has_ordinary(&self) -> bool {
        let kept = Need::Ordinary.kept() + self.floor(Need::Ordinary) + self.promised;
        self.obtainable(Kind::Frames, Need::Ordinary) > kept
    }

    /// Number of frames that were promised.
    #[must_use]
    pub const fn promised(&self) -> u32 {
        self.promised
    }

    /// Number of frames there are.
    #[must_use]
    pub fn total_frames(&self) -> u32 {
        self.pools.total()
    }

    /// What is in use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { slots: self.slots.used() - self.usage.replies, ..self.usage }
    }

    /// Takes a frame. Its contents are whatever it held before, unless [`forget_zeroed`](Self::forget_zeroed) says so.
    pub fn take_frame(&mut self, machine: &mut impl Machine, need: Need) -> Option<Unit> {
        let is_beyond = self.is_beyond(need);
        if is_beyond && self.allowance == 0 {
            return None;
        }
        let unit = self.take(machine, Kind::Frames, need)?;
        self.usage.frames += 1;
        self.count_beyond(is_beyond);
        Some(unit)
    }

    /// Gives a frame back. No task maps it any more.
    pub fn put_frame(&mut self, unit: Unit) {
        self.forget_zeroed(unit);
        self.counts.freed += 1;
        if self.pools.put(unit) {
            self.usage.frames -= 1;
        }
    }

    /// Notes that a frame is about to hold something else than zeros (MEM-2). Answers whether it was known to be all zero.
    #[inline]
    pub fn forget_zeroed(&mut self, unit: Unit) -> bool {
        let Some(bits) = self.zeroed.get_mut(unit.chunk().0 as usize) else { return false };
        let was_zeroed = *bits & 1 << unit.place() != 0;
        *bits &= !(1 << unit.place());
        was_zeroed
    }

    /// Makes a page table or a root table.
    ///
    /// # Errors
    /// [`Shortage`]: no memory of this kind is left.
    pub fn take_table(&mut self, machine: &mut impl Machine, object: Object, need: Need) -> Result<Unit, Shortage> {
        let unit = self.take_object(machine, object, need)?;
        self.usage.tables += 1;
        Ok(unit)
    }

    /// Destroys a table and gives its memory back.
    pub fn put_table(&mut self, machine: &mut impl Machine, unit: Unit) {
        if self.put_object(machine, unit) {
            self.usage.tables -= 1;
        }
    }

    /// Makes a notification. It gets a unit of its own, so that revoking that takes it from everybody who has it.
    ///
    /// # Errors
    /// [`Shortage`]: no memory of this kind is left.
    pub fn take_notification(&mut self, machine: &mut impl Machine, need: Need) -> Result<Unit, Shortage> {
        let unit = self.take_object(machine, Object::Notification, need)?;
        self.usage.notifications += 1;
        Ok(unit)
    }

    /// Destroys a notification, with all copies of its capability, and gives its memory back.
    pub fn put_notification(&mut self, machine: &mut impl Machine, unit: Unit) {
        if self.put_object(machine, unit) {
            self.usage.notifications -= 1;
        }
    }

    /// Makes a pool of address-space numbers.
    ///
    /// # Errors
    /// [`Shortage`]: no memory of this kind is left.
    pub fn take_asid_pool(&mut self, machine: &mut impl Machine, need: Need) -> Result<Unit, Shortage> {
        self.take_object(machine, Object::AsidPool, need)
    }

    /// Destroys a pool in which no number is taken and gives its memory back.
    pub fn put_asid_pool(&mut self, machine: &mut impl Machine, unit: Unit) {
        self.put_object(machine, unit);
    }

    /// Makes the one object of a unit.
    fn take_object(&mut self, machine: &mut impl Machine, object: Object, need: Need) -> Result<Unit, Shortage> {
        let unit = self.take(machine, Kind::Objects, need).ok_or(Shortage)?;
        if machine.retype(self.layout.first(unit), object, self.layout.second(unit), 1).is_err() {
            self.pools.put(unit);
            return Err(Shortage);
        }
        Ok(unit)
    }

    fn put_object(&mut self, machine: &mut impl Machine, unit: Unit) -> bool {
        machine.revoke(self.layout.first(unit));
        self.counts.freed += 1;
        self.pools.put(unit)
    }

    /// Makes a thread's objects.
    ///
    /// # Errors
    /// [`Shortage`]: no memory or no slots are left; nothing was taken.
    pub fn take_kit(&mut self, machine: &mut impl Machine, need: Need) -> Result<Kit, Shortage> {
        let unit = self.take(machine, Kind::Objects, need).ok_or(Shortage)?;
        let mut slots = [None; 3];
        slots.iter_mut().for_each(|slot| *slot = self.slots.take());
        if let [Some(tcb), Some(cnode), Some(sched_context)] = slots {
            let kit = Kit { unit, tcb, cnode, sched_context };
            if kit.make(machine, self.layout.first(unit)).is_ok() {
                self.usage.threads += 1;
                return Ok(kit);
            }
            machine.revoke(self.layout.first(unit));
        }
        slots.into_iter().flatten().for_each(|slot| self.slots.put(slot));
        self.pools.put(unit);
        Err(Shortage)
    }

    /// Destroys a thread's objects and gives their memory back.
    pub fn put_kit(&mut self, machine: &mut impl Machine, kit: Kit) {
        machine.revoke(self.layout.first(kit.unit));
        for slot in [kit.tcb, kit.cnode, kit.sched_context] {
            self.slots.put(slot);
        }
        self.counts.freed += 1;
        if self.pools.put(kit.unit) {
            self.usage.threads -= 1;
        }
    }

    /// Takes a reply object.
    ///
    /// # Errors
    /// [`Shortage`]: no memory or no slots are left.
    pub fn take_reply(&mut self, machine: &mut impl Machine, need: Need) -> Result<Slot, Shortage> {
        if self.replies.is_empty() {
            self.more_replies(machine, need)?;
        }
        self.replies.pop().ok_or(Shortage)
    }

    /// Gives a reply object back. It holds nobody.
    pub fn put_reply(&mut self, reply: Slot) {
        self.replies.push(reply);
    }

    /// Makes a unit's worth of reply objects. They are never destroyed: one may be the receive's spare while the
    /// thread that it came with is long gone.
    fn more_replies(&mut self, machine: &mut impl Machine, need: Need) -> Result<(), Shortage> {
        let unit = self.take(machine, Kind::Objects, need).ok_or(Shortage)?;
        for _ in 0..REPLIES {
            let Some(slot) = self.slots.take() else { break };
            if machine.retype(self.layout.first(unit), Object::Reply, slot, 1).is_err() {
                self.slots.put(slot);
                break;
            }
            self.replies.push(slot);
            self.usage.replies += 1;
        }
        Ok(())
    }

    /// Takes a slot for one more mapping of a frame.
    pub fn take_slot(&mut self) -> Option<Slot> {
        self.slots.take()
    }

    /// Empties a slot and gives it back.
    pub fn put_slot(&mut self, machine: &mut impl Machine, slot: Slot) {
        machine.delete(slot);
        self.counts.freed += 1;
        self.slots.put(slot);
    }

    fn take(&mut self, machine: &mut impl Machine, kind: Kind, need: Need) -> Option<Unit> {
        let kept = match (need, kind) {
            (Need::Reserved, _) => 0,
            (_, Kind::Frames) => need.kept() + self.floor(need) + self.promised,
            (_, Kind::Objects) => need.kept(),
        };
        if kept > 0 && self.obtainable(kind, need) <= kept {
            return None;
        }
        let (unit, work) = self.pools.take(kind)?;
        let made = match work {
            Work::None => Ok(()),
            Work::Make(chunk) => self.make(machine, chunk, kind),
            Work::Remake(chunk) => {
                machine.revoke(self.layout.chunk(chunk));
                self.make(machine, chunk, kind)
            }
        };
        if let Err(Refused(error)) = made {
            machine.log(format_args!("memory: a chunk cannot be made of its untyped (error {error})"));
            machine.revoke(self.layout.chunk(unit.chunk()));
            self.pools.cannot_make(unit);
            return None;
        }
        self.counts.taken += 1;
        Some(unit)
    }

    /// Fills the slots of a chunk's units.
    fn make(&mut self, machine: &mut impl Machine, chunk: Chunk, kind: Kind) -> Result<(), Refused> {
        let layout = self.layout;
        let (object, zeroed) = match kind {
            Kind::Frames => (Object::Frame, u16::MAX),
            Kind::Objects => (Object::SmallUntyped, 0),
        };
        machine.retype(layout.chunk(chunk), object, layout.first(chunk.unit(0)), UNITS)?;
        if kind == Kind::Frames {
            for unit in (0..UNITS).map(|place| chunk.unit(place)) {
                machine.copy(layout.first(unit), layout.second(unit))?;
                machine.map_window(layout.first(unit), unit)?;
            }
        }
        if let Some(bits) = self.zeroed.get_mut(chunk.0 as usize) {
            *bits = zeroed;
        }
        Ok(())
    }
}

/// No memory of the wanted kind is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage;

/// The kernel objects of one thread, all made of one small untyped: revoking that destroys them together.
#[derive(Clone, Copy, Debug)]
pub struct Kit {
    unit: Unit,
    /// The TCB.
    pub tcb: Slot,
    /// The capability table.
    pub cnode: Slot,
    /// The scheduling context.
    pub sched_context: Slot,
}

impl Kit {
    fn make(&self, machine: &mut impl Machine, untyped: Slot) -> Result<(), Refused> {
        // Large objects first: each lies aligned to its size, so nothing is lost between them.
        machine.retype(untyped, Object::Tcb, self.tcb, 1)?;
        machine.retype(untyped, Object::CNode, self.cnode, 1)?;
        machine.retype(untyped, Object::SchedContext, self.sched_context, 1)
    }
}
