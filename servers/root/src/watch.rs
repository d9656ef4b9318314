//! The watcher: root's second thread, for those who have nobody else.
//!
//! It receives the faults of the Mach server and of the ticker, and root's own until the Mach server takes those; any of
//! them is reported in one line and ends the run, since nothing goes on without these three. It also prints what the
//! Mach server has to say, which has no serial line of its own.
//!
//! The watcher has a stack, an IPC buffer and a budget of its own, and uses nothing else of root's but the log: no heap,
//! no call to the Mach server.

use core::ptr::NonNull;

use mach_protocol::boot::log as label;
use mach_sys::abi::InitSlot;
use mach_sys::abi::message::MSG_MAX_LENGTH;
use mach_sys::abi::registers::UserContext;
use mach_sys::cap::sched::Budget;
use mach_sys::cap::tcb::{Spaces, Then};
use mach_sys::cap::{Endpoint, Frame, Reply, SchedContext, Tcb};
use mach_sys::debug;
use mach_sys::ipc_buffer::{self, ThreadBlock};
use mach_sys::{Cap, CapRights, Message, ObjectType, VmAttributes};
use root::fault::Fault;

use crate::kernel::{CNODE, During, Failure, Kernel, PAGE, TCB, VSPACE, WATCHER};
use crate::log::{self, log};
use crate::process;
use crate::run::STATUS_ROOT_FAILED;

/// Who speaks to the watcher: the badges of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Root faulted, and there is no Mach server yet.
    Root = 1,
    /// The Mach server faulted.
    Mach = 2,
    /// The ticker faulted.
    Ticker = 3,
    /// The Mach server has something to say.
    MachLog = 4,
}

impl Speaker {
    const fn badge(self) -> u64 {
        self as u64
    }

    const fn from_badge(badge: u64) -> Option<Self> {
        match badge {
            1 => Some(Self::Root),
            2 => Some(Self::Mach),
            3 => Some(Self::Ticker),
            4 => Some(Self::MachLog),
            _ => None,
        }
    }
}

const STACK_PAGES: u64 = 4;
/// Above the stack.
const BUFFER: u64 = WATCHER + STACK_PAGES * PAGE as u64;
const PRIORITY: u64 = 255;
const SLICE_US: u64 = 5_000;
/// log2 of the size of its scheduling context.
const SCHED_CONTEXT_BITS: u64 = 7;

/// The watcher's endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher(Cap<Endpoint>);

impl Watcher {
    /// Starts the watcher; root's own faults go to it from now on.
    pub(crate) fn start(kernel: &mut Kernel) -> Result<Self, Failure> {
        let endpoint: Cap<Endpoint> = kernel.make(ObjectType::Endpoint, 0)?;
        let reply: Cap<Reply> = kernel.make(ObjectType::Reply, 0)?;
        let tcb: Cap<Tcb> = kernel.make(ObjectType::Tcb, 0)?;
        let context: Cap<SchedContext> = kernel.make(ObjectType::SchedContext, SCHED_CONTEXT_BITS)?;
        process::map_fresh(kernel, VSPACE, WATCHER, STACK_PAGES)?;
        let buffer_frame: Cap<Frame> = process::fresh(kernel, 0, &[])?;
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        kernel.map(buffer_frame, VSPACE, BUFFER, CapRights::READ_WRITE, attributes)?;
        let spaces = Spaces { cspace: CNODE, cspace_data: 0, vspace: VSPACE, buffer_frame, buffer_address: BUFFER };
        tcb.configure(&spaces).during("configuring the watcher")?;
        kernel.sched_control().configure(context, &Budget::round_robin(SLICE_US)).during("setting a budget")?;
        tcb.set_sched_params(TCB, PRIORITY, PRIORITY, context, Cap::null()).during("setting a priority")?;
        let entry: extern "C" fn(u64, u64) -> ! = main;
        let mut registers = UserContext { pc: entry as usize as u64, sp: BUFFER, ..UserContext::default() };
        registers.x0_to_x8[..2].copy_from_slice(&[endpoint.word(), reply.word()]);
        tcb.write_registers(Then::SwitchState, &registers).during("starting the watcher")?;

        let watcher = Self(endpoint);
        let own = watcher.capability(kernel, Speaker::Root)?;
        let own_context: Cap<SchedContext> = Cap::new(InitSlot::SchedContext.number());
        TCB.set_sched_params(TCB, PRIORITY, PRIORITY, own_context, own).during("setting root's fault handler")?;
        Ok(watcher)
    }

    /// A capability by which one of these speaks to the watcher.
    pub(crate) fn capability(self, kernel: &mut Kernel, speaker: Speaker) -> Result<Cap<Endpoint>, Failure> {
        let slot = kernel.slot()?;
        let rights = CapRights::WRITE | CapRights::GRANT_REPLY;
        slot.mint_from(CNODE.slot_of(self.0), rights, speaker.badge()).during("making a capability to the watcher")?;
        Ok(slot.cap())
    }
}

/// The watcher's thread.
extern "C" fn main(endpoint: u64, reply: u64) -> ! {
    let mut block = ThreadBlock { ipc_buffer: BUFFER, runtime: 0 };
    install(&mut block);
    let (endpoint, reply): (Cap<Endpoint>, Cap<Reply>) = (Cap::new(endpoint), Cap::new(reply));
    let mut words = [0; MSG_MAX_LENGTH];
    let mut message = endpoint.recv(reply);
    loop {
        let text = message.copy_words(&mut words);
        let fault = Fault { label: message.label(), words: text };
        let who = match Speaker::from_badge(message.badge.0) {
            Some(Speaker::MachLog) => {
                log::write_bytes(text.iter().flat_map(|word| word.to_le_bytes()).filter(|byte| *byte != 0));
                if message.label() == label::STOPPED {
                    debug::semihosting_exit(STATUS_ROOT_FAILED);
                }
                message = endpoint.reply_recv(&Message::new(0, &[]), reply);
                continue;
            }
            Some(Speaker::Mach) if fault.behind_clock().is_some() => {
                // The kernel keeps the clock to itself: the server goes on without.
                let resumed = fault.behind_clock().unwrap_or_default();
                message = endpoint.reply_recv(&Message::new(0, &resumed), reply);
                continue;
            }
            Some(Speaker::Root) => "root itself",
            Some(Speaker::Mach) => "the Mach server itself",
            Some(Speaker::Ticker) => "the ticker",
            None => "somebody unknown",
        };
        log!("root: stopped: {who} faulted: {fault}");
        debug::semihosting_exit(STATUS_ROOT_FAILED);
    }
}

#[expect(unsafe_code, reason = "installs the block of a thread that never ends")]
fn install(block: &mut ThreadBlock) {
    // SAFETY: the block is on the stack of `main`, which never returns; `Watcher::start` mapped the IPC buffer at the
    // address in it and gave it to this thread alone.
    unsafe { ipc_buffer::install(NonNull::from(block)) };
}
