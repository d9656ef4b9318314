//! A fault that a handler in another address space answers: the thread tries again, and faults again.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use mach_sys::cap::{Endpoint, Notification};
use mach_sys::{Cap, ObjectType};

use crate::calls::Server;
use crate::code::{self, HANDLER_LOOP, Watch};
use crate::measure::{Failure, SAMPLES, report};
use crate::objects::Objects;
use crate::space::{Space, WINDOW};
use crate::worker::Worker;

/// Faults in each sample.
const FAULTS: u64 = 1024;

/// Numbers of the threads.
const HANDLER: u64 = 34;
const FAULTER: u64 = 35;

type Entry = extern "C" fn(*const Watch) -> !;
type Faulter = extern "C" fn(u64) -> !;

/// Measures them all.
pub(crate) fn measure_all(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    for (name, handler, entry, faulter) in [
        ("kernel.fault", Server::Passive, code::handler as Entry, code::faulter as Faulter),
        ("kernel.fault.active", Server::Active, code::handler, code::faulter),
        ("kernel.fault.kept", Server::Active, code::kept_handler, code::faulter),
        ("kernel.exception", Server::Passive, code::handler, code::undefined),
        ("kernel.exception.kept", Server::Active, code::kept_handler, code::undefined),
    ] {
        fault(name, handler, entry, faulter, scene, spaces)?;
        scene.clear()?;
    }
    Ok(())
}

fn fault(
    name: &'static str,
    handler: Server,
    entry: Entry,
    faulter: Faulter,
    scene: &mut Objects,
    spaces: &[Space; 2],
) -> Result<(), Failure> {
    let endpoint: Cap<Endpoint> = scene.one(ObjectType::Endpoint, 0)?;
    let ready: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let done: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let ticks: [AtomicU64; SAMPLES] = Default::default();
    let range = ticks.as_ptr_range();
    // The handler writes there.
    let _ = range.start.expose_provenance();
    let watch = Watch {
        endpoint: endpoint.cptr(),
        reply: scene.several(ObjectType::Reply, 0, 1)?,
        ready: ready.cptr(),
        done: done.cptr(),
        faults: FAULTS,
        ticks: range.start,
        ticks_end: range.end,
    };
    let at = (&raw const watch).expose_provenance() as u64;
    let running = Worker::new(HANDLER, spaces[1], entry as usize, [at, 0, 0, 0]).start(scene)?;
    let _ = ready.wait();
    if handler == Server::Passive {
        running.context.unbind()?;
    }
    let faulter = Worker::new(FAULTER, spaces[0], faulter as usize, [WINDOW, 0, 0, 0]);
    Worker { fault_handler: endpoint, ..faulter }.start(scene)?;
    let _ = done.wait();
    ticks.iter().for_each(|ticks| report(name, ticks.load(SeqCst), FAULTS, HANDLER_LOOP));
    Ok(())
}
