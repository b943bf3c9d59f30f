//! `regex`: a regular expression that matches anywhere in the answer.

use std::sync::Arc;

use serde_json::json;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::compile_cache::Pattern;
use super::excerpt::{quote, truncate};
use super::fold::collapse_whitespace;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const REGEX: AssertionType = AssertionType {
    name: "regex",
    example: "regex: '\\d{4}'",
    options: &["value"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

/// Texts that only a regular expression that matches every answer matches.
const PROBES: [&str; 3] = ["", "x", "7 \u{e4}\n"];

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let written = options.take_text("value")?.ok_or("missing regular expression")?;
    let pattern = context.compiled.pattern(&written)?;
    if PROBES.iter().all(|probe| pattern.is_match(probe)) {
        return Err(format!("the regular expression `{written}` matches every answer").into());
    }
    Ok(ParsedCheck::new(RegexMatch(pattern), json!(written)))
}

#[derive(Debug)]
pub(super) struct RegexMatch(pub(super) Arc<Pattern>);

fn find_match(pattern: &Pattern, text: &str) -> CheckOutcome {
    match pattern.find_all(text).next() {
        Some(found) => CheckOutcome::PassFail(true, format!("found {}", quote(found))),
        None => CheckOutcome::PassFail(false, format!("no match for {}", truncate(pattern.text()))),
    }
}

impl AssertionCheck for RegexMatch {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        find_match(&self.0, answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        Some(find_match(&*self.0.ignoring_case()?, &collapse_whitespace(answer.text)))
    }
}
