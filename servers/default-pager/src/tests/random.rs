//! Random sequences of everything.

use proptest::prelude::*;

use super::model::{Model, Where};

#[derive(Clone, Copy, Debug)]
enum Step {
    Out { object: usize, page: u64, count: u64 },
    In { object: usize, page: u64, count: u64 },
    Finish { pick: usize },
    Fail { pick: usize },
    Corrupt { area: usize, slot: usize },
    Renew { object: usize },
    Remove { area: usize },
    RemoveBoth { area: usize },
    Initialize { object: usize, page: u64, count: u64 },
    Add { slots: u32 },
}

fn any_step(with_failures: bool) -> impl Strategy<Value = Step> {
    let pages = (0..3_usize, 0..40_u64, 1..17_u64);
    let mut steps = vec![
        (6, pages.clone().prop_map(|(object, page, count)| Step::Out { object, page, count }).boxed()),
        (5, pages.clone().prop_map(|(object, page, count)| Step::In { object, page, count }).boxed()),
        (1, pages.prop_map(|(object, page, count)| Step::Initialize { object, page, count }).boxed()),
        (9, any::<usize>().prop_map(|pick| Step::Finish { pick }).boxed()),
        (1, (0..3_usize).prop_map(|object| Step::Renew { object }).boxed()),
        (1, (0..3_usize).prop_map(|area| Step::Remove { area }).boxed()),
        (1, (0..3_usize).prop_map(|area| Step::RemoveBoth { area }).boxed()),
        (1, (1..80_u32).prop_map(|slots| Step::Add { slots }).boxed()),
    ];
    // Not with a weight of 0: what fails would shrink to them.
    if with_failures {
        steps.push((1, any::<usize>().prop_map(|pick| Step::Fail { pick }).boxed()));
        steps.push((1, (0..3_usize, any::<usize>()).prop_map(|(area, slot)| Step::Corrupt { area, slot }).boxed()));
    }
    proptest::strategy::Union::new_weighted(steps)
}

fn run(areas: &[u32], steps: &[Step], with_failures: bool) {
    let (mut core, mut model) = Model::start(areas);
    let mut objects = [core.create(), core.create(), core.create()];
    for step in steps {
        match *step {
            Step::Out { object, page, count } => model.page_out(&mut core, objects[object], page, count),
            Step::In { object, page, count } => model.page_in(&mut core, objects[object], page, count),
            Step::Finish { pick } => model.finish(&mut core, pick, true),
            Step::Fail { pick } => model.finish(&mut core, pick, false),
            Step::Corrupt { area, slot } => model.corrupt(area, slot),
            Step::Renew { object } => {
                model.terminate(&mut core, objects[object]);
                objects[object] = core.create();
            }
            // Refused where there is no such area or no room.
            Step::Remove { area } => drop(core.remove_areas(&mut model, &[area])),
            Step::RemoveBoth { area } => drop(core.remove_areas(&mut model, &[area, area + 1])),
            Step::Initialize { object, page, count } => model.initialize(&mut core, objects[object], page, count),
            Step::Add { slots } => {
                if core.free_area().is_some_and(|index| index < 4) {
                    model.add_area(&mut core, slots);
                }
            }
        }
    }
    model.finish_all(&mut core);
    assert!(core.is_idle(), "nothing waits for ever");
    let asked = model.pages.iter().find(|(_, page)| matches!(page, Where::Asked(_)));
    assert_eq!(asked, None, "every page that was asked for is answered");
    assert!(with_failures || model.errors == 0, "no page is refused that can be had");
    // All that is out can be had.
    let out: Vec<_> = model.pages.keys().copied().collect();
    for (object, page) in out {
        model.page_in(&mut core, object, page, 1);
        model.finish_all(&mut core);
    }
    assert!(with_failures || model.pages.is_empty());
    for object in objects {
        model.terminate(&mut core, object);
    }
    let (total, free) = core.space();
    assert!(free == total || with_failures, "no slot is left behind: {free} of {total}");
    assert_eq!(core.objects().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_back_is_what_went_out(
        areas in proptest::collection::vec(1..120_u32, 0..3),
        steps in proptest::collection::vec(any_step(false), 0..200),
    ) {
        run(&areas, &steps, false);
    }

    /// Transfers fail and slots change by themselves: pages may be refused, but none that comes is wrong (the model sees to
    /// that), and nothing hangs.
    #[test]
    fn nothing_wrong_ever_comes_back(
        areas in proptest::collection::vec(1..120_u32, 0..3),
        steps in proptest::collection::vec(any_step(true), 0..200),
    ) {
        run(&areas, &steps, true);
    }
}
