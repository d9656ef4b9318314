//! `vm_read_list`: its list lies in the caller's memory, and goes back there.

use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::table::pack_reply;
use mach_protocol::vm::{READ_LIST_MAX, VmReadListReply};
use vm::{Cancel, MapId, Operation, Step};

use super::operation::Progress;
use crate::hardware::Hardware;
use crate::machine::Machine;

/// Bytes of an element: an address and a size.
const ELEMENT: u64 = 16;

/// A `vm_read_list` under way.
#[derive(Debug)]
pub(super) struct ReadListWork {
    target: Option<MapId>,
    caller: MapId,
    address: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Getting(vm::GetBytes),
    Reading(vm::ReadList),
    Putting(vm::PutBytes, Result<(), KernReturn>),
}

impl ReadListWork {
    /// A call with `count` elements at `address` in the caller's map.
    ///
    /// # Errors
    ///
    /// Checks in this order; the last three while it is under way.
    ///
    /// | # | check                                | error                        |
    /// |---|--------------------------------------|------------------------------|
    /// | 1 | at most [`READ_LIST_MAX`] elements   | `INVALID_ARGUMENT`           |
    /// | 2 | the caller's list can be read        | `SEND_INVALID_MEMORY`        |
    /// | 3 | the target is a task                 | `INVALID_ARGUMENT`           |
    /// | 4 | the caller's list can be written     | `RCV_INVALID_DATA`           |
    pub(super) fn new(target: Option<MapId>, address: u64, count: u32, caller: MapId) -> Result<Self, KernReturn> {
        if count as usize > READ_LIST_MAX {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let size = u64::from(count) * ELEMENT;
        Ok(Self { target, caller, address, state: State::Getting(vm::GetBytes::new(caller, address, size)) })
    }

    /// Takes one step.
    pub(super) fn step<M: Machine>(&mut self, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
        let next = match &mut self.state {
            State::Getting(get) => match get.step(vm, hw) {
                Step::Done(Ok(bytes)) => State::Reading(vm::ReadList::new(self.target, elements(&bytes), self.caller)),
                Step::Done(Err(_)) => return done(Err(KernReturn::SEND_INVALID_MEMORY)),
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Again => return Progress::Again,
            },
            State::Reading(read) => match read.step(vm, hw) {
                Step::Done(Ok(out)) => {
                    let words = out.list.iter().flat_map(|(address, size)| [*address, *size]);
                    let bytes = words.flat_map(u64::to_le_bytes).collect();
                    State::Putting(vm::PutBytes::new(self.caller, self.address, bytes), out.last)
                }
                Step::Done(Err(code)) => return done(Err(code)),
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Again => return Progress::Again,
            },
            State::Putting(put, last) => match put.step(vm, hw) {
                Step::Done(Ok(())) => return done(*last),
                Step::Done(Err(_)) => return done(Err(KernReturn::RCV_INVALID_DATA)),
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Again => return Progress::Again,
            },
        };
        self.state = next;
        Progress::Again
    }

    /// Gives the work up.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm) -> Cancel {
        match &mut self.state {
            State::Getting(get) => get.cancel(vm),
            State::Reading(read) => read.cancel(vm),
            State::Putting(put, _) => put.cancel(vm),
        }
    }
}

/// The elements of a list, as it lies in memory.
fn elements(bytes: &[u8]) -> Vec<(u64, u64)> {
    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    words.as_chunks().0.iter().map(|[address, size]| (*address, *size)).collect()
}

fn done(outcome: Result<(), KernReturn>) -> Progress {
    Progress::Done(pack_reply(&outcome.map(|()| VmReadListReply {})))
}
