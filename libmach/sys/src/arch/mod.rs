//! What an architecture provides to this crate, and the choice of one.
//!
//! | name                       | does                                                        |
//! |----------------------------|-------------------------------------------------------------|
//! | [`Registers`]              | the words that a message system call passes in registers    |
//! | [`send`], [`recv`], [`wait`], … | one function per system call, with its exact registers |
//! | [`raw`]                    | any system call, with all registers that one can use       |
//! | [`thread_pointer`], [`set_thread_pointer`] | the thread register of user code            |
//! | [`read_only_thread_register`] | the thread register that only the kernel sets        |
//! | [`load_byte`]              | a load that the compiler knows nothing of                   |
//! | [`debug_put_char`], [`debug_cap_identify`], … | calls that only some kernels have        |
//! | [`virtual_counter`], [`counter_frequency`] | the machine's clock, and its ticks a second |
//! | [`clock`] | both, where there may be none |
//! | [`start_instruction_counter`], [`instructions`] | the processor's counter of instructions  |
//! | [`semihosting_call`]       | a request to the emulator or the debugger                   |
//! | [`halt`]                   | gives up the processor for good                             |
//! | [`sum`], [`copy_and_sum`]  | sums of memory, in vector registers where there are any     |
//!
//! The host version exists so that servers can be compiled and tested on a workstation: there every
//! capability is an empty slot.

#[cfg(all(target_arch = "aarch64", target_os = "none"))]
#[path = "aarch64.rs"]
#[expect(unsafe_code, reason = "system calls and the thread register are instructions of their own")]
mod imp;

#[cfg(not(all(target_arch = "aarch64", target_os = "none")))]
#[path = "host.rs"]
mod imp;

#[cfg(all(target_arch = "aarch64", target_os = "none", target_feature = "neon"))]
#[path = "neon.rs"]
#[expect(unsafe_code, reason = "memory that others write is read into vector registers by instructions alone")]
mod vectors;

#[cfg(not(all(target_arch = "aarch64", target_os = "none", target_feature = "neon")))]
#[path = "scalar.rs"]
mod vectors;

pub(crate) use vectors::{copy_and_sum, sum};

pub(crate) use imp::{
    call, clock, counter_frequency, debug_cap_identify, debug_name_thread, debug_put_char, halt, instructions,
    load_byte, nb_recv, nb_send, nb_send_recv, nb_send_wait, nb_wait, raw, read_only_thread_register, recv, reply_recv,
    semihosting_call, send, set_thread_pointer, start_instruction_counter, thread_pointer, virtual_counter, wait,
    yield_now,
};

/// The words of a message that travel in registers: the info word and the first four message registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// The message info word (`x1`).
    pub(crate) info: u64,
    /// Message registers 0 to 3 (`x2` to `x5`).
    pub(crate) mr: [u64; 4],
}
