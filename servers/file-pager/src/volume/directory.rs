//! Reading directories: 32 bytes an entry, in front of it the pieces of its long name, the last one first.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::disk::{SECTOR, Sectors};
use super::layout::{ENTRY, Kind, Layout, Root};
use super::problem::Problem;
use super::table::{Run, Table};

/// The most bytes of a directory.
const MOST_BYTES: u64 = 65536 * ENTRY as u64;
/// Bytes that are read at once.
const PIECE_SECTORS: u64 = 32;

const READ_ONLY: u8 = 0x01;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
/// All of the low attributes: a piece of a long name.
const LONG: u8 = 0x0f;
const FREE: u8 = 0xe5;
/// The first byte of a name that begins with [`FREE`].
const KANJI: u8 = 0x05;
const LAST_PIECE: u8 = 0x40;
/// Characters of a long name in an entry, and entries of the longest name.
const PIECE_UNITS: usize = 13;
const MOST_PIECES: usize = 20;

/// Where an entry lies on the disk. No two have the same, so it tells files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sector.
    pub sector: u64,
    /// Its number in the sector.
    pub index: u8,
}

/// A file or a directory, as its entry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The long name; the short one if there is no other.
    pub name: String,
    pub(super) short: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether it says that it shall not be written.
    pub is_read_only: bool,
    /// Bytes of the file; 0 of a directory.
    pub size: u32,
    /// The first cluster, or 0. It may be a number that no cluster has.
    pub(super) first: u32,
    pub(super) place: Place,
}

impl Entry {
    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether this is what `name` means: case makes no difference, and both names count.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let same = |own: &str| own.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase));
        same(&self.name) || same(&self.short)
    }
}

/// Where a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Root,
    Chain(u32),
}

/// Consecutive sectors: the first, and how many.
pub type Extent = (u64, u64);

/// The most clusters of a directory.
pub(super) fn most_clusters(layout: &Layout) -> u64 {
    (MOST_BYTES / layout.cluster_bytes()).max(1)
}

/// The clusters of a directory; none of a root directory outside of them.
pub(super) fn chain(layout: &Layout, table: &Table, location: Location) -> Result<Vec<Run>, Problem> {
    let first = match (location, layout.root) {
        (Location::Root, Root::Sectors { .. }) => return Ok(Vec::new()),
        (Location::Root, Root::Chain(first)) => first,
        (Location::Chain(first), _) => {
            layout.cluster(u64::from(first)).ok_or(Problem::Damaged("a directory begins nowhere"))?
        }
    };
    table.chain(first, most_clusters(layout))
}

/// Where the sectors of a directory are, in order.
pub(super) fn extents(layout: &Layout, table: &Table, location: Location) -> Result<Vec<Extent>, Problem> {
    if let (Location::Root, Root::Sectors { first, count }) = (location, layout.root) {
        return Ok(vec![(first, count)]);
    }
    let runs = chain(layout, table, location)?;
    Ok(runs.iter().map(|run| (layout.sector_of(run.cluster), u64::from(run.count) * layout.cluster_sectors)).collect())
}

/// Reads all entries of a directory but `.`, `..` and the volume's label.
pub(super) fn read(
    disk: &mut impl Sectors,
    layout: &Layout,
    table: &Table,
    location: Location,
) -> Result<Vec<Entry>, Problem> {
    let mut decoder = Decoder::new(layout.kind);
    each_sector(disk, &extents(layout, table, location)?, |sector, bytes| decoder.take(sector, bytes))?;
    Ok(decoder.entries)
}

/// Whether nothing comes behind the end of a directory. What does would come back when the directory grows.
pub(super) fn is_closed(disk: &mut impl Sectors, extents: &[Extent]) -> Result<bool, Problem> {
    let (mut has_ended, mut has_rest) = (false, false);
    each_sector(disk, extents, |_, bytes| {
        for first in bytes.iter().step_by(ENTRY) {
            has_rest |= has_ended && *first != 0;
            has_ended |= *first == 0;
        }
        !has_rest
    })?;
    Ok(!has_rest)
}

/// Reads sectors in order, as long as `take` wants more.
fn each_sector(
    disk: &mut impl Sectors,
    extents: &[Extent],
    mut take: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), Problem> {
    let mut buffer = vec![0; PIECE_SECTORS as usize * SECTOR];
    for (first, count) in extents {
        let end = first + count;
        for at in (*first..end).step_by(PIECE_SECTORS as usize) {
            let len = (end - at).min(PIECE_SECTORS) as usize * SECTOR;
            let Some(piece) = buffer.get_mut(..len) else { break };
            disk.read(at, piece)?;
            for (sector, bytes) in (at..).zip(piece.chunks_exact(SECTOR)) {
                if !take(sector, bytes) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A long name whose pieces come.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The number of the piece that was taken last; 0 without a name.
    piece: usize,
    sum: u8,
}

struct Decoder {
    kind: Kind,
    entries: Vec<Entry>,
    long: LongName,
}

impl Decoder {
    fn new(kind: Kind) -> Self {
        Self { kind, entries: Vec::new(), long: LongName::default() }
    }

    /// Takes the entries of a sector. Answers whether there may be more.
    fn take(&mut self, sector: u64, bytes: &[u8]) -> bool {
        for (index, raw) in (0..).zip(bytes.chunks_exact(ENTRY)) {
            let Ok(raw) = <&[u8; ENTRY]>::try_from(raw) else { return false };
            let attributes = raw[11];
            if raw[0] == 0 {
                return false;
            } else if raw[0] == FREE {
                self.long = LongName::default();
            } else if attributes & LONG == LONG {
                self.long.take(raw);
            } else {
                let long = core::mem::take(&mut self.long).finish(raw);
                if attributes & VOLUME == 0 && raw[0] != b'.' {
                    self.entries.push(self.entry(raw, long, Place { sector, index }));
                }
            }
        }
        true
    }

    fn entry(&self, raw: &[u8; ENTRY], long: Option<String>, place: Place) -> Entry {
        let half = |at: usize| u32::from(raw[at]) | u32::from(raw[at + 1]) << 8;
        let high = if self.kind == Kind::Fat32 { half(20) << 16 } else { 0 };
        let is_directory = raw[11] & DIRECTORY != 0;
        let size = if is_directory { 0 } else { half(28) | half(30) << 16 };
        let short = short_name(raw);
        let name = long.unwrap_or_else(|| short.clone());
        let is_read_only = raw[11] & READ_ONLY != 0;
        Entry { name, short, is_directory, is_read_only, size, first: half(26) | high, place }
    }
}

impl LongName {
    /// Takes an entry that is a piece of a name.
    fn take(&mut self, raw: &[u8; ENTRY]) {
        let (order, sum) = (raw[0], raw[13]);
        let piece = usize::from(order & !LAST_PIECE);
        if order & LAST_PIECE != 0 && (1..=MOST_PIECES).contains(&piece) {
            *self = Self { units: vec![0; piece * PIECE_UNITS], piece: piece + 1, sum };
        }
        if piece == 0 || piece + 1 != self.piece || sum != self.sum {
            *self = Self::default();
            return;
        }
        self.piece = piece;
        let parts = raw[1..11].chunks_exact(2).chain(raw[14..26].chunks_exact(2)).chain(raw[28..32].chunks_exact(2));
        let units = parts.map(|pair| u16::from(pair[0]) | u16::from(pair[1]) << 8);
        self.units.iter_mut().skip((piece - 1) * PIECE_UNITS).zip(units).for_each(|(to, unit)| *to = unit);
    }

    /// The name, if all its pieces came, and it is that of this entry.
    fn finish(self, raw: &[u8; ENTRY]) -> Option<String> {
        let is_whole = self.piece == 1 && self.sum == checksum(raw);
        let units = self.units.iter().copied().take_while(|unit| *unit != 0);
        let name: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        (is_whole && !name.is_empty()).then_some(name)
    }
}

/// What ties the pieces of a long name to the entry behind them.
fn checksum(raw: &[u8; ENTRY]) -> u8 {
    raw[..11].iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// The name of eight and three characters. Two bits say that a part of it is shown in small letters.
fn short_name(raw: &[u8; ENTRY]) -> String {
    let part = |bytes: &[u8], is_small: bool| -> String {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        bytes
            .iter()
            .take(end)
            .map(|byte| match byte {
                0..0x80 if is_small => char::from(byte.to_ascii_lowercase()),
                0..0x80 => char::from(*byte),
                _ => char::REPLACEMENT_CHARACTER,
            })
            .collect()
    };
    let mut base = [0; 8];
    base.copy_from_slice(&raw[..8]);
    if base[0] == KANJI {
        base[0] = FREE;
    }
    let name = part(&base, raw[12] & 0x08 != 0);
    let extension = part(&raw[8..11], raw[12] & 0x10 != 0);
    if extension.is_empty() { name } else { name + "." + &extension }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &[u8; 11]) -> [u8; ENTRY] {
        let mut raw = [0; ENTRY];
        raw[..11].copy_from_slice(name);
        raw
    }

    fn piece(order: u8, sum: u8, text: &str) -> [u8; ENTRY] {
        let mut raw = [0xff; ENTRY];
        (raw[0], raw[11], raw[12], raw[13], raw[26], raw[27]) = (order, LONG, 0, sum, 0, 0);
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (at, unit) in places.zip(text.encode_utf16().chain([0])) {
            raw[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        raw
    }

    fn names(raws: &[[u8; ENTRY]]) -> Vec<String> {
        let mut decoder = Decoder::new(Kind::Fat16);
        decoder.take(7, raws.as_flattened());
        decoder.entries.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn short_names_are_put_together() {
        assert_eq!(names(&[short(b"README  TXT"), short(b"A          ")]), ["README.TXT", "A"]);
        let mut small = short(b"README  TXT");
        small[12] = 0x18;
        assert_eq!(names(&[small]), ["readme.txt"]);
        assert_eq!(names(&[short(b".          "), short(b"\xe5BC        "), short(b"\0BC        ")]), [""; 0]);
    }

    #[test]
    fn a_long_name_is_taken_if_it_is_whole_and_belongs_to_the_entry() {
        let entry = short(b"A LONG~1TXT");
        let sum = checksum(&entry);
        let (last, first) = (piece(0x42, sum, "xt"), piece(1, sum, "A long name.t"));
        assert_eq!(names(&[last, first, entry]), ["A long name.txt"]);
        for broken in [&[first, entry][..], &[last, entry], &[last, piece(1, sum ^ 1, "A long name.t"), entry]] {
            assert_eq!(names(broken), ["A LONG~1.TXT"]);
        }
        assert_eq!(names(&[last, first, short(b"OTHER   TXT")]), ["OTHER.TXT"]);
        assert_eq!(names(&[piece(0x7f, sum, "x"), entry]), ["A LONG~1.TXT"]);
    }
}
