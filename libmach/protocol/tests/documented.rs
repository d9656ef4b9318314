//! `docs/mach.md` against the tables of this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mach_protocol::Call;
use mach_protocol::call::routines;
use mach_protocol::table::DecodeError;

/// The page: what is there, and what is not.
fn page() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mach.md");
    let text = fs::read_to_string(path).expect("docs/mach.md can be read");
    let (there, not_there) = text.split_once("## What is not there").expect("the page says what is not there");
    (there.to_owned(), not_there.to_owned())
}

/// Ids and first routine of each row of a table.
fn rows(text: &str) -> Vec<(Vec<u32>, String)> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
    cells
        .map(|(ids, rest)| {
            let id = |id: &str| id.trim().parse().unwrap_or_else(|_| panic!("{id:?} is no id"));
            (ids.split(',').map(id).collect(), rest.split('`').next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// What Mach calls a routine of a table.
fn mach_name(name: &str) -> String {
    if name == "VmSetInherit" {
        return "vm_inherit".to_owned();
    }
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake.trim_start_matches("gnu_").trim_start_matches("xnu_").to_owned()
}

#[test]
fn every_routine_has_its_row_and_every_row_its_routine() {
    let wanted: BTreeMap<u32, String> = routines().map(|(id, name)| (id, mach_name(name))).collect();
    let mut found = BTreeMap::new();
    for (ids, name) in rows(&page().0) {
        for id in ids {
            assert_eq!(found.insert(id, name.clone()), None, "docs/mach.md has two rows for {id}");
        }
    }
    for (id, name) in &wanted {
        assert_eq!(found.get(id), Some(name), "docs/mach.md, the row of {id}");
    }
    let unknown = found.keys().find(|id| !wanted.contains_key(id));
    assert_eq!(unknown, None, "docs/mach.md has a row for an id that no table has");
}

#[test]
fn what_is_not_there_is_not_there() {
    let rows = rows(&page().1);
    assert!(!rows.is_empty());
    for id in rows.into_iter().flat_map(|(ids, _)| ids) {
        assert_eq!(Call::decode(u64::from(id), &[0]), Err(DecodeError::UnknownId), "{id}");
    }
}
