//! The loop: messages of the Mach server, ends of transfers, requests of other tasks.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use default_pager::core::Core;
use default_pager::stores::{AtStart, StoreId, Stores, at_start};
use default_pager::triggers::Triggers;
use default_pager::world::{ObjectId, Removal};
use libmach::block::{self, DiskInfo};
use libmach::host::vm_set_default_memory_manager;
use libmach::memory_object::{
    After, Answer, Attributes, Heard, Init, Landed, MemoryManager, Object, Returned, Served, Server,
};
use libmach::msg::{CarriedRight, Landing, PortMessage, Timeout};
use libmach::port::ReceivePort;
use libmach::thread::sleep;
use libmach::vm::{PAGE_SIZE, VmProt, wire_task};
use libmach::{KernReturn, PortName, names};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::default_pager::DEFAULT_PAGER;

use super::disks::Disks;
use super::landing::Zone;

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
    pub(crate) stores: Stores,
    pub(crate) disks: Disks,
    /// Where returned pages land.
    zone: Option<Rc<Zone>>,
    /// The ports of stores.
    pub(crate) ports: BTreeMap<StoreId, PortName>,
    /// Objects that anybody may map.
    pub(crate) external: BTreeSet<ObjectId>,
    /// Requests to remove areas, which are answered when these are gone.
    pub(crate) removals: Vec<(Removal, PortMessage)>,
    pub(crate) triggers: Triggers,
    /// Where alerts go.
    pub(crate) alerts: Option<CarriedRight>,
}

/// The ports that the pager has from the start.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// Its own, for those with the privileged host port.
    pub(crate) own: PortName,
    /// The one that everybody finds.
    pub(crate) public: PortName,
}

impl MemoryManager for Pager {
    fn create(&mut self, object: &Object, _: u64) -> u64 {
        let id = self.core.create();
        self.disks.objects.insert(id, *object);
        id
    }

    fn init(&mut self, object: &Object) -> Init {
        self.disks.objects.insert(object.tag(), *object);
        Init::Ready(Attributes::default())
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) -> Answer {
        let (page, count) = (offset / PAGE_SIZE, length.div_ceil(PAGE_SIZE));
        self.core.data_request(&mut self.disks, object.tag(), page, count);
        Answer::Later
    }

    fn data_return(&mut self, object: &Object, returned: Returned) {
        let page = returned.offset / PAGE_SIZE;
        self.core.data_return(&mut self.disks, object.tag(), page, super::disks::Returned::Mapped(returned.data));
    }

    fn landing(&mut self) -> Landing {
        self.zone.as_ref().map_or(Landing::default(), |zone| zone.next())
    }

    fn data_landed(&mut self, object: &Object, landed: Landed) {
        let Some(zone) = &self.zone else { return };
        let data = super::disks::Returned::Landed(zone.land(landed.size));
        self.core.data_return(&mut self.disks, object.tag(), landed.offset / PAGE_SIZE, data);
    }

    fn data_initialize(&mut self, object: &Object, data: Returned) {
        let page = data.offset / PAGE_SIZE;
        self.core.data_initialize(&mut self.disks, object.tag(), page, super::disks::Returned::Mapped(data.data));
    }

    fn terminate(&mut self, object: &Object) -> After {
        if self.external.contains(&object.tag()) {
            // Its control port is gone, whose name may become another's.
            self.disks.objects.remove(&object.tag());
            self.core.unmapped(object.tag());
            return After::Keep;
        }
        self.forget(object.tag());
        After::Close
    }

    fn no_senders(&mut self, object: &Object) -> After {
        self.forget(object.tag());
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

    /// An object is no more.
    pub(crate) fn forget(&mut self, object: ObjectId) {
        self.external.remove(&object);
        self.disks.objects.remove(&object);
        self.core.terminate(&mut self.disks, object);
    }

    /// Makes a disk a paging area. One that another pager had, which has just ended, may take the driver a moment.
    fn add_at_start(&mut self, disk: &DiskInfo) -> Result<(), KernReturn> {
        const TRIES: u32 = 100;
        const PAUSE_MS: u32 = 20;
        for _ in 0..TRIES {
            match self.stores.add_file(&mut self.core, &mut self.disks, &disk.name) {
                // It is there, so some of it is in use.
                Err(KernReturn::INVALID_ARGUMENT) => sleep(PAUSE_MS),
                added => return added,
            }
        }
        Err(KernReturn::NO_ACCESS)
    }
}

/// Serves for ever.
pub(crate) fn main() -> Result<(), Problem> {
    let port = ReceivePort::new()?;
    let about = ReceivePort::new()?;
    let ports = Ports { own: port.name(), public: about.name() };
    let mut server = Server::new(Pager { zone: Some(Zone::new()?), ..Pager::default() })?;
    server.serve_creations(port.name())?;
    server.add_port(about.name())?;
    server.manager().disks.set = server.set();
    let bell = server.doorbell()?;
    for disk in &block::list()? {
        match at_start(disk) {
            AtStart::Leave => {}
            AtStart::Refuse(why) => names::note(&alloc::format!("default-pager: {} is not used: {why}", disk.name)),
            AtStart::Use => {
                if let Err(code) = server.manager().add_at_start(disk) {
                    names::note(&alloc::format!("default-pager: {} is not used: {code}", disk.name));
                }
            }
        }
    }
    // What the task touches from the registration on stays resident by itself.
    wire_task(HOST_PRIV)?;
    vm_set_default_memory_manager(HOST_PRIV, port.name())?;
    names::register(DEFAULT_PAGER, about.name())?;
    let mut heard = Heard::ALL;
    loop {
        let mut is_idle = !heard.message();
        for _ in 0..if is_idle { 0 } else { MESSAGES } {
            match server.next(Timeout::Millis(0))? {
                Served::Other(message) => super::calls::serve(&mut server, ports, &message),
                Served::Manager | Served::Dropped => {}
                Served::Nothing | Served::Done => {
                    is_idle = true;
                    break;
                }
            }
        }
        server.manager().pump();
        super::calls::answer_removals(&mut server);
        super::calls::send_alerts(server.manager());
        if is_idle {
            heard = bell.wait();
        }
    }
}
