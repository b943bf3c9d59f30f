//! Compiled regular expressions, JSON Schemas, and JSONPaths, shared by the cases of a set.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use serde_json_path::{JsonPath, ParseError};

/// Entries kept of each kind. Those that all cases use arrive with the first case, so a full cache keeps
/// them and recompiles only those that differ between cases.
const MAX_ENTRIES: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct CompileCache {
    patterns: BoundedCache<Pattern>,
    schemas: BoundedCache<Validator>,
    json_paths: BoundedCache<JsonPath>,
}

impl CompileCache {
    pub(crate) fn pattern(&self, text: &str) -> Result<Arc<Pattern>, regex::Error> {
        self.patterns.get_or_compile(text, || Pattern::new(text))
    }

    pub(crate) fn schema(&self, schema: &Value) -> Result<Arc<Validator>, ValidationError<'static>> {
        self.schemas.get_or_compile(&schema.to_string(), || jsonschema::validator_for(schema))
    }

    pub(crate) fn json_path(&self, text: &str) -> Result<Arc<JsonPath>, ParseError> {
        self.json_paths.get_or_compile(text, || JsonPath::parse(text))
    }
}

/// Compiled values by their text.
#[derive(Debug)]
struct BoundedCache<T>(RefCell<HashMap<String, Arc<T>>>);

impl<T> Default for BoundedCache<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> BoundedCache<T> {
    fn get_or_compile<E>(&self, text: &str, compile: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(known) = self.0.borrow().get(text) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(compile()?);
        let mut entries = self.0.borrow_mut();
        if entries.len() < MAX_ENTRIES {
            entries.insert(text.to_owned(), Arc::clone(&compiled));
        }
        Ok(compiled)
    }
}

/// A regular expression, and the same one ignoring case, compiled when a repair first needs it.
#[derive(Debug)]
pub struct Pattern {
    regex: regex::Regex,
    ignoring_case: OnceLock<Option<Arc<Pattern>>>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self, regex::Error> {
        Ok(Self::from(regex::Regex::new(text)?))
    }

    pub(crate) fn regex(&self) -> &regex::Regex {
        &self.regex
    }

    /// `None` if the expression becomes too large.
    pub(super) fn ignoring_case(&self) -> Option<Arc<Self>> {
        let compile = || {
            let mut builder = regex::RegexBuilder::new(self.regex.as_str());
            builder.case_insensitive(true).build().ok().map(|regex| Arc::new(Self::from(regex)))
        };
        self.ignoring_case.get_or_init(compile).clone()
    }
}

impl From<regex::Regex> for Pattern {
    fn from(regex: regex::Regex) -> Self {
        Self { regex, ignoring_case: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn same_text_compiles_once() {
        let cache = CompileCache::default();
        let [one, two] = ["a+", "a+"].map(|text| cache.pattern(text).unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        assert!(Arc::ptr_eq(&one.ignoring_case().unwrap(), &two.ignoring_case().unwrap()));
        assert!(!one.regex().is_match("A") && one.ignoring_case().unwrap().regex().is_match("A"));
        let schema = || json!({"type": "object"});
        assert!(Arc::ptr_eq(&cache.schema(&schema()).unwrap(), &cache.schema(&schema()).unwrap()));
        assert!(Arc::ptr_eq(&cache.json_path("$.a").unwrap(), &cache.json_path("$.a").unwrap()));
        assert!(cache.pattern("(").is_err() && cache.schema(&json!({"type": 7})).is_err());
    }

    #[test]
    fn full_cache_keeps_first_entries() {
        let cache = CompileCache::default();
        let first = cache.pattern("first").unwrap();
        (0..MAX_ENTRIES).for_each(|n| drop(cache.pattern(&n.to_string()).unwrap()));
        assert!(Arc::ptr_eq(&first, &cache.pattern("first").unwrap()));
        assert_eq!(cache.patterns.0.borrow().len(), MAX_ENTRIES);
        assert!(cache.pattern("one more").unwrap().regex().is_match("one more"));
    }
}
