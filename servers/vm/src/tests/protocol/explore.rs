//! Looks at every state that the machine can reach, with a manager that follows the contract but may be slow, silent
//! or dead, and clients, eviction and the deadline in any order.
//!
//! The machine is the one that [`super::conform`] compares the implementation with. Why the search is no crate's:
//! `docs/adr/0004-dependencies.md`.
//!
//! What holds in every state:
//!
//! 1. **Order.** On the object port: `init`, anything, `terminate`, and again; nothing after the port's death. When a
//!    lock_request is complete, what it returns is in the queue.
//! 2. **No data is lost.** The newest contents of every page are resident, or on their way to the manager, or with it,
//!    unless the contract gives them away: flushed without return, temporary, destroyed, dead, overdue.
//! 3. **Clients see the newest.** What a client reads is what was written or supplied last.
//! 4. **Nobody waits for ever.** If the manager answers what it was asked, everybody who waits goes on; and if it
//!    answers nothing, everybody goes on at the deadline. Without a deadline, error, destroy or death, nobody fails.

use std::collections::HashSet;
use std::fmt::Write;
use std::rc::Rc;

use super::machine::{
    Client, Event, Live, LockArgs, Machine, Mapping, Msg, Op, Outcome, Page, PageState, Stage, WRITE, Wait,
};

/// The machine, and what the manager knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node<const C: usize, const N: usize> {
    machine: Machine<C, N>,
    /// Pages that the manager has been asked for, and not answered.
    debts: [bool; N],
    /// The same for unlocks.
    unlocks: [bool; N],
    /// Since the association began, its time has passed: answers may be late.
    is_late: bool,
    /// It answered with data that is older than what it has in its queue: what happens to the data now is its own affair.
    is_mistaken: bool,
    /// Between init and terminate.
    is_begun: bool,
}

/// What the manager makes use of: with two pages, all of it together has more states than a test has time.
#[derive(Clone, Copy)]
struct Scope {
    /// It locks pages when it supplies them, and later.
    locks: bool,
    /// It keeps no copy of some pages.
    precious: bool,
    /// It lets its object be cached, or makes it temporary.
    attributes: bool,
}

/// What a value written now looks like, until [`Node::normalise`].
const NEW: u8 = 3;
/// Messages in the queue beyond which nobody maps the object anew.
const QUEUE: usize = 3;

impl<const C: usize, const N: usize> Node<C, N> {
    fn new(room: usize) -> Self {
        Node {
            machine: Machine::new(room),
            debts: [false; N],
            unlocks: [false; N],
            is_late: false,
            is_mistaken: false,
            is_begun: false,
        }
    }

    /// What may happen now.
    fn events(&self, scope: Scope) -> Vec<Event<N>> {
        let machine = &self.machine;
        let mut events = Vec::new();
        for c in 0..C {
            let client = &machine.clients[c];
            match (client.op, client.mapping) {
                (Op::Idle, Mapping::None) if machine.queue.len() < QUEUE => events.push(Event::Map(c)),
                (Op::Idle, Mapping::None) => {}
                (Op::Idle, _) => {
                    events.push(Event::Unmap(c));
                    for page in 0..N {
                        events.extend([None, Some(NEW)].map(|writes| Event::Touch { client: c, page, writes }));
                    }
                }
                (Op::Map(wait) | Op::Fault { wait, .. }, _) => {
                    events.push(Event::Abort(c));
                    if !matches!(wait, Wait::Waiting(_)) {
                        events.push(Event::Resume(c));
                    }
                }
            }
        }
        events.extend((0..N).map(Event::Evict));
        events.extend([Event::Overdue, Event::Uncache]);
        if matches!(machine.lock, Some((_, Wait::Woken | Wait::Failed))) {
            events.push(Event::ResumeLock);
        }
        if machine.is_alive {
            self.answers(scope, &mut events);
        }
        events
    }

    /// What a manager that follows the contract may do now.
    fn answers(&self, scope: Scope, events: &mut Vec<Event<N>>) {
        let machine = &self.machine;
        events.push(Event::Die);
        if !machine.queue.is_empty() {
            events.push(Event::Take);
        }
        if !self.is_begun || machine.queue.contains(&Msg::Init) {
            return;
        }
        events.push(Event::Destroy);
        let is_ready = machine.live.is_some_and(|live| live.stage != Stage::Init);
        let is_cached = machine.live.is_some_and(|live| live.stage == Stage::Cached);
        if !is_ready || is_cached {
            events.push(Event::Ready { may_cache: false, temporary: false });
        }
        if !is_ready && scope.attributes {
            events.push(Event::Ready { may_cache: true, temporary: false });
            events.push(Event::Ready { may_cache: false, temporary: true });
        }
        for page in 0..N {
            if self.debts[page] {
                events.push(Event::Error { first: page, count: 1 });
                if machine.store[page] == Some(0) {
                    events.push(Event::Unavailable { first: page, count: 1 });
                }
                events.extend(self.supply(page, 0, false));
                if scope.locks {
                    events.extend(self.supply(page, WRITE, false));
                }
                if scope.precious {
                    events.extend(self.supply(page, 0, true));
                }
            }
            if self.unlocks[page] && machine.lock.is_none() {
                events.push(Event::Lock(LockArgs { first: page, end: page + 1, ..lock(0, false, Some(0)) }));
            }
        }
        if is_ready && machine.lock.is_none() {
            let write = scope.locks.then_some(WRITE);
            events.extend([Event::Lock(lock(1, false, write)), Event::Lock(lock(1, true, None))]);
            events.push(Event::Lock(lock(0, true, None)));
            if scope.precious {
                events.push(Event::Lock(lock(2, false, None)));
            }
        }
    }

    fn supply(&self, page: usize, lock: u8, precious: bool) -> Option<Event<N>> {
        let mut values = [0; N];
        values[0] = self.machine.store[page]?;
        Some(Event::Supply { first: page, count: 1, values, lock, precious })
    }

    /// The state after an event, or what does not hold.
    fn after(&self, event: Event<N>) -> Result<(Self, Outcome), &'static str> {
        let mut next = self.clone();
        next.learn(event);
        if let Event::Supply { first, .. } | Event::Unavailable { first, .. } = event {
            let value = if let Event::Supply { values, .. } = event { values[0] } else { 0 };
            let is_wanted = self.machine.live.is_some_and(|live| !live.pages[first].is_resident());
            next.is_mistaken |= is_wanted && self.machine.at_manager(first) != Some(value);
            if next.is_mistaken && !self.is_late {
                return Err("2: a punctual manager supplied old data");
            }
        }
        let lock = match event {
            Event::Lock(args) => Some(args),
            Event::ResumeLock => self.machine.lock.map(|(args, _)| args),
            _ => None,
        };
        let (sent, outcome) = next.machine.apply(event);
        if lock.is_some_and(|args| outcome == Outcome::Done(0) && next.owes_returns(args)) {
            return Err("1: a lock_request is complete before its returns are queued");
        }
        for msg in sent {
            let is_right = match msg {
                Msg::Init => !core::mem::replace(&mut next.is_begun, true),
                Msg::Terminate => core::mem::replace(&mut next.is_begun, false),
                _ => next.is_begun,
            };
            if !is_right || !next.machine.is_alive {
                return Err("1: order on the port");
            }
        }
        next.is_begun &= next.machine.is_alive;
        if next.machine.live.is_none() {
            (next.is_late, next.is_mistaken) = (false, false);
        }
        if self.is_mistaken {
            next.machine.lost = None;
        }
        next.check()?;
        next.normalise();
        Ok((next, outcome))
    }

    /// Whether a page is dirty that this step of a lock_request should have returned.
    fn owes_returns(&self, args: LockArgs) -> bool {
        let live = self.machine.live.filter(|live| !matches!(live.stage, Stage::Terminating { .. }));
        let is_dirty =
            |live: Live<N>| (args.first..args.end.min(N)).any(|page| live.pages[page].state == PageState::Dirty);
        args.returns > 0 && live.is_some_and(is_dirty)
    }

    /// What the manager knows after an event.
    fn learn(&mut self, event: Event<N>) {
        match event {
            Event::Take => match self.machine.queue.first() {
                Some(Msg::Request { page, .. }) => self.debts[*page] = true,
                Some(Msg::Unlock { page, .. }) => self.unlocks[*page] = true,
                Some(Msg::Init | Msg::Terminate) => (self.debts, self.unlocks) = ([false; N], [false; N]),
                Some(Msg::Return { .. }) | None => {}
            },
            Event::Supply { first, .. } | Event::Unavailable { first, .. } | Event::Error { first, .. } => {
                self.debts[first] = false;
            }
            Event::Lock(args) if args.lock == Some(0) => self.unlocks[args.first] = false,
            Event::Destroy | Event::Die => (self.debts, self.unlocks) = ([false; N], [false; N]),
            Event::Overdue => self.is_late = true,
            _ => {}
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if let Some(lost) = self.machine.lost {
            return Err(lost);
        }
        let Some(live) = &self.machine.live else { return Ok(()) };
        if self.is_mistaken || live.stage == (Stage::Terminating { discards: true }) {
            return Ok(());
        }
        for (number, page) in live.pages.iter().enumerate() {
            let latest = self.machine.latest[number];
            let is_here = page.is_resident() && page.value == latest;
            if !is_here && self.machine.at_manager(number) != Some(latest) {
                return Err("2: the newest contents are nowhere");
            }
        }
        Ok(())
    }

    /// Makes states equal that differ in nothing that matters: what values are, but for whether they are zeros and
    /// whether they are the newest; which client is which; what a mistaken or dead manager has.
    fn normalise(&mut self) {
        let asked = |msg: &Msg<N>| matches!(msg, Msg::Request { .. });
        self.is_late &= self.is_mistaken || self.debts.contains(&true) || self.machine.queue.iter().any(asked);
        let machine = &mut self.machine;
        if !machine.is_alive || self.is_mistaken {
            machine.store = [Some(0); N];
            machine.latest = [0; N];
        }
        if !machine.is_alive {
            (self.debts, self.unlocks, self.is_late) = ([false; N], [false; N], false);
        }
        let latest = machine.latest;
        let is_mistaken = self.is_mistaken;
        let normal = |page: usize, value: &mut u8| {
            *value = match *value {
                0 => 0,
                value if value == latest[page] && !is_mistaken => 2,
                _ if is_mistaken => 0,
                _ => 1,
            }
        };
        for page in 0..N {
            if let Some(live) = &mut machine.live {
                normal(page, &mut live.pages[page].value);
            }
            if let Some(value) = &mut machine.store[page] {
                normal(page, value);
            }
            normal(page, &mut machine.latest[page]);
            for gone in machine.gone.iter_mut().flatten() {
                let state = match gone[page].state {
                    PageState::Dirty => PageState::Clean,
                    state => state,
                };
                gone[page] = Page { state, value: 0, precious: false, ..gone[page] };
            }
        }
        for msg in &mut machine.queue {
            if let Msg::Return { first, count, values, .. } = msg {
                for (page, value) in (*first..*first + *count).zip(values) {
                    normal(page, value);
                }
            }
        }
        self.sort_clients();
    }

    /// Puts the clients, and the objects that only they know, into one order.
    fn sort_clients(&mut self) {
        let machine = &mut self.machine;
        let gone = machine.gone;
        let key = |client: &Client| match client.mapping {
            Mapping::Gone(index) => (3, gone[index].map(|pages| pages.map(|page| page.state as u8)), client.op),
            Mapping::None => (1, None, client.op),
            Mapping::Live => (2, None, client.op),
        };
        machine.clients.sort_by_key(key);
        machine.gone = [None; C];
        let mut places = [None; C];
        let mut used = 0;
        for client in &mut machine.clients {
            if let Mapping::Gone(index) = &mut client.mapping {
                let place = *places[*index].get_or_insert_with(|| {
                    used += 1;
                    used - 1
                });
                machine.gone[place] = gone[*index];
                *index = place;
            }
        }
    }

    fn is_waiting(&self) -> bool {
        self.machine.clients.iter().any(|client| client.op != Op::Idle) || self.machine.lock.is_some()
    }

    /// 4: everybody goes on if the manager answers, and at the deadline if not.
    fn check_progress(&self) -> Result<(), &'static str> {
        let (silent, _) = self.after(Event::Overdue)?;
        let ops = silent.machine.clients.iter().map(|client| client.op);
        let waits = |op| matches!(op, Op::Map(Wait::Waiting(_)) | Op::Fault { wait: Wait::Waiting(_), .. });
        if ops.clone().any(waits) || matches!(silent.machine.lock, Some((_, Wait::Waiting(_)))) {
            return Err("4: somebody waits beyond the deadline");
        }
        let mut node = self.clone();
        for _ in 0..60 {
            if !node.is_waiting() {
                return Ok(());
            }
            let event = node.next_duty();
            let (next, outcome) = node.after(event)?;
            let has_failed = self.machine.clients.iter().any(|client| {
                matches!(client.op, Op::Fault { wait: Wait::Failed, .. }) || matches!(client.mapping, Mapping::Gone(_))
            });
            if outcome == Outcome::Done(super::machine::MEMORY_ERROR)
                && !has_failed
                && !matches!(self.machine.lock, Some((_, Wait::Failed)))
            {
                return Err("4: somebody fails although the manager answers");
            }
            node = next;
        }
        Err("4: somebody waits although the manager answers")
    }

    /// What a manager does next that only answers, and what the clients do meanwhile.
    fn next_duty(&self) -> Event<N> {
        let machine = &self.machine;
        let may_step = |op: Op| matches!(op, Op::Map(Wait::Woken) | Op::Fault { wait: Wait::Woken | Wait::Failed, .. });
        if let Some(c) = machine.clients.iter().position(|client| may_step(client.op)) {
            return Event::Resume(c);
        }
        if matches!(machine.lock, Some((_, Wait::Woken | Wait::Failed))) {
            return Event::ResumeLock;
        }
        if machine.live.is_some_and(|live| live.stage == Stage::Init) {
            return Event::Ready { may_cache: false, temporary: false };
        }
        if !machine.queue.is_empty() {
            return Event::Take;
        }
        let answer = (0..N).find_map(|page| {
            let unlock = Event::Lock(LockArgs { first: page, end: page + 1, ..lock(0, false, Some(0)) });
            let supply = self.debts[page].then(|| self.supply(page, 0, false)).flatten();
            supply.or((self.unlocks[page] && machine.lock.is_none()).then_some(unlock))
        });
        answer.unwrap_or(Event::Take)
    }
}

/// A lock request on all pages.
const fn lock(returns: u8, flush: bool, lock: Option<u8>) -> LockArgs {
    LockArgs { first: 0, end: usize::MAX, returns, flush, lock }
}

/// Looks at every state; gives their number and the number of transitions.
fn explore<const C: usize, const N: usize>(scope: Scope) -> (usize, usize) {
    let start = Rc::new(Node::<C, N>::new(1));
    let mut seen = HashSet::from([start.clone()]);
    let mut trail: Vec<(usize, Option<Event<N>>)> = vec![(0, None)];
    let mut nodes = vec![start];
    let mut transitions = 0;
    let mut next = 0;
    while next < nodes.len() {
        let node = nodes[next].clone();
        if let Err(broken) = node.check_progress() {
            panic!("{broken}\n{}", story(&trail, next));
        }
        for event in node.events(scope) {
            let event = within(event, N);
            transitions += 1;
            match node.after(event) {
                Ok((after, _)) => {
                    if !seen.contains(&after) {
                        let after = Rc::new(after);
                        seen.insert(after.clone());
                        trail.push((next, Some(event)));
                        nodes.push(after);
                    }
                }
                Err(broken) => panic!("{broken}\n{}{event:?}\n{node:#?}", story(&trail, next)),
            }
        }
        next += 1;
    }
    (nodes.len(), transitions)
}

/// A lock request on all pages ends at the last one.
fn within<const N: usize>(event: Event<N>, end: usize) -> Event<N> {
    match event {
        Event::Lock(args) => Event::Lock(LockArgs { end: args.end.min(end), ..args }),
        event => event,
    }
}

/// The events that led to a state.
fn story<const N: usize>(trail: &[(usize, Option<Event<N>>)], mut at: usize) -> String {
    let mut events = Vec::new();
    while let (before, Some(event)) = trail[at] {
        events.push(event);
        at = before;
    }
    let mut story = String::new();
    for event in events.iter().rev() {
        writeln!(story, "{event:?}").expect("memory");
    }
    story
}

#[test]
fn every_state_of_the_protocol_keeps_its_promises() {
    let begin = std::time::Instant::now();
    let none = Scope { locks: false, precious: false, attributes: false };
    let all = Scope { locks: true, precious: true, attributes: true };
    let mut total = 0;
    for (what, (states, transitions)) in [
        ("two clients and one page, everything", explore::<2, 1>(all)),
        ("one client and two pages", explore::<1, 2>(none)),
    ] {
        super::report(&format!("{what}: {states} states, {transitions} transitions"));
        total += states;
    }
    super::report(&format!("{total} states of the memory objects' protocol, {:?}", begin.elapsed()));
    assert!(total > 1_300_000, "the search goes everywhere that it went: {total} states");
}
