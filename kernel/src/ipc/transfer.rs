//! Transfer of a message from one thread to another (spec §1.7).
//!
//! # Invariants
//!
//! - `IPC-1` message registers and capability addresses are read at the time of the transfer, not when
//!   a sender blocked; what the sender's *capability* allowed was read when the send started;
//! - `IPC-2` nothing here fails: what cannot be transferred is left out, and the message info that the
//!   receiver gets says what arrived.

use sel4_abi::MessageInfo;
use sel4_abi::message::{IpcBuffer, MSG_MAX_EXTRA_CAPS, MSG_REGISTERS};

use crate::Kernel;
use crate::cap::{Badge, Cap, SlotRef, VmRights, cdt, derive, lookup};
use crate::ipc::fault;
use crate::kobj::{KRef, UserBuffer};
use crate::object::{Endpoint, Tcb, TcbSlot};

/// The IPC buffer that `t` can send from: its frame may be read-only (spec §1.5).
#[must_use]
pub fn send_buffer(k: &Kernel, t: KRef<Tcb>) -> Option<UserBuffer> {
    buffer(k, t, VmRights::ReadOnly)
}

/// The IPC buffer that `t` can receive into: its frame must be writable (spec §1.5).
#[must_use]
pub fn receive_buffer(k: &Kernel, t: KRef<Tcb>) -> Option<UserBuffer> {
    buffer(k, t, VmRights::ReadWrite)
}

/// The words of the buffer, if the thread has a frame for it with these rights.
fn buffer(k: &Kernel, t: KRef<Tcb>, needed: VmRights) -> Option<UserBuffer> {
    let frame = t.slot(k, TcbSlot::IpcBuffer).get(k).frame()?;
    if frame.rights != VmRights::ReadWrite && frame.rights != needed {
        return None;
    }
    UserBuffer::new(frame.region, t.get(k).ipc_buffer.get() & (frame.region.bytes() - 1))
}

/// Transfers the message of `sender`, or that of its pending fault, to `receiver`.
///
/// `endpoint` is what the message goes through; none for a reply.
pub fn message(
    k: &Kernel,
    sender: KRef<Tcb>,
    receiver: KRef<Tcb>,
    endpoint: Option<KRef<Endpoint>>,
    badge: Badge,
    grant: bool,
) {
    let info = match sender.get(k).fault.get() {
        Some(pending) => fault::write_message(k, pending, sender, receiver),
        None => copy(k, sender, receiver, endpoint, grant),
    };
    let context = &receiver.get(k).context;
    context.badge_register().set(badge.0);
    context.info_register().set(info.0);
}

/// Copies an ordinary message; returns the message info as the receiver sees it.
fn copy(
    k: &Kernel,
    sender: KRef<Tcb>,
    receiver: KRef<Tcb>,
    endpoint: Option<KRef<Endpoint>>,
    grant: bool,
) -> MessageInfo {
    let info = MessageInfo(sender.get(k).context.info_register().get());
    let copied = plain(k, sender, receiver, info);
    if info.extra_caps() == 0 || !grant {
        return copied;
    }
    let (Some(from), Some(to)) = (send_buffer(k, sender), receive_buffer(k, receiver)) else { return copied };
    let (arrived, unwrapped) = transfer_caps(k, sender, from, info.extra_caps(), receiver, to, endpoint);
    MessageInfo::new(copied.label(), unwrapped, arrived, copied.length() as u64)
}

/// Copies the words of an ordinary message that `info` describes; returns the message info as the receiver sees it, if
/// there are no capabilities.
#[inline(always)]
pub fn plain(k: &Kernel, sender: KRef<Tcb>, receiver: KRef<Tcb>, info: MessageInfo) -> MessageInfo {
    short(k, sender, receiver, info);
    if info.length() <= MSG_REGISTERS {
        return info.without_caps();
    }
    let length = beyond_registers(k, sender, receiver, info.clamped_length());
    MessageInfo::new(info.label(), 0, 0, length as u64)
}

/// Copies the words of a message that travel in registers.
#[inline(always)]
fn short(k: &Kernel, sender: KRef<Tcb>, receiver: KRef<Tcb>, info: MessageInfo) {
    let [a, b, c, d] = sender.get(k).context.message_registers();
    let [to_a, to_b, to_c, to_d] = receiver.get(k).context.message_registers();
    let length = info.length();
    if length == 0 {
        return;
    }
    to_a.set(a.get());
    if length == 1 {
        return;
    }
    to_b.set(b.get());
    if length == 2 {
        return;
    }
    to_c.set(c.get());
    if length > 3 {
        to_d.set(d.get());
    }
}

/// Copies the words of a message that travel in the buffers; returns its length, which is less if there are none.
#[inline(never)]
fn beyond_registers(k: &Kernel, sender: KRef<Tcb>, receiver: KRef<Tcb>, length: usize) -> usize {
    let (Some(from), Some(to)) = (send_buffer(k, sender), receive_buffer(k, receiver)) else { return MSG_REGISTERS };
    to.copy_from(k, from, IpcBuffer::MSG_WORD + MSG_REGISTERS..IpcBuffer::MSG_WORD + length);
    length
}

/// Transfers extra capabilities; returns how many were processed, and which of them unwrapped.
fn transfer_caps(
    k: &Kernel,
    sender: KRef<Tcb>,
    from: UserBuffer,
    count: usize,
    receiver: KRef<Tcb>,
    to: UserBuffer,
    endpoint: Option<KRef<Endpoint>>,
) -> (u64, u64) {
    let mut slots: [Option<SlotRef>; MSG_MAX_EXTRA_CAPS] = [None; MSG_MAX_EXTRA_CAPS];
    for (i, slot) in slots.iter_mut().enumerate().take(count) {
        match lookup::lookup_slot(k, sender, from.read(k, IpcBuffer::CAPS_WORD + i)) {
            Ok(found) => *slot = Some(found),
            Err(_) => return (0, 0),
        }
    }
    let (mut arrived, mut unwrapped) = (0, 0);
    let mut window = if count > 0 { receive_slot(k, receiver, to) } else { None };
    for (i, slot) in slots.iter().enumerate().take(count) {
        let Some(slot) = *slot else { break };
        let cap = slot.cap(k);
        match cap {
            Cap::Endpoint(ep) if endpoint == Some(ep.endpoint) => {
                to.write(k, IpcBuffer::CAPS_WORD + i, ep.badge.0);
                unwrapped |= 1 << i;
            }
            _ => {
                let Some(dest) = window.take() else { break };
                match derive::derive(k, slot, cap) {
                    Ok(derived) if !derived.is_null() => cdt::insert(k, slot, dest, derived),
                    _ => break,
                }
            }
        }
        arrived += 1;
    }
    (arrived, unwrapped)
}

/// The empty slot that the receiver's buffer names for one capability.
fn receive_slot(k: &Kernel, receiver: KRef<Tcb>, buffer: UserBuffer) -> Option<SlotRef> {
    let root = lookup::lookup_slot(k, receiver, buffer.read(k, IpcBuffer::RECEIVE_CNODE_WORD)).ok()?;
    let index = buffer.read(k, IpcBuffer::RECEIVE_INDEX_WORD);
    let depth = buffer.read(k, IpcBuffer::RECEIVE_DEPTH_WORD);
    lookup::empty_slot(k, root.cap(k), index, depth).ok()
}
