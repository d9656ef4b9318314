//! Threads: what is left of one of libmach's that was joined, and of one that was made out of registers and memory.

use alloc::vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use libmach::port::mach_port_type;
use libmach::thread::{
    ThreadState, Used, current, sleep, spawn, thread_create_running, thread_set_budget, thread_terminate_release,
};
use libmach::vm::{PAGE_SIZE, VmFlags, vm_allocate, vm_deallocate};
use libmach::{KernReturn, PortName};

use crate::support::{fails, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] =
    &[("thread.join", a_joined_thread_leaves_nothing), ("thread.create_running", a_thread_out_of_registers)];

/// Its name is gone: whoever waits for a thread's end waits until the thread has given everything back, so that it is
/// not ended while it holds a lock, as the heap's.
fn a_joined_thread_leaves_nothing() -> Outcome {
    for round in 0..50_u64 {
        let thread = spawn(move || {
            let own = current()?;
            // Its share of the processor ends anywhere, on its way out as well.
            thread_set_budget(own.name(), 1_000, 1_000)?;
            Ok::<_, KernReturn>((own, vec![round; 100]))
        });
        let thread = ok("spawn", thread)?;
        let name = thread.thread().name();
        let (own, data) = ok("the thread", ok("join", thread.join())?)?;
        same("the thread's name for itself", name, own.name())?;
        same("what the thread answered", vec![round; 100], data)?;
        fails("mach_port_type of a joined thread", KernReturn::INVALID_NAME, mach_port_type(me(), name))?;
    }
    Ok(())
}

/// Counts for ever. It has no thread block, so that it makes no call.
extern "C" fn count(counter: &AtomicU64) -> ! {
    loop {
        counter.fetch_add(1, SeqCst);
    }
}

/// It runs at once, with its registers; its end takes its name and its stack along.
fn a_thread_out_of_registers() -> Outcome {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let stack = ok("vm_allocate", vm_allocate(me(), 0, PAGE_SIZE, VmFlags::ANYWHERE))?;
    let entry = count as extern "C" fn(&AtomicU64) -> !;
    let mut state =
        ThreadState { sp: stack + PAGE_SIZE, pc: (entry as *const ()).addr() as u64, ..ThreadState::default() };
    state.x[0] = core::ptr::from_ref(&COUNTER).expose_provenance() as u64;
    let thread = ok("thread_create_running", thread_create_running(me(), &state))?;
    while COUNTER.load(SeqCst) == 0 {
        sleep(1);
    }
    let used = Used { task: me(), thread_name: thread, reply_port: PortName::NULL, address: stack, size: PAGE_SIZE };
    ok("thread_terminate_release", thread_terminate_release(thread, &used))?;
    let last = COUNTER.load(SeqCst);
    sleep(20);
    same("what it counts when it has ended", last, COUNTER.load(SeqCst))?;
    fails("mach_port_type of it", KernReturn::INVALID_NAME, mach_port_type(me(), thread))?;
    fails("vm_deallocate of its stack", KernReturn::INVALID_ADDRESS, vm_deallocate(me(), stack, PAGE_SIZE))
}
