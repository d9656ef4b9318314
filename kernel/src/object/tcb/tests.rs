//! One test for each row of the error tables of TCB invocations, and what the operations do.

use std::vec;
use std::vec::Vec;

use sel4_abi::registers::{CONTEXT, CONTEXT_REGISTERS, Register};
use sel4_abi::{CNodeCapData, CapRights, ErrorCode, InvocationLabel as L};

use super::{TcbSlot, ThreadState, thread};
use crate::cap::{Badge, CNodeCap, Cap, EndpointCap, FrameCap, Mapping, PageTableCap, VSpaceCap, VmRights};
use crate::kobj::MemRegion;
use crate::mem::{PhysAddr, UserVa};
use crate::object::{PageTable, Tcb, notification, sched_context};
use crate::sched::Priority;
use crate::vspace::Asid;
use crate::world::{Answer, Named, World};

const TRUNCATED: ErrorCode = ErrorCode::TruncatedMessage;
const ILLEGAL: ErrorCode = ErrorCode::IllegalOperation;

/// A world with a manager that runs, and a target that does not.
struct Setup {
    w: World,
    target: Named<Tcb>,
    manager: Named<Tcb>,
    /// A slot with nothing in it.
    null: u64,
}

fn setup() -> Setup {
    let mut w = World::new();
    let (manager, target) = (w.thread(100), w.thread(10));
    let null = w.free_slot();
    w.start(manager);
    Setup { w, target, manager, null }
}

impl Setup {
    fn ask(&mut self, label: L, words: &[u64], caps: &[u64]) -> Answer {
        let cptr = self.target.cptr;
        self.w.invoke(cptr, label, words, caps)
    }

    /// The request is refused, with this error.
    fn refused(&mut self, label: L, words: &[u64], caps: &[u64], code: ErrorCode, payload: &[u64]) {
        assert_eq!(self.ask(label, words, caps), Answer::error(code, payload));
    }

    /// The request succeeds without result words.
    fn done(&mut self, label: L, words: &[u64], caps: &[u64]) {
        assert_eq!(self.ask(label, words, caps), Answer::ok(&[]));
    }

    fn frame(&mut self) -> u64 {
        let region = self.w.m.take(12);
        self.w.put(Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }))
    }

    fn vspace(&mut self, asid: Option<u16>) -> u64 {
        let root = self.w.m.take(12).place::<PageTable>(&mut self.w.m.kernel).unwrap();
        self.w.put(Cap::VSpace(VSpaceCap { root, asid: asid.map(Asid) }))
    }

    /// A CNode of 16 slots.
    fn cnode(&mut self) -> u64 {
        let slots = self.w.m.take(9).place_slots(&mut self.w.m.kernel).unwrap();
        self.w.put(Cap::CNode(CNodeCap { slots, guard: 0, guard_size: 0 }))
    }

    fn handler(&mut self) -> u64 {
        self.w.endpoint().cptr
    }

    fn mute_handler(&mut self) -> u64 {
        let ep = self.w.endpoint();
        self.w.badged(ep, 1, CapRights::READ_WRITE)
    }

    fn installed(&self, which: TcbSlot) -> Cap {
        self.target.obj.slot(self.w.k(), which).cap(self.w.k())
    }
}

// ---- labels ----

#[test]
fn tcb_err01_unknown_label() {
    let mut s = setup();
    for label in [0, L::CNodeDelete.number(), 57, 1 << 33 | L::TcbResume.number()] {
        let cptr = s.target.cptr;
        assert_eq!(s.w.invoke_raw(cptr, label, &[], &[]), Answer::error(ILLEGAL, &[]));
    }
}

// ---- registers ----

#[test]
fn tcb_read_registers_err01_truncated() {
    setup().refused(L::TcbReadRegisters, &[0], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_read_registers_err02_count_out_of_range() {
    let mut s = setup();
    s.refused(L::TcbReadRegisters, &[0, 0], &[], ErrorCode::RangeError, &[1, 36]);
    s.refused(L::TcbReadRegisters, &[0, 37], &[], ErrorCode::RangeError, &[1, 36]);
}

#[test]
fn tcb_read_registers_err03_of_oneself() {
    let mut s = setup();
    s.target = s.manager;
    s.refused(L::TcbReadRegisters, &[0, 1], &[], ILLEGAL, &[]);
}

#[test]
fn tcb_write_registers_err01_truncated() {
    setup().refused(L::TcbWriteRegisters, &[0], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_write_registers_err02_fewer_words_than_count() {
    setup().refused(L::TcbWriteRegisters, &[0, 3, 1, 2], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_write_registers_err03_of_oneself() {
    let mut s = setup();
    s.target = s.manager;
    s.refused(L::TcbWriteRegisters, &[0, 0], &[], ILLEGAL, &[]);
}

#[test]
fn tcb_registers_come_back_as_written() {
    let mut s = setup();
    let mut message = vec![0, 36];
    message.extend((0..36).map(|i| 0x1000 + i));
    s.done(L::TcbWriteRegisters, &message, &[]);
    let mut expected: Vec<u64> = (0..36).map(|i| 0x1000 + i).collect();
    expected[2] = crate::arch::context::sanitise_spsr(0x1002);
    assert_eq!(s.ask(L::TcbReadRegisters, &[0, 36], &[]), Answer::ok(&expected));
    assert_eq!(s.target.obj.get(s.w.k()).context.resume_pc.get(), 0x1000);
    assert_eq!(s.w.state(s.target), ThreadState::Inactive);
    assert_eq!(s.ask(L::TcbReadRegisters, &[0, 2], &[]), Answer::ok(&expected[..2]));
}

#[test]
fn tcb_write_registers_cuts_large_counts_and_resumes() {
    let mut s = setup();
    let mut message = vec![1, 40];
    message.extend((0..40).map(|i| 0x1000 + i));
    s.done(L::TcbWriteRegisters, &message, &[]);
    assert_eq!(s.w.state(s.target), ThreadState::Restart);
    assert_eq!(s.target.obj.get(s.w.k()).context.get(Register::Tpidrro), 0x1000 + 35);
}

#[test]
fn tcb_copy_registers_err01_truncated() {
    let mut s = setup();
    let other = s.manager.cptr;
    s.refused(L::TcbCopyRegisters, &[], &[other], TRUNCATED, &[]);
    s.refused(L::TcbCopyRegisters, &[0], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_copy_registers_err02_source_is_no_tcb() {
    let mut s = setup();
    let null = s.null;
    s.refused(L::TcbCopyRegisters, &[0], &[null], ErrorCode::InvalidCapability, &[1]);
}

#[test]
fn tcb_copy_registers_copies_the_halves_that_are_asked_for() {
    let mut s = setup();
    let source = s.w.passive(5);
    for (i, register) in CONTEXT.iter().enumerate() {
        source.obj.get(s.w.k()).context.set(*register, 0x2000 + i as u64);
    }
    s.done(L::TcbCopyRegisters, &[4], &[source.cptr]);
    let get = |s: &Setup, i: usize| s.target.obj.get(s.w.k()).context.get(CONTEXT[i]);
    assert_eq!((get(&s, 0), get(&s, 16), get(&s, 17)), (0x2000, 0x2010, 0));
    assert_eq!(s.target.obj.get(s.w.k()).context.resume_pc.get(), 0x2000);
    s.done(L::TcbCopyRegisters, &[8], &[source.cptr]);
    assert_eq!((get(&s, 17), get(&s, CONTEXT_REGISTERS - 1)), (0x2011, 0x2000 + 35));
}

// ---- configuring ----

#[test]
fn tcb_configure_err01_truncated() {
    let mut s = setup();
    let (c, v, f) = (s.cnode(), s.vspace(Some(1)), s.frame());
    s.refused(L::TcbConfigure, &[0, 0], &[c, v, f], TRUNCATED, &[]);
    s.refused(L::TcbConfigure, &[0, 0, 0], &[c, v], TRUNCATED, &[]);
}

#[test]
fn tcb_configure_err02_buffer_cannot_be_derived() {
    let mut s = setup();
    let (c, v) = (s.cnode(), s.vspace(Some(1)));
    let table = s.w.m.take(12).place(&mut s.w.m.kernel).unwrap();
    let unmapped = s.w.put(Cap::PageTable(PageTableCap { table, mapping: None }));
    s.refused(L::TcbConfigure, &[0, 0, 0x401], &[c, v, unmapped], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err03_buffer_is_no_frame() {
    let mut s = setup();
    let (c, v) = (s.cnode(), s.vspace(Some(1)));
    s.refused(L::TcbConfigure, &[0, 0, 0x401], &[c, v, c], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err04_buffer_is_device_memory() {
    let mut s = setup();
    let (c, v) = (s.cnode(), s.vspace(Some(1)));
    let region = MemRegion::device(PhysAddr(0x900_0000), 12);
    let device = s.w.put(Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
    s.refused(L::TcbConfigure, &[0, 0, 0x401], &[c, v, device], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err05_buffer_not_aligned() {
    let mut s = setup();
    let f = s.frame();
    let null = s.null;
    s.refused(L::TcbConfigure, &[0, 0, 0x401], &[null, null, f], ErrorCode::AlignmentError, &[]);
}

#[test]
fn tcb_configure_err06_present_root_is_final() {
    let mut s = setup();
    let (v, f) = (s.vspace(Some(1)), s.frame());
    let (other, only) = (s.cnode(), s.cnode());
    s.done(L::TcbConfigure, &[0, 0, 0x400], &[only, v, f]);
    s.done(L::TcbSetSpace, &[0, 0], &[0, only, v]);
    crate::cap::delete::delete_one(s.w.k(), s.w.slot(v));
    let v = s.vspace(Some(2));
    // The TCB's copy is the last one once the given capability is gone.
    crate::cap::cdt::remove(s.w.k(), s.w.slot(only));
    s.refused(L::TcbConfigure, &[0, 0, 0x400], &[other, v, f], ILLEGAL, &[]);
    s.refused(L::TcbSetSpace, &[0, 0], &[0, other, v], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err07_cspace_cannot_be_derived() {
    let mut s = setup();
    let (v, f) = (s.vspace(Some(1)), s.frame());
    let no_asid = s.vspace(None);
    s.refused(L::TcbConfigure, &[0, 0, 0x400], &[no_asid, v, f], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err08_cspace_is_no_cnode_or_its_guard_too_long() {
    let mut s = setup();
    let (c, v, f, null) = (s.cnode(), s.vspace(Some(1)), s.frame(), s.null);
    s.refused(L::TcbConfigure, &[0, 0, 0x400], &[null, v, f], ILLEGAL, &[]);
    let guard_of_61 = 61;
    s.refused(L::TcbConfigure, &[guard_of_61, 0, 0x400], &[c, v, f], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err09_vspace_without_asid() {
    let mut s = setup();
    let (c, v, f) = (s.cnode(), s.vspace(None), s.frame());
    s.refused(L::TcbConfigure, &[0, 0, 0x400], &[c, v, f], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_err10_vspace_is_no_vspace() {
    let mut s = setup();
    let (c, f) = (s.cnode(), s.frame());
    s.refused(L::TcbConfigure, &[0, 0, 0x400], &[c, c, f], ILLEGAL, &[]);
}

#[test]
fn tcb_configure_installs_copies() {
    let mut s = setup();
    let (c, v, f) = (s.cnode(), s.vspace(Some(1)), s.frame());
    let mapped = Mapping { asid: Asid(1), vaddr: UserVa(0x9000) };
    if let Cap::Frame(frame) = s.w.cap(f) {
        s.w.slot(f).update(s.w.k(), Cap::Frame(FrameCap { mapping: Some(mapped), ..frame }));
    }
    s.done(L::TcbConfigure, &[CNodeCapData(5 << 6 | 3).0, 0, 0x7c00], &[c, v, f]);
    assert!(matches!(s.installed(TcbSlot::CSpaceRoot), Cap::CNode(CNodeCap { guard: 5, guard_size: 3, .. })));
    assert_eq!(s.installed(TcbSlot::VSpaceRoot), s.w.cap(v));
    assert!(matches!(s.installed(TcbSlot::IpcBuffer), Cap::Frame(FrameCap { mapping: None, .. })));
    assert_eq!(s.target.obj.get(s.w.k()).ipc_buffer.get(), 0x7c00);
    let null = s.null;
    s.done(L::TcbConfigure, &[0, 0, 0], &[c, v, null]);
    assert_eq!(s.installed(TcbSlot::IpcBuffer), Cap::Null);
    assert!(matches!(s.installed(TcbSlot::CSpaceRoot), Cap::CNode(CNodeCap { guard_size: 0, .. })));
}

#[test]
fn tcb_set_ipc_buffer_err01_truncated() {
    let mut s = setup();
    let f = s.frame();
    s.refused(L::TcbSetIpcBuffer, &[], &[f], TRUNCATED, &[]);
    s.refused(L::TcbSetIpcBuffer, &[0x400], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_set_ipc_buffer_err02_as_configure() {
    let mut s = setup();
    let (f, null) = (s.frame(), s.null);
    s.refused(L::TcbSetIpcBuffer, &[0x400], &[null], ILLEGAL, &[]);
    s.refused(L::TcbSetIpcBuffer, &[0x3ff], &[f], ErrorCode::AlignmentError, &[]);
    s.done(L::TcbSetIpcBuffer, &[0x400], &[f]);
    s.done(L::TcbSetIpcBuffer, &[0], &[null]);
    assert_eq!(s.installed(TcbSlot::IpcBuffer), Cap::Null);
}

#[test]
fn tcb_set_space_err01_truncated() {
    let mut s = setup();
    let (c, v, null) = (s.cnode(), s.vspace(Some(1)), s.null);
    s.refused(L::TcbSetSpace, &[0], &[null, c, v], TRUNCATED, &[]);
    s.refused(L::TcbSetSpace, &[0, 0], &[null, c], TRUNCATED, &[]);
}

#[test]
fn tcb_set_space_err03_roots_as_configure() {
    let mut s = setup();
    let (c, v, null) = (s.cnode(), s.vspace(Some(1)), s.null);
    s.refused(L::TcbSetSpace, &[0, 0], &[null, null, v], ILLEGAL, &[]);
    s.refused(L::TcbSetSpace, &[0, 0], &[null, c, null], ILLEGAL, &[]);
}

#[test]
fn tcb_set_space_err04_handler_not_valid() {
    let mut s = setup();
    let (c, v, mute) = (s.cnode(), s.vspace(Some(1)), s.mute_handler());
    let before = s.installed(TcbSlot::VSpaceRoot);
    s.refused(L::TcbSetSpace, &[0, 0], &[mute, c, v], ErrorCode::InvalidCapability, &[1]);
    assert_eq!(s.installed(TcbSlot::VSpaceRoot), before, "a refused call changes nothing");
    let handler = s.handler();
    s.done(L::TcbSetSpace, &[0, 0], &[handler, c, v]);
    assert_eq!(s.installed(TcbSlot::FaultHandler), s.w.cap(handler));
}

#[test]
fn tcb_set_timeout_endpoint_err01_truncated() {
    setup().refused(L::TcbSetTimeoutEndpoint, &[], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_set_timeout_endpoint_err02_handler_not_valid() {
    let mut s = setup();
    let (mute, handler, null) = (s.mute_handler(), s.handler(), s.null);
    s.refused(L::TcbSetTimeoutEndpoint, &[], &[mute], ErrorCode::InvalidCapability, &[1]);
    s.done(L::TcbSetTimeoutEndpoint, &[], &[handler]);
    assert_eq!(s.installed(TcbSlot::TimeoutHandler), s.w.cap(handler));
    s.done(L::TcbSetTimeoutEndpoint, &[], &[null]);
    assert_eq!(s.installed(TcbSlot::TimeoutHandler), Cap::Null);
}

// ---- priorities ----

#[test]
fn tcb_set_priority_err01_truncated() {
    let mut s = setup();
    let authority = s.manager.cptr;
    for label in [L::TcbSetPriority, L::TcbSetMcPriority] {
        s.refused(label, &[], &[authority], TRUNCATED, &[]);
        s.refused(label, &[1], &[], TRUNCATED, &[]);
    }
}

#[test]
fn tcb_set_priority_err02_authority_is_no_tcb() {
    let mut s = setup();
    let null = s.null;
    for label in [L::TcbSetPriority, L::TcbSetMcPriority] {
        s.refused(label, &[1], &[null], ErrorCode::InvalidCapability, &[1]);
    }
}

#[test]
fn tcb_set_priority_err03_above_authority_mcp() {
    let mut s = setup();
    let authority = s.w.passive(1);
    authority.obj.get(s.w.k()).mcp.set(Priority(50));
    for label in [L::TcbSetPriority, L::TcbSetMcPriority] {
        s.refused(label, &[51], &[authority.cptr], ErrorCode::RangeError, &[0, 50]);
        s.refused(label, &[1 << 32], &[authority.cptr], ErrorCode::RangeError, &[0, 50]);
        s.done(label, &[50], &[authority.cptr]);
    }
    let tcb = s.target.obj.get(s.w.k());
    assert_eq!((tcb.priority.get(), tcb.mcp.get()), (Priority(50), Priority(50)));
}

#[test]
fn tcb_set_sched_params_err01_truncated() {
    let mut s = setup();
    let (a, null) = (s.manager.cptr, s.null);
    s.refused(L::TcbSetSchedParams, &[1], &[a, null, null], TRUNCATED, &[]);
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, null], TRUNCATED, &[]);
}

#[test]
fn tcb_set_sched_params_err02_authority_is_no_tcb() {
    let mut s = setup();
    let null = s.null;
    s.refused(L::TcbSetSchedParams, &[1, 1], &[null, null, null], ErrorCode::InvalidCapability, &[1]);
}

#[test]
fn tcb_set_sched_params_err03_mcp_and_err04_priority_above_authority() {
    let mut s = setup();
    let null = s.null;
    let authority = s.w.passive(1);
    authority.obj.get(s.w.k()).mcp.set(Priority(50));
    for words in [[51, 1], [1, 51]] {
        s.refused(L::TcbSetSchedParams, &words, &[authority.cptr, null, null], ErrorCode::RangeError, &[0, 50]);
    }
}

#[test]
fn tcb_set_sched_params_err05_target_has_another_context() {
    let mut s = setup();
    let (a, null, other) = (s.manager.cptr, s.null, s.w.context(1000, 1000).cptr);
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, other, null], ILLEGAL, &[]);
}

#[test]
fn tcb_set_sched_params_err06_context_has_a_thread() {
    let mut s = setup();
    let (a, null) = (s.manager.cptr, s.null);
    let (sc, other) = (s.w.context(1000, 1000), s.w.passive(3));
    sched_context::bind_tcb(s.w.k(), sc.obj, other.obj);
    s.target = s.w.passive(4);
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, sc.cptr, null], ILLEGAL, &[]);
}

#[test]
fn tcb_set_sched_params_err07_blocked_target_and_context_not_released() {
    let mut s = setup();
    let (a, null, ep) = (s.manager.cptr, s.null, s.w.endpoint());
    let blocked = s.w.thread(200);
    s.w.start(blocked);
    s.w.wait(ep.cptr);
    let own = s.w.context_of(blocked).unwrap();
    sched_context::unbind_tcb(s.w.k(), own);
    let raw = s.w.raw_context(8);
    s.target = blocked;
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, raw.cptr, null], ILLEGAL, &[]);
    s.target = s.w.passive(4);
    s.done(L::TcbSetSchedParams, &[1, 1], &[a, raw.cptr, null]);
}

#[test]
fn tcb_set_sched_params_err08_null_context_for_oneself() {
    let mut s = setup();
    let (a, null) = (s.manager.cptr, s.null);
    s.target = s.manager;
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, null, null], ILLEGAL, &[]);
}

#[test]
fn tcb_set_sched_params_err09_neither_context_nor_null() {
    let mut s = setup();
    let (a, null) = (s.manager.cptr, s.null);
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, a, null], ErrorCode::InvalidCapability, &[2]);
}

#[test]
fn tcb_set_sched_params_err10_handler_not_valid() {
    let mut s = setup();
    let (a, null, mute) = (s.manager.cptr, s.null, s.mute_handler());
    s.refused(L::TcbSetSchedParams, &[1, 1], &[a, null, mute], ErrorCode::InvalidCapability, &[3]);
    assert!(s.w.context_of(s.target).is_some(), "a refused call changes nothing");
}

#[test]
fn tcb_set_sched_params_sets_all_four() {
    let mut s = setup();
    let (a, null, handler) = (s.manager.cptr, s.null, s.handler());
    s.done(L::TcbSetSchedParams, &[70, 60], &[a, null, handler]);
    let tcb = s.target.obj.get(s.w.k());
    assert_eq!((tcb.mcp.get(), tcb.priority.get()), (Priority(70), Priority(60)));
    assert_eq!(s.w.context_of(s.target), None);
    let Cap::Endpoint(ep) = s.w.cap(handler) else { panic!() };
    assert_eq!(s.installed(TcbSlot::FaultHandler), Cap::Endpoint(EndpointCap { badge: Badge(0), ..ep }));
    let sc = s.w.context(1000, 1000);
    thread::resume(s.w.k(), s.target.obj);
    s.done(L::TcbSetSchedParams, &[200, 200], &[a, sc.cptr, null]);
    assert!(s.w.runs(s.target), "bound and higher, it runs at once");
    assert_eq!(s.installed(TcbSlot::FaultHandler), Cap::Null);
}

// ---- notifications, flags, stopping ----

#[test]
fn tcb_bind_notification_err01_truncated() {
    setup().refused(L::TcbBindNotification, &[], &[], TRUNCATED, &[]);
}

#[test]
fn tcb_bind_notification_err02_already_bound() {
    let mut s = setup();
    let (n, other) = (s.w.notification(1), s.w.notification(1));
    s.done(L::TcbBindNotification, &[], &[n.cptr]);
    s.refused(L::TcbBindNotification, &[], &[other.cptr], ILLEGAL, &[]);
}

#[test]
fn tcb_bind_notification_err03_no_notification() {
    let mut s = setup();
    let null = s.null;
    s.refused(L::TcbBindNotification, &[], &[null], ILLEGAL, &[]);
}

#[test]
fn tcb_bind_notification_err04_without_read() {
    let mut s = setup();
    let n = s.w.notification(1);
    let Cap::Notification(cap) = s.w.cap(n.cptr) else { panic!() };
    let write_only = s.w.put(Cap::Notification(crate::cap::NotificationCap { rights: CapRights::WRITE, ..cap }));
    s.refused(L::TcbBindNotification, &[], &[write_only], ILLEGAL, &[]);
}

#[test]
fn tcb_bind_notification_err05_waited_on_or_bound() {
    let mut s = setup();
    let (n, waited) = (s.w.notification(1), s.w.notification(1));
    notification::bind_tcb(s.w.k(), n.obj, s.manager.obj);
    let waiter = s.w.thread(200);
    s.w.start(waiter);
    s.w.wait(waited.cptr);
    s.refused(L::TcbBindNotification, &[], &[n.cptr], ILLEGAL, &[]);
    s.refused(L::TcbBindNotification, &[], &[waited.cptr], ILLEGAL, &[]);
}

#[test]
fn tcb_unbind_notification_err01_nothing_bound() {
    let mut s = setup();
    s.refused(L::TcbUnbindNotification, &[], &[], ILLEGAL, &[]);
    let n = s.w.notification(1);
    s.done(L::TcbBindNotification, &[], &[n.cptr]);
    s.done(L::TcbUnbindNotification, &[], &[]);
    assert_eq!(n.obj.get(s.w.k()).bound_tcb.get(), None);
}

#[test]
fn tcb_set_tls_base_err01_truncated() {
    let mut s = setup();
    s.refused(L::TcbSetTlsBase, &[], &[], TRUNCATED, &[]);
    s.done(L::TcbSetTlsBase, &[0x7777], &[]);
    assert_eq!(s.target.obj.get(s.w.k()).context.get(Register::Tpidr), 0x7777);
}

#[test]
fn tcb_set_flags_err01_truncated() {
    let mut s = setup();
    s.refused(L::TcbSetFlags, &[0], &[], TRUNCATED, &[]);
    assert_eq!(s.ask(L::TcbSetFlags, &[0, u64::MAX], &[]), Answer::ok(&[1]));
    assert_eq!(s.ask(L::TcbSetFlags, &[1, 0], &[]), Answer::ok(&[0]));
}

#[test]
fn tcb_suspending_oneself_repeats_at_resume() {
    let mut s = setup();
    let svc = s.manager.obj.get(s.w.k()).context.resume_pc.get();
    s.target = s.manager;
    s.w.set_x(s.manager.obj, 1, 0);
    s.w.send(s.manager.cptr, L::TcbSuspend.number(), &[]);
    assert_eq!(s.w.state(s.manager), ThreadState::Inactive);
    s.w.start(s.manager);
    assert_eq!(s.manager.obj.get(s.w.k()).context.resume_pc.get(), svc);
    s.w.trap();
    assert_eq!(s.w.state(s.manager), ThreadState::Inactive, "it suspends itself again");
}

#[test]
fn tcb_suspended_by_another_continues_where_it_was() {
    let mut s = setup();
    s.w.start(s.target);
    s.target.obj.get(s.w.k()).state.set(ThreadState::Running);
    s.target.obj.get(s.w.k()).context.resume_pc.set(0x1234);
    s.done(L::TcbSuspend, &[], &[]);
    s.done(L::TcbSuspend, &[], &[]);
    s.done(L::TcbResume, &[], &[]);
    s.done(L::TcbResume, &[], &[]);
    assert_eq!(s.target.obj.get(s.w.k()).context.restart_pc.get(), 0x1234);
    s.target = s.manager;
    s.done(L::TcbResume, &[], &[]);
}
