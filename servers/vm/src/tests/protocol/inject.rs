//! Faults injected at random points: memory refused, answers that are wrong, late or to what is over, a manager that dies,
//! destroys twice or is silent. The machine cannot say what happens then; what must hold whatever happens is that no page
//! shows a byte that nobody put there, that everybody who waits goes on at the deadline, that terminate comes once and
//! last, and that nothing is left over.

use super::conform::{PAGES, TheEvent, any_event};
use super::machine::{Event, Msg, Outcome};
use super::real::Real;
use super::rng::{Rng, mix};

const CLIENTS: usize = 2;

struct Run {
    real: Real<CLIENTS, PAGES>,
    rng: Rng,
    /// For each page, the values that somebody put there.
    values: [[bool; 256]; PAGES],
    is_alive: bool,
    /// Between init and terminate.
    is_begun: bool,
    injections: usize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut values = [[false; 256]; PAGES];
        values.iter_mut().for_each(|page| page[0] = true);
        Run { real: Real::new(2), rng: Rng::new(seed), values, is_alive: true, is_begun: false, injections: 0 }
    }

    fn is_possible(&self, event: &TheEvent) -> bool {
        let real = &self.real;
        match event {
            Event::Map(c) => real.is_idle(*c) && !real.is_mapped(*c),
            Event::Unmap(c) => real.is_idle(*c) && real.is_mapped(*c),
            Event::Touch { client, .. } => real.is_idle(*client) && real.is_mapped(*client),
            Event::Abort(c) => !real.is_idle(*c),
            Event::Resume(c) => real.woken(*c).is_some(),
            Event::Lock(_) => !real.is_locking(),
            Event::ResumeLock => real.lock_woken().is_some(),
            Event::Die => self.is_alive,
            Event::Overdue | Event::Evict(_) | Event::Uncache => true,
            Event::Take
            | Event::Ready { .. }
            | Event::Supply { .. }
            | Event::Unavailable { .. }
            | Event::Error { .. }
            | Event::Destroy => self.is_alive,
        }
    }

    fn apply(&mut self, event: TheEvent) {
        match event {
            Event::Touch { page, writes: Some(value), .. } => self.values[page][usize::from(value)] = true,
            Event::Supply { first, count, values, .. } => {
                for (page, value) in (first..first + count).zip(values) {
                    self.values[page][usize::from(value)] = true;
                }
            }
            Event::Die => self.is_alive = false,
            _ => {}
        }
        let page = match event {
            Event::Touch { page, .. } => Some(page),
            Event::Resume(c) => self.real.touched(c),
            _ => None,
        };
        let (sent, outcome) = self.real.apply(event, 2);
        if let (Outcome::Touched(value), Some(page)) = (outcome, page) {
            assert!(self.values[page][usize::from(value)], "page {page} shows {value}");
        }
        for msg in sent {
            assert!(self.is_alive, "nothing is sent to a port that is dead");
            let is_right = match msg {
                Msg::Init => !core::mem::replace(&mut self.is_begun, true),
                Msg::Terminate => core::mem::replace(&mut self.is_begun, false),
                Msg::Request { .. } | Msg::Unlock { .. } | Msg::Return { .. } => self.is_begun,
            };
            assert!(is_right, "{msg:?}");
        }
    }

    /// Something that should not happen does.
    fn inject(&mut self) {
        self.injections += 1;
        match self.rng.below(6) {
            0 | 1 => self.real.world.machine.fail_in = Some(self.rng.below(6) as u32),
            2 => self.real.call_stale(self.rng.below(6)),
            3 if self.is_alive => self.apply(Event::Destroy),
            4 if self.is_alive && self.rng.below(4) == 0 => self.apply(Event::Die),
            4 => self.apply(Event::Overdue),
            _ if self.is_alive => {
                // Every page, asked for or not.
                let values = core::array::from_fn(|_| 1 + self.rng.below(255) as u8);
                self.apply(Event::Supply { first: 0, count: PAGES, values, lock: 7, precious: true });
            }
            _ => {}
        }
    }

    /// At the deadline everybody goes on.
    fn finish(mut self) -> usize {
        self.real.world.machine.fail_in = None;
        for _ in 0..4 {
            self.apply(Event::Overdue);
            for c in 0..CLIENTS {
                while self.is_possible(&Event::Resume(c)) {
                    self.apply(Event::Resume(c));
                }
            }
            while self.is_possible(&Event::ResumeLock) {
                self.apply(Event::ResumeLock);
            }
        }
        for c in 0..CLIENTS {
            assert!(self.real.is_idle(c), "nobody waits beyond the deadline");
        }
        assert!(!self.real.is_locking());
        self.real.end();
        self.injections
    }
}

fn run(seed: u64) -> usize {
    let mut run = Run::new(seed);
    let mut value = 0u8;
    for _ in 0..40 {
        value = value.wrapping_add(7).max(1);
        let event = match run.rng.below(4) {
            0 => Event::Resume(run.rng.below(CLIENTS)),
            1 => Event::ResumeLock,
            _ => any_event(&mut run.rng, value),
        };
        if run.rng.below(5) == 0 {
            run.inject();
        } else if run.is_possible(&event) {
            run.apply(event);
        }
        // Memory comes back after a while.
        if run.rng.below(3) == 0 {
            run.real.world.machine.fail_in = None;
        }
    }
    run.finish()
}

#[test]
fn a_hundred_thousand_faults_hurt_nobody_else() {
    const INJECTIONS: usize = 100_000;
    let begin = std::time::Instant::now();
    let (mut injections, mut sequences) = (0, 0);
    while injections < INJECTIONS {
        let seed = mix(0xfa17 + sequences);
        let outcome = std::panic::catch_unwind(|| run(seed));
        injections += outcome.unwrap_or_else(|_| panic!("the sequence with seed {seed:#x} failed"));
        sequences += 1;
    }
    super::report(&format!("{injections} faults injected into {sequences} sequences, {:?}", begin.elapsed()));
}
