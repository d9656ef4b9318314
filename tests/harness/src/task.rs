//! What a user may name as a task, and the image that runs it.

use crate::cargo::{self, Build, Executables};
use crate::cpio::Archive;
use crate::{elf, paths};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// What runs on every boot: root itself, the two programs it starts by hand, and the servers it starts as
/// tasks, in that order.
const ROOT: &str = "root";
const MACH: &str = "mach";
const KERNEL_SIDE: [&str; 2] = [MACH, "ticker"];
const SERVERS: [&str; 4] = ["console", "block", "default-pager", "file-pager"];
/// Servers that are started only if something is there, and what that is.
const CONDITIONS: [(&str, &str); 2] = [("default-pager", "block"), ("file-pager", "volume")];
/// Servers that are started again when they have ended.
const AGAIN: [&str; 2] = ["default-pager", "file-pager"];
/// What the system's own programs have beyond others.
const GRANTS: [(&str, &str); 5] = [
    ("host", "block"),
    ("host", "default-pager"),
    ("disks", "default-pager"),
    ("disks", "file-pager"),
    ("host", SHELL),
];
/// What runs when there is no task.
const SHELL: &str = "shell";

/// `mov x0, #0x120; str x0, [x0]`: a write to the first page, where no program has memory.
const WRITE_TO_NOWHERE: [u32; 2] = [0xd280_2400, 0xf900_0000];

/// What a user named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// An example of libmach.
    Example(String),
    /// A package of this workspace.
    Package(String),
    /// A Cargo package anywhere.
    Folder(PathBuf),
    /// A program that is already built.
    Elf(PathBuf),
}

/// A task that can be packed.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) elf: Vec<u8>,
}

/// What root does when its task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Ends QEMU with the task's status.
    Semihosting,
    /// Stops the processor, as on a board.
    Halt,
    /// There is no task: the shell runs the programs of the archive.
    Shell,
}

impl Task {
    /// Finds what `name` means: an example first, then a folder or a file.
    pub(crate) fn find(name: &str) -> Result<Self> {
        if examples()?.iter().any(|e| e == name) {
            return Ok(Self::Example(name.to_owned()));
        }
        let path = Path::new(name);
        if path.join("Cargo.toml").is_file() {
            return Ok(Self::Folder(path.canonicalize()?));
        }
        if path.is_file() {
            return Ok(Self::Elf(path.to_owned()));
        }
        if path.is_dir() {
            bail!("{name} is a folder without a Cargo.toml");
        }
        let examples = examples()?;
        let meant = nearest(name, &examples).map(|near| format!(". Is it `{near}`?")).unwrap_or_default();
        bail!(
            "there is no task `{name}`: it is no file, no folder and none of the examples {}{meant}",
            examples.join(", ")
        )
    }
}

/// The examples of libmach.
pub(crate) fn examples() -> Result<Vec<String>> {
    let mut names = Vec::new();
    let folder = paths::in_project("libmach/examples");
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "rs") {
                names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The name that is nearest to `name`, if one is near: at most a third of it is another.
fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a String> {
    let near = names.iter().map(|other| (strsim::damerau_levenshtein(name, other), other));
    near.filter(|(distance, _)| distance * 3 <= name.len()).min().map(|(_, other)| other)
}

/// What a system has for a test that others have not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts<'a> {
    /// A program that begins with a write to address 0x120.
    pub(crate) faulty: Option<&'a str>,
    /// One more server, which gets the privileged host port.
    pub(crate) server: Option<&'a str>,
    /// What the task has beyond others.
    pub(crate) grants: &'a [String],
}

/// The user land of an image, built.
pub(crate) struct System {
    executables: Executables,
    pub(crate) programs: Vec<Program>,
}

impl System {
    /// Builds root, the servers and these tasks.
    pub(crate) fn build(tasks: &[Task]) -> Result<Self> {
        let mut build = Build::release(cargo::USER).package(ROOT);
        for name in KERNEL_SIDE.iter().chain(&SERVERS).chain(&[SHELL]).filter(|name| **name != MACH) {
            build = build.package(name);
        }
        for task in tasks {
            build = match task {
                Task::Example(name) => build.example(name),
                Task::Package(name) => build.package(name),
                Task::Folder(_) | Task::Elf(_) => build,
            };
        }
        let mut executables = build.run()?;
        // Everybody calls it: without floating point, the kernel need not exchange those registers each time.
        executables.extend(Build::release(cargo::PRIVILEGED).in_user_mode().package(MACH).run()?);
        let programs = tasks.iter().map(|task| program(task, &executables)).collect::<Result<_>>()?;
        Ok(Self { executables, programs })
    }

    /// Root's ELF with an archive in it that starts the task of that name with these arguments.
    pub(crate) fn root(&self, task: Option<(&str, &[String])>, then: Then) -> Result<Vec<u8>> {
        self.root_with(task, then, Parts::default())
    }

    /// The same with other parts than usual.
    pub(crate) fn root_with(&self, task: Option<(&str, &[String])>, then: Then, parts: Parts<'_>) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for name in KERNEL_SIDE.iter().chain(&SERVERS) {
            let mut program = elf::strip(&self.executable(name)?)?;
            if parts.faulty == Some(name) {
                elf::set_first_instructions(&mut program, &WRITE_TO_NOWHERE)?;
            }
            archive.add(name, &program);
        }
        if then == Then::Shell {
            archive.add(SHELL, &elf::strip(&self.executable(SHELL)?)?);
        }
        for program in &self.programs {
            archive.add(&program.name, &elf::strip(&program.elf).with_context(|| program.name.clone())?);
        }
        archive.add("system", description(task.map(|(name, _)| name), then, parts).as_bytes());
        if let Some((_, arguments)) = task {
            archive.add("system/args", &arguments.iter().flat_map(|a| a.bytes().chain([0])).collect::<Vec<_>>());
        }
        elf::with_archive(&self.executable(ROOT)?, &archive.finish())
    }

    /// Root's ELF that runs the first task of this system, or starts the shell.
    pub(crate) fn only_task(&self, arguments: &[String], then: Then) -> Result<Vec<u8>> {
        let task = self.programs.first().filter(|_| then != Then::Shell);
        self.root(task.map(|program| (program.name.as_str(), arguments)), then)
    }

    fn executable(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.executables.get(name).with_context(|| format!("cargo built no `{name}`"))?;
        fs::read(path).with_context(|| path.display().to_string())
    }
}

/// The text of the archive's entry `system`: who may have what, one line per thing to start, then how to end.
fn description(task: Option<&str>, then: Then, parts: Parts<'_>) -> String {
    let mut text = String::new();
    for (what, name) in GRANTS.iter().filter(|(_, name)| then == Then::Shell || *name != SHELL) {
        text += &format!("grant {what} {name}\n");
    }
    for name in AGAIN {
        text += &format!("again {name}\n");
    }
    for name in SERVERS {
        text += &match CONDITIONS.iter().find(|(server, _)| *server == name) {
            Some((_, needed)) => format!("server {name} if {needed}\n"),
            None => format!("server {name}\n"),
        };
    }
    if let Some(name) = parts.server {
        text += &format!("grant host {name}\nserver {name}\n");
    }
    if let Some(name) = task {
        parts.grants.iter().for_each(|what| text += &format!("grant {what} {name}\n"));
        text += &format!("task {name}\n");
    }
    text + match then {
        Then::Semihosting => "exit semihosting\n",
        Then::Halt => "exit halt\n",
        Then::Shell => "exit shell\n",
    }
}

fn program(task: &Task, built: &Executables) -> Result<Program> {
    let (name, path) = match task {
        Task::Example(name) | Task::Package(name) => {
            (name.clone(), built.get(name).cloned().with_context(|| format!("cargo built no `{name}`"))?)
        }
        Task::Folder(folder) => only_binary(folder)?,
        Task::Elf(path) => (file_name(path), path.clone()),
    };
    if KERNEL_SIDE.iter().chain(&SERVERS).chain(&[SHELL]).any(|taken| *taken == name) || name == "system" {
        bail!("a task cannot be named {name}: that name is taken by the system");
    }
    let elf = fs::read(&path).with_context(|| path.display().to_string())?;
    elf::open(&elf).with_context(|| path.display().to_string())?;
    Ok(Program { name, elf })
}

/// Builds the package in a folder, which must make one program.
fn only_binary(folder: &Path) -> Result<(String, PathBuf)> {
    let products = paths::target().join("tasks");
    let mut built = Build::release(cargo::USER).folder(folder, &products).run()?;
    let wanted = file_name(folder);
    if built.len() > 1 && !built.contains_key(&wanted) {
        let names = built.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        bail!("{} makes several programs ({names}), and none is named {wanted}", folder.display());
    }
    let found = built.remove_entry(&wanted).or_else(|| built.pop_first());
    found.with_context(|| format!("{} makes no program", folder.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "task".into(), |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_servers_first() {
        const SYSTEM: &str =
            "grant host block\ngrant host default-pager\ngrant disks default-pager\ngrant disks file-pager\n";
        const SERVERS: &str = "again default-pager\nagain file-pager\nserver console\nserver block\nserver default-pager if block\nserver file-pager if volume\n";
        let parts = Parts { server: Some("pager"), grants: &["disks".into()], ..Parts::default() };
        assert_eq!(
            description(Some("hello"), Then::Semihosting, parts),
            format!(
                "{SYSTEM}{SERVERS}grant host pager\nserver pager\ngrant disks hello\ntask hello\nexit semihosting\n"
            )
        );
        assert_eq!(
            description(None, Then::Shell, Parts::default()),
            format!("{SYSTEM}grant host shell\n{SERVERS}exit shell\n")
        );
    }

    #[test]
    fn an_unknown_task_is_refused_with_the_choice() {
        let error = Task::find("no-such-task").expect_err("there is none").to_string();
        assert!(error.starts_with("there is no task `no-such-task`") && !error.contains('?'), "{error}");
        let error = Task::find("mapfiel").expect_err("there is none").to_string();
        assert!(error.ends_with(". Is it `mapfile`?"), "{error}");
    }

    #[test]
    fn a_folder_with_a_package_is_a_task() {
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(Task::find(here).expect("is a package"), Task::Folder(PathBuf::from(here)));
    }
}
