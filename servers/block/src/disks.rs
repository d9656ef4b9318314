//! The disks that there are: names, places, and who has what open.
//!
//! Invariant **DISK-1**: no sector belongs to two open parts. So whoever has a paging area open is the only one who can
//! read or write it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::block::{DISK, DiskInfo, DiskName};

use crate::mbr::Partition;

/// A disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Which device it is on.
    pub device: usize,
    /// Its first sector there.
    pub start: u64,
    /// Its size.
    pub sectors: u64,
    /// Whether writing is refused.
    pub is_read_only: bool,
    name: String,
    /// The name after the device's serial number.
    alias: Option<String>,
    kind: u32,
    is_divided: bool,
    is_signed: bool,
}

/// A disk, or a part of one, that somebody has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which device it is on.
    pub device: usize,
    /// Its first sector there.
    pub start: u64,
    /// Its size.
    pub sectors: u64,
    /// Whether writing is refused.
    pub is_read_only: bool,
}

impl Part {
    /// `None`: the sectors do not lie on the disk, or are none.
    fn of(disk: &Disk, start: u64, sectors: u64) -> Option<Self> {
        let left = disk.sectors.checked_sub(start).filter(|left| *left > 0)?;
        let sectors = if sectors == 0 { left } else { sectors };
        let part = Self { device: disk.device, start: disk.start + start, sectors, is_read_only: disk.is_read_only };
        (sectors <= left).then_some(part)
    }

    const fn overlaps(&self, other: &Self) -> bool {
        self.device == other.device
            && self.start < other.start + other.sectors
            && other.start < self.start + self.sectors
    }
}

/// All disks.
#[derive(Debug, Default)]
pub struct Disks {
    all: Vec<Disk>,
    open: Vec<Part>,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// Its size.
    pub sectors: u64,
    /// Whether it refuses to be written.
    pub is_read_only: bool,
    /// Whether its first sector is signed, or cannot be read.
    pub is_signed: bool,
    /// Its serial number; empty if it has none.
    pub serial: &'a str,
}

impl Disks {
    /// Enters the next device with its partitions: `disk0`, `disk0p1`, …; with a serial number `swap` also `swap`,
    /// `swapp1`, ….
    pub fn add(&mut self, device: usize, about: Device<'_>, partitions: &[Partition]) {
        let Device { sectors, is_read_only, is_signed, serial } = about;
        let alias = |rest: &str| (!serial.is_empty()).then(|| format!("{serial}{rest}"));
        self.all.push(Disk {
            device,
            start: 0,
            sectors,
            is_read_only,
            name: format!("disk{device}"),
            alias: alias(""),
            kind: DISK,
            is_divided: !partitions.is_empty(),
            is_signed,
        });
        self.all.extend(partitions.iter().map(|partition| Disk {
            device,
            start: partition.start,
            sectors: partition.sectors,
            is_read_only,
            name: format!("disk{device}p{}", partition.number),
            alias: alias(&format!("p{}", partition.number)),
            kind: u32::from(partition.kind),
            is_divided: false,
            is_signed: false,
        }));
    }

    /// What is told of the disk with this index.
    #[must_use]
    pub fn info(&self, index: u64) -> Option<DiskInfo> {
        let disk = self.all.get(usize::try_from(index).ok()?)?;
        Some(DiskInfo {
            name: DiskName::new(&disk.name),
            serial: DiskName::new(disk.alias.as_deref().unwrap_or_default()),
            sectors: disk.sectors,
            kind: disk.kind,
            is_read_only: disk.is_read_only,
            is_divided: disk.is_divided,
            is_signed: disk.is_signed,
        })
    }

    /// Opens the disk of a name, from a sector on; 0 sectors are all that are left of it.
    ///
    /// # Errors
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | there is a disk of that name | `INVALID_NAME` |
    /// | 2 | the part lies on it, and has a sector | `INVALID_ARGUMENT` |
    /// | 3 | nothing of it is open (DISK-1) | `NO_ACCESS` |
    pub fn open(&mut self, name: &DiskName, start: u64, sectors: u64) -> Result<Part, KernReturn> {
        let is_named = |disk: &Disk| {
            let alias = disk.alias.as_deref().map(DiskName::new);
            !disk.name.is_empty() && (DiskName::new(&disk.name) == *name || alias.as_ref() == Some(name))
        };
        let disk = self.all.iter().find(|disk| is_named(disk)).ok_or(KernReturn::INVALID_NAME)?;
        let part = Part::of(disk, start, sectors).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if self.open.iter().any(|other| other.overlaps(&part)) {
            return Err(KernReturn::NO_ACCESS);
        }
        self.open.push(part);
        Ok(part)
    }

    /// Closes what was opened.
    pub fn close(&mut self, part: &Part) {
        self.open.retain(|open| open != part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> Disks {
        let mut disks = Disks::default();
        let parts = [(1, 0x82, 8, 100), (3, 0x0c, 108, 50)].map(|(number, kind, start, sectors)| Partition {
            number,
            kind,
            start,
            sectors,
        });
        disks.add(0, Device { sectors: 1000, is_read_only: false, is_signed: true, serial: "disk" }, &parts);
        disks.add(1, Device { sectors: 10, is_read_only: true, is_signed: false, serial: "" }, &[]);
        disks
    }

    fn open(disks: &mut Disks, name: &str) -> Result<Part, KernReturn> {
        disks.open(&DiskName::new(name), 0, 0)
    }

    const fn part(device: usize, start: u64, sectors: u64) -> Part {
        Part { device, start, sectors, is_read_only: device == 1 }
    }

    #[test]
    fn disks_have_two_names() {
        let mut disks = disks();
        let third = part(0, 108, 50);
        assert_eq!(open(&mut disks, "diskp3"), Ok(third));
        disks.close(&third);
        assert_eq!(open(&mut disks, "disk0p3"), Ok(third));
    }

    #[test]
    fn open_err01_there_is_no_such_disk() {
        let mut disks = disks();
        for name in ["", "disk0p2", "disk2", "p1"] {
            assert_eq!(open(&mut disks, name), Err(KernReturn::INVALID_NAME), "{name}");
        }
    }

    #[test]
    fn open_err02_the_part_does_not_lie_on_the_disk() {
        let mut disks = disks();
        for (start, sectors) in [(100, 0), (100, 1), (u64::MAX, 0), (0, 101), (99, 2), (1, u64::MAX)] {
            let refused = disks.open(&DiskName::new("disk0p1"), start, sectors);
            assert_eq!(refused, Err(KernReturn::INVALID_ARGUMENT), "{sectors} sectors from {start} on");
        }
    }

    #[test]
    fn open_err03_what_is_open_is_not_opened_again() {
        let mut disks = disks();
        assert_eq!(open(&mut disks, "disk0p1"), Ok(part(0, 8, 100)));
        assert_eq!(open(&mut disks, "disk0p1"), Err(KernReturn::NO_ACCESS));
        assert_eq!(open(&mut disks, "disk0"), Err(KernReturn::NO_ACCESS));
        assert_eq!(open(&mut disks, "disk0p3"), Ok(part(0, 108, 50)));
        assert_eq!(open(&mut disks, "disk1"), Ok(part(1, 0, 10)));
        disks.close(&part(0, 8, 100));
        assert_eq!(open(&mut disks, "disk0"), Err(KernReturn::NO_ACCESS));
        disks.close(&part(0, 108, 50));
        assert_eq!(open(&mut disks, "disk"), Ok(part(0, 0, 1000)));
        assert_eq!(open(&mut disks, "diskp1"), Err(KernReturn::NO_ACCESS));
    }

    #[test]
    fn parts_of_a_disk_are_open_beside_each_other() {
        let mut disks = disks();
        let name = DiskName::new("disk0p1");
        assert_eq!(disks.open(&name, 10, 20), Ok(part(0, 18, 20)));
        for (start, sectors) in [(10, 20), (0, 11), (29, 1), (0, 0), (15, 2)] {
            assert_eq!(disks.open(&name, start, sectors), Err(KernReturn::NO_ACCESS), "{sectors} from {start} on");
        }
        assert_eq!(disks.open(&name, 0, 10), Ok(part(0, 8, 10)));
        assert_eq!(disks.open(&name, 30, 0), Ok(part(0, 38, 70)));
    }

    #[test]
    fn all_are_told_of() {
        let disks = disks();
        let kinds: Vec<u32> = (0..).map_while(|index| disks.info(index)).map(|info| info.kind).collect();
        assert_eq!(kinds, [DISK, 0x82, 0x0c, DISK]);
        let signed: Vec<bool> = (0..).map_while(|index| disks.info(index)).map(|info| info.is_signed).collect();
        assert_eq!(signed, [true, false, false, false]);
        assert_eq!(disks.info(u64::MAX), None);
        assert!(disks.info(3).is_some_and(|info| info.is_read_only && !info.is_divided));
    }
}
