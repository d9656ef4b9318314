//! Whether what a machine printed is what its suite wants.

use crate::golden::{self, Golden};
use crate::qemu::{End, Outcome};
use crate::run::Watch;
use crate::suite::Suite;
use anyhow::{Context, Result};
use std::fs;
use test_report::Line;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Why it failed; `None` if it passed.
    pub(crate) failure: Option<String>,
}

impl Case {
    pub(crate) fn passed(name: impl Into<String>) -> Self {
        Self { name: name.into(), failure: None }
    }

    pub(crate) fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), failure: Some(why.into()) }
    }
}

/// Judges one run. `name` is the suite's name with its machine.
pub(crate) fn judge(name: &str, suite: &Suite, watch: &Watch, outcome: &Outcome) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut complete = true;
    if suite.report {
        complete = reported(name, outcome, &mut cases);
    }
    if let Some(file) = &suite.golden {
        let differences = Golden::load(file)?.differences(&golden::results(outcome), &golden::allowed()?);
        let failed = |(case, why)| Case::failed(format!("{name}: {case}"), why);
        cases.extend(differences.into_iter().map(failed));
    }
    let failure = match whole(suite, watch, outcome)? {
        None if !complete => Some("the image never said that it was done".to_owned()),
        other => other,
    };
    // A suite that reports counts its own cases; the run as a whole is one more only when it is wrong.
    if failure.is_some() || cases.is_empty() {
        cases.push(Case { name: name.to_owned(), failure });
    }
    Ok(cases)
}

/// What is wrong with the run as a whole.
fn whole(suite: &Suite, watch: &Watch, outcome: &Outcome) -> Result<Option<String>> {
    match (&watch.stopped, &suite.stops) {
        (Some(why), Some(wanted)) if why.contains(wanted.as_str()) => return Ok(None),
        (why, Some(wanted)) => {
            return Ok(Some(format!("wanted it to stop by `{wanted}`, got {why:?} ({:?})", outcome.end)));
        }
        (Some(why), None) => return Ok(Some(why.clone())),
        (None, None) => {}
    }
    let killed = watch.last_word.as_ref().filter(|w| w.contains(": killed: "));
    match (&outcome.end, &suite.killed, killed) {
        (End::Timeout(limit), ..) => return Ok(Some(format!("no end within {} s", limit.as_secs_f64()))),
        (End::Exit(0), Some(_), _) => return Ok(Some("status 0, but the task was to be killed".into())),
        (End::Exit(_), Some(wanted), Some(word)) if word.contains(wanted.as_str()) => {}
        (End::Exit(_), Some(wanted), word) => return Ok(Some(format!("wanted it killed by `{wanted}`, got {word:?}"))),
        (End::Exit(_), None, Some(word)) => return Ok(Some(word.clone())),
        (End::Exit(status), None, None) if *status == suite.status => {}
        (End::Exit(status), None, None) => return Ok(Some(format!("status {status}, wanted {}", suite.status))),
        (end, ..) => return Ok(Some(format!("QEMU ended: {end:?}"))),
    }
    let mut lines = outcome.log.iter();
    for wanted in &suite.log {
        if !lines.any(|line| line.contains(wanted.as_str())) {
            return Ok(Some(format!("`{wanted}` is not in the log, or not in its place")));
        }
    }
    let console = String::from_utf8_lossy(&outcome.console);
    let mut lines = console.lines();
    for wanted in &suite.shows {
        if !lines.any(|line| line.contains(wanted.as_str())) {
            return Ok(Some(format!("`{wanted}` is not on the console, or not in its place")));
        }
    }
    if let Some(file) = suite.expected_console() {
        let wanted = fs::read(&file).with_context(|| file.display().to_string())?;
        return Ok(difference(&wanted, &outcome.console));
    }
    Ok(None)
}

/// The first line in which two texts differ.
fn difference(wanted: &[u8], got: &[u8]) -> Option<String> {
    if wanted == got {
        return None;
    }
    let (wanted, got) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(got));
    let mut lines = wanted.split('\n').zip(got.split('\n')).enumerate();
    Some(match lines.find(|(_, (w, g))| w != g) {
        Some((at, (w, g))) => format!("line {} of the console is {g:?}, wanted {w:?}", at + 1),
        None => format!("the console has {} bytes, wanted {}", got.len(), wanted.len()),
    })
}

/// Reads the TEST lines of a run, on either line; whether the image said that it was done.
fn reported(name: &str, outcome: &Outcome, cases: &mut Vec<Case>) -> bool {
    let console = String::from_utf8_lossy(&outcome.console);
    let mut open: Option<&str> = None;
    let mut done = false;
    let full = |case: &str| format!("{name}: {case}");
    for line in outcome.log.iter().map(String::as_str).chain(console.lines()).filter_map(Line::parse) {
        let ended = match line {
            Line::Start(case) => {
                if let Some(lost) = open.replace(case) {
                    cases.push(Case::failed(full(lost), "started, and then another case did"));
                }
                continue;
            }
            Line::Pass(case) => Case::passed(full(case)),
            Line::Fail(case, why) => Case::failed(full(case), why),
            // Of interest to the golden files only.
            Line::Result(..) => continue,
            Line::Done => {
                done = true;
                continue;
            }
        };
        open = None;
        cases.push(ended);
    }
    if let Some(lost) = open {
        cases.push(Case::failed(full(lost), "started and never ended"));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn suite(text: &str) -> Suite {
        toml::from_str(&format!("name = \"s\"\nroot = \"r\"\n{text}")).expect(text)
    }

    fn judged(suite: &Suite, status: i32, log: &str, console: &str) -> Vec<Case> {
        let mut watch = Watch::default();
        log.lines().for_each(|l| {
            watch.see(l);
        });
        let outcome = Outcome {
            end: End::Exit(status),
            log: log.lines().map(str::to_owned).collect(),
            console: console.into(),
            time: Duration::ZERO,
        };
        judge("s", suite, &watch, &outcome).expect("no file is read")
    }

    fn failures(cases: &[Case]) -> Vec<&str> {
        cases.iter().filter_map(|c| c.failure.as_deref()).collect()
    }

    #[test]
    fn status_and_log_decide() {
        let suite = suite("status = 3\nlog = [\"first\", \"second\"]");
        assert_eq!(judged(&suite, 3, "the first\nthe second", ""), [Case::passed("s")]);
        assert_eq!(failures(&judged(&suite, 0, "first\nsecond", "")), ["status 0, wanted 3"]);
        assert_eq!(failures(&judged(&suite, 3, "second\nfirst", "")).len(), 1);
    }

    #[test]
    fn a_task_to_be_killed_must_be_killed_for_that() {
        let suite = suite("killed = \"KERN_INVALID_ADDRESS\"");
        let word = "tessera: task t: killed: EXC_BAD_ACCESS (KERN_INVALID_ADDRESS) read at 0x0 pc 0x1: none";
        assert_eq!(failures(&judged(&suite, 139, word, "")), [""; 0]);
        assert_eq!(failures(&judged(&suite, 0, word, "")).len(), 1);
        assert_eq!(failures(&judged(&suite, 139, "tessera: task t: killed: EXC_ARITHMETIC", "")).len(), 1);
    }

    #[test]
    fn a_boot_that_must_stop_must_say_why() {
        let suite = suite("stops = \"no device tree\"");
        assert_eq!(failures(&judged(&suite, 0, "boot: stopped: no device tree at x0", "")), [""; 0]);
        assert_eq!(failures(&judged(&suite, 0, "boot: stopped: entered at EL3", "")).len(), 1);
        assert_eq!(failures(&judged(&suite, 0, "", "")).len(), 1);
    }

    #[test]
    fn cases_are_counted_and_lost_ones_named() {
        let suite = suite("report = true");
        let good = "TEST start a\nTEST pass a\nTEST start b\nTEST pass b\nTEST done";
        assert_eq!(judged(&suite, 0, good, ""), [Case::passed("s: a"), Case::passed("s: b")]);
        assert_eq!(failures(&judged(&suite, 0, "TEST start a\nTEST fail a: why\nTEST done", "")), ["why"]);
        let lost = judged(&suite, 0, "TEST start a\nTEST start b\nTEST pass b\nTEST done", "");
        assert_eq!(failures(&lost), ["started, and then another case did"]);
        let hung = judged(&suite, 0, "TEST start a", "");
        assert_eq!(failures(&hung), ["started and never ended", "the image never said that it was done"]);
        assert_eq!(failures(&judged(&suite, 1, good, "")), ["status 1, wanted 0"]);
    }

    #[test]
    fn a_difference_names_its_line() {
        assert_eq!(difference(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(difference(b"a\nb\n", b"a\nc\n").as_deref(), Some("line 2 of the console is \"c\", wanted \"b\""));
        assert!(difference(b"a\n", b"a").is_some());
    }
}
