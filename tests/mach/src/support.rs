//! What cases have in common: expectations, memory to work on, faults, children.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt::Debug;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionRaise, ExceptionType, catch};
use libmach::msg::Timeout;
use libmach::region::touch;
use libmach::task::{Memory, TaskEnd, fork, mach_task_self, task_create, task_terminate};
use libmach::vm::{self, MapRequest, PAGE_SIZE, RegionInfo, VmFlags, VmInherit, VmProt, Which};
use libmach::{KernReturn, PortName, Region};

use crate::Outcome;

/// The bytes of a page.
pub(crate) const P: u64 = PAGE_SIZE;

/// The largest page-aligned address, 2^64 - P.
pub(crate) const LAST_PAGE: u64 = 0_u64.wrapping_sub(P);

/// The task's own port.
pub(crate) fn me() -> PortName {
    mach_task_self()
}

/// Success, and the value.
pub(crate) fn ok<T>(what: &str, got: Result<T, KernReturn>) -> Result<T, String> {
    got.map_err(|code| format!("{what}: {code:?}"))
}

/// A failure with this code.
pub(crate) fn fails<T: Debug>(what: &str, want: KernReturn, got: Result<T, KernReturn>) -> Outcome {
    match got {
        Err(code) if code == want => Ok(()),
        Err(code) => Err(format!("{what}: wanted {want:?}, got {code:?}")),
        Ok(value) => Err(format!("{what}: wanted {want:?}, got success with {value:?}")),
    }
}

/// Equality.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, want: T, got: T) -> Outcome {
    if want == got { Ok(()) } else { Err(format!("{what}: wanted {want:?}, got {got:?}")) }
}

/// Truth.
pub(crate) fn holds(what: &str, truth: bool) -> Outcome {
    if truth { Ok(()) } else { Err(String::from(what)) }
}

/// Fresh memory of so many pages. It is deallocated when the value goes, whatever is left of it.
pub(crate) fn pages(count: u64) -> Result<Region, String> {
    ok("allocate memory for the case", Region::allocate(count * P))
}

/// Fresh memory with nothing around it, so that it is a region and an object of its own.
pub(crate) fn pages_apart(count: u64) -> Result<Region, String> {
    let request = MapRequest { address: hole(count)?, flags: VmFlags::FIXED, ..MapRequest::anonymous(count * P) };
    ok("allocate memory for the case", Region::map(&request))
}

/// Fresh memory whose page `n` is filled with `n + 1`.
pub(crate) fn numbered(count: u64) -> Result<Region, String> {
    let region = pages(count)?;
    for (number, page) in region.bytes().chunks(P as usize).enumerate() {
        page.iter().for_each(|byte| byte.store(number as u8 + 1, SeqCst));
    }
    Ok(region)
}

/// Memory that lives as long as the task, for parents and children.
pub(crate) fn kept(region: Region) -> &'static Region {
    Box::leak(Box::new(region))
}

/// A page that parent and children share.
pub(crate) fn shared_page() -> Result<&'static Region, String> {
    let region = pages(1)?;
    ok("vm_inherit", region.inherit(VmInherit::SHARE))?;
    Ok(kept(region))
}

/// Where the next [`hole`] is: far above what is allocated anywhere, so that nothing else comes there.
static NEXT_HOLE: AtomicU64 = AtomicU64::new(0x30_0000_0000);

/// An address range of so many pages in which nothing is, with nothing around it.
pub(crate) fn hole(count: u64) -> Result<u64, String> {
    let address = NEXT_HOLE.fetch_add((count + 16) * P, SeqCst);
    holds("the range is free", !is_mapped(address))?;
    Ok(address)
}

/// Where memory of so many pages would come, if it were allocated anywhere now.
pub(crate) fn lowest_gap(count: u64) -> Result<u64, String> {
    let address = ok("vm_allocate", vm::vm_allocate(me(), 0, count * P, VmFlags::ANYWHERE))?;
    ok("vm_deallocate", vm::vm_deallocate(me(), address, count * P))?;
    Ok(address)
}

/// Allocates at this address.
pub(crate) fn fixed(address: u64, size: u64) -> Result<u64, KernReturn> {
    vm::vm_allocate(me(), address, size, VmFlags::FIXED)
}

/// Deallocates whatever is there.
pub(crate) fn free(address: u64, size: u64) -> Outcome {
    ok("mach_vm_deallocate", vm::mach_vm_deallocate(me(), address, size))
}

/// Sets the current protection.
pub(crate) fn protect(address: u64, size: u64, protection: VmProt) -> Result<(), KernReturn> {
    vm::vm_protect(me(), address, size, Which::Current, protection)
}

/// Reads the byte at `address`: it is there.
pub(crate) fn byte(address: u64) -> Result<u8, String> {
    match ok("catch", catch(|| touch(address)))? {
        Ok(byte) => Ok(byte),
        Err(raised) => Err(format!("reading {address:#x}: {raised:?}")),
    }
}

/// Reads the byte at `address`: it has this value.
pub(crate) fn reads(address: u64, want: u8) -> Outcome {
    same(&format!("the byte at {address:#x}"), want, byte(address)?)
}

/// Reads the byte at `address`: a bad access with this code, at that very address.
pub(crate) fn faults(address: u64, code: KernReturn) -> Outcome {
    is_fault(address, code, ok("catch", catch(|| touch(address)))?)
}

/// Writes byte `index` of `region`: a bad access with this code, at that very address.
pub(crate) fn write_faults(region: &Region, index: u64, code: KernReturn) -> Outcome {
    let caught = catch(|| region.bytes()[index as usize].store(0xee, SeqCst));
    is_fault(region.address() + index, code, ok("catch", caught)?)
}

fn is_fault<T: Debug>(address: u64, code: KernReturn, caught: Result<T, ExceptionRaise>) -> Outcome {
    let raised = match caught {
        Ok(value) => return Err(format!("access to {address:#x}: wanted {code:?}, got {value:?}")),
        Err(raised) => raised,
    };
    let got = (raised.exception, KernReturn(raised.code), raised.subcode);
    same(&format!("access to {address:#x}"), (ExceptionType::BAD_ACCESS, code, address), got)
}

/// Writes a byte of a region, by the task itself.
pub(crate) fn store(region: &Region, index: u64, value: u8) {
    region.bytes()[index as usize].store(value, SeqCst);
}

/// Reads a byte of a region, by the task itself.
pub(crate) fn load(region: &Region, index: u64) -> u8 {
    region.bytes()[index as usize].load(SeqCst)
}

/// Whether every byte of the page that begins at `index` has this value.
pub(crate) fn page_is(region: &Region, page: u64, value: u8) -> bool {
    region.bytes().iter().skip((page * P) as usize).take(P as usize).all(|byte| byte.load(SeqCst) == value)
}

/// The region at or above `address`.
pub(crate) fn region_at(address: u64) -> Result<RegionInfo, String> {
    ok("vm_region", vm::vm_region(me(), address))
}

/// Whether `address` lies in a region.
pub(crate) fn is_mapped(address: u64) -> bool {
    vm::vm_region(me(), address).is_ok_and(|region| region.address <= address)
}

/// The address behind the last that can be mapped, found by asking.
pub(crate) fn map_end() -> Result<u64, String> {
    let fits = |page: u64| match fixed(page, P) {
        Ok(_) => {
            let _ = vm::vm_deallocate(me(), page, P);
            true
        }
        Err(code) => code == KernReturn::NO_SPACE,
    };
    let (mut inside, mut outside) = (P, 1 << 52);
    holds("the map begins at or below the second page", fits(inside) || fits(16 * P))?;
    while outside - inside > P {
        let middle = (inside + (outside - inside) / 2) & !(P - 1);
        if fits(middle) { inside = middle } else { outside = middle }
    }
    Ok(outside)
}

/// Runs a check in a child of inherited memory; its failure is the parent's.
pub(crate) fn in_child(check: impl FnOnce() -> Outcome + 'static) -> Outcome {
    let told = shared_page()?;
    let child = ok(
        "fork",
        fork(move || {
            let Err(why) = check() else { return 0 };
            let len = why.len().min(P as usize - 8);
            told.words()[0].store(len as u64, SeqCst);
            told.bytes()[8..].iter().zip(why.bytes().take(len)).for_each(|(to, from)| to.store(from, SeqCst));
            1
        }),
    )?;
    let end = ok("wait for the child", child.wait(Timeout::Millis(20_000)))?;
    if end == (TaskEnd::Exited { status: 0 }) {
        return Ok(());
    }
    let len = told.words()[0].load(SeqCst) as usize;
    let why: String = told.bytes()[8..].iter().take(len).map(|byte| char::from(byte.load(SeqCst))).collect();
    Err(format!("in the child: {end:?}: {why}"))
}

/// A task without memory or threads, that ends with the value.
pub(crate) struct EmptyTask(pub(crate) PortName);

impl EmptyTask {
    pub(crate) fn new() -> Result<Self, String> {
        ok("task_create", task_create(me(), Memory::Empty)).map(Self)
    }
}

impl Drop for EmptyTask {
    fn drop(&mut self) {
        let _ = task_terminate(self.0);
        let _ = libmach::port::mach_port_deallocate(me(), self.0);
    }
}

/// A name that is a dead name, or a right to a thread, for calls that need a task.
pub(crate) fn wrong_targets(call: impl Fn(PortName) -> Result<(), KernReturn>) -> Outcome {
    fails("target null", KernReturn::SEND_INVALID_DEST, call(PortName::NULL))?;
    fails("target dead", KernReturn::SEND_INVALID_DEST, call(PortName::DEAD))?;
    let thread = ok("mach_thread_self", libmach::thread::mach_thread_self())?;
    fails("target a thread", KernReturn::INVALID_ARGUMENT, call(thread))?;
    let dead = {
        let task = ok("task_create", task_create(me(), Memory::Empty))?;
        ok("task_terminate", task_terminate(task))?;
        task
    };
    let outcome = fails("target a dead name", KernReturn::SEND_INVALID_DEST, call(dead));
    let _ = libmach::port::mach_port_deallocate(me(), dead);
    let _ = libmach::port::mach_port_deallocate(me(), thread);
    outcome
}
