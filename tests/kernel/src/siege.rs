//! Prisoners: threads that own 2 MiB of memory, an address space and most authorities there are, and make system calls
//! at random. The kernel goes on, and whoever gave them their memory gets all of it back, as zeros.
//!
//! Each case is a row of prisons, with three prisoners in each, and a seed. `SIEGE_CALLS` and `SIEGE_SEED`, set when the
//! program is built, ask for more calls in each case and for other seeds.

use mach_sys::CPtr;
use mach_sys::abi::registers::{CONTEXT, CONTEXT_REGISTERS, Register};
use mach_sys::abi::{InvocationLabel as L, ObjectType as O, Syscall};

use crate::call::{call, signal, syscall, word};
use crate::case::{Done, Trouble, cases};
use crate::prisoner::{self, MULTIPLIER, TABLE, prisoner};
use crate::start::peek;
use crate::trace::note;
use crate::world::{
    ALL, ASID_CONTROL, CACHED, CONTEXT_BITS, DEPTH, DOMAIN, IRQ_CONTROL, Must, NO_CODE, NO_TABLE, PAGE, POOL, READ,
    READ_WRITE, ROOT, TCB, VSPACE, World, map, map_table, retype, revoke,
};

/// System calls of one case, and the seed of the first.
const CALLS: u64 = match option_env!("SIEGE_CALLS") {
    Some(text) => number(text),
    None => 20_000,
};
const SEED: u64 = match option_env!("SIEGE_SEED") {
    Some(text) => number(text),
    None => 1,
};

/// The memory of a prison, log2: a large page, so that it can be looked at.
const PRISON_BITS: u64 = 21;
/// log2 of the slots of the prisoners' CNode; the code knows them.
const RADIX: u64 = 6;
const PRISONERS: u64 = 3;
/// The prisoners' highest priority.
const PRIORITY: u64 = 100;
/// Where their IPC buffers are in their space.
const BUFFERS: u64 = 0x1000_0000;
/// The program's first page.
const IMAGE: u64 = 0x40_0000;
/// Rounds without a call after which a prison is given up: its prisoners have made themselves unable to go on.
const PATIENCE: u64 = 20;
/// An interrupt that they may have.
const SGI: u64 = 6;

/// The number that a text is, digits only.
const fn number(text: &str) -> u64 {
    let (bytes, mut value, mut at) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as u64;
        at += 1;
    }
    value
}

/// A prison: its memory, and the guard's own capabilities to what is in it.
struct Prison {
    memory: CPtr,
    cnode: CPtr,
    space: CPtr,
    tcbs: CPtr,
    contexts: CPtr,
    frames: CPtr,
}

impl Prison {
    fn new(w: &mut World) -> Result<Self, Trouble> {
        let memory = w.untyped(PRISON_BITS)?;
        let make = |w: &mut World, object, bits, count| {
            let slot = w.slots(count);
            retype(memory, object, bits, slot, count).must("a part of the prison cannot be made").map(|()| slot)
        };
        let plain = make(w, O::CNode, RADIX, 1)?;
        // A guard of zeros for all bits but those of a slot's number.
        let cnode = w.mint(plain, ALL, 64 - RADIX)?;
        let space = make(w, O::VSpace, 0, 1)?;
        call(POOL, L::AsidPoolAssign, &[], &[space]).must("no ASID")?;
        let prison = Self {
            memory,
            cnode,
            space,
            tcbs: make(w, O::Tcb, 0, PRISONERS)?,
            contexts: make(w, O::SchedContext, CONTEXT_BITS, PRISONERS)?,
            frames: make(w, O::SmallPage, 0, PRISONERS)?,
        };
        let tables = make(w, O::PageTable, 0, 4)?;
        for (table, address) in (tables..).zip([IMAGE, IMAGE, IMAGE, BUFFERS]) {
            map_table(table, space, address).must("a table cannot be mapped")?;
        }
        for (frame, address) in (prison.frames..prison.frames + PRISONERS).zip((BUFFERS..).step_by(PAGE as usize)) {
            map(frame, space, address, READ_WRITE, NO_CODE).must("a buffer cannot be mapped")?;
        }
        prison.map_code(w)?;
        prison.hand_over(w, plain)?;
        Ok(prison)
    }

    /// Maps the pages of the prisoners' code and table, read only.
    fn map_code(&self, w: &mut World) -> Done {
        let frames = w.boot.info().user_image_frames;
        let mut mapped = [0; 4];
        let starts = [prisoner as *const () as u64, (&raw const TABLE).addr() as u64];
        for (place, at) in mapped.iter_mut().zip(starts.iter().flat_map(|start| [*start, start + prisoner::BYTES])) {
            *place = at / PAGE * PAGE;
        }
        for (index, page) in mapped.iter().enumerate() {
            if mapped.iter().take(index).any(|other| other == page) {
                continue;
            }
            let copy = w.copy(frames.start + (page - IMAGE) / PAGE, READ)?;
            map(copy, self.space, *page, READ, CACHED).must("a page of the program cannot be mapped")?;
        }
        Ok(())
    }

    /// Puts copies of authorities and of all its parts, and fresh objects, into the prisoners' CNode.
    fn hand_over(&self, w: &mut World, cnode: CPtr) -> Done {
        let handler = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[SGI, handler, DEPTH], &[ROOT]).must("no handler")?;
        let raise = w.slot();
        call(IRQ_CONTROL, L::IrqIssueSgiSignal, &[SGI, 0, raise, DEPTH], &[ROOT]).must("no SGI")?;
        let authorities = [self.cnode, w.sched_control, ASID_CONTROL, POOL, DOMAIN, self.space, handler, raise];
        let parts = (self.tcbs..self.tcbs + PRISONERS)
            .chain(self.contexts..self.contexts + PRISONERS)
            .chain(self.frames..self.frames + PRISONERS);
        let mut next = 1;
        for cap in authorities.into_iter().chain(parts) {
            let words = [next, RADIX, cap, DEPTH, ALL];
            call(cnode, L::CNodeCopy, &words, &[ROOT]).must("a capability cannot be handed over")?;
            next += 1;
        }
        let fresh = [
            (O::Endpoint, 0, 3),
            (O::Notification, 0, 2),
            (O::Reply, 0, 3),
            (O::SchedContext, CONTEXT_BITS, 1),
            (O::PageTable, 0, 4),
            (O::SmallPage, 0, 3),
            (O::VSpace, 0, 1),
            (O::CNode, 3, 2),
            (O::Tcb, 0, 1),
        ];
        for (object, bits, count) in fresh {
            let words = [object.number(), bits, 0, 0, next, count];
            call(self.memory, L::UntypedRetype, &words, &[cnode]).must("an object cannot be handed over")?;
            next += count;
        }
        // The upper half of the memory: what lies below it and is not made by now is lost.
        let words = [O::Untyped.number(), PRISON_BITS - 1, 0, 0, next, 1];
        call(self.memory, L::UntypedRetype, &words, &[cnode]).must("no memory for the prisoners")
    }

    /// Makes a prisoner what it was at first, so far as it lets itself: spaces, buffer, priority, budget.
    fn restore(&self, w: &World, index: u64) {
        let (tcb, context) = (self.tcbs + index, self.contexts + index);
        let buffer = BUFFERS + index * PAGE;
        // Each of these may be refused: by what is there already, or by what the prisoners did.
        let _ = call(tcb, L::TcbConfigure, &[0, 0, buffer], &[self.cnode, self.space, self.frames + index]);
        let _ = call(tcb, L::TcbSetMcPriority, &[PRIORITY], &[TCB]);
        let _ = call(tcb, L::TcbSetPriority, &[PRIORITY - index], &[TCB]);
        let _ = w.configure(context, 2000, 4000, 9);
        let _ = call(context, L::SchedContextUnbind, &[], &[]);
        let _ = call(context, L::SchedContextBind, &[], &[tcb]);
    }

    /// Sends a prisoner to the start of its code with a new seed, and lets it run; how many calls it had made.
    fn kick(&self, index: u64, seed: u64) -> u64 {
        let tcb = self.tcbs + index;
        let answer = call(tcb, L::TcbReadRegisters, &[0, CONTEXT_REGISTERS as u64], &[]);
        let x = [0, 0, answer.word(0), answer.word(1), answer.word(2), answer.word(3), 0, 0, 0];
        let mut made = 0;
        let mut is_sane = false;
        for (place, register) in CONTEXT.iter().enumerate() {
            match register {
                Register::X(20) => made = word(&x, place),
                Register::X(23) => is_sane = word(&x, place) == MULTIPLIER,
                _ => {}
            }
        }
        let values = [
            (19, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            (20, 0),
            (21, (&raw const TABLE).addr() as u64),
            (22, BUFFERS + index * PAGE),
            (23, MULTIPLIER),
        ];
        let mut words = [0; CONTEXT_REGISTERS + 2];
        (words[0], words[1], words[2]) = (1, CONTEXT_REGISTERS as u64, prisoner as *const () as u64);
        for (place, register) in CONTEXT.iter().enumerate() {
            let value = values.iter().find(|(number, _)| *register == Register::X(*number));
            if let (Some((_, value)), Some(word)) = (value, words.get_mut(place + 2)) {
                *word = *value;
            }
        }
        let _ = call(tcb, L::TcbWriteRegisters, &words, &[]);
        // What a prisoner counts beyond reason, it did not make.
        if is_sane && made < 1 << 20 { made } else { 0 }
    }
}

/// Wakes whoever waits for quiet, twenty times a second: a prisoner may be busy for ever.
fn ticker(a: crate::agent::Arguments) {
    loop {
        signal(a[0]);
        syscall(Syscall::Yield, &mut [0; 9]);
    }
}

/// One prison from its building to its end: the calls made, and the words of its memory that are not zero afterwards.
fn life(w: &mut World, seed: &mut u64, wanted: u64) -> Result<(u64, u64), Trouble> {
    let tick = w.context(1000, 50_000)?;
    let idle = w.idle();
    let agent = w.passive(0, 254, [idle, 0, 0, 0, 0, 0], ticker)?;
    call(tick, L::SchedContextBind, &[], &[agent.tcb]).must("cannot be bound")?;
    let prison = Prison::new(w)?;
    agent.resume().must("cannot be resumed")?;
    (0..PRISONERS).for_each(|index| prison.restore(w, index));
    let (mut made, mut idle_rounds) = (0, 0);
    while made < wanted && idle_rounds < PATIENCE {
        let mut round = 0;
        for index in 0..PRISONERS {
            *seed += 1;
            round += prison.kick(index, *seed);
        }
        made += round;
        idle_rounds = if round == 0 { idle_rounds + 1 } else { 0 };
        if idle_rounds > 1 {
            (0..PRISONERS).for_each(|index| prison.restore(w, index));
        }
        w.settle();
    }
    agent.suspend().must("cannot be suspended")?;
    revoke(prison.memory).must("cannot be revoked")?;
    let page = w.slot();
    retype(prison.memory, O::LargePage, 0, page, 1).must("the memory did not come back")?;
    map(page, VSPACE, NO_TABLE, READ_WRITE, NO_CODE).must("cannot be mapped")?;
    let left = (NO_TABLE..NO_TABLE + (1 << PRISON_BITS)).step_by(8).filter(|address| peek(*address) != 0).count();
    w.clear()?;
    Ok((made, left as u64))
}

/// Prisons one after the other, since prisoners lose their capabilities or lame themselves after some hundred calls:
/// notes 1 if all the calls were made, and the words of memory that did not come back as zeros.
fn siege(w: &mut World, number: u64) -> Done {
    let (mut made, mut left, mut prisons, mut seed) = (0, 0, 0, (SEED + number) << 32);
    while made < CALLS {
        let (calls, words) = life(w, &mut seed, CALLS - made)?;
        if calls == 0 {
            return Err(Trouble("prisoners that make no call"));
        }
        (made, left, prisons) = (made + calls, left + words, prisons + 1);
    }
    crate::case::say(format_args!("siege of seed {}: {made} calls in {prisons} prisons", SEED + number));
    note(1);
    note(left);
    Ok(())
}

cases! {
    "siege.first_seed" => [1, 0], |w| siege(w, 0);
    "siege.second_seed" => [1, 0], |w| siege(w, 1);
    "siege.third_seed" => [1, 0], |w| siege(w, 2);
    "siege.fourth_seed" => [1, 0], |w| siege(w, 3);
    "siege.fifth_seed" => [1, 0], |w| siege(w, 4);
    "siege.sixth_seed" => [1, 0], |w| siege(w, 5);
}
