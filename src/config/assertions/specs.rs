//! The table of all assertions.

use crate::eval::AssertionKind;

pub(super) struct AssertionSpec {
    /// Without the prefix `not-`.
    pub name: &'static str,
    /// Shown in hints.
    pub example: &'static str,
    /// Options besides `weight`, `kind`, and `threshold`.
    pub options: &'static [&'static str],
    /// The default kind.
    pub kind: AssertionKind,
    pub scores: ScoringMode,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ScoringMode {
    PassFail,
    /// Passes at this score or above, unless `threshold` is set.
    Threshold(f64),
    /// Passes as its members do, unless `threshold` is set.
    FromMembers,
}

const fn spec(
    name: &'static str,
    example: &'static str,
    options: &'static [&'static str],
    kind: AssertionKind,
    scores: ScoringMode,
) -> AssertionSpec {
    AssertionSpec { name, example, options, kind, scores }
}

use AssertionKind::{Content, Format};
use ScoringMode::{FromMembers, PassFail, Threshold};

/// In the same order as the documentation.
pub(super) const ASSERTIONS: &[AssertionSpec] = &[
    spec("equals", "equals: Paris", &["value"], Content, PassFail),
    spec("iequals", "iequals: paris", &["value"], Content, PassFail),
    spec("contains", "contains: Paris", &["value"], Content, PassFail),
    spec("icontains", "icontains: paris", &["value"], Content, PassFail),
    spec("contains-all", "contains-all: [Paris, France]", &["value"], Content, PassFail),
    spec("contains-any", "contains-any: [Paris, Lutetia]", &["value"], Content, PassFail),
    spec("icontains-all", "icontains-all: [paris, france]", &["value"], Content, PassFail),
    spec("icontains-any", "icontains-any: [paris, lutetia]", &["value"], Content, PassFail),
    spec("starts-with", "starts-with: 'Yes'", &["value"], Content, PassFail),
    spec("ends-with", "ends-with: Paris.", &["value"], Content, PassFail),
    spec("regex", "regex: '\\d{4}'", &["value"], Content, PassFail),
    spec("word-count", "word-count: {min: 1, max: 50}", &["min", "max"], Format, PassFail),
    spec("length", "length: {max: 280}", &["min", "max"], Format, PassFail),
    spec("is-json", "is-json", &["value"], Format, PassFail),
    spec("contains-json", "contains-json", &["value", "schema"], Format, PassFail),
    spec("json-schema", "json-schema: schema.json", &["value", "schema"], Format, PassFail),
    spec(
        "json-path",
        "json-path: {path: $.city, equals: Paris}",
        &["path", "value", "equals", "matches", "exists"],
        Content,
        PassFail,
    ),
    spec(
        "tool-call",
        "tool-call: {name: weather, arguments: {city: Rome}}",
        &["name", "value", "arguments"],
        Content,
        PassFail,
    ),
    spec("finish-reason", "finish-reason: stop", &["value"], Format, PassFail),
    spec("levenshtein", "levenshtein: {threshold: 0.8}", &["value"], Content, Threshold(0.8)),
    spec("rouge-l", "rouge-l: {threshold: 0.75}", &["value"], Content, Threshold(0.75)),
    spec("token-f1", "token-f1: {threshold: 0.5}", &["value"], Content, Threshold(0.5)),
    spec("similar", "similar: {threshold: 0.8}", &["value", "model"], Content, Threshold(0.75)),
    spec("json-diff", "json-diff: {threshold: 0.9}", &["value"], Content, Threshold(1.0)),
    spec(
        "numeric",
        "numeric: {equals: 42, tolerance: 1%}",
        &["equals", "value", "tolerance"],
        Content,
        PassFail,
    ),
    spec("choice", "choice: {options: [low, high], equals: high}", &["options", "equals"], Content, PassFail),
    spec("is-refusal", "is-refusal", &["value"], Content, PassFail),
    spec("cost", "cost: {max_usd: 0.01}", &["max_usd", "value"], Format, PassFail),
    spec("latency", "latency: {max_ms: 2000}", &["max_ms", "value"], Format, PassFail),
    spec("first-token", "first-token: {max_ms: 800}", &["max_ms", "value"], Format, PassFail),
    spec("output-tokens", "output-tokens: {max: 300}", &["max", "value"], Format, PassFail),
    spec(
        "llm-rubric",
        "llm-rubric: Is polite, and names a price",
        &["value", "scale", "judge", "votes"],
        Content,
        Threshold(0.75),
    ),
    spec("factuality", "factuality: {votes: 3}", &["value", "judge", "votes"], Content, Threshold(1.0)),
    spec("exec", "exec: [./check.py, --strict]", &["value", "timeout"], Content, Threshold(1.0)),
    spec("any-of", "any-of: [contains: Paris, contains: Lutetia]", &["value"], Content, FromMembers),
    spec("all-of", "all-of: [contains: Paris, not-contains: Lyon]", &["value"], Content, FromMembers),
];

pub(super) fn assertion_names() -> impl Iterator<Item = &'static str> {
    ASSERTIONS.iter().map(|known| known.name)
}
