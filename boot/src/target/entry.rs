//! The first instructions, the exception vectors, and the last instructions before the kernel.
//!
//! Registers from the entry to `boot_main`:
//!
//! | register | at the entry                              | kept in |
//! |----------|-------------------------------------------|---------|
//! | x0       | address of the device tree                | x19     |
//! | x1       | [`MOVED`] after the image has moved itself | x20     |
//! | x2       | then: entry level and board of first time | x21     |
//! | –        | address of the image                      | x22     |
//! | –        | board (index of the fallback line)        | x23     |
//! | –        | exception level at the entry              | x24     |
//! | –        | 1 if the image has moved                  | x25     |

use core::arch::{asm, global_asm};

use boot::failure::Failure;

use super::{stage, stop, uart};

/// In x1: the image has moved, and x2 holds what it knew. Firmware passes 0.
const MOVED: u64 = u64::from_le_bytes(*b"moved it");

global_asm!(
    r#"
    // x23 = board. Clobbers x0, x9 to x14, x30.
    .macro LETTER byte
        mov     w0, #\byte
        bl      boot_put
    .endm

    .section .head, "ax"
    .balign 8
    .global boot_start
boot_start:
    // The arm64 Image header (Linux, Documentation/arch/arm64/booting.rst).
    b       boot_entry
    .long   0
    .quad   0x200000                // load this far above a multiple of 2 MiB
    .quad   0                       // size in memory: the packer knows
    .quad   0xa                     // little-endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

    .section .text.boot, "ax"
boot_entry:
    msr     daifset, #15
    mov     x19, x0
    mov     x20, x1
    mov     x21, x2
    adrp    x22, boot_start

    // Moved: board and entry level come from the first time, the letters were printed then.
    movz    x9, #{moved_0}
    movk    x9, #{moved_1}, lsl #16
    movk    x9, #{moved_2}, lsl #32
    movk    x9, #{moved_3}, lsl #48
    and     x23, x21, #0xff
    lsr     x24, x21, #8
    cmp     x20, x9
    cset    x25, eq
    b.eq    2f

    // A: the first instruction. The board by where we run: RAM of a Raspberry Pi 4 begins at 0.
    lsr     x23, x22, #30
    cmp     x23, #0
    cset    x23, ne
    LETTER  'A'
    mrs     x24, CurrentEL
    lsr     x24, x24, #2

    // Nothing of what firmware left in the caches may be written back over us later.
    bl      boot_flush_caches
    cmp     x24, #2
    b.ne    1f
    bl      boot_leave_el2
1:  // B: at EL1 (or at EL3, where Rust says so and stops).
    LETTER  'B'

2:  cmp     x24, #3
    b.eq    3f
    // SCTLR_EL1: MMU and caches off, little-endian, only the bits that are always one.
    movz    x9, #0x0800
    movk    x9, #0x30d0, lsl #16
    msr     sctlr_el1, x9
    adrp    x9, boot_vectors
    add     x9, x9, :lo12:boot_vectors
    msr     vbar_el1, x9
    isb

3:  // Zero the rest of the image.
    adrp    x9, boot_bss
    add     x9, x9, :lo12:boot_bss
    adrp    x10, boot_image_end
    add     x10, x10, :lo12:boot_image_end
4:  stp     xzr, xzr, [x9], #16
    cmp     x9, x10
    b.lo    4b

    // Relocate: linked at 0, running at x22. Without symbols to bind, the linker leaves nothing but
    // R_AARCH64_RELATIVE (1027); an entry of another type is skipped.
    adrp    x9, boot_rela
    add     x9, x9, :lo12:boot_rela
    adrp    x10, boot_rela_end
    add     x10, x10, :lo12:boot_rela_end
5:  cmp     x9, x10
    b.hs    6f
    ldp     x11, x12, [x9]          // offset, type
    ldr     x13, [x9, #16]          // addend
    add     x9, x9, #24
    cmp     x12, #1027
    b.ne    5b
    add     x13, x13, x22
    str     x13, [x11, x22]
    b       5b

6:  ic      iallu
    dsb     sy
    isb
    adrp    x9, boot_stack_top
    add     x9, x9, :lo12:boot_stack_top
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    mov     x1, x23
    mov     x2, x24
    mov     x3, x25
    b       {main}

    // Prints w0 on the fallback line x23, waiting a while for room.
boot_put:
    adrp    x9, {fallback}
    add     x9, x9, :lo12:{fallback}
    add     x9, x9, x23, lsl #5     // 32 bytes a line: see `Line`
    ldr     x10, [x9]
    ldp     w11, w12, [x9, #8]      // distance of the status register, mask
    ldr     w13, [x9, #16]          // value when ready
    add     x11, x10, x11
    mov     w14, #(1 << 20)
1:  ldr     w9, [x11]
    and     w9, w9, w12
    cmp     w9, w13
    b.eq    2f
    subs    w14, w14, #1
    b.ne    1b
2:  str     w0, [x10]
    ret

    // From EL2 to EL1, returning to x30 there. Clobbers x9, x10.
boot_leave_el2:
    mov     x9, #(1 << 31)          // EL1 is AArch64; no traps, no stage 2
    msr     hcr_el2, x9
    msr     vttbr_el2, xzr
    msr     hstr_el2, xzr
    mov     x9, #0x33ff             // no traps of floating point; the other bits are always one
    msr     cptr_el2, x9
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9
    mov     x9, #3                  // physical counter and timer not trapped, virtual offset 0
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    // Debug and performance monitors not trapped; all event counters stay EL1's.
    mrs     x9, id_aa64dfr0_el1
    ubfx    x10, x9, #8, #4
    mov     x9, xzr
    cbz     x10, 1f
    cmp     x10, #15
    b.eq    1f
    mrs     x9, pmcr_el0
    ubfx    x9, x9, #11, #5
1:  msr     mdcr_el2, x9
    // A GIC with system registers (3 and up): let EL1 use them, no virtual interrupts.
    mrs     x9, id_aa64pfr0_el1
    ubfx    x9, x9, #24, #4
    cbz     x9, 2f
    mrs     x9, S3_4_C12_C9_5       // ICC_SRE_EL2
    mov     x10, #9                 // SRE and Enable
    orr     x9, x9, x10
    msr     S3_4_C12_C9_5, x9
    isb
    mrs     x9, S3_4_C12_C9_5       // reads 0 where the controller is a GICv2 all the same
    tbz     x9, #0, 2f
    msr     S3_4_C12_C11_0, xzr     // ICH_HCR_EL2
2:  movz    x9, #0x0800             // SCTLR_EL1 must be sound before EL1 fetches
    movk    x9, #0x30d0, lsl #16
    msr     sctlr_el1, x9
    mov     x9, #0x3c5              // EL1h, all masked
    msr     spsr_el2, x9
    msr     elr_el2, x30
    isb
    eret

    // Cleans and invalidates the data caches of all levels by set and way. Clobbers x9 to x18.
boot_flush_caches:
    dsb     sy
    mrs     x9, clidr_el1
    mov     x10, xzr                // level, times two
1:  add     x11, x10, x10, lsr #1
    lsr     x12, x9, x11
    and     x12, x12, #7
    cmp     x12, #2                 // below: no data cache here
    b.lo    4f
    msr     csselr_el1, x10
    isb
    mrs     x12, ccsidr_el1
    and     x13, x12, #7
    add     x13, x13, #4            // line size, as a power of two
    ubfx    x14, x12, #3, #10       // highest way
    ubfx    x15, x12, #13, #15      // highest set
    mrs     x11, id_aa64mmfr2_el1
    ubfx    x11, x11, #20, #4       // CCIDX: the other layout of CCSIDR
    cbz     x11, 7f
    ubfx    x14, x12, #3, #21
    ubfx    x15, x12, #32, #24
7:  clz     w16, w14                // where the way goes
2:  mov     x17, x15
3:  lsl     x11, x14, x16
    orr     x11, x11, x10
    lsl     x12, x17, x13
    orr     x11, x11, x12
    dc      cisw, x11
    subs    x17, x17, #1
    b.ge    3b
    subs    x14, x14, #1
    b.ge    2b
4:  add     x10, x10, #2
    cmp     x10, #14
    b.lo    1b
    dsb     sy
    isb
    ret

    // x0 = `Entry`. The tables are in memory, and nothing else of the boot stage is needed.
    .global boot_enter
boot_enter:
    mov     x20, x0
    bl      boot_flush_caches
    ic      iallu
    tlbi    vmalle1
    dsb     sy
    isb
    ldp     x9, x10, [x20, #64]
    msr     mair_el1, x9
    msr     tcr_el1, x10
    ldp     x9, x10, [x20, #80]
    msr     ttbr0_el1, x9
    msr     ttbr1_el1, x10
    isb
    ldp     x0, x1, [x20]
    ldp     x2, x3, [x20, #16]
    ldp     x4, x5, [x20, #32]
    ldp     x6, x16, [x20, #48]
    mrs     x9, sctlr_el1
    mov     x10, #0x1005            // I, C, M
    orr     x9, x9, x10
    msr     sctlr_el1, x9
    isb
    br      x16

    .balign 2048
boot_vectors:
    .rept   16
    .balign 128
    b       {exception}
    .endr
    "#,
    moved_0 = const MOVED & 0xffff,
    moved_1 = const MOVED >> 16 & 0xffff,
    moved_2 = const MOVED >> 32 & 0xffff,
    moved_3 = const MOVED >> 48,
    fallback = sym uart::FALLBACK,
    main = sym boot_main,
    exception = sym boot_exception,
);

/// Everything the kernel is entered with; `boot_enter` knows the order.
#[repr(C)]
pub(super) struct Entry {
    /// `x0` to `x6`.
    pub(super) arguments: [u64; 7],
    /// Virtual address of the kernel's first instruction.
    pub(super) pc: u64,
    /// `MAIR_EL1`.
    pub(super) mair: u64,
    /// `TCR_EL1`.
    pub(super) tcr: u64,
    /// `TTBR0_EL1`.
    pub(super) ttbr0: u64,
    /// `TTBR1_EL1`.
    pub(super) ttbr1: u64,
}

unsafe extern "C" {
    fn boot_enter(entry: &Entry) -> !;
}

/// Rust's entry point: MMU off, a stack, relocated.
extern "C" fn boot_main(tree: u64, board: u64, level: u64, is_moved: u64) -> ! {
    let start = stage::Start { tree, board, level, is_moved: is_moved != 0 };
    stop(stage::run(&start))
}

/// Any exception inside the boot stage.
extern "C" fn boot_exception() -> ! {
    let (syndrome, at, address): (u64, u64, u64);
    // SAFETY: reads three registers that exist at EL1, where these vectors are in force.
    unsafe {
        asm!("mrs {}, esr_el1", "mrs {}, elr_el1", "mrs {}, far_el1",
            out(reg) syndrome, out(reg) at, out(reg) address, options(nomem, nostack));
    }
    stop(Failure::Exception { syndrome, at, address })
}

/// Enters the kernel.
///
/// # Safety
/// The tables map this image to itself and the kernel at `pc`; kernel and root task are loaded.
pub(super) unsafe fn enter(entry: &Entry) -> ! {
    // SAFETY: the caller's promise.
    unsafe { boot_enter(entry) }
}

/// Starts the copy of this image at `to`, which knows what this one was started with.
///
/// # Safety
/// There is a whole copy of this image.
pub(super) unsafe fn restart(to: u64, start: &stage::Start) -> ! {
    // SAFETY: the caller's promise; the copy's first instructions need nothing but these registers.
    unsafe {
        asm!("dsb sy", "ic iallu", "dsb sy", "isb", "br {to}", to = in(reg) to,
            in("x0") start.tree, in("x1") MOVED, in("x2") start.board | start.level << 8,
            options(noreturn, nostack));
    }
}

/// `ID_AA64MMFR0_EL1.PARange`.
pub(super) fn pa_range() -> u64 {
    let features: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, id_aa64mmfr0_el1", out(reg) features, options(nomem, nostack, pure)) };
    features & 0xf
}

/// Waits for ever.
pub(super) fn halt() -> ! {
    loop {
        // SAFETY: waits; interrupts are masked, so this is for good.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}
