//! The calls on name spaces as they come over the wire: decoded request in, reply out.

use alloc::vec::Vec;

use mach_protocol::port::*;
use mach_protocol::table::pack_reply;
use mach_protocol::wire::{Wire, Words};

use super::{KernReturn, Name, Ports, ReceiveStatus, RequestKind, Right, SpaceId};

/// What a call answers.
#[derive(Debug)]
pub enum Answer {
    /// The words of the reply.
    Words(Words),
    /// Arrays of 32-bit values for the caller, each to be put into new memory of its; the reply then gives their
    /// addresses in this order and after them how many values each has.
    Arrays(Vec<Vec<u32>>),
}

/// Serves a call of a task with space `caller` on the space `target`, which may be its own.
///
/// Names in the arguments are the target's, but for rights given and taken (`insert_right`, `extract_right`,
/// `request_notification`), which are the caller's.
pub fn serve(ports: &mut Ports, caller: SpaceId, target: SpaceId, request: &PortRequest) -> Answer {
    use PortRequest::*;
    match *request {
        MachPortNames(_) => match ports.names(target) {
            Ok(list) => Answer::Arrays(alloc::vec![
                list.iter().map(|n| n.name.0).collect(),
                list.iter().map(|n| n.kind).collect()
            ]),
            Err(code) => words::<MachPortNamesReply>(Err(code)),
        },
        MachPortGetSetStatus(r) => match ports.set_members(target, r.name) {
            Ok(members) => Answer::Arrays(alloc::vec![members.iter().map(|name| name.0).collect()]),
            Err(code) => words::<MachPortGetSetStatusReply>(Err(code)),
        },
        MachPortType(r) => words(ports.port_type(target, r.name).map(|port_type| MachPortTypeReply { port_type })),
        MachPortRename(r) => words(ports.rename(target, r.old_name, r.new_name).map(|()| MachPortRenameReply {})),
        MachPortAllocateName(r) => {
            words(ports.allocate_name(target, r.right, r.name).map(|()| MachPortAllocateNameReply {}))
        }
        MachPortAllocate(r) => words(ports.allocate(target, r.right).map(|name| MachPortAllocateReply { name })),
        MachPortDestroy(r) => words(ports.destroy(target, r.name).map(|()| MachPortDestroyReply {})),
        MachPortDeallocate(r) => words(ports.deallocate(target, r.name).map(|()| MachPortDeallocateReply {})),
        MachPortGetRefs(r) => words(ports.get_refs(target, r.name, r.right).map(|refs| MachPortGetRefsReply { refs })),
        MachPortModRefs(r) => words(ports.mod_refs(target, r.name, r.right, r.delta).map(|()| MachPortModRefsReply {})),
        MachPortSetQlimit(r) => words(ports.set_limit(target, r.name, r.qlimit).map(|()| MachPortSetQlimitReply {})),
        MachPortSetMscount(r) => {
            words(ports.set_make_send(target, r.name, r.mscount).map(|()| MachPortSetMscountReply {}))
        }
        MachPortSetSeqno(r) => words(ports.set_sequence(target, r.name, r.seqno).map(|()| MachPortSetSeqnoReply {})),
        MachPortSetProtectedPayload(r) => {
            words(ports.set_payload(target, r.name, Some(r.payload)).map(|()| MachPortSetProtectedPayloadReply {}))
        }
        MachPortClearProtectedPayload(r) => {
            words(ports.set_payload(target, r.name, None).map(|()| MachPortClearProtectedPayloadReply {}))
        }
        MachPortMoveMember(r) => {
            words(ports.move_member(target, r.member, r.after).map(|()| MachPortMoveMemberReply {}))
        }
        MachPortGetReceiveStatus(r) => words(
            ports.receive_status(target, r.name).map(|s| MachPortGetReceiveStatusReply { status: status_to_wire(s) }),
        ),
        MachPortInsertRight(r) => words(insert(ports, caller, target, r).map(|()| MachPortInsertRightReply {})),
        MachPortExtractRight(r) => {
            words(extract(ports, caller, target, r).map(|poly| MachPortExtractRightReply { poly }))
        }
        MachPortRequestNotification(r) => words(
            request_notification(ports, caller, target, r)
                .map(|previous| MachPortRequestNotificationReply { previous }),
        ),
    }
}

fn words<T: Wire>(outcome: Result<T, KernReturn>) -> Answer {
    Answer::Words(pack_reply(&outcome))
}

/// The caller's right behind an argument: null and dead names give such rights, a name that does not hold what
/// the disposition takes is `INVALID_CAPABILITY`, as if nothing had been given.
fn argument(ports: &mut Ports, caller: SpaceId, name: Name, disposition: u32) -> Result<Right, KernReturn> {
    if name == Name::NULL {
        return Ok(Right::Null);
    }
    if name == Name::DEAD {
        return Ok(Right::Dead);
    }
    let disposition = u8::try_from(disposition).map_err(|_| KernReturn::INVALID_VALUE)?;
    ports.extract_right(caller, name, disposition).map_err(|code| match code {
        KernReturn::INVALID_NAME | KernReturn::INVALID_RIGHT => KernReturn::INVALID_CAPABILITY,
        code => code,
    })
}

fn insert(ports: &mut Ports, caller: SpaceId, target: SpaceId, r: MachPortInsertRight) -> Result<(), KernReturn> {
    if !r.name.is_valid() {
        return Err(KernReturn::INVALID_VALUE);
    }
    let right = argument(ports, caller, r.poly, r.disposition)?;
    ports.insert_right(target, r.name, right)
}

fn extract(ports: &mut Ports, caller: SpaceId, target: SpaceId, r: MachPortExtractRight) -> Result<Name, KernReturn> {
    let disposition = u8::try_from(r.disposition).map_err(|_| KernReturn::INVALID_VALUE)?;
    let right = ports.extract_right(target, r.name, disposition)?;
    ports.copy_out(caller, right)
}

fn request_notification(
    ports: &mut Ports,
    caller: SpaceId,
    target: SpaceId,
    r: MachPortRequestNotification,
) -> Result<Name, KernReturn> {
    let kind = i32::try_from(r.id).ok().and_then(RequestKind::from_id).ok_or(KernReturn::INVALID_VALUE)?;
    let notify = argument(ports, caller, r.notify, r.notify_disposition)?;
    if !matches!(notify, Right::Null | Right::Dead | Right::SendOnce(_)) {
        ports.release(notify);
        return Err(KernReturn::INVALID_CAPABILITY);
    }
    let previous = ports.request_notification(target, r.name, kind, r.sync, notify)?;
    ports.copy_out(caller, previous)
}

fn status_to_wire(s: ReceiveStatus) -> PortStatus {
    PortStatus {
        pset: s.set,
        seqno: s.sequence,
        mscount: s.make_send,
        qlimit: s.limit,
        msgcount: s.queued,
        sorights: s.send_once_rights,
        srights: s.has_senders,
        pdrequest: s.port_destroyed_request,
        nsrequest: s.no_senders_request,
    }
}
