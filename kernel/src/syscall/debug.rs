//! The debug system calls (spec §1.12). They cost no budget and change nobody's turn.

use core::fmt::{self, Write};

use crate::arch;
use crate::cap::Cap;
use crate::cap::lookup::lookup_slot;
use crate::ipc::transfer;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::Tcb;
use crate::object::tcb::NAME_BYTES;
use crate::sched::Priority;
use sel4_abi::Syscall;
use sel4_abi::message::IpcBuffer;

/// Whether this kernel has the debug calls; without them their numbers are unknown.
pub(super) const IS_PRESENT: bool = cfg!(feature = "debug");

/// The debug console as something to format to.
struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(arch::console::putc);
        Ok(())
    }
}

/// Prints for a person; the console cannot fail.
fn print(text: fmt::Arguments<'_>) {
    let _ = Console.write_fmt(text);
}

/// Executes a debug call of `t`; the others are none of this module's business.
pub(super) fn call(k: &Kernel, t: KRef<Tcb>, call: Syscall) {
    let argument = t.get(k).context.badge_register().get();
    match call {
        // Only the low eight bits count.
        Syscall::DebugPutChar => arch::console::putc((argument & 0xff) as u8),
        Syscall::DebugDumpScheduler => dump_scheduler(k),
        Syscall::DebugHalt => {
            print(format_args!("halted by a debug call\n"));
            arch::halt();
        }
        Syscall::DebugCapIdentify => {
            let kind = lookup_slot(k, t, argument).map_or(Cap::Null, |slot| slot.cap(k)).kind();
            t.get(k).context.badge_register().set(kind as u64);
        }
        Syscall::DebugSnapshot => print(format_args!("current {:?}\n", k.current())),
        Syscall::DebugNameThread => name_thread(k, t, argument),
        _ => {}
    }
}

/// Names the thread at `cptr` by the string at byte 8 of the caller's IPC buffer, cut to the room that
/// there is. Nothing if there is no such thread, or no buffer.
fn name_thread(k: &Kernel, t: KRef<Tcb>, cptr: u64) {
    let Ok(Cap::Thread(target)) = lookup_slot(k, t, cptr).map(|slot| slot.cap(k)) else { return };
    let Some(buffer) = transfer::send_buffer(k, t) else { return };
    let mut name = [0; NAME_BYTES];
    for (i, place) in name.iter_mut().enumerate() {
        let word = buffer.read(k, IpcBuffer::MSG_WORD + i / 8);
        let byte = word.to_le_bytes().get(i % 8).copied().unwrap_or(0);
        if byte == 0 {
            break;
        }
        *place = byte;
    }
    target.get(k).name.set(name);
}

/// Prints the threads that run or will.
fn dump_scheduler(k: &Kernel) {
    let s = &k.cpu.sched;
    print(format_args!("now {}\n", s.now().0));
    if let Some(t) = s.current() {
        dump_thread(k, "running", t);
    }
    for priority in (0..=u8::MAX).rev().map(Priority) {
        s.ready_threads(k, priority).for_each(|t| dump_thread(k, "ready", t));
    }
    s.released_threads(k).for_each(|t| dump_thread(k, "postponed", t));
}

fn dump_thread(k: &Kernel, what: &str, t: KRef<Tcb>) {
    let tcb = t.get(k);
    let name = tcb.name.get();
    let length = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    let name = name.get(..length).and_then(|n| core::str::from_utf8(n).ok()).unwrap_or("?");
    let (priority, pc) = (tcb.priority.get().0, tcb.context.resume_pc.get());
    print(format_args!("{what:10} priority {priority:3} pc {pc:#x} {name}\n"));
}
