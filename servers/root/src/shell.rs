//! The shell of a run without a task: it runs the programs of the archive by name.
//!
//! Root cannot wait for the console, since it has names to serve meanwhile: it asks for a line and goes on, and the
//! answer comes to a port of its own.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::msg::{CarriedRight, PortMessage, Timeout, rpc, send};
use libmach::port::Disposition;
use libmach::{KernReturn, PortName};
use mach_protocol::service::{CONSOLE_READ, CONSOLE_WRITE, answer_code};

/// Bytes of a line that are asked for.
const LINE_BYTES: u64 = 512;

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Nothing.
    Nothing,
    /// To know what there is.
    Help,
    /// To run a program with arguments.
    Run(String, Vec<String>),
    /// To end the run.
    Exit,
}

impl Command {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace().map(String::from);
        match words.next() {
            None => Self::Nothing,
            Some(word) if word == "help" => Self::Help,
            Some(word) if word == "exit" => Self::Exit,
            Some(name) => Self::Run(name, words.collect()),
        }
    }
}

/// The shell's end of the console.
pub(crate) struct Terminal {
    console: PortName,
    input: PortName,
}

impl Terminal {
    /// A terminal on the console's port, with a port for what is typed.
    pub(crate) const fn new(console: PortName, input: PortName) -> Self {
        Self { console, input }
    }

    /// Shows a text.
    pub(crate) fn show(&self, text: &str) {
        for piece in text.as_bytes().chunks(libmach::msg::MAX_DATA_BYTES) {
            let mut message = PortMessage::new(CONSOLE_WRITE);
            message.push_bytes(piece);
            // A console that is gone ends the run by itself.
            let _ = rpc(self.console, &message);
        }
    }

    /// Asks for a line; it comes to the input port.
    pub(crate) fn prompt(&self) -> Result<(), KernReturn> {
        self.show("tessera> ");
        let mut request = PortMessage::with_words(CONSOLE_READ, &[LINE_BYTES]);
        request.header.remote = CarriedRight { name: self.console, disposition: Disposition::COPY_SEND };
        request.header.local = CarriedRight { name: self.input, disposition: Disposition::MAKE_SEND_ONCE };
        send(&request, Timeout::Never)
    }

    /// The line in an answer of the console's.
    pub(crate) fn line(answer: &PortMessage) -> Result<String, KernReturn> {
        answer_code(CONSOLE_READ, answer)?;
        Ok(answer.data_bytes_from(1).map(char::from).collect())
    }

    /// Shows what there is to run.
    pub(crate) fn help<'a>(&self, programs: impl Iterator<Item = &'a str>) {
        let names: Vec<&str> = programs.collect();
        self.show(&format!("NAME [ARGUMENTS] runs one of: {}\nexit ends the run\n", names.join(", ")));
    }
}
