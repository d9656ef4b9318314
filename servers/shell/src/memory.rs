//! The memory of the whole system: `vmstat`, `free`, `pagers`.

use alloc::format;
use alloc::string::{String, ToString};

use libmach::host::{host_info, mach_host_self, vm_set_default_memory_manager};
use libmach::memory_object::server_usage;
use libmach::msg::{PortMessage, Timeout, rpc};
use libmach::port::mach_port_deallocate;
use libmach::task::mach_task_self;
use libmach::vm::{VmStatisticsReply, vm_statistics};
use libmach::{KernReturn, PortName, Result};
use mach_protocol::block::body;
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::default_pager::{AreaInfo, DEFAULT_PAGER_AREAS, DEFAULT_PAGER_INFO, PagerInfo};
use mach_protocol::service::answer_code;
use mach_protocol::wire::Wire;
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
    let pager = match vm_set_default_memory_manager(HOST_PRIV, PortName::NULL) {
        Ok(pager) => pager,
        Err(code) => return session.terminal.say(&format!("pagers: {code}")),
    };
    let mut text = if pager.is_valid() {
        let text = default_pager(pager).unwrap_or_else(|code| format!("the default pager does not answer: {code}\n"));
        // The right was asked for this answer alone.
        let _ = mach_port_deallocate(mach_task_self(), pager);
        text
    } else {
        "there is no default pager: anonymous memory stays in memory\n".into()
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
    let info: PagerInfo = ask(pager, &PortMessage::new(DEFAULT_PAGER_INFO))?;
    let (free, all) = (size(info.free_space), size(info.total_space));
    let mut table = Table::new(&[
        ("AREA", Side::Left),
        ("SIZE", Side::Right),
        ("FREE", Side::Right),
        ("PAGES IN", Side::Right),
        ("PAGES OUT", Side::Right),
        ("FAILED", Side::Right),
    ]);
    for number in 0.. {
        let area = match ask::<AreaInfo>(pager, &PortMessage::with_words(DEFAULT_PAGER_AREAS, &[number])) {
            Ok(area) => area,
            Err(KernReturn::INVALID_ARGUMENT) => break,
            Err(code) => return Err(code),
        };
        // An area that was removed leaves its number.
        if area.name.bytes().next().is_some() {
            table.row([
                area.name.to_string(),
                size(area.total * info.page_size),
                size(area.free * info.page_size),
                area.pages_in.to_string(),
                area.pages_out.to_string(),
                (area.pages_in_failed + area.pages_out_failed).to_string(),
            ]);
        }
    }
    Ok(format!("the default pager keeps anonymous memory: {free} of {all} free\n{}", table.text()))
}

/// Asks a pager, and reads what it answers.
fn ask<T: Wire>(pager: PortName, request: &PortMessage) -> Result<T> {
    let answer = rpc(pager, request)?;
    answer_code(request.header.id, &answer)?;
    body(&answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)
}
