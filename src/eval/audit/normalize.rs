//! Normal forms of answers: answers with the same form count as equal.

use std::collections::BTreeMap;

use serde_json::{Number, Value};
use unicode_normalization::UnicodeNormalization;

/// `None` unless the whole text is a JSON object or array.
pub(super) fn parse_object_or_list(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok().filter(|value: &Value| value.is_object() || value.is_array())
}

/// Prose: NFKC, lowercase, single spaces, and no punctuation around words. JSON: the same for strings, sorted
/// keys, 1 equal to 1.0, and null equal to a missing key.
pub(super) fn normalize(text: &str) -> String {
    match parse_object_or_list(text) {
        Some(value) => format!("json:{}", normalize_value(&value)),
        None => normalize_prose(text),
    }
}

fn normalize_prose(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().map(strip_punctuation).collect::<Vec<_>>().join(" ")
}

/// Removes punctuation around a word; a word of only punctuation stays.
fn strip_punctuation(word: &str) -> &str {
    let inner = word.trim_matches(|c| ".,;:!?…()[]{}\"'`*_~“”„‘’«»".contains(c));
    if inner.is_empty() { word } else { inner }
}

fn normalize_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => normalize_number(number),
        Value::String(text) => format!("{:?}", normalize_prose(text)),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(normalize_value).collect::<Vec<_>>().join(","))
        }
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            let sorted: BTreeMap<&String, String> =
                kept.map(|(key, value)| (key, normalize_value(value))).collect();
            let fields: Vec<String> =
                sorted.into_iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

fn normalize_number(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(value) => value.to_string(),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_texts_normalize_equally() {
        for (a, b) in [
            ("It is Paris.", "  it is\n**PARIS**"),
            ("caf\u{e9}", "cafe\u{301}"),
            (r#"{"a":1,"b":null}"#, "{\n \"a\": 1.0}"),
            (r#"{"a":"Red","b":2}"#, r#"{"b":2,"a":"red."}"#),
        ] {
            assert_eq!(normalize(a), normalize(b), "{a} {b}");
        }
    }

    #[test]
    fn different_texts_normalize_differently() {
        for (a, b) in [
            ("-3", "3"),
            ("12%", "12"),
            ("C++", "C"),
            ("++", ""),
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, "```json\n{\"a\":1}\n```"),
            ("1", "[1]"),
        ] {
            assert_ne!(normalize(a), normalize(b), "{a} {b}");
        }
    }
}
