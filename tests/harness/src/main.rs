//! `tessera`: builds images, boots them in QEMU, judges what they print.
//!
//! Every recipe of the justfile is one call of this program. Its modules, bottom up:
//!
//! - [`paths`], [`board`], [`cargo`]: where things are, what a board is for the tools, building;
//! - [`disk`], [`volume`]: the disk images of suites;
//! - [`cpio`], [`elf`], [`image`], [`damage`]: the boot archive, root's ELF with it, the bootable image;
//! - [`qemu`]: one QEMU process with a log line, a console line and a time limit;
//! - [`task`], [`symbols`], [`run`], [`root`], [`gdb`], [`create`]: the verbs a user meets;
//! - [`bench`](mod@bench): what operations cost, beside what they cost elsewhere;
//! - [`golden`]: what cases saw on another kernel;
//! - [`hunt`]: the kernel under a fuzzer, and in Miri;
//! - [`suite`], [`judge`], [`mod@test`], [`host`], [`front`], [`documents`], [`layers`], [`check`]: the verbs that judge.
//!
//! Standard output belongs to what runs inside QEMU. Whatever this program has to say goes to standard error.
#![forbid(unsafe_code)]

mod bench;
mod board;
mod broken;
mod cargo;
#[cfg(test)]
mod cases;
mod check;
mod cli;
#[cfg(test)]
mod conformance;
mod contradiction;
mod cpio;
mod create;
mod damage;
mod disk;
mod documents;
mod elf;
mod front;
mod gdb;
mod golden;
mod host;
mod hunt;
mod image;
mod judge;
mod layers;
mod paths;
#[cfg(test)]
mod provision;
mod qemu;
mod root;
mod run;
mod suite;
mod symbols;
mod task;
mod test;
mod volume;

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = cli::parse();
    let outcome = match command {
        cli::Command::Run(options) => run::run(&options),
        cli::Command::Root(options) => root::run(&options),
        cli::Command::Test(options) => test::run(&options),
        cli::Command::Bench(options) => bench::run(&options),
        cli::Command::Fuzz(options) => hunt::fuzz(&options),
        cli::Command::Miri(options) => hunt::miri(&options),
        cli::Command::Check => check::run(),
        cli::Command::Gdb(options) => gdb::run(&options),
        cli::Command::Golden(options) => golden::record(&options),
        cli::Command::New(options) => create::run(&options),
        cli::Command::Image(options) => image::write(&options),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("tessera: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Exit status of this program when it, and not the task, failed.
const FAILED: u8 = 125;
