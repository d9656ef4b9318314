//! What the log says about the end of a task.

use core::fmt;

use mach_protocol::private::{TERMINATED_STATUS, TaskEnd, killed_status};

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
            exited @ TaskEnd::Exited { .. } => write!(f, "task {name}: {exited}"),
            other => write!(f, "tessera: task {name}: {other}"),
        }
    }
}
