//! Threads: kernel ABI 3.3 and 4.2.

use mach_sys::CPtr;
use mach_sys::abi::registers::CONTEXT_REGISTERS;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::call::{Label, call, recv, signal, wait};
use crate::case::{ALIGNMENT, Done, ILLEGAL, OK, REVOKE_FIRST, TRUNCATED, Trouble, capability, cases, range};
use crate::trace::note;
use crate::world::{CONTEXT_BITS, DEPTH, Must, OWN_CONTEXT, ROOT, TCB, VSPACE, World, delete, retype};

/// A label with words and caps to a new thread.
fn ask(w: &mut World, label: impl Label, words: &[u64], caps: &[CPtr]) -> Done {
    let tcb = w.tcb()?;
    call(tcb, label, words, caps).note();
    Ok(())
}

/// A page of a device.
fn device_frame(w: &mut World) -> Result<CPtr, Trouble> {
    let slot = w.slot();
    retype(w.device, O::SmallPage, 0, slot, 1).must("no device page")?;
    Ok(slot)
}

/// An untyped that cannot be copied.
fn parent(w: &mut World) -> Result<CPtr, Trouble> {
    let (untyped, slot) = (w.untyped(12)?, w.slot());
    retype(untyped, O::Endpoint, 0, slot, 1).must("no endpoint")?;
    Ok(untyped)
}

/// A thread that holds the last capability to its CSpace.
fn owner(w: &mut World) -> Result<CPtr, Trouble> {
    let (tcb, cnode) = (w.tcb()?, w.cnode(2)?);
    call(tcb, L::TcbConfigure, &[0, 0, 0], &[cnode, VSPACE, 0]).must("cannot be configured")?;
    delete(cnode).must("cannot be deleted")?;
    Ok(tcb)
}

/// A thread that is blocked, and has no scheduling context.
fn blocked(w: &mut World) -> Result<CPtr, Trouble> {
    let (endpoint, context) = (w.endpoint()?, w.long_context()?);
    let agent = w.passive(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
        let _ = wait(a[0]);
    })?;
    call(context, L::SchedContextBind, &[], &[agent.tcb]).must("cannot be bound")?;
    agent.resume().must("cannot be resumed")?;
    w.settle();
    call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
    Ok(agent.tcb)
}

/// Configure with this buffer address and these roots.
fn configure(w: &mut World, address: u64, caps: [CPtr; 3]) -> Done {
    ask(w, L::TcbConfigure, &[0, 0, address], &caps)
}

/// Whether the fault handlers that are no good are refused: with which capability number.
fn bad_handlers(w: &mut World, install: fn(CPtr, CPtr) -> crate::call::Answer) -> Done {
    let (tcb, endpoint, notification) = (w.tcb()?, w.endpoint()?, w.notification()?);
    let (unwritable, ungranted) = (w.copy(endpoint, 14)?, w.copy(endpoint, 3)?);
    for handler in [notification, unwritable, ungranted, ROOT] {
        install(tcb, handler).note();
    }
    Ok(())
}

/// Those that are good: null, and Write with one of the grants.
fn good_handlers(w: &mut World, install: fn(CPtr, CPtr) -> crate::call::Answer) -> Done {
    let (tcb, endpoint, empty) = (w.tcb()?, w.endpoint()?, w.slot());
    let (granting, replying) = (w.copy(endpoint, 5)?, w.mint(endpoint, 9, 3)?);
    for handler in [endpoint, granting, replying, empty] {
        install(tcb, handler).note();
    }
    Ok(())
}

fn set_sched_params(tcb: CPtr, caps: [CPtr; 3], mcp: u64, priority: u64) -> Done {
    call(tcb, L::TcbSetSchedParams, &[mcp, priority], &caps).note();
    Ok(())
}

cases! {
    "tcb.common.err01_other_label" => ILLEGAL, |w| ask(w, L::UntypedRetype, &[], &[]);
    "tcb.common.err01_label_18" => ILLEGAL, |w| ask(w, 18, &[], &[]);

    "tcb.read_registers.err01_one_word" => TRUNCATED, |w| ask(w, L::TcbReadRegisters, &[0], &[]);
    "tcb.read_registers.err02_none" => range(1, 36), |w| ask(w, L::TcbReadRegisters, &[0, 0], &[]);
    "tcb.read_registers.err02_37" => range(1, 36), |_| {
        // Before the target is looked at.
        call(TCB, L::TcbReadRegisters, &[0, 37], &[]).note();
        Ok(())
    };
    "tcb.read_registers.err03_of_itself" => ILLEGAL, |_| {
        call(TCB, L::TcbReadRegisters, &[0, 1], &[]).note();
        Ok(())
    };
    "tcb.write_registers.err01_one_word" => TRUNCATED, |w| ask(w, L::TcbWriteRegisters, &[0], &[]);
    "tcb.write_registers.err02_fewer_words_than_said" => TRUNCATED, |_| {
        call(TCB, L::TcbWriteRegisters, &[0, 2, 1], &[]).note();
        Ok(())
    };
    "tcb.write_registers.err03_of_itself" => ILLEGAL, |_| {
        call(TCB, L::TcbWriteRegisters, &[0, 0], &[]).note();
        Ok(())
    };
    "tcb.copy_registers.err01_no_word" => TRUNCATED, |w| ask(w, L::TcbCopyRegisters, &[], &[TCB]);
    "tcb.copy_registers.err01_no_source" => TRUNCATED, |w| ask(w, L::TcbCopyRegisters, &[0], &[]);
    "tcb.copy_registers.err02_source_is_no_thread" => capability(1), |w| ask(w, L::TcbCopyRegisters, &[0], &[ROOT]);

    "tcb.configure.err01_two_words" => TRUNCATED, |w| ask(w, L::TcbConfigure, &[0, 0], &[ROOT, VSPACE, 0]);
    "tcb.configure.err01_two_capabilities" => TRUNCATED, |w| ask(w, L::TcbConfigure, &[0, 0, 0], &[ROOT, VSPACE]);
    "tcb.configure.err02_buffer_cannot_be_derived" => REVOKE_FIRST, |w| {
        let untyped = parent(w)?;
        configure(w, 0x1008, [TCB, TCB, untyped])
    };
    "tcb.configure.err03_buffer_is_no_frame" => ILLEGAL, |w| configure(w, 0x1008, [TCB, TCB, TCB]);
    "tcb.configure.err04_buffer_is_a_device" => ILLEGAL, |w| {
        let frame = device_frame(w)?;
        configure(w, 0x1008, [TCB, TCB, frame])
    };
    "tcb.configure.err05_buffer_is_not_aligned" => ALIGNMENT, |w| {
        let frame = w.frame()?;
        configure(w, 0x1200, [TCB, TCB, frame])
    };
    "tcb.configure.err06_its_cspace_would_go" => ILLEGAL, |w| {
        let (tcb, untyped) = (owner(w)?, parent(w)?);
        call(tcb, L::TcbConfigure, &[0, 0, 0], &[untyped, VSPACE, 0]).note();
        Ok(())
    };
    "tcb.configure.err07_cspace_cannot_be_derived" => REVOKE_FIRST, |w| {
        let untyped = parent(w)?;
        configure(w, 0, [untyped, TCB, 0])
    };
    "tcb.configure.err08_cspace_is_no_cnode" => ILLEGAL, |w| configure(w, 0, [0, VSPACE, 0]);
    "tcb.configure.err08_guard_does_not_fit" => ILLEGAL, |w| {
        let cnode = w.cnode(4)?;
        ask(w, L::TcbConfigure, &[61, 0, 0], &[cnode, VSPACE, 0])
    };
    "tcb.configure.err09_space_without_an_asid" => ILLEGAL, |w| {
        let space = w.object(O::VSpace, 0)?;
        configure(w, 0, [ROOT, space, 0])
    };
    "tcb.configure.err09_space_cannot_be_derived" => REVOKE_FIRST, |w| {
        let untyped = parent(w)?;
        configure(w, 0, [ROOT, untyped, 0])
    };
    "tcb.configure.err10_space_is_none" => ILLEGAL, |w| configure(w, 0, [ROOT, ROOT, 0]);
    "tcb.configure.without_a_buffer" => OK, |w| configure(w, 0, [ROOT, VSPACE, 0]);
    "tcb.configure.again" => [0, 0], |w| {
        let (tcb, frame) = (w.tcb()?, w.frame()?);
        call(tcb, L::TcbConfigure, &[0, 0, 0x1400], &[ROOT, VSPACE, frame]).note();
        call(tcb, L::TcbConfigure, &[0, 0, 0x1800], &[ROOT, VSPACE, frame]).note();
        Ok(())
    };

    "tcb.set_priority.err01_no_word" => TRUNCATED, |w| ask(w, L::TcbSetPriority, &[], &[TCB]);
    "tcb.set_priority.err01_no_authority" => TRUNCATED, |w| ask(w, L::TcbSetPriority, &[1], &[]);
    "tcb.set_priority.err02_authority_is_no_thread" => capability(1), |w| ask(w, L::TcbSetPriority, &[256], &[ROOT]);
    "tcb.set_priority.err03_beyond_the_authority" => range(0, 0), |w| {
        let authority = w.tcb()?;
        ask(w, L::TcbSetPriority, &[1], &[authority])
    };
    "tcb.set_priority.err03_beyond_all" => range(0, 255), |w| ask(w, L::TcbSetPriority, &[1 << 32], &[TCB]);
    "tcb.set_mc_priority.err01_no_word" => TRUNCATED, |w| ask(w, L::TcbSetMcPriority, &[], &[TCB]);
    "tcb.set_mc_priority.err01_no_authority" => TRUNCATED, |w| ask(w, L::TcbSetMcPriority, &[1], &[]);
    "tcb.set_mc_priority.err02_authority_is_no_thread" => capability(1), |w| ask(w, L::TcbSetMcPriority, &[256], &[0]);
    "tcb.set_mc_priority.err03_beyond_all" => range(0, 255), |w| ask(w, L::TcbSetMcPriority, &[256], &[TCB]);
    "tcb.set_mc_priority.below_the_priority" => [0, 0, 0, 4, 0, 5], |w| {
        let tcb = w.tcb()?;
        call(tcb, L::TcbSetPriority, &[100], &[TCB]).note();
        call(tcb, L::TcbSetMcPriority, &[5], &[TCB]).note();
        call(tcb, L::TcbSetPriority, &[5], &[tcb]).note();
        call(tcb, L::TcbSetPriority, &[6], &[tcb]).note();
        Ok(())
    };

    "tcb.set_sched_params.err01_one_word" => TRUNCATED, |w| ask(w, L::TcbSetSchedParams, &[1], &[TCB, 0, 0]);
    "tcb.set_sched_params.err01_two_capabilities" => TRUNCATED, |w| ask(w, L::TcbSetSchedParams, &[1, 1], &[TCB, 0]);
    "tcb.set_sched_params.err02_authority_is_no_thread" => capability(1), |w| {
        ask(w, L::TcbSetSchedParams, &[256, 256], &[ROOT, ROOT, ROOT])
    };
    "tcb.set_sched_params.err03_mcp_beyond_the_authority" => range(0, 0), |w| {
        let authority = w.tcb()?;
        ask(w, L::TcbSetSchedParams, &[1, 0], &[authority, ROOT, ROOT])
    };
    "tcb.set_sched_params.err04_priority_beyond_the_authority" => range(0, 255), |w| {
        ask(w, L::TcbSetSchedParams, &[255, 256], &[TCB, ROOT, ROOT])
    };
    "tcb.set_sched_params.err05_thread_has_another" => ILLEGAL, |w| {
        let (tcb, own, other) = (w.tcb()?, w.raw_context()?, w.raw_context()?);
        call(own, L::SchedContextBind, &[], &[tcb]).must("cannot be bound")?;
        set_sched_params(tcb, [TCB, other, ROOT], 0, 0)
    };
    "tcb.set_sched_params.err06_context_has_another" => ILLEGAL, |w| {
        let tcb = w.tcb()?;
        set_sched_params(tcb, [TCB, OWN_CONTEXT, ROOT], 0, 0)
    };
    "tcb.set_sched_params.err07_blocked_and_not_released" => ILLEGAL, |w| {
        let (tcb, context) = (blocked(w)?, w.raw_context()?);
        set_sched_params(tcb, [TCB, context, ROOT], 0, 0)
    };
    "tcb.set_sched_params.err08_own_context_away" => ILLEGAL, |_| set_sched_params(TCB, [TCB, 0, ROOT], 255, 255);
    "tcb.set_sched_params.err09_is_no_context" => capability(2), |w| {
        ask(w, L::TcbSetSchedParams, &[1, 1], &[TCB, ROOT, ROOT])
    };
    "tcb.set_sched_params.err10_handlers" => [2, 3, 2, 3, 2, 3, 2, 3], |w| {
        bad_handlers(w, |tcb, handler| call(tcb, L::TcbSetSchedParams, &[1, 1], &[TCB, 0, handler]))
    };
    "tcb.set_sched_params.handlers_that_are_good" => [0; 4], |w| {
        good_handlers(w, |tcb, handler| call(tcb, L::TcbSetSchedParams, &[1, 1], &[TCB, 0, handler]))
    };
    "tcb.set_sched_params.binds_and_unbinds" => [0, 0, 0, 0, 3], |w| {
        let (tcb, context) = (w.tcb()?, w.raw_context()?);
        call(tcb, L::TcbSetSchedParams, &[1, 1], &[TCB, context, 0]).note();
        // Its own again.
        call(tcb, L::TcbSetSchedParams, &[1, 1], &[TCB, context, 0]).note();
        call(tcb, L::TcbSetSchedParams, &[1, 1], &[TCB, 0, 0]).note();
        call(context, L::SchedContextBind, &[], &[tcb]).note();
        call(context, L::SchedContextBind, &[], &[tcb]).note();
        Ok(())
    };

    "tcb.set_timeout_endpoint.err01_no_handler" => TRUNCATED, |w| ask(w, L::TcbSetTimeoutEndpoint, &[1], &[]);
    "tcb.set_timeout_endpoint.err02_handlers" => [2, 1, 2, 1, 2, 1, 2, 1], |w| {
        bad_handlers(w, |tcb, handler| call(tcb, L::TcbSetTimeoutEndpoint, &[], &[handler]))
    };
    "tcb.set_timeout_endpoint.handlers_that_are_good" => [0; 4], |w| {
        good_handlers(w, |tcb, handler| call(tcb, L::TcbSetTimeoutEndpoint, &[], &[handler]))
    };

    "tcb.set_ipc_buffer.err01_no_word" => TRUNCATED, |w| ask(w, L::TcbSetIpcBuffer, &[], &[TCB]);
    "tcb.set_ipc_buffer.err01_no_frame" => TRUNCATED, |w| ask(w, L::TcbSetIpcBuffer, &[0], &[]);
    "tcb.set_ipc_buffer.err02_cannot_be_derived" => REVOKE_FIRST, |w| {
        let untyped = parent(w)?;
        ask(w, L::TcbSetIpcBuffer, &[0x1008], &[untyped])
    };
    "tcb.set_ipc_buffer.err03_is_no_frame" => ILLEGAL, |w| ask(w, L::TcbSetIpcBuffer, &[0x1008], &[0]);
    "tcb.set_ipc_buffer.err04_is_a_device" => ILLEGAL, |w| {
        let frame = device_frame(w)?;
        ask(w, L::TcbSetIpcBuffer, &[0x1008], &[frame])
    };
    "tcb.set_ipc_buffer.err05_is_not_aligned" => ALIGNMENT, |w| {
        let frame = w.frame()?;
        ask(w, L::TcbSetIpcBuffer, &[0x1008], &[frame])
    };
    "tcb.set_ipc_buffer.address_0_takes_it_away" => OK, |w| ask(w, L::TcbSetIpcBuffer, &[0], &[0]);

    "tcb.set_space.err01_one_word" => TRUNCATED, |w| ask(w, L::TcbSetSpace, &[0], &[0, ROOT, VSPACE]);
    "tcb.set_space.err01_two_capabilities" => TRUNCATED, |w| ask(w, L::TcbSetSpace, &[0, 0], &[0, ROOT]);
    "tcb.set_space.err02_its_cspace_would_go" => ILLEGAL, |w| {
        let (tcb, untyped) = (owner(w)?, parent(w)?);
        call(tcb, L::TcbSetSpace, &[0, 0], &[0, untyped, VSPACE]).note();
        Ok(())
    };
    "tcb.set_space.err03_cspace_is_none" => ILLEGAL, |w| ask(w, L::TcbSetSpace, &[0, 0], &[ROOT, 0, VSPACE]);
    "tcb.set_space.err03_cspace_cannot_be_derived" => REVOKE_FIRST, |w| {
        let untyped = parent(w)?;
        ask(w, L::TcbSetSpace, &[0, 0], &[ROOT, untyped, VSPACE])
    };
    "tcb.set_space.err03_space_is_none" => ILLEGAL, |w| ask(w, L::TcbSetSpace, &[0, 0], &[ROOT, ROOT, TCB]);
    "tcb.set_space.err04_handlers" => [2, 1, 2, 1, 2, 1, 2, 1], |w| {
        bad_handlers(w, |tcb, handler| call(tcb, L::TcbSetSpace, &[0, 0], &[handler, ROOT, VSPACE]))
    };
    "tcb.set_space.handlers_that_are_good" => [0; 4], |w| {
        good_handlers(w, |tcb, handler| call(tcb, L::TcbSetSpace, &[0, 0], &[handler, ROOT, VSPACE]))
    };

    "tcb.bind_notification.err01_none" => TRUNCATED, |w| ask(w, L::TcbBindNotification, &[], &[]);
    "tcb.bind_notification.err02_thread_has_one" => [0, 3], |w| {
        let (tcb, first, second) = (w.tcb()?, w.notification()?, w.notification()?);
        call(tcb, L::TcbBindNotification, &[], &[first]).note();
        call(tcb, L::TcbBindNotification, &[], &[second]).note();
        Ok(())
    };
    "tcb.bind_notification.err03_is_no_notification" => ILLEGAL, |w| ask(w, L::TcbBindNotification, &[], &[ROOT]);
    "tcb.bind_notification.err04_without_read" => ILLEGAL, |w| {
        let notification = w.notification()?;
        let writable = w.copy(notification, 1)?;
        ask(w, L::TcbBindNotification, &[], &[writable])
    };
    "tcb.bind_notification.err05_is_bound" => ILLEGAL, |w| {
        let (tcb, notification) = (w.tcb()?, w.notification()?);
        call(tcb, L::TcbBindNotification, &[], &[notification]).must("cannot be bound")?;
        ask(w, L::TcbBindNotification, &[], &[notification])
    };
    "tcb.bind_notification.err05_is_waited_for" => ILLEGAL, |w| {
        let notification = w.notification()?;
        w.start(0, 100, [notification, 0, 0, 0, 0, 0], |a| {
            let _ = wait(a[0]);
        })?;
        w.settle();
        ask(w, L::TcbBindNotification, &[], &[notification])
    };
    "tcb.unbind_notification.err01_none_is_bound" => ILLEGAL, |w| ask(w, L::TcbUnbindNotification, &[], &[]);
    "tcb.unbind_notification.and_bind_again" => [0, 0, 0, 3], |w| {
        let (tcb, notification) = (w.tcb()?, w.notification()?);
        call(tcb, L::TcbBindNotification, &[], &[notification]).note();
        call(tcb, L::TcbUnbindNotification, &[], &[]).note();
        call(tcb, L::TcbBindNotification, &[], &[notification]).note();
        // The object goes, not only the capability that was used.
        delete(notification).must("cannot be deleted")?;
        call(tcb, L::TcbUnbindNotification, &[], &[]).note();
        Ok(())
    };

    "tcb.set_tls_base.err01_no_word" => TRUNCATED, |w| ask(w, L::TcbSetTlsBase, &[], &[]);
    "tcb.set_tls_base.is_in_the_registers" => [0, 0, 0x1234_5000], |w| {
        let tcb = w.tcb()?;
        call(tcb, L::TcbSetTlsBase, &[0x1234_5000], &[]).note();
        note(call(tcb, L::TcbReadRegisters, &[0, 36], &[]).info.label());
        note(crate::call::word(&[0; 9], 34));
        Ok(())
    };
    "tcb.set_flags.err01_one_word" => TRUNCATED, |w| ask(w, L::TcbSetFlags, &[1], &[]);
    "tcb.set_flags.only_the_known_one" => [0, 0, 0, 1, 0, 1, 0, 0, 0, 1], |w| {
        let tcb = w.tcb()?;
        for [clear, set] in [[0, 0], [0, u64::MAX], [0, 0], [1, 0], [1, 1]] {
            call(tcb, L::TcbSetFlags, &[clear, set], &[]).note();
        }
        Ok(())
    };

    "tcb.registers.all_come_back" => [0, 0, 36, 36], |w| {
        let tcb = w.tcb()?;
        let mut words = [0; CONTEXT_REGISTERS + 2];
        words.iter_mut().zip(0..).for_each(|(word, index)| *word = 0x1000 + index);
        (words[0], words[1]) = (0, CONTEXT_REGISTERS as u64);
        call(tcb, L::TcbWriteRegisters, &words, &[]).note();
        let answer = call(tcb, L::TcbReadRegisters, &[0, 36], &[]);
        note(answer.info.label());
        note(answer.info.length() as u64);
        let x = [0, 0, answer.word(0), answer.word(1), answer.word(2), answer.word(3), 0, 0, 0];
        // SPSR is not what was written: its flags are kept, the mode is the kernel's.
        let kept = (0..CONTEXT_REGISTERS).filter(|at| *at != 2 && crate::call::word(&x, *at) == 0x1002 + *at as u64);
        note(kept.count() as u64 + u64::from(answer.word(2) & 0x1f == 0));
        Ok(())
    };
    "tcb.registers.spsr_keeps_its_condition_flags_only" => [0, 0, 3, 0xf000_0000], |w| {
        let tcb = w.tcb()?;
        call(tcb, L::TcbWriteRegisters, &[0, 3, 1, 2, u64::MAX], &[]).note();
        let answer = call(tcb, L::TcbReadRegisters, &[0, 3], &[]);
        note(answer.info.label());
        note(answer.info.length() as u64);
        // Debug and release kernels mask different exceptions.
        note(answer.word(2) & !0x1c0);
        Ok(())
    };
    "tcb.registers.fewer_leave_the_others" => [0, 0, 0, 4, 7, 8, 0x1c0, 4], |w| {
        let tcb = w.tcb()?;
        call(tcb, L::TcbWriteRegisters, &[0, 4, 1, 2, 0, 4], &[]).note();
        call(tcb, L::TcbWriteRegisters, &[0, 2, 7, 8], &[]).note();
        let answer = call(tcb, L::TcbReadRegisters, &[0, 4], &[]);
        note(answer.info.label());
        note(answer.info.length() as u64);
        note(answer.word(0));
        note(answer.word(1));
        note(answer.word(2) | 0x1c0);
        note(answer.word(3));
        Ok(())
    };
    "tcb.registers.more_than_there_are_are_cut" => [0, 0, 1], |w| {
        let tcb = w.tcb()?;
        let words = [0, 38, 0x77, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
            25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38];
        call(tcb, L::TcbWriteRegisters, &words, &[]).note();
        let answer = call(tcb, L::TcbReadRegisters, &[0, 1], &[]);
        note(answer.info.label());
        note(u64::from(answer.word(0) == 0x77));
        Ok(())
    };
    "tcb.copy_registers.frame_then_integer" => [0, 0, 0x1002, 0, 0, 0x1017], |w| {
        let (source, dest) = (w.tcb()?, w.tcb()?);
        let mut words = [0; CONTEXT_REGISTERS + 2];
        words.iter_mut().zip(0..).for_each(|(word, index)| *word = 0x1000 + index);
        (words[0], words[1]) = (0, CONTEXT_REGISTERS as u64);
        call(source, L::TcbWriteRegisters, &words, &[]).must("cannot be written")?;
        for (flags, register) in [(4, 0), (8, 21)] {
            call(dest, L::TcbCopyRegisters, &[flags], &[source]).note();
            let answer = call(dest, L::TcbReadRegisters, &[0, 36], &[]);
            note(answer.info.label());
            let x = [0, 0, answer.word(0), answer.word(1), 0, 0, 0, 0, 0];
            note(crate::call::word(&x, register));
        }
        Ok(())
    };

    "tcb.resume.and_suspend_are_idle_where_there_is_nothing_to_do" => [0, 0, 0], |w| {
        let tcb = w.tcb()?;
        call(tcb, L::TcbSuspend, &[], &[]).note();
        call(TCB, L::TcbResume, &[], &[]).note();
        call(tcb, L::TcbSuspend, &[], &[]).note();
        Ok(())
    };
    "tcb.suspend.a_blocked_receiver_asks_again_when_resumed" => [0, 0, 5, 0], |w| {
        let (endpoint, empty) = (w.endpoint()?, w.slot());
        let agent = w.start(0, 100, [endpoint, empty, 0, 0, 0, 0], |a| wait(a[0]).note_with_badge())?;
        w.settle();
        agent.suspend().note();
        crate::call::nb_send(endpoint, 4, &[], &[]);
        agent.resume().note();
        w.settle();
        let badged = w.mint(endpoint, 15, 5)?;
        crate::call::nb_send(badged, 0, &[], &[]);
        w.settle();
        Ok(())
    };
    "tcb.suspend.a_caller_that_waits_for_its_reply_calls_again" => [1, 7, 1, 7], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let agent = w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| call(a[0], 1u64, &[7], &[]).note())?;
        recv(endpoint, reply).note();
        agent.suspend().must("cannot be suspended")?;
        agent.resume().must("cannot be resumed")?;
        recv(endpoint, reply).note();
        Ok(())
    };
    "tcb.suspend.of_itself_repeats_when_resumed" => [1, 1], |w| {
        let agent = w.start(0, 100, [0; 6], |_| note(1))?;
        w.settle();
        // It is suspended at the call by which it suspended itself; resumed, it makes that call again.
        agent.resume().must("cannot be resumed")?;
        w.settle();
        agent.load([0; 6], |_| note(1)).must("cannot be loaded")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "tcb.write_registers.resumes_if_asked" => [0, 9], |w| {
        let (ready, agent) = (w.notification()?, w.prepare(0, 100, [0; 6], |_| note(9))?);
        signal(ready);
        call(agent.tcb, L::TcbWriteRegisters, &[1, 0], &[]).note();
        w.settle();
        Ok(())
    };
    "tcb.read_registers.suspends_if_asked" => [0, 1, 0], |w| {
        let agent = w.start(0, 100, [0; 6], |_| note(9))?;
        let answer = call(agent.tcb, L::TcbReadRegisters, &[1, 1], &[]);
        note(answer.info.label());
        note(answer.info.length() as u64);
        w.settle();
        agent.suspend().note();
        Ok(())
    };
    "tcb.delete.of_its_last_capability_ends_it" => [0, 0, 0], |w| {
        let (endpoint, cspace) = (w.endpoint()?, w.cnode(2)?);
        let agent = w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| wait(a[0]).note())?;
        w.settle();
        delete(agent.tcb).note();
        crate::call::nb_send(endpoint, 4, &[], &[]);
        w.settle();
        delete(cspace).note();
        delete(endpoint).note();
        Ok(())
    };
    "tcb.context.new_ones_take_their_size" => [0, 0, 4, 0, 8], |w| {
        let context = w.object(O::SchedContext, CONTEXT_BITS)?;
        let words = [1000, 2000, 8, 0, 0];
        call(w.sched_control, L::SchedControlConfigureFlags, &words, &[context]).note();
        call(ROOT, L::CNodeDelete, &[context, DEPTH], &[]).note();
        let context = w.object(O::SchedContext, CONTEXT_BITS)?;
        call(w.sched_control, L::SchedControlConfigureFlags, &[1000, 2000, 9, 0, 0], &[context]).note();
        Ok(())
    };
}
