//! Sessions: requests out of clients' rings to devices, completions back.
//!
//! | state of a session | event | then |
//! |---|---|---|
//! | open | a request in the ring, room at the device | in flight, or completed at once if it makes no sense |
//! | open | the device finished one | completed; the client is woken if it sleeps |
//! | open | the client broke its ring, or is gone ([`Traffic::end`]) | ending: its ring is looked at no more |
//! | ending | nothing is in flight | gone: the memory is given back ([`Traffic::take_ended`]) |
//!
//! Invariant **TRAFFIC-1**: a session's memory is kept while a device may still read or write it.

use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use mach_protocol::block::ring::{Bounds, Completion, Op, Request, ServerEnd, Status};

/// The most sessions.
pub const MAX_SESSIONS: usize = 16;

/// The memory of a session.
pub trait Memory {
    /// The rings.
    fn rings(&self) -> &[AtomicU64];
    /// Where the data pages begin, in the driver's own address space.
    fn data(&self) -> u64;
}

/// What a device is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The number by which its end is told.
    pub id: u32,
    /// What.
    pub op: Op,
    /// The first sector on the device.
    pub sector: u64,
    /// The first byte of memory, in the driver's own address space.
    pub address: u64,
    /// Bytes; 0 for a flush.
    pub length: u32,
}

/// A device. Many jobs can be under way; they end in any order.
pub trait Device {
    /// Whether another job can be started, of whatever size.
    fn has_room(&self) -> bool;
    /// Starts a job.
    ///
    /// # Errors
    /// How the job ended, which was not started.
    fn start(&mut self, job: &Job) -> Result<(), Status>;
    /// The next job that ended since this was last asked.
    fn finished(&mut self) -> Option<(u32, Status)>;
}

/// Where a session's disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The device.
    pub device: usize,
    /// The disk's first sector there.
    pub start: u64,
}

#[derive(Debug)]
struct Session<M> {
    memory: M,
    end: ServerEnd,
    place: Place,
    bounds: Bounds,
    is_ending: bool,
    must_wake: bool,
}

impl<M: Memory> Session<M> {
    fn give(&mut self, completion: Completion) {
        self.must_wake |= self.end.give(self.memory.rings(), completion);
    }
}

/// A job under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    session: usize,
    tag: u64,
}

/// All sessions.
#[derive(Debug)]
pub struct Traffic<M> {
    sessions: Vec<Option<Session<M>>>,
    flights: Vec<Option<Flight>>,
    /// The session whose turn is next.
    turn: usize,
}

impl<M> Default for Traffic<M> {
    fn default() -> Self {
        Self { sessions: Vec::new(), flights: Vec::new(), turn: 0 }
    }
}

impl<M: Memory> Traffic<M> {
    /// Whether another session can begin.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sessions.iter().flatten().count() < MAX_SESSIONS
    }

    /// Begins a session. Answers its number, which is used again when the session is gone.
    pub fn begin(&mut self, memory: M, place: Place, bounds: Bounds) -> usize {
        let session = Session { memory, end: ServerEnd::default(), place, bounds, is_ending: false, must_wake: false };
        put(&mut self.sessions, session)
    }

    /// Begins to end a session.
    pub fn end(&mut self, index: usize) {
        if let Some(session) = self.session(index) {
            session.is_ending = true;
        }
    }

    /// A session that has ended, with its memory.
    pub fn take_ended(&mut self) -> Option<(usize, M)> {
        let is_over = |session: &Session<M>| session.is_ending && session.end.in_flight() == 0;
        let index = self.sessions.iter().position(|session| session.as_ref().is_some_and(is_over))?;
        let session = self.sessions.get_mut(index)?.take()?;
        Some((index, session.memory))
    }

    /// Takes what devices finished back to the clients, and what clients ask to the devices, as far as there is room.
    /// Answers whether anything was done.
    pub fn pump<D: Device>(&mut self, devices: &mut [D]) -> bool {
        let mut is_busy = false;
        for device in devices.iter_mut() {
            while let Some((id, status)) = device.finished() {
                is_busy = true;
                self.finish(id, status);
            }
        }
        // One request of each session in turn, so that a busy one does not keep the others away.
        loop {
            let mut has_taken = false;
            for offset in 0..self.sessions.len() {
                let index = (self.turn + offset) % self.sessions.len();
                has_taken |= self.start_one(index, devices);
            }
            self.turn = self.turn.wrapping_add(1) % self.sessions.len().max(1);
            if !has_taken {
                return is_busy;
            }
            is_busy = true;
        }
    }

    /// The next session whose client must be woken.
    pub fn take_wake(&mut self) -> Option<usize> {
        let index =
            self.sessions.iter().position(|session| session.as_ref().is_some_and(|session| session.must_wake))?;
        self.session(index)?.must_wake = false;
        Some(index)
    }

    /// Says in all rings that the server goes to sleep. [`Traffic::pump`] must be called once more before it does.
    pub fn sleeps(&self) {
        for session in self.sessions.iter().flatten() {
            ServerEnd::sleeps(session.memory.rings());
        }
    }

    fn session(&mut self, index: usize) -> Option<&mut Session<M>> {
        self.sessions.get_mut(index)?.as_mut()
    }

    /// Takes one request of a session, if it has one and its device has room.
    fn start_one<D: Device>(&mut self, index: usize, devices: &mut [D]) -> bool {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return false };
        let Some(device) = devices.get_mut(session.place.device) else { return false };
        if session.is_ending || !device.has_room() {
            return false;
        }
        let taken = match session.end.take(session.memory.rings()) {
            Ok(Some(taken)) => taken,
            Ok(None) => return false,
            Err(_) => {
                session.is_ending = true;
                return false;
            }
        };
        let checked = match taken {
            Ok(request) => request.check(&session.bounds).map(|()| request).map_err(|status| (request.tag, status)),
            Err(tag) => Err((tag, Status::Invalid)),
        };
        match checked {
            Ok(request) => {
                let tag = request.tag;
                let id = put(&mut self.flights, Flight { session: index, tag });
                let job = job(id, &request, session.place, session.memory.data());
                if let Err(status) = device.start(&job) {
                    self.finish(job.id, status);
                }
            }
            Err((tag, status)) => session.give(Completion { tag, status }),
        }
        true
    }

    fn finish(&mut self, id: u32, status: Status) {
        let flight = self.flights.get_mut(id as usize).and_then(Option::take);
        if let Some(Flight { session, tag }) = flight
            && let Some(session) = self.session(session)
        {
            session.give(Completion { tag, status });
        }
    }
}

fn job(id: usize, request: &Request, place: Place, data: u64) -> Job {
    let Request { op, sector, offset, length, .. } = *request;
    let id = id as u32;
    match op {
        // Its other words were not checked.
        Op::Flush => Job { id, op, sector: 0, address: data, length: 0 },
        Op::Read | Op::Write => Job { id, op, sector: place.start + sector, address: data + u64::from(offset), length },
    }
}

/// Puts a value into the first free place. Answers which.
fn put<T>(places: &mut Vec<Option<T>>, value: T) -> usize {
    let index = places.iter().position(Option::is_none).unwrap_or_else(|| {
        places.push(None);
        places.len() - 1
    });
    if let Some(place) = places.get_mut(index) {
        *place = Some(value);
    }
    index
}

#[cfg(test)]
mod tests;
