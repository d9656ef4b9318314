//! The loop: messages of the Mach server, ends of transfers, requests of other tasks.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use default_pager::core::Core;
use libmach::block::{self, DISK, DiskInfo, PAGING_AREA};
use libmach::host::vm_set_default_memory_manager;
use libmach::memory_object::{After, Answer, MemoryManager, Object, Returned, Served, Server};
use libmach::msg::{PortMessage, Timeout};
use libmach::port::ReceivePort;
use libmach::vm::{PAGE_SIZE, VmProt, wire_task};
use libmach::{KernReturn, names};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::default_pager::DEFAULT_PAGER;

use super::disks::{Area, BUFFERS, Disks};

/// The serial number of a disk that is a paging area as a whole.
const PAGING_DISK: &str = "disk";
/// Messages that are served before the disks are looked at again.
const MESSAGES: usize = 16;

/// Why the pager cannot start.
pub(crate) struct Problem(KernReturn);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<KernReturn> for Problem {
    fn from(code: KernReturn) -> Self {
        Self(code)
    }
}

/// The core and its world.
#[derive(Default)]
pub(crate) struct Pager {
    pub(crate) core: Core<super::disks::Returned>,
    pub(crate) disks: Disks,
    /// Requests to remove an area, which are answered when it is empty.
    pub(crate) removals: Vec<(usize, PortMessage)>,
}

impl MemoryManager for Pager {
    fn create(&mut self, object: &Object, _: u64) -> u64 {
        let id = self.core.create();
        self.disks.objects.insert(id, *object);
        id
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) -> Answer {
        let (page, count) = (offset / PAGE_SIZE, length.div_ceil(PAGE_SIZE));
        self.core.data_request(&mut self.disks, object.tag(), page, count);
        Answer::Later
    }

    fn data_return(&mut self, object: &Object, returned: Returned) {
        let page = returned.offset / PAGE_SIZE;
        self.core.data_return(&mut self.disks, object.tag(), page, super::disks::Returned(returned.data));
    }

    fn terminate(&mut self, object: &Object) -> After {
        self.disks.objects.remove(&object.tag());
        self.core.terminate(&mut self.disks, object.tag());
        After::Close
    }
}

impl Pager {
    /// Takes what disks have finished, and gives them what there is.
    fn pump(&mut self) {
        self.disks.kick();
        while let Some((tag, is_well)) = self.disks.finished() {
            self.core.complete(&mut self.disks, tag, is_well);
            self.disks.kick();
        }
    }

    /// Makes a disk a paging area. The caller lets its notify port ring the doorbell.
    ///
    /// # Errors
    ///
    /// `RESOURCE_SHORTAGE`: there are as many areas as there can be.
    pub(crate) fn add(&mut self, area: Area, slots: u32) -> Result<(), KernReturn> {
        let index = self.core.free_area().ok_or(KernReturn::RESOURCE_SHORTAGE)?;
        if self.disks.areas.len() <= index {
            self.disks.areas.resize_with(index + 1, || None);
        }
        if let Some(place) = self.disks.areas.get_mut(index) {
            *place = Some(area);
        }
        self.core.add_area(&mut self.disks, slots, BUFFERS).map(drop).ok_or(KernReturn::RESOURCE_SHORTAGE)
    }
}

/// Whether a disk is a paging area.
fn is_paging_area(disk: &DiskInfo) -> bool {
    let is_whole = disk.kind == DISK && !disk.is_divided && disk.serial == block::DiskName::new(PAGING_DISK);
    (is_whole || disk.kind == u32::from(PAGING_AREA)) && !disk.is_read_only
}

/// Serves for ever.
pub(crate) fn main() -> Result<(), Problem> {
    let port = ReceivePort::new()?;
    let about = ReceivePort::new()?;
    let mut server = Server::new(Pager::default())?;
    server.serve_creations(port.name())?;
    server.add_port(about.name())?;
    let bell = server.doorbell()?;
    for disk in block::list()?.iter().filter(|disk| is_paging_area(disk)) {
        let name: String = disk.name.bytes().map(char::from).collect();
        if let Err(code) = add_area(&mut server, &name) {
            names::note(&alloc::format!("default-pager: {name} is not used: {code}"));
        }
    }
    // What the task touches from the registration on stays resident by itself.
    wire_task(HOST_PRIV)?;
    vm_set_default_memory_manager(HOST_PRIV, port.name())?;
    names::register(DEFAULT_PAGER, about.name())?;
    loop {
        let mut is_idle = false;
        for _ in 0..MESSAGES {
            match server.next(Timeout::Millis(0))? {
                Served::Other(message) => super::calls::serve(&mut server, port.name(), &message),
                Served::Manager | Served::Dropped => {}
                Served::Nothing | Served::Done => {
                    is_idle = true;
                    break;
                }
            }
        }
        server.manager().pump();
        super::calls::answer_removals(&mut server);
        if is_idle {
            bell.wait();
        }
    }
}

/// Opens a disk as a paging area.
///
/// # Errors
///
/// Those of [`Area::open`]; `RESOURCE_SHORTAGE`.
pub(crate) fn add_area(server: &mut Server<Pager>, name: &str) -> Result<(), KernReturn> {
    let (area, slots) = Area::open(name)?;
    server.add_port(area.notify_port())?;
    server.manager().add(area, slots)
}
