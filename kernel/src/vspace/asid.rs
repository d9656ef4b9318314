//! Which VSpace an ASID stands for (spec §7.4).

use core::cell::Cell;

use sel4_abi::object::{ASID_POOL_INDEX_BITS, ASID_POOLS_BITS};

use super::Asid;
use crate::arch;
use crate::cap::VSpaceCap;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{AsidPool, PageTable};

/// All ASID pools.
#[derive(Debug)]
pub struct AsidTable {
    /// The pools by number. Changed by making and destroying pools.
    pools: [Cell<Option<KRef<AsidPool>>>; 1 << ASID_POOLS_BITS],
}

/// So many ASIDs of a pool that is being destroyed are retired before it is looked whether something else is due.
const RETIRED_AT_ONCE: usize = 32;

/// What is wrong with a VSpace capability that is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleVSpace {
    /// It never had an ASID.
    NoAsid,
    /// Its ASID is not assigned any more.
    AsidGone,
    /// Its ASID belongs to another VSpace.
    AsidReused,
}

impl AsidTable {
    /// A table without pools.
    #[must_use]
    pub const fn new() -> Self {
        Self { pools: [const { Cell::new(None) }; 1 << ASID_POOLS_BITS] }
    }

    /// The pool whose first ASID is `base`.
    #[must_use]
    pub fn pool(&self, base: Asid) -> Option<KRef<AsidPool>> {
        self.pools.get(base.pool()).and_then(Cell::get)
    }

    /// The first ASID of the lowest pool that does not exist yet.
    #[must_use]
    pub fn free_pool(&self) -> Option<Asid> {
        let number = self.pools.iter().position(|pool| pool.get().is_none())?;
        u16::try_from(number << ASID_POOL_INDEX_BITS).ok().map(Asid)
    }

    /// Enters a pool.
    pub fn add_pool(&self, base: Asid, pool: KRef<AsidPool>) {
        if let Some(entry) = self.pools.get(base.pool()) {
            entry.set(Some(pool));
        }
    }

    /// Unassigns ASIDs of a pool, a bounded number of them, and takes it out when none is left; answers whether it is out.
    /// It is if another pool has its place.
    pub fn remove_pool(&self, k: &Kernel, base: Asid, pool: KRef<AsidPool>) -> bool {
        if self.pool(base) != Some(pool) {
            return true;
        }
        let mut left = RETIRED_AT_ONCE;
        for (index, root) in pool.get(k).roots.iter().enumerate() {
            let (Some(_), Ok(index)) = (root.get(), u16::try_from(index)) else { continue };
            let Some(fewer) = left.checked_sub(1) else { return false };
            left = fewer;
            root.set(None);
            arch::retire_asid(Asid(base.0 + index));
            k.spend(1);
        }
        if let Some(entry) = self.pools.get(base.pool()) {
            entry.set(None);
        }
        true
    }

    /// The root that `asid` stands for.
    #[must_use]
    pub fn root(&self, k: &Kernel, asid: Asid) -> Option<KRef<PageTable>> {
        self.pool(asid)?.get(k).roots.get(asid.index())?.get()
    }

    /// The ASID of `vspace`, if it still leads back to it.
    pub fn check(&self, k: &Kernel, vspace: VSpaceCap) -> Result<Asid, StaleVSpace> {
        let asid = vspace.asid.ok_or(StaleVSpace::NoAsid)?;
        match self.root(k, asid) {
            None => Err(StaleVSpace::AsidGone),
            Some(root) if root != vspace.root => Err(StaleVSpace::AsidReused),
            Some(_) => Ok(asid),
        }
    }

    /// Unassigns the ASID of a VSpace that is being destroyed; nothing if it is stale.
    pub fn release(&self, k: &Kernel, vspace: VSpaceCap) {
        let Ok(asid) = self.check(k, vspace) else { return };
        if let Some(root) = self.pool(asid).and_then(|pool| pool.get(k).roots.get(asid.index())) {
            root.set(None);
            arch::retire_asid(asid);
        }
    }
}

impl Default for AsidTable {
    fn default() -> Self {
        Self::new()
    }
}
