//! The cases on a disk that works.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use libmach::KernReturn;
use libmach::block::{self, DISK as WHOLE, Disk, Op, Request, SECTOR, Status};
use libmach::memory_object::port_doorbell;
use libmach::msg::{CarriedRight, Timeout, rpc};
use libmach::port::Disposition;
use libmach::task::mach_task_self;
use mach_protocol::block::{BLOCK, BLOCK_OPEN, DISKS, OpenRequest, message as packed};
use mach_protocol::service::answer_code;

use crate::traffic::{each, holds, pieces, well};
use crate::{DISK, Outcome, hostile, open};

pub(crate) const CASES: &[(&str, &dyn Fn() -> Outcome)] = &[
    ("block.list", &disks_are_listed),
    ("block.open", &a_disk_is_open_once),
    ("block.open.part", &parts_are_open_beside_each_other),
    ("block.open.port", &only_the_granted_port_opens),
    ("block.read", &many_reads_are_in_flight),
    ("block.read.unaligned", &a_request_may_begin_in_the_middle_of_a_page),
    ("block.ring", &bells_are_rung_in_place_of_messages),
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
    let sectors = disk.sectors();
    for (name, start, part, pages, wanted) in [
        (DISK, 0, 0, 1, KernReturn::NO_ACCESS),
        ("disk0", 0, 0, 1, KernReturn::NO_ACCESS),
        (DISK, 100, 1, 1, KernReturn::NO_ACCESS),
        (DISK, sectors, 0, 1, KernReturn::INVALID_ARGUMENT),
        (DISK, 1, sectors, 1, KernReturn::INVALID_ARGUMENT),
        ("no-disk", 0, 0, 1, KernReturn::INVALID_NAME),
        (DISK, 0, 0, 0, KernReturn::INVALID_ARGUMENT),
        (DISK, 0, 0, 257, KernReturn::INVALID_ARGUMENT),
    ] {
        match Disk::open_part(name, start, part, pages) {
            Err(code) if code == wanted => {}
            other => return Err(format!("opening {part} sectors of {name} with {pages} pages: {:?}", other.err())),
        }
    }
    drop(disk);
    open(1).map(drop)
}

/// Two parts of the disk are two sessions; in each, sectors are counted from its beginning.
fn parts_are_open_beside_each_other() -> Outcome {
    drop(open(1)?);
    let said = |code: KernReturn| format!("{code:?}");
    let mut parts = [Disk::open_part(DISK, 8, 16, 1).map_err(said)?, Disk::open_part(DISK, 24, 0, 1).map_err(said)?];
    if parts[0].sectors() != 16 {
        return Err(format!("a part of 16 sectors has {}", parts[0].sectors()));
    }
    for (part, first) in parts.iter_mut().zip([8_u64, 24]) {
        let mut bytes = [0; SECTOR as usize];
        part.read(3, &mut bytes).map_err(|status| format!("{status:?}"))?;
        if bytes.first_chunk() != Some(&(first + 3).to_le_bytes()) {
            return Err(format!("the fourth sector of the part from {first} on holds {:?}", bytes.first_chunk::<8>()));
        }
    }
    match parts[0].read(16, &mut [0; SECTOR as usize]) {
        Err(Status::OutOfRange) => Ok(()),
        other => Err(format!("reading behind the part: {other:?}")),
    }
}

/// The port that tells of disks opens none, and a request of another shape is refused.
fn only_the_granted_port_opens() -> Outcome {
    for (server, rights, wanted) in [
        (BLOCK, 1, KernReturn::INVALID_CAPABILITY),
        (DISKS, 0, KernReturn::INVALID_ARGUMENT),
        (DISKS, 2, KernReturn::INVALID_ARGUMENT),
    ] {
        refused(server, rights, wanted)?;
    }
    Ok(())
}

/// Asks a port of the server's to open the disk, with so many rights, and wants to be refused.
fn refused(server: &str, rights: usize, wanted: KernReturn) -> Outcome {
    let said = |code: KernReturn| format!("{code:?}");
    let server = libmach::names::lookup(server).map_err(said)?;
    let request = OpenRequest { name: block::DiskName::new(DISK), start: 0, sectors: 0, pages: 1 };
    let mut message = packed(BLOCK_OPEN, &request);
    for _ in 0..rights {
        let right = CarriedRight { name: mach_task_self(), disposition: Disposition::COPY_SEND };
        message.push_right(right).map_err(|_| "the right does not fit")?;
    }
    match answer_code(BLOCK_OPEN, &rpc(server, &message).map_err(said)?) {
        Err(code) if code == wanted => Ok(()),
        other => Err(format!("with {rights} rights: {other:?}")),
    }
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

fn bells_are_rung_in_place_of_messages() -> Outcome {
    const READS: u64 = 200;
    let mut disk = open(1)?;
    let bell = port_doorbell(disk.notify_port()).map_err(|code| format!("a doorbell: {code:?}"))?;
    disk.ring();
    for sector in 0..READS {
        disk.submit(&Request { op: Op::Read, tag: sector, sector, offset: 0, length: 512 })
            .map_err(|_| "it is full")?;
        disk.kick();
        while disk.complete().is_none() {
            if !disk.rearm() {
                let heard = bell.wait();
                if heard.message() || heard.own() {
                    return Err(format!("a message came at sector {sector}"));
                }
            }
        }
        let piece = crate::traffic::Piece { sector, sectors: 1 };
        holds(&disk, piece, 0, |sector| sector)?;
    }
    // Whose session is over hears nothing more, and the next one is served.
    drop(disk);
    open(1).map(drop)
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

/// A task to which the disks are not granted sees what there is, and opens nothing.
pub(crate) fn nothing_is_opened() -> Outcome {
    disks_are_listed()?;
    match Disk::open(DISK, 1) {
        Err(KernReturn::INVALID_CAPABILITY) => refused(BLOCK, 1, KernReturn::INVALID_CAPABILITY),
        other => Err(format!("opening the disk: {:?}", other.err())),
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
