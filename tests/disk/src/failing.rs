//! A disk of which some sectors fail: exactly the requests that touch them do.

use alloc::format;

use libmach::block::{Op, Status};

use crate::traffic::{Piece, each, holds, pieces, well};
use crate::{Outcome, open};

/// Reads all of the disk, then once more, since a disk that failed must go on.
pub(crate) fn reads(failing: &[u64]) -> Outcome {
    let mut disk = open(256)?;
    let sectors = disk.sectors();
    for _ in 0..2 {
        let mut failed = 0;
        each(
            &mut disk,
            Op::Read,
            &pieces(0..sectors),
            |_| 0,
            |disk, piece, at, status| match fails(piece, failing) {
                true if status == Status::Io => {
                    failed += 1;
                    Ok(())
                }
                true => Err(format!("{piece:?} touches a failing sector, and ended with {status:?}")),
                false => {
                    well(status, piece)?;
                    holds(disk, piece, at, |sector| sector)
                }
            },
        )?;
        if failed == 0 {
            return Err("nothing failed".into());
        }
    }
    Ok(())
}

/// Writes what is there already.
pub(crate) fn writes(failing: &[u64]) -> Outcome {
    let mut disk = open(256)?;
    let sectors = disk.sectors();
    each(
        &mut disk,
        Op::Write,
        &pieces(0..sectors),
        |sector| sector,
        |_, piece, _, status| {
            let wanted = if fails(piece, failing) { Status::Io } else { Status::Ok };
            if status == wanted { Ok(()) } else { Err(format!("{piece:?} ended with {status:?}, wanted {wanted:?}")) }
        },
    )?;
    drop(disk);
    reads(failing)
}

fn fails(piece: Piece, failing: &[u64]) -> bool {
    failing.iter().any(|sector| (piece.sector..piece.sector + piece.sectors).contains(sector))
}
