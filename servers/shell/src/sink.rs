//! A file that output goes to.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use libmach::KernReturn;
use libmach::fs::{self, File};
use libmach::sync::Mutex;
use shell::parse::Redirection;

/// Bytes that are gathered before the file is written to.
const GATHERED: usize = 32 * 1024;

/// A file, and what is on its way to it. After an error, which is told once, nothing more is written.
pub(crate) struct Sink {
    file: File,
    name: String,
    offset: u64,
    gathered: Vec<u8>,
    error: Option<fs::Error>,
    is_told: bool,
}

/// A sink that the shell and the thread that attends to programs have in common.
pub(crate) type Shared = Arc<Mutex<Sink>>;

impl Sink {
    /// Opens the file of a redirection.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    pub(crate) fn open(to: &Redirection) -> Result<Self, String> {
        let open = || {
            let path = super::files::path(&to.file);
            let file = if to.is_append { File::open_or_create(path)? } else { File::create(path)? };
            let offset = file.size()?;
            Ok((file, offset))
        };
        let (file, offset) = open().map_err(|error: fs::Error| alloc::format!("{}: {error}", to.file))?;
        Ok(Self { file, name: to.file.clone(), offset, gathered: Vec::new(), error: None, is_told: false })
    }

    /// Whether this is the file. A port has one name in a task.
    pub(crate) fn is_of(&self, file: &File) -> bool {
        self.file.object() == file.object()
    }

    /// Takes bytes. Answers the code that keeps them from being written.
    pub(crate) fn write(&mut self, bytes: impl Iterator<Item = u8>) -> KernReturn {
        if self.error.is_none() {
            self.gathered.extend(bytes);
        }
        if self.gathered.len() >= GATHERED {
            self.flush();
        }
        self.error.map_or(KernReturn::SUCCESS, |error| error.code)
    }

    /// What to tell the user, if he was not told.
    pub(crate) fn complaint(&mut self) -> Option<String> {
        let error = self.error?;
        if core::mem::replace(&mut self.is_told, true) {
            return None;
        }
        Some(alloc::format!("{}: {error}", self.name))
    }

    fn flush(&mut self) {
        let bytes = core::mem::take(&mut self.gathered);
        if self.error.is_none() && !bytes.is_empty() {
            self.error = self.file.write(self.offset, &bytes).err();
            self.offset += bytes.len() as u64;
        }
    }

    /// Waits until all that was taken is on the disk. Answers what to tell the user, if he was not told.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.flush();
        if self.error.is_none() {
            self.error = self.file.sync().err();
        }
        self.complaint()
    }
}
