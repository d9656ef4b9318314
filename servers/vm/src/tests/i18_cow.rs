//! Cases I.18, copy on write. Cases 7 and 8 need memory objects.

use mach_protocol::KernReturn;

use super::bench::*;
use crate::*;

#[test]
fn i18_01_reading_copies_nothing() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    let child = b.fork();
    let before = b.statistics();
    for page in 0..4 {
        assert_eq!(b.world.load(child, a + page * P), Ok(page as u8 + 1));
    }
    let after = b.statistics();
    assert_eq!(after.cow_faults, before.cow_faults);
    assert_eq!(after.free_count, before.free_count);
}

#[test]
fn i18_02_the_child_writes() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    let child = b.fork();
    let before = b.statistics();
    b.world.store(child, a + P, 90).unwrap();
    assert_eq!(b.statistics().cow_faults - before.cow_faults, 1);
    assert_eq!(before.free_count - b.statistics().free_count, 1);
    assert_eq!(b.load(a + P), 2);
    let seen = [0, 1, 2, 3].map(|page| b.world.load(child, a + page * P).unwrap());
    assert_eq!(seen, [1, 90, 3, 4]);
}

#[test]
fn i18_03_the_parent_writes_first() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let child = b.fork();
    b.store(a, 2);
    assert_eq!(b.world.load(child, a), Ok(1));
}

#[test]
fn i18_04_a_fork_of_a_fork() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let child = b.fork();
    let grandchild = b.world.run(Fork::new(child)).unwrap();
    b.world.store(grandchild, a, 3).unwrap();
    b.world.store(child, a, 2).unwrap();
    assert_eq!(b.load(a), 1);
    assert_eq!(b.world.load(child, a), Ok(2));
    assert_eq!(b.world.load(grandchild, a), Ok(3));
    b.store(a, 4);
    assert_eq!(b.world.load(child, a), Ok(2));
    assert_eq!(b.world.load(grandchild, a), Ok(3));
}

#[test]
fn i18_05_shared_and_copied() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    b.inherit(a, P, SHARE);
    let sharer = b.fork();
    b.inherit(a, P, COPY);
    let copier = b.fork();
    b.world.store(sharer, a, 2).unwrap();
    assert_eq!(b.world.load(copier, a), Ok(1));
    assert_eq!(b.load(a), 2);
    // And a second copy has what is there now.
    let second = b.fork();
    b.store(a, 3);
    assert_eq!(b.world.load(sharer, a), Ok(3));
    assert_eq!(b.world.load(copier, a), Ok(1));
    assert_eq!(b.world.load(second, a), Ok(2));
}

/// A shadow of a copy object must not look past it, as only the copy object is told what changes below.
#[test]
fn i18_05b_a_copy_of_a_copy_of_shared_memory() {
    let (mut b, a) = Bench::with_pages(2);
    b.inherit(a, 2 * P, SHARE);
    b.number(a, 2);
    let sharer = b.fork();
    b.inherit(a, 2 * P, COPY);
    let copier = b.fork();
    let second = b.world.run(Fork::new(copier)).unwrap();
    b.world.store(copier, a, 50).unwrap();
    b.world.settle();
    b.world.store(sharer, a + P, 60).unwrap();
    let seen = [b.me, sharer, copier, second].map(|task| b.world.load(task, a + P).unwrap());
    assert_eq!(seen, [60, 60, 2, 2]);
    let seen = [b.me, sharer, copier, second].map(|task| b.world.load(task, a).unwrap());
    assert_eq!(seen, [1, 1, 50, 1]);
}

/// A copy object that its shadow swallows is still told what changes below.
#[test]
fn i18_05c_a_copy_object_that_was_swallowed() {
    let (mut b, a) = Bench::with_pages(2);
    b.inherit(a, 2 * P, SHARE);
    b.number(a, 2);
    let sharer = b.fork();
    b.inherit(a, 2 * P, COPY);
    let copier = b.fork();
    let second = b.world.run(Fork::new(copier)).unwrap();
    b.world.store(copier, a, 50).unwrap();
    b.world.end(second);
    b.world.settle();
    b.world.store(sharer, a + P, 60).unwrap();
    assert_eq!(b.world.load(copier, a + P), Ok(2));
    assert_eq!(b.world.load(copier, a), Ok(50));
}

/// A copy object that its task has begun to write to is no snapshot for others.
#[test]
fn i18_05d_a_copy_object_that_is_written_is_not_used_twice() {
    let (mut b, a) = Bench::with_pages(1);
    b.inherit(a, P, SHARE);
    b.number(a, 1);
    let sharer = b.fork();
    b.inherit(a, P, COPY);
    let copier = b.fork();
    b.world.machine.fail_in = Some(1);
    assert_eq!(b.world.store(copier, a, 50), Err(KernReturn::RESOURCE_SHORTAGE));
    b.world.machine.fail_in = None;
    let third = b.fork();
    b.world.store(copier, a, 70).unwrap();
    let seen = [b.me, sharer, copier, third].map(|task| b.world.load(task, a).unwrap());
    assert_eq!(seen, [1, 1, 70, 1]);
}

#[test]
fn i18_06_read_fork_write() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 2);
    let out = b.read(a, 2 * P).unwrap();
    let child = b.fork();
    b.store(a, 50);
    b.world.store(child, a, 60).unwrap();
    assert_eq!((b.load(out.data), b.load(a)), (1, 50));
    assert_eq!(b.world.load(child, a), Ok(60));
    assert_eq!(b.world.load(child, out.data), Ok(1));
}

/// The longest chain that any entry of any map sees.
fn longest_chain(b: &Bench) -> usize {
    let ids = b.world.vm.objects.iter().map(|(id, _)| id);
    ids.map(|id| b.world.vm.chain_length(id)).max().unwrap_or(0)
}

#[test]
fn i18_09_a_thousand_children_one_after_the_other() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a, 8);
    for round in 0..1000u64 {
        let child = b.fork();
        b.store(a + round % 8 * P, round as u8);
        assert_eq!(b.world.load(child, a + 7 * P + 1), Ok(8));
        b.world.end(child);
        assert_eq!(b.world.machine.used_frames(), 8, "round {round}");
        assert_eq!(b.world.vm.objects.len(), 1, "round {round}");
    }
}

#[test]
fn i18_09b_a_chain_of_a_thousand_generations() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a, 8);
    let mut last = b.me;
    for round in 0..1000u64 {
        let child = b.world.run(Fork::new(last)).unwrap();
        b.world.end(last);
        b.world.store(child, a + round % 8 * P, round as u8).unwrap();
        last = child;
        b.me = child;
        assert_eq!(b.world.machine.used_frames(), 8, "round {round}");
        assert_eq!(b.world.vm.objects.len(), 1, "round {round}");
    }
    for page in 0..8 {
        let round = 992 + page;
        assert_eq!(b.load(a + page * P), round as u8);
    }
}

#[test]
fn i18_09c_a_hundred_generations_that_all_live() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a, 8);
    let mut all = vec![b.me];
    for round in 1..100u64 {
        let parent = *all.last().unwrap();
        let child = b.world.run(Fork::new(parent)).unwrap();
        b.world.store(child, a + round % 8 * P, round as u8).unwrap();
        all.push(child);
    }
    assert!(longest_chain(&b) <= crate::object::shadow::MAX_DEPTH + 1);
    b.world.assert_valid();
    for (round, task) in all.iter().enumerate() {
        for page in 0..8u64 {
            // The last of the generations up to this one that wrote the page.
            let writer = (1..=round).rev().find(|r| *r as u64 % 8 == page);
            let wanted = writer.map_or(page as u8 + 1, |r| r as u8);
            assert_eq!(b.world.load(*task, a + page * P), Ok(wanted), "{round} {page}");
        }
    }
    for task in all.drain(1..) {
        b.world.end(task);
    }
    assert_eq!(b.world.machine.used_frames(), 8);
}

#[test]
fn i18_09d_a_hundred_living_copies_of_shared_memory() {
    let (mut b, a) = Bench::with_pages(2);
    b.inherit(a, 2 * P, SHARE);
    b.number(a, 2);
    let sharer = b.fork();
    b.inherit(a, 2 * P, COPY);
    let mut copies = Vec::new();
    for round in 0..100u8 {
        b.world.store(sharer, a, round).unwrap();
        copies.push(b.fork());
    }
    assert!(longest_chain(&b) <= 2 * crate::object::shadow::MAX_DEPTH + 1);
    for (round, task) in copies.iter().enumerate() {
        assert_eq!(b.world.load(*task, a), Ok(round as u8));
        assert_eq!(b.world.load(*task, a + P), Ok(2));
    }
    b.world.assert_valid();
}

#[test]
fn i18_10_the_parent_dies() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let first = b.fork();
    let second = b.fork();
    b.store(a, 9);
    b.world.end(b.me);
    b.me = first;
    b.world.assert_valid();
    for task in [first, second] {
        for page in 0..3 {
            assert_eq!(b.world.load(task, a + page * P), Ok(page as u8 + 1));
        }
    }
}

#[test]
fn i18_11_read_only_and_back_is_still_private() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let child = b.fork();
    b.protect(a, P, false, READ);
    b.protect(a, P, false, RW);
    b.store(a, 2);
    assert_eq!(b.world.load(child, a), Ok(1));
}

#[test]
fn i18_12_untouched_before_the_fork() {
    let (mut b, a) = Bench::with_pages(1);
    let child = b.fork();
    b.store(a, 1);
    assert_eq!(b.world.load(child, a), Ok(0));
    b.world.store(child, a, 2).unwrap();
    assert_eq!(b.load(a), 1);
}

#[test]
fn i18_a1_a_writer_waits_while_a_large_fork_runs() {
    let (mut b, a) = Bench::with_pages(300);
    b.number(a, 300);
    let mut fork = Fork::new(b.me);
    assert_eq!(b.world.step(&mut fork), Step::Again);
    let mut fault = Fault::new(b.me, a, Prot::WRITE);
    assert_eq!(b.world.step(&mut fault), Step::Wait(WaitOn::Map(b.me)));
    let child = loop {
        match b.world.step(&mut fork) {
            Step::Again => {}
            Step::Done(child) => break child.unwrap(),
            Step::Wait(_) => panic!("a fork of anonymous memory waits for nobody"),
        }
    };
    assert_eq!(b.world.vm.next_wakeup(), Some((WaitOn::Map(b.me), Wake::Retry)));
    assert_eq!(b.world.step(&mut fault), Step::Done(Ok(())));
    b.store(a, 99);
    assert_eq!(b.world.load(child, a), Ok(1));
}

#[test]
fn i18_a2_all_memory_taken_and_given_back_a_hundred_times() {
    let mut b = Bench::new();
    for _ in 0..100 {
        let hog = b.world.task();
        let all = b.world.machine.free_frames();
        let size = (all + 10) * P;
        let call = Allocate::new(Some(hog), 0, size, flags::ANYWHERE, Family::Xnu);
        let a = b.world.run(call).unwrap();
        let full = (0..all + 10).find_map(|page| b.world.store(hog, a + page * P, 1).err());
        assert_eq!(full, Some(KernReturn::RESOURCE_SHORTAGE));
        assert_eq!(b.world.machine.free_frames(), 0);
        b.world.end(hog);
        assert_eq!(b.world.machine.free_frames(), all);
    }
}
