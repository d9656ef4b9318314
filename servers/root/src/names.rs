//! The name service: who offers what. It is behind every task's bootstrap port.

use alloc::collections::BTreeMap;
use alloc::string::String;

use libmach::msg::{CarriedRight, PortMessage, Timeout, destroy_right, send};
use libmach::port::{Disposition, PortType, mach_port_deallocate, mach_port_type};
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName};
use mach_protocol::service::{NAMES_LOOKUP, NAMES_NOTE, NAMES_REGISTER, answer, requested_name};

use crate::log::log;

/// Writes what a task notes to the log. The line begins so that nobody takes it for one of root's own.
fn note(request: &PortMessage) -> PortMessage {
    let text = request.data_bytes_from(0).filter(|byte| *byte != 0);
    let shown = text.map(|byte| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' });
    log!("note: {}", shown.collect::<String>());
    answer(NAMES_NOTE, KernReturn::SUCCESS)
}

/// Names that can be registered: what bounds the memory that clients can make root use.
const MAX_NAMES: usize = 256;

/// The names. One whose port has died is free: it is forgotten when it is next asked for, or when room is needed.
pub(crate) struct Names {
    rights: BTreeMap<String, PortName>,
}

impl Names {
    pub(crate) const fn new() -> Self {
        Self { rights: BTreeMap::new() }
    }

    /// Whether somebody has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.rights.contains_key(name)
    }

    /// The right that somebody gave this name.
    pub(crate) fn get(&self, name: &str) -> Option<PortName> {
        self.rights.get(name).copied()
    }

    /// Serves one request.
    pub(crate) fn serve(&mut self, request: &PortMessage) {
        let name: String =
            requested_name(request).map(|name| name.bytes().map(char::from).collect()).unwrap_or_default();
        let mut carried = request.rights().iter();
        let answer = match request.header.id {
            NAMES_REGISTER => match carried.next() {
                Some(right) => answer(NAMES_REGISTER, self.register(name, right)),
                None => answer(NAMES_REGISTER, KernReturn::INVALID_CAPABILITY),
            },
            NAMES_LOOKUP => self.lookup(&name),
            NAMES_NOTE => note(request),
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
    /// | 3 | nobody has the name whose port lives              | `NAME_EXISTS`        |
    /// | 4 | there are not too many names whose ports live     | `RESOURCE_SHORTAGE`  |
    fn register(&mut self, name: String, right: &CarriedRight) -> KernReturn {
        let refused = if name.is_empty() || !right.name.is_valid() {
            KernReturn::INVALID_ARGUMENT
        } else if right.disposition != Disposition::PORT_SEND {
            KernReturn::INVALID_CAPABILITY
        } else if self.find(&name).is_some() {
            KernReturn::NAME_EXISTS
        } else if !self.has_room() {
            KernReturn::RESOURCE_SHORTAGE
        } else {
            self.rights.insert(name, right.name);
            return KernReturn::SUCCESS;
        };
        destroy_right(right);
        refused
    }

    fn lookup(&mut self, name: &str) -> PortMessage {
        let Some(name) = self.find(name) else { return answer(NAMES_LOOKUP, KernReturn::INVALID_NAME) };
        let mut found = answer(NAMES_LOOKUP, KernReturn::SUCCESS);
        match found.push_right(CarriedRight { name, disposition: Disposition::COPY_SEND }) {
            Ok(()) => found,
            Err(_) => answer(NAMES_LOOKUP, KernReturn::RESOURCE_SHORTAGE),
        }
    }

    /// The right behind a name whose port lives.
    fn find(&mut self, name: &str) -> Option<PortName> {
        let right = self.get(name)?;
        if is_alive(right) {
            return Some(right);
        }
        self.rights.remove(name);
        let_go(right);
        None
    }

    /// Whether one more name can be kept; dead ones go if there would be no room otherwise.
    fn has_room(&mut self) -> bool {
        if self.rights.len() >= MAX_NAMES {
            self.rights.retain(|_, right| {
                let is_alive = is_alive(*right);
                if !is_alive {
                    let_go(*right);
                }
                is_alive
            });
        }
        self.rights.len() < MAX_NAMES
    }
}

/// Whether a name of root's is still a send right, and not what is left of one.
fn is_alive(right: PortName) -> bool {
    mach_port_type(mach_task_self(), right).is_ok_and(|is| is.contains(PortType::SEND))
}

/// Drops the reference that a registered name holds.
fn let_go(right: PortName) {
    // Root's own name of a right that it was given: nothing can be wrong with it.
    let _ = mach_port_deallocate(mach_task_self(), right);
}

/// Answers a request that carries a reply right; without waiting, since a client may not.
fn reply(request: &PortMessage, mut answer: PortMessage) {
    let to = request.header.remote;
    if !to.name.is_valid() {
        return;
    }
    answer.header.remote = to;
    if send(&answer, Timeout::Millis(0)).is_err() {
        destroy_right(&to);
    }
}
