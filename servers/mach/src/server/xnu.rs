//! `task_info` and `thread_info` by XNU's ids, whose flavors have other numbers and shapes than GNU's
//! (`spec/mach-ports-tasks.md` E.1, E.2).
//!
//! Times are seconds and microseconds of 32 bits each; what the server does for a thread counts as nobody's, so system
//! time is 0. The largest size that a task had is not kept: the present one stands in for it.

use mach_protocol::KernReturn;
use mach_protocol::task as wire;
use mach_protocol::thread::{THREAD_INFO_MAX, XNU_THREAD_BASIC_INFO, XNU_THREAD_BASIC_INFO_COUNT};
use mach_protocol::wire::Ints;

use super::Server;
use super::threads::run_state;
use crate::machine::Machine;
use crate::memory::PAGE;
use crate::task::TaskId;
use crate::thread::ThreadId;

/// `POLICY_TIMESHARE`.
const TIMESHARE: u32 = 1;

/// A `time_value_t`.
const fn time(us: u64) -> [u32; 2] {
    [(us / 1_000_000) as u32, (us % 1_000_000) as u32]
}

/// A 64-bit number.
pub(super) const fn halves(size: u64) -> [u32; 2] {
    [size as u32, (size >> 32) as u32]
}

impl<M: Machine> Server<M> {
    /// Describes a task, by XNU's id.
    ///
    /// Checks: the flavor is known and the count large enough, else INVALID_ARGUMENT.
    pub(super) fn xnu_task_info(
        &mut self,
        id: TaskId,
        flavor: u32,
        count: u32,
    ) -> Result<Ints<{ wire::TASK_INFO_MAX }>, KernReturn> {
        match flavor {
            wire::TASK_THREAD_TIMES_INFO if count >= wire::XNU_TASK_THREAD_TIMES_INFO_COUNT => {
                let [seconds, us] = time(self.live_us(id)?);
                return Ok(Ints::new(&[seconds, us, 0, 0]));
            }
            wire::TASK_BASIC_INFO_64_2 if count >= wire::TASK_BASIC_INFO_64_2_COUNT => {}
            wire::MACH_TASK_BASIC_INFO if count >= wire::MACH_TASK_BASIC_INFO_COUNT => {}
            wire::TASK_VM_INFO if count >= wire::TASK_VM_INFO_COUNT => {}
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        }
        let task = self.tasks.get(id).ok_or(KernReturn::FAILURE)?;
        let sizes = self.vm.map_info(&self.hw, task.map).ok_or(KernReturn::FAILURE)?;
        let ([seconds, us], suspended) = (time(task.ended_us), task.suspended);
        let ([low, high], [res_low, res_high]) = (halves(sizes.virtual_size), halves(sizes.resident_size));
        Ok(match flavor {
            wire::TASK_VM_INFO => Ints::new(&[low, high, sizes.region_count as u32, PAGE as u32, res_low, res_high]),
            wire::TASK_BASIC_INFO_64_2 => {
                Ints::new(&[suspended, low, high, res_low, res_high, seconds, us, 0, 0, TIMESHARE])
            }
            _ => Ints::new(&[low, high, res_low, res_high, res_low, res_high, seconds, us, 0, 0, TIMESHARE, suspended]),
        })
    }

    /// Describes a thread, by XNU's id.
    ///
    /// Checks: the flavor is known and the count large enough, else INVALID_ARGUMENT.
    pub(super) fn xnu_thread_info(
        &mut self,
        id: ThreadId,
        flavor: u32,
        count: u32,
    ) -> Result<Ints<THREAD_INFO_MAX>, KernReturn> {
        if flavor != XNU_THREAD_BASIC_INFO || count < XNU_THREAD_BASIC_INFO_COUNT {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let [seconds, us] = time(self.used_us(id));
        let thread = self.threads.get(id).ok_or(KernReturn::FAILURE)?;
        Ok(Ints::new(&[seconds, us, 0, 0, 0, TIMESHARE, run_state(thread), 0, thread.suspended, 0]))
    }
}
