//! Checks on JSON.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{CheckOutcome, Pattern, truncate};

/// Test of the values at a JSONPath.
#[derive(Clone, Debug)]
pub enum JsonPathTest {
    /// Whether any value must exist.
    Exists(bool),
    Equals(Value),
    /// Finds a match in a string, or in the JSON text of any other value.
    Matches(Arc<Pattern>),
}

/// How much of an answer without JSON is shown.
const MAX_START_CHARS: usize = 20;

/// Parses the whole text; anything around the JSON, such as a code fence, is an error.
pub(super) fn parse_json(text: &str) -> Result<Value, String> {
    let text = text.trim();
    serde_json::from_str(text).map_err(|error| match text {
        "" => "the answer is empty, not valid JSON".to_owned(),
        // The text around the JSON says more than the parser does about its first character.
        text if !text.starts_with(['{', '[', '"']) => {
            let start: String = text.chars().take(MAX_START_CHARS).collect();
            let more = if start.len() < text.len() { "…" } else { "" };
            let start = start.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("the answer is not valid JSON: it starts with “{start}{more}”")
        }
        _ => format!("the answer is not valid JSON: {error}"),
    })
}

pub(super) fn check_is_json(text: &str) -> CheckOutcome {
    match parse_json(text) {
        Ok(_) => CheckOutcome::PassFail(true, "the answer is valid JSON".into()),
        Err(why) => CheckOutcome::PassFail(false, why),
    }
}

pub(super) fn check_schema(schema: &Validator, text: &str) -> CheckOutcome {
    match parse_json(text).and_then(|value| find_schema_error(schema, &value).map_or(Ok(()), Err)) {
        Ok(()) => CheckOutcome::PassFail(true, "the answer matches the schema".into()),
        Err(why) => CheckOutcome::PassFail(false, why),
    }
}

fn find_schema_error(schema: &Validator, value: &Value) -> Option<String> {
    schema.iter_errors(value).next().map(|error| {
        let path = error.instance_path().to_string();
        let path = if path.is_empty() { "the answer" } else { path.as_str() };
        format!("{path}: {error}")
    })
}

/// Looks for a JSON object or array anywhere in the text. Values found are not searched again, so the time
/// grows linearly with the text.
pub(super) fn check_contains_json(schema: Option<&Validator>, text: &str) -> CheckOutcome {
    let mut last_error = None;
    let mut at = 0;
    while let Some(next) = text[at..].find(['{', '[']) {
        let start = at + next;
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else {
            at = start + 1;
            continue;
        };
        at = start + values.byte_offset();
        let error = match schema {
            Some(schema) => find_schema_error(schema, &value),
            None => {
                is_number_list(&value).then(|| "the only JSON in the answer is a list of numbers".to_owned())
            }
        };
        match error {
            None => return CheckOutcome::PassFail(true, format!("found {}", truncate(&value.to_string()))),
            Some(error) => last_error = Some(error),
        }
    }
    CheckOutcome::PassFail(
        false,
        last_error.unwrap_or_else(|| "no JSON object or array in the answer".to_owned()),
    )
}

/// `[1]` and `[2, 3]` are footnotes in prose.
fn is_number_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_number))
}

impl JsonPathTest {
    pub(super) fn evaluate(&self, path: &JsonPath, text: &str) -> CheckOutcome {
        let value = match parse_json(text) {
            Ok(value) => value,
            Err(why) => return CheckOutcome::PassFail(false, why),
        };
        let nodes = path.query(&value).all();
        match (self, nodes.as_slice()) {
            (Self::Exists(wanted), nodes) => {
                let what = if nodes.is_empty() { "no value" } else { "a value" };
                CheckOutcome::PassFail(nodes.is_empty() != *wanted, format!("{what} at that path"))
            }
            (_, []) => CheckOutcome::PassFail(false, "no value at that path".into()),
            (Self::Equals(wanted), nodes) => {
                let same = nodes.iter().any(|found| is_equal_json(found, wanted));
                CheckOutcome::PassFail(same, format!("found {}, expected {wanted}", format_nodes(nodes)))
            }
            (Self::Matches(pattern), nodes) => {
                let regex = pattern.regex();
                let text = |node: &Value| node.as_str().map_or_else(|| node.to_string(), str::to_owned);
                let found = nodes.iter().any(|node| regex.is_match(&text(node)));
                let matches = if found { "matches" } else { "does not match" };
                CheckOutcome::PassFail(
                    found,
                    format!("{} {matches} {}", format_nodes(nodes), truncate(regex.as_str())),
                )
            }
        }
    }
}

/// JSON equality: 1 equals 1.0, and key order does not matter.
pub(super) fn is_equal_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_equal_json(a, b)))
        }
        _ => a == b,
    }
}

fn format_nodes(nodes: &[&Value]) -> String {
    truncate(&nodes.iter().take(80).map(|node| truncate(&node.to_string())).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_json_reason_is_single_line() {
        let reason = parse_json("```json\n{\"city\": \"Paris\"}\n```").unwrap_err();
        assert_eq!(reason, "the answer is not valid JSON: it starts with “```json {\"city\": \"Pa…”");
    }
}
