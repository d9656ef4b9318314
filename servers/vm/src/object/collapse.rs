//! Shortening shadow chains.
//!
//! *Collapse*: an object swallows a shadow that nobody else uses, page by page. At every moment in between a
//! lookup finds what it found before, so this needs no lock and stops whenever the step is over.
//! *Bypass*: an object that has every page it could want from its shadow points past it.
//!
//! Neither is visible but by the memory that comes back.

use super::Shadow;
use crate::range::trunc;
use crate::step::{Budget, Env};
use crate::types::{ObjectId, PAGE_SIZE};
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
        let is_quiet = |page| self.pages.get(page).is_some_and(|page| page.state.frame().is_some());
        let pages = object.pages.len() as u64;
        if pages >= object.size / PAGE_SIZE && object.pages.values().all(|page| is_quiet(*page)) {
            return Finding::Cut;
        }
        if !below.is_internal() || below.copy.is_some_and(|copy| copy != id) {
            return Finding::Nothing;
        }
        if below.refs == 1 {
            return Finding::Swallow(link);
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
        let has_all = below
            .pages
            .range(window)
            .take(crate::STEP_PAGES + 1)
            .enumerate()
            .all(|(n, (at, _))| n < crate::STEP_PAGES && object.pages.contains_key(&at.wrapping_sub(link.offset)));
        if has_all { Finding::Bypass } else { Finding::Nothing }
    }

    /// Moves up what the object lacks, drops what it has. Returns whether the shadow is empty.
    fn swallow_pages<E: Env>(&mut self, env: &mut E, id: ObjectId, link: Shadow, budget: &mut Budget) -> bool {
        loop {
            let Some(below) = self.objects.get_mut(link.object) else {
                return true;
            };
            let Some((at, &page)) = below.pages.iter().next() else {
                return true;
            };
            if !budget.take(1) {
                return false;
            }
            let is_wanted = at.checked_sub(link.offset).is_some_and(|offset| {
                self.objects.get(id).is_some_and(|object| offset < object.size && !object.pages.contains_key(&offset))
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
