//! Clients that break the rules, and what the others notice: nothing.

use alloc::format;

use libmach::block::{Disk, Op, Request};
use libmach::msg::Timeout;
use libmach::task::{fork, mach_task_self};
use libmach::vm::{PAGE_SIZE, vm_write};

use crate::{DISK, Outcome, open};

/// A child's status when it did what it should.
const DONE: i32 = 7;

/// Runs `main` in a task of its own, to the end.
fn in_child(main: impl FnOnce(Disk) + 'static) -> Outcome {
    let child = fork(move || match Disk::open(DISK, 16) {
        Ok(disk) => {
            main(disk);
            DONE
        }
        Err(_) => 1,
    });
    let end = child.map_err(|code| format!("a child: {code:?}"))?.wait(Timeout::Millis(20_000));
    match end {
        Ok(libmach::task::TaskEnd::Exited { status: DONE }) => Ok(()),
        other => Err(format!("the child ended by {other:?}")),
    }
}

/// Writes rubbish into its rings, again and again, between requests.
pub(crate) fn a_ring_full_of_rubbish() -> Outcome {
    drop(open(1)?);
    libmach::thread::sleep(20);
    in_child(|mut disk| {
        let rings = disk.data_address() - PAGE_SIZE;
        let mut seed = 1_u64;
        for round in 0..300_u64 {
            let request = Request { op: Op::Read, tag: round, sector: round, offset: 0, length: 512 };
            let _ = disk.submit(&request);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = if round % 3 == 0 { seed } else { seed >> 58 };
            let _ = vm_write(mach_task_self(), rings + (seed >> 32) % 400 * 8, &value.to_le_bytes());
            if round % 4 == 0 {
                let _ = vm_write(mach_task_self(), rings, &(round + value % 40).to_le_bytes());
            }
            disk.kick();
        }
    })?;
    // The server lives, and the disk can be had again.
    let mut disk = open(1)?;
    let mut sector = [0; 512];
    disk.read(9, &mut sector).map_err(|status| format!("afterwards: {status:?}"))?;
    if sector.first() == Some(&9) { Ok(()) } else { Err("sector 9 holds something else".into()) }
}

/// Ends while the device writes to its memory.
pub(crate) fn a_client_dies_with_requests_in_flight() -> Outcome {
    for round in 0..8 {
        drop(open(1)?);
        libmach::thread::sleep(20);
        in_child(move |mut disk| {
            for tag in 0..round * 4 {
                let _ = disk.submit(&Request { op: Op::Read, tag, sector: tag, offset: 0, length: 65536 });
            }
            disk.kick();
            // As if it were killed: nothing is tidied up.
            core::mem::forget(disk);
        })?;
    }
    open(1).map(drop)
}
