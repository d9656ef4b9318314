//! What an image that measures prints: the cost of an operation, once for each time that it was measured.

use core::fmt;

/// What such a line begins with.
pub const PREFIX: &str = "BENCH ";

/// One measurement of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The name of the operation.
    pub name: &'a str,
    /// What all its repetitions took together, loop overhead subtracted.
    pub instructions: u64,
    /// The number of repetitions, at least 1.
    pub operations: u64,
}

impl<'a> Sample<'a> {
    /// Reads a line; `None` if it is no sample.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.trim_end_matches(['\r', '\n']).strip_prefix(PREFIX)?.split_once(": ")?;
        let (instructions, operations) = rest.strip_suffix(" operations")?.split_once(" instructions in ")?;
        let sample = Sample {
            name: crate::name(name)?,
            instructions: instructions.parse().ok()?,
            operations: operations.parse().ok()?,
        };
        (sample.operations > 0).then_some(sample)
    }
}

impl fmt::Display for Sample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, instructions, operations } = self;
        write!(f, "{PREFIX}{name}: {instructions} instructions in {operations} operations")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_written_is_read() {
        let sample = Sample { name: "kernel.map", instructions: 38976, operations: 64 };
        assert_eq!(Sample::parse(&sample.to_string()), Some(sample));
        assert_eq!(Sample::parse("BENCH a: 1 instructions in 1 operations\r\n").map(|s| s.name), Some("a"));
    }

    #[test]
    fn other_lines_are_no_samples() {
        for line in [
            "",
            "BENCH a",
            "BENCH a: 1",
            "BENCH a: 1 instructions in 0 operations",
            "BENCH a: -1 instructions in 1 operations",
            "BENCH a b: 1 instructions in 1 operations",
            "TEST pass a",
        ] {
            assert_eq!(Sample::parse(line), None, "{line:?}");
        }
    }
}
