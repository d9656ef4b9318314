//! A paging area that changes by itself: what was damaged is an error to who touches it, and never data.
//!
//! The same image is attached twice: as `disk`, which the pager has, and as `test`, which this task writes to.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use libmach::block::{Disk, SECTOR};
use libmach::vm::PAGE_SIZE;

use crate::support::{Found, MEGABYTE, fill, filled, intact, look, page_out, said, same, wanted};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[("pager.corrupt", a_damaged_page_is_an_error)];

const SECTORS: u64 = PAGE_SIZE / SECTOR;

fn a_damaged_page_is_an_error() -> Outcome {
    const VERSION: u64 = 9;
    let memory = filled(VERSION, 4 * MEGABYTE)?;
    page_out(&memory, 1000)?;
    let mut disk = Disk::open("test", 16).map_err(said("opening the disk"))?;
    let slots = find(&mut disk, VERSION)?;
    let [first, second, third, fourth, ..] = *slots.as_slice() else {
        return Err(format!("{} pages were found on the disk", slots.len()));
    };
    // One bit; nothing but zeros; the good contents of another page.
    let mut page = vec![0; PAGE_SIZE as usize];
    let failed = |status| format!("the disk: {status:?}");
    disk.read(first, &mut page).map_err(failed)?;
    page.iter_mut().skip(2000).take(1).for_each(|byte| *byte ^= 0x10);
    disk.write(first, &page).map_err(failed)?;
    disk.write(second, &vec![0; PAGE_SIZE as usize]).map_err(failed)?;
    disk.read(third, &mut page).map_err(failed)?;
    disk.write(fourth, &page).map_err(failed)?;
    disk.flush().map_err(failed)?;
    for round in ["first", "second"] {
        same(&format!("what is found at the {round} look"), Found { wrong: 0, failed: 3 }, look(&memory, VERSION)?)?;
    }
    // Nothing else is disturbed, and paging moves on.
    let more = filled(VERSION + 1, 4 * MEGABYTE)?;
    page_out(&more, 1000)?;
    intact(&more, VERSION + 1)?;
    drop(memory);
    fill(&more, VERSION + 2);
    page_out(&more, 1000)?;
    intact(&more, VERSION + 2)
}

/// The first sectors of the places where pages of a version are.
fn find(disk: &mut Disk, version: u64) -> Result<Vec<u64>, alloc::string::String> {
    /// Pages that are read at once.
    const PIECE: u64 = 16;
    let firsts: alloc::collections::BTreeSet<u64> = (0..1024).map(|page| wanted(version, page, 0)).collect();
    let mut bytes = vec![0; (PIECE * PAGE_SIZE) as usize];
    let mut found = Vec::new();
    for sector in (0..disk.sectors()).step_by((PIECE * SECTORS) as usize) {
        disk.read(sector, &mut bytes).map_err(|status| format!("reading the disk: {status:?}"))?;
        for (page, at) in bytes.chunks(PAGE_SIZE as usize).zip((sector..).step_by(SECTORS as usize)) {
            let word = page.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if firsts.contains(&word) {
                found.push(at);
            }
        }
    }
    Ok(found)
}
