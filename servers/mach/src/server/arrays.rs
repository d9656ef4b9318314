//! Answers that are arrays: each goes into new memory of the caller's, and the reply says where.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::wire::{Wire, Words};
use vm::{Family, MapId, Operation, Step};

use super::operation::{Op, Progress, Work};
use super::{Caller, Server};
use crate::hardware::Hardware;
use crate::machine::Machine;

/// Arrays on their way into a map.
#[derive(Debug)]
pub(super) struct ArraysWork {
    map: MapId,
    left: VecDeque<Vec<u8>>,
    addresses: Vec<u64>,
    count: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Between,
    Allocating(vm::Allocate, Vec<u8>),
    Filling(vm::PutBytes, u64),
}

impl ArraysWork {
    /// Arrays of equal length, for a map.
    pub(super) fn new(map: MapId, arrays: &[Vec<u32>]) -> Self {
        let count = arrays.first().map_or(0, |array| array.len() as u32);
        let bytes = |array: &Vec<u32>| array.iter().flat_map(|value| value.to_le_bytes()).collect();
        let left = arrays.iter().map(bytes).collect();
        Self { map, left, addresses: Vec::new(), count, state: State::Between }
    }

    /// An array of 64-bit values, for a map.
    pub(super) fn wide(map: MapId, words: &[u64]) -> Self {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (left, count) = (VecDeque::from([bytes]), words.len() as u32);
        Self { map, left, addresses: Vec::new(), count, state: State::Between }
    }

    /// Takes one step.
    pub(super) fn step<M: Machine>(&mut self, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
        match &mut self.state {
            State::Between => match self.left.pop_front() {
                None => return Progress::Done(self.reply()),
                // An empty array has no memory; its address is 0.
                Some(bytes) if bytes.is_empty() => self.addresses.push(0),
                Some(bytes) => {
                    let size = bytes.len() as u64;
                    let allocate = vm::Allocate::new(Some(self.map), 0, size, vm::flags::ANYWHERE, Family::Xnu);
                    self.state = State::Allocating(allocate, bytes);
                }
            },
            State::Allocating(allocate, bytes) => match allocate.step(vm, hw) {
                Step::Again => {}
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Done(Err(error)) => return refused(error),
                Step::Done(Ok(address)) => {
                    let put = vm::PutBytes::new(self.map, address, core::mem::take(bytes));
                    self.state = State::Filling(put, address);
                }
            },
            State::Filling(put, address) => match put.step(vm, hw) {
                Step::Again => {}
                Step::Wait(on) => return Progress::WaitVm(on),
                Step::Done(Err(error)) => return refused(error),
                Step::Done(Ok(())) => {
                    self.addresses.push(*address);
                    self.state = State::Between;
                }
            },
        }
        Progress::Again
    }

    /// Gives the work up. `false`: it has to be stepped to its end.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm) -> bool {
        let cancelled = match &mut self.state {
            State::Between => return true,
            State::Allocating(allocate, _) => allocate.cancel(vm),
            State::Filling(put, _) => put.cancel(vm),
        };
        cancelled == vm::Cancel::Dropped
    }

    /// Success, the addresses, and how many values each array has.
    fn reply(&self) -> Words {
        let mut words = Words::new();
        KernReturn::SUCCESS.0.pack(&mut words);
        self.addresses.iter().for_each(|address| address.pack(&mut words));
        self.count.pack(&mut words);
        words
    }
}

/// What was allocated before stays the caller's, without a name: a caller short of memory loses it at its end.
fn refused(error: KernReturn) -> Progress {
    let mut words = Words::new();
    error.0.pack(&mut words);
    Progress::Done(words)
}

impl<M: Machine> Server<M> {
    /// Answers with arrays of equal length.
    pub(super) fn answer_arrays(&mut self, caller: Caller, request: u32, arrays: &[Vec<u32>]) {
        let work = ArraysWork::new(caller.map, arrays);
        self.begin(Op::new(Some(caller.thread), request, Work::Arrays(Box::new(work))));
    }
}
