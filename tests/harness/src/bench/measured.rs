//! Samples of an operation held against each other and against other systems.

use super::operations::Operation;
use std::collections::BTreeMap;

/// Samples may differ by so much of the smallest.
pub(crate) const TOLERANCE: f64 = 0.01;

/// Instructions per operation, by name, in the order in which they were taken.
pub(crate) type Samples = BTreeMap<String, Vec<f64>>;

/// One operation with what was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) samples: Vec<f64>,
}

impl<'a> Measured<'a> {
    /// The operation with its samples out of all.
    pub(crate) fn new(operation: &'a Operation, samples: &Samples) -> Self {
        Self { operation, samples: samples.get(&operation.name).cloned().unwrap_or_default() }
    }

    /// What the operation costs: the median of the samples.
    pub(crate) fn instructions(&self) -> Option<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// By how much of the smallest the samples differ.
    pub(crate) fn spread(&self) -> f64 {
        let (low, high) = self.samples.iter().fold((f64::MAX, 0.0_f64), |(l, h), s| (l.min(*s), h.max(*s)));
        if self.samples.is_empty() { 0.0 } else { (high - low) / low.max(1.0) }
    }

    /// What it costs in relation to `other`.
    pub(crate) fn ratio(&self, other: Option<u64>) -> Option<f64> {
        Some(self.instructions()? / other? as f64)
    }

    /// Why these samples are no measurement.
    pub(crate) fn trouble(&self) -> Option<String> {
        let name = &self.operation.name;
        if self.samples.len() < 2 {
            return Some(format!("{name}: it was measured {} times, and twice is needed", self.samples.len()));
        }
        let spread = self.spread();
        let disagree = || format!("{name}: its samples differ by {:.1} %: {:?}", spread * 100.0, self.samples);
        (spread > TOLERANCE).then(disagree)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An operation with some figures, for the tests of what shows them.
    pub(crate) fn operation(name: &str, sel4: Option<u64>, linux: Option<u64>, aim: Option<u64>) -> Operation {
        Operation { name: name.to_owned(), meaning: format!("meaning of {name}"), sel4, linux, aim }
    }

    fn measured<'a>(operation: &'a Operation, samples: &[f64]) -> Measured<'a> {
        Measured::new(operation, &BTreeMap::from([(operation.name.clone(), samples.to_vec())]))
    }

    #[test]
    fn the_median_counts() {
        let operation = operation("a", Some(50), None, None);
        let three = measured(&operation, &[101.0, 100.0, 100.5]);
        assert_eq!(three.instructions(), Some(100.5));
        assert_eq!(three.ratio(operation.sel4), Some(2.01));
        assert_eq!(three.ratio(operation.linux), None);
        assert_eq!(three.trouble(), None);
    }

    #[test]
    fn samples_that_disagree_are_no_measurement() {
        let operation = operation("a", None, None, None);
        assert_eq!(measured(&operation, &[100.0, 101.0]).trouble(), None);
        let trouble = measured(&operation, &[100.0, 101.1, 100.0]).trouble().expect("1.1 % is too much");
        assert!(trouble.contains("a: its samples differ by 1.1 %"), "{trouble}");
    }

    #[test]
    fn one_sample_is_no_measurement() {
        let operation = operation("a", None, None, None);
        assert!(measured(&operation, &[100.0]).trouble().is_some_and(|t| t.contains("1 times")));
        let none = Measured::new(&operation, &BTreeMap::from([("b".to_owned(), vec![1.0, 1.0])]));
        assert_eq!(none.instructions(), None);
        assert!(none.trouble().is_some_and(|t| t.contains("0 times")));
    }
}
