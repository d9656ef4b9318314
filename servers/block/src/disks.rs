//! The disks that there are: names, places, and who has what open.
//!
//! Invariant **DISK-1**: no sector belongs to two open disks. So whoever has a paging area open is the only one who can
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
    is_open: bool,
}

impl Disk {
    fn overlaps(&self, other: &Self) -> bool {
        self.device == other.device
            && self.start < other.start + other.sectors
            && other.start < self.start + self.sectors
    }
}

/// All disks.
#[derive(Debug, Default)]
pub struct Disks {
    all: Vec<Disk>,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// Its size.
    pub sectors: u64,
    /// Whether it refuses to be written.
    pub is_read_only: bool,
    /// Its serial number; empty if it has none.
    pub serial: &'a str,
}

impl Disks {
    /// Enters the next device with its partitions: `disk0`, `disk0p1`, …; with a serial number `swap` also `swap`,
    /// `swapp1`, ….
    pub fn add(&mut self, device: usize, about: Device<'_>, partitions: &[Partition]) {
        let Device { sectors, is_read_only, serial } = about;
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
            is_open: false,
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
            is_open: false,
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
        })
    }

    /// Opens a disk by its name. Answers its index.
    ///
    /// # Errors
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | there is a disk of that name | `INVALID_NAME` |
    /// | 2 | neither it nor a part of it is open (DISK-1) | `NO_ACCESS` |
    pub fn open(&mut self, name: &DiskName) -> Result<usize, KernReturn> {
        let is_named = |disk: &Disk| {
            let alias = disk.alias.as_deref().map(DiskName::new);
            !disk.name.is_empty() && (DiskName::new(&disk.name) == *name || alias.as_ref() == Some(name))
        };
        let index = self.all.iter().position(is_named).ok_or(KernReturn::INVALID_NAME)?;
        let disk = self.all.get(index).ok_or(KernReturn::INVALID_NAME)?;
        if self.all.iter().any(|other| other.is_open && other.overlaps(disk)) {
            return Err(KernReturn::NO_ACCESS);
        }
        if let Some(disk) = self.all.get_mut(index) {
            disk.is_open = true;
        }
        Ok(index)
    }

    /// Closes a disk.
    pub fn close(&mut self, index: usize) {
        if let Some(disk) = self.all.get_mut(index) {
            disk.is_open = false;
        }
    }

    /// The disk with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Disk> {
        self.all.get(index)
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
        disks.add(0, Device { sectors: 1000, is_read_only: false, serial: "disk" }, &parts);
        disks.add(1, Device { sectors: 10, is_read_only: true, serial: "" }, &[]);
        disks
    }

    fn open(disks: &mut Disks, name: &str) -> Result<usize, KernReturn> {
        disks.open(&DiskName::new(name))
    }

    #[test]
    fn disks_have_two_names() {
        let mut disks = disks();
        assert_eq!(open(&mut disks, "diskp3"), Ok(2));
        assert_eq!(disks.get(2).map(|disk| (disk.start, disk.sectors)), Some((108, 50)));
        disks.close(2);
        assert_eq!(open(&mut disks, "disk0p3"), Ok(2));
        for name in ["", "disk0p2", "disk2", "p1"] {
            assert_eq!(open(&mut disks, name), Err(KernReturn::INVALID_NAME), "{name}");
        }
    }

    #[test]
    fn what_is_open_is_not_opened_again() {
        let mut disks = disks();
        assert_eq!(open(&mut disks, "disk0p1"), Ok(1));
        assert_eq!(open(&mut disks, "disk0p1"), Err(KernReturn::NO_ACCESS));
        assert_eq!(open(&mut disks, "disk0"), Err(KernReturn::NO_ACCESS));
        assert_eq!(open(&mut disks, "disk0p3"), Ok(2));
        assert_eq!(open(&mut disks, "disk1"), Ok(3));
        disks.close(1);
        assert_eq!(open(&mut disks, "disk0"), Err(KernReturn::NO_ACCESS));
        disks.close(2);
        assert_eq!(open(&mut disks, "disk"), Ok(0));
        assert_eq!(open(&mut disks, "diskp1"), Err(KernReturn::NO_ACCESS));
    }

    #[test]
    fn all_are_told_of() {
        let disks = disks();
        let kinds: Vec<u32> = (0..).map_while(|index| disks.info(index)).map(|info| info.kind).collect();
        assert_eq!(kinds, [DISK, 0x82, 0x0c, DISK]);
        assert_eq!(disks.info(u64::MAX), None);
        assert!(disks.info(3).is_some_and(|info| info.is_read_only && !info.is_divided));
    }
}
