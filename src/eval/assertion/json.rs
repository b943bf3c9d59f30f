//! `is-json`, `contains-json`, and `json-schema`.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::excerpt::truncate;
use super::json_value::{fold_json_text, parse_json};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const IS_JSON: AssertionType = AssertionType {
    name: "is-json",
    example: "is-json",
    options: &["value"],
    kind: AssertionKind::Format,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(|options, _| {
        options.reject_argument("is-json").map(|()| ParsedCheck::new(IsJson, Value::Null))
    }),
};

pub(super) const CONTAINS_JSON: AssertionType = AssertionType {
    name: "contains-json",
    example: "contains-json",
    options: &["value", "schema"],
    parser: AssertionParser::Options(|options, context| {
        let (validator, schema) = take_schema(options, context)?.unzip();
        Ok(ParsedCheck::new(ContainsJson(validator), json!(schema)))
    }),
    ..IS_JSON
};

pub(super) const JSON_SCHEMA: AssertionType = AssertionType {
    name: "json-schema",
    example: "json-schema: schema.json",
    options: &["value", "schema"],
    parser: AssertionParser::Options(|options, context| {
        let found = take_schema(options, context)?;
        let (validator, schema) = found.ok_or("missing schema: expected a path, or {schema: {…}}")?;
        Ok(ParsedCheck::new(MatchesSchema(validator), schema))
    }),
    ..IS_JSON
};

/// The schema, given inline or as a path to a file; `None` if the assertion has none.
fn take_schema(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<Option<(Arc<Validator>, Value)>, OptionError> {
    let schema = match (options.take("schema"), options.take("value")) {
        (None, None) => return Ok(None),
        (Some(schema), None) => schema,
        (None, Some(Value::String(path))) => context.resources.load_json(&path)?,
        _ => return Err("expected a path, or {schema: {…}}".into()),
    };
    Ok(Some((context.compiled.schema(&schema)?, schema)))
}

#[derive(Debug)]
pub(super) struct IsJson;

/// JSON anywhere in the text; it must match the schema, if there is one.
#[derive(Debug)]
pub(super) struct ContainsJson(pub(super) Option<Arc<Validator>>);

#[derive(Debug)]
pub(super) struct MatchesSchema(pub(super) Arc<Validator>);

impl AssertionCheck for IsJson {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        match parse_json(answer.text) {
            Ok(_) => CheckOutcome::PassFail(true, "the answer is valid JSON".into()),
            Err(why) => CheckOutcome::PassFail(false, why),
        }
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn requires_bare_json(&self) -> bool {
        true
    }
}

impl MatchesSchema {
    fn check_text(&self, text: &str) -> CheckOutcome {
        match parse_json(text).and_then(|value| find_schema_error(&self.0, &value).map_or(Ok(()), Err)) {
            Ok(()) => CheckOutcome::PassFail(true, "the answer matches the schema".into()),
            Err(why) => CheckOutcome::PassFail(false, why),
        }
    }
}

impl AssertionCheck for MatchesSchema {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        self.check_text(answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    /// A schema may spell its values in any case; only the answer can be folded.
    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        Some(self.check_text(&fold_json_text(answer.text)?))
    }

    fn requires_bare_json(&self) -> bool {
        true
    }
}

fn find_schema_error(schema: &Validator, value: &Value) -> Option<String> {
    schema.iter_errors(value).next().map(|error| {
        let path = error.instance_path().to_string();
        let path = if path.is_empty() { "the answer" } else { path.as_str() };
        format!("{path}: {error}")
    })
}

impl AssertionCheck for ContainsJson {
    /// Looks for a JSON object or array anywhere in the text. Values found are not searched again, so the
    /// time grows linearly with the text.
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let text = answer.text;
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
            let error = match &self.0 {
                Some(schema) => find_schema_error(schema, &value),
                None => is_number_list(&value)
                    .then(|| "the only JSON in the answer is a list of numbers".to_owned()),
            };
            match error {
                None => {
                    return CheckOutcome::PassFail(true, format!("found {}", truncate(&value.to_string())));
                }
                Some(error) => last_error = Some(error),
            }
        }
        let why = last_error.unwrap_or_else(|| "no JSON object or array in the answer".to_owned());
        CheckOutcome::PassFail(false, why)
    }

    fn is_text_based(&self) -> bool {
        true
    }
}

/// `[1]` and `[2, 3]` are footnotes in prose.
fn is_number_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_number))
}
