//! The command line.

use crate::board::Board;
use crate::qemu::{Level, Options, Shift};
use crate::suite::Machine;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Builds Tessera, boots it in QEMU, judges what it prints.
#[derive(Parser)]
#[command(name = "tessera", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The verbs.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Boot to the shell, or run one task and exit with its status
    Run(RunArgs),
    /// Boot any seL4 root task directly on the kernel
    Root(RootArgs),
    /// Run the tests; the last line says `N passed, N failed`
    Test(TestArgs),
    /// Count the instructions of operations, beside what they cost on seL4 and Linux
    Bench(BenchArgs),
    /// Write down what the kernel's cases see on the kernel that TESSERA_KERNEL names
    Golden(GoldenArgs),
    /// Feed the kernel random bytes as system calls, guided by what they reach
    Fuzz(FuzzArgs),
    /// Run the kernel's host tests in Miri, where the toolchain has it
    Miri(MiriArgs),
    /// Check form, lints, documentation and the direction of dependency
    Check,
    /// Run a task, or the shell, under a debugger
    Gdb(RunArgs),
    /// Make a task of your own from a template
    New(NewArgs),
    /// Write the bootable image, kernel8.img
    Image(ImageArgs),
}

/// What `run` takes.
#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Example of libmach by name, Cargo package by folder, or ELF file; none starts the shell
    pub(crate) task: Option<String>,
    /// Arguments of the task; write `--` before one that looks like an option of this command
    #[arg(allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// What `new` takes.
#[derive(Args)]
pub(crate) struct NewArgs {
    /// Name of the task, or a folder that ends in it
    pub(crate) folder: PathBuf,
}

/// What `root` takes.
#[derive(Args)]
pub(crate) struct RootArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// ELF file of a root task for AArch64
    pub(crate) elf: PathBuf,
}

/// What `test` takes.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Only the tests that run here, or only those that boot a machine
    #[arg(long, value_enum)]
    pub(crate) ring: Option<Ring>,
    /// Machine for the suites in place of their own, as in tests/suites.toml: "virt cpu=max gic=3 ram=2G"
    #[arg(long, value_name = "MACHINE")]
    pub(crate) on: Option<Machine>,
    /// Only tests and suites whose name holds this
    #[arg(default_value = "")]
    pub(crate) filter: String,
}

/// What `bench` takes.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Also write the figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also draw them into this file as SVG
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Also put them into the table of a page like docs/bench.md
    #[arg(long, value_name = "FILE.md")]
    pub(crate) update: Option<PathBuf>,
    /// Only operations whose name holds this
    #[arg(default_value = "")]
    pub(crate) filter: String,
}

/// What `golden` takes.
#[derive(Args)]
pub(crate) struct GoldenArgs {
    /// Version and configuration of that kernel, as the files shall say them
    #[arg(long, value_name = "TEXT")]
    pub(crate) from: String,
    /// Only suites whose name holds this
    #[arg(default_value = "")]
    pub(crate) filter: String,
}

/// What `fuzz` takes.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// For how long
    #[arg(default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Repeat this input instead: a file of kernel/fuzz/artifacts
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

/// What `miri` takes.
#[derive(Args)]
pub(crate) struct MiriArgs {
    /// Only tests whose name holds this
    #[arg(default_value = "")]
    pub(crate) filter: String,
}

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    Host,
    Machine,
}

/// What `image` takes.
#[derive(Args)]
pub(crate) struct ImageArgs {
    /// Where to write it
    #[arg(short, long, default_value = "kernel8.img")]
    pub(crate) output: PathBuf,
    /// Root task to carry in place of Tessera's own
    #[arg(long)]
    pub(crate) root: Option<PathBuf>,
    /// Task that root is to run
    pub(crate) task: Option<String>,
    /// Arguments of the task
    #[arg(allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// The machine to boot on, and for how long.
#[derive(Args)]
pub(crate) struct MachineArgs {
    /// Memory, as in 256M or 2G; without it, as much as the board file says
    #[arg(long, value_name = "SIZE", value_parser = ram)]
    pub(crate) ram: Option<String>,
    /// Disk image to attach: a paging area, or partitions with one and a volume
    #[arg(long, value_name = "FILE")]
    pub(crate) disk: Option<PathBuf>,
    /// Disk image to attach: a FAT volume, whose files tasks can open
    #[arg(long, value_name = "FILE")]
    pub(crate) volume: Option<PathBuf>,
    /// Seconds after which the run has failed; without it there is no limit
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Board, a file of board-configs
    #[arg(long, value_name = "NAME", default_value = "virt")]
    pub(crate) board: String,
    /// Processor, in QEMU's notation, such as cortex-a53 or max; without it, the board file's
    #[arg(long, value_name = "NAME")]
    pub(crate) cpu: Option<String>,
    /// Version of the interrupt controller
    #[arg(long, value_name = "2|3", value_parser = clap::value_parser!(u8).range(2..=3))]
    pub(crate) gic: Option<u8>,
    /// Exception level the machine starts at
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) el: Option<u8>,
    /// Let virtual time count instructions (4 ns each), so that this computer's load does not disturb timing
    #[arg(long)]
    pub(crate) counted: bool,
    /// Show the log of boot, kernel and servers
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl MachineArgs {
    /// Checks what can be said before anything is built: the board and the images are there.
    pub(crate) fn check(&self) -> Result<(), anyhow::Error> {
        Board::load(&self.board)?;
        let advice = [
            (&self.disk, "truncate -s 256M", "", "a disk to page to"),
            (&self.volume, "mkfs.fat -C -F 16", " 20480", "an empty volume"),
        ];
        for (file, command, size, what) in advice {
            if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
                let file = file.display();
                anyhow::bail!("{file} is no file; `{command} {file}{size}` makes {what}");
            }
        }
        Ok(())
    }

    /// The same for QEMU.
    pub(crate) fn options(&self) -> Options {
        Options {
            ram: self.ram.clone(),
            cpu: self.cpu.clone(),
            gic: self.gic,
            level: self.el.map(|el| if el == 2 { Level::El2 } else { Level::El1 }),
            disk: self.disk.clone(),
            volume: self.volume.clone(),
            count_instructions: self.counted.then_some(Shift::TEST),
            ..Options::default()
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(s) if s > 0.0 && s < 1e9 => Ok(Duration::from_secs_f64(s)),
        _ => Err("a number of seconds above 0 is needed".into()),
    }
}

fn ram(text: &str) -> Result<String, String> {
    let upper = text.to_uppercase();
    let digits = upper.trim_end_matches('B').trim_end_matches(['M', 'G', 'I']);
    let unit = if upper.contains('G') { "G" } else { "M" };
    match digits.parse::<u64>() {
        Ok(number) if number > 0 => Ok(format!("{number}{unit}")),
        _ => Err("a size such as 256M or 2G is needed".into()),
    }
}

/// Reads this process's command line.
pub(crate) fn parse() -> Command {
    Cli::parse_from(ordered(std::env::args_os().collect())).command
}

/// Puts options in front, so that `run hello --ram 1G a` is `run --ram 1G -- hello a`.
///
/// After the task's name only options that this program knows are its own; everything else, and all that
/// follows `--`, belongs to the task.
fn ordered(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut cli = Cli::command();
    cli.build();
    let Some(verb) = arguments.get(1).and_then(|v| cli.find_subcommand(v)) else { return arguments };
    let mut rest = arguments.iter().skip(2);
    let (mut options, mut others) = (Vec::new(), Vec::new());
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            others.extend(rest.cloned());
            break;
        }
        let (name, inline) = text.split_once('=').map_or((&*text, false), |(name, _)| (name, true));
        let known = verb.get_arguments().find(|a| {
            let long = a.get_long().is_some_and(|l| name.strip_prefix("--") == Some(l));
            long || a.get_short().is_some_and(|s| name.strip_prefix('-').is_some_and(|n| n.chars().eq([s])))
        });
        match known {
            Some(option) => {
                options.push(argument.clone());
                if option.get_action().takes_values() && !inline {
                    options.extend(rest.next().cloned());
                }
            }
            None if text.starts_with('-') && text.len() > 1 && others.is_empty() => options.push(argument.clone()),
            None => others.push(argument.clone()),
        }
    }
    let mut all: Vec<_> = arguments.iter().take(2).cloned().collect();
    all.append(&mut options);
    all.push("--".into());
    all.append(&mut others);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> RunArgs {
        let words = line.split_whitespace().map(OsString::from).collect();
        match Cli::try_parse_from(ordered(words)).map_err(|e| e.to_string()).expect(line).command {
            Command::Run(arguments) => arguments,
            _ => unreachable!("only `run` lines are tested"),
        }
    }

    #[test]
    fn options_may_stand_before_and_after_the_task() {
        let before = run("tessera run --ram 128M -v hello a b");
        let after = run("tessera run hello a --ram=128M b -v");
        for args in [before, after] {
            assert_eq!(args.task.as_deref(), Some("hello"));
            assert_eq!(args.arguments, ["a", "b"]);
            assert_eq!(args.machine.ram.as_deref(), Some("128M"));
            assert!(args.machine.verbose);
        }
    }

    #[test]
    fn what_this_program_does_not_know_is_the_tasks() {
        assert_eq!(run("tessera run args --size 3 -x").arguments, ["--size", "3", "-x"]);
        let args = run("tessera run args -- -v --ram 1G");
        assert_eq!(args.arguments, ["-v", "--ram", "1G"]);
        assert!(!args.machine.verbose);
    }

    #[test]
    fn no_task_is_the_shell() {
        assert_eq!(run("tessera run --timeout 2.5").task, None);
    }

    #[test]
    fn an_unknown_option_before_the_task_is_refused() {
        let words = ["tessera", "run", "--rma", "1G", "hello"].map(OsString::from).to_vec();
        assert!(Cli::try_parse_from(ordered(words)).is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(ram("512M").as_deref(), Ok("512M"));
        assert_eq!(ram("2GiB").as_deref(), Ok("2G"));
        assert_eq!(ram("1024").as_deref(), Ok("1024M"));
        assert!(ram("lots").is_err());
        assert!(ram("0").is_err());
    }
}
