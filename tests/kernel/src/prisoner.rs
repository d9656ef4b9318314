//! What a prisoner does: system calls without end, with registers and IPC-buffer words that a seed determines.
//!
//! It is assembly, because a prisoner's registers, stack and memory are what others and the calls themselves change:
//! nothing but the program counter and five registers must hold for it to go on. `x19` is the state of the random
//! numbers, `x20` counts the calls, `x21` is the table of words and numbers, `x22` the IPC buffer, `x23` the multiplier.

use core::arch::naked_asm;

use mach_sys::abi::{IpcBuffer, Syscall};

/// The multiplier of the random numbers; a register file without it has been changed by somebody.
pub(crate) const MULTIPLIER: u64 = 0x2545_f491_4f6c_dd1d;
/// Bytes of the code and of the table that it reads, at most.
pub(crate) const BYTES: u64 = 1024;

/// Words that mean something to some call, and the numbers of the calls: what the code draws from.
#[repr(C, align(64))]
pub(crate) struct Table {
    words: [u64; 64],
    calls: [i64; 64],
}

/// Small numbers, sizes, addresses, rights, and the edges of all of them.
const fn words() -> [u64; 64] {
    let mut words = [0; 64];
    let mut index = 0;
    while index < 32 {
        words[index] = index as u64;
        index += 1;
    }
    let others = [
        64,
        64,
        64,
        64,
        63,
        65,
        48,
        47,
        100,
        255,
        256,
        1000,
        1000,
        5000,
        10_000,
        1_000_000,
        0x1000,
        0x2000,
        0x3000,
        0x20_0000,
        0x20_1000,
        0x4000_0000,
        0x80_0000_0000,
        0x7fff_ffff_f000,
        0x7fff_ffff_ffff,
        1 << 47,
        1 << 63,
        u64::MAX,
        u64::MAX - 4095,
        0x40_0000,
        0x6000_0000,
        0x143,
    ];
    let mut index = 0;
    while index < 32 {
        words[32 + index] = others[index];
        index += 1;
    }
    words
}

/// Mostly calls that come back.
const fn calls() -> [i64; 64] {
    let mut calls = [Syscall::Call.number(); 64];
    let others = [
        Syscall::Send,
        Syscall::NbSend,
        Syscall::NbSend,
        Syscall::NbRecv,
        Syscall::NbRecv,
        Syscall::NbWait,
        Syscall::NbWait,
        Syscall::Yield,
        Syscall::Recv,
        Syscall::Wait,
        Syscall::ReplyRecv,
        Syscall::NbSendRecv,
        Syscall::NbSendWait,
        Syscall::NbSendRecv,
        Syscall::ReplyRecv,
        Syscall::DebugCapIdentify,
    ];
    let mut index = 0;
    while index < others.len() {
        calls[index] = others[index].number();
        index += 1;
    }
    // One that no kernel has.
    calls[others.len()] = 12_345;
    calls
}

/// The one table.
pub(crate) static TABLE: Table = Table { words: words(), calls: calls() };

/// Makes system calls for ever.
#[unsafe(naked)]
pub(crate) extern "C" fn prisoner() -> ! {
    naked_asm!(
        "1:",
        // The next random number, in x9; a part of it for each register. x10 is another.
        "eor x19, x19, x19, lsr #12",
        "eor x19, x19, x19, lsl #25",
        "eor x19, x19, x19, lsr #27",
        "mul x9, x19, x23",
        "eor x19, x19, x19, lsr #12",
        "eor x19, x19, x19, lsl #25",
        "eor x19, x19, x19, lsr #27",
        "mul x10, x19, x23",
        // The invoked capability, the reply object, the destination of combined calls: slots.
        "ubfx x0, x9, #4, #6",
        "ubfx x6, x9, #10, #6",
        "ubfx x8, x9, #16, #6",
        // The number of the call.
        "ubfx x11, x9, #22, #6",
        "add x12, x21, #512",
        "ldr x7, [x12, x11, lsl #3]",
        // Label up to 63, up to 3 capabilities, up to 15 words.
        "ubfx x11, x9, #28, #6",
        "lsl x1, x11, #12",
        "ubfx x11, x9, #34, #2",
        "orr x1, x1, x11, lsl #7",
        "ubfx x11, x9, #36, #4",
        "orr x1, x1, x11",
        // Message registers from the table.
        "ubfx x11, x9, #40, #6",
        "ldr x2, [x21, x11, lsl #3]",
        "ubfx x11, x9, #46, #6",
        "ldr x3, [x21, x11, lsl #3]",
        "ubfx x11, x9, #52, #6",
        "ldr x4, [x21, x11, lsl #3]",
        "ubfx x11, x10, #4, #6",
        "ldr x5, [x21, x11, lsl #3]",
        // Four words of the IPC buffer, its capabilities and the receive slot.
        "ubfx x11, x10, #10, #6",
        "ldr x12, [x21, x11, lsl #3]",
        "str x12, [x22, #{word4}]",
        "ubfx x11, x10, #16, #6",
        "ldr x12, [x21, x11, lsl #3]",
        "str x12, [x22, #{word4} + 8]",
        "ubfx x11, x10, #22, #6",
        "ldr x12, [x21, x11, lsl #3]",
        "str x12, [x22, #{word4} + 16]",
        "ubfx x11, x10, #28, #6",
        "ldr x12, [x21, x11, lsl #3]",
        "str x12, [x22, #{word4} + 24]",
        "add x13, x22, #{caps}",
        "ubfx x11, x10, #34, #6",
        "ubfx x12, x10, #40, #6",
        "stp x11, x12, [x13]",
        "ubfx x11, x10, #46, #6",
        "mov x12, #1",
        "stp x11, x12, [x13, #16]",
        "ubfx x11, x10, #52, #6",
        "mov x12, #64",
        "stp x11, x12, [x13, #32]",
        // One in 16 has something else entirely for a word, and one in 64 an address that leads nowhere.
        "tst x9, #0xf",
        "csel x3, x10, x3, eq",
        "tst x10, #0x3f",
        "csel x0, x19, x0, eq",
        "add x20, x20, #1",
        "svc #0",
        "b 1b",
        word4 = const (IpcBuffer::MSG_WORD + 4) * 8,
        caps = const IpcBuffer::CAPS_WORD * 8,
    )
}
