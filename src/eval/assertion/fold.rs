//! Assertions to which capitals and white space say nothing.

use serde_json::Value;

use super::{Assertion, Check, PathTest, TextTest};
use crate::eval::{Graded, Verdict};

impl Assertion {
    /// Whether it passes where capitals and white space say nothing. What passes as it is passes so too.
    pub(in crate::eval) fn forgives(&self, answer: &Graded<'_>) -> bool {
        if self.grade(answer).verdict == Verdict::Pass {
            return true;
        }
        if let Check::Combined(combination) = &self.check {
            let mut members = combination.members.iter().map(|member| member.forgives(answer));
            // Where a score decides, or the contrary is asked for, it is not plain what forgiving would be.
            return match (self.negated || combination.threshold.is_some(), combination.any) {
                (true, _) => false,
                (false, true) => members.any(|passes| passes),
                (false, false) => members.all(|passes| passes),
            };
        }
        let Some((check, text)) = folded(&self.check, answer.text) else { return false };
        let forgiving = Self {
            name: String::new(),
            negated: self.negated,
            check,
            threshold: self.threshold,
            weight: self.weight,
            kind: self.kind,
        };
        forgiving.grade(&Graded { text: &text, ..*answer }).verdict == Verdict::Pass
    }
}

/// A check with what it compares with, and the text, both folded; `None` where there is nothing to fold.
fn folded(check: &Check, text: &str) -> Option<(Check, String)> {
    Some(match check {
        Check::Text(comparison) => {
            let needles = comparison.needles.iter().map(|needle| spaced(needle)).collect();
            (Check::Text(TextTest { ignore_case: true, needles, ..comparison.clone() }), spaced(text))
        }
        Check::Regex(regex) => (Check::Regex(caseless(regex)?), spaced(text)),
        // A schema names its values in capitals or small letters; only the answer can be folded.
        Check::JsonSchema(schema) => (Check::JsonSchema(schema.clone()), folded_json(text)?),
        Check::JsonPath(path, test) => {
            let test = match test {
                PathTest::Exists(_) => return None,
                PathTest::Equals(value) => PathTest::Equals(folded_value(value)),
                PathTest::Matches(regex) => PathTest::Matches(caseless(regex)?),
            };
            (Check::JsonPath(path.clone(), test), folded_json(text)?)
        }
        Check::JsonDiff(reference) => (Check::JsonDiff(folded_value(reference)), folded_json(text)?),
        Check::Likeness(measure, reference) => (Check::Likeness(*measure, lowered(reference)), lowered(text)),
        Check::Choice { options, equals } => {
            let options = options.iter().map(|option| spaced(option)).collect();
            (Check::Choice { options, equals: spaced(equals) }, spaced(text))
        }
        _ => return None,
    })
}

/// Each run of white space as one space, and none around.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lowered(text: &str) -> String {
    spaced(text).to_lowercase()
}

fn caseless(regex: &regex::Regex) -> Option<regex::Regex> {
    regex::RegexBuilder::new(regex.as_str()).case_insensitive(true).build().ok()
}

/// JSON whose texts are folded; its keys stay, since paths and schemas name them.
fn folded_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(lowered(text)),
        Value::Array(items) => items.iter().map(folded_value).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), folded_value(value))).collect()
        }
        other => other.clone(),
    }
}

fn folded_json(text: &str) -> Option<String> {
    super::json::read(text).ok().map(|value| folded_value(&value).to_string())
}
