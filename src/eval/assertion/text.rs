//! What the text is, holds, and how long it is.

use super::{CheckOutcome, quote, truncate};
use crate::chat::pluralize;

/// How a text is compared.
#[derive(Clone, Debug)]
pub struct TextMatch {
    /// Where the needle must be.
    pub place: MatchPosition,
    /// Whether capital and small letters are the same.
    pub ignore_case: bool,
    /// The texts to look for.
    pub needles: Vec<String>,
    /// Whether all of them must be there, or any.
    pub is_all_required: bool,
}

/// Where a text must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchPosition {
    /// The whole answer, but for white space around it.
    Whole,
    /// Anywhere.
    Anywhere,
    /// At its start.
    Start,
    /// At its end.
    End,
}

/// What a length is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthUnit {
    /// What white space separates.
    Words,
    /// Unicode code points, as Python counts them; white space around the answer is not counted.
    Characters,
}

impl TextMatch {
    pub(super) fn evaluate(&self, text: &str) -> CheckOutcome {
        let fold = |s: &str| if self.ignore_case { s.to_lowercase() } else { s.to_owned() };
        let text = fold(text);
        let is_there = |needle: &&String| {
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
        let (present, missing): (Vec<&String>, Vec<&String>) = self.needles.iter().partition(|n| is_there(n));
        let list =
            |needles: &[&String], and: &str| needles.iter().map(|n| quote(n)).collect::<Vec<_>>().join(and);
        if self.is_all_required && missing.is_empty() || !self.is_all_required && !present.is_empty() {
            return CheckOutcome::PassFail(true, format!("the answer {is} {}", list(&present, ", ")));
        }
        let and = if self.is_all_required { ", " } else { " or " };
        CheckOutcome::PassFail(false, format!("the answer {is_not} {}", list(&missing, and)))
    }
}

pub(super) fn check_regex(regex: &regex::Regex, text: &str) -> CheckOutcome {
    match regex.find(text) {
        Some(found) => CheckOutcome::PassFail(true, format!("found {}", quote(found.as_str()))),
        None => CheckOutcome::PassFail(false, format!("nothing matches {}", truncate(regex.as_str()))),
    }
}

impl LengthUnit {
    pub(super) fn check_length(self, min: Option<usize>, max: Option<usize>, text: &str) -> CheckOutcome {
        let (count, of) = match self {
            Self::Words => (text.split_whitespace().count(), "word"),
            Self::Characters => (text.trim().chars().count(), "character"),
        };
        let fits = min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
        CheckOutcome::PassFail(fits, pluralize(count, of))
    }
}
