//! The memory of the whole system: `vmstat`, `free`, `pagers`.

use alloc::format;
use alloc::string::{String, ToString};

use libmach::host::{host_info, mach_host_self, vm_set_default_memory_manager};
use libmach::memory_object::server_usage;
use libmach::msg::Timeout;
use libmach::port::mach_port_deallocate;
use libmach::task::mach_task_self;
use libmach::vm::{VmStatisticsReply, vm_statistics};
use libmach::{PortName, Result};
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
    let mut text = String::new();
    match vm_set_default_memory_manager(HOST_PRIV, PortName::NULL) {
        Ok(PortName::NULL) => text += "there is no default pager: anonymous memory stays in memory\n",
        Ok(pager) => {
            text += "the default pager keeps anonymous memory\n";
            // The right was asked for this answer alone.
            let _ = mach_port_deallocate(mach_task_self(), pager);
        }
        Err(code) => return session.terminal.say(&format!("pagers: {code}")),
    }
    match libmach::fs::volume() {
        Ok((volume, _)) => text += &format!("the file pager keeps files: a FAT{} volume\n", volume.fat_bits),
        Err(error) => text += &format!("files: {error}\n"),
    }
    if let Ok(usage) = server_usage() {
        text += &format!("{} memory objects have managers\n", usage.associations);
    }
    session.put(&text);
}
