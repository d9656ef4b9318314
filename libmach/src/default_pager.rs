//! The default pager, as others see it (`mach_protocol::default_pager`, `spec/mach-memory-objects.md` C.3 to C.5).
//!
//! `pager` is the default pager's own port, which [`vm_set_default_memory_manager`](crate::host::vm_set_default_memory_manager)
//! gives to those with the privileged host port. Every call by another port fails with `INVALID_ARGUMENT`, but for
//! [`default_pager_info`].

pub use mach_protocol::default_pager::{
    AddSegment, AreaInfo, BACKING_STORE_BASIC_INFO, BACKING_STORE_MAXPRI, BACKING_STORE_NOPRI, BASIC_INFO_COUNT,
    BasicInfo, HI_WAT_ALERT, LO_WAT_ALERT, PagerInfo,
};

use alloc::vec::Vec;

use mach_protocol::block::{DiskName, body, message};
use mach_protocol::default_pager as proto;
use mach_protocol::service::{answer_code, answered_right};
use mach_protocol::wire::Wire;

use crate::msg::{self, CarriedRight, PortMessage};
use crate::port::{Disposition, mach_port_deallocate};
use crate::task::mach_task_self;
use crate::{KernReturn, PortName, Result, names};

/// How much paging space there is.
///
/// # Errors
///
/// `INVALID_NAME` without a default pager; those of sending.
pub fn info() -> Result<PagerInfo> {
    let port = names::lookup(proto::DEFAULT_PAGER)?;
    let info = default_pager_info(port);
    // The right was asked for this call alone.
    let _ = mach_port_deallocate(mach_task_self(), port);
    info
}

/// Sends a request, and wants an answer without an error.
fn ask(port: PortName, request: &PortMessage) -> Result<PortMessage> {
    let answer = msg::rpc(port, request)?;
    answer_code(request.header.id, &answer)?;
    Ok(answer)
}

fn outs<T: Wire>(answer: &PortMessage) -> Result<T> {
    body(answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)
}

/// 2275: a memory object of at most `size` bytes, zero at first, which the default pager serves. Answers a send right, which
/// whoever holds it maps by `vm_map`. The object keeps its contents without a mapping, and goes with the last right.
///
/// # Errors
///
/// C.3: `INVALID_ARGUMENT` for a wrong port; `NO_SPACE`, `RESOURCE_SHORTAGE`; those of sending.
pub fn default_pager_object_create(pager: PortName, size: u64) -> Result<PortName> {
    let request = message(proto::DEFAULT_PAGER_OBJECT_CREATE, &proto::ObjectCreate { size });
    answered_right(&ask(pager, &request)?)
}

/// 2276: how much paging space there is.
///
/// # Errors
///
/// Those of sending.
pub fn default_pager_info(pager: PortName) -> Result<PagerInfo> {
    outs(&ask(pager, &PortMessage::new(proto::DEFAULT_PAGER_INFO))?)
}

/// An object of the default pager's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagedObject {
    /// Its number, `dpo_object`.
    pub object: u64,
    /// Bytes of paging space that it uses, `dpo_size`.
    pub size: u64,
    /// A send right to its name port, by which `vm_region` names it; null if nobody has it mapped. The caller deallocates it.
    pub name: PortName,
}

/// 2277: the objects of the default pager.
///
/// # Errors
///
/// C.4: `INVALID_ARGUMENT` for a wrong port; those of sending.
pub fn default_pager_objects(pager: PortName) -> Result<Vec<PagedObject>> {
    let mut objects: Vec<PagedObject> = Vec::new();
    loop {
        let first = objects.last().map_or(0, |object| object.object + 1);
        let answer = ask(pager, &message(proto::DEFAULT_PAGER_OBJECTS, &proto::Objects { first }))?;
        let pairs = answer.data_words().get(1..).unwrap_or_default().chunks_exact(2);
        let found = pairs.zip(answer.rights()).filter_map(|(pair, right)| match pair {
            &[object, size] => Some(PagedObject { object, size, name: right.name }),
            _ => None,
        });
        let before = objects.len();
        objects.extend(found);
        if objects.len() == before {
            return Ok(objects);
        }
    }
}

/// 2278: the offsets of the pages that the default pager holds of an object, by its number.
///
/// # Errors
///
/// C.4: `INVALID_ARGUMENT` for a wrong port, or if there is no such object; those of sending.
pub fn default_pager_object_pages(pager: PortName, object: u64) -> Result<Vec<u64>> {
    pages(|first| ask(pager, &message(proto::DEFAULT_PAGER_OBJECT_PAGES, &proto::ObjectPages { object, first })))
}

/// The same by the object's name port.
///
/// # Errors
///
/// As [`default_pager_object_pages`].
pub fn default_pager_object_pages_of(pager: PortName, name: PortName) -> Result<Vec<u64>> {
    pages(|first| {
        let mut request = message(proto::DEFAULT_PAGER_OBJECT_PAGES, &proto::ObjectPages { object: 0, first });
        give(&mut request, name)?;
        ask(pager, &request)
    })
}

/// All pieces of a list of pages.
fn pages(piece: impl Fn(u64) -> Result<PortMessage>) -> Result<Vec<u64>> {
    let mut offsets: Vec<u64> = Vec::new();
    loop {
        let answer = piece(offsets.last().map_or(0, |last| last + 1))?;
        let found = answer.data_words().get(1..).unwrap_or_default();
        if found.is_empty() {
            return Ok(offsets);
        }
        offsets.extend(found);
    }
}

/// Sends a copy of a send right with a request.
fn give(request: &mut PortMessage, name: PortName) -> Result<()> {
    let right = CarriedRight { name, disposition: Disposition::COPY_SEND };
    request.push_right(right).map_err(|_| KernReturn::NO_SPACE)
}

/// 2279: adds a disk or a partition to the paging space, or takes it away; then this waits until its pages are elsewhere.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for a wrong port, if there is no such disk, or some of it is in use already, or it was not added so;
/// `FAILURE` if the others have no room, or the disk is not to be had; those of sending.
pub fn default_pager_paging_file(pager: PortName, name: &str, add: bool) -> Result<()> {
    let request = proto::PagingFile { add, name: DiskName::new(name) };
    ask(pager, &message(proto::DEFAULT_PAGER_PAGING_FILE, &request)).map(drop)
}

/// 2280: accepted, and without effect.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for a wrong port; those of sending.
pub fn default_pager_register_fileserver(pager: PortName, fileserver: PortName) -> Result<()> {
    let mut request = PortMessage::new(proto::DEFAULT_PAGER_REGISTER_FILESERVER);
    give(&mut request, fileserver)?;
    ask(pager, &request).map(drop)
}

/// 7020: a backing store without segments. `priority` is [`BACKING_STORE_MAXPRI`] or [`BACKING_STORE_NOPRI`] for one that is filled
/// first, else it is filled last; `cluster_size` the most bytes that are written at once, 0 for the pager's own. Answers a send right
/// to the store's port.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for a wrong port; `RESOURCE_SHORTAGE` if there are too many; those of sending.
pub fn default_pager_backing_store_create(pager: PortName, priority: i32, cluster_size: u64) -> Result<PortName> {
    let request = proto::StoreCreate { priority, cluster_size };
    answered_right(&ask(pager, &message(proto::DEFAULT_PAGER_BACKING_STORE_CREATE, &request))?)
}

/// 7021: gives a backing store up. This waits until its pages are elsewhere; then its port is dead.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for another port than a store's; `FAILURE` if the others have no room, or it is being deleted already:
/// it stays in use; those of sending.
pub fn default_pager_backing_store_delete(store: PortName) -> Result<()> {
    ask(store, &PortMessage::new(proto::DEFAULT_PAGER_BACKING_STORE_DELETE)).map(drop)
}

/// 7022: what is known of a backing store. The flavor is [`BACKING_STORE_BASIC_INFO`], the count at least
/// [`BASIC_INFO_COUNT`].
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for another flavor, a smaller count, or another port than a store's; those of sending.
pub fn default_pager_backing_store_info(store: PortName, flavor: u32, count: u32) -> Result<BasicInfo> {
    outs(&ask(store, &message(proto::DEFAULT_PAGER_BACKING_STORE_INFO, &proto::StoreInfo { flavor, count }))?)
}

/// 7023: adds a part of a disk to a backing store.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for another port than a store's, records that are no whole sectors, a segment without a full
/// cluster, that does not lie on a disk, or of which some is in use; `RESOURCE_SHORTAGE`; `FAILURE` for a disk that is not
/// to be had; those of sending.
pub fn default_pager_add_segment(store: PortName, segment: &AddSegment) -> Result<()> {
    ask(store, &message(proto::DEFAULT_PAGER_ADD_SEGMENT, segment)).map(drop)
}

/// 7024: has alerts sent to the port `to`, a send right, when less than `hi_wat` bytes become free ([`HI_WAT_ALERT`] in `flags`)
/// and when more than `lo_wat` do ([`LO_WAT_ALERT`]), once each time; without flags no more. The message is 2295, its data the
/// flags. Look at [`default_pager_info`] behind this call, not before it: what is crossed already is no crossing.
///
/// # Errors
///
/// C.5: `INVALID_ARGUMENT` for a wrong port, unknown flags, or flags without a port; those of sending.
pub fn default_pager_triggers(pager: PortName, hi_wat: u64, lo_wat: u64, flags: u32, to: PortName) -> Result<()> {
    let mut request = message(proto::DEFAULT_PAGER_TRIGGERS, &proto::Triggers { hi_wat, lo_wat, flags });
    if to.is_valid() {
        give(&mut request, to)?;
    }
    ask(pager, &request).map(drop)
}

/// The flags of an alert; `None` for another message.
#[must_use]
pub fn space_alert(message: &PortMessage) -> Option<u32> {
    let flags = message.data_words().first().filter(|_| message.header.id == proto::DEFAULT_PAGER_SPACE_ALERT)?;
    u32::try_from(*flags).ok()
}

/// The paging areas; none by another port than the pager's own.
///
/// # Errors
///
/// Those of sending.
pub fn areas(pager: PortName) -> Result<Vec<AreaInfo>> {
    let mut areas = Vec::new();
    for index in 0.. {
        match ask(pager, &message(proto::DEFAULT_PAGER_AREAS, &proto::Areas { index })) {
            Ok(answer) => areas.push(outs(&answer)?),
            Err(KernReturn::INVALID_ARGUMENT) => break,
            Err(code) => return Err(code),
        }
    }
    // An area that was removed leaves its number.
    areas.retain(|area: &AreaInfo| area.total > 0);
    Ok(areas)
}
