//! Text output: Markdown tables, comma-separated values, and durations.

use std::fmt::Write;

/// A Markdown table with aligned columns. Characters that would end a cell are escaped.
pub fn table(rows: &[impl AsRef<[String]>]) -> String {
    let escaped = |cell: &String| cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.as_ref().iter().map(escaped).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_right = |column: usize| rows.get(1).is_some_and(|row| row[column] == "--:");
    let is_right: Vec<bool> = (0..columns).map(is_right).collect();
    let mut text = String::new();
    for row in &rows {
        text.push('|');
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let padded = match cell.as_str() {
                "---" => "-".repeat(width.max(3)),
                "--:" => "-".repeat(width.max(3) - 1) + ":",
                _ if is_right[column] => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            };
            write!(text, " {padded} |").expect("writing to a string cannot fail");
        }
        text.push('\n');
    }
    text
}

/// A field of comma-separated values, quoted if necessary.
pub fn field(field: &str) -> String {
    let is_plain = !field.contains(['"', ',', '\n', '\r']);
    if is_plain { field.into() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}

/// A duration in nanoseconds, with a fitting unit.
pub fn duration(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        time if time < 1e3 => (time, "ns"),
        time if time < 1e6 => (time / 1e3, "µs"),
        time if time < 1e9 => (time / 1e6, "ms"),
        time => (time / 1e9, "s"),
    };
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_cannot_end_its_row() {
        let rows = [["a|b", r"a\|b"], ["---", "--:"], ["1\n2", "x"]].map(|row| row.map(String::from).to_vec());
        let expected = "| a\\|b | a\\\\\\|b |\n| ---- | -----: |\n| 1 2  |      x |\n";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn durations_have_three_significant_digits_and_a_unit() {
        let times = [1.5, 23.84, 150.0, 1_730.0, 34_567_000.0, 2.5e9].map(duration);
        assert_eq!(times, ["1.50 ns", "23.8 ns", "150 ns", "1.73 µs", "34.6 ms", "2.50 s"]);
    }

    #[test]
    fn csv_field_is_quoted_only_if_needed() {
        assert_eq!(["a b", "a,b", "a\"b", "a\nb"].map(field), ["a b", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\""]);
    }
}
