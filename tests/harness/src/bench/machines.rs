//! The machines that measure: their virtual time counts instructions, so nothing on this computer disturbs them.

use super::measured::Samples;
use crate::board::Board;
use crate::cargo;
use crate::image::Base;
use crate::paths;
use crate::qemu::{self, Console, End, Options, Outcome, Shift};
use crate::run::Watch;
use crate::task::{System, Task, Then};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::time::Duration;
use test_report::{Sample, sample::PREFIX};

/// The root task that measures the kernel, and the task that measures the Mach server.
const KERNEL: &str = "bench-kernel";
const MACH: &str = "bench-mach";
/// The operation that this side measures.
const PROMPT: &str = "boot.prompt";
/// What the task says when it is asked how late it is.
const NOW: &str = "boot.now";
/// How often the shell is booted.
const BOOTS: usize = 2;
/// How often that is tried at most, and how long each time: when a machine idles whose clock is not tied to real time,
/// QEMU may never read what is typed.
const TRIES: usize = 6;
const PATIENCE: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(200);
/// What the names of operations begin with that want a machine of their own, and what that has.
const PAGING: &str = "mach.page-";
const PAGING_RAM: &str = "128M";
const PAGING_AREA: u64 = 256 << 20;
const PAGING_LIMIT: Duration = Duration::from_secs(600);

/// Measures these operations, and perhaps more. A part that cannot be measured is said so, and its samples are missing.
pub(crate) fn measure(names: &[&str]) -> Result<Samples> {
    let of = |part: &str| names.iter().filter(|name| name.starts_with(part)).map(|name| (*name).to_owned()).collect();
    let (of_kernel, of_mach): (Vec<_>, Vec<String>) = (of("kernel."), of("mach."));
    let boots = names.contains(&PROMPT);
    let mut samples = Samples::new();
    let mut add = |part: &str, outcome: Result<Samples>| match outcome {
        Ok(more) => merge(&mut samples, more),
        Err(error) => eprintln!("tessera: {part}: {error:#}"),
    };
    let base = Base::build()?;
    if !of_kernel.is_empty() {
        add("the kernel", kernel(&base));
    }
    if boots || !of_mach.is_empty() {
        let system = System::build(&[Task::Package(MACH.into())])?;
        let (of_paging, of_mach): (Vec<_>, Vec<_>) = of_mach.into_iter().partition(|name| name.starts_with(PAGING));
        if !of_mach.is_empty() {
            add("the Mach server", mach(&base, &system, &of_mach));
        }
        if !of_paging.is_empty() {
            add("paging", paging(&base, &system, &of_paging));
        }
        if boots {
            add("the prompt", prompts(&base, &system));
        }
    }
    Ok(samples)
}

fn mach(base: &Base, system: &System, names: &[String]) -> Result<Samples> {
    let root = system.only_task(names, Then::Semihosting)?;
    Ok(taken(&boot(&base.compose(&root, MACH)?, "", LIMIT)?))
}

/// On a machine with little memory and a disk for paging.
fn paging(base: &Base, system: &System, names: &[String]) -> Result<Samples> {
    let root = system.only_task(names, Then::Semihosting)?;
    let image = base.compose(&root, "bench-paging")?;
    let disk = paths::product(Path::new("disks").join("bench-paging.img"))?;
    fs::File::create(&disk)?.set_len(PAGING_AREA)?;
    let options = Options {
        ram: Some(PAGING_RAM.into()),
        disk: Some(disk.clone()),
        // While the machine waits for the disk its time passes no faster than the disk's.
        more: vec!["-icount".into(), format!("shift={}", Shift::MEASURE.0)],
        ..Options::default()
    };
    let outcome = boot_with(&options, &image, "", PAGING_LIMIT)?;
    fs::remove_file(disk)?;
    Ok(taken(&outcome))
}

/// Boots to the prompt, more than once.
fn prompts(base: &Base, system: &System) -> Result<Samples> {
    let image = base.compose(&system.root(None, Then::Shell)?, "bench-prompt")?;
    let mut costs = Vec::new();
    for left in (0..TRIES).rev() {
        match prompt(&image) {
            Ok(cost) => costs.push(cost),
            Err(error) if left == 0 => return Err(error),
            Err(_) => {}
        }
        if costs.len() == BOOTS {
            break;
        }
    }
    Ok(Samples::from([(PROMPT.to_owned(), costs)]))
}

/// One run of the image that measures the kernel.
pub(crate) fn kernel(base: &Base) -> Result<Samples> {
    let built = cargo::Build::release(cargo::USER).package(KERNEL).run()?;
    let root = fs::read(built.get(KERNEL).with_context(|| format!("cargo built no {KERNEL}"))?)?;
    Ok(taken(&boot(&base.compose(&root, KERNEL)?, "", LIMIT)?))
}

/// Instructions up to the prompt. A task that is asked for twice in a row says how late it is: from the one to the other
/// is what it costs to read a line and run it, and that goes off what the first says.
fn prompt(image: &Path) -> Result<f64> {
    let samples = taken(&boot(image, &format!("{MACH} now\n{MACH} now\nexit\n"), PATIENCE)?);
    match samples.get(NOW).map(Vec::as_slice) {
        Some([first, second]) => Ok(first - (second - first)),
        other => bail!("the shell ran the task {} times, and not twice", other.map_or(0, <[f64]>::len)),
    }
}

/// Boots an image on the board `virt` and waits for its end.
fn boot(image: &Path, typed: &str, limit: Duration) -> Result<Outcome> {
    let options = Options { count_instructions: Some(Shift::MEASURE), ..Options::default() };
    boot_with(&options, image, typed, limit)
}

fn boot_with(options: &Options, image: &Path, typed: &str, limit: Duration) -> Result<Outcome> {
    let command = qemu::command(&Board::load("virt")?, options, image)?;
    let mut watch = Watch::default();
    let outcome = qemu::run(command, Console::Typed(typed), Some(limit), |line| watch.see(line))?;
    match (&outcome.end, &watch.stopped) {
        (End::Exit(0), None) => Ok(outcome),
        (_, Some(why)) => bail!("{why}"),
        (End::Timeout(limit), None) => bail!("no end within {} s", limit.as_secs()),
        (end, None) => bail!("the machine ended: {end:?} {}", watch.last_word.unwrap_or_default()),
    }
}

/// The samples that a machine printed, on either line.
fn taken(outcome: &Outcome) -> Samples {
    let console = String::from_utf8_lossy(&outcome.console);
    let mut samples = Samples::new();
    let lines = outcome.log.iter().map(String::as_str).chain(console.lines());
    // A prompt may stand before what a task prints.
    let from_the_word_on = |line| str::find(line, PREFIX).and_then(|at| line.get(at..)).and_then(Sample::parse);
    for sample in lines.filter_map(from_the_word_on) {
        let cost = sample.instructions as f64 / sample.operations as f64;
        samples.entry(sample.name.to_owned()).or_default().push(cost);
    }
    samples
}

/// Puts the samples of `more` behind those of `all`.
pub(crate) fn merge(all: &mut Samples, more: Samples) {
    for (name, mut costs) in more {
        all.entry(name).or_default().append(&mut costs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_on_both_lines() {
        let outcome = Outcome {
            end: End::Exit(0),
            log: vec!["boot: x".into(), "BENCH a: 10 instructions in 4 operations".into()],
            console: b"prompt> BENCH b: 3 instructions in 1 operations\r\nBENCH a: 12 instructions in 4 operations\n"
                .to_vec(),
            time: Duration::ZERO,
        };
        let wanted = [("a".to_owned(), vec![2.5, 3.0]), ("b".to_owned(), vec![3.0])];
        assert_eq!(taken(&outcome), Samples::from(wanted));
    }
}
