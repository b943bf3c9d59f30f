//! Assertions about JSON.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::checks::regex;
use super::{Surroundings, Wrong};
use crate::eval::{Check, PathTest};

/// Schemas that were read for other cases: a set has many cases and few schemas.
#[derive(Debug, Default)]
pub(in crate::config) struct Schemas {
    files: RefCell<HashMap<PathBuf, Value>>,
    validators: RefCell<HashMap<String, Arc<Validator>>>,
}

impl Schemas {
    fn file(&self, path: &Path) -> Result<Value, Wrong> {
        if let Some(schema) = self.files.borrow().get(path) {
            return Ok(schema.clone());
        }
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let schema: Value =
            serde_json::from_str(&text).map_err(|e| format!("{} is not JSON: {e}", path.display()))?;
        self.files.borrow_mut().insert(path.to_owned(), schema.clone());
        Ok(schema)
    }

    fn validator(&self, schema: &Value) -> Result<Arc<Validator>, Wrong> {
        let text = schema.to_string();
        if let Some(validator) = self.validators.borrow().get(&text) {
            return Ok(Arc::clone(validator));
        }
        let validator =
            jsonschema::validator_for(schema).map_err(|e| format!("the schema is broken: {e}"))?;
        let validator = Arc::new(validator);
        self.validators.borrow_mut().insert(text, Arc::clone(&validator));
        Ok(validator)
    }

    /// The schema of an assertion, out of a file or written in place.
    fn of(&self, arguments: &mut Arguments, folder: &Path) -> Result<Option<(Arc<Validator>, Value)>, Wrong> {
        let schema = match (arguments.take("schema"), arguments.take("value")) {
            (None, None) => return Ok(None),
            (Some(schema), None) => schema,
            (None, Some(Value::String(path))) => self.file(&folder.join(path))?,
            _ => return Err("it takes a path, or {schema: {…}}".into()),
        };
        Ok(Some((self.validator(&schema)?, schema)))
    }
}

pub(super) fn schema(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let found = around.schemas.of(arguments, around.folder)?;
    let (validator, schema) = found.ok_or("it needs a path, or {schema: {…}}")?;
    Ok((Check::JsonSchema(validator), schema))
}

pub(super) fn contains(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let (validator, schema) = around.schemas.of(arguments, around.folder)?.unzip();
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
