//! Page faults on a memory object, whose manager is another task.

use alloc::format;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use libmach::memory_object::{ByPage, Object, Page, Pages, Server};
use libmach::msg::Timeout;
use libmach::task::fork;
use libmach::thread::sleep;
use libmach::vm::{MapRequest, PAGE_SIZE};
use libmach::{PortName, Region, Result, names};

use crate::faults::{PAGES, faulting, in_order, read, scattered, scattered_count};
use crate::{Bench, Taken};

pub(crate) const ALL: &[Bench] = &[("mach.external", external), ("mach.object-page", present)];

/// An object full of zeros.
struct Zeros;

impl Pages for Zeros {
    fn read(&mut self, _: &Object, _: u64, _: &mut Page) -> Result<()> {
        Ok(())
    }
}

/// Does something with an object that a new task manages.
fn with_object<T>(act: impl FnOnce(PortName) -> Result<T>) -> Result<T> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("bench{}", NUMBER.fetch_add(1, Relaxed));
    let its_name = name.clone();
    let manager = fork(move || serve(&its_name).map_or_else(|code| code.0, |()| 0))?;
    let result = act(wait_for(&name))?;
    manager.wait(Timeout::Never)?;
    Ok(result)
}

/// Manages one object until nobody maps it any more.
fn serve(name: &str) -> Result<()> {
    let mut server = Server::new(ByPage::new(Zeros))?;
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

/// The manager supplies each page when it is read for the first time.
fn external() -> Result<Taken> {
    with_object(|object| {
        let memory = Region::map(&MapRequest::object(object, PAGES * PAGE_SIZE))?;
        Ok(faulting(
            || {
                core::hint::black_box(read(&memory, scattered()));
            },
            scattered_count(),
        ))
    })
}

/// The pages are in memory: they were read in another place.
fn present() -> Result<Taken> {
    with_object(|object| {
        let first = Region::map(&MapRequest::object(object, PAGES * PAGE_SIZE))?;
        core::hint::black_box(read(&first, in_order()));
        // A page more, which is read before: making a translation table is no part of it.
        let second = Region::map(&MapRequest::object(object, (PAGES + 1) * PAGE_SIZE))?;
        core::hint::black_box(read(&second, PAGES as usize..PAGES as usize + 1));
        Ok(faulting(
            || {
                core::hint::black_box(read(&second, scattered()));
            },
            scattered_count(),
        ))
    })
}
