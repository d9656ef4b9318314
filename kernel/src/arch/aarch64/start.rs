//! From the boot stage's hand-over to the first instruction of the initial thread.
//!
//! The boot stage enters `_start` at EL1 with the MMU on, on its own tables, with the physical
//! address of a [`Handoff`] in `x6` (see `boot/handoff`). This file reads the [`Handoff`], changes
//! to the kernel's tables, and starts console, interrupt controller and timer; `boot` does the rest.

use core::arch::{asm, global_asm};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    ID_AA64DFR0_EL1, MDSCR_EL1, PAR_EL1, ReadWriteable, Readable, SCTLR_EL1, VBAR_EL1, Writeable,
};
use handoff::{Handoff, KernelNote, UartKind};

use super::fatal::{KERNEL_STACK, KERNEL_STACK_END};
use super::gic::Gic;
use super::mmu::{self, DeviceMappings, IMAGE_BASE, MapError};
use super::{console, fpu, irq, timer};
use crate::arch::context::Context;
use crate::mem::PhysAddr;
use crate::{boot, trap};

/// What tells the boot stage that this kernel may lie anywhere and wants a [`Handoff`].
#[used]
#[unsafe(link_section = ".note.tessera")]
static NOTE: KernelNote = KernelNote::THIS;

/// The boot stage maps this much behind the start of the image.
const BOOT_MAPPED: u64 = 1 << 30;
/// Registers of a UART, in bytes.
const UART_BYTES: u64 = 0x1000;

global_asm!(
    r#"
    .section .text.start, "ax"
    .global _start
_start:
    // x6: physical address of the Handoff, which also holds what x0 to x5 say.
    adrp    x9, {stack}
    add     x9, x9, :lo12:{stack}
    add     sp, x9, #{stack_end}
    mov     x0, x6
    mov     x29, xzr
    bl      {start}
    b       tessera_restore
    "#,
    stack = sym KERNEL_STACK,
    stack_end = const KERNEL_STACK_END,
    start = sym start,
);

unsafe extern "C" {
    /// The exception vectors (`vectors.rs`).
    static tessera_vectors: u8;
}

/// Brings up the kernel; answers the context of the initial thread.
extern "C" fn start(handoff: u64) -> *const Context {
    VBAR_EL1.set((&raw const tessera_vectors).addr() as u64);
    let image = image_address();
    let handoff = read_handoff(image, handoff);
    if let Err(error) = handoff.check() {
        panic!("the boot stage's hand-over is refused: {error:?}");
    }
    init_core();
    if let Err(error) = init_devices(image, &handoff) {
        panic!("the kernel's address space cannot be built: {error:?}");
    }
    timer::init();
    match boot::make_kernel(&handoff) {
        Ok(kernel) => trap::begin(kernel),
        Err(error) => panic!("the initial task cannot be made: {error:?}"),
    }
}

/// Where the image lies in physical memory, by asking the MMU.
fn image_address() -> PhysAddr {
    // SAFETY: translates an address; changes only PAR_EL1.
    unsafe { asm!("at s1e1r, {}", in(reg) IMAGE_BASE, options(nostack, preserves_flags)) }
    barrier::isb(barrier::SY);
    PhysAddr(PAR_EL1.read(PAR_EL1::PA) << 12)
}

/// Copies the [`Handoff`] out of the memory where the boot stage left it.
fn read_handoff(image: PhysAddr, handoff: u64) -> Handoff {
    let offset = handoff.wrapping_sub(image.0);
    let is_mapped = offset < BOOT_MAPPED - size_of::<Handoff>() as u64;
    if !is_mapped || !handoff.is_multiple_of(align_of::<Handoff>() as u64) {
        panic!("no hand-over at {handoff:#x}");
    }
    let address = (IMAGE_BASE + offset) as usize;
    // SAFETY: (1) the boot stage maps `BOOT_MAPPED` bytes from the image on (the entry contract),
    // and the structure was checked to lie in them, aligned; (2) it consists of integers, for
    // which any bits are valid; (3) nothing writes it any more.
    unsafe { core::ptr::with_exposed_provenance::<Handoff>(address).read() }
}

/// Sets what the architecture leaves undefined at reset and what EL0 may do (spec §7.6).
fn init_core() {
    SCTLR_EL1.modify(
        SCTLR_EL1::UCI::DontTrap
            + SCTLR_EL1::UCT::DontTrap
            + SCTLR_EL1::DZE::DontTrap
            + SCTLR_EL1::NTWE::DontTrap
            + SCTLR_EL1::NTWI::DontTrap
            + SCTLR_EL1::UMA::Trap
            + SCTLR_EL1::SA0::Disable
            + SCTLR_EL1::A::Disable,
    );
    MDSCR_EL1.set(0);
    if ID_AA64DFR0_EL1.read(ID_AA64DFR0_EL1::PMUVer) != 0 {
        // A debug kernel lets EL0 count what is executed.
        let may_count = u64::from(cfg!(feature = "debug"));
        // SAFETY: the core has a PMU; this says whether EL0 may use it, which reaches nothing but its counters.
        unsafe { asm!("msr pmuserenr_el0, {}", in(reg) may_count, options(nomem, nostack, preserves_flags)) }
    }
    fpu::disable();
    barrier::isb(barrier::SY);
}

/// Changes to the kernel's own tables and starts console and interrupt controller.
fn init_devices(image: PhysAddr, handoff: &Handoff) -> Result<(), MapError> {
    let root = mmu::build(image, handoff.ram.as_slice())?;
    mmu::activate(root);
    mmu::seal();
    let mut devices = DeviceMappings::new();
    // `check` accepted the kind.
    let kind = handoff.uart.kind().unwrap_or(UartKind::None);
    if kind != UartKind::None {
        console::init(kind, devices.map_bytes(PhysAddr(handoff.uart.base), UART_BYTES)?);
    }
    irq::init(Gic::init(&handoff.gic, &mut devices)?);
    Ok(())
}
