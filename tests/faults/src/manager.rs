//! The manager of a session: it answers rightly, and sometimes does something else instead or besides.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use libmach::memory_object::{
    After, Answer, Attributes, CopyStrategy, Init, MemoryManager, Object, Page, Returned, Served, Server, ShouldReturn,
    Supply, memory_object_data_error, memory_object_ready,
};
use libmach::msg::{CarriedRight, PortMessage, Timeout, send};
use libmach::port::Disposition;
use libmach::thread::sleep;
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, PortName, Result, exit};

use crate::client::{PAGES, READ_ONLY};
use crate::random::Random;
use crate::session::{INITS, INJECTIONS, TERMINATES};
use crate::{DEADLINE_MS, HONEST, Notes, OBJECT, original, wait_for};

/// The status of a manager that ended itself in the middle.
pub(crate) const DIED: i32 = 99;
/// How long a second terminate is waited for, in milliseconds.
const MORE_MS: u32 = 20;

/// What a manager does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Silence,
    WrongSizes,
    WrongOffsets,
    UnaskedPages,
    Early,
    Twice,
    Late,
    Errors,
    Locks,
    Flood,
    Forged,
    Nonsense,
    Destroy,
    Death,
}

/// How often each comes, of all that come.
const FAULTS: [(Fault, u64); 14] = [
    (Fault::Silence, 6),
    (Fault::WrongSizes, 10),
    (Fault::WrongOffsets, 10),
    (Fault::UnaskedPages, 10),
    (Fault::Early, 10),
    (Fault::Twice, 10),
    (Fault::Late, 4),
    (Fault::Errors, 8),
    (Fault::Locks, 10),
    (Fault::Flood, 4),
    (Fault::Forged, 6),
    (Fault::Nonsense, 8),
    (Fault::Destroy, 1),
    (Fault::Death, 1),
];

/// One of three messages brings a fault.
const FAULTY: u64 = 3;

struct Manager {
    random: Random,
    notes: Notes,
    /// What the clients' own pages hold in their first bytes, by what came back.
    own: Vec<u8>,
    page: alloc::boxed::Box<Page>,
    /// A request that is answered when nobody waits for it any more.
    late: Option<u64>,
}

/// Serves the session's object until its end.
pub(crate) fn run(seed: u64, notes: Notes) -> Result<()> {
    wait_for(OBJECT);
    wait_for(HONEST);
    let own = (READ_ONLY..PAGES).map(|page| original(page * PAGE_SIZE)).collect();
    let random = Random::new(seed, 0);
    let mut server = Server::new(Manager { random, notes, own, page: Page::zeroed(), late: None })?;
    server.adopt(OBJECT, 0)?;
    while notes.words()[TERMINATES].load(SeqCst) == 0 {
        server.next(Timeout::Never)?;
    }
    // Nothing comes after terminate but another init, of which a terminate of its own is the end.
    let is_over = || notes.words()[INITS].load(SeqCst) == notes.words()[TERMINATES].load(SeqCst);
    while server.next(Timeout::Millis(MORE_MS))? != Served::Nothing || !is_over() {}
    Ok(())
}

impl MemoryManager for Manager {
    fn init(&mut self, object: &Object) -> Init {
        self.notes.words()[INITS].fetch_add(1, SeqCst);
        if object.set_deadline(DEADLINE_MS).is_err() {
            return Init::Refuse;
        }
        let copy_strategy = if self.random.below(2) == 0 { CopyStrategy::NONE } else { CopyStrategy::DELAY };
        Init::Ready(Attributes { copy_strategy, ..Attributes::default() })
    }

    fn data_request(&mut self, object: &Object, offset: u64, _: u64, _: VmProt) -> Answer {
        if let Some(late) = self.late.take() {
            self.supply(object, late);
        }
        if self.random.below(FAULTY) == 0 && !self.misbehave(object, offset) {
            return Answer::Later;
        }
        self.fill(offset);
        Answer::Supply(self.filled())
    }

    fn data_return(&mut self, _: &Object, returned: Returned) {
        let pages = returned.data.bytes().chunks(PAGE_SIZE as usize);
        for (page, bytes) in (returned.offset / PAGE_SIZE..).zip(pages) {
            let own = page.checked_sub(READ_ONLY).and_then(|number| self.own.get_mut(number as usize));
            if let (Some(own), Some(byte)) = (own, bytes.first()) {
                *own = byte.load(Relaxed);
            }
        }
    }

    fn data_unlock(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) {
        if self.random.below(FAULTY) != 0 || self.misbehave(object, offset) {
            let _ = object.unlock(offset, length);
        }
    }

    fn terminate(&mut self, _: &Object) -> After {
        self.notes.words()[TERMINATES].fetch_add(1, SeqCst);
        After::Keep
    }
}

/// Whether a page can be given or thrown away at any time: it is the same for ever.
const fn is_constant(offset: u64) -> bool {
    offset < READ_ONLY * PAGE_SIZE
}

impl Manager {
    /// Makes the page at `offset` in the buffer.
    fn fill(&mut self, offset: u64) {
        self.page.0.fill(original(offset));
        let number = (offset / PAGE_SIZE).wrapping_sub(READ_ONLY);
        if let (Some(own), Some(byte)) = (self.own.get(number as usize), self.page.0.first_mut()) {
            *byte = *own;
        }
    }

    /// What is in the buffer.
    fn filled(&self) -> Supply {
        Supply::copy_at(self.address(), PAGE_SIZE)
    }

    fn address(&self) -> u64 {
        core::ptr::from_ref(&*self.page).expose_provenance() as u64
    }

    /// Gives the right page, whether somebody wants it or not.
    fn supply(&mut self, object: &Object, offset: u64) {
        self.fill(offset);
        let _ = object.supply(offset, self.filled());
    }

    /// Does something wrong, none of whose results matters to it. Answers whether it then answers rightly.
    fn misbehave(&mut self, object: &Object, offset: u64) -> bool {
        self.notes.words()[INJECTIONS].fetch_add(1, SeqCst);
        let other = self.random.below(READ_ONLY) * PAGE_SIZE;
        match self.fault() {
            Fault::Silence => return false,
            Fault::WrongSizes => {
                for size in [1, PAGE_SIZE / 2, PAGE_SIZE + 1, u64::MAX, 0_u64.wrapping_sub(PAGE_SIZE)] {
                    let _ = object.supply(offset, Supply::copy_at(self.address(), size));
                    let _ = object.unavailable(offset, size | 1);
                    let _ = object.error(offset, size | 1, KernReturn::FAILURE);
                }
            }
            Fault::WrongOffsets => {
                for wrong in [offset + 1, offset | 0x800, u64::MAX, 1 << 60, 0_u64.wrapping_sub(PAGE_SIZE)] {
                    let _ = object.supply(wrong, self.filled());
                    let _ = object.unavailable(wrong, PAGE_SIZE);
                    let _ = object.error(wrong, PAGE_SIZE, KernReturn::FAILURE);
                }
            }
            Fault::UnaskedPages => (0..4).for_each(|page| self.supply(object, (PAGES + page) * PAGE_SIZE)),
            Fault::Early => self.supply(object, other),
            Fault::Twice => (0..2).for_each(|_| self.supply(object, offset)),
            Fault::Late => {
                if is_constant(offset) {
                    self.late = Some(offset);
                }
                sleep(DEADLINE_MS + 20);
                return false;
            }
            Fault::Errors => {
                let _ = memory_object_data_error(object.control(), 0, PAGES * PAGE_SIZE, KernReturn::FAILURE);
            }
            Fault::Locks => self.flap(object),
            Fault::Flood => self.flood(object),
            Fault::Forged => self.forge(object),
            Fault::Nonsense => nonsense(object),
            Fault::Destroy => {
                let _ = (object.destroy(), object.destroy());
                return false;
            }
            Fault::Death => exit(DIED),
        }
        true
    }

    fn fault(&mut self) -> Fault {
        let mut left = self.random.below(FAULTS.iter().map(|(_, often)| often).sum());
        for (fault, often) in FAULTS {
            if left < often {
                return fault;
            }
            left -= often;
        }
        Fault::Silence
    }

    /// Locks and unlocks everything, and flushes what is the same for ever.
    fn flap(&mut self, object: &Object) {
        for _ in 0..20 {
            let lock = [VmProt::NONE, VmProt::WRITE, VmProt::ALL][self.random.below(3) as usize];
            let flush = self.random.below(2) == 0;
            let pages = if flush { READ_ONLY } else { PAGES };
            let back = ShouldReturn(self.random.below(3) as u32);
            let _ = object.lock_request(0, pages * PAGE_SIZE, back, flush, lock);
        }
    }

    /// Pages far out, locks and completions.
    fn flood(&mut self, object: &Object) {
        for page in 0..300 {
            let _ = object.supply((1000 + page) * PAGE_SIZE, self.filled().tell());
            let _ = object.lock_request(0, u64::MAX, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE);
        }
    }

    /// Messages to the honest manager that look like the server's.
    fn forge(&mut self, object: &Object) {
        let words: [u64; 5] = core::array::from_fn(|_| self.random.next());
        for id in 2200..2210 {
            let count = self.random.below(words.len() as u64 + 1) as usize;
            let mut message = PortMessage::with_words(id, words.get(..count).unwrap_or_default());
            message.header.remote = CarriedRight { name: HONEST, disposition: Disposition::COPY_SEND };
            message.header.is_from_server = true;
            let control = CarriedRight { name: object.control(), disposition: Disposition::COPY_SEND };
            for _ in 0..self.random.below(3) {
                let _ = message.push_right(control);
            }
            let _ = send(&message, Timeout::Millis(5));
        }
    }
}

/// Calls that make no sense.
fn nonsense(object: &Object) {
    let _ = memory_object_ready(object.control(), false, CopyStrategy(77));
    let _ = memory_object_ready(object.name(), false, CopyStrategy::DELAY);
    let _ = memory_object_ready(OBJECT, false, CopyStrategy::DELAY);
    let _ = memory_object_ready(PortName(0xdead_0001), false, CopyStrategy::DELAY);
    let _ = object.change_attributes(Attributes { copy_strategy: CopyStrategy(9), ..Attributes::default() });
    let _ = object.supply(0, Supply::copy_at(0, PAGE_SIZE));
    let _ = object.supply(0, Supply::copy_at(u64::MAX - 10, PAGE_SIZE));
    let _ = object.lock_request(1, PAGE_SIZE, ShouldReturn(99), true, VmProt::from_bits_retain(0xff));
}
