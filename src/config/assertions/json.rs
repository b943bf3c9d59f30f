//! Assertions about JSON.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::checks::regex;
use super::{Surroundings, Wrong};
use crate::eval::{Check, PathTest};

pub(super) fn schema(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let found = around.files_read.schema_of(arguments, around.folder)?;
    let (validator, schema) = found.ok_or("it needs a path, or {schema: {…}}")?;
    Ok((Check::JsonSchema(validator), schema))
}

pub(super) fn contains(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let (validator, schema) = around.files_read.schema_of(arguments, around.folder)?.unzip();
    Ok((Check::ContainsJson(validator), json!(schema)))
}

pub(super) fn path(arguments: &mut Arguments) -> Result<(Check, Value), Wrong> {
    let written = match arguments.text("path")? {
        Some(path) => path,
        None => arguments.text("value")?.ok_or("it needs `path`")?,
    };
    let path = serde_json_path::JsonPath::parse(&written)
        .map_err(|e| format!("the path `{written}` is broken: {e}"))?;
    let tests = [arguments.take("equals"), arguments.take("matches"), arguments.take("exists")];
    let (test, identity) = match tests {
        [Some(value), None, None] => (PathTest::Equals(value.clone()), json!([written, "equals", value])),
        [None, Some(Value::String(m)), None] => {
            (PathTest::Matches(regex(&m)?), json!([written, "matches", m]))
        }
        [None, None, Some(Value::Bool(e))] => (PathTest::Exists(e), json!([written, "exists", e])),
        [None, None, None] => (PathTest::Exists(true), json!([written, "exists", true])),
        _ => {
            return Err(
                "it takes one of `equals`, `matches` (an expression) and `exists` (true or false)".into()
            );
        }
    };
    Ok((Check::JsonPath(path, test), identity))
}

pub(super) fn diff(arguments: &mut Arguments, reference: Option<&str>) -> Result<(Check, Value), Wrong> {
    let of_text = |text: &str| serde_json::from_str::<Value>(text.trim());
    let wanted = match arguments.take("value") {
        Some(Value::String(text)) => of_text(&text).map_err(|e| format!("its text is not JSON: {e}"))?,
        Some(value) => value,
        None => {
            let reference =
                reference.ok_or_else(|| Wrong::Case("it needs `value`, or the case a reference".into()))?;
            of_text(reference).map_err(|e| Wrong::Case(format!("the reference is not JSON: {e}")))?
        }
    };
    let identity = wanted.clone();
    Ok((Check::JsonDiff(wanted), identity))
}
