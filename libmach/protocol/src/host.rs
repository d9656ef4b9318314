//! The host: the machine as a whole (`spec/mach-vm.md` A.14, A.20 to A.22, `spec/mach-ports-tasks.md` E.5), and its one
//! processor set, to which all tasks belong.
//!
//! The target of every request is the host's name, but for [`ProcessorSetTasks`], whose target is the set's.

use crate::PortName;
use crate::table::subsystem;
use crate::task::EXCEPTION_KINDS_MAX;
use crate::wire::{Ints, Text};

/// `HOST_VM_INFO`: counts of the whole system, as `vm_statistics` answers them, in XNU's order.
pub const HOST_VM_INFO: u32 = 2;
/// The count of [`HOST_VM_INFO`].
pub const HOST_VM_INFO_COUNT: u32 = 15;
/// The count of its first form, which is accepted.
pub const HOST_VM_INFO_FIRST_COUNT: u32 = 12;
/// `HOST_VM_INFO64`, on id 219: the same counts, those of events in 64 bits, then those of purged pages and of a compressor.
pub const HOST_VM_INFO64: u32 = 4;
/// The count of [`HOST_VM_INFO64`].
pub const HOST_VM_INFO64_COUNT: u32 = 38;
/// The count of its first form, which is accepted.
pub const HOST_VM_INFO64_FIRST_COUNT: u32 = 24;
/// The longest information of `host_info` and `host_statistics`, in 32-bit units.
pub const HOST_INFO_MAX: usize = HOST_VM_INFO64_COUNT as usize;
/// `HOST_BASIC_INFO`. GNU's, on id 2638: max_cpus, avail_cpus, memory_size (64 bits), cpu_type, cpu_subtype. XNU's, on id
/// 200: max_cpus, avail_cpus, memory_size (32 bits, the largest for more), cpu_type, cpu_subtype, cpu_threadtype,
/// physical_cpu, physical_cpu_max, logical_cpu, logical_cpu_max, max_mem (64 bits).
pub const HOST_BASIC_INFO: u32 = 1;
/// The count of GNU's [`HOST_BASIC_INFO`].
pub const HOST_BASIC_INFO_COUNT: u32 = 6;
/// The count of XNU's [`HOST_BASIC_INFO`].
pub const XNU_HOST_BASIC_INFO_COUNT: u32 = 12;
/// `HOST_SCHED_INFO`: min_timeout, the shortest wait, and min_quantum, a thread's share of a turn; both in milliseconds.
pub const HOST_SCHED_INFO: u32 = 3;
/// The count of [`HOST_SCHED_INFO`].
pub const HOST_SCHED_INFO_COUNT: u32 = 2;
/// `CPU_TYPE_ARM64`, as XNU numbers it.
pub const CPU_TYPE_ARM64: u32 = 0x0100_000c;

/// `VM_WIRE_CURRENT`: what is there.
pub const VM_WIRE_CURRENT: u32 = 1;
/// `VM_WIRE_FUTURE`: what comes.
pub const VM_WIRE_FUTURE: u32 = 2;

/// The most pages that [`VmPagesPhys`] tells of.
pub const VM_PAGES_PHYS_MAX: u64 = 16_384;

subsystem! {
    /// A request to the host.
    HostRequest {
        /// `host_page_size`, A.20: the bytes of a page.
        HostPageSize = 202 {} -> HostPageSizeReply {
            /// Bytes.
            size: u64,
        }

        /// `host_statistics` and, by the second id, `host_statistics64`, E.5: XNU's form of `vm_statistics`.
        ///
        /// Checks: a host port, else INVALID_HOST; a flavor that the id has, else INVALID_ARGUMENT; room, else FAILURE.
        HostStatistics = 216 | 219 {
            /// [`HOST_VM_INFO`]; by the second id [`HOST_VM_INFO64`].
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> HostStatisticsReply {
            /// The information that the flavor names.
            info: Ints<HOST_INFO_MAX>,
        }

        /// `vm_wire`, A.14: keeps pages resident. GNU's id takes any host port, the others the privileged one.
        VmWire = 404 | 418 | 2636 {
            /// Whose memory.
            task: PortName,
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmProt`](crate::vm::VmProt): the accesses that must not fault; none unwires.
            access: u32,
        } -> VmWireReply {}

        /// `vm_wire_all`, A.14: keeps all that a task has resident, and all that it gets.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; the task, else INVALID_TASK; known flags, else
        /// INVALID_ARGUMENT; every page can be had, else the fault's code, and nothing is changed.
        VmWireAll = 4207 {
            /// Whose memory.
            task: PortName,
            /// [`VM_WIRE_CURRENT`], [`VM_WIRE_FUTURE`]; 0 unwires all, and what comes is not wired.
            flags: u32,
        } -> VmWireAllReply {}

        /// `vm_set_default_memory_manager`, A.21: who keeps the pages of anonymous memory that is paged out. Memory that
        /// was paged out before stays with the manager that has it.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; null changes nothing; the manager is a port that the
        /// caller receives from, or a send right, else INVALID_CAPABILITY; room for the answer's name, else NO_SPACE.
        VmSetDefaultMemoryManager = 2041 {
            /// The caller's name of the manager's port, or null.
            default_manager: PortName,
        } -> VmSetDefaultMemoryManagerReply {
            /// A send right to the port of the manager before, or null.
            default_manager: PortName,
        }

        /// `host_default_memory_manager`, A.21: [`VmSetDefaultMemoryManager`] with OSF's argument.
        HostDefaultMemoryManager = 403 {
            /// The caller's name of the manager's port, or null.
            default_manager: PortName,
            /// Bytes of a data_return; ignored.
            cluster_size: u64,
        } -> HostDefaultMemoryManagerReply {
            /// A send right to the port of the manager before, or null.
            default_manager: PortName,
        }

        /// `vm_set_size_limit`, A.22: how much memory a map may hold. Raising the maximum takes the privileged port.
        VmSetSizeLimit = 4215 {
            /// Whose memory.
            task: PortName,
            /// Bytes, now.
            current_limit: u64,
            /// Bytes, at most.
            max_limit: u64,
        } -> VmSetSizeLimitReply {}

        /// `host_info`, E.5: describes the host.
        ///
        /// Checks: a host port, else INVALID_ARGUMENT; a known flavor, else INVALID_ARGUMENT; room for it, else FAILURE.
        HostInfo = 2638 | 200 {
            /// [`HOST_BASIC_INFO`], in the id's family; [`HOST_SCHED_INFO`].
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> HostInfoReply {
            /// The information that the flavor names.
            info: Ints<HOST_INFO_MAX>,
        }

        /// `host_kernel_version`, E.5: what runs.
        ///
        /// Checks: a host port, else INVALID_ARGUMENT.
        HostKernelVersion = 2646 | 201 {} -> HostKernelVersionReply {
            /// A line of text.
            version: Text<64>,
        }

        /// `host_reboot`, E.5. There is nothing by which the server could do it.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; then NOT_SUPPORTED.
        HostReboot = 2635 | 401 {
            /// Not looked at.
            options: u32,
        } -> HostRebootReply {}

        /// `thread_wire`, E.2: keeps what the kernel has of a thread resident. It always is, so that nothing is done.
        ///
        /// Checks: the privileged host port, and the thread is the caller's own, else INVALID_ARGUMENT.
        ThreadWire = 2637 | 405 {
            /// The caller's name of its own port.
            thread: PortName,
            /// Keep it, or let it go again.
            wired: bool,
        } -> ThreadWireReply {}

        /// `host_set_exception_ports`, E.4: who is told of the exceptions of a mask that neither a thread's nor a task's handler
        /// has handled, of all tasks.
        ///
        /// Checks: the privileged host port, a mask with known bits, a behavior and a flavor that are there, else
        /// INVALID_ARGUMENT; a port that a send right can be had to, else INVALID_CAPABILITY.
        HostSetExceptionPorts = 414 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> HostSetExceptionPortsReply {}

        /// `host_get_exception_ports`: the handlers of a mask, four arrays of equal length. The privileged host port,
        /// else INVALID_ARGUMENT.
        HostGetExceptionPorts = 415 {
            /// A bit for each kind of exception.
            exception_mask: u32,
        } -> HostGetExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `host_swap_exception_ports`: sets the handlers of a mask, and answers what they were. Checks: as
        /// [`HostSetExceptionPorts`].
        HostSwapExceptionPorts = 416 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> HostSwapExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `host_get_time`, E.5: the time of day, or where nobody sets it, as here, the time since the system was started.
        ///
        /// Checks: a host port, else INVALID_HOST; a clock, else NOT_SUPPORTED.
        HostGetTime = 2634 {} -> HostGetTimeReply {
            /// Whole seconds.
            seconds: u64,
            /// And microseconds.
            microseconds: u64,
        }

        /// `host_get_uptime64`, E.5: the time since the system was started.
        ///
        /// Checks: a host port, else INVALID_HOST; a clock, else NOT_SUPPORTED.
        HostGetUptime64 = 2647 {} -> HostGetUptime64Reply {
            /// Whole seconds.
            seconds: u64,
            /// And nanoseconds.
            nanoseconds: u64,
        }

        /// `vm_pages_phys`, A.18: where pages of a task are in physical memory. What is not wired may be elsewhere by the
        /// time that the answer comes.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; a task, else INVALID_TASK; address and size multiples of a
        /// page that do not wrap, else INVALID_ARGUMENT; at most [`VM_PAGES_PHYS_MAX`] pages, else RESOURCE_SHORTAGE.
        VmPagesPhys = 4212 {
            /// Whose memory.
            task: PortName,
            /// The first page.
            address: u64,
            /// Bytes.
            size: u64,
        } -> VmPagesPhysReply {
            /// Where the physical addresses are (64 bits each), in new memory of the caller's; 0 for a page that is not
            /// resident.
            pages: u64,
            /// How many.
            count: u32,
        }

        /// `processor_set_default`: the name of the processor set.
        ///
        /// Checks: a host port, else INVALID_ARGUMENT.
        ProcessorSetDefault = 2606 | 213 {} -> ProcessorSetDefaultReply {
            /// A send right to the set's name port.
            default_set: PortName,
        }

        /// `host_processor_set_priv`: the right to all that is in a processor set.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; the name of the set, else INVALID_ARGUMENT.
        HostProcessorSetPriv = 2630 {
            /// The caller's name of the set's name port.
            set_name: PortName,
        } -> HostProcessorSetPrivReply {
            /// A send right to the set's port.
            set: PortName,
        }

        /// `processor_set_tasks`: the tasks in the processor set, which is the target.
        ///
        /// Checks: the target is the set's port, else INVALID_ARGUMENT; room for the rights, else NO_SPACE.
        ProcessorSetTasks = 2627 {} -> ProcessorSetTasksReply {
            /// Where their names are (32 bits each), in new memory of the caller's.
            tasks: u64,
            /// How many.
            count: u32,
        }
    }
}
