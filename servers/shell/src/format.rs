//! Numbers and tables for people.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A number of bytes in at most five characters: `0`, `512`, `4K`, `1.5M`, `64M`, `3.2G`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * unit) >= 1024 {
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let one = 1_u64 << (10 * unit);
    let (whole, rest) = (bytes / one, bytes % one);
    // In floating point nothing would be exact, and in tenths the product fits.
    let tenths = u128::from(rest) * 10 / u128::from(one);
    if unit == 0 || whole >= 10 || tenths == 0 { format!("{whole}{name}") } else { format!("{whole}.{tenths}{name}") }
}

/// A time in microseconds as seconds: `0.00`, `12.34`.
#[must_use]
pub fn seconds(microseconds: u64) -> String {
    format!("{}.{:02}", microseconds / 1_000_000, microseconds / 10_000 % 100)
}

/// A part in hundredths of the whole, rounded down; all of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { (u128::from(part) * 100 / u128::from(whole)) as u64 }
}

/// On which side a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// Rows of texts in columns, each as wide as its widest text.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    columns: &'a [(&'a str, Side)],
    rows: Vec<Vec<String>>,
}

impl<'a> Table<'a> {
    /// An empty table with these columns.
    #[must_use]
    pub const fn new(columns: &'a [(&'a str, Side)]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; what it has too many is left out.
    pub fn row<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }

    /// The table, with a line of the columns' names, each line closed by a newline.
    #[must_use]
    pub fn text(&self) -> String {
        let width = |column: usize, name: &str| {
            let rows = self.rows.iter().filter_map(|row| row.get(column));
            rows.map(|cell| cell.chars().count()).chain([name.len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, (name, _))| width(at, name)).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for ((cell, (_, side)), width) in cells.zip(self.columns).zip(&widths) {
                line += &match side {
                    Side::Left => format!("{cell:<width$}  "),
                    Side::Right => format!("{cell:>width$}  "),
                };
            }
            format!("{}\n", line.trim_end())
        };
        let head = line(&mut self.columns.iter().map(|(name, _)| *name));
        self.rows.iter().fold(head, |text, row| text + &line(&mut row.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (4096, "4K"),
            (10 << 10, "10K"),
            (10 << 20, "10M"),
            ((10 << 20) + 900_000, "10M"),
            (1 << 40, "1T"),
            (u64::MAX, "15E"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn parts_are_hundredths() {
        for (part, whole, wanted) in [(0, 3, 0), (2, 3, 66), (3, 3, 100), (0, 0, 100), (u64::MAX, u64::MAX, 100)] {
            assert_eq!(percent(part, whole), wanted);
        }
    }

    #[test]
    fn times_are_hundredths() {
        for (time, text) in [(0, "0.00"), (12_345_678, "12.34"), (999_999, "0.99")] {
            assert_eq!(seconds(time), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(&[("ID", Side::Right), ("NAME", Side::Left), ("SIZE", Side::Right)]);
        table.row(["1".into(), "a".into(), "10M".into()]);
        table.row(["100".into(), "long name".into(), "1".into()]);
        assert_eq!(table.text(), " ID  NAME       SIZE\n  1  a           10M\n100  long name     1\n");
    }
}
