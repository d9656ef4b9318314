//! Cases by name; those of the specification have their number (I-DP).

use super::model::{BUFFERS, Model, Where};
use crate::core::Extent;
use crate::world::{NoRoom, Space};

#[test]
fn a_page_in_the_queue_or_being_written_is_supplied_from_there() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 16);
    assert_eq!(model.pending.len(), 1);
    model.page_in(&mut core, object, 5, 2);
    assert_eq!((model.supplied, model.pending.len()), (2, 1), "without a read");
}

#[test]
fn neighbours_go_in_one_transfer() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 3, 16);
    assert_eq!(model.pending.iter().map(|io| io.count).collect::<Vec<_>>(), [16]);
    model.finish_all(&mut core);
    model.page_in(&mut core, object, 4, 8);
    assert_eq!(model.pending.iter().map(|io| io.count).collect::<Vec<_>>(), [8]);
}

#[test]
fn i_dp_06_terminate_frees_space() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 16);
    model.page_out(&mut core, object, 16, 16);
    model.finish(&mut core, 0, true);
    model.terminate(&mut core, object);
    model.finish_all(&mut core);
    assert_eq!(core.space(), (100, 100));
}

#[test]
fn i_dp_10_what_is_held_is_listed() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 40, 3);
    assert_eq!(core.objects().collect::<Vec<_>>(), [(object, 3)]);
    assert_eq!(core.pages(object).map(Iterator::collect::<Vec<_>>), Some(vec![40, 41, 42]));
    assert!(core.pages(object + 1).is_none());
}

#[test]
fn i_dp_13_the_only_area_stays_while_it_is_in_use() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 4);
    model.finish_all(&mut core);
    assert_eq!(core.remove_areas(&mut model, &[0]), Err(NoRoom));
    model.page_in(&mut core, object, 0, 4);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 4);
}

#[test]
fn i_dp_14_an_area_is_removed_and_its_contents_are_intact() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    for page in (0..90).step_by(9) {
        model.page_out(&mut core, object, page, 9);
        model.finish_all(&mut core);
    }
    model.add_area(&mut core, 95);
    assert_eq!(core.remove_areas(&mut model, &[0]), Ok(0));
    // Everything goes on meanwhile.
    model.page_in(&mut core, object, 20, 9);
    model.page_out(&mut core, object, 200, 5);
    model.finish_all(&mut core);
    assert_eq!(model.drained, [(0, Ok(()))]);
    assert_eq!(core.space(), (95, 0));
    for page in 0..90 {
        model.page_in(&mut core, object, page, 1);
        model.finish_all(&mut core);
    }
    assert_eq!(model.supplied, 90);
}

#[test]
fn i_dp_05_data_initialize_is_ignored_where_something_is_held() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 2, 1);
    model.finish_all(&mut core);
    // One is stored, one waits to be written.
    model.page_out(&mut core, object, 4, 1);
    model.initialize(&mut core, object, 0, 8);
    model.finish_all(&mut core);
    assert_eq!(core.objects().collect::<Vec<_>>(), [(object, 8)]);
    assert_eq!((core.counts().pages_initialized, core.counts().initial_pages_taken), (8, 6));
    // The model knows which contents each must have.
    model.page_in(&mut core, object, 0, 8);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 8);
    model.terminate(&mut core, object);
    assert_eq!(core.space(), (100, 100));
}

#[test]
fn a_lost_page_stays_lost_when_it_is_initialized() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 1);
    model.finish(&mut core, 0, false);
    model.initialize(&mut core, object, 0, 1);
    model.page_in(&mut core, object, 0, 1);
    assert_eq!((model.supplied, model.errors), (0, 1));
}

#[test]
fn areas_that_are_removed_together_go_together() {
    let (mut core, mut model) = Model::start(&[20, 20, 20]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 10);
    model.finish_all(&mut core);
    assert_eq!(core.remove_areas(&mut model, &[0, 1]), Ok(0));
    assert_eq!(core.remove_areas(&mut model, &[1, 2]), Err(NoRoom), "one of them is going already");
    assert_eq!(core.remove_areas(&mut model, &[3]), Err(NoRoom));
    assert!(core.area_info(1).is_some() && model.drained.is_empty(), "the empty one waits for the other");
    model.finish_all(&mut core);
    assert_eq!(model.drained, [(0, Ok(()))]);
    assert_eq!([0, 1, 2].map(|area| core.area_info(area).is_some()), [false, false, true]);
    model.page_in(&mut core, object, 0, 10);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 10);
}

#[test]
fn the_highest_priority_is_filled_first() {
    let (mut core, mut model) = (crate::core::Core::default(), Model::default());
    let extent = Extent { slots: 20, buffers: 6, priority: 0, cluster: 16 };
    for priority in [0, 4, 4] {
        model.add_extent(&mut core, Extent { priority, ..extent });
    }
    let object = core.create();
    for page in 0..4 {
        model.page_out(&mut core, object, page * 10, 10);
        model.finish_all(&mut core);
    }
    assert_eq!([0, 1, 2].map(|area| model.written(area)), [0, 20, 20]);
    model.page_out(&mut core, object, 40, 10);
    model.finish_all(&mut core);
    assert_eq!(model.written(0), 10);
}

#[test]
fn a_small_cluster_is_written_in_small_pieces() {
    let (mut core, mut model) = (crate::core::Core::default(), Model::default());
    model.add_extent(&mut core, Extent { slots: 20, buffers: 6, priority: 0, cluster: 2 });
    let object = core.create();
    model.page_out(&mut core, object, 0, 5);
    model.finish_all(&mut core);
    assert_eq!(core.counts().pageout_calls, 1);
    let object = core.create();
    model.page_out(&mut core, object, 0, 5);
    assert_eq!(model.pending.iter().map(|io| io.count).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn i_dp_15_without_space_pages_are_given_back() {
    let (mut core, mut model) = Model::start(&[10]);
    let object = core.create();
    assert_eq!(model.space, Some(Space::Ok));
    model.page_out(&mut core, object, 0, 16);
    assert_eq!((model.given_back, model.space), (6, Some(Space::Full)));
    model.page_in(&mut core, object, 0, 16);
    model.finish_all(&mut core);
    let other = core.create();
    model.page_out(&mut core, other, 0, 1);
    assert_eq!(model.given_back, 7);
    model.terminate(&mut core, object);
    assert_eq!(model.space, Some(Space::Ok));
    model.page_out(&mut core, other, 0, 1);
    assert_eq!(model.given_back, 7);
}

/// C.6: the server is told when less than a twentieth of the space is free.
#[test]
fn space_is_low_below_a_twentieth() {
    let (mut core, mut model) = Model::start(&[100]);
    let (object, other) = (core.create(), core.create());
    for (page, left) in [(0, 15), (16, 15), (32, 15), (48, 15), (64, 16), (80, 15)] {
        model.page_out(&mut core, object, page, left);
        model.finish_all(&mut core);
    }
    assert_eq!((core.space(), model.space), ((100, 9), Some(Space::Ok)));
    for (free, space) in [(5, Space::Ok), (4, Space::Low), (1, Space::Low), (0, Space::Full)] {
        let now = core.space().1;
        model.page_out(&mut core, other, 10 - now, now - free);
        model.finish_all(&mut core);
        assert_eq!((core.space(), model.space), ((100, free), Some(space)));
    }
    model.terminate(&mut core, other);
    assert_eq!(model.space, Some(Space::Ok));
}

#[test]
fn i_dp_16_a_read_error_is_of_that_page_only() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 16);
    model.finish_all(&mut core);
    model.page_in(&mut core, object, 0, 16);
    model.finish(&mut core, 0, false);
    assert_eq!(model.pending.len(), 16, "each page for itself");
    let third = model.pending.iter().position(|io| io.slot == 3).expect("slot 3");
    model.finish(&mut core, third, false);
    model.finish_all(&mut core);
    assert_eq!((model.supplied, model.errors), (15, 1));
    model.page_in(&mut core, object, 3, 1);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 16, "a disk that works again gives the page");
}

#[test]
fn i_dp_17_a_page_that_could_not_be_written_is_an_error() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 2);
    model.finish(&mut core, 0, false);
    model.finish(&mut core, 0, false);
    model.finish_all(&mut core);
    model.page_in(&mut core, object, 0, 2);
    model.finish_all(&mut core);
    assert_eq!((model.supplied, model.errors), (1, 1));
    assert_eq!(core.area_info(0).map(|info| info.counts.pages_out_failed), Some(1));
    model.terminate(&mut core, object);
    assert_eq!(core.space(), (100, 99), "the slot is not used again");
}

#[test]
fn an_area_that_fails_is_written_to_when_no_other_has_room() {
    let (mut core, mut model) = Model::start(&[100]);
    model.add_extent(&mut core, Extent { slots: 20, buffers: BUFFERS, priority: -1, cluster: 16 });
    let object = core.create();
    model.page_out(&mut core, object, 0, 1);
    model.finish(&mut core, 0, false);
    let areas = |model: &Model| model.pending.iter().map(|io| io.at.area).collect::<Vec<_>>();
    model.page_out(&mut core, object, 1, 16);
    assert_eq!(areas(&model), [1], "the other one, whose priority is lower");
    model.finish_all(&mut core);
    model.page_out(&mut core, object, 20, 4);
    model.finish_all(&mut core);
    model.page_out(&mut core, object, 30, 1);
    assert_eq!(areas(&model), [0], "the only one with room");
    model.finish_all(&mut core);
    // It has written since: all is as before.
    model.terminate(&mut core, object);
    let object = core.create();
    model.page_out(&mut core, object, 0, 1);
    assert_eq!(areas(&model), [0]);
}

#[test]
fn an_area_of_which_all_writes_fail_is_full() {
    let (mut core, mut model) = Model::start(&[1000]);
    let object = core.create();
    for page in (0..1000).step_by(16) {
        model.page_out(&mut core, object, page, 16);
        while !model.pending.is_empty() {
            model.finish(&mut core, 0, false);
        }
    }
    assert_eq!((core.space(), model.space), ((0, 0), Some(Space::Full)));
    assert!(model.given_back > 900, "{} pages stay in memory", model.given_back);
    // Nothing good is there, so nothing is in the way of its end.
    assert_eq!(core.remove_areas(&mut model, &[0]), Ok(0));
    assert_eq!(model.drained, [(0, Ok(()))]);
}

#[test]
fn a_damaged_slot_is_an_error_and_never_data() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 4);
    model.finish_all(&mut core);
    model.corrupt(0, 2);
    model.page_in(&mut core, object, 0, 4);
    model.finish_all(&mut core);
    assert_eq!((model.supplied, model.errors), (3, 1));
}

#[test]
fn an_external_object_has_zeros_and_a_size() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create_external(10);
    core.data_request(&mut model, object, 3, 2);
    assert_eq!(model.unavailable, 2);
    model.pages.insert((object, 10), Where::Asked(0));
    core.data_request(&mut model, object, 10, 1);
    assert_eq!(model.errors, 1);
}

#[test]
fn i_dp_09_an_external_object_keeps_its_contents_without_a_mapping() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create_external(10);
    model.page_out(&mut core, object, 0, 4);
    core.unmapped(object);
    model.finish_all(&mut core);
    assert_eq!(core.objects().collect::<Vec<_>>(), [(object, 4)]);
    model.page_in(&mut core, object, 0, 4);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 4);
    model.terminate(&mut core, object);
    assert_eq!((core.space(), core.objects().count()), ((100, 100), 0));
}

#[test]
fn what_is_read_for_an_earlier_mapping_is_not_supplied_to_a_later_one() {
    let (mut core, mut model) = Model::start(&[100]);
    let object = core.create_external(100);
    model.page_out(&mut core, object, 0, 1);
    model.finish_all(&mut core);
    model.page_in(&mut core, object, 0, 1);
    core.unmapped(object);
    model.pages.insert((object, 0), Where::Out(1));
    // It is mapped again, and the page read again and changed, before the first transfer ends.
    model.page_in(&mut core, object, 0, 1);
    model.finish(&mut core, 1, true);
    assert_eq!(model.supplied, 1);
    model.page_out(&mut core, object, 0, 1);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 1);
    model.page_in(&mut core, object, 0, 1);
    model.finish_all(&mut core);
    assert_eq!(model.supplied, 2);
}

#[test]
fn an_external_page_that_cannot_be_stored_or_given_back_is_an_error_and_no_zeros() {
    let (mut core, mut model) = Model::start(&[2]);
    let object = core.create_external(10);
    model.takes_nothing = true;
    model.page_out(&mut core, object, 0, 5);
    model.finish_all(&mut core);
    model.page_in(&mut core, object, 0, 5);
    model.finish_all(&mut core);
    assert_eq!((model.supplied, model.errors, model.unavailable), (2, 3, 0));
}

#[test]
fn an_external_page_that_is_supplied_out_of_the_queue_comes_back() {
    let (mut core, mut model) = (crate::core::Core::default(), Model::default());
    model.add_extent(&mut core, Extent { slots: 100, buffers: 1, priority: 0, cluster: 16 });
    let external = core.create_external(100);
    let anonymous = core.create();
    model.page_out(&mut core, external, 50, 1);
    for object in [external, anonymous] {
        model.page_out(&mut core, object, 0, 1);
        model.page_in(&mut core, object, 0, 1);
    }
    assert_eq!((model.supplied, model.precious), (2, 1));
}

/// While there is no space what comes back in gives its slot up, and something else can go for it.
#[test]
fn i_dp_15_a_page_that_comes_in_while_there_is_no_space_frees_its_slot() {
    let (mut core, mut model) = Model::start(&[32]);
    let object = core.create();
    for page in [0, 16] {
        model.page_out(&mut core, object, page, 16);
        model.finish_all(&mut core);
    }
    assert_eq!((model.space, core.space()), (Some(Space::Full), (32, 0)));
    model.page_in(&mut core, object, 3, 1);
    model.finish_all(&mut core);
    assert_eq!((model.handed_over, core.space()), (1, (32, 1)));
    model.page_out(&mut core, object, 40, 1);
    model.finish_all(&mut core);
    assert_eq!((model.given_back, core.space()), (0, (32, 0)), "one went for one that came");
    let shared = core.create_external(8);
    model.page_in(&mut core, object, 16, 16);
    model.finish_all(&mut core);
    assert_eq!(model.space, Some(Space::Ok));
    model.page_out(&mut core, shared, 0, 8);
    model.page_out(&mut core, object, 64, 8);
    model.finish_all(&mut core);
    assert_eq!(core.space(), (32, 0));
    model.page_in(&mut core, shared, 0, 8);
    model.finish_all(&mut core);
    assert_eq!((model.handed_over, core.space()), (17, (32, 0)), "what anybody may map is kept");
}

#[test]
fn i_dp_15_a_page_that_moves_while_it_is_read_frees_its_new_slot() {
    let (mut core, mut model) = Model::start(&[8]);
    let object = core.create();
    model.page_out(&mut core, object, 0, 1);
    model.finish_all(&mut core);
    model.add_area(&mut core, 1);
    assert_eq!(core.remove_areas(&mut model, &[0]), Ok(0));
    model.page_in(&mut core, object, 0, 1);
    assert_eq!(model.pending.len(), 2, "read to be moved, and to be supplied");
    model.finish(&mut core, 0, true);
    assert_eq!((model.space, core.space()), (Some(Space::Full), (1, 0)));
    model.finish_all(&mut core);
    assert_eq!((model.handed_over, core.space()), (1, (1, 1)));
}
