//! Tool arguments that arrive by JSON path (`streamFunctionCallArguments`): `$.location` gets "Bos", then
//! "ton".

use serde_json::{Map, Value};

use super::wire::GeminiPartialArg;

#[derive(Debug, Default)]
pub(super) struct PartialToolCall {
    arguments: Value,
}

impl PartialToolCall {
    pub(super) fn new(arguments: Option<Value>) -> Self {
        Self { arguments: arguments.unwrap_or_else(|| Value::Object(Map::new())) }
    }

    /// Sets the value at the fragment's path. A string is appended to an existing string.
    pub(super) fn apply(&mut self, piece: &GeminiPartialArg) {
        let value = match (&piece.string_value, &piece.number_value, piece.bool_value) {
            (Some(text), _, _) => Value::String(text.clone()),
            (None, Some(number), _) => Value::Number(number.clone()),
            (None, None, Some(truth)) => Value::Bool(truth),
            (None, None, None) => Value::Null,
        };
        let Some(steps) = parse_json_path(&piece.json_path) else { return };
        let mut slot = &mut self.arguments;
        for step in steps {
            slot = match step {
                JsonPathStep::Key(key) => {
                    if !slot.is_object() {
                        *slot = Value::Object(Map::new());
                    }
                    let Value::Object(fields) = slot else { return };
                    fields.entry(key).or_insert(Value::Null)
                }
                JsonPathStep::Index(index) => {
                    if !slot.is_array() {
                        *slot = Value::Array(Vec::new());
                    }
                    let Value::Array(items) = slot else { return };
                    if items.len() <= index {
                        items.resize(index + 1, Value::Null);
                    }
                    &mut items[index]
                }
            };
        }
        match (slot, value) {
            (Value::String(so_far), Value::String(more)) => so_far.push_str(&more),
            (slot, value) => *slot = value,
        }
    }

    pub(super) fn arguments_json(&self) -> String {
        self.arguments.to_string()
    }
}

enum JsonPathStep {
    Key(String),
    Index(usize),
}

/// Bounds memory; no real tool argument has a longer array.
const MAX_ARRAY_LEN: usize = 10_000;

/// Parses a path such as `$.a.b[0]['c d']`. `None` if the path is invalid or an index is too large.
fn parse_json_path(path: &str) -> Option<Vec<JsonPathStep>> {
    let mut steps = Vec::new();
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let (inside, after) = tail.split_once(']').unwrap_or((tail, ""));
            match inside.parse::<usize>() {
                Ok(index) if index < MAX_ARRAY_LEN => steps.push(JsonPathStep::Index(index)),
                Ok(_) => return None,
                Err(_) => steps.push(JsonPathStep::Key(inside.trim_matches(['\'', '"']).to_owned())),
            }
            rest = after;
        } else {
            let tail = rest.trim_start_matches('.');
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end > 0 {
                steps.push(JsonPathStep::Key(tail[..end].to_owned()));
            }
            rest = &tail[end..];
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_arguments_merge_by_json_path() {
        let text = |path: &str, text: &str| GeminiPartialArg {
            json_path: path.into(),
            string_value: Some(text.into()),
            ..GeminiPartialArg::default()
        };
        let mut call = PartialToolCall::new(None);
        call.apply(&text("$.city", "Bos"));
        call.apply(&text("$.city", "ton"));
        call.apply(&GeminiPartialArg {
            json_path: "$.days[1].n".into(),
            number_value: Some(3.into()),
            ..GeminiPartialArg::default()
        });
        call.apply(&GeminiPartialArg {
            json_path: "$['a b']".into(),
            bool_value: Some(true),
            ..GeminiPartialArg::default()
        });
        call.apply(&text("$.days[99999999999]", "too far"));
        assert_eq!(call.arguments_json(), r#"{"city":"Boston","days":[null,{"n":3}],"a b":true}"#);
    }
}
