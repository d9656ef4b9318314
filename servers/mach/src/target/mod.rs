//! The server over seL4: entry, heap, bringing memory up, the [`Machine`](mach::machine::Machine), the loop.

mod bring_up;
#[expect(unsafe_code, reason = "claims the memory that bring_up mapped for the heap")]
mod heap;
#[expect(unsafe_code, reason = "entry, the thread block, the boot page and the panic handler")]
mod start;
mod system;
#[expect(unsafe_code, reason = "views of the frames that are mapped in the server's window")]
mod window;

use mach::machine::Slot;
use mach::server::{NoStart, Server, Start};
use mach_protocol::boot::{BootPage, slot};
use mach_protocol::wire::MAX_WORDS;
use mach_sys::Cap;
use mach_sys::cap::{Endpoint, Reply};

/// The endpoint that everybody calls.
const ENDPOINT: Cap<Endpoint> = Cap::new(slot::ENDPOINT as u64);

/// Serves for ever.
fn run(boot: &BootPage<'_>) -> ! {
    let started = bring_up::bring_up(boot).map_err(Some).and_then(|(memory, system)| {
        let start = Start {
            reply: Slot(slot::REPLY),
            root_tcb: Slot(slot::ROOT_TCB),
            root_table: Slot(slot::ROOT_VSPACE),
            root_map: boot.root_map,
        };
        Server::new(system, memory, start).map_err(|NoStart| None)
    });
    let mut server = match started {
        Ok(server) => server,
        Err(failure) => {
            let failure = failure.unwrap_or(bring_up::Failure::TooLittle);
            system::stop(format_args!("mach: stopped: {failure}"))
        }
    };
    let mut words = [0; MAX_WORDS];
    loop {
        let reply: Cap<Reply> = Cap::new(u64::from(server.spare().0));
        // Messages come before what is left to do, and one step of that before the next message.
        let has_work = server.has_work();
        let machine = server.machine();
        let got = if has_work { machine.poll(reply) } else { machine.receive(reply) };
        if got.badge.0 != 0 {
            let words = match got.words_in_registers() {
                Some(words) => words,
                None => got.copy_words(&mut words),
            };
            server.message(got.badge.0, got.label(), words);
        }
        if server.has_work() {
            server.machine().send_answer();
            server.work();
        }
    }
}
