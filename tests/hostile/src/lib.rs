//! Random messages to the Mach server that mean no good: every routine, with arguments at the edges.
//!
//! Plain noise is turned away at the first check. So most messages have the shape of a call, and words out of a small
//! box of names, addresses, sizes and flags that reach further; some are cut, lengthened, or noise after all.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use mach_protocol::call::{Call, Subsystem, TABLES};
use mach_protocol::memory_object::SUPPLY_AND_RECEIVE;
use mach_protocol::message::{MACH_MSG_RECEIVE, MACH_MSG_RPC, MACH_MSG_SEND, MAX_BODY_WORDS};
use mach_protocol::wire::{MAX_WORDS, Words};

/// A stream of numbers that a seed determines.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.word() >> 16).checked_rem(end).unwrap_or_default()
    }

    /// Whether something that happens in `share` of 100 cases does.
    pub fn is_one_of_a_hundred(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of these; the default if there are none.
    pub fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64) as usize;
        from.get(index).copied().unwrap_or_default()
    }
}

/// What calls of a group are made to, and what their first arguments are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Group {
    /// A task; address, size, then flags.
    Map,
    /// A task; names, then flags.
    Space,
    /// A task.
    Task,
    /// A thread.
    Thread,
    /// Something else.
    #[default]
    Other,
}

impl Group {
    const fn of(subsystem: Subsystem) -> Self {
        match subsystem {
            Subsystem::Vm => Self::Map,
            Subsystem::Port => Self::Space,
            Subsystem::Task => Self::Task,
            Subsystem::Thread => Self::Thread,
            Subsystem::Host | Subsystem::MemoryObject | Subsystem::Private => Self::Other,
        }
    }
}

/// A routine and the number of words that its request has, the target included.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    group: Group,
    id: u32,
    words: u32,
}

/// Calls after which a task or a thread attacks no more, if they are to itself.
const LAST_CALLS: [&str; 6] =
    ["TaskTerminate", "TaskExit", "TaskSuspend", "ThreadTerminate", "ThreadSuspend", "ThreadPark"];

const MAX_SHAPES: usize = 320;
const PAGE: u64 = 4096;

/// An attacker's names of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// Its task.
    pub task: u32,
    /// The thread that attacks.
    pub thread: u32,
}

/// What an attacker knows.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// Its own task and thread.
    pub own: Own,
    /// Names of rights that it has, or had.
    pub names: &'a [u32],
    /// Addresses where it has memory.
    pub addresses: &'a [u64],
}

/// A maker of messages.
#[derive(Debug)]
pub struct Attacker {
    /// Where its choices come from.
    pub random: Random,
    shapes: [Shape; MAX_SHAPES],
    count: usize,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Its label.
    pub label: u64,
    /// Its words.
    pub words: Words,
}

impl Attacker {
    /// The attacker of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut attacker = Self { random: Random::new(seed), shapes: [Shape::default(); MAX_SHAPES], count: 0 };
        for (subsystem, table) in TABLES {
            let group = Group::of(subsystem);
            table.iter().for_each(|(id, _)| attacker.learn(group, *id));
        }
        attacker.learn(Group::Other, SUPPLY_AND_RECEIVE);
        attacker
    }

    /// Finds the lengths that a request with this id may have, and remembers the first few.
    fn learn(&mut self, group: Group, id: u32) {
        const LENGTHS: usize = 2;
        let lengths = (1..=MAX_WORDS).filter(|length| {
            let zeros = [0; MAX_WORDS];
            zeros.get(..*length).is_some_and(|words| Call::decode(u64::from(id), words).is_ok())
        });
        for length in lengths.take(LENGTHS) {
            if let Some(place) = self.shapes.get_mut(self.count) {
                *place = Shape { group, id, words: length as u32 };
                self.count += 1;
            }
        }
    }

    /// How many ids there are to choose from.
    #[must_use]
    pub const fn shapes(&self) -> usize {
        self.count
    }

    /// The next message.
    pub fn next(&mut self, known: &Knowledge<'_>) -> Attack {
        let mut attack = match self.random.below(100) {
            0..72 => self.routine(known),
            72..94 => self.message(known),
            _ => self.noise(known),
        };
        if self.random.is_one_of_a_hundred(4) {
            self.bend(&mut attack);
        }
        attack
    }

    /// A routine with its number of words.
    fn routine(&mut self, known: &Knowledge<'_>) -> Attack {
        let mut shape = self.shape();
        let is_last = |shape: Shape| Call::name_of(shape.id).is_some_and(|name| LAST_CALLS.contains(&name));
        if is_last(shape) && !self.random.is_one_of_a_hundred(15) {
            shape = self.shape();
        }
        let target = match (shape.group, self.random.is_one_of_a_hundred(75)) {
            (Group::Map | Group::Space | Group::Task, true) => known.own.task,
            (Group::Thread, true) => known.own.thread,
            _ => self.name(known),
        };
        let mut words = Words::new();
        words.push(u64::from(target));
        for index in 1..shape.words {
            let word = match (shape.group, index, self.random.is_one_of_a_hundred(70)) {
                (Group::Map, 1, true) => self.address(known),
                (Group::Map, 2, true) => self.size(),
                (Group::Space, 1, true) => u64::from(self.name(known)),
                (Group::Map | Group::Space, 3.., true) => self.flags(),
                _ => self.argument(known),
            };
            words.push(word);
        }
        Attack { label: u64::from(shape.id), words }
    }

    fn shape(&mut self) -> Shape {
        let shapes = self.shapes;
        self.random.pick(shapes.get(..self.count).unwrap_or_default())
    }

    /// A small number, as flags, protections, kinds and counts are.
    fn flags(&mut self) -> u64 {
        match self.random.below(4) {
            0 => u64::from(self.disposition()),
            _ => self.random.below(8),
        }
    }

    /// A `mach_msg`.
    fn message(&mut self, known: &Knowledge<'_>) -> Attack {
        const SEND_TIMEOUT: u64 = 0x10;
        const RCV_TIMEOUT: u64 = 0x100;
        let id = self.random.pick(&[MACH_MSG_SEND, MACH_MSG_SEND, MACH_MSG_RECEIVE, MACH_MSG_RPC]);
        let halves = |low: u64, high: u64| low & 0xffff_ffff | high << 32;
        // Mostly with a time limit of nothing: who waits for ever attacks nobody.
        let patient = self.random.is_one_of_a_hundred(5);
        let option = if patient { self.random.word() } else { SEND_TIMEOUT | RCV_TIMEOUT | self.random.below(16) << 5 };
        let limit = if patient { self.random.below(20) } else { 0 };
        let size = self.random.pick(&[0, 8, 64, 912, 1024, u64::MAX]);
        let mut words = Words::new();
        words.push(u64::from(self.name(known)));
        if id == MACH_MSG_RECEIVE {
            words.push(halves(option, limit));
            words.push(halves(size, 0));
            return Attack { label: u64::from(id), words };
        }
        let bits = u64::from(self.disposition()) | u64::from(self.disposition()) << 8 | self.random.below(4) << 30;
        let kind = self.random.pick(&[1, 69, 70, 71, 72, 2200, 2201, 2400, 2500, 2505, 3200, 3302, u64::MAX]);
        words.push(halves(bits, kind));
        words.push(halves(u64::from(self.name(known)), u64::from(self.name(known))));
        words.push(halves(option, limit));
        words.push(halves(size, u64::from(self.name(known))));
        let rights = self.random.pick(&[0, 0, 1, 2, 3, 4, 4, 5]);
        let data = self.random.pick(&[0, 0, 1, 2, 7, MAX_BODY_WORDS as u64 - 4, MAX_BODY_WORDS as u64]);
        let bytes = (8 * data).saturating_sub(self.random.below(8));
        words.push(halves(bytes, rights));
        for _ in 0..rights {
            words.push(halves(u64::from(self.name(known)), u64::from(self.disposition())));
        }
        for _ in 0..bytes.div_ceil(8) {
            let word = self.argument(known);
            words.push(word);
        }
        Attack { label: u64::from(id), words }
    }

    fn noise(&mut self, known: &Knowledge<'_>) -> Attack {
        let label: u64 = self.random.pick(&[0, 6, 100, 2007, 3800, 7100, 7120, 7161, 7190, 1 << 31, 1 << 32, 1 << 51]);
        let mut words = Words::new();
        for _ in 0..self.random.below(MAX_WORDS as u64 + 1) {
            let word = self.argument(known);
            words.push(word);
        }
        Attack { label: label.wrapping_add(self.random.below(70)), words }
    }

    /// Takes words away, adds some, or changes one.
    fn bend(&mut self, attack: &mut Attack) {
        let length = self.random.below(attack.words.as_slice().len() as u64 + 8) as usize;
        let at = self.random.below(length as u64) as usize;
        let mut bent = Words::new();
        for index in 0..length {
            let old = attack.words.as_slice().get(index).copied().unwrap_or_default();
            bent.push(if index == at { self.random.word() } else { old });
        }
        attack.words = bent;
    }

    fn name(&mut self, known: &Knowledge<'_>) -> u32 {
        match self.random.below(100) {
            0..88 if !known.names.is_empty() => self.random.pick(known.names),
            0..97 => self.random.below(40) as u32,
            97 => 0,
            98 => u32::MAX,
            _ => self.random.word() as u32,
        }
    }

    fn disposition(&mut self) -> u32 {
        match self.random.below(20) {
            0 => self.random.below(256) as u32,
            1 | 2 => 0,
            _ => 16 + self.random.below(6) as u32,
        }
    }

    fn argument(&mut self, known: &Knowledge<'_>) -> u64 {
        match self.random.below(100) {
            0..26 => u64::from(self.name(known)),
            26..46 => self.address(known),
            46..62 => self.size(),
            62..78 => self.random.below(24),
            78..84 => 1 << self.random.below(64),
            84..88 => u64::from(self.disposition()),
            88..92 => self.random.pick(&[-1, -2, i64::from(i32::MIN), i64::from(i32::MAX), i64::MIN, i64::MAX]) as u64,
            92..96 => self.random.below(1 << 32),
            _ => self.random.word(),
        }
    }

    fn address(&mut self, known: &Knowledge<'_>) -> u64 {
        // The last pages of a map, of what the kernel lets a user map, and of all there is.
        const EDGES: [u64; 9] =
            [0, PAGE, 0x40_0000, 0x6fff_ffff_f000, 0x7000_0000_0000, 0x7fff_ffff_f000, 1 << 47, 1 << 63, !0xfff];
        let base = match self.random.below(4) {
            0 => self.random.pick(&EDGES),
            1 => PAGE * self.random.below(1 << 20),
            _ => self.random.pick(known.addresses),
        };
        let near = self.random.pick(&[0, 0, 0, 0, 1, 8, PAGE - 1, PAGE, 3 * PAGE, 0_u64.wrapping_sub(PAGE), u64::MAX]);
        base.wrapping_add(near)
    }

    fn size(&mut self) -> u64 {
        let pages = [0, 1, 1, 1, 2, 3, 17, 64, 65, 300, 1 << 18, 1 << 35, 1 << 51, (1 << 52) - 1];
        let near = self.random.pick(&[0, 0, 0, 0, 1, u64::MAX]);
        (PAGE * self.random.pick(&pages)).wrapping_add(near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_routine_and_makes_calls_that_are_understood() {
        let mut attacker = Attacker::new(1);
        assert!(attacker.shapes() > 100 && attacker.shapes() < MAX_SHAPES, "{}", attacker.shapes());
        let known = Knowledge { own: Own::default(), names: &[1, 2, 3], addresses: &[0x1_0000] };
        let attacks: Vec<Attack> = (0..20_000).map(|_| attacker.next(&known)).collect();
        let understood = attacks.iter().filter(|attack| Call::decode(attack.label, attack.words.as_slice()).is_ok());
        assert!(understood.count() > 5_000);
        let mut ids: Vec<u64> = attacks.iter().map(|attack| attack.label).collect();
        ids.sort_unstable();
        ids.dedup();
        let missing = attacker.shapes[..attacker.count].iter().find(|shape| !ids.contains(&u64::from(shape.id)));
        assert!(missing.is_none(), "{missing:?}");
    }

    #[test]
    fn a_seed_determines_everything() {
        let known = Knowledge { own: Own::default(), names: &[1], addresses: &[] };
        let run = |seed| {
            let mut attacker = Attacker::new(seed);
            (0..100).map(|_| attacker.next(&known).label).collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }
}
