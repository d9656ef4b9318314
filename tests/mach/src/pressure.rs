//! Memory pressure: a child that takes every frame, so that what can be evicted is.

use core::sync::atomic::Ordering::SeqCst;

use libmach::Region;
use libmach::exception::catch;
use libmach::msg::Timeout;
use libmach::task::fork;
use libmach::thread::sleep;

use crate::Outcome;
use crate::support::{P, ok};

/// Has a child take all memory until the server has no more to give. It ends by that, and everything comes back.
pub(crate) fn evict_everything() -> Outcome {
    let hog = ok("fork", fork(|| i32::from(catch(take_everything).is_ok())))?;
    ok("wait for the hog", hog.wait(Timeout::Millis(60_000)))?;
    // What it leaves is freed little by little.
    sleep(200);
    Ok(())
}

fn take_everything() {
    while let Ok(piece) = Region::allocate(1 << 20) {
        piece.bytes().chunks(P as usize).for_each(|page| page[0].store(1, SeqCst));
        core::mem::forget(piece);
    }
}
