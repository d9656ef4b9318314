//! Tasks (`spec/mach-ports-tasks.md` E.1). The target of every request is a task's name.

use crate::PortName;
use crate::table::subsystem;
use crate::wire::{Ints, Text};

/// `TASK_KERNEL_PORT`: what `mach_task_self` answers.
pub const TASK_KERNEL_PORT: u32 = 1;
/// `TASK_HOST_PORT`.
pub const TASK_HOST_PORT: u32 = 2;
/// `TASK_EXCEPTION_PORT`: who is told of the exceptions of threads without a handler of their own.
pub const TASK_EXCEPTION_PORT: u32 = 3;
/// `TASK_BOOTSTRAP_PORT`: the name service.
pub const TASK_BOOTSTRAP_PORT: u32 = 4;

/// GNU's `TASK_BASIC_INFO`, on id 2012.
pub const TASK_BASIC_INFO: u32 = 1;
/// The count of [`TASK_BASIC_INFO`].
pub const TASK_BASIC_INFO_COUNT: u32 = 30;
/// GNU's `TASK_EVENTS_INFO`, on id 2012: what the task's page faults were.
pub const TASK_EVENTS_INFO: u32 = 2;
/// The count of [`TASK_EVENTS_INFO`].
pub const TASK_EVENTS_INFO_COUNT: u32 = 14;
/// GNU's `TASK_THREAD_TIMES_INFO`, on id 2012: the times of threads that live.
pub const TASK_THREAD_TIMES_INFO: u32 = 3;
/// The count of [`TASK_THREAD_TIMES_INFO`].
pub const TASK_THREAD_TIMES_INFO_COUNT: u32 = 16;
/// XNU's `TASK_BASIC_INFO`, on id 3405 (its 64-bit form, packed): suspend_count, virtual_size, resident_size,
/// user_time, system_time, policy.
pub const TASK_BASIC_INFO_64_2: u32 = 18;
/// The count of [`TASK_BASIC_INFO_64_2`].
pub const TASK_BASIC_INFO_64_2_COUNT: u32 = 10;
/// XNU's `MACH_TASK_BASIC_INFO`, on id 3405: virtual_size, resident_size, resident_size_max, user_time, system_time,
/// policy, suspend_count.
pub const MACH_TASK_BASIC_INFO: u32 = 20;
/// The count of [`MACH_TASK_BASIC_INFO`].
pub const MACH_TASK_BASIC_INFO_COUNT: u32 = 12;
/// The count of XNU's `TASK_THREAD_TIMES_INFO`, which has GNU's number, on id 3405: user_time, system_time.
pub const XNU_TASK_THREAD_TIMES_INFO_COUNT: u32 = 4;
/// XNU's `TASK_VM_INFO`, on id 3405: virtual_size, region_count, page_size, resident_size.
pub const TASK_VM_INFO: u32 = 22;
/// The count of what there is of [`TASK_VM_INFO`].
pub const TASK_VM_INFO_COUNT: u32 = 6;
/// Ports that `mach_ports_register` keeps.
pub const REGISTERED_PORTS: usize = 4;
/// The same by XNU's id.
pub const XNU_REGISTERED_PORTS: usize = 3;
/// Ports that a request can name, to be told that they are too many.
pub const REGISTERED_PORTS_ASKED: usize = 16;
/// Ledgers that a request can name.
pub const LEDGERS_ASKED: usize = 16;
/// The longest information of `task_info`, in 32-bit units.
pub const TASK_INFO_MAX: usize = 64;

/// Handlers that `get_exception_ports` lists at most.
pub const EXCEPTION_KINDS_MAX: usize = 14;

subsystem! {
    /// A request to a task.
    TaskRequest {
        /// `task_create`: makes a child without threads, with memory by inheritance or none.
        TaskCreate = 2007 {
            /// Whether the child gets memory by inheritance.
            inherit_memory: bool,
        } -> TaskCreateReply {
            /// A send right to the child's port.
            child: PortName,
        }

        /// `task_create` in XNU's form: [`TaskCreate`] with ledgers, of which there are none.
        XnuTaskCreate = 3400 {
            /// The caller's names of the child's ledgers. Nothing is looked up, and none is kept.
            ledgers: Ints<LEDGERS_ASKED>,
            /// Whether the child gets memory by inheritance.
            inherit_memory: bool,
        } -> XnuTaskCreateReply {
            /// A send right to the child's port.
            child: PortName,
        }

        /// `task_terminate`: ends the task and all that it has.
        TaskTerminate = 2008 | 3401 {} -> TaskTerminateReply {}

        /// `task_threads`: names the threads of the task.
        TaskThreads = 2011 | 3402 {} -> TaskThreadsReply {
            /// Where the names are (32 bits each), in new memory of the caller's.
            threads: u64,
            /// How many.
            count: u32,
        }

        /// `task_info`: describes the task.
        TaskInfo = 2012 | 3405 {
            /// What is asked.
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> TaskInfoReply {
            /// The information that the flavor names.
            info: Ints<TASK_INFO_MAX>,
        }

        /// `task_suspend`: holds all threads of the task; counts.
        TaskSuspend = 2056 | 3407 {} -> TaskSuspendReply {}

        /// `task_resume`: undoes one `task_suspend`.
        TaskResume = 2057 | 3408 {} -> TaskResumeReply {}

        /// `task_get_special_port`: a send right to one of the task's special ports.
        TaskGetSpecialPort = 2058 | 3409 {
            /// `TASK_*_PORT`.
            which: u32,
        } -> TaskGetSpecialPortReply {
            /// The right; null if none was set.
            port: PortName,
        }

        /// `task_set_special_port`: sets one of the task's special ports.
        TaskSetSpecialPort = 2059 | 3410 {
            /// `TASK_*_PORT`.
            which: u32,
            /// The caller's name of a send right, which is copied; null for none.
            port: PortName,
        } -> TaskSetSpecialPortReply {}

        /// `task_set_exception_ports`, OSF's form: who is told of the exceptions of a mask.
        TaskSetExceptionPorts = 3413 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> TaskSetExceptionPortsReply {}

        /// `task_get_exception_ports`: the handlers of a mask, four arrays of equal length.
        TaskGetExceptionPorts = 3414 {
            /// A bit for each kind of exception.
            exception_mask: u32,
        } -> TaskGetExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `task_swap_exception_ports`: sets the handlers of a mask, and answers what they were.
        TaskSwapExceptionPorts = 3415 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> TaskSwapExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `mach_ports_register`: ports for the task and for children that it has from now on. They replace those before.
        ///
        /// INVALID_ARGUMENT for more than [`REGISTERED_PORTS`] of them (by XNU's id, 3); INVALID_CAPABILITY if one is neither
        /// null nor a send right.
        MachPortsRegister = 2033 | 3403 {
            /// The caller's names of send rights, which are copied.
            ports: Ints<REGISTERED_PORTS_ASKED>,
        } -> MachPortsRegisterReply {}

        /// `mach_ports_lookup`: the registered ports, those that are null too.
        ///
        /// NO_SPACE if the caller has no room for a right; it keeps those before it.
        MachPortsLookup = 2034 | 3404 {} -> MachPortsLookupReply {
            /// A send right to each.
            ports: Ints<REGISTERED_PORTS>,
        }

        /// `task_wire`: not supported.
        TaskWire = 3815 {
            /// Whether memory must be wired.
            must_wire: bool,
        } -> TaskWireReply {}

        /// `task_set_name`: a name for diagnostics. The log names by it a task that an exception ends.
        TaskSetName = 4202 {
            /// The name.
            name: Text<8>,
        } -> TaskSetNameReply {}
    }
}
