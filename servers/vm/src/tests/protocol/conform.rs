//! The implementation beside the machine: the same events, in random order, from clients and a manager that answers late,
//! early, wrongly or never. After each event both have sent the same messages, given the same answer, and have the same
//! pages; whoever the machine says may go on was woken, and in the same way.

use super::machine::{Event, LockArgs, Machine, Mapping, Op, Outcome, Stage, WRITE, Wait};
use super::real::Real;
use super::rng::Rng;
use crate::Wake;

const CLIENTS: usize = 2;
pub(super) const PAGES: usize = 3;

pub(super) type TheEvent = Event<PAGES>;

/// Any event, whether it can happen now or not.
pub(super) fn any_event(rng: &mut Rng, value: u8) -> TheEvent {
    let first = rng.below(PAGES);
    let count = 1 + rng.below(PAGES - first);
    let lock = [0, 0, WRITE, 3, 4][rng.below(5)];
    match rng.below(40) {
        0..3 => Event::Map(rng.below(CLIENTS)),
        3 | 4 => Event::Unmap(rng.below(CLIENTS)),
        5..14 => {
            let writes = (rng.below(2) == 0).then_some(value);
            Event::Touch { client: rng.below(CLIENTS), page: first, writes }
        }
        14 => Event::Abort(rng.below(CLIENTS)),
        15..20 => Event::Take,
        20..22 => Event::Ready { may_cache: rng.below(2) == 0, temporary: rng.below(8) == 0 },
        22..29 => {
            let values = core::array::from_fn(|page| value.wrapping_add(page as u8).max(1));
            Event::Supply { first, count, values, lock, precious: rng.below(3) == 0 }
        }
        29 => Event::Unavailable { first, count },
        30 => Event::Error { first, count },
        31..35 => Event::Lock(LockArgs {
            first,
            end: first + count,
            returns: rng.below(3) as u8,
            flush: rng.below(2) == 0,
            lock: (rng.below(2) == 0).then_some(lock),
        }),
        35 => {
            if rng.below(3) == 0 {
                Event::Destroy
            } else {
                Event::Uncache
            }
        }
        36 => {
            if rng.below(8) == 0 {
                Event::Die
            } else {
                Event::Take
            }
        }
        37 => Event::Overdue,
        _ => Event::Evict(first),
    }
}

struct Pair {
    machine: Machine<CLIENTS, PAGES>,
    real: Real<CLIENTS, PAGES>,
    room: u32,
}

impl Pair {
    /// Whether an event can happen now: nobody does two things at once.
    fn is_possible(&self, event: &TheEvent) -> bool {
        let machine = &self.machine;
        let (is_idle, mapping) = (|c: usize| machine.clients[c].op == Op::Idle, |c: usize| machine.clients[c].mapping);
        match event {
            Event::Map(c) => is_idle(*c) && mapping(*c) == Mapping::None,
            Event::Unmap(c) => is_idle(*c) && mapping(*c) != Mapping::None,
            Event::Touch { client, .. } => is_idle(*client) && mapping(*client) != Mapping::None,
            Event::Abort(c) => !is_idle(*c),
            Event::Resume(c) => {
                let (Op::Map(wait) | Op::Fault { wait, .. }) = machine.clients[*c].op else { return false };
                !matches!(wait, Wait::Waiting(_))
            }
            Event::Lock(_) => machine.lock.is_none(),
            Event::ResumeLock => matches!(machine.lock, Some((_, Wait::Woken | Wait::Failed))),
            Event::Die => machine.is_alive,
            Event::Take
            | Event::Ready { .. }
            | Event::Supply { .. }
            | Event::Unavailable { .. }
            | Event::Error { .. }
            | Event::Destroy => machine.is_alive,
            Event::Overdue | Event::Evict(_) | Event::Uncache => true,
        }
    }

    fn apply(&mut self, event: TheEvent) {
        let (sent, outcome) = self.machine.apply(event);
        let (really_sent, real_outcome) = self.real.apply(event, self.room);
        assert_eq!(really_sent, sent, "messages");
        // What a supply to an object that is being terminated says is nobody's business.
        if !matches!((&outcome, &real_outcome), (Outcome::Supplied(0, _), Outcome::Supplied(0, _))) {
            assert_eq!(real_outcome, outcome, "outcome");
        }
        self.compare_waits();
        self.compare_pages();
    }

    /// Whoever the machine lets go on was woken. Who was woken although there is nothing new waits again.
    fn compare_waits(&mut self) {
        for c in 0..CLIENTS {
            let (Op::Map(wait) | Op::Fault { wait, .. }) = self.machine.clients[c].op else {
                assert!(self.real.is_idle(c));
                continue;
            };
            if self.real.woken(c).is_some() && matches!(wait, Wait::Waiting(_)) {
                let again = self.real.apply(Event::Resume(c), self.room);
                assert_eq!(again, (vec![], Outcome::Waits), "there was nothing new");
            }
            assert!(is_like(wait, self.real.woken(c)), "client {c}: {wait:?}, {:?}", self.real.woken(c));
        }
        if let Some((_, wait)) = self.machine.lock {
            if self.real.lock_woken().is_some() && matches!(wait, Wait::Waiting(_)) {
                let again = self.real.apply(Event::ResumeLock, self.room);
                assert_eq!(again, (vec![], Outcome::Waits), "there was nothing new");
            }
            assert_eq!(self.real.lock_woken().is_some(), !matches!(wait, Wait::Waiting(_)), "lock: {wait:?}");
        }
    }

    fn compare_pages(&mut self) {
        assert_eq!(self.real.stage(), self.machine.live.map(|live| live.stage));
        if let (Some(live), Some(assoc)) = (self.machine.live, self.real.assoc) {
            let object = self.real.world.vm.object_of(assoc).expect("an object");
            assert_eq!(self.real.pages(object).map(shown), live.pages.map(shown));
        }
        for c in 0..CLIENTS {
            if let Mapping::Gone(index) = self.machine.clients[c].mapping {
                let object = self.real.object(c).expect("an object");
                let pages = self.machine.gone[index].expect("its pages");
                assert_eq!(self.real.pages(object).map(shown), pages.map(shown));
            }
        }
    }
}

/// The value and the marks of a page only count while it is resident.
fn shown(page: super::machine::Page) -> super::machine::Page {
    if page.is_resident() { page } else { super::machine::Page { value: 0, lock: 0, precious: false, ..page } }
}

fn is_like(wait: Wait, woken: Option<Wake>) -> bool {
    match wait {
        Wait::Waiting(_) => woken.is_none(),
        Wait::Woken => woken == Some(Wake::Retry),
        Wait::Failed => matches!(woken, Some(Wake::Failed(_))),
    }
}

/// Whether a sequence is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    Nothing,
    Events,
}

/// One sequence of events. Gives their number.
fn run(seed: u64, tell: Tell) -> usize {
    let mut rng = Rng::new(seed);
    let room = 1 + rng.below(3) as u32;
    let mut pair = Pair { machine: Machine::new(room as usize), real: Real::new(room), room };
    let mut value = 0u8;
    let mut count = 0;
    for _ in 0..30 + rng.below(80) {
        value = value.wrapping_add(5);
        // Whoever may go on does so sooner or later.
        let event = match rng.below(4) {
            0 => Event::Resume(rng.below(CLIENTS)),
            1 if rng.below(2) == 0 => Event::ResumeLock,
            _ => any_event(&mut rng, value),
        };
        if !pair.is_possible(&event) {
            continue;
        }
        pair.real.moves = rng.below(4) == 0;
        count += 1;
        if tell == Tell::Events {
            println!("{event:?}");
        }
        pair.apply(event);
        if rng.below(16) == 0 {
            pair.real.call_stale(rng.below(6));
        }
        if seed.is_multiple_of(64)
            && !matches!(pair.machine.live, Some(live) if matches!(live.stage, Stage::Terminating { .. }))
        {
            pair.real.assert_valid();
        }
    }
    pair.real.end();
    count
}

/// Runs sequences, and says which one failed.
fn run_all(seeds: core::ops::Range<u64>) -> usize {
    seeds
        .map(|seed| {
            let seed = super::rng::mix(seed);
            let outcome = std::panic::catch_unwind(|| run(seed, Tell::Nothing));
            outcome.unwrap_or_else(|_| {
                println!("the sequence with seed {seed:#x} failed:");
                run(seed, Tell::Events)
            })
        })
        .sum()
}

#[test]
fn the_implementation_does_what_the_machine_does() {
    const SEQUENCES: u64 = 100_000;
    let begin = std::time::Instant::now();
    let events = run_all(0..SEQUENCES);
    super::report(&format!("{SEQUENCES} sequences, {events} events compared with the machine, {:?}", begin.elapsed()));
}
