//! Whether a volume is sound: every cluster belongs to one file or directory at most, and every file has as many as
//! its size asks for. Only a sound volume is written to; what two files share is never handed out as data.

use alloc::vec;
use alloc::vec::Vec;

use super::directory::{self, Entry, Location};
use super::disk::Sectors;
use super::layout::{FIRST_CLUSTER, Layout, Root};
use super::problem::Problem;
use super::table::{Lengths, Run, Table};

/// A set of clusters.
#[derive(Debug, Default)]
pub(super) struct Clusters(Vec<u64>);

impl Clusters {
    fn of(layout: &Layout) -> Self {
        Self(vec![0; (FIRST_CLUSTER + layout.clusters).div_ceil(64) as usize])
    }

    /// Adds a cluster. Answers whether it was there.
    fn insert(&mut self, cluster: u32) -> bool {
        let bit = 1 << (cluster % 64);
        match self.0.get_mut((cluster / 64) as usize) {
            Some(word) => core::mem::replace(word, *word | bit) & bit != 0,
            None => true,
        }
    }

    /// Whether one of them is in the set.
    pub(super) fn has_any(&self, runs: &[Run]) -> bool {
        let has =
            |cluster: u32| self.0.get((cluster / 64) as usize).is_some_and(|word| word >> (cluster % 64) & 1 != 0);
        runs.iter().any(|run| (run.cluster..run.cluster + run.count).any(has))
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The first thing that is wrong.
    pub(super) problem: Option<&'static str>,
    /// Of what has more than one owner the first cluster: whoever has one of them shares it and all that follow.
    pub(super) shared: Clusters,
}

/// The clusters of a file: exactly as many as its size asks for.
pub(super) fn runs_of(layout: &Layout, table: &Table, entry: &Entry) -> Result<Vec<Run>, Problem> {
    let wanted = u64::from(entry.size).div_ceil(layout.cluster_bytes());
    if entry.first == 0 && wanted == 0 {
        return Ok(Vec::new());
    }
    let first = layout.cluster(u64::from(entry.first)).ok_or(Problem::Damaged("a file begins nowhere"))?;
    let runs = table.chain(first, wanted)?;
    let count: u64 = runs.iter().map(|run| u64::from(run.count)).sum();
    if count != wanted {
        return Err(Problem::Damaged("a file's chain of clusters is too short"));
    }
    Ok(runs)
}

/// Looks at everything. Each directory is entered once, and each cluster is claimed once: whatever is on the disk, this ends after as
/// many steps as there are clusters and entries.
pub(super) fn check(disk: &mut impl Sectors, layout: &Layout, table: &Table) -> Findings {
    let mut findings = Findings { problem: None, shared: Clusters::of(layout) };
    if !table.is_whole() {
        findings.problem = Some("the table of clusters is damaged");
    }
    let mut owners = Owners { layout, table, lengths: table.lengths(), owned: Clusters::of(layout) };
    let mut directories = Vec::new();
    if owners.take_directory(&mut findings, Location::Root) {
        directories.push(Location::Root);
    }
    while let Some(location) = directories.pop() {
        let read = directory::extents(layout, table, location).and_then(|extents| {
            if !directory::is_closed(disk, &extents)? {
                findings.note(Problem::Damaged("a directory goes on behind its end"));
            }
            directory::read(disk, layout, table, location)
        });
        for entry in read.unwrap_or_else(|problem| findings.refuse(problem)) {
            let inside = Location::Chain(entry.first);
            if !entry.is_directory {
                owners.take_file(&mut findings, &entry);
            } else if owners.take_directory(&mut findings, inside) {
                directories.push(inside);
            }
        }
    }
    findings
}

/// Who has which cluster.
struct Owners<'a> {
    layout: &'a Layout,
    table: &'a Table,
    lengths: Lengths,
    owned: Clusters,
}

impl Owners<'_> {
    /// Takes the clusters of a directory. Answers whether it can be entered: all of them are its own.
    fn take_directory(&mut self, findings: &mut Findings, location: Location) -> bool {
        let first = match (location, self.layout.root) {
            (Location::Root, Root::Sectors { .. }) => return true,
            (Location::Root, Root::Chain(first)) | (Location::Chain(first), _) => first,
        };
        let most = directory::most_clusters(self.layout);
        if self.lengths.of(first).is_none_or(|length| length > most) {
            return findings.note_with(|| directory::chain(self.layout, self.table, location).map(drop));
        }
        self.take_chain(findings, first)
    }

    /// Takes the clusters of a file.
    fn take_file(&mut self, findings: &mut Findings, entry: &Entry) {
        let wanted = u64::from(entry.size).div_ceil(self.layout.cluster_bytes());
        if entry.first == 0 && wanted == 0 {
        } else if self.lengths.of(entry.first) != Some(wanted) {
            findings.note_with(|| runs_of(self.layout, self.table, entry).map(drop));
        } else {
            self.take_chain(findings, entry.first);
        }
    }

    /// Takes clusters up to the end of a chain, or to the first that somebody has: that one both have, and what follows it too.
    fn take_chain(&mut self, findings: &mut Findings, first: u32) -> bool {
        let mut next = Some(first);
        while let Some(cluster) = next {
            if self.owned.insert(cluster) {
                findings.shared.insert(cluster);
                findings.note(Problem::Damaged("two files share a cluster"));
                return false;
            }
            next = self.table.next(cluster);
        }
        true
    }
}

impl Findings {
    fn note(&mut self, problem: Problem) {
        self.problem.get_or_insert(match problem {
            Problem::Damaged(what) => what,
            _ => "a directory cannot be read",
        });
    }

    /// Notes what is wrong, and has found it out only if nothing was before.
    fn note_with(&mut self, why: impl FnOnce() -> Result<(), Problem>) -> bool {
        if self.problem.is_none() {
            self.note(why().err().unwrap_or(Problem::Damaged("a chain of clusters is wrong")));
        }
        false
    }

    fn refuse(&mut self, problem: Problem) -> Vec<Entry> {
        self.note(problem);
        Vec::new()
    }
}
