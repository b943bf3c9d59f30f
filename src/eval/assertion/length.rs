//! `word-count` and `length`.

use super::assertion_type::{AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::count_range::CountRange;
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
    let range = CountRange::take(options, &format!("{}s", unit.noun()))?;
    Ok(ParsedCheck::new(LengthRange { unit, range }, range.identity()))
}

#[derive(Debug)]
pub(super) struct LengthRange {
    pub(super) unit: LengthUnit,
    pub(super) range: CountRange,
}

impl AssertionCheck for LengthRange {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let count = self.unit.count(answer.text);
        CheckOutcome::PassFail(self.range.contains(count), pluralize(count, self.unit.noun()))
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn max_length(&self) -> Option<(LengthUnit, usize)> {
        Some((self.unit, self.range.max?))
    }
}
