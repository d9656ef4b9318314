//! What the console does: it writes what comes, and gives out what is typed.
//!
//! Two threads: the first waits for the line's interrupt, since its capabilities are in that thread's CSpace; the other
//! serves requests. The state between them is behind one lock.

use alloc::sync::Arc;

use libmach::msg::{CarriedRight, MAX_DATA_BYTES, PortMessage, Timeout, destroy_right, receive_request, send};
use libmach::port::{Disposition, Right, mach_port_allocate, mach_port_insert_right};
use libmach::sync::Mutex;
use libmach::task::mach_task_self;
use libmach::{KernReturn, PortName, names, thread};
use mach_protocol::private::FIRST_GRANT_SLOT;
use mach_protocol::service::{self, CONSOLE, CONSOLE_AWAIT_INTERRUPT, CONSOLE_READ, CONSOLE_READ_KEYS, CONSOLE_WRITE};
use mach_sys::Cap;
use mach_sys::cap::{IrqHandler, Notification};

use crate::input::{Effects, Input};
use crate::uart::Uart;

/// Where root puts the notification of the line's interrupt, and its handler.
const NOTIFICATION: Cap<Notification> = Cap::new(FIRST_GRANT_SLOT as u64);
const HANDLER: Cap<IrqHandler> = Cap::new(FIRST_GRANT_SLOT as u64 + 1);
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

/// Somebody who waits for an answer.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// The request.
    id: i32,
    /// The right to answer.
    right: CarriedRight,
}

impl Client {
    /// Answers, and gives up the right. `false`: the client is gone.
    fn answer(self, code: KernReturn, bytes: &[u8]) -> bool {
        let mut answer = service::answer(self.id, code);
        answer.push_bytes(bytes);
        answer.header.remote = self.right;
        let sent = self.right.name.is_valid() && send(&answer, Timeout::Millis(0)).is_ok();
        if !sent {
            destroy_right(&self.right);
        }
        sent
    }
}

/// The line, and what is typed on it for whom.
struct Console {
    line: Uart,
    input: Input<Client>,
}

/// What the input does to clients and to the line.
struct Outside<'a> {
    line: &'a Uart,
}

impl Effects<Client> for Outside<'_> {
    fn deliver(&mut self, client: Client, bytes: &[u8]) -> bool {
        client.answer(KernReturn::SUCCESS, bytes)
    }

    fn show(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.line.put(*byte));
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
    let console = Arc::new(Mutex::new(Console { line, input: Input::new() }));
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
        console.lock().take_typed();
        // Refused only if root granted no handler: then nothing is ever typed.
        let _ = HANDLER.ack();
        let _ = NOTIFICATION.wait();
    }
}

/// Serves requests, until the port is gone.
fn serve(console: &Mutex<Console>, port: PortName) -> Result<(), KernReturn> {
    loop {
        let request = receive_request(port)?;
        // No request brings rights beside the one to answer.
        request.rights().iter().for_each(destroy_right);
        console.lock().serve(&request);
    }
}

impl Console {
    /// Takes what is typed, as much as there is room for. What has none stays in the line, and is taken when somebody
    /// reads.
    fn take_typed(&mut self) {
        let mut outside = Outside { line: &self.line };
        while self.input.has_room()
            && let Some(byte) = self.line.get()
        {
            self.input.typed(byte, &mut outside);
        }
        self.line.clear_interrupt();
    }

    /// Serves one request.
    fn serve(&mut self, request: &PortMessage) {
        let client = Client { id: request.header.id, right: request.header.remote };
        let most = request.data_words().first().map_or(0, |bytes| *bytes as usize);
        let most = most.clamp(1, MAX_DATA_BYTES - ANSWER_HEAD);
        let mut outside = Outside { line: &self.line };
        let given_up = match client.id {
            CONSOLE_WRITE => {
                request.data_bytes_from(0).for_each(|byte| self.line.put(byte));
                client.answer(KernReturn::SUCCESS, &[]);
                None
            }
            CONSOLE_READ => self.input.read_line(client, most, &mut outside),
            CONSOLE_READ_KEYS => self.input.read_keys(client, most, &mut outside),
            CONSOLE_AWAIT_INTERRUPT => self.input.watch(client),
            _ => {
                client.answer(KernReturn::MIG_BAD_ID, &[]);
                None
            }
        };
        if let Some(given_up) = given_up {
            let is_one_of_many = given_up.id == CONSOLE_READ;
            let code = if is_one_of_many { KernReturn::RESOURCE_SHORTAGE } else { KernReturn::ABORTED };
            given_up.answer(code, &[]);
        }
        self.take_typed();
    }
}
