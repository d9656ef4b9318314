//! What a change of the volume writes, held back until the whole of it has succeeded.
//!
//! The library that makes the change sees a disk on which everything happens at once. A change that fails, for want of
//! room among others, is dropped, and leaves no trace. Sectors of zeros are only counted, so that a file can grow by
//! more than there is memory.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::cell::RefCell;

use lamfat::{IoBase, IoError, Read, Seek, SeekFrom, Write};

use super::disk::{DiskFailed, SECTOR, Sectors};

/// Sectors that are kept though nobody wrote to them.
const MOST_CLEAN: usize = 256;
/// Bytes of zeros that are written at once.
static ZEROS: [u8; 32 * SECTOR] = [0; 32 * SECTOR];

type Sector = Box<[u8; SECTOR]>;

/// A disk with changes on top.
pub(super) struct Stage<'a, D> {
    disk: &'a mut D,
    /// The end of the volume.
    sectors: u64,
    changed: BTreeMap<u64, Sector>,
    /// Sectors of zeros: first ones, and how many follow each. They do not overlap.
    zeros: BTreeMap<u64, u64>,
    clean: BTreeMap<u64, Sector>,
}

/// Why the library's disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StageError {
    /// The disk did.
    Disk,
    /// The library left the volume.
    Outside,
}

impl From<DiskFailed> for StageError {
    fn from(_: DiskFailed) -> Self {
        Self::Disk
    }
}

impl IoError for StageError {
    fn is_interrupted(&self) -> bool {
        false
    }

    fn new_unexpected_eof_error() -> Self {
        Self::Outside
    }

    fn new_write_zero_error() -> Self {
        Self::Outside
    }
}

impl<'a, D: Sectors> Stage<'a, D> {
    pub(super) fn new(disk: &'a mut D, sectors: u64) -> Self {
        let (changed, zeros, clean) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { disk, sectors, changed, zeros, clean }
    }

    fn is_zeroed(&self, sector: u64) -> bool {
        self.zeros.range(..=sector).next_back().is_some_and(|(first, count)| sector < first + count)
    }

    /// The contents of a sector.
    pub(super) fn sector(&mut self, sector: u64) -> Result<&[u8; SECTOR], StageError> {
        if sector >= self.sectors {
            return Err(StageError::Outside);
        }
        if self.changed.contains_key(&sector) {
            return self.changed.get(&sector).map(|bytes| &**bytes).ok_or(StageError::Outside);
        }
        if !self.clean.contains_key(&sector) {
            let mut bytes = Box::new([0; SECTOR]);
            if !self.is_zeroed(sector) {
                self.disk.read(sector, &mut *bytes)?;
            }
            if self.clean.len() >= MOST_CLEAN {
                self.clean.clear();
            }
            self.clean.insert(sector, bytes);
        }
        self.clean.get(&sector).map(|bytes| &**bytes).ok_or(StageError::Outside)
    }

    /// Changes a part of a sector.
    pub(super) fn change(&mut self, sector: u64, offset: usize, bytes: &[u8]) -> Result<(), StageError> {
        if !self.changed.contains_key(&sector) {
            let before = Box::new(*self.sector(sector)?);
            self.clean.remove(&sector);
            self.changed.insert(sector, before);
        }
        let contents = self.changed.get_mut(&sector).ok_or(StageError::Outside)?;
        contents.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    /// Makes a sector zeros, if nothing else was written to it.
    fn zero(&mut self, sector: u64) -> Result<(), StageError> {
        if self.changed.contains_key(&sector) {
            return self.change(sector, 0, &[0; SECTOR]);
        }
        if sector >= self.sectors {
            return Err(StageError::Outside);
        }
        if !self.is_zeroed(sector) {
            self.clean.remove(&sector);
            match self.zeros.range_mut(..sector).next_back() {
                Some((first, count)) if first + *count == sector => *count += 1,
                _ => drop(self.zeros.insert(sector, 1)),
            }
        }
        Ok(())
    }

    /// Writes everything to the disk: what must be there first comes first.
    pub(super) fn commit(self) -> Result<BTreeMap<u64, Sector>, DiskFailed> {
        for (first, count) in self.zeros {
            let (mut at, end) = (first, first + count);
            while at < end {
                let bytes = ((end - at) as usize * SECTOR).min(ZEROS.len());
                self.disk.write(at, ZEROS.get(..bytes).unwrap_or_default())?;
                at += (bytes / SECTOR) as u64;
            }
        }
        for (sector, bytes) in &self.changed {
            self.disk.write(*sector, &**bytes)?;
        }
        Ok(self.changed)
    }
}

/// The library's way to a stage: bytes at a position.
pub(super) struct Handle<'a, 'b, D> {
    stage: &'a RefCell<Stage<'b, D>>,
    position: u64,
}

impl<'a, 'b, D> Handle<'a, 'b, D> {
    pub(super) fn new(stage: &'a RefCell<Stage<'b, D>>) -> Self {
        Self { stage, position: 0 }
    }

    fn place(&self) -> (u64, usize) {
        (self.position / SECTOR as u64, (self.position % SECTOR as u64) as usize)
    }
}

impl<D> IoBase for Handle<'_, '_, D> {
    type Error = StageError;
}

impl<D: Sectors> Read for Handle<'_, '_, D> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StageError> {
        let (sector, offset) = self.place();
        let mut stage = self.stage.borrow_mut();
        let from = stage.sector(sector)?.get(offset..).unwrap_or_default();
        buf.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        let count = buf.len().min(from.len());
        self.position += count as u64;
        Ok(count)
    }
}

impl<D: Sectors> Write for Handle<'_, '_, D> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, StageError> {
        let (sector, offset) = self.place();
        let mut stage = self.stage.borrow_mut();
        let count = buf.len().min(SECTOR - offset);
        let bytes = buf.get(..count).unwrap_or_default();
        if count == SECTOR && bytes.iter().all(|byte| *byte == 0) {
            stage.zero(sector)?;
        } else {
            stage.change(sector, offset, bytes)?;
        }
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), StageError> {
        Ok(())
    }
}

impl<D> Seek for Handle<'_, '_, D> {
    fn seek(&mut self, pos: SeekFrom) -> Result<u64, StageError> {
        let position = match pos {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.position = position.ok_or(StageError::Outside)?;
        Ok(self.position)
    }
}
