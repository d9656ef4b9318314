//! What the server asks of the kernel below it, and of its own window on memory.
//!
//! The library never makes a system call: it is given a [`Machine`]. `main.rs` implements it over capabilities,
//! `crate::fake` over ordinary memory for tests. A slot is a place in the server's own CSpace.
//!
//! The kernel refuses an operation only when the server's bookkeeping is wrong or a thread of a task did something
//! meanwhile; [`Refused`] is therefore turned into a failure of the one call or task that was being served.

use crate::memory::Unit;

/// A slot in the server's CSpace, by its CPtr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot that lies `count` behind this one.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0 + count)
    }
}

/// The kernel refused an operation, with this error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u64);

/// A kernel object to make of untyped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A page of memory.
    Frame,
    /// An untyped of 4 KiB.
    SmallUntyped,
    /// A table of translations below the root.
    PageTable,
    /// The root table of an address space.
    VSpace,
    /// A thread.
    Tcb,
    /// A capability table of 16 slots.
    CNode,
    /// A scheduling context with eight refills beyond the first two.
    SchedContext,
    /// A reply object. It is made in numbers, by the pool of replies in `memory`.
    Reply,
    /// A notification: a doorbell.
    Notification,
    /// A pool of address-space numbers, made of a whole untyped of 4 KiB.
    AsidPool,
}

/// What a mapping lets a task do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The task may read.
    pub read: bool,
    /// The task may write.
    pub write: bool,
    /// The task may fetch instructions.
    pub execute: bool,
}

/// The capabilities that make a thread, and where it starts its life.
#[derive(Clone, Copy, Debug)]
pub struct ThreadParts {
    /// Its TCB.
    pub tcb: Slot,
    /// Its capability table.
    pub cnode: Slot,
    /// Its scheduling context.
    pub sched_context: Slot,
    /// The root table of its task.
    pub vspace: Slot,
    /// The frame of its IPC buffer.
    pub ipc_frame: Slot,
    /// The address of its IPC buffer.
    pub ipc_address: u64,
    /// The badge of its call capability.
    pub call_badge: u64,
    /// The badge of its fault capability.
    pub fault_badge: u64,
}

/// How much processor time a thread may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Microseconds it may run in each period.
    pub budget_us: u64,
    /// The period; equal to the budget for a round-robin share.
    pub period_us: u64,
}

/// Number of words in a thread's register list.
pub const REGISTERS: usize = 36;
/// A thread's registers in the order of the kernel's register list.
pub type Registers = [u64; REGISTERS];

/// What a thread may do with a notification, and which badge its signals have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Wait for it, and signal it: a driver has its interrupts ring it.
    Own(u64),
    /// Signal it.
    Ring(u64),
}

/// The kernel below the server, and the server's window on its frames.
pub trait Machine {
    /// Makes `count` objects of the untyped in `untyped`, in the slots from `first` on.
    ///
    /// # Errors
    /// What the kernel said.
    fn retype(&mut self, untyped: Slot, object: Object, first: Slot, count: u32) -> Result<(), Refused>;
    /// Deletes everything that was made of the capability in `slot`.
    fn revoke(&mut self, slot: Slot);
    /// Deletes the capability in `slot`; nothing if it is empty.
    fn delete(&mut self, slot: Slot);
    /// Copies the capability in `from` to the empty slot `to`.
    ///
    /// # Errors
    /// What the kernel said.
    fn copy(&mut self, from: Slot, to: Slot) -> Result<(), Refused>;

    /// Gives a root table an address-space number of a pool.
    ///
    /// # Errors
    /// What the kernel said.
    fn assign_asid(&mut self, pool: Slot, vspace: Slot) -> Result<(), Refused>;
    /// Maps a table at the first missing level for `address`.
    ///
    /// # Errors
    /// What the kernel said.
    fn map_table(&mut self, table: Slot, vspace: Slot, address: u64) -> Result<(), Refused>;
    /// Takes a table out of the one above, and clears it. What frame capabilities map there is no longer mapped, but they
    /// still say that they map it; mapping one there again is no change of place.
    ///
    /// # Errors
    /// What the kernel said; nothing has changed.
    fn unmap_table(&mut self, table: Slot) -> Result<(), Refused>;
    /// Maps a frame, or changes the access of one that this capability maps there.
    ///
    /// # Errors
    /// What the kernel said.
    fn map_frame(&mut self, frame: Slot, vspace: Slot, address: u64, access: Access) -> Result<(), Refused>;
    /// Maps a frame of device memory, uncached.
    ///
    /// # Errors
    /// What the kernel said.
    fn map_device(&mut self, frame: Slot, vspace: Slot, address: u64, access: Access) -> Result<(), Refused>;
    /// Ends the mapping that this frame capability made, if any.
    fn unmap_frame(&mut self, frame: Slot);
    /// Makes what was written to a frame visible to instruction fetch, through the mapping of this capability.
    fn unify(&mut self, frame: Slot);
    /// Maps a frame in the server's window for good.
    ///
    /// # Errors
    /// What the kernel said.
    fn map_window(&mut self, frame: Slot, unit: Unit) -> Result<(), Refused>;

    /// The physical address of a frame.
    ///
    /// # Errors
    /// What the kernel said.
    fn physical_address(&self, frame: Slot) -> Result<u64, Refused>;

    /// Fills a part of a frame with zeros through the window. Here and below, what lies beyond the frame's end is
    /// left out.
    fn zero(&mut self, unit: Unit, offset: usize, len: usize);
    /// Copies bytes out of a frame.
    fn read(&self, unit: Unit, offset: usize, out: &mut [u8]);
    /// Copies bytes into a frame.
    fn write(&mut self, unit: Unit, offset: usize, bytes: &[u8]);
    /// Copies bytes from one frame to another, or within one; the two parts may overlap.
    fn copy_bytes(&mut self, from: (Unit, usize), to: (Unit, usize), len: usize);

    /// Puts a new thread together: capability table with its call capability, spaces, IPC buffer, fault handler,
    /// scheduling context, priority. It does not run yet.
    ///
    /// # Errors
    /// What the kernel said at the first step that it refused.
    fn assemble(&mut self, parts: &ThreadParts, priority: u8, budget: Budget) -> Result<(), Refused>;
    /// Sets the share of a scheduling context.
    ///
    /// # Errors
    /// What the kernel said.
    fn set_budget(&mut self, sched_context: Slot, budget: Budget) -> Result<(), Refused>;
    /// Sets a thread's priority.
    ///
    /// # Errors
    /// What the kernel said.
    fn set_priority(&mut self, tcb: Slot, priority: u8) -> Result<(), Refused>;
    /// Stops a thread.
    fn suspend(&mut self, tcb: Slot);
    /// Lets a thread run; one that is stopped in the kernel starts at its restart address.
    fn resume(&mut self, tcb: Slot);
    /// Reads a thread's registers without stopping it.
    ///
    /// # Errors
    /// What the kernel said.
    fn read_registers(&mut self, tcb: Slot) -> Result<Registers, Refused>;
    /// Writes a thread's registers without letting it run.
    ///
    /// # Errors
    /// What the kernel said.
    fn write_registers(&mut self, tcb: Slot, registers: &Registers) -> Result<(), Refused>;
    /// Microseconds that a scheduling context used since this was last asked.
    fn consumed_us(&mut self, sched_context: Slot) -> u64;

    /// Answers the thread that a reply object holds.
    fn reply(&mut self, reply: Slot, label: u64, words: &[u64]);

    /// Nanoseconds since the server was started. `None`: there is no clock that it may read.
    fn uptime_ns(&self) -> Option<u64>;

    /// Bytes of heap that one step may still use.
    fn heap_room(&self) -> usize;
    /// Asks for one tick.
    fn wake_ticker(&mut self);
    /// Copies a capability of the first task into a thread's capability table.
    ///
    /// # Errors
    /// What the kernel said.
    fn grant(&mut self, from_cptr: u64, cnode: Slot, index: u64) -> Result<(), Refused>;
    /// Puts a notification into a thread's capability table.
    ///
    /// # Errors
    /// What the kernel said; the slot may hold something else.
    fn give_notification(&mut self, notification: Slot, to: (Slot, u64), grade: Grade) -> Result<(), Refused>;
    /// Makes a capability of the server's own for a notification, whose signals have a badge.
    ///
    /// # Errors
    /// What the kernel said.
    fn badge_notification(&mut self, notification: Slot, to: Slot, badge: u64) -> Result<(), Refused>;
    /// Signals a notification.
    fn signal(&mut self, notification: Slot);
    /// Copies a capability of the first task into a slot of the server's.
    ///
    /// # Errors
    /// What the kernel said.
    fn adopt(&mut self, from_cptr: u64, to: Slot) -> Result<(), Refused>;
    /// Writes a line to the log.
    fn log(&mut self, line: core::fmt::Arguments<'_>);
    /// Says why nothing can go on, and ends the run. It may return only where there is no run to end: in tests.
    fn stop(&mut self, why: core::fmt::Arguments<'_>);
}

impl Access {
    /// Every right.
    pub const ALL: Self = Self { read: true, write: true, execute: true };

    /// The rights that both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { read: self.read && other.read, write: self.write && other.write, execute: self.execute && other.execute }
    }

    /// Whether a mapping with these rights is of no use.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        !self.read && !self.execute
    }
}
