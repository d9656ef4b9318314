//! `gdb`: a machine that waits before its first instruction, and a debugger on it.

use crate::board::Board;
use crate::cli::RunArgs;
use crate::image::Base;
use crate::qemu;
use crate::task::{System, Task, Then};
use crate::{FAILED, paths};
use anyhow::{Context, Result};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debuggers that know AArch64, the likeliest first.
const DEBUGGERS: [&str; 3] = ["gdb-multiarch", "aarch64-linux-gnu-gdb", "gdb"];

/// Boots the task (or the shell) under a debugger that has the kernel's and the task's symbols.
pub(crate) fn run(arguments: &RunArgs) -> Result<u8> {
    arguments.machine.check()?;
    let (tasks, then) = match &arguments.task {
        Some(name) => (vec![Task::find(name)?], Then::Halt),
        None => (Vec::new(), Then::Shell),
    };
    let system = System::build(&tasks)?;
    let base = Base::build()?;
    let image = base.compose(&system.only_task(&arguments.arguments, then)?, "gdb")?;
    let board = Board::load(&arguments.machine.board)?;
    let mut options = arguments.machine.options();
    let address = format!("127.0.0.1:{}", free_port()?);
    options.debugger = Some(format!("tcp:{address}"));
    let machine = qemu::background(qemu::command(&board, &options, &image)?)?;

    let kernel = symbols("kernel", base.kernel())?;
    let task = system.programs.first().map(|program| symbols(&program.name, &program.elf)).transpose()?;
    let debugger =
        DEBUGGERS.iter().find(|name| exists(name)).context("no debugger is installed: gdb-multiarch is one")?;
    let mut command = Command::new(debugger);
    command.arg("-q").arg(&kernel).args(["-ex", &format!("target remote {address}")]);
    if let Some(task) = &task {
        command.args(["-ex", &format!("add-symbol-file {}", task.display())]);
    }
    let status =
        command.args(["-x"]).arg(paths::in_project("tools/gdb")).status().context("the debugger cannot be run")?;
    drop(machine);
    Ok(if status.success() { 0 } else { FAILED })
}

/// A port that nobody uses now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Writes a program where the debugger finds it.
fn symbols(name: &str, elf: &[u8]) -> Result<PathBuf> {
    let path = paths::product(Path::new("gdb").join(name))?;
    fs::write(&path, elf)?;
    Ok(path)
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}
