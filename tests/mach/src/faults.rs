//! I.17: faults and exceptions.

use alloc::string::String;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionRaise, ExceptionType, Handler, Verdict, catch};
use libmach::memory_object::CopyStrategy;
use libmach::msg::{CarriedRight, PortMessage, Timeout, send};
use libmach::port::Disposition;
use libmach::region::touch;
use libmach::task::{TaskEnd, fork, task_resume, task_suspend};
use libmach::thread::{
    self, THREAD_EXCEPTION_PORT, ThreadState, thread_create, thread_get_special_port, thread_resume, thread_set_state,
    thread_terminate,
};
use libmach::vm::{self, VmFlags, VmProt, vm_statistics};
use libmach::{KernReturn, PortName};
use mach_protocol::exception::EXCEPTION_RAISE;

use crate::memory_object::{Access, Manager};
use crate::support::{P, faults, free, hole, kept, load, me, ok, pages, same, shared_page, store, write_faults};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("faults.i17.01", unmapped_memory_by_its_byte),
    ("faults.i17.02", writing_read_only_memory),
    ("faults.i17.03", executing_what_is_not_code),
    ("faults.i17.04", a_handler_that_repairs),
    ("faults.i17.05", handlers_are_asked_in_order),
    ("faults.i17.06", two_threads_one_request),
    ("faults.i17.07", an_aborted_fault_happens_again),
    ("faults.i17.08", a_suspended_task_gets_its_page_and_waits),
    ("faults.i17.09", zero_fill_is_counted_by_the_page),
    ("exceptions.forged_ones_are_thrown_away", a_handler_believes_the_server_alone),
    ("exceptions.forged_ones_catch_nothing", a_thread_that_forges_its_own_end),
];

/// The time that nothing here takes.
const LONG: Timeout = Timeout::Millis(20_000);

/// Starts a thread at `address`; answers the exception that it raises, and ends it.
pub(crate) fn run_code(address: u64) -> Result<ExceptionRaise, String> {
    let handler = ok("handler", Handler::new())?;
    let stack = pages(1)?;
    let thread = ok("thread_create", thread_create(me()))?;
    let state = ThreadState { pc: address, sp: stack.address() + P, ..ThreadState::default() };
    let raised = ok("attach", handler.attach_to_thread(thread))
        .and_then(|()| ok("thread_set_state", thread_set_state(thread, &state)))
        .and_then(|()| ok("thread_resume", thread_resume(thread)))
        .and_then(|()| ok("the exception", handler.wait(LONG)));
    // Ended before the answer is given up: that would pass the exception on.
    let _ = thread_terminate(thread);
    let _ = libmach::port::mach_port_deallocate(me(), thread);
    raised.map(|waiting| *waiting.raised())
}

fn unmapped_memory_by_its_byte() -> Outcome {
    let address = hole(1)?;
    for offset in [0, 1, 0x7ff, P - 1] {
        faults(address + offset, KernReturn::INVALID_ADDRESS)?;
    }
    Ok(())
}

fn writing_read_only_memory() -> Outcome {
    let region = pages(1)?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    write_faults(&region, 13, KernReturn::PROTECTION_FAILURE)
}

fn executing_what_is_not_code() -> Outcome {
    let region = pages(1)?;
    store(&region, 0, 0);
    let raised = run_code(region.address())?;
    let got = (raised.exception, KernReturn(raised.code), raised.subcode);
    same("exception", (ExceptionType::BAD_ACCESS, KernReturn::PROTECTION_FAILURE, region.address()), got)
}

fn a_handler_that_repairs() -> Outcome {
    let address = hole(1)?;
    let handler = ok("handler", Handler::new())?;
    let reader = thread::spawn_with(|thread| handler.attach_to_thread(thread), move || touch(address + 9));
    let reader = ok("spawn", reader)?;
    let mut repaired = Ok(0);
    ok(
        "the exception",
        handler.serve(LONG, |_| {
            repaired = vm::vm_allocate(me(), address, P, VmFlags::FIXED)
                .and_then(|page| vm::vm_write(me(), page + 9, &[42]).map(|()| page));
            Verdict::Restart
        }),
    )?;
    same("repaired", Ok(address), repaired)?;
    same("the instruction was executed again", Ok(42), reader.join())?;
    free(address, P)
}

fn handlers_are_asked_in_order() -> Outcome {
    let address = hole(1)?;
    let step = shared_page()?;
    let task_handler = ok("handler", Handler::new())?;
    let child = ok(
        "fork",
        fork(move || {
            while step.words()[0].load(SeqCst) == 0 {
                thread::sleep(1);
            }
            i32::from(touch(address))
        }),
    )?;
    let thread_handler = ok("handler", Handler::new())?;
    ok("attach", thread_handler.attach_to_thread(child.thread()))?;
    ok("attach", task_handler.attach_to_task(child.task()))?;
    step.words()[0].store(1, SeqCst);
    for (who, handler) in [("the thread's handler", &thread_handler), ("the task's handler", &task_handler)] {
        let mut asked = None;
        let pass_on = |raised: &ExceptionRaise| {
            asked = Some((raised.exception, raised.subcode));
            Verdict::PassOn
        };
        ok(who, handler.serve(LONG, pass_on))?;
        same(who, Some((ExceptionType::BAD_ACCESS, address)), asked)?;
    }
    match ok("wait", child.wait(LONG))? {
        TaskEnd::Killed { exception: 1, code, subcode, .. } => {
            same("the end", (KernReturn::INVALID_ADDRESS, address), (KernReturn(code), subcode))
        }
        end => Err(alloc::format!("the task should have been terminated: {end:?}")),
    }
}

fn an_aborted_fault_happens_again() -> Outcome {
    let address = hole(1)?;
    let handler = ok("handler", Handler::new())?;
    let reader = thread::spawn_with(|thread| handler.attach_to_thread(thread), move || touch(address));
    let reader = ok("spawn", reader)?;
    let first = ok("the first exception", handler.wait(LONG))?;
    ok("thread_abort", thread::thread_abort(reader.thread().name()))?;
    let second = ok("the second exception", handler.wait(LONG))?;
    let subcodes = (first.raised().subcode, second.raised().subcode);
    drop(first);
    ok("vm_allocate", vm::vm_allocate(me(), address, P, VmFlags::FIXED))?;
    ok("answer", second.answer(Verdict::Restart))?;
    same("the thread went on", Ok(0), reader.join())?;
    same("addresses", (address, address), subcodes)?;
    free(address, P)
}

fn zero_fill_is_counted_by_the_page() -> Outcome {
    const PAGES: u64 = 37;
    let region = kept(pages(PAGES)?);
    let count = || Ok::<u32, String>(ok("vm_statistics", vm_statistics(me()))?.zero_fill_count);
    let before = count()?;
    for page in 0..PAGES {
        store(region, page * P, 1);
    }
    let filled = count()? - before;
    free(region.address(), PAGES * P)?;
    same("pages", PAGES, u64::from(filled))
}

fn two_threads_one_request() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let readers = [Access::read(region.address() + 1)?, Access::read(region.address() + P - 1)?];
    manager.request(0)?;
    for reader in &readers {
        reader.waits()?;
    }
    manager.nothing()?;
    manager.supply(0, 7)?;
    for reader in readers {
        reader.gives(7)?;
    }
    manager.nothing()?;
    manager.finish(region)
}

fn a_suspended_task_gets_its_page_and_waits() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    let step = shared_page()?;
    let child = ok(
        "fork",
        fork(move || {
            let byte = touch(region.address());
            step.words()[0].store(1, SeqCst);
            i32::from(byte)
        }),
    )?;
    manager.request(0)?;
    ok("task_suspend", task_suspend(child.task()))?;
    manager.supply(0, 9)?;
    // The page is there: this task reads it and nobody asks.
    same("the page", 9, load(region, 0))?;
    manager.nothing()?;
    thread::sleep(50);
    same("steps of the suspended task", 0, step.words()[0].load(SeqCst))?;
    ok("task_resume", task_resume(child.task()))?;
    same("its end", TaskEnd::Exited { status: 9 }, ok("wait", child.wait(LONG))?)?;
    same("steps after it was resumed", 1, step.words()[0].load(SeqCst))?;
    manager.finish(region)
}

/// Sends a message that says what one of the server's would say.
fn forge(handler: PortName, disposition: Disposition, id: i32) -> Outcome {
    let mut message = PortMessage::with_words(id, &[1, 1, 0x666]);
    message.header.remote = CarriedRight { name: handler, disposition };
    message.header.is_from_server = true;
    for _ in 0..2 {
        let right = CarriedRight { name: handler, disposition };
        message.push_right(right).map_err(|_| "the right does not fit")?;
    }
    ok("send what is forged", send(&message, LONG))
}

fn a_handler_believes_the_server_alone() -> Outcome {
    let address = hole(1)?;
    let handler = ok("handler", Handler::new())?;
    forge(handler.name(), Disposition::MAKE_SEND, EXCEPTION_RAISE)?;
    let nothing = handler.wait(Timeout::Millis(50)).map(|waiting| *waiting.raised());
    same("nothing was raised", Err(KernReturn::RCV_TIMED_OUT), nothing)?;
    let reader = thread::spawn_with(|thread| handler.attach_to_thread(thread), move || touch(address));
    let reader = ok("spawn", reader)?;
    // Before the true one or behind it.
    forge(handler.name(), Disposition::MAKE_SEND, EXCEPTION_RAISE)?;
    let waiting = ok("the exception", handler.wait(LONG))?;
    let raised = (waiting.raised().exception, waiting.raised().subcode);
    same("what was raised", (ExceptionType::BAD_ACCESS, address), raised)?;
    ok("vm_allocate", vm::vm_allocate(me(), address, P, VmFlags::FIXED))?;
    ok("answer", waiting.answer(Verdict::Restart))?;
    same("the reader", Ok(0), reader.join())?;
    free(address, P)
}

fn a_thread_that_forges_its_own_end() -> Outcome {
    let address = hole(1)?;
    let caught = catch(|| {
        let own = thread::mach_thread_self()?;
        let handler = thread_get_special_port(own, THREAD_EXCEPTION_PORT)?;
        // The message by which `catch` is told of an end, and one that looks like an exception.
        let forged = [7400, EXCEPTION_RAISE].map(|id| forge(handler, Disposition::COPY_SEND, id));
        thread::sleep(20);
        Ok::<_, KernReturn>((forged, touch(address)))
    });
    match ok("catch", caught)? {
        Err(raised) => {
            same("what was raised", (ExceptionType::BAD_ACCESS, address), (raised.exception, raised.subcode))
        }
        Ok(ended) => Err(alloc::format!("the thread should have been stopped: {ended:?}")),
    }
}
