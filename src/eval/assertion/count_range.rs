//! Limits on a count: `min`, `max`, or both.

use serde_json::{Value, json};

use super::options::AssertionOptions;
use super::parse_error::OptionError;

#[derive(Clone, Copy, Debug)]
pub(super) struct CountRange {
    pub(super) min: Option<usize>,
    pub(super) max: Option<usize>,
}

impl CountRange {
    /// Takes `min` and `max`. `noun` is what is counted, in the plural.
    pub(super) fn take(options: &mut AssertionOptions, noun: &str) -> Result<Self, OptionError> {
        let (min, max) = (options.take_count("min")?, options.take_count("max")?);
        if min == Some(0) && max.is_none() {
            return Err(format!("every answer has at least 0 {noun}").into());
        }
        if min.is_none() && max.is_none() {
            return Err("missing `min` or `max`".into());
        }
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err("`min` is larger than `max`".into());
        }
        // A minimum of 0 is the same as none, so both get the same identity.
        Ok(Self { min: min.filter(|min| *min > 0), max })
    }

    pub(super) fn contains(self, count: usize) -> bool {
        self.min.is_none_or(|min| count >= min) && self.max.is_none_or(|max| count <= max)
    }

    pub(super) fn identity(self) -> Value {
        json!([self.min, self.max])
    }
}
