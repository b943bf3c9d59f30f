//! Collects a model's reasoning state from its deltas, to be sent back with the next request.

use serde_json::{Value, json};

/// OpenRouter's `reasoning_details`. Deltas of one detail share its index and type.
#[derive(Debug, Default)]
pub(super) struct ReasoningDetails {
    details: Vec<Value>,
}

impl ReasoningDetails {
    /// Adds a complete detail or a delta of one.
    pub(super) fn push_delta(&mut self, piece: Value) {
        let same = |known: &&mut Value| {
            !piece["index"].is_null() && known["index"] == piece["index"] && known["type"] == piece["type"]
        };
        let Some(Value::Object(known)) = self.details.iter_mut().rev().find(same) else {
            self.details.push(piece);
            return;
        };
        let Value::Object(piece) = piece else { return };
        for (name, value) in piece {
            match (known.get_mut(&name), value) {
                (_, Value::Null) => {}
                (Some(Value::String(so_far)), Value::String(more)) if is_appended_field(&name) => {
                    so_far.push_str(&more);
                }
                (_, value) => {
                    known.insert(name, value);
                }
            }
        }
    }

    /// `None` without any state. `field` is the field that carried reasoning text.
    pub(super) fn into_state(self, field: Option<&str>) -> Option<Value> {
        if field.is_none() && self.details.is_empty() {
            return None;
        }
        let mut state = json!({});
        if let Some(field) = field {
            state["field"] = json!(field);
        }
        if !self.details.is_empty() {
            state["reasoning_details"] = json!(self.details);
        }
        Some(state)
    }
}

/// These fields arrive in deltas; all others repeat the same value.
fn is_appended_field(name: &str) -> bool {
    matches!(name, "text" | "summary" | "data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_of_same_index_are_merged() {
        let mut details = ReasoningDetails::default();
        for text in ["he", "llo"] {
            details
                .push_delta(json!({"type": "reasoning.text", "text": text, "index": 0, "signature": null}));
        }
        details.push_delta(json!({"type": "reasoning.text", "signature": "s", "index": 0}));
        details.push_delta(json!({"type": "reasoning.encrypted", "data": "x", "index": 1}));
        let state = details.into_state(Some("reasoning")).unwrap();
        assert_eq!(state["reasoning_details"][0]["text"], "hello");
        assert_eq!(state["reasoning_details"][0]["signature"], "s");
        assert_eq!(state["reasoning_details"][1]["data"], "x");
    }
}
