//! Copying or sharing a range of one map into another without moving bytes, as far as that goes.
//!
//! | behind the source entry                   | how it is copied                                                  |
//! |-------------------------------------------|-------------------------------------------------------------------|
//! | nothing yet                               | the copy has nothing either                                       |
//! | anonymous memory, private                 | symmetric: both entries need a copy, mappings lose WRITE          |
//! | a manager's that wants to be asked        | it makes an object for the copy, and locks the pages              |
//! | shared on purpose, or a manager's         | asymmetric: pages are pushed to a copy object before they change |
//! | wired, or a chain grown too long          | bytes are copied now                                              |
//! | a manager's that may change by itself     | every byte is asked for and copied now                            |
//!
//! Both maps are locked by the operation, or unknown to others, until the copier is done.

use super::entry::{Attributes, Backing, Entry};
use crate::association::CopyStrategy;
use crate::fault::resume::Access;
use crate::object::Source;
use crate::object::shadow::MAX_DEPTH;
use crate::page::PageState;
use crate::pmap::Fill;
use crate::range::Range;
use crate::step::{Budget, Env};
use crate::types::{Inherit, MapId, ObjectId, Prot};
use crate::vm::Vm;

/// What the copy of an entry becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Terms {
    /// What the entry's inheritance says, with its attributes.
    Inherit,
    /// A snapshot with these attributes.
    Snapshot(Attributes),
    /// The same memory, with this inheritance, and these protections or the source's.
    Share(Inherit, Option<(Prot, Prot)>),
    /// A snapshot, likewise.
    Copy(Inherit, Option<(Prot, Prot)>),
}

/// What the copier is doing.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Going to the next entry.
    Next,
    /// Taking WRITE from the source's mappings.
    Protect { range: Range },
    /// Taking WRITE from all mappings of a shared object's pages.
    ProtectPages { object: ObjectId, offset: u64, end: u64 },
    /// Locking the pages of a manager's object against writing.
    LockPages { object: ObjectId, offset: u64, end: u64 },
    /// Copying the bytes of every page.
    Bytes { from: ObjectId, offset: u64, end: u64, to: ObjectId, shift: u64 },
}

/// How far the copier came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    Done,
    Again,
    /// A page of the source could not be had.
    Stopped(Access),
}

/// Copies a range of a map to another place.
#[derive(Debug)]
pub(crate) struct Copier {
    from: MapId,
    to: MapId,
    /// What is still to be copied.
    range: Range,
    /// Added to a source address it gives the destination's.
    shift: u64,
    terms: Terms,
    alloc_id: u64,
    work: Work,
}

impl Copier {
    pub(crate) fn new(vm: &mut Vm, from: MapId, range: Range, to: MapId, start: u64, terms: Terms) -> Copier {
        Copier {
            from,
            to,
            range,
            shift: start.wrapping_sub(range.start),
            terms,
            alloc_id: vm.new_alloc_id(),
            work: Work::Next,
        }
    }

    /// Goes on.
    pub(crate) fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Progress {
        loop {
            if budget.left() == 0 {
                return Progress::Again;
            }
            self.work = match self.work {
                Work::Next => {
                    budget.take(1);
                    match self.next_entry(vm, env) {
                        Ok(Some(work)) => work,
                        Ok(None) => return Progress::Done,
                        Err(stop) => return Progress::Stopped(stop),
                    }
                }
                Work::Protect { range } => self.protect(vm, env, range, budget),
                Work::ProtectPages { object, offset, end } => match protect_page(vm, env, object, offset, end) {
                    Some(next) => {
                        budget.take(1);
                        Work::ProtectPages { object, offset: next, end }
                    }
                    None => Work::Next,
                },
                Work::LockPages { object, offset, end } => match vm.lock_copied(env, object, offset, end) {
                    Some(next) => {
                        budget.take(1);
                        Work::LockPages { object, offset: next, end }
                    }
                    None => Work::Next,
                },
                Work::Bytes { from, offset, end, to, shift } => match vm.next_data_in_chain(from, offset, end) {
                    Some(at) => {
                        budget.take(1);
                        // Where it stops, it goes on.
                        self.work = Work::Bytes { from, offset: at, end, to, shift };
                        let to_offset = at.wrapping_sub(shift);
                        if let Err(stop) = copy_page(vm, env, from, at, to, to_offset) {
                            return Progress::Stopped(stop);
                        }
                        Work::Bytes { from, offset: at + crate::PAGE_SIZE, end, to, shift }
                    }
                    None => Work::Next,
                },
            };
        }
    }

    /// Takes WRITE from mappings of the source. A map that only carries a snapshot has none.
    fn protect<E: Env>(&self, vm: &Vm, env: &mut E, range: Range, budget: &mut Budget) -> Work {
        let Some(space) = vm.space_of(self.from) else { return Work::Next };
        let allowed = Prot::ALL - Prot::WRITE;
        let progress = env.protect(space, range, allowed, budget.left(), vm.others_in(self.from));
        budget.take(progress.changed);
        if progress.next < range.end {
            Work::Protect { range: Range { start: progress.next, ..range } }
        } else {
            Work::Next
        }
    }

    /// Makes the copy of the next entry, and says what is owed to it. Nothing if there is none; an error leaves it as it
    /// was.
    fn next_entry<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Result<Option<Work>, Access> {
        let Some((range, entry)) = self.clip_next(vm) else { return Ok(None) };
        let (is_share, attributes) = match self.terms {
            Terms::Inherit => match entry.attributes.inherit {
                Inherit::None => {
                    self.range.start = range.end;
                    return Ok(Some(Work::Next));
                }
                Inherit::Share => (true, entry.attributes),
                Inherit::Copy => (false, entry.attributes),
            },
            Terms::Snapshot(attributes) => (false, attributes),
            Terms::Share(inherit, prots) => (true, entry.attributes.with(inherit, prots)),
            Terms::Copy(inherit, prots) => (false, entry.attributes.with(inherit, prots)),
        };
        let copy = Entry {
            end: range.end.wrapping_add(self.shift),
            backing: None,
            attributes,
            needs_copy: false,
            is_shared: false,
            wired: 0,
            alloc_id: match self.terms {
                Terms::Inherit => entry.alloc_id,
                _ => self.alloc_id,
            },
        };
        let made = if is_share { self.share(vm, range, copy) } else { self.copy(vm, env, range, &entry, copy)? };
        self.range.start = range.end;
        let Some((copy, work)) = made else { return Ok(None) };
        vm.insert_entry(self.to, range.start.wrapping_add(self.shift), copy);
        Ok(Some(work))
    }

    /// The next entry of the source, cut to what is to be copied.
    fn clip_next(&self, vm: &mut Vm) -> Option<(Range, Entry)> {
        let map = vm.maps.get(self.from)?;
        let (start, _) = map.entries.at_or_above(self.range.start)?;
        let start = start.max(self.range.start);
        if start >= self.range.end {
            return None;
        }
        vm.clip_range(self.from, Range { start, end: self.range.end });
        let (_, entry) = vm.maps.get(self.from)?.entries.lookup(start)?;
        Some((Range { start, end: entry.end }, entry.clone()))
    }

    /// Both entries use the same object from now on.
    fn share(&self, vm: &mut Vm, range: Range, mut copy: Entry) -> Option<(Entry, Work)> {
        vm.make_shareable(self.from, range.start);
        let backing = vm.maps.get(self.from)?.entries.lookup(range.start)?.1.backing?;
        vm.share_object(self.from, range.start, backing.object);
        vm.retain(backing.object);
        copy.backing = Some(backing);
        copy.is_shared = true;
        Some((copy, Work::Next))
    }

    /// The new entry is a snapshot of the source's.
    fn copy<E: Env>(
        &self,
        vm: &mut Vm,
        env: &mut E,
        range: Range,
        entry: &Entry,
        mut copy: Entry,
    ) -> Result<Option<(Entry, Work)>, Access> {
        let Some(Backing { object, offset }) = entry.backing else {
            return Ok(Some((copy, Work::Next)));
        };
        let end = offset + range.size();
        let Some(source) = vm.objects.get(object) else { return Ok(None) };
        let is_symmetric = source.is_internal() && !source.is_shared;
        if entry.wired > 0
            || vm.changes_by_itself(object)
            || vm.chain_length(object) >= MAX_DEPTH
            || (!is_symmetric && vm.copy_rank(object) >= MAX_DEPTH)
        {
            let to = vm.new_object(range.size());
            copy.backing = Some(Backing { object: to, offset: 0 });
            return Ok(Some((copy, Work::Bytes { from: object, offset, end, to, shift: offset })));
        }
        copy.needs_copy = true;
        if let Some(assoc) = vm.asks_for_copies(object) {
            let made = vm.call_copy(env, assoc, Range { start: offset, end })?;
            copy.backing = Some(Backing { object: made, offset: 0 });
            return Ok(Some((copy, Work::LockPages { object, offset, end })));
        }
        Ok(self.copy_later(vm, range, entry, copy, is_symmetric))
    }

    /// A snapshot of which nobody is told.
    fn copy_later(
        &self,
        vm: &mut Vm,
        range: Range,
        entry: &Entry,
        mut copy: Entry,
        is_symmetric: bool,
    ) -> Option<(Entry, Work)> {
        let Backing { object, offset } = entry.backing?;
        if !is_symmetric {
            let part = Range { start: offset, end: offset + range.size() };
            let (copied, window) = vm.make_copy_object(object, part)?;
            let to_offset = offset - window.start;
            copy.backing = Some(Backing { object: copied, offset: to_offset });
            let (offset, end) = (window.start, window.end);
            return Some((copy, Work::ProtectPages { object, offset, end }));
        }
        copy.backing = entry.backing;
        let source = vm.objects.get_mut(object)?;
        source.is_unique = false;
        source.refs += 1;
        if entry.needs_copy {
            return Some((copy, Work::Next));
        }
        let (_, entry) = vm.maps.get_mut(self.from)?.entries.lookup_mut(range.start)?;
        entry.needs_copy = true;
        Some((copy, Work::Protect { range }))
    }
}

impl Vm {
    /// Whether the manager of an object promises nothing about its data. One that is not ready has none that could have
    /// changed yet.
    fn changes_by_itself(&self, object: ObjectId) -> bool {
        match self.objects.get(object).map(|object| object.source) {
            Some(Source::Manager(assoc)) => {
                let record = self.associations.get(assoc);
                record.is_some_and(|record| record.is_ready() && record.strategy == CopyStrategy::None)
            }
            Some(Source::Gone(strategy)) => strategy == CopyStrategy::None,
            Some(Source::Zero) | None => false,
        }
    }

    /// Gives the entry at `address` an object that others may use as well: writes through the entry go there.
    pub(crate) fn make_shareable(&mut self, map: MapId, address: u64) {
        let Some((_, entry)) = self.maps.get(map).and_then(|map| map.entries.lookup(address)) else {
            return;
        };
        let Some(backing) = entry.backing else {
            self.make_object(map, address);
            return;
        };
        if entry.needs_copy {
            if self.is_alone(backing.object) {
                self.take_over(map, address, backing.object);
            } else {
                self.shadow_entry(map, address);
            }
        }
    }
}

/// Takes WRITE from the first page of an object in `[offset, end)`. Returns where to go on.
fn protect_page<E: Env>(vm: &mut Vm, env: &mut E, object: ObjectId, offset: u64, end: u64) -> Option<u64> {
    let (at, page) = vm.objects.get(object)?.pages.first(offset, end)?;
    if let Some(frame) = vm.pages.get(*page).and_then(|page| page.state.frame()) {
        env.page_protect(frame, Prot::ALL - Prot::WRITE);
    }
    Some(at + crate::PAGE_SIZE)
}

/// Copies a page that is somewhere in the chain of `from` into `to`.
fn copy_page<E: Env>(
    vm: &mut Vm,
    env: &mut E,
    from: ObjectId,
    offset: u64,
    to: ObjectId,
    to_offset: u64,
) -> Result<(), Access> {
    let frame = match vm.fetch(env, from, offset) {
        Access::Frame { frame, .. } => frame,
        Access::Zeros => return Ok(()),
        stop => return Err(stop),
    };
    let Ok(new) = env.allocate_frame(Fill::Any) else {
        return Err(vm.shortage(env));
    };
    env.copy_frame(frame, new);
    vm.insert_page(to, to_offset, PageState::Dirty { frame: new });
    Ok(())
}
