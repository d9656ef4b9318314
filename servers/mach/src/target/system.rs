//! The [`Machine`] over seL4 capabilities.

use core::fmt::{self, Write};

use heapless::{String, Vec};

use mach::machine::{Access, Budget, Grade, Machine, Object, Refused, Registers, Slot, ThreadParts};
use mach::memory::{PAGE, Unit};
use mach_protocol::boot::{log, priority, slot};
use mach_sys::abi::message::MSG_MAX_LENGTH;
use mach_sys::abi::object::PAGE_BITS;
use mach_sys::cap::cnode::zero_guard;
use mach_sys::cap::sched::Budget as KernelBudget;
use mach_sys::cap::tcb::{self, Spaces, Then};
use mach_sys::cap::vspace::Span;
use mach_sys::cap::{
    AsidControl, AsidPool, CNode, Endpoint, Frame, Notification, PageTable, Reply, SchedContext, SchedControl, Tcb,
    Untyped, VSpace,
};
use mach_sys::{Cap, CapRights, Error, Message, ObjectType, Received, VmAttributes, clock, debug};

use super::bring_up::{CNODE, VSPACE, place_of};
use super::{ENDPOINT, heap, window};

const TCB: Cap<Tcb> = Cap::new(slot::TCB as u64);
const ASID_CONTROL: Cap<AsidControl> = Cap::new(slot::ASID_CONTROL as u64);
const SCHED_CONTROL: Cap<SchedControl> = Cap::new(slot::SCHED_CONTROL as u64);
const TICKER: Cap<Notification> = Cap::new(slot::TICKER as u64);
const LOG: Cap<Endpoint> = Cap::new(slot::LOG as u64);
const ROOT_CNODE: Cap<CNode> = Cap::new(slot::ROOT_CNODE as u64);

/// log2 of the slots of a thread's capability table.
const THREAD_RADIX: u64 = 4;
/// Where a thread finds its call capability.
const CALL_SLOT: u64 = 1;
/// log2 of the size of a thread's scheduling context, and the refills beyond two that it holds.
const CONTEXT_BITS: u64 = 8;
const EXTRA_REFILLS: u64 = 8;

/// Heap that must stay free for steps that only give memory back.
const HEAP_MARGIN: usize = 256 * 1024;

/// The kernel below the server.
pub(super) struct System {
    /// An answer that goes with the next receive, in one system call: who gets it, and its label. Whatever touches a thread
    /// sends it first.
    answer: Option<(Slot, u64)>,
    /// Its words.
    words: Vec<u64, KEPT_WORDS>,
    /// When the server was started, if there is a clock.
    start: Option<clock::Moment>,
}

/// Words of an answer that can be kept for the next receive; a longer one is sent at once.
const KEPT_WORDS: usize = 16;

/// Sends a line to root's watcher, which prints it; what is too long is cut.
fn tell_watcher(label: u64, line: fmt::Arguments<'_>) {
    let mut text = String::<{ 8 * MSG_MAX_LENGTH }>::new();
    // A line that is too long for a message is cut.
    let _ = text.write_fmt(line);
    let mut words = [0; MSG_MAX_LENGTH];
    for (word, bytes) in words.iter_mut().zip(text.as_bytes().chunks(8)) {
        let mut filled = [0; 8];
        filled.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        *word = u64::from_le_bytes(filled);
    }
    let count = text.len().div_ceil(8);
    let _ = LOG.call(&Message::new(label, words.get(..count).unwrap_or_default()));
}

/// Says why the server cannot go on: root ends the run.
pub(super) fn stop(why: fmt::Arguments<'_>) -> ! {
    tell_watcher(log::STOPPED, why);
    debug::halt()
}

impl System {
    pub(super) fn new() -> Self {
        Self { answer: None, words: Vec::new(), start: clock::now() }
    }

    /// Receives the next message; `reply` then holds its sender.
    pub(super) fn receive(&mut self, reply: Cap<Reply>) -> Received {
        match self.answer.take() {
            Some((to, label)) => {
                ENDPOINT.nb_send_recv(cap::<Reply>(to).cptr(), &Message::new(label, &self.words), reply)
            }
            None => ENDPOINT.recv(reply),
        }
    }

    /// Takes a message if there is one.
    pub(super) fn poll(&mut self, reply: Cap<Reply>) -> Received {
        self.send_answer();
        ENDPOINT.nb_recv(reply)
    }

    /// Sends the answer that waits for the next receive.
    pub(super) fn send_answer(&mut self) {
        if let Some((to, label)) = self.answer.take() {
            cap::<Reply>(to).reply(&Message::new(label, &self.words));
        }
    }
}

fn cap<T>(slot: Slot) -> Cap<T> {
    Cap::new(u64::from(slot.0))
}

/// The number that stands for an error in [`Refused`], from the kernel ABI's table.
fn refused(error: Error) -> Refused {
    Refused(match error {
        Error::InvalidArgument { .. } => 1,
        Error::InvalidCapability { .. } => 2,
        Error::IllegalOperation => 3,
        Error::RangeError { .. } => 4,
        Error::AlignmentError => 5,
        Error::FailedLookup { .. } => 6,
        Error::TruncatedMessage => 7,
        Error::DeleteFirst => 8,
        Error::RevokeFirst => 9,
        Error::NotEnoughMemory { .. } => 10,
        Error::Unknown { label } => label,
    })
}

fn rights(access: Access) -> (CapRights, VmAttributes) {
    let rights = match (access.read, access.write) {
        (true, true) => CapRights::READ_WRITE,
        (true, false) => CapRights::READ,
        (false, _) => CapRights::NONE,
    };
    let attributes =
        if access.execute { VmAttributes::DEFAULT } else { VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER };
    (rights, attributes)
}

fn budget(share: Budget) -> KernelBudget {
    KernelBudget { extra_refills: EXTRA_REFILLS, ..KernelBudget::periodic(share.budget_us, share.period_us) }
}

const _: () = assert!(PAGE == 1 << PAGE_BITS);

impl Machine for System {
    fn retype(&mut self, untyped: Slot, object: Object, first: Slot, count: u32) -> Result<(), Refused> {
        let (kind, size) = match object {
            Object::Frame => (ObjectType::SmallPage, 0),
            Object::SmallUntyped => (ObjectType::Untyped, u64::from(PAGE_BITS)),
            Object::PageTable => (ObjectType::PageTable, 0),
            Object::VSpace => (ObjectType::VSpace, 0),
            Object::Tcb => (ObjectType::Tcb, 0),
            Object::CNode => (ObjectType::CNode, THREAD_RADIX),
            Object::SchedContext => (ObjectType::SchedContext, CONTEXT_BITS),
            Object::Reply => (ObjectType::Reply, 0),
            Object::Notification => (ObjectType::Notification, 0),
            Object::AsidPool => {
                return ASID_CONTROL.make_pool(cap(untyped), CNODE.slot(u64::from(first.0))).map_err(refused);
            }
        };
        let (node, at) = place_of(first);
        cap::<Untyped>(untyped).retype(kind, size, node, at, u64::from(count)).map_err(refused)
    }

    fn revoke(&mut self, slot: Slot) {
        self.send_answer();
        // Revoking cannot be refused: the slot is one of the server's own.
        let _ = CNODE.slot(u64::from(slot.0)).revoke();
    }

    fn delete(&mut self, slot: Slot) {
        // As revoking.
        let _ = CNODE.slot(u64::from(slot.0)).delete();
    }

    fn copy(&mut self, from: Slot, to: Slot) -> Result<(), Refused> {
        let (from, to) = (CNODE.slot(u64::from(from.0)), CNODE.slot(u64::from(to.0)));
        to.copy_from(from, CapRights::ALL).map_err(refused)
    }

    fn assign_asid(&mut self, pool: Slot, vspace: Slot) -> Result<(), Refused> {
        cap::<AsidPool>(pool).assign(cap::<VSpace>(vspace)).map_err(refused)
    }

    fn map_table(&mut self, table: Slot, vspace: Slot, address: u64) -> Result<(), Refused> {
        cap::<PageTable>(table).map(cap(vspace), address).map_err(refused)
    }

    fn unmap_table(&mut self, table: Slot) -> Result<(), Refused> {
        cap::<PageTable>(table).unmap().map_err(refused)
    }

    fn map_frame(&mut self, frame: Slot, vspace: Slot, address: u64, access: Access) -> Result<(), Refused> {
        let (rights, attributes) = rights(access);
        cap::<Frame>(frame).map(cap(vspace), address, rights, attributes).map_err(refused)
    }

    fn map_device(&mut self, frame: Slot, vspace: Slot, address: u64, access: Access) -> Result<(), Refused> {
        let attributes = VmAttributes::EXECUTE_NEVER;
        cap::<Frame>(frame).map(cap(vspace), address, rights(access).0, attributes).map_err(refused)
    }

    fn unmap_frame(&mut self, frame: Slot) {
        // Unmapping has no checks.
        let _ = cap::<Frame>(frame).unmap();
    }

    fn unify(&mut self, frame: Slot) {
        // Refused only for a frame that is not mapped, from which nothing can be fetched either.
        let _ = cap::<Frame>(frame).unify_instruction(Span { start: 0, end: PAGE });
    }

    fn map_window(&mut self, frame: Slot, unit: Unit) -> Result<(), Refused> {
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        cap::<Frame>(frame).map(VSPACE, window::address(unit), CapRights::READ_WRITE, attributes).map_err(refused)
    }

    fn zero(&mut self, unit: Unit, offset: usize, len: usize) {
        window::zero(unit, offset, len);
    }

    fn uptime_ns(&self) -> Option<u64> {
        Some(clock::now()?.nanoseconds_since(self.start?))
    }

    fn physical_address(&self, frame: Slot) -> Result<u64, Refused> {
        cap::<Frame>(frame).physical_address().map_err(refused)
    }

    fn read(&self, unit: Unit, offset: usize, out: &mut [u8]) {
        window::read(unit, offset, out);
    }

    fn write(&mut self, unit: Unit, offset: usize, bytes: &[u8]) {
        window::write(unit, offset, bytes);
    }

    fn copy_bytes(&mut self, from: (Unit, usize), to: (Unit, usize), len: usize) {
        window::copy(from, to, len);
    }

    fn assemble(&mut self, parts: &ThreadParts, level: u8, share: Budget) -> Result<(), Refused> {
        let table: Cap<CNode> = cap(parts.cnode);
        let rights = CapRights::WRITE | CapRights::GRANT_REPLY;
        let endpoint = CNODE.slot_of::<Endpoint>(ENDPOINT);
        table.slot_at(CALL_SLOT, THREAD_RADIX).mint_from(endpoint, rights, parts.call_badge).map_err(refused)?;
        let thread: Cap<Tcb> = cap(parts.tcb);
        let spaces = Spaces {
            cspace: table,
            cspace_data: zero_guard(64 - THREAD_RADIX),
            vspace: cap(parts.vspace),
            buffer_frame: cap(parts.ipc_frame),
            buffer_address: parts.ipc_address,
        };
        thread.configure(&spaces).map_err(refused)?;
        let context: Cap<SchedContext> = cap(parts.sched_context);
        SCHED_CONTROL.configure(context, &budget(share)).map_err(refused)?;
        let fault = CNODE.slot(u64::from(slot::SCRATCH));
        fault.mint_from(endpoint, rights, parts.fault_badge).map_err(refused)?;
        let set = thread.set_sched_params(TCB, 0, u64::from(level.min(priority::MACH)), context, fault.cap());
        self.delete(Slot(slot::SCRATCH));
        set.map_err(refused)
    }

    fn set_budget(&mut self, sched_context: Slot, share: Budget) -> Result<(), Refused> {
        SCHED_CONTROL.configure(cap(sched_context), &budget(share)).map_err(refused)
    }

    fn set_priority(&mut self, thread: Slot, level: u8) -> Result<(), Refused> {
        cap::<Tcb>(thread).set_priority(TCB, u64::from(level)).map_err(refused)
    }

    fn suspend(&mut self, thread: Slot) {
        self.send_answer();
        // Suspending has no checks.
        let _ = cap::<Tcb>(thread).suspend();
    }

    fn resume(&mut self, thread: Slot) {
        self.send_answer();
        // Resuming has no checks.
        let _ = cap::<Tcb>(thread).resume();
    }

    fn read_registers(&mut self, thread: Slot) -> Result<Registers, Refused> {
        self.send_answer();
        cap::<Tcb>(thread).read_registers(Then::Leave).map(|context| tcb::context_words(&context)).map_err(refused)
    }

    fn write_registers(&mut self, thread: Slot, registers: &Registers) -> Result<(), Refused> {
        self.send_answer();
        cap::<Tcb>(thread).write_registers(Then::Leave, &tcb::context_from_words(registers)).map_err(refused)
    }

    fn consumed_us(&mut self, sched_context: Slot) -> u64 {
        cap::<SchedContext>(sched_context).consumed().unwrap_or_default()
    }

    fn reply(&mut self, reply: Slot, label: u64, words: &[u64]) {
        self.send_answer();
        self.words.clear();
        match self.words.extend_from_slice(words) {
            Ok(()) => self.answer = Some((reply, label)),
            Err(_) => cap::<Reply>(reply).reply(&Message::new(label, words)),
        }
    }

    fn wake_ticker(&mut self) {
        TICKER.signal();
    }

    fn heap_room(&self) -> usize {
        heap::free().saturating_sub(HEAP_MARGIN)
    }

    fn grant(&mut self, from_cptr: u64, cnode: Slot, index: u64) -> Result<(), Refused> {
        let to = cap::<CNode>(cnode).slot_at(index, THREAD_RADIX);
        to.copy_from(ROOT_CNODE.slot(from_cptr), CapRights::ALL).map_err(refused)
    }

    fn give_notification(&mut self, notification: Slot, to: (Slot, u64), grade: Grade) -> Result<(), Refused> {
        let (cnode, index) = to;
        let (rights, badge) = match grade {
            Grade::Own(badge) => (CapRights::READ | CapRights::WRITE, badge),
            Grade::Ring(badge) => (CapRights::WRITE, badge),
        };
        let to = cap::<CNode>(cnode).slot_at(index, THREAD_RADIX);
        to.mint_from(CNODE.slot(u64::from(notification.0)), rights, badge).map_err(refused)
    }

    fn badge_notification(&mut self, notification: Slot, to: Slot, badge: u64) -> Result<(), Refused> {
        let from = CNODE.slot(u64::from(notification.0));
        CNODE.slot(u64::from(to.0)).mint_from(from, CapRights::WRITE, badge).map_err(refused)
    }

    fn signal(&mut self, notification: Slot) {
        cap::<Notification>(notification).signal();
    }

    fn adopt(&mut self, from_cptr: u64, to: Slot) -> Result<(), Refused> {
        CNODE.slot(u64::from(to.0)).copy_from(ROOT_CNODE.slot(from_cptr), CapRights::ALL).map_err(refused)
    }

    fn log(&mut self, line: fmt::Arguments<'_>) {
        tell_watcher(log::LINE, line);
    }

    fn stop(&mut self, why: fmt::Arguments<'_>) {
        stop(why)
    }
}
