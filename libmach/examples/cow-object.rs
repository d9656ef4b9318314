//! Copy-on-write over a managed object, whose manager promises nothing (NONE) or that its data does not change by
//! itself (DELAY). Between the steps all memory is taken, so that the object's pages are evicted and asked for again:
//! no client can see that.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::catch;
use libmach::memory_object::{Attributes, ByPage, CopyStrategy, Object, Page, Pages, Server};
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork, mach_task_self};
use libmach::thread::sleep;
use libmach::vm::{MapRequest, PAGE_SIZE, VmInherit, vm_statistics};
use libmach::{KernReturn, PortName, Region, Result, names, println};

libmach::entry!(main);

const PAGES: u64 = 8;
const SIZE: u64 = PAGES * PAGE_SIZE;
const STRATEGIES: [(CopyStrategy, &str); 2] = [(CopyStrategy::NONE, "NONE"), (CopyStrategy::DELAY, "DELAY")];

/// Frames that are left to be taken.
const LEFT: u32 = 2000;

/// What each page of an object or a copy is full of.
type Bytes = [u8; PAGES as usize];

/// The manager's store, a page for each of the object's, and what it was asked, in memory shared with the client.
struct Store {
    pages: Region,
    strategy: CopyStrategy,
    asked: &'static Region,
}

impl Pages for Store {
    fn attributes(&mut self, _: &Object) -> Attributes {
        Attributes { copy_strategy: self.strategy, ..Attributes::default() }
    }

    fn read(&mut self, _: &Object, offset: u64, page: &mut Page) -> Result<()> {
        self.asked.words()[0].fetch_add(1, SeqCst);
        let stored = self.pages.bytes().get(offset as usize..).ok_or(KernReturn::INVALID_ADDRESS)?;
        page.0.iter_mut().zip(stored).for_each(|(to, from)| *to = from.load(SeqCst));
        Ok(())
    }

    fn write(&mut self, _: &Object, offset: u64, page: &Page) {
        let stored = self.pages.bytes().get(offset as usize..).unwrap_or_default();
        stored.iter().zip(page.0).for_each(|(to, from)| to.store(from, SeqCst));
    }
}

fn main() -> Result<i32> {
    let asked: &'static Region = Box::leak(Box::new(Region::allocate(PAGE_SIZE)?));
    asked.inherit(VmInherit::SHARE)?;
    // Most of the memory is taken for good, so that taking all of it does not take a minute each time.
    let ballast = Region::allocate(u64::from(free_frames()?.saturating_sub(LEFT)) * PAGE_SIZE)?;
    ballast.inherit(VmInherit::NONE)?;
    ballast.bytes().chunks(PAGE_SIZE as usize).for_each(|page| page[0].store(1, SeqCst));
    let mut right = true;
    for (strategy, name) in STRATEGIES {
        let manager = fork(move || serve(strategy, name, asked).map_or_else(|code| code.0, |()| 0))?;
        println!("{name}:");
        right &= client(wait_for(name), asked)?;
        right &= manager.wait(Timeout::Never)? == TaskEnd::Exited { status: 0 };
    }
    Ok(i32::from(!right))
}

fn free_frames() -> Result<u32> {
    Ok(vm_statistics(mach_task_self())?.free_count)
}

/// Serves one object until nobody maps it any more.
fn serve(strategy: CopyStrategy, name: &str, asked: &'static Region) -> Result<()> {
    let pages = Region::allocate(SIZE)?;
    for (number, page) in (1..).zip(pages.bytes().chunks(PAGE_SIZE as usize)) {
        page.iter().for_each(|byte| byte.store(number, SeqCst));
    }
    let mut server = Server::new(ByPage::new(Store { pages, strategy, asked }))?;
    names::register(name, server.add(0)?.port())?;
    server.run()
}

fn wait_for(name: &str) -> PortName {
    loop {
        match names::lookup(name) {
            Ok(object) => return object,
            Err(_) => sleep(1),
        }
    }
}

/// Writes to the object and to copies of it; answers whether every byte was right at every step.
fn client(object: PortName, asked: &Region) -> Result<bool> {
    let shared = MapRequest { inheritance: VmInherit::NONE, ..MapRequest::object(object, SIZE) };
    let copied = MapRequest { copy: true, ..shared };
    let original: Bytes = [1, 2, 3, 4, 5, 6, 7, 8];

    let object = Region::map(&shared)?;
    let first = Region::map(&copied)?;
    let mut all = step("an object and a copy of it", asked, &[(&object, original), (&first, original)])?;

    fill(&object, &[0, 1], 100);
    let written = [100, 100, 3, 4, 5, 6, 7, 8];
    all &= step("pages of the object are written to", asked, &[(&object, written), (&first, original)])?;

    fill(&first, &[1, 2], 50);
    let own = [1, 50, 50, 4, 5, 6, 7, 8];
    all &= step("pages of the copy are written to", asked, &[(&object, written), (&first, own)])?;

    let second = Region::map(&copied)?;
    all &= step("a second copy", asked, &[(&object, written), (&first, own), (&second, written)])?;

    fill(&object, &[1, 3, 7], 101);
    fill(&second, &[7], 51);
    let rewritten = [100, 101, 3, 101, 5, 6, 7, 101];
    let other = [100, 100, 3, 4, 5, 6, 7, 51];
    let last = [(&object, rewritten), (&first, own), (&second, other)];
    all &= step("all three differ", asked, &last)?;
    Ok(all)
}

fn fill(region: &Region, pages: &[usize], byte: u8) {
    for page in pages {
        let page = region.bytes().iter().skip(page * PAGE_SIZE as usize).take(PAGE_SIZE as usize);
        page.for_each(|cell| cell.store(byte, SeqCst));
    }
}

/// Takes all memory, and looks at every byte; then again with the pages there.
fn step(what: &str, asked: &Region, wanted: &[(&Region, Bytes)]) -> Result<bool> {
    let before = asked.words()[0].load(SeqCst);
    evict()?;
    let evicted = wrong(wanted);
    let was_asked = asked.words()[0].load(SeqCst) > before;
    let resident = wrong(wanted);
    println!("  {what}: {evicted} bytes wrong after an eviction, {resident} later; the manager was asked: {was_asked}");
    Ok(evicted == 0 && resident == 0 && was_asked)
}

fn wrong(wanted: &[(&Region, Bytes)]) -> usize {
    let wrong_in = |region: &Region, bytes: &Bytes| {
        let pages = region.bytes().chunks(PAGE_SIZE as usize).zip(bytes);
        pages.map(|(page, byte)| page.iter().filter(|cell| cell.load(SeqCst) != *byte).count()).sum::<usize>()
    };
    wanted.iter().map(|(region, bytes)| wrong_in(region, bytes)).sum()
}

/// Has a child take all memory. It ends when there is no more, and what it took comes back.
fn evict() -> Result<()> {
    let take_everything = || {
        while let Ok(piece) = Region::allocate(1 << 20) {
            piece.bytes().chunks(PAGE_SIZE as usize).for_each(|page| page[0].store(1, SeqCst));
            core::mem::forget(piece);
        }
    };
    fork(move || i32::from(catch(take_everything).is_ok()))?.wait(Timeout::Never)?;
    sleep(200);
    Ok(())
}
