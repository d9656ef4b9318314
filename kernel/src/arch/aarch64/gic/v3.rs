//! GICv3: ARM IHI 0069, without the legacy mode and without the ITS.
//!
//! The CPU interface is in system registers. All interrupts are in group 1.

use core::arch::asm;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::MPIDR_EL1;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use super::{FIRST_SHARED, FIRST_SPECIAL, PRIORITY_MASK, PRIORITY_WORD};
use crate::arch::aarch64::mmu::{DeviceMappings, MapError, Registers};
use crate::arch::types::{Irq, SgiTarget, Trigger};
use crate::mem::PhysAddr;

register_bitfields! {
    u32,
    CTLR [
        ENABLE_GROUP1 OFFSET(1) NUMBITS(1) [],
        /// Affinity routing; what makes this controller a GICv3.
        ARE OFFSET(4) NUMBITS(1) [],
        /// A write is still taking effect.
        RWP OFFSET(31) NUMBITS(1) []
    ],
    TYPER [
        LINES OFFSET(0) NUMBITS(5) []
    ],
    RCTLR [
        RWP OFFSET(3) NUMBITS(1) []
    ],
    WAKER [
        PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [],
        CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) []
    ]
}

register_structs! {
    /// The distributor.
    Distributor {
        (0x0000 => ctlr: ReadWrite<u32, CTLR::Register>),
        (0x0004 => typer: ReadOnly<u32, TYPER::Register>),
        (0x0008 => _reserved0),
        (0x0080 => igroupr: [ReadWrite<u32>; 32]),
        (0x0100 => isenabler: [ReadWrite<u32>; 32]),
        (0x0180 => icenabler: [ReadWrite<u32>; 32]),
        (0x0200 => ispendr: [ReadWrite<u32>; 32]),
        (0x0280 => icpendr: [ReadWrite<u32>; 32]),
        (0x0300 => isactiver: [ReadWrite<u32>; 32]),
        (0x0380 => icactiver: [ReadWrite<u32>; 32]),
        (0x0400 => ipriorityr: [ReadWrite<u32>; 256]),
        (0x0800 => _reserved1),
        (0x0c00 => icfgr: [ReadWrite<u32>; 64]),
        (0x0d00 => _reserved2),
        (0x6000 => irouter: [ReadWrite<u64>; 1020]),
        (0x7fe0 => _reserved3),
        (0x10000 => @END),
    },
    /// The redistributor of one core: its control frame, then the frame of its private interrupts.
    Redistributor {
        (0x00000 => ctlr: ReadOnly<u32, RCTLR::Register>),
        (0x00004 => _reserved0),
        (0x00014 => waker: ReadWrite<u32, WAKER::Register>),
        (0x00018 => _reserved1),
        (0x10080 => igroupr0: ReadWrite<u32>),
        (0x10084 => _reserved2),
        (0x10100 => isenabler0: ReadWrite<u32>),
        (0x10104 => _reserved3),
        (0x10180 => icenabler0: ReadWrite<u32>),
        (0x10184 => _reserved4),
        (0x10280 => icpendr0: ReadWrite<u32>),
        (0x10284 => _reserved5),
        (0x10380 => icactiver0: ReadWrite<u32>),
        (0x10384 => _reserved6),
        (0x10400 => ipriorityr: [ReadWrite<u32>; 8]),
        (0x10420 => _reserved7),
        (0x10c00 => icfgr: [ReadWrite<u32>; 2]),
        (0x10c08 => _reserved8),
        (0x20000 => @END),
    }
}

/// The affinity fields of `MPIDR_EL1`, as `IROUTER` takes them.
const AFFINITY_MASK: u64 = 0xff_00ff_ffff;

/// A GICv3.
pub(in crate::arch::aarch64) struct GicV3 {
    distributor: Registers<Distributor>,
    redistributor: Registers<Redistributor>,
}

impl GicV3 {
    pub(super) fn init(
        devices: &mut DeviceMappings,
        distributor: PhysAddr,
        redistributor: PhysAddr,
    ) -> Result<Self, MapError> {
        let gic = Self { distributor: devices.map(distributor)?, redistributor: devices.map(redistributor)? };
        gic.init_distributor();
        gic.init_redistributor();
        init_cpu_interface();
        Ok(gic)
    }

    fn init_distributor(&self) {
        let d = &*self.distributor;
        d.ctlr.set(0);
        self.wait_distributor();
        let lines = 32 * (d.typer.read(TYPER::LINES) as usize + 1);
        for word in FIRST_SHARED as usize / 32..lines / 32 {
            set(&d.igroupr, word, u32::MAX);
            set(&d.icenabler, word, u32::MAX);
            set(&d.icpendr, word, u32::MAX);
            set(&d.icactiver, word, u32::MAX);
        }
        for word in FIRST_SHARED as usize / 4..lines / 4 {
            set(&d.ipriorityr, word, PRIORITY_WORD);
        }
        for word in FIRST_SHARED as usize / 16..lines / 16 {
            set(&d.icfgr, word, 0);
        }
        self.wait_distributor();
        d.ctlr.write(CTLR::ARE::SET + CTLR::ENABLE_GROUP1::SET);
        self.wait_distributor();
        let this_core = MPIDR_EL1.get() & AFFINITY_MASK;
        for register in d.irouter.iter().take(lines.min(FIRST_SPECIAL as usize)).skip(FIRST_SHARED as usize) {
            register.set(this_core);
        }
    }

    fn init_redistributor(&self) {
        let r = &*self.redistributor;
        r.waker.modify(WAKER::PROCESSOR_SLEEP::CLEAR);
        while r.waker.is_set(WAKER::CHILDREN_ASLEEP) {}
        r.igroupr0.set(u32::MAX);
        r.icenabler0.set(u32::MAX);
        r.icpendr0.set(u32::MAX);
        r.icactiver0.set(u32::MAX);
        for register in &r.ipriorityr {
            register.set(PRIORITY_WORD);
        }
        self.wait_redistributor();
    }

    fn wait_distributor(&self) {
        while self.distributor.ctlr.is_set(CTLR::RWP) {}
    }

    fn wait_redistributor(&self) {
        while self.redistributor.ctlr.is_set(RCTLR::RWP) {}
    }

    /// The largest interrupt number of the controller.
    pub(super) fn max_irq(&self) -> u32 {
        (32 * (self.distributor.typer.read(TYPER::LINES) + 1) - 1).min(FIRST_SPECIAL - 1)
    }

    pub(super) fn mask(&self, irq: Irq) {
        if u32::from(irq.0) < FIRST_SHARED {
            self.redistributor.icenabler0.set(1 << u32::from(irq.0));
            self.wait_redistributor();
        } else {
            set(&self.distributor.icenabler, irq.index() / 32, 1 << (u32::from(irq.0) % 32));
            self.wait_distributor();
        }
    }

    pub(super) fn unmask(&self, irq: Irq) {
        if u32::from(irq.0) < FIRST_SHARED {
            self.redistributor.isenabler0.set(1 << u32::from(irq.0));
        } else {
            set(&self.distributor.isenabler, irq.index() / 32, 1 << (u32::from(irq.0) % 32));
        }
    }

    pub(super) fn set_trigger(&self, irq: Irq, trigger: Trigger) {
        if u32::from(irq.0) < FIRST_SHARED {
            super::set_trigger_bit(&self.redistributor.icfgr, irq.index(), trigger);
        } else {
            super::set_trigger_bit(&self.distributor.icfgr, irq.index(), trigger);
        }
    }

    /// Acknowledges the most urgent interrupt: its number, and the word that completes it.
    pub(super) fn acknowledge(&self) -> (u32, u32) {
        let word: u64;
        // SAFETY: acknowledging makes the interrupt active, which `complete` ends; memory is not
        // touched. The barrier orders the device accesses that follow.
        unsafe { asm!("mrs {}, icc_iar1_el1", "dsb sy", out(reg) word, options(nostack, preserves_flags)) }
        (word as u32 & 0xff_ffff, word as u32)
    }

    pub(super) fn complete(&self, word: u32) {
        // SAFETY: `word` is what `acknowledge` returned; ends the active state.
        unsafe { asm!("msr icc_eoir1_el1, {}", in(reg) u64::from(word), options(nostack, preserves_flags)) }
        barrier::isb(barrier::SY);
    }

    pub(super) fn send_sgi(&self, number: u32, target: SgiTarget) {
        let [aff0, aff1, aff2, aff3] = target.0.to_le_bytes().map(u64::from);
        let value = (aff3 << 48)
            | (u64::from(number) << 24)
            | (aff2 << 32)
            | (aff1 << 16)
            | ((aff0 >> 4) << 44)
            | (1 << (aff0 & 0xf));
        // SAFETY: raises an interrupt; what it means is its receiver's affair.
        unsafe { asm!("msr icc_sgi1r_el1, {}", in(reg) value, options(nostack, preserves_flags)) }
        barrier::isb(barrier::SY);
    }

    pub(super) fn accepts_sgi_target(target: u64) -> bool {
        u32::try_from(target).is_ok()
    }
}

/// Opens the CPU interface: system registers, all priorities, group 1, one-step completion.
fn init_cpu_interface() {
    // SAFETY: the interface of this core, before interrupts are unmasked anywhere.
    unsafe {
        asm!(
            "mrs {t}, icc_sre_el1",
            "orr {t}, {t}, #1",
            "msr icc_sre_el1, {t}",
            "isb",
            "msr icc_pmr_el1, {pmr}",
            "msr icc_bpr1_el1, xzr",
            "msr icc_ctlr_el1, xzr",
            "mov {t}, #1",
            "msr icc_igrpen1_el1, {t}",
            "isb",
            t = out(reg) _,
            pmr = in(reg) u64::from(PRIORITY_MASK),
            options(nostack, preserves_flags),
        );
    }
}

/// Writes one register of a bank; an index that the controller does not have is ignored.
fn set(bank: &[ReadWrite<u32>], index: usize, value: u32) {
    if let Some(register) = bank.get(index) {
        register.set(value);
    }
}
