//! The measurements as a bar chart: for each operation what it costs in relation to the other system, which is the line
//! at 1.

use super::measured::Measured;
use super::table::grouped;
use std::fmt::Write;

/// Sizes in pixels.
const ROW: usize = 26;
const BAR: usize = 16;
const HEAD: usize = 70;
const LABELS: usize = 250;
const BARS: usize = 420;
const NOTES: usize = 330;
const WIDTH: usize = LABELS + BARS + NOTES;

/// A bar that is longer than so many times the other system's is cut.
const LONGEST: f64 = 5.0;

/// Colours: cheaper than the other system, dearer, nothing to compare with.
const CHEAPER: &str = "#2e7d5b";
const DEARER: &str = "#c0603a";

/// The chart.
pub(crate) fn svg(measured: &[Measured<'_>]) -> String {
    let height = HEAD + ROW * measured.len() + ROW;
    let longest = measured.iter().filter_map(compared).map(|(_, _, ratio)| ratio).fold(1.5, f64::max).min(LONGEST);
    let pixels = |ratio: f64| (ratio.min(longest) / longest * BARS as f64).round() as usize;
    let one = LABELS + pixels(1.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"26\" font-size=\"17\">Guest instructions per operation, in relation to seL4 or Linux</text>\n\
         <text x=\"12\" y=\"46\" fill=\"#555\">Shorter is better; the line at 1 is the other system. Beside each bar: \
         instructions, ratio, the other's figure.</text>\n"
    );
    // Writing to a string does not fail.
    for (index, measured) in measured.iter().enumerate() {
        let top = HEAD + ROW * index;
        let middle = top + ROW / 2 + 4;
        let name = escaped(&measured.operation.name);
        let _ = writeln!(text, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>", LABELS - 8);
        let figure = measured.instructions().map_or_else(|| "not measured".into(), |f| grouped(f.round() as u64));
        let (end, note) = match compared(measured) {
            Some((system, other, ratio)) => {
                let (width, colour) = (pixels(ratio), if ratio <= 1.0 { CHEAPER } else { DEARER });
                let y = top + (ROW - BAR) / 2;
                let _ = writeln!(
                    text,
                    "<rect x=\"{LABELS}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" fill=\"{colour}\"/>"
                );
                (LABELS + width, format!("{figure} = {ratio:.2} × {system}'s {}", grouped(other)))
            }
            None => (LABELS, figure),
        };
        let _ = writeln!(text, "<text x=\"{}\" y=\"{middle}\" fill=\"#333\">{note}</text>", end.max(one) + 6);
    }
    let _ = writeln!(
        text,
        "<line x1=\"{one}\" y1=\"{}\" x2=\"{one}\" y2=\"{}\" stroke=\"#222\" stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{one}\" y=\"{}\" text-anchor=\"middle\">1</text>\n</svg>",
        HEAD - 4,
        height - ROW + 2,
        height - ROW / 2 + 4,
    );
    text
}

/// The other system with its figure and the ratio: seL4 where it has one, else Linux.
fn compared(measured: &Measured<'_>) -> Option<(&'static str, u64, f64)> {
    let operation = measured.operation;
    let (system, other) = match (operation.sel4, operation.linux) {
        (Some(other), _) => ("seL4", other),
        (None, Some(other)) => ("Linux", other),
        (None, None) => return None,
    };
    Some((system, other, measured.ratio(Some(other))?))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::operation;
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_ratio() {
        let operations = [
            operation("half", Some(1000), Some(1), None),
            operation("double", None, Some(250), None),
            operation("a<b", None, None, None),
        ];
        let samples = [500.0, 500.0, 12_345.0];
        let measured: Vec<_> = operations
            .iter()
            .zip(samples)
            .map(|(operation, sample)| Measured { operation, samples: vec![sample; 2] })
            .collect();
        let svg = svg(&measured);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        let widths: Vec<_> =
            svg.lines().filter(|l| l.contains("fill=\"#")).filter(|l| l.starts_with("<rect x")).collect();
        assert_eq!(widths.len(), 2, "{svg}");
        // The longest is twice as long as the other system's.
        assert!(widths[0].contains("width=\"105\"") && widths[0].contains(CHEAPER), "{}", widths[0]);
        assert!(widths[1].contains("width=\"420\"") && widths[1].contains(DEARER), "{}", widths[1]);
        assert!(svg.contains("500 = 2.00 × Linux's 250") && svg.contains(">12,345<") && svg.contains("a&lt;b"));
    }

    #[test]
    fn a_bar_does_not_leave_the_chart() {
        let operation = operation("slow", Some(1), None, None);
        let svg = svg(&[Measured { operation: &operation, samples: vec![1000.0; 2] }]);
        assert!(svg.contains(&format!("width=\"{BARS}\" height=\"{BAR}\"")), "{svg}");
    }
}
