//! Finding, cutting, adding and removing entries, with the accounts of map and objects kept right.

use mach_protocol::{KernResult, KernReturn};

use super::entry::Entry;
use crate::range::Range;
use crate::types::{MapId, Prot};
use crate::vm::Vm;

impl Vm {
    /// Makes an entry start at `address`, if one contains it.
    pub(crate) fn clip(&mut self, map: MapId, address: u64) {
        let Some(map) = self.maps.get_mut(map) else {
            return;
        };
        if let Some(upper) = map.entries.clip(address)
            && let Some(backing) = upper.backing
            && let Some(object) = self.objects.get_mut(backing.object)
        {
            object.refs += 1;
        }
    }

    /// Makes entries start and end at the ends of a range.
    pub(crate) fn clip_range(&mut self, map: MapId, range: Range) {
        self.clip(map, range.start);
        self.clip(map, range.end);
    }

    /// Adds an entry where nothing is, and joins it with its neighbours where they are alike. The entry
    /// brings the reference to its object.
    pub(crate) fn insert_entry(&mut self, id: MapId, start: u64, entry: Entry) {
        let Some(map) = self.maps.get_mut(id) else {
            return;
        };
        map.size += entry.end - start;
        if !entry.is_counted() {
            map.size_none += entry.end - start;
        }
        let end = entry.end;
        let has_neighbour = map.entries.ending_at(start).is_some();
        let is_extended = has_neighbour && self.extend_neighbour(id, start, &entry);
        if !is_extended && let Some(map) = self.maps.get_mut(id) {
            map.entries.insert(start, entry);
            if has_neighbour {
                self.join_at(id, start);
            }
        }
        self.join_at(id, end);
    }

    /// Takes the entry that starts at `start`; its reference to the object passes to the caller.
    pub(crate) fn remove_entry(&mut self, id: MapId, start: u64) -> Option<Entry> {
        let map = self.maps.get_mut(id)?;
        let entry = map.entries.remove(start)?;
        map.size -= entry.end - start;
        if !entry.is_counted() {
            map.size_none -= entry.end - start;
        }
        Some(entry)
    }

    /// Joins the entries that meet at `boundary`, if they can be one.
    pub(crate) fn join_at(&mut self, id: MapId, boundary: u64) {
        let Some(map) = self.maps.get_mut(id) else {
            return;
        };
        let Some(((start, lower), upper)) = map.entries.meeting_at(boundary) else {
            return;
        };
        if !lower.can_merge(start, upper) {
            return;
        }
        if let Some(upper) = map.entries.join(start)
            && let Some(backing) = upper.backing
        {
            self.release(backing.object);
        }
    }

    /// Joins what can be joined within a range and at its ends, after a call that made entries alike.
    pub(crate) fn join_range(&mut self, id: MapId, range: Range) {
        let mut at = range.start;
        while at <= range.end {
            self.join_at(id, at);
            let next = self.maps.get(id).and_then(|map| {
                let (start, entry) = map.entries.at_or_above(at)?;
                Some(if start > at { start } else { entry.end })
            });
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
    }

    /// Lets untouched memory behind an entry become part of that entry's object, when nobody else uses it.
    fn extend_neighbour(&mut self, id: MapId, start: u64, entry: &Entry) -> bool {
        let Some(map) = self.maps.get_mut(id) else {
            return false;
        };
        let Some((lower_start, lower)) = map.entries.ending_at(start) else {
            return false;
        };
        let (Some(backing), None) = (lower.backing, entry.backing) else {
            return false;
        };
        let like = Entry { backing: None, ..lower.clone() };
        if lower.needs_copy || !like.can_merge(lower_start, entry) {
            return false;
        }
        let Some(object) = self.objects.get_mut(backing.object) else {
            return false;
        };
        let used = backing.offset + (start - lower_start);
        let is_alone = object.refs == 1
            && object.is_internal()
            && object.shadow.is_none()
            && object.copy.is_none()
            && object.pages.range(used..).next().is_none()
            && object.paging.is_none();
        if !is_alone {
            return false;
        }
        let Some(size) = used.checked_add(entry.end - start) else {
            return false;
        };
        object.size = size;
        if let Some((_, lower)) = map.entries.lookup_mut(lower_start) {
            lower.end = entry.end;
        }
        map.entries.note_occupied(start, entry.end);
        true
    }

    /// Checks that a range lies in entries without a hole, and that each allows `access`.
    ///
    /// # Errors
    /// | # | check                        | error                |
    /// |---|------------------------------|----------------------|
    /// | 1 | no hole, nothing beyond max  | `InvalidAddress`     |
    /// | 2 | every entry allows `access`  | `ProtectionFailure`  |
    pub(crate) fn check_access(&self, map: MapId, range: Range, access: Prot) -> KernResult<()> {
        let map = self.maps.get(map).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if !map.entries.is_covered(range) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        let is_allowed = map.entries.overlapping(range).all(|(_, entry)| entry.attributes.prot.contains(access));
        if is_allowed { Ok(()) } else { Err(KernReturn::PROTECTION_FAILURE) }
    }
}
