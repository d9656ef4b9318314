//! What root does for the shell: it starts programs of the boot archive.

use alloc::string::String;
use alloc::vec::Vec;

use libmach::loader::{LoadError, Loaded, Program, load};
use libmach::msg::{CarriedRight, MAX_DATA_BYTES, PortMessage, Timeout, destroy_right, send};
use libmach::port::{Disposition, mach_port_deallocate};
use libmach::task::{TASK_BOOTSTRAP_PORT, mach_task_self, task_set_special_port, task_terminate, task_watch};
use libmach::{KernReturn, PortName};
use mach_protocol::service::{PROGRAM_LIST, PROGRAM_START, answer};
use root::archive::Archive;

/// Bytes of an answer's data in front of the names.
const LIST_HEAD: usize = 16;

/// Loads a program of the archive.
pub(crate) fn load_entry<'a>(
    archive: Archive<'_>,
    name: &str,
    arguments: impl Iterator<Item = &'a str> + Clone,
) -> Result<Loaded, Option<LoadError>> {
    let bytes = archive.find(name).ok_or(None)?;
    // The image of root is no part of its map, from which the server copies.
    let bytes = bytes.to_vec();
    let program = Program::parse(&bytes).map_err(|bad| Some(bad.into()))?;
    load(&program, arguments).map_err(Some)
}

/// The programs of the archive, without those of the system itself.
pub(crate) struct Programs<'a> {
    archive: Archive<'a>,
    /// What is started by root alone.
    system: Vec<String>,
}

impl<'a> Programs<'a> {
    /// The programs of an archive but for these.
    pub(crate) const fn new(archive: Archive<'a>, system: Vec<String>) -> Self {
        Self { archive, system }
    }

    /// Serves one request.
    pub(crate) fn serve(&self, request: &PortMessage) {
        let mut rights = request.rights().iter().copied();
        let answer = match request.header.id {
            PROGRAM_LIST => self.list(request),
            PROGRAM_START => match self.start(request, rights.next(), rights.next()) {
                Ok(started) => started,
                Err(code) => answer(PROGRAM_START, code),
            },
            id => answer(id, KernReturn::MIG_BAD_ID),
        };
        request.rights().iter().for_each(destroy_right);
        reply(request, answer);
    }

    /// Whether a user may start the program.
    fn offers(&self, name: &str) -> bool {
        !self.system.iter().any(|taken| taken == name)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        const ELF: &[u8] = b"\x7fELF";
        let programs = self.archive.entries().filter(|(_, contents)| contents.starts_with(ELF));
        let names = programs.filter_map(|(name, _)| core::str::from_utf8(name).ok());
        names.filter(|name| self.offers(name))
    }

    fn list(&self, request: &PortMessage) -> PortMessage {
        let first = request.data_words().first().map_or(0, |first| *first as usize);
        let mut bytes = Vec::new();
        for name in self.names().skip(first) {
            if LIST_HEAD + bytes.len() + name.len() + 1 > MAX_DATA_BYTES {
                break;
            }
            bytes.extend(name.bytes().chain([0]));
        }
        let mut list = answer(PROGRAM_LIST, KernReturn::SUCCESS);
        // The head is two words, and the names were counted.
        let _ = list.push_word(self.names().count() as u64);
        list.push_bytes(&bytes);
        list
    }

    /// Starts a program. What fails after the task was made ends it.
    fn start(
        &self,
        request: &PortMessage,
        notify: Option<CarriedRight>,
        bootstrap: Option<CarriedRight>,
    ) -> Result<PortMessage, KernReturn> {
        let cookie = *request.data_words().first().ok_or(KernReturn::INVALID_ARGUMENT)?;
        let bytes: Vec<u8> = request.data_bytes_from(1).collect();
        let text = core::str::from_utf8(&bytes).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        let arguments = text.split_terminator('\0');
        let name = arguments.clone().next().filter(|name| self.offers(name)).ok_or(KernReturn::INVALID_NAME)?;
        let loaded = load_entry(self.archive, name, arguments).map_err(|error| match error {
            None => KernReturn::INVALID_NAME,
            Some(LoadError::Program(_)) => KernReturn::INVALID_ARGUMENT,
            Some(LoadError::Arguments) => KernReturn::NO_SPACE,
            Some(LoadError::Call(_, code)) => code,
        })?;
        let started = launch(loaded, cookie, notify, bootstrap);
        let_go(loaded.thread);
        if let Err(code) = started {
            // The failure to start is what is reported.
            let _ = task_terminate(loaded.task);
            let_go(loaded.task);
            return Err(code);
        }
        let mut started = answer(PROGRAM_START, KernReturn::SUCCESS);
        let task = CarriedRight { name: loaded.task, disposition: Disposition::PORT_SEND };
        started.push_right(task).map_err(|_| KernReturn::NO_SPACE)?;
        Ok(started)
    }
}

/// Lets a loaded program run, watched and with its name service.
fn launch(
    loaded: Loaded,
    cookie: u64,
    notify: Option<CarriedRight>,
    bootstrap: Option<CarriedRight>,
) -> Result<(), KernReturn> {
    if let Some(notify) = notify {
        task_watch(loaded.task, notify.name, Disposition::COPY_SEND, cookie)?;
    }
    if let Some(bootstrap) = bootstrap {
        task_set_special_port(loaded.task, TASK_BOOTSTRAP_PORT, bootstrap.name)?;
    }
    loaded.start()
}

/// Answers a request; without waiting, since a client may not. What it carried goes if the client is gone.
fn reply(request: &PortMessage, mut answer: PortMessage) {
    answer.header.remote = request.header.remote;
    if !answer.header.remote.name.is_valid() || send(&answer, Timeout::Millis(0)).is_err() {
        answer.rights().iter().chain([&request.header.remote]).for_each(destroy_right);
    }
}

/// Drops root's reference to a task or a thread that it made.
fn let_go(name: PortName) {
    // Root's own name: nothing can be wrong with it.
    let _ = mach_port_deallocate(mach_task_self(), name);
}
