//! Tests of the whole crate on the model machine.

mod a18_counts;
mod ahead;
mod bench;

mod i01_allocate;
mod i02_deallocate;
mod i03_map;
mod i04_protect;
mod i05_inherit;
mod i06_read;
mod i07_lists;
mod i08_write;
mod i09_copy;
mod i10_region;
mod i11_remap;
mod i12_to_i16;
mod i17_faults;
mod i18_cow;
mod i_mo_answers;
mod i_mo_call;
mod i_mo_copies;
mod i_mo_end;
mod i_mo_first;
mod i_mo_lock;
mod i_mo_share;
mod interleaved;
mod managed;
mod paged;
pub(crate) mod pager;
mod protocol;
mod random;
mod reference;
mod twins;

use crate::model::World;
use crate::*;

#[test]
fn memory_is_zero_until_written_and_comes_back() {
    let mut world = World::new(100);
    let task = world.task();
    let a = world.run(Allocate::new(Some(task), 0, 4 * PAGE_SIZE, 1, Family::Xnu)).unwrap();
    assert_eq!(world.load(task, a + 5), Ok(0));
    world.store(task, a + 5, 7).unwrap();
    assert_eq!(world.load(task, a + 5), Ok(7));
    world.assert_valid();
    let child = world.run(Fork::new(task)).unwrap();
    assert_eq!(world.load(child, a + 5), Ok(7));
    world.store(child, a + 5, 8).unwrap();
    assert_eq!(world.load(task, a + 5), Ok(7));
    world.assert_valid();
    world.end(task);
    world.assert_valid();
    world.end(child);
    world.assert_valid();
    assert_eq!(world.machine.used_frames(), 0);
}
