//! What a volume lies on: sectors of 512 bytes.

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// The disk did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFailed;

/// A disk or a partition. All numbers are sectors, and all pieces of bytes whole sectors.
pub trait Sectors {
    /// How many there are.
    fn count(&self) -> u64;

    /// Whether writing is refused.
    fn is_read_only(&self) -> bool;

    /// Reads sectors from `sector` on.
    ///
    /// # Errors
    ///
    /// [`DiskFailed`]: some may have been read.
    fn read(&mut self, sector: u64, bytes: &mut [u8]) -> Result<(), DiskFailed>;

    /// Writes sectors from `sector` on.
    ///
    /// # Errors
    ///
    /// [`DiskFailed`]: some may have been written.
    fn write(&mut self, sector: u64, bytes: &[u8]) -> Result<(), DiskFailed>;

    /// Reads pieces that do not overlap: each first sector and its bytes. A disk that can do several things at once reads
    /// them together.
    ///
    /// # Errors
    ///
    /// [`DiskFailed`]: some may have been read.
    fn read_all(&mut self, pieces: &mut [(u64, &mut [u8])]) -> Result<(), DiskFailed> {
        pieces.iter_mut().try_for_each(|(sector, bytes)| self.read(*sector, bytes))
    }

    /// Writes pieces that do not overlap, as [`Sectors::read_all`].
    ///
    /// # Errors
    ///
    /// [`DiskFailed`]: some may have been written.
    fn write_all(&mut self, pieces: &[(u64, &[u8])]) -> Result<(), DiskFailed> {
        pieces.iter().try_for_each(|(sector, bytes)| self.write(*sector, bytes))
    }

    /// Says that these sectors will be read soon. It is no failure if they cannot be.
    fn read_ahead(&mut self, sector: u64, count: u64) {
        let _ = (sector, count);
    }

    /// Waits until all that was written would survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`DiskFailed`].
    fn flush(&mut self) -> Result<(), DiskFailed>;
}
