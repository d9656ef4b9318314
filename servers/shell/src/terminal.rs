//! The shell's end of the console, and everything else that it waits for: keys, the interrupt key, ends of tasks.
//!
//! What is waited for comes as messages to three ports in one set, so that the shell waits for all of it at once. Two
//! requests are out at the console: one for the interrupt key, always; one for keys only while the user types a line,
//! so that a program that runs gets what is typed then.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::msg::{CarriedRight, MAX_DATA_BYTES, PortMessage, Timeout, receive, rpc, send};
use libmach::port::{Disposition, Right, mach_port_allocate, mach_port_move_member};
use libmach::task::{TaskEnd, TaskEnded, mach_task_self};
use libmach::{KernReturn, PortName, Result, names};
use mach_protocol::private::TASK_ENDED;
use mach_protocol::service::{CONSOLE, CONSOLE_AWAIT_INTERRUPT, CONSOLE_READ_KEYS, CONSOLE_WRITE, answer_code};

use crate::attendant;

/// Bytes of keys that are asked for at a time.
const KEYS: u64 = 256;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes were typed.
    Keys(Vec<u8>),
    /// The interrupt key was typed.
    Interrupt,
    /// A task that the shell started has ended.
    Ended(u64, TaskEnd),
}

/// The terminal.
pub(crate) struct Terminal {
    console: PortName,
    set: PortName,
    keys: PortName,
    interrupt: PortName,
    ends: PortName,
    is_reading: bool,
    is_watching: bool,
    /// What came together with something that had to be told first.
    waiting: VecDeque<Event>,
}

impl Terminal {
    /// The terminal on the console.
    ///
    /// # Errors
    ///
    /// Those of the name service, and of making ports.
    pub(crate) fn new() -> Result<Self> {
        let me = mach_task_self();
        let set = mach_port_allocate(me, Right::PORT_SET)?;
        let member = || {
            let port = mach_port_allocate(me, Right::RECEIVE)?;
            mach_port_move_member(me, port, set).map(|()| port)
        };
        let (keys, interrupt, ends) = (member()?, member()?, member()?);
        let console = names::lookup(CONSOLE)?;
        Ok(Self {
            console,
            set,
            keys,
            interrupt,
            ends,
            is_reading: false,
            is_watching: false,
            waiting: VecDeque::new(),
        })
    }

    /// The console's port.
    pub(crate) const fn console(&self) -> PortName {
        self.console
    }

    /// Where ends of tasks are told.
    pub(crate) const fn ends(&self) -> PortName {
        self.ends
    }

    /// Shows a text.
    pub(crate) fn show(&self, text: &str) {
        self.show_bytes(text.as_bytes());
    }

    /// Shows bytes.
    pub(crate) fn show_bytes(&self, bytes: &[u8]) {
        for piece in bytes.chunks(MAX_DATA_BYTES) {
            let mut message = PortMessage::new(CONSOLE_WRITE);
            message.push_bytes(piece);
            // A console that is gone ends the run by itself.
            let _ = rpc(self.console, &message);
        }
        attendant::note_shown(bytes);
    }

    /// Shows a line of its own.
    pub(crate) fn say(&self, line: &str) {
        self.show(&alloc::format!("{line}\n"));
    }

    /// Waits for what happens next; for keys only if they are wanted. `None`: the time is over.
    ///
    /// # Errors
    ///
    /// Those of messages.
    pub(crate) fn next(&mut self, wants_keys: bool, limit: Timeout) -> Result<Option<Event>> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        loop {
            if !self.is_watching {
                self.ask(CONSOLE_AWAIT_INTERRUPT, self.interrupt)?;
                self.is_watching = true;
            }
            if wants_keys && !self.is_reading {
                self.ask(CONSOLE_READ_KEYS, self.keys)?;
                self.is_reading = true;
            }
            let message = match receive(self.set, limit) {
                Err(KernReturn::RCV_TIMED_OUT) => return Ok(None),
                message => message?,
            };
            if let Some(event) = self.event(&message) {
                if matches!(event, Event::Interrupt) {
                    self.forget_keys();
                }
                return Ok(Some(event));
            }
        }
    }

    /// Drops keys that came before the interrupt key and were not looked at.
    fn forget_keys(&mut self) {
        while let Ok(message) = receive(self.set, Timeout::Millis(0)) {
            let event = self.event(&message).filter(|event| !matches!(event, Event::Keys(_)));
            self.waiting.extend(event);
        }
    }

    /// What a message tells. A request that another one ended is made again.
    fn event(&mut self, message: &PortMessage) -> Option<Event> {
        let port = message.header.local.name;
        if port == self.keys {
            self.is_reading = false;
            answer_code(CONSOLE_READ_KEYS, message).ok()?;
            Some(Event::Keys(message.data_bytes_from(1).collect()))
        } else if port == self.interrupt {
            self.is_watching = false;
            answer_code(CONSOLE_AWAIT_INTERRUPT, message).ok()?;
            Some(Event::Interrupt)
        } else {
            let ended = TaskEnded::from_words(message.data_words()).filter(|_| message.header.id == TASK_ENDED)?;
            Some(Event::Ended(ended.cookie, ended.end))
        }
    }

    fn ask(&self, id: i32, answer_to: PortName) -> Result<()> {
        let mut request = PortMessage::with_words(id, &[KEYS]);
        request.header.remote = CarriedRight { name: self.console, disposition: Disposition::COPY_SEND };
        request.header.local = CarriedRight { name: answer_to, disposition: Disposition::MAKE_SEND_ONCE };
        send(&request, Timeout::Never)
    }
}

/// A text that is shown at the start of a line, wherever the output of programs ended.
pub(crate) fn on_new_line(text: &str) -> String {
    if attendant::is_at_line_start() { text.into() } else { alloc::format!("\n{text}") }
}
