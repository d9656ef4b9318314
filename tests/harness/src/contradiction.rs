//! What contradicts itself on a volume: put into its image before a run. It is one of FAT16, but for `Crowded`.
//!
//! Entries are found by their short names, so what is spoilt has one, in capitals, that no other entry has.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

const SECTOR: usize = 512;
const ENTRY: usize = 32;
const FIRST_CLUSTER: usize = 26;
const SIZE: usize = 28;

/// One contradiction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "what")]
pub(crate) enum Contradiction {
    /// Behind the second cluster of a file comes its first.
    Circle { name: String },
    /// A file or directory begins where another one does.
    Shared { name: String, with: String },
    /// An entry of a directory is the directory `of`.
    Directory { name: String, of: String },
    /// A file's entry says another size.
    Size { name: String, bytes: u32 },
    /// A word of 16 bits of the first sector.
    Field { at: usize, value: u16 },
    /// The root directory of an empty volume of FAT32 has 65,536 files, each of which claims all other clusters.
    Crowded,
}

impl Contradiction {
    /// Spoils an image.
    pub(crate) fn apply(&self, image: &mut [u8]) -> Result<()> {
        match self {
            Self::Circle { name } => {
                let first = half(image, find(image, name)? + FIRST_CLUSTER)?;
                let second = next(image, first)?;
                set_next(image, second, first)
            }
            Self::Shared { name, with } => {
                let first = half(image, find(image, with)? + FIRST_CLUSTER)?;
                let at = find(image, name)?;
                put(image, at + FIRST_CLUSTER, &first.to_le_bytes())
            }
            Self::Directory { name, of } => {
                let first = half(image, find(image, of)? + FIRST_CLUSTER)?;
                let at = find(image, name)?;
                put(image, at + 11, &[0x10])?;
                put(image, at + SIZE, &[0; 4])?;
                put(image, at + FIRST_CLUSTER, &first.to_le_bytes())
            }
            Self::Size { name, bytes } => {
                let at = find(image, name)?;
                put(image, at + SIZE, &bytes.to_le_bytes())
            }
            Self::Field { at, value } => put(image, *at, &value.to_le_bytes()),
            Self::Crowded => crowd(image),
        }
    }
}

/// Where the entry with a short name lies.
fn find(image: &[u8], name: &str) -> Result<usize> {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let short = format!("{stem:<8}{extension:<3}");
    let mut found = image.chunks(ENTRY).enumerate().filter(|(_, entry)| entry.starts_with(short.as_bytes()));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index * ENTRY),
        _ => bail!("the volume has not one entry with the short name {name}"),
    }
}

fn half(image: &[u8], at: usize) -> Result<u16> {
    let bytes = image.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    Ok(u16::from_le_bytes(bytes.context("behind the volume's end")?))
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    image.get_mut(at..at + bytes.len()).context("behind the volume's end")?.copy_from_slice(bytes);
    Ok(())
}

/// Where a table says which cluster follows one.
fn place(image: &[u8], table: usize, cluster: u16) -> Result<usize> {
    let (reserved, length) = (usize::from(half(image, 14)?), usize::from(half(image, 22)?));
    Ok((reserved + table * length) * SECTOR + 2 * usize::from(cluster))
}

fn next(image: &[u8], cluster: u16) -> Result<u16> {
    half(image, place(image, 0, cluster)?)
}

/// Both tables agree.
fn set_next(image: &mut [u8], cluster: u16, following: u16) -> Result<()> {
    for table in 0..2 {
        let at = place(image, table, cluster)?;
        put(image, at, &following.to_le_bytes())?;
    }
    Ok(())
}

/// Makes two chains of an empty volume of FAT32 with clusters of a sector: the root directory, and one for all its files.
fn crowd(image: &mut [u8]) -> Result<()> {
    const DIRECTORY: usize = 4096;
    let (reserved, length) = (usize::from(half(image, 14)?), usize::from(half(image, 36)?));
    let data = reserved + 2 * length;
    let clusters = (image.len() / SECTOR).checked_sub(data).context("the volume has no clusters")?;
    for cluster in 2..2 + clusters {
        let is_last = cluster == 1 + DIRECTORY || cluster == 1 + clusters;
        let following = if is_last { 0x0fff_ffff } else { cluster as u32 + 1 };
        for table in 0..2 {
            put(image, (reserved + table * length) * SECTOR + 4 * cluster, &following.to_le_bytes())?;
        }
    }
    let first = (2 + DIRECTORY) as u16;
    let size = ((clusters - DIRECTORY) * SECTOR) as u32;
    for number in 0..DIRECTORY * SECTOR / ENTRY {
        let mut entry = [0; ENTRY];
        entry[..11].copy_from_slice(format!("{number:<11}").as_bytes());
        entry[11] = 0x20;
        entry[FIRST_CLUSTER..SIZE].copy_from_slice(&first.to_le_bytes());
        entry[SIZE..].copy_from_slice(&size.to_le_bytes());
        put(image, data * SECTOR + number * ENTRY, &entry)?;
    }
    Ok(())
}
