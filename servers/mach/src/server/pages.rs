//! `vm_pages_phys`: where pages are in physical memory.

use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::host::{VM_PAGES_PHYS_MAX, VmPagesPhysReply};
use mach_protocol::table::pack_reply;
use vm::{Host, MapId, STEP_PAGES};

use super::arrays::ArraysWork;
use super::operation::Progress;
use crate::hardware::Hardware;
use crate::machine::Machine;
use crate::memory::{PAGE, Unit};

/// A `vm_pages_phys` under way.
#[derive(Debug)]
pub(super) struct PagesWork {
    map: MapId,
    caller: MapId,
    /// The next page, and how many are left.
    next: u64,
    left: u64,
    /// The addresses found.
    found: Vec<u64>,
    answer: Option<ArraysWork>,
}

impl PagesWork {
    /// A call.
    ///
    /// # Errors
    ///
    /// | # | check                                                   | error               |
    /// |---|---------------------------------------------------------|---------------------|
    /// | 1 | the privileged host port                                | `INVALID_HOST`      |
    /// | 2 | a task                                                  | `INVALID_TASK`      |
    /// | 3 | address and size are multiples of a page, and no wrap   | `INVALID_ARGUMENT`  |
    /// | 4 | at most [`VM_PAGES_PHYS_MAX`] pages                     | `RESOURCE_SHORTAGE` |
    pub(super) fn new(
        host: Host,
        map: Option<MapId>,
        address: u64,
        size: u64,
        caller: MapId,
    ) -> Result<Self, KernReturn> {
        if host != Host::Privileged {
            return Err(KernReturn::INVALID_HOST);
        }
        let map = map.ok_or(KernReturn::INVALID_TASK)?;
        if !address.is_multiple_of(PAGE) || !size.is_multiple_of(PAGE) || address.checked_add(size).is_none() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let left = size / PAGE;
        if left > VM_PAGES_PHYS_MAX {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        Ok(Self { map, caller, next: address, left, found: Vec::new(), answer: None })
    }

    /// Takes one step.
    pub(super) fn step<M: Machine>(&mut self, vm: &mut vm::Vm, hw: &mut Hardware<M>) -> Progress {
        if let Some(answer) = &mut self.answer {
            return answer.step(vm, hw);
        }
        if hw.has_heap(self.left as usize * 16 + vm::STEP_HEAP) {
            for _ in 0..self.left.min(STEP_PAGES as u64) {
                let frame = vm.resident_frame(self.map, self.next);
                let address = frame.and_then(|frame| {
                    let slot = hw.memory.layout().first(Unit(frame.0));
                    hw.machine.physical_address(slot).ok()
                });
                self.found.push(address.unwrap_or_default());
                self.next += PAGE;
                self.left -= 1;
            }
        } else {
            return Progress::Done(pack_reply(&Err::<VmPagesPhysReply, _>(KernReturn::RESOURCE_SHORTAGE)));
        }
        if self.left == 0 {
            self.answer = Some(ArraysWork::wide(self.caller, &core::mem::take(&mut self.found)));
        }
        Progress::Again
    }

    /// Gives the work up.
    pub(super) fn cancel(&mut self, vm: &mut vm::Vm) -> vm::Cancel {
        let is_over = self.answer.as_mut().is_none_or(|answer| answer.cancel(vm));
        if is_over { vm::Cancel::Dropped } else { vm::Cancel::RunOn }
    }
}
