//! What a driver gets beyond a task: arguments that say where its device is, the device's pages, its interrupts.
//!
//! | server | device | in the slots for grants | priority |
//! |---|---|---|---|
//! | `console` | a serial line | the interrupt's notification, and its handler | server |
//! | `block` | every virtio disk | a handler for each disk | driver |
//! | `default-pager`, `memory-pager` | none | | default pager |
//! | others | none | | server |
//!
//! The privileged host port is granted by the system description.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::loader::Loaded;
use libmach::rpc::call;
use libmach::thread::thread_grant_cap;
use mach_protocol::boot::{HOST_PRIV, priority};
use mach_protocol::private::{DEVICE_BASE, FIRST_GRANT_SLOT, TaskMapDevice};
use root::devices::{self, Serial, Uart, Virtio, page_of};

use crate::kernel::{Failure, Kernel};
use crate::log::log;

/// The most disks that the block server gets.
const MAX_DISKS: usize = 4;

/// The devices of the board.
pub(crate) struct Devices {
    /// Its serial lines.
    pub(crate) serial: Option<Serial>,
    disks: heapless::Vec<Virtio, MAX_DISKS>,
}

impl Devices {
    /// Finds the devices that the tree names. There is no heap yet.
    pub(crate) fn find(kernel: &mut Kernel, tree: Option<&[u8]>) -> Result<Self, Failure> {
        const MAGIC: u32 = u32::from_le_bytes(*b"virt");
        const BLOCK_DEVICE: u32 = 2;
        let mut disks = heapless::Vec::new();
        for place in tree.map(devices::virtio).unwrap_or_default() {
            let [magic, kind] = kernel.probe(place.address, [0, 8])?;
            if (magic, kind) == (MAGIC, BLOCK_DEVICE)
                && let Err(place) = disks.push(place)
            {
                log!("root: the disk at {:#x} is not used: {MAX_DISKS} are the most", place.address);
            }
        }
        Ok(Self { serial: tree.and_then(devices::serial), disks })
    }

    /// What a server drives.
    pub(crate) fn of(&self, server: &str) -> Driven<'_> {
        match (server, &self.serial) {
            ("console", Some(serial)) => Driven::Line(serial.console),
            ("block", _) => Driven::Disks(&self.disks),
            ("default-pager" | "memory-pager", _) => Driven::Paging,
            _ => Driven::Nothing,
        }
    }
}

/// What a server drives.
#[derive(Clone, Copy)]
pub(crate) enum Driven<'a> {
    /// No device.
    Nothing,
    /// No device, but the paging of anonymous memory.
    Paging,
    /// A serial line.
    Line(Uart),
    /// The disks.
    Disks(&'a [Virtio]),
}

impl Driven<'_> {
    /// Whether the server is a driver whose device is not there, so that it need not be started.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Disks([]))
    }

    /// The server's priority.
    pub(crate) fn priority(&self) -> u8 {
        match self {
            Self::Disks(_) => priority::DRIVER,
            Self::Paging => priority::DEFAULT_PAGER,
            Self::Nothing | Self::Line(_) => priority::SERVER,
        }
    }

    /// The pages of the devices, in the order in which they are mapped.
    fn pages(&self) -> Vec<u64> {
        let mut pages = match self {
            Self::Nothing | Self::Paging => Vec::new(),
            Self::Line(line) => Vec::from([page_of(line.address)]),
            Self::Disks(disks) => disks.iter().map(|disk| page_of(disk.address)).collect(),
        };
        pages.dedup();
        pages
    }

    /// The server's arguments.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let pages = self.pages();
        let mapped = |address: u64| {
            let page = pages.iter().zip(0..).find(|(page, _)| **page == page_of(address)).map_or(0, |(_, index)| index);
            format!("{:#x}", DEVICE_BASE + page * 0x1000 + (address - page_of(address)))
        };
        match self {
            Self::Nothing | Self::Paging => Vec::new(),
            Self::Line(line) => {
                let mut arguments = Vec::from([line.kind.name().into(), mapped(line.address)]);
                arguments.extend(line.irq.map(|irq| format!("{irq}")));
                arguments
            }
            Self::Disks(disks) => disks.iter().map(|disk| mapped(disk.address)).collect(),
        }
    }

    /// Gives a server that is not running yet its devices.
    pub(crate) fn grant(&self, kernel: &mut Kernel, server: Loaded) -> Result<(), Failure> {
        for page in self.pages() {
            let page = kernel.device_page(page)?;
            let request = TaskMapDevice { host_priv: HOST_PRIV, cptr: page.word() };
            call(server.task, &request).map_err(|code| Failure::Call("mapping a device", code))?;
        }
        let mut capabilities = Vec::new();
        match self {
            Self::Nothing | Self::Paging => {}
            Self::Line(line) => {
                if let Some(irq) = line.irq {
                    let (notification, handler) = kernel.interrupt(irq)?;
                    capabilities.extend([notification.word(), handler.word()]);
                }
            }
            Self::Disks(disks) => {
                for disk in *disks {
                    capabilities.push(kernel.handler(disk.irq)?.word());
                }
            }
        }
        for (cptr, slot) in capabilities.into_iter().zip(FIRST_GRANT_SLOT..) {
            thread_grant_cap(server.thread, HOST_PRIV, cptr, slot)
                .map_err(|code| Failure::Call("granting a capability", code))?;
        }
        Ok(())
    }
}
