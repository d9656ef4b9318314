//! Tasks: their numbers, and what `ps`, `kill`, `vmmap` and `ports` do.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use libmach::host::{host_processor_set_priv, mach_host_self, processor_set_default, processor_set_tasks};
use libmach::msg::Timeout;
use libmach::port::{
    PortType, Right, mach_port_deallocate, mach_port_get_receive_status, mach_port_get_refs, mach_port_names,
};
use libmach::task::{mach_task_self, task_get_name, task_info, task_terminate, task_thread_times, task_threads};
use libmach::thread::{RunState, thread_info};
use libmach::vm::{
    VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT, VmInherit, VmProt, vm_region, vm_region_flavor,
};
use libmach::{KernReturn, PortName, Result};
use mach_protocol::boot::HOST_PRIV;
use shell::commands::TaskName;
use shell::format::{Side, Table, seconds, size};

use crate::session::Session;

/// Rows that are worked on between two looks at the interrupt key.
const ROWS_A_LOOK: usize = 32;

/// The tasks that the shell knows by a number. A number belongs to one task as long as the shell runs.
pub(crate) struct Tasks {
    set: PortName,
    numbers: BTreeMap<u32, PortName>,
    next: u32,
    /// The first number of a task that is no server of the system's.
    first_other: u32,
}

impl Tasks {
    /// The right to all tasks, of which none has a number yet.
    ///
    /// # Errors
    ///
    /// Those of the host's calls.
    pub(crate) fn new() -> Result<Self> {
        let me = mach_task_self();
        let host = mach_host_self()?;
        let name = processor_set_default(host)?;
        let set = host_processor_set_priv(HOST_PRIV, name);
        for right in [host, name] {
            mach_port_deallocate(me, right)?;
        }
        let mut tasks = Self { set: set?, numbers: BTreeMap::new(), next: 1, first_other: 1 };
        tasks.refresh()?;
        // Root starts the shell last.
        tasks.first_other = tasks.next;
        Ok(tasks)
    }

    /// Gives new tasks numbers and forgets those that are gone. A task without threads is forgotten too, and gets another
    /// number if somebody else keeps it: it would live on by the shell's right alone.
    fn refresh(&mut self) -> Result<()> {
        self.numbers.retain(|_, task| {
            let stays = task_threads(*task).is_ok_and(|threads| {
                threads.iter().for_each(|thread| forget(*thread));
                !threads.is_empty()
            });
            if !stays {
                forget(*task);
            }
            stays
        });
        let now = processor_set_tasks(self.set)?;
        for task in now {
            if self.numbers.values().any(|known| *known == task) {
                // One reference is enough.
                forget(task);
            } else {
                self.numbers.insert(self.next, task);
                self.next += 1;
            }
        }
        Ok(())
    }

    /// The number of a task.
    pub(crate) fn number(&mut self, task: PortName) -> Option<u32> {
        self.refresh().ok()?;
        self.numbers.iter().find(|(_, known)| **known == task).map(|(number, _)| *number)
    }

    /// Whether everything would end with a task: it is a server that root does not start again.
    fn carries_all(&self, task: PortName) -> bool {
        const STARTED_AGAIN: [&str; 2] = ["default-pager", "file-pager"];
        let is_server = self.numbers.range(..self.first_other).any(|(_, known)| *known == task);
        is_server && !STARTED_AGAIN.iter().any(|name| is_named(task, name))
    }

    /// The task that the user means.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    fn find(&mut self, name: &TaskName) -> core::result::Result<PortName, String> {
        // A task that has ended meanwhile is none.
        self.refresh().map_err(|code| format!("the tasks cannot be listed: {code}"))?;
        match name {
            TaskName::Number(number) => {
                self.numbers.get(number).copied().ok_or_else(|| format!("there is no task {number}; `ps` lists them"))
            }
            TaskName::Name(name) => {
                let named: Vec<_> = self.numbers.iter().filter(|(_, task)| is_named(**task, name)).collect();
                match named.as_slice() {
                    [] => Err(format!("there is no task `{name}`; `ps` lists them")),
                    [(_, task)] => Ok(**task),
                    several => {
                        let numbers: Vec<String> = several.iter().map(|(number, _)| number.to_string()).collect();
                        Err(format!("several tasks are named {name}: {}", numbers.join(", ")))
                    }
                }
            }
        }
    }
}

/// Gives up one reference to a right of the shell's.
fn forget(right: PortName) {
    // The shell's own name, or what is left of it: nothing can be wrong with it.
    let _ = mach_port_deallocate(mach_task_self(), right);
}

fn is_named(task: PortName, name: &str) -> bool {
    task_get_name(task).is_ok_and(|known| known.to_string() == name)
}

/// Lists the tasks.
pub(crate) fn ps(session: &mut Session) {
    if let Err(code) = session.tasks.refresh() {
        return session.terminal.say(&format!("the tasks cannot be listed: {code}"));
    }
    let mut table = Table::new(&[
        ("TASK", Side::Right),
        ("NAME", Side::Left),
        ("THREADS", Side::Right),
        ("SIZE", Side::Right),
        ("MEMORY", Side::Right),
        ("TIME", Side::Right),
        ("STATE", Side::Left),
    ]);
    for (number, task) in &session.tasks.numbers {
        // A task that ends meanwhile is left out.
        if let Ok(row) = row(*number, *task) {
            table.row(row);
        }
    }
    session.put(&table.text());
}

fn row(number: u32, task: PortName) -> Result<[String; 7]> {
    let info = task_info(task)?;
    let time = info.ended_us + task_thread_times(task)?;
    let threads = task_threads(task)?;
    let mut states = Vec::new();
    for thread in &threads {
        states.extend(thread_info(*thread).map(|info| info.state));
        forget(*thread);
    }
    let state = if info.suspend_count > 0 || (!states.is_empty() && states.iter().all(|is| *is == RunState::Stopped)) {
        "stopped"
    } else if states.contains(&RunState::Running) {
        "runs"
    } else {
        "waits"
    };
    let name = match task_get_name(task)?.to_string() {
        name if name.is_empty() => "-".into(),
        name => name,
    };
    let (all, resident) = (size(info.virtual_size), size(info.resident_size));
    Ok([number.to_string(), name, threads.len().to_string(), all, resident, seconds(time), state.into()])
}

/// Ends a task.
pub(crate) fn kill(session: &mut Session, name: &TaskName) {
    let killed = session.tasks.find(name).and_then(|task| {
        if task == mach_task_self() {
            return Err("this is the shell: `exit` ends it".into());
        }
        if session.tasks.carries_all(task) {
            return Err("the whole system would end with this server: `exit` ends it".into());
        }
        task_terminate(task).map_err(|code| format!("it cannot be ended: {code}"))
    });
    if let Err(why) = killed {
        session.terminal.say(&format!("kill: {why}"));
    }
}

/// Shows the regions of a task's memory.
pub(crate) fn vmmap(session: &mut Session, name: &TaskName) -> Result<()> {
    let task = match session.tasks.find(name) {
        Ok(task) => task,
        Err(why) => {
            session.terminal.say(&format!("vmmap: {why}"));
            return Ok(());
        }
    };
    let mut table = Table::new(&[
        ("START", Side::Right),
        ("END", Side::Right),
        ("SIZE", Side::Right),
        ("MEMORY", Side::Right),
        ("PROT", Side::Left),
        ("INHERIT", Side::Left),
        ("SHARING", Side::Left),
        ("WIRED", Side::Left),
    ]);
    let (mut address, mut count, mut all, mut resident) = (0, 0_usize, 0, 0);
    loop {
        let region = match vm_region(task, address) {
            Ok(region) => region,
            Err(KernReturn::INVALID_ADDRESS) => break,
            Err(code) => {
                session.terminal.say(&format!("vmmap: {code}"));
                break;
            }
        };
        let extended = vm_region_flavor(task, region.address, VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT);
        let extended = extended.map(|reply| reply.info).unwrap_or_default();
        let pages = extended.as_slice().get(2).copied().unwrap_or_default();
        let sharing = extended.as_slice().get(7).copied().unwrap_or_default() >> 24;
        let bytes = u64::from(pages) * libmach::vm::PAGE_SIZE;
        let inherit = match region.inheritance {
            VmInherit::SHARE => "share",
            VmInherit::COPY => "copy",
            _ => "none",
        };
        table.row([
            format!("{:x}", region.address),
            format!("{:x}", region.address + region.size),
            size(region.size),
            size(bytes),
            format!("{}/{}", protection(region.protection), protection(region.max_protection)),
            inherit.into(),
            share_mode(sharing).into(),
            if region.user_wired_count > 0 { "wired" } else { "" }.into(),
        ]);
        (count, all, resident) = (count + 1, all + region.size, resident + bytes);
        address = region.address + region.size;
        if count % ROWS_A_LOOK == 0 && session.is_interrupted(Timeout::Millis(0))? {
            break;
        }
    }
    session.put(&format!("{}{count} regions, {}, in memory {}\n", table.text(), size(all), size(resident)));
    Ok(())
}

/// `SM_*` of `vm_region`'s extended information, in a word.
const fn share_mode(mode: u32) -> &'static str {
    match mode {
        1 => "copy on write",
        2 => "private",
        3 => "untouched",
        4 => "shared",
        5 => "truly shared",
        6 => "private alias",
        7 => "shared alias",
        _ => "",
    }
}

fn protection(protection: VmProt) -> String {
    let letter = |bit, letter| if protection.contains(bit) { letter } else { '-' };
    [letter(VmProt::READ, 'r'), letter(VmProt::WRITE, 'w'), letter(VmProt::EXECUTE, 'x')].iter().collect()
}

/// Lists the rights of a task.
pub(crate) fn ports(session: &mut Session, name: &TaskName) -> Result<()> {
    let found = session.tasks.find(name);
    let listed =
        found.and_then(|task| mach_port_names(task).map(|names| (task, names)).map_err(|code| format!("{code}")));
    let (task, mut names) = match listed {
        Ok(listed) => listed,
        Err(why) => {
            session.terminal.say(&format!("ports: {why}"));
            return Ok(());
        }
    };
    names.sort_unstable_by_key(|(name, _)| *name);
    let mut table =
        Table::new(&[("NAME", Side::Right), ("RIGHTS", Side::Left), ("REFS", Side::Right), ("QUEUED", Side::Left)]);
    for (index, (name, rights)) in names.iter().enumerate() {
        let kinds = [
            (PortType::RECEIVE, "receive"),
            (PortType::SEND, "send"),
            (PortType::SEND_ONCE, "send-once"),
            (PortType::PORT_SET, "set"),
            (PortType::DEAD_NAME, "dead"),
        ];
        let held: Vec<&str> = kinds.iter().filter(|(kind, _)| rights.contains(*kind)).map(|(_, text)| *text).collect();
        let refs = |right| mach_port_get_refs(task, *name, right).unwrap_or_default();
        let refs = refs(Right::SEND) + refs(Right::DEAD_NAME);
        let queued = match mach_port_get_receive_status(task, *name) {
            Ok(status) => format!("{} of {}", status.msgcount, status.qlimit),
            Err(_) => String::new(),
        };
        let refs = if refs > 0 { refs.to_string() } else { String::new() };
        table.row([format!("{:x}", name.0), held.join(" "), refs, queued]);
        if index % ROWS_A_LOOK == ROWS_A_LOOK - 1 && session.is_interrupted(Timeout::Millis(0))? {
            break;
        }
    }
    session.put(&format!("{}{} names\n", table.text(), names.len()));
    Ok(())
}
