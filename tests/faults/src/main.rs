//! Memory managers that misbehave at random points, a thousand times, with several clients and a bystander.
//!
//! A *session* is one manager with two clients; four sessions run at once. All that happens in one is decided by its
//! seed, but for how the machine's threads interleave. What must hold, whatever the managers do:
//!
//! - no client reads a wrong byte: what it reads is the object's, or what it wrote itself last;
//! - no access lasts: it succeeds, or raises EXC_BAD_ACCESS with KERN_MEMORY_ERROR, in time;
//! - a manager that lives gets terminate exactly once for each init;
//! - the bystander, a client of an honest manager, gets on and reads nothing wrong;
//! - what the Mach server has in use is afterwards what it was before, type by type.
//!
//! Arguments: the first seed, and how many injections (default 1 and 1000). A failure names its seed.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::memory_object::{ServerUsageReply, server_usage};
use libmach::task::mach_task_self;
use libmach::thread::sleep;
use libmach::vm::{PAGE_SIZE, VmInherit};
use libmach::{KernReturn, PortName, Region, println};
use test_report::Line;

mod bystander;
mod client;
mod manager;
mod random;
mod session;

use bystander::Bystander;
use session::Session;

libmach::entry!(main);

/// What every task here calls the object of its session, and that of the honest manager.
const OBJECT: PortName = PortName(0x7001);
const HONEST: PortName = PortName(0x7002);

/// How long clients wait for a manager, in milliseconds.
const DEADLINE_MS: u32 = 60;
/// Sessions at once.
const AT_ONCE: u64 = 4;
/// Sessions between two looks at what is in use.
const BETWEEN_COUNTS: u64 = 20;
/// Injections, unless the arguments say otherwise.
const INJECTIONS: u64 = 1000;

/// Memory that tasks share.
type Notes = &'static Region;

fn main() -> Result<i32, KernReturn> {
    let mut arguments = libmach::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let first = arguments.next().flatten().unwrap_or(1);
    let wanted = arguments.next().flatten().unwrap_or(INJECTIONS);
    let runner = Runner::start()?;
    runner.warm_up();

    let mut injections = 0;
    let (mut seed, mut failed) = (first, 0);
    while injections < wanted {
        let name = format!("faults.from-seed.{seed}");
        println!("{}", Line::Start(&name));
        match runner.block(seed, wanted - injections) {
            Ok((injected, next)) => {
                injections += injected;
                seed = next;
                println!("{}", Line::Pass(&name));
            }
            Err(why) => {
                println!("{}", Line::Fail(&name, &why));
                failed += 1;
                break;
            }
        }
    }
    println!("{injections} injections, in the sessions of the seeds {first} to {}", seed - 1);
    println!("{}", Line::Done);
    Ok(i32::from(failed != 0))
}

/// What sessions need.
struct Runner {
    bystander: Bystander,
    notes: Vec<Notes>,
}

impl Runner {
    fn start() -> Result<Self, KernReturn> {
        let notes: Result<_, KernReturn> = (0..AT_ONCE).map(|_| shared_page()).collect();
        Ok(Self { notes: notes?, bystander: Bystander::start()? })
    }

    /// What a first time costs this task and the bystander's, pages of stack, heap and code, and the server, is paid here: by
    /// as many sessions at once as there ever are, by counting around one, and by saying what comes of them. Nobody looks at
    /// that.
    fn warm_up(&self) {
        let seeds: Vec<u64> = (0..AT_ONCE).collect();
        for _ in 0..2 {
            let (usage, outcome) = (self.usage(None), self.run(&seeds));
            println!("to begin with: {usage:?}, {outcome:?}");
        }
        println!("and then: {:?}", self.block(0, 1));
    }

    /// Runs some sessions and counts what is in use before and after: the same. Answers the injections, and the next seed.
    fn block(&self, first: u64, wanted: u64) -> Result<(u64, u64), String> {
        let before = self.usage(None)?;
        let (injections, next) = self.sessions(first, wanted)?;
        let after = self.usage(Some(before))?;
        if before == after {
            return Ok((injections, next));
        }
        // A page of this task's or the bystander's, which a session shared, may have another mapping now than it had. That stays so
        // when the same sessions run again; what they leave behind becomes more each time.
        println!("seeds {first} to {}: before {before:?}, after {after:?}; once more", next - 1);
        self.sessions(first, wanted)?;
        let again = self.usage(Some(after))?;
        if after != again {
            return Err(format!("seeds {first} to {}: before {before:?}, then {after:?}, then {again:?}", next - 1));
        }
        Ok((injections, next))
    }

    fn sessions(&self, first: u64, wanted: u64) -> Result<(u64, u64), String> {
        let (mut injections, mut seed) = (0, first);
        while injections < wanted && seed < first + BETWEEN_COUNTS {
            // So many that the wish for a single injection runs a single session.
            let count = AT_ONCE.min(wanted - injections).min(first + BETWEEN_COUNTS - seed);
            let seeds: Vec<u64> = (seed..seed + count).collect();
            injections += self.run(&seeds)?;
            seed += count;
        }
        Ok((injections, seed))
    }

    /// Runs the sessions of these seeds at once. Answers the injections.
    fn run(&self, seeds: &[u64]) -> Result<u64, String> {
        let rounds = self.bystander.rounds();
        let starts = seeds.iter().zip(&self.notes).map(|(seed, notes)| Session::start(*seed, notes));
        let sessions: Result<Vec<Session>, KernReturn> = starts.collect();
        let sessions = sessions.map_err(|code| format!("seeds {seeds:?} cannot be started: {code:?}"))?;
        let mut injections = 0;
        for (seed, session) in seeds.iter().zip(sessions) {
            let outcome = session.finish();
            let again = format!("seed {seed} (just it: ./justw run tests/faults -- {seed} 1)");
            injections += outcome.map_err(|why| format!("{again}: {why}"))?;
        }
        self.bystander.check(rounds).map_err(|why| format!("seeds {seeds:?}: {why}"))?;
        Ok(injections)
    }

    /// What the server has in use while the bystander pauses. Waits until that is as `before`, since what ends is freed
    /// little by little; gives up after some seconds.
    fn usage(&self, before: Option<ServerUsageReply>) -> Result<ServerUsageReply, String> {
        let _pause = self.bystander.pause();
        let look = || settled().map_err(|code| format!("server_usage: {code:?}"));
        let mut usage = look()?;
        for _ in 0..100 {
            if before.is_none_or(|before| before == usage) {
                break;
            }
            usage = look()?;
        }
        Ok(usage)
    }
}

/// What is in use as soon as it stays the same for a moment.
fn settled() -> Result<ServerUsageReply, KernReturn> {
    let (mut last, mut same) = (server_usage()?, 0);
    while same < 3 {
        sleep(7);
        let usage = server_usage()?;
        same = if usage == last { same + 1 } else { 0 };
        last = usage;
    }
    Ok(last)
}

/// A page that tasks made from now on share, and that lives as long as they do.
fn shared_page() -> Result<Notes, KernReturn> {
    let page = Region::allocate(PAGE_SIZE)?;
    page.inherit(VmInherit::SHARE)?;
    Ok(Box::leak(Box::new(page)))
}

/// Waits for a right that the parent gives.
fn wait_for(name: PortName) {
    while libmach::port::mach_port_type(mach_task_self(), name).is_err() {
        sleep(1);
    }
}

/// What an object holds at `offset`, in every byte of the page, unless a client wrote to it.
const fn original(offset: u64) -> u8 {
    (offset / PAGE_SIZE) as u8 ^ 0x5a
}
