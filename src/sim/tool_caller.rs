//! A simulated model that calls tools, and insists on what real ones insist on: every call answered, thoughts given back.

use serde_json::Value;

use super::schema_instance::generate_instance;
use crate::chat::{
    FinishReason, FunctionTool, Part, Request, Response, ResponseFormat, Role, Tool, ToolCall, ToolChoice,
};

/// So many turns with a call come before the answer.
pub const TOOL_CALL_ROUNDS: usize = 5;

/// The first function that may be called, where one may.
fn first_callable_function(request: &Request) -> Option<&FunctionTool> {
    let mut functions = request.tools.iter().filter_map(Tool::as_function);
    match &request.tool_choice {
        Some(ToolChoice::None) => None,
        Some(ToolChoice::Named(name)) => functions.find(|function| function.name == *name),
        Some(ToolChoice::Auto | ToolChoice::Required) | None => functions.next(),
    }
}

/// The call that a request insists on.
pub(super) fn forced_tool_call(request: &Request, words: &str, speaks: &str) -> Option<Response> {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    let function = first_callable_function(request).filter(|_| forced)?;
    Some(tool_call_response(vec![Part::ToolCall(build_tool_call(function, 1, words, speaks))]))
}

/// The same call with other arguments.
pub(super) fn replace_arguments(response: &Response, arguments: &Value) -> Response {
    let call = |call: &ToolCall| Part::ToolCall(ToolCall { arguments: arguments.clone(), ..call.clone() });
    tool_call_response(response.tool_calls.iter().map(call).collect())
}

/// JSON of the shape that is asked for.
pub(super) fn structured_reply(request: &Request, words: &str) -> Option<String> {
    match request.response_format.as_ref()? {
        ResponseFormat::JsonObject => Some(serde_json::json!({"answer": words}).to_string()),
        ResponseFormat::JsonSchema(schema) => Some(generate_instance(&schema.schema, words).to_string()),
    }
}

/// The next call, with the thoughts before it; after the last one an answer that says how many came back. `state` is
/// the vendor's mark on the thoughts of a turn, `speaks` the word for its dialect.
///
/// # Errors
/// In words, when the conversation lacks what a real provider would miss.
pub(super) fn next_tool_response(
    request: &Request,
    state: &dyn Fn(usize) -> Option<Value>,
    speaks: &str,
) -> Result<Response, String> {
    let done = count_tool_calls(request, state, speaks)?;
    let Some(function) = first_callable_function(request).filter(|_| done < TOOL_CALL_ROUNDS) else {
        return Ok(Response::from_text(format!("{done} tool calls came back.")));
    };
    let turn = done + 1;
    let thought = Part::Reasoning { text: format!("Turn {turn} calls for a tool. "), state: state(turn) };
    let call = Part::ToolCall(build_tool_call(function, turn, &format!("turn {turn}"), speaks));
    Ok(tool_call_response(vec![thought, call]))
}

/// Counts the calls made, and checks that each came back, its own ones together with the thoughts that led to them. What
/// another model called, before a failover, has no thoughts that this one could read.
fn count_tool_calls(
    request: &Request,
    state: &dyn Fn(usize) -> Option<Value>,
    speaks: &str,
) -> Result<usize, String> {
    let (mut open, mut done): (Vec<String>, usize) = (Vec::new(), 0);
    for message in &request.messages {
        for part in &message.parts {
            match part {
                Part::ToolCall(call) => {
                    done += 1;
                    let own = call.id == tool_call_id(done, speaks);
                    let thought = |part: &Part| match (part, state(done).filter(|_| own)) {
                        (_, None) => true,
                        (Part::Reasoning { state: Some(given), .. }, Some(mark)) => {
                            is_same_reasoning_state(given, &mark)
                        }
                        _ => false,
                    };
                    if !message.parts.iter().any(thought) {
                        return Err(format!("the thoughts before tool call {done} did not come back"));
                    }
                    open.push(call.id.clone());
                }
                Part::ToolResult(result) => open.retain(|id| *id != result.call_id && !id.is_empty()),
                _ => {}
            }
        }
        if message.role == Role::User && !open.is_empty() {
            return Err(format!("the tool call `{}` has no result", open[0]));
        }
    }
    Ok(done)
}

/// A mark comes back inside whatever the vendor wraps around it.
fn is_same_reasoning_state(given: &Value, mark: &Value) -> bool {
    match (given, mark) {
        (Value::Object(given), Value::Object(mark)) => mark
            .iter()
            .filter(|(_, value)| value.is_string())
            .all(|(name, value)| given.get(name) == Some(value)),
        (given, mark) => given == mark,
    }
}

fn build_tool_call(function: &FunctionTool, turn: usize, words: &str, speaks: &str) -> ToolCall {
    let arguments = generate_instance(&function.parameters, words);
    ToolCall { id: tool_call_id(turn, speaks), name: function.name.clone(), arguments }
}

/// An id that says whose call it is.
fn tool_call_id(turn: usize, speaks: &str) -> String {
    format!("call_{}_{turn}", speaks.replace('-', "_"))
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
