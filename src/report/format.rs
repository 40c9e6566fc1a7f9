//! Formatting of numbers and times.

use std::time::{Duration, SystemTime};

use crate::bench::statistics::Estimate;

use super::document::Cell;

/// A number with three significant digits, and commas between thousands.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = match magnitude {
        m if m == 0.0 || m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.09995 => 3,
        m if m >= 0.009995 => 4,
        _ => return format!("{value:.1e}"),
    };
    grouped(&format!("{value:.decimals$}"))
}

/// Digits with commas between thousands.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !whole[..index].ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// A count. An integer keeps all its digits; any other value is formatted by [`number`].
pub fn count(value: f64) -> String {
    if value.fract() == 0.0 { grouped(&format!("{value:.0}")) } else { number(value) }
}

/// A number for an axis: with as few digits as possible, and with k, M or G for thousands, millions and billions.
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        magnitude if magnitude >= 1e9 => (value / 1e9, "G"),
        magnitude if magnitude >= 1e6 => (value / 1e6, "M"),
        magnitude if magnitude >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Ticks have few digits. Digits beyond the tenth are rounding errors of binary fractions.
    format!("{}{unit}", (scaled * 1e10).round() / 1e10)
}

/// An estimate as a cell: the value and its interval.
pub fn cell(estimate: &Estimate) -> Cell {
    let Estimate { value, low, high } = estimate;
    Cell { text: number(*value), detail: Some(format!("{} to {}", number(*low), number(*high))) }
}

/// Counts as cells; `None` is an empty cell.
pub fn counts(values: impl IntoIterator<Item = Option<f64>>) -> Vec<Cell> {
    values.into_iter().map(|value| value.map(count).unwrap_or_default().into()).collect()
}

/// A point in time, in UTC. A file may have any date. Dates before 1970 and after 9999, which the format does not have, are shown as
/// the nearest one that it has.
pub fn moment(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(SystemTime::UNIX_EPOCH, last))
        .to_string()
        .replace('T', " ")
        .replace('Z', " UTC")
}

/// How long ago something happened, in the largest fitting unit.
pub fn age(time: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".into(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.12345, "0.123"),
            (0.99999, "1.00"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (12.345, "12.3"),
            (99.99, "100"),
            (1_234.5, "1,234"),
            (0.012_34, "0.0123"),
            (1_234_567.0, "1,234,567"),
            (-123_456.0, "-123,456"),
            (0.001_23, "1.2e-3"),
        ] {
            assert_eq!(number(value), expected, "{value}");
        }
    }

    #[test]
    fn integral_counts_keep_all_digits() {
        assert_eq!([15.0, 1_234_567.0, 61.53].map(count), ["15", "1,234,567", "61.5"]);
    }

    #[test]
    fn tick_labels_are_short() {
        for (value, expected) in [(0.1 + 0.2, "0.3"), (10_000.0, "10k"), (2_500_000.0, "2.5M"), (100.0, "100")] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn ages_use_their_largest_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000);
        let ago = |seconds| age(now - Duration::from_secs(seconds), now);
        assert_eq!(
            [ago(5), ago(60), ago(7_199), ago(200_000)],
            ["just now", "1 minute ago", "1 hour ago", "2 days ago"]
        );
        assert_eq!(age(now + Duration::from_secs(9), now), "just now");
        assert_eq!(moment(SystemTime::UNIX_EPOCH), "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn any_date_of_a_file_can_be_shown() {
        let far = Duration::from_secs(1 << 40);
        assert_eq!(moment(SystemTime::UNIX_EPOCH - far), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(SystemTime::UNIX_EPOCH + far), "9999-12-31 23:59:59 UTC");
    }
}
