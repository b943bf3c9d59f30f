//! Compiled regular expressions, JSON Schemas, and JSONPaths, shared by the cases of a set.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::parse_error::OptionError;
use crate::eval::output_schema::explain_schema_error;

/// Entries kept of each kind. Those that all cases use arrive with the first case, so a full cache keeps
/// them and recompiles only those that differ between cases.
const MAX_ENTRIES: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct CompileCache {
    patterns: BoundedCache<String, Pattern>,
    schemas: BoundedCache<Value, Validator>,
    json_paths: BoundedCache<String, JsonPath>,
}

impl CompileCache {
    pub(super) fn pattern(&self, text: &str) -> Result<Arc<Pattern>, OptionError> {
        let compiled = self.patterns.get_or_compile(text, || Pattern::new(text));
        compiled.map_err(|error| {
            let why = format!("invalid regular expression `{text}`: {}", explain_regex_error(&error));
            OptionError::with_hint(why, REGEX_HINT)
        })
    }

    pub(super) fn schema(&self, schema: &Value) -> Result<Arc<Validator>, OptionError> {
        let compiled = self.schemas.get_or_compile(schema, || jsonschema::validator_for(schema));
        compiled.map_err(|error| {
            let why = format!("invalid schema: {}", explain_schema_error(&error));
            OptionError::with_hint(why, "correct the schema (see https://json-schema.org for examples)")
        })
    }

    pub(super) fn json_path(&self, text: &str) -> Result<Arc<JsonPath>, OptionError> {
        let compiled = self.json_paths.get_or_compile(text, || JsonPath::parse(text));
        compiled.map_err(|error| match text.starts_with('$') {
            true => format!("invalid JSONPath `{text}`: {error}").into(),
            false => format!("invalid JSONPath `{text}`: must start with `$`").into(),
        })
    }
}

/// Compiled values by their source.
#[derive(Debug)]
struct BoundedCache<K, T>(RefCell<HashMap<K, Arc<T>>>);

impl<K, T> Default for BoundedCache<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Hash + Eq, T> BoundedCache<K, T> {
    fn get_or_compile<Q, E>(&self, source: &Q, compile: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(known) = self.0.borrow().get(source) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(compile()?);
        let mut entries = self.0.borrow_mut();
        if entries.len() < MAX_ENTRIES {
            entries.insert(source.to_owned(), Arc::clone(&compiled));
        }
        Ok(compiled)
    }
}

/// A valid regular expression, and the same one ignoring case. Each is compiled when it is first used, because
/// that takes ten times as long as checking its syntax.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: String,
    regex: OnceLock<Option<Regex>>,
    ignoring_case: OnceLock<Option<Arc<Pattern>>>,
}

/// The compiled size of a pattern grows most for each byte of `\w`, and 200 of them stay within the limit of
/// `regex`.
const MAX_SMALL_PATTERN_BYTES: usize = 400;

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let pattern = Self::from_valid(text.to_owned());
        if !is_small(text) || !has_valid_syntax(text) {
            let _ = pattern.regex.set(Some(Regex::new(text)?));
        }
        Ok(pattern)
    }

    fn from_valid(text: String) -> Self {
        Self { text, regex: OnceLock::new(), ignoring_case: OnceLock::new() }
    }

    /// As written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere in the text; `false` if it is too large to compile.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    /// The matches in the text that do not overlap, from the left.
    pub(super) fn find_all<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.regex().into_iter().flat_map(|regex| regex.find_iter(text)).map(|found| found.as_str())
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }

    /// `None` if the expression becomes too large.
    pub(super) fn ignoring_case(&self) -> Option<Arc<Self>> {
        let compile = || {
            let regex = RegexBuilder::new(&self.text).case_insensitive(true).build().ok()?;
            let pattern = Self::from_valid(self.text.clone());
            let _ = pattern.regex.set(Some(regex));
            Some(Arc::new(pattern))
        };
        self.ignoring_case.get_or_init(compile).clone()
    }
}

/// Whether a pattern, if it is valid, certainly stays within the size limit. Repetitions of repetitions could
/// multiply, so they do not count as small.
fn is_small(text: &str) -> bool {
    let mut length = text.len();
    for (at, _) in text.match_indices('{') {
        // In verbose mode, space and comments may precede the braces.
        let is_nested = text[..at].trim_end().ends_with([')', '}']) || text.contains('#');
        let inside = text[at + 1..].split('}').next().unwrap_or_default();
        let counts = inside.split(',').filter_map(|count| count.trim().parse::<usize>().ok());
        length = length.saturating_add(counts.max().unwrap_or(0).saturating_mul(r"\w".len()));
        if is_nested {
            return false;
        }
    }
    length <= MAX_SMALL_PATTERN_BYTES
}

/// Checks only the syntax: it is checked before the size, and with this limit nothing is compiled. The added
/// alternative matches any character, which spares the search for prefixes of matches.
fn has_valid_syntax(text: &str) -> bool {
    let checked = RegexBuilder::new(&format!("(?s:.)|{text}")).size_limit(0).build();
    matches!(checked, Err(regex::Error::CompiledTooBig(_)))
}

pub(crate) const REGEX_HINT: &str = r"escape special characters, as in `\(`";

/// Why a regular expression is invalid, in one line.
pub(crate) fn explain_regex_error(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
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
        let folded = [one, two].map(|pattern| (pattern.is_match("A"), pattern.ignoring_case().unwrap()));
        assert!(Arc::ptr_eq(&folded[0].1, &folded[1].1));
        assert_eq!(folded.map(|(exact, folded)| (exact, folded.is_match("A"))), [(false, true); 2]);
        let schema = || json!({"type": "object", "required": ["a"]});
        assert!(Arc::ptr_eq(&cache.schema(&schema()).unwrap(), &cache.schema(&schema()).unwrap()));
        assert!(Arc::ptr_eq(&cache.json_path("$.a").unwrap(), &cache.json_path("$.a").unwrap()));
    }

    #[test]
    fn full_cache_keeps_first_entries() {
        let cache = CompileCache::default();
        let first = cache.pattern("first").unwrap();
        (0..MAX_ENTRIES).for_each(|n| drop(cache.pattern(&n.to_string()).unwrap()));
        assert!(Arc::ptr_eq(&first, &cache.pattern("first").unwrap()));
        assert_eq!(cache.patterns.0.borrow().len(), MAX_ENTRIES);
        assert!(cache.pattern("one more").unwrap().is_match("one more"));
    }

    #[test]
    fn invalid_source_is_error() {
        let cache = CompileCache::default();
        for text in
            ["(", ")", "*a", "?", "+|a", "{2}", "a{2", "a{3,2}", "[z-a]", r"\p{Nope}", "(?<n>a)(?<n>b)"]
        {
            assert_eq!(Pattern::new(text).is_err(), Regex::new(text).is_err(), "{text}");
        }
        for too_large in
            [r"\w{2000}", r"(\w{99}){99}", r"\w{99}{99}", "(?x)(\\w{99}) {99}", "(?x)(\\w{99})#\n{99}"]
        {
            assert!(Pattern::new(too_large).is_err(), "{too_large}");
        }
        assert!(cache.schema(&json!({"type": 7})).is_err() && cache.json_path("a").is_err());
    }

    #[test]
    fn largest_small_patterns_compile() {
        for class in [r"\w", r"\W", r"\d", r"\D", r"\S", ".", r"\pL", r"\PL", "[^a]", r"(\w|\W)"] {
            let text = format!("(?i){}", class.repeat((MAX_SMALL_PATTERN_BYTES - 4) / class.len()));
            assert!(is_small(&text) && Regex::new(&text).is_ok(), "{class}");
        }
        assert!(is_small(r"\w{195}") && Regex::new(r"(?i)\w{195}").is_ok());
        assert!(!is_small(r"\w{200}") && !is_small(r"(\w{2}){2}") && !is_small(r"\w{2}{2}"));
    }
}
