//! A default pager without a disk, for tests of page-out itself: it keeps pages in its own memory, which stays resident.
//!
//! It has page-out begin although there is memory: only so many pages may be in use beside what it keeps.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use libmach::memory_object::{After, Answer, MemoryManager, Object, Returned, Server, Supply, set_free_targets};
use libmach::port::{Disposition, Right, mach_port_allocate, mach_port_insert_right};
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, VmProt, vm_statistics, wire_task};
use libmach::{KernReturn, PortName, Region, Result, host, names};
use mach_protocol::boot::HOST_PRIV;

libmach::entry!(main);

/// Pages that tasks may use before page-out begins.
const IN_USE: u64 = 1024;
/// Pages between the two targets.
const BETWEEN: u64 = 128;
/// Pages that the pager takes for itself at a time.
const CHUNK: u64 = 64;
/// Words of a page.
const WORDS: usize = (PAGE_SIZE / 8) as usize;

/// Where pages are kept.
struct Keeper {
    chunks: Vec<Region>,
    free: Vec<usize>,
    /// The places of the pages of each object, by its tag.
    pages: BTreeMap<(u64, u64), usize>,
    tags: u64,
    /// Free frames at the start.
    frames: u64,
}

impl Keeper {
    /// A free place.
    fn take(&mut self) -> Result<usize> {
        if let Some(place) = self.free.pop() {
            return Ok(place);
        }
        let first = self.chunks.len() * CHUNK as usize;
        self.chunks.push(Region::allocate(CHUNK * PAGE_SIZE)?);
        self.free.extend(first..first + CHUNK as usize);
        self.set_targets()?;
        self.free.pop().ok_or(KernReturn::RESOURCE_SHORTAGE)
    }

    /// What the pager keeps is not in use.
    fn set_targets(&self) -> Result<()> {
        let low = self.frames.saturating_sub(IN_USE + self.chunks.len() as u64 * CHUNK);
        set_free_targets(HOST_PRIV, low, low + BETWEEN)
    }

    /// Copies the page at `from` in one region to `to` in another.
    fn copy(from: (&Region, usize), to: (&Region, usize)) {
        let words = |(region, page): (&'_ Region, usize)| -> Option<core::ops::Range<usize>> {
            (page < (region.size() / PAGE_SIZE) as usize).then(|| page * WORDS..(page + 1) * WORDS)
        };
        let (Some(source), Some(target)) = (words(from), words(to)) else { return };
        let pairs =
            from.0.words().get(source).into_iter().flatten().zip(to.0.words().get(target).into_iter().flatten());
        pairs.for_each(|(from, to)| to.store(from.load(Relaxed), Relaxed));
    }

    fn chunk(&self, place: usize) -> Option<(&Region, usize)> {
        Some((self.chunks.get(place / CHUNK as usize)?, place % CHUNK as usize))
    }

    fn data(&self, object: &Object, offset: u64, length: u64) -> Result<Region> {
        let region = Region::allocate(length)?;
        for page in 0..(length / PAGE_SIZE) as usize {
            let key = (object.tag(), offset + page as u64 * PAGE_SIZE);
            let place = self.pages.get(&key).and_then(|place| self.chunk(*place)).ok_or(KernReturn::MEMORY_ERROR)?;
            Self::copy(place, (&region, page));
        }
        Ok(region)
    }
}

impl MemoryManager for Keeper {
    fn create(&mut self, _: &Object, _: u64) -> u64 {
        self.tags += 1;
        self.tags
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) -> Answer {
        match self.data(object, offset, length) {
            Ok(region) => Answer::Supply(Supply::region(region)),
            Err(code) => Answer::Error(code),
        }
    }

    fn data_return(&mut self, object: &Object, returned: Returned) {
        for page in 0..(returned.data.size() / PAGE_SIZE) as usize {
            let key = (object.tag(), returned.offset + page as u64 * PAGE_SIZE);
            let place = match self.pages.get(&key) {
                Some(place) => *place,
                None => match self.take() {
                    Ok(place) => place,
                    // A request for it will say so.
                    Err(_) => continue,
                },
            };
            self.pages.insert(key, place);
            if let Some(place) = self.chunk(place) {
                Self::copy((&returned.data, page), place);
            }
        }
    }

    fn terminate(&mut self, object: &Object) -> After {
        let mut kept = core::mem::take(&mut self.pages);
        let mut gone = kept.split_off(&(object.tag(), 0));
        let mut later = gone.split_off(&(object.tag() + 1, 0));
        self.free.extend(gone.into_values());
        kept.append(&mut later);
        self.pages = kept;
        After::Close
    }
}

fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(code) => {
            libmach::println!("memory-pager: {code:?}");
            1
        }
    }
}

fn run() -> Result<()> {
    let task = mach_task_self();
    let port = mach_port_allocate(task, Right::RECEIVE)?;
    mach_port_insert_right(task, port, port, Disposition::MAKE_SEND)?;
    let frames = u64::from(vm_statistics(task)?.free_count);
    let keeper = Keeper { chunks: Vec::new(), free: Vec::new(), pages: BTreeMap::new(), tags: 0, frames };
    keeper.set_targets()?;
    let mut server = Server::new(keeper)?;
    server.serve_creations(port)?;
    wire_task(HOST_PRIV)?;
    let before: PortName = host::vm_set_default_memory_manager(HOST_PRIV, port)?;
    if before.is_valid() {
        return Err(KernReturn::NAME_EXISTS);
    }
    names::register("memory-pager", port)?;
    server.run()
}
