//! The disk that the volume is on, by the block server.

use file_pager::volume::{DiskFailed, Sectors};
use libmach::block::{self, Disk};
use libmach::{KernReturn, Result};

/// Pages that are shared with the driver: what is read or written at once.
const PAGES: u64 = 16;

/// A session with a disk.
pub(crate) struct Session(Disk);

impl Session {
    /// Opens the first disk or partition that is a volume.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME` if there is none; those of [`Disk::open`].
    pub(crate) fn open() -> Result<Self> {
        let disks = block::list()?;
        let volume = disks.iter().find(|disk| disk.is_volume()).ok_or(KernReturn::INVALID_NAME)?;
        Disk::open(&alloc::format!("{}", volume.name), PAGES).map(Self)
    }
}

impl Sectors for Session {
    fn count(&self) -> u64 {
        self.0.sectors()
    }

    fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }

    fn read(&mut self, sector: u64, bytes: &mut [u8]) -> core::result::Result<(), DiskFailed> {
        self.0.read(sector, bytes).map_err(|_| DiskFailed)
    }

    fn write(&mut self, sector: u64, bytes: &[u8]) -> core::result::Result<(), DiskFailed> {
        self.0.write(sector, bytes).map_err(|_| DiskFailed)
    }

    fn flush(&mut self) -> core::result::Result<(), DiskFailed> {
        self.0.flush().map_err(|_| DiskFailed)
    }
}
