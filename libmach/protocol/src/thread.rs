//! Threads (`spec/mach-ports-tasks.md` E.2). The target of every request is a thread's name, but for
//! `thread_create`, whose target is a task's.

use crate::PortName;
use crate::table::{is_gnu_id, subsystem};
use crate::task::EXCEPTION_KINDS_MAX;
use crate::wire::{Ints, Text};

/// `THREAD_KERNEL_PORT`: what `mach_thread_self` answers.
pub const THREAD_KERNEL_PORT: u32 = 1;
/// `THREAD_EXCEPTION_PORT`: who is told of the thread's exceptions first.
pub const THREAD_EXCEPTION_PORT: u32 = 3;

/// GNU's `AARCH64_THREAD_STATE`, on ids 2017 and 2018: [`ThreadState`].
pub const AARCH64_THREAD_STATE: u32 = 1;
/// The count of [`AARCH64_THREAD_STATE`].
pub const AARCH64_THREAD_STATE_COUNT: u32 = 70;
/// GNU's `AARCH64_FLOAT_STATE`. The kernel does not let anybody read these registers: no call takes the flavor.
pub const AARCH64_FLOAT_STATE: u32 = 2;
/// XNU's `ARM_THREAD_STATE`, on ids 3603 and 3604: flavor and count of what follows, which is [`ARM_THREAD_STATE64`].
pub const ARM_THREAD_STATE: u32 = 1;
/// The count of [`ARM_THREAD_STATE`].
pub const ARM_THREAD_STATE_COUNT: u32 = 70;
/// XNU's `ARM_THREAD_STATE64`, on ids 3603 and 3604: a [`ThreadState`] without the thread register.
pub const ARM_THREAD_STATE64: u32 = 6;
/// The count of [`ARM_THREAD_STATE64`].
pub const ARM_THREAD_STATE64_COUNT: u32 = 68;
/// The longest state, in 32-bit units.
pub const THREAD_STATE_MAX: usize = 136;

/// GNU's `THREAD_BASIC_INFO`, on id 2019.
pub const THREAD_BASIC_INFO: u32 = 1;
/// XNU's `THREAD_BASIC_INFO`, on id 3612: user_time, system_time, cpu_usage, policy, run_state, flags, suspend_count,
/// sleep_time.
pub const XNU_THREAD_BASIC_INFO: u32 = 3;
/// The count of [`XNU_THREAD_BASIC_INFO`].
pub const XNU_THREAD_BASIC_INFO_COUNT: u32 = 10;
/// The longest information of `thread_info`, in 32-bit units.
pub const THREAD_INFO_MAX: usize = 64;

/// The registers of a thread, flavor [`AARCH64_THREAD_STATE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadState {
    /// `x0` to `x30`.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// Where the thread continues.
    pub pc: u64,
    /// The thread register.
    pub tpidr_el0: u64,
    /// The condition flags; other bits are ignored.
    pub cpsr: u64,
}

/// Words of a [`ThreadState`].
pub const THREAD_STATE_WORDS: usize = 35;

impl ThreadState {
    /// The state as 64-bit words.
    #[must_use]
    pub fn words(&self) -> [u64; THREAD_STATE_WORDS] {
        let mut words = [0; THREAD_STATE_WORDS];
        let all = self.x.into_iter().chain([self.sp, self.pc, self.tpidr_el0, self.cpsr]);
        words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
        words
    }

    /// The state as `thread_set_state` carries it.
    #[must_use]
    pub fn to_ints(&self) -> Ints<THREAD_STATE_MAX> {
        Ints::from_words(&self.words())
    }

    /// The state that `thread_get_state` answered; `None` if it is too short.
    #[must_use]
    pub fn from_ints(ints: &Ints<THREAD_STATE_MAX>) -> Option<Self> {
        if ints.len() < AARCH64_THREAD_STATE_COUNT as usize {
            return None;
        }
        Some(Self {
            x: core::array::from_fn(|index| ints.word(index)),
            sp: ints.word(31),
            pc: ints.word(32),
            tpidr_el0: ints.word(33),
            cpsr: ints.word(34),
        })
    }
}

/// A form in which the registers of a thread travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateForm {
    /// [`AARCH64_THREAD_STATE`].
    Gnu,
    /// [`ARM_THREAD_STATE64`].
    Arm64,
    /// [`ARM_THREAD_STATE`].
    Arm,
}

impl StateForm {
    /// What the first word of [`Self::Arm`] says.
    const ARM_HEADER: u64 = ARM_THREAD_STATE64 as u64 | (ARM_THREAD_STATE64_COUNT as u64) << 32;

    /// The form that a flavor names in a call with this id: the families use the same numbers for different forms.
    #[must_use]
    pub const fn find(id: u32, flavor: u32) -> Option<Self> {
        match (is_gnu_id(id), flavor) {
            (true, AARCH64_THREAD_STATE) => Some(Self::Gnu),
            (false, ARM_THREAD_STATE) => Some(Self::Arm),
            (false, ARM_THREAD_STATE64) => Some(Self::Arm64),
            _ => None,
        }
    }

    /// How many integers it takes.
    #[must_use]
    pub const fn count(self) -> u32 {
        match self {
            Self::Gnu => AARCH64_THREAD_STATE_COUNT,
            Self::Arm64 => ARM_THREAD_STATE64_COUNT,
            Self::Arm => ARM_THREAD_STATE_COUNT,
        }
    }

    /// A state in this form.
    #[must_use]
    pub fn pack(self, state: &ThreadState) -> Ints<THREAD_STATE_MAX> {
        let [x @ .., sp, pc, _, cpsr] = state.words();
        let mut words = [Self::ARM_HEADER; THREAD_STATE_WORDS];
        let registers = x.into_iter().chain([sp, pc, cpsr & u64::from(u32::MAX)]);
        words.iter_mut().skip(1).zip(registers).for_each(|(word, value)| *word = value);
        match self {
            Self::Gnu => state.to_ints(),
            Self::Arm64 => Ints::from_words(words.get(1..).unwrap_or_default()),
            Self::Arm => Ints::from_words(&words),
        }
    }

    /// The state that came in this form; `thread_register` is for forms that lack it. `None` if it is too short, or
    /// claims to be something else.
    #[must_use]
    pub fn unpack(self, ints: &Ints<THREAD_STATE_MAX>, thread_register: u64) -> Option<ThreadState> {
        if ints.len() < self.count() as usize {
            return None;
        }
        let first = match self {
            Self::Gnu => return ThreadState::from_ints(ints),
            Self::Arm64 => 0,
            Self::Arm if ints.word(0) == Self::ARM_HEADER => 1,
            Self::Arm => return None,
        };
        let word = |index| ints.word(first + index);
        Some(ThreadState {
            x: core::array::from_fn(word),
            sp: word(31),
            pc: word(32),
            tpidr_el0: thread_register,
            // The upper half is flags of XNU's.
            cpsr: word(33) & u64::from(u32::MAX),
        })
    }
}

subsystem! {
    /// A request to a thread, or to a task for a thread.
    ThreadRequest {
        /// `thread_create`: makes a suspended thread in the target task.
        ThreadCreate = 2061 | 3411 {} -> ThreadCreateReply {
            /// A send right to the thread's port.
            thread: PortName,
        }

        /// `thread_create_running`: makes a thread in the target task that runs with these registers.
        ///
        /// Checks: the flavor is known, and the registers are of it, else INVALID_ARGUMENT.
        ThreadCreateRunning = 3412 {
            /// Which registers.
            flavor: u32,
            /// The registers that the flavor names; all others are 0.
            state: Ints<THREAD_STATE_MAX>,
        } -> ThreadCreateRunningReply {
            /// A send right to the thread's port.
            thread: PortName,
        }

        /// `thread_terminate`: ends the thread.
        ThreadTerminate = 2016 | 3600 {} -> ThreadTerminateReply {}

        /// `thread_get_state`: reads registers.
        ThreadGetState = 2017 | 3603 {
            /// Which.
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> ThreadGetStateReply {
            /// The registers that the flavor names.
            state: Ints<THREAD_STATE_MAX>,
        }

        /// `thread_set_state`: writes registers.
        ThreadSetState = 2018 | 3604 {
            /// Which.
            flavor: u32,
            /// The registers that the flavor names.
            state: Ints<THREAD_STATE_MAX>,
        } -> ThreadSetStateReply {}

        /// `thread_info`: describes the thread.
        ThreadInfo = 2019 | 3612 {
            /// What is asked.
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> ThreadInfoReply {
            /// The information that the flavor names.
            info: Ints<THREAD_INFO_MAX>,
        }

        /// `thread_suspend`: holds the thread; counts.
        ThreadSuspend = 2062 | 3605 {} -> ThreadSuspendReply {}

        /// `thread_resume`: undoes one `thread_suspend`, or the suspension in which a thread is made.
        ThreadResume = 2063 | 3606 {} -> ThreadResumeReply {}

        /// `thread_abort`: interrupts the call or fault in which the thread waits.
        ThreadAbort = 2064 | 3607 {} -> ThreadAbortReply {}

        /// `thread_abort_safely`: the same, but only if the thread is in no call that runs on to its end; else FAILURE.
        ThreadAbortSafely = 3608 {} -> ThreadAbortSafelyReply {}

        /// `thread_terminate_release`: ends the thread, then gives up what it used in a task: its name, its reply port and
        /// memory. For a thread that frees its own stack.
        ///
        /// Checks: the task is one, else INVALID_ARGUMENT. Names that are none, or other than they are to be, and memory that
        /// is none are left out; a range that wraps is INVALID_ARGUMENT when the rest has been done.
        ThreadTerminateRelease = 4201 {
            /// In whose name space and map.
            task: PortName,
            /// That task's name of the thread, which loses a reference; or null.
            thread_name: PortName,
            /// That task's name of the thread's reply port, which is destroyed; or null.
            reply_port: PortName,
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
        } -> ThreadTerminateReleaseReply {}

        /// `thread_get_special_port`: a send right to one of the thread's special ports.
        ThreadGetSpecialPort = 2067 | 3610 {
            /// `THREAD_*_PORT`.
            which: u32,
        } -> ThreadGetSpecialPortReply {
            /// The right; null if none was set.
            port: PortName,
        }

        /// `thread_set_special_port`: sets one of the thread's special ports.
        ThreadSetSpecialPort = 2068 | 3611 {
            /// `THREAD_*_PORT`.
            which: u32,
            /// The caller's name of a send right, which is copied; null for none.
            port: PortName,
        } -> ThreadSetSpecialPortReply {}

        /// `thread_set_exception_ports`, OSF's form: who is told of the exceptions of a mask, before the task's.
        ThreadSetExceptionPorts = 3613 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> ThreadSetExceptionPortsReply {}

        /// `thread_get_exception_ports`: the handlers of a mask, four arrays of equal length.
        ThreadGetExceptionPorts = 3614 {
            /// A bit for each kind of exception.
            exception_mask: u32,
        } -> ThreadGetExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `thread_swap_exception_ports`: sets the handlers of a mask, and answers what they were.
        ThreadSwapExceptionPorts = 3615 {
            /// A bit for each kind of exception.
            exception_mask: u32,
            /// The caller's name of a send right, which is copied; null for none.
            new_port: PortName,
            /// `EXCEPTION_DEFAULT` 1, with 0x80000000 for 64-bit codes.
            behavior: u32,
            /// 0.
            flavor: u32,
        } -> ThreadSwapExceptionPortsReply {
            /// The kinds of each handler.
            masks: Ints<EXCEPTION_KINDS_MAX>,
            /// A send right to each.
            ports: Ints<EXCEPTION_KINDS_MAX>,
            /// The behavior of each.
            behaviors: Ints<EXCEPTION_KINDS_MAX>,
            /// The flavor of each.
            flavors: Ints<EXCEPTION_KINDS_MAX>,
        }

        /// `thread_set_name`: a name for diagnostics.
        ThreadSetName = 4213 {
            /// The name.
            name: Text<4>,
        } -> ThreadSetNameReply {}

        /// `thread_get_name`: that name.
        ThreadGetName = 4214 {} -> ThreadGetNameReply {
            /// The name; empty if none was set.
            name: Text<4>,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_keep_their_place() {
        let state = ThreadState {
            x: core::array::from_fn(|index| index as u64 | 0xffff_0000_0000_0000),
            sp: 31,
            pc: 32 << 32,
            tpidr_el0: 33,
            cpsr: 34,
        };
        let ints = state.to_ints();
        assert_eq!(ints.len(), AARCH64_THREAD_STATE_COUNT as usize);
        assert_eq!(ThreadState::from_ints(&ints), Some(state));
        assert_eq!(ThreadState::from_ints(&Ints::new(&ints.as_slice()[..69])), None);
    }

    #[test]
    fn each_form_brings_the_registers_back() {
        let state = ThreadState {
            x: core::array::from_fn(|index| (index as u64 + 1) << 40),
            sp: 31,
            pc: 32 << 32,
            tpidr_el0: 33,
            cpsr: 0x6000_0000,
        };
        for (id, flavor, count) in [(2017, 1, 70), (3603, 1, 70), (3604, 6, 68)] {
            let form = StateForm::find(id, flavor).unwrap();
            let ints = form.pack(&state);
            assert_eq!((form.count(), ints.len()), (count, count as usize), "{form:?}");
            assert_eq!(form.unpack(&ints, 33), Some(state), "{form:?}");
            assert_eq!(form.unpack(&Ints::new(&ints.as_slice()[..count as usize - 1]), 33), None, "{form:?}");
        }
        for (id, flavor) in [(2018, 6), (2017, 2), (3603, 7), (3603, 17)] {
            assert_eq!(StateForm::find(id, flavor), None);
        }
        // x29 and x30 are XNU's fp and lr; the unified form says what follows.
        let ints = StateForm::Arm.pack(&state);
        assert_eq!(&ints.as_slice()[..2], [6, 68]);
        assert_eq!([ints.word(30), ints.word(32), ints.word(33)], [30 << 40, 31, 32 << 32].map(|word: u64| word));
        let mut other = ints.as_slice().to_vec();
        other[0] = 7;
        assert_eq!(StateForm::Arm.unpack(&Ints::new(&other), 0), None);
    }
}
