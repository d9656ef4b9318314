//! Two paging disks at once: both in use, one taken away while pages are on both, one that fails while the other is well.
//!
//! The pager has the disk `disk` at the start; `test` is added here.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::Ordering::Relaxed;

use libmach::default_pager::{areas, default_pager_paging_file};
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::{PAGE_SIZE, VmInherit};
use libmach::{KernReturn, PortName, Region, thread};
use mach_protocol::block::DiskName;

use crate::support::{
    Found, MEGABYTE, fill, filled, intact, let_go, look, page_out, pager, said, same, shared, wait_until,
};
use crate::{Case, Outcome};

/// With two disks that are well.
pub(crate) const WELL: &[Case] = &[("pager.two.used", both_are_used), ("pager.two.removed", one_is_removed_at_work)];
/// With one of which sectors fail.
pub(crate) const FAILING: &[Case] = &[("pager.two.failing", one_fails_and_the_other_is_well)];
/// With one that fails altogether after a while.
pub(crate) const DYING: &[Case] = &[("pager.two.dying", one_dies_and_the_other_is_well)];

fn file(name: &str, add: bool) -> Result<(), KernReturn> {
    let pager = pager().map_err(|_| KernReturn::FAILURE)?;
    default_pager_paging_file(pager, name, add)
}

/// Pages that an area holds, of all that it has.
fn held_by(pager: PortName, disk: &str) -> Result<u64, String> {
    let all = areas(pager).map_err(said("areas"))?;
    let names = [disk_name(disk)?];
    let found = all.iter().find(|area| names.contains(&area.name));
    found.map(|area| area.total - area.free).ok_or_else(|| format!("{disk} is no area"))
}

/// The name by which the pager knows a disk that is called by its serial number.
fn disk_name(serial: &str) -> Result<DiskName, String> {
    let disks = libmach::block::list().map_err(said("the disks"))?;
    let found = disks.iter().find(|disk| disk.serial == DiskName::new(serial));
    found.map(|disk| disk.name).ok_or_else(|| format!("there is no disk {serial}"))
}

fn both_are_used() -> Outcome {
    let pager = pager()?;
    file("test", true).map_err(said("adding the second"))?;
    let memory = filled(1, 8 * MEGABYTE)?;
    page_out(&memory, 1800)?;
    for disk in ["disk", "test"] {
        let held = held_by(pager, disk)?;
        if held < 256 {
            return Err(format!("{disk} holds {held} pages of 1800"));
        }
    }
    intact(&memory, 1)
}

/// The disks are taken away in turn and come back, while pages are on both and a child writes to memory and looks at it.
fn one_is_removed_at_work() -> Outcome {
    const STOP: u64 = 1;
    let memory = shared(filled(2, 4 * MEGABYTE)?);
    let flag = shared(Region::allocate(PAGE_SIZE).map_err(said("vm_allocate"))?);
    flag.inherit(VmInherit::SHARE).map_err(said("vm_inherit"))?;
    let word = move |index: usize| flag.words().get(index).ok_or("no such word");
    let child = fork(move || {
        let Ok(own) = filled(3, 4 * MEGABYTE) else { return 1 };
        for round in 0.. {
            if intact(&own, 3 + round).is_err() {
                return 2;
            }
            fill(&own, 4 + round);
            let (Ok(state), Ok(rounds)) = (word(0), word(1)) else { return 3 };
            rounds.store(round, Relaxed);
            if state.load(Relaxed) == STOP {
                return 0;
            }
        }
        4
    });
    let child = child.map_err(said("fork"))?;
    for turn in 0..3 {
        for (gone, left) in [("disk", "test"), ("test", "disk")] {
            page_out(memory, 900)?;
            file(gone, false).map_err(said("removing one"))?;
            same("areas", 1, areas(pager()?).map_err(said("areas"))?.len())?;
            intact(memory, 2 + turn)?;
            page_out(memory, 900)?;
            file(gone, true).map_err(said("adding it again"))?;
            held_by(pager()?, left)?;
        }
        fill(memory, 3 + turn);
    }
    let before = word(1)?.load(Relaxed);
    wait_until("the child goes on", || Ok(word(1)?.load(Relaxed) > before))?;
    word(0)?.store(STOP, Relaxed);
    same("the child", TaskEnd::Exited { status: 0 }, child.wait(Timeout::Never).map_err(said("wait"))?)?;
    let_go(memory)?;
    let_go(flag)
}

/// Sectors of `test` fail: their pages are errors, and no others; then the disk is taken away, and all is well again.
fn one_fails_and_the_other_is_well() -> Outcome {
    const BAD: usize = 4;
    file("test", true).map_err(said("adding the second"))?;
    let memory = filled(1, 16 * MEGABYTE)?;
    page_out(&memory, 3600)?;
    let found = look(&memory, 1)?;
    same("pages that are wrong", 0, found.wrong)?;
    if !(1..=BAD).contains(&found.failed) {
        return Err(format!("{} pages are lost, by {BAD} sectors", found.failed));
    }
    same("what is found at a second look", found.failed, look(&memory, 1)?.failed)?;
    file("test", false).map_err(said("removing the failing one"))?;
    let found = look(&memory, 1)?;
    same("pages that are wrong", 0, found.wrong)?;
    if found.failed > BAD {
        return Err(format!("{} pages are lost after the removal, by {BAD} sectors", found.failed));
    }
    well_again(memory)
}

/// `test` fails altogether: what it held is an error, what `disk` holds is not, and it can be taken away.
fn one_dies_and_the_other_is_well() -> Outcome {
    /// Pages of the 20 writes that it lives for, and of all buffers that are for writing.
    const STORED: usize = 20 * 16;
    const MOVING: usize = 12 * 16;
    file("test", true).map_err(said("adding the second"))?;
    let memory = filled(1, 16 * MEGABYTE)?;
    page_out(&memory, 3600)?;
    let found = look(&memory, 1)?;
    same("pages that are wrong", 0, found.wrong)?;
    // What was there, and what was on its way when it died; nothing is sent there afterwards, as the other has room.
    if !(1..=STORED + MOVING).contains(&found.failed) {
        return Err(format!("{} pages are lost, by a disk that wrote {STORED} at the most", found.failed));
    }
    file("test", false).map_err(said("removing the dead one"))?;
    same("areas", 1, areas(pager()?).map_err(said("areas"))?.len())?;
    well_again(memory)
}

/// After that everything goes on with `disk`.
fn well_again(memory: Region) -> Outcome {
    drop(memory);
    thread::sleep(200);
    let more = filled(2, 8 * MEGABYTE)?;
    page_out(&more, 1800)?;
    same("what is found with the other alone", Found::default(), look(&more, 2)?)
}
