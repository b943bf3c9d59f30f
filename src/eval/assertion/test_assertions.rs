//! Assertions for tests, from their written form.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::text_match::{CaseRule, MatchPosition, TextMatch};
use super::*;
use crate::chat::{FunctionTool, Tool};
use crate::eval::digest::Digest;

/// A set without files or variables.
struct NoResources;

impl AssertionResources for NoResources {
    fn folder(&self) -> &Path {
        Path::new("")
    }

    fn load_json(&self, name: &str) -> Result<Value, OptionError> {
        Err(format!("cannot read {name}").into())
    }

    fn file_digest(&self, _word: &str) -> Option<Digest> {
        None
    }

    fn render_template(&self, _what: &str, text: &str) -> Result<String, OptionError> {
        Ok(text.to_owned())
    }
}

/// Parses an assertion of a case without a reference, whose request offers some tool.
pub(crate) fn try_parse(entry: Value) -> Result<Assertion, AssertionError> {
    let tool = FunctionTool { name: "any".into(), description: None, parameters: json!({}), strict: None };
    let context = AssertionContext {
        reference: None,
        tools: &[Tool::Function(tool), Tool::ProviderSpecific(Value::Null)],
        judge: None,
        embedding: None,
        compiled: &CompileCache::default(),
        resources: &NoResources,
    };
    parse_assertion(entry, context).map(|built| built.assertion)
}

pub(crate) fn parse(entry: Value) -> Assertion {
    try_parse(entry).unwrap()
}

/// Unlike the written form, it accepts an empty text.
pub(crate) fn contains(needle: &str) -> Assertion {
    let (place, case) = (MatchPosition::Anywhere, CaseRule::Exact);
    let check = TextMatch { place, case, needles: vec![needle.to_owned()], is_all_required: true };
    Assertion { check: Arc::new(check), ..parse(json!({"contains": "x"})) }
}
