//! Validates structured output against its JSON Schema.

use serde_json::Value;

/// The JSON of the answer, or why it is invalid.
pub(crate) type StructuredOutput = Result<Value, String>;

/// A compiled JSON Schema.
#[derive(Debug)]
pub(crate) struct OutputSchema(jsonschema::Validator);

impl OutputSchema {
    /// Fails when the schema is invalid.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| explain_schema_error(&error))
    }

    /// Parses and validates the JSON of an answer, without a surrounding code fence.
    pub(crate) fn parse_answer(&self, text: &str) -> StructuredOutput {
        let value: Value = serde_json::from_str(strip_outer_fence(text))
            .map_err(|error| format!("not valid JSON ({error})"))?;
        let problem = self.0.iter_errors(&value).next().map(|error| {
            let path = error.instance_path().to_string();
            let path = if path.is_empty() { "at the root".to_owned() } else { format!("at {path}") };
            format!("{error} ({path})")
        });
        problem.map_or(Ok(value), Err)
    }
}

/// Why a schema is invalid, without the terms of its meta-schema.
pub(crate) fn explain_schema_error(error: &jsonschema::ValidationError<'_>) -> String {
    match error.kind() {
        jsonschema::error::ValidationErrorKind::AnyOf { .. } => {
            let path = error.instance_path().to_string();
            format!("`{}` cannot be {}", path.trim_start_matches('/'), error.instance())
        }
        _ => error.to_string(),
    }
}

/// The text inside a code fence, or the text itself.
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
        let validator = OutputSchema::new(&schema).unwrap();
        assert_eq!(validator.parse_answer("{\"n\": 1}"), Ok(json!({"n": 1})));
        assert_eq!(validator.parse_answer("```json\n{\"n\": 1}\n```"), Ok(json!({"n": 1})));
        assert!(validator.parse_answer("{\"n\": \"x\"}").unwrap_err().contains("/n"));
        assert!(validator.parse_answer("Sure! {\"n\": 1}").unwrap_err().contains("not valid JSON"));
        assert!(OutputSchema::new(&json!({"type": 7})).is_err());
    }
}
