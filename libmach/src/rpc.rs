//! Calling the Mach server: one kernel message there, one back.

use core::sync::atomic::{AtomicU64, Ordering};

use mach_protocol::start::SERVER_SLOT;
use mach_protocol::table::{pack_request, unpack_reply_to};
use mach_protocol::wire::{MAX_WORDS, Words};
use mach_protocol::{KernReturn, PortName, Routine};
use mach_sys::cap::Endpoint;
use mach_sys::{Cap, Message};

use crate::Result;
use crate::msg::{self, PortMessage};

/// Words of an answer that is not long.
const SHORT: usize = 16;

static SERVER: AtomicU64 = AtomicU64::new(SERVER_SLOT);

/// Makes this capability the one by which the task reaches the Mach server, instead of slot 1: for root.
pub fn use_server(server: Cap<Endpoint>) {
    SERVER.store(server.word(), Ordering::Relaxed);
}

/// Sends these words with this label to the server and hands its answer, label and words, to `read`.
pub(crate) fn exchange<T>(label: u32, words: &Words, read: impl FnOnce(u64, &[u64]) -> T) -> T {
    let server: Cap<Endpoint> = Cap::new(SERVER.load(Ordering::Relaxed));
    let received = server.call(&Message::new(u64::from(label), words.as_slice()));
    match received.words_in_registers() {
        Some(words) => read(received.label(), words),
        // Room for the longest answer has to be cleared, and that costs more than most calls.
        None if received.len() <= SHORT => read(received.label(), received.copy_words(&mut [0; SHORT])),
        None => read(received.label(), received.copy_words(&mut [0; MAX_WORDS])),
    }
}

/// Calls a routine on the right that the task calls `target`.
///
/// A task may receive from that port, to stand in for a task, thread or host of Mach's. Then the call is a message to
/// it, with the routine's id and its words but the target as data, and the answer is whatever that task says.
///
/// # Errors
///
/// `SEND_INVALID_DEST` if `target` is null or dead; else the routine's codes; `MIG_SERVER_DIED` if a task threw the
/// message away.
pub fn call<R: Routine>(target: PortName, request: &R) -> Result<R::Reply> {
    call_by_id(R::ID, target, request)
}

/// The same under another of the routine's ids.
///
/// # Errors
///
/// As [`call`].
pub fn call_by_id<R: Routine>(id: u32, target: PortName, request: &R) -> Result<R::Reply> {
    if !target.is_valid() {
        return Err(KernReturn::SEND_INVALID_DEST);
    }
    match exchange(id, &pack_request(target, request), |label, words| unpack_reply_to::<R>(id, label, words)) {
        Err(KernReturn::SEND_TO_TASK) => send_to_task(id, target, request),
        answer => answer,
    }
}

/// Makes a call as a message, to a port that a task receives from.
fn send_to_task<R: Routine>(id: u32, target: PortName, request: &R) -> Result<R::Reply> {
    let words = pack_request(target, request);
    let body = words.as_slice().get(1..).unwrap_or_default();
    let answer = msg::rpc(target, &PortMessage::with_words(id as i32, body))?;
    // Ids are positive, so no other number becomes the expected one.
    unpack_reply_to::<R>(id, answer.header.id as u64, answer.data_words())
}

/// Calls a routine that is about the caller itself.
pub(crate) fn call_for_caller<R: Routine>(request: &R) -> Result<R::Reply> {
    exchange(R::ID, &pack_request(PortName::NULL, request), |label, words| unpack_reply_to::<R>(R::ID, label, words))
}
