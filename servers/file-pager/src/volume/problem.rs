//! Why a request to a volume is refused.

use core::fmt;

use mach_protocol::KernReturn;

use super::disk::DiskFailed;

/// Why something cannot be done. Each has a code for programs, and a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The disk failed.
    Disk,
    /// The disk holds no volume that is understood: what is wrong with it.
    NoVolume(&'static str),
    /// A part of the volume contradicts itself: what was found.
    Damaged(&'static str),
    /// Writing is refused: why.
    ReadOnly(&'static str),
    /// There is no such file or directory.
    NotFound,
    /// The name is taken.
    Exists,
    /// A file is needed, and this is a directory.
    IsDirectory,
    /// A directory is needed, and this is a file.
    NotDirectory,
    /// The directory has entries.
    NotEmpty,
    /// A name that cannot be: why.
    BadName(&'static str),
    /// The volume, or a directory of fixed size, has no room left.
    Full,
    /// Longer than a file can be.
    TooLarge,
    /// Another change of the file's size is not done yet.
    Busy,
}

impl Problem {
    /// The code that a client gets.
    #[must_use]
    pub const fn code(self) -> KernReturn {
        match self {
            Self::Disk | Self::Damaged(_) | Self::NoVolume(_) => KernReturn::MEMORY_ERROR,
            Self::ReadOnly(_) => KernReturn::PROTECTION_FAILURE,
            Self::NotFound => KernReturn::INVALID_NAME,
            Self::Exists => KernReturn::NAME_EXISTS,
            Self::IsDirectory | Self::NotDirectory | Self::BadName(_) => KernReturn::INVALID_ARGUMENT,
            Self::NotEmpty => KernReturn::FAILURE,
            Self::Full => KernReturn::NO_SPACE,
            Self::TooLarge => KernReturn::INVALID_VALUE,
            Self::Busy => KernReturn::RESOURCE_SHORTAGE,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => f.write_str("the disk failed"),
            Self::NoVolume(why) => write!(f, "no FAT volume: {why}"),
            Self::Damaged(what) => write!(f, "damaged: {what}"),
            Self::ReadOnly(why) => write!(f, "read only: {why}"),
            Self::NotFound => f.write_str("no such file or directory"),
            Self::Exists => f.write_str("the name is taken"),
            Self::IsDirectory => f.write_str("it is a directory"),
            Self::NotDirectory => f.write_str("it is no directory"),
            Self::NotEmpty => f.write_str("the directory is not empty"),
            Self::BadName(why) => write!(f, "bad name: {why}"),
            Self::Full => f.write_str("no room on the volume"),
            Self::TooLarge => f.write_str("a file has at most 4 GiB - 1"),
            Self::Busy => f.write_str("too many changes of sizes wait"),
        }
    }
}

impl From<DiskFailed> for Problem {
    fn from(_: DiskFailed) -> Self {
        Self::Disk
    }
}
