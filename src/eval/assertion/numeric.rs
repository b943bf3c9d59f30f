//! `numeric`: the last number in the answer.

use serde_json::{Value, json};

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::number_parser::parse_numbers;
use crate::eval::verdict::AssertionKind;

pub(super) const NUMERIC: AssertionType = AssertionType {
    name: "numeric",
    example: "numeric: {equals: 42, tolerance: 1%}",
    options: &["equals", "value", "tolerance"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let equals = match options.take_number("equals")? {
        Some(number) => Some(number),
        None => options.take_number("value")?,
    };
    let from_reference =
        || context.reference.map(parse_numbers).and_then(|n| n.last().copied()).filter(|n| n.is_finite());
    let equals = equals.or_else(from_reference).ok_or_else(|| {
        OptionError::Case("missing `equals`, and the case has no reference with a number".into())
    })?;
    let tolerance = match options.take("tolerance") {
        None => NumericTolerance::Absolute(0.0),
        Some(written) => {
            let invalid = "`tolerance` must be a number, or a percentage such as `1%`";
            NumericTolerance::parse(&written).ok_or(invalid)?
        }
    };
    let (by, kind) = match tolerance {
        NumericTolerance::Absolute(by) => (by, "by"),
        NumericTolerance::Relative(share) => (share, "share"),
    };
    if !(by >= 0.0 && by.is_finite()) {
        return Err("`tolerance` must not be negative".into());
    }
    Ok(ParsedCheck::new(EqualsNumber { equals, tolerance }, json!([equals, kind, by])))
}

#[derive(Debug)]
pub(super) struct EqualsNumber {
    pub(super) equals: f64,
    pub(super) tolerance: NumericTolerance,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NumericTolerance {
    Absolute(f64),
    /// A share of the expected number.
    Relative(f64),
}

impl NumericTolerance {
    /// A number, or a percentage such as `1%`.
    fn parse(written: &Value) -> Option<Self> {
        match written {
            Value::Number(by) => Some(Self::Absolute(by.as_f64().unwrap_or(f64::NAN))),
            Value::String(text) => match text.trim().strip_suffix('%') {
                Some(percent) => {
                    percent.trim().parse().ok().map(|percent: f64| Self::Relative(percent / 100.0))
                }
                None => text.trim().parse().ok().map(Self::Absolute),
            },
            _ => None,
        }
    }
}

impl AssertionCheck for EqualsNumber {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let equals = self.equals;
        let Some(number) = parse_numbers(answer.text).last().copied() else {
            return CheckOutcome::PassFail(false, "no number in the answer".into());
        };
        let allowed = match self.tolerance {
            NumericTolerance::Absolute(by) => by,
            NumericTolerance::Relative(share) => share * equals.abs(),
        };
        // Slack for decimal fractions stored in binary.
        let slack = 1e-9 * equals.abs().max(1.0);
        let is_close = (number - equals).abs() <= allowed + slack;
        CheckOutcome::PassFail(is_close, format!("the last number is {number}, expected {equals}"))
    }

    fn is_text_based(&self) -> bool {
        true
    }
}
