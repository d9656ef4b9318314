//! `root`: boots any seL4 root task directly on the kernel, both serial lines on standard output.

use crate::board::Board;
use crate::cli::RootArgs;
use crate::image::Base;
use crate::qemu::{self, Console, End, Next};
use anyhow::{Context, Result, bail};
use std::fs;

/// Boots that ELF file until QEMU ends or the time limit is over.
pub(crate) fn run(arguments: &RootArgs) -> Result<u8> {
    arguments.machine.check()?;
    let elf = fs::read(&arguments.elf).with_context(|| arguments.elf.display().to_string())?;
    let image = Base::build()?.compose(&elf, "root")?;
    let board = Board::load(&arguments.machine.board)?;
    let command = qemu::command(&board, &arguments.machine.options(), &image)?;
    let outcome = qemu::run(command, Console::Mine, arguments.machine.timeout, |line| {
        println!("{line}");
        Next::Go
    })?;
    match outcome.end {
        End::Exit(status) => Ok(u8::try_from(status)?),
        End::Timeout(limit) => bail!("the time limit of {} s is over; the run was ended", limit.as_secs_f64()),
        end => bail!("QEMU ended: {end:?}"),
    }
}
