//! Files: the messages of the file pager, whose files are memory objects.
//!
//! A file is opened by its path, and is then the port of a memory object: it is mapped with `vm_map`, and named in requests
//! by a right to it. Everybody who opens a file gets the same port.
//!
//! | message | data | right | answered by |
//! |---|---|---|---|
//! | [`FILE_OPEN`] | [`OpenRequest`], path | | [`OpenReply`], the object (send) |
//! | [`FILE_SIZE`] | | the object | size |
//! | [`FILE_RESIZE`] | size | the object | |
//! | [`FILE_REMOVE`] | path | | |
//! | [`FILE_STAT`] | path | | [`FileInfo`] |
//! | [`FILE_LIST`] | [`ListRequest`], path | | [`ListReply`], entries ([`push_entry`]) |
//! | [`FILE_MAKE_DIRECTORY`] | path | | |
//! | [`FILE_VOLUME`] | | | [`VolumeInfo`], why nothing can be changed |
//! | [`FILE_SYNC`] | | the object, or none | |
//!
//! The answer's first word is the return code. After another code than success follows a text that says what is wrong.
//!
//! | code | means |
//! |---|---|
//! | INVALID_NAME | there is no such file or directory |
//! | INVALID_ARGUMENT | a name that cannot be; a file in place of a directory, or the other way; an object that is none of the pager's |
//! | NAME_EXISTS | it is there already |
//! | NO_SPACE | the volume or the directory is full |
//! | INVALID_VALUE | longer than a file can be |
//! | PROTECTION_FAILURE | the file or the volume is read-only |
//! | FAILURE | the directory is not empty |
//! | MEMORY_ERROR | the disk failed, or the volume is damaged |
//! | RESOURCE_SHORTAGE | too many files are open; too many changes of sizes wait |

use crate::message::{MAX_BODY_WORDS, PortMessage};
use crate::table::wire_struct;

/// Opens a file.
pub const FILE_OPEN: i32 = 7600;
/// Asks for the size of an open file.
pub const FILE_SIZE: i32 = 7601;
/// Sets the size of an open file.
pub const FILE_RESIZE: i32 = 7602;
/// Removes a file, or a directory without entries.
pub const FILE_REMOVE: i32 = 7603;
/// Asks what a path leads to.
pub const FILE_STAT: i32 = 7604;
/// Lists a directory.
pub const FILE_LIST: i32 = 7605;
/// Makes a directory.
pub const FILE_MAKE_DIRECTORY: i32 = 7606;
/// Asks about the volume.
pub const FILE_VOLUME: i32 = 7607;
/// Waits until all that the pager was given is on the disk.
pub const FILE_SYNC: i32 = 7608;

/// The file pager's name at the name service.
pub const FILES: &str = "file-pager";

/// To [`FILE_OPEN`]: makes the file if it is not there.
pub const OPEN_CREATE: u64 = 1;
/// To [`FILE_OPEN`], with [`OPEN_CREATE`]: it must not be there.
pub const OPEN_NEW: u64 = 2;

/// The kind of a file.
pub const KIND_FILE: u32 = 1;
/// The kind of a directory.
pub const KIND_DIRECTORY: u32 = 2;

wire_struct! {
    /// How to open a file.
    OpenRequest {
        /// [`OPEN_CREATE`], [`OPEN_NEW`].
        flags: u64,
    }
}

wire_struct! {
    /// What is known of a file that was opened.
    OpenReply {
        /// Its size in bytes.
        size: u64,
        /// Whether it cannot be changed: the object can then be mapped for reading only.
        is_read_only: bool,
    }
}

wire_struct! {
    /// What a path leads to.
    FileInfo {
        /// [`KIND_FILE`] or [`KIND_DIRECTORY`].
        kind: u32,
        /// Bytes of a file.
        size: u64,
        /// Whether it cannot be changed.
        is_read_only: bool,
    }
}

wire_struct! {
    /// Which entries of a directory are wanted.
    ListRequest {
        /// The number of the first one, from 0.
        first: u64,
    }
}

wire_struct! {
    /// The entries that follow.
    ListReply {
        /// How many; 0 behind the last one.
        count: u64,
    }
}

wire_struct! {
    /// What is known of the volume.
    VolumeInfo {
        /// Bits of an entry of its table: 16 or 32.
        fat_bits: u32,
        /// Bytes for files.
        total: u64,
        /// Bytes that are free.
        free: u64,
        /// Bytes of a cluster, the unit in which files have room.
        cluster: u64,
        /// Whether nothing can be changed.
        is_read_only: bool,
    }
}

/// Adds an entry of a directory to an answer: a word of kind, length of the name and size, and the name, filled up to a
/// word. Answers whether it fits; if it does not, nothing is added.
pub fn push_entry(answer: &mut PortMessage, kind: u32, size: u32, name: &str) -> bool {
    let Ok(len) = u16::try_from(name.len()) else { return false };
    let room = MAX_BODY_WORDS.saturating_sub(answer.data_words().len());
    let head = u64::from(size) << 32 | u64::from(len) << 16 | u64::from(kind as u16);
    name.len().div_ceil(8) < room && answer.push_word(head).is_ok() && answer.push_bytes(name.as_bytes()) == name.len()
}

/// Takes an entry from the words behind a [`ListReply`]: kind, size, and the bytes of its name.
pub fn next_entry<'a>(words: &mut &'a [u64]) -> Option<(u32, u32, impl Iterator<Item = u8> + use<'a>)> {
    let (head, rest) = words.split_first()?;
    let len = (head >> 16) as u16 as usize;
    let (name, rest) = rest.split_at_checked(len.div_ceil(8))?;
    *words = rest;
    let name = name.iter().flat_map(|word| word.to_le_bytes()).take(len);
    Some((u32::from(*head as u16), (head >> 32) as u32, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{body, message};

    #[test]
    fn entries_come_back_until_the_message_is_full() {
        let mut answer = message(FILE_LIST + 100, &0_u64);
        let names: Vec<String> = (0..1000).map(|number| format!("file number {number}")).collect();
        let count = names.iter().take_while(|name| push_entry(&mut answer, KIND_FILE, 7, name)).count();
        assert!((10..100).contains(&count));
        let mut words = &answer.data_words()[1..];
        for name in &names[..count] {
            let (kind, size, read) = next_entry(&mut words).unwrap();
            assert_eq!((kind, size), (KIND_FILE, 7));
            assert_eq!(read.collect::<Vec<_>>(), name.as_bytes());
        }
        assert!(next_entry(&mut words).is_none());
    }

    #[test]
    fn the_longest_name_fits() {
        let mut answer = message(FILE_LIST + 100, &ListReply { count: 1 });
        assert!(push_entry(&mut answer, KIND_FILE, 0, &"\u{20ac}".repeat(255)));
        assert!(!push_entry(&mut answer, KIND_FILE, 0, &"x".repeat(300)));
    }

    #[test]
    fn a_request_carries_its_path_behind_its_words() {
        let mut request = message(FILE_OPEN, &OpenRequest { flags: OPEN_CREATE });
        request.push_bytes(b"a/b");
        assert_eq!(body(&request, 0), Some(OpenRequest { flags: OPEN_CREATE }));
        assert_eq!(request.data_bytes_from(1).collect::<Vec<_>>(), b"a/b");
    }
}
