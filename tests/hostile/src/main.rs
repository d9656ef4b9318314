//! A siege: a hostile child after the other calls the Mach server at random, and loses its memory, threads and life
//! in all ways, while a bystander goes on and keeps its memory. In the end everything is as before.
//!
//! `./justw run tests/hostile` runs it. Arguments: how many children, and the first one's seed.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
libmach::entry!(siege::main);

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
mod siege {
    use alloc::boxed::Box;
    use alloc::format;
    use alloc::string::String;
    use core::sync::atomic::Ordering::SeqCst;

    use attack::{Attacker, Knowledge, Own};
    use libmach::memory_object::server_usage;
    use libmach::msg::{CarriedRight, PortMessage, Timeout, send};
    use libmach::port::{
        Disposition, ReceivePort, mach_port_deallocate, mach_port_set_qlimit, mach_port_type, mach_reply_port,
    };
    use libmach::task::{Child, TASK_BOOTSTRAP_PORT, fork, mach_task_self, task_get_special_port, task_terminate};
    use libmach::thread::{mach_thread_self, sleep};
    use libmach::vm::{PAGE_SIZE, VmInherit};
    use libmach::{KernReturn, PortName, Region, Result, names, println};
    use mach_protocol::private::ServerUsageReply;
    use mach_protocol::service::CONSOLE;
    use mach_protocol::start::SERVER_SLOT;
    use mach_sys::cap::Endpoint;
    use mach_sys::{Cap, Message};
    use test_report::Line;

    const CHILDREN: u64 = 40;
    /// How long a child may attack.
    const LIFE_MS: u32 = 150;
    const BYTES: u64 = 16 * PAGE_SIZE;
    const CASE: &str = "hostile.siege";

    /// Words that bystander and children share with the parent.
    const ROUNDS: usize = 0;
    const WRONG: usize = 1;
    const CALLS: usize = 2;

    pub(crate) fn main() -> Result<i32> {
        let number = |index| libmach::args().nth(index).and_then(|arg| arg.parse().ok());
        let (children, seed) = (number(1).unwrap_or(CHILDREN), number(2).unwrap_or(1));
        println!("{}", Line::Start(CASE));
        let outcome = run(children, seed)?;
        match &outcome {
            Ok(()) => println!("{}", Line::Pass(CASE)),
            Err(why) => println!("{}", Line::Fail(CASE, why)),
        }
        println!("{}", Line::Done);
        Ok(i32::from(outcome.is_err()))
    }

    /// A page for parent and children, touched: a child need not come to write to it before what is in use is counted.
    fn shared() -> Result<&'static Region> {
        let region = Region::allocate(PAGE_SIZE)?;
        region.inherit(VmInherit::SHARE)?;
        region.words()[CALLS].store(0, SeqCst);
        Ok(Box::leak(Box::new(region)))
    }

    fn run(children: u64, seed: u64) -> Result<core::result::Result<(), String>> {
        // The children may write to what they share with their parent; the bystander's words are not theirs.
        let calls = shared()?;
        let notes = shared()?;
        let bystander = fork(move || stand_by(notes))?;
        notes.inherit(VmInherit::NONE)?;
        // Once for what a first time costs, here and in the servers: a page that this task writes to for the first time
        // is one more, since the bystander has the one from before. So both ends that a child can come to are tried, and
        // what servers do seldom.
        outlive(fork(|| 0)?);
        outlive(fork(|| {
            libmach::thread::park(Timeout::Never);
            0
        })?);
        upset_servers()?;
        if let Err(why) = round(calls, notes, 0)? {
            return Ok(Err(why));
        }
        let before = settled(None)?;
        for number in 0..children {
            if let Err(why) = round(calls, notes, seed + number)? {
                return Ok(Err(why));
            }
        }
        let after = settled(Some(before))?;
        println!("{children} children made {} calls", calls.words()[CALLS].load(SeqCst));
        task_terminate(bystander.task())?;
        if after != before {
            return Ok(Err(format!("in use before {before:?}, after {after:?}")));
        }
        Ok(Ok(()))
    }

    /// One child's life, during which the bystander goes on.
    fn round(calls: &'static Region, notes: &Region, seed: u64) -> Result<core::result::Result<(), String>> {
        let rounds = notes.words()[ROUNDS].load(SeqCst);
        outlive(fork(move || attack(calls, seed))?);
        for _ in 0..200 {
            if notes.words()[ROUNDS].load(SeqCst) > rounds {
                break;
            }
            sleep(5);
        }
        if notes.words()[ROUNDS].load(SeqCst) <= rounds {
            return Ok(Err(format!("the bystander stands still after seed {seed}")));
        }
        if notes.words()[WRONG].load(SeqCst) != 0 {
            return Ok(Err(format!("the bystander's memory changed with seed {seed}")));
        }
        Ok(Ok(()))
    }

    /// Has the first servers do what honest clients never cause: throw rights of all kinds away, and fail to answer.
    fn upset_servers() -> Result<()> {
        let me = mach_task_self();
        for server in [task_get_special_port(me, TASK_BOOTSTRAP_PORT)?, names::lookup(CONSOLE)?] {
            for reply in [Disposition::NONE, Disposition::MAKE_SEND_ONCE, Disposition::MAKE_SEND] {
                let (lost, full) = (ReceivePort::new()?, ReceivePort::new()?);
                mach_port_set_qlimit(me, full.name(), 0)?;
                let mut message = PortMessage::new(1);
                message.header.remote = CarriedRight { name: server, disposition: Disposition::COPY_SEND };
                if reply != Disposition::NONE {
                    message.header.local = CarriedRight { name: full.name(), disposition: reply };
                }
                for disposition in [Disposition::MAKE_SEND, Disposition::MAKE_SEND_ONCE, Disposition::MOVE_RECEIVE] {
                    message
                        .push_right(CarriedRight { name: lost.name(), disposition })
                        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
                }
                send(&message, Timeout::Never)?;
                sleep(20);
            }
            mach_port_deallocate(me, server)?;
        }
        Ok(())
    }

    /// What the server has in use, once it is `wanted` or has come to rest.
    fn settled(wanted: Option<ServerUsageReply>) -> Result<ServerUsageReply> {
        let mut usage = server_usage()?;
        for _ in 0..40 {
            if Some(usage) == wanted {
                break;
            }
            sleep(25);
            usage = ServerUsageReply { operations: 0, ..server_usage()? };
        }
        Ok(usage)
    }

    /// Writes and checks its memory for ever.
    fn stand_by(notes: &'static Region) -> i32 {
        let Ok(memory) = Region::allocate(BYTES) else { return 1 };
        for round in 0_u64.. {
            for (index, word) in memory.words().iter().enumerate() {
                let value = (round << 32) + index as u64;
                if round > 0 && word.load(SeqCst) != value - (1 << 32) {
                    notes.words()[WRONG].fetch_add(1, SeqCst);
                }
                word.store(value, SeqCst);
            }
            notes.words()[ROUNDS].fetch_add(1, SeqCst);
            sleep(1);
        }
        0
    }

    /// Waits for a child's end, or brings it about.
    fn outlive(child: Child) {
        if child.wait(Timeout::Millis(LIFE_MS)).is_err() {
            // It still attacks, or waits for something that will not come. It may be ending just now.
            let _ = task_terminate(child.task());
            let _ = child.wait(Timeout::Millis(5_000));
        }
    }

    /// The child: three threads that call what comes to their minds.
    fn attack(calls: &'static Region, seed: u64) -> i32 {
        for other in 1..3 {
            let _ = libmach::thread::spawn(move || strike(calls, seed * 3 + other));
        }
        strike(calls, seed * 3)
    }

    fn strike(calls: &'static Region, seed: u64) -> i32 {
        let server: Cap<Endpoint> = Cap::new(SERVER_SLOT);
        let mut attacker = Attacker::new(seed);
        let own = Own { task: mach_task_self().0, thread: mach_thread_self().map_or(0, |name| name.0) };
        let _ = mach_reply_port();
        let _ = task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT);
        let memory = [Region::allocate(BYTES), Region::allocate(BYTES)];
        let addresses = memory.each_ref().map(|region| region.as_ref().map_or(0, Region::address));
        let mut names = [0; 48];
        for round in 0_u64.. {
            if round % 64 == 0 {
                look_around(&mut names);
            }
            let attack = attacker.next(&Knowledge { own, names: &names, addresses: &addresses });
            let _ = server.call(&Message::new(attack.label, attack.words.as_slice()));
            calls.words()[CALLS].fetch_add(1, SeqCst);
        }
        // What was allocated may be somebody else's by now.
        memory.into_iter().for_each(core::mem::forget);
        0
    }

    /// Finds names that stand for something; dead ones are let go every now and then.
    fn look_around(names: &mut [u32]) {
        let found =
            (1..names.len() as u32 * 2).filter(|name| mach_port_type(mach_task_self(), PortName(*name)).is_ok());
        for (place, name) in names.iter_mut().zip(found) {
            *place = name;
        }
        if let Some(last) = names.last() {
            let _ = mach_port_deallocate(mach_task_self(), PortName(*last));
        }
    }
}
