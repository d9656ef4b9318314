//! What a driver gets beyond a task: arguments that say where its device is, the device's page, its interrupt.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::loader::Loaded;
use libmach::rpc::call;
use libmach::thread::thread_grant_cap;
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::{DEVICE_BASE, FIRST_GRANT_SLOT, TaskMapDevice};
use root::devices::{Serial, Uart, page_of};

use crate::kernel::{Failure, Kernel};

/// The serial line of the console, if `name` is the console.
fn console_line(name: &str, serial: Option<&Serial>) -> Option<Uart> {
    serial.filter(|_| name == "console").map(|serial| serial.console)
}

/// The arguments of a server.
pub(crate) fn arguments(name: &str, serial: Option<&Serial>) -> Vec<String> {
    match console_line(name, serial) {
        Some(line) => {
            let registers = DEVICE_BASE + (line.address - page_of(line.address));
            let mut arguments = Vec::from([line.kind.name().into(), format!("{registers:#x}")]);
            arguments.extend(line.irq.map(|irq| format!("{irq}")));
            arguments
        }
        None => Vec::new(),
    }
}

/// Gives a server that is not running yet its device.
///
/// The interrupt's notification and handler, if it has one, are in the first two slots for grants.
pub(crate) fn grant(kernel: &mut Kernel, name: &str, serial: Option<&Serial>, server: Loaded) -> Result<(), Failure> {
    let Some(line) = console_line(name, serial) else { return Ok(()) };
    let page = kernel.device_page(page_of(line.address))?;
    let request = TaskMapDevice { host_priv: HOST_PRIV, cptr: page.word() };
    call(server.task, &request).map_err(|code| Failure::Call("mapping a device", code))?;
    if let Some(irq) = line.irq {
        let (notification, handler) = kernel.interrupt(irq)?;
        for (cptr, slot) in [(notification.word(), FIRST_GRANT_SLOT), (handler.word(), FIRST_GRANT_SLOT + 1)] {
            thread_grant_cap(server.thread, HOST_PRIV, cptr, slot)
                .map_err(|code| Failure::Call("granting a capability", code))?;
        }
    }
    Ok(())
}
