//! `json-diff`: compares two JSON values leaf by leaf.

use serde_json::Value;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::excerpt::truncate;
use super::json_value::{fold_json_text, fold_json_value, is_equal_json, parse_json};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const JSON_DIFF: AssertionType = AssertionType {
    name: "json-diff",
    example: "json-diff: {threshold: 0.9}",
    options: &["value"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(1.0),
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let parse_text = |text: &str| serde_json::from_str::<Value>(text.trim());
    let wanted = match options.take("value") {
        Some(Value::String(text)) => {
            parse_text(&text).map_err(|e| format!("the value is not valid JSON: {e}"))?
        }
        Some(value) => value,
        None => {
            let missing = || OptionError::Case("missing `value`, and the case has no reference".into());
            parse_text(context.reference.ok_or_else(missing)?)
                .map_err(|e| OptionError::Case(format!("the reference is not valid JSON: {e}")))?
        }
    };
    let identity = wanted.clone();
    Ok(ParsedCheck::new(JsonDiff(wanted), identity))
}

/// Share of JSON leaves equal to those of this reference.
#[derive(Debug)]
pub(super) struct JsonDiff(pub(super) Value);

impl AssertionCheck for JsonDiff {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        compare_json(&self.0, answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        Some(compare_json(&fold_json_value(&self.0), &fold_json_text(answer.text)?))
    }

    fn requires_bare_json(&self) -> bool {
        true
    }
}

/// Each leaf counts once, at its object key or list position. The score is the share of equal leaves among
/// all positions on both sides.
fn compare_json(reference: &Value, text: &str) -> CheckOutcome {
    let answer = match parse_json(text) {
        Ok(answer) => answer,
        Err(why) => return CheckOutcome::Scored(0.0, why),
    };
    let mut diff = DiffCounts::default();
    diff.compare(&mut String::new(), Some(&answer), Some(reference));
    let counts = format!("{} of {} values match", diff.same, diff.all);
    let reason = diff.first.map_or_else(|| counts.clone(), |first| format!("{counts}; {first}"));
    CheckOutcome::Scored(diff.same as f64 / diff.all as f64, reason)
}

#[derive(Default)]
struct DiffCounts {
    same: usize,
    all: usize,
    first: Option<String>,
}

impl DiffCounts {
    fn compare(&mut self, path: &mut String, answer: Option<&Value>, reference: Option<&Value>) {
        let path_length = path.len();
        match (answer, reference) {
            (Some(Value::Object(a)), Some(Value::Object(b))) if !(a.is_empty() && b.is_empty()) => {
                let extra_keys = a.keys().filter(|key| !b.contains_key(*key));
                for key in b.keys().chain(extra_keys) {
                    path.push('/');
                    path.push_str(key);
                    self.compare(path, a.get(key), b.get(key));
                    path.truncate(path_length);
                }
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) if !(a.is_empty() && b.is_empty()) => {
                for index in 0..a.len().max(b.len()) {
                    path.push_str(&format!("/{index}"));
                    self.compare(path, a.get(index), b.get(index));
                    path.truncate(path_length);
                }
            }
            (Some(a), Some(b)) if is_equal_json(a, b) => {
                self.same += 1;
                self.all += 1;
            }
            (a, b) => {
                let format_value =
                    |value: Option<&Value>| value.map_or("missing".into(), |v| truncate(&v.to_string()));
                self.all += a.map_or(0, count_leaves).max(b.map_or(0, count_leaves));
                self.first.get_or_insert_with(|| {
                    let location = if path.is_empty() { "the answer" } else { path.as_str() };
                    format!("{location} is {}, expected {}", format_value(a), format_value(b))
                });
            }
        }
    }
}

fn count_leaves(value: &Value) -> usize {
    match value {
        Value::Array(items) if !items.is_empty() => items.iter().map(count_leaves).sum(),
        Value::Object(fields) if !fields.is_empty() => fields.values().map(count_leaves).sum(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn score(answer: &Value, reference: &Value) -> f64 {
        match compare_json(reference, &answer.to_string()) {
            CheckOutcome::Scored(score, _) => score,
            _ => f64::NAN,
        }
    }

    #[test]
    fn score_cases() {
        let ticket = json!({"category": "billing", "priority": "high", "order": {"id": 7, "open": true}});
        let cases = [
            (
                json!({"category": "billing", "priority": "low", "order": {"open": true, "id": 7.0}}),
                3.0 / 4.0,
            ),
            (json!({"category": "billing", "priority": "high", "order": null}), 2.0 / 4.0),
            (
                json!({"category": "billing", "priority": "high", "order": {"id": 7, "open": true}, "x": [1, 2]}),
                4.0 / 6.0,
            ),
            (json!([]), 0.0),
            (ticket.clone(), 1.0),
        ];
        for (answer, expected) in cases {
            assert_eq!(score(&answer, &ticket), expected, "{answer}");
        }
        assert_eq!(score(&json!([1, 2, 3]), &json!([1, 3])), 1.0 / 3.0);
        assert_eq!(score(&json!({}), &json!({})), 1.0);
        assert_eq!(score(&json!({"a": {}}), &json!({"a": []})), 0.0);
        let CheckOutcome::Scored(0.0, why) = compare_json(&ticket, "Sure! {}") else {
            panic!("prose is not JSON")
        };
        assert!(why.contains("not valid JSON"), "{why}");
        let CheckOutcome::Scored(_, why) = compare_json(&ticket, "{\"category\": \"other\"}") else {
            panic!()
        };
        assert_eq!(why, "0 of 4 values match; /category is \"other\", expected \"billing\"");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3_i64).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec(("[abc]", inner), 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn score_invariants_hold_for_any_json(a in any_json(), b in any_json()) {
            let forward = score(&a, &b);
            prop_assert!((0.0..=1.0).contains(&forward));
            prop_assert_eq!(forward, score(&b, &a));
            prop_assert_eq!(forward == 1.0, is_equal_json(&a, &b));
            prop_assert_eq!(score(&a, &a), 1.0);
        }
    }
}
