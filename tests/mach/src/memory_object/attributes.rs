//! I-MO 39 to 43: caching and attributes.

use libmach::KernReturn;
use libmach::memory_object::osf;
use libmach::memory_object::{ChangeCompleted, CopyStrategy, Upcall, memory_object_change_attributes};

use super::Manager;
use crate::pressure::evict_everything;
use crate::support::{P, fails, free, ok, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.39", the_last_unmapping_returns_and_ends),
    ("memory_object.imo.40", a_cached_object_is_found_again),
    ("memory_object.imo.41", no_longer_cached),
    ("memory_object.imo.42", temporary_pages_are_thrown_away),
    ("memory_object.imo.43", pressure_ends_cached_objects),
    ("memory_object.osf", attributes_by_flavor),
];

/// A ready object that is cached, with one page of ones.
fn cached() -> Result<(Manager, &'static libmach::Region), alloc::string::String> {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    manager.say_ready(true, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    Ok((manager, region))
}

fn the_last_unmapping_returns_and_ends() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    store(region, 0, 7);
    store(region, 2 * P, 8);
    free(region.address(), 3 * P)?;
    manager.one_back(0, 7, true, false)?;
    manager.one_back(2 * P, 8, true, false)?;
    manager.terminated()
}

fn a_cached_object_is_found_again() -> Outcome {
    let (manager, region) = cached()?;
    store(region, 0, 5);
    free(region.address(), P)?;
    manager.nothing()?;
    let region = manager.map(1)?;
    reads(region.address(), 5)?;
    manager.nothing()?;
    let changed = memory_object_change_attributes(manager.control(), false, CopyStrategy::DELAY, None);
    ok("memory_object_change_attributes", changed)?;
    manager.finish_dirty(region, 1)
}

fn no_longer_cached() -> Outcome {
    let (manager, region) = cached()?;
    free(region.address(), P)?;
    manager.nothing()?;
    let (control, reply) = (manager.control(), manager.by_object());
    let changed = memory_object_change_attributes(control, false, CopyStrategy::DELAY, reply);
    ok("memory_object_change_attributes", changed)?;
    manager.terminate_rights()?;
    let completed = ChangeCompleted { may_cache: false, copy_strategy: CopyStrategy::DELAY.0 };
    same("the completion", Upcall::ChangeCompleted(completed), manager.next()?.0)?;
    manager.nothing()
}

fn temporary_pages_are_thrown_away() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::TEMPORARY)?;
    store(region, 0, 7);
    manager.finish(region)
}

fn pressure_ends_cached_objects() -> Outcome {
    let (manager, region) = cached()?;
    store(region, 0, 6);
    free(region.address(), P)?;
    manager.nothing()?;
    evict_everything()?;
    manager.one_back(0, 6, true, false)?;
    manager.terminated()
}

fn attributes_by_flavor() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    let mut got = [9; 5];
    let mut get = |flavor: i32| {
        let count = ok("get", osf::memory_object_get_attributes_by(manager.control(), flavor, &mut got))?;
        Ok::<_, alloc::string::String>(got[..count].to_vec())
    };
    same("before", &[0, 0, 2][..], &get(osf::OLD_ATTRIBUTE_INFO)?)?;
    let set = |flavor, attributes: &[i32]| {
        osf::memory_object_change_attributes_by(manager.control(), flavor, attributes, None)
    };
    fails("a count", KernReturn::INVALID_ARGUMENT, set(osf::BEHAVIOR_INFO, &[0, 0, 0]))?;
    fails("a strategy", KernReturn::INVALID_ARGUMENT, set(osf::BEHAVIOR_INFO, &[7, 0, 0, 0, 0]))?;
    same("still", &[0, 0, 2][..], &get(osf::OLD_ATTRIBUTE_INFO)?)?;
    ok("set", set(osf::ATTRIBUTE_INFO, &[0, P as i32, 0, 1]))?;
    same("attributes", &[0, P as i32, 0, 1][..], &get(osf::ATTRIBUTE_INFO)?)?;
    same("ready", &[1, 0, 0][..], &get(osf::OLD_ATTRIBUTE_INFO)?)?;
    // It is temporary: what is written is thrown away.
    manager.fill(1)?;
    store(region, 0, 7);
    manager.finish(region)
}
