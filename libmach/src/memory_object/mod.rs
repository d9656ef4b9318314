//! Memory objects and their managers (`spec/mach-memory-objects.md` B).
//!
//! A memory object is a port. Whoever has a send right to it can map it with [`vm_map`](crate::vm::vm_map); whoever
//! receives from it is its *manager*, gives the pages that clients touch, and takes those back that they wrote to.
//! `docs/writing-a-pager.md` makes one step by step.
//!
//! | here | is |
//! |---|---|
//! | [`MemoryManager`], [`Server`] | what a manager does, a method a message, and the loop around it |
//! | [`Pages`], [`ByPage`] | the same for managers that think in single pages |
//! | [`Object`] | an object as its manager has it: the calls on its control port |
//! | [`osf`] | the attribute calls in OSF's form |
//! | `memory_object_*` | the calls themselves, under Mach's names and in Mach's order of arguments |
//!
//! The calls are Mach's simpleroutines, but answer the code that Mach's kernel function returns: `SEND_INVALID_DEST`
//! if the control port is dead, `INVALID_ARGUMENT` if it is none (any more). That is checked first; then the right for
//! a completion, if one is named: `SEND_INVALID_TYPE` for a disposition that makes no right to send to,
//! `SEND_INVALID_RIGHT` if the task has no such right, `RESOURCE_SHORTAGE` while it leaves too many messages unreceived;
//! then the arguments. Offsets, sizes and addresses are in bytes, offsets those of the object.

mod doorbell;
mod manager;
pub mod osf;
mod pages;
mod server;
mod surplus;

use mach_protocol::memory_object as proto;
pub use mach_protocol::memory_object::{
    ChangeCompleted, CopyObject, CopyStrategy, LockCompleted, MAX_OUTSTANDING, ShouldReturn, SupplyAndReceive,
    SupplyCompleted, Upcall,
};
pub use mach_protocol::private::MANAGER_DEADLINE_MS;
use mach_protocol::private::{DefaultPagerSpace, MemoryObjectSetDeadline, ServerUsage, SetFreeTargets};
pub use mach_protocol::private::{PagingSpace, ServerUsageReply};
use mach_protocol::wire::Words;

pub use doorbell::{Doorbell, Heard, Ring, port_doorbell, port_ring};
pub use manager::{After, Answer, Attributes, Init, Landed, MemoryManager, Object, Returned, Supply, Synchronized};
pub use pages::{ByPage, Page, Pages};
pub use server::{Served, Server};

use crate::msg::{MsgReceive, MsgReply};
use crate::port::Disposition;
use crate::rpc::{call, call_for_caller, exchange};
use crate::vm::VmProt;
use crate::{KernReturn, PortName, Result};

/// Where a completion is sent: a name, and what becomes of the right. `None`: no completion is wanted.
pub type ReplyTo = Option<(PortName, Disposition)>;

/// Data in the caller's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Where it is.
    pub address: u64,
    /// Its bytes.
    pub size: u64,
    /// Whether the memory goes with the call: it moves instead of being copied.
    pub deallocate: bool,
}

/// Says that the object can be used.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an unknown strategy.
pub fn memory_object_ready(control: PortName, may_cache: bool, copy_strategy: CopyStrategy) -> Result<()> {
    call(control, &proto::MemoryObjectReady { may_cache, copy_strategy: copy_strategy.0 }).map(drop)
}

/// Changes the attributes; [`ChangeCompleted`] follows.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an unknown strategy.
pub fn memory_object_change_attributes(
    control: PortName,
    may_cache: bool,
    copy_strategy: CopyStrategy,
    reply_to: ReplyTo,
) -> Result<()> {
    let (reply_to, reply_disposition) = proto::reply_words(reply_to);
    let copy_strategy = copy_strategy.0;
    let request = proto::MemoryObjectChangeAttributes { may_cache, copy_strategy, reply_to, reply_disposition };
    call(control, &request).map(drop)
}

/// Whether the object is ready, and its attributes. That it is temporary is no attribute: the strategy is then the one
/// that it had before, [`CopyStrategy::DELAY`] to begin with.
///
/// # Errors
///
/// Only those of every call here.
pub fn memory_object_get_attributes(control: PortName) -> Result<(bool, Attributes)> {
    call(control, &proto::MemoryObjectGetAttributes {}).map(|reply| {
        let copy_strategy = CopyStrategy(reply.copy_strategy);
        (reply.object_ready, Attributes { may_cache: reply.may_cache, copy_strategy, ..Attributes::default() })
    })
}

/// Gives pages, of which `lock_value` are the accesses that are *not* allowed. [`SupplyCompleted`] follows.
///
/// Memory that is to be deallocated is gone, as with a message that is destroyed, unless the code is one of sending
/// (`SEND_*`).
///
/// # Errors
///
/// No page is accepted: `SEND_INVALID_MEMORY` if the data cannot be read; `INVALID_ARGUMENT` for unknown lock bits, an
/// offset or a size that is no multiple of a page. Only the pages in front are accepted: `MEMORY_PRESENT` where one is there
/// already, `RESOURCE_SHORTAGE` where one is beyond the quota of pages that nobody asked for, or there is no memory; the
/// code of a read that fails on the way, as `MEMORY_ERROR` if the data is another manager's that does not give it.
pub fn memory_object_data_supply(
    control: PortName,
    offset: u64,
    data: Data,
    lock_value: VmProt,
    precious: bool,
    reply_to: ReplyTo,
) -> Result<()> {
    call(control, &supply_request(offset, data, lock_value, precious, reply_to)).map(drop)
}

fn supply_request(
    offset: u64,
    data: Data,
    lock_value: VmProt,
    precious: bool,
    reply_to: ReplyTo,
) -> proto::MemoryObjectDataSupply {
    let (reply_to, reply_disposition) = proto::reply_words(reply_to);
    proto::MemoryObjectDataSupply {
        offset,
        data: data.address,
        size: data.size,
        deallocate: data.deallocate,
        lock_value: lock_value.bits(),
        precious,
        reply_to,
        reply_disposition,
    }
}

/// The historic form of [`memory_object_data_supply`]: not precious, the data is copied, no completion.
///
/// # Errors
///
/// As there.
pub fn memory_object_data_provided(
    control: PortName,
    offset: u64,
    data: u64,
    size: u64,
    lock_value: VmProt,
) -> Result<()> {
    let request = proto::MemoryObjectDataProvided { offset, data, size, lock_value: lock_value.bits() };
    call(control, &request).map(drop)
}

/// Says of requested pages that the manager has nothing for them: they are what lies below the object, or zeros.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if a bound is no multiple of a page.
pub fn memory_object_data_unavailable(control: PortName, offset: u64, size: u64) -> Result<()> {
    call(control, &proto::MemoryObjectDataUnavailable { offset, size }).map(drop)
}

/// Says of requested pages that they cannot be had now: who waits for them gets `MEMORY_ERROR`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if a bound is no multiple of a page.
pub fn memory_object_data_error(control: PortName, offset: u64, size: u64, error_value: KernReturn) -> Result<()> {
    call(control, &proto::MemoryObjectDataError { offset, size, error_value: error_value.0 }).map(drop)
}

/// Returns, flushes and locks the resident pages of a range; [`LockCompleted`] follows, behind the pages.
///
/// [`VmProt::NO_CHANGE`] leaves the locks as they are. A page that was written to and is flushed without being returned
/// is lost.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for unknown lock bits or pages to return, or an offset that is no multiple of a page;
/// `RESOURCE_SHORTAGE` while too many lock requests of the task run on.
pub fn memory_object_lock_request(
    control: PortName,
    offset: u64,
    size: u64,
    should_return: ShouldReturn,
    should_flush: bool,
    lock_value: VmProt,
    reply_to: ReplyTo,
) -> Result<()> {
    let (reply_to, reply_disposition) = proto::reply_words(reply_to);
    let request = proto::MemoryObjectLockRequest {
        offset,
        size,
        should_return: should_return.0,
        should_flush: u32::from(should_flush),
        lock_value: lock_value.bits(),
        reply_to,
        reply_disposition,
    };
    call(control, &request).map(drop)
}

/// Gives the object up. Its mappings keep the pages that are resident; the others are `MEMORY_ERROR` from now on.
///
/// # Errors
///
/// Only those of every call here.
pub fn memory_object_destroy(control: PortName, reason: KernReturn) -> Result<()> {
    call(control, &proto::MemoryObjectDestroy { reason: reason.0 }).map(drop)
}

/// Answers `memory_object_synchronize`: what was returned of the range is safe.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if no request for exactly this range is pending.
pub fn memory_object_synchronize_completed(control: PortName, offset: u64, length: u64) -> Result<()> {
    call(control, &proto::MemoryObjectSynchronizeCompleted { offset, length }).map(drop)
}

/// Answers `memory_object_synchronize`: not all could be stored. Who waits gets `MEMORY_ERROR`.
///
/// # Errors
///
/// As for [`memory_object_synchronize_completed`].
pub fn memory_object_synchronize_failed(
    control: PortName,
    offset: u64,
    length: u64,
    error_value: KernReturn,
) -> Result<()> {
    let error_value = error_value.0;
    call(control, &proto::MemoryObjectSynchronizeFailed { offset, length, error_value }).map(drop)
}

/// Says whether `memory_object_synchronize` shall be sent from now on.
///
/// # Errors
///
/// Only those of every call here.
pub fn memory_object_want_synchronize(control: PortName, wanted: bool) -> Result<()> {
    call(control, &proto::MemoryObjectWantSynchronize { wanted }).map(drop)
}

/// The historic form of [`memory_object_ready`].
///
/// # Errors
///
/// As there.
pub fn memory_object_set_attributes(
    control: PortName,
    object_ready: bool,
    may_cache: bool,
    copy_strategy: CopyStrategy,
) -> Result<()> {
    let copy_strategy = copy_strategy.0;
    call(control, &proto::MemoryObjectSetAttributes { object_ready, may_cache, copy_strategy }).map(drop)
}

/// A port by which `len` bytes of `object` from `start` on can be mapped, with at most `max_protection`. Answers a send
/// right; the proxy goes with the last one.
///
/// # Errors
///
/// B.11, in this order: `INVALID_TASK`; `INVALID_NAME` if `object` is no send right to a live port; `INVALID_ARGUMENT`
/// if that is a port of the server's own other than a proxy, for an offset other than 0, unknown protection bits, or a
/// range that wraps or leaves the proxy that `object` is; `NO_SPACE`.
pub fn memory_object_create_proxy(
    task: PortName,
    max_protection: VmProt,
    object: PortName,
    offset: u64,
    start: u64,
    len: u64,
) -> Result<PortName> {
    let max_protection = max_protection.bits();
    let request = proto::MemoryObjectCreateProxy { max_protection, counts: [1; 4], object, offset, start, len };
    call(task, &request).map(|reply| reply.proxy)
}

/// A port by which memory that `task` has mapped can be mapped elsewhere, with at most `max_protection` and what its
/// region allows. Both sides see what the other writes. Answers a send right; the proxy goes with the last one.
///
/// # Errors
///
/// B.11, in this order: `INVALID_ARGUMENT` for no task, unknown protection bits, an address that is not page aligned or
/// a length of 0; `NO_SPACE` if nothing is mapped there; `INVALID_ARGUMENT` for a length beyond the region; `NO_SPACE`.
pub fn vm_region_create_proxy(task: PortName, address: u64, max_protection: VmProt, len: u64) -> Result<PortName> {
    let request = proto::VmRegionCreateProxy { address, max_protection: max_protection.bits(), len };
    call(task, &request).map(|reply| reply.proxy)
}

/// Sets how many milliseconds the manager of an object may leave a waiting client without any answer; 0 for no limit.
/// `target` is the control port or the object's. The privileged host port is needed, unless the caller is the
/// manager and the limit between 1 and [`MANAGER_DEADLINE_MS`], which it is to begin with.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if the target is no object that is mapped, `INVALID_HOST`.
pub fn memory_object_set_deadline(target: PortName, host_priv: PortName, milliseconds: u32) -> Result<()> {
    call(target, &MemoryObjectSetDeadline { host_priv, milliseconds }).map(drop)
}

/// Tells the server how much space the default pager has left.
///
/// # Errors
///
/// `INVALID_HOST` if `host_priv` is not the privileged host port.
pub fn default_pager_space(host_priv: PortName, space: PagingSpace) -> Result<()> {
    call_for_caller(&DefaultPagerSpace { host_priv, state: space as u32 }).map(drop)
}

/// Has page-out begin below `low` free frames and end at `high`; with 0 for `high` the server's own targets hold. For
/// tests.
///
/// # Errors
///
/// `INVALID_HOST` if `host_priv` is not the privileged host port; `INVALID_ARGUMENT` unless `low <= high`.
pub fn set_free_targets(host_priv: PortName, low: u64, high: u64) -> Result<()> {
    call_for_caller(&SetFreeTargets { host_priv, low, high }).map(drop)
}

/// What the Mach server has in use, by type.
///
/// # Errors
///
/// Only those of reaching the server.
pub fn server_usage() -> Result<ServerUsageReply> {
    call_for_caller(&ServerUsage {})
}

/// A data_supply and a receive in one call. Answers the code of the supply, and what the receive answers.
///
/// # Errors
///
/// Only those of reaching the server; those of the halves are in the answer.
pub fn supply_and_receive(request: &SupplyAndReceive) -> Result<(KernReturn, MsgReply)> {
    let words: Words = request.pack();
    exchange(proto::SUPPLY_AND_RECEIVE, &words, proto::SupplyAndReceiveReply::unpack)
        .map(|reply| (reply.supplied, reply.received))
}

/// The request of [`supply_and_receive`].
fn with_receive(control: PortName, supply: proto::MemoryObjectDataSupply, receive: MsgReceive) -> SupplyAndReceive {
    SupplyAndReceive { control, supply, receive }
}
