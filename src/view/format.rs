//! Formatting for display.

use std::time::Duration;

use crate::catalog::{Cost, CostSource, format_usd_rounded};
pub(super) use crate::chat::pluralize;

/// Three significant digits, for example `$0.000669`; `~` marks an estimate.
pub(crate) fn format_cost(cost: Cost) -> String {
    match cost.nano_dollars {
        None => "cost unknown".to_owned(),
        Some(amount) => {
            let mark = if cost.source == CostSource::Estimated { "~" } else { "" };
            format!("{mark}${}", format_usd_rounded(amount))
        }
    }
}

/// `0.31 s`, `12 s`, `85 ms`.
pub(super) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.1 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.0} s")
    }
}

/// Remaining time, rounded up so that it is over by then.
pub(super) fn format_remaining(milliseconds: i64) -> String {
    format_rounded_up(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)))
}

/// A duration in a readable unit, rounded up: `12 s`, `4 min`, `3 h`, `30 days`.
pub(super) fn format_rounded_up(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

/// Elapsed time, rounded down: `just now`, `12 s ago`, `4 min ago`.
pub(super) fn format_elapsed(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0 => "just now".to_owned(),
        1..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

/// Wraps a text between words and ends it with a line break.
pub(super) fn wrap_text(text: &str, width: usize) -> String {
    wrap_from_column(text, width, 0, 0)
}

/// Wraps lines that are too long and indents their continuation by two more columns. Other lines stay as they
/// are. Ends with a line break.
pub(super) fn wrap_with_indent(text: &str, width: usize) -> String {
    text.lines()
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len();
            if line.chars().count() <= width {
                format!("{line}\n")
            } else {
                format!("{:indent$}{}", "", wrap_from_column(line, width, indent, indent + 2))
            }
        })
        .collect()
}

/// Wraps a text whose first line has `taken` columns in use and whose other lines are indented.
fn wrap_from_column(text: &str, width: usize, taken: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut used = taken;
    let mut is_first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !is_first && used + 1 + length > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = indent;
        } else if !is_first {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
        is_first = false;
    }
    lines.push('\n');
    lines
}

pub(super) fn round_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Makes external text safe for a terminal: replaces control characters except line breaks and tabs.
pub(super) fn strip_control_chars(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { crate::chat::sanitize_char(c) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::NanoDollars;

    #[test]
    fn format_cases() {
        for (usd, expected) in [
            (0.000_669, "0.000669"),
            (1.237, "1.24"),
            (0.0, "0"),
            (0.000_000_001, "0.00000000100"),
            (0.5, "0.500"),
            (123.0, "123.00"),
        ] {
            assert_eq!(format_usd_rounded(NanoDollars::from_usd(usd).unwrap()), expected);
        }
        assert_eq!(format_duration(Duration::from_millis(85)), "85 ms");
        assert_eq!(format_duration(Duration::from_millis(1240)), "1.24 s");
        assert_eq!(
            [0, 11_001, 119_000, 120_001, 7_200_000].map(format_remaining),
            ["0 s", "12 s", "119 s", "3 min", "2 h"]
        );
        assert_eq!(format_remaining(30 * 86_400_000), "30 days");
        assert_eq!(
            [-5, 999, 1999, 179_999, 7_200_000].map(format_elapsed),
            ["just now", "just now", "1 s ago", "2 min ago", "2 h ago"]
        );
        assert_eq!(wrap_text("one two  three", 7), "one two\nthree\n");
        assert_eq!(wrap_text("longer than that", 3), "longer\nthan\nthat\n");
        assert_eq!(wrap_with_indent("  one  two\nthree four five", 10), "  one  two\nthree four\n  five\n");
        assert_eq!(wrap_with_indent("    a: bcd efg", 9), "    a:\n      bcd\n      efg\n");
        assert_eq!(wrap_with_indent("", 9), "");
        assert_eq!(strip_control_chars("a\x1b[2Jb\r\nc"), "a\u{fffd}[2Jb \nc");
    }
}
