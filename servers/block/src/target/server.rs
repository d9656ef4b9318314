//! What the server does: it finds disks, answers clients, and sleeps until a message or an interrupt rings its doorbell.

use alloc::vec::Vec;
use core::fmt;

use block::disks::{Device, Disks};
use block::mbr::partitions;
use block::traffic::{Place, Traffic};
use libmach::memory_object::{Doorbell, port_doorbell};
use libmach::msg::{
    CarriedRight, PortMessage, Timeout, destroy_right, mach_msg_destroy, receive, reply_or_destroy, send,
};
use libmach::port::{
    Disposition, ReceivePort, Right, mach_port_allocate, mach_port_deallocate, mach_port_destroy,
    mach_port_move_member, mach_port_request_notification, notify,
};
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, RemapRequest, VmInherit, vm_remap};
use libmach::{KernReturn, PortName, Result, names};
use mach_protocol::block::ring::Bounds;
use mach_protocol::block::{BLOCK, BLOCK_DONE, BLOCK_INFO, BLOCK_OPEN, MAX_DATA_PAGES, OpenReply, OpenRequest, body};
use mach_protocol::private::FIRST_GRANT_SLOT;
use mach_protocol::service::answer;
use mach_protocol::wire::{Wire, Words};
use mach_sys::Cap;

use super::dma::Shared;
use super::virtio::Virtio;

/// The most data pages of all sessions together: they are wired.
const MAX_PAGES: u64 = 4 * MAX_DATA_PAGES;

/// Why the server cannot start.
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

/// The other end of a session.
struct Client {
    /// The session port, which the server receives from.
    port: PortName,
    /// A send right to the client's notify port.
    notify: PortName,
    /// Its disk.
    disk: usize,
    pages: u64,
}

struct Server {
    service: ReceivePort,
    set: PortName,
    devices: Vec<Virtio>,
    disks: Disks,
    traffic: Traffic<Shared>,
    /// By the number of the session.
    clients: Vec<Option<Client>>,
}

/// Serves for ever.
pub(crate) fn main() -> core::result::Result<(), Problem> {
    let me = mach_task_self();
    let service = ReceivePort::new()?;
    let set = mach_port_allocate(me, Right::PORT_SET)?;
    mach_port_move_member(me, service.name(), set)?;
    let bell = port_doorbell(set)?;
    let (devices, disks) = (Vec::new(), Disks::default());
    let mut server = Server { service, set, devices, disks, traffic: Traffic::default(), clients: Vec::new() };
    server.find_disks(bell);
    names::register(BLOCK, server.service.name())?;
    loop {
        server.work();
        bell.wait();
    }
}

impl Server {
    /// Starts the devices that the arguments name. One that does not work is left out.
    fn find_disks(&mut self, bell: Doorbell) {
        for (argument, slot) in libmach::args().skip(1).zip(u64::from(FIRST_GRANT_SLOT)..) {
            let address = argument.strip_prefix("0x").and_then(|text| u64::from_str_radix(text, 16).ok());
            match Virtio::start(address.unwrap_or_default(), Cap::new(slot), bell.notification()) {
                Ok(mut device) => {
                    let (sectors, is_read_only) = (device.sectors, device.is_read_only());
                    let table = device.first_sector();
                    let parts = table.map(|table| partitions(&table, sectors)).unwrap_or_default();
                    let about = Device { sectors, is_read_only, serial: &device.serial };
                    self.disks.add(self.devices.len(), about, &parts);
                    self.devices.push(device);
                }
                Err(problem) => names::note(&alloc::format!("block: the disk at {argument} is left out: {problem}")),
            }
        }
    }

    /// Does all that there is to do, and says that it sleeps.
    fn work(&mut self) {
        loop {
            while let Ok(message) = receive(self.set, Timeout::Millis(0)) {
                self.serve(&message);
            }
            self.devices.iter_mut().for_each(Virtio::take_interrupt);
            self.traffic.pump(&mut self.devices);
            self.wake_clients();
            self.end_sessions();
            self.traffic.sleeps();
            // What was asked or finished since would wait for the next signal.
            if !self.traffic.pump(&mut self.devices) {
                return;
            }
            self.wake_clients();
        }
    }

    fn wake_clients(&mut self) {
        while let Some(session) = self.traffic.take_wake() {
            if let Some(Some(client)) = self.clients.get(session) {
                let mut done = PortMessage::new(BLOCK_DONE);
                done.header.remote = CarriedRight { name: client.notify, disposition: Disposition::COPY_SEND };
                // A full queue wakes the client as well, and one that is gone needs no waking.
                let _ = send(&done, Timeout::Millis(0));
            }
        }
    }

    /// Gives back what sessions had that are over.
    fn end_sessions(&mut self) {
        while let Some((session, memory)) = self.traffic.take_ended() {
            drop(memory);
            if let Some(client) = self.clients.get_mut(session).and_then(Option::take) {
                // Both rights are the server's own; the session port may be gone already.
                let _ = mach_port_destroy(mach_task_self(), client.port);
                let _ = mach_port_deallocate(mach_task_self(), client.notify);
                self.disks.close(client.disk);
            }
        }
    }

    fn serve(&mut self, message: &PortMessage) {
        let port = message.header.local.name;
        if port != self.service.name() {
            // A kick needs nothing but that the server looks at the rings. Whoever pretends that its session has no senders
            // any more ends it.
            let is_port = |client: &Option<Client>| client.as_ref().is_some_and(|client| client.port == port);
            if message.header.id == notify::NO_SENDERS as i32
                && let Some(session) = self.clients.iter().position(is_port)
            {
                self.traffic.end(session);
            }
            return mach_msg_destroy(message);
        }
        let answered = match message.header.id {
            BLOCK_INFO => {
                let info = message.data_words().first().and_then(|index| self.disks.info(*index));
                Ok(with(BLOCK_INFO, info.ok_or(KernReturn::INVALID_ARGUMENT)))
            }
            BLOCK_OPEN => self.open(message),
            id => Ok(answer(id, KernReturn::MIG_BAD_ID)),
        };
        match answered {
            Ok(answer) => self.answer(message, &answer),
            Err(code) => self.answer(message, &answer(message.header.id, code)),
        }
    }

    /// Answers a request, and lets the rights in it go that were not kept.
    fn answer(&mut self, request: &PortMessage, answer: &PortMessage) {
        let opened = answer.rights().first().map(|right| right.name);
        // Who cannot be answered is gone.
        let was_answered = reply_or_destroy(request, answer);
        let session = opened.and_then(|port| {
            self.clients.iter().position(|client| client.as_ref().is_some_and(|client| client.port == port))
        });
        if let Some(session) = session.filter(|_| !was_answered) {
            self.traffic.end(session);
        }
        for (index, right) in request.rights().iter().enumerate() {
            let is_kept = session.is_some() && index == NOTIFY;
            if !is_kept {
                // A port's send rights, which sessions may keep, stay by their name.
                destroy_right(right);
            }
        }
    }

    /// Begins a session.
    fn open(&mut self, message: &PortMessage) -> Result<PortMessage> {
        let request: OpenRequest = body(message, 0).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let &[task, notify] = message.rights() else { return Err(KernReturn::INVALID_ARGUMENT) };
        let are_sends = [task, notify].iter().all(|right| right.disposition == Disposition::PORT_SEND);
        if !are_sends || !(1..=MAX_DATA_PAGES).contains(&request.pages) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let used: u64 = self.clients.iter().flatten().map(|client| client.pages).sum();
        if !self.traffic.has_room() || used + request.pages > MAX_PAGES {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        let disk = self.disks.open(&request.name)?;
        self.begin(disk, request.pages, task.name, notify.name).inspect_err(|_| self.disks.close(disk))
    }

    fn begin(&mut self, disk: usize, pages: u64, task: PortName, notify: PortName) -> Result<PortMessage> {
        let me = mach_task_self();
        let about = self.disks.get(disk).ok_or(KernReturn::INVALID_NAME)?;
        let place = Place { device: about.device, start: about.start };
        let bounds = Bounds { sectors: about.sectors, data: pages * PAGE_SIZE, is_read_only: about.is_read_only };
        let memory = Shared::new(pages + 1)?;
        let request = RemapRequest {
            inheritance: VmInherit::NONE,
            ..RemapRequest::anywhere(me, memory.address(), memory.size())
        };
        let address = vm_remap(task, &request)?.address;
        let port = mach_port_allocate(me, Right::RECEIVE)?;
        // The notification comes when the right that goes with the answer is gone: it is the first.
        let told = mach_port_move_member(me, port, self.set).and_then(|()| {
            let kind = notify::NO_SENDERS;
            mach_port_request_notification(me, port, kind, 1, port, Disposition::MAKE_SEND_ONCE)
        });
        if let Err(code) = told {
            let _ = mach_port_destroy(me, port);
            return Err(code);
        }
        let session = self.traffic.begin(memory, place, bounds);
        if self.clients.len() <= session {
            self.clients.resize_with(session + 1, || None);
        }
        if let Some(client) = self.clients.get_mut(session) {
            *client = Some(Client { port, notify, disk, pages });
        }
        let reply = OpenReply { address, sectors: bounds.sectors, is_read_only: bounds.is_read_only };
        let mut answer = with(BLOCK_OPEN, Ok(reply));
        // One right and four words fit.
        let _ = answer.push_right(CarriedRight { name: port, disposition: Disposition::MAKE_SEND });
        Ok(answer)
    }
}

/// The right to the notify port in a request to open.
const NOTIFY: usize = 1;

/// The answer to a request, with outs if it went well.
fn with<T: Wire>(id: i32, outs: Result<T>) -> PortMessage {
    let mut message = answer(id, outs.as_ref().err().copied().unwrap_or(KernReturn::SUCCESS));
    if let Ok(outs) = outs {
        let mut words = Words::new();
        outs.pack(&mut words);
        // The outs of every request fit a message.
        let _ = words.as_slice().iter().try_for_each(|word| message.push_word(*word));
    }
    message
}
