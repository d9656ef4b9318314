//! Memory managers that do all wrong: their clients get an exception within the deadline, nobody else notices, and
//! everything that they had comes back, counted by type.
//!
//! Meanwhile a bystander, the client of an honest manager, maps and checks an object again and again.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionType, catch};
use libmach::memory_object::{
    After, Answer, Attributes, ByPage, Init, MemoryManager, Object, Page, Pages, Server, ShouldReturn, Supply,
    server_usage,
};
use libmach::msg::{CarriedRight, PortMessage, Timeout, send};
use libmach::port::{Disposition, ReceivePort, Right, mach_port_allocate_name, mach_port_insert_right, mach_port_type};
use libmach::region::touch;
use libmach::task::{Child, TaskEnd, fork, mach_task_self, task_terminate};
use libmach::thread::sleep;
use libmach::vm::{MapRequest, PAGE_SIZE, VmInherit, VmProt};
use libmach::{KernReturn, PortName, Region, Result, println};

libmach::entry!(main);

/// What each task calls the bad manager's object, and the honest one's.
const BAD: PortName = PortName(0x7001);
const HONEST: PortName = PortName(0x7002);

/// How long clients wait for a manager, and by when they must have heard: two touches, and what the machine needs.
const DEADLINE_MS: u32 = 1000;
const LIMIT_MS: u32 = 2 * DEADLINE_MS + 1500;
/// The bystander must get on in every such slice of time.
const SLICE_MS: u32 = 250;
/// Pages of an object.
const PAGES: u64 = 8;

/// Shared words: the bystander's rounds and errors, whether it shall pause and does, requests that a manager ignores.
const ROUNDS: usize = 0;
const WRONG: usize = 1;
const PAUSE: usize = 2;
const PAUSED: usize = 3;
const IGNORED: usize = 4;

type Notes = &'static Region;
type Usage = libmach::memory_object::ServerUsageReply;

fn note(notes: Notes, index: usize) -> u64 {
    notes.words()[index].load(SeqCst)
}

/// What a manager does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    IsKilled,
    NeverAnswers,
    AnswersWrongly,
    Floods,
    DestroysTwice,
    Forges,
}

const ALL: [(Wrong, &str); 6] = [
    (Wrong::IsKilled, "killed with requests outstanding"),
    (Wrong::NeverAnswers, "never answers"),
    (Wrong::AnswersWrongly, "wrong sizes, wrong offsets, pages nobody asked for"),
    (Wrong::Floods, "floods"),
    (Wrong::DestroysTwice, "destroys twice"),
    (Wrong::Forges, "forges messages to another's object"),
];

fn main() -> Result<i32> {
    let notes: Notes = Box::leak(Box::new(Region::allocate(PAGE_SIZE)?));
    notes.inherit(VmInherit::SHARE)?;
    let (honest, bystander) = start_bystander(notes)?;
    let mut all = true;
    for (wrong, what) in ALL {
        // Once for what a first time costs.
        run(notes, wrong)?;
        let before = usage(notes, None)?;
        let [first, second, got_on] = run(notes, wrong)?;
        let after = usage(notes, Some(before))?;
        println!("{what}:");
        println!("  clients had their exception in time: {}", first && second);
        println!("  the bystander got on, and read nothing wrong: {}", got_on && note(notes, WRONG) == 0);
        println!("  everything is back: {}", before == after);
        if before != after {
            println!("  before: {before:?}\n  after:  {after:?}");
        }
        all &= first && second && got_on && note(notes, WRONG) == 0 && before == after;
    }
    for child in [honest, bystander] {
        task_terminate(child.task())?;
        child.wait(Timeout::Never)?;
    }
    println!("the bystander did many rounds: {}", note(notes, ROUNDS) > 100);
    Ok(i32::from(!all))
}

/// Runs one bad manager with two clients. Answers whether each had its exceptions, and whether the bystander got on.
fn run(notes: Notes, wrong: Wrong) -> Result<[bool; 3]> {
    notes.words()[IGNORED].store(0, SeqCst);
    let object = ReceivePort::new()?;
    let manager = fork(move || misbehave(notes, wrong).map_or_else(|code| code.0, |()| 0))?;
    let clients = [fork(|| client(0))?, fork(|| client(1))?];
    for client in &clients {
        give(client, BAD, object.name(), Disposition::COPY_SEND)?;
    }
    give(&manager, HONEST, HONEST, Disposition::COPY_SEND)?;
    give(&manager, BAD, object.name(), Disposition::MOVE_RECEIVE)?;

    let mut ends = [None; 2];
    let (mut waited, mut got_on) = (0, true);
    while waited < LIMIT_MS && ends.contains(&None) {
        let rounds = note(notes, ROUNDS);
        sleep(SLICE_MS);
        waited += SLICE_MS;
        got_on &= note(notes, ROUNDS) > rounds;
        for (end, client) in ends.iter_mut().zip(&clients) {
            *end = end.or_else(|| client.wait(Timeout::Millis(0)).ok());
        }
        if wrong == Wrong::IsKilled && note(notes, IGNORED) >= 2 {
            // It may have ended by itself.
            let _ = task_terminate(manager.task());
        }
    }
    for child in clients.iter().chain([&manager]) {
        // Those that have ended already are no failure.
        let _ = task_terminate(child.task());
    }
    manager.wait(Timeout::Never)?;
    let error = Some(TaskEnd::Exited { status: KernReturn::MEMORY_ERROR.0 });
    Ok([ends[0] == error, ends[1] == error, got_on])
}

/// Gives a child a right, under a name that it knows.
fn give(child: &Child, name: PortName, right: PortName, disposition: Disposition) -> Result<()> {
    mach_port_insert_right(child.task(), name, right, disposition)
}

/// Waits for a right that the parent gives.
fn wait_for(name: PortName) {
    while mach_port_type(mach_task_self(), name).is_err() {
        sleep(1);
    }
}

/// A client: touches a page of its own and one that both want. Answers the code of its exceptions, if that was one, and both
/// were bad accesses.
fn client(number: u64) -> i32 {
    wait_for(BAD);
    let Ok(region) = Region::map(&MapRequest::object(BAD, PAGES * PAGE_SIZE)) else { return -1 };
    let codes = [number, 2].map(|page| {
        let address = region.address() + page * PAGE_SIZE;
        match catch(|| touch(address)) {
            Ok(Ok(byte)) => i32::from(byte),
            Ok(Err(raised)) if raised.exception == ExceptionType::BAD_ACCESS => raised.code,
            Ok(Err(_)) => -4,
            Err(_) => -2,
        }
    });
    if codes[0] == codes[1] { codes[0] } else { -3 }
}

/// A bad manager.
struct Bad {
    notes: Notes,
    wrong: Wrong,
}

fn misbehave(notes: Notes, wrong: Wrong) -> Result<()> {
    wait_for(BAD);
    let mut server = Server::new(Bad { notes, wrong })?;
    server.adopt(BAD, 0)?;
    server.run()
}

impl MemoryManager for Bad {
    fn init(&mut self, object: &Object) -> Init {
        // A manager may be stricter with itself than the system is.
        match object.set_deadline(DEADLINE_MS) {
            Ok(()) => Init::Ready(Attributes::default()),
            Err(_) => Init::Refuse,
        }
    }

    fn data_request(&mut self, object: &Object, offset: u64, _: u64, _: VmProt) -> Answer {
        match self.wrong {
            Wrong::IsKilled => drop(self.notes.words()[IGNORED].fetch_add(1, SeqCst)),
            Wrong::NeverAnswers => {}
            Wrong::AnswersWrongly => answer_wrongly(object, offset),
            Wrong::Floods => flood(object),
            Wrong::DestroysTwice => {
                // What comes of it is for others to see.
                let _ = (object.destroy(), object.destroy());
            }
            Wrong::Forges => forge(object),
        }
        Answer::Later
    }

    fn terminate(&mut self, _: &Object) -> After {
        // A second one would find nothing to receive it.
        After::Close
    }
}

/// Everything but what was asked for; the results are the server's business.
fn answer_wrongly(object: &Object, offset: u64) {
    let page = Page::zeroed();
    let address = core::ptr::from_ref(&*page).expose_provenance() as u64;
    for (offset, size) in [(offset, 100), (offset, PAGE_SIZE / 2), (offset + 1, PAGE_SIZE), (offset, u64::MAX)] {
        let _ = object.supply(offset, Supply::copy_at(address, size));
        let _ = object.unavailable(offset, size | 1);
        let _ = object.error(offset, size | 1, KernReturn::FAILURE);
    }
    for offset in [PAGES * PAGE_SIZE, 1 << 40, 0_u64.wrapping_sub(PAGE_SIZE)] {
        let _ = object.supply(offset, Supply::copy_at(address, PAGE_SIZE));
        let _ = object.unavailable(offset, PAGE_SIZE);
        let _ = object.error(offset, PAGE_SIZE, KernReturn::FAILURE);
    }
}

/// Pages, locks and completions without end.
fn flood(object: &Object) {
    let page = Page::zeroed();
    let address = core::ptr::from_ref(&*page).expose_provenance() as u64;
    for number in PAGES.. {
        let _ = object.supply(number * PAGE_SIZE, Supply::copy_at(address, PAGE_SIZE).tell());
        let lock = if number % 2 == 0 { VmProt::ALL } else { VmProt::NONE };
        let _ = object.lock_request(0, u64::MAX, ShouldReturn::ALL, number % 3 == 0, lock);
    }
}

/// Messages to the honest manager's object that look like the server's.
fn forge(own: &Object) {
    let words = [0, PAGE_SIZE, 3, 1, 0];
    for id in [2200, 2201, 2203, 2204, 2206, 2208] {
        for count in 0..=words.len() {
            let mut message = PortMessage::with_words(id, &words[..count]);
            message.header.remote = CarriedRight { name: HONEST, disposition: Disposition::COPY_SEND };
            message.header.is_from_server = true;
            let control = CarriedRight { name: own.control(), disposition: Disposition::COPY_SEND };
            let _ = message.push_right(control);
            let _ = send(&message, Timeout::Millis(100));
        }
    }
}

/// The honest manager: each byte of a page is the page's number.
struct Numbers;

impl Pages for Numbers {
    fn read(&mut self, _: &Object, offset: u64, page: &mut Page) -> Result<()> {
        page.0.fill(number_of(offset));
        Ok(())
    }
}

fn number_of(offset: u64) -> u8 {
    (offset / PAGE_SIZE) as u8 + 1
}

/// The honest manager as the loop has it: its object is mapped again and again.
struct Honest(ByPage<Numbers>);

impl MemoryManager for Honest {
    fn data_request(&mut self, object: &Object, offset: u64, length: u64, access: VmProt) -> Answer {
        self.0.data_request(object, offset, length, access)
    }

    fn terminate(&mut self, _: &Object) -> After {
        After::Keep
    }
}

fn serve_honestly() -> Result<()> {
    wait_for(HONEST);
    let mut server = Server::new(Honest(ByPage::new(Numbers)))?;
    server.adopt(HONEST, 0)?;
    server.run()
}

/// Starts the honest manager and its client; the right to the object stays here too, for the forger.
fn start_bystander(notes: Notes) -> Result<(Child, Child)> {
    let honest = fork(|| serve_honestly().map_or_else(|code| code.0, |()| 0))?;
    let bystander = fork(move || {
        loop {
            pause(notes);
            if !round() {
                notes.words()[WRONG].fetch_add(1, SeqCst);
            }
            notes.words()[ROUNDS].fetch_add(1, SeqCst);
        }
    })?;
    let own = mach_task_self();
    mach_port_allocate_name(own, Right::RECEIVE, HONEST)?;
    mach_port_insert_right(own, HONEST, HONEST, Disposition::MAKE_SEND)?;
    give(&bystander, HONEST, HONEST, Disposition::COPY_SEND)?;
    give(&honest, HONEST, HONEST, Disposition::MOVE_RECEIVE)?;
    Ok((honest, bystander))
}

/// Maps the honest manager's object, looks at each page, and unmaps it. Answers whether all was right.
fn round() -> bool {
    wait_for(HONEST);
    let Ok(region) = Region::map(&MapRequest::object(HONEST, PAGES * PAGE_SIZE)) else { return false };
    let mut offsets = (0..PAGES).map(|page| page * PAGE_SIZE);
    offsets.all(|at| region.bytes()[at as usize].load(SeqCst) == number_of(at))
}

fn pause(notes: Notes) {
    while note(notes, PAUSE) != 0 {
        notes.words()[PAUSED].store(1, SeqCst);
        sleep(50);
    }
    notes.words()[PAUSED].store(0, SeqCst);
}

/// What the server has in use while the bystander pauses; waits until that is as `before`, since what ends is freed
/// little by little, and gives up after some seconds.
fn usage(notes: Notes, before: Option<Usage>) -> Result<Usage> {
    notes.words()[PAUSE].store(1, SeqCst);
    while note(notes, PAUSED) == 0 {
        sleep(1);
    }
    let mut usage = settled()?;
    for _ in 0..100 {
        if before.is_none_or(|before| before == usage) {
            break;
        }
        usage = settled()?;
    }
    notes.words()[PAUSE].store(0, SeqCst);
    Ok(usage)
}

/// What is in use as soon as it stays the same for a moment.
fn settled() -> Result<Usage> {
    let (mut last, mut same) = (server_usage()?, 0);
    while same < 3 {
        sleep(7);
        let usage = server_usage()?;
        same = if usage == last { same + 1 } else { 0 };
        last = usage;
    }
    Ok(last)
}
