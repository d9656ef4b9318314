//! The two ways to copy an object without copying bytes.

use super::{Object, Shadow};
use crate::range::Range;
use crate::types::ObjectId;
use crate::vm::Vm;

/// Copies of a chain or a stack of copies deeper than this move bytes instead, so that no fault walks further.
pub(crate) const MAX_DEPTH: usize = 24;

impl Vm {
    /// Puts a fresh object in front of `[offset, offset + size)` of another and takes over the caller's
    /// reference to it.
    pub(crate) fn make_shadow(&mut self, below: ObjectId, offset: u64, size: u64) -> ObjectId {
        let id = self.new_object(size);
        self.link_shadow(id, Shadow { object: below, offset });
        id
    }

    /// Makes (or finds) the asymmetric copy of a part of an object: from now on pages of the part are pushed there
    /// before they change. Returns it with a reference for the caller, and the part of the object that it
    /// stands for; the caller takes write access from the pages of that part.
    pub(crate) fn make_copy_object(&mut self, id: ObjectId, part: Range) -> Option<(ObjectId, Range)> {
        let old = self.objects.get(id)?.copy;
        let mut window = part;
        let mut rank = 0;
        if let Some(old) = old
            && let Some(copy) = self.objects.get_mut(old)
            && let Some(shadow) = copy.shadow
        {
            let covered = Range { start: shadow.offset, end: shadow.offset + copy.size };
            let is_within = covered.start <= part.start && part.end <= covered.end;
            if is_within && copy.is_frozen && copy.pages.is_empty() && copy.paged.is_empty() {
                // Nothing changed since, so that snapshot is this one, too.
                copy.is_unique = false;
                copy.refs += 1;
                return Some((old, covered));
            }
            window.start = window.start.min(covered.start);
            window.end = window.end.max(covered.end);
            rank = copy.copy_rank.saturating_add(1);
        }
        let new = self.objects.insert(Object { copy_rank: rank, is_frozen: true, ..Object::anonymous(window.size()) });
        self.retain(id);
        self.link_shadow(new, Shadow { object: id, offset: window.start });
        if let Some(old) = old
            && let Some(shadow) = self.unlink_shadow(old)
        {
            // The older copy now looks through the newer one; its reference to the original goes.
            self.retain(new);
            self.link_shadow(old, Shadow { object: new, offset: shadow.offset - window.start });
            self.release(shadow.object);
        }
        if let Some(object) = self.objects.get_mut(id) {
            object.copy = Some(new);
        }
        Some((new, window))
    }

    /// How many objects a lookup that starts here may walk through.
    pub(crate) fn chain_length(&self, id: ObjectId) -> usize {
        let mut length = 0;
        let mut at = Some(id);
        while let Some(object) = at.and_then(|id| self.objects.get(id)) {
            length += 1;
            at = object.shadow.map(|shadow| shadow.object);
        }
        length
    }

    /// How many asymmetric copies are stacked on an object.
    pub(crate) fn copy_rank(&self, id: ObjectId) -> usize {
        let copy = self.objects.get(id).and_then(|object| object.copy);
        copy.and_then(|copy| self.objects.get(copy)).map_or(0, |copy| copy.copy_rank as usize + 1)
    }

    /// The object at the end of the chain.
    pub(crate) fn chain_end(&self, id: ObjectId) -> ObjectId {
        let mut at = id;
        while let Some(shadow) = self.objects.get(at).and_then(|object| object.shadow) {
            at = shadow.object;
        }
        at
    }

    /// The first offset in `[offset, end)` of an object where its chain may have something else than zeros: a manager may
    /// have it anywhere.
    pub(crate) fn next_data_in_chain(&self, id: ObjectId, offset: u64, end: u64) -> Option<u64> {
        match self.objects.get(self.chain_end(id)) {
            Some(last) if !last.is_internal() => (offset < end).then_some(offset),
            _ => self.next_page_in_chain(id, offset, end),
        }
    }

    /// The first offset in `[offset, end)` of an object where anything in its chain has a page.
    pub(crate) fn next_page_in_chain(&self, id: ObjectId, offset: u64, end: u64) -> Option<u64> {
        let mut best = end;
        let mut at = Some((id, 0u64));
        while let Some((id, delta)) = at {
            let Some(object) = self.objects.get(id) else {
                break;
            };
            let window = offset.wrapping_add(delta)..best.wrapping_add(delta);
            if window.start < window.end
                && let Some((found, _)) = object.pages.first(window.start, window.end)
            {
                best = found.wrapping_sub(delta);
            }
            let end = best.wrapping_add(delta);
            if let Some(found) = object.paged.first(window.start, end) {
                best = found.wrapping_sub(delta);
            }
            at = object.shadow.map(|shadow| (shadow.object, delta.wrapping_add(shadow.offset)));
        }
        (best < end).then_some(best)
    }
}
