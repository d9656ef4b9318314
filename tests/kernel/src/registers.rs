//! Which registers a system call changes: those of kernel ABI 1.3, and no other. And calls that are none.

use mach_sys::CPtr;
use mach_sys::abi::registers::{CONTEXT, CONTEXT_REGISTERS, Register};
use mach_sys::abi::{InvocationLabel as L, MessageInfo, Syscall};

use crate::call::{call, recv, signal, word};
use crate::case::{Done, Trouble, cases};
use crate::start::{bare_call, keep_floats};
use crate::trace::note;
use crate::world::{Must, ROOT, World, mint};

/// What each register is before the call, unless a case says otherwise.
const fn pattern(index: usize) -> u64 {
    0xa000 + index as u64
}

/// Sets general register `number` of a register file.
fn set(words: &mut [u64; CONTEXT_REGISTERS], number: u8, value: u64) {
    let place = CONTEXT.iter().position(|register| *register == Register::X(number));
    if let Some(word) = place.and_then(|place| words.get_mut(place)) {
        *word = value;
    }
}

/// The registers of a thread that is about to execute one instruction, by their place in a register file.
pub(crate) fn patterned(pc: extern "C" fn() -> !, x: &[(u8, u64)]) -> [u64; CONTEXT_REGISTERS] {
    let mut words: [u64; CONTEXT_REGISTERS] = core::array::from_fn(pattern);
    words[0] = pc as *const () as u64;
    words[1] = 0xa0_0010;
    words[2] = 0x6000_0000;
    x.iter().for_each(|(number, value)| set(&mut words, *number, *value));
    words
}

/// A thread that starts with these registers, its handler's endpoint and reply object.
pub(crate) fn bare(
    w: &mut World,
    registers: &[u64; CONTEXT_REGISTERS],
) -> Result<(crate::agent::Agent, CPtr, CPtr), Trouble> {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    let agent = w.prepare(0, 100, [0; 6], |_| {})?;
    agent.set_fault_handler(endpoint).must("no fault handler")?;
    let mut words = [0; CONTEXT_REGISTERS + 2];
    words[1] = CONTEXT_REGISTERS as u64;
    words.iter_mut().skip(2).zip(registers).for_each(|(to, from)| *to = *from);
    call(agent.tcb, L::TcbWriteRegisters, &words, &[]).must("cannot be written")?;
    agent.resume().must("cannot be resumed")?;
    Ok((agent, endpoint, reply))
}

/// The registers of a thread.
pub(crate) fn read(tcb: CPtr) -> [u64; CONTEXT_REGISTERS] {
    let answer = call(tcb, L::TcbReadRegisters, &[0, CONTEXT_REGISTERS as u64], &[]);
    let x = [0, 0, answer.word(0), answer.word(1), answer.word(2), answer.word(3), 0, 0, 0];
    core::array::from_fn(|index| word(&x, index))
}

/// Makes one call with `x` in the registers that it reads; notes each register that it changed, with its value.
pub(crate) fn changes(w: &mut World, number: i64, x: &[(u8, u64)]) -> Done {
    let mut before = patterned(bare_call, x);
    set(&mut before, 7, number.cast_unsigned());
    let (agent, endpoint, reply) = bare(w, &before)?;
    let fault = recv(endpoint, reply);
    if fault.info.label() != 3 {
        return Err(Trouble("the thread did not come to its breakpoint"));
    }
    let after = read(agent.tcb);
    for (index, (old, new)) in before.iter().zip(after).enumerate() {
        match CONTEXT.get(index) {
            Some(Register::Pc) => note(new - old),
            Some(Register::Spsr) => note(u64::from((new ^ old) & 0xf000_0000 != 0)),
            Some(Register::X(number)) if *old != new => {
                note(u64::from(*number));
                note(new);
            }
            Some(_) if *old != new => note(0x100 + index as u64),
            _ => {}
        }
    }
    Ok(())
}

/// A message with a label, `length` words and `caps` capabilities.
const fn info(label: u64, caps: u64, length: u64) -> u64 {
    MessageInfo::new(label, 0, caps, length).0
}

/// A number that is no system call: its fault's label, length, and the number.
pub(crate) fn unknown(w: &mut World, number: i64) -> Done {
    let (_, endpoint, reply) = bare(w, &patterned(bare_call, &[(7, number.cast_unsigned())]))?;
    let fault = recv(endpoint, reply);
    note(fault.info.label());
    note(fault.info.length() as u64);
    note(fault.word(7));
    Ok(())
}

cases! {
    // The program counter is four further, the flags are as they were: [4, 0].
    "syscall.registers.yield" => [4, 0], |w| changes(w, Syscall::Yield.number(), &[]);
    "syscall.registers.send_that_is_refused" => [4, 0], |w| changes(w, Syscall::Send.number(), &[(0, ROOT), (1, 0)]);
    "syscall.registers.nb_send_to_an_empty_slot" => [4, 0], |w| changes(w, Syscall::NbSend.number(), &[(0, 0), (1, 0)]);
    "syscall.registers.send_signals" => [4, 0, 5], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 5)?;
        changes(w, Syscall::Send.number(), &[(0, badged), (1, 0)])?;
        note(crate::call::nb_wait(notification).badge);
        Ok(())
    };
    "syscall.registers.poll_that_finds_nothing" => [4, 0, 0, 0], |w| {
        let notification = w.notification()?;
        changes(w, Syscall::NbWait.number(), &[(0, notification)])
    };
    "syscall.registers.poll_of_an_endpoint_that_finds_nothing" => [4, 0, 0, 0], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        changes(w, Syscall::NbRecv.number(), &[(0, endpoint), (6, reply)])
    };
    "syscall.registers.wait_that_finds_a_signal" => [4, 0, 0, 5], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 5)?;
        signal(badged);
        changes(w, Syscall::Wait.number(), &[(0, notification)])
    };
    "syscall.registers.recv_that_finds_a_signal_ignores_the_reply_object" => [4, 0, 0, 5], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 5)?;
        signal(badged);
        changes(w, Syscall::Recv.number(), &[(0, notification), (6, 0)])
    };
    "syscall.registers.call_without_results" => [4, 0, 0, 0, 1, 0], |w| {
        let tcb = w.tcb()?;
        changes(w, Syscall::Call.number(), &[(0, tcb), (1, info(L::TcbSuspend.number(), 0, 0))])
    };
    "syscall.registers.call_with_a_result" => [4, 0, 0, 0, 1, 1, 2, 1], |w| {
        let tcb = w.tcb()?;
        changes(w, Syscall::Call.number(), &[(0, tcb), (1, info(L::TcbSetFlags.number(), 0, 2)), (2, 0), (3, 1)])
    };
    "syscall.registers.call_that_is_refused" => [4, 0, 0, 0, 1, info(3, 0, 0)], |w| {
        changes(w, Syscall::Call.number(), &[(0, ROOT), (1, 0)])
    };
    "syscall.registers.call_that_is_refused_with_words" => [4, 0, 0, 0, 1, info(4, 0, 2), 2, 1, 3, 64], |w| {
        let delete = info(L::CNodeDelete.number(), 0, 2);
        changes(w, Syscall::Call.number(), &[(0, ROOT), (1, delete), (2, 0), (3, 65)])
    };
    "syscall.registers.call_to_a_notification" => [4, 0, 0, 0, 1, 0], |w| {
        let notification = w.notification()?;
        changes(w, Syscall::Call.number(), &[(0, notification), (1, info(9, 0, 2))])
    };
    "syscall.registers.call_to_a_reply_object_that_is_free" => [4, 0, 0, 0, 1, 0], |w| {
        let reply = w.reply()?;
        changes(w, Syscall::Call.number(), &[(0, reply), (1, info(9, 0, 2))])
    };
    "syscall.registers.nb_send_recv_whose_first_phase_is_refused" => [4, 0, 0, 5], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 5)?;
        signal(badged);
        changes(w, Syscall::NbSendRecv.number(), &[(0, notification), (1, 0), (6, 0), (8, ROOT)])
    };
    "syscall.registers.nb_send_wait_to_an_empty_slot" => [4, 0, 0, 5], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 5)?;
        signal(badged);
        changes(w, Syscall::NbSendWait.number(), &[(0, notification), (1, 0), (6, 0)])
    };
    "syscall.registers.a_message_that_arrives" => [4, 0, 0, 9, 1, info(7, 0, 2), 2, 11, 3, 12], |w| {
        let endpoint = w.endpoint()?;
        let badged = w.mint(endpoint, 15, 9)?;
        w.start(1, 101, [badged, 0, 0, 0, 0, 0], |a| crate::call::send(a[0], 7, &[11, 12], &[]))?;
        w.settle();
        changes(w, Syscall::Wait.number(), &[(0, endpoint)])
    };
    "registers.floating_point_is_each_threads_own" => [0, 0, 0], |w| {
        for number in 0..3 {
            w.start(number, 100, [number << 40 | 0x77, 0, 0, 0, 0, 0], |a| note(keep_floats(a[0], 50)))?;
        }
        w.settle();
        Ok(())
    };
    "syscall.unknown.0" => [2, 13, 0], |w| unknown(w, 0);
    "syscall.unknown.set_tls_base" => [2, 13, (-33_i64).cast_unsigned()], |w| unknown(w, -33);
    "syscall.unknown.vm_enter" => [2, 13, (-32_i64).cast_unsigned()], |w| unknown(w, -32);
    "syscall.unknown.32_bits_of_yield" => [2, 13, 0xffff_fff5], |w| unknown(w, 0xffff_fff5);
    "syscall.unknown.beyond_all" => [2, 13, i64::MIN.cast_unsigned()], |w| unknown(w, i64::MIN);
    "syscall.first_phase.refuses_these_kinds_silently" => [4, 0, 0, 0, 4, 0, 0, 0], |w| {
        // A TCB is not suspended, and a CNode's slot not deleted, as first phase of a call.
        let (tcb, endpoint) = (w.tcb()?, w.endpoint()?);
        let polled = w.notification()?;
        signal(polled);
        let suspend = info(L::TcbSuspend.number(), 0, 0);
        changes(w, Syscall::NbSendRecv.number(), &[(0, polled), (1, suspend), (6, 0), (8, tcb)])?;
        signal(polled);
        let delete = info(L::CNodeDelete.number(), 0, 2);
        changes(w, Syscall::NbSendRecv.number(), &[(0, polled), (1, delete), (2, endpoint), (3, 64), (6, 0), (8, ROOT)])?;
        let slot = w.slot();
        mint(endpoint, slot, 15, 1).must("the endpoint is gone")
    };
}
