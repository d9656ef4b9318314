//! `test`: everything that can be judged, and the count.
//!
//! Host tests first, then the machines, as many at a time as this computer has processors. Whatever goes
//! wrong on the way, a build included, becomes a failed test with a name; the run goes on.

use crate::board::Board;
use crate::cli::{Ring, TestArgs};
use crate::disk::Traffic;
use crate::image::{Base, Configuration};
use crate::judge::{self, Case};
use crate::qemu::{self, Console, Outcome};
use crate::run::Watch;
use crate::suite::{self, Image, Machine, Suite};
use crate::task::{self, System, Task, Then};
use crate::{FAILED, bench, broken, cargo, documents, front, host};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the tests of the rings that the arguments name; the last line says `N passed, N failed`.
pub(crate) fn run(arguments: &TestArgs) -> Result<u8> {
    let mut score = Score::default();
    let filter = &arguments.filter;
    if arguments.ring != Some(Ring::Machine) {
        let started = Instant::now();
        match host::run(filter) {
            Ok(cases) => score.host(&cases, started.elapsed()),
            Err(error) => score.one(&Case::failed("host", format!("{error:#}")), None),
        }
    }
    if arguments.ring != Some(Ring::Host) {
        match suite::load(filter) {
            Ok(mut suites) => {
                if let Some(machine) = &arguments.on {
                    suites.iter_mut().for_each(|suite| suite.on = vec![machine.name.clone()]);
                }
                machines(&suites, &mut score);
            }
            Err(error) => score.one(&Case::failed("suites", format!("{error:#}")), None),
        }
        for (name, run) in [
            ("boot.broken", broken::run as fn(&str) -> _),
            ("front", front::run),
            ("docs", documents::run),
            ("bench", bench::test::run),
        ] {
            match run(filter) {
                Ok(cases) => cases.iter().for_each(|case| score.one(case, None)),
                Err(error) => score.one(&Case::failed(name, format!("{error:#}")), None),
            }
        }
    }
    if score.passed + score.failed == 0 {
        eprintln!("tessera: no test's name holds `{filter}`");
    }
    println!("{} passed, {} failed", score.passed, score.failed);
    Ok(if score.failed == 0 && score.passed > 0 { 0 } else { FAILED })
}

/// The count so far.
#[derive(Default)]
struct Score {
    passed: usize,
    failed: usize,
}

impl Score {
    fn count(&mut self, case: &Case) {
        if case.failure.is_none() {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Counts a case and prints it.
    fn one(&mut self, case: &Case, time: Option<Duration>) {
        self.count(case);
        let time = time.map(|t| format!(" ({:.1} s)", t.as_secs_f64())).unwrap_or_default();
        match &case.failure {
            None => println!("pass {}{time}", case.name),
            Some(why) => println!("FAIL {}{time}: {why}", case.name),
        }
    }

    /// Counts the host tests; there are too many to print each.
    fn host(&mut self, cases: &[Case], time: Duration) {
        cases.iter().filter(|c| c.failure.is_some()).for_each(|c| self.one(c, None));
        let passed = cases.iter().filter(|c| c.failure.is_none()).count();
        self.passed += passed;
        println!("pass host tests: {passed} ({:.1} s)", time.as_secs_f64());
    }
}

/// One image on one machine.
struct Job {
    name: String,
    suite: Suite,
    machine: Machine,
    image: PathBuf,
}

/// What came of a job.
struct Judged {
    cases: Vec<Case>,
    time: Duration,
    /// What the disks moved, if that was looked at; and when something failed, the last lines of log and console, each marked
    /// with where it was.
    notes: Vec<String>,
}

/// Builds the images and runs every machine.
fn machines(suites: &[Suite], score: &mut Score) {
    if suites.is_empty() {
        return;
    }
    let mut jobs = Vec::new();
    match Images::build(suites) {
        Ok(images) => {
            for suite in suites {
                match images.jobs(suite) {
                    Ok(mut new) => jobs.append(&mut new),
                    Err(error) => score.one(&Case::failed(&suite.name, format!("{error:#}")), None),
                }
            }
        }
        Err(error) => {
            // Nothing can boot: each suite is a failure with this reason.
            for suite in suites {
                score.one(&Case::failed(&suite.name, format!("{error:#}")), None);
            }
        }
    }
    jobs.reverse();
    let queue = Mutex::new(jobs);
    let (results, done) = channel();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let results = results.clone();
            scope.spawn(|| work(&queue, results));
        }
        drop(results);
        for judged in done {
            for case in &judged.cases {
                score.one(case, Some(judged.time));
            }
            judged.notes.iter().for_each(|line| println!("  {line}"));
        }
    });
}

/// Runs jobs until there are none left.
fn work(queue: &Mutex<Vec<Job>>, results: Sender<Judged>) {
    loop {
        let next = queue.lock().ok().and_then(|mut jobs| jobs.pop());
        let Some(job) = next else { return };
        let judged = boot(&job).unwrap_or_else(|error| Judged {
            cases: vec![Case::failed(&job.name, format!("{error:#}"))],
            time: Duration::ZERO,
            notes: Vec::new(),
        });
        if results.send(judged).is_err() {
            return;
        }
    }
}

/// Boots one machine and judges it.
fn boot(job: &Job) -> Result<Judged> {
    let board = Board::load(&job.machine.board)?;
    let mut options = job.machine.options.clone();
    options.count_instructions = job.suite.counted.then_some(qemu::Shift::TEST);
    let suite = &job.suite;
    let disks = [
        (&suite.disk, "disk", &mut options.tested, &mut options.tested_faults),
        (&suite.paging, "paging", &mut options.disk, &mut options.disk_faults),
    ];
    for (disk, role, image, faults) in disks {
        if let Some(disk) = disk {
            let made = disk.make(&format!("{} {role}", job.name))?;
            *faults = disk.faults();
            options.trace = options.trace.or_else(|| disk.trace(&made));
            *image = Some(made);
        }
    }
    if suite.paging.as_ref().is_some_and(|disk| disk.twin) {
        options.tested.clone_from(&options.disk);
    }
    let volume = match &job.suite.volume {
        Some(volume) => Some((volume, volume.make(&job.name)?)),
        None => None,
    };
    if let Some((volume, image)) = &volume {
        let place = if volume.partition { &mut options.disk } else { &mut options.volume };
        *place = Some(image.clone());
        if volume.partition {
            options.disk_faults = volume.faults(image)?;
        }
    }
    let command = qemu::command(&board, &options, &job.image)?;
    let mut watch = Watch::new(false);
    let limit = Duration::from_secs(job.suite.seconds);
    let console = match job.suite.dialog.as_slice() {
        [] => Console::Typed(&job.suite.input),
        steps => Console::Dialog(steps),
    };
    let outcome = qemu::run(command, console, Some(limit), |line| watch.see(line))?;
    let mut cases = judge::judge(&job.name, &job.suite, &watch, &outcome)?;
    let mut notes = Vec::new();
    let disks = [(&suite.disk, "disk", &options.tested), (&suite.paging, "paging area", &options.disk)];
    for (disk, role, image) in disks {
        if let (Some(disk), Some(image)) = (disk, image) {
            let name = format!("{}: the {role} afterwards", job.name);
            let failure = disk.check(image).err().map(|error| format!("{error:#}"));
            cases.push(Case { name, failure });
            if let Some(trace) = disk.trace(image) {
                let traffic = Traffic::load(&trace)?;
                let failure = disk.check_traffic(traffic).err().map(|error| format!("{error:#}"));
                let name = format!("{}: what the {role} was asked to move", job.name);
                cases.push(Case { name, failure });
                notes.push(format!("{role}: {traffic}"));
                fs::remove_file(trace)?;
            }
        }
    }
    if let Some((volume, image)) = &volume {
        let name = format!("{}: the volume afterwards", job.name);
        let failure = volume.check(image, &String::from_utf8_lossy(&outcome.console)).err();
        cases.push(Case { name, failure: failure.map(|error| format!("{error:#}")) });
    }
    let failed = cases.iter().any(|c| c.failure.is_some());
    if failed {
        notes.extend(tail(&outcome));
    }
    Ok(Judged { cases, time: outcome.time, notes })
}

/// Lines of the log, and lines of the console, that are shown of a run that failed.
const TAIL: usize = 30;

/// The last lines of both serial lines: what the system said, then what the task said.
fn tail(outcome: &Outcome) -> Vec<String> {
    fn last(mark: &str, lines: &[&str]) -> Vec<String> {
        lines[lines.len().saturating_sub(TAIL)..].iter().map(|line| format!("{mark} | {line}")).collect()
    }
    let log: Vec<&str> = outcome.log.iter().map(String::as_str).collect();
    let console = String::from_utf8_lossy(&outcome.console);
    [last("log", &log), last("console", &console.lines().collect::<Vec<_>>())].concat()
}

/// Everything that the suites boot, built with as few calls of cargo as there are targets.
struct Images {
    base: Base,
    /// With the kernel that has no debug calls, if any suite wants it.
    release: Option<Base>,
    /// Tessera's root with servers and all tasks, if any suite needs it.
    system: Option<System>,
    roots: BTreeMap<String, Vec<u8>>,
    /// Those for the kernel without debug calls.
    release_roots: BTreeMap<String, Vec<u8>>,
}

impl Images {
    fn build(suites: &[Suite]) -> Result<Self> {
        let (mut tasks, mut roots, mut release_roots) = (Vec::new(), Vec::new(), Vec::new());
        for suite in suites {
            tasks.extend(suite.server.clone().map(Task::Package));
            match suite.image()? {
                Image::Example(name) => tasks.push(Task::Example(name)),
                Image::Task(name) => tasks.push(Task::Package(name)),
                Image::Root(name) if suite.release => release_roots.push(name),
                Image::Root(name) => roots.push(name),
                Image::Shell => {
                    tasks.extend(task::examples()?.into_iter().map(Task::Example));
                    tasks.extend(suite.with.iter().cloned().map(Task::Package));
                }
                Image::Nothing => {}
            }
        }
        tasks.sort();
        tasks.dedup();
        let system = if tasks.is_empty() { None } else { Some(System::build(&tasks)?) };
        // Those without debug calls first: what stays in the folders of products is of the usual configuration.
        let release_roots = packages(release_roots, Configuration::Release)?;
        let has_release = suites.iter().any(|suite| suite.release);
        let release = if has_release { Some(Base::build_in(Configuration::Release)?) } else { None };
        let roots = packages(roots, Configuration::Debug)?;
        Ok(Self { base: Base::build()?, release, system, roots, release_roots })
    }

    /// The runs of one suite, with its image written.
    fn jobs(&self, suite: &Suite) -> Result<Vec<Job>> {
        let (base, roots) = match &self.release {
            Some(base) if suite.release => (base, &self.release_roots),
            _ => (&self.base, &self.roots),
        };
        let root = match suite.image()? {
            Image::Example(name) | Image::Task(name) => {
                let Some(system) = &self.system else { bail!("the system was not built") };
                system.root_with(Some((&name, &suite.arguments)), Then::Semihosting, suite.parts())?
            }
            Image::Shell => {
                let Some(system) = &self.system else { bail!("the system was not built") };
                system.root(None, Then::Shell)?
            }
            Image::Nothing => base.kernel().to_vec(),
            Image::Root(name) => roots.get(&name).with_context(|| format!("no {name} was built"))?.clone(),
        };
        let image = base.compose_with(&root, &suite.name, suite.damage)?;
        let jobs = suite.on.iter().map(|on| {
            let name = if suite.on.len() > 1 { format!("{} on {on}", suite.name) } else { suite.name.clone() };
            Ok(Job { name, suite: suite.clone(), machine: on.parse()?, image: image.clone() })
        });
        jobs.collect()
    }
}

/// The ELF files of packages that are root tasks, by name.
fn packages(mut names: Vec<String>, configuration: Configuration) -> Result<BTreeMap<String, Vec<u8>>> {
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let build = names.iter().fold(cargo::Build::release(cargo::USER), |build, name| build.package(name));
    let built = configuration.of(build).run()?;
    built.into_iter().map(|(name, path)| Ok((name, fs::read(path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::End;

    #[test]
    fn both_serial_lines_are_shown_of_a_run_that_failed() {
        let lines = |name: &str, count: usize| (1..=count).map(|number| format!("{name} {number}")).collect::<Vec<_>>();
        let console = lines("said", 2).join("\r\n").into_bytes();
        let outcome = Outcome { end: End::Exit(1), log: lines("line", 40), console, time: Duration::ZERO };
        let tail = tail(&outcome);
        assert_eq!(tail.len(), TAIL + 2, "no more of each than is said");
        assert_eq!(tail.first().map(String::as_str), Some("log | line 11"));
        assert_eq!(tail.get(TAIL - 1..).unwrap_or_default(), ["log | line 40", "console | said 1", "console | said 2"]);
    }
}
