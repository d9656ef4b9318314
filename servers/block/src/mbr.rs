//! The partition table of a PC disk: four entries at the end of the first sector.

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 1.
    pub number: u8,
    /// Its type byte.
    pub kind: u8,
    /// Its first sector.
    pub start: u64,
    /// Its size.
    pub sectors: u64,
}

const TABLE: usize = 446;
const ENTRY: usize = 16;

/// The partitions that the first sector of a disk of so many sectors names.
///
/// There are none if the sector is not signed, if it begins a file system, or if an entry makes no sense: a table that is
/// wrong in one place is not believed in another.
#[must_use]
pub fn partitions(sector: &[u8; 512], sectors: u64) -> heapless::Vec<Partition, 4> {
    let mut found = heapless::Vec::new();
    if !is_signed(sector) || is_file_system(sector) {
        return found;
    }
    let entries = sector.get(TABLE..TABLE + 4 * ENTRY).unwrap_or_default().chunks_exact(ENTRY);
    for (entry, number) in entries.zip(1..) {
        match partition(entry, number, sectors) {
            Ok(None) => {}
            Ok(Some(new)) if found.iter().all(|old| !overlap(old, &new)) => {
                // There are four entries, and four places.
                let _ = found.push(new);
            }
            _ => return heapless::Vec::new(),
        }
    }
    found
}

/// Whether a disk whose first sector this is has something on it: a table of partitions, sound or not, or a file system.
#[must_use]
pub fn is_signed(sector: &[u8; 512]) -> bool {
    sector.last_chunk() == Some(&[0x55, 0xaa])
}

fn overlap(one: &Partition, other: &Partition) -> bool {
    one.start < other.start + other.sectors && other.start < one.start + one.sectors
}

struct Senseless;

fn partition(entry: &[u8], number: u8, sectors: u64) -> Result<Option<Partition>, Senseless> {
    let byte = |at: usize| entry.get(at).copied().ok_or(Senseless);
    let word = |at: usize| {
        let bytes = entry.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u64::from(u32::from_le_bytes(bytes))).ok_or(Senseless)
    };
    let new = Partition { number, kind: byte(4)?, start: word(8)?, sectors: word(12)? };
    if new.kind == 0 {
        return Ok(None);
    }
    let is_sound = byte(0)? & 0x7f == 0 && new.start > 0 && new.sectors > 0 && new.start + new.sectors <= sectors;
    if is_sound { Ok(Some(new)) } else { Err(Senseless) }
}

/// Whether the sector is the first of a FAT volume, which is signed like a partition table: it begins with a jump, and says
/// how many bytes its sectors have.
fn is_file_system(sector: &[u8; 512]) -> bool {
    let [jump, _, _, ..] = *sector;
    let bytes = u16::from_le_bytes([sector[11], sector[12]]);
    matches!(jump, 0xeb | 0xe9) && matches!(bytes, 512 | 1024 | 2048 | 4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(entries: &[(u8, u8, u32, u32)]) -> [u8; 512] {
        let mut sector = [0; 512];
        for (index, (active, kind, start, sectors)) in entries.iter().enumerate() {
            let entry = &mut sector[TABLE + index * ENTRY..][..ENTRY];
            entry[0] = *active;
            entry[4] = *kind;
            entry[8..12].copy_from_slice(&start.to_le_bytes());
            entry[12..].copy_from_slice(&sectors.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    #[test]
    fn finds_partitions_by_their_places() {
        let sector = table(&[(0x80, 0x82, 8, 100), (0, 0, 0, 0), (0, 0x0c, 108, 50)]);
        assert_eq!(
            partitions(&sector, 158),
            [
                Partition { number: 1, kind: 0x82, start: 8, sectors: 100 },
                Partition { number: 3, kind: 0x0c, start: 108, sectors: 50 },
            ]
        );
    }

    #[test]
    fn a_table_with_an_error_is_none() {
        for entries in [
            &[(1, 0x82, 8, 100)][..],
            &[(0, 0x82, 0, 100)],
            &[(0, 0x82, 8, 0)],
            &[(0, 0x82, 8, 151)],
            &[(0, 0x82, 8, 50), (0, 0x0c, 57, 10)],
            &[(0, 0x82, 8, 50), (0, 0x0c, u32::MAX, u32::MAX)],
        ] {
            assert!(partitions(&table(entries), 158).is_empty(), "{entries:?}");
            assert!(is_signed(&table(entries)), "{entries:?}");
        }
        let mut unsigned = table(&[(0, 0x82, 8, 100)]);
        unsigned[511] = 0;
        assert!(partitions(&unsigned, 158).is_empty() && !is_signed(&unsigned));
    }

    #[test]
    fn the_first_sector_of_a_volume_is_no_table() {
        let mut sector = table(&[(0, 0x0c, 8, 100)]);
        sector[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
        assert_eq!(partitions(&sector, 158).len(), 1);
        sector[11..13].copy_from_slice(&512_u16.to_le_bytes());
        assert!(partitions(&sector, 158).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_lies_on_the_disk(
            entries in proptest::collection::vec((prop_oneof![Just(0), any::<u8>()], any::<u8>(), 0..2000_u32, 0..2000_u32), 4),
            sectors in 0..3000_u64,
        ) {
            for found in partitions(&table(&entries), sectors) {
                prop_assert!(found.start > 0 && found.start + found.sectors <= sectors);
            }
        }
    }
}
