//! Grading that ignores case and whitespace.

use serde_json::Value;

use super::{Assertion, Check, JsonPathTest, TextMatch};
use crate::eval::{GradableAnswer, Verdict};

impl Assertion {
    /// Whether the assertion passes when case and whitespace are ignored. An answer that passes as is also
    /// passes here.
    pub(in crate::eval) fn can_pass_folded(&self, answer: &GradableAnswer<'_>) -> bool {
        if self.grade(answer).verdict == Verdict::Pass {
            return true;
        }
        if let Check::Combined(combination) = &self.check {
            let mut members = combination.members.iter().map(|member| member.can_pass_folded(answer));
            // With a threshold or a negation, it is unclear what ignoring differences means.
            return match (self.negated || combination.threshold.is_some(), combination.is_any_of) {
                (true, _) => false,
                (false, true) => members.any(|passes| passes),
                (false, false) => members.all(|passes| passes),
            };
        }
        let Some((check, text)) = fold_check(&self.check, answer.text) else { return false };
        let folded = Self {
            name: String::new(),
            negated: self.negated,
            check,
            threshold: self.threshold,
            weight: self.weight,
            kind: self.kind,
        };
        folded.grade(&GradableAnswer { text: &text, ..*answer }).verdict == Verdict::Pass
    }
}

/// The check and the text, both folded; `None` when there is nothing to fold.
fn fold_check(check: &Check, text: &str) -> Option<(Check, String)> {
    Some(match check {
        Check::Text(comparison) => {
            let needles = comparison.needles.iter().map(|needle| collapse_whitespace(needle)).collect();
            (
                Check::Text(TextMatch { ignore_case: true, needles, ..comparison.clone() }),
                collapse_whitespace(text),
            )
        }
        Check::Regex(pattern) => (Check::Regex(pattern.ignoring_case()?), collapse_whitespace(text)),
        // A schema may spell its values in any case; only the answer can be folded.
        Check::JsonSchema(schema) => (Check::JsonSchema(schema.clone()), fold_json_text(text)?),
        Check::JsonPath(path, test) => {
            let test = match test {
                JsonPathTest::Exists(_) => return None,
                JsonPathTest::Equals(value) => JsonPathTest::Equals(fold_json_value(value)),
                JsonPathTest::Matches(pattern) => JsonPathTest::Matches(pattern.ignoring_case()?),
            };
            (Check::JsonPath(path.clone(), test), fold_json_text(text)?)
        }
        Check::JsonDiff(reference) => (Check::JsonDiff(fold_json_value(reference)), fold_json_text(text)?),
        Check::Similarity(measure, reference) => {
            (Check::Similarity(*measure, fold_text(reference)), fold_text(text))
        }
        Check::Choice { options, equals } => {
            let options = options.iter().map(|option| collapse_whitespace(option)).collect();
            (Check::Choice { options, equals: collapse_whitespace(equals) }, collapse_whitespace(text))
        }
        _ => return None,
    })
}

/// Replaces each run of whitespace with one space and trims.
fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fold_text(text: &str) -> String {
    collapse_whitespace(text).to_lowercase()
}

/// Folds strings. Keys stay, since paths and schemas name them.
fn fold_json_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fold_text(text)),
        Value::Array(items) => items.iter().map(fold_json_value).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), fold_json_value(value))).collect()
        }
        other => other.clone(),
    }
}

fn fold_json_text(text: &str) -> Option<String> {
    super::json::parse_json(text).ok().map(|value| fold_json_value(&value).to_string())
}
