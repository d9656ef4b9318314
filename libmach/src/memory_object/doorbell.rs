//! Doorbells: one notification for messages, interrupts, and partners that share memory.

use mach_protocol::private::{PortDoorbell, PortRing, signals};
use mach_sys::Cap;
use mach_sys::cap::Notification;

use crate::rpc::{call, call_for_caller};
use crate::{PortName, Result};

/// A signal for messages: see [`port_doorbell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell(Cap<Notification>);

impl Doorbell {
    /// Waits until a message comes, or whatever else signals. Answers what it was. Only the thread that asked for the
    /// doorbell can.
    ///
    /// A message may have been received since the signal: receive without waiting, until nothing is left.
    pub fn wait(self) -> Heard {
        Heard(self.0.wait().0)
    }

    /// What signalled it since the last wait or poll.
    #[must_use]
    pub fn poll(self) -> Heard {
        Heard(self.0.poll().0)
    }

    /// The capability, in the CSpace of the thread that asked: to be signalled by an interrupt as well
    /// ([`Heard::own`]).
    #[must_use]
    pub fn notification(self) -> Cap<Notification> {
        self.0
    }
}

/// What a doorbell was signalled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard(u64);

impl Heard {
    /// Everything: what a receiver that has just begun must expect.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether it was signalled at all.
    #[must_use]
    pub const fn anything(self) -> bool {
        self.0 != 0
    }

    /// A message came.
    #[must_use]
    pub const fn message(self) -> bool {
        self.0 & signals::MESSAGE != 0
    }

    /// An interrupt came, or whatever else signals the capability of [`Doorbell::notification`].
    #[must_use]
    pub const fn own(self) -> bool {
        self.0 & signals::OWN != 0
    }
}

/// What rings the doorbell of a partner: see [`port_ring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring(Cap<Notification>);

impl Ring {
    /// Rings it. Only the thread that asked can; once the doorbell is gone, nothing happens.
    pub fn ring(self) {
        self.0.signal();
    }
}

/// What rings, for the calling thread, the doorbell of who receives from the port to which `name` is a send right: for
/// partners that share memory and need no messages.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`: it is no send right; `FAILURE`: nobody has a doorbell there; `NO_SPACE` if the
/// thread has no room for capabilities.
pub fn port_ring(name: PortName) -> Result<Ring> {
    call_for_caller(&PortRing { name }).map(|reply| Ring(Cap::from_slot(u64::from(reply.slot))))
}

/// A notification for the calling thread that is signalled whenever a message comes to the empty queue of `name`, a
/// receive right or a port set of the task's; at once if one waits already.
///
/// # Errors
///
/// `INVALID_RIGHT` if the task does not receive from `name`, `NO_SPACE` if the thread has no room for capabilities.
pub fn port_doorbell(name: PortName) -> Result<Doorbell> {
    call(name, &PortDoorbell {}).map(|reply| Doorbell(Cap::from_slot(u64::from(reply.slot))))
}
