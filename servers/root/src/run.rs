//! What root does, in order.

use mach_sys::Message;
use mach_sys::bootinfo::Boot;
use mach_sys::debug;
use root::archive::Archive;

use crate::kernel::{Failure, Kernel};
use crate::launch::{self, Started};
use crate::log::log;

/// The status of a run that root could not begin.
pub(crate) const STATUS_ROOT_FAILED: i32 = 125;

/// Starts everything, then waits for the end of the run.
pub(crate) fn run(boot: &Boot, archive: Archive<'_>) -> ! {
    let status = match begin(boot, archive) {
        Ok(started) => {
            let answer = started.mach.call(&Message::new(202, &[]));
            log!("root: mach answers {} {:?}", answer.label(), answer.registers);
            0
        }
        Err(failure) => {
            log!("tessera: root cannot start the system: {failure}");
            STATUS_ROOT_FAILED
        }
    };
    debug::semihosting_exit(status)
}

fn begin(boot: &Boot, archive: Archive<'_>) -> Result<Started, Failure> {
    let mut kernel = Kernel::new(boot)?;
    let mach = archive.find("mach").ok_or(Failure::Missing("mach"))?;
    let ticker = archive.find("ticker").ok_or(Failure::Missing("ticker"))?;
    let started = launch::start(&mut kernel, mach, ticker)?;
    log!("root: the Mach server runs");
    Ok(started)
}
