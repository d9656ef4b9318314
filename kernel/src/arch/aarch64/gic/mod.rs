//! The interrupt controller: a GICv2 or a GICv3, as the device tree says.
//!
//! Both are driven alike (spec §8.3): an interrupt that is taken is masked and completed, and
//! unmasked when its handler acknowledges it. Priorities are all equal.

mod v2;
mod v3;

use handoff::Gic as GicDescription;

use self::v2::GicV2;
use self::v3::GicV3;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::ReadWrite;

use super::mmu::{DeviceMappings, MapError};
use crate::arch::types::{Irq, SgiTarget, Trigger};
use crate::mem::PhysAddr;

/// Interrupt numbers from here on mean "none" when acknowledging (1020–1023 are reserved).
const FIRST_SPECIAL: u32 = 1020;
/// The first interrupt that is shared between cores; those below are private to each.
const FIRST_SHARED: u32 = 32;
/// The priority that all interrupts get; the mask admits everything more urgent than 0xf0.
const PRIORITY: u32 = 0xa0;
/// [`PRIORITY`] for the four interrupts of one register.
const PRIORITY_WORD: u32 = PRIORITY * 0x0101_0101;
/// The priority mask: everything may interrupt.
const PRIORITY_MASK: u32 = 0xf0;

/// The controller of this machine.
pub(super) enum Gic {
    /// GICv2: memory-mapped distributor and CPU interface.
    V2(GicV2),
    /// GICv3: memory-mapped distributor and redistributor, CPU interface in system registers.
    V3(GicV3),
}

impl Gic {
    /// Maps and initialises the controller: all interrupts masked, SPIs level-triggered and sent
    /// to this core.
    pub(super) fn init(description: &GicDescription, devices: &mut DeviceMappings) -> Result<Self, MapError> {
        let distributor = PhysAddr(description.distributor.base);
        if description.version == 2 {
            let cpu_interface = PhysAddr(description.cpu_interface.base);
            GicV2::init(devices, distributor, cpu_interface).map(Self::V2)
        } else {
            let redistributor = PhysAddr(description.redistributors.base);
            GicV3::init(devices, distributor, redistributor).map(Self::V3)
        }
    }
}

impl Gic {
    /// The largest interrupt number of the controller.
    pub(super) fn max_irq(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.max_irq(),
            Self::V3(gic) => gic.max_irq(),
        }
    }

    /// Stops `irq` from being taken.
    pub(super) fn mask(&self, irq: Irq) {
        match self {
            Self::V2(gic) => gic.mask(irq),
            Self::V3(gic) => gic.mask(irq),
        }
    }

    /// Lets `irq` be taken.
    pub(super) fn unmask(&self, irq: Irq) {
        match self {
            Self::V2(gic) => gic.unmask(irq),
            Self::V3(gic) => gic.unmask(irq),
        }
    }

    /// Sets how `irq` is sensed.
    pub(super) fn set_trigger(&self, irq: Irq, trigger: Trigger) {
        match self {
            Self::V2(gic) => gic.set_trigger(irq, trigger),
            Self::V3(gic) => gic.set_trigger(irq, trigger),
        }
    }

    /// Acknowledges the most urgent pending interrupt, if there is one.
    pub(super) fn acknowledge(&self) -> Option<Taken> {
        let (number, word) = match self {
            Self::V2(gic) => gic.acknowledge(),
            Self::V3(gic) => gic.acknowledge(),
        };
        let irq = u16::try_from(number).ok().filter(|_| number < FIRST_SPECIAL)?;
        Some(Taken { irq: Irq(irq), word })
    }

    /// Ends the handling of an acknowledged interrupt.
    pub(super) fn complete(&self, taken: Taken) {
        match self {
            Self::V2(gic) => gic.complete(taken.word),
            Self::V3(gic) => gic.complete(taken.word),
        }
    }

    /// Raises the software-generated interrupt `number` at `target`.
    pub(super) fn send_sgi(&self, number: u32, target: SgiTarget) {
        match self {
            Self::V2(gic) => gic.send_sgi(number, target),
            Self::V3(gic) => gic.send_sgi(number, target),
        }
    }

    /// Answers whether `target` can be the target of a software-generated interrupt.
    pub(super) fn accepts_sgi_target(&self, target: u64) -> bool {
        match self {
            Self::V2(_) => GicV2::accepts_sgi_target(target),
            Self::V3(_) => GicV3::accepts_sgi_target(target),
        }
    }
}

/// An interrupt between acknowledging and completing it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Which it is.
    pub(super) irq: Irq,
    /// What the controller wants to see at its end.
    word: u32,
}

/// Sets the trigger bit of interrupt `index` in a bank of ICFGR registers (two bits an interrupt,
/// the upper one says "edge").
fn set_trigger_bit(bank: &[ReadWrite<u32>], index: usize, trigger: Trigger) {
    let Some(register) = bank.get(index / 16) else {
        return;
    };
    let bit = 2 << (2 * (index % 16));
    let value = register.get();
    register.set(match trigger {
        Trigger::Edge => value | bit,
        Trigger::Level => value & !bit,
    });
}
