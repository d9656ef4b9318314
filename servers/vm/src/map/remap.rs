//! `vm_remap`: memory of one task, or of the same, at a second place.

use mach_protocol::{KernResult, KernReturn};

use super::allocate::{Enterer, Placement, hint};
use super::copy::{Copier, Progress, Terms};
use super::unmap::Remover;
use crate::fault::resume::Access;
use crate::range::{self, Range, round, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, Inherit, MapId, Prot, flags};
use crate::vm::Vm;

/// The arguments of `vm_remap`, as they came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct RemapArgs {
    /// Where, or from where on.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// Bits that the address must not have.
    pub mask: u64,
    /// `VM_FLAGS_*`
    pub flags: u32,
    /// Whose memory.
    pub source: Option<MapId>,
    /// Where in it.
    pub source_address: u64,
    /// A snapshot instead of the memory itself.
    pub copy: bool,
    /// `vm_remap_new`: the current and the maximum protection that the new mapping gets.
    pub protections: Option<(u32, u32)>,
    /// Inheritance.
    pub inherit: u32,
}

/// What `vm_remap` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemapOut {
    /// Where the memory is.
    pub address: u64,
    /// What all of the source's entries allow.
    pub protection: Prot,
    /// What all of the source's entries may allow.
    pub max_protection: Prot,
}

/// The protections that `vm_remap_new` asks for: current, maximum.
type Wanted = Option<(Prot, Prot)>;

/// What the checks found.
#[derive(Clone, Copy, Debug)]
struct Checked {
    target: MapId,
    source: MapId,
    range: Range,
    placement: Placement,
    terms: Terms,
    out: RemapOut,
}

#[derive(Debug)]
enum State {
    New,
    Clearing(Enterer, Checked),
    Copying(Copier, Range, Checked),
    Undoing(Remover, Checked, KernReturn),
}

/// `vm_remap` (3814, 4813) and `vm_remap_new` (3832, 4821).
///
/// # Errors
/// | #  | check                                                        | error               |
/// |----|--------------------------------------------------------------|---------------------|
/// | 1  | known flags                                                  | `InvalidArgument`   |
/// | 2  | both tasks are                                               | `InvalidArgument`   |
/// | 3  | inheritance at most 2                                        | `InvalidArgument`   |
/// | 3b | new: known protection bits, current within maximum           | `InvalidArgument`   |
/// | 3c | new: the maximum has not both WRITE and EXECUTE              | `ProtectionFailure` |
/// | 4  | size not 0                                                   | `InvalidArgument`   |
/// | 5  | the source, and a fixed target, do not wrap or round to zero | `InvalidArgument`   |
/// | 6  | no hole in the source                                        | `InvalidAddress`    |
/// | 7  | new: the source's entries allow what is asked                | `ProtectionFailure` |
/// | 8… | the place, as for `vm_map`                                   |                     |
#[derive(Debug)]
pub struct Remap {
    target: Option<MapId>,
    args: RemapArgs,
    state: State,
}

impl Remap {
    /// Whose memory it makes, and how many bytes.
    #[must_use]
    pub fn made(&self) -> (Option<MapId>, u64) {
        (self.target, self.args.size)
    }

    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, args: RemapArgs) -> Remap {
        Remap { target, args, state: State::New }
    }

    /// Checks 1 to 3c.
    fn check_words(&self, vm: &Vm) -> KernResult<(MapId, MapId, Inherit, Wanted)> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let args = &self.args;
        if args.flags & !flags::USER_REMAP != 0 {
            return Err(BAD);
        }
        let (target, source) = (vm.target(self.target)?, vm.target(args.source)?);
        let inherit = Inherit::from_wire(args.inherit).ok_or(BAD)?;
        let Some((prot, max)) = args.protections else { return Ok((target, source, inherit, None)) };
        let prot = Prot::from_wire(prot).ok_or(BAD)?;
        let max = Prot::from_wire(max).ok_or(BAD)?;
        if !max.contains(prot) {
            return Err(BAD);
        }
        if max.contains(Prot::WRITE | Prot::EXECUTE) {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        Ok((target, source, inherit, Some((prot, max))))
    }

    /// Checks 1 to 7, and the mask.
    fn check(&self, vm: &Vm) -> KernResult<Checked> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let args = &self.args;
        let (target, source, inherit, wanted) = self.check_words(vm)?;
        let keeps_offset = args.flags & flags::RETURN_DATA_ADDR != 0;
        if args.size == 0 {
            return Err(BAD);
        }
        let range = if keeps_offset {
            range::cover(args.source_address, args.size)
        } else {
            range::place(args.source_address, args.size)
        };
        let range = range.map_err(|_| BAD)?;
        let size = if keeps_offset { range.size() } else { round(args.size) };
        let placement = if args.flags & flags::ANYWHERE != 0 {
            let from = hint(Family::Xnu, args.address);
            Placement::Anywhere { from, size, mask: args.mask }
        } else {
            let fixed = range::place(args.address, size).map_err(|_| BAD)?;
            Placement::Fixed { range: fixed, overwrite: args.flags & flags::OVERWRITE != 0 }
        };
        let mut out = RemapOut { address: 0, protection: Prot::ALL, max_protection: Prot::ALL };
        let map = vm.maps.get(source).ok_or(BAD)?;
        if !map.entries.is_covered(range) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        for (_, entry) in map.entries.overlapping(range) {
            out.protection &= entry.attributes.prot;
            out.max_protection &= entry.attributes.max;
        }
        if let Some((prot, max)) = wanted {
            if !out.protection.contains(prot) || !out.max_protection.contains(max) {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            (out.protection, out.max_protection) = (prot, max);
        }
        if let Placement::Fixed { range, .. } = placement
            && range.start & args.mask != 0
        {
            return Err(KernReturn::NO_SPACE);
        }
        let terms = match args.copy {
            true => Terms::Copy(inherit, wanted),
            false => Terms::Share(inherit, wanted),
        };
        Ok(Checked { target, source, range, placement, terms, out })
    }

    /// Takes the locks and the place.
    fn start<E: Env>(&self, vm: &mut Vm, env: &mut E) -> Result<State, Step<RemapOut>> {
        let checked = self.check(vm).map_err(Step::from)?;
        if let Some(wait) = vm.is_locked(&[checked.target, checked.source]) {
            return Err(Step::Wait(wait));
        }
        let placement = checked.placement;
        let is_counted = !checked.out.max_protection.is_empty();
        let entering = Enterer::new(vm, env, checked.target, placement, is_counted);
        let entering = entering.map_err(Step::from)?;
        vm.lock_maps(&[checked.target, checked.source]);
        Ok(State::Clearing(entering, checked))
    }
}

impl Operation for Remap {
    type Out = RemapOut;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<RemapOut> {
        let mut budget = Budget::step();
        loop {
            match &mut self.state {
                State::New => match self.start(vm, env) {
                    Ok(state) => self.state = state,
                    Err(step) => return step,
                },
                State::Clearing(entering, checked) => {
                    if !entering.clear(vm, env, &mut budget) {
                        return Step::Again;
                    }
                    let (checked, place) = (*checked, entering.range());
                    vm.lock_maps(&[checked.target, checked.source]);
                    let copier =
                        Copier::new(vm, checked.source, checked.range, checked.target, place.start, checked.terms);
                    self.state = State::Copying(copier, place, checked);
                }
                State::Copying(copier, place, checked) => {
                    let progress = match env.prepare_step() {
                        Ok(()) => copier.step(vm, env, &mut budget),
                        Err(_) => Progress::Stopped(vm.shortage(env)),
                    };
                    let (place, checked) = (*place, *checked);
                    match progress {
                        Progress::Done => {
                            vm.unlock_maps(&[checked.target, checked.source]);
                            let mut out = checked.out;
                            out.address = place.start;
                            if self.args.flags & flags::RETURN_DATA_ADDR != 0 {
                                let source = self.args.source_address;
                                out.address += source - trunc(source);
                            }
                            return Step::Done(Ok(out));
                        }
                        Progress::Stopped(Access::Fail(error)) => {
                            let remover = Remover::replacing(checked.target, place);
                            self.state = State::Undoing(remover, checked, error);
                        }
                        Progress::Stopped(stop) => return stop.into(),
                        Progress::Again => return Step::Again,
                    }
                }
                State::Undoing(remover, checked, error) => {
                    if !remover.step(vm, env, &mut budget) {
                        return Step::Again;
                    }
                    let error = *error;
                    vm.unlock_maps(&[checked.target, checked.source]);
                    return error.into();
                }
            }
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        match self.state {
            State::New => Cancel::Dropped,
            _ => Cancel::RunOn,
        }
    }
}
