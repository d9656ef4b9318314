//! `vm_statistics`: counts over the whole system.

use mach_protocol::KernResult;

use crate::page::queue::{Kind, Queue};
use crate::step::Env;
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
