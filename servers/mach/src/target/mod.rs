//! The server over seL4: entry, heap, bringing memory up, the [`Machine`](mach::machine::Machine), the loop.

mod bring_up;
#[expect(
    unsafe_code,
    reason = "claims the memory that bring_up mapped for the heap"
)]
mod heap;
#[expect(
    unsafe_code,
    reason = "entry, the thread block, the boot page and the panic handler"
)]
mod start;
mod system;
#[expect(
    unsafe_code,
    reason = "views of the frames that are mapped in the server's window"
)]
mod window;

use mach_protocol::boot::slot;
use mach_sys::Cap;
use mach_sys::cap::{Endpoint, Reply};

/// The endpoint that everybody calls.
const ENDPOINT: Cap<Endpoint> = Cap::new(slot::ENDPOINT as u64);

/// Serves for ever.
fn run(boot: &mach_protocol::boot::BootPage<'_>) -> ! {
    let (memory, system) = match bring_up::bring_up(boot) {
        Ok(up) => up,
        Err(failure) => {
            system::write_log(format_args!("mach: cannot start: {failure}"));
            mach_sys::debug::halt()
        }
    };
    system::write_log(format_args!(
        "mach: {} frames of memory",
        memory.free_frames()
    ));
    let _ = system;
    let reply: Cap<Reply> = Cap::new(u64::from(slot::REPLY));
    loop {
        let got = ENDPOINT.recv(reply);
        system::write_log(format_args!(
            "mach: message {} from {:?}",
            got.label(),
            got.badge
        ));
        reply.reply(&mach_sys::Message::new(got.label() + 100, &[0, 4096]));
    }
}
