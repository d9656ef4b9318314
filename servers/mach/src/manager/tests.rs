//! What the counts do by themselves; the whole is tested in `server::tests::managers`.

use super::*;

impl Managers {
    /// Whether nothing is left of any manager: every message has ended, every account is closed.
    pub(crate) fn is_settled(&self) -> bool {
        let is_empty = self.records.is_empty() && self.by_port.is_empty() && self.deadlines.is_empty();
        is_empty && self.queued.is_empty() && self.outbox.is_empty() && self.accounts.is_empty()
    }
}

#[test]
fn lock_requests_of_a_task_are_counted() {
    let task = SpaceId::from_word(1 << 32);
    let mut managers = Managers::default();
    managers.set_memory(1 << 20);
    for _ in 0..TASK_REQUESTS {
        assert!(managers.begin_request(task));
    }
    assert!(!managers.begin_request(task));
    assert!(managers.begin_request(SpaceId::from_word(2 << 32)), "another task's are others");
    managers.end_request(task);
    assert!(managers.begin_request(task));
    (0..TASK_REQUESTS).for_each(|_| managers.end_request(task));
    managers.end_request(SpaceId::from_word(2 << 32));
    assert!(managers.is_settled());
}

#[test]
fn a_task_with_too_many_messages_takes_no_more() {
    let task = SpaceId::from_word(1 << 32);
    let mut managers = Managers::default();
    managers.set_memory(1 << 20);
    let numbers: Vec<u64> = (0..TASK_MESSAGES).map(|_| managers.charge_completion(task)).collect();
    assert!(!managers.takes_completions(task));
    assert!(!managers.may_map(ManagerId(1), Some(task)));
    assert!(managers.may_map(ManagerId(1), None));
    let _ = managers.delivered(numbers[0]);
    assert!(managers.takes_completions(task));
    for number in &numbers {
        let _ = managers.destroyed(*number);
    }
    assert!(managers.is_settled());
}

#[test]
fn all_lock_requests_together_have_a_limit() {
    let mut managers = Managers::default();
    managers.set_memory(1 << 20);
    let task = |number: u64| SpaceId::from_word(1 << 32 | number);
    let begun = (0..2 * u64::from(ALL_REQUESTS)).take_while(|number| managers.begin_request(task(number / 8))).count();
    assert_eq!(begun, ALL_REQUESTS as usize);
    (0..u64::from(ALL_REQUESTS)).for_each(|number| managers.end_request(task(number / 8)));
    assert!(managers.is_settled());
}

#[test]
fn pages_that_nobody_receives_are_bounded_over_all_tasks() {
    let mut managers = Managers::default();
    // An eighth of these: 256 pages.
    managers.set_memory(2048);
    let accounts = &mut managers.accounts;
    let task = |number: u32| SpaceId::new(number, 1);
    let charge = |number: u32| Charge { port: None, task: Some(task(number)), pages: 32, is_paging: false };
    for _ in 0..4 {
        assert!(accounts.pages_have_room(Some(task(1))));
        accounts.add(&charge(1));
    }
    assert!(!accounts.pages_have_room(Some(task(1))), "half of them are for who has none");
    for number in 2..6 {
        assert!(accounts.pages_have_room(Some(task(number))));
        accounts.add(&charge(number));
        assert!(!accounts.pages_have_room(Some(task(number))));
    }
    assert!(!accounts.pages_have_room(Some(task(6))));
    accounts.subtract(&charge(1));
    assert!(accounts.pages_have_room(Some(task(6))) && !accounts.pages_have_room(Some(task(1))));
}

#[test]
fn a_managers_time_runs_from_the_last_time_that_somebody_began_to_wait() {
    let assoc = AssocId::new(3, 1);
    let mut managers = Managers::default();
    let mut clock = Clock::default();
    managers.records.insert(assoc, Record::new(100));
    let overdue_at = |managers: &mut Managers, clock: &mut Clock| {
        (0..100).find_map(|_| {
            clock.tick();
            managers.next_overdue(*clock).map(|_| clock.now())
        })
    };
    managers.waiting(assoc, true, clock);
    assert!(managers.has_deadline());
    assert_eq!(overdue_at(&mut managers, &mut clock), Some(21), "100 ms are 20 ticks and one that has begun");
    // It is waited for no more, and then again.
    managers.waiting(assoc, false, clock);
    assert!(!managers.has_deadline(), "nobody needs a tick");
    (0..15).for_each(|_| clock.tick());
    managers.waiting(assoc, true, clock);
    assert!(managers.has_deadline());
    assert_eq!(overdue_at(&mut managers, &mut clock), Some(21 + 15 + 21));
    // Its time starts anew then; a shorter one counts at once.
    assert!(managers.set_limit(assoc, 10, clock));
    assert_eq!(overdue_at(&mut managers, &mut clock), Some(57 + 3));
    managers.waiting(assoc, false, clock);
    assert_eq!(overdue_at(&mut managers, &mut clock), None);
    managers.remove(assoc);
    assert!(managers.is_settled() && !managers.has_deadline());
}
