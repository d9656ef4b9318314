//! One QEMU process: a log line, a console line, a time limit, and a certain end.
//!
//! The console is QEMU's standard input and output, the log its standard error, so QEMU's own complaints are
//! in the log too. Threads drain both; the caller sees lines as they come and may stop the machine at any
//! of them. However a run ends, and even if this process is killed, QEMU does not outlive it.

use crate::board::{self, Board};
use crate::disk::{self, Faults};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The program that plays the boards.
const QEMU: &str = "qemu-system-aarch64";

/// How long QEMU has between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(2);

/// The exception level a machine starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    El1,
    El2,
}

/// How long an instruction takes when virtual time counts them: 2 to this power, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift(pub(crate) u8);

impl Shift {
    /// For tests: about as fast as QEMU is in real time.
    pub(crate) const TEST: Self = Self(2);
    /// For measurements: an instruction is a nanosecond.
    pub(crate) const MEASURE: Self = Self(0);
}

/// What differs between two machines of one board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Memory, in QEMU's notation; the board's own by default.
    pub(crate) ram: Option<String>,
    /// Processor, in QEMU's notation; the board's own by default.
    pub(crate) cpu: Option<String>,
    /// Version of the interrupt controller.
    pub(crate) gic: Option<u8>,
    pub(crate) level: Option<Level>,
    /// Disk image to attach, for a pager.
    pub(crate) disk: Option<PathBuf>,
    /// Disk image to attach, for a test of the disk itself.
    pub(crate) tested: Option<PathBuf>,
    /// What fails on the disk for a pager.
    pub(crate) disk_faults: Faults,
    /// What fails on the tested one.
    pub(crate) tested_faults: Faults,
    /// Disk image to attach, with a volume of files.
    pub(crate) volume: Option<PathBuf>,
    /// Device tree in place of the board's.
    pub(crate) dtb: Option<PathBuf>,
    /// Virtual time that counts instructions, so that timing does not depend on this machine's load.
    pub(crate) count_instructions: Option<Shift>,
    /// The interrupt key is for the machine, and does not end QEMU.
    pub(crate) takes_interrupt_key: bool,
    /// Waits for a debugger on this address before the first instruction.
    pub(crate) debugger: Option<String>,
    /// File for what virtio disks are asked to move, see `disk::Traffic`.
    pub(crate) trace: Option<PathBuf>,
    /// Any other arguments.
    pub(crate) more: Vec<String>,
}

/// Where a console's bytes come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console<'a> {
    /// This process's standard input and output.
    Mine,
    /// This text is typed; what comes out is kept only.
    Typed(&'a str),
    /// Each of these pairs is a text that is waited for, behind the one before, and what is typed then.
    Dialog(&'a [[String; 2]]),
}

/// Why a machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It said so, with this status.
    Exit(i32),
    /// It did not stop within its limit.
    Timeout(Duration),
    /// The caller had seen enough.
    Stopped,
    /// QEMU was killed from outside.
    Killed,
}

/// What is left of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) log: Vec<String>,
    pub(crate) console: Vec<u8>,
    pub(crate) time: Duration,
}

/// What the caller wants after a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    Stop,
}

/// Something that happened on one of the lines.
enum Event {
    Log(Vec<u8>),
    Console(Vec<u8>),
    Closed,
}

/// The command line that boots `image` on `board`.
pub(crate) fn command(board: &Board, options: &Options, image: &Path) -> Result<Command> {
    let mut command = bare_command(board, options)?;
    command.arg("-kernel").arg(image);
    Ok(command)
}

/// The command line for `board` with nothing to boot but what `options.more` says.
pub(crate) fn bare_command(board: &Board, options: &Options) -> Result<Command> {
    let mut machine = board.qemu.machine.clone();
    if let Some(version) = options.gic {
        let property = board.qemu.gic.as_ref().context("this board has one interrupt controller only")?;
        machine += &format!(",{property}={version}");
    }
    if let Some(level) = options.level {
        let property = board.qemu.el2.as_ref().context("this board starts at one exception level only")?;
        machine += &format!(",{property}={}", if level == Level::El2 { "on" } else { "off" });
    }
    let ram = options.ram.as_ref().unwrap_or(&board.qemu.memory);
    if board.qemu.fixed_memory && *ram != board.qemu.memory {
        bail!("this board has {} of memory and no other amount", board.qemu.memory);
    }
    let mut command = dies_with_us();
    command.args(["-M", &machine, "-m", ram, "-display", "none", "-monitor", "none", "-nodefaults", "-no-reboot"]);
    if let Some(cpu) = options.cpu.as_ref().or(board.qemu.cpu.as_ref()) {
        command.args(["-cpu", cpu]);
    }
    if let Some(accel) = &board.qemu.accel {
        command.args(["-accel", accel]);
    }
    command.args(["-semihosting-config", "enable=on,userspace=on,target=native"]);
    let stdio = if options.takes_interrupt_key { "stdio,id=console,signal=off" } else { "stdio,id=console" };
    command.args(["-chardev", stdio, "-chardev", "file,id=log,path=/dev/stderr"]);
    let mut lines = [(board.serial.log, "chardev:log"), (board.serial.console, "chardev:console")];
    lines.sort_unstable();
    for (at, (wanted, line)) in lines.iter().enumerate() {
        debug_assert_eq!(at, *wanted, "two serial lines, counted from 0");
        command.args(["-serial", line]);
    }
    if let Some(tree) = options.dtb.as_ref().or(board.qemu.dtb.as_ref()) {
        command.arg("-dtb").arg(board::compiled_device_tree(tree)?);
    }
    let none = Faults::default();
    let files = [
        (&options.disk, "disk", &options.disk_faults),
        (&options.tested, "test", &options.tested_faults),
        (&options.volume, "volume", &none),
    ];
    let is_twin = options.disk.is_some() && options.disk == options.tested;
    for (file, id, faults) in files {
        if let Some(file) = file {
            drive(&mut command, board, file, id, faults, is_twin)?;
        }
    }
    if let Some(Shift(shift)) = options.count_instructions {
        command.arg("-icount").arg(format!("shift={shift},sleep=off"));
    }
    if let Some(address) = &options.debugger {
        command.args(["-S", "-gdb", address]);
    }
    if let Some(trace) = &options.trace {
        for event in disk::TRACED {
            command.args(["-trace", event]);
        }
        command.arg("-D").arg(trace);
    }
    command.args(&options.more);
    Ok(command)
}

/// Attaches a disk image: a virtio disk whose serial number is its role, or the SD card of a board that has one.
fn drive(command: &mut Command, board: &Board, file: &Path, id: &str, faults: &Faults, is_twin: bool) -> Result<()> {
    if !file.is_file() {
        bail!("{} is no file", file.display());
    }
    // A comma in an option's value is written twice.
    let name = |file: &Path| file.display().to_string().replace(',', ",,");
    let name = if faults.is_empty() {
        name(file)
    } else {
        // The errors come from a filter between the file and its reader.
        format!("blkdebug:{}:{}", name(&faults.configuration(file)?), name(file))
    };
    if board.qemu.sd_card {
        command.arg("-drive").arg(format!("if=sd,format=raw,file={name}"));
    } else {
        // An image that is attached twice cannot be locked.
        let lock = if is_twin { ",file.locking=off" } else { "" };
        command.arg("-drive").arg(format!("if=none,id={id},format=raw,file={name}{lock}"));
        // Merged requests would fail together.
        let alone = if faults.is_empty() { "" } else { ",request-merging=off" };
        command.arg("-device").arg(format!("virtio-blk-device,drive={id},serial={id}{alone}"));
    }
    Ok(())
}

/// QEMU under `setpriv`, where there is one, so that the system ends it when this process is gone.
fn dies_with_us() -> Command {
    let setpriv = Command::new("setpriv").args(["--pdeathsig", "keep", "true"]).stdin(Stdio::null()).output();
    if setpriv.is_ok_and(|o| o.status.success()) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", QEMU]);
        command
    } else {
        Command::new(QEMU)
    }
}

/// Runs a machine to its end. `watch` sees each whole line of the log.
pub(crate) fn run(
    mut command: Command,
    console: Console<'_>,
    limit: Option<Duration>,
    mut watch: impl FnMut(&str) -> Next,
) -> Result<Outcome> {
    let started = Instant::now();
    let input = if console == Console::Mine { Stdio::inherit() } else { Stdio::piped() };
    let child = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Guard(child.with_context(|| format!("{QEMU} cannot be run"))?);
    let mut dialog = None;
    match (console, child.0.stdin.take()) {
        (Console::Typed(text), Some(mut input)) => {
            // A machine that ends before it has read everything has not asked for it.
            let text = text.to_owned();
            thread::spawn(move || input.write_all(text.as_bytes()));
        }
        (Console::Dialog(steps), Some(input)) => dialog = Some(Dialog { input, steps, heard: 0 }),
        (Console::Mine, _) | (_, None) => {}
    }
    let events = drain(&mut child.0)?;

    let mut outcome = Outcome { end: End::Stopped, log: Vec::new(), console: Vec::new(), time: Duration::ZERO };
    let mut partial = Vec::new();
    let mut open = 2;
    while open > 0 {
        let left = limit.map(|l| l.saturating_sub(started.elapsed()));
        let event = match left {
            Some(left) => events.recv_timeout(left),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Console(bytes)) => {
                if console == Console::Mine {
                    let mut out = std::io::stdout().lock();
                    out.write_all(&bytes).and_then(|()| out.flush()).context("standard output is closed")?;
                }
                outcome.console.extend_from_slice(&bytes);
                dialog.iter_mut().for_each(|dialog| dialog.hear(&outcome.console));
            }
            Ok(Event::Log(bytes)) => {
                partial.extend_from_slice(&bytes);
                while let Some(at) = partial.iter().position(|b| *b == b'\n') {
                    let rest = partial.split_off(at + 1);
                    let line = std::mem::replace(&mut partial, rest);
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    let next = watch(&line);
                    outcome.log.push(line);
                    if next == Next::Stop {
                        child.stop();
                        outcome.time = started.elapsed();
                        return Ok(outcome);
                    }
                }
            }
            Ok(Event::Closed) => open -= 1,
            Err(RecvTimeoutError::Timeout) => {
                child.stop();
                outcome.end = End::Timeout(limit.unwrap_or_default());
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if !partial.is_empty() {
        outcome.log.push(String::from_utf8_lossy(&partial).trim_end().to_owned());
    }
    if open == 0 {
        outcome.end = child.0.wait()?.code().map_or(End::Killed, End::Exit);
    }
    outcome.time = started.elapsed();
    Ok(outcome)
}

/// Somebody who types when there is something to react to.
struct Dialog<'a> {
    input: ChildStdin,
    steps: &'a [[String; 2]],
    /// Bytes of the console that were reacted to.
    heard: usize,
}

impl Dialog<'_> {
    /// Reacts to all that the console has shown.
    fn hear(&mut self, console: &[u8]) {
        while let Some(([wanted, typed], rest)) = self.steps.split_first() {
            let new = console.get(self.heard..).unwrap_or_default();
            let Some(at) = new.windows(wanted.len().max(1)).position(|text| text == wanted.as_bytes()) else { return };
            self.heard += at + wanted.len();
            self.steps = rest;
            // A machine that has ended reads nothing any more, which its end will show.
            let _ = self.input.write_all(typed.as_bytes()).and_then(|()| self.input.flush());
        }
    }
}

/// Starts a machine whose lines are this process's standard error; it ends with the returned value.
pub(crate) fn background(mut command: Command) -> Result<impl Drop> {
    let errors = std::io::stderr();
    let same = errors.as_fd().try_clone_to_owned()?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::from(same)).stderr(Stdio::inherit()).spawn();
    Ok(Guard(child.with_context(|| format!("{QEMU} cannot be run"))?))
}

/// Reads both lines of a machine, each in a thread of its own.
fn drain(child: &mut Child) -> Result<Receiver<Event>> {
    let (sender, events) = channel();
    let console = child.stdout.take().context("no console")?;
    let log = child.stderr.take().context("no log")?;
    let other = sender.clone();
    thread::spawn(move || pump(console, &sender, Event::Console));
    thread::spawn(move || pump(log, &other, Event::Log));
    Ok(events)
}

fn pump(mut from: impl Read, to: &Sender<Event>, wrap: fn(Vec<u8>) -> Event) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        if to.send(wrap(bytes)).is_err() {
            return;
        }
    }
    // The receiver may be gone already; then nobody wants to know.
    let _ = to.send(Event::Closed);
}

/// A child that does not outlive this value.
struct Guard(Child);

impl Guard {
    /// Asks the child to end, which also gives the terminal its settings back, then makes it.
    fn stop(&mut self) {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + GRACE;
        while asked.is_ok() && Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // Both fail only when the child has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
