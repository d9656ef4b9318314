//! Broken inputs of the boot stage that no image alone can hold: wrong starts, broken device trees, ELF files
//! that are sound but cannot be loaded. Each must end in a line that says what failed, after the right steps.
//! (Images that are damaged are suites of `tests/suites.toml`; see `damage`.)

use crate::board::Board;
use crate::image::Base;
use crate::judge::Case;
use crate::paths;
use crate::qemu::{self, Console, Next, Outcome};
use crate::suite::Machine;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How the boot stage's last line begins.
const STOPPED: &str = "boot: stopped: ";
/// A boot stage that has not stopped after this long never will.
const LIMIT: Duration = Duration::from_secs(20);

/// Where QEMU's virt has RAM, and what the tests put there.
const IMAGE_AT: u64 = 0x4020_0000;
const STUB_AT: u64 = 0x4300_0000;
const TREE_AT: u64 = 0x4400_0000;

/// A device tree of QEMU's, as the boot stage's own tests use it.
const TREE: &str = "boot/tests/fixtures/virt-gicv2-el1-128m.dtb";

/// One broken input.
struct Broken {
    name: &'static str,
    machine: &'static str,
    start: Start,
    /// Changes kernel and root task before they are packed, with a right checksum then.
    files: fn(&mut Files),
    /// The letters of the steps that are done.
    letters: &'static str,
    /// What the last line must hold.
    wanted: &'static str,
}

/// How the boot stage is started.
enum Start {
    /// As QEMU starts a Linux kernel.
    Linux,
    /// At the reset of the processor, with 0 in every register, on this kind of machine.
    Reset(&'static str),
    /// At EL1, with x0 pointing to a device tree that is changed first.
    Tree(fn(&mut Vec<u8>)),
}

/// What is packed.
struct Files {
    kernel: Vec<u8>,
    root: Vec<u8>,
}

/// A sound input, to be varied.
const SOUND: Broken =
    Broken { name: "", machine: "virt ram=128M", start: Start::Linux, files: |_| (), letters: "", wanted: "" };

/// The broken inputs. (Both files in an image are the kernel: nothing gets as far as to enter it.)
const BROKEN: &[Broken] = &[
    Broken { name: "el3", start: Start::Reset("secure=on"), letters: "ABC", wanted: "entered at EL3", ..SOUND },
    Broken {
        name: "no_device_tree",
        start: Start::Reset("secure=off"),
        letters: "ABCD",
        wanted: "no device tree: x0 is 0x0",
        ..SOUND
    },
    Broken {
        name: "device_tree_of_zeros",
        start: Start::Tree(|tree| tree.fill(0)),
        letters: "ABCD",
        wanted: "no device tree at 0x44000000 (x0): it starts with 0x0",
        ..SOUND
    },
    Broken {
        name: "device_tree_cut",
        start: Start::Tree(|tree| tree.truncate(2000)),
        letters: "ABCD",
        wanted: "the device tree at 0x44000000 is damaged",
        ..SOUND
    },
    Broken {
        name: "device_tree_too_long",
        start: Start::Tree(|tree| tree[4..8].fill(0xff)),
        letters: "ABCD",
        wanted: "its header says 4294967295 bytes",
        ..SOUND
    },
    Broken {
        name: "device_tree_without_ram",
        start: Start::Tree(|tree| replace(tree, b"device_type", b"device_tyqe")),
        letters: "ABCDE",
        wanted: "the device tree describes no RAM",
        ..SOUND
    },
    Broken {
        name: "device_tree_without_gic",
        start: Start::Tree(|tree| replace(tree, b"arm,cortex-a15-gic", b"arm,cortex-a15-gin")),
        letters: "ABCDE",
        wanted: "the device tree describes no GICv2 or GICv3",
        ..SOUND
    },
    Broken {
        name: "kernel_for_another_machine",
        files: |files| files.kernel[18] = 62,
        letters: "ABCDEF",
        wanted: "the kernel is not for AArch64 (ELF machine 62)",
        ..SOUND
    },
    Broken {
        name: "kernel_too_large",
        files: |files| set_memory_size(&mut files.kernel, (1 << 30) + 1),
        letters: "ABCDEF",
        wanted: "the kernel does not fit",
        ..SOUND
    },
    Broken {
        name: "kernel_for_other_ram",
        files: |files| replace(&mut files.kernel, b"Tessera\0", b"Another\0"),
        letters: "ABCDEFG",
        wanted: "where this machine has no RAM",
        ..SOUND
    },
    Broken {
        name: "root_task_position_independent",
        files: |files| files.root[16] = 3,
        letters: "ABCDEF",
        wanted: "the root task is no executable with fixed addresses (ELF type 3)",
        ..SOUND
    },
    Broken {
        name: "too_little_ram",
        files: |files| set_memory_size(&mut files.root, 128 << 20),
        letters: "ABCDEFG",
        wanted: "too little RAM: no free piece of",
        ..SOUND
    },
];

/// Boots every broken input whose name holds `filter`.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    let name = |broken: &Broken| format!("boot.broken.{}", broken.name);
    let chosen: Vec<_> = BROKEN.iter().filter(|broken| name(broken).contains(filter)).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let base = Base::build()?;
    let judged = chosen.into_iter().map(|broken| {
        let failure =
            broken.boot(&base).map_or_else(|error| Some(format!("{error:#}")), |outcome| broken.judge(&outcome));
        Case { name: name(broken), failure }
    });
    Ok(judged.collect())
}

impl Broken {
    fn boot(&self, base: &Base) -> Result<Outcome> {
        let mut files = Files { kernel: base.kernel().to_vec(), root: base.kernel().to_vec() };
        (self.files)(&mut files);
        let image = self.write("image", &base.pack(&files.kernel, &files.root)?)?;
        let mut machine: Machine = self.machine.parse()?;
        let board = Board::load(&machine.board)?;
        let more = &mut machine.options.more;
        match self.start {
            Start::Linux => {}
            Start::Reset(kind) => {
                more.extend(["-machine".to_owned(), kind.to_owned()]);
                more.extend(loaded(&image, IMAGE_AT, true));
            }
            Start::Tree(change) => {
                let mut tree = fs::read(paths::in_project(TREE)).context(TREE)?;
                change(&mut tree);
                more.extend(loaded(&self.write("tree", &tree)?, TREE_AT, false));
                more.extend(loaded(&self.write("stub", &stub(TREE_AT, IMAGE_AT))?, STUB_AT, true));
                more.extend(loaded(&image, IMAGE_AT, false));
            }
        }
        let command = match self.start {
            Start::Linux => qemu::command(&board, &machine.options, &image)?,
            Start::Reset(_) | Start::Tree(_) => qemu::bare_command(&board, &machine.options)?,
        };
        let stop = |line: &str| if line.starts_with(STOPPED) { Next::Stop } else { Next::Go };
        qemu::run(command, Console::Typed(""), Some(LIMIT), stop)
    }

    /// What is wrong with what the boot stage printed.
    fn judge(&self, outcome: &Outcome) -> Option<String> {
        let Some(last) = outcome.log.last().filter(|line| line.starts_with(STOPPED)) else {
            return Some(format!("no line `{STOPPED}…`; the log is {:?}", outcome.log));
        };
        let is_help = |line: &str| line.split_once("; ").is_some_and(|(_, help)| help.len() > 10);
        if !last.contains(self.wanted) || !is_help(last) {
            return Some(format!("wanted `{}` and what to do, got `{last}`", self.wanted));
        }
        let letters = outcome.log.iter().find(|line| line.starts_with('A')).map_or("", String::as_str);
        (letters != self.letters).then(|| format!("wanted the steps {}, got {letters}", self.letters))
    }

    fn write(&self, what: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = paths::product(format!("broken-{}-{what}", self.name))?;
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

/// Arguments that load a file as it is; the processor starts there if `starts`.
fn loaded(file: &std::path::Path, at: u64, starts: bool) -> [String; 2] {
    let cpu = if starts { ",cpu-num=0" } else { "" };
    let file = file.display().to_string().replace(',', ",,");
    ["-device".to_owned(), format!("loader,file={file},addr={at:#x},force-raw=on{cpu}")]
}

/// Instructions that put an address into x0 and jump to another; both below 4 GiB.
fn stub(x0: u64, to: u64) -> Vec<u8> {
    const MOVZ: u32 = 0xd280_0000;
    const MOVK_16: u32 = 0xf2a0_0000;
    const BR_X1: u32 = 0xd61f_0020;
    let moves = |value: u64, register: u32| {
        let half = |shift: u32| ((value >> shift) as u32 & 0xffff) << 5 | register;
        [MOVZ | half(0), MOVK_16 | half(16)]
    };
    let [a, b] = moves(x0, 0);
    let [c, d] = moves(to, 1);
    [a, b, c, d, BR_X1].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Replaces every occurrence of some bytes by as many others.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let found: Vec<usize> = bytes.windows(old.len()).enumerate().filter(|(_, w)| *w == old).map(|(at, _)| at).collect();
    for at in found {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
}

/// Makes the first segment of an ELF file as large as this in memory.
fn set_memory_size(elf: &mut [u8], size: u64) {
    const FIRST_MEMSZ: usize = 64 + 40;
    elf[FIRST_MEMSZ..FIRST_MEMSZ + 8].copy_from_slice(&size.to_le_bytes());
}
