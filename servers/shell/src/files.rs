//! Files of the volume: `ls`, `cat`, `cp`, `rm`, `df`, and programs that are files.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use libmach::fs::{self, File};
use libmach::loader::{Loaded, Program, load};
use libmach::msg::Timeout;
use shell::format::{Side, Table, percent, size};

use crate::session::Session;

/// Bytes that are copied between two looks at the interrupt key.
const PIECE: usize = 64 * 1024;
/// Files of more than this many bytes are copied with a line of progress.
const LONG: u64 = 1 << 20;
/// The longest file that is taken as a program.
const MAX_PROGRAM: u64 = 64 << 20;

/// A path as the library has it: without the slash that the user may put before it.
pub(crate) fn path(text: &str) -> &str {
    text.trim_matches('/')
}

/// What keeps a command from its end.
enum Stop {
    /// An error, about what.
    Error(String),
    /// The interrupt key.
    Interrupted,
    /// The shell cannot go on.
    Fatal(libmach::KernReturn),
}

impl From<libmach::KernReturn> for Stop {
    fn from(code: libmach::KernReturn) -> Self {
        Self::Fatal(code)
    }
}

/// Says what an error is about.
fn about<T>(what: &str, result: fs::Result<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Error(format!("{what}: {error}")))
}

impl Session {
    /// Says why a command did not come to its end.
    fn report(&mut self, command: &str, outcome: Result<(), Stop>) -> libmach::Result<()> {
        match outcome {
            Ok(()) | Err(Stop::Interrupted) => {}
            Err(Stop::Error(why)) => self.terminal.say(&format!("{command}: {why}")),
            Err(Stop::Fatal(code)) => return Err(code),
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Stop> {
        if self.is_interrupted(Timeout::Millis(0))? { Err(Stop::Interrupted) } else { Ok(()) }
    }
}

/// Lists a directory, or one file.
pub(crate) fn ls(session: &mut Session, name: &str) -> libmach::Result<()> {
    let listed = list(name);
    let outcome = listed.map(|text| session.put(&text));
    session.report("ls", outcome)
}

fn list(name: &str) -> Result<String, Stop> {
    let mut table = Table::new(&[("SIZE", Side::Right), ("NAME", Side::Left)]);
    let found = about(name, fs::metadata(path(name)))?;
    if !found.is_directory {
        table.row([size(found.size), name.into()]);
        return Ok(table.text());
    }
    let mut entries = about(name, fs::read_dir(path(name)))?;
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let bytes = if entry.is_directory { String::new() } else { size(entry.size) };
        table.row([bytes, format!("{}{slash}", entry.name)]);
    }
    Ok(table.text())
}

/// Shows files.
pub(crate) fn cat(session: &mut Session, names: &[String]) -> libmach::Result<()> {
    for name in names {
        let outcome = show(session, name);
        let is_over = matches!(outcome, Err(Stop::Interrupted));
        session.report("cat", outcome)?;
        if is_over {
            break;
        }
    }
    Ok(())
}

fn show(session: &mut Session, name: &str) -> Result<(), Stop> {
    let mut file = about(name, File::open(path(name)))?;
    if session.puts_into(&file) {
        return Err(Stop::Error(format!("{name}: the output goes to this file")));
    }
    // What is shown between two looks is less than what is copied: a serial line is slow.
    let mut buffer = vec![0; PIECE / 16];
    let mut offset = 0;
    loop {
        let count = about(name, file.read(offset, &mut buffer))?;
        if count == 0 {
            return Ok(());
        }
        session.put_bytes(buffer.get(..count).unwrap_or_default());
        offset += count as u64;
        session.look()?;
    }
}

/// Copies a file.
pub(crate) fn cp(session: &mut Session, from: &str, to: &str) -> libmach::Result<()> {
    let outcome = copy(session, from, to);
    session.report("cp", outcome)
}

fn copy(session: &mut Session, from: &str, to: &str) -> Result<(), Stop> {
    let is_directory = fs::metadata(path(to)).is_ok_and(|found| found.is_directory);
    let name = from.rsplit('/').next().unwrap_or(from);
    let to = if is_directory { format!("{}/{name}", path(to)) } else { path(to).to_string() };
    let mut source = about(from, File::open(path(from)))?;
    let all = about(from, source.size())?;
    let is_new = fs::metadata(path(&to)).is_err();
    let mut target = about(&to, File::open_or_create(path(&to)))?;
    if source.object() == target.object() {
        return Err(Stop::Error("both are the same file".into()));
    }
    if let Err(error) = target.set_size(all) {
        if is_new {
            // It was made here. If it cannot be removed, that it has no room is still what matters.
            let _ = fs::remove(path(&to));
        }
        return about(&to, Err(error));
    }
    let mut done = 0;
    let copied = copy_bytes(session, (from, &mut source), (&to, &mut target), all, &mut done);
    if copied.is_err() {
        // The rest of the file would be zeros. What is told is why there is no more.
        let _ = target.set_size(done);
    }
    copied?;
    about(&to, target.sync())
}

/// Copies so many bytes from a file to another, which has room for them. `done` says how many were.
fn copy_bytes(
    session: &mut Session,
    (from, source): (&str, &mut File),
    (to, target): (&str, &mut File),
    all: u64,
    done: &mut u64,
) -> Result<(), Stop> {
    let mut buffer = vec![0; PIECE];
    let mut shown = None;
    while *done < all {
        let count = about(from, source.read(*done, &mut buffer))?;
        if count == 0 {
            break;
        }
        about(to, target.write(*done, buffer.get(..count).unwrap_or_default()))?;
        *done += count as u64;
        let now = percent(*done, all);
        if all > LONG && shown != Some(now / 10) {
            shown = Some(now / 10);
            session.terminal.show(&format!("\r{now:>3} % of {}", size(all)));
        }
        if session.is_interrupted(Timeout::Millis(0))? {
            return Err(Stop::Error(format!("interrupted: {to} has {} of {}", size(*done), size(all))));
        }
    }
    if shown.is_some() {
        session.terminal.say("");
    }
    Ok(())
}

/// Removes files and empty directories.
pub(crate) fn rm(session: &mut Session, names: &[String]) -> libmach::Result<()> {
    for name in names {
        let outcome = about(name, fs::remove(path(name)));
        session.report("rm", outcome)?;
    }
    Ok(())
}

/// Shows how much room there is on the volume.
pub(crate) fn df(session: &mut Session) -> libmach::Result<()> {
    let text = volume();
    let outcome = text.map(|text| session.put(&text));
    session.report("df", outcome)
}

fn volume() -> Result<String, Stop> {
    let (info, why) = fs::volume().map_err(|error| Stop::Error(error.to_string()))?;
    let mut table = Table::new(&[
        ("VOLUME", Side::Left),
        ("SIZE", Side::Right),
        ("USED", Side::Right),
        ("FREE", Side::Right),
        ("USE", Side::Right),
        ("CLUSTER", Side::Right),
    ]);
    let used = info.total.saturating_sub(info.free);
    table.row([
        format!("FAT{}", info.fat_bits),
        size(info.total),
        size(used),
        size(info.free),
        format!("{} %", percent(used, info.total)),
        size(info.cluster),
    ]);
    let why = why.map(|why| format!("nothing can be changed: {why}\n")).unwrap_or_default();
    Ok(table.text() + &why)
}

/// Makes a task of a program that is a file. It does not run yet.
///
/// # Errors
///
/// What to tell the user.
pub(crate) fn load_program(words: &[&str]) -> Result<Loaded, String> {
    let name = words.first().copied().unwrap_or_default();
    let read = || -> Result<Vec<u8>, fs::Error> {
        let mut file = File::open(path(name))?;
        let length = file.size()?.min(MAX_PROGRAM) as usize;
        let mut bytes = vec![0; length];
        let count = file.read(0, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    };
    let bytes = read().map_err(|error| error.to_string())?;
    let program = Program::parse(&bytes).map_err(|bad| bad.to_string())?;
    load(&program, words.iter().copied()).map_err(|error| error.to_string())
}
