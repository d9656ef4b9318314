//! The table of clusters, in memory: which cluster follows which.

use alloc::vec;
use alloc::vec::Vec;

use super::disk::{SECTOR, Sectors};
use super::layout::{FIRST_CLUSTER, Kind, Layout};
use super::problem::Problem;

/// Bytes of the table that are read at once.
const PIECE: usize = 64 * SECTOR;

/// What the table says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Free,
    /// The next one of the chain, which exists.
    Next(u32),
    /// The last one of a chain.
    End,
    /// Not to be used.
    Bad,
    /// No cluster has that number.
    Wild,
    /// The two tables do not agree.
    Torn,
}

// Numbers above every cluster's.
const END: u32 = u32::MAX;
const BAD: u32 = u32::MAX - 1;
const WILD: u32 = u32::MAX - 2;
const TORN: u32 = u32::MAX - 3;

/// Consecutive clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) cluster: u32,
    pub(super) count: u32,
}

/// The table. Entries 0 and 1 are there, and mean nothing.
#[derive(Debug)]
pub(super) struct Table {
    kind: Kind,
    clusters: u32,
    entries: Vec<u32>,
}

/// The lengths of all chains, from each of their clusters on.
#[derive(Debug)]
pub(super) struct Lengths(Vec<u32>);

/// What is no length: not known yet, about to be, and that of a chain without an end.
const UNKNOWN: u32 = 0;
const PASSED: u32 = u32::MAX - 1;
const ENDLESS: u32 = u32::MAX;

impl Lengths {
    /// Clusters from this one to the end of its chain. `None`: there is no such cluster, or it has no end.
    pub(super) fn of(&self, cluster: u32) -> Option<u64> {
        self.0.get(cluster as usize).filter(|length| **length != ENDLESS && **length != UNKNOWN).map(|l| u64::from(*l))
    }
}

impl Table {
    /// Reads the table, and compares it with its copy.
    pub(super) fn read(disk: &mut impl Sectors, layout: &Layout) -> Result<Self, Problem> {
        let clusters = layout.clusters;
        let entries = vec![0; (FIRST_CLUSTER + clusters) as usize];
        let mut table = Self { kind: layout.kind, clusters, entries };
        let used = (table.entries.len() * layout.kind.width()).div_ceil(SECTOR) as u64;
        let (mut first, mut second) = (vec![0; PIECE], vec![0; PIECE]);
        let per_piece = (PIECE / SECTOR) as u64;
        for at in (0..used).step_by(PIECE / SECTOR) {
            let len = (used - at).min(per_piece) as usize * SECTOR;
            let (Some(first), Some(second)) = (first.get_mut(..len), second.get_mut(..len)) else { break };
            disk.read(layout.table + at, first)?;
            table.take(at, first);
            if layout.tables == 2 {
                disk.read(layout.table + layout.table_sectors + at, second)?;
                table.compare(at, first, second);
            }
        }
        Ok(table)
    }

    /// Takes over sectors of the table, from its sector `at` on.
    pub(super) fn take(&mut self, at: u64, bytes: &[u8]) {
        let (kind, clusters) = (self.kind, self.clusters);
        let values = bytes.chunks_exact(kind.width()).map(|bytes| decode(kind, clusters, bytes));
        let start = at as usize * (SECTOR / kind.width());
        self.entries.iter_mut().skip(start).zip(values).for_each(|(to, value)| *to = value);
    }

    fn compare(&mut self, at: u64, first: &[u8], second: &[u8]) {
        let width = self.kind.width();
        let start = at as usize * (SECTOR / width);
        let pairs = first.chunks_exact(width).zip(second.chunks_exact(width));
        for (entry, (first, second)) in self.entries.iter_mut().skip(start).zip(pairs) {
            if first != second {
                *entry = TORN;
            }
        }
    }

    fn entry(&self, cluster: u32) -> Entry {
        match self.entries.get(cluster as usize).copied().unwrap_or(WILD) {
            0 => Entry::Free,
            END => Entry::End,
            BAD => Entry::Bad,
            WILD => Entry::Wild,
            TORN => Entry::Torn,
            next => Entry::Next(next),
        }
    }

    /// Clusters that are free.
    pub(super) fn free(&self) -> u32 {
        self.entries.iter().skip(FIRST_CLUSTER as usize).filter(|entry| **entry == 0).count() as u32
    }

    /// Whether every entry is a possible one.
    pub(super) fn is_whole(&self) -> bool {
        !self.entries.iter().skip(FIRST_CLUSTER as usize).any(|entry| matches!(*entry, WILD | TORN))
    }

    /// The cluster behind one.
    pub(super) fn next(&self, cluster: u32) -> Option<u32> {
        match self.entry(cluster) {
            Entry::Next(next) => Some(next),
            _ => None,
        }
    }

    /// How long the chain from each cluster on is.
    pub(super) fn lengths(&self) -> Lengths {
        let mut lengths = vec![UNKNOWN; self.entries.len()];
        let at = |lengths: &[u32], cluster: u32| lengths.get(cluster as usize).copied().unwrap_or(ENDLESS);
        let set = |lengths: &mut [u32], cluster: u32, length| {
            lengths.get_mut(cluster as usize).into_iter().for_each(|place| *place = length);
        };
        for first in FIRST_CLUSTER..FIRST_CLUSTER + self.clusters {
            // Up to what is known, and once more to write it down: each cluster is passed twice.
            let (mut cluster, mut steps) = (first, 0);
            let behind = loop {
                match at(&lengths, cluster) {
                    UNKNOWN => set(&mut lengths, cluster, PASSED),
                    PASSED => break ENDLESS,
                    known => break known,
                }
                steps += 1;
                match self.entry(cluster) {
                    Entry::Next(next) => cluster = next,
                    Entry::End => break 0,
                    Entry::Free | Entry::Bad | Entry::Wild | Entry::Torn => break ENDLESS,
                }
            };
            let mut cluster = Some(first);
            for left in (1..=steps).rev() {
                let Some(is) = cluster else { break };
                set(&mut lengths, is, if behind == ENDLESS { ENDLESS } else { behind + left });
                cluster = self.next(is);
            }
        }
        Lengths(lengths)
    }

    /// The chain that begins with `first`, of at most `most` clusters.
    ///
    /// # Errors
    ///
    /// [`Problem::Damaged`] if it is longer, a circle among others, or leads to a cluster that no chain may have.
    pub(super) fn chain(&self, first: u32, most: u64) -> Result<Vec<Run>, Problem> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut cluster, mut count) = (first, 0);
        loop {
            count += 1;
            if count > most {
                return Err(Problem::Damaged("a chain of clusters is too long"));
            }
            match runs.last_mut() {
                Some(run) if run.cluster + run.count == cluster => run.count += 1,
                _ => runs.push(Run { cluster, count: 1 }),
            }
            match self.entry(cluster) {
                Entry::Next(next) => cluster = next,
                Entry::End => return Ok(runs),
                Entry::Free => return Err(Problem::Damaged("a chain of clusters leads to a free one")),
                Entry::Bad => return Err(Problem::Damaged("a chain of clusters leads to a bad one")),
                Entry::Wild => return Err(Problem::Damaged("a chain of clusters leads nowhere")),
                Entry::Torn => return Err(Problem::Damaged("the two tables of clusters differ")),
            }
        }
    }
}

fn decode(kind: Kind, clusters: u32, bytes: &[u8]) -> u32 {
    let value = bytes.iter().rev().fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
    let (value, special) = match kind {
        Kind::Fat16 => (value, 0xfff0),
        Kind::Fat32 => (value & 0x0fff_ffff, 0x0fff_fff0),
    };
    match value {
        0 => 0,
        _ if value >= special + 8 => END,
        _ if value == special + 7 => BAD,
        _ if (FIRST_CLUSTER..FIRST_CLUSTER + clusters).contains(&value) => value,
        _ => WILD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[u16]) -> Table {
        let mut table = Table { kind: Kind::Fat16, clusters: 30, entries: vec![0; 32] };
        table.take(0, &entries.iter().flat_map(|entry| entry.to_le_bytes()).collect::<Vec<_>>());
        table
    }

    #[test]
    fn chains_are_followed_to_their_end() {
        let table = table(&[0xfff8, 0xffff, 3, 4, 7, 0, 0, 0xffff]);
        let wanted = [Run { cluster: 2, count: 3 }, Run { cluster: 7, count: 1 }];
        assert_eq!(table.chain(2, 4).unwrap(), wanted);
        assert_eq!(table.free(), 26);
        assert!(table.is_whole());
    }

    #[test]
    fn what_no_chain_may_do_is_damage() {
        for (entries, why) in [
            ([0, 0, 3, 2], "too long"),
            ([0, 0, 3, 0], "free"),
            ([0, 0, 3, 0xfff7], "bad"),
            ([0, 0, 3, 1], "nowhere"),
            ([0, 0, 3, 32], "nowhere"),
            ([0, 0, 3, 0xfff0], "nowhere"),
        ] {
            let problem = table(&entries).chain(2, 30).unwrap_err();
            assert!(matches!(problem, Problem::Damaged(text) if text.contains(why)), "{problem}");
        }
        assert!(table(&[0, 0, 3, 0xffff]).chain(40, 30).is_err());
    }

    #[test]
    fn lengths_are_those_of_the_chains() {
        //                  0  1  2  3       4  5  6  7  8  9       10 11
        let table = table(&[0, 0, 3, 0xffff, 2, 6, 5, 5, 0, 0xfff7, 9, 40]);
        let lengths = table.lengths();
        let all: Vec<_> = (0..12).map(|cluster| lengths.of(cluster)).collect();
        assert_eq!(all[..5], [None, None, Some(2), Some(1), Some(3)]);
        assert!(all[5..].iter().all(Option::is_none), "{all:?}");
        assert_eq!(lengths.of(1000), None);
    }

    #[test]
    fn a_difference_between_the_tables_is_damage_of_its_chain_alone() {
        let mut table = table(&[0, 0, 3, 0xffff, 0xffff]);
        table.compare(0, &[0, 0, 0, 0, 3, 0, 255, 255], &[0, 0, 0, 0, 3, 0, 255, 127]);
        assert!(table.chain(2, 30).is_err());
        assert!(table.chain(4, 30).is_ok());
        assert!(!table.is_whole());
    }
}
