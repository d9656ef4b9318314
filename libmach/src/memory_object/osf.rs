//! The attribute calls in OSF's form: a flavor, and an array of integers (`spec/mach-memory-objects.md` B.3).
//!
//! | flavor | integers |
//! |---|---|
//! | [`OLD_BEHAVIOR_INFO`] | copy_strategy, temporary, invalidate |
//! | [`PERFORMANCE_INFO`] | cluster_size, may_cache |
//! | [`OLD_ATTRIBUTE_INFO`] | ready, may_cache, copy_strategy |
//! | [`ATTRIBUTE_INFO`] | copy_strategy, cluster_size, may_cache, temporary |
//! | [`BEHAVIOR_INFO`] | copy_strategy, temporary, invalidate, silent_overwrite, advisory_pageout |
//!
//! They are made of GNU's calls, which the server has. An attribute that a flavor lacks stays as it is. The server asks for
//! single pages: a cluster size is checked, and reads as a page. The last three of behavior are hints that it does not
//! follow: they read as 0.

use mach_protocol::memory_object as proto;

use super::{CopyStrategy, ReplyTo, memory_object_change_attributes, memory_object_ready};
use crate::rpc::call;
use crate::vm::PAGE_SIZE;
use crate::{KernReturn, PortName, Result};

/// `MEMORY_OBJECT_OLD_BEHAVIOR_INFO`
pub const OLD_BEHAVIOR_INFO: i32 = 10;
/// `MEMORY_OBJECT_PERFORMANCE_INFO`
pub const PERFORMANCE_INFO: i32 = 11;
/// `MEMORY_OBJECT_OLD_ATTRIBUTE_INFO`
pub const OLD_ATTRIBUTE_INFO: i32 = 12;
/// `MEMORY_OBJECT_ATTRIBUTE_INFO`
pub const ATTRIBUTE_INFO: i32 = 14;
/// `MEMORY_OBJECT_BEHAVIOR_INFO`
pub const BEHAVIOR_INFO: i32 = 15;

/// The integers of the largest flavor.
const MOST: usize = 5;

/// What an object's attributes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Now {
    is_ready: bool,
    may_cache: bool,
    copy_strategy: i32,
    is_temporary: bool,
}

impl Now {
    fn of(control: PortName) -> Result<Self> {
        let reply = call(control, &proto::MemoryObjectGetAttributes {})?;
        Ok(Self {
            is_ready: reply.object_ready,
            may_cache: reply.may_cache,
            copy_strategy: reply.copy_strategy as i32,
            is_temporary: reply.temporary,
        })
    }

    /// The integers of a flavor, and how many they are.
    fn get(self, flavor: i32) -> Result<([i32; MOST], usize)> {
        let Self { is_ready, may_cache, copy_strategy, is_temporary } = self;
        let [ready, cache, temporary] = [is_ready, may_cache, is_temporary].map(i32::from);
        Ok(match flavor {
            OLD_BEHAVIOR_INFO => ([copy_strategy, temporary, 0, 0, 0], 3),
            PERFORMANCE_INFO => ([PAGE_SIZE as i32, cache, 0, 0, 0], 2),
            OLD_ATTRIBUTE_INFO => ([ready, cache, copy_strategy, 0, 0], 3),
            ATTRIBUTE_INFO => ([copy_strategy, PAGE_SIZE as i32, cache, temporary, 0], 4),
            BEHAVIOR_INFO => ([copy_strategy, temporary, 0, 0, 0], 5),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        })
    }

    /// What these integers of a flavor make of it.
    fn set(self, flavor: i32, attributes: &[i32]) -> Result<Self> {
        let (copy_strategy, cluster, cache, temporary) = match (flavor, attributes) {
            (OLD_BEHAVIOR_INFO, &[strategy, temporary, _]) => (Some(strategy), None, None, Some(temporary)),
            (PERFORMANCE_INFO, &[cluster, cache]) => (None, Some(cluster), Some(cache), None),
            // Not being ready is what it is before.
            (OLD_ATTRIBUTE_INFO, &[_, cache, strategy]) => (Some(strategy), None, Some(cache), None),
            (ATTRIBUTE_INFO, &[strategy, cluster, cache, temporary]) => {
                (Some(strategy), Some(cluster), Some(cache), Some(temporary))
            }
            (BEHAVIOR_INFO, &[strategy, temporary, _, _, _]) => (Some(strategy), None, None, Some(temporary)),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        let is_cluster = |cluster: i32| cluster > 0 && cluster % PAGE_SIZE as i32 == 0;
        if !cluster.is_none_or(is_cluster) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        Ok(Self {
            is_ready: true,
            may_cache: cache.map_or(self.may_cache, |cache| cache != 0),
            copy_strategy: copy_strategy.unwrap_or(self.copy_strategy),
            is_temporary: self.is_temporary || temporary.is_some_and(|temporary| temporary != 0),
        })
    }
}

/// Reads attributes into `attributes`, and answers how many integers they are.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an unknown flavor, or if they do not fit.
pub fn memory_object_get_attributes_by(control: PortName, flavor: i32, attributes: &mut [i32]) -> Result<usize> {
    let (all, count) = Now::of(control)?.get(flavor)?;
    let to = attributes.get_mut(..count).ok_or(KernReturn::INVALID_ARGUMENT)?;
    to.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    Ok(count)
}

/// Changes attributes; the first change makes the object ready. GNU's completion follows
/// ([`ChangeCompleted`](super::ChangeCompleted)), if one is wanted. What was temporary stays so, and the first copy
/// strategy as well.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an unknown flavor, another count than its own, a cluster size that is no multiple of a page, an
/// unknown strategy: then nothing is changed.
pub fn memory_object_change_attributes_by(
    control: PortName,
    flavor: i32,
    attributes: &[i32],
    reply_to: ReplyTo,
) -> Result<()> {
    let new = Now::of(control)?.set(flavor, attributes)?;
    let strategy = CopyStrategy(u32::try_from(new.copy_strategy).map_err(|_| KernReturn::INVALID_ARGUMENT)?);
    if new.is_temporary {
        // Which does not touch the strategy.
        memory_object_ready(control, new.may_cache, strategy)?;
        return memory_object_change_attributes(control, new.may_cache, CopyStrategy::TEMPORARY, reply_to);
    }
    memory_object_change_attributes(control, new.may_cache, strategy, reply_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Now = Now { is_ready: false, may_cache: false, copy_strategy: 2, is_temporary: false };
    const FLAVORS: [(i32, usize); 5] = [
        (OLD_BEHAVIOR_INFO, 3),
        (PERFORMANCE_INFO, 2),
        (OLD_ATTRIBUTE_INFO, 3),
        (ATTRIBUTE_INFO, 4),
        (BEHAVIOR_INFO, 5),
    ];

    #[test]
    fn what_is_set_is_what_is_got() {
        for strategy in 0..4 {
            let new = FRESH.set(ATTRIBUTE_INFO, &[strategy, 8192, 1, 1]).unwrap();
            let wanted = Now { is_ready: true, may_cache: true, copy_strategy: strategy, is_temporary: true };
            assert_eq!(new, wanted);
            assert_eq!(new.get(ATTRIBUTE_INFO), Ok(([strategy, 4096, 1, 1, 0], 4)));
            assert_eq!(new.get(OLD_ATTRIBUTE_INFO), Ok(([1, 1, strategy, 0, 0], 3)));
            assert_eq!(new.get(BEHAVIOR_INFO), Ok(([strategy, 1, 0, 0, 0], 5)));
        }
    }

    #[test]
    fn what_a_flavor_lacks_stays() {
        let cached = FRESH.set(PERFORMANCE_INFO, &[4096, 1]).unwrap();
        assert_eq!(cached, Now { is_ready: true, may_cache: true, ..FRESH });
        let none = cached.set(OLD_BEHAVIOR_INFO, &[0, 0, 1]).unwrap();
        assert_eq!(none, Now { copy_strategy: 0, ..cached });
        assert_eq!(none.set(BEHAVIOR_INFO, &[0, 1, 1, 1, 1]).unwrap(), Now { is_temporary: true, ..none });
    }

    #[test]
    fn every_flavor_has_its_count_and_unknown_ones_are_refused() {
        let bad = Err(KernReturn::INVALID_ARGUMENT);
        for (flavor, count) in FLAVORS {
            let mut attributes = [0; MOST + 1];
            attributes[0] = if flavor == PERFORMANCE_INFO { 4096 } else { 0 };
            attributes[1] = if flavor == ATTRIBUTE_INFO { 4096 } else { 0 };
            for other in 0..=MOST + 1 {
                assert_eq!(FRESH.set(flavor, &attributes[..other]).is_ok(), other == count, "{flavor} {other}");
            }
            assert_eq!(FRESH.get(flavor).map(|(_, count)| count), Ok(count));
        }
        for flavor in [0, 9, 13, 16, -1] {
            assert_eq!(FRESH.set(flavor, &[0; 3]), bad);
            assert_eq!(FRESH.get(flavor), Err(KernReturn::INVALID_ARGUMENT));
        }
        for cluster in [0, -4096, 4095] {
            assert_eq!(FRESH.set(PERFORMANCE_INFO, &[cluster, 0]), bad);
        }
    }
}
