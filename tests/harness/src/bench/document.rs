//! The measurements in the table of a page.

use super::measured::Measured;
use super::table;
use anyhow::{Result, bail};

/// The page with new figures: each line `| NAME | ...` of an operation that was measured is written anew.
///
/// # Errors
///
/// The page has no line of an operation, or more than one.
pub(crate) fn updated(page: &str, measured: &[Measured<'_>]) -> Result<String> {
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    for measured in measured.iter().filter(|measured| measured.instructions().is_some()) {
        let start = format!("| {} |", measured.operation.name);
        // Other tables of the page may have the name too, with fewer columns.
        let cells = table::row(measured);
        let is_line = |line: &&mut String| line.starts_with(&start) && line.matches('|').count() == cells.len() + 1;
        match lines.iter_mut().filter(is_line).collect::<Vec<_>>().as_mut_slice() {
            [line] => **line = format!("| {} |", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |"),
            found => bail!("{} lines of the page begin with `{start}`, and not one", found.len()),
        }
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::operation;
    use super::*;

    const PAGE: &str = "# Page\n\n| operation | instructions | seL4 | ratio | Linux | ratio | aim |\n|---|--:|--:|--:|--:|--:|--:|\n\
                        | a | 1 | 2 | 0.50 | | | |\n| b | 7 | | | | | |\n\nThe end.\n| a | of another table |\n";

    #[test]
    fn a_line_gets_what_was_measured_and_others_stay() {
        let a = operation("a", Some(50), None, Some(10));
        let b = operation("b", None, None, None);
        let measured = [
            Measured { operation: &a, samples: vec![1234.0, 1234.0] },
            Measured { operation: &b, samples: Vec::new() },
        ];
        let page = updated(PAGE, &measured).expect("each has a line");
        assert_eq!(page, PAGE.replace("| a | 1 | 2 | 0.50 | | | |", "| a | 1,234 | 50 | 24.68 | | | 10 missed |"));
    }

    #[test]
    fn a_page_without_a_line_for_an_operation_is_refused() {
        let c = operation("c", None, None, None);
        let measured = [Measured { operation: &c, samples: vec![1.0, 1.0] }];
        let error = updated(PAGE, &measured).expect_err("there is no such line");
        assert_eq!(error.to_string(), "0 lines of the page begin with `| c |`, and not one");
    }
}
