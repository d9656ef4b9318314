//! The cases on a disk that works.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use libmach::KernReturn;
use libmach::block::{self, DISK as WHOLE, Disk, Op, Request, SECTOR, Status};
use libmach::msg::Timeout;

use crate::traffic::{each, holds, pieces, well};
use crate::{DISK, Outcome, hostile, open};

pub(crate) const CASES: &[(&str, &dyn Fn() -> Outcome)] = &[
    ("block.list", &disks_are_listed),
    ("block.open", &a_disk_is_open_once),
    ("block.read", &many_reads_are_in_flight),
    ("block.read.unaligned", &a_request_may_begin_in_the_middle_of_a_page),
    ("block.errors", &errors_are_of_the_request),
    ("block.full", &the_ring_takes_64_requests),
    ("block.garbage", &hostile::a_ring_full_of_rubbish),
    ("block.death", &hostile::a_client_dies_with_requests_in_flight),
    ("block.bytes", &bytes_are_read_and_written),
    ("block.write", &many_writes_are_in_flight),
];

const PAGES: u64 = 256;

fn disks_are_listed() -> Outcome {
    let disks = block::list().map_err(|code| format!("{code:?}"))?;
    let disk = disks.iter().find(|disk| disk.serial == block::DiskName::new(DISK)).ok_or("the disk is missing")?;
    if disk.kind != WHOLE || disk.is_read_only || disk.is_divided || disk.sectors < 1024 {
        return Err(format!("{disk:?}"));
    }
    Ok(())
}

fn a_disk_is_open_once() -> Outcome {
    let disk = open(1)?;
    for (name, pages, wanted) in [
        (DISK, 1, KernReturn::NO_ACCESS),
        ("disk0", 1, KernReturn::NO_ACCESS),
        ("no-disk", 1, KernReturn::INVALID_NAME),
        (DISK, 0, KernReturn::INVALID_ARGUMENT),
        (DISK, 257, KernReturn::INVALID_ARGUMENT),
    ] {
        match Disk::open(name, pages) {
            Err(code) if code == wanted => {}
            other => return Err(format!("opening {name} with {pages} pages: {:?}", other.err())),
        }
    }
    drop(disk);
    open(1).map(drop)
}

fn many_reads_are_in_flight() -> Outcome {
    let mut disk = open(PAGES)?;
    let sectors = disk.sectors();
    let most = each(
        &mut disk,
        Op::Read,
        &pieces(0..sectors),
        |_| 0,
        |disk, piece, at, status| {
            well(status, piece)?;
            holds(disk, piece, at, |sector| sector)
        },
    )?;
    if most < 8 { Err(format!("at most {most} requests were in flight")) } else { Ok(()) }
}

fn a_request_may_begin_in_the_middle_of_a_page() -> Outcome {
    let mut disk = open(32)?;
    let request = Request { op: Op::Read, tag: 1, sector: 77, offset: 3 * SECTOR as u32, length: 65536 };
    finish(&mut disk, &request, Status::Ok)?;
    let piece = crate::traffic::Piece { sector: 77, sectors: 128 };
    holds(&disk, piece, 3 * SECTOR as usize / 8, |sector| sector)
}

/// Submits a request and waits for its end.
fn finish(disk: &mut Disk, request: &Request, wanted: Status) -> Outcome {
    disk.submit(request).map_err(|_| "the ring is full")?;
    disk.kick();
    loop {
        match disk.complete() {
            Some(done) if done.tag == request.tag && done.status == wanted => return Ok(()),
            Some(done) => return Err(format!("{request:?} ended with {done:?}")),
            None => disk.wait(Timeout::Millis(20_000)).map_err(|code| format!("waiting: {code:?}"))?,
        }
    }
}

fn errors_are_of_the_request() -> Outcome {
    let mut disk = open(4)?;
    let good = Request { op: Op::Read, tag: 3, sector: 0, offset: 0, length: 4096 };
    let last = disk.sectors() - 1;
    for (request, status) in [
        (good, Status::Ok),
        (Request { length: 0, ..good }, Status::Invalid),
        (Request { length: 100, ..good }, Status::Invalid),
        (Request { offset: 4 * 4096, ..good }, Status::Invalid),
        (Request { offset: 3 * 4096 + 512, ..good }, Status::Invalid),
        (Request { length: 65536 + 512, ..good }, Status::Invalid),
        (Request { sector: last, ..good }, Status::OutOfRange),
        (Request { sector: u64::MAX, ..good }, Status::OutOfRange),
        (Request { sector: last, length: 512, ..good }, Status::Ok),
        (Request { op: Op::Flush, ..good }, Status::Ok),
    ] {
        finish(&mut disk, &request, status)?;
    }
    Ok(())
}

fn the_ring_takes_64_requests() -> Outcome {
    let mut disk = open(1)?;
    let request = Request { op: Op::Read, tag: 0, sector: 5, offset: 0, length: 512 };
    for tag in 0..block::ENTRIES {
        disk.submit(&Request { tag, ..request }).map_err(|_| format!("request {tag} did not fit"))?;
    }
    if disk.submit(&request).is_ok() {
        return Err(String::from("one more than fits was taken"));
    }
    disk.kick();
    let mut seen = vec![false; block::ENTRIES as usize];
    while disk.in_flight() > 0 {
        match disk.complete() {
            Some(done) => match seen.get_mut(done.tag as usize) {
                Some(seen) if !*seen && done.status == Status::Ok => *seen = true,
                _ => return Err(format!("{done:?}")),
            },
            None => disk.wait(Timeout::Millis(20_000)).map_err(|code| format!("waiting: {code:?}"))?,
        }
    }
    Ok(())
}

fn bytes_are_read_and_written() -> Outcome {
    let mut disk = open(2)?;
    let middle = disk.sectors() / 2;
    let said = |status| format!("{status:?}");
    // More than the data pages hold, so that it goes in pieces.
    let written: alloc::vec::Vec<u8> = (0..20 * SECTOR).map(|index| (index * 7 % 251) as u8).collect();
    disk.write(middle, &written).map_err(said)?;
    disk.flush().map_err(said)?;
    let mut read = vec![0; written.len()];
    disk.read(middle, &mut read).map_err(said)?;
    if read != written {
        return Err(String::from("what was read is not what was written"));
    }
    let beyond = disk.sectors() - 1;
    match disk.read(beyond, &mut read) {
        Err(Status::OutOfRange) => Ok(()),
        other => Err(format!("reading beyond the end: {other:?}")),
    }
}

/// What is left for the harness to see: the second half inverted.
fn many_writes_are_in_flight() -> Outcome {
    let mut disk = open(PAGES)?;
    let sectors = disk.sectors();
    let pieces = pieces(sectors / 2..sectors);
    each(&mut disk, Op::Write, &pieces, |sector| !sector, |_, piece, _, status| well(status, piece))?;
    finish(&mut disk, &Request { op: Op::Flush, tag: 7, sector: 0, offset: 0, length: 0 }, Status::Ok)?;
    each(
        &mut disk,
        Op::Read,
        &pieces,
        |_| 0,
        |disk, piece, at, status| {
            well(status, piece)?;
            holds(disk, piece, at, |sector| !sector)
        },
    )?;
    Ok(())
}
