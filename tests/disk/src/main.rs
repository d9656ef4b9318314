//! Tests of the block server, on disks that the harness made: in each sector every word holds the sector's number.
//!
//! Arguments: `disk`, all cases on the disk of that serial number, of whose second half every word is inverted in the end, which
//! the harness checks; `failing` and numbers of sectors, on a disk of which these sectors fail; or `refused`, in a task that
//! may not open disks.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::block::Disk;
use libmach::println;
use test_report::Line;

mod cases;
mod failing;
mod hostile;
mod traffic;

libmach::entry!(main);

/// The serial number of the disk.
const DISK: &str = "test";

/// What a case answers: why it failed.
type Outcome = Result<(), String>;

fn main() -> i32 {
    let mut arguments = libmach::args().skip(1);
    let mut failed = 0;
    let mut case = |name: &str, run: &dyn Fn() -> Outcome| {
        println!("{}", Line::Start(name));
        match run() {
            Ok(()) => println!("{}", Line::Pass(name)),
            Err(why) => {
                failed += 1;
                println!("{}", Line::Fail(name, &why));
            }
        }
    };
    match arguments.next() {
        Some("failing") => {
            let sectors: Vec<u64> = arguments.filter_map(|argument| argument.parse().ok()).collect();
            case("block.failing.read", &|| failing::reads(&sectors));
            case("block.failing.write", &|| failing::writes(&sectors));
        }
        Some("refused") => case("block.refused", &cases::nothing_is_opened),
        _ => {
            for (name, run) in cases::CASES {
                case(name, run);
            }
        }
    }
    println!("{}", Line::Done);
    i32::from(failed != 0)
}

/// Opens the disk. One that was just closed may take the server a moment.
fn open(pages: u64) -> Result<Disk, String> {
    let mut last = None;
    for _ in 0..200 {
        match Disk::open(DISK, pages) {
            Ok(disk) => return Ok(disk),
            Err(code) => last = Some(code),
        }
        libmach::thread::sleep(5);
    }
    Err(format!("opening the disk: {last:?}"))
}
