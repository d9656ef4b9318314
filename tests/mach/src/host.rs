//! Calls to the host that any task may make.

use libmach::host::{host_get_time, host_get_uptime64, mach_host_self};
use libmach::port::mach_port_deallocate;
use libmach::thread::sleep;
use libmach::vm::{vm_cache_statistics, vm_statistics};
use libmach::{KernReturn, PortName};

use crate::support::{fails, holds, me, ok, pages, same, store};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("host_get_time.passes", time_passes),
    ("host_get_time.codes", codes_of_time),
    ("vm_cache_statistics.counts", counts_of_the_cache),
    ("vm_cache_statistics.codes", codes_of_the_cache),
];

/// Time goes on, by no less than was slept, and both calls tell the same.
fn time_passes() -> Outcome {
    const MS: u64 = 50;
    let host = ok("mach_host_self", mach_host_self())?;
    let uptime = || ok("host_get_uptime64", host_get_uptime64(host));
    let nanoseconds = |(seconds, rest): (u64, u64)| seconds * 1_000_000_000 + rest;
    let before = uptime()?;
    sleep(MS as u32);
    let time = ok("host_get_time", host_get_time(host))?;
    let after = uptime()?;
    holds("the rests are less than a second", time.1 < 1_000_000 && after.1 < 1_000_000_000)?;
    let middle = time.0 * 1_000_000_000 + time.1 * 1000;
    holds("never less than was slept", middle + 1000 >= nanoseconds(before) + MS * 1_000_000)?;
    holds("both tell the same", middle <= nanoseconds(after))?;
    ok("drop the host port", mach_port_deallocate(me(), host))
}

fn codes_of_time() -> Outcome {
    for call in [host_get_time, host_get_uptime64] {
        fails("null", KernReturn::SEND_INVALID_DEST, call(PortName::NULL))?;
        fails("a task", KernReturn::INVALID_HOST, call(me()))?;
    }
    Ok(())
}

fn counts_of_the_cache() -> Outcome {
    let before = ok("vm_cache_statistics", vm_cache_statistics(me()))?;
    let region = pages(3)?;
    (0..3).for_each(|page| store(&region, page * crate::support::P, 1));
    let now = ok("vm_cache_statistics", vm_cache_statistics(me()))?;
    let temporary = |of: &libmach::vm::VmCacheStatisticsReply| of.active_tmp_count + of.inactive_tmp_count;
    same("anonymous pages", temporary(&before) + 3, temporary(&now))?;
    same("dirty pages", before.dirty_count + 3, now.dirty_count)?;
    let all = ok("vm_statistics", vm_statistics(me()))?;
    let permanent = now.active_perm_count + now.inactive_perm_count;
    same("all pages that can be paged out", all.active_count + all.inactive_count, temporary(&now) + permanent)?;
    same("what nothing is", (0, 0, 0), (now.laundry_count, now.writeback_count, now.slab_reclaim_count))?;
    holds("there are threads and tables", now.slab_count > 0)
}

fn codes_of_the_cache() -> Outcome {
    crate::support::wrong_targets(|target| vm_cache_statistics(target).map(drop))
}
