//! The short way of the commonest faults: the first touch of a page of a task's own memory, the first write to one that is
//! shared with a copy, and a page that is there and not mapped.
//!
//! What a plan would be made of is looked at once, in few records, and then done: [`plan`](super::plan) finds the same, and
//! [`resolve`](Vm::resolve) does the same, in more looks. Everything else takes that way, and nothing has changed then.

use super::fresh::Touch;
use crate::map::protect::hardware;
use crate::page::PageState;
use crate::page::queue::Queue;
use crate::step::{Budget, Env, Step};
use crate::types::{FrameId, MapId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

/// A page that is there.
enum Resident {
    /// It can be mapped, for this.
    Use(FrameId, Prot),
    /// It is in the object below, and is written to.
    Below(PageId, FrameId),
}

impl Vm {
    /// Serves a fault that is one of the commonest. `None`: it is another one.
    #[inline]
    pub(super) fn serve_shortly<E: Env>(
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
        let map = self.maps.get(id).filter(|map| !map.is_locked && !map.is_kept)?;
        let space = map.space?;
        let (start, entry) = map.entries.lookup(address)?;
        let allowed = entry.attributes.prot;
        // Writing needs READ as well, as the hardware has it.
        let wanted = if access.intersects(Prot::DEFAULT) { access | Prot::READ } else { access };
        let backing = entry.backing.filter(|_| allowed.contains(wanted) && !entry.needs_copy)?;
        let touch = Touch {
            space,
            address,
            object: backing.object,
            offset: backing.offset + (address - start),
            part: (backing.offset, backing.offset + (entry.end - start)),
            prot: hardware(allowed),
        };
        let is_plain = self.objects.get(backing.object)?.is_plain();
        let fresh = if is_plain { self.touch_fresh(env, &touch) } else { None };
        let (mut zero_fills, mut cow_faults) = (0, 0);
        let is_entered = match fresh {
            Some((filled, is_entered)) => {
                zero_fills = filled;
                is_entered
            }
            None => match self.find_resident(&touch, access)? {
                Resident::Use(frame, prot) => {
                    env.prepare_step().ok()?;
                    let is_entered = env.enter(space, address, frame, prot).is_ok();
                    if is_entered {
                        self.map_ahead(env, id, space, address, access);
                    }
                    is_entered
                }
                Resident::Below(below, from) => {
                    env.prepare_step().ok()?;
                    let place = (touch.object, touch.offset);
                    let (_, frame) = self.copy_up(env, (Some(space), address), (below, from), place).ok()?;
                    cow_faults = 1;
                    let is_entered = env.enter(space, address, frame, touch.prot).is_ok();
                    if is_entered {
                        self.tidy_objects(env, &mut Budget::aside());
                    }
                    is_entered
                }
            },
        };
        self.counters.faults += u64::from(is_first);
        self.counters.zero_fills += zero_fills;
        if let Some(map) = self.maps.get_mut(id) {
            map.events.faults += u64::from(is_first);
            map.events.zero_fills += zero_fills;
            map.events.cow_faults += cow_faults;
        }
        if !is_entered {
            env.remove(space, address, address + PAGE_SIZE, 1);
            return Some(self.shortage(env).into());
        }
        Some(Step::Done(Ok(())))
    }

    /// The page of an access, if it is in the first object or the one below, and nobody has a say in what is done to it.
    #[inline]
    fn find_resident(&self, touch: &Touch, access: Prot) -> Option<Resident> {
        let object = self.objects.get(touch.object).filter(|object| object.copy.is_none())?;
        let own = object.pages.get(&touch.offset);
        let id = match own {
            Some(page) => *page,
            None if object.paged.contains(touch.offset) || !object.is_internal() => return None,
            None => {
                let shadow = object.shadow?;
                *self.objects.get(shadow.object)?.pages.get(&touch.offset.wrapping_add(shadow.offset))?
            }
        };
        let page = self.pages.get(id).filter(|page| page.lock.is_empty())?;
        let (frame, is_clean) = match page.state {
            PageState::Clean { frame } => (frame, true),
            PageState::Dirty { frame } => (frame, false),
            PageState::Requested { .. } | PageState::Absent => return None,
        };
        let is_write = access.contains(Prot::WRITE);
        if is_write && own.is_none() {
            return Some(Resident::Below(id, frame));
        }
        // A page that becomes dirty, or that comes back into use, has more to it.
        if page.is_unsolicited || (is_clean && is_write) || matches!(page.links.queue, Queue::Inactive(_)) {
            return None;
        }
        let is_narrow = is_clean || own.is_none();
        Some(Resident::Use(frame, if is_narrow { touch.prot - Prot::WRITE } else { touch.prot }))
    }
}
