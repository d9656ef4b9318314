//! The session: a prompt, a line, what it asks for, and again.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use libmach::Result;
use libmach::fs::File;
use libmach::msg::Timeout;
use libmach::sync::Mutex;
use shell::commands::{self, Command};
use shell::editor::{Editor, MAX_LINE, Outcome};
use shell::keys::Decoder;
use shell::parse::{self, Line};

use crate::jobs::Jobs;
use crate::sink::{Shared, Sink};
use crate::tasks::Tasks;
use crate::terminal::{Event, Terminal, on_new_line};
use crate::{files, memory, tasks};

const PROMPT: &str = "tessera> ";

/// What a command has of the shell.
pub(crate) struct Session {
    pub(crate) terminal: Terminal,
    /// Where the command's output goes, if not to the terminal.
    sink: Option<Shared>,
    pub(crate) tasks: Tasks,
    pub(crate) jobs: Jobs,
}

/// Serves the user until he has enough.
pub(crate) fn main() -> Result<()> {
    let terminal = Terminal::new()?;
    let jobs = Jobs::new(&terminal)?;
    let mut session = Session { terminal, sink: None, tasks: Tasks::new()?, jobs };
    session.terminal.say("Tessera. `help` says what there is.");
    let mut editor = Editor::new(PROMPT);
    let mut decoder = Decoder::default();
    while let Some(line) = session.read_line(&mut editor, &mut decoder)? {
        match parse::parse(&line) {
            Err(mistake) => session.terminal.say(&format!("{mistake}")),
            Ok(line) => {
                if session.obey(line)? == Next::Exit {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Go,
    Exit,
}

impl Session {
    /// Reads a line. `None`: the input has ended.
    fn read_line(&mut self, editor: &mut Editor, decoder: &mut Decoder) -> Result<Option<String>> {
        self.terminal.show(&on_new_line(&editor.start()));
        loop {
            let keys = match self.terminal.next(true, Timeout::Never)? {
                Some(Event::Keys(keys)) => keys,
                Some(Event::Interrupt) => alloc::vec![3],
                Some(Event::Ended(job, end)) => {
                    if let Some(news) = self.jobs.ended(job, end) {
                        self.terminal.show(&format!("{}{news}\n{}", editor.hidden(), editor.start()));
                    }
                    continue;
                }
                None => continue,
            };
            let mut shown = String::new();
            for key in keys.into_iter().filter_map(|byte| decoder.take(byte)) {
                let (outcome, text) = editor.take(key);
                shown += &text;
                match outcome {
                    Outcome::Going => continue,
                    Outcome::Interrupted => shown += &editor.start(),
                    Outcome::TooLong => {
                        shown += &format!("the line is longer than {MAX_LINE} characters\n{}", editor.start());
                    }
                    // The console gives no byte behind the end of a line.
                    Outcome::Line(line) => {
                        self.terminal.show(&shown);
                        return Ok(Some(line));
                    }
                    Outcome::Ended => {
                        self.terminal.show(&shown);
                        return Ok(None);
                    }
                }
            }
            self.terminal.show(&shown);
        }
    }

    /// Does what a line asks for. What fails is said; only what keeps the shell from going on is an error.
    fn obey(&mut self, line: Line) -> Result<Next> {
        let Line { words, output, is_background } = line;
        let command = match commands::read(words) {
            Ok(command) => command,
            Err(usage) => {
                self.terminal.say(&usage);
                return Ok(Next::Go);
            }
        };
        if is_background && !matches!(command, Command::Run(_)) {
            self.terminal.say("only programs run in the background");
            return Ok(Next::Go);
        }
        self.sink = match output.as_ref().map(Sink::open).transpose() {
            Ok(sink) => sink.map(|sink| Arc::new(Mutex::new(sink))),
            Err(why) => {
                self.terminal.say(&why);
                return Ok(Next::Go);
            }
        };
        match command {
            Command::Nothing => {}
            Command::Exit => return Ok(Next::Exit),
            Command::Help(name) => self.help(name.as_deref()),
            Command::Run(words) => {
                let sink = self.sink.take();
                self.run(&words, is_background, sink)?;
            }
            Command::Ps => tasks::ps(self),
            Command::Kill(task) => tasks::kill(self, &task),
            Command::VmMap(task) => tasks::vmmap(self, &task)?,
            Command::Ports(task) => tasks::ports(self, &task)?,
            Command::VmStat(interval) => memory::vmstat(self, interval)?,
            Command::List(path) => files::ls(self, &path)?,
            Command::Show(names) => files::cat(self, &names)?,
            Command::Copy(from, to) => files::cp(self, &from, &to)?,
            Command::Remove(names) => files::rm(self, &names)?,
            Command::Volume => files::df(self)?,
            Command::Free => memory::free(self),
            Command::Pagers => memory::pagers(self),
            Command::Area { disk, add } => memory::area(self, &disk, add),
        }
        if let Some(why) = self.sink.take().and_then(|sink| sink.lock().finish()) {
            self.terminal.say(&why);
        }
        Ok(Next::Go)
    }

    /// Gives a command's output to where it goes.
    pub(crate) fn put(&self, text: &str) {
        self.put_bytes(text.as_bytes());
    }

    /// The same for bytes.
    pub(crate) fn put_bytes(&self, bytes: &[u8]) {
        match &self.sink {
            // What goes wrong is told at the command's end.
            Some(sink) => drop(sink.lock().write(bytes.iter().copied())),
            None => self.terminal.show_bytes(bytes),
        }
    }

    /// Whether the command's output goes to this file.
    pub(crate) fn puts_into(&self, file: &File) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.lock().is_of(file))
    }

    fn help(&self, name: Option<&str>) {
        match name.map(|name| (name, commands::help_of(name))) {
            None => self.put(&format!("{}{}", commands::help(), self.jobs.programs())),
            Some((_, Some(text))) => self.put(&text),
            Some((name, None)) => self.terminal.say(&format!("{name}: no such command")),
        }
    }

    /// Whether the user wants no more of what the shell does; ends of tasks in the background are noted meanwhile.
    ///
    /// # Errors
    ///
    /// Those of messages.
    pub(crate) fn is_interrupted(&mut self, wait: Timeout) -> Result<bool> {
        while let Some(event) = self.terminal.next(false, wait)? {
            match event {
                Event::Interrupt => {
                    self.terminal.say("^C");
                    return Ok(true);
                }
                Event::Ended(job, end) => self.tell(job, end),
                Event::Keys(_) => {}
            }
            if wait != Timeout::Millis(0) {
                break;
            }
        }
        Ok(false)
    }

    /// Says that a program in the background has ended.
    pub(crate) fn tell(&mut self, job: u64, end: libmach::task::TaskEnd) {
        if let Some(news) = self.jobs.ended(job, end) {
            self.terminal.say(&on_new_line(&news));
        }
    }
}
