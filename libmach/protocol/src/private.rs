//! Calls of Tessera's own that Mach has no words for, ids from 7000 (`spec/mach-vm.md` F.9).
//!
//! | ids | subject | target |
//! |---|---|---|
//! | 7100–7102 | what drivers get: capabilities, device frames, physical addresses | thread, task |
//! | 7110–7111 | how a task ends, and who is told | task |
//! | 7120–7122 | messages: [`crate::message`] | the port |
//! | 7130–7133 | what Mach's traps answer: reply port, task, thread, host | null: the caller |
//! | 7140–7141 | parking | null: the caller; the thread to wake |
//! | 7150–7152 | processor time | thread |
//! | 7153 | the name of a task, for which Mach has a call that sets it only | task |
//! | 7160 | a signal when messages wait | the port or port set |
//! | 7161 | the answer to a request with the wait for the next: [`crate::memory_object::SupplyAndReceive`] | control port |
//! | 7162 | how long a memory manager may be silent | object or control port |
//! | 7163 | what the server has in use | null: anybody |
//! | 7164 | ringing the doorbell of who receives from a port | null: the caller |
//! | 7170–7171 | paging: the default pager's space, free targets | null: anybody |
//! | 7190 | the message that tells of a task's end: [`TaskEnded`] | |

use core::fmt;

use crate::PortName;
use crate::exception::ExceptionType;
use crate::kern_return::KernReturn;
use crate::message::PortMessage;
use crate::table::subsystem;
use crate::vm::VmProt;
use crate::wire::Text;

/// The first slot of a thread's CSpace that takes granted capabilities. Slot 1 is the server's endpoint.
pub const FIRST_GRANT_SLOT: u32 = 4;

/// Where the first device page of a task is mapped; the others follow, in the order of the calls.
pub const DEVICE_BASE: u64 = 0x7e00_0000_0000;

/// The most pages that one [`TaskPhysicalPages`] tells of.
pub const PHYSICAL_PAGES: usize = 32;

/// Parking without a time limit.
pub const PARK_FOREVER: u32 = u32::MAX;

/// Milliseconds that the manager of a memory object may leave a waiting client without any answer, unless another limit
/// is set.
pub const MANAGER_DEADLINE_MS: u32 = 30_000;

/// The bits of a doorbell's word: who signalled.
pub mod signals {
    /// The server: a message came.
    pub const MESSAGE: u64 = 1;
    /// Whoever got the doorbell's own capability from its thread: an interrupt.
    pub const OWN: u64 = 2;
    /// Who rings it ([`PortRing`](super::PortRing)).
    pub const RING: u64 = 4;
}

/// The id of the message [`TaskEnded`].
pub const TASK_ENDED: i32 = 7190;

subsystem! {
    /// A request of Tessera's own.
    PrivateRequest {
        /// Copies a capability of root's into the CSpace of a thread. Root alone may ask.
        ///
        /// Checks: `host_priv` is the privileged host port, else INVALID_HOST; the target is a thread, else
        /// INVALID_ARGUMENT; the slot is one of those for grants and empty, else INVALID_VALUE; the
        /// kernel copies the capability, else INVALID_CAPABILITY.
        ThreadGrantCap = 7100 {
            /// The caller's name of the privileged host port.
            host_priv: PortName,
            /// The capability's address in root's CSpace.
            cptr: u64,
            /// The slot it gets in the thread's CSpace.
            slot: u32,
        } -> ThreadGrantCapReply {}

        /// Maps a frame of root's, device memory as a rule, into the target task, uncached, beside its map.
        ///
        /// Checks: as [`ThreadGrantCap`], the target a task.
        TaskMapDevice = 7101 {
            /// The caller's name of the privileged host port.
            host_priv: PortName,
            /// The frame's capability in root's CSpace.
            cptr: u64,
        } -> TaskMapDeviceReply {
            /// Where it is mapped in the task, readable and writable.
            address: u64,
        }

        /// Tells where wired pages of the target task are in physical memory, so that a device can be told. They stay
        /// there as long as they are wired. Who knows that and has a device can reach all memory: a driver that gets the
        /// privileged host port is trusted like the server itself.
        ///
        /// Checks: `host_priv` is the privileged host port, else INVALID_HOST; the target is a task, else
        /// INVALID_ARGUMENT; the address is a page's and the count 1 to [`PHYSICAL_PAGES`], else INVALID_VALUE; each
        /// page is wired, else INVALID_ADDRESS.
        TaskPhysicalPages = 7102 {
            /// The caller's name of the privileged host port.
            host_priv: PortName,
            /// The first page.
            address: u64,
            /// How many pages.
            count: u32,
        } -> TaskPhysicalPagesReply {
            /// The physical address of each; 0 beyond the count.
            pages: [u64; PHYSICAL_PAGES],
        }

        /// Ends the target task, usually the caller's own, with a status. Does not return to its threads.
        ///
        /// Checks: as `task_terminate`.
        TaskExit = 7110 {
            /// The status; 0 is success.
            status: i32,
        } -> TaskExitReply {}

        /// Asks for the message [`TaskEnded`] when the target task ends; a second request replaces the
        /// first. The server keeps a send right.
        ///
        /// Checks: the target is a task, else INVALID_ARGUMENT; a send right can be had from `notify`,
        /// else INVALID_CAPABILITY.
        TaskWatch = 7111 {
            /// The caller's name of the port to tell.
            notify: PortName,
            /// How to make a send right of it: copy or make.
            disposition: u32,
            /// A word that comes back in the message.
            cookie: u64,
        } -> TaskWatchReply {}

        /// `mach_reply_port`: a new receive right of the caller's.
        MachReplyPort = 7130 {} -> MachReplyPortReply {
            /// Its name.
            name: PortName,
        }

        /// `mach_task_self`: a send right to the caller's task port; adds a reference.
        MachTaskSelf = 7131 {} -> MachTaskSelfReply {
            /// Its name.
            name: PortName,
        }

        /// `mach_thread_self`: a send right to the caller's thread port; adds a reference.
        MachThreadSelf = 7132 {} -> MachThreadSelfReply {
            /// Its name.
            name: PortName,
        }

        /// `mach_host_self`: a send right to the host port; adds a reference.
        MachHostSelf = 7133 {} -> MachHostSelfReply {
            /// Its name.
            name: PortName,
        }

        /// Waits until the calling thread is unparked; at once if it was since it last parked.
        ThreadPark = 7140 {
            /// Milliseconds, never cut short; [`PARK_FOREVER`] for no limit.
            timeout_ms: u32,
        } -> ThreadParkReply {
            /// Whether it was unparked, rather than the time being over.
            unparked: bool,
        }

        /// Wakes the target thread, or lets its next parking return at once.
        ///
        /// Checks: the target is a thread, else INVALID_ARGUMENT.
        ThreadUnpark = 7141 {} -> ThreadUnparkReply {}

        /// Sets how much processor time the target thread has: `budget_us` in every `period_us`.
        ///
        /// Checks: the target is a thread, else INVALID_ARGUMENT; 1 ms <= budget <= period <= 10 s, else
        /// INVALID_VALUE. Budgets equal to their period mean round robin with that slice.
        ThreadSetBudget = 7150 {
            /// Microseconds of processor time.
            budget_us: u64,
            /// Microseconds of real time.
            period_us: u64,
        } -> ThreadSetBudgetReply {}

        /// Sets the priority of the target thread, 0 to 253. Above 128 only with the privileged host port.
        ///
        /// Checks: the target is a thread, else INVALID_ARGUMENT; the priority is in range, else
        /// INVALID_VALUE; privilege where it is needed, else INVALID_HOST.
        ThreadSetPriority = 7151 {
            /// The caller's name of the privileged host port, or null.
            host_priv: PortName,
            /// The priority.
            priority: u32,
        } -> ThreadSetPriorityReply {}

        /// The processor time that the target thread has used.
        ///
        /// Checks: the target is a thread, else INVALID_ARGUMENT.
        ThreadCpuTime = 7152 {} -> ThreadCpuTimeReply {
            /// Microseconds.
            microseconds: u64,
        }

        /// The name that `task_set_name` gave the target task; Mach has no call for it.
        ///
        /// Checks: the target is a task, else INVALID_ARGUMENT.
        TaskGetName = 7153 {} -> TaskGetNameReply {
            /// The name; empty if none was set.
            name: Text<8>,
        }

        /// Has a notification signalled whenever a message comes to the empty queue of the target, a receive right or
        /// a port set of the caller's; at once if one waits. The calling thread waits for it with the kernel's own
        /// `Wait` or `Poll`, whose badge says who signalled ([`signals`]), and then receives until nothing is left. A
        /// second call gives the same slot.
        ///
        /// Checks: the caller receives from the target, else INVALID_RIGHT; a slot is free, else NO_SPACE.
        PortDoorbell = 7160 {} -> PortDoorbellReply {
            /// The slot of the notification in the calling thread's CSpace.
            slot: u32,
        }

        /// Sets how long the manager of a memory object may leave a waiting client without any answer. The target is
        /// the control port, or the object's port once it is mapped. A manager may always be stricter with itself.
        ///
        /// Checks: the target is the control port of an object with a manager or its object port, else
        /// INVALID_ARGUMENT; `host_priv` is the privileged host port, or else the limit is one of 1 ms to
        /// [`MANAGER_DEADLINE_MS`] and the caller names the control port or receives from the object's port, else
        /// INVALID_HOST.
        MemoryObjectSetDeadline = 7162 {
            /// The caller's name of the privileged host port, or null.
            host_priv: PortName,
            /// Milliseconds; 0 for no limit.
            milliseconds: u32,
        } -> MemoryObjectSetDeadlineReply {}

        /// What the Mach server has in use, by type: what ends must give back.
        ServerUsage = 7163 {} -> ServerUsageReply {
            /// Frames.
            frames: u32,
            /// Page tables and root tables.
            tables: u32,
            /// Capability slots beyond those of frames, kernel objects and reply objects.
            slots: u32,
            /// Kernel objects of threads.
            threads: u32,
            /// Kernel objects of doorbells.
            notifications: u32,
            /// Tasks, with those that are ending.
            tasks: u32,
            /// Ports.
            ports: u32,
            /// Messages in queues.
            messages: u32,
            /// Virtual memory objects.
            objects: u32,
            /// Associations of memory objects with managers.
            associations: u32,
            /// Calls and faults that wait, the calling one not counted.
            operations: u32,
        }

        /// Gives the calling thread a capability that signals the doorbell of who receives from a port, with the badge
        /// [`signals::RING`]: for a partner that need not be sent a message, as what there is to do is in shared memory.
        /// It is the bell of the port, or else of the set that the port is in now, and works as long as that doorbell is
        /// there. A second call for the same doorbell gives the same slot.
        ///
        /// Checks: the caller has a send right by that name, else INVALID_NAME or INVALID_RIGHT; somebody has a doorbell
        /// there, else FAILURE; the calling thread has a capability table of the server's, else INVALID_ARGUMENT; a slot
        /// is free, else NO_SPACE.
        PortRing = 7164 {
            /// The caller's name of the port.
            name: PortName,
        } -> PortRingReply {
            /// The slot of the capability in the calling thread's CSpace.
            slot: u32,
        }

        /// Tells how much space the default pager has left. While it has none, pages that were written to are not paged
        /// out, and who needs memory that cannot be had otherwise is refused after a second.
        ///
        /// Checks: `host_priv` is the privileged host port, else INVALID_HOST; the state is a [`PagingSpace`], else
        /// INVALID_ARGUMENT.
        DefaultPagerSpace = 7170 {
            /// The caller's name of the privileged host port.
            host_priv: PortName,
            /// [`PagingSpace`].
            state: u32,
        } -> DefaultPagerSpaceReply {}

        /// Sets how many free frames page-out keeps: it begins below `low`, and ends at `high`. For tests.
        ///
        /// Checks: `host_priv` is the privileged host port, else INVALID_HOST; `low <= high`, else INVALID_ARGUMENT.
        SetFreeTargets = 7171 {
            /// The caller's name of the privileged host port.
            host_priv: PortName,
            /// Frames.
            low: u64,
            /// Frames; 0 for the server's own targets.
            high: u64,
        } -> SetFreeTargetsReply {}
    }
}

/// How much space the default pager has left, for [`DefaultPagerSpace`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum PagingSpace {
    /// Enough.
    #[default]
    Ok = 0,
    /// Little.
    Low = 1,
    /// None: pages come back.
    Full = 2,
}

impl PagingSpace {
    /// The state that a wire word stands for.
    #[must_use]
    pub const fn from_wire(word: u32) -> Option<Self> {
        match word {
            0 => Some(Self::Ok),
            1 => Some(Self::Low),
            2 => Some(Self::Full),
            _ => None,
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// It exited with a status.
    Exited {
        /// The status.
        status: i32,
    },
    /// Another task terminated it.
    Terminated,
    /// An exception that nobody handled.
    Killed {
        /// `EXC_*`.
        exception: i32,
        /// What the exception's table says; for a bad access a return code.
        code: i32,
        /// For a bad access the address.
        subcode: u64,
        /// Where the thread was.
        pc: u64,
        /// [`crate::vm::VmProt`] bits of the access; 0 where it was none.
        access: u32,
    },
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exception, code, subcode, pc, access) = match *self {
            Self::Exited { status } => return write!(f, "exit status {status}"),
            Self::Terminated => return f.write_str("terminated by another task"),
            Self::Killed { exception, code, subcode, pc, access } => (exception, code, subcode, pc, access),
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

/// The message [`TASK_ENDED`]: a watched task has ended. It carries seven words and no rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskEnded {
    /// The word given to [`TaskWatch`].
    pub cookie: u64,
    /// How it ended.
    pub end: TaskEnd,
}

const EXITED: u64 = 0;
const TERMINATED: u64 = 1;
const KILLED: u64 = 2;

impl TaskEnded {
    /// The words of the message.
    #[must_use]
    pub fn words(&self) -> [u64; 7] {
        let signed = |value: i32| i64::from(value) as u64;
        match self.end {
            TaskEnd::Exited { status } => [self.cookie, EXITED, signed(status), 0, 0, 0, 0],
            TaskEnd::Terminated => [self.cookie, TERMINATED, 0, 0, 0, 0, 0],
            TaskEnd::Killed { exception, code, subcode, pc, access } => {
                [self.cookie, KILLED, signed(exception), signed(code), subcode, pc, u64::from(access)]
            }
        }
    }

    /// The message that these words are.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Option<Self> {
        let [cookie, how, first, code, subcode, pc, access] = *words.first_chunk()?;
        let signed = |word: u64| i32::try_from(word as i64).ok();
        let end = match how {
            EXITED => TaskEnd::Exited { status: signed(first)? },
            TERMINATED => TaskEnd::Terminated,
            KILLED => TaskEnd::Killed {
                exception: signed(first)?,
                code: signed(code)?,
                subcode,
                pc,
                access: u32::try_from(access).ok()?,
            },
            _ => return None,
        };
        Some(Self { cookie, end })
    }

    /// The whole message.
    #[must_use]
    pub fn to_message(&self) -> PortMessage {
        PortMessage::with_words(TASK_ENDED, &self.words())
    }
}

/// The status with which a run ends when its task was killed: 128 and the exception's number.
#[must_use]
pub const fn killed_status(exception: i32) -> i32 {
    128 + (exception & 0x3f)
}

/// The status of a task that another one terminated.
pub const TERMINATED_STATUS: i32 = 128 + KernReturn::TERMINATED.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_come_back_as_they_were_sent() {
        let ends = [
            TaskEnd::Exited { status: -3 },
            TaskEnd::Terminated,
            TaskEnd::Killed { exception: 1, code: 2, subcode: u64::MAX, pc: 0x40_0000, access: 2 },
        ];
        for end in ends {
            let ended = TaskEnded { cookie: 9, end };
            assert_eq!(TaskEnded::from_words(ended.to_message().data_words()), Some(ended));
        }
        assert_eq!(TaskEnded::from_words(&[0, 3, 0, 0, 0, 0, 0]), None);
        assert_eq!(TaskEnded::from_words(&[0; 6]), None);
    }
}
