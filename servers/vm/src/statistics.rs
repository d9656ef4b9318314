//! `vm_statistics`: counts over the whole system.

use mach_protocol::KernResult;

use crate::page::PageState;
use crate::page::queue::{Kind, Queue};
use crate::step::{Cancel, Env, Operation, STEP_PAGES, Step};
use crate::types::{MapId, PAGE_SIZE};
use crate::vm::Vm;

/// GNU's `vm_statistics`, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes in a page.
    pub pagesize: u64,
    /// Free frames.
    pub free_count: u64,
    /// Resident pages in use.
    pub active_count: u64,
    /// Resident pages about to be reclaimed.
    pub inactive_count: u64,
    /// Pages that stay resident: wired, or of those by whom others are paged out.
    pub wire_count: u64,
    /// Pages made of zeros.
    pub zero_fill_count: u64,
    /// Inactive pages used again.
    pub reactivations: u64,
    /// Pages whose data came from a manager.
    pub pageins: u64,
    /// Pages returned by page-out.
    pub pageouts: u64,
    /// Faults.
    pub faults: u64,
    /// Pages copied on write.
    pub cow_faults: u64,
    /// Searches of the object cache.
    pub lookups: u64,
    /// Of these, successful ones.
    pub hits: u64,
}

impl Statistics {
    /// The structure on the wire.
    #[must_use]
    pub fn words(&self) -> [i32; 13] {
        [
            self.pagesize,
            self.free_count,
            self.active_count,
            self.inactive_count,
            self.wire_count,
            self.zero_fill_count,
            self.reactivations,
            self.pageins,
            self.pageouts,
            self.faults,
            self.cow_faults,
            self.lookups,
            self.hits,
        ]
        .map(|count| count as i32)
    }
}

impl Vm {
    /// Number of objects, with those that are about to be freed.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Pages that page-out may choose from: those of objects with a memory manager, and all others.
    #[must_use]
    pub fn queued_pages(&self) -> [u64; 2] {
        let of = |kind| self.queues.len(Queue::Active(kind)) + self.queues.len(Queue::Inactive(kind));
        [of(Kind::Managed), of(Kind::Anonymous)]
    }

    /// `vm_statistics` (2030).
    ///
    /// # Errors
    /// `InvalidArgument`: the target is no task. The answer does not depend on it otherwise.
    pub fn vm_statistics<E: Env>(&self, env: &E, target: Option<MapId>) -> KernResult<Statistics> {
        self.target(target)?;
        Ok(self.statistics(env))
    }

    /// The same, for `host_statistics`.
    #[must_use]
    pub fn statistics<E: Env>(&self, env: &E) -> Statistics {
        let counters = &self.counters;
        let active = self.queues.active();
        // What is on its way to the default pager will be free.
        let inactive = self.queues.inactive() + u64::from(self.pageout.laundry);
        Statistics {
            pagesize: PAGE_SIZE,
            free_count: env.free_frames(),
            active_count: active,
            inactive_count: inactive,
            wire_count: counters.resident - active - inactive,
            zero_fill_count: counters.zero_fills,
            pageins: counters.pageins,
            pageouts: counters.pageouts,
            faults: counters.faults,
            cow_faults: counters.cow_faults,
            reactivations: counters.reactivations,
            lookups: counters.lookups,
            hits: counters.hits,
        }
    }
}

/// What GNU's `vm_cache_statistics` counts of the virtual memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Objects that nobody maps and that are kept for who maps them next.
    pub cached_objects: u64,
    /// Their pages.
    pub cached_pages: u64,
    /// Anonymous pages in use.
    pub active_temporary: u64,
    /// Anonymous pages about to be reclaimed.
    pub inactive_temporary: u64,
    /// Pages of memory objects in use.
    pub active_permanent: u64,
    /// Pages of memory objects about to be reclaimed.
    pub inactive_permanent: u64,
    /// Pages that are newer than what their manager has, or that no manager has.
    pub dirty: u64,
    /// Pages on their way to the default pager.
    pub laundry: u64,
}

/// `vm_cache_statistics` (4200). It looks at every page, a few at each step: where much happens meanwhile, `dirty` is of no one
/// moment.
///
/// # Errors
/// `InvalidArgument`: the target is no task. The answer does not depend on it otherwise.
#[derive(Debug)]
pub struct CacheStatistics {
    target: Option<MapId>,
    next: u32,
    dirty: u64,
}

impl CacheStatistics {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>) -> CacheStatistics {
        CacheStatistics { target, next: 0, dirty: 0 }
    }
}

impl Operation for CacheStatistics {
    type Out = CacheCounts;

    fn step<E: Env>(&mut self, vm: &mut Vm, _: &mut E) -> Step<CacheCounts> {
        /// Records that cost as much to look at as a step's pages to touch.
        const RECORDS: u32 = 8 * STEP_PAGES as u32;
        if let Err(error) = vm.target(self.target) {
            return error.into();
        }
        if let Some(pages) = vm.pages.part(self.next, RECORDS) {
            self.dirty += pages.filter(|page| matches!(page.state, PageState::Dirty { .. })).count() as u64;
            self.next += RECORDS;
            return Step::Again;
        }
        let len = |queue| vm.queues.len(queue);
        let objects = vm.cached.values().filter_map(|assoc| vm.objects.get(vm.object_of(*assoc)?));
        Step::Done(Ok(CacheCounts {
            cached_objects: vm.cached.len() as u64,
            cached_pages: objects.map(|object| object.pages.len() as u64).sum(),
            active_temporary: len(Queue::Active(Kind::Anonymous)),
            inactive_temporary: len(Queue::Inactive(Kind::Anonymous)),
            active_permanent: len(Queue::Active(Kind::Managed)),
            inactive_permanent: len(Queue::Inactive(Kind::Managed)),
            dirty: self.dirty,
            laundry: u64::from(vm.pageout.laundry),
        }))
    }

    fn cancel(&mut self, _: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}
