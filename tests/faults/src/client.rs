//! A client: reads pages that are nobody's, writes and reads one of its own, and checks every byte that it sees.

use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{Caught, ExceptionType, catch};
use libmach::port::{PortType, mach_port_type};
use libmach::task::mach_task_self;
use libmach::vm::{MapRequest, PAGE_SIZE};
use libmach::{KernReturn, Region};

use crate::random::Random;
use crate::session::WRONG;
use crate::{Notes, OBJECT, original, wait_for};

/// Accesses of a client.
pub(crate) const ACCESSES: u64 = 24;
/// Pages that all clients read. Behind them each has a page of its own.
pub(crate) const READ_ONLY: u64 = 12;
/// Pages that a client maps.
pub(crate) const PAGES: u64 = 16;

/// Statuses of a client that saw something wrong.
const CANNOT_MAP: i32 = 2;
const WRONG_BYTE: i32 = 3;
const WRONG_EXCEPTION: i32 = 4;

pub(crate) fn run(seed: u64, number: u64, notes: Notes) -> i32 {
    wait_for(OBJECT);
    let region = match Region::map(&MapRequest::object(OBJECT, PAGES * PAGE_SIZE)) {
        Ok(region) => region,
        // Its manager is dead already, or takes no messages: nobody has to be told of a new mapping then.
        Err(KernReturn::INVALID_ARGUMENT) if is_dead() => return 0,
        Err(KernReturn::RESOURCE_SHORTAGE) => return 0,
        Err(code) => return wrong(notes, number, (CANNOT_MAP, 0, 0, code.0 as u64)),
    };
    let own = (READ_ONLY + number) * PAGE_SIZE;
    let mut client = Client { random: Random::new(seed, 1 + number), region: &region, own, last: original(own) };
    for _ in 0..ACCESSES {
        if let Err(what) = client.access() {
            return wrong(notes, number, what);
        }
    }
    0
}

/// Notes what went wrong; answers the status.
fn wrong(notes: Notes, number: u64, (status, offset, wanted, got): Wrong) -> i32 {
    let place = WRONG + 3 * number as usize;
    for (word, value) in notes.words()[place..].iter().zip([offset, wanted, got]) {
        word.store(value, SeqCst);
    }
    status
}

fn is_dead() -> bool {
    mach_port_type(mach_task_self(), OBJECT).is_ok_and(|has| has.contains(PortType::DEAD_NAME))
}

struct Client<'a> {
    random: Random,
    region: &'a Region,
    /// The page that only this client writes to, and what it wrote last.
    own: u64,
    last: u8,
}

/// What went wrong: the status, the offset, what was wanted, what was there.
type Wrong = (i32, u64, u64, u64);

impl Client<'_> {
    fn access(&mut self) -> Result<(), Wrong> {
        let byte = self.random.below(PAGE_SIZE);
        match self.random.below(4) {
            0 => self.write(),
            1 => self.read(self.own, 0, self.last),
            _ => {
                let page = self.random.below(READ_ONLY) * PAGE_SIZE;
                self.read(page, byte, original(page))
            }
        }
    }

    fn read(&self, page: u64, byte: u64, wanted: u8) -> Result<(), Wrong> {
        let (at, region) = (page + byte, self.region);
        match outcome(at, catch(|| region.bytes()[at as usize].load(SeqCst)))? {
            Some(got) if got != wanted => Err((WRONG_BYTE, at, wanted.into(), got.into())),
            _ => Ok(()),
        }
    }

    /// Writes another number to the first byte of the own page. If the access fails, nothing was written.
    fn write(&mut self) -> Result<(), Wrong> {
        let (own, region, next) = (self.own, self.region, self.last.wrapping_add(1));
        let write = move || {
            region.bytes()[own as usize].store(next, SeqCst);
            next
        };
        if outcome(own, catch(write))?.is_some() {
            self.last = next;
        }
        Ok(())
    }
}

/// What an access read, or nothing if the manager failed it.
fn outcome(at: u64, caught: libmach::Result<Caught<u8>>) -> Result<Option<u8>, Wrong> {
    match caught {
        Ok(Ok(byte)) => Ok(Some(byte)),
        Ok(Err(raised)) => {
            let is_error =
                raised.exception == ExceptionType::BAD_ACCESS && KernReturn(raised.code) == KernReturn::MEMORY_ERROR;
            if is_error { Ok(None) } else { Err((WRONG_EXCEPTION, at, 10, raised.code as u64)) }
        }
        Err(code) => Err((WRONG_EXCEPTION, at, 0, code.0 as u64)),
    }
}
