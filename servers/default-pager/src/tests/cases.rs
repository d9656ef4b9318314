//! Cases by name; those of the specification have their number (I-DP).

use super::model::{Model, Where};
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
    assert_eq!(core.remove_area(&mut model, 0), Err(NoRoom));
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
    assert_eq!(core.remove_area(&mut model, 0), Ok(()));
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
