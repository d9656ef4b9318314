//! Which tables the initial address space needs, and in what order they are named (spec §6.4).

use crate::arch::pte::Level;

/// A table below the root: the level of its entries, and the first address that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialTable {
    /// The level of the table's own entries.
    pub level: Level,
    /// The first address it covers.
    pub base: u64,
}

/// The tables for `[start, end)`: all of the second level, then of the third, then of the last,
/// each sort by ascending address.
pub fn tables(start: u64, end: u64) -> impl Iterator<Item = InitialTable> {
    [(Level::L0, Level::L1), (Level::L1, Level::L2), (Level::L2, Level::L3)].into_iter().flat_map(
        move |(parent, level)| {
            let covered = 1u64 << parent.entry_bits();
            (start / covered..end.div_ceil(covered)).map(move |index| InitialTable { level, base: index * covered })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(start: u64, end: u64) -> std::vec::Vec<(Level, u64)> {
        tables(start, end).map(|table| (table.level, table.base)).collect()
    }

    #[test]
    fn a_small_image_needs_three_tables() {
        assert_eq!(list(0x40_0000, 0x42_0000), [(Level::L1, 0), (Level::L2, 0), (Level::L3, 0x40_0000)]);
    }

    #[test]
    fn sorts_come_one_after_the_other() {
        // From the last 2 MiB below 1 GiB to the first ones above it.
        assert_eq!(
            list(0x3fe0_0000, 0x4020_0001),
            [
                (Level::L1, 0),
                (Level::L2, 0),
                (Level::L2, 0x4000_0000),
                (Level::L3, 0x3fe0_0000),
                (Level::L3, 0x4000_0000),
                (Level::L3, 0x4020_0000),
            ]
        );
    }

    #[test]
    fn a_whole_last_table_is_one() {
        assert_eq!(list(0x20_0000, 0x40_0000).len(), 3);
    }
}
