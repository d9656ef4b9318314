//! Moving bytes between maps and buffers, a page at a time.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::range::{self, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{MapId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// The part of `[at, end)` that lies in the page of `at`: the page, the offset in it, how many bytes.
pub(crate) fn piece(at: u64, end: u64) -> (u64, usize, usize) {
    let page = trunc(at);
    let count = (end - at).min(PAGE_SIZE - (at - page));
    (page, (at - page) as usize, count as usize)
}

/// Reads bytes of a map into a buffer.
#[derive(Debug)]
pub(crate) struct Getter {
    map: MapId,
    at: u64,
    end: u64,
    bytes: Vec<u8>,
}

impl Getter {
    /// Reads `[at, at + size)`, which does not wrap.
    pub(crate) fn new(map: MapId, at: u64, size: u64) -> Getter {
        Getter { map, at, end: at.saturating_add(size), bytes: Vec::new() }
    }

    /// Goes on; `Zeros` when all is read.
    pub(crate) fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Access {
        while self.at < self.end {
            if !budget.take(1) {
                return Access::Again;
            }
            let (page, offset, count) = piece(self.at, self.end);
            let old = self.bytes.len();
            match vm.resolve(env, self.map, page, Prot::READ, By::Server) {
                Access::Frame { frame, .. } => {
                    self.bytes.resize(old + count, 0);
                    if let Some(bytes) = self.bytes.get_mut(old..) {
                        env.read_bytes(frame, offset, bytes);
                    }
                }
                Access::Zeros => self.bytes.resize(old + count, 0),
                stop => return stop,
            }
            self.at += count as u64;
        }
        Access::Zeros
    }

    /// What was read.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }
}

/// Writes a buffer into a map.
#[derive(Debug)]
pub(crate) struct Putter {
    map: MapId,
    start: u64,
    bytes: Vec<u8>,
    done: usize,
}

impl Putter {
    /// Writes `bytes` from `start` on; the range does not wrap.
    pub(crate) fn new(map: MapId, start: u64, bytes: Vec<u8>) -> Putter {
        Putter { map, start, bytes, done: 0 }
    }

    /// Goes on; `Zeros` when all is written.
    pub(crate) fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Access {
        while self.done < self.bytes.len() {
            if !budget.take(1) {
                return Access::Again;
            }
            let at = self.start + self.done as u64;
            let (page, offset, count) = piece(at, self.start + self.bytes.len() as u64);
            match vm.resolve(env, self.map, page, Prot::WRITE, By::Server) {
                Access::Frame { frame, .. } => {
                    if let Some(bytes) = self.bytes.get(self.done..self.done + count) {
                        env.write_bytes(frame, offset, bytes);
                    }
                }
                stop => return stop,
            }
            self.done += count;
        }
        Access::Zeros
    }
}

/// Reads a task's memory for the server itself: arguments that did not fit in a message.
///
/// # Errors
/// `InvalidArgument`: the map is gone; `InvalidAddress`: a hole, or the range wraps; `ProtectionFailure`: a page
/// without READ.
#[derive(Debug)]
pub struct GetBytes {
    map: MapId,
    address: u64,
    size: u64,
    getter: Option<Getter>,
}

impl GetBytes {
    /// A read of a size that the server is ready to keep in its heap.
    #[must_use]
    pub fn new(map: MapId, address: u64, size: u64) -> GetBytes {
        GetBytes { map, address, size, getter: None }
    }
}

impl Operation for GetBytes {
    type Out = Vec<u8>;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<Vec<u8>> {
        if let Some(wait) = vm.is_locked(&[self.map]) {
            return Step::Wait(wait);
        }
        if self.getter.is_none()
            && let Err(error) = check(vm, self.map, self.address, self.size, Prot::READ)
        {
            return error.into();
        }
        let new = || Getter::new(self.map, self.address, self.size);
        let getter = self.getter.get_or_insert_with(new);
        match getter.step(vm, env, &mut Budget::step()) {
            Access::Zeros => Step::Done(Ok(getter.take())),
            stop => stop.into(),
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}

/// Writes into a task's memory for the server itself.
///
/// # Errors
/// As for [`GetBytes`], with WRITE; `ResourceShortage`. Pages before the failing one are written.
#[derive(Debug)]
pub struct PutBytes {
    putter: Putter,
    is_checked: bool,
}

impl PutBytes {
    /// A write.
    #[must_use]
    pub fn new(map: MapId, address: u64, bytes: Vec<u8>) -> PutBytes {
        PutBytes { putter: Putter::new(map, address, bytes), is_checked: false }
    }
}

impl Operation for PutBytes {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let putter = &mut self.putter;
        if let Some(wait) = vm.is_locked(&[putter.map]) {
            return Step::Wait(wait);
        }
        let size = putter.bytes.len() as u64;
        if !self.is_checked
            && let Err(error) = check(vm, putter.map, putter.start, size, Prot::WRITE)
        {
            return error.into();
        }
        self.is_checked = true;
        if env.prepare_step().is_err() {
            return vm.shortage(env).into();
        }
        match putter.step(vm, env, &mut Budget::step()) {
            Access::Zeros => Step::Done(Ok(())),
            stop => stop.into(),
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}

/// Whether the bytes lie in memory that allows the access.
fn check(vm: &Vm, map: MapId, address: u64, size: u64, access: Prot) -> KernResult<()> {
    let range = range::cover(address, size).map_err(|_| KernReturn::INVALID_ADDRESS)?;
    if size == 0 { Ok(()) } else { vm.check_access(map, range, access) }
}
