//! Checks for one label or one number.

use std::ops::Range;

use super::{CheckOutcome, quote};
use crate::eval::parse_numbers;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumericTolerance {
    Absolute(f64),
    /// A share of the expected number.
    Relative(f64),
}

impl NumericTolerance {
    pub(super) fn evaluate(self, equals: f64, text: &str) -> CheckOutcome {
        let Some(number) = parse_numbers(text).last().copied() else {
            return CheckOutcome::PassFail(false, "no number in the answer".into());
        };
        let allowed = match self {
            Self::Absolute(by) => by,
            Self::Relative(share) => share * equals.abs(),
        };
        // Slack for decimal fractions stored in binary.
        let slack = 1e-9 * equals.abs().max(1.0);
        let is_close = (number - equals).abs() <= allowed + slack;
        CheckOutcome::PassFail(is_close, format!("the last number is {number}, expected {equals}"))
    }
}

/// Passes if exactly one option occurs as a whole word, and it is the right one: `**B**`, `Answer: B.`, and
/// `"b"` all choose B.
pub(super) fn check_choice(text: &str, options: &[String], equals: &str) -> CheckOutcome {
    let lower = text.to_lowercase();
    let mut matches: Vec<(Range<usize>, &String)> = Vec::new();
    for option in options {
        let found = find_whole_words(&lower, &option.to_lowercase());
        matches.extend(found.into_iter().map(|range| (range, option)));
    }
    // Longer options first at the same start, so that contained options come later.
    matches.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut covered_end = 0;
    let mut chosen: Vec<&String> = Vec::new();
    for (range, option) in matches {
        // An option that occurs only inside a longer one ("low" in "very low") does not count.
        if range.end > covered_end {
            covered_end = range.end;
            if !chosen.contains(&option) {
                chosen.push(option);
            }
        }
    }
    match chosen.as_slice() {
        [] => CheckOutcome::PassFail(false, "the answer contains none of the options".into()),
        [one] => CheckOutcome::PassFail(
            one.to_lowercase() == equals.to_lowercase(),
            format!("chose {}", quote(one)),
        ),
        many => {
            let many: Vec<String> = many.iter().map(|option| quote(option)).collect();
            CheckOutcome::PassFail(
                false,
                format!("the answer contains more than one option: {}", many.join(", ")),
            )
        }
    }
}

fn find_whole_words(text: &str, word: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let is_whole_word = |range: &Range<usize>| {
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        !before.into_iter().chain(after).any(is_part)
    };
    text.match_indices(word).map(|(at, _)| at..at + word.len()).filter(is_whole_word).collect()
}
