//! The boot archive: a CPIO archive in the `newc` form, part of root's image.

/// Bytes of an entry's header.
const HEADER: usize = 110;
/// Where the header holds the length of the contents and of the name.
const FILE_SIZE: usize = 54;
const NAME_SIZE: usize = 94;
/// The name that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// An archive, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    /// An archive that starts with the first of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The contents of the first entry with that name.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'a [u8]> {
        self.entries().find(|(entry, _)| *entry == name.as_bytes()).map(|(_, contents)| contents)
    }

    /// All entries in order, as name and contents. A damaged header ends them.
    pub fn entries(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (name, contents, behind) = entry(rest)?;
            rest = behind;
            (name != TRAILER).then_some((name, contents))
        })
    }
}

/// Splits the first entry off: its name, its contents, what is behind it.
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    if !bytes.starts_with(b"070701") {
        return None;
    }
    let name_end = HEADER.checked_add(number(bytes, NAME_SIZE)?)?;
    let name = bytes.get(HEADER..name_end)?.strip_suffix(&[0])?;
    let start = name_end.next_multiple_of(4);
    let end = start.checked_add(number(bytes, FILE_SIZE)?)?;
    let contents = bytes.get(start..end)?;
    Some((name, contents, bytes.get(end.next_multiple_of(4)..).unwrap_or_default()))
}

/// A number of eight hexadecimal digits.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = core::str::from_utf8(bytes.get(at..at + 8)?).ok()?;
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::vec::Vec;

    fn add(bytes: &mut Vec<u8>, name: &str, contents: &[u8]) {
        let zeros = "00000000".repeat(6);
        let sizes = format!("{:08X}{}{:08X}{}", contents.len(), "00000000".repeat(4), name.len() + 1, "00000000");
        bytes.extend(format!("070701{zeros}{sizes}{name}\0").bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }

    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        add(&mut bytes, "system", b"task hello\n");
        add(&mut bytes, "hello", &[1, 2, 3]);
        add(&mut bytes, "TRAILER!!!", &[]);
        add(&mut bytes, "behind", &[9]);
        bytes
    }

    #[test]
    fn finds_entries_by_name() {
        let bytes = archive();
        let archive = Archive::new(&bytes);
        assert_eq!(archive.find("system"), Some(b"task hello\n".as_slice()));
        assert_eq!(archive.find("hello"), Some([1, 2, 3].as_slice()));
        assert_eq!(archive.find("behind"), None);
        assert_eq!(archive.entries().count(), 2);
    }

    #[test]
    fn a_cut_archive_ends_without_a_wrong_entry() {
        let bytes = archive();
        for len in 0..bytes.len() {
            for (name, contents) in Archive::new(&bytes[..len]).entries() {
                assert_eq!(Archive::new(&bytes).find(core::str::from_utf8(name).unwrap()), Some(contents));
            }
        }
    }
}
