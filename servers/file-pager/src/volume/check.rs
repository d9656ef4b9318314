//! Whether a volume is sound: every cluster belongs to one file or directory at most, and every file has as many as
//! its size asks for. Only a sound volume is written to; what two files share is never handed out as data.

use alloc::vec;
use alloc::vec::Vec;

use super::directory::{self, Entry, Extent, Location};
use super::disk::Sectors;
use super::layout::{FIRST_CLUSTER, Layout};
use super::problem::Problem;
use super::table::{Run, Table};

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
    /// Clusters that have more than one owner.
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

/// Looks at everything. Each directory is entered once, since it has clusters that nobody else has.
pub(super) fn check(disk: &mut impl Sectors, layout: &Layout, table: &Table) -> Findings {
    let mut findings = Findings { problem: None, shared: Clusters::of(layout) };
    let mut owned = Clusters::of(layout);
    if !table.is_whole() {
        findings.problem = Some("the table of clusters is damaged");
    }
    let mut directories = vec![Location::Root];
    while let Some(location) = directories.pop() {
        let claimed = directory::extents(layout, table, location).and_then(|extents| {
            let is_new = clusters(layout, &extents).filter(|cluster| findings.claim(&mut owned, *cluster)).count() > 0;
            if !is_new && location != Location::Root {
                return Err(SHARED);
            }
            if !directory::is_closed(disk, &extents)? {
                findings.note(Problem::Damaged("a directory goes on behind its end"));
            }
            directory::read(disk, layout, table, location)
        });
        let entries = claimed.unwrap_or_else(|problem| {
            findings.note(problem);
            Vec::new()
        });
        for entry in entries {
            if entry.is_directory {
                directories.push(Location::Chain(entry.first));
                continue;
            }
            match runs_of(layout, table, &entry) {
                Ok(runs) => {
                    for cluster in runs.iter().flat_map(|run| run.cluster..run.cluster + run.count) {
                        findings.claim(&mut owned, cluster);
                    }
                }
                Err(problem) => findings.note(problem),
            }
        }
    }
    findings
}

const SHARED: Problem = Problem::Damaged("two files share a cluster");

/// The clusters in extents; none of a root directory outside of them.
fn clusters(layout: &Layout, extents: &[Extent]) -> impl Iterator<Item = u32> {
    let (data, size) = (layout.data, layout.cluster_sectors);
    let inside = extents.iter().copied().filter(move |(first, _)| *first >= data).collect::<Vec<_>>();
    inside.into_iter().flat_map(move |(first, count)| {
        let cluster = FIRST_CLUSTER + ((first - data) / size) as u32;
        cluster..cluster + (count / size) as u32
    })
}

impl Findings {
    fn note(&mut self, problem: Problem) {
        self.problem.get_or_insert(match problem {
            Problem::Damaged(what) => what,
            _ => "a directory cannot be read",
        });
    }

    /// Takes a cluster for one more owner. Answers whether it is the first.
    fn claim(&mut self, owned: &mut Clusters, cluster: u32) -> bool {
        let is_new = !owned.insert(cluster);
        if !is_new {
            self.shared.insert(cluster);
            self.note(SHARED);
        }
        is_new
    }
}
