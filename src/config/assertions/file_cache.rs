//! Caches of the files that assertions refer to: schemas and grader programs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use super::AssertionBuildError;
use super::options::AssertionOptions;
use crate::config::set_folder::SetFolder;
use crate::eval::{Digest, explain_schema_error};

/// Caches files across cases: a set has many cases but few files.
#[derive(Debug, Default)]
pub(in crate::config) struct AssertionFileCache {
    schemas: RefCell<HashMap<PathBuf, Value>>,
    digests: RefCell<HashMap<PathBuf, Option<Digest>>>,
    validators: RefCell<HashMap<String, Arc<Validator>>>,
}

impl AssertionFileCache {
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
        let text = schema.to_string();
        if let Some(validator) = self.validators.borrow().get(&text) {
            return Ok(Arc::clone(validator));
        }
        let validator = jsonschema::validator_for(schema).map_err(|error| {
            let why = format!("invalid schema: {}", explain_schema_error(&error));
            let hint = "correct the schema (see https://json-schema.org for examples)";
            AssertionBuildError::WithHint(why, hint.to_owned())
        })?;
        let validator = Arc::new(validator);
        self.validators.borrow_mut().insert(text, Arc::clone(&validator));
        Ok(validator)
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
