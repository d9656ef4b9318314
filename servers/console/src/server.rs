//! What the console does: it writes what comes, and hands out what was typed.

use libmach::msg::{PortMessage, Timeout, receive, reply};
use libmach::port::{Disposition, Right, mach_port_allocate, mach_port_insert_right};
use libmach::task::mach_task_self;
use libmach::{KernReturn, names};
use mach_protocol::service::{self, CONSOLE, CONSOLE_WRITE};

use crate::uart::Uart;

/// Why the console cannot start.
pub(crate) enum Problem {
    /// Its arguments do not name a serial line.
    Arguments,
    /// A call failed.
    Call(KernReturn),
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Arguments => f.write_str("the arguments name no serial line"),
            Self::Call(code) => write!(f, "{code}"),
        }
    }
}

impl From<KernReturn> for Problem {
    fn from(code: KernReturn) -> Self {
        Self::Call(code)
    }
}

/// Serves for ever.
pub(crate) fn main() -> Result<(), Problem> {
    let mut arguments = libmach::args().skip(1);
    let (kind, address) = (arguments.next(), arguments.next());
    let address = address.and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
    let line = kind.zip(address).and_then(|(kind, address)| Uart::new(kind, address)).ok_or(Problem::Arguments)?;
    let me = mach_task_self();
    let port = mach_port_allocate(me, Right::RECEIVE)?;
    mach_port_insert_right(me, port, port, Disposition::MAKE_SEND)?;
    names::register(CONSOLE, port)?;
    loop {
        let request = receive(port, Timeout::Never)?;
        if let Some(answer) = serve(&line, &request) {
            // A client that is gone needs no answer.
            let _ = reply(&request, &answer);
        }
    }
}

fn serve(line: &Uart, request: &PortMessage) -> Option<PortMessage> {
    match request.header.id {
        CONSOLE_WRITE => {
            for byte in request.data_bytes_from(0) {
                line.put(byte);
            }
            Some(service::answer(CONSOLE_WRITE, KernReturn::SUCCESS))
        }
        id => Some(service::answer(id, KernReturn::MIG_BAD_ID)),
    }
}
