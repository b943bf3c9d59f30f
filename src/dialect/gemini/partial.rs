//! Tool arguments that arrive by JSON paths (`streamFunctionCallArguments`): `$.location` gets "Bos", then "ton".

use serde_json::{Map, Value};

use super::wire::PartialArg;

/// A tool call whose arguments are still growing.
#[derive(Debug, Default)]
pub(super) struct PartialCall {
    arguments: Value,
}

impl PartialCall {
    /// A call that begins with these arguments.
    pub(super) fn new(arguments: Option<Value>) -> Self {
        Self { arguments: arguments.unwrap_or_else(|| Value::Object(Map::new())) }
    }

    /// Puts one piece where its path says; text is appended to text.
    pub(super) fn put(&mut self, piece: &PartialArg) {
        let value = match (&piece.string_value, &piece.number_value, piece.bool_value) {
            (Some(text), _, _) => Value::String(text.clone()),
            (None, Some(number), _) => Value::Number(number.clone()),
            (None, None, Some(truth)) => Value::Bool(truth),
            (None, None, None) => Value::Null,
        };
        let Some(steps) = steps(&piece.json_path) else { return };
        let mut place = &mut self.arguments;
        for step in steps {
            place = match step {
                Step::Key(key) => {
                    if !place.is_object() {
                        *place = Value::Object(Map::new());
                    }
                    let Value::Object(fields) = place else { return };
                    fields.entry(key).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if !place.is_array() {
                        *place = Value::Array(Vec::new());
                    }
                    let Value::Array(items) = place else { return };
                    if items.len() <= index {
                        items.resize(index + 1, Value::Null);
                    }
                    &mut items[index]
                }
            };
        }
        match (place, value) {
            (Value::String(so_far), Value::String(more)) => so_far.push_str(&more),
            (place, value) => *place = value,
        }
    }

    /// The arguments, whole.
    pub(super) fn arguments(&self) -> String {
        self.arguments.to_string()
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// A list of this length is no tool argument but an attack.
const MOST_ITEMS: usize = 10_000;

/// The steps of `$.a.b[0]['c d']`; `None` for a path that leads out of reach.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let (inside, after) = tail.split_once(']').unwrap_or((tail, ""));
            match inside.parse::<usize>() {
                Ok(index) if index < MOST_ITEMS => steps.push(Step::Index(index)),
                Ok(_) => return None,
                Err(_) => steps.push(Step::Key(inside.trim_matches(['\'', '"']).to_owned())),
            }
            rest = after;
        } else {
            let tail = rest.trim_start_matches('.');
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end > 0 {
                steps.push(Step::Key(tail[..end].to_owned()));
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
    fn pieces_find_their_places() {
        let text = |path: &str, text: &str| PartialArg {
            json_path: path.into(),
            string_value: Some(text.into()),
            ..PartialArg::default()
        };
        let mut call = PartialCall::new(None);
        call.put(&text("$.city", "Bos"));
        call.put(&text("$.city", "ton"));
        call.put(&PartialArg {
            json_path: "$.days[1].n".into(),
            number_value: Some(3.into()),
            ..PartialArg::default()
        });
        call.put(&PartialArg {
            json_path: "$['a b']".into(),
            bool_value: Some(true),
            ..PartialArg::default()
        });
        call.put(&text("$.days[99999999999]", "too far"));
        assert_eq!(call.arguments(), r#"{"city":"Boston","days":[null,{"n":3}],"a b":true}"#);
    }
}
