//! Starting the Mach server and the ticker, and making root the first Mach thread.

use mach_protocol::boot::{
    BootPage, MAX_UNTYPEDS, ROOT_CALL_BADGE, ROOT_FAULT_BADGE, TICKER_BADGE, WORDS, cspace_radix, priority, slot,
};
use mach_sys::abi::InitSlot;
use mach_sys::abi::registers::UserContext;
use mach_sys::abi::rights::TCB_FLAG_FPU_DISABLED;
use mach_sys::cap::cnode::{SlotPath, zero_guard};
use mach_sys::cap::sched::Budget;
use mach_sys::cap::tcb::{Spaces, Then};
use mach_sys::cap::{CNode, Endpoint, Frame, Notification, Reply, SchedContext, SchedControl, Tcb};
use mach_sys::{Cap, CapRights, ObjectType, VmAttributes};

use crate::kernel::{CNODE, During, Failure, Kernel, TCB, VSPACE};
use crate::process::{self, Program};
use crate::watch::{Speaker, Watcher};

/// The part of root's address space that becomes a Mach map. Nothing is mapped there yet.
pub(crate) const ROOT_MAP: (u64, u64) = (0x100_0000_0000, 0x200_0000_0000);
/// Where a started program finds its stack, its IPC buffer and the boot page, in that order.
const STACK: u64 = 0x10_0000_0000;
const STACK_PAGES: u64 = 64;
const IPC_BUFFER: u64 = STACK + 0x100_0000;
const BOOT_PAGE: u64 = IPC_BUFFER + 0x2000;
const PAGE: u64 = 4096;
/// log2 of the size of a scheduling context.
const SCHED_CONTEXT_BITS: u64 = 8;
const MACH_SLICE_US: u64 = 10_000;
const TICK_PERIOD_US: u64 = 5_000;
const TICK_BUDGET_US: u64 = 500;
/// Slots of the ticker's capability table: what it waits for, and what it signals.
const TICKER_WAIT: u64 = 1;
const TICKER_SIGNAL: u64 = 2;
const TICKER_RADIX: u64 = 4;
/// Where libmach expects a thread's call capability.
const CALL_SLOT: u64 = 1;

/// Starts both programs. When this returns, the Mach server waits for messages or will soon.
pub(crate) fn start(kernel: &mut Kernel, mach: &[u8], ticker: &[u8]) -> Result<(), Failure> {
    let endpoint: Cap<Endpoint> = kernel.make(ObjectType::Endpoint, 0)?;
    let tick: Cap<Notification> = kernel.make(ObjectType::Notification, 0)?;
    let wake: Cap<Notification> = kernel.make(ObjectType::Notification, 0)?;
    let watcher = Watcher::start(kernel)?;
    start_ticker(kernel, ticker, watcher, wake, tick)?;
    let own_tcb = kernel.slot()?;
    let fault = kernel.slot()?;
    start_mach(kernel, mach, watcher, endpoint, wake, tick)?;

    // From here on slot 1 holds the call capability, as in every thread of a task.
    own_tcb.move_from(CNODE.slot_of(TCB)).during("moving root's TCB")?;
    let tcb: Cap<Tcb> = own_tcb.cap();
    let rights = CapRights::WRITE | CapRights::GRANT_REPLY;
    let call = CNODE.slot(CALL_SLOT);
    call.mint_from(CNODE.slot_of(endpoint), rights, ROOT_CALL_BADGE).during("making root's call capability")?;
    fault.mint_from(CNODE.slot_of(endpoint), rights, ROOT_FAULT_BADGE).during("making root's fault capability")?;
    let context: Cap<SchedContext> = Cap::new(InitSlot::SchedContext.number());
    let level = u64::from(priority::SERVER);
    tcb.set_sched_params(tcb, 255, level, context, fault.cap()).during("setting root's fault handler")?;
    Ok(())
}

fn start_mach(
    kernel: &mut Kernel,
    image: &[u8],
    watcher: Watcher,
    endpoint: Cap<Endpoint>,
    wake: Cap<Notification>,
    tick: Cap<Notification>,
) -> Result<(), Failure> {
    let program = process::load(kernel, "mach", image)?;
    let tcb: Cap<Tcb> = kernel.make(ObjectType::Tcb, 0)?;
    let reply: Cap<Reply> = kernel.make(ObjectType::Reply, 0)?;
    let memory = kernel.untypeds.all().iter().filter(|untyped| !untyped.device).map(|untyped| 1 << untyped.bits).sum();
    let radix = cspace_radix(memory);
    let cspace = kernel.make_large_cnode(radix)?;

    let at = |index: u32| cspace.slot_at(u64::from(index), radix);
    let give = |index: u32, from: SlotPath| at(index).copy_from(from, CapRights::ALL).during("giving a capability");
    let guard = zero_guard(64 - radix);
    at(slot::CNODE).mint_from(CNODE.slot_of(cspace), CapRights::ALL, guard).during("giving a CSpace")?;
    give(slot::TCB, CNODE.slot_of(tcb))?;
    give(slot::VSPACE, CNODE.slot_of(program.space))?;
    give(slot::ASID_POOL, CNODE.slot(InitSlot::AsidPool.number()))?;
    give(slot::ASID_CONTROL, CNODE.slot(InitSlot::AsidControl.number()))?;
    give(slot::SCHED_CONTROL, CNODE.slot_of(kernel.sched_control()))?;
    give(slot::ENDPOINT, CNODE.slot_of(endpoint))?;
    give(slot::TICKER, CNODE.slot_of(wake))?;
    give(slot::REPLY, CNODE.slot_of(reply))?;
    give(slot::ROOT_TCB, CNODE.slot_of(TCB))?;
    give(slot::ROOT_VSPACE, CNODE.slot_of(VSPACE))?;
    give(slot::ROOT_CNODE, CNODE.slot_of(CNODE))?;
    let (log, fault) = (watcher.capability(kernel, Speaker::MachLog)?, watcher.capability(kernel, Speaker::Mach)?);
    give(slot::LOG, CNODE.slot_of(log))?;
    tcb.bind_notification(tick).during("binding the ticker's notification")?;
    // It is built without floating point: the registers stay those of whoever called.
    tcb.set_flags(0, TCB_FLAG_FPU_DISABLED).during("switching floating point off")?;

    // All ordinary memory that root has not used goes over, so this comes after everything that is made of memory.
    let buffer = prepare(
        kernel,
        &program,
        tcb,
        cspace,
        guard,
        Terms { priority: priority::MACH, most: priority::DRIVER, budget: Budget::round_robin(MACH_SLICE_US), fault },
    )?;
    let page = process::fresh(kernel, 0, &[])?;
    let mut sizes = heapless::Vec::<u64, MAX_UNTYPEDS>::new();
    for (untyped, index) in kernel.untypeds.all().iter().filter(|untyped| !untyped.device).zip(slot::UNTYPED..) {
        sizes.push(u64::from(untyped.bits)).map_err(|_| Failure::TooManyUntypeds)?;
        at(index).move_from(CNODE.slot(untyped.slot)).during("giving memory")?;
    }
    let words = BootPage { root_map: ROOT_MAP, cspace_radix: radix, untypeds: &sizes }.to_words();
    let words = words.ok_or(Failure::TooManyUntypeds)?;
    let mut bytes = [0; 8 * WORDS];
    bytes.chunks_exact_mut(8).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
    kernel.fill(page, 0, &bytes)?;
    kernel.map(page, program.space, BOOT_PAGE, CapRights::READ, VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER)?;
    run(&program, tcb, [BOOT_PAGE, buffer])
}

fn start_ticker(
    kernel: &mut Kernel,
    image: &[u8],
    watcher: Watcher,
    wake: Cap<Notification>,
    tick: Cap<Notification>,
) -> Result<(), Failure> {
    let program = process::load(kernel, "ticker", image)?;
    let tcb: Cap<Tcb> = kernel.make(ObjectType::Tcb, 0)?;
    let table: Cap<CNode> = kernel.make(ObjectType::CNode, TICKER_RADIX)?;
    let at = |index: u64| table.slot_at(index, TICKER_RADIX);
    at(TICKER_WAIT).copy_from(CNODE.slot_of(wake), CapRights::READ).during("giving the ticker its notification")?;
    at(TICKER_SIGNAL)
        .mint_from(CNODE.slot_of(tick), CapRights::WRITE, TICKER_BADGE)
        .during("giving the ticker its signal")?;
    let budget = Budget::periodic(TICK_BUDGET_US, TICK_PERIOD_US);
    let fault = watcher.capability(kernel, Speaker::Ticker)?;
    let terms = Terms { priority: priority::TICKER, most: priority::TICKER, budget, fault };
    let buffer = prepare(kernel, &program, tcb, table, zero_guard(64 - TICKER_RADIX), terms)?;
    run(&program, tcb, [buffer, 0])
}

/// On what terms a thread runs: when, how long, and who is told of its faults.
struct Terms {
    priority: u8,
    /// The highest priority that it may give threads.
    most: u8,
    budget: Budget,
    fault: Cap<Endpoint>,
}

/// Gives a thread its stack, IPC buffer, spaces, budget and priority. Answers the address of the IPC buffer.
fn prepare(
    kernel: &mut Kernel,
    program: &Program,
    tcb: Cap<Tcb>,
    cspace: Cap<CNode>,
    cspace_data: u64,
    terms: Terms,
) -> Result<u64, Failure> {
    process::map_fresh(kernel, program.space, STACK, STACK_PAGES)?;
    let frame: Cap<Frame> = process::fresh(kernel, 0, &[])?;
    let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
    kernel.map(frame, program.space, IPC_BUFFER, CapRights::READ_WRITE, attributes)?;
    let spaces = Spaces { cspace, cspace_data, vspace: program.space, buffer_frame: frame, buffer_address: IPC_BUFFER };
    tcb.configure(&spaces).during("configuring a thread")?;
    let context: Cap<SchedContext> = kernel.make(ObjectType::SchedContext, SCHED_CONTEXT_BITS)?;
    let control: Cap<SchedControl> = kernel.sched_control();
    control.configure(context, &terms.budget).during("setting a budget")?;
    let (most, level) = (u64::from(terms.most), u64::from(terms.priority));
    tcb.set_sched_params(TCB, most, level, context, terms.fault).during("setting a priority")?;
    Ok(IPC_BUFFER)
}

/// Lets a prepared thread run from its program's entry point.
fn run(program: &Program, tcb: Cap<Tcb>, [x0, x1]: [u64; 2]) -> Result<(), Failure> {
    let mut context = UserContext { pc: program.entry, sp: STACK + STACK_PAGES * PAGE, ..UserContext::default() };
    context.x0_to_x8[..2].copy_from_slice(&[x0, x1]);
    tcb.write_registers(Then::SwitchState, &context).during("starting a thread")
}
