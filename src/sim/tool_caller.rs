//! A simulated model that calls tools. Like real providers, it checks that every call has a result and that
//! the reasoning is sent back.

use serde_json::Value;

use super::schema_instance::generate_instance;
use crate::chat::{
    FinishReason, FunctionTool, Part, Request, Response, ResponseFormat, Role, Tool, ToolCall, ToolChoice,
};

/// Rounds with a tool call before the final text.
pub(crate) const TOOL_CALL_ROUNDS: usize = 5;

fn first_callable_function(request: &Request) -> Option<&FunctionTool> {
    let mut functions = request.tools.iter().filter_map(Tool::as_function);
    match &request.tool_choice {
        Some(ToolChoice::None) => None,
        Some(ToolChoice::Named(name)) => functions.find(|function| function.name == *name),
        Some(ToolChoice::Auto | ToolChoice::Required) | None => functions.next(),
    }
}

/// The tool call that `tool_choice` forces, if any.
pub(super) fn forced_tool_call(request: &Request, filler: &str, dialect_name: &str) -> Option<Response> {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    let function = first_callable_function(request).filter(|_| forced)?;
    Some(tool_call_response(vec![Part::ToolCall(build_tool_call(function, 1, filler, dialect_name))]))
}

pub(super) fn replace_arguments(response: &Response, arguments: &Value) -> Response {
    let call = |call: &ToolCall| Part::ToolCall(ToolCall { arguments: arguments.clone(), ..call.clone() });
    tool_call_response(response.tool_calls.iter().map(call).collect())
}

/// JSON that matches the requested response format.
pub(super) fn structured_reply(request: &Request, filler: &str) -> Option<String> {
    match request.response_format.as_ref()? {
        ResponseFormat::JsonObject => Some(serde_json::json!({"answer": filler}).to_string()),
        ResponseFormat::JsonSchema(schema) => Some(generate_instance(&schema.schema, filler).to_string()),
    }
}

/// Returns the next tool call with its reasoning or, after the last round, a text that reports the number of
/// results. `state` gives the dialect's reasoning state for a round; `dialect_name` is the dialect's name.
///
/// # Errors
/// A message if the conversation lacks a tool result or a reasoning state that a real provider requires.
pub(super) fn next_tool_response(
    request: &Request,
    state: &dyn Fn(usize) -> Option<Value>,
    dialect_name: &str,
) -> Result<Response, String> {
    let done = count_tool_calls(request, state, dialect_name)?;
    let Some(function) = first_callable_function(request).filter(|_| done < TOOL_CALL_ROUNDS) else {
        return Ok(Response::from_text(format!("{done} tool calls came back.")));
    };
    let turn = done + 1;
    let reasoning = Part::Reasoning { text: format!("Turn {turn} calls for a tool. "), state: state(turn) };
    let call = Part::ToolCall(build_tool_call(function, turn, &format!("turn {turn}"), dialect_name));
    Ok(tool_call_response(vec![reasoning, call]))
}

/// Counts the tool calls and checks that each has a result and that this dialect's own calls come with their
/// reasoning. Calls from before a failover belong to another model, whose reasoning cannot be checked.
fn count_tool_calls(
    request: &Request,
    state: &dyn Fn(usize) -> Option<Value>,
    dialect_name: &str,
) -> Result<usize, String> {
    let (mut open, mut done): (Vec<String>, usize) = (Vec::new(), 0);
    for message in &request.messages {
        for part in &message.parts {
            match part {
                Part::ToolCall(call) => {
                    done += 1;
                    let is_own = call.id == tool_call_id(done, dialect_name);
                    let has_state = |part: &Part| match (part, state(done).filter(|_| is_own)) {
                        (_, None) => true,
                        (Part::Reasoning { state: Some(given), .. }, Some(expected)) => {
                            is_same_reasoning_state(given, &expected)
                        }
                        _ => false,
                    };
                    if !message.parts.iter().any(has_state) {
                        return Err(format!("the reasoning before tool call {done} was not sent back"));
                    }
                    open.push(call.id.clone());
                }
                Part::ToolResult(result) => open.retain(|id| *id != result.call_id && !id.is_empty()),
                _ => {}
            }
        }
        if message.role == Role::User && !open.is_empty() {
            return Err(format!("no result for tool call `{}`", open[0]));
        }
    }
    Ok(done)
}

/// The state may be wrapped in other fields when it comes back.
fn is_same_reasoning_state(given: &Value, expected: &Value) -> bool {
    match (given, expected) {
        (Value::Object(given), Value::Object(expected)) => expected
            .iter()
            .filter(|(_, value)| value.is_string())
            .all(|(name, value)| given.get(name) == Some(value)),
        (given, expected) => given == expected,
    }
}

fn build_tool_call(function: &FunctionTool, turn: usize, filler: &str, dialect_name: &str) -> ToolCall {
    let arguments = generate_instance(&function.parameters, filler);
    ToolCall { id: tool_call_id(turn, dialect_name), name: function.name.clone(), arguments }
}

/// An ID that identifies the dialect and round of the call.
fn tool_call_id(turn: usize, dialect_name: &str) -> String {
    format!("call_{}_{turn}", dialect_name.replace('-', "_"))
}

fn tool_call_response(parts: Vec<Part>) -> Response {
    let mut response = Response::from_text("");
    for part in &parts {
        match part {
            Part::ToolCall(call) => response.tool_calls.push(call.clone()),
            Part::Reasoning { text, .. } => response.reasoning.get_or_insert_default().push_str(text),
            _ => {}
        }
    }
    response.finish_reason = FinishReason::ToolCalls;
    response.parts = parts;
    response
}
