//! Independent parser for Gemini generateContent.

use serde_json::{Map, Value, json};
use slalom::chat::{FailureClass, FinishReason};

use super::{
    Answer, Call, ExpectedFailure, count, finish_with_calls, in_band_failure, list, sum, text, texts,
    truncated,
};

pub(super) fn fold(chunks: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut parts, mut usage, mut finish) = (Vec::new(), Map::new(), Value::Null);
    let mut feedback = Value::Null;
    for chunk in chunks {
        if !chunk["error"].is_null() {
            return Err(in_band_failure(chunk));
        }
        usage.extend(chunk["usageMetadata"].as_object().cloned().unwrap_or_default());
        if !chunk["promptFeedback"].is_null() {
            feedback = chunk["promptFeedback"].clone();
        }
        let candidate = &chunk["candidates"][0];
        parts.extend(list(&candidate["content"]["parts"]).cloned());
        if !candidate["finishReason"].is_null() {
            finish = candidate["finishReason"].clone();
        }
    }
    if finish.is_null() && feedback.is_null() {
        return Err(truncated());
    }
    let candidate = json!({"content": {"parts": join_partial_calls(parts)}, "finishReason": finish});
    let candidates = if finish.is_null() { json!([]) } else { json!([candidate]) };
    Ok(json!({"candidates": candidates, "promptFeedback": feedback, "usageMetadata": usage}))
}

/// A streamed call starts with a name; the following parts without a name extend its arguments.
fn join_partial_calls(parts: Vec<Value>) -> Vec<Value> {
    let mut whole: Vec<Value> = Vec::new();
    for part in parts {
        let call = &part["functionCall"];
        if call.is_null() || call["name"].is_string() {
            whole.push(part.clone());
        }
        let Some(open) = whole.iter_mut().rev().find(|part| !part["functionCall"].is_null()) else {
            continue;
        };
        for piece in list(&call["partialArgs"]) {
            set_at_path(&mut open["functionCall"]["args"], piece);
        }
    }
    whole
}

/// Sets or extends the argument at the JSON path of `piece`.
fn set_at_path(arguments: &mut Value, piece: &Value) {
    let path = text(&piece["jsonPath"]).replace(['[', ']', '\'', '$'], ".");
    let mut target = arguments;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        target = match step.parse::<usize>() {
            Ok(at) => {
                if !target.is_array() {
                    *target = json!([]);
                }
                while list(target).count() <= at {
                    target.as_array_mut().unwrap().push(Value::Null);
                }
                &mut target[at]
            }
            Err(_) => &mut target[step],
        };
    }
    let value = ["stringValue", "numberValue", "boolValue"].iter().find_map(|kind| piece.get(kind));
    match (target.as_str(), value.and_then(Value::as_str)) {
        (Some(so_far), Some(more)) => *target = json!(so_far.to_owned() + more),
        _ => *target = value.cloned().unwrap_or_default(),
    }
}

pub(super) fn read(body: &Value) -> Result<Answer, ExpectedFailure> {
    if !body["error"].is_null() {
        return Err(in_band_failure(body));
    }
    let candidate = &body["candidates"][0];
    if candidate.is_null() {
        let blocked = !body["promptFeedback"].is_null();
        return Err(if blocked { vec![FailureClass::ContentPolicy] } else { in_band_failure(body) });
    }
    let parts = &candidate["content"]["parts"];
    let called = list(parts).map(|part| &part["functionCall"]).filter(|call| call["name"].is_string());
    let arguments = |call: &Value| if call["args"].is_null() { json!({}) } else { call["args"].clone() };
    let calls: Vec<Call> =
        called.map(|call| (text(&call["id"]), text(&call["name"]), arguments(call))).collect();
    let reason = match &candidate["finishReason"] {
        Value::Number(number) => {
            ["", "STOP", "MAX_TOKENS", "SAFETY"][number.as_u64().unwrap_or(0) as usize].to_owned()
        }
        reason => text(reason),
    };
    let finish = match reason.as_str() {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "CONTINUATION" => FinishReason::Pause,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "NO_IMAGE"
        | "IMAGE_OTHER"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => return Err(vec![FailureClass::Malformed]),
        "SAFETY"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "RECITATION"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "ESCALATION"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    };
    let usage = &body["usageMetadata"];
    let thought = count(&usage["thoughtsTokenCount"]);
    let usage = [
        sum(&[count(&usage["promptTokenCount"]), count(&usage["toolUsePromptTokenCount"])]),
        sum(&[count(&usage["candidatesTokenCount"]), thought]),
        count(&usage["cachedContentTokenCount"]),
        None,
        thought,
    ];
    Ok(Answer {
        text: texts(parts, "text", |p| p["thought"] != true),
        reasoning: texts(parts, "text", |p| p["thought"] == true),
        finish: finish_with_calls(finish, &calls),
        calls,
        usage,
    })
}
