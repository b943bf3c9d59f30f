//! Assertions about JSON.

use serde_json::{Value, json};

use super::options::AssertionOptions;
use super::{AssertionBuildError, AssertionContext};
use crate::eval::{Check, JsonPathTest};

pub(super) fn parse_json_schema(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let found = context.caches.take_schema(arguments, context.folder)?;
    let (validator, schema) = found.ok_or("missing schema: expected a path, or {schema: {…}}")?;
    Ok((Check::JsonSchema(validator), schema))
}

pub(super) fn parse_contains_json(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let (validator, schema) = context.caches.take_schema(arguments, context.folder)?.unzip();
    Ok((Check::ContainsJson(validator), json!(schema)))
}

pub(super) fn parse_json_path(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let written = match arguments.take_text("path")? {
        Some(path) => path,
        None => arguments.take_text("value")?.ok_or("missing `path`")?,
    };
    let path = context.caches.compile_json_path(&written)?;
    let tests = [arguments.take("equals"), arguments.take("matches"), arguments.take("exists")];
    let (test, identity) = match tests {
        [Some(value), None, None] => (JsonPathTest::Equals(value.clone()), json!([written, "equals", value])),
        [None, Some(Value::String(m)), None] => {
            (JsonPathTest::Matches(context.caches.compile_pattern(&m)?), json!([written, "matches", m]))
        }
        [None, None, Some(Value::Bool(e))] => (JsonPathTest::Exists(e), json!([written, "exists", e])),
        [None, None, None] => (JsonPathTest::Exists(true), json!([written, "exists", true])),
        _ => {
            return Err(
                "expected exactly one of `equals`, `matches` (a regular expression), or `exists` (true or false)".into()
            );
        }
    };
    Ok((Check::JsonPath(path, test), identity))
}

pub(super) fn parse_json_diff(
    arguments: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<(Check, Value), AssertionBuildError> {
    let parse = |text: &str| serde_json::from_str::<Value>(text.trim());
    let wanted = match arguments.take("value") {
        Some(Value::String(text)) => parse(&text).map_err(|e| format!("the value is not valid JSON: {e}"))?,
        Some(value) => value,
        None => {
            let reference = reference.ok_or_else(|| {
                AssertionBuildError::Case("missing `value`, and the case has no reference".into())
            })?;
            parse(reference)
                .map_err(|e| AssertionBuildError::Case(format!("the reference is not valid JSON: {e}")))?
        }
    };
    let identity = wanted.clone();
    Ok((Check::JsonDiff(wanted), identity))
}
