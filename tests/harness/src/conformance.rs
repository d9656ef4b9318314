//! Which cases of the specification's part I-MO exist as tests of `tests/mach`, by the names that they have there.

use crate::paths;
use std::collections::BTreeSet;
use std::fs;

/// The cases of I-MO: 1 to this one.
const LAST: u32 = 77;

#[test]
fn every_case_of_memory_objects_is_a_test() {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(paths::in_project("tests/mach/src/memory_object")).expect("the cases are there") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("is text");
        for (at, prefix) in text.match_indices("(\"memory_object.imo.") {
            let number: String = text[at + prefix.len()..].chars().take_while(char::is_ascii_digit).collect();
            assert!(found.insert(number.parse().expect("a number")), "I-MO {number} is there twice");
        }
    }
    assert_eq!(found, (1..=LAST).collect());
}
