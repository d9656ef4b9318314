//! Exception vectors: from EL0 into the kernel and back.
//!
//! While a thread runs, `SP_EL1` holds the address of its [`Context`]. An exception stores the
//! registers there, changes to the kernel's stack and calls [`trap_from_user`], which returns the
//! context of the thread to run next. The kernel takes no exceptions of its own: interrupts stay
//! masked at EL1, and anything that arrives from EL1 is fatal (spec §5.10).
//!
//! The exclusive monitor needs no `clrex`: an exception return clears it.

use core::arch::global_asm;
use core::mem::offset_of;

use aarch64_cpu::registers::{ESR_EL1, FAR_EL1, Readable};

use super::fatal::{EMERGENCY_STACK_END, KERNEL_STACK_END};
use crate::arch::context::Context;
use crate::trap::{self, Trap};

/// The kinds of entry that the vectors tell apart.
const ENTRY_SYNC: u64 = 0;
const ENTRY_INTERRUPT: u64 = 1;
const ENTRY_SERROR: u64 = 2;

/// Exception class: `svc` from AArch64.
const EC_SVC64: u64 = 0x15;
/// Exception class: instruction abort from a lower level.
const EC_INSTRUCTION_ABORT: u64 = 0x20;
/// Exception class: data abort from a lower level.
const EC_DATA_ABORT: u64 = 0x24;
/// Exception class: use of floating point that `CPACR_EL1` does not allow.
const EC_FPU: u64 = 0x07;
/// Size of the `svc` instruction.
const SVC_SIZE: u64 = 4;

/// Where the context holds the pairs that the assembly moves with one instruction.
const X30_SP: usize = 30 * 8;
const PC_SPSR: usize = offset_of!(Context, resume_pc);
const RESTART_PC_TPIDR: usize = offset_of!(Context, restart_pc);
const TPIDRRO: usize = offset_of!(Context, tpidrro);

const _: () = {
    assert!(offset_of!(Context, x) == 0);
    assert!(offset_of!(Context, sp) == X30_SP + 8);
    assert!(offset_of!(Context, spsr) == PC_SPSR + 8);
    assert!(offset_of!(Context, tpidr) == RESTART_PC_TPIDR + 8);
};

global_asm!(
    r#"
    // Saves the registers of the thread into its context, which SP_EL1 points to.
    .macro SAVE_USER
        stp     x0,  x1,  [sp, #16 * 0]
        stp     x2,  x3,  [sp, #16 * 1]
        stp     x4,  x5,  [sp, #16 * 2]
        stp     x6,  x7,  [sp, #16 * 3]
        stp     x8,  x9,  [sp, #16 * 4]
        stp     x10, x11, [sp, #16 * 5]
        stp     x12, x13, [sp, #16 * 6]
        stp     x14, x15, [sp, #16 * 7]
        stp     x16, x17, [sp, #16 * 8]
        stp     x18, x19, [sp, #16 * 9]
        stp     x20, x21, [sp, #16 * 10]
        stp     x22, x23, [sp, #16 * 11]
        stp     x24, x25, [sp, #16 * 12]
        stp     x26, x27, [sp, #16 * 13]
        stp     x28, x29, [sp, #16 * 14]
        mrs     x1, sp_el0
        mrs     x2, elr_el1
        mrs     x3, spsr_el1
        mrs     x4, tpidr_el0
        stp     x30, x1,  [sp, #{x30_sp}]
        stp     x2,  x3,  [sp, #{pc_spsr}]
        stp     x2,  x4,  [sp, #{restart_pc_tpidr}]   // the same address until the kernel knows better
    .endm

    // One entry of the table for exceptions from EL0: save, and tell which kind.
    .macro FROM_USER kind
        .balign 128
        SAVE_USER
        mov     x0, #\kind
        mov     x1, sp
        b       tessera_enter
    .endm

    // One entry for exceptions that must not happen.
    .macro FATAL kind
        .balign 128
        // The stack may be what failed: save two registers where the epitaph can find them, and
        // use the emergency stack.
        msr     tpidr_el1, x0
        adrp    x0, {emergency_stack}
        add     x0, x0, :lo12:{emergency_stack}
        add     x0, x0, #{emergency_end}
        mov     sp, x0
        mov     x0, #\kind
        b       {fatal}
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global tessera_vectors
tessera_vectors:
    FATAL 0                         // EL1 on SP_EL0: synchronous, IRQ, FIQ, SError
    FATAL 1
    FATAL 2
    FATAL 3
    FATAL 4                         // EL1 on SP_EL1
    FATAL 5
    FATAL 6
    FATAL 7
    FROM_USER {sync}                // EL0, AArch64
    FROM_USER {interrupt}
    FROM_USER {serror}              // FIQ: masked, and of no use to the kernel
    FROM_USER {serror}
    FATAL 12                        // EL0, AArch32: not supported
    FATAL 13
    FATAL 14
    FATAL 15
    .balign 128

    // x0: kind of entry. x1: the interrupted context.
tessera_enter:
    adrp    x2, {stack}
    add     x2, x2, :lo12:{stack}
    add     sp, x2, #{stack_end}
    bl      {trap}
    // Falls through with x0 = the context to run.

    // x0: the context to run.
    .global tessera_restore
tessera_restore:
    mov     sp, x0
    ldp     x30, x1,  [sp, #{x30_sp}]
    ldp     x2,  x3,  [sp, #{pc_spsr}]
    ldr     x4,       [sp, #{restart_pc_tpidr} + 8]
    ldr     x5,       [sp, #{tpidrro}]
    msr     sp_el0, x1
    msr     elr_el1, x2
    msr     spsr_el1, x3
    msr     tpidr_el0, x4
    msr     tpidrro_el0, x5
    ldp     x0,  x1,  [sp, #16 * 0]
    ldp     x2,  x3,  [sp, #16 * 1]
    ldp     x4,  x5,  [sp, #16 * 2]
    ldp     x6,  x7,  [sp, #16 * 3]
    ldp     x8,  x9,  [sp, #16 * 4]
    ldp     x10, x11, [sp, #16 * 5]
    ldp     x12, x13, [sp, #16 * 6]
    ldp     x14, x15, [sp, #16 * 7]
    ldp     x16, x17, [sp, #16 * 8]
    ldp     x18, x19, [sp, #16 * 9]
    ldp     x20, x21, [sp, #16 * 10]
    ldp     x22, x23, [sp, #16 * 11]
    ldp     x24, x25, [sp, #16 * 12]
    ldp     x26, x27, [sp, #16 * 13]
    ldp     x28, x29, [sp, #16 * 14]
    eret
    // Nothing is to be speculated past the return.
    dsb     nsh
    isb
    "#,
    x30_sp = const X30_SP,
    pc_spsr = const PC_SPSR,
    restart_pc_tpidr = const RESTART_PC_TPIDR,
    tpidrro = const TPIDRRO,
    sync = const ENTRY_SYNC,
    interrupt = const ENTRY_INTERRUPT,
    serror = const ENTRY_SERROR,
    stack = sym super::fatal::KERNEL_STACK,
    stack_end = const KERNEL_STACK_END,
    emergency_stack = sym super::fatal::EMERGENCY_STACK,
    emergency_end = const EMERGENCY_STACK_END,
    fatal = sym super::fatal::exception_in_kernel,
    trap = sym trap_from_user,
);

/// Turns what the vector and the syndrome registers say into a [`Trap`] and lets the kernel act.
extern "C" fn trap_from_user(kind: u64, context: &Context) -> *const Context {
    let trap = match kind {
        ENTRY_SYNC => synchronous(context),
        ENTRY_INTERRUPT => Trap::Interrupt,
        _ => super::fatal::serror(),
    };
    trap::run(trap)
}

/// Reads the syndrome of a synchronous exception.
fn synchronous(context: &Context) -> Trap {
    let esr = ESR_EL1.get();
    match ESR_EL1.read(ESR_EL1::EC) {
        EC_SVC64 => {
            context.restart_pc.set(context.resume_pc.get().wrapping_sub(SVC_SIZE));
            Trap::Syscall
        }
        EC_DATA_ABORT => Trap::DataAbort { address: FAR_EL1.get(), esr },
        EC_INSTRUCTION_ABORT => Trap::InstructionAbort { address: context.resume_pc.get(), esr },
        EC_FPU => Trap::FpuAccess { esr },
        _ => Trap::Exception { esr },
    }
}
