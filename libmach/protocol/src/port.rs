//! Port names and rights (`spec/mach-ports-tasks.md` D.3 and D.4), by the ids of GNU Mach.
//!
//! The target of every request is the name of the task whose name space is meant; names in the arguments are
//! names of that space, but for rights given and taken (`insert_right`, `extract_right`,
//! `request_notification`), which are the caller's.

use crate::PortName;
use crate::table::{subsystem, wire_struct};

/// A kind of right, `mach_port_right_t`. A transparent number: servers refuse unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Right(pub u32);

impl Right {
    /// To send messages.
    pub const SEND: Self = Self(0);
    /// To receive them.
    pub const RECEIVE: Self = Self(1);
    /// To send one message.
    pub const SEND_ONCE: Self = Self(2);
    /// To receive from any of a group of ports.
    pub const PORT_SET: Self = Self(3);
    /// What a right to send becomes when its port dies.
    pub const DEAD_NAME: Self = Self(4);
    /// The number of kinds.
    pub const NUMBER: u32 = 5;

    /// The bit of this kind in a [`PortType`]; kinds that do not exist have none.
    #[must_use]
    pub const fn port_type(self) -> PortType {
        if self.0 < Self::NUMBER { PortType(1 << (self.0 + 16)) } else { PortType(0) }
    }
}

/// What a name denotes, `mach_port_type_t`: a bit for each kind of right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortType(pub u32);

impl PortType {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A send right.
    pub const SEND: Self = Self(0x1_0000);
    /// A receive right.
    pub const RECEIVE: Self = Self(0x2_0000);
    /// A send-once right.
    pub const SEND_ONCE: Self = Self(0x4_0000);
    /// A port set.
    pub const PORT_SET: Self = Self(0x8_0000);
    /// A dead name.
    pub const DEAD_NAME: Self = Self(0x10_0000);
    /// Send and receive rights to one port.
    pub const SEND_RECEIVE: Self = Self(0x3_0000);
    /// Rights that a message can be sent by.
    pub const SEND_RIGHTS: Self = Self(0x5_0000);
    /// Rights to a living port.
    pub const PORT_RIGHTS: Self = Self(0x7_0000);
    /// A dead-name request is registered.
    pub const DNREQUEST: Self = Self(0x8000_0000);

    /// Whether all of `other` is denoted.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What becomes of a right that is passed on, `mach_msg_type_name_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disposition(pub u32);

impl Disposition {
    /// No right.
    pub const NONE: Self = Self(0);
    /// The receive right moves.
    pub const MOVE_RECEIVE: Self = Self(16);
    /// A send right moves.
    pub const MOVE_SEND: Self = Self(17);
    /// A send-once right moves.
    pub const MOVE_SEND_ONCE: Self = Self(18);
    /// A send right is copied.
    pub const COPY_SEND: Self = Self(19);
    /// A send right is made from the receive right.
    pub const MAKE_SEND: Self = Self(20);
    /// A send-once right is made from the receive right.
    pub const MAKE_SEND_ONCE: Self = Self(21);
    /// In a received header: there is a payload in place of the local port.
    pub const PROTECTED_PAYLOAD: Self = Self(23);

    /// What a received right is called.
    pub const PORT_RECEIVE: Self = Self::MOVE_RECEIVE;
    /// What a received right is called.
    pub const PORT_SEND: Self = Self::MOVE_SEND;
    /// What a received right is called.
    pub const PORT_SEND_ONCE: Self = Self::MOVE_SEND_ONCE;

    /// Whether it names a right.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self.0, 16..=21)
    }
}

/// `MACH_PORT_QLIMIT_DEFAULT`: messages that a new port holds.
pub const QLIMIT_DEFAULT: u32 = 5;
/// The most that [`MachPortSetQlimit`] accepts.
pub const QLIMIT_MAX: u32 = 1024;

/// Notifications, D.5: the ids of their messages, and what can be asked for.
pub mod notify {
    /// The name of a right with a dead-name request was deleted.
    pub const PORT_DELETED: u32 = 65;
    /// A receive right would be destroyed; it is in the message.
    pub const PORT_DESTROYED: u32 = 69;
    /// No send rights are left; the word is the make-send count.
    pub const NO_SENDERS: u32 = 70;
    /// A send-once right was destroyed unused.
    pub const SEND_ONCE: u32 = 71;
    /// The port died; the word is its dead name, which has one more reference for this.
    pub const DEAD_NAME: u32 = 72;
}

wire_struct! {
    /// The state of a receive right, `mach_port_status_t`.
    PortStatus {
        /// The set it is in, or null.
        pset: PortName,
        /// The next message's sequence number.
        seqno: u32,
        /// Send rights ever made.
        mscount: u32,
        /// Messages that fit.
        qlimit: u32,
        /// Messages that wait.
        msgcount: u32,
        /// Send-once rights that exist.
        sorights: u32,
        /// Whether send rights exist.
        srights: bool,
        /// Whether a port-destroyed request is registered.
        pdrequest: bool,
        /// Whether a no-senders request is registered.
        nsrequest: bool,
    }
}

subsystem! {
    /// A request on a task's name space.
    PortRequest {
        /// `mach_port_names`: every name and what it denotes.
        MachPortNames = 3200 {} -> MachPortNamesReply {
            /// Where the names are (32 bits each), in new memory of the caller's.
            names: u64,
            /// Where their types are (32 bits each), in new memory of the caller's.
            types: u64,
            /// How many.
            count: u32,
        }

        /// `mach_port_type`: what a name denotes.
        MachPortType = 3201 {
            /// The name.
            name: PortName,
        } -> MachPortTypeReply {
            /// [`PortType`].
            port_type: u32,
        }

        /// `mach_port_rename`: gives a right another name.
        MachPortRename = 3202 {
            /// The name.
            old_name: PortName,
            /// The new one.
            new_name: PortName,
        } -> MachPortRenameReply {}

        /// `mach_port_allocate_name`: makes a right by a name that the caller chose.
        MachPortAllocateName = 3203 {
            /// [`Right`]: receive, port set or dead name.
            right: u32,
            /// The name.
            name: PortName,
        } -> MachPortAllocateNameReply {}

        /// `mach_port_allocate`: makes a right.
        MachPortAllocate = 3204 {
            /// [`Right`]: receive, port set or dead name.
            right: u32,
        } -> MachPortAllocateReply {
            /// Its name.
            name: PortName,
        }

        /// `mach_port_destroy`: destroys all that a name denotes.
        MachPortDestroy = 3205 {
            /// The name.
            name: PortName,
        } -> MachPortDestroyReply {}

        /// `mach_port_deallocate`: drops a reference to a send, send-once or dead name.
        MachPortDeallocate = 3206 {
            /// The name.
            name: PortName,
        } -> MachPortDeallocateReply {}

        /// `mach_port_get_refs`: the references that a name has to a kind of right.
        MachPortGetRefs = 3207 {
            /// The name.
            name: PortName,
            /// [`Right`].
            right: u32,
        } -> MachPortGetRefsReply {
            /// The references.
            refs: u32,
        }

        /// `mach_port_mod_refs`: changes the references that a name has to a kind of right.
        MachPortModRefs = 3208 {
            /// The name.
            name: PortName,
            /// [`Right`].
            right: u32,
            /// What to add.
            delta: i32,
        } -> MachPortModRefsReply {}

        /// `mach_port_set_qlimit`: sets how many messages a port holds.
        MachPortSetQlimit = 3210 {
            /// The receive right.
            name: PortName,
            /// Messages.
            qlimit: u32,
        } -> MachPortSetQlimitReply {}

        /// `mach_port_set_mscount`: sets the count of send rights made.
        MachPortSetMscount = 3211 {
            /// The receive right.
            name: PortName,
            /// The count.
            mscount: u32,
        } -> MachPortSetMscountReply {}

        /// `mach_port_get_set_status`: the members of a port set.
        MachPortGetSetStatus = 3212 {
            /// The port set.
            name: PortName,
        } -> MachPortGetSetStatusReply {
            /// Where the members' names are (32 bits each), in new memory of the caller's.
            members: u64,
            /// How many.
            count: u32,
        }

        /// `mach_port_move_member`: moves a receive right into or out of a port set.
        MachPortMoveMember = 3213 {
            /// The receive right.
            member: PortName,
            /// The port set, or null.
            after: PortName,
        } -> MachPortMoveMemberReply {}

        /// `mach_port_request_notification`: asks to be told of an event, once.
        MachPortRequestNotification = 3214 {
            /// The right that it is about.
            name: PortName,
            /// One of [`notify`].
            id: u32,
            /// When to send at once; see D.5.
            sync: u32,
            /// The caller's name of a right to the port that is told; null cancels.
            notify: PortName,
            /// [`Disposition`] that makes a send-once right of it.
            notify_disposition: u32,
        } -> MachPortRequestNotificationReply {
            /// The send-once right that was registered before, or null.
            previous: PortName,
        }

        /// `mach_port_insert_right`: gives the task a right of the caller's.
        MachPortInsertRight = 3215 {
            /// The name that it gets.
            name: PortName,
            /// The caller's name of the right.
            poly: PortName,
            /// [`Disposition`].
            disposition: u32,
        } -> MachPortInsertRightReply {}

        /// `mach_port_extract_right`: gives the caller a right of the task's.
        MachPortExtractRight = 3216 {
            /// The task's name of the right.
            name: PortName,
            /// [`Disposition`].
            disposition: u32,
        } -> MachPortExtractRightReply {
            /// The caller's name of it.
            poly: PortName,
        }

        /// `mach_port_get_receive_status`: the state of a receive right.
        MachPortGetReceiveStatus = 3217 {
            /// The receive right.
            name: PortName,
        } -> MachPortGetReceiveStatusReply {
            /// Its state.
            status: PortStatus,
        }

        /// `mach_port_set_seqno`: sets the next message's sequence number.
        MachPortSetSeqno = 3218 {
            /// The receive right.
            name: PortName,
            /// The number.
            seqno: u32,
        } -> MachPortSetSeqnoReply {}

        /// `mach_port_set_protected_payload`: lets received messages say a number of the receiver's own instead of the
        /// port's name. It goes when the receive right leaves the task.
        MachPortSetProtectedPayload = 3221 {
            /// The receive right.
            name: PortName,
            /// The number.
            payload: u64,
        } -> MachPortSetProtectedPayloadReply {}

        /// `mach_port_clear_protected_payload`: lets received messages say the port's name again.
        MachPortClearProtectedPayload = 3222 {
            /// The receive right.
            name: PortName,
        } -> MachPortClearProtectedPayloadReply {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_bits_follow_the_kinds() {
        let pairs = [
            (Right::SEND, PortType::SEND),
            (Right::RECEIVE, PortType::RECEIVE),
            (Right::SEND_ONCE, PortType::SEND_ONCE),
            (Right::PORT_SET, PortType::PORT_SET),
            (Right::DEAD_NAME, PortType::DEAD_NAME),
            (Right(5), PortType::NONE),
            (Right(u32::MAX), PortType::NONE),
        ];
        for (right, port_type) in pairs {
            assert_eq!(right.port_type(), port_type);
        }
    }
}
