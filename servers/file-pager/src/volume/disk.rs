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

    /// Waits until all that was written would survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`DiskFailed`].
    fn flush(&mut self) -> Result<(), DiskFailed>;
}
