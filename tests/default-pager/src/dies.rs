//! The default pager dies: what it had is lost to who touches it, the system goes on, and another one is started.

use alloc::format;
use alloc::string::String;

use libmach::default_pager::{default_pager_info, info};
use libmach::host::{
    host_processor_set_priv, mach_host_self, processor_set_default, processor_set_tasks, vm_set_default_memory_manager,
};
use libmach::task::{task_get_name, task_terminate};
use libmach::{KernReturn, PortName};
use mach_protocol::boot::HOST_PRIV;

use crate::support::{Found, MEGABYTE, fails, filled, intact, look, page_out, pager, said, same, wait_until};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("pager.dies", what_it_had_is_lost_and_the_next_one_serves),
    ("pager.dies.again", the_last_one_is_missed_by_nobody),
];

/// How often the system starts it again.
const AGAIN: usize = 3;

/// Ends the default pager.
fn kill() -> Outcome {
    let host = mach_host_self().map_err(said("mach_host_self"))?;
    let set = processor_set_default(host).map_err(said("processor_set_default"))?;
    let set = host_processor_set_priv(HOST_PRIV, set).map_err(said("host_processor_set_priv"))?;
    let tasks = processor_set_tasks(set).map_err(said("processor_set_tasks"))?;
    let is_it = |task: &&PortName| task_get_name(**task).is_ok_and(|name| name.bytes().eq("default-pager".bytes()));
    let task = tasks.iter().find(is_it).ok_or("there is no task `default-pager`")?;
    task_terminate(*task).map_err(said("task_terminate"))
}

fn has_pager() -> Result<bool, String> {
    vm_set_default_memory_manager(HOST_PRIV, PortName::NULL).map(PortName::is_valid).map_err(said("the default pager"))
}

/// Waits for another default pager than this one, which has all the space there is.
fn next_pager(old: PortName) -> Result<PortName, String> {
    let current = || vm_set_default_memory_manager(HOST_PRIV, PortName::NULL).map_err(said("the default pager"));
    wait_until("there is another default pager", || {
        let pager = current()?;
        Ok(pager.is_valid() && pager != old && default_pager_info(pager).is_ok())
    })?;
    wait_until("it has its name", || Ok(info().is_ok()))?;
    let pager = pager()?;
    let told = default_pager_info(pager).map_err(said("default_pager_info"))?;
    if told.total_space == 0 || told.free_space < told.total_space / 2 {
        return Err(format!("the next one has {told:?}"));
    }
    Ok(pager)
}

fn what_it_had_is_lost_and_the_next_one_serves() -> Outcome {
    let old = pager()?;
    let out = filled(1, 4 * MEGABYTE)?;
    page_out(&out, 1000)?;
    let resident = filled(2, MEGABYTE)?;
    kill()?;
    next_pager(old)?;
    let found = look(&out, 1)?;
    same("pages that are wrong", 0, found.wrong)?;
    if found.failed < 900 {
        return Err(format!("{} pages are lost, of those that were paged out", found.failed));
    }
    same("what is found at a second look", found, look(&out, 1)?)?;
    intact(&resident, 2)?;
    // The next one keeps pages of what is new.
    let more = filled(3, 4 * MEGABYTE)?;
    page_out(&more, 1000)?;
    intact(&more, 3)
}

fn the_last_one_is_missed_by_nobody() -> Outcome {
    for _ in 1..AGAIN {
        let old = pager()?;
        kill()?;
        next_pager(old)?;
    }
    let resident = filled(4, MEGABYTE)?;
    kill()?;
    wait_until("it is gone", || Ok(!has_pager()?))?;
    libmach::thread::sleep(500);
    same("a default pager", false, has_pager()?)?;
    fails("its name", KernReturn::INVALID_NAME, info())?;
    same("what was never paged out", Found::default(), look(&resident, 4)?)?;
    let more = filled(5, 8 * MEGABYTE)?;
    intact(&more, 5)
}
