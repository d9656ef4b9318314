//! What the server does: it finds disks, answers clients, and sleeps until a message or an interrupt rings its doorbell.

use alloc::vec::Vec;
use core::fmt;

use block::disks::{Device, Disks, Part};
use block::mbr::{is_signed, partitions};
use block::traffic::{Place, Traffic};
use libmach::memory_object::{Doorbell, Heard, Ring, port_doorbell, port_ring, vm_region_create_proxy};
use libmach::msg::{
    CarriedRight, PortMessage, Timeout, destroy_right, mach_msg_destroy, receive, reply_or_destroy, send,
};
use libmach::port::{
    Disposition, ReceivePort, Right, mach_port_allocate, mach_port_deallocate, mach_port_destroy,
    mach_port_move_member, mach_port_request_notification, notify,
};
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, PortName, Result, names};
use mach_protocol::block::ring::Bounds;
use mach_protocol::block::{BLOCK, DISKS, MAX_DATA_PAGES, OpenReply, OpenRequest, body};
use mach_protocol::block::{BLOCK_DONE, BLOCK_INFO, BLOCK_OPEN, BLOCK_RING};
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
    /// What rings the client's bell, if it wants that.
    ring: Option<Ring>,
    /// What it has open.
    part: Part,
    pages: u64,
}

struct Server {
    /// Where everybody asks what disks there are.
    service: ReceivePort,
    /// Where those open them who may.
    opening: ReceivePort,
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
    let (service, opening) = (ReceivePort::new()?, ReceivePort::new()?);
    let set = mach_port_allocate(me, Right::PORT_SET)?;
    for port in [&service, &opening] {
        mach_port_move_member(me, port.name(), set)?;
    }
    let bell = port_doorbell(set)?;
    let (devices, disks) = (Vec::new(), Disks::default());
    let traffic = Traffic::default();
    let mut server = Server { service, opening, set, devices, disks, traffic, clients: Vec::new() };
    server.find_disks(bell);
    // Whoever finds the server finds the way to open disks as well, if it may.
    names::register(DISKS, server.opening.name())?;
    names::register(BLOCK, server.service.name())?;
    let mut heard = Heard::ALL;
    loop {
        server.work(heard);
        heard = bell.wait();
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
                    let is_signed = table.is_none_or(|table| is_signed(&table));
                    let parts = table.map(|table| partitions(&table, sectors)).unwrap_or_default();
                    let about = Device { sectors, is_read_only, is_signed, serial: &device.serial };
                    self.disks.add(self.devices.len(), about, &parts);
                    self.devices.push(device);
                }
                Err(problem) => names::note(&alloc::format!("block: the disk at {argument} is left out: {problem}")),
            }
        }
    }

    /// Does all that there is to do, and says that it sleeps. What is heard meanwhile is heard again by who waits.
    fn work(&mut self, heard: Heard) {
        if heard.message() {
            while let Ok(message) = receive(self.set, Timeout::Millis(0)) {
                self.serve(&message);
            }
        }
        if heard.own() {
            self.devices.iter_mut().for_each(Virtio::take_interrupt);
        }
        loop {
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
                if let Some(bell) = client.ring {
                    bell.ring();
                    continue;
                }
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
                self.disks.close(&client.part);
            }
        }
    }

    /// A client's bell is to be rung from now on, if there is one, and at once: what was done before may have been told by a
    /// message that nobody receives.
    fn ring(&mut self, session: usize) {
        if let Some(Some(client)) = self.clients.get_mut(session) {
            client.ring = port_ring(client.notify).ok();
            client.ring.into_iter().for_each(Ring::ring);
        }
    }

    fn serve(&mut self, message: &PortMessage) {
        let port = message.header.local.name;
        let may_open = port == self.opening.name();
        if port != self.service.name() && !may_open {
            // A kick needs nothing but that the server looks at the rings. Whoever pretends that its session has no senders
            // any more ends it.
            const NO_SENDERS: i32 = notify::NO_SENDERS as i32;
            let is_port = |client: &Option<Client>| client.as_ref().is_some_and(|client| client.port == port);
            let session = self.clients.iter().position(is_port);
            match (session, message.header.id) {
                (Some(session), NO_SENDERS) => self.traffic.end(session),
                (Some(session), BLOCK_RING) => self.ring(session),
                _ => {}
            }
            return mach_msg_destroy(message);
        }
        let answered = match message.header.id {
            BLOCK_INFO => {
                let info = message.data_words().first().and_then(|index| self.disks.info(*index));
                Ok(with(BLOCK_INFO, info.ok_or(KernReturn::INVALID_ARGUMENT)))
            }
            BLOCK_OPEN if may_open => self.open(message),
            BLOCK_OPEN => Err(KernReturn::INVALID_CAPABILITY),
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
        let &[notify] = message.rights() else { return Err(KernReturn::INVALID_ARGUMENT) };
        if notify.disposition != Disposition::PORT_SEND || !(1..=MAX_DATA_PAGES).contains(&request.pages) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let used: u64 = self.clients.iter().flatten().map(|client| client.pages).sum();
        if !self.traffic.has_room() || used + request.pages > MAX_PAGES {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        let part = self.disks.open(&request.name, request.start, request.sectors)?;
        self.begin(part, request.pages, notify.name).inspect_err(|_| self.disks.close(&part))
    }

    /// Every call here is about the server's own task: nothing waits for a client.
    fn begin(&mut self, part: Part, pages: u64, notify: PortName) -> Result<PortMessage> {
        let me = mach_task_self();
        let Part { device, start, sectors, is_read_only } = part;
        let memory = Shared::new(pages + 1)?;
        let proxy = vm_region_create_proxy(me, memory.address(), VmProt::DEFAULT, memory.size())?;
        let port = match self.session_port() {
            Ok(port) => port,
            Err(code) => {
                destroy_right(&CarriedRight { name: proxy, disposition: Disposition::PORT_SEND });
                return Err(code);
            }
        };
        let bounds = Bounds { sectors, data: pages * PAGE_SIZE, is_read_only };
        let session = self.traffic.begin(memory, Place { device, start }, bounds);
        if self.clients.len() <= session {
            self.clients.resize_with(session + 1, || None);
        }
        if let Some(client) = self.clients.get_mut(session) {
            *client = Some(Client { port, notify, ring: None, part, pages });
        }
        let mut answer = with(BLOCK_OPEN, Ok(OpenReply { sectors, is_read_only }));
        for (name, disposition) in [(port, Disposition::MAKE_SEND), (proxy, Disposition::MOVE_SEND)] {
            // Two rights and three words fit.
            let _ = answer.push_right(CarriedRight { name, disposition });
        }
        Ok(answer)
    }

    /// A port for a session, which says when its client is gone.
    fn session_port(&self) -> Result<PortName> {
        let me = mach_task_self();
        let port = mach_port_allocate(me, Right::RECEIVE)?;
        // The notification comes when the right that goes with the answer is gone: it is the first.
        let told = mach_port_move_member(me, port, self.set).and_then(|()| {
            let kind = notify::NO_SENDERS;
            mach_port_request_notification(me, port, kind, 1, port, Disposition::MAKE_SEND_ONCE)
        });
        if let Err(code) = told {
            // The server's own port, which nobody else has heard of: the failure above is what is reported.
            let _ = mach_port_destroy(me, port);
            return Err(code);
        }
        Ok(port)
    }
}

/// The right to the notify port in a request to open.
const NOTIFY: usize = 0;

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
