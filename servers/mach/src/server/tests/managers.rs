//! Memory objects whose manager is a task: the whole way, from a name in `vm_map` to a message, a call, and a fault
//! that goes on. Numbers are those of the conformance cases in `spec/mach-memory-objects.md`, "I-MO".

use alloc::vec;

use mach_protocol::memory_object::*;
use mach_protocol::message::Landing;
use mach_protocol::port::{
    MachPortDestroy, MachPortExtractRight, MachPortGetRefs, MachPortInsertRight, MachPortModRefs, MachPortType,
};
use mach_protocol::private::{MemoryObjectSetDeadline, ServerUsageReply};
use mach_protocol::vm::{VmMap, VmMsync, VmProt, VmProtect};
use vm::{GetBytes, Operation, PutBytes, Step};

use super::*;

mod copies;
mod death;
mod limits;
mod paging;
mod protocol;
mod proxies;

const READ: u64 = 0x9200_0006;
const WRITE: u64 = 0x9200_0046;
/// Where clients map objects, and managers keep data.
const AT: u64 = 0x1000_0000;
const DATA: u64 = 0x2000_0000;

/// A manager with an object port, and a client that may map it.
struct World {
    host: Host,
    manager: Who,
    client: Who,
    object: PortName,
    /// The client's name of the object.
    mine: PortName,
}

/// A task with a thread.
#[derive(Clone, Copy, Debug)]
struct Who {
    /// Root's name of the task.
    task: PortName,
    /// Its own name.
    own: PortName,
    thread: ThreadId,
}

/// What a manager knows after `init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Assoc {
    control: PortName,
    name: PortName,
}

impl World {
    fn new() -> Self {
        let mut host = Host::new();
        let [manager, client] = [(); 2].map(|()| host.new_who());
        let object = host.new_port(manager.thread);
        let mine = host.give_send(manager, object, client);
        Self { host, manager, client, object, mine }
    }

    /// A world in which the client has mapped `pages` pages and the manager is ready.
    fn ready(pages: u64) -> (Self, Assoc) {
        let mut w = Self::new();
        assert_eq!(w.map(w.client, w.mine, pages), Ok(AT));
        let assoc = w.init();
        assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }), Ok(()));
        (w, assoc)
    }

    fn map(&mut self, who: Who, object: PortName, pages: u64) -> Result<u64, KernReturn> {
        self.map_at(who, object, AT, 0, pages)
    }

    fn map_at(&mut self, who: Who, object: PortName, address: u64, offset: u64, pages: u64) -> Result<u64, KernReturn> {
        let call = VmMap {
            address,
            size: pages * PAGES,
            memory_object: object,
            offset,
            cur_protection: VmProt::ALL.bits(),
            max_protection: VmProt::ALL.bits(),
            ..VmMap::default()
        };
        self.host.call_by(who.thread, who.own, &call).map(|reply| reply.address)
    }

    fn unmap(&mut self, pages: u64) {
        let call = VmDeallocate { address: AT, size: pages * PAGES };
        assert_eq!(self.host.call_by(self.client.thread, self.client.own, &call).map(drop), Ok(()));
    }

    /// The next message to the manager; it must be the server's.
    fn next(&mut self) -> Option<(Upcall, PortMessage)> {
        self.host.next_upcall(self.manager, self.object)
    }

    fn upcall(&mut self) -> Option<Upcall> {
        self.next().map(|(upcall, _)| upcall)
    }

    fn init(&mut self) -> Assoc {
        let (upcall, message) = self.next().expect("init");
        assert_eq!(upcall, Upcall::Init(Init { page_size: PAGES }));
        let [control, name] = [0, 1].map(|index| message.rights()[index]);
        assert_eq!((control.disposition, name.disposition), (Disposition::PORT_SEND, Disposition::PORT_SEND));
        assert_ne!(control.name, name.name);
        Assoc { control: control.name, name: name.name }
    }

    /// A call of the manager's on the control port.
    fn say<R: Routine>(&mut self, assoc: Assoc, call: &R) -> Result<(), KernReturn> {
        self.host.call_by(self.manager.thread, assoc.control, call).map(drop)
    }

    /// Fills pages of the manager's with a byte each, and supplies them.
    fn supply(&mut self, assoc: Assoc, offset: u64, bytes: &[u8]) -> Result<(), KernReturn> {
        self.host.fill(self.manager, DATA, bytes);
        let size = bytes.len() as u64 * PAGES;
        self.say(assoc, &MemoryObjectDataSupply { offset, data: DATA, size, ..MemoryObjectDataSupply::default() })
    }

    /// Faults; the thread waits or goes on.
    fn fault(&mut self, who: Who, address: u64, syndrome: u64) -> Option<Reply> {
        self.host.send(Badge::Fault(who.thread), 6, &[0x40_0000, address, 0, syndrome])
    }

    fn request(offset: u64, access: VmProt) -> Option<Upcall> {
        Some(Upcall::DataRequest(DataRequest { offset, length: PAGES, desired_access: access.bits() }))
    }
}

impl Host {
    fn new_who(&mut self) -> Who {
        let task = self.new_task();
        let (_, thread) = self.new_thread(task);
        let own = self.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
        Who { task, own, thread }
    }

    /// Gives `to` a send right to a port of `from`'s.
    fn give_send(&mut self, from: Who, name: PortName, to: Who) -> PortName {
        let extract = MachPortExtractRight { name, disposition: Disposition::MAKE_SEND.0 };
        let poly = self.call(from.task, &extract).unwrap().poly;
        let insert =
            MachPortInsertRight { name: PortName(0x8000 + name.0), poly, disposition: Disposition::MOVE_SEND.0 };
        assert_eq!(self.call(to.task, &insert).map(drop), Ok(()));
        insert.name
    }

    fn map_id(&self, who: Who) -> vm::MapId {
        let task = self.server.threads.get(who.thread).unwrap().task;
        self.server.tasks.get(task).unwrap().map
    }

    fn run_op<O: Operation>(&mut self, op: &mut O) -> Result<O::Out, KernReturn> {
        for _ in 0..100 {
            match op.step(&mut self.server.vm, &mut self.server.hw) {
                Step::Done(outcome) => return outcome,
                Step::Again => {}
                Step::Wait(on) => panic!("waits for {on:?}"),
            }
        }
        panic!("is never done")
    }

    /// Memory of a task's with a page of each of these bytes.
    fn fill(&mut self, who: Who, address: u64, bytes: &[u8]) {
        let size = bytes.len() as u64 * PAGES;
        let _ = self.call_by(who.thread, who.own, &VmAllocate { address, size, flags: 0 });
        for (page, byte) in (0..).zip(bytes) {
            let mut put = PutBytes::new(self.map_id(who), address + page * PAGES, vec![*byte; PAGES as usize]);
            self.run_op(&mut put).expect("memory");
        }
    }

    /// The first byte of a page, which is resident.
    fn byte(&mut self, who: Who, address: u64) -> u8 {
        let mut get = GetBytes::new(self.map_id(who), address, 1);
        self.run_op(&mut get).expect("it is resident")[0]
    }

    fn set_byte(&mut self, who: Who, address: u64, byte: u8) {
        let mut put = PutBytes::new(self.map_id(who), address, vec![byte]);
        self.run_op(&mut put).expect("it is resident");
    }

    fn receive_by(&mut self, who: Who, name: PortName) -> MsgReply {
        self.receive_to(who, name, Landing::default())
    }

    /// The same with a place for the memory that comes with a message.
    fn receive_to(&mut self, who: Who, name: PortName, landing: Landing) -> MsgReply {
        let receive = MsgReceive { name, option: MsgOption::RCV_TIMEOUT, timeout_ms: 0, size: 1000, landing };
        let request = MsgRequest::Receive(receive);
        let reply = self.send(Badge::Call(who.thread), u64::from(request.id()), request.pack().as_slice());
        let reply = reply.expect("an answer");
        MsgReply::unpack(request.id(), reply.label, &reply.words).expect("a reply of mach_msg")
    }

    fn next_upcall(&mut self, who: Who, port: PortName) -> Option<(Upcall, PortMessage)> {
        let message = self.receive_by(who, port).message?;
        assert!(message.header.is_from_server);
        let upcall = Upcall::from_words(message.header.id, message.data_words());
        Some((upcall.unwrap_or_else(|| panic!("message {}", message.header.id)), message))
    }

    /// What a thread that waited got meanwhile.
    fn answered(&mut self, who: Who) -> Option<Reply> {
        let reply = self.server.threads.get(who.thread)?.reply;
        let replies = &mut self.fake().replies;
        let index = replies.iter().position(|other| other.reply == reply)?;
        Some(replies.remove(index))
    }

    /// Whether a thread that waited for a page goes on.
    fn goes_on(&mut self, who: Who) -> bool {
        self.answered(who).is_some_and(|reply| (reply.label, reply.words.len()) == (0, 0))
    }

    /// A port of root's that is told of a task's end by an exception: the code of that.
    fn killed_by(&mut self, watch: PortName) -> Option<i32> {
        match self.ended(watch)?.end {
            TaskEnd::Killed { exception: 1, code, .. } => Some(code),
            other => panic!("{other:?}"),
        }
    }

    fn tick(&mut self) {
        self.server.message(TICKER, 0, &[]);
        self.settle();
    }
}
