//! Parses, compares, and folds JSON.

use serde_json::Value;

use super::fold::fold_text;

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

/// Folds the strings. Keys stay, since paths and schemas name them.
pub(super) fn fold_json_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fold_text(text)),
        Value::Array(items) => items.iter().map(fold_json_value).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), fold_json_value(value))).collect()
        }
        other => other.clone(),
    }
}

/// The JSON of an answer with case and whitespace ignored; `None` if the answer is not JSON.
pub(super) fn fold_json_text(text: &str) -> Option<String> {
    parse_json(text).ok().map(|value| fold_json_value(&value).to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_json_reason_is_single_line() {
        let reason = parse_json("```json\n{\"city\": \"Paris\"}\n```").unwrap_err();
        assert_eq!(reason, "the answer is not valid JSON: it starts with “```json {\"city\": \"Pa…”");
    }
}
