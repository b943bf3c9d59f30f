//! Caches for the assertions of a set: files that they refer to, and compiled patterns.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::AssertionBuildError;
use super::options::AssertionOptions;
use crate::config::diagnostic::{REGEX_HINT, explain_regex_error};
use crate::config::set_folder::SetFolder;
use crate::eval::{CompileCache, Digest, Pattern, explain_schema_error};

/// Shared by all cases: a set has many cases but few files and patterns.
#[derive(Debug, Default)]
pub(in crate::config) struct AssertionCaches {
    schemas: RefCell<HashMap<PathBuf, Value>>,
    digests: RefCell<HashMap<PathBuf, Option<Digest>>>,
    compiled: CompileCache,
}

impl AssertionCaches {
    /// `None` if the path is not a readable regular file.
    pub(super) fn file_digest(&self, path: &Path) -> Option<Digest> {
        // Reading from a pipe or device might never end.
        let read =
            || path.is_file().then(|| std::fs::read(path).ok()).flatten().map(|bytes| Digest::of([bytes]));
        *self.digests.borrow_mut().entry(path.to_owned()).or_insert_with(read)
    }

    fn load_schema(&self, folder: &SetFolder, name: &str) -> Result<Value, AssertionBuildError> {
        let path = &folder.file(name)?;
        if let Some(schema) = self.schemas.borrow().get(path) {
            return Ok(schema.clone());
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            let why = format!("cannot read {}: {error}", path.display());
            AssertionBuildError::WithHint(why, "check the path (it is relative to the set)".to_owned())
        })?;
        let schema: Value =
            serde_json::from_str(&text).map_err(|e| format!("{} is not valid JSON: {e}", path.display()))?;
        self.schemas.borrow_mut().insert(path.clone(), schema.clone());
        Ok(schema)
    }

    fn compile_schema(&self, schema: &Value) -> Result<Arc<Validator>, AssertionBuildError> {
        self.compiled.schema(schema).map_err(|error| {
            let why = format!("invalid schema: {}", explain_schema_error(&error));
            let hint = "correct the schema (see https://json-schema.org for examples)";
            AssertionBuildError::WithHint(why, hint.to_owned())
        })
    }

    pub(super) fn compile_pattern(&self, written: &str) -> Result<Arc<Pattern>, AssertionBuildError> {
        self.compiled.pattern(written).map_err(|error| {
            let why = format!("invalid regular expression `{written}`: {}", explain_regex_error(&error));
            AssertionBuildError::WithHint(why, REGEX_HINT.to_owned())
        })
    }

    pub(super) fn compile_json_path(&self, written: &str) -> Result<Arc<JsonPath>, AssertionBuildError> {
        self.compiled.json_path(written).map_err(|error| {
            AssertionBuildError::Assertion(match written.starts_with('$') {
                true => format!("invalid JSONPath `{written}`: {error}"),
                false => format!("invalid JSONPath `{written}`: must start with `$`"),
            })
        })
    }

    /// The schema, given inline or as a path to a file; `None` if the assertion has none.
    pub(super) fn take_schema(
        &self,
        arguments: &mut AssertionOptions,
        folder: &SetFolder,
    ) -> Result<Option<(Arc<Validator>, Value)>, AssertionBuildError> {
        let schema = match (arguments.take("schema"), arguments.take("value")) {
            (None, None) => return Ok(None),
            (Some(schema), None) => schema,
            (None, Some(Value::String(path))) => self.load_schema(folder, &path)?,
            _ => return Err("expected a path, or {schema: {…}}".into()),
        };
        Ok(Some((self.compile_schema(&schema)?, schema)))
    }
}
