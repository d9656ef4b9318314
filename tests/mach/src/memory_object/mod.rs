//! I-MO: memory objects (`spec/mach-memory-objects.md`), with this task as the manager of every object.
//!
//! [`Manager`] receives message by message and looks at each; [`Access`] is a client's thread that touches a page while
//! the manager looks on. A case is named after its number: `memory_object.imo.07` is I-MO 7.

use alloc::format;
use alloc::string::String;
use core::cell::Cell;
use core::fmt::Debug;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{Caught, ExceptionType, catch};
use libmach::memory_object::{
    CopyObject, CopyStrategy, Data, LockCompleted, ReplyTo, ShouldReturn, SupplyCompleted, Upcall,
    memory_object_data_supply, memory_object_lock_request, memory_object_ready, memory_object_set_deadline,
};
use libmach::msg::{PortMessage, Timeout, mach_msg_destroy, receive};
use libmach::port::{Disposition, PortType, ReceivePort, mach_port_deallocate, mach_port_destroy, mach_port_type};
use libmach::region::touch;
use libmach::thread::{JoinHandle, sleep, spawn};
use libmach::vm::{self, MapRequest, VmProt};
use libmach::{KernReturn, PortName, Region};

use crate::support::{P, free, holds, kept, me, ok, pages, same};
use crate::{Case, Outcome};

mod attributes;
mod copies;
mod doorbell;
mod end;
mod first;
mod lies;
mod lock;
mod proxies;
mod requests;

/// Every case, by the sections of the specification.
pub(crate) const CASES: [&[Case]; 9] = [
    first::CASES,
    requests::CASES,
    lock::CASES,
    attributes::CASES,
    end::CASES,
    copies::CASES,
    lies::CASES,
    proxies::CASES,
    doorbell::CASES,
];

/// What nothing here takes, in milliseconds.
const LONG_MS: u32 = 10_000;
/// After this time, in milliseconds, what has not come does not come.
const SOON_MS: u32 = 60;
/// Writing only what was asked for: the accesses of a write fault.
const WRITES: [VmProt; 2] = [VmProt::WRITE, VmProt::DEFAULT];

/// A manager that takes its messages one by one.
pub(crate) struct Manager {
    port: ReceivePort,
    reply: ReceivePort,
    control: Cell<PortName>,
    name: Cell<PortName>,
}

/// Pages that came back.
pub(crate) struct Back {
    pub(crate) offset: u64,
    pub(crate) data: Region,
    pub(crate) dirty: bool,
    pub(crate) kernel_copy: bool,
}

impl Manager {
    /// A manager of one object, which nobody has mapped.
    pub(crate) fn new() -> Result<Self, String> {
        let port = || ok("make a port", ReceivePort::new());
        Ok(Self { port: port()?, reply: port()?, control: Cell::default(), name: Cell::default() })
    }

    /// A manager whose object is mapped, ready and not cached.
    pub(crate) fn ready(count: u64, strategy: CopyStrategy) -> Result<(Self, &'static Region), String> {
        let manager = Self::new()?;
        let region = manager.map(count)?;
        manager.init()?;
        manager.say_ready(false, strategy)?;
        Ok((manager, region))
    }

    /// The same, with the first `count` pages resident, each full of its number plus 1.
    pub(crate) fn full(count: u64, strategy: CopyStrategy) -> Result<(Self, &'static Region), String> {
        let (manager, region) = Self::ready(count, strategy)?;
        manager.fill(count)?;
        Ok((manager, region))
    }

    /// Supplies the first pages, each full of its number plus 1, though nobody asked for them.
    pub(crate) fn fill(&self, count: u64) -> Outcome {
        let data = crate::support::numbered(count)?;
        ok("memory_object_data_supply", self.supply_from(0, &data, VmProt::NONE, false, None))
    }

    pub(crate) fn object(&self) -> PortName {
        self.port.name()
    }

    pub(crate) fn control(&self) -> PortName {
        self.control.get()
    }

    pub(crate) fn name(&self) -> PortName {
        self.name.get()
    }

    /// The port for completions that do not go to the object's.
    pub(crate) fn reply_port(&self) -> PortName {
        self.reply.name()
    }

    /// Completions by the object's port.
    pub(crate) fn by_object(&self) -> ReplyTo {
        Some((self.object(), Disposition::MAKE_SEND_ONCE))
    }

    /// Completions by a port of their own.
    pub(crate) fn by_reply(&self) -> ReplyTo {
        Some((self.reply_port(), Disposition::MAKE_SEND_ONCE))
    }

    /// Maps the first pages of the object, shared.
    pub(crate) fn map(&self, count: u64) -> Result<&'static Region, String> {
        self.map_by(&MapRequest::object(self.object(), count * P))
    }

    pub(crate) fn map_by(&self, request: &MapRequest) -> Result<&'static Region, String> {
        ok("vm_map", Region::map(request)).map(kept)
    }

    /// The next message, at the object's port.
    pub(crate) fn next(&self) -> Result<(Upcall, PortMessage), String> {
        message_at(self.object())
    }

    /// Nothing comes to the object's port.
    pub(crate) fn nothing(&self) -> Outcome {
        nothing_at(self.object(), SOON_MS)
    }

    /// The next message is init; its ports are remembered.
    pub(crate) fn init(&self) -> Outcome {
        let (upcall, message) = self.next()?;
        holds(&format!("init, not {upcall:?}"), matches!(upcall, Upcall::Init(_)))?;
        let &[control, name] = message.rights() else {
            return Err(format!("init has the rights {:?}", message.rights()));
        };
        self.control.set(control.name);
        self.name.set(name.name);
        Ok(())
    }

    pub(crate) fn say_ready(&self, may_cache: bool, strategy: CopyStrategy) -> Outcome {
        ok("memory_object_ready", memory_object_ready(self.control(), may_cache, strategy))
    }

    /// Has clients wait so long for this manager.
    pub(crate) fn deadline(&self, milliseconds: u32) -> Outcome {
        let set = memory_object_set_deadline(self.object(), PortName::NULL, milliseconds);
        ok("memory_object_set_deadline", set)
    }

    /// The next message is a request for the page at `offset`; answers the access.
    pub(crate) fn request(&self, offset: u64) -> Result<VmProt, String> {
        let (upcall, message) = self.next()?;
        let Upcall::DataRequest(request) = upcall else {
            return Err(format!("wanted data_request at {offset:#x}, got {upcall:?}"));
        };
        same("offset and length of the request", (offset, P), (request.offset, request.length))?;
        self.is_mine(&message)?;
        Ok(VmProt::from_bits_retain(request.desired_access))
    }

    /// The next message is of a copy of this part; answers the manager of the object that shall be the copy.
    pub(crate) fn copied(&self, offset: u64, length: u64) -> Result<Manager, String> {
        let (upcall, message) = self.next()?;
        same("the message", Upcall::CopyObject(CopyObject { offset, length }), upcall)?;
        let &[control, new] = message.rights() else {
            return Err(format!("copy has the rights {:?}", message.rights()));
        };
        let dispositions = [Disposition::PORT_SEND, Disposition::PORT_RECEIVE];
        same("dispositions", dispositions, [control.disposition, new.disposition])?;
        same("the old control port", self.control(), control.name)?;
        ok("drop the surplus right", mach_port_deallocate(me(), control.name))?;
        let port = ok("take the new object's port", ReceivePort::adopt(new.name))?;
        let reply = ok("make a port", ReceivePort::new())?;
        Ok(Manager { port, reply, control: Cell::default(), name: Cell::default() })
    }

    /// The next message asks that a lock on the page at `offset` goes; answers the access.
    pub(crate) fn unlock_wanted(&self, offset: u64) -> Result<VmProt, String> {
        let (upcall, message) = self.next()?;
        let Upcall::DataUnlock(unlock) = upcall else {
            return Err(format!("wanted data_unlock at {offset:#x}, got {upcall:?}"));
        };
        same("offset and length of the unlock", (offset, P), (unlock.offset, unlock.length))?;
        self.is_mine(&message)?;
        Ok(VmProt::from_bits_retain(unlock.desired_access))
    }

    /// The next message brings pages.
    pub(crate) fn back(&self) -> Result<Back, String> {
        let (upcall, message) = self.next()?;
        let Upcall::DataReturn(data) = upcall else { return Err(format!("wanted data_return, got {upcall:?}")) };
        self.is_mine(&message)?;
        let copy = ok("read what came back", Region::read_from(me(), data.data, data.size))?;
        ok("deallocate what came back", vm::vm_deallocate(me(), data.data, data.size))?;
        Ok(Back { offset: data.offset, data: copy, dirty: data.dirty, kernel_copy: data.kernel_copy })
    }

    /// The next message brings this one page, dirty or not, of which the server keeps a copy or not.
    pub(crate) fn one_back(&self, offset: u64, byte: u8, dirty: bool, kernel_copy: bool) -> Outcome {
        let back = self.back()?;
        let got = (back.offset, back.data.size(), back.dirty, back.kernel_copy);
        same("offset, size, dirty and kernel_copy", (offset, P, dirty, kernel_copy), got)?;
        same("the first byte that came back", byte, crate::support::load(&back.data, 0))
    }

    /// The next message says that a lock_request is done.
    pub(crate) fn locked(&self, offset: u64, length: u64) -> Outcome {
        let (upcall, message) = self.next()?;
        self.is_mine(&message)?;
        same("the completion", Upcall::LockCompleted(LockCompleted { offset, length }), upcall)
    }

    /// The next message at the reply port says what became of a supply.
    pub(crate) fn supplied(&self, want: SupplyCompleted) -> Outcome {
        let (upcall, message) = message_at(self.reply_port())?;
        self.is_mine(&message)?;
        let Upcall::SupplyCompleted(mut got) = upcall else { return Err(format!("wanted {want:?}, got {upcall:?}")) };
        if got.result == KernReturn::SUCCESS.0 {
            // What it says of an error means nothing then.
            got.error_offset = want.error_offset;
        }
        same("the completion", want, got)
    }

    /// The next message is terminate, with both rights, and it is the last one. The ports are destroyed.
    pub(crate) fn terminated(&self) -> Outcome {
        let names = self.terminate_rights()?;
        self.nothing()?;
        for name in names {
            ok("destroy a port that terminate brought", mach_port_destroy(me(), name))?;
        }
        self.control.set(PortName::NULL);
        self.name.set(PortName::NULL);
        Ok(())
    }

    /// The next message is terminate; answers the names of the control and the name port.
    pub(crate) fn terminate_rights(&self) -> Result<[PortName; 2], String> {
        let (upcall, message) = self.next()?;
        holds(&format!("wanted terminate, got {upcall:?}"), matches!(upcall, Upcall::Terminate(_)))?;
        let &[control, name] = message.rights() else {
            return Err(format!("terminate has the rights {:?}", message.rights()));
        };
        same("dispositions", [Disposition::PORT_RECEIVE; 2], [control.disposition, name.disposition])?;
        same("names", [self.control(), self.name()], [control.name, name.name])?;
        Ok([control.name, name.name])
    }

    /// Supplies one page full of `byte`.
    pub(crate) fn supply(&self, offset: u64, byte: u8) -> Outcome {
        self.supply_locked(offset, byte, VmProt::NONE)
    }

    /// Supplies one page full of `byte`, without these accesses.
    pub(crate) fn supply_locked(&self, offset: u64, byte: u8, lock: VmProt) -> Outcome {
        let data = filled(byte)?;
        ok("memory_object_data_supply", self.supply_from(offset, &data, lock, false, None))
    }

    /// Supplies a copy of a region.
    pub(crate) fn supply_from(
        &self,
        offset: u64,
        data: &Region,
        lock: VmProt,
        precious: bool,
        reply_to: ReplyTo,
    ) -> Result<(), KernReturn> {
        let data = Data { address: data.address(), size: data.size(), deallocate: false };
        memory_object_data_supply(self.control(), offset, data, lock, precious, reply_to)
    }

    /// Asks to return, flush and lock, with a completion at the object's port.
    pub(crate) fn lock(&self, range: (u64, u64), back: ShouldReturn, flush: bool, lock: VmProt) -> Outcome {
        let asked = memory_object_lock_request(self.control(), range.0, range.1, back, flush, lock, self.by_object());
        ok("memory_object_lock_request", asked)
    }

    /// The same, and waits until it is done, without anything coming back.
    pub(crate) fn lock_done(&self, range: (u64, u64), back: ShouldReturn, flush: bool, lock: VmProt) -> Outcome {
        self.lock(range, back, flush, lock)?;
        self.locked(range.0, range.1)
    }

    /// A message names the control port; the send right that it brought is dropped.
    fn is_mine(&self, message: &PortMessage) -> Outcome {
        let rights: alloc::vec::Vec<PortName> = message.rights().iter().map(|right| right.name).collect();
        same("the rights of a message", &[self.control()][..], &rights)?;
        ok("drop the surplus right", mach_port_deallocate(me(), self.control()))
    }

    /// Unmaps, and sees the end of an object that has nothing to return.
    pub(crate) fn finish(&self, region: &Region) -> Outcome {
        free(region.address(), region.size())?;
        self.terminated()
    }

    /// Unmaps, lets pages come back, and sees the end of the object.
    pub(crate) fn finish_dirty(&self, region: &Region, pages: u64) -> Outcome {
        free(region.address(), region.size())?;
        let mut got = 0;
        while got < pages {
            got += self.back()?.data.size() / P;
        }
        self.terminated()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        while let Ok(message) = receive(self.object(), Timeout::Millis(0)) {
            mach_msg_destroy(&message);
        }
        for name in [self.control(), self.name()] {
            if name.is_valid() {
                let _ = mach_port_destroy(me(), name);
            }
        }
    }
}

/// The next message at a port: from the server, and one of those that managers get.
pub(crate) fn message_at(port: PortName) -> Result<(Upcall, PortMessage), String> {
    let message = ok("a message for the manager", receive(port, Timeout::Millis(LONG_MS)))?;
    holds("the message is the server's", message.header.is_from_server)?;
    let upcall = Upcall::from_words(message.header.id, message.data_words());
    upcall.map(|upcall| (upcall, message.clone())).ok_or_else(|| format!("message {}", message.header.id))
}

/// Nothing comes to a port.
pub(crate) fn nothing_at(port: PortName, millis: u32) -> Outcome {
    match receive(port, Timeout::Millis(millis)) {
        Err(KernReturn::RCV_TIMED_OUT) => Ok(()),
        Err(code) => Err(format!("receiving: {code:?}")),
        Ok(message) => Err(format!(
            "nothing should have come, but {:?} did, message {}",
            Upcall::from_words(message.header.id, message.data_words()),
            message.header.id
        )),
    }
}

/// The next message at a port says that a send-once right was destroyed unused.
pub(crate) fn send_once_unused(port: PortName) -> Outcome {
    let message = ok("a notification", receive(port, Timeout::Millis(LONG_MS)))?;
    same("its id", libmach::port::notify::SEND_ONCE as i32, message.header.id)
}

/// What a name denotes.
pub(crate) fn type_of(name: PortName) -> Result<PortType, String> {
    ok("mach_port_type", mach_port_type(me(), name))
}

/// A page full of `byte`.
pub(crate) fn filled(byte: u8) -> Result<Region, String> {
    let page = pages(1)?;
    page.bytes().iter().for_each(|cell| cell.store(byte, SeqCst));
    Ok(page)
}

/// A client's thread that touches memory once.
pub(crate) struct Access {
    address: u64,
    thread: JoinHandle<Result<Caught<u8>, KernReturn>>,
}

impl Access {
    /// Reads the byte at `address`.
    pub(crate) fn read(address: u64) -> Result<Self, String> {
        let thread = ok("spawn", spawn(move || catch(|| touch(address))))?;
        Ok(Self { address, thread })
    }

    /// Writes byte `index` of a region.
    pub(crate) fn write(region: &'static Region, index: u64, value: u8) -> Result<Self, String> {
        let write = move || {
            region.bytes()[index as usize].store(value, SeqCst);
            value
        };
        let thread = ok("spawn", spawn(move || catch(write)))?;
        Ok(Self { address: region.address() + index, thread })
    }

    /// Whether the thread still waits, though it had time.
    pub(crate) fn waits(&self) -> Outcome {
        sleep(SOON_MS);
        holds(&format!("the access to {:#x} waits", self.address), !self.thread.is_finished())
    }

    fn end(self) -> Result<Caught<u8>, String> {
        let mut waited = 0;
        while !self.thread.is_finished() {
            if waited > LONG_MS {
                return Err(format!("the access to {:#x} hangs", self.address));
            }
            sleep(2);
            waited += 2;
        }
        ok("catch", ok("join", self.thread.join())?)
    }

    /// The access succeeds, with this byte.
    pub(crate) fn gives(self, byte: u8) -> Outcome {
        let address = self.address;
        match self.end()? {
            Ok(got) => same(&format!("the byte at {address:#x}"), byte, got),
            Err(raised) => Err(format!("access to {address:#x}: {raised:?}")),
        }
    }

    /// The access is an exception with this code, at that very byte.
    pub(crate) fn fails(self, code: KernReturn) -> Outcome {
        let address = self.address;
        match self.end()? {
            Ok(byte) => Err(format!("access to {address:#x}: wanted {code:?}, got {byte}")),
            Err(raised) => same(
                &format!("access to {address:#x}"),
                (ExceptionType::BAD_ACCESS, code, address),
                (raised.exception, KernReturn(raised.code), raised.subcode),
            ),
        }
    }
}

/// One of two values.
pub(crate) fn one_of<T: PartialEq + Debug>(what: &str, want: &[T], got: &T) -> Outcome {
    if want.contains(got) { Ok(()) } else { Err(format!("{what}: wanted one of {want:?}, got {got:?}")) }
}
