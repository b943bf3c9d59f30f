//! Whether an answer has the shape that was asked for.

use serde_json::Value;

/// What came of an answer whose shape was asked for: the JSON in it, or what is wrong with it.
pub type StructuredOutput = Result<Value, String>;

/// A JSON Schema, ready to be held against answers.
#[derive(Debug)]
pub struct OutputSchema(jsonschema::Validator);

impl OutputSchema {
    /// A schema, made ready.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| error.to_string())
    }

    /// The JSON that an answer holds, if it is valid. A code fence around it is forgiven: only what is inside counts.
    ///
    /// # Errors
    /// In words: what is wrong, and where.
    pub fn parse_answer(&self, text: &str) -> StructuredOutput {
        let value: Value = serde_json::from_str(strip_outer_fence(text))
            .map_err(|error| format!("it is no JSON ({error})"))?;
        let wrong = self.0.iter_errors(&value).next().map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "at its root".to_owned() } else { format!("at {place}") };
            format!("{error} ({place})")
        });
        wrong.map_or(Ok(value), Err)
    }
}

/// What stands inside a code fence, where there is one.
fn strip_outer_fence(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inside.map_or(text, |inside| {
        let (language, body) = inside.split_once('\n').unwrap_or(("", inside));
        if language.trim().chars().all(char::is_alphanumeric) { body.trim() } else { inside.trim() }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parse_answer_cases() {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let shape = OutputSchema::new(&schema).unwrap();
        assert_eq!(shape.parse_answer("{\"n\": 1}"), Ok(json!({"n": 1})));
        assert_eq!(shape.parse_answer("```json\n{\"n\": 1}\n```"), Ok(json!({"n": 1})));
        assert!(shape.parse_answer("{\"n\": \"x\"}").unwrap_err().contains("/n"));
        assert!(shape.parse_answer("Sure! {\"n\": 1}").unwrap_err().contains("no JSON"));
        assert!(OutputSchema::new(&json!({"type": 7})).is_err());
    }
}
