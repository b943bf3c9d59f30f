//! What the text is, holds, and how long it is.

use super::{Found, quoted, shortened};
use crate::chat::counted;

/// How a text is compared.
#[derive(Clone, Debug)]
pub struct TextTest {
    /// Where the needle must be.
    pub place: Place,
    /// Whether capital and small letters are the same.
    pub ignore_case: bool,
    /// The texts to look for.
    pub needles: Vec<String>,
    /// Whether all of them must be there, or any.
    pub all: bool,
}

/// Where a text must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
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
pub enum Unit {
    /// What white space separates.
    Words,
    /// Unicode code points, as Python counts them; white space around the answer is not counted.
    Characters,
}

impl TextTest {
    pub(super) fn look(&self, text: &str) -> Found {
        let fold = |s: &str| if self.ignore_case { s.to_lowercase() } else { s.to_owned() };
        let text = fold(text);
        let is_there = |needle: &&String| {
            let needle = fold(needle);
            match self.place {
                Place::Whole => text.trim() == needle.trim(),
                Place::Anywhere => text.contains(&needle),
                Place::Start => text.trim_start().starts_with(&needle),
                Place::End => text.trim_end().ends_with(&needle),
            }
        };
        let (is, is_not) = match self.place {
            Place::Whole => ("is", "is not"),
            Place::Anywhere => ("contains", "does not contain"),
            Place::Start => ("starts with", "does not start with"),
            Place::End => ("ends with", "does not end with"),
        };
        let (present, missing): (Vec<&String>, Vec<&String>) = self.needles.iter().partition(|n| is_there(n));
        let list =
            |needles: &[&String], and: &str| needles.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(and);
        if self.all && missing.is_empty() || !self.all && !present.is_empty() {
            return Found::Plain(true, format!("the answer {is} {}", list(&present, ", ")));
        }
        let and = if self.all { ", " } else { " or " };
        Found::Plain(false, format!("the answer {is_not} {}", list(&missing, and)))
    }
}

pub(super) fn matched(regex: &regex::Regex, text: &str) -> Found {
    match regex.find(text) {
        Some(found) => Found::Plain(true, format!("found {}", quoted(found.as_str()))),
        None => Found::Plain(false, format!("nothing matches {}", shortened(regex.as_str()))),
    }
}

impl Unit {
    pub(super) fn look(self, min: Option<usize>, max: Option<usize>, text: &str) -> Found {
        let (count, of) = match self {
            Self::Words => (text.split_whitespace().count(), "word"),
            Self::Characters => (text.trim().chars().count(), "character"),
        };
        let fits = min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
        Found::Plain(fits, counted(count, of))
    }
}
