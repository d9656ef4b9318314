//! A kernel without the debug calls (kernel ABI 1.12): their numbers are as unknown as any.

use mach_sys::abi::Syscall;

use crate::case::cases;
use crate::registers::unknown;

/// What an unknown call's fault says.
const fn no_call(call: Syscall) -> [u64; 3] {
    [2, 13, call.number().cast_unsigned()]
}

cases! {
    "syscall.unknown.debug_put_char" => no_call(Syscall::DebugPutChar), |w| {
        unknown(w, Syscall::DebugPutChar.number())
    };
    "syscall.unknown.debug_halt" => no_call(Syscall::DebugHalt), |w| unknown(w, Syscall::DebugHalt.number());
    "syscall.unknown.debug_cap_identify" => no_call(Syscall::DebugCapIdentify), |w| {
        unknown(w, Syscall::DebugCapIdentify.number())
    };
    "syscall.unknown.debug_name_thread" => no_call(Syscall::DebugNameThread), |w| {
        unknown(w, Syscall::DebugNameThread.number())
    };
}
