//! `word-count` and `length`.

use serde_json::json;

use super::assertion_type::{AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::pluralize;
use crate::eval::answer::GradableAnswer;
use crate::eval::length_unit::LengthUnit;
use crate::eval::verdict::AssertionKind;

pub(super) const WORD_COUNT: AssertionType = AssertionType {
    name: "word-count",
    example: "word-count: {min: 1, max: 50}",
    options: &["min", "max"],
    kind: AssertionKind::Format,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(|options, _| parse(options, LengthUnit::Words)),
};

pub(super) const LENGTH: AssertionType = AssertionType {
    name: "length",
    example: "length: {max: 280}",
    parser: AssertionParser::Options(|options, _| parse(options, LengthUnit::Characters)),
    ..WORD_COUNT
};

fn parse(options: &mut AssertionOptions, unit: LengthUnit) -> Result<ParsedCheck, OptionError> {
    let (min, max) = (options.take_count("min")?, options.take_count("max")?);
    if min == Some(0) && max.is_none() {
        return Err(format!("every answer has at least 0 {}s", unit.noun()).into());
    }
    if min.is_none() && max.is_none() {
        return Err("missing `min` or `max`".into());
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("`min` is larger than `max`".into());
    }
    // A minimum of 0 is the same as none, so both get the same identity.
    let min = min.filter(|min| *min > 0);
    Ok(ParsedCheck::new(LengthRange { unit, min, max }, json!([min, max])))
}

#[derive(Debug)]
pub(crate) struct LengthRange {
    pub(crate) unit: LengthUnit,
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
}

impl AssertionCheck for LengthRange {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let count = self.unit.count(answer.text);
        let fits = self.min.is_none_or(|min| count >= min) && self.max.is_none_or(|max| count <= max);
        CheckOutcome::PassFail(fits, pluralize(count, self.unit.noun()))
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn max_length(&self) -> Option<(LengthUnit, usize)> {
        Some((self.unit, self.max?))
    }
}
