//! The verbs that a user meets, run as a user runs them: this program, with arguments, in a folder of its own.
//! What a task prints must be all of standard output, and the status the task's.

use crate::judge::Case;
use crate::{FAILED, paths};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One thing a user does, in an empty folder.
struct Deed {
    name: &'static str,
    does: fn(&Path) -> Result<()>,
}

const DEEDS: &[Deed] = &[
    Deed { name: "new_outside_the_tree_then_run", does: |folder| new_then_run(&folder.join("counter")) },
    Deed { name: "new_inside_the_tree_then_run", does: |_| new_then_run(&fresh(paths::product("front/inside")?)?) },
    Deed { name: "run_package_in_a_folder", does: run_package },
    Deed { name: "run_elf_file_with_disks", does: run_elf },
    Deed { name: "run_past_its_time_limit", does: run_too_long },
    Deed { name: "run_with_wrong_words", does: run_wrong },
];

/// Does what holds `filter`.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for deed in DEEDS {
        let name = format!("front.{}", deed.name);
        if !name.contains(filter) {
            continue;
        }
        // Outside the tree, so that no Cargo.toml above is found.
        let folder = fresh(std::env::temp_dir().join(format!("tessera-front-{}", std::process::id())))?;
        fs::create_dir_all(&folder)?;
        let failure = (deed.does)(&folder).err().map(|error| format!("{error:#}"));
        fs::remove_dir_all(&folder)?;
        cases.push(Case { name, failure });
    }
    Ok(cases)
}

/// Makes a task from the template and runs it.
fn new_then_run(folder: &Path) -> Result<()> {
    let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
    let made = tessera(&[&"new", &folder])?;
    ensure!(made.status == 0 && made.err.contains(&format!("edit {}/src/main.rs", folder.display())), "{made:?}");
    let again = tessera(&[&"new", &folder])?;
    ensure!(again.status == i32::from(FAILED) && again.err.contains("exists already"), "{again:?}");
    let ran = tessera(&[&"run", &folder])?;
    ensure!(ran.status == 0 && ran.out == format!("Hello from {name}.\n") && ran.err.is_empty(), "{ran:?}");
    Ok(())
}

/// A task that is killed: its own output, and one line that says why.
fn run_package(_: &Path) -> Result<()> {
    let ran = tessera(&[&"run", &paths::in_project("tests/killed"), &"read"])?;
    ensure!(ran.status == 129 && ran.out == "about to be killed\n", "{ran:?}");
    ensure!(ran.err.lines().count() == 1 && ran.err.contains("read_nowhere") && ran.err.contains("0x123"), "{ran:?}");
    Ok(())
}

/// A program that is built already, with both disks.
fn run_elf(folder: &Path) -> Result<()> {
    let built = tessera(&[&"run", &"args", &"5", &"two words"])?;
    ensure!(built.status == 5 && built.out == "0: args\n1: 5\n2: two words\n", "{built:?}");
    let elf = folder.join("program");
    fs::copy(paths::target().join("aarch64-unknown-none/release/examples/args"), &elf)?;
    let [disk, volume] = ["disk", "volume"].map(|name| folder.join(name));
    for file in [&disk, &volume] {
        fs::File::create(file)?.set_len(1 << 20)?;
    }
    let ran = tessera(&[&"run", &"--disk", &disk, &"--volume", &volume, &elf, &"--", &"-x"])?;
    ensure!(ran.status == 0 && ran.out == "0: program\n1: -x\n" && ran.err.is_empty(), "{ran:?}");
    let ran = tessera(&[&"run", &"--disk", &folder.join("none"), &elf])?;
    ensure!(ran.status == i32::from(FAILED) && ran.err.contains("none is no file"), "{ran:?}");
    Ok(())
}

fn run_too_long(_: &Path) -> Result<()> {
    let ran = tessera(&[&"run", &"hello", &"--timeout", &"0.01"])?;
    ensure!(ran.status == i32::from(FAILED) && ran.err.contains("the time limit of 0.01 s is over"), "{ran:?}");
    Ok(())
}

fn run_wrong(folder: &Path) -> Result<()> {
    let text = folder.join("text");
    fs::write(&text, "no program")?;
    for (words, wanted) in [
        (&["run", "no-such-task"][..], "there is no task `no-such-task`"),
        (&["run", "helo"], ". Is it `hello`?"),
        (
            &["run", "--volume", "v.img", "hello"],
            "v.img is no file; `mkfs.fat -C -F 16 v.img 20480` makes an empty volume",
        ),
        (&["run", "hello", "--disk", "d.img"], "d.img is no file; `truncate -s 256M d.img` makes a disk to page to"),
        (&["run", "--rams", "1G", "hello"], "a similar argument exists: '--ram'"),
        (&["runn", "hello"], "a similar subcommand exists: 'run'"),
        (&["new"], "<FOLDER>"),
        (&["bench", "no-such-operation"], "no operation's name holds `no-such-operation`"),
        (&["test", "--ring", "machine", "no-such-test"], "no test's name holds `no-such-test`"),
        (&["run", "text"], "not a little-endian ELF file"),
        (&["run", "."], "is a folder without a Cargo.toml"),
        (&["run", "hello", "--board", "toaster"], "there is no board `toaster`; known are"),
        (&["run", "hello", "--ram", "lots"], "a size such as 256M or 2G is needed"),
        (&["root", "text"], "not a little-endian ELF file"),
        (&["new", "7up"], "`7up` is no name for a package"),
    ] {
        let words: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(|word| word as _).collect();
        let ran = tessera_in(folder, &words)?;
        let is_quiet = ran.out.is_empty() || ran.out == "0 passed, 0 failed\n";
        ensure!(ran.status != 0 && is_quiet && ran.err.contains(wanted), "wanted `{wanted}`: {ran:?}");
    }
    Ok(())
}

/// What one run gave.
#[derive(Debug)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

type Words<'a> = [&'a dyn AsRef<std::ffi::OsStr>];

fn tessera(words: &Words<'_>) -> Result<Ran> {
    tessera_in(&paths::project(), words)
}

fn tessera_in(folder: &Path, words: &Words<'_>) -> Result<Ran> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "600"]).arg(std::env::current_exe()?).args(words).current_dir(folder);
    command.env("TESSERA_ROOT", paths::project().canonicalize()?);
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output()?;
    Ok(Ran {
        status: status.code().context("it was killed")?,
        out: String::from_utf8(stdout)?,
        err: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// The path, with nothing there.
fn fresh(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    Ok(path)
}
