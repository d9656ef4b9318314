//! What the console does: it writes what comes, and hands out lines that were typed.
//!
//! Two threads: the first waits for the line's interrupt, since its capabilities are in that thread's CSpace, and edits
//! what is typed; the other serves requests. The state between them is behind one lock.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use libmach::msg::{MAX_DATA_BYTES, PortMessage, Timeout, destroy_right, receive, reply};
use libmach::port::{Disposition, PortType, Right, mach_port_allocate, mach_port_insert_right, mach_port_type};
use libmach::sync::Mutex;
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName, names, thread};
use mach_protocol::private::FIRST_GRANT_SLOT;
use mach_protocol::service::{self, CONSOLE, CONSOLE_READ, CONSOLE_WRITE};
use mach_sys::Cap;
use mach_sys::cap::{IrqHandler, Notification};

use crate::uart::Uart;

/// Where root puts the notification of the line's interrupt, and its handler.
const NOTIFICATION: Cap<Notification> = Cap::new(FIRST_GRANT_SLOT as u64);
const HANDLER: Cap<IrqHandler> = Cap::new(FIRST_GRANT_SLOT as u64 + 1);
/// Bytes of a line, and of lines that nobody has read.
const MAX_LINE: usize = 512;
const MAX_UNREAD: usize = 4096;
/// Bytes of data in front of those of an answer.
const ANSWER_HEAD: usize = 8;

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

/// The line, what is being typed, what was typed, and who waits for it.
struct Console {
    line: Uart,
    typing: Vec<u8>,
    unread: VecDeque<u8>,
    reader: Option<PortMessage>,
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
    let console = Console { line, typing: Vec::new(), unread: VecDeque::new(), reader: None };
    let console = Arc::new(Mutex::new(console));
    let served = Arc::clone(&console);
    let server = thread::spawn(move || serve(&served, port))?;
    names::register(CONSOLE, port)?;
    if libmach::args().nth(3).is_some() {
        listen(&console)
    }
    // A line without interrupt is for output alone.
    server.join().map_err(Problem::Call)?.map_err(Problem::Call)
}

/// Takes what is typed, for ever.
fn listen(console: &Mutex<Console>) -> ! {
    loop {
        {
            let mut console = console.lock();
            while let Some(byte) = console.line.get() {
                console.typed(byte);
            }
            console.line.clear_interrupt();
        }
        // Refused only if root granted no handler: then nothing is ever typed.
        let _ = HANDLER.ack();
        let _ = NOTIFICATION.wait();
    }
}

/// Serves requests, until the port is gone.
fn serve(console: &Mutex<Console>, port: PortName) -> Result<(), KernReturn> {
    loop {
        let request = receive(port, Timeout::Never)?;
        // No request has rights in its body; what comes there is not kept.
        request.rights().iter().for_each(destroy_right);
        let outcome = match request.header.id {
            CONSOLE_WRITE => {
                let console = console.lock();
                request.data_bytes_from(0).for_each(|byte| console.line.put(byte));
                service::answer(CONSOLE_WRITE, KernReturn::SUCCESS)
            }
            CONSOLE_READ => {
                let mut console = console.lock();
                console.forget_dead_reader();
                // One reader at a time: who reads while another waits is turned away.
                match console.reader {
                    None => {
                        console.reader = Some(request);
                        console.hand_out();
                        continue;
                    }
                    Some(_) => service::answer(CONSOLE_READ, KernReturn::RESOURCE_SHORTAGE),
                }
            }
            id => service::answer(id, KernReturn::MIG_BAD_ID),
        };
        answer(&request, &outcome);
    }
}

/// Answers a request. A client that is gone needs no answer; what is left of its right goes.
fn answer(request: &PortMessage, answer: &PortMessage) {
    if reply(request, answer).is_err() {
        destroy_right(&request.header.remote);
    }
}

/// Whether somebody may be there to hear the answer to a request.
fn is_answerable(request: &PortMessage) -> bool {
    let right = mach_port_type(mach_task_self(), request.header.remote.name);
    right.is_ok_and(|is| is.contains(PortType::SEND) || is.contains(PortType::SEND_ONCE))
}

impl Console {
    /// Takes one byte that was typed: edits the line, and shows what it did.
    fn typed(&mut self, byte: u8) {
        const BACKSPACE: u8 = 8;
        const DELETE: u8 = 0x7f;
        match byte {
            b'\r' | b'\n' => {
                self.show(b"\r\n");
                self.typing.push(b'\n');
                let room = MAX_UNREAD.saturating_sub(self.unread.len());
                self.unread.extend(self.typing.drain(..).take(room));
                self.hand_out();
            }
            BACKSPACE | DELETE if self.typing.pop().is_some() => self.show(b"\x08 \x08"),
            0x20..0x7f | 0x80.. if self.typing.len() < MAX_LINE => {
                self.typing.push(byte);
                self.show(&[byte]);
            }
            _ => {}
        }
    }

    fn show(&self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.line.put(*byte));
    }

    /// Forgets a reader whose port has died: it keeps nobody else from reading, and no line goes to it.
    fn forget_dead_reader(&mut self) {
        if let Some(reader) = self.reader.take_if(|reader| !is_answerable(reader)) {
            destroy_right(&reader.header.remote);
        }
    }

    /// Gives the reader what there is, up to the end of a line.
    fn hand_out(&mut self) {
        if self.unread.is_empty() {
            return;
        }
        self.forget_dead_reader();
        let Some(request) = self.reader.take() else { return };
        let wanted = request.data_words().first().map_or(0, |words| *words as usize);
        let most = wanted.clamp(1, MAX_DATA_BYTES - ANSWER_HEAD);
        let end = self.unread.iter().position(|byte| *byte == b'\n').map_or(self.unread.len(), |end| end + 1);
        let bytes: Vec<u8> = self.unread.drain(..end.min(most)).collect();
        let mut line = service::answer(CONSOLE_READ, KernReturn::SUCCESS);
        line.push_bytes(&bytes);
        answer(&request, &line);
    }
}
