//! `vm_map`.

use mach_protocol::{KernResult, KernReturn};

use super::allocate::{Enterer, Placement, hint};
use super::entry::{Attributes, Behavior, Entry};
use crate::range::{self, Range, round};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, Inherit, MapId, Prot, flags};
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

/// `vm_map` (2089; 3812, 3826, 4811).
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
/// | 10 | fixed: no masked bit                                 | `NoSpace`                                  |
/// | 11… | the place, see `Map::find_place`                    |                                            |
/// | 14 | server memory                                        | `ResourceShortage`                         |
#[derive(Debug)]
pub struct MapMemory {
    target: Option<MapId>,
    args: MapArgs,
    entering: Option<(Enterer, Attributes)>,
}

impl MapMemory {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, args: MapArgs) -> MapMemory {
        MapMemory { target, args, entering: None }
    }

    /// Checks 1 to 10.
    fn check(&self, vm: &Vm) -> KernResult<(MapId, Placement, Attributes)> {
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
        if args.object != MapObject::Null && args.offset.checked_add(round(args.size)).is_none() {
            return Err(BAD);
        }
        match (args.object, args.family) {
            (MapObject::Null, _) => {}
            (MapObject::Invalid, Family::Xnu) => return Err(KernReturn::INVALID_OBJECT),
            (MapObject::Invalid, Family::Gnu) | (MapObject::Dead, _) => return Err(BAD),
        }
        let placement = if is_anywhere {
            let from = hint(args.family, args.address);
            Placement::Anywhere { from, size: round(args.size), mask: args.mask }
        } else if fixed.start & args.mask != 0 {
            return Err(KernReturn::NO_SPACE);
        } else {
            Placement::Fixed { range: fixed, overwrite: flags & flags::OVERWRITE != 0 }
        };
        let attributes = Attributes {
            prot,
            max,
            inherit,
            behavior: Behavior::Default,
            tag: (flags >> 24) as u8,
            permanent: flags & flags::PERMANENT != 0,
        };
        Ok((map, placement, attributes))
    }
}

impl Operation for MapMemory {
    type Out = u64;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<u64> {
        let (mut entering, attributes) = match self.entering.take() {
            Some(entering) => entering,
            None => {
                let (map, placement, attributes) = match self.check(vm) {
                    Ok(checked) => checked,
                    Err(error) => return error.into(),
                };
                if let Some(wait) = vm.is_locked(&[map]) {
                    return Step::Wait(wait);
                }
                match Enterer::new(vm, env, map, placement, !attributes.max.is_empty()) {
                    Ok(entering) => (entering, attributes),
                    Err(error) => return error.into(),
                }
            }
        };
        if !entering.clear(vm, env, &mut Budget::step()) {
            self.entering = Some((entering, attributes));
            return Step::Again;
        }
        let range = entering.range();
        let entry = Entry::anonymous(range.end, attributes, vm.new_alloc_id());
        vm.insert_entry(entering.map(), range.start, entry);
        Step::Done(Ok(range.start))
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        if self.entering.is_some() { Cancel::RunOn } else { Cancel::Dropped }
    }
}
