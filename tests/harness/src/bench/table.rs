//! The measurements as a table for people.

use super::measured::{Measured, TOLERANCE};
use super::operations::Sources;
use std::fmt::Write;

const HEAD: [&str; 7] = ["operation", "instructions", "seL4", "ratio", "Linux", "ratio", "aim"];

/// The table, with what the columns are below it.
pub(crate) fn text(measured: &[Measured<'_>], sources: &Sources) -> String {
    let rows: Vec<[String; 7]> = measured.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(HEAD.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // The name stands on the left, numbers on the right.
            text += &if column == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") };
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(&HEAD.map(str::to_owned));
    rows.iter().for_each(|row| text += &line(row));
    let times = measured.iter().map(|m| m.samples.len()).min().unwrap_or(0);
    let spread = measured.iter().map(Measured::spread).fold(0.0, f64::max) * 100.0;
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\nGuest instructions per operation, loop overhead subtracted; each was measured at least {times} times.\n\
         The samples of an operation differ by {spread:.2} % at most; {} % is allowed.\n\
         seL4: {}.\nLinux: {}.\n",
        TOLERANCE * 100.0,
        sources.sel4,
        sources.linux,
    );
    text
}

/// The cells of a line, as [`HEAD`] names them.
pub(super) fn row(measured: &Measured<'_>) -> [String; 7] {
    let operation = measured.operation;
    let count = |figure: Option<u64>| figure.map(grouped).unwrap_or_default();
    let ratio = |other| measured.ratio(other).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let aim = match (operation.aim, measured.ratio(operation.aim)) {
        (Some(aim), Some(ratio)) => format!("{} {}", grouped(aim), if ratio <= 1.0 { "met" } else { "missed" }),
        (aim, _) => count(aim),
    };
    [
        operation.name.clone(),
        measured.instructions().map_or_else(|| "-".to_owned(), |figure| grouped(figure.round() as u64)),
        count(operation.sel4),
        ratio(operation.sel4),
        count(operation.linux),
        ratio(operation.linux),
        aim,
    ]
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::operation;
    use super::*;

    fn sources() -> Sources {
        Sources { sel4: "one version".into(), linux: "another".into() }
    }

    #[test]
    fn a_row_has_figures_and_ratios() {
        let map = operation("kernel.map", Some(1000), Some(4000), Some(900));
        let boot = operation("boot.prompt", None, None, None);
        let measured = [
            Measured { operation: &map, samples: vec![1250.0, 1250.4] },
            Measured { operation: &boot, samples: vec![12_345_678.0; 2] },
        ];
        let text = text(&measured, &sources());
        let words = |line: usize| text.lines().nth(line).map(|l| l.split_whitespace().collect::<Vec<_>>());
        let wanted = ["kernel.map", "1,250", "1,000", "1.25", "4,000", "0.31", "900", "missed"];
        assert_eq!(words(1), Some(wanted.to_vec()));
        assert_eq!(words(2), Some(vec!["boot.prompt", "12,345,678"]));
        assert!(text.contains("at least 2 times") && text.contains("0.03 %") && text.contains("seL4: one version."));
    }

    #[test]
    fn what_was_not_measured_is_shown_so() {
        let map = operation("kernel.map", Some(10), None, Some(7));
        let text = text(&[Measured { operation: &map, samples: Vec::new() }], &sources());
        let line = text.lines().nth(1).map(|l| l.split_whitespace().collect::<Vec<_>>());
        assert_eq!(line, Some(vec!["kernel.map", "-", "10", "7"]));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, wanted) in [(0, "0"), (999, "999"), (1000, "1,000"), (28_126, "28,126"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), wanted);
        }
    }
}
