//! Pages ahead of a task that goes upwards through memory.

use super::bench::*;

/// Pages of a piece that is filled from its start to its end.
const PIECE: u64 = 170;

#[test]
fn who_fills_a_piece_faults_once_for_many_pages() {
    let (mut b, a) = Bench::with_pages(PIECE);
    let before = b.statistics();
    b.number(a, PIECE);
    let after = b.statistics();
    let faults = after.faults - before.faults;
    assert!(faults < PIECE / 8, "{faults} faults");
    assert_eq!(before.free_count - after.free_count, PIECE, "no frame but those of the piece");
    assert_eq!(
        (0..PIECE).map(|page| b.load(a + page * P)).collect::<Vec<_>>(),
        (1..=PIECE).map(|n| n as u8).collect::<Vec<_>>()
    );
}

#[test]
fn pages_here_and_there_come_alone() {
    let (mut b, a) = Bench::with_pages(PIECE);
    let before = b.statistics().free_count;
    let touched = [0, 1, 2, 5, 6, 7, 9, 20, 22, 24, 26, 28, 30, 160, 150, 140].map(|page| b.store(a + page * P, 1));
    assert_eq!((before - b.statistics().free_count) as usize, touched.len());
}

#[test]
fn a_run_gets_no_more_than_its_length_again() {
    let (mut b, a) = Bench::with_pages(PIECE);
    let before = b.statistics().free_count;
    for touched in 1..=PIECE / 2 {
        b.store(a + (touched - 1) * P, 1);
        assert!(before - b.statistics().free_count <= 2 * touched);
    }
}

#[test]
fn a_copy_gets_nothing_ahead() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.store(a + 100 * P, 1);
    let child = b.fork();
    let before = b.statistics().free_count;
    (0..20).for_each(|page| b.world.store(child, a + page * P, 2).expect("memory"));
    assert_eq!(before - b.statistics().free_count, 20);
}

#[test]
fn who_was_copied_and_reads_from_start_to_end_faults_once_for_many_pages() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    b.fork();
    let before = b.statistics();
    for page in 0..PIECE {
        assert_eq!(b.load(a + page * P), page as u8 + 1);
    }
    let after = b.statistics();
    assert!(after.faults - before.faults < PIECE / 8, "{} faults", after.faults - before.faults);
    assert_eq!((after.cow_faults, after.free_count), (before.cow_faults, before.free_count), "nothing is copied ahead");
}

#[test]
fn who_was_copied_and_reads_here_and_there_gets_just_that() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    b.fork();
    let pages = [0, 1, 2, 5, 6, 7, 9, 20, 22, 24, 26, 28, 30, 160, 150, 140];
    assert!(pages.iter().all(|page| b.load(a + page * P) == *page as u8 + 1));
    let space = b.world.vm.space_of(b.me).expect("a space");
    assert_eq!(b.world.machine.spaces[&space].len(), pages.len());
}

#[test]
fn what_somebody_else_has_mapped_is_not_mapped_ahead() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    let child = b.fork();
    assert!((0..20).all(|page| b.load(a + page * P) == page as u8 + 1));
    let mapped = |b: &Bench, map| b.world.machine.spaces[&b.world.vm.space_of(map).expect("a space")].len();
    assert!(mapped(&b, b.me) >= 20);
    assert!((0..10).all(|page| b.world.load(child, a + page * P) == Ok(page as u8 + 1)));
    assert_eq!(mapped(&b, child), 10);
}

#[test]
fn who_writes_to_a_copy_gets_no_page_ahead_that_it_could_not_write() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    let child = b.fork();
    (0..20).for_each(|page| b.world.store(child, a + page * P, 2).expect("memory"));
    let space = b.world.vm.space_of(child).expect("a space");
    assert_eq!(b.world.machine.spaces[&space].len(), 20);
}

#[test]
fn who_writes_to_a_page_that_it_had_mapped_alone_keeps_its_frame() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let (map, child) = (b.me, b.fork());
    let space = b.world.vm.space_of(map).expect("a space");
    let of = |b: &Bench, space, page: u64| b.world.machine.spaces[&space].get(&(a + page * P)).map(|(frame, _)| *frame);
    let old = [0, 1].map(|page| of(&b, space, page));
    // The child has one of the two pages mapped as well.
    assert_eq!(b.world.load(child, a + P), Ok(2));
    (0..2).for_each(|page| b.store(a + page * P, 9));
    assert_eq!(of(&b, space, 0), old[0]);
    assert_ne!(of(&b, space, 1), old[1]);
    assert_eq!(
        (0..3).map(|page| b.world.load(child, a + page * P)).collect::<Vec<_>>(),
        (1..=3).map(Ok).collect::<Vec<_>>()
    );
    assert_eq!([b.load(a), b.load(a + P), b.load(a + 2 * P)], [9, 9, 3]);
}
