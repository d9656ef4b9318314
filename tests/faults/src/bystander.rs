//! The bystander: a client of an honest manager, which maps, checks and unmaps an object again and again.

use core::sync::atomic::Ordering::SeqCst;

use alloc::format;
use alloc::string::String;

use libmach::memory_object::{After, Answer, ByPage, MemoryManager, Object, Page, Pages, Server};
use libmach::port::{Disposition, Right, mach_port_allocate_name, mach_port_insert_right};
use libmach::task::{Child, fork, mach_task_self, task_terminate};
use libmach::thread::sleep;
use libmach::vm::{MapRequest, PAGE_SIZE, VmProt};
use libmach::{KernReturn, Region};

use crate::{HONEST, Notes, original, shared_page, wait_for};

/// Pages of the honest manager's object.
const PAGES: u64 = 8;

/// Shared words.
const ROUNDS: usize = 0;
const WRONG: usize = 1;
const PAUSE: usize = 2;
const PAUSED: usize = 3;

/// The bystander and its manager; they end with the value. The right to the object stays in this task as well.
pub(crate) struct Bystander {
    notes: Notes,
    children: [Child; 2],
}

/// The bystander pauses as long as this lives.
pub(crate) struct Pause(Notes);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.words()[PAUSE].store(0, SeqCst);
    }
}

/// Looks, 10 ms apart, at a bystander that has done nothing yet.
const PATIENCE: u32 = 200;

impl Bystander {
    pub(crate) fn start() -> Result<Self, KernReturn> {
        let notes = shared_page()?;
        let manager = fork(|| serve().map_or_else(|code| code.0, |()| 0))?;
        let client = fork(move || go_round(notes))?;
        let own = mach_task_self();
        mach_port_allocate_name(own, Right::RECEIVE, HONEST)?;
        mach_port_insert_right(own, HONEST, HONEST, Disposition::MAKE_SEND)?;
        mach_port_insert_right(client.task(), HONEST, HONEST, Disposition::COPY_SEND)?;
        mach_port_insert_right(manager.task(), HONEST, HONEST, Disposition::MOVE_RECEIVE)?;
        Ok(Self { notes, children: [manager, client] })
    }

    /// Rounds so far.
    pub(crate) fn rounds(&self) -> u64 {
        self.notes.words()[ROUNDS].load(SeqCst)
    }

    /// Looks whether it got on since it had done so many rounds, and whether all that it saw was right.
    pub(crate) fn check(&self, since: u64) -> Result<(), String> {
        // Sessions may be over before a round is.
        (0..PATIENCE).take_while(|_| self.rounds() == since).for_each(|_| sleep(10));
        let wrong = self.notes.words()[WRONG].load(SeqCst);
        match self.rounds() - since {
            0 => Err("the bystander stands still".into()),
            _ if wrong != 0 => Err(format!("the bystander had {wrong} wrong rounds")),
            _ => Ok(()),
        }
    }

    /// Has it pause, with nothing mapped.
    pub(crate) fn pause(&self) -> Pause {
        self.notes.words()[PAUSE].store(1, SeqCst);
        while self.notes.words()[PAUSED].load(SeqCst) == 0 {
            sleep(1);
        }
        Pause(self.notes)
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        for child in &self.children {
            // They run until they are ended.
            let _ = task_terminate(child.task());
        }
    }
}

fn go_round(notes: Notes) -> i32 {
    wait_for(HONEST);
    loop {
        while notes.words()[PAUSE].load(SeqCst) != 0 {
            notes.words()[PAUSED].store(1, SeqCst);
            sleep(50);
        }
        notes.words()[PAUSED].store(0, SeqCst);
        if !round() {
            notes.words()[WRONG].fetch_add(1, SeqCst);
        }
        notes.words()[ROUNDS].fetch_add(1, SeqCst);
    }
}

fn round() -> bool {
    let Ok(region) = Region::map(&MapRequest::object(HONEST, PAGES * PAGE_SIZE)) else { return false };
    let mut offsets = (0..PAGES).map(|page| page * PAGE_SIZE);
    offsets.all(|at| region.bytes()[at as usize].load(SeqCst) == original(at))
}

/// The honest manager. Its object is mapped again and again.
struct Honest(ByPage<Originals>);

struct Originals;

impl Pages for Originals {
    fn read(&mut self, _: &Object, offset: u64, page: &mut Page) -> libmach::Result<()> {
        page.0.fill(original(offset));
        Ok(())
    }
}

impl MemoryManager for Honest {
    fn data_request(&mut self, object: &Object, offset: u64, length: u64, access: VmProt) -> Answer {
        self.0.data_request(object, offset, length, access)
    }

    fn terminate(&mut self, _: &Object) -> After {
        After::Keep
    }
}

fn serve() -> libmach::Result<()> {
    wait_for(HONEST);
    let mut server = Server::new(Honest(ByPage::new(Originals)))?;
    server.adopt(HONEST, 0)?;
    server.run()
}
