//! The doorbell form of a manager's loop: one notification for messages, and for a device if there were one.

use alloc::string::String;
use alloc::vec::Vec;

use libmach::memory_object::{Answer, MemoryManager, Object, Returned, Served, Server, Supply};
use libmach::msg::{PortMessage, Timeout, send};
use libmach::port::Disposition;
use libmach::thread::{JoinHandle, spawn};
use libmach::vm::{MapRequest, VmProt};
use libmach::{KernReturn, PortName, Region};

use super::filled;
use crate::support::{P, load, ok, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[("memory_object.doorbell", a_manager_that_waits_for_its_doorbell)];

/// A manager that has its pages later than they are wanted, as from a device.
#[derive(Default)]
struct Slow {
    wanted: Vec<(Object, u64, u64)>,
    back: Vec<(u64, u8)>,
}

impl MemoryManager for Slow {
    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) -> Answer {
        self.wanted.push((*object, offset, length));
        Answer::Later
    }

    fn data_return(&mut self, _: &Object, returned: Returned) {
        self.back.push((returned.offset, load(&returned.data, 0)));
    }
}

/// Reads three pages, writes to the last one, and forges a message in between.
fn client(object: PortName) -> Result<JoinHandle<Result<[u8; 3], KernReturn>>, String> {
    ok(
        "spawn",
        spawn(move || {
            let region = Region::map(&MapRequest::object(object, 3 * P))?;
            let first = load(&region, 0);
            let mut forged = PortMessage::with_words(2201, &[]);
            forged.header.remote.name = object;
            forged.header.remote.disposition = Disposition::COPY_SEND;
            send(&forged, Timeout::Never)?;
            let values = [first, load(&region, P), load(&region, 2 * P)];
            store(&region, 2 * P, 9);
            Ok(values)
        }),
    )
}

fn a_manager_that_waits_for_its_doorbell() -> Outcome {
    let mut server = ok("a loop", Server::new(Slow::default()))?;
    let object = ok("an object", server.add(0))?;
    let bell = ok("a doorbell", server.doorbell())?;
    let client = client(object.port())?;
    let mut is_done = false;
    while !is_done {
        bell.wait();
        loop {
            match ok("the next message", server.next(Timeout::Millis(0)))? {
                Served::Nothing => break,
                Served::Done => {
                    is_done = true;
                    break;
                }
                Served::Manager | Served::Dropped | Served::Other(_) => {}
            }
        }
        // What the device brought meanwhile.
        for (object, offset, length) in core::mem::take(&mut server.manager().wanted) {
            let page = filled((offset / P) as u8 + 1)?;
            ok("answer", object.answer(offset, length, Answer::Supply(Supply::region(page))))?;
        }
    }
    same("what the client read", [1, 2, 3], ok("the client", ok("join", client.join())?)?)?;
    same("what came back", &[(2 * P, 9)][..], &server.manager().back)?;
    same("messages that nobody hears of", 1, server.dropped())
}
