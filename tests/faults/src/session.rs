//! One manager that misbehaves and its clients.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::Ordering::SeqCst;

use libmach::KernReturn;
use libmach::msg::Timeout;
use libmach::port::{Disposition, ReceivePort, mach_port_insert_right};
use libmach::task::{Child, TaskEnd, fork, task_terminate};

use crate::{DEADLINE_MS, HONEST, Notes, OBJECT, client, manager};

/// Clients of a manager.
pub(crate) const CLIENTS: u64 = 2;

/// Shared words: what the manager counts.
pub(crate) const INJECTIONS: usize = 0;
pub(crate) const INITS: usize = 1;
pub(crate) const TERMINATES: usize = 2;
/// What a client saw that it must not: the offset, what it wanted, what it got.
pub(crate) const WRONG: usize = 4;

/// By when a client is done: each of its accesses waits for the whole deadline, and the machine is slow.
const LIMIT_MS: u32 = client::ACCESSES as u32 * 2 * DEADLINE_MS + 10_000;

/// A running session.
pub(crate) struct Session {
    notes: Notes,
    manager: Child,
    clients: [Child; CLIENTS as usize],
}

impl Session {
    /// Starts the session of a seed; `notes` are its own until it has finished.
    pub(crate) fn start(seed: u64, notes: Notes) -> Result<Self, KernReturn> {
        notes.words().iter().for_each(|word| word.store(0, SeqCst));
        let object = ReceivePort::new()?;
        let manager = fork(move || manager::run(seed, notes).map_or_else(|code| code.0, |()| 0))?;
        let client = |number| fork(move || client::run(seed, number, notes));
        let clients = [client(0)?, client(1)?];
        for client in &clients {
            mach_port_insert_right(client.task(), OBJECT, object.name(), Disposition::COPY_SEND)?;
        }
        mach_port_insert_right(manager.task(), HONEST, HONEST, Disposition::COPY_SEND)?;
        mach_port_insert_right(manager.task(), OBJECT, object.name(), Disposition::MOVE_RECEIVE)?;
        Ok(Self { notes, manager, clients })
    }

    /// Waits for the end, and looks at it. Answers the injections.
    pub(crate) fn finish(self) -> Result<u64, String> {
        let note = |index: usize| self.notes.words()[index].load(SeqCst);
        let mut outcome = Ok(());
        for (number, client) in self.clients.iter().enumerate() {
            let end = client.wait(Timeout::Millis(LIMIT_MS));
            let [offset, wanted, got] = [0, 1, 2].map(|word| note(WRONG + 3 * number + word));
            let good = end == Ok(TaskEnd::Exited { status: 0 });
            if outcome.is_ok() && !good {
                outcome = Err(format!("client {number}: {end:?}; at {offset:#x} it wanted {wanted}, got {got}"));
            }
            let _ = task_terminate(client.task());
        }
        // Nobody maps the object any more: a manager that lives gets its terminate, and ends.
        let end = self.manager.wait(Timeout::Millis(LIMIT_MS));
        let _ = task_terminate(self.manager.task());
        outcome?;
        let told = (note(INITS), note(TERMINATES));
        match end {
            Ok(TaskEnd::Exited { status: manager::DIED }) => {}
            // A client that is done before another begins ends one association, and the other begins the next.
            Ok(TaskEnd::Exited { status: 0 }) if told.0 == told.1 && (1..=CLIENTS).contains(&told.0) => {}
            end => return Err(format!("the manager: {end:?}; init and terminate came {told:?} times")),
        }
        Ok(note(INJECTIONS))
    }
}
