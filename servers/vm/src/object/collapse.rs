//! Shortening shadow chains.
//!
//! *Collapse*: an object swallows a shadow that nobody else uses, page by page. At every moment in between a
//! lookup finds what it found before, so this needs no lock and stops whenever the step is over.
//! *Bypass*: an object that has every page it could want from its shadow points past it.
//!
//! A page that was paged out of the shadow stays where it is, under its offset at the default pager: while one is there
//! that the object could want, the shadow stays as well. It gives up what is resident, so nothing is kept twice in memory,
//! and goes with the last of its pages that comes in.
//!
//! Neither is visible but by the memory that comes back.

use super::{Object, Shadow};
use crate::page::PageState;
use crate::range::trunc;
use crate::step::{Budget, Env};
use crate::types::{ObjectId, PAGE_SIZE, PageId};
use crate::vm::Vm;

/// What one look at an object and its shadow found to do.
enum Finding {
    Nothing,
    /// The shadow is ours alone.
    Swallow(Shadow),
    /// Everything we could want from the shadow is ours already.
    Bypass,
    /// Everything we could want from below is ours already.
    Cut,
}

impl Vm {
    /// Shortens the chain below an object as far as the budget goes. Returns whether nothing is left to do.
    pub(crate) fn collapse<E: Env>(&mut self, env: &mut E, id: ObjectId, budget: &mut Budget) -> bool {
        loop {
            match self.examine(id) {
                Finding::Nothing => return true,
                Finding::Swallow(shadow) => {
                    if !self.swallow_pages(env, id, shadow, budget) {
                        return false;
                    }
                    if !self.is_spent(id, shadow) {
                        return true;
                    }
                    self.swallow_rest(env, id, shadow);
                }
                Finding::Bypass => self.bypass(id),
                Finding::Cut => {
                    if let Some(shadow) = self.unlink_shadow(id) {
                        self.release(shadow.object);
                    }
                }
            }
            if !budget.take(1) {
                return false;
            }
        }
    }

    fn examine(&self, id: ObjectId) -> Finding {
        let Some(object) = self.objects.get(id) else {
            return Finding::Nothing;
        };
        let Some(link) = object.shadow else {
            return Finding::Nothing;
        };
        let Some(below) = self.objects.get(link.object) else {
            return Finding::Nothing;
        };
        if !object.is_internal() {
            return Finding::Nothing;
        }
        let pages = (object.pages.len() + object.paged.len()) as u64;
        if pages >= object.size / PAGE_SIZE {
            return Finding::Cut;
        }
        if !below.is_internal() || below.copy.is_some_and(|copy| copy != id) {
            return Finding::Nothing;
        }
        if below.refs == 1 {
            // What is with the default pager cannot be moved.
            let is_worthwhile = !below.pages.is_empty() || self.is_spent(id, link);
            return if is_worthwhile { Finding::Swallow(link) } else { Finding::Nothing };
        }
        // What the shadow's own original pushes there must still be found.
        let is_copy = below
            .shadow
            .and_then(|lower| self.objects.get(lower.object))
            .is_some_and(|lower| lower.copy == Some(link.object));
        if is_copy {
            return Finding::Nothing;
        }
        // Looking is bounded: a shadow with more pages than a step is left alone.
        let window = link.offset..link.offset.saturating_add(object.size);
        let is_known = |at: u64| object.knows(at.wrapping_sub(link.offset));
        let has_all = below
            .pages
            .range(window)
            .take(crate::STEP_PAGES + 1)
            .enumerate()
            .all(|(n, (at, _))| n < crate::STEP_PAGES && is_known(at));
        if has_all && self.knows_paged(object, below, link) { Finding::Bypass } else { Finding::Nothing }
    }

    /// Whether an object has everything that was paged out of its shadow and that it could want. Looking is bounded.
    fn knows_paged(&self, object: &Object, below: &Object, link: Shadow) -> bool {
        if below.paged.len() > crate::STEP_PAGES {
            return false;
        }
        let end = link.offset.saturating_add(object.size);
        let mut next = below.paged.first(link.offset, end);
        while let Some(at) = next {
            if !object.knows(at - link.offset) {
                return false;
            }
            next = below.paged.first(at + PAGE_SIZE, end);
        }
        true
    }

    /// Whether nothing is left in a shadow that an object could want.
    fn is_spent(&self, id: ObjectId, link: Shadow) -> bool {
        let (Some(object), Some(below)) = (self.objects.get(id), self.objects.get(link.object)) else { return true };
        below.pages.is_empty() && self.knows_paged(object, below, link)
    }

    /// Moves up what the object lacks, drops what it has. Returns whether that is all; what is on its way in stays.
    fn swallow_pages<E: Env>(&mut self, env: &mut E, id: ObjectId, link: Shadow, budget: &mut Budget) -> bool {
        loop {
            let Some(below) = self.objects.get_mut(link.object) else {
                return true;
            };
            // The default pager's answer would not find it elsewhere.
            let is_settled = |id: &PageId| self.pages.get(*id).is_none_or(|page| page.state.frame().is_some());
            let Some((at, &page)) = below.pages.iter().find(|(_, page)| is_settled(page)) else {
                return true;
            };
            if !budget.take(1) {
                return false;
            }
            let is_wanted = at.checked_sub(link.offset).is_some_and(|offset| {
                self.objects.get(id).is_some_and(|object| offset < object.size && !object.knows(offset))
            });
            if !is_wanted {
                self.drop_page(env, link.object, at);
                continue;
            }
            let offset = at - link.offset;
            if let Some(below) = self.objects.get_mut(link.object) {
                below.pages.remove(&at);
            }
            if let Some(record) = self.pages.get_mut(page) {
                record.object = id;
                record.offset = offset;
                record.has_slot = false;
                // A copy of it that the default pager has is another object's.
                if let Some(frame) = record.state.frame() {
                    record.state = PageState::Dirty { frame };
                }
            }
            if let Some(object) = self.objects.get_mut(id) {
                object.pages.insert(offset, page);
            }
        }
    }

    /// Takes the place of an empty shadow above what is below it.
    fn swallow_rest<E: Env>(&mut self, env: &mut E, id: ObjectId, link: Shadow) {
        self.unlink_shadow(id);
        if let Some(lower) = self.unlink_shadow_keeping_copy(link.object, id) {
            let offset = lower.offset.wrapping_add(link.offset);
            self.link_shadow(id, Shadow { object: lower.object, offset });
        }
        if let Some(assoc) = self.objects.get(link.object).and_then(|below| below.paging) {
            self.end_paging(env, assoc);
        }
        let Some(below) = self.objects.get_mut(link.object) else { return };
        if below.is_queued {
            // Its turn will come: then it is found without references, and freed.
            below.refs = 0;
            return;
        }
        if below.is_named {
            env.name_dead(link.object);
        }
        self.objects.remove(link.object);
    }

    /// Takes `old` off its shadow; if it was the newest copy there, `new` becomes that.
    fn unlink_shadow_keeping_copy(&mut self, old: ObjectId, new: ObjectId) -> Option<Shadow> {
        let below = self.objects.get(old)?.shadow?.object;
        let was_copy = self.objects.get(below).is_some_and(|below| below.copy == Some(old));
        let shadow = self.unlink_shadow(old)?;
        if was_copy {
            let rank = self.objects.get(old).map_or(0, |old| old.copy_rank);
            if let Some(object) = self.objects.get_mut(new) {
                object.copy_rank = rank;
            }
            if let Some(below) = self.objects.get_mut(below) {
                below.copy = Some(new);
            }
        }
        Some(shadow)
    }

    /// Points past the shadow.
    fn bypass(&mut self, id: ObjectId) {
        let Some(shadow) = self.unlink_shadow(id) else {
            return;
        };
        let lower = self.objects.get(shadow.object).and_then(|below| below.shadow);
        if let Some(lower) = lower {
            self.retain(lower.object);
            let offset = lower.offset.wrapping_add(shadow.offset);
            self.link_shadow(id, Shadow { object: lower.object, offset: trunc(offset) });
        }
        self.release(shadow.object);
    }
}
