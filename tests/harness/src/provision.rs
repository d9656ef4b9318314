//! Tests of `tools/provision`: what a user is told whose machine does not serve.
//!
//! The script is sourced by a shell whose PATH holds nothing but a few tools of the system and stand-ins.

use crate::paths;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

/// Programs that the script itself needs.
const TOOLS: [&str; 10] = ["bash", "grep", "head", "sort", "awk", "id", "mkdir", "dirname", "tail", "cat"];

/// A machine with these stand-ins: programs that print one line.
fn machine(name: &str, stand_ins: &[(&str, &str)]) -> PathBuf {
    let folder = paths::target().canonicalize().expect("is there").join("tessera/provision").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("can be made");
    for tool in TOOLS {
        let there = ["/usr/bin", "/bin"].map(|dir| PathBuf::from(dir).join(tool));
        let found = there.iter().find(|path| path.exists()).expect("is in every system");
        symlink(found, folder.join(tool)).expect("can be made");
    }
    for (program, says) in stand_ins {
        let path = folder.join(program);
        fs::write(&path, format!("#!/bin/bash\necho '{says}'\n")).expect("can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("can be set");
    }
    folder
}

/// Sources the script on such a machine, where nothing can be installed, and runs `call`. What it says.
fn provision(name: &str, stand_ins: &[(&str, &str)], is_debian: bool, call: &str) -> String {
    let folder = machine(name, stand_ins);
    let script = format!(
        "set -eu; here=$TOP; . $TOP/tools/provision; depends=(); is_debian_12() {{ {is_debian}; }}; may_install() {{ false; }}; {call}"
    );
    let mut command = Command::new(folder.join("bash"));
    command.args(["-c", &script]).env_clear().env("PATH", &folder).env("HOME", &folder);
    command.env("TOP", paths::project().canonicalize().expect("is there"));
    let output = command.output().expect("runs");
    assert!(!output.status.success(), "it must fail: {output:?}");
    String::from_utf8(output.stderr).expect("is text")
}

#[test]
fn an_old_compiler_is_told_which_version_is_needed() {
    let old = [("rustc", "rustc 1.70.0 (x)"), ("cargo", "cargo 1.70.0"), ("rustup", "rustup 1.26.0")];
    let said = provision("old-rustup", &old, false, "need_rust");
    assert_eq!(said, "justw: Rust 1.70.0 is too old: 1.88 or newer is needed (rustup update stable)\n");
    let old = [("rustc", "rustc 1.87.0"), ("cargo", "cargo 1.87.0"), ("cc", "cc 12")];
    let said = provision("old", &old, false, "provision");
    assert!(said.contains("Rust 1.88 or newer, with the targets aarch64-unknown-none"), "{said}");
}

#[test]
fn elsewhere_than_on_debian_12_the_exact_list_is_printed() {
    let said = provision("bare", &[], false, "provision");
    assert!(said.starts_with("justw: only Debian 12 is set up by itself. Please install:\n"), "{said}");
    for wanted in [
        "(cc)",
        "qemu-system-aarch64, version 9 or newer",
        "Rust 1.88",
        "(dosfstools and mtools)",
        "just, version 1.19 or newer",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("gdb"), "{said}");
    let said = provision("bare-gdb", &[], false, "provision debugger");
    assert!(said.contains("gdb-multiarch"), "{said}");
}

#[test]
fn on_debian_without_root_the_reason_is_said() {
    let said = provision("no-root", &[], true, "provision");
    assert!(said.starts_with("justw: neither root nor sudo, so nothing can be installed here. Missing:\n"), "{said}");
}

#[test]
fn an_old_qemu_is_not_taken() {
    let old = [("qemu-system-aarch64", "QEMU emulator version 7.2.1"), ("cc", "cc 12")];
    let said = provision("old-qemu", &old, false, "provision");
    assert!(said.contains("qemu-system-aarch64, version 9 or newer"), "{said}");
}

/// Sources the script in that folder's PATH, and has it provide unless it has. Whether it did.
fn provides(folder: &std::path::Path) -> bool {
    let script = "set -eu; here=$TOP; . $TOP/tools/provision
        provision() { echo provided; depends=(\"$TOP/found\"); }
        provision_unless_done run";
    let mut command = Command::new(folder.join("bash"));
    command.args(["-c", script]).env_clear().env("PATH", folder).env("HOME", folder).env("TESSERA_CACHE", folder);
    // The place of what is found, too: it may change.
    command.env("TOP", folder);
    let output = command.output().expect("runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output.stdout == b"provided\n"
}

#[test]
fn a_second_run_looks_at_times_and_starts_nothing_else() {
    let folder = machine("second-run", &[("cargo", "")]);
    for tool in ["stat", "flock", "mv"] {
        let there = ["/usr/bin", "/bin"].map(|dir| PathBuf::from(dir).join(tool));
        symlink(there.iter().find(|path| path.exists()).expect("is in every system"), folder.join(tool))
            .expect("can be made");
    }
    fs::create_dir(folder.join("tools")).expect("can be made");
    fs::copy(paths::in_project("tools/provision"), folder.join("tools/provision")).expect("can be copied");
    fs::write(folder.join("found"), "").expect("can be written");
    assert!(provides(&folder), "nothing was found yet");
    // What is not there cannot be started.
    for tool in TOOLS.iter().filter(|tool| **tool != "bash").chain(&["flock", "mv"]) {
        fs::rename(folder.join(tool), folder.join(format!("no-{tool}"))).expect("can be moved");
    }
    assert!(!provides(&folder), "all is as it was found");
    for tool in TOOLS.iter().filter(|tool| **tool != "bash").chain(&["flock", "mv"]) {
        fs::rename(folder.join(format!("no-{tool}")), folder.join(tool)).expect("can be moved");
    }
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::open(folder.join("found")).and_then(|file| file.set_modified(old)).expect("can be set");
    assert!(provides(&folder), "something that was found has changed");
}
