//! The host has no kernel below it: every capability is an empty slot, every poll finds nothing, and a
//! thread register is an ordinary thread-independent word.

use core::sync::atomic::{AtomicU64, Ordering};

use sel4_abi::{ErrorCode, MessageInfo};

use super::Registers;

static THREAD_POINTER: AtomicU64 = AtomicU64::new(0);

/// What an invocation of an empty slot answers: `InvalidCapability(0)`.
fn empty_slot(message: &mut Registers) -> u64 {
    message.info = MessageInfo::new(ErrorCode::InvalidCapability.number(), 0, 0, 1).0;
    message.mr[0] = 0;
    0
}

pub(crate) fn send(_dest: u64, _message: &Registers) {}

pub(crate) fn nb_send(_dest: u64, _message: &Registers) {}

pub(crate) fn call(_dest: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn recv(_source: u64, _reply: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn nb_recv(_source: u64, _reply: u64, _message: &mut Registers) -> u64 {
    0
}

pub(crate) fn reply_recv(_source: u64, _reply: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn nb_send_wait(_source: u64, _dest: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn wait(_source: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn nb_wait(_source: u64, _message: &mut Registers) -> u64 {
    0
}

pub(crate) fn nb_send_recv(_dest: u64, _source: u64, _reply: u64, message: &mut Registers) -> u64 {
    empty_slot(message)
}

pub(crate) fn yield_now() {}

pub(crate) fn raw(_x: &mut [u64; 9]) {}

pub(crate) fn debug_put_char(_byte: u64) {}

pub(crate) fn debug_cap_identify(_cptr: u64) -> u64 {
    0
}

pub(crate) fn debug_name_thread(_tcb: u64) {}

pub(crate) fn thread_pointer() -> u64 {
    THREAD_POINTER.load(Ordering::Relaxed)
}

pub(crate) fn set_thread_pointer(value: u64) {
    THREAD_POINTER.store(value, Ordering::Relaxed);
}

pub(crate) fn read_only_thread_register() -> u64 {
    0
}

pub(crate) fn virtual_counter() -> u64 {
    0
}

pub(crate) fn counter_frequency() -> u64 {
    0
}

pub(crate) fn clock() -> (u64, u64) {
    (0, 0)
}

pub(crate) fn start_instruction_counter() {}

pub(crate) fn instructions() -> u32 {
    0
}

pub(crate) fn load_byte(_address: u64) -> u8 {
    0
}

pub(crate) fn semihosting_call(_operation: u64, _block: &[u64]) -> u64 {
    u64::MAX
}

pub(crate) fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
