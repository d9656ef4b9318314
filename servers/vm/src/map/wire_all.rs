//! `vm_wire_all`: all that a map has stays resident, and all that it gets.
//!
//! Every entry is wired as `vm_wire` does it, one after the other, for its present protection. Entries with protection NONE
//! have nothing that could be wired.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use super::region::Host;
use super::unmap::{Deallocate, Holes};
use super::wire::Wire;
use crate::range::Range;
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, MapId};
use crate::vm::Vm;

/// `VM_WIRE_CURRENT`
const CURRENT: u32 = 1;
/// `VM_WIRE_FUTURE`
const FUTURE: u32 = 2;

/// Which entries are wired or unwired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Wired,
    Unwired,
}

/// Goes over the entries of a range. One that cannot be wired makes it undo what it did.
#[derive(Debug)]
struct Entries {
    map: MapId,
    /// What is still to be done.
    range: Range,
    goal: Goal,
    /// The entry at work.
    inner: Option<(Range, Wire)>,
    /// What was wired here.
    done: Vec<Range>,
    failure: Option<KernReturn>,
}

impl Entries {
    fn new(map: MapId, range: Range, goal: Goal) -> Entries {
        Entries { map, range, goal, inner: None, done: Vec::new(), failure: None }
    }

    /// The next entry to work on; nothing if there is none, or the budget is used up.
    fn next(&mut self, vm: &Vm, budget: &mut Budget) -> Option<(Range, Wire)> {
        while !self.range.is_empty() && budget.take(1) {
            let found = vm.maps.get(self.map).and_then(|map| map.entries.at_or_above(self.range.start));
            let Some((start, entry)) = found.filter(|(start, _)| *start < self.range.end) else {
                self.range.start = self.range.end;
                return None;
            };
            let part = Range { start: start.max(self.range.start), end: entry.end.min(self.range.end) };
            self.range.start = part.end;
            let prot = u32::from(entry.attributes.prot.bits());
            match self.goal {
                Goal::Wired if entry.wired == 0 && prot != 0 => {
                    return Some((part, self.wire(part, prot, Family::Xnu)));
                }
                Goal::Unwired if entry.wired > 0 => return Some((part, self.wire(part, 0, Family::Gnu))),
                Goal::Wired | Goal::Unwired => {}
            }
        }
        None
    }

    fn wire(&self, part: Range, access: u32, family: Family) -> Wire {
        Wire::new(Host::Privileged, Some(self.map), part.start, part.size(), access, family)
    }

    /// An entry is done with.
    fn ended(&mut self, part: Range, outcome: KernResult<()>) {
        match outcome {
            _ if self.failure.is_some() => {}
            Ok(()) => self.done.push(part),
            // Somebody else changed it meanwhile: then it is not of this range any more.
            Err(KernReturn::INVALID_ADDRESS | KernReturn::PROTECTION_FAILURE) => {}
            Err(error) => self.failure = Some(error),
        }
    }

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let mut budget = Budget::step();
        loop {
            if let Some((part, wire)) = &mut self.inner {
                let part = *part;
                match wire.step(vm, env) {
                    Step::Done(outcome) => self.ended(part, outcome),
                    stop => return stop,
                }
                self.inner = None;
                // A step of the entry's own may have used all that a step may touch.
                return Step::Again;
            }
            self.inner = match self.failure {
                None => self.next(vm, &mut budget),
                Some(error) => match self.done.pop() {
                    Some(part) => Some((part, self.wire(part, 0, Family::Xnu))),
                    None => return error.into(),
                },
            };
            if self.inner.is_none() {
                return if self.range.is_empty() { Step::Done(Ok(())) } else { Step::Again };
            }
        }
    }

    /// What was begun is undone.
    fn give_up(&mut self, vm: &mut Vm) -> Cancel {
        self.failure = self.failure.or(Some(KernReturn::ABORTED));
        if let Some((_, wire)) = &mut self.inner
            && wire.cancel(vm) == Cancel::Dropped
        {
            self.inner = None;
        }
        Cancel::RunOn
    }
}

/// `vm_wire_all` (4207).
///
/// | flags   | does                                                                          |
/// |---------|-------------------------------------------------------------------------------|
/// | NONE    | unwires everything, and what comes is not wired                                |
/// | CURRENT | wires every entry that is not wired, for its protection                        |
/// | FUTURE  | what is allocated, mapped or remapped from now on is wired before the answer    |
///
/// # Errors
/// | # | check                                          | error             |
/// |---|------------------------------------------------|-------------------|
/// | 1 | the host port is the privileged one            | `InvalidHost`     |
/// | 2 | the target is a task                           | `InvalidTask`     |
/// | 3 | no unknown flags                               | `InvalidArgument` |
/// | 4 | every page can be had, else nothing is changed | that of the fault |
#[derive(Debug)]
pub struct WireAll {
    host: Host,
    target: Option<MapId>,
    flags: u32,
    work: Option<Entries>,
}

impl WireAll {
    /// A call.
    #[must_use]
    pub fn new(host: Host, target: Option<MapId>, flags: u32) -> WireAll {
        WireAll { host, target, flags, work: None }
    }

    fn check(&self, vm: &Vm) -> KernResult<Entries> {
        if !matches!(self.host, Host::Privileged) {
            return Err(KernReturn::INVALID_HOST);
        }
        let found = self.target.and_then(|id| vm.maps.get(id).map(|map| (id, map.bounds)));
        let (map, bounds) = found.ok_or(KernReturn::INVALID_TASK)?;
        if self.flags & !(CURRENT | FUTURE) != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let nothing = Range { start: bounds.start, end: bounds.start };
        Ok(match self.flags {
            0 => Entries::new(map, bounds, Goal::Unwired),
            flags if flags & CURRENT != 0 => Entries::new(map, bounds, Goal::Wired),
            _ => Entries::new(map, nothing, Goal::Wired),
        })
    }
}

impl Operation for WireAll {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let work = match &mut self.work {
            Some(work) => work,
            None => match self.check(vm) {
                Ok(work) => self.work.insert(work),
                Err(error) => return error.into(),
            },
        };
        let step = work.step(vm, env);
        if let (Step::Done(Ok(())), Some(map)) = (step, vm.maps.get_mut(work.map)) {
            map.wires_new = self.flags & FUTURE != 0 || (map.wires_new && self.flags != 0);
        }
        step
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.work.as_mut().map_or(Cancel::Dropped, |work| work.give_up(vm))
    }
}

/// What follows the making of entries in a map that wires them: they are wired, or taken away again.
#[derive(Debug)]
pub struct WireNew {
    work: Entries,
    range: Range,
    removal: Option<(Deallocate, KernReturn)>,
}

impl WireNew {
    /// Memory of a map was made. Nothing if it is not to be wired.
    #[must_use]
    pub fn of(vm: &Vm, map: Option<MapId>, address: u64, size: u64) -> Option<WireNew> {
        let map = map.filter(|id| vm.maps.get(*id).is_some_and(|map| map.wires_new))?;
        let range = crate::range::cover(address, size).ok()?;
        Some(WireNew { work: Entries::new(map, range, Goal::Wired), range, removal: None })
    }
}

impl Operation for WireNew {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let Some((removal, error)) = &mut self.removal {
            let error = *error;
            return match removal.step(vm, env) {
                Step::Done(_) => error.into(),
                stop => stop,
            };
        }
        match self.work.step(vm, env) {
            Step::Done(Err(error)) => {
                let Range { start, .. } = self.range;
                let removal = Deallocate::new(Some(self.work.map), start, self.range.size(), Holes::Allowed);
                self.removal = Some((removal, error));
                Step::Again
            }
            step => step,
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        if self.removal.is_some() { Cancel::RunOn } else { self.work.give_up(vm) }
    }
}
