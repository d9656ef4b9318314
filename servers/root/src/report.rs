//! What the log says about the end of a task.

use core::fmt;

use libmach::KernReturn;
use libmach::exception::ExceptionType;
use mach_protocol::private::{TERMINATED_STATUS, TaskEnd, killed_status};
use mach_protocol::vm::VmProt;

/// The end of a task, for the user of the shell, who knows which one it was.
pub(crate) struct Short(pub(crate) TaskEnd);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TaskEnd::Exited { status } => write!(f, "[exit status {status}]"),
            TaskEnd::Terminated => f.write_str("[terminated]"),
            killed @ TaskEnd::Killed { .. } => write!(f, "[{}]", How(killed)),
        }
    }
}

/// The end of a named task, as a line of the log. The harness shows the user lines that begin with `tessera: `.
pub(crate) struct Ended<'a> {
    pub(crate) name: &'a str,
    pub(crate) end: TaskEnd,
}

/// The status of a run whose task ended so.
pub(crate) const fn status(end: TaskEnd) -> i32 {
    match end {
        TaskEnd::Exited { status } => status,
        TaskEnd::Terminated => TERMINATED_STATUS,
        TaskEnd::Killed { exception, .. } => killed_status(exception),
    }
}

impl fmt::Display for Ended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.end {
            TaskEnd::Exited { status } => write!(f, "task {name}: exit status {status}"),
            other => write!(f, "tessera: task {name}: {}", How(other)),
        }
    }
}

/// How a task ended that did not exit.
struct How(TaskEnd);

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskEnd::Killed { exception, code, subcode, pc, access } = self.0 else {
            return f.write_str("terminated by another task");
        };
        let kind = ExceptionType(exception);
        write!(f, "killed: {kind:?}")?;
        if kind != ExceptionType::BAD_ACCESS {
            return write!(f, " (code {code}, subcode {subcode:#x}) pc {pc:#x}");
        }
        let access = match VmProt::from_bits_retain(access) {
            VmProt::WRITE => "write",
            VmProt::EXECUTE => "execute",
            _ => "read",
        };
        let why = KernReturn(code);
        match (why.explanation(), code) {
            (Some(explanation), 1..100) => {
                write!(f, " ({why:?}) {access} at {subcode:#x} pc {pc:#x}: {explanation}")
            }
            _ => write!(f, " (code {code}) {access} at {subcode:#x} pc {pc:#x}: the address is misaligned"),
        }
    }
}
