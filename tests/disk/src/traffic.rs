//! Many requests in flight, and what the data pages hold afterwards.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use libmach::block::{Completion, Disk, Op, Request, SECTOR, Status};
use libmach::msg::Timeout;

/// Words of a sector.
const WORDS: u64 = SECTOR / 8;

/// A run of sectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
}

/// Cuts the sectors in `range` into pieces of different sizes, the largest of 128 sectors.
pub(crate) fn pieces(range: core::ops::Range<u64>) -> Vec<Piece> {
    const SIZES: [u64; 7] = [1, 8, 3, 128, 16, 127, 64];
    let mut sector = range.start;
    let sizes = SIZES.iter().cycle();
    let next = |size: &u64| {
        let piece = Piece { sector, sectors: (*size).min(range.end - sector) };
        sector += piece.sectors;
        (piece.sectors > 0).then_some(piece)
    };
    sizes.map_while(next).collect()
}

/// Bytes of a place in the data pages.
const PLACE: u64 = 64 * 1024;

/// Does `op` for each piece, as many at once as the data pages have places, and hands each completion to `done`, with the
/// place in words. Before a write `fill` gives each word.
pub(crate) fn each(
    disk: &mut Disk,
    op: Op,
    pieces: &[Piece],
    fill: impl Fn(u64) -> u64,
    mut done: impl FnMut(&Disk, Piece, usize, Status) -> Result<(), String>,
) -> Result<u64, String> {
    let places = disk.data().len() as u64 / PLACE;
    let mut free: Vec<u64> = (0..places).collect();
    let mut under_way: Vec<Option<Piece>> = (0..places).map(|_| None).collect();
    let (mut waiting, mut left, mut most) = (pieces.iter().copied(), pieces.len(), 0);
    while left > 0 {
        while let Some(place) = free.pop() {
            let Some(piece) = waiting.next() else { break };
            if op == Op::Write {
                let words = disk.data_words().iter().skip((place * PLACE / 8) as usize).zip(0..piece.sectors * WORDS);
                words.for_each(|(word, index)| word.store(fill(piece.sector + index / WORDS), Relaxed));
            }
            let length = (piece.sectors * SECTOR) as u32;
            let request = Request { op, tag: place, sector: piece.sector, offset: (place * PLACE) as u32, length };
            disk.submit(&request).map_err(|_| "the ring is full")?;
            if let Some(slot) = under_way.get_mut(place as usize) {
                *slot = Some(piece);
            }
        }
        most = most.max(disk.in_flight());
        disk.kick();
        match disk.complete() {
            Some(Completion { tag, status }) => {
                let piece = under_way.get_mut(tag as usize).and_then(Option::take).ok_or("a tag that was not given")?;
                done(disk, piece, (tag * PLACE / 8) as usize, status)?;
                free.push(tag);
                left -= 1;
            }
            None => disk.wait(Timeout::Millis(20_000)).map_err(|code| format!("waiting: {code:?}"))?,
        }
    }
    Ok(most)
}

/// Checks that a piece in the data pages holds what `wanted` gives for each sector.
pub(crate) fn holds(disk: &Disk, piece: Piece, at: usize, wanted: impl Fn(u64) -> u64) -> Result<(), String> {
    for (word, index) in disk.data_words().iter().skip(at).zip(0..piece.sectors * WORDS) {
        let sector = piece.sector + index / WORDS;
        let (is, wanted) = (word.load(Relaxed), wanted(sector));
        if is != wanted {
            return Err(format!("sector {sector} holds {is:#x}, wanted {wanted:#x}"));
        }
    }
    Ok(())
}

/// A completion must be a success.
pub(crate) fn well(status: Status, piece: Piece) -> Result<(), String> {
    if status == Status::Ok { Ok(()) } else { Err(format!("{piece:?} ended with {status:?}")) }
}
