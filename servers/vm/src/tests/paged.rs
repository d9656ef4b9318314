//! Anonymous memory and the default pager, one case after the other. Numbers are those of
//! `spec/mach-memory-objects.md`, "I-DP".

use mach_protocol::KernReturn;

use super::bench::P;
use crate::model::{Told, World};
use crate::*;

/// A task with so many pages at the answered address, each filled with its number from 1 on.
fn filled(world: &mut World, pages: u64) -> (MapId, u64) {
    let task = world.task();
    let at = world.run(Allocate::new(Some(task), 0, pages * P, 1, Family::Xnu)).expect("addresses");
    for page in 0..pages {
        world.fill(task, at + page * P, value(page)).expect("memory");
    }
    (task, at)
}

fn value(page: u64) -> u8 {
    (page % 250) as u8 + 1
}

/// Everything that can go goes, and the pager takes it.
fn push_out(world: &mut World) {
    for _ in 0..100 {
        let World { vm, machine, .. } = world;
        let done = vm.evict(machine, 64);
        if world.serve_pager(1000) == 0 && done == Evicted::default() {
            break;
        }
        world.settle();
    }
    world.assert_valid();
}

fn store(world: &World) -> (usize, u64, u64) {
    let pager = world.pager.as_ref().expect("a pager");
    (pager.creates, pager.returned, pager.supplied)
}

#[test]
fn i_dp_01_02_an_object_goes_out_in_clusters_and_comes_back() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 100);
    push_out(&mut world);
    assert_eq!(store(&world), (1, 100, 0), "one create");
    assert_eq!(world.vm.pages.len(), 0, "no record is left");
    let messages = world.vm.statistics(&world.machine);
    assert_eq!((messages.pageouts, messages.pageins, messages.active_count, messages.inactive_count), (100, 0, 0, 0));
    for page in 0..100 {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
    let events = world.vm.map_events(task).unwrap();
    assert_eq!(
        (events.pageins, events.reactivations),
        (10, 100),
        "ten requests; what comes in is inactive until it is used"
    );
    // 1, 2, 4, 8, 16, 16, ...
    assert_eq!(world.machine.asked, [1, 2, 4, 8, 16, 16, 16, 16, 16, 5]);
    assert_eq!(world.vm.statistics(&world.machine).pageins, 100);
    // Nobody wrote: nothing is returned a second time.
    push_out(&mut world);
    assert_eq!(store(&world), (1, 100, 100));
    world.store(task, at + 7 * P, 200).unwrap();
    push_out(&mut world);
    assert_eq!(store(&world).1, 101, "one page was written to");
    assert_eq!(world.load(task, at + 7 * P), Ok(200));
    world.end(task);
    world.end_pager();
    assert_eq!(world.machine.used_frames(), 0);
}

/// While memory is plenty.
#[test]
fn who_reads_what_is_out_in_order_faults_once_for_the_pages_that_come_together() {
    let mut world = World::with_pager(4000, 4);
    let (task, at) = filled(&mut world, 200);
    push_out(&mut world);
    let before = world.vm.statistics(&world.machine);
    for page in 0..200 {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
    let after = world.vm.statistics(&world.machine);
    assert!(after.faults - before.faults < 40, "{} faults", after.faults - before.faults);
    assert_eq!((after.active_count, after.inactive_count), (200, 0), "what is mapped is active");
    world.assert_valid();
}

#[test]
fn i_dp_03_what_was_never_written_is_never_asked_for() {
    let mut world = World::with_pager(400, 4);
    let task = world.task();
    let at = world.run(Allocate::new(Some(task), 0, 50 * P, 1, Family::Xnu)).unwrap();
    for page in (0..50).step_by(2) {
        world.fill(task, at + page * P, 9).unwrap();
    }
    push_out(&mut world);
    for page in (1..50).step_by(2) {
        assert_eq!(world.load(task, at + page * P), Ok(0));
    }
    assert_eq!(world.machine.asked, []);
}

#[test]
fn i_dp_04_07_copies_keep_their_versions_and_leave_nothing() {
    let mut world = World::with_pager(400, 4);
    let (parent, at) = filled(&mut world, 30);
    push_out(&mut world);
    let child = world.run(Fork::new(parent)).unwrap();
    for page in 0..10 {
        world.store(parent, at + page * P, 201).unwrap();
    }
    push_out(&mut world);
    for page in 5..15 {
        world.store(child, at + page * P, 202).unwrap();
    }
    let grandchild = world.run(Fork::new(child)).unwrap();
    push_out(&mut world);
    world.store(grandchild, at, 203).unwrap();
    push_out(&mut world);
    let wanted = |of: u8, page: u64| match (of, page) {
        (0, 0..10) => 201,
        (2, 0) => 203,
        (1 | 2, 5..15) => 202,
        _ => value(page),
    };
    for (of, task) in [(0, parent), (1, child), (2, grandchild)] {
        for page in 0..30 {
            assert_eq!(world.load(task, at + page * P), Ok(wanted(of, page)), "{of}, page {page}");
        }
    }
    world.end(child);
    push_out(&mut world);
    for (of, task) in [(0, parent), (2, grandchild)] {
        for page in 0..30 {
            assert_eq!(world.load(task, at + page * P), Ok(wanted(of, page)), "{of}, page {page}");
        }
    }
    world.end(parent);
    world.end(grandchild);
    world.end_pager();
    assert_eq!((world.machine.used_frames(), world.vm.objects.len()), (0, 0));
}

/// A chain gives up what is resident below, and ends when the last page of the shadow has come in.
#[test]
fn a_shadow_stays_while_a_page_of_it_is_paged_out() {
    let mut world = World::with_pager(400, 4);
    let (parent, at) = filled(&mut world, 8);
    let child = world.run(Fork::new(parent)).unwrap();
    world.store(parent, at, 77).unwrap();
    push_out(&mut world);
    world.end(child);
    world.settle();
    assert_eq!(world.vm.objects.iter().filter(|(_, object)| object.child.is_some()).count(), 1, "the shadow stays");
    for page in 1..8 {
        world.store(parent, at + page * P, 78).unwrap();
    }
    world.settle();
    world.assert_valid();
    assert_eq!(world.vm.objects.iter().filter(|(_, object)| object.child.is_some()).count(), 0, "it went");
    assert_eq!(world.load(parent, at), Ok(77));
    world.end(parent);
    world.end_pager();
}

#[test]
fn i_dp_16_a_page_that_cannot_be_read_is_an_error_for_who_touches_it() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 20);
    push_out(&mut world);
    let assoc = world.vm.objects.iter().find_map(|(_, object)| object.paging).unwrap();
    let pager = world.pager.as_mut().unwrap();
    pager.broken.insert((assoc, 4 * P));
    for page in 0..20 {
        let wanted = if page == 4 { Err(KernReturn::MEMORY_ERROR) } else { Ok(value(page)) };
        assert_eq!(world.load(task, at + page * P), wanted, "page {page}");
    }
    world.assert_valid();
    world.pager.as_mut().unwrap().broken.clear();
    assert_eq!(world.load(task, at + 4 * P), Ok(value(4)), "errors are not kept");
}

#[test]
fn i_dp_15_what_a_full_pager_gives_back_is_kept() {
    let mut world = World::with_pager(400, 4);
    world.pager.as_mut().unwrap().space = 10;
    let (task, at) = filled(&mut world, 40);
    push_out(&mut world);
    assert!(world.vm.pageout.is_full);
    let returned = store(&world).1;
    let World { vm, machine, .. } = &mut world;
    vm.evict(machine, 64);
    assert_eq!(store(&world).1, returned, "nothing is returned while there is no space");
    for page in 0..40 {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
    world.pager.as_mut().unwrap().space = usize::MAX;
    world.vm.set_paging_full(false);
    push_out(&mut world);
    assert!(store(&world).1 > returned);
    for page in 0..40 {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
}

#[test]
fn i_dp_15_page_out_rests_while_there_is_no_space() {
    let mut world = World::with_pager(400, 4);
    let (_, _) = filled(&mut world, 200);
    let World { vm, machine, .. } = &mut world;
    vm.set_paging_full(true);
    vm.set_free_targets(400, 400);
    let steps = (0..100).take_while(|_| vm.page_out(machine)).count();
    assert!(steps <= 2 * 200 / 64 + 2, "{steps} steps: each page is looked at twice");
    let statistics = |vm: &Vm, machine: &_| {
        let now = vm.statistics(machine);
        (now.active_count, now.inactive_count, now.reactivations)
    };
    let before = statistics(vm, machine);
    assert!(!vm.page_out(machine));
    assert_eq!(statistics(vm, machine), before, "no page is looked at in vain");
    vm.set_paging_full(false);
    assert!(vm.page_out(machine), "it goes on when there is space");
}

#[test]
fn i_dp_15_a_page_that_came_in_before_it_is_given_back_is_kept() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 20);
    push_out(&mut world);
    let assoc = world.vm.objects.iter().find_map(|(_, object)| object.paging).unwrap();
    assert_eq!(world.load(task, at + 3 * P), Ok(value(3)));
    world.give_back(assoc, 3 * P);
    assert!(world.vm.pageout.is_full);
    world.assert_valid();
    let World { vm, machine, .. } = &mut world;
    vm.evict(machine, 64);
    world.settle();
    assert_eq!(world.load(task, at + 3 * P), Ok(value(3)), "nobody has a copy, so it stays");
    world.vm.set_paging_full(false);
    push_out(&mut world);
    assert_eq!(world.load(task, at + 3 * P), Ok(value(3)), "it went again");
}

/// New memory ends where the floor begins, and what is out comes in for as long as it likes.
#[test]
fn i_dp_15_while_there_is_no_space_what_is_out_comes_in() {
    let mut world = World::with_pager(80, 4);
    world.pager.as_mut().unwrap().has_places = false;
    world.machine.floor = 3;
    world.pager.as_mut().unwrap().space = 30;
    let task = world.task();
    let at = world.run(Allocate::new(Some(task), 0, 400 * P, 1, Family::Xnu)).unwrap();
    let fill = |world: &mut World, page: u64| world.fill(task, at + page * P, value(page));
    let pages = (0..400).take_while(|page| fill(&mut world, *page).is_ok()).count() as u64;
    assert!((95..110).contains(&pages), "frames but for the kept ones, and slots: {pages}");
    for round in 0..3 {
        assert_eq!(fill(&mut world, pages), Err(KernReturn::RESOURCE_SHORTAGE), "round {round}");
        for page in (0..pages).chain((0..pages).rev()) {
            assert_eq!(world.load(task, at + page * P), Ok(value(page)), "page {page}");
            assert_eq!(world.store(task, at + page * P, value(page)), Ok(()), "page {page}");
        }
        world.assert_valid();
    }
    assert!(world.machine.least_free >= 4, "the pager needed no frame of the reserve");
    world.run(Deallocate::new(Some(task), at, 40 * P, Holes::Refused)).unwrap();
    world.settle();
    world.vm.set_paging_full(false);
    for page in pages..pages + 10 {
        assert_eq!(fill(&mut world, page), Ok(()), "there is memory again");
    }
}

/// What was written to since it came in goes back to its own slot, so an area that is full of old contents is of use.
#[test]
fn i_dp_15_a_page_that_has_a_slot_goes_while_there_is_no_space() {
    let mut world = World::with_pager(400, 4);
    world.pager.as_mut().unwrap().space = 20;
    let (task, at) = filled(&mut world, 20);
    push_out(&mut world);
    for page in 0..20 {
        world.store(task, at + page * P, value(page) ^ 1).unwrap();
    }
    world.vm.set_paging_full(true);
    let (_, other) = filled(&mut world, 20);
    push_out(&mut world);
    assert_eq!(store(&world).1, 40, "those with slots went, and no others");
    for page in 0..20 {
        world.load(task, at + page * P).unwrap();
    }
    let _ = other;
    world.assert_valid();
}

#[test]
fn a_pager_that_keeps_no_copy_gets_the_page_again() {
    let mut world = World::with_pager(400, 4);
    world.pager.as_mut().unwrap().is_frugal = true;
    let (task, at) = filled(&mut world, 20);
    for round in 1..4 {
        push_out(&mut world);
        assert_eq!(store(&world).1, 20 * round);
        for page in 0..20 {
            assert_eq!(world.load(task, at + page * P), Ok(value(page)));
        }
    }
}

#[test]
fn i_dp_19_wired_pages_stay() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 20);
    push_out(&mut world);
    let wire = |access| Wire::new(Host::Privileged, Some(task), at + 5 * P, 4 * P, access, Family::Xnu);
    assert_eq!(world.run(wire(1)), Ok(()), "what was paged out comes in");
    push_out(&mut world);
    let now = world.vm.statistics(&world.machine);
    assert_eq!((now.wire_count, now.active_count + now.inactive_count), (4, 0));
    assert_eq!(world.run(wire(0)), Ok(()));
    push_out(&mut world);
    assert_eq!(world.machine.used_frames(), 0);
}

/// A page that is used while it is inactive stays.
#[test]
fn pages_in_use_are_active_again() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 300);
    let used = at + 150 * P;
    for _ in 0..15 {
        let World { vm, machine, .. } = &mut world;
        vm.evict(machine, 1);
        assert_eq!(world.load(task, used), Ok(value(150)));
        world.serve_pager(100);
        world.assert_valid();
    }
    let now = world.vm.statistics(&world.machine);
    assert!(now.reactivations > 0 && now.pageouts > 200, "{now:?}");
    assert_eq!(world.machine.asked, [], "it never went");
}

#[test]
fn what_a_dead_pager_had_is_lost_and_nothing_else() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 20);
    push_out(&mut world);
    for page in 0..5 {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
    let assocs: Vec<AssocId> = world.vm.objects.iter().filter_map(|(_, object)| object.paging).collect();
    let World { vm, machine, .. } = &mut world;
    vm.set_default_pager(false);
    assocs.iter().for_each(|assoc| vm.port_died(machine, *assoc));
    world.settle();
    world.assert_valid();
    let resident = world.vm.pages.len() as u64;
    for page in 0..20 {
        let wanted = if page < resident { Ok(value(page)) } else { Err(KernReturn::MEMORY_ERROR) };
        assert_eq!(world.load(task, at + page * P), wanted, "page {page}");
    }
    // Clean or not, what is resident is the only copy now.
    let World { vm, machine, .. } = &mut world;
    assert_eq!(vm.evict(machine, 64), Evicted::default());
    world.end(task);
}

/// Nothing on the way out needs a frame: tasks take every frame that they can get, many times over, to the last one if
/// nothing is kept, and everybody goes on.
#[test]
fn free_frames_come_to_the_last_and_everybody_goes_on() {
    for reserve in [0, 1, 24] {
        take_all(reserve);
    }
}

fn take_all(reserve: u64) {
    let mut world = World::with_pager(120, reserve);
    // All its memory for what comes is the reserve.
    world.pager.as_mut().unwrap().has_places = false;
    // Page-out begins when somebody waits, no sooner.
    world.vm.set_free_targets(reserve, reserve + 1);
    let pages = 400;
    let (task, at) = filled(&mut world, pages);
    let child = world.run(Fork::new(task)).unwrap();
    for page in (0..pages).rev() {
        assert_eq!(world.load(task, at + page * P), Ok(value(page)), "page {page}");
        world.store(child, at + page * P, 9).unwrap();
    }
    for page in 0..pages {
        assert_eq!(world.load(child, at + page * P), Ok(9));
        assert_eq!(world.load(task, at + page * P), Ok(value(page)));
    }
    assert_eq!(world.machine.least_free, reserve, "tasks got all but the reserve, and the pager did not need it");
    world.assert_valid();
    world.end(task);
    world.end(child);
    world.end_pager();
    assert_eq!(world.machine.used_frames(), 0);
}

/// Without a default pager nothing of it is touched, and who wants more is refused.
#[test]
fn without_a_default_pager_anonymous_memory_stays() {
    let mut world = World::new(50);
    let (task, at) = filled(&mut world, 50);
    let more = world.run(Allocate::new(Some(task), 0, P, 1, Family::Xnu)).unwrap();
    assert_eq!(world.store(task, more, 1), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(world.load(task, at), Ok(value(0)));
    assert!(world.machine.told.iter().all(|told| !matches!(told, Told::Create(..))));
}

/// What a driver has stays, also what it never touched since it was loaded, and what it got from others.
#[test]
fn what_a_driver_has_stays_resident() {
    let mut world = World::with_pager(400, 4);
    let (loader, at) = filled(&mut world, 10);
    let driver = world.run(Fork::new(loader)).unwrap();
    world.fill(driver, at + 3 * P, 99).unwrap();
    let own = world.run(Allocate::new(Some(driver), 0, 40 * P, 1, Family::Xnu)).unwrap();
    world.fill(driver, own, 1).unwrap();
    world.vm.keep_resident(driver);
    push_out(&mut world);
    let World { vm, machine, .. } = &mut world;
    assert_eq!(vm.statistics(machine).wire_count, 11, "its ten pages, and the one that it touched");
    for page in 0..40 {
        world.fill(driver, own + page * P, 2).unwrap();
    }
    push_out(&mut world);
    for page in 0..10 {
        assert_eq!(world.load(driver, at + page * P), Ok(if page == 3 { 99 } else { value(page) }));
    }
    assert_eq!(world.machine.asked, [], "nothing of it went");
    assert_eq!(world.load(loader, at + 3 * P), Ok(value(3)));
    assert_eq!(world.machine.asked, [1], "the page that it does not share went");
}

/// PAGING-3: the tail of an object that was paged out is never used again, so a late answer finds nothing.
#[test]
fn a_late_answer_for_a_page_that_is_gone_finds_nothing() {
    let mut world = World::with_pager(400, 4);
    let (task, at) = filled(&mut world, 4);
    push_out(&mut world);
    let mut fault = Fault::new(task, at + 3 * P, Prot::READ);
    assert!(matches!(world.step(&mut fault), Step::Wait(WaitOn::Page(_))));
    fault.cancel(&mut world.vm);
    world.run(Deallocate::new(Some(task), at + 3 * P, P, Holes::Refused)).unwrap();
    world.run(Allocate::new(Some(task), at + 3 * P, P, 0, Family::Xnu)).unwrap();
    world.store(task, at + 3 * P + 8, 5).unwrap();
    push_out(&mut world);
    assert_eq!((world.load(task, at + 3 * P), world.load(task, at + 3 * P + 8)), (Ok(0), Ok(5)));
    assert_eq!(world.load(task, at + 2 * P), Ok(value(2)));
    world.assert_valid();
}

/// While memory is short and nothing but managers' pages can go, who uses a few of them keeps these.
#[test]
fn the_last_pages_of_managers_stay_while_nothing_else_can_go() {
    const PAGES: u64 = 80;
    let (mut t, a, assoc) = super::managed::Managed::ready(PAGES);
    t.fill(assoc, a, &[1; PAGES as usize]);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.set_free_targets(1 << 20, 1 << 20);
    let steps = (0..100).take_while(|_| vm.page_out(machine)).count();
    assert!(steps < 100, "it ends, as nothing more may go");
    let resident = vm.counters.resident;
    assert!((1..=64).contains(&resident), "{resident} of {PAGES} pages are left");
    assert!(vm.is_short(machine) && !vm.page_out(machine));
    assert_eq!(vm.counters.resident, resident);
}
