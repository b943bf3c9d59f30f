//! Assertions that compare the answer with texts.

use serde_json::json;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::excerpt::quote;
use super::fold::collapse_whitespace;
use super::options::{AssertionOptions, missing_reference_error};
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const EQUALS: AssertionType =
    row("equals", "equals: Paris", |o, c| parse_whole(o, c, CaseRule::Exact));
pub(super) const IEQUALS: AssertionType =
    row("iequals", "iequals: paris", |o, c| parse_whole(o, c, CaseRule::Ignored));
pub(super) const CONTAINS: AssertionType =
    row("contains", "contains: Paris", |o, c| parse_part(o, c, MatchPosition::Anywhere, CaseRule::Exact));
pub(super) const ICONTAINS: AssertionType =
    row("icontains", "icontains: paris", |o, c| parse_part(o, c, MatchPosition::Anywhere, CaseRule::Ignored));
pub(super) const CONTAINS_ALL: AssertionType =
    row("contains-all", "contains-all: [Paris, France]", |o, _| parse_list(o, CaseRule::Exact, true));
pub(super) const CONTAINS_ANY: AssertionType =
    row("contains-any", "contains-any: [Paris, Lutetia]", |o, _| parse_list(o, CaseRule::Exact, false));
pub(super) const ICONTAINS_ALL: AssertionType =
    row("icontains-all", "icontains-all: [paris, france]", |o, _| parse_list(o, CaseRule::Ignored, true));
pub(super) const ICONTAINS_ANY: AssertionType =
    row("icontains-any", "icontains-any: [paris, lutetia]", |o, _| parse_list(o, CaseRule::Ignored, false));
pub(super) const STARTS_WITH: AssertionType =
    row("starts-with", "starts-with: 'Yes'", |o, c| parse_part(o, c, MatchPosition::Start, CaseRule::Exact));
pub(super) const ENDS_WITH: AssertionType =
    row("ends-with", "ends-with: Paris.", |o, c| parse_part(o, c, MatchPosition::End, CaseRule::Exact));

type Parse = fn(&mut AssertionOptions, AssertionContext<'_>) -> Result<ParsedCheck, OptionError>;

const fn row(name: &'static str, example: &'static str, parse: Parse) -> AssertionType {
    AssertionType {
        name,
        example,
        options: &["value"],
        kind: AssertionKind::Content,
        scoring: ScoringMode::PassFail,
        parser: AssertionParser::Options(parse),
    }
}

fn parse_whole(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
    case: CaseRule,
) -> Result<ParsedCheck, OptionError> {
    let needle = options.take_text_or_reference(context.reference)?;
    Ok(TextMatch { place: MatchPosition::Whole, case, needles: vec![needle], is_all_required: true }.into())
}

fn parse_part(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
    place: MatchPosition,
    case: CaseRule,
) -> Result<ParsedCheck, OptionError> {
    let needle = match options.take_text("value")? {
        Some(text) if text.trim().is_empty() => return Err("every answer contains an empty string".into()),
        Some(text) => text,
        None => {
            let reference = context.reference.ok_or_else(missing_reference_error)?;
            if reference.trim().is_empty() {
                let why = "the reference is empty, and every answer contains an empty string";
                return Err(OptionError::Case(why.into()));
            }
            reference.to_owned()
        }
    };
    Ok(TextMatch { place, case, needles: vec![needle], is_all_required: true }.into())
}

fn parse_list(
    options: &mut AssertionOptions,
    case: CaseRule,
    is_all_required: bool,
) -> Result<ParsedCheck, OptionError> {
    let needles = options.take_list("value")?;
    Ok(TextMatch { place: MatchPosition::Anywhere, case, needles, is_all_required }.into())
}

#[derive(Clone, Debug)]
pub(super) struct TextMatch {
    pub(super) place: MatchPosition,
    pub(super) case: CaseRule,
    pub(super) needles: Vec<String>,
    /// False when one needle is enough.
    pub(super) is_all_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchPosition {
    /// The whole answer, ignoring whitespace around it.
    Whole,
    Anywhere,
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaseRule {
    Exact,
    Ignored,
}

impl From<TextMatch> for ParsedCheck {
    fn from(check: TextMatch) -> Self {
        let identity = json!(check.needles);
        Self::new(check, identity)
    }
}

impl TextMatch {
    fn find_in(&self, text: &str) -> CheckOutcome {
        let fold = |s: &str| if self.case == CaseRule::Ignored { s.to_lowercase() } else { s.to_owned() };
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

impl AssertionCheck for TextMatch {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        self.find_in(answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        let needles = self.needles.iter().map(|needle| collapse_whitespace(needle)).collect();
        let folded = Self { case: CaseRule::Ignored, needles, ..self.clone() };
        Some(folded.find_in(&collapse_whitespace(answer.text)))
    }
}
