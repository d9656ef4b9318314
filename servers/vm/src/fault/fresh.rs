//! The short way for the commonest fault: the first touch of a page of a task's own memory.
//!
//! What a plan would be made of is looked at once, in few records, and then done: [`plan`](super::plan) finds the same, and
//! [`resolve`](Vm::resolve) does the same, in more looks. Everything else takes that way, and nothing has changed then.

use super::ahead::Run;
use crate::map::protect::hardware;
use crate::object::Object;
use crate::page::queue::Queues;
use crate::page::{Page, PageState};
use crate::pmap::Fill;
use crate::step::{Env, Step};
use crate::types::{FrameId, MapId, ObjectId, PAGE_SIZE, Prot};
use crate::vm::Vm;
use arena::{Arena, Filled};

impl Vm {
    /// Serves the first touch of a page of memory that is nobody else's. `None`: the fault is another one.
    #[inline]
    pub(super) fn touch_fresh<E: Env>(
        &mut self,
        env: &mut E,
        (id, address): (MapId, u64),
        access: Prot,
        is_first: bool,
    ) -> Option<Step<()>> {
        #[cfg(test)]
        if self.takes_long_way {
            return None;
        }
        // Whoever waited in vain, and what is to be tidied, is the long way's affair.
        if self.failure.is_some() || self.chores.object.is_some() {
            return None;
        }
        let map = self.maps.get_mut(id).filter(|map| !map.is_locked && !map.is_kept)?;
        let space = map.space?;
        let (start, entry) = map.entries.lookup(address)?;
        let (allowed, entry_end) = (entry.attributes.prot, entry.end);
        // Writing needs READ as well, as the hardware has it.
        let wanted = if access.intersects(Prot::DEFAULT) { access | Prot::READ } else { access };
        let backing = entry.backing.filter(|_| allowed.contains(wanted) && !entry.needs_copy)?;
        let object = self.objects.get_mut(backing.object).filter(|object| object.is_plain())?;
        let offset = backing.offset + (address - start);
        let (frame, filled) = object.add_page(&mut self.queues, &mut self.pages, (backing.object, offset), || {
            env.prepare_step().and_then(|()| env.allocate_frame(Fill::Zero)).ok()
        })?;
        let prot = hardware(allowed);
        let run = match filled {
            Filled::MayContinue => object.run_before(offset, backing.offset),
            Filled::Alone | Filled::No => None,
        };
        let mut zero_fills = 1;
        self.counters.resident += 1;
        let is_entered = env.enter(space, address, frame, prot).is_ok();
        if is_entered
            && let Some(len) = run
            && self.is_plenty(env)
        {
            let run = Run { object: backing.object, offset, end: backing.offset + (entry_end - start), len };
            zero_fills += self.fill_run(env, &run, (space, address), prot, false);
        }
        self.counters.faults += u64::from(is_first);
        self.counters.zero_fills += zero_fills;
        if let Some(map) = self.maps.get_mut(id) {
            map.events.faults += u64::from(is_first);
            map.events.zero_fills += zero_fills;
        }
        if !is_entered {
            env.remove(space, address, address + PAGE_SIZE, 1);
            return Some(self.shortage(env).into());
        }
        Some(Step::Done(Ok(())))
    }
}

impl Object {
    /// Whether its pages are its own affair, and what it lacks is zeros: there is no manager, nothing below it, and no copy
    /// that gets a page before it changes.
    pub(super) fn is_plain(&self) -> bool {
        self.is_internal() && self.shadow.is_none() && self.copy.is_none()
    }

    /// Adds a page of zeros to a plain object that has nothing at an offset, here or paged out. `None`: it has, or there is no
    /// frame.
    #[inline]
    pub(super) fn add_page(
        &mut self,
        queues: &mut Queues,
        pages: &mut Arena<Page>,
        (id, offset): (ObjectId, u64),
        zeros: impl FnOnce() -> Option<FrameId>,
    ) -> Option<(FrameId, Filled)> {
        if self.paged.contains(offset) {
            return None;
        }
        let (mut taken, source) = (None, self.source);
        let filled = self.pages.fill(offset, || {
            let frame = zeros()?;
            taken = Some(frame);
            Some(queues.enter_active(pages, Page::new(id, offset, PageState::Dirty { frame }), source))
        });
        Some((taken?, filled))
    }
}
