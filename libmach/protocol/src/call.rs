//! Every request that the Mach server answers, in one type.

use crate::PortName;
use crate::host::HostRequest;
use crate::memory_object::{MemoryObjectRequest, SUPPLY_AND_RECEIVE, SupplyAndReceive};
use crate::message::{MACH_MSG_RECEIVE, MACH_MSG_RPC, MACH_MSG_SEND, MsgRequest};
use crate::port::PortRequest;
use crate::private::PrivateRequest;
use crate::table::DecodeError;
use crate::task::TaskRequest;
use crate::thread::ThreadRequest;
use crate::vm::VmRequest;

/// A table of routines, named after what their target is, or what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsystem {
    /// A task's map.
    Vm,
    /// The host.
    Host,
    /// A task.
    Task,
    /// A thread.
    Thread,
    /// A task's name space.
    Port,
    /// A memory object's control port.
    MemoryObject,
    /// Tessera's own.
    Private,
}

/// Every table of routines: the ids, each with its routine's name.
pub const TABLES: [(Subsystem, &[(u32, &str)]); 7] = [
    (Subsystem::Vm, VmRequest::IDS),
    (Subsystem::Host, HostRequest::IDS),
    (Subsystem::Task, TaskRequest::IDS),
    (Subsystem::Thread, ThreadRequest::IDS),
    (Subsystem::Port, PortRequest::IDS),
    (Subsystem::MemoryObject, MemoryObjectRequest::IDS),
    (Subsystem::Private, PrivateRequest::IDS),
];

/// What is in no table, since its request is of variable length.
pub const UNLISTED: [(u32, &str); 4] = [
    (MACH_MSG_SEND, "MachMsg"),
    (MACH_MSG_RECEIVE, "MachMsg"),
    (MACH_MSG_RPC, "MachMsg"),
    (SUPPLY_AND_RECEIVE, "SupplyAndReceive"),
];

/// Every id, with its routine's name.
pub fn routines() -> impl Iterator<Item = (u32, &'static str)> {
    TABLES.iter().flat_map(|(_, table)| table.iter()).chain(&UNLISTED).copied()
}

/// A decoded request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, where the message buffer would")]
pub enum Call {
    /// On a task's map.
    Vm(VmRequest),
    /// To the host.
    Host(HostRequest),
    /// To a task.
    Task(TaskRequest),
    /// To a thread.
    Thread(ThreadRequest),
    /// On a task's name space.
    Port(PortRequest),
    /// On a memory object's control port, or for a proxy.
    MemoryObject(MemoryObjectRequest),
    /// A data_supply and a receive; the target is in the request.
    SupplyAndReceive(SupplyAndReceive),
    /// Of Tessera's own.
    Private(PrivateRequest),
    /// `mach_msg`; the target is in the request.
    Message(MsgRequest),
}

impl Call {
    /// Whether the call, made to a port that a task receives from, is a message to that task: it may stand in for the
    /// task, thread or host that is meant (`spec/mach-vm.md` 1.4).
    #[must_use]
    pub const fn can_be_a_message(&self) -> bool {
        matches!(self, Self::Vm(_) | Self::Host(_) | Self::Task(_) | Self::Thread(_) | Self::Port(_))
    }

    /// Reads the request with this label from all its words: the target's name and the call.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; a missing or oversized target is among the bad arguments.
    pub fn decode(label: u64, words: &[u64]) -> Result<(PortName, Self), DecodeError> {
        let (id, target, body) = Self::head(label, words)?;
        let call = match id {
            MACH_MSG_SEND | MACH_MSG_RECEIVE | MACH_MSG_RPC => Self::Message(MsgRequest::unpack(id, words)?),
            SUPPLY_AND_RECEIVE => Self::SupplyAndReceive(SupplyAndReceive::unpack(words)?),
            _ => Self::decode_routine(id, body)?,
        };
        Ok((target, call))
    }

    /// What a request with this label begins with: its id, the target's name, and the words behind that. A server that
    /// decodes the calls of a subsystem by itself moves less.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], for a label that is no id, or a missing or oversized target.
    pub fn head(label: u64, words: &[u64]) -> Result<(u32, PortName, &[u64]), DecodeError> {
        let id = u32::try_from(label).map_err(|_| DecodeError::UnknownId)?;
        let (target, body) = words.split_first().ok_or(DecodeError::BadArguments)?;
        let target = u32::try_from(*target).map_err(|_| DecodeError::BadArguments)?;
        Ok((id, PortName(target), body))
    }

    /// Reads the request with this id from what follows the target: so a call travels to a port that a task receives
    /// from. Names in it are the caller's, and denote nothing to others.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode_routine(id: u32, body: &[u64]) -> Result<Self, DecodeError> {
        match id {
            _ if VmRequest::has(id) => VmRequest::decode(id, body).map(Self::Vm),
            _ if HostRequest::has(id) => HostRequest::decode(id, body).map(Self::Host),
            _ if TaskRequest::has(id) => TaskRequest::decode(id, body).map(Self::Task),
            _ if ThreadRequest::has(id) => ThreadRequest::decode(id, body).map(Self::Thread),
            _ if PortRequest::has(id) => PortRequest::decode(id, body).map(Self::Port),
            _ if MemoryObjectRequest::has(id) => MemoryObjectRequest::decode(id, body).map(Self::MemoryObject),
            _ => PrivateRequest::decode(id, body).map(Self::Private),
        }
    }

    /// The name of the routine with this id, for logs.
    #[must_use]
    pub fn name_of(id: u32) -> Option<&'static str> {
        routines().find(|(known, _)| *known == id).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::pack_request;
    use crate::vm::{VmAllocate, VmDeallocate};

    #[test]
    fn ids_belong_to_one_routine_each_and_leave_room_for_replies() {
        let mut ids: Vec<u32> = routines().map(|(id, _)| id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id is used twice");
        for id in &ids {
            assert!(*id > 10, "kernel errors must not look like replies");
            assert!(Call::name_of(*id).is_some());
        }
        assert_eq!(Call::name_of(1), None);
    }

    #[test]
    fn every_id_is_decoded() {
        for (id, name) in routines() {
            assert_ne!(Call::decode(u64::from(id), &[0]), Err(DecodeError::UnknownId), "{name} by {id}");
        }
    }

    #[test]
    fn target_and_call_come_back() {
        let request = VmAllocate { address: 1, size: 2, flags: 3 };
        let words = pack_request(PortName(77), &request);
        let decoded = Call::decode(4800, words.as_slice());
        assert_eq!(decoded, Ok((PortName(77), Call::Vm(VmRequest::VmAllocate(request)))));
    }

    #[test]
    fn shapes_are_checked() {
        let words = pack_request(PortName(77), &VmDeallocate { address: 1, size: 2 });
        let words = words.as_slice();
        assert_eq!(Call::decode(3802, &words[..2]), Err(DecodeError::BadArguments));
        assert_eq!(Call::decode(3802, &[]), Err(DecodeError::BadArguments));
        assert_eq!(Call::decode(1 << 32 | 3802, words), Err(DecodeError::UnknownId));
        assert_eq!(Call::decode(1, words), Err(DecodeError::UnknownId));
        assert_eq!(Call::decode(3802, &[1 << 32, 1, 2]), Err(DecodeError::BadArguments));
    }

    proptest! {
        #[test]
        fn any_words_are_refused_or_understood(label in 0_u64..8000, words in proptest::collection::vec(any::<u64>(), 0..=120)) {
            let _ = Call::decode(label, &words);
        }
    }
}
