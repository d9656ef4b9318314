//! GICv2: ARM IHI 0048, "GIC architecture specification, version 2.0".

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

use super::{FIRST_SHARED, FIRST_SPECIAL, PRIORITY_MASK, PRIORITY_WORD};
use crate::arch::aarch64::mmu::{DeviceMappings, MapError, Registers};
use crate::arch::types::{Irq, SgiTarget, Trigger};
use crate::mem::PhysAddr;

register_bitfields! {
    u32,
    CTLR [
        ENABLE OFFSET(0) NUMBITS(1) []
    ],
    TYPER [
        /// Number of interrupt lines: 32 · (value + 1).
        LINES OFFSET(0) NUMBITS(5) []
    ],
    IAR [
        ID OFFSET(0) NUMBITS(10) [],
        SOURCE OFFSET(10) NUMBITS(3) []
    ],
    SGIR [
        ID OFFSET(0) NUMBITS(4) [],
        /// One bit a CPU interface.
        TARGETS OFFSET(16) NUMBITS(8) []
    ]
}

register_structs! {
    /// The distributor.
    Distributor {
        (0x000 => ctlr: ReadWrite<u32, CTLR::Register>),
        (0x004 => typer: ReadOnly<u32, TYPER::Register>),
        (0x008 => _reserved0),
        (0x100 => isenabler: [ReadWrite<u32>; 32]),
        (0x180 => icenabler: [ReadWrite<u32>; 32]),
        (0x200 => ispendr: [ReadWrite<u32>; 32]),
        (0x280 => icpendr: [ReadWrite<u32>; 32]),
        (0x300 => isactiver: [ReadWrite<u32>; 32]),
        (0x380 => icactiver: [ReadWrite<u32>; 32]),
        (0x400 => ipriorityr: [ReadWrite<u32>; 256]),
        (0x800 => itargetsr: [ReadWrite<u32>; 256]),
        (0xc00 => icfgr: [ReadWrite<u32>; 64]),
        (0xd00 => _reserved1),
        (0xf00 => sgir: WriteOnly<u32, SGIR::Register>),
        (0xf04 => _reserved2),
        (0x1000 => @END),
    },
    /// The CPU interface.
    CpuInterface {
        (0x000 => ctlr: ReadWrite<u32, CTLR::Register>),
        (0x004 => pmr: ReadWrite<u32>),
        (0x008 => bpr: ReadWrite<u32>),
        (0x00c => iar: ReadOnly<u32, IAR::Register>),
        (0x010 => eoir: WriteOnly<u32, IAR::Register>),
        (0x014 => _reserved),
        (0x1000 => @END),
    }
}

/// The largest CPU-interface number.
const LAST_CPU_INTERFACE: u64 = 7;

/// A GICv2.
pub(in crate::arch::aarch64) struct GicV2 {
    distributor: Registers<Distributor>,
    cpu: Registers<CpuInterface>,
}

impl GicV2 {
    pub(super) fn init(
        devices: &mut DeviceMappings,
        distributor: PhysAddr,
        cpu_interface: PhysAddr,
    ) -> Result<Self, MapError> {
        let gic = Self { distributor: devices.map(distributor)?, cpu: devices.map(cpu_interface)? };
        gic.init_distributor();
        gic.cpu.pmr.set(PRIORITY_MASK);
        gic.cpu.bpr.set(0);
        gic.cpu.ctlr.write(CTLR::ENABLE::SET);
        Ok(gic)
    }

    fn init_distributor(&self) {
        let d = &*self.distributor;
        d.ctlr.write(CTLR::ENABLE::CLEAR);
        let lines = 32 * (d.typer.read(TYPER::LINES) as usize + 1);
        // The registers for the private interrupts say which CPU interface this core is.
        let this_core = d.itargetsr.first().map_or(1, |register| register.get() & 0xff).max(1);
        for word in 0..lines / 32 {
            set(&d.icenabler, word, u32::MAX);
            set(&d.icpendr, word, u32::MAX);
            set(&d.icactiver, word, u32::MAX);
        }
        for word in 0..lines / 4 {
            set(&d.ipriorityr, word, PRIORITY_WORD);
        }
        for word in FIRST_SHARED as usize / 4..lines / 4 {
            set(&d.itargetsr, word, this_core * 0x0101_0101);
        }
        for word in FIRST_SHARED as usize / 16..lines / 16 {
            set(&d.icfgr, word, 0);
        }
        d.ctlr.write(CTLR::ENABLE::SET);
    }

    /// The largest interrupt number of the controller.
    pub(super) fn max_irq(&self) -> u32 {
        (32 * (self.distributor.typer.read(TYPER::LINES) + 1) - 1).min(FIRST_SPECIAL - 1)
    }

    pub(super) fn mask(&self, irq: Irq) {
        set(&self.distributor.icenabler, irq.index() / 32, 1 << (u32::from(irq.0) % 32));
    }

    pub(super) fn unmask(&self, irq: Irq) {
        set(&self.distributor.isenabler, irq.index() / 32, 1 << (u32::from(irq.0) % 32));
    }

    pub(super) fn set_trigger(&self, irq: Irq, trigger: Trigger) {
        super::set_trigger_bit(&self.distributor.icfgr, irq.index(), trigger);
    }

    /// Acknowledges the most urgent interrupt: its number, and the word that completes it.
    pub(super) fn acknowledge(&self) -> (u32, u32) {
        let word = self.cpu.iar.extract();
        (word.read(IAR::ID), word.get())
    }

    pub(super) fn complete(&self, word: u32) {
        self.cpu.eoir.set(word);
    }

    pub(super) fn send_sgi(&self, number: u32, target: SgiTarget) {
        self.distributor.sgir.write(SGIR::ID.val(number) + SGIR::TARGETS.val(1 << target.0));
    }

    pub(super) fn accepts_sgi_target(target: u64) -> bool {
        target <= LAST_CPU_INTERFACE
    }
}

/// Writes one register of a bank; an index that the controller does not have is ignored.
fn set(bank: &[ReadWrite<u32>], index: usize, value: u32) {
    if let Some(register) = bank.get(index) {
        register.set(value);
    }
}
