//! Where the parts of a volume lie: its boot sector, checked.
//!
//! ```text
//! boot sector … | table | table (copy) | root directory (FAT16) | clusters 2, 3, …
//! ```

use super::disk::SECTOR;
use super::problem::Problem;

/// The most clusters of a volume that is served: its table is kept in memory.
pub const MAX_CLUSTERS: u32 = 1 << 22;

/// Below this many clusters a volume is FAT12, below the second number FAT16.
const LEAST_FAT16: u64 = 4085;
const LEAST_FAT32: u64 = 65525;
/// The first cluster's number: entries 0 and 1 of the table say something else.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// Bytes of a directory's entry.
pub(super) const ENTRY: usize = 32;

/// The width of the table's entries, which decides on everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 16 bits; the root directory has a place and a size of its own.
    Fat16,
    /// 32 bits, of which 28 count; the root directory is a chain of clusters.
    Fat32,
}

impl Kind {
    /// Bytes of an entry.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Fat16 => 2,
            Self::Fat32 => 4,
        }
    }
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// In sectors of its own.
    Sectors { first: u64, count: u64 },
    /// In a chain of clusters.
    Chain(u32),
}

/// The parts of a volume, in sectors. All of them lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) kind: Kind,
    pub(super) table: u64,
    pub(super) table_sectors: u64,
    pub(super) tables: u64,
    pub(super) root: Root,
    /// Where cluster 2 begins.
    pub(super) data: u64,
    pub(super) cluster_sectors: u64,
    pub(super) clusters: u32,
    /// The sector with the count of free clusters.
    pub(super) info: Option<u64>,
    /// The end of the volume.
    pub(super) sectors: u64,
}

impl Layout {
    /// Reads the boot sector of a volume on a disk of so many sectors.
    ///
    /// # Errors
    ///
    /// | # | check                                                            | [`Problem::NoVolume`]          |
    /// |---|------------------------------------------------------------------|--------------------------------|
    /// | 1 | the signature 55 AA                                              | not formatted                  |
    /// | 2 | sectors of 512 bytes, clusters of a power of two of them         | size of a sector, of a cluster |
    /// | 3 | reserved sectors, one table or two, a size of the tables         | its tables                     |
    /// | 4 | one total, and all of it on the disk                             | size                           |
    /// | 5 | a root directory of whole sectors, or none                       | root directory                 |
    /// | 6 | clusters at all, no FAT12, no more than [`MAX_CLUSTERS`]         | too small, FAT12, too large    |
    /// | 7 | as many bits an entry as the number of clusters asks for         | kind                           |
    /// | 8 | the table has an entry for each cluster                          | table too short                |
    /// | 9 | FAT32: version 0, both tables in use, root and info where they can be | version, tables, root     |
    pub fn parse(boot: &[u8; SECTOR], disk_sectors: u64) -> Result<Self, Problem> {
        let no = |why| Err(Problem::NoVolume(why));
        let byte = |at: usize| u64::from(boot.get(at).copied().unwrap_or_default());
        let half = |at: usize| byte(at) | byte(at + 1) << 8;
        let word = |at: usize| half(at) | half(at + 2) << 16;

        if half(510) != 0xaa55 {
            return no("the boot sector has no signature");
        }
        if half(11) != SECTOR as u64 {
            return no("its sectors do not have 512 bytes");
        }
        let cluster_sectors = byte(13);
        if !cluster_sectors.is_power_of_two() {
            return no("the size of its clusters is none");
        }
        let (table, tables, short_table) = (half(14), byte(16), half(22));
        let is_wide = short_table == 0;
        let table_sectors = if is_wide { word(36) } else { short_table };
        if table == 0 || !(1..=2).contains(&tables) || table_sectors == 0 {
            return no("it has no tables, or more than two");
        }
        let (short_total, long_total) = (half(19), word(32));
        let sectors = if short_total == 0 { long_total } else { short_total };
        let is_one = short_total == 0 || (!is_wide && (long_total == 0 || long_total == short_total));
        if !is_one || sectors > disk_sectors {
            return no("its size is not one, or is more than the disk's");
        }
        let root_entries = half(17);
        let root_sectors = root_entries * ENTRY as u64 / SECTOR as u64;
        if root_entries % (SECTOR / ENTRY) as u64 != 0 || is_wide != (root_entries == 0) {
            return no("the size of its root directory cannot be");
        }
        let root = table + tables * table_sectors;
        let data = root + root_sectors;
        let clusters = sectors.saturating_sub(data) / cluster_sectors;
        if clusters < LEAST_FAT16 {
            return no(if clusters == 0 { "it has no clusters" } else { "FAT12 is not supported" });
        }
        if clusters > u64::from(MAX_CLUSTERS) {
            return no("it has more clusters than are supported");
        }
        if is_wide != (clusters >= LEAST_FAT32) {
            return no("its number of clusters and the width of its table do not agree");
        }
        let kind = if is_wide { Kind::Fat32 } else { Kind::Fat16 };
        if clusters + u64::from(FIRST_CLUSTER) > table_sectors * (SECTOR / kind.width()) as u64 {
            return no("its table is too short");
        }
        let clusters = clusters as u32;
        let mut layout = Self {
            kind,
            table,
            table_sectors,
            tables,
            root: Root::Sectors { first: root, count: root_sectors },
            data,
            cluster_sectors,
            clusters,
            info: None,
            sectors,
        };
        if is_wide {
            let (flags, version, first, info, backup) = (half(40), half(42), word(44), half(48), half(50));
            if version != 0 || flags & 0x80 != 0 {
                return no("its version is unknown, or only one of its tables is in use");
            }
            let first = layout.cluster(first).ok_or(Problem::NoVolume("its root directory is nowhere"))?;
            if !(1..table).contains(&info) || backup >= table {
                return no("its information sector is nowhere");
            }
            layout.root = Root::Chain(first);
            layout.info = Some(info);
        }
        Ok(layout)
    }

    /// Bytes of a cluster.
    #[must_use]
    pub fn cluster_bytes(&self) -> u64 {
        self.cluster_sectors * SECTOR as u64
    }

    /// A number as that of a cluster, if there is one with it.
    pub(super) fn cluster(&self, number: u64) -> Option<u32> {
        let number = u32::try_from(number).ok()?;
        (FIRST_CLUSTER..FIRST_CLUSTER + self.clusters).contains(&number).then_some(number)
    }

    /// The first sector of a cluster that there is.
    pub(super) fn sector_of(&self, cluster: u32) -> u64 {
        self.data + u64::from(cluster.saturating_sub(FIRST_CLUSTER)) * self.cluster_sectors
    }
}
