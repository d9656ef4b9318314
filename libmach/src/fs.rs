//! Files: what the file pager has, as memory that can be mapped.
//!
//! ```ignore
//! let mut file = fs::File::open("docs/readme.txt")?;
//! let bytes = file.map(0, file.size()?)?;             // the file itself: no copy
//! let mut start = [0; 16];
//! let count = file.read(0, &mut start)?;              // a copy
//!
//! let mut copy = fs::File::create("copy.txt")?;
//! copy.write(0, &start[..count])?;
//! copy.sync()?;                                       // now it is on the disk
//! ```
//!
//! A path has `/` between names; case makes no difference, and `.` and `..` are no names. Everybody who opens a file shares
//! it: what one writes the others see at once.
//!
//! | what | when it is on the disk |
//! |---|---|
//! | names, sizes, directories | when the call has returned, but for what the disk itself holds back until [`sync`] |
//! | what was written to a file | when [`File::sync`] has returned; at some time after the last mapping went, otherwise |
//!
//! Bytes beyond the end of a file are zeros in its last page; what is written there is lost. Pages behind that one cannot be
//! touched. A file that becomes shorter takes those pages away from all who have it mapped. One that is removed is gone at
//! once: who has it mapped keeps the pages that are in memory, for itself, and touching another raises an exception.
//! `read` and `write` answer an error where touching a mapping would raise one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use mach_protocol::block::{body, message as packed};
use mach_protocol::file as proto;
pub use mach_protocol::file::VolumeInfo;
use mach_protocol::service::{answer_code, answered_right};
use mach_protocol::wire::{Text, Wire};

use crate::msg::{self, CarriedRight, PortMessage};
use crate::port::{Disposition, mach_port_deallocate};
use crate::task::mach_task_self;
use crate::vm::{MapRequest, PAGE_SIZE, VmProt, VmSync, vm_msync, vm_read_overwrite, vm_write};
use crate::{KernReturn, PortName, Region, names};

/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;

/// Why a request was refused: a code for programs, and a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The code; `mach_protocol::file` says what each means.
    pub code: KernReturn,
    /// What the pager says; empty if it did not get as far as that.
    pub text: Text<8>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.bytes().next() {
            Some(_) => write!(f, "{}", self.text),
            None => write!(f, "{}", self.code),
        }
    }
}

impl From<KernReturn> for Error {
    fn from(code: KernReturn) -> Self {
        let text = if code == KernReturn::MEMORY_ERROR { "the disk failed, or the volume is damaged" } else { "" };
        Self { code, text: Text::new(text) }
    }
}

/// What a request comes to.
pub type Result<T> = core::result::Result<T, Error>;

/// A send right that goes with the value.
#[derive(Debug)]
struct Right(PortName);

impl Drop for Right {
    fn drop(&mut self) {
        // The right is the value's own.
        let _ = mach_port_deallocate(mach_task_self(), self.0);
    }
}

/// Sends a request to the pager.
fn ask(request: &PortMessage) -> Result<PortMessage> {
    let pager = names::lookup(proto::FILES).map(Right).map_err(|code| match code {
        KernReturn::INVALID_NAME => Error { code, text: Text::new("there is no volume with files") },
        code => code.into(),
    })?;
    let answer = msg::rpc(pager.0, request)?;
    answer_code(request.header.id, &answer).map_err(|code| {
        let text: String = answer.data_bytes_from(1).map(char::from).collect();
        Error { code, text: Text::new(&text) }
    })?;
    Ok(answer)
}

/// The same, with a path behind the words.
fn ask_about(id: i32, words: &impl Wire, path: &str) -> Result<PortMessage> {
    let mut request = packed(id, words);
    if request.push_bytes(path.as_bytes()) != path.len() {
        return Err(Error { code: KernReturn::INVALID_ARGUMENT, text: Text::new("the path is too long") });
    }
    ask(&request)
}

/// The body of an answer.
fn answered<T: Wire>(answer: &PortMessage) -> Result<T> {
    Ok(body(answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)?)
}

/// An open file.
#[derive(Debug)]
pub struct File {
    object: Right,
    /// The size of a file that cannot be changed.
    fixed: Option<u64>,
    /// All of it as [`File::read`] and [`File::write`] see it, mapped when they need it.
    window: Option<Region>,
}

impl File {
    /// Opens a file that is there.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME` if there is none, and the other codes of `mach_protocol::file`.
    pub fn open(path: &str) -> Result<Self> {
        Self::open_with(path, 0)
    }

    /// Opens a file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// Those of `mach_protocol::file`.
    pub fn open_or_create(path: &str) -> Result<Self> {
        Self::open_with(path, proto::OPEN_CREATE)
    }

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    ///
    /// `NAME_EXISTS` if it is, and the other codes of `mach_protocol::file`.
    pub fn create_new(path: &str) -> Result<Self> {
        Self::open_with(path, proto::OPEN_CREATE | proto::OPEN_NEW)
    }

    /// Opens a file, made if it is not there and emptied if it is.
    ///
    /// # Errors
    ///
    /// Those of `mach_protocol::file`.
    pub fn create(path: &str) -> Result<Self> {
        let mut file = Self::open_or_create(path)?;
        file.set_size(0)?;
        Ok(file)
    }

    fn open_with(path: &str, flags: u64) -> Result<Self> {
        let answer = ask_about(proto::FILE_OPEN, &proto::OpenRequest { flags }, path)?;
        let object = Right(answered_right(&answer)?);
        let reply: proto::OpenReply = answered(&answer)?;
        Ok(Self { object, fixed: reply.is_read_only.then_some(reply.size), window: None })
    }

    /// The memory object, to be mapped by other means or given to another task.
    #[must_use]
    pub fn object(&self) -> PortName {
        self.object.0
    }

    /// Whether the file cannot be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.fixed.is_some()
    }

    /// A request about this file.
    fn ask(&self, id: i32, words: &[u64]) -> Result<PortMessage> {
        let mut request = PortMessage::with_words(id, words);
        let right = CarriedRight { name: self.object.0, disposition: Disposition::COPY_SEND };
        request.push_right(right).map_err(|_| KernReturn::FAILURE)?;
        ask(&request)
    }

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// Those of `mach_protocol::file`.
    pub fn size(&self) -> Result<u64> {
        match self.fixed {
            Some(size) => Ok(size),
            None => answered(&self.ask(proto::FILE_SIZE, &[])?),
        }
    }

    /// Refuses a file that cannot be changed. The pager knows its right for nothing but mapping.
    fn changeable(&self) -> Result<()> {
        if self.is_read_only() {
            return Err(Error { code: KernReturn::PROTECTION_FAILURE, text: Text::new("the file is read only") });
        }
        Ok(())
    }

    /// Makes it longer, by zeros, or shorter. If that fails, the file is as it was.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, and the other codes of `mach_protocol::file`.
    pub fn set_size(&mut self, size: u64) -> Result<()> {
        self.changeable()?;
        self.ask(proto::FILE_RESIZE, &[size]).map(drop)
    }

    /// Maps a part of the file: the pages with these bytes, shared with everybody who maps it. For a file that cannot be
    /// changed, the memory can only be read. It stays mapped without the file.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for an offset that is no multiple of a page, or a length of 0; those of
    /// [`vm_map`](crate::vm::vm_map).
    pub fn map(&self, offset: u64, length: u64) -> Result<Region> {
        let all = if self.is_read_only() { VmProt::READ | VmProt::EXECUTE } else { VmProt::ALL };
        let protection = VmProt::DEFAULT & all;
        let object = MapRequest::object(self.object.0, length);
        Ok(Region::map(&MapRequest { offset, protection, max_protection: all, ..object })?)
    }

    /// Where `length` bytes from `offset` on are mapped.
    fn window(&mut self, offset: u64, length: u64) -> Result<u64> {
        let end = offset.checked_add(length).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if self.window.as_ref().is_none_or(|window| window.size() < end) {
            self.window = None;
            self.window = Some(self.map(0, end.next_multiple_of(PAGE_SIZE))?);
        }
        Ok(self.window.as_ref().map_or(0, Region::address) + offset)
    }

    /// Copies bytes from `offset` on, as many as there are. Answers how many; 0 at the end.
    ///
    /// # Errors
    ///
    /// `MEMORY_ERROR` if the disk failed or the volume is damaged there; those of mapping.
    pub fn read(&mut self, offset: u64, bytes: &mut [u8]) -> Result<usize> {
        let count = self.size()?.saturating_sub(offset).min(bytes.len() as u64);
        if count > 0 {
            let from = self.window(offset, count)?;
            vm_read_overwrite(mach_task_self(), from, count, bytes.as_mut_ptr().expose_provenance() as u64)?;
        }
        Ok(count as usize)
    }

    /// Copies `bytes` to `offset`. The file becomes longer if it must, with zeros in between.
    ///
    /// # Errors
    ///
    /// As [`File::read`], and those of [`File::set_size`]; then nothing was written, or a part.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        let end = offset.checked_add(length).ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.changeable()?;
        if end > self.size()? {
            self.set_size(end)?;
        }
        if length > 0 {
            let to = self.window(offset, length)?;
            vm_write(mach_task_self(), to, bytes)?;
        }
        Ok(())
    }

    /// Waits until what was written, by [`File::write`] or in the memory of `mapped`, is on the disk.
    ///
    /// # Errors
    ///
    /// `MEMORY_ERROR` if the disk failed: also for what was written back since the last time.
    pub fn sync_mapped(&self, mapped: &Region) -> Result<()> {
        vm_msync(mach_task_self(), mapped.address(), mapped.size(), VmSync::SYNCHRONOUS)?;
        self.ask(proto::FILE_SYNC, &[]).map(drop)
    }

    /// Waits until what was written by [`File::write`] is on the disk.
    ///
    /// # Errors
    ///
    /// As [`File::sync_mapped`].
    pub fn sync(&self) -> Result<()> {
        match &self.window {
            _ if self.is_read_only() => Ok(()),
            Some(window) => self.sync_mapped(window),
            None => self.ask(proto::FILE_SYNC, &[]).map(drop),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Whether it cannot be changed.
    pub is_read_only: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Bytes of a file.
    pub size: u64,
}

/// What a path leads to; the empty path is the root directory.
///
/// # Errors
///
/// Those of `mach_protocol::file`.
pub fn metadata(path: &str) -> Result<Metadata> {
    let info: proto::FileInfo = answered(&ask_about(proto::FILE_STAT, &[0_u64; 0], path)?)?;
    let is_directory = info.kind == proto::KIND_DIRECTORY;
    Ok(Metadata { is_directory, size: info.size, is_read_only: info.is_read_only })
}

/// The entries of a directory, in its order. What is made or removed meanwhile may be missing.
///
/// # Errors
///
/// Those of `mach_protocol::file`.
pub fn read_dir(path: &str) -> Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    loop {
        let request = proto::ListRequest { first: entries.len() as u64 };
        let answer = ask_about(proto::FILE_LIST, &request, path)?;
        let reply: proto::ListReply = answered(&answer)?;
        if reply.count == 0 {
            return Ok(entries);
        }
        let mut words = answer.data_words().get(2..).unwrap_or_default();
        for _ in 0..reply.count {
            let (kind, size, name) = proto::next_entry(&mut words).ok_or(KernReturn::MIG_TYPE_ERROR)?;
            let name: Vec<u8> = name.collect();
            let name = String::from_utf8_lossy(&name).into_owned();
            entries.push(DirEntry { name, is_directory: kind == proto::KIND_DIRECTORY, size: u64::from(size) });
        }
    }
}

/// Removes a file, or a directory without entries.
///
/// # Errors
///
/// `FAILURE` for a directory that has some, and the other codes of `mach_protocol::file`.
pub fn remove(path: &str) -> Result<()> {
    ask_about(proto::FILE_REMOVE, &[0_u64; 0], path).map(drop)
}

/// Makes a directory.
///
/// # Errors
///
/// Those of `mach_protocol::file`.
pub fn create_dir(path: &str) -> Result<()> {
    ask_about(proto::FILE_MAKE_DIRECTORY, &[0_u64; 0], path).map(drop)
}

/// Copies a file over another, which is made if it is not there, and waits until the copy is on the disk. `progress` is told
/// how many bytes of how many are copied. Answers the bytes.
///
/// # Errors
///
/// Those of reading and writing; the copy may then be there in part.
pub fn copy(from: &str, to: &str, mut progress: impl FnMut(u64, u64)) -> Result<u64> {
    let mut source = File::open(from)?;
    let size = source.size()?;
    let mut target = File::open_or_create(to)?;
    if is_same(&source, &target) {
        return Err(Error { code: KernReturn::INVALID_ARGUMENT, text: Text::new("both are the same file") });
    }
    target.set_size(size)?;
    let mut buffer = alloc::vec![0; PIECE];
    let mut done = 0;
    while done < size {
        let count = source.read(done, &mut buffer)?;
        if count == 0 {
            break;
        }
        target.write(done, buffer.get(..count).unwrap_or_default())?;
        done += count as u64;
        progress(done, size);
    }
    target.sync()?;
    Ok(done)
}

/// Whether two open files are one: a port has one name in a task.
fn is_same(one: &File, other: &File) -> bool {
    one.object.0 == other.object.0
}

/// How much room there is on the volume, and why nothing can be changed, if that is so.
///
/// # Errors
///
/// Those of `mach_protocol::file`.
pub fn volume() -> Result<(VolumeInfo, Option<String>)> {
    let answer = ask(&PortMessage::new(proto::FILE_VOLUME))?;
    let info: VolumeInfo = answered(&answer)?;
    let why = answer.data_bytes_from(6).map(char::from).collect();
    Ok((info, info.is_read_only.then_some(why)))
}

/// Waits until all that the pager was given is on the disk. What is only in mapped memory is not: [`File::sync`].
///
/// # Errors
///
/// `MEMORY_ERROR` if the disk failed.
pub fn sync() -> Result<()> {
    ask(&PortMessage::new(proto::FILE_SYNC)).map(drop)
}
