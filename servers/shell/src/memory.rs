//! The memory of the whole system: `vmstat`, `free`, `pagers`.

use alloc::format;
use alloc::string::{String, ToString};

use libmach::default_pager::{areas, default_pager_info, default_pager_paging_file};
use libmach::host::{host_info, mach_host_self, vm_set_default_memory_manager};
use libmach::memory_object::server_usage;
use libmach::msg::Timeout;
use libmach::port::mach_port_deallocate;
use libmach::task::mach_task_self;
use libmach::vm::{VmStatisticsReply, vm_statistics};
use libmach::{KernReturn, PortName, Result};
use mach_protocol::boot::HOST_PRIV;
use shell::format::{Side, Table, size};

use crate::session::Session;

/// Lines between two lines of titles.
const LINES_A_TITLE: usize = 20;

/// A column of `vmstat`: its title, and its number in the counts.
type Column = (&'static str, fn(&VmStatisticsReply) -> u32);

/// What is there now.
const STATES: [Column; 4] = [
    ("free", |counts| counts.free_count),
    ("active", |counts| counts.active_count),
    ("inactive", |counts| counts.inactive_count),
    ("wired", |counts| counts.wire_count),
];

/// What has happened.
const EVENTS: [Column; 7] = [
    ("faults", |counts| counts.faults),
    ("zeroed", |counts| counts.zero_fill_count),
    ("copied", |counts| counts.cow_faults),
    ("pageins", |counts| counts.pageins),
    ("pageouts", |counts| counts.pageouts),
    ("reused", |counts| counts.reactivations),
    ("hits", |counts| counts.hits),
];

/// Shows counts of the virtual memory, once or until the interrupt key.
pub(crate) fn vmstat(session: &mut Session, interval: Option<u32>) -> Result<()> {
    let mut before = VmStatisticsReply::default();
    for line in 0.. {
        let now = match vm_statistics(mach_task_self()) {
            Ok(now) => now,
            Err(code) => {
                session.terminal.say(&format!("vmstat: {code}"));
                return Ok(());
            }
        };
        if line % LINES_A_TITLE == 0 {
            session.put(&titles());
        }
        session.put(&counts(&now, &before));
        let Some(seconds) = interval else { return Ok(()) };
        before = now;
        if session.is_interrupted(Timeout::Millis(seconds.saturating_mul(1000)))? {
            return Ok(());
        }
    }
    Ok(())
}

fn titles() -> String {
    STATES.iter().chain(&EVENTS).map(|(title, _)| format!("{title:>9}")).chain(["\n".into()]).collect()
}

/// What is there, and what has happened since.
fn counts(now: &VmStatisticsReply, before: &VmStatisticsReply) -> String {
    let states = STATES.iter().map(|(_, of)| of(now));
    let events = EVENTS.iter().map(|(_, of)| of(now).wrapping_sub(of(before)));
    states.chain(events).map(|count| format!("{count:>9}")).chain(["\n".into()]).collect()
}

/// Shows how much memory there is.
pub(crate) fn free(session: &Session) {
    let memory = mach_host_self().and_then(|host| {
        let info = host_info(host);
        mach_port_deallocate(mach_task_self(), host)?;
        Ok((info?.memory_size, vm_statistics(mach_task_self())?))
    });
    let (all, now) = match memory {
        Ok(memory) => memory,
        Err(code) => return session.terminal.say(&format!("free: {code}")),
    };
    let mut table = Table::new(&[("MEMORY", Side::Left), ("SIZE", Side::Right), ("PAGES", Side::Right)]);
    let page = u64::from(now.pagesize).max(1);
    let mut row = |what: &str, pages: u64| table.row([what.into(), size(pages * page), pages.to_string()]);
    let counted: u64 = STATES.iter().map(|(_, of)| u64::from(of(&now))).sum();
    row("all", all / page);
    for (title, of) in STATES {
        row(title, u64::from(of(&now)));
    }
    row("of the server itself", (all / page).saturating_sub(counted));
    session.put(&table.text());
}

/// Shows who keeps pages that are not in memory.
pub(crate) fn pagers(session: &Session) {
    let told = with_default_pager(|pager| {
        Ok(default_pager(pager).unwrap_or_else(|code| format!("the default pager does not answer: {code}\n")))
    });
    let mut text = match told {
        Ok(Some(text)) => text,
        Ok(None) => format!("{NO_PAGER}: anonymous memory stays in memory\n"),
        Err(code) => return session.terminal.say(&format!("pagers: {code}")),
    };
    match libmach::fs::volume() {
        Ok((volume, _)) => text += &format!("the file pager keeps files: a FAT{} volume\n", volume.fat_bits),
        Err(error) => text += &format!("files: {error}\n"),
    }
    if let Ok(usage) = server_usage() {
        text += &format!("memory objects with a manager: {}\n", usage.associations);
    }
    session.put(&text);
}

/// What the default pager says of its space.
fn default_pager(pager: PortName) -> Result<String> {
    let info = default_pager_info(pager)?;
    let (free, all) = (size(info.free_space), size(info.total_space));
    let mut table = Table::new(&[
        ("AREA", Side::Left),
        ("SIZE", Side::Right),
        ("FREE", Side::Right),
        ("PAGES IN", Side::Right),
        ("PAGES OUT", Side::Right),
        ("FAILED", Side::Right),
    ]);
    for area in areas(pager)? {
        let from = if area.start == 0 { String::new() } else { format!(" from sector {}", area.start) };
        table.row([
            format!("{}{from}", area.name),
            size(area.total * info.page_size),
            size(area.free * info.page_size),
            area.pages_in.to_string(),
            area.pages_out.to_string(),
            (area.pages_in_failed + area.pages_out_failed).to_string(),
        ]);
    }
    Ok(format!("the default pager keeps anonymous memory: {free} of {all} free\n{}", table.text()))
}

const NO_PAGER: &str = "there is no default pager";

/// Does something with the default pager's own port. `None`: there is no default pager.
fn with_default_pager<T>(then: impl FnOnce(PortName) -> Result<T>) -> Result<Option<T>> {
    let pager = vm_set_default_memory_manager(HOST_PRIV, PortName::NULL)?;
    if !pager.is_valid() {
        return Ok(None);
    }
    let done = then(pager);
    // The right was asked for this alone.
    let _ = mach_port_deallocate(mach_task_self(), pager);
    done.map(Some)
}

/// Adds a paging area, or removes one.
pub(crate) fn area(session: &Session, disk: &str, add: bool) {
    let why = match with_default_pager(|pager| default_pager_paging_file(pager, disk, add)) {
        Ok(Some(())) => return,
        Ok(None) => NO_PAGER.into(),
        Err(KernReturn::INVALID_ARGUMENT) if add => "there is no such disk, or some of it is in use".into(),
        Err(KernReturn::INVALID_ARGUMENT) => "it is no paging area".into(),
        Err(KernReturn::FAILURE) if add => {
            "it cannot be used: it cannot be written, or there are too many areas".into()
        }
        Err(KernReturn::FAILURE) => "the other areas have no room for what it holds".into(),
        Err(code) => format!("{code}"),
    };
    session.terminal.say(&format!("area: {disk}: {why}"));
}
