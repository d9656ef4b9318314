//! The name service: who offers what. A port of it is behind every task's bootstrap port.

use alloc::collections::BTreeMap;
use alloc::string::String;

use libmach::msg::{CarriedRight, PortMessage, Timeout, destroy_right, send};
use libmach::port::{
    Disposition, PortType, Right, mach_port_allocate, mach_port_deallocate, mach_port_destroy, mach_port_insert_right,
    mach_port_move_member, mach_port_request_notification, mach_port_type, notify,
};
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName, Result};
use mach_protocol::service::{NAMES_DIVIDE, NAMES_LOOKUP, NAMES_NOTE, NAMES_REGISTER, answer, requested_name};
use root::registry::{Client, ClientId, Registry, Rights};

use crate::log::log;

/// Writes what a task notes to the log. The line begins so that nobody takes it for one of root's own.
fn note(request: &PortMessage) -> PortMessage {
    let text = request.data_bytes_from(0).filter(|byte| *byte != 0);
    let shown = text.map(|byte| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' });
    log!("note: {}", shown.collect::<String>());
    answer(NAMES_NOTE, KernReturn::SUCCESS)
}

/// Root's own rights.
struct Own;

impl Rights for Own {
    type Right = PortName;

    /// Whether a name of root's is still a send right, and not what is left of one.
    fn is_alive(&self, right: PortName) -> bool {
        mach_port_type(mach_task_self(), right).is_ok_and(|is| is.contains(PortType::SEND))
    }

    fn let_go(&mut self, right: PortName) {
        // Root's own name of a right that it was given: nothing can be wrong with it.
        let _ = mach_port_deallocate(mach_task_self(), right);
    }
}

/// The names, and the ports by which they are asked for.
pub(crate) struct Names {
    registry: Registry<Own>,
    clients: BTreeMap<PortName, Client>,
    /// The set that clients' ports are in.
    set: PortName,
}

impl Names {
    pub(crate) const fn new(set: PortName) -> Self {
        Self { registry: Registry::new(Own), clients: BTreeMap::new(), set }
    }

    /// Keeps a name for the system's servers.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.registry.reserve(name);
    }

    /// Whether somebody who lives has this name.
    pub(crate) fn has(&mut self, name: &str) -> bool {
        self.registry.find(name).is_some()
    }

    /// The right that somebody gave this name.
    pub(crate) fn get(&mut self, name: &str) -> Option<PortName> {
        self.registry.find(name)
    }

    /// Whether this is the port of a client.
    pub(crate) fn is_client(&self, port: PortName) -> bool {
        self.clients.contains_key(&port)
    }

    /// Makes a port for a client. Root keeps a send right to it, which the caller passes on or drops; when the last one is
    /// gone, so is the client.
    ///
    /// # Errors
    ///
    /// Those of making ports.
    pub(crate) fn client(&mut self, client: Client) -> Result<PortName> {
        let me = mach_task_self();
        let port = mach_port_allocate(me, Right::RECEIVE)?;
        let made = mach_port_insert_right(me, port, port, Disposition::MAKE_SEND)
            .and_then(|()| mach_port_move_member(me, port, self.set))
            .and_then(|()| {
                let kind = notify::NO_SENDERS;
                mach_port_request_notification(me, port, kind, 1, port, Disposition::MAKE_SEND_ONCE).map(drop)
            });
        if let Err(code) = made {
            destroy(port);
            return Err(code);
        }
        self.clients.insert(port, client);
        Ok(port)
    }

    /// Serves one message at a client's port.
    pub(crate) fn serve(&mut self, request: &PortMessage) {
        let port = request.header.local.name;
        let Some(client) = self.clients.get(&port).copied() else { return };
        if request.header.is_from_server && request.header.id == notify::NO_SENDERS as i32 {
            self.clients.remove(&port);
            self.registry.end(id(port));
            return destroy(port);
        }
        let name: String =
            requested_name(request).map(|name| name.bytes().map(char::from).collect()).unwrap_or_default();
        let mut carried = request.rights().iter();
        let answer = match request.header.id {
            NAMES_REGISTER => match carried.next() {
                Some(right) => answer(NAMES_REGISTER, self.register(port, client, name, right)),
                None => answer(NAMES_REGISTER, KernReturn::INVALID_CAPABILITY),
            },
            NAMES_LOOKUP => {
                let found = self.registry.lookup(client, &name);
                with_right(NAMES_LOOKUP, found.map(|name| (name, Disposition::COPY_SEND)))
            }
            NAMES_NOTE => note(request),
            NAMES_DIVIDE if client.is_system => {
                let made = self.client(Client::default());
                with_right(NAMES_DIVIDE, made.map(|name| (name, Disposition::MOVE_SEND)))
            }
            NAMES_DIVIDE => answer(NAMES_DIVIDE, KernReturn::NO_ACCESS),
            id => answer(id, KernReturn::MIG_BAD_ID),
        };
        // Rights that no request has are let go.
        carried.for_each(destroy_right);
        reply(request, answer);
    }

    /// Gives a name to the port behind a send right, and keeps the right.
    ///
    /// | # | check                                             | code                 |
    /// |---|---------------------------------------------------|----------------------|
    /// | 1 | there is a name, and a right that did not die     | `INVALID_ARGUMENT`   |
    /// | 2 | it is a send right                                | `INVALID_CAPABILITY` |
    /// | 3 | those of [`Registry::register`]                   |                      |
    fn register(&mut self, port: PortName, client: Client, name: String, right: &CarriedRight) -> KernReturn {
        let refused = if name.is_empty() || !right.name.is_valid() {
            KernReturn::INVALID_ARGUMENT
        } else if right.disposition != Disposition::PORT_SEND {
            KernReturn::INVALID_CAPABILITY
        } else {
            match self.registry.register(id(port), client, name, right.name) {
                Ok(()) => return KernReturn::SUCCESS,
                Err(code) => code,
            }
        };
        destroy_right(right);
        refused
    }
}

/// The number of the client with this port.
const fn id(port: PortName) -> ClientId {
    port.0
}

/// An answer with a right, or with a code alone.
fn with_right(request: i32, found: Result<(PortName, Disposition)>) -> PortMessage {
    let mut message = answer(request, found.err().unwrap_or(KernReturn::SUCCESS));
    if let Ok((name, disposition)) = found {
        // An answer has room for a right.
        let _ = message.push_right(CarriedRight { name, disposition });
    }
    message
}

/// Destroys a port of root's own.
fn destroy(port: PortName) {
    // Nothing can be wrong with it.
    let _ = mach_port_destroy(mach_task_self(), port);
}

/// Answers a request that carries a reply right; without waiting, since a client may not. Rights that the answer moves go if
/// it cannot be sent.
fn reply(request: &PortMessage, mut answer: PortMessage) {
    answer.header.remote = request.header.remote;
    if !answer.header.remote.name.is_valid() || send(&answer, Timeout::Millis(0)).is_err() {
        let moved = answer.rights().iter().filter(|right| right.disposition == Disposition::MOVE_SEND);
        moved.chain([&request.header.remote]).for_each(destroy_right);
    }
}
