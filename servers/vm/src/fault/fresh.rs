//! The first touch of a page of a task's own memory, by the [short way](super::short).

use super::ahead::Run;
use crate::object::Object;
use crate::page::queue::Queues;
use crate::page::{Page, PageState};
use crate::pmap::Fill;
use crate::step::Env;
use crate::types::{FrameId, ObjectId, Prot, SpaceId};
use crate::vm::Vm;
use arena::{Arena, Filled};

/// What the short ways know of an access, once map and entry have been looked at.
pub(super) struct Touch {
    pub(super) space: SpaceId,
    pub(super) address: u64,
    /// The object in front, and where in it.
    pub(super) object: ObjectId,
    pub(super) offset: u64,
    /// The part of the object that the entry maps.
    pub(super) part: (u64, u64),
    /// What the task may do to a page of its own.
    pub(super) prot: Prot,
}

impl Vm {
    /// Adds a page of zeros to an object that is plain and has none there, and maps it. `None`: the fault is another one.
    /// Answers how many pages were filled, and whether the first could be mapped.
    #[inline]
    pub(super) fn touch_fresh<E: Env>(&mut self, env: &mut E, touch: &Touch) -> Option<(u64, bool)> {
        let &Touch { space, address, object: id, offset, part: (start, end), prot } = touch;
        let object = self.objects.get_mut(id)?;
        let (frame, filled) = object.add_page(&mut self.queues, &mut self.pages, (id, offset), || {
            env.prepare_step().and_then(|()| env.allocate_frame(Fill::Zero)).ok()
        })?;
        let run = match filled {
            Filled::MayContinue => object.run_before(offset, start),
            Filled::Alone | Filled::No => None,
        };
        self.counters.resident += 1;
        if env.enter(space, address, frame, prot).is_err() {
            return Some((1, false));
        }
        let ahead = match run {
            Some(len) if self.is_plenty(env) => {
                self.fill_run(env, &Run { object: id, offset, end, len }, (space, address), prot, false)
            }
            _ => 0,
        };
        Some((1 + ahead, true))
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
