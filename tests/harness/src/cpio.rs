//! The boot archive: a CPIO archive in the `newc` form, as `cpio -H newc` writes it.

/// An archive being written.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// A regular file that everybody may read.
const MODE: usize = 0o100_444;

impl Archive {
    /// Adds one file.
    pub(crate) fn add(&mut self, name: &str, contents: &[u8]) {
        self.entries += 1;
        self.entry(name, contents, MODE);
    }

    /// Ends the archive and yields its bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.entry(TRAILER, &[], 0);
        self.bytes
    }

    fn entry(&mut self, name: &str, contents: &[u8], mode: usize) {
        let fields = [
            self.entries as usize, // inode
            mode,
            0, // user
            0, // group
            1, // links
            0, // time of change: always the same, so that the same files give the same archive
            contents.len(),
            0, // device major
            0, // device minor
            0, // its own device major
            0, // its own device minor
            name.len() + 1,
            0, // checksum, unused in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_and_the_trailer() {
        let mut archive = Archive::default();
        archive.add("system", b"task x\n");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[54..62], b"00000007", "size of the file");
        assert_eq!(&bytes[94..102], b"00000007", "size of the name with its NUL");
        assert_eq!(&bytes[110..117], b"system\0");
        assert_eq!(&bytes[120..127], b"task x\n");
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.windows(TRAILER.len()).any(|w| w == TRAILER.as_bytes()));
    }
}
