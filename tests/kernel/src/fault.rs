//! Faults, what their handlers hear, and what they can answer: kernel ABI 5.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, Syscall};

use crate::agent::{Agent, Arguments};
use crate::call::{call, nb_send, recv, reply_recv, send, wait, word};
use crate::case::{Done, Trouble, cases};
use crate::registers::{bare, patterned, read};
use crate::start::{bare_break, bare_call, bare_float, bare_load, bare_mask, bare_privileged, bare_undefined, peek};
use crate::trace::{note, note_all};
use crate::world::{ALL, DEPTH, Must, NO_CODE, READ_WRITE, VSPACE, WINDOW, World, delete, map};

/// Slots of a confined thread's CSpace of 16 slots; 14 and 15 are empty.
const EMPTY: u64 = 14;
const FULL: u64 = 1;
const WITHOUT_READ: u64 = 2;
const REPLY: u64 = 3;
const NOTIFICATION: u64 = 4;
const UNREADABLE: u64 = 5;

/// A thread whose CSpace is a CNode of 16 slots, so that what it names is the same on every kernel; its handler.
fn confined(w: &mut World, program: fn(Arguments)) -> Result<(Agent, CPtr, CPtr), Trouble> {
    let (handler, reply, cspace) = (w.endpoint()?, w.reply()?, w.cnode(4)?);
    let (endpoint, notification) = (w.endpoint()?, w.notification()?);
    let inside = [
        (FULL, endpoint, ALL),
        (WITHOUT_READ, endpoint, 13),
        (REPLY, reply, ALL),
        (NOTIFICATION, notification, ALL),
        (UNREADABLE, notification, 1),
    ];
    for (slot, cap, rights) in inside {
        let words = [slot, 4, cap, DEPTH, rights];
        call(cspace, L::CNodeCopy, &words, &[crate::world::ROOT]).must("cannot be copied")?;
    }
    let agent = w.prepare(0, 100, [0; 6], program)?;
    // A guard of 60 zeros before the four bits.
    call(agent.tcb, L::TcbSetSpace, &[60, 0], &[handler, cspace, VSPACE]).must("cannot be set")?;
    agent.resume().must("cannot be resumed")?;
    Ok((agent, handler, reply))
}

/// The words of a capability fault but for the program counter.
fn cap_fault(w: &mut World, program: fn(Arguments)) -> Done {
    let (_, handler, reply) = confined(w, program)?;
    let fault = recv(handler, reply);
    note(fault.info.label());
    note(fault.info.length() as u64);
    (1..fault.info.length()).for_each(|index| note(fault.word(index)));
    Ok(())
}

/// Notes label, length and words of a fault of a bare thread, its first word less the address of the instruction.
fn bare_fault(w: &mut World, pc: extern "C" fn() -> !, x: &[(u8, u64)]) -> Done {
    let (_, endpoint, reply) = bare(w, &patterned(pc, x))?;
    let fault = recv(endpoint, reply);
    note(fault.info.label());
    note(fault.info.length() as u64);
    note(fault.word(0).wrapping_sub(pc as *const () as u64));
    (1..fault.info.length()).for_each(|index| note(fault.word(index)));
    Ok(())
}

/// A user exception without what differs between debug and release kernels: the state that masks exceptions.
fn exception(w: &mut World, pc: extern "C" fn() -> !) -> Done {
    let (_, endpoint, reply) = bare(w, &patterned(pc, &[]))?;
    let fault = recv(endpoint, reply);
    let words = [fault.info.label(), fault.info.length() as u64, fault.word(0).wrapping_sub(pc as *const () as u64)];
    note_all(&words);
    note_all(&[fault.word(1), fault.word(2) & !0x1c0, fault.word(3), fault.word(4)]);
    Ok(())
}

/// Answers a bare thread's first fault with these words, and notes where it comes to next: its label, and how far it
/// went; 99 if nowhere.
fn answer(
    w: &mut World,
    pc: extern "C" fn() -> !,
    x: &[(u8, u64)],
    label: u64,
    words: fn(&[u64; 13]) -> [u64; 12],
    count: usize,
) -> Done {
    let (agent, endpoint, reply) = bare(w, &patterned(pc, x))?;
    let fault = recv(endpoint, reply);
    note(fault.info.label());
    let registers = [0, 0, fault.word(0), fault.word(1), fault.word(2), fault.word(3), 0, 0, 0];
    let old = core::array::from_fn(|index| word(&registers, index));
    let new = words(&old);
    send(reply, label, new.get(..count).unwrap_or(&new), &[]);
    w.settle();
    let next = crate::call::nb_recv(endpoint, reply);
    note(next.info.label());
    let now = read(agent.tcb);
    note(now[0].wrapping_sub(pc as *const () as u64));
    note(now[1]);
    note(now[2] & 0xf000_0000);
    note(now[3]);
    Ok(())
}

/// A thread that reads the window, where nothing is mapped, and sends the word to `a[1]`.
fn reader(a: Arguments) {
    let word = peek(a[0]);
    send(a[1], 1, &[word], &[]);
}

/// Its handler; the fault is there.
fn faulted(w: &mut World) -> Result<(Agent, CPtr, CPtr), Trouble> {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], reader)?;
    agent.set_fault_handler(endpoint).must("no fault handler")?;
    agent.resume().must("cannot be resumed")?;
    Ok((agent, endpoint, reply))
}

/// One that uses a call number that is none.
const NO_CALL: &[(u8, u64)] = &[(7, 1234)];

cases! {
    // The address, the phase (1 receive), the kind, its words.
    "recv.err01_beyond_the_guard" => [1, 7, 1 << 32, 1, 4, 64, 0, 60], |w| cap_fault(w, |_| {
        let _ = recv(1 << 32, REPLY);
    });
    "recv.err02_without_read" => [1, 5, WITHOUT_READ, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = recv(WITHOUT_READ, REPLY);
    });
    "recv.err03_notification_without_read" => [1, 5, UNREADABLE, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = recv(UNREADABLE, REPLY);
    });
    "recv.err04_other_kind" => [1, 5, REPLY, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = recv(REPLY, REPLY);
    });
    "recv.err04_null" => [1, 5, EMPTY, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = recv(EMPTY, REPLY);
    });
    "recv.err05_reply_beyond_the_guard" => [1, 7, 1 << 33, 1, 4, 64, 0, 60], |w| cap_fault(w, |_| {
        let _ = recv(FULL, 1 << 33);
    });
    "recv.err05_reply_is_none" => [1, 5, FULL, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = recv(FULL, FULL);
    });
    "nb_recv.err01_beyond_the_guard" => [1, 7, 1 << 32, 1, 4, 64, 0, 60], |w| cap_fault(w, |_| {
        let _ = crate::call::nb_recv(1 << 32, REPLY);
    });
    "nb_recv.err05_reply_is_none" => [1, 5, EMPTY, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = crate::call::nb_recv(FULL, EMPTY);
    });
    "wait.err02_without_read" => [1, 5, WITHOUT_READ, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = wait(WITHOUT_READ);
    });
    "nb_wait.err04_null" => [1, 5, EMPTY, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = crate::call::nb_wait(EMPTY);
    });
    "reply_recv.err05_reply_is_none" => [1, 5, NOTIFICATION, 1, 2, 0], |w| cap_fault(w, |_| {
        let _ = reply_recv(FULL, NOTIFICATION, 0, &[]);
    });
    "send.err02_beyond_the_guard" => [1, 7, 1 << 32, 0, 4, 64, 0, 60], |w| cap_fault(w, |_| send(1 << 32, 0, &[], &[]));
    "call.err02_beyond_the_guard" => [1, 7, u64::MAX, 0, 4, 64, 0, 60], |w| cap_fault(w, |_| {
        let _ = call(u64::MAX, 0u64, &[], &[]);
    });
    "send.err03_extra_capability" => [1, 7, 1 << 34, 0, 4, 64, 0, 60], |w| {
        cap_fault(w, |_| send(FULL, 0, &[], &[EMPTY, 1 << 34]))
    };
    "nb_send.failed_lookups_are_silent" => [1, 7, 16, 0, 4, 64, 0, 60], |w| cap_fault(w, |_| {
        nb_send(1 << 32, 0, &[], &[]);
        nb_send(FULL, 0, &[], &[1 << 34]);
        send(16, 0, &[], &[]);
    });
    "recv.no_cspace_is_an_invalid_root" => [1, 4, FULL, 1, 1], |w| {
        // Its CSpace is taken away by revoking the capability that it is a copy of.
        let (handler, reply, cspace) = (w.endpoint()?, w.reply()?, w.cnode(4)?);
        let agent = w.prepare(0, 100, [0; 6], |_| {
            let _ = recv(FULL, FULL);
        })?;
        call(agent.tcb, L::TcbSetSpace, &[60, 0], &[handler, cspace, VSPACE]).must("cannot be set")?;
        crate::world::revoke(cspace).must("cannot be revoked")?;
        agent.resume().must("cannot be resumed")?;
        let fault = recv(handler, reply);
        note(fault.info.label());
        note(fault.info.length() as u64);
        (1..fault.info.length()).for_each(|index| note(fault.word(index)));
        Ok(())
    };

    "fault.vm.read" => [6, 4, 0, WINDOW, 0, 0x9200_0007], |w| bare_fault(w, bare_load, &[(0, WINDOW)]);
    "fault.vm.read_without_tables" => [6, 4, 0, 1 << 46, 0, 0x9200_0004], |w| bare_fault(w, bare_load, &[(0, 1 << 46)]);
    "fault.vm.read_of_the_kernel" => [6, 4, 0, 0xffff_ff80_4000_0000, 0, 0x9200_0004], |w| {
        let mut seen = Ok(());
        let (_, endpoint, reply) = bare(w, &patterned(bare_load, &[(0, 0xffff_ff80_4000_0000)]))?;
        let fault = recv(endpoint, reply);
        note_all(&[fault.info.label(), fault.info.length() as u64]);
        note(fault.word(0).wrapping_sub(bare_load as *const () as u64));
        note_all(&[fault.word(1), fault.word(2)]);
        // Which level fails is the kernel's affair: permission or translation.
        note(fault.word(3) & !0xf | 4);
        if fault.word(3) & 0x30 != 0 {
            seen = Err(Trouble("no fault of translation or permission"));
        }
        seen
    };
    "fault.exception.undefined" => [3, 5, 0, 0xa0_0010, 0x6000_0000, 0x0200_0000, 0], |w| exception(w, bare_undefined);
    "fault.exception.breakpoint" => [3, 5, 0, 0xa0_0010, 0x6000_0000, 0xf200_0003, 0], |w| exception(w, bare_break);
    "fault.exception.register_of_the_kernel" => [3, 5, 0, 0xa0_0010, 0x6000_0000, 0x0200_0000, 0], |w| {
        exception(w, bare_privileged)
    };
    "fault.exception.interrupt_mask" => [3, 5, 0, 0xa0_0010, 0x6000_0000, 0x6207_93e4, 0], |w| exception(w, bare_mask);
    "fault.exception.floating_point_switched_off" => [3, 5, 0, 0x1fe0_0000], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let agent = w.prepare(0, 100, [0; 6], |_| {})?;
        agent.set_fault_handler(endpoint).must("no fault handler")?;
        let pc = bare_float as *const () as u64;
        call(agent.tcb, L::TcbWriteRegisters, &[0, 1, pc], &[]).must("cannot be written")?;
        call(agent.tcb, L::TcbSetFlags, &[0, 1], &[]).must("no flag")?;
        agent.resume().must("cannot be resumed")?;
        let fault = recv(endpoint, reply);
        note_all(&[fault.info.label(), fault.info.length() as u64, fault.word(0).wrapping_sub(pc), fault.word(3)]);
        Ok(())
    };
    "fault.exception.floating_point_works_otherwise" => [3, 4], |w| {
        let (_, endpoint, reply) = bare(w, &patterned(bare_float, &[]))?;
        let fault = recv(endpoint, reply);
        note(fault.info.label());
        note(fault.word(0).wrapping_sub(bare_float as *const () as u64));
        Ok(())
    };
    "fault.unknown_syscall.words" => [2, 13, 100, 0xa004, 0xa005, 0xa006, 0xa007, 0xa008, 0xa009, 1234, 0, 0xa0_0010, 4,
        0x6000_0000, 1234], |w| {
        let pc = bare_call as *const () as u64;
        let (_, endpoint, reply) = bare(w, &patterned(bare_call, &[(0, 100), (7, 1234)]))?;
        let fault = recv(endpoint, reply);
        let registers = [0, 0, fault.word(0), fault.word(1), fault.word(2), fault.word(3), 0, 0, 0];
        note(fault.info.label());
        note(fault.info.length() as u64);
        (0..8).for_each(|index| note(word(&registers, index)));
        note(word(&registers, 8).wrapping_sub(pc));
        note(word(&registers, 9));
        note(word(&registers, 10).wrapping_sub(pc));
        note(word(&registers, 11) & !0x1c0);
        note(word(&registers, 12));
        Ok(())
    };
    "fault.reply.unknown_syscall_goes_on_behind_it" => [2, 3, 4, 0xb00, 0x9000_0000, 0x55], |w| {
        answer(w, bare_call, NO_CALL, 0, |old| {
            [0x55, old[1], old[2], old[3], old[4], old[5], old[6], old[7], old[8] + 4, 0xb00, 0, 0x9000_001f]
        }, 12)
    };
    "fault.reply.unknown_syscall_without_words_repeats_it" => [2, 2, 0, 0xa0_0010, 0x6000_0000, 0xa003], |w| {
        answer(w, bare_call, NO_CALL, 0, |_| [0; 12], 0)
    };
    "fault.reply.unknown_syscall_fewer_words_leave_the_others" => [2, 2, 0, 0xa0_0010, 0x6000_0000, 0x66], |w| {
        answer(w, bare_call, NO_CALL, 0, |_| [0x66; 12], 1)
    };
    "fault.reply.unknown_syscall_with_a_label_stops" => [2, 0, 4, 0xb00, 0x6000_0000, 0x77], |w| {
        answer(w, bare_call, NO_CALL, 1, |old| {
            [0x77, 0, 0, 0, 0, 0, 0, old[7], old[8] + 4, 0xb00, 0, 0]
        }, 10)
    };
    "fault.reply.exception_goes_on_behind_it" => [3, 3, 4, 0xc00, 0x1000_0000, 0xa003], |w| {
        answer(w, bare_break, &[], 0, |old| [old[0] + 4, 0xc00, 0x1000_0000, 9, 9, 9, 9, 9, 9, 9, 9, 9], 3)
    };
    "fault.reply.exception_takes_three_words" => [3, 3, 4, 0xc00, 0x1000_0000, 0xa003], |w| {
        answer(w, bare_break, &[], 0, |old| [old[0] + 4, 0xc00, 0x1000_0000, 9, 9, 9, 9, 9, 9, 9, 9, 9], 12)
    };
    "fault.reply.exception_with_a_label_stops" => [3, 0, 4, 0xa0_0010, 0x6000_0000, 0xa003], |w| {
        answer(w, bare_break, &[], 7, |old| [old[0] + 4, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9], 1)
    };
    "fault.reply.vm_repeats_whatever_is_said" => [6, 6, 0, 0xa0_0010, 0x6000_0000, WINDOW], |w| {
        answer(w, bare_load, &[(0, WINDOW)], 9, |_| [5; 12], 12)
    };
    "fault.reply.cap_repeats_whatever_is_said" => [1, 1], |w| {
        let (_, handler, reply) = confined(w, |_| send(1 << 32, 0, &[], &[]))?;
        note(recv(handler, reply).info.label());
        note(reply_recv(handler, reply, 9, &[1, 2, 3]).info.label());
        Ok(())
    };
    "fault.handler.maps_a_page_and_the_thread_goes_on" => [6, 1, 0], |w| {
        let (_, endpoint, reply) = faulted(w)?;
        note(recv(endpoint, reply).info.label());
        let frame = w.frame()?;
        map(frame, VSPACE, WINDOW, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        let got = reply_recv(endpoint, reply, 0, &[]);
        note(got.info.label());
        note(got.word(0));
        Ok(())
    };
    "fault.handler.resumes_instead_of_a_reply" => [6, 1], |w| {
        let (agent, endpoint, reply) = faulted(w)?;
        note(recv(endpoint, reply).info.label());
        let frame = w.frame()?;
        map(frame, VSPACE, WINDOW, READ_WRITE, NO_CODE).must("cannot be mapped")?;
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "fault.handler.badge_is_that_of_its_capability" => [3, 6], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let badged = w.mint(endpoint, 9, 3)?;
        let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], reader)?;
        agent.set_fault_handler(badged).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        let fault = recv(endpoint, reply);
        note(fault.badge);
        note(fault.info.label());
        Ok(())
    };
    "fault.handler.none_makes_the_thread_inactive" => [0, 6], |w| {
        let (agent, endpoint, reply) = faulted_without_handler(w)?;
        w.settle();
        note(0);
        agent.set_fault_handler(endpoint).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "fault.handler.goes_with_its_capability" => [0], |w| {
        // Revoking what the thread's copy comes from takes the handler away.
        let (_, endpoint, _) = {
            let (endpoint, reply) = (w.endpoint()?, w.reply()?);
            let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], reader)?;
            agent.set_fault_handler(endpoint).must("no fault handler")?;
            crate::world::revoke(endpoint).must("cannot be revoked")?;
            agent.resume().must("cannot be resumed")?;
            w.settle();
            (agent, endpoint, reply)
        };
        let reply = w.reply()?;
        note(crate::call::nb_recv(endpoint, reply).badge);
        Ok(())
    };
    "fault.handler.without_a_reply_object_the_thread_stops" => [6, 0, 6], |w| {
        let (agent, endpoint, reply) = faulted(w)?;
        note(wait(endpoint).info.label());
        w.settle();
        note(0);
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "fault.queued.cancel_badged_sends_makes_it_inactive" => [0, 0, 6], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let badged = w.mint(endpoint, ALL, 3)?;
        let agent = w.prepare(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], reader)?;
        agent.set_fault_handler(badged).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        call(crate::world::ROOT, L::CNodeCancelBadgedSends, &[badged, DEPTH], &[]).note();
        w.settle();
        note(crate::call::nb_recv(endpoint, reply).badge);
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "fault.queued.deleting_the_endpoint_makes_it_inactive" => [0, 6], |w| {
        let (agent, endpoint, reply) = faulted(w)?;
        w.settle();
        // The thread's own copy goes too.
        crate::world::revoke(endpoint).must("cannot be revoked")?;
        delete(endpoint).must("cannot be deleted")?;
        w.settle();
        note(0);
        let other = w.endpoint()?;
        agent.set_fault_handler(other).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        note(recv(other, reply).info.label());
        Ok(())
    };
    "fault.donation.a_passive_handler_runs_on_the_faulters_time" => [6, 1], |w| {
        let (endpoint, reply, ready, done) = (w.endpoint()?, w.reply()?, w.notification()?, w.endpoint()?);
        let frame = w.frame()?;
        let handler = w.passive(1, 101, [endpoint, reply, ready, frame, 0, 0], |a| {
            let mut got = crate::call::nb_send_recv(a[2], a[0], a[1], 0, &[]);
            loop {
                note(got.info.label());
                let _ = map(a[3], VSPACE, WINDOW, READ_WRITE, NO_CODE);
                got = reply_recv(a[0], a[1], 0, &[]);
            }
        })?;
        let start = w.long_context()?;
        call(start, L::SchedContextBind, &[], &[handler.tcb]).must("cannot be bound")?;
        handler.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(start, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        let agent = w.prepare(0, 100, [WINDOW, done, 0, 0, 0, 0], reader)?;
        agent.set_fault_handler(endpoint).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        note(wait(done).info.label());
        Ok(())
    };
    "fault.syscall.yield_is_none" => [3, 4], |w| {
        let number = Syscall::Yield.number().cast_unsigned();
        let (_, endpoint, reply) = bare(w, &patterned(bare_call, &[(7, number)]))?;
        let fault = recv(endpoint, reply);
        note(fault.info.label());
        note(fault.word(0).wrapping_sub(bare_call as *const () as u64));
        Ok(())
    };
}

/// A thread that faults and has no handler; an endpoint and a reply object for later.
fn faulted_without_handler(w: &mut World) -> Result<(Agent, CPtr, CPtr), Trouble> {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    let agent = w.start(0, 100, [WINDOW, endpoint, 0, 0, 0, 0], reader)?;
    Ok((agent, endpoint, reply))
}
