//! The state: all maps, objects and pages, and the work that is left over.

use alloc::collections::{BTreeMap, VecDeque};
use arena::Arena;

use mach_protocol::{KernResult, KernReturn};

use crate::association::Association;
use crate::map::{Limits, Map};
use crate::object::Object;
use crate::page::Page;
use crate::page::queue::Queues;
use crate::pageout::PageOut;
use crate::pmap::Shortage;
use crate::range::Range;
use crate::step::{Budget, Env, WaitOn, Wake};
use crate::types::{AssocId, ManagerId, MapId, ObjectId, SpaceId};

/// What the virtual memory must know of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Bytes of physical memory; the first map's limits follow from it.
    pub memory: u64,
}

/// How many times the memory of the machine a task may have, to begin with (spec 2.5 recommends once): what is not used
/// goes to the paging area, whose size is known to the default pager alone, and when that is full the writer is told.
const LIMIT_PER_MEMORY: u64 = 8;
/// Bytes that a task may have on the smallest machine.
const LEAST_LIMIT: u64 = 512 << 20;

/// Work that is left over: stacks that run through the records themselves, so that leaving work never needs memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chores {
    /// Objects to be freed, collapsed or bypassed.
    pub(crate) object: Option<ObjectId>,
    /// Maps that nobody uses any more.
    pub(crate) map: Option<MapId>,
}

/// System-wide counts, for `vm_statistics`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Pages with a frame.
    pub(crate) resident: u64,
    /// Of these, wired ones.
    pub(crate) wired: u64,
    pub(crate) faults: u64,
    pub(crate) zero_fills: u64,
    pub(crate) cow_faults: u64,
    pub(crate) pageins: u64,
    pub(crate) pageouts: u64,
    /// data_requests.
    pub(crate) requests: u64,
    pub(crate) reactivations: u64,
    pub(crate) lookups: u64,
    pub(crate) hits: u64,
}

/// All maps, objects and pages.
pub struct Vm {
    pub(crate) maps: Arena<Map>,
    pub(crate) objects: Arena<Object>,
    pub(crate) pages: Arena<Page>,
    pub(crate) chores: Chores,
    pub(crate) counters: Counters,
    pub(crate) associations: Arena<Association>,
    /// ASSOC-1
    pub(crate) managers: BTreeMap<ManagerId, AssocId>,
    /// ASSOC-5: in the order in which they were cached.
    pub(crate) cached: BTreeMap<u64, AssocId>,
    pub(crate) queues: Queues,
    pub(crate) pageout: PageOut,
    /// The operation that is being stepped waited for this in vain.
    pub(crate) failure: Option<KernReturn>,
    wakeups: VecDeque<(WaitOn, Wake)>,
    default_limits: Limits,
    last_alloc_id: u64,
    /// No fault takes the short way.
    #[cfg(test)]
    pub(crate) takes_long_way: bool,
}

impl Vm {
    /// An empty state.
    #[must_use]
    pub fn new(config: Config) -> Vm {
        let limit = config.memory.saturating_mul(LIMIT_PER_MEMORY).max(LEAST_LIMIT);
        Vm {
            maps: Arena::new(),
            objects: Arena::new(),
            pages: Arena::new(),
            chores: Chores::default(),
            counters: Counters::default(),
            associations: Arena::new(),
            managers: BTreeMap::new(),
            cached: BTreeMap::new(),
            queues: Queues::default(),
            pageout: PageOut::new(config.memory),
            failure: None,
            wakeups: VecDeque::new(),
            default_limits: Limits { current: limit, max: limit },
            last_alloc_id: 0,
            #[cfg(test)]
            takes_long_way: false,
        }
    }

    /// Makes an empty map for the addresses `bounds`, which start at or above the first page.
    ///
    /// # Errors
    /// [`KernReturn::INVALID_ARGUMENT`]: the bounds are not page aligned, empty, or hold page 0;
    /// [`KernReturn::RESOURCE_SHORTAGE`].
    pub fn create_map<E: Env>(&mut self, env: &mut E, bounds: Range) -> KernResult<MapId> {
        use crate::range::is_aligned;
        if bounds.is_empty() || !is_aligned(bounds.start | bounds.end) || bounds.start == 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        env.prepare_step()?;
        let space = env.create_space()?;
        Ok(self.maps.insert(Map::new(Some(space), bounds, self.default_limits)))
    }

    /// The hardware space of a map.
    #[must_use]
    pub fn space_of(&self, map: MapId) -> Option<SpaceId> {
        self.maps.get(map)?.space
    }

    /// The next thing whose wait is over. Drained by the server after every step and every call; whoever waits for the
    /// value is resumed with how it ended ([`crate::Operation::resume`]).
    pub fn next_wakeup(&mut self) -> Option<(WaitOn, Wake)> {
        self.wakeups.pop_front()
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_wakeups(&self) -> bool {
        !self.wakeups.is_empty()
    }

    /// Says how the wait of the operation that takes the next steps ended. After a failed one, an access that would have to
    /// wait for a manager again gets the error instead.
    pub fn wait_ended(&mut self, wake: Wake) {
        self.failure = match wake {
            Wake::Retry => None,
            Wake::Failed(error) => Some(error),
        };
    }

    pub(crate) fn wake(&mut self, what: WaitOn, wake: Wake) {
        if self.wakeups.back() != Some(&(what, wake)) {
            self.wakeups.push_back((what, wake));
        }
    }

    /// Frees and tidies left-overs, at most [`crate::STEP_PAGES`] pages of them. Returns whether there is more.
    pub fn reap<E: Env>(&mut self, env: &mut E) -> bool {
        !self.reap_within(env, &mut Budget::step())
    }

    /// The same within a budget. Returns whether all is done.
    pub(crate) fn reap_within<E: Env>(&mut self, env: &mut E, budget: &mut Budget) -> bool {
        self.tidy_objects(env, budget) && self.tear_down_maps(env, budget) && self.tidy_objects(env, budget)
    }

    /// Whether there is nothing left to be freed. The server looks after every call that ends an association, or gives
    /// one room.
    #[must_use]
    pub fn is_tidy(&self) -> bool {
        self.chores.object.is_none() && self.chores.map.is_none()
    }

    /// Asks for an object to be freed, collapsed or bypassed.
    pub(crate) fn queue_object(&mut self, id: ObjectId) {
        if let Some(object) = self.objects.get_mut(id)
            && !object.is_queued
        {
            object.is_queued = true;
            object.next_chore = self.chores.object.replace(id);
        }
    }

    /// Works off what is queued of objects, as far as the budget goes. Returns whether all is done.
    pub(crate) fn tidy_objects<E: Env>(&mut self, env: &mut E, budget: &mut Budget) -> bool {
        while let Some(id) = self.chores.object {
            if !budget.take(1) {
                return false;
            }
            let Some(object) = self.objects.get_mut(id) else {
                unreachable!("OBJ-6: a queued object exists");
            };
            object.is_queued = false;
            self.chores.object = object.next_chore.take();
            let is_done = match object.refs {
                0 => self.end_object(env, id, budget),
                _ => self.collapse(env, id, budget),
            };
            if !is_done {
                self.queue_object(id);
                return false;
            }
        }
        true
    }

    /// Works off what is queued of maps, and the objects that this sets free.
    fn tear_down_maps<E: Env>(&mut self, env: &mut E, budget: &mut Budget) -> bool {
        while let Some(id) = self.chores.map {
            let next = self.maps.get(id).and_then(|map| map.next_chore);
            if !self.tear_down(env, id, budget) {
                return false;
            }
            self.chores.map = next;
        }
        true
    }

    pub(crate) fn new_alloc_id(&mut self) -> u64 {
        self.last_alloc_id += 1;
        self.last_alloc_id
    }

    /// The map that a call names.
    ///
    /// # Errors
    /// The null map, or one that is gone: [`KernReturn::INVALID_ARGUMENT`].
    pub(crate) fn target(&self, target: Option<MapId>) -> KernResult<MapId> {
        target.filter(|id| self.maps.get(*id).is_some()).ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// What to wait for before working on these maps, if they are locked.
    pub(crate) fn is_locked(&self, maps: &[MapId]) -> Option<WaitOn> {
        let locked = maps.iter().find(|id| self.maps.get(**id).is_some_and(|map| map.is_locked))?;
        Some(WaitOn::Map(*locked))
    }

    pub(crate) fn lock_maps(&mut self, maps: &[MapId]) {
        for id in maps {
            if let Some(map) = self.maps.get_mut(*id) {
                map.is_locked = true;
            }
        }
    }

    pub(crate) fn unlock_maps(&mut self, maps: &[MapId]) {
        for id in maps {
            if let Some(map) = self.maps.get_mut(*id)
                && map.is_locked
            {
                map.is_locked = false;
                self.wake(WaitOn::Map(*id), Wake::Retry);
            }
        }
    }
}

impl From<Shortage> for KernReturn {
    fn from(_: Shortage) -> KernReturn {
        KernReturn::RESOURCE_SHORTAGE
    }
}
