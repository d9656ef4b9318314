//! The name service: who offers what. It is behind every task's bootstrap port.

use alloc::collections::BTreeMap;
use alloc::string::String;

use libmach::msg::{CarriedRight, PortMessage, Timeout, send};
use libmach::port::{Disposition, mach_port_deallocate, mach_port_destroy};
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName};
use mach_protocol::service::{NAMES_LOOKUP, NAMES_REGISTER, answer, requested_name};

/// Names that can be registered: what bounds the memory that clients can make root use.
const MAX_NAMES: usize = 256;

/// The names.
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
                Some(right) => answer(NAMES_REGISTER, self.register(name, right.name)),
                None => answer(NAMES_REGISTER, KernReturn::INVALID_CAPABILITY),
            },
            NAMES_LOOKUP => self.lookup(&name),
            id => answer(id, KernReturn::MIG_BAD_ID),
        };
        // Rights that no request has are let go.
        carried.for_each(|right| let_go(right.name));
        reply(request, answer);
    }

    fn register(&mut self, name: String, right: PortName) -> KernReturn {
        let refused = if name.is_empty() || !right.is_valid() {
            KernReturn::INVALID_ARGUMENT
        } else if self.has(&name) {
            KernReturn::NAME_EXISTS
        } else if self.rights.len() >= MAX_NAMES {
            KernReturn::RESOURCE_SHORTAGE
        } else {
            self.rights.insert(name, right);
            return KernReturn::SUCCESS;
        };
        let_go(right);
        refused
    }

    fn lookup(&self, name: &str) -> PortMessage {
        let Some(&name) = self.rights.get(name) else { return answer(NAMES_LOOKUP, KernReturn::INVALID_NAME) };
        let mut found = answer(NAMES_LOOKUP, KernReturn::SUCCESS);
        match found.push_right(CarriedRight { name, disposition: Disposition::COPY_SEND }) {
            Ok(()) => found,
            Err(_) => answer(NAMES_LOOKUP, KernReturn::RESOURCE_SHORTAGE),
        }
    }
}

/// Answers a request that carries a reply right; without waiting, since a client may not.
fn reply(request: &PortMessage, mut answer: PortMessage) {
    let to = request.header.remote;
    if !to.name.is_valid() {
        return;
    }
    answer.header.remote = to;
    if send(&answer, Timeout::Millis(0)).is_err() {
        let_go(to.name);
    }
}

/// Gives up a right that came in a message, whatever it is.
fn let_go(name: PortName) {
    let me = mach_task_self();
    if name.is_valid() && mach_port_deallocate(me, name).is_err() {
        // A receive right is not deallocated but destroyed; nothing else can be wrong with a name of root's own.
        let _ = mach_port_destroy(me, name);
    }
}
