//! The protocol with memory managers: as a state machine ([`machine`]), every state of which is looked at ([`explore`]),
//! and which the implementation is compared with, step by step ([`conform`]); with faults that the machine does not know
//! ([`inject`]).

mod conform;
mod explore;
mod inject;
mod machine;
mod real;
mod rng;

use std::io::Write;

/// Says how much a test looked at, where the output of tests that pass is not shown either: the test tool passes such
/// lines on.
fn report(line: &str) {
    let told = writeln!(std::io::stderr(), "counted: {line}");
    assert!(told.is_ok(), "the standard error takes a line");
}
