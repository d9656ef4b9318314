//! Zeros ahead of a task that goes upwards through fresh memory.

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
