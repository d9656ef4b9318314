//! Pages of objects that have a manager, as far as a fault sees them: every row of the table in
//! [`crate::fault::plan`] that anonymous memory never reaches.

use mach_protocol::KernReturn;

use super::bench::*;
use crate::map::entry::Backing;
use crate::object::{Object, Source};
use crate::*;

const MANAGER: ManagerId = ManagerId(9);

/// A task that maps two pages of an object with this source, and where.
fn mapped(source: Source) -> (Bench, u64, ObjectId) {
    let (mut b, a) = Bench::with_pages(2);
    let object = Object { source, ..Object::anonymous(2 * P) };
    let id = b.world.vm.objects.insert(object);
    let me = b.me;
    let (_, entry) = b.world.vm.maps.get_mut(me).unwrap().entries.lookup_mut(a).unwrap();
    entry.backing = Some(Backing { object: id, offset: 0 });
    (b, a, id)
}

const READY: Source = Source::Manager { manager: MANAGER, is_ready: true };

fn fault(b: &mut Bench, address: u64, access: Prot) -> Step<()> {
    let mut fault = Fault::new(b.me, address, access);
    b.world.step(&mut fault)
}

/// Puts a page into the object, as a manager's answer would.
fn set_page(b: &mut Bench, object: ObjectId, offset: u64, state: PageState) -> PageId {
    if let PageState::Clean { .. } = state {
        b.world.vm.counters.resident += 1;
    }
    let vm = &mut b.world.vm;
    let old = vm.objects.get(object).unwrap().pages.get(&offset).copied();
    match old {
        Some(page) => {
            vm.pages.get_mut(page).unwrap().state = state;
            page
        }
        None => {
            let page = vm.pages.insert(Page { state, ..Page::requested(object, offset, Prot::NONE) });
            vm.objects.get_mut(object).unwrap().pages.insert(offset, page);
            page
        }
    }
}

fn frame(b: &mut Bench) -> FrameId {
    b.world.machine.allocate_frame(Fill::Zero).unwrap()
}

fn told(b: &mut Bench) -> Vec<String> {
    core::mem::take(&mut b.world.machine.told)
}

#[test]
fn a_manager_that_is_not_ready_is_waited_for() {
    let (mut b, a, object) = mapped(Source::Manager { manager: MANAGER, is_ready: false });
    assert_eq!(fault(&mut b, a, Prot::READ), Step::Wait(WaitOn::Object(object)));
    assert!(told(&mut b).is_empty());
}

#[test]
fn a_missing_page_is_requested_once() {
    let (mut b, a, _) = mapped(READY);
    let Step::Wait(what) = fault(&mut b, a + P + 5, Prot::WRITE) else { panic!("waits") };
    assert_eq!(fault(&mut b, a + P, Prot::READ), Step::Wait(what));
    assert_eq!(told(&mut b), ["data_request 9 0x1000 Prot(WRITE)"]);
    let me = b.me;
    b.world.end(me);
    assert_eq!(told(&mut b), ["terminate 9"]);
    assert_eq!(b.world.vm.next_wakeup(), None, "the end was run with its wake-ups");
}

#[test]
fn a_supplied_page_is_entered_read_only_until_written() {
    let (mut b, a, object) = mapped(READY);
    let frame = frame(&mut b);
    let page = set_page(&mut b, object, 0, PageState::Clean { frame });
    assert_eq!(b.load(a), 0);
    assert_eq!(b.world.vm.pages.get(page).unwrap().state, PageState::Clean { frame });
    b.store(a, 1);
    assert_eq!(b.world.vm.pages.get(page).unwrap().state, PageState::Dirty { frame });
}

#[test]
fn a_page_on_its_way_out_is_waited_for() {
    let (mut b, a, object) = mapped(READY);
    let frame = frame(&mut b);
    b.world.vm.counters.resident += 1;
    let page = set_page(&mut b, object, 0, PageState::Cleaning { frame });
    assert_eq!(fault(&mut b, a, Prot::READ), Step::Wait(WaitOn::Page(page)));
}

#[test]
fn an_error_is_reported_once() {
    let (mut b, a, object) = mapped(READY);
    set_page(&mut b, object, 0, PageState::Error);
    assert_eq!(fault(&mut b, a, Prot::READ), Step::Done(Err(KernReturn::MEMORY_ERROR)));
    assert!(matches!(fault(&mut b, a, Prot::READ), Step::Wait(WaitOn::Page(_))));
    assert_eq!(told(&mut b), ["data_request 9 0x0 Prot(READ)"]);
}

#[test]
fn a_forbidden_access_is_asked_for_once() {
    let (mut b, a, object) = mapped(READY);
    let frame = frame(&mut b);
    let page = set_page(&mut b, object, 0, PageState::Clean { frame });
    b.world.vm.pages.get_mut(page).unwrap().lock = Prot::WRITE;
    assert_eq!(b.load(a), 0);
    for _ in 0..2 {
        assert_eq!(fault(&mut b, a, Prot::WRITE), Step::Wait(WaitOn::Page(page)));
    }
    assert_eq!(told(&mut b), ["data_unlock 9 0x0 Prot(WRITE)"]);
}

#[test]
fn data_that_the_manager_does_not_have_is_zero() {
    let (mut b, a, object) = mapped(READY);
    set_page(&mut b, object, 0, PageState::Absent);
    assert_eq!(b.load(a), 0);
    b.store(a, 1);
    assert_eq!(b.load(a), 1);
}

#[test]
fn without_its_manager_an_object_has_only_what_is_resident() {
    let (mut b, a, object) = mapped(Source::Gone);
    let frame = frame(&mut b);
    set_page(&mut b, object, 0, PageState::Clean { frame });
    assert_eq!(b.load(a), 0);
    assert_eq!(b.load_code(a + P), 10);
    assert_eq!(b.load_code(a + P), 10);
}

#[test]
fn a_copy_of_a_managers_object_is_asymmetric() {
    let (mut b, a, object) = mapped(READY);
    let frame = frame(&mut b);
    set_page(&mut b, object, 0, PageState::Clean { frame });
    b.store(a, 1);
    let child = b.fork();
    assert!(b.world.vm.objects.get(object).unwrap().copy.is_some());
    b.store(a, 2);
    assert_eq!(b.world.load(child, a), Ok(1));
    // Below a copy a page is only read.
    let mut fault = Fault::new(child, a + P, Prot::WRITE);
    assert!(matches!(b.world.step(&mut fault), Step::Wait(WaitOn::Page(_))));
    assert_eq!(told(&mut b), ["data_request 9 0x1000 Prot(READ)"]);
}
