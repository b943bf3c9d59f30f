//! Every assertion by name, with what is known of it before one is written.

use crate::eval::Kind;

/// What is known of an assertion.
pub(super) struct Known {
    /// Its name, without `not-`.
    pub name: &'static str,
    /// How one is written.
    pub example: &'static str,
    /// The options that it takes beside `weight`, `kind` and `threshold`.
    pub options: &'static [&'static str],
    /// What it is about, where nothing else is said.
    pub kind: Kind,
    /// Whether it has a score between right and wrong.
    pub scores: Scores,
}

/// Whether an assertion has a score between right and wrong.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scores {
    /// It passes or fails.
    No,
    /// It passes from this score on, where nothing else is said.
    From(f64),
    /// It passes as its members do, unless a threshold is set.
    AsMembers,
}

const fn known(
    name: &'static str,
    example: &'static str,
    options: &'static [&'static str],
    kind: Kind,
    scores: Scores,
) -> Known {
    Known { name, example, options, kind, scores }
}

use Kind::{Content, Format};
use Scores::{AsMembers, From, No};

/// All of them, in the order of the documentation.
pub(super) const ASSERTIONS: &[Known] = &[
    known("equals", "equals: Paris", &["value"], Content, No),
    known("iequals", "iequals: paris", &["value"], Content, No),
    known("contains", "contains: Paris", &["value"], Content, No),
    known("icontains", "icontains: paris", &["value"], Content, No),
    known("contains-all", "contains-all: [Paris, France]", &["value"], Content, No),
    known("contains-any", "contains-any: [Paris, Lutetia]", &["value"], Content, No),
    known("icontains-all", "icontains-all: [paris, france]", &["value"], Content, No),
    known("icontains-any", "icontains-any: [paris, lutetia]", &["value"], Content, No),
    known("starts-with", "starts-with: 'Yes'", &["value"], Content, No),
    known("ends-with", "ends-with: Paris.", &["value"], Content, No),
    known("regex", "regex: '\\d{4}'", &["value"], Content, No),
    known("word-count", "word-count: {min: 1, max: 50}", &["min", "max"], Format, No),
    known("length", "length: {max: 280}", &["min", "max"], Format, No),
    known("is-json", "is-json", &["value"], Format, No),
    known("contains-json", "contains-json", &["value", "schema"], Format, No),
    known("json-schema", "json-schema: schema.json", &["value", "schema"], Format, No),
    known(
        "json-path",
        "json-path: {path: $.city, equals: Paris}",
        &["path", "value", "equals", "matches", "exists"],
        Content,
        No,
    ),
    known(
        "tool-call",
        "tool-call: {name: weather, arguments: {city: Rome}}",
        &["name", "value", "arguments"],
        Content,
        No,
    ),
    known("finish-reason", "finish-reason: stop", &["value"], Format, No),
    known("levenshtein", "levenshtein: {threshold: 0.8}", &["value"], Content, From(0.8)),
    known("rouge-l", "rouge-l: {threshold: 0.75}", &["value"], Content, From(0.75)),
    known("token-f1", "token-f1: {threshold: 0.5}", &["value"], Content, From(0.5)),
    known("similar", "similar: {threshold: 0.8}", &["value", "model"], Content, From(0.75)),
    known("json-diff", "json-diff: {threshold: 0.9}", &["value"], Content, From(1.0)),
    known("numeric", "numeric: {equals: 42, tolerance: 1%}", &["equals", "value", "tolerance"], Content, No),
    known("choice", "choice: {options: [low, high], equals: high}", &["options", "equals"], Content, No),
    known("is-refusal", "is-refusal", &["value"], Content, No),
    known("cost", "cost: {max_usd: 0.01}", &["max_usd", "value"], Format, No),
    known("latency", "latency: {max_ms: 2000}", &["max_ms", "value"], Format, No),
    known("first-token", "first-token: {max_ms: 800}", &["max_ms", "value"], Format, No),
    known("output-tokens", "output-tokens: {max: 300}", &["max", "value"], Format, No),
    known(
        "llm-rubric",
        "llm-rubric: Is polite, and names a price",
        &["value", "scale", "judge", "votes"],
        Content,
        From(0.75),
    ),
    known("factuality", "factuality: {votes: 3}", &["value", "judge", "votes"], Content, From(1.0)),
    known("exec", "exec: [./check.py, --strict]", &["value", "timeout"], Content, From(1.0)),
    known("any-of", "any-of: [contains: Paris, contains: Lutetia]", &["value"], Content, AsMembers),
    known("all-of", "all-of: [contains: Paris, not-contains: Lyon]", &["value"], Content, AsMembers),
];

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ASSERTIONS.iter().map(|known| known.name)
}
