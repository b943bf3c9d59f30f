//! Checks on text and its length.

use super::{CheckOutcome, quote, truncate};
use crate::chat::pluralize;

#[derive(Clone, Debug)]
pub struct TextMatch {
    pub place: MatchPosition,
    pub ignore_case: bool,
    pub needles: Vec<String>,
    /// False when one needle is enough.
    pub is_all_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchPosition {
    /// The whole answer, ignoring whitespace around it.
    Whole,
    Anywhere,
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthUnit {
    /// Separated by whitespace.
    Words,
    /// Unicode code points, as in Python, without whitespace around the answer.
    Characters,
}

impl TextMatch {
    pub(super) fn evaluate(&self, text: &str) -> CheckOutcome {
        let fold = |s: &str| if self.ignore_case { s.to_lowercase() } else { s.to_owned() };
        let text = fold(text);
        let is_present = |needle: &&String| {
            let needle = fold(needle);
            match self.place {
                MatchPosition::Whole => text.trim() == needle.trim(),
                MatchPosition::Anywhere => text.contains(&needle),
                MatchPosition::Start => text.trim_start().starts_with(&needle),
                MatchPosition::End => text.trim_end().ends_with(&needle),
            }
        };
        let (is, is_not) = match self.place {
            MatchPosition::Whole => ("is", "is not"),
            MatchPosition::Anywhere => ("contains", "does not contain"),
            MatchPosition::Start => ("starts with", "does not start with"),
            MatchPosition::End => ("ends with", "does not end with"),
        };
        let (present, missing): (Vec<&String>, Vec<&String>) =
            self.needles.iter().partition(|n| is_present(n));
        let list = |needles: &[&String], separator: &str| {
            needles.iter().map(|n| quote(n)).collect::<Vec<_>>().join(separator)
        };
        if self.is_all_required && missing.is_empty() || !self.is_all_required && !present.is_empty() {
            return CheckOutcome::PassFail(true, format!("the answer {is} {}", list(&present, ", ")));
        }
        let separator = if self.is_all_required { ", " } else { " or " };
        CheckOutcome::PassFail(false, format!("the answer {is_not} {}", list(&missing, separator)))
    }
}

pub(super) fn check_regex(regex: &regex::Regex, text: &str) -> CheckOutcome {
    match regex.find(text) {
        Some(found) => CheckOutcome::PassFail(true, format!("found {}", quote(found.as_str()))),
        None => CheckOutcome::PassFail(false, format!("no match for {}", truncate(regex.as_str()))),
    }
}

impl LengthUnit {
    pub(super) fn check_length(self, min: Option<usize>, max: Option<usize>, text: &str) -> CheckOutcome {
        let (count, noun) = match self {
            Self::Words => (text.split_whitespace().count(), "word"),
            Self::Characters => (text.trim().chars().count(), "character"),
        };
        let fits = min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
        CheckOutcome::PassFail(fits, pluralize(count, noun))
    }
}
