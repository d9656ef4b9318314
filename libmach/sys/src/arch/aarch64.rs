//! AArch64: one `svc` per system call, binding exactly the registers that the call reads and writes.
//!
//! The kernel preserves every register that is not named as an output, so nothing else is marked as
//! clobbered. Memory is: the kernel reads and writes the IPC buffer, which `asm!` assumes by default.

use core::arch::asm;

use sel4_abi::Syscall;

use super::Registers;

/// Sends a message that nobody answers.
macro_rules! send_only {
    ($(#[$doc:meta])* $name:ident, $number:expr) => {
        $(#[$doc])*
        pub(crate) fn $name(dest: u64, message: &Registers) {
            // SAFETY: the call reads x0 to x5 and x7 and changes no register; the memory it reads is the
            // caller's IPC buffer, which only this thread uses.
            unsafe {
                asm!("svc #0", in("x7") $number, in("x0") dest, in("x1") message.info, in("x2") message.mr[0],
                     in("x3") message.mr[1], in("x4") message.mr[2], in("x5") message.mr[3],
                     options(nostack, preserves_flags));
            }
        }
    };
}

send_only! {
    /// Sends, waiting for a receiver.
    send, Syscall::Send.number()
}
send_only! {
    /// Sends if a receiver waits.
    nb_send, Syscall::NbSend.number()
}

/// Calls `dest` and replaces `message` by the answer; returns the badge.
pub(crate) fn call(dest: u64, message: &mut Registers) -> u64 {
    let badge;
    // SAFETY: the call reads x0 to x5 and x7 and changes x0 to x5; the memory it uses is the caller's IPC
    // buffer, which only this thread uses.
    unsafe {
        asm!("svc #0", in("x7") Syscall::Call.number(), inlateout("x0") dest => badge, inlateout("x1") message.info,
             inlateout("x2") message.mr[0], inlateout("x3") message.mr[1], inlateout("x4") message.mr[2],
             inlateout("x5") message.mr[3], options(nostack, preserves_flags));
    }
    badge
}

/// Receives a message into `message`; returns the badge.
macro_rules! receive_with_reply {
    ($(#[$doc:meta])* $name:ident, $number:expr) => {
        $(#[$doc])*
        pub(crate) fn $name(source: u64, reply: u64, message: &mut Registers) -> u64 {
            let badge;
            // SAFETY: the call reads x0, x6 and x7 (and x1 to x5 where it sends first) and changes x0 to x5;
            // the memory it uses is the caller's IPC buffer, which only this thread uses.
            unsafe {
                asm!("svc #0", in("x7") $number, inlateout("x0") source => badge, inlateout("x1") message.info,
                     inlateout("x2") message.mr[0], inlateout("x3") message.mr[1], inlateout("x4") message.mr[2],
                     inlateout("x5") message.mr[3], in("x6") reply, options(nostack, preserves_flags));
            }
            badge
        }
    };
}

receive_with_reply! {
    /// Receives, waiting for a sender; `reply` takes the caller.
    recv, Syscall::Recv.number()
}
receive_with_reply! {
    /// Receives if a sender waits; badge 0 means that none did.
    nb_recv, Syscall::NbRecv.number()
}
receive_with_reply! {
    /// Replies through `reply`, then receives with it.
    reply_recv, Syscall::ReplyRecv.number()
}
receive_with_reply! {
    /// Sends to the capability `dest` (the second argument), if a receiver waits, then waits on `source`.
    nb_send_wait, Syscall::NbSendWait.number()
}

/// Waits on `source` without a reply object.
macro_rules! receive_without_reply {
    ($(#[$doc:meta])* $name:ident, $number:expr) => {
        $(#[$doc])*
        pub(crate) fn $name(source: u64, message: &mut Registers) -> u64 {
            let badge;
            // SAFETY: the call reads x0 and x7 and changes x0 to x5; the memory it uses is the caller's IPC
            // buffer, which only this thread uses.
            unsafe {
                asm!("svc #0", in("x7") $number, inlateout("x0") source => badge, inlateout("x1") message.info,
                     inlateout("x2") message.mr[0], inlateout("x3") message.mr[1], inlateout("x4") message.mr[2],
                     inlateout("x5") message.mr[3], options(nostack, preserves_flags));
            }
            badge
        }
    };
}

receive_without_reply! {
    /// Waits for a signal or a message that is not to be answered.
    wait, Syscall::Wait.number()
}
receive_without_reply! {
    /// Polls; badge 0 means that nothing was there.
    nb_wait, Syscall::NbWait.number()
}

/// Sends to `dest` if a receiver waits, then receives from `source`, with `reply` to take the caller.
pub(crate) fn nb_send_recv(dest: u64, source: u64, reply: u64, message: &mut Registers) -> u64 {
    let badge;
    // SAFETY: the call reads x0 to x8 and changes x0 to x5; the memory it uses is the caller's IPC buffer,
    // which only this thread uses.
    unsafe {
        asm!("svc #0", in("x7") Syscall::NbSendRecv.number(), inlateout("x0") source => badge,
             inlateout("x1") message.info, inlateout("x2") message.mr[0], inlateout("x3") message.mr[1],
             inlateout("x4") message.mr[2], inlateout("x5") message.mr[3], in("x6") reply, in("x8") dest,
             options(nostack, preserves_flags));
    }
    badge
}

/// Gives up the rest of the current budget.
pub(crate) fn yield_now() {
    // SAFETY: the call reads x7 and changes nothing.
    unsafe { asm!("svc #0", in("x7") Syscall::Yield.number(), options(nostack, preserves_flags)) }
}

/// Executes `svc` with these values in `x0` to `x8`, and leaves there what the kernel left.
pub(crate) fn raw(x: &mut [u64; 9]) {
    // SAFETY: the kernel reads x0 to x8 and changes no other register; the memory it uses is the caller's IPC buffer,
    // which only this thread uses. What a call does to mappings and threads is its own affair, as with every other stub.
    unsafe {
        asm!("svc #0", inlateout("x0") x[0], inlateout("x1") x[1], inlateout("x2") x[2], inlateout("x3") x[3],
             inlateout("x4") x[4], inlateout("x5") x[5], inlateout("x6") x[6], inlateout("x7") x[7],
             inlateout("x8") x[8], options(nostack, preserves_flags));
    }
}

/// Prints the low eight bits of `byte` on the kernel's console.
pub(crate) fn debug_put_char(byte: u64) {
    // SAFETY: the call reads x0 and x7 and changes nothing.
    unsafe {
        asm!("svc #0", in("x7") Syscall::DebugPutChar.number(), in("x0") byte, options(nostack, preserves_flags));
    }
}

/// Answers the kind number of the capability at `cptr`.
pub(crate) fn debug_cap_identify(cptr: u64) -> u64 {
    let kind;
    // SAFETY: the call reads x0 and x7 and changes x0.
    unsafe {
        asm!("svc #0", in("x7") Syscall::DebugCapIdentify.number(), inlateout("x0") cptr => kind,
             options(nostack, preserves_flags));
    }
    kind
}

/// Gives the thread at `tcb` the name that the caller's IPC buffer holds at byte 8.
pub(crate) fn debug_name_thread(tcb: u64) {
    // SAFETY: the call reads x0 and x7 and the caller's IPC buffer, and changes nothing.
    unsafe {
        asm!("svc #0", in("x7") Syscall::DebugNameThread.number(), in("x0") tcb, options(nostack, preserves_flags));
    }
}

/// The thread register, `TPIDR_EL0`.
pub(crate) fn thread_pointer() -> u64 {
    let value;
    // SAFETY: reads a register that EL0 may always read.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Sets the thread register.
pub(crate) fn set_thread_pointer(value: u64) {
    // SAFETY: EL0 may write TPIDR_EL0; what its value must point to is the contract of `thread::install`,
    // the only caller.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) value, options(nostack, preserves_flags)) }
}

/// The thread register that EL0 can only read, `TPIDRRO_EL0`.
pub(crate) fn read_only_thread_register() -> u64 {
    let value;
    // SAFETY: reads a register that EL0 may always read.
    unsafe { asm!("mrs {}, tpidrro_el0", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// The virtual counter, `CNTVCT_EL0`.
pub(crate) fn virtual_counter() -> u64 {
    let value;
    // SAFETY: a read; where the kernel keeps the counter to itself the thread takes an exception. It counts as a
    // use of memory, so that what is timed stays between two reads.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) value, options(nostack, preserves_flags)) }
    value
}

/// Has event counter 0 of the PMU count instructions, at every exception level below EL2.
pub(crate) fn start_instruction_counter() {
    /// `INST_RETIRED`.
    const EVENT: u64 = 8;
    // SAFETY: this changes nothing but the PMU's counters; where the kernel keeps them to itself the thread takes an
    // exception.
    unsafe {
        asm!(
            "msr pmevtyper0_el0, {event}",
            "msr pmcntenset_el0, {bit}",
            "mrs {control}, pmcr_el0",
            "orr {control}, {control}, #1",
            "msr pmcr_el0, {control}",
            "isb",
            event = in(reg) EVENT,
            bit = in(reg) 1_u64,
            control = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// What event counter 0 has counted.
pub(crate) fn instructions() -> u32 {
    let value: u64;
    // SAFETY: a read; where the kernel keeps the counter to itself the thread takes an exception. It counts as a
    // use of memory, so that what is counted stays between two reads.
    unsafe { asm!("mrs {}, pmevcntr0_el0", out(reg) value, options(nostack, preserves_flags)) }
    value as u32
}

/// The ticks of the counter in a second, `CNTFRQ_EL0`.
pub(crate) fn counter_frequency() -> u64 {
    let value;
    // SAFETY: a read; where the kernel keeps the counter to itself the thread takes an exception.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// The counter and its frequency, each 0 where the kernel keeps it to itself and whoever takes the thread's faults lets it
/// go on behind the read.
pub(crate) fn clock() -> (u64, u64) {
    let (mut value, mut frequency) = (0_u64, 0_u64);
    // SAFETY: two reads; where one is refused the register keeps its zero, or the thread stays at it.
    unsafe {
        asm!(
            "mrs {value}, cntvct_el0",
            "mrs {frequency}, cntfrq_el0",
            value = inout(reg) value,
            frequency = inout(reg) frequency,
            options(nomem, nostack, preserves_flags),
        );
    }
    (value, frequency)
}

/// Loads the byte at `address`; raises an exception where none can be read.
pub(crate) fn load_byte(address: u64) -> u8 {
    let byte: u32;
    // SAFETY: a load changes no memory that Rust knows of; at worst the thread takes an exception.
    unsafe {
        asm!("ldrb {byte:w}, [{address}]", byte = out(reg) byte, address = in(reg) address,
             options(nostack, preserves_flags, readonly));
    }
    byte as u8
}

/// Issues the semihosting request `operation` with the parameter block at `block`.
pub(crate) fn semihosting_call(operation: u64, block: &[u64]) -> u64 {
    let result;
    // SAFETY: the emulator reads the block, which lives through the call, and changes x0. Without an
    // emulator that listens the instruction is undefined and the thread faults.
    unsafe {
        asm!("hlt #0xf000", inlateout("x0") operation => result, in("x1") block.as_ptr(),
             options(nostack, preserves_flags));
    }
    result
}

/// Gives up the processor for good.
pub(crate) fn halt() -> ! {
    loop {
        yield_now();
    }
}
