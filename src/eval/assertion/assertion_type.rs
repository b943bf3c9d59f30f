//! Rows of the table of assertions, and what their parsers get.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::check::{Assertion, AssertionCheck};
use super::compile_cache::CompileCache;
use super::json_value::is_equal_json;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::Tool;
use crate::eval::digest::Digest;
use crate::eval::verdict::AssertionKind;

pub(crate) struct AssertionType {
    /// Without the prefix `not-`.
    pub name: &'static str,
    /// Shown in hints.
    pub example: &'static str,
    /// Options besides `weight`, `kind`, and `threshold`.
    pub options: &'static [&'static str],
    /// The default kind.
    pub kind: AssertionKind,
    pub scoring: ScoringMode,
    pub parser: AssertionParser,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ScoringMode {
    PassFail,
    /// Passes at this score or above, unless `threshold` is set.
    Threshold(f64),
    /// Passes as its members do, unless `threshold` is set.
    FromMembers,
}

#[derive(Clone, Copy)]
pub(crate) enum AssertionParser {
    Options(fn(&mut AssertionOptions, AssertionContext<'_>) -> Result<ParsedCheck, OptionError>),
    /// For an assertion whose value is a list of assertions. The number is its `threshold`.
    Members(fn(Vec<BuiltAssertion>, Option<f64>) -> Result<ParsedCheck, OptionError>),
}

/// What an assertion is built from, besides its own options.
#[derive(Clone, Copy)]
pub(crate) struct AssertionContext<'a> {
    pub reference: Option<&'a str>,
    /// The tools that the request offers.
    pub tools: &'a [Tool],
    /// The set's default judge.
    pub judge: Option<&'a str>,
    /// The set's default embedding model.
    pub embedding: Option<&'a str>,
    pub compiled: &'a CompileCache,
    pub resources: &'a dyn AssertionResources,
}

/// What parsers need from the layer that reads files.
pub(crate) trait AssertionResources {
    /// The folder of the set.
    fn folder(&self) -> &Path;

    /// The JSON in a file, named relative to the set.
    fn load_json(&self, name: &str) -> Result<Value, OptionError>;

    /// `None` if the word does not name a readable file in the folder of the set.
    fn file_digest(&self, word: &str) -> Option<Digest>;

    /// Renders a template with the variables of the case. Errors start with `what` the template is for.
    fn render_template(&self, what: &str, text: &str) -> Result<String, OptionError>;
}

pub(crate) struct ParsedCheck {
    pub(super) check: Arc<dyn AssertionCheck>,
    /// Everything that affects the verdict, for the digest of the case: contents of files instead of paths,
    /// independent of notation.
    pub(super) identity: Value,
    /// The default kind, if it depends on the options.
    pub(super) kind: Option<AssertionKind>,
}

impl ParsedCheck {
    pub(super) fn new(check: impl AssertionCheck + 'static, identity: Value) -> Self {
        Self { check: Arc::new(check), identity, kind: None }
    }
}

#[derive(Debug)]
pub(crate) struct BuiltAssertion {
    pub assertion: Assertion,
    /// The identity of its check.
    pub(super) check_identity: Value,
}

impl BuiltAssertion {
    /// Whether exactly one of the two passes, for every answer.
    pub(super) fn is_negation_of(&self, other: &Self) -> bool {
        let (one, two) = (&self.assertion, &other.assertion);
        one.negated != two.negated
            && one.type_name() == two.type_name()
            && one.threshold == two.threshold
            && is_equal_json(&self.check_identity, &other.check_identity)
    }

    /// The assertion, and what identifies it in the digest of its case.
    pub(crate) fn into_parts(self) -> (Assertion, Value) {
        let Assertion { name, weight, kind, threshold, .. } = &self.assertion;
        let [name, weight, kind, threshold] = [json!(name), json!(weight), json!(kind), json!(threshold)];
        let identity = Value::Array(vec![name, weight, kind, threshold, self.check_identity]);
        (self.assertion, identity)
    }
}
