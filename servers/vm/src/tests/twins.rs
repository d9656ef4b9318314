//! The short way of a fault against the long one: the same operations on two equal states, of which one knows no short way.
//! After each of them both are compared whole: every record, count, queue, mapping and frame.

use mach_protocol::KernResult;
use proptest::prelude::*;

use super::bench::P;
use crate::model::World;
use crate::object::Object;
use crate::*;

/// Pages that operations are on.
const PAGES: u64 = 100;
const FIRST: u64 = 16 * P;
const TASKS: usize = 4;

/// All that a state consists of, in words.
fn snapshot(world: &World) -> Vec<String> {
    let World { vm, machine, .. } = world;
    let mut all = Vec::new();
    for (id, map) in vm.maps.iter() {
        let entries: Vec<_> = map.entries.iter().collect();
        let sizes = (map.size, map.size_none, map.size_wired, map.is_locked, map.is_kept, map.events);
        all.push(format!("map {id:?} {entries:?} {sizes:?}"));
    }
    for (id, object) in vm.objects.iter() {
        let Object { size, refs, source, shadow, copy, copy_rank, is_shared, is_unique, .. } = object;
        let Object { is_frozen, is_named, is_queued, next_chore, child, siblings, .. } = object;
        let Object { pages, paging, paged, ahead, .. } = object;
        let pages: Vec<_> = pages.iter().collect();
        all.push(format!(
            "object {id:?} {size} {refs} {source:?} {shadow:?} {copy:?} {copy_rank} {is_shared} {is_unique}"
        ));
        all.push(format!("{is_frozen} {is_named} {is_queued} {next_chore:?} {child:?} {siblings:?}"));
        all.push(format!("{pages:?} {paging:?} {paged:?} {ahead:?}"));
    }
    all.extend(vm.pages.iter().map(|page| format!("page {page:?}")));
    all.push(format!("{:?} {:?} {:?} {:?} {:?}", vm.chores, vm.counters, vm.queues, vm.pageout, vm.failure));
    let frames = machine.frames.iter().map(|frame| frame.as_ref().map(|bytes| crc(&bytes[..])));
    all.push(format!("{:?} {:?}", frames.collect::<Vec<_>>(), machine.free));
    all.push(format!("{:?} {:?} {:?}", machine.spaces, machine.mapped, machine.told));
    all
}

/// Tells contents apart.
fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(*byte).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// What happens to both: to a task, at a page, to so many.
#[derive(Clone, Copy, Debug)]
struct Event {
    what: What,
    task: usize,
    page: u64,
    pages: u64,
    prot: Prot,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The pages are touched in their order.
    Touch,
    Allocate,
    Deallocate,
    Protect,
    Inherit(Inherit),
    Wire,
    Copy(u64),
    Fork,
    End,
    /// What the task touches stays resident from now on.
    Keep,
    /// So many pages are to go, and the pager takes some of them.
    PageOut(usize),
    /// So many requests for memory go well, and then one does not.
    Refuse(u32),
    /// The same in the first step of a fault alone: the next serves it.
    Repeat(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let inherit = prop_oneof![Just(Inherit::Share), Just(Inherit::Copy)];
    let what = prop_oneof![
        12 => Just(What::Touch),
        6 => Just(What::Allocate),
        2 => Just(What::Deallocate),
        3 => Just(What::Protect),
        2 => inherit.prop_map(What::Inherit),
        1 => Just(What::Wire),
        2 => (0..PAGES).prop_map(What::Copy),
        2 => Just(What::Fork),
        1 => Just(What::End),
        1 => Just(What::Keep),
        2 => (0..60_usize).prop_map(What::PageOut),
        1 => (0..40_u32).prop_map(What::Refuse),
        3 => (0..3_u32).prop_map(What::Repeat),
    ];
    let any = (0..8_u8).prop_map(Prot::from_bits_retain);
    let prot = prop_oneof![8 => Just(Prot::DEFAULT), 4 => Just(Prot::READ), 4 => Just(Prot::WRITE), 2 => any];
    let parts = (what, 0..TASKS, 0..PAGES, prop_oneof![Just(1), 1..40_u64, Just(PAGES)], prot);
    parts.prop_map(|(what, task, page, pages, prot)| Event { what, task, page, pages: pages.min(PAGES - page), prot })
}

struct Twin {
    world: World,
    tasks: Vec<MapId>,
}

impl Twin {
    fn new(frames: u32, takes_long_way: bool) -> Twin {
        let mut world = World::with_pager(frames, 4);
        world.vm.takes_long_way = takes_long_way;
        let tasks = vec![world.task()];
        Twin { world, tasks }
    }

    /// What the operation answers.
    fn perform(&mut self, event: Event) -> KernResult<()> {
        let Event { what, task, page, pages, prot } = event;
        let number = task % self.tasks.len();
        let (world, task) = (&mut self.world, self.tasks[number]);
        let (at, size) = (FIRST + page * P, pages * P);
        match what {
            What::Touch => (page..page + pages).try_for_each(|page| {
                let access = if prot.contains(Prot::WRITE) { Prot::WRITE } else { prot };
                let access = if access.is_empty() { Prot::EXECUTE } else { access };
                world.access(task, FIRST + page * P, access).map(|_| ())
            }),
            What::Allocate => {
                let call = Allocate::new(Some(task), at, size, flags::FIXED, Family::Xnu);
                world.run(call).map(|_| ())
            }
            What::Deallocate => world.run(Deallocate::new(Some(task), at, size, Holes::Refused)),
            What::Protect => world.run(Protect::new(Some(task), at, size, false, u32::from(prot.bits()), Family::Xnu)),
            What::Inherit(inherit) => world.run(SetInherit::new(Some(task), at, size, inherit as u32)),
            What::Wire => {
                let prot = u32::from(prot.bits());
                world.run(Wire::new(Host::Privileged, Some(task), at, size.min(8 * P), prot, Family::Xnu))
            }
            What::Copy(to) => {
                let size = size.min((PAGES - to) * P);
                world.run(Copy::new(Some(task), at, size, FIRST + to * P))
            }
            What::Fork if self.tasks.len() < TASKS => world.run(Fork::new(task)).map(|child| self.tasks.push(child)),
            What::End if self.tasks.len() > 1 => {
                self.tasks.remove(number);
                world.run(Destroy::new(task))
            }
            // What stays must leave room for what does not.
            What::Keep if world.machine.frames.len() > 1000 => {
                world.vm.keep_resident(task);
                Ok(())
            }
            What::Fork | What::End | What::Keep => Ok(()),
            What::PageOut(out) => {
                world.vm.evict(&mut world.machine, out);
                world.serve_pager(out / 2);
                Ok(())
            }
            What::Refuse(after) => {
                world.machine.fail_in = Some(after);
                let refused = world.access(task, at, Prot::WRITE).map(|_| ());
                world.machine.fail_in = None;
                refused
            }
            What::Repeat(after) => {
                let mut fault = Fault::new(task, at, Prot::WRITE);
                world.machine.fail_in = Some(after);
                let step = world.step(&mut fault);
                world.machine.fail_in = None;
                match step {
                    Step::Done(outcome) => outcome,
                    Step::Again | Step::Wait(_) => world.run(fault),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_of_a_fault_does_what_the_long_one_does(
        frames in prop_oneof![Just(2000_u32), Just(1100), Just(150), Just(90)],
        events in prop::collection::vec(event(), 1..80),
    ) {
        let (mut short, mut long) = (Twin::new(frames, false), Twin::new(frames, true));
        for event in events {
            prop_assert_eq!(short.perform(event), long.perform(event), "{:?}", event);
            let (short, long) = (snapshot(&short.world), snapshot(&long.world));
            prop_assert!(short == long, "after {:?}: {:#?}", event, short.iter().zip(&long).find(|(a, b)| a != b));
        }
        short.world.assert_valid();
    }
}
