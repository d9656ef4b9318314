//! Tests of the file pager, on a volume that the harness made and looks at afterwards (`files.pager` in `tests/suites.toml`).
#![no_std]
#![no_main]

extern crate alloc;

mod pressure;
mod raw;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::catch;
use libmach::fs::{self, File};
use libmach::region::touch;
use libmach::task::mach_task_self;
use libmach::vm::{VmSync, vm_msync};
use libmach::{KernReturn, Region, println};
use test_report::Line;

libmach::entry!(main);

/// What a case answers: why it failed.
type Outcome = Result<(), String>;

/// A case: its name, and what it does.
type Case = (&'static str, fn() -> Outcome);

const CASES: [Case; 13] = [
    ("files.names", names),
    ("files.shared", shared),
    ("files.grows", grows),
    ("files.shrinks", shrinks),
    ("files.removed", removed),
    ("files.copied", copied),
    ("files.written-back", written_back),
    ("files.full", full),
    ("files.keeps-no-rights", raw::keeps_no_rights),
    ("files.resized-twice", raw::resized_twice),
    ("files.resized-to-nothing", raw::resized_to_nothing),
    ("files.grows-in-pieces", raw::grows_in_pieces),
    ("files.synced", synced),
];

/// The case of a volume with a sector that cannot be written.
const UNWRITABLE: Case = ("files.unwritable.is-told", unwritable);

/// The case of a machine with less memory than it fills.
const PRESSURE: Case = ("files.under-pressure", pressure::under_pressure);

fn main() -> i32 {
    let cases: &[Case] = match libmach::args().nth(1) {
        Some("unwritable") => &[UNWRITABLE],
        Some("pressure") => &[PRESSURE],
        _ => &CASES,
    };
    let mut failed = 0;
    for (name, run) in cases {
        println!("{}", Line::Start(name));
        match run() {
            Ok(()) => println!("{}", Line::Pass(name)),
            Err(why) => {
                failed += 1;
                println!("{}", Line::Fail(name, &why));
            }
        }
    }
    println!("{}", Line::Done);
    i32::from(failed != 0)
}

/// Says what was being done when a call failed.
trait During<T> {
    fn during(self, what: &str) -> Result<T, String>;
}

impl<T, E: core::fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: &str) -> Result<T, String> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}

fn check(is_right: bool, what: &str) -> Outcome {
    if is_right { Ok(()) } else { Err(what.into()) }
}

/// A request that must be refused with that code, and with a text.
fn refused<T>(outcome: fs::Result<T>, code: KernReturn, what: &str) -> Outcome {
    match outcome {
        Ok(_) => Err(format!("{what} was allowed")),
        Err(error) if error.code == code && error.text.bytes().next().is_some() => Ok(()),
        Err(error) => Err(format!("{what}: {error} ({})", error.code)),
    }
}

fn byte(memory: &Region, at: usize) -> Option<u8> {
    memory.bytes().get(at).map(|byte| byte.load(SeqCst))
}

fn set(memory: &Region, at: usize, value: u8) {
    if let Some(byte) = memory.bytes().get(at) {
        byte.store(value, SeqCst);
    }
}

fn are(memory: &Region, range: core::ops::Range<usize>, value: u8) -> bool {
    memory.bytes().get(range).is_some_and(|bytes| bytes.iter().all(|byte| byte.load(SeqCst) == value))
}

/// Touching the byte must raise an exception with `MEMORY_ERROR`.
fn must_fail(memory: &Region, at: u64, what: &str) -> Outcome {
    let address = memory.address() + at;
    match catch(move || touch(address)).during("watching a thread")? {
        Ok(value) => Err(format!("{what} could be read: {value}")),
        Err(exception) if exception.code == KernReturn::MEMORY_ERROR.0 => Ok(()),
        Err(exception) => Err(format!("{what}: exception code {}", exception.code)),
    }
}

fn names() -> Outcome {
    let entries = fs::read_dir("").during("listing")?;
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    check(names.contains(&"A long name, to be copied.text") && names.contains(&"sub"), &format!("{names:?}"))?;
    let inner = fs::metadata("SUB/inner.txt").during("a name in capitals")?;
    check(!inner.is_directory && inner.size == 777 && !inner.is_read_only, &format!("{inner:?}"))?;
    check(fs::metadata("sub").during("a directory")?.is_directory, "a directory is none")?;
    refused(File::open("nowhere"), KernReturn::INVALID_NAME, "opening what is not there")?;
    refused(File::open("sub"), KernReturn::INVALID_ARGUMENT, "opening a directory")?;
    refused(File::create_new("shared"), KernReturn::NAME_EXISTS, "making what is there")?;
    refused(File::create("a:b"), KernReturn::INVALID_ARGUMENT, "a name that cannot be")?;
    refused(fs::remove("sub"), KernReturn::FAILURE, "removing a directory with entries")?;
    refused(fs::remove("/"), KernReturn::INVALID_ARGUMENT, "removing the root directory")?;
    fs::create_dir("sub/made").during("making a directory")?;
    for number in 0..40 {
        File::create_new(&format!("sub/made/file number {number}")).during("making a file")?;
    }
    check(fs::read_dir("sub/made").during("listing many")?.len() == 40, "files are missing")
}

fn shared() -> Outcome {
    let (first, second) = (File::open("shared").during("opening")?, File::open("SHARED").during("again")?);
    check(first.object() == second.object(), "two objects for one file")?;
    let (one, other) = (first.map(0, 8192).during("mapping")?, second.map(4096, 4096).during("mapping a page of it")?);
    let before = byte(&one, 5000).unwrap_or_default();
    set(&one, 5000, !before);
    check(byte(&other, 5000 - 4096) == Some(!before), "the other mapping does not see it")?;
    set(&other, 5000 - 4096, before);
    check(byte(&one, 5000) == Some(before), "the first mapping does not see it")?;
    check(are(&one, 6000..8192, 0), "there is something behind the end")
}

fn grows() -> Outcome {
    let mut file = File::open("grows").during("opening")?;
    let memory = file.map(0, 12288).during("mapping more than there is")?;
    let last = byte(&memory, 4096);
    set(&memory, 5000, 0x55);
    must_fail(&memory, 8192, "a page behind the end")?;
    file.set_size(10_000).during("growing")?;
    check(file.size().during("asking")? == 10_000, "another size")?;
    check(byte(&memory, 4096) == last, "the last byte was changed")?;
    check(are(&memory, 4097..12288, 0), "new bytes are no zeros")
}

fn shrinks() -> Outcome {
    let mut file = File::open("shrinks").during("opening")?;
    let memory = file.map(0, 12288).during("mapping")?;
    let kept = byte(&memory, 4999).unwrap_or_default();
    // All pages are dirty, and one byte is another.
    for at in [0, 4096, 8192] {
        set(&memory, at, byte(&memory, at).unwrap_or_default());
    }
    set(&memory, 4999, !kept);
    file.set_size(5000).during("shrinking")?;
    check(byte(&memory, 4999) == Some(!kept), "a change was lost")?;
    set(&memory, 4999, kept);
    check(are(&memory, 5000..8192, 0), "what was cut off is still there")?;
    must_fail(&memory, 8192, "a page that was cut off")?;
    file.sync_mapped(&memory).during("syncing")
}

fn removed() -> Outcome {
    let file = File::open("removed").during("opening")?;
    let memory = file.map(0, 8192).during("mapping")?;
    // The last page alone: from the first one on, more than one would come.
    let last = byte(&memory, 4096);
    fs::remove("removed").during("removing")?;
    refused(File::open("removed"), KernReturn::INVALID_NAME, "opening it")?;
    check(byte(&memory, 4096) == last, "a page in memory is lost")?;
    set(&memory, 4096, 1);
    must_fail(&memory, 0, "a page that was not in memory")?;
    // A file of that name is another one.
    let mut new = File::create_new("removed").during("making it anew")?;
    check(new.size().during("asking")? == 0, "it is not empty")?;
    new.write(0, b"new").during("writing")?;
    check(byte(&memory, 4096) == Some(1), "the old mapping sees the new file")?;
    fs::remove("removed").during("removing it again")
}

fn copied() -> Outcome {
    let mut last = (0, 0);
    let bytes =
        fs::copy("A long name, to be copied.text", "The copy of that file.text", |done, all| last = (done, all));
    check(bytes.during("copying")? == 200_000 && last == (200_000, 200_000), &format!("{last:?}"))?;
    refused(fs::copy("shared", "shared", |_, _| ()), KernReturn::INVALID_ARGUMENT, "copying a file over itself")
}

fn written_back() -> Outcome {
    let text = b"written, and never synced";
    File::create("written").during("making")?.write(4000, text).during("writing")?;
    let mut file = File::open("written").during("opening it again")?;
    let mut bytes = vec![0; 5000];
    let count = file.read(0, &mut bytes).during("reading")?;
    check(count == 4000 + text.len() && bytes.get(4000..count) == Some(text), "something else is there")?;
    drop(file);
    fs::remove("written").during("removing")
}

fn full() -> Outcome {
    let (before, why) = fs::volume().during("asking about the volume")?;
    check(why.is_none() && before.fat_bits == 16 && before.free < before.total, &format!("{before:?} {why:?}"))?;
    let mut file = File::create("full").during("making")?;
    refused(file.set_size(before.free + 1), KernReturn::NO_SPACE, "growing beyond the volume")?;
    refused(file.set_size(1 << 32), KernReturn::INVALID_VALUE, "growing beyond 4 GiB")?;
    check(file.size().during("asking")? == 0, "it has grown")?;
    check(fs::volume().during("asking again")?.0 == before, "room was lost")?;
    fs::remove("full").during("removing")?;
    fs::sync().during("syncing")
}

/// `vm_msync` is over when the pager has said so: again and again, and of pages that are clean.
fn synced() -> Outcome {
    let mut file = File::create("synced").during("making")?;
    file.set_size(8192).during("growing")?;
    let memory = file.map(0, 8192).during("mapping")?;
    for round in 0..3 {
        set(&memory, 4096, round);
        msync(&memory, VmSync::SYNCHRONOUS).during("syncing")?;
    }
    msync(&memory, VmSync::SYNCHRONOUS).during("syncing what is clean")?;
    msync(&memory, VmSync::ASYNCHRONOUS).during("not waiting")?;
    drop((file, memory));
    fs::remove("synced").during("removing")
}

fn msync(memory: &Region, how: VmSync) -> libmach::Result<()> {
    vm_msync(mach_task_self(), memory.address(), memory.size(), how)
}

/// On a volume that cannot be written in the second page of a file: who waits in `vm_msync` is told, once.
fn unwritable() -> Outcome {
    let file = File::open("bad").during("opening")?;
    let memory = file.map(0, 8192).during("mapping")?;
    for (at, byte) in (0..).zip(*b"safe") {
        set(&memory, at, byte);
    }
    msync(&memory, VmSync::SYNCHRONOUS).during("syncing what can be written")?;
    set(&memory, 5000, 1);
    match msync(&memory, VmSync::SYNCHRONOUS) {
        Err(KernReturn::MEMORY_ERROR) => {}
        other => return Err(format!("syncing what cannot be written: {other:?}")),
    }
    msync(&memory, VmSync::SYNCHRONOUS).during("syncing what was told")?;
    check(byte(&memory, 5000) == Some(1), "the page in memory is lost")
}
