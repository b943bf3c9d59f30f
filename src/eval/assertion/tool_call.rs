//! `tool-call`: a call of a tool with certain arguments.

use serde_json::{Map, Value, json};

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::excerpt::truncate;
use super::json_value::is_equal_json;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::{Tool, ToolCall, find_closest};
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const TOOL_CALL: AssertionType = AssertionType {
    name: "tool-call",
    example: "tool-call: {name: weather, arguments: {city: Rome}}",
    options: &["name", "value", "arguments"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let name = match options.take_text("name")? {
        Some(name) => Some(name),
        None => options.take_text("value")?,
    };
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err("the tool name is empty; remove it to accept any tool".into());
    }
    let arguments = match options.take("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) if !arguments.is_empty() => arguments,
        Some(_) => {
            return Err("`arguments` must be a non-empty map; remove it to accept any arguments".into());
        }
    };
    check_tool_is_offered(name.as_deref(), context.tools)?;
    let identity = json!([name, arguments]);
    Ok(ParsedCheck::new(CallsTool { name, arguments }, identity))
}

/// A tool that is not offered is never called, so `not-tool-call` would pass every answer. Provider-specific
/// tools have unknown names, so the name is only checked if there are none.
fn check_tool_is_offered(name: Option<&str>, tools: &[Tool]) -> Result<(), OptionError> {
    if tools.is_empty() {
        return Err(OptionError::with_hint(
            "the request has no tools, so the model cannot call one",
            "add tools to the set: `request: {tools: tools.json}`",
        ));
    }
    let functions = || tools.iter().filter_map(Tool::as_function).map(|function| function.name.as_str());
    let Some(name) =
        name.filter(|name| functions().count() == tools.len() && !functions().any(|f| f == *name))
    else {
        return Ok(());
    };
    let hint = match find_closest(name, functions()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", functions().collect::<Vec<_>>().join(", ")),
    };
    Err(OptionError::with_hint(format!("unknown tool `{name}`"), hint))
}

/// Passes if one call matches the name and all arguments; other calls and arguments are allowed.
#[derive(Debug)]
pub(super) struct CallsTool {
    /// `None` means any tool.
    pub(super) name: Option<String>,
    pub(super) arguments: Map<String, Value>,
}

impl CallsTool {
    fn is_match(&self, call: &ToolCall) -> bool {
        let has = |key: &String, wanted: &Value| {
            call.arguments.get(key).is_some_and(|value| is_equal_json(value, wanted))
        };
        self.name.as_ref().is_none_or(|name| call.name == *name)
            && self.arguments.iter().all(|(key, wanted)| has(key, wanted))
    }
}

impl AssertionCheck for CallsTool {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let Some(calls) = answer.tool_calls else {
            return CheckOutcome::Unscored("the tool calls of this answer are unknown".into());
        };
        let format_call =
            |call: &ToolCall| format!("{}({})", call.name, truncate(&call.arguments.to_string()));
        match calls.iter().find(|call| self.is_match(call)) {
            Some(call) => CheckOutcome::PassFail(true, format!("called {}", format_call(call))),
            None if calls.is_empty() => CheckOutcome::PassFail(false, "no tool was called".into()),
            None => {
                let calls: Vec<String> = calls.iter().take(5).map(format_call).collect();
                CheckOutcome::PassFail(false, format!("called {}", calls.join(", ")))
            }
        }
    }

    fn is_text_based(&self) -> bool {
        false
    }
}
