//! A memory manager: it serves an object whose pages it computes, and a second task maps and checks them. Then the
//! manager destroys the object; what the client has stays, and what it does not have is an exception.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionRaise, catch};
use libmach::memory_object::{After, Answer, Attributes, Init, MemoryManager, Object, Server, Supply};
use libmach::msg::Timeout;
use libmach::port::{PortType, mach_port_type};
use libmach::region::touch;
use libmach::task::{TaskEnd, fork, mach_task_self};
use libmach::thread::sleep;
use libmach::vm::{MapRequest, PAGE_SIZE, VmInherit, VmProt};
use libmach::{KernReturn, Region, Result, names, println};

libmach::entry!(main);

/// The object's bytes; each of its words holds the square of its offset.
const SIZE: u64 = 64 * PAGE_SIZE;

struct Squares(&'static Region);

impl MemoryManager for Squares {
    fn init(&mut self, _: &Object) -> Init {
        println!("manager: init");
        Init::Ready(Attributes::default())
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _: VmProt) -> Answer {
        if offset >= SIZE {
            println!("manager: there is no page at {offset:#x}; destroy: {:?}", object.destroy());
            return Answer::Later;
        }
        let Ok(pages) = Region::allocate(length) else { return Answer::Error(KernReturn::RESOURCE_SHORTAGE) };
        let squares = (offset..).step_by(8).map(|at| at * at);
        pages.words().iter().zip(squares).for_each(|(word, square)| word.store(square, SeqCst));
        Answer::Supply(Supply::region(pages))
    }

    fn terminate(&mut self, object: &Object) -> After {
        let receives = |name| mach_port_type(mach_task_self(), name).is_ok_and(|has| has.contains(PortType::RECEIVE));
        let [control, name] = [object.control(), object.name()].map(receives);
        println!("manager: terminate; it receives from the control port: {control}, from the name port: {name}");
        self.0.words()[0].store(1, SeqCst);
        After::Close
    }
}

fn main() -> Result<i32> {
    let is_terminated: &'static Region = Box::leak(Box::new(Region::allocate(PAGE_SIZE)?));
    is_terminated.inherit(VmInherit::SHARE)?;
    let mut server = Server::new(Squares(is_terminated))?;
    names::register("squares", server.add(0)?.port())?;
    let client = fork(|| client(is_terminated).map_or_else(|code| code.0, |()| 0))?;
    server.run()?;
    Ok(i32::from(client.wait(Timeout::Never)? != TaskEnd::Exited { status: 0 }))
}

fn client(is_terminated: &Region) -> Result<()> {
    let squares = Region::map(&MapRequest::object(names::lookup("squares")?, SIZE + 2 * PAGE_SIZE))?;
    let words = squares.words().iter().take(SIZE as usize / 8);
    let right = words.zip((0..).step_by(8)).filter(|(word, at)| word.load(SeqCst) == at * at).count();
    println!("client: {right} words are right");
    let first = catch(|| touch(squares.address() + SIZE))?.map_err(|ExceptionRaise { code, .. }| KernReturn(code));
    while is_terminated.words()[0].load(SeqCst) == 0 {
        sleep(1);
    }
    println!("client: a page that there is not: {first:?}");
    let second = catch(|| touch(squares.address() + SIZE + PAGE_SIZE))?;
    println!("client: another one: {:?}", second.map_err(|ExceptionRaise { code, .. }| KernReturn(code)));
    println!("client: one that it has: {:#x}", squares.words()[1].load(SeqCst));
    Ok(())
}
