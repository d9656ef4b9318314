//! The conformance cases of `spec/mach-vm.md` that `tests/mach` must have, by number.
//!
//! A case is found by its name: `vm_allocate.i01.07` is I.1-7.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::paths;

/// A section of the specification's part I and a number in it.
type Number = (u32, u32);

/// How many cases each section has.
const SECTIONS: [Number; 13] = [
    (1, 24),
    (2, 15),
    (3, 21),
    (4, 20),
    (5, 10),
    (6, 14),
    (7, 6),
    (8, 12),
    (9, 12),
    (10, 12),
    (11, 12),
    (17, 9),
    (18, 12),
];

/// The numbers in a source's case names: `i`, two digits, a dot, two digits, behind a dot and before a quotation mark.
fn numbers(text: &str) -> BTreeSet<Number> {
    let number = |name: &str| {
        let (section, case) = name.split_once(".i")?.1.split_once('.')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = digits(section) && digits(case);
        is_number.then_some((section.parse().ok()?, case.parse().ok()?))
    };
    text.split('"').filter_map(number).collect()
}

fn numbers_below(folder: &Path) -> BTreeSet<Number> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let read = |path: &Path| numbers(&fs::read_to_string(path).expect("the file can be read"));
    let found = entries
        .map(|entry| entry.expect("the entry can be read").path())
        .flat_map(|path| if path.is_dir() { numbers_below(&path) } else { read(&path) });
    found.collect()
}

#[test]
fn every_case_of_the_specification_has_a_test() {
    let found = numbers_below(&paths::in_project("tests/mach/src"));
    let wanted = SECTIONS.iter().flat_map(|(section, count)| (1..=*count).map(|case| (*section, case)));
    let missing: Vec<Number> = wanted.filter(|number| !found.contains(number)).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
}

#[test]
fn no_case_has_a_number_that_the_specification_lacks() {
    let count = |section| SECTIONS.iter().find(|(known, _)| *known == section).map(|(_, count)| *count);
    let found = numbers_below(&paths::in_project("tests/mach/src"));
    let unknown: Vec<Number> = found
        .into_iter()
        .filter(|(section, case)| count(*section).is_some_and(|count| !(1..=count).contains(case)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn names_are_told_from_other_strings() {
    let text = r#"("vm_map.i03.10", f), "vm_wire.targets", "i03.11", "vm_map.i3.12", "a.i03.1x", ("x.i17.09", g)"#;
    assert_eq!(numbers(text), BTreeSet::from([(3, 10), (17, 9)]));
}
