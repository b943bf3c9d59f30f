//! `json-path`: the values at a JSONPath in an answer that is JSON.

use std::sync::Arc;

use serde_json::{Value, json};
use serde_json_path::JsonPath;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::compile_cache::Pattern;
use super::excerpt::truncate;
use super::json_value::{fold_json_text, fold_json_value, is_equal_json, parse_json};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const JSON_PATH: AssertionType = AssertionType {
    name: "json-path",
    example: "json-path: {path: $.city, equals: Paris}",
    options: &["path", "value", "equals", "matches", "exists"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let written = match options.take_text("path")? {
        Some(path) => path,
        None => options.take_text("value")?.ok_or("missing `path`")?,
    };
    let path = context.compiled.json_path(&written)?;
    let tests = [options.take("equals"), options.take("matches"), options.take("exists")];
    let (test, identity) = match tests {
        [Some(value), None, None] => {
            let identity = json!([written, "equals", value]);
            (JsonPathTest::Equals(value), identity)
        }
        [None, Some(Value::String(pattern)), None] => {
            let compiled = context.compiled.pattern(&pattern)?;
            (JsonPathTest::Matches(compiled), json!([written, "matches", pattern]))
        }
        [None, None, Some(Value::Bool(exists))] => {
            (JsonPathTest::Exists(exists), json!([written, "exists", exists]))
        }
        [None, None, None] => (JsonPathTest::Exists(true), json!([written, "exists", true])),
        _ => {
            return Err(
                "expected exactly one of `equals`, `matches` (a regular expression), or `exists` (true or false)".into()
            );
        }
    };
    Ok(ParsedCheck::new(JsonPathCheck { path, test }, identity))
}

#[derive(Debug)]
pub(super) struct JsonPathCheck {
    pub(super) path: Arc<JsonPath>,
    pub(super) test: JsonPathTest,
}

/// Test of the values at a JSONPath.
#[derive(Debug)]
pub(super) enum JsonPathTest {
    /// Whether any value must exist.
    Exists(bool),
    Equals(Value),
    /// Finds a match in a string, or in the JSON text of any other value.
    Matches(Arc<Pattern>),
}

impl JsonPathTest {
    fn evaluate(&self, path: &JsonPath, text: &str) -> CheckOutcome {
        let value = match parse_json(text) {
            Ok(value) => value,
            Err(why) => return CheckOutcome::PassFail(false, why),
        };
        let nodes = path.query(&value).all();
        match (self, nodes.as_slice()) {
            (Self::Exists(wanted), nodes) => {
                let what = if nodes.is_empty() { "no value" } else { "a value" };
                CheckOutcome::PassFail(nodes.is_empty() != *wanted, format!("{what} at that path"))
            }
            (_, []) => CheckOutcome::PassFail(false, "no value at that path".into()),
            (Self::Equals(wanted), nodes) => {
                let same = nodes.iter().any(|found| is_equal_json(found, wanted));
                CheckOutcome::PassFail(same, format!("found {}, expected {wanted}", format_nodes(nodes)))
            }
            (Self::Matches(pattern), nodes) => {
                let text = |node: &Value| node.as_str().map_or_else(|| node.to_string(), str::to_owned);
                let found = nodes.iter().any(|node| pattern.is_match(&text(node)));
                let matches = if found { "matches" } else { "does not match" };
                CheckOutcome::PassFail(
                    found,
                    format!("{} {matches} {}", format_nodes(nodes), truncate(pattern.text())),
                )
            }
        }
    }
}

impl AssertionCheck for JsonPathCheck {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        self.test.evaluate(&self.path, answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        let test = match &self.test {
            JsonPathTest::Exists(_) => return None,
            JsonPathTest::Equals(value) => JsonPathTest::Equals(fold_json_value(value)),
            JsonPathTest::Matches(pattern) => JsonPathTest::Matches(pattern.ignoring_case()?),
        };
        Some(test.evaluate(&self.path, &fold_json_text(answer.text)?))
    }

    fn requires_bare_json(&self) -> bool {
        true
    }
}

fn format_nodes(nodes: &[&Value]) -> String {
    truncate(&nodes.iter().take(80).map(|node| truncate(&node.to_string())).collect::<Vec<_>>().join(", "))
}
