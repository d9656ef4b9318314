//! Exception vectors: from EL0 into the kernel and back.
//!
//! While a thread runs, `SP_EL1` holds the address of its [`Context`]. An exception stores the
//! registers there, changes to the kernel's stack and calls [`trap_from_user`], which returns the
//! context of the thread to run next. The kernel takes no exceptions of its own: interrupts stay
//! masked at EL1, and anything that arrives from EL1 is fatal (spec §5.10).
//!
//! System calls and aborts that have a fast path try it first ([`fastpath`]). Where the same thread goes on as a rule, only
//! the registers are stored that Rust code would lose; the rest is stored when another thread is to run, or the slow path,
//! which wants all in the context. Where another thread runs as a rule all are stored at once, and the Rust code does not
//! come back: it need not preserve any.
//!
//! The exclusive monitor needs no `clrex`: an exception return clears it.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use aarch64_cpu::registers::{ELR_EL1, ESR_EL1, FAR_EL1, Readable};
use sel4_abi::Syscall;

use super::fatal::{EMERGENCY_STACK_END, KERNEL_STACK_END};
use crate::arch::context::Context;
use crate::fastpath;
use crate::ipc::fault::VmFault;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::lock::Entered;
use crate::object::Tcb;
use crate::trap::{self, Trap};

/// The kinds of entry that the vectors tell apart.
const ENTRY_SYNC: u64 = 0;
const ENTRY_INTERRUPT: u64 = 1;
const ENTRY_SERROR: u64 = 2;
const ENTRY_SYSCALL: u64 = 3;

/// Exception class: `svc` from AArch64.
const EC_SVC64: u64 = 0x15;
/// Exception class: instruction abort from a lower level.
const EC_INSTRUCTION_ABORT: u64 = 0x20;
/// Exception class: data abort from a lower level.
const EC_DATA_ABORT: u64 = 0x24;
/// Exception class: use of floating point that `CPACR_EL1` does not allow.
const EC_FPU: u64 = 0x07;
/// Where the exception class is in the syndrome.
const EC_SHIFT: u64 = 26;
/// Size of the `svc` instruction: the call is repeated from there.
const SVC_SIZE: u64 = 4;

/// Where the context holds the pairs that the assembly moves with one instruction.
const X30_SP: usize = 30 * 8;
const PC_SPSR: usize = offset_of!(Context, resume_pc);
const RESTART_PC_TPIDR: usize = offset_of!(Context, restart_pc);

const _: () = {
    assert!(offset_of!(Context, x) == 0);
    assert!(offset_of!(Context, sp) == X30_SP + 8);
    assert!(offset_of!(Context, spsr) == PC_SPSR + 8);
    assert!(offset_of!(Context, tpidr) == RESTART_PC_TPIDR + 8);
    assert!(offset_of!(Context, tpidrro) == RESTART_PC_TPIDR + 16);
    // One instruction finds the end of the stack.
    assert!(align_of::<super::fatal::Stack<1>>() == 4096 && KERNEL_STACK_END.is_multiple_of(4096));
    // The two classes of aborts differ in one bit.
    assert!(EC_DATA_ABORT & !4 == EC_INSTRUCTION_ABORT);
};

global_asm!(
    r#"
    // Saves the registers that Rust code does not preserve, and x19, into the context that SP_EL1 points to. What else
    // there is stays where it is until SAVE_REST.
    .macro SAVE_SOME
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
        str     x30,      [sp, #{x30_sp}]
    .endm

    // Saves the rest into the context at x19; the instruction to repeat lies some bytes back. x0 stays; x2 is the PC.
    .macro SAVE_REST back
        stp     x20, x21, [x19, #16 * 10]
        stp     x22, x23, [x19, #16 * 11]
        stp     x24, x25, [x19, #16 * 12]
        stp     x26, x27, [x19, #16 * 13]
        stp     x28, x29, [x19, #16 * 14]
        mrs     x1, sp_el0
        mrs     x2, elr_el1
        mrs     x3, spsr_el1
        mrs     x4, tpidr_el0
        str     x1,       [x19, #{x30_sp} + 8]
        stp     x2,  x3,  [x19, #{pc_spsr}]
    .if \back
        sub     x5, x2, #\back
        stp     x5,  x4,  [x19, #{restart_pc_tpidr}]
    .else
        stp     x2,  x4,  [x19, #{restart_pc_tpidr}]
    .endif
    .endm

    // Changes to the kernel's stack; the context stays in x19, which Rust code preserves.
    .macro ENTER_STACK
        mov     x19, sp
        adrp    x9, {stack} + {stack_end}
        mov     sp, x9
    .endm

    // One entry of the table for exceptions from EL0 that have no fast path: save all, and tell which kind.
    .macro FROM_USER kind
        .balign 128
        SAVE_SOME
        ENTER_STACK
        mov     x0, #\kind
        b       tessera_enter
    .endm

    // Restores the registers from the context that sp points to, from x0 on; x30 was restored.
    .macro RESTORE
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
    .endm

    // Enters the kernel by a fast path, which answers the context to run or null if it is not open. A stopped thread goes
    // on some bytes before its PC if it has to repeat what it did.
    .macro FAST path, back
        bl      \path
        cmp     x0, x19
        b.eq    tessera_same
        cbz     x0, tessera_slow_\back
        SAVE_REST \back
        b       tessera_restore
    .endm

    // Enters the kernel by a fast path after which another thread runs as a rule. It ends in tessera_restore.
    .macro FAST_SWITCH path, back
        SAVE_REST \back
        b       \path
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
    // EL0, AArch64: synchronous. System calls and aborts may have a fast path.
    .balign 128
    SAVE_SOME
    mrs     x0, esr_el1
    lsr     x10, x0, #{ec_shift}
    ENTER_STACK
    cmp     x10, #{ec_svc}
    b.ne    tessera_other_exception
    // The number of the call is in x7.
    cmn     x7, #{call}
    b.eq    1f
    cmn     x7, #{reply_recv}
    b.eq    2f
    cmn     x7, #{nb_send_recv}
    b.eq    3f
    b       tessera_other_call
    FROM_USER {interrupt}
    FROM_USER {serror}              // FIQ: masked, and of no use to the kernel
    FROM_USER {serror}
    FATAL 12                        // EL0, AArch32: not supported
    FATAL 13
    FATAL 14
    FATAL 15
    .balign 128

tessera_other_call:
    cmn     x7, #{yield_}
    b.eq    7f
    cmn     x7, #{send}
    b.eq    4f
    cmn     x7, #{wait}
    b.eq    5f
    cmn     x7, #{nb_send}
    b.eq    4f
    cmn     x7, #{nb_wait}
    b.eq    6f
    b       tessera_slow_{svc_size}
1:  FAST_SWITCH {fast_call}, {svc_size}
2:  FAST_SWITCH {fast_reply_recv}, {svc_size}
3:  FAST_SWITCH {fast_nb_send_recv}, {svc_size}
4:  FAST    {fast_send}, {svc_size}
5:  FAST    {fast_wait}, {svc_size}
6:  FAST    {fast_nb_wait}, {svc_size}
7:  FAST_SWITCH {fast_yield}, {svc_size}

tessera_other_exception:
    // The instruction that faulted is the one to repeat. x0: the syndrome, x10: its exception class.
    bic     x10, x10, #4            // of data and instruction aborts alike
    cmp     x10, #{ec_abort}
    b.ne    tessera_slow_0
    FAST_SWITCH {fast_abort}, 0

    // The same thread goes on: what was not saved was not changed. x0, x19: its context.
tessera_same:
    mov     sp, x0
    ldr     x30,      [sp, #{x30_sp}]
    RESTORE
    eret
    dsb     nsh
    isb

tessera_slow_{svc_size}:
    SAVE_REST {svc_size}
    mov     x0, #{syscall}
    b       tessera_run
tessera_slow_0:
    mov     x0, #{sync}
    // x0: kind of entry, x19: the context.
tessera_enter:
    SAVE_REST 0
tessera_run:
    bl      {trap}
    // Falls through with x0 = the context to run.

    // x0: the context to run.
    .global tessera_restore
tessera_restore:
    mov     sp, x0
    ldp     x30, x1,  [sp, #{x30_sp}]
    ldp     x2,  x3,  [sp, #{pc_spsr}]
    ldp     x4,  x5,  [sp, #{restart_pc_tpidr} + 8]
    msr     sp_el0, x1
    msr     elr_el1, x2
    msr     spsr_el1, x3
    msr     tpidr_el0, x4
    msr     tpidrro_el0, x5
    RESTORE
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
    sync = const ENTRY_SYNC,
    syscall = const ENTRY_SYSCALL,
    interrupt = const ENTRY_INTERRUPT,
    serror = const ENTRY_SERROR,
    svc_size = const SVC_SIZE,
    ec_shift = const EC_SHIFT,
    ec_svc = const EC_SVC64,
    ec_abort = const EC_INSTRUCTION_ABORT,
    call = const -Syscall::Call.number(),
    yield_ = const -Syscall::Yield.number(),
    reply_recv = const -Syscall::ReplyRecv.number(),
    nb_send_recv = const -Syscall::NbSendRecv.number(),
    send = const -Syscall::Send.number(),
    nb_send = const -Syscall::NbSend.number(),
    wait = const -Syscall::Wait.number(),
    nb_wait = const -Syscall::NbWait.number(),
    stack = sym super::fatal::KERNEL_STACK,
    stack_end = const KERNEL_STACK_END,
    emergency_stack = sym super::fatal::EMERGENCY_STACK,
    emergency_end = const EMERGENCY_STACK_END,
    fatal = sym super::fatal::exception_in_kernel,
    trap = sym trap_from_user,
    fast_call = sym fast_call,
    fast_reply_recv = sym fast_reply_recv,
    fast_nb_send_recv = sym fast_nb_send_recv,
    fast_send = sym fast_send,
    fast_wait = sym fast_wait,
    fast_nb_wait = sym fast_nb_wait,
    fast_abort = sym fast_abort,
    fast_yield = sym fast_yield,
);

/// What the vectors call.
///
/// # Safety
///
/// An exception came from EL0. If its fast path was not open, that has returned.
macro_rules! fast_entry {
    ($name:ident, $path:expr) => {
        unsafe extern "C" fn $name() -> *const Context {
            // SAFETY: what the vectors keep, above.
            let entered = unsafe { Entered::from_user() };
            trap::run_fast(entered, $path)
        }
    };
}

fast_entry!(fast_send, fastpath::send);
fast_entry!(fast_wait, |k| fastpath::wait(k));
fast_entry!(fast_nb_wait, |k| fastpath::nb_wait(k));

/// The same where all registers were saved: ends in the thread that runs next, by the slow path if the fast one is not open.
///
/// # Safety
///
/// As for `fast_entry!`, and all registers are in the context of the thread that was entered from.
macro_rules! fast_switch {
    ($name:ident($($argument:ident),*), $kind:expr, $path:expr) => {
        unsafe extern "C" fn $name($($argument: u64),*) -> ! {
            // SAFETY: what the vectors keep, above.
            let entered = unsafe { Entered::from_user() };
            let mut next = trap::run_fast(entered, $path);
            if next.is_null() {
                // SAFETY: the fast path has returned.
                next = unsafe { trap_from_user($kind) };
            }
            // SAFETY: this is the context to run, and the code there needs nothing of the stack.
            unsafe { asm!("b tessera_restore", in("x0") next, options(noreturn)) }
        }
    };
}

fast_switch!(fast_call(), ENTRY_SYSCALL, fastpath::call);
fast_switch!(fast_reply_recv(), ENTRY_SYSCALL, |k| fastpath::reply_recv(k));
fast_switch!(fast_nb_send_recv(), ENTRY_SYSCALL, |k| fastpath::nb_send_recv(k));
// What SAVE_REST leaves in the registers of the first three arguments.
fast_switch!(fast_abort(esr, _sp, pc), ENTRY_SYNC, |k| abort(k, esr, pc));

/// `Yield`, which always ends in the scheduler.
///
/// # Safety
///
/// As for `fast_switch!`.
unsafe extern "C" fn fast_yield() -> ! {
    // SAFETY: what the vectors keep, above.
    let entered = unsafe { Entered::from_user() };
    let next = trap::run(entered, Trap::Yield);
    // SAFETY: as in `fast_switch!`.
    unsafe { asm!("b tessera_restore", in("x0") next, options(noreturn)) }
}

/// A data or instruction abort with this syndrome at this PC.
#[inline(always)]
fn abort(k: &Kernel, esr: u64, pc: u64) -> Option<KRef<Tcb>> {
    let instruction = esr >> EC_SHIFT == EC_INSTRUCTION_ABORT;
    let address = if instruction { pc } else { FAR_EL1.get() };
    fastpath::vm_fault(k, pc, VmFault { address, esr, instruction })
}

/// Turns what the vector and the syndrome registers say into a [`Trap`] and lets the kernel act.
///
/// # Safety
///
/// As for `fast_entry!`.
#[cold]
unsafe extern "C" fn trap_from_user(kind: u64) -> *const Context {
    let trap = match kind {
        ENTRY_SYSCALL => Trap::Syscall,
        ENTRY_SYNC => synchronous(),
        ENTRY_INTERRUPT => Trap::Interrupt,
        _ => super::fatal::serror(),
    };
    // SAFETY: what the vectors keep, above.
    let entered = unsafe { Entered::from_user() };
    trap::run(entered, trap)
}

/// Reads the syndrome of a synchronous exception.
fn synchronous() -> Trap {
    let esr = ESR_EL1.get();
    match ESR_EL1.read(ESR_EL1::EC) {
        EC_DATA_ABORT => Trap::DataAbort { address: FAR_EL1.get(), esr },
        EC_INSTRUCTION_ABORT => Trap::InstructionAbort { address: ELR_EL1.get(), esr },
        EC_FPU => Trap::FpuAccess { esr },
        _ => Trap::Exception { esr },
    }
}
