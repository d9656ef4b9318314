//! The one direction of dependency: `tools/layers.toml` against the sources.
//!
//! Between crates the manifests are read; inside the kernel every `crate::MODULE` in a file that is not a
//! test. What the table does not allow is named with its place.

use crate::paths;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    crates: BTreeMap<String, Vec<String>>,
    kernel: Modules,
}

/// The order of modules inside a crate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Modules {
    source: PathBuf,
    order: Vec<Vec<String>>,
    common: Vec<String>,
    upward: Vec<Upward>,
}

/// One use that goes upwards and may.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Upward {
    /// Module that uses, as in `cap::delete`; its children are meant too.
    from: String,
    /// Module that is used.
    to: String,
    /// Why it must.
    #[serde(rename = "why")]
    _why: String,
}

/// Everything in the project that points in the wrong direction.
pub(crate) fn violations() -> Result<Vec<String>> {
    let text = fs::read_to_string(paths::in_project("tools/layers.toml"))?;
    let table: Table = toml::from_str(&text).context("tools/layers.toml")?;
    let mut found = between_crates(&table.crates)?;
    let source = paths::in_project(&table.kernel.source);
    let mut used = BTreeSet::new();
    for file in rust_files(&source)? {
        let module = module_of(file.strip_prefix(&source)?);
        let text = fs::read_to_string(&file)?;
        let place = file.strip_prefix(paths::project()).unwrap_or(&file).display().to_string();
        found.extend(
            table.kernel.check(&module, &text, &mut used).iter().map(|(line, why)| format!("{place}:{line}: {why}")),
        );
    }
    let idle = (0..table.kernel.upward.len()).filter(|at| !used.contains(at));
    found.extend(
        idle.filter_map(|at| table.kernel.upward.get(at))
            .map(|u| format!("tools/layers.toml: nobody uses the permission {} -> {}", u.from, u.to)),
    );
    Ok(found)
}

/// Uses between crates of the workspace that the table does not allow.
fn between_crates(allowed: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>> {
    let workspace = manifest(&paths::in_project("Cargo.toml"))?;
    let members = workspace.get("workspace").and_then(|w| w.get("members")).and_then(toml::Value::as_array);
    let mut manifests = BTreeMap::new();
    for member in members.context("the workspace has no members")?.iter().filter_map(toml::Value::as_str) {
        let manifest = manifest(&paths::in_project(member).join("Cargo.toml"))?;
        let name = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
        manifests.insert(name.with_context(|| format!("{member} has no name"))?.to_owned(), manifest);
    }
    let mut found = Vec::new();
    for (name, manifest) in &manifests {
        let Some(allowed) = allowed.get(name) else {
            found.push(format!("{name}: tools/layers.toml does not say what this crate may use"));
            continue;
        };
        let tables = ["dependencies", "build-dependencies"].iter().filter_map(|t| manifest.get(*t)?.as_table());
        for used in tables.flat_map(|t| t.keys()).filter(|used| manifests.contains_key(*used)) {
            if !allowed.contains(used) {
                found.push(format!("{name}: uses {used}, which it may not"));
            }
        }
    }
    Ok(found)
}

fn manifest(path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

impl Modules {
    /// Uses in one file that go upwards without permission, by line; notes which permissions were needed.
    fn check(&self, module: &str, text: &str, used: &mut BTreeSet<usize>) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let top = module.split("::").next().unwrap_or_default();
        let Some(here) = self.row(top) else {
            // The crate's own file ties the modules together; any other must have a place.
            if !module.is_empty() && !self.common.iter().any(|c| c == top) {
                found.push((1, format!("module `{top}` has no row in tools/layers.toml")));
            }
            return found;
        };
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            for target in uses(line) {
                let Some(there) = target.split("::").next().and_then(|t| self.row(t)) else { continue };
                if there <= here {
                    continue;
                }
                match self.upward.iter().position(|u| within(module, &u.from) && within(&target, &u.to)) {
                    Some(permission) => {
                        used.insert(permission);
                    }
                    None => found.push((number + 1, format!("{module} uses {target}, which is above it"))),
                }
            }
        }
        found
    }

    fn row(&self, module: &str) -> Option<usize> {
        self.order.iter().position(|row| row.iter().any(|m| m == module))
    }
}

/// Whether `module` is `outer` or inside it.
fn within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The modules that a line of code names from the crate's root, as `a::b`.
fn uses(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(['}', ',']).map(str::trim).map(path).collect(),
            None => vec![path(rest)],
        })
        .filter(|path| !path.is_empty())
        .collect()
}

/// The longest `a::b::c` that a text begins with.
fn path(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches(':').to_owned()
}

/// `cap/delete.rs` is `cap::delete`, `cap/mod.rs` is `cap`, `lib.rs` is the crate itself.
fn module_of(file: &Path) -> String {
    let mut parts: Vec<_> = file.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts.join("::")
}

/// All Rust files below a folder that are no tests.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_test = path.file_stem().is_some_and(|s| s == "tests" || s.to_string_lossy().ends_with("_tests"));
        if path.is_dir() && !is_test {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") && !is_test {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules() -> Modules {
        toml::from_str(
            "source = \"x\"\norder = [[\"mem\"], [\"cap\"], [\"object\", \"sched\"]]\ncommon = [\"kernel\"]\n\
             upward = [{ from = \"cap::delete\", to = \"object\", why = \"finalise\" }]",
        )
        .expect("is right")
    }

    fn check(module: &str, text: &str) -> Vec<(usize, String)> {
        modules().check(module, text, &mut BTreeSet::new())
    }

    #[test]
    fn the_project_points_downwards() {
        let found = violations().expect("all files can be read");
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }

    #[test]
    fn downwards_sideways_and_common_are_allowed() {
        let text =
            "use crate::mem::PhysAddr;\nuse crate::sched;\nuse crate::kernel::Kernel;\nuse crate::{cap::Cap, mem};";
        assert_eq!(check("object::tcb", text), []);
    }

    #[test]
    fn upwards_is_found_in_every_form() {
        assert_eq!(check("mem", "\nuse crate::cap::Cap;").len(), 1);
        assert_eq!(check("mem::addr", "use crate::{mem, object::tcb};").len(), 1);
        assert_eq!(check("cap", "    crate::sched::choose(k)").first().map(|(line, _)| *line), Some(1));
    }

    #[test]
    fn a_permission_is_for_its_module_only() {
        let mut used = BTreeSet::new();
        assert_eq!(modules().check("cap::delete", "use crate::object::finalise;", &mut used), []);
        assert_eq!(used.len(), 1);
        assert_eq!(check("cap::deleted", "use crate::object::finalise;").len(), 1);
        assert_eq!(check("cap", "use crate::object::finalise;").len(), 1);
    }

    #[test]
    fn comments_and_tests_do_not_count() {
        assert_eq!(check("mem", "// crate::cap is above\n#[cfg(test)]\nmod tests { use crate::cap; }"), []);
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        assert_eq!(check("extra::thing", "").len(), 1);
        assert_eq!(check("", "pub mod extra;"), []);
    }
}
