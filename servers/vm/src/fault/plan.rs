//! What must happen next so that a page can be accessed: pure, nothing is changed here.
//!
//! Walking from the entry's object down the shadow chain, the first that applies:
//!
//! | found                                               | plan                                    |
//! |-----------------------------------------------------|-----------------------------------------|
//! | no entry                                            | `Fail(InvalidAddress)`                  |
//! | the entry does not allow the access                 | `Fail(ProtectionFailure)`               |
//! | nothing behind the entry yet                        | `MakeObject`                            |
//! | write, needs a copy, the object is ours alone       | `TakeOver`                              |
//! | write, needs a copy                                 | `MakeShadow`                            |
//! | a page that somebody works on                       | `Wait`                                  |
//! | a page whose manager forbids the access             | `Unlock`, or `Wait` if asked already    |
//! | a page in the first object, write, the copy lacks it | `Push`                                 |
//! | a page in the first object                          | `Use`                                   |
//! | a page further down, write                          | `CopyUp`                                |
//! | a page further down, read                           | `Use`, read only                        |
//! | nothing, but a manager that is not ready            | `Wait`                                  |
//! | nothing, but a manager                              | `Request`                               |
//! | nothing, but it was paged out                       | `Request`                               |
//! | nothing, and the default pager that has it is gone  | `Fail(MemoryError)`                     |
//! | nothing, and the manager is gone                    | `Fail(MemoryError)`                     |
//! | nothing down to the end                             | `ZeroFill`, in the first object         |

use mach_protocol::KernReturn;

use crate::map::protect::hardware;
use crate::object::{Object, Source};
use crate::page::{Page, PageState};
use crate::step::WaitOn;
use crate::types::{AssocId, FrameId, MapId, ObjectId, PageId, Prot};
use crate::vm::Vm;

/// Who accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The task's own instruction, through a mapping: writing needs READ as well.
    Task,
    /// The server, for a call that moves bytes.
    Server,
    /// The server, for a page that shall stay: whatever the access, the page must be in the first object.
    Wirer,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The access can not be had.
    Fail(KernReturn),
    /// Look again after a wake-up.
    Wait(WaitOn),
    /// Give the entry an object.
    MakeObject,
    /// Nobody else uses the object any more: forget that a copy is needed.
    TakeOver(ObjectId),
    /// Put a private object in front.
    MakeShadow,
    /// Zeros, in this object. With what the task may do to them, if that needs no other look.
    ZeroFill { object: ObjectId, offset: u64, prot: Option<Prot> },
    /// A copy of a page from below, in this object. With what the task may do to it, if that needs no other look.
    CopyUp { below: PageId, from: FrameId, object: ObjectId, offset: u64, prot: Option<Prot> },
    /// A copy of the page in the copy object, before it changes.
    Push { from: FrameId, copy: ObjectId, offset: u64 },
    /// The page is there. With what the task may do to it now.
    Use { page: PageId, frame: FrameId, prot: Prot, becomes_dirty: bool },
    /// Ask the manager for it.
    Request { object: ObjectId, offset: u64, access: Prot },
    /// Ask the manager to allow the access.
    Unlock { page: PageId, access: Prot },
}

/// Where a lookup found a page.
pub(crate) struct Found<'a> {
    pub(crate) id: PageId,
    page: &'a Page,
    pub(crate) frame: FrameId,
    /// What the manager forbids.
    lock: Prot,
    is_first: bool,
}

/// Decides what must happen for an access of `access` to the page at `address`.
pub(crate) fn plan(vm: &Vm, map: MapId, address: u64, access: Prot, by: By) -> Plan {
    let Some((start, entry)) = vm.maps.get(map).and_then(|map| map.entries.lookup(address)) else {
        return Plan::Fail(KernReturn::INVALID_ADDRESS);
    };
    let allowed = entry.attributes.prot;
    let needs_read = by == By::Task && access.intersects(Prot::DEFAULT);
    if !allowed.contains(access) || (needs_read && !allowed.contains(Prot::READ)) {
        return Plan::Fail(KernReturn::PROTECTION_FAILURE);
    }
    let Some(backing) = entry.backing else {
        return Plan::MakeObject;
    };
    let is_write = access.contains(Prot::WRITE) || by == By::Wirer;
    if is_write && entry.needs_copy {
        return if vm.is_alone(backing.object) { Plan::TakeOver(backing.object) } else { Plan::MakeShadow };
    }
    let offset = backing.offset + (address - start);
    let wanted = if needs_read { access | Prot::READ } else { access };
    let found = match walk(vm, backing.object, offset, wanted) {
        Ok(found) => found,
        Err(Plan::ZeroFill { object, offset, .. }) => {
            let prot = if entry.needs_copy { hardware(allowed) - Prot::WRITE } else { hardware(allowed) };
            return Plan::ZeroFill { object, offset, prot: is_simple(vm, object).then_some(prot) };
        }
        Err(plan) => return plan,
    };
    let mut prot = hardware(hardware(allowed) - found.lock);
    if !found.is_first {
        if is_write {
            let prot = (is_simple(vm, backing.object) && !entry.needs_copy).then_some(hardware(allowed));
            return Plan::CopyUp { below: found.id, from: found.frame, object: backing.object, offset, prot };
        }
        prot -= Prot::WRITE;
    } else if let Some((copy, offset)) = lacking_copy(vm, backing.object, offset) {
        if is_write {
            return Plan::Push { from: found.frame, copy, offset };
        }
        prot -= Prot::WRITE;
    }
    let is_clean = matches!(found.page.state, PageState::Clean { .. });
    let becomes_dirty = is_clean && access.contains(Prot::WRITE);
    if entry.needs_copy || (is_clean && !becomes_dirty) {
        prot -= Prot::WRITE;
    }
    Plan::Use { page: found.id, frame: found.frame, prot, becomes_dirty }
}

/// Whether a new page of an object is its own affair: no manager and no copy has a say in what may be done to it.
fn is_simple(vm: &Vm, object: ObjectId) -> bool {
    vm.objects.get(object).is_some_and(|object| object.copy.is_none() && object.is_internal())
}

/// Looks for the page at `offset` of an object and what is below it.
pub(crate) fn walk(vm: &Vm, first: ObjectId, first_offset: u64, access: Prot) -> Result<Found<'_>, Plan> {
    let (mut id, mut offset) = (first, first_offset);
    loop {
        let is_first = id == first;
        // Below a shadow a page is only read.
        let wanted = if is_first { access } else { Prot::READ };
        let object = vm.objects.get(id).ok_or(Plan::Fail(KernReturn::INVALID_ADDRESS))?;
        let page = object.pages.get(&offset).and_then(|page| Some((*page, vm.pages.get(*page)?)));
        match page {
            Some((id, page)) => match page.state {
                PageState::Requested { .. } => return Err(Plan::Wait(WaitOn::Page(id))),
                PageState::Clean { frame } | PageState::Dirty { frame } => {
                    // A manager that is gone forbids nothing any more.
                    let lock = if matches!(object.source, Source::Gone(_)) { Prot::NONE } else { page.lock };
                    let forbidden = wanted & lock;
                    if page.unlock_requested.contains(forbidden) && !forbidden.is_empty() {
                        return Err(Plan::Wait(WaitOn::Page(id)));
                    }
                    if !forbidden.is_empty() {
                        let access = page.unlock_requested | forbidden;
                        return Err(Plan::Unlock { page: id, access });
                    }
                    return Ok(Found { id, page, frame, lock, is_first });
                }
                PageState::Absent => {}
            },
            None if object.paged.contains(offset) => {
                return Err(match self::pager(vm, object) {
                    Some(_) => Plan::Request { object: id, offset, access: wanted },
                    None => Plan::Fail(KernReturn::MEMORY_ERROR),
                });
            }
            None => match object.source {
                Source::Zero => {}
                Source::Gone(_) => return Err(Plan::Fail(KernReturn::MEMORY_ERROR)),
                Source::Manager(assoc) => {
                    let is_ready = vm.associations.get(assoc).is_some_and(|record| record.is_ready());
                    return Err(match is_ready {
                        true => Plan::Request { object: id, offset, access: wanted },
                        false => Plan::Wait(WaitOn::Manager(assoc)),
                    });
                }
            },
        }
        match object.shadow {
            Some(shadow) => {
                id = shadow.object;
                offset = offset.wrapping_add(shadow.offset);
            }
            None => {
                return Err(Plan::ZeroFill { object: first, offset: first_offset, prot: None });
            }
        }
    }
}

/// Who has what was paged out of an object.
fn pager(vm: &Vm, object: &Object) -> Option<AssocId> {
    object.paging.filter(|assoc| vm.associations.get(*assoc).is_some())
}

/// The copy object of an object, if it must get the page before the page changes, and where in it.
fn lacking_copy(vm: &Vm, object: ObjectId, offset: u64) -> Option<(ObjectId, u64)> {
    let copy = vm.objects.get(object)?.copy?;
    let record = vm.objects.get(copy)?;
    let offset = offset.checked_sub(record.shadow?.offset)?;
    if offset >= record.size {
        return None;
    }
    let has_page = record
        .pages
        .get(&offset)
        .and_then(|page| vm.pages.get(*page))
        .is_some_and(|page| page.state != PageState::Absent);
    (!has_page && !record.paged.contains(offset)).then_some((copy, offset))
}
