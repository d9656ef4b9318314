//! `vm_read_list`: several reads in one call.

use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::vm::READ_LIST_MAX;

use super::read::Read;
use crate::step::{Cancel, Env, Operation, Step};
use crate::types::MapId;
use crate::vm::Vm;

/// What `vm_read_list` returns beside a refusal of the whole call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadListOut {
    /// Where the data of each element is in the caller, and how much; zeros for an element that failed.
    pub list: Vec<(u64, u64)>,
    /// The outcome of the last element with a size.
    pub last: Result<(), KernReturn>,
}

/// `vm_read_list` (3806, 4805).
///
/// # Errors
/// `InvalidArgument`: the target is no task, or the list is too long. What an element's read answers is in
/// [`ReadListOut::last`], with the list.
#[derive(Debug)]
pub struct ReadList {
    target: Option<MapId>,
    caller: MapId,
    list: Vec<(u64, u64)>,
    at: usize,
    read: Option<Read>,
    last: Result<(), KernReturn>,
}

impl ReadList {
    /// A call of `caller`'s with (address, size) elements.
    #[must_use]
    pub fn new(target: Option<MapId>, list: Vec<(u64, u64)>, caller: MapId) -> ReadList {
        ReadList { target, caller, list, at: 0, read: None, last: Ok(()) }
    }
}

impl Operation for ReadList {
    type Out = ReadListOut;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<ReadListOut> {
        if self.at == 0 && self.read.is_none() {
            if let Err(error) = vm.target(self.target) {
                return error.into();
            }
            if self.list.len() > READ_LIST_MAX {
                return KernReturn::INVALID_ARGUMENT.into();
            }
        }
        let Some(element) = self.list.get_mut(self.at) else {
            let list = core::mem::take(&mut self.list);
            return Step::Done(Ok(ReadListOut { list, last: self.last }));
        };
        let (address, size) = *element;
        if size == 0 {
            *element = (0, 0);
            self.at += 1;
            return Step::Again;
        }
        let new = || Read::unlimited(self.target, address, size, self.caller);
        match self.read.get_or_insert_with(new).step(vm, env) {
            Step::Done(result) => {
                *element = result.map_or((0, 0), |out| (out.data, out.count));
                self.last = result.map(|_| ());
                self.read = None;
                self.at += 1;
                Step::Again
            }
            Step::Wait(what) => Step::Wait(what),
            Step::Again => Step::Again,
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.read.as_mut().map_or(Cancel::Dropped, |read| read.cancel(vm))
    }
}
