//! `vm_map`.

use mach_protocol::{KernResult, KernReturn};

use super::allocate::{Enterer, Placement, hint};
use super::copy::{Copier, Progress, Terms};
use super::entry::{Attributes, Backing, Behavior, Entry};
use super::unmap::Remover;
use super::{Limits, Map};
use crate::association::NotAcquired;
use crate::fault::resume::Access;
use crate::range::{self, Range, is_aligned, round};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn};
use crate::types::{Family, Inherit, ManagerId, MapId, ObjectId, Prot, flags};
use crate::vm::Vm;

/// `VM_PROT_IS_MASK`: only means something for named entries.
const IS_MASK: u32 = 0x40;

/// What the port named in `vm_map` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapObject {
    /// `MACH_PORT_NULL`: anonymous memory.
    Null,
    /// `MACH_PORT_DEAD` or a dead name.
    Dead,
    /// A port that can not be mapped.
    Invalid,
    /// The port of a memory object, or a proxy for one.
    Manager {
        /// Which one.
        manager: ManagerId,
        /// Whether the task that serves it takes one more `init`.
        takes_init: bool,
        /// What the proxy allows; everything for the port itself.
        max_prot: Prot,
        /// The part of the object that the proxy stands for; nothing for the port itself.
        window: Option<Range>,
    },
    /// A proxy for memory that is mapped somewhere ([`super::share::Behind::Memory`]).
    Memory {
        /// Which object.
        object: ObjectId,
        /// What the proxy allows.
        max_prot: Prot,
        /// The part of the object that the proxy stands for.
        window: Range,
    },
}

/// An object that has been found mappable.
#[derive(Clone, Copy, Debug)]
enum Source {
    Manager { manager: ManagerId, takes_init: bool },
    Memory(ObjectId),
}

/// The arguments of `vm_map`, as they came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct MapArgs {
    /// Where, or from where on.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// Bits that the address must not have.
    pub mask: u64,
    /// `VM_FLAGS_*`; for the GNU family the boolean `anywhere`.
    pub flags: u32,
    /// What to map.
    pub object: MapObject,
    /// From where in it.
    pub offset: u64,
    /// A snapshot instead of the memory itself.
    pub copy: bool,
    /// Current protection.
    pub prot: u32,
    /// Maximum protection.
    pub max: u32,
    /// Inheritance.
    pub inherit: u32,
    /// Which id the call came under.
    pub family: Family,
}

/// What the checks found.
#[derive(Clone, Copy, Debug)]
struct Checked {
    map: MapId,
    placement: Placement,
    attributes: Attributes,
    /// The object, and where in it.
    object: Option<(Source, u64)>,
}

impl Checked {
    fn is_counted(&self) -> bool {
        !self.attributes.max.is_empty()
    }
}

/// How far the call came. What holds an object has a reference to it.
#[derive(Debug)]
enum State {
    New,
    /// A snapshot: until the object's manager is ready.
    Holding(Checked, ObjectId),
    /// What is there goes; then the entry comes.
    Entering(Enterer, Checked, Option<ObjectId>),
    /// A snapshot: from a map of its own that only this call knows. The destination is locked.
    Copying(Copier, MapId, Range, Checked),
    Undoing(Remover, MapId, KernReturn),
    /// What is left over goes.
    Over(KernResult<u64>),
}

/// `vm_map` (2089; 3812, 3826, 4811). The mapping of a memory object is there at once, faults wait for the manager. A
/// snapshot of one waits until the manager said how it may be copied.
///
/// # Errors
/// | #  | check                                                | error                                      |
/// |----|------------------------------------------------------|--------------------------------------------|
/// | 1  | known flags (XNU)                                    | `InvalidArgument`                          |
/// | 2  | the target is a task                                 | `InvalidArgument`                          |
/// | 3  | both protections have known bits only                | `InvalidArgument`                          |
/// | 4  | inheritance at most 2                                | `InvalidArgument`                          |
/// | 5  | size not 0                                           | `InvalidArgument`                          |
/// | 6  | does not wrap or round to zero                       | `InvalidArgument`                          |
/// | 7  | an object: offset and size do not wrap               | `InvalidArgument`                          |
/// | 8  | an object: can be mapped                             | `InvalidObject` (XNU), `InvalidArgument` (GNU) |
/// | 9  | an object: not dead                                  | `InvalidArgument`                          |
/// | 9b | a memory object: the offset is page aligned          | `InvalidArgument`                          |
/// | 9c | a proxy: within its part                             | `InvalidArgument`                          |
/// | 9d | a proxy: a snapshot needs READ                       | `ProtectionFailure`                        |
/// | 10 | fixed: no masked bit                                 | `NoSpace`                                  |
/// | 11… | the place, see `Map::find_place`                    |                                            |
/// | 14 | server memory                                        | `ResourceShortage`                         |
/// | 15 | the memory object's port and its task take `init`    | the pager's, `ResourceShortage`            |
/// | 16 | a snapshot: the manager becomes ready                | `MemoryError`                              |
#[derive(Debug)]
pub struct MapMemory {
    target: Option<MapId>,
    args: MapArgs,
    state: State,
}

impl MapMemory {
    /// Whose memory it makes, and how many bytes.
    #[must_use]
    pub fn made(&self) -> (Option<MapId>, u64) {
        (self.target, self.args.size)
    }

    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, args: MapArgs) -> MapMemory {
        MapMemory { target, args, state: State::New }
    }

    /// Checks 1 to 10.
    fn check(&self, vm: &Vm) -> KernResult<Checked> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let args = &self.args;
        let flags = match args.family {
            Family::Gnu => u32::from(args.flags != 0),
            Family::Xnu => args.flags,
        };
        if flags & !flags::USER_MAP != 0 {
            return Err(BAD);
        }
        let map = vm.target(self.target)?;
        let ignored = if args.family == Family::Xnu { IS_MASK } else { 0 };
        let max = Prot::from_wire(args.max & !ignored).ok_or(BAD)?;
        let prot = Prot::from_wire(args.prot & !ignored).ok_or(BAD)? & max;
        let inherit = Inherit::from_wire(args.inherit).ok_or(BAD)?;
        if args.size == 0 || round(args.size) == 0 || flags & flags::SUPERPAGE_MASK != 0 {
            return Err(BAD);
        }
        let is_anywhere = flags & flags::ANYWHERE != 0;
        let fixed = if is_anywhere {
            Range { start: 0, end: 0 }
        } else {
            range::place(args.address, args.size).map_err(|_| BAD)?
        };
        let (object, allowed) = self.check_object()?;
        let placement = if is_anywhere {
            let from = hint(args.family, args.address);
            Placement::Anywhere { from, size: round(args.size), mask: args.mask }
        } else if fixed.start & args.mask != 0 {
            return Err(KernReturn::NO_SPACE);
        } else {
            Placement::Fixed { range: fixed, overwrite: flags & flags::OVERWRITE != 0 }
        };
        let attributes = Attributes {
            prot: prot & allowed,
            max: max & allowed,
            inherit,
            behavior: Behavior::Default,
            tag: (flags >> 24) as u8,
            permanent: flags & flags::PERMANENT != 0,
        };
        Ok(Checked { map, placement, attributes, object })
    }

    /// Checks 7 to 9d: the memory object, if it is one, and what may be done with it.
    fn check_object(&self) -> KernResult<(Option<(Source, u64)>, Prot)> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let args = &self.args;
        if args.object == MapObject::Null {
            return Ok((None, Prot::ALL));
        }
        let end = args.offset.checked_add(round(args.size)).ok_or(BAD)?;
        let (source, max_prot, window) = match (args.object, args.family) {
            (MapObject::Manager { manager, takes_init, max_prot, window }, _) => {
                (Source::Manager { manager, takes_init }, max_prot, window)
            }
            (MapObject::Memory { object, max_prot, window }, _) => (Source::Memory(object), max_prot, Some(window)),
            (MapObject::Invalid, Family::Xnu) => return Err(KernReturn::INVALID_OBJECT),
            (MapObject::Invalid, Family::Gnu) | (MapObject::Dead | MapObject::Null, _) => return Err(BAD),
        };
        if !is_aligned(args.offset) {
            return Err(BAD);
        }
        let start = match window {
            Some(window) if end > window.size() => return Err(BAD),
            Some(window) => window.start,
            None => 0,
        };
        let offset = start.checked_add(args.offset).ok_or(BAD)?;
        offset.checked_add(round(args.size)).ok_or(BAD)?;
        if args.copy && !max_prot.contains(Prot::READ) {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        // A snapshot is the caller's own.
        Ok((Some((source, offset)), if args.copy { Prot::ALL } else { max_prot }))
    }

    /// Takes the place, and the object unless it is a snapshot: then the place is only looked for.
    fn start<E: Env>(&self, vm: &mut Vm, env: &mut E) -> Result<State, Step<u64>> {
        let checked = self.check(vm).map_err(Step::from)?;
        if let Some(wait) = vm.is_locked(&[checked.map]) {
            return Err(Step::Wait(wait));
        }
        let Some((source, offset)) = checked.object else {
            return self.enter(vm, env, checked, None).map_err(Step::from);
        };
        if let Source::Manager { manager, .. } = source
            && let Some(wait) = vm.is_ending(manager)
        {
            return Err(Step::Wait(wait));
        }
        let entering = if self.args.copy {
            let map = vm.maps.get_mut(checked.map).ok_or(KernReturn::INVALID_ARGUMENT).map_err(Step::from)?;
            map.find_place(checked.placement, checked.is_counted()).map_err(Step::from)?;
            None
        } else {
            Some(self.place(vm, env, &checked).map_err(Step::from)?)
        };
        let acquired = match source {
            Source::Manager { manager, takes_init } => vm.acquire(env, manager, takes_init),
            Source::Memory(object) => vm.hold(object).map(|()| object).map_err(NotAcquired::Refused),
        };
        match acquired {
            Ok(object) => {
                vm.grow_object(object, offset + round(self.args.size));
                Ok(match entering {
                    Some(entering) => State::Entering(entering, checked, Some(object)),
                    None => State::Holding(checked, object),
                })
            }
            Err(not) => {
                if let Some(entering) = entering {
                    entering.give_up(vm);
                }
                Err(match not {
                    NotAcquired::Wait(what) => Step::Wait(what),
                    NotAcquired::Refused(error) => error.into(),
                })
            }
        }
    }

    fn place<E: Env>(&self, vm: &mut Vm, env: &mut E, checked: &Checked) -> KernResult<Enterer> {
        Enterer::new(vm, env, checked.map, checked.placement, checked.is_counted())
    }

    fn enter<E: Env>(&self, vm: &mut Vm, env: &mut E, checked: Checked, object: Option<ObjectId>) -> KernResult<State> {
        Ok(State::Entering(self.place(vm, env, &checked)?, checked, object))
    }

    /// A snapshot: goes on when the manager is ready.
    fn hold<E: Env>(&self, vm: &mut Vm, env: &mut E, checked: Checked, object: ObjectId) -> Result<State, Step<u64>> {
        let assoc = vm.association_of(object);
        let is_ready = match checked.object {
            Some((Source::Memory(_), _)) => Some(true),
            _ => assoc.and_then(|assoc| vm.associations.get(assoc)).map(|record| record.is_ready()),
        };
        let outcome = match is_ready {
            None => Err(KernReturn::MEMORY_ERROR),
            Some(true) => match vm.is_locked(&[checked.map]) {
                Some(wait) => return Err(Step::Wait(wait)),
                None => self.enter(vm, env, checked, Some(object)),
            },
            Some(false) => match assoc.map(|assoc| vm.wait(env, WaitOn::Manager(assoc))) {
                Some(Access::Wait(what)) => return Err(Step::Wait(what)),
                Some(Access::Fail(error)) => Err(error),
                _ => Err(KernReturn::MEMORY_ERROR),
            },
        };
        outcome.map_err(|error| {
            vm.release(object);
            vm.tidy_objects(env, &mut Budget::aside());
            error.into()
        })
    }

    /// The place is free: what is entered there, or what a snapshot is copied from.
    fn fill(&self, vm: &mut Vm, range: Range, checked: Checked, object: Option<ObjectId>) -> Option<State> {
        let offset = checked.object.map_or(0, |(_, offset)| offset);
        let backing = object.map(|object| Backing { object, offset });
        let is_shared = matches!(checked.object, Some((Source::Memory(_), _)));
        let entry = Entry { backing, is_shared, ..Entry::anonymous(range.end, checked.attributes, vm.new_alloc_id()) };
        if object.is_none() || !self.args.copy {
            vm.insert_entry(checked.map, range.start, entry);
            return None;
        }
        let source = vm.maps.insert(Map::new(None, range, Limits { current: u64::MAX, max: u64::MAX }));
        vm.insert_entry(source, range.start, Entry { attributes: Attributes::new(), ..entry });
        vm.lock_maps(&[checked.map]);
        let terms = Terms::Snapshot(checked.attributes);
        let copier = Copier::new(vm, source, range, checked.map, range.start, terms);
        Some(State::Copying(copier, source, range, checked))
    }
}

impl Operation for MapMemory {
    type Out = u64;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<u64> {
        let mut budget = Budget::step();
        loop {
            match &mut self.state {
                State::New => match self.start(vm, env) {
                    Ok(state) => self.state = state,
                    Err(step) => return step,
                },
                State::Holding(checked, object) => {
                    let (checked, object) = (*checked, *object);
                    match self.hold(vm, env, checked, object) {
                        Ok(state) => self.state = state,
                        Err(step) => return step,
                    }
                }
                State::Entering(entering, checked, object) => {
                    if !entering.clear(vm, env, &mut budget) {
                        return Step::Again;
                    }
                    let (range, checked, object) = (entering.range(), *checked, *object);
                    match self.fill(vm, range, checked, object) {
                        Some(state) => self.state = state,
                        None => return Step::Done(Ok(range.start)),
                    }
                }
                State::Copying(copier, source, range, checked) => {
                    let progress = match env.prepare_step() {
                        Ok(()) => copier.step(vm, env, &mut budget),
                        Err(_) => Progress::Stopped(vm.shortage(env)),
                    };
                    let (source, range, checked) = (*source, *range, *checked);
                    match progress {
                        Progress::Done => {
                            vm.unlock_maps(&[checked.map]);
                            vm.abandon_map(source);
                            self.state = State::Over(Ok(range.start));
                        }
                        Progress::Stopped(Access::Fail(error)) => {
                            vm.abandon_map(source);
                            self.state = State::Undoing(Remover::replacing(checked.map, range), checked.map, error);
                        }
                        Progress::Stopped(stop) => return stop.into(),
                        Progress::Again => return Step::Again,
                    }
                }
                State::Undoing(remover, map, error) => {
                    if !remover.step(vm, env, &mut budget) {
                        return Step::Again;
                    }
                    let error = *error;
                    vm.unlock_maps(&[*map]);
                    self.state = State::Over(Err(error));
                }
                State::Over(result) => {
                    return if vm.reap_within(env, &mut budget) { Step::Done(*result) } else { Step::Again };
                }
            }
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        match self.state {
            State::New | State::Over(_) => Cancel::Dropped,
            State::Holding(_, object) => {
                vm.release(object);
                self.state = State::New;
                Cancel::Dropped
            }
            State::Entering(..) | State::Copying(..) | State::Undoing(..) => Cancel::RunOn,
        }
    }
}
