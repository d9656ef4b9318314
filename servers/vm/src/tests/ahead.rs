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
fn who_reads_what_is_there_from_its_start_to_its_end_faults_once_for_many_pages() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    let child = b.fork();
    let before = b.statistics();
    for page in 0..PIECE {
        assert_eq!(b.world.load(child, a + page * P), Ok(page as u8 + 1));
    }
    let after = b.statistics();
    assert!(after.faults - before.faults < PIECE / 8, "{} faults", after.faults - before.faults);
    assert_eq!((after.cow_faults, after.free_count), (before.cow_faults, before.free_count), "nothing is copied ahead");
}

#[test]
fn who_reads_what_is_there_here_and_there_gets_just_that() {
    let (mut b, a) = Bench::with_pages(PIECE);
    b.number(a, PIECE);
    let child = b.fork();
    let pages = [0, 1, 2, 5, 6, 7, 9, 20, 22, 24, 26, 28, 30, 160, 150, 140];
    for page in &pages {
        b.world.load(child, a + page * P).expect("memory");
    }
    let space = b.world.vm.space_of(child).expect("a space");
    assert_eq!(b.world.machine.spaces[&space].len(), pages.len());
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
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
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
        (0..4).map(|page| b.world.load(child, a + page * P)).collect::<Vec<_>>(),
        (1..=4).map(Ok).collect::<Vec<_>>()
    );
    assert_eq!([b.load(a), b.load(a + P), b.load(a + 2 * P)], [9, 9, 3]);
}
