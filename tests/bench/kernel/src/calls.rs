//! Call and reply between two address spaces: a client calls, a server answers and receives.

use core::sync::atomic::Ordering::SeqCst;

use mach_sys::abi::{MessageInfo, Syscall};
use mach_sys::cap::Notification;
use mach_sys::{CPtr, Cap, ObjectType};

use crate::code::{self, Job, REFUSED, SERVER_LOOP, Step};
use crate::measure::{Failure, report};
use crate::objects::Objects;
use crate::space::Space;
use crate::worker::Worker;

const BATCH: usize = 64;
const ROUNDS: u64 = 16;

/// Numbers of the threads.
const CLIENT: u64 = 32;
const SERVER: u64 = 33;

/// Whether a server has a scheduling context of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// It runs on its client's.
    Passive,
    Active,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    ReplyRecv,
    /// By NBSendRecv to its reply object.
    Kept,
}

/// Measures them all: name, words each way, server, way of answering.
pub(crate) fn measure_all(scene: &mut Objects, spaces: &[Space; 2]) -> Result<(), Failure> {
    for (name, words, server, answer) in [
        ("kernel.call.0-words", 0, Server::Passive, Answer::ReplyRecv),
        ("kernel.call.4-words", 4, Server::Passive, Answer::ReplyRecv),
        ("kernel.call.10-words", 10, Server::Passive, Answer::ReplyRecv),
        ("kernel.call.120-words", 120, Server::Passive, Answer::ReplyRecv),
        ("kernel.call.0-words.active", 0, Server::Active, Answer::ReplyRecv),
        ("kernel.call.4-words.active", 4, Server::Active, Answer::ReplyRecv),
        ("kernel.call.10-words.active", 10, Server::Active, Answer::ReplyRecv),
        ("kernel.call.0-words.kept", 0, Server::Active, Answer::Kept),
        ("kernel.call.10-words.kept", 10, Server::Active, Answer::Kept),
        ("kernel.call.120-words.kept", 120, Server::Active, Answer::Kept),
    ] {
        call(name, words, server, answer, scene, spaces)?;
        scene.clear()?;
    }
    Ok(())
}

fn call(
    name: &'static str,
    words: u64,
    server: Server,
    answer: Answer,
    scene: &mut Objects,
    spaces: &[Space; 2],
) -> Result<(), Failure> {
    let endpoint = scene.several(ObjectType::Endpoint, 0, 1)?;
    let reply = scene.several(ObjectType::Reply, 0, 1)?;
    let ready: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let info = MessageInfo::new(0, 0, 0, words);
    type Entry = extern "C" fn(CPtr, CPtr, CPtr, u64) -> !;
    let entry = match answer {
        Answer::ReplyRecv => code::server as Entry,
        Answer::Kept => code::kept_server,
    };
    let worker = Worker::new(SERVER, spaces[1], entry as usize, [endpoint, reply, ready.cptr(), info.0]);
    let running = worker.start(scene)?;
    let _ = ready.wait();
    if server == Server::Passive {
        running.context.unbind()?;
    }
    let call = Step::new(Syscall::Call, endpoint, info, [0; 4]);
    by_a_client(name, &[call; BATCH], SERVER_LOOP, scene, spaces[0])
}

/// Has a client make the calls, and prints the samples. `overhead` is what the partner executes for each.
pub(crate) fn by_a_client(
    name: &'static str,
    steps: &[Step],
    overhead: u64,
    scene: &mut Objects,
    space: Space,
) -> Result<(), Failure> {
    let done: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let never: Cap<Notification> = scene.one(ObjectType::Notification, 0)?;
    let entry = code::client as unsafe extern "C" fn(*const Job) -> ! as usize;
    // The client reads them.
    let _ = steps.as_ptr().expose_provenance();
    let mut job = Job { steps, rounds: ROUNDS, buffer: 0, done, never, ticks: Default::default() };
    let at = (&raw const job).expose_provenance() as u64;
    let worker = Worker { stack: code::client_stack(), ..Worker::new(CLIENT, space, entry, [at, 0, 0, 0]) };
    let (tcb, running) = worker.prepare(scene)?;
    job.buffer = running.buffer;
    tcb.resume()?;
    let _ = done.wait();
    for sample in &job.ticks {
        match sample.load(SeqCst) {
            REFUSED => return Err(Failure::Refused(name)),
            ticks => report(name, ticks, ROUNDS * steps.len() as u64, overhead),
        }
    }
    Ok(())
}
