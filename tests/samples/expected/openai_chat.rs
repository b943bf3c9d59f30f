//! Independent parser for OpenAI Chat Completions.

use serde_json::{Value, json};
use slalom::chat::{FailureClass, FinishReason};

use super::super::frames::Frames;
use super::{
    Answer, Call, ExpectedFailure, append_text, arguments, count, finish_with_calls, in_band_failure, list,
    sum, text, texts, truncated,
};

pub(super) fn fold(frames: &Frames) -> Result<Value, ExpectedFailure> {
    let (mut message, mut calls) = (json!({"content": []}), Vec::<(Value, Value)>::new());
    let (mut finish, mut usage, mut missing_reason) = (Value::Null, Value::Null, false);
    for chunk in &frames.objects {
        let failed = |error: &Value| !error.is_null() && finish.is_null();
        if failed(&chunk["error"]) || failed(&chunk["x_groq"]["error"]) {
            return Err(in_band_failure(chunk));
        }
        for reported in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
            if reported.is_object() {
                usage = reported.clone();
                break;
            }
        }
        for choice in list(&chunk["choices"]).filter(|c| c["index"].as_u64().unwrap_or(0) == 0) {
            if !choice["error"].is_null() {
                return Err(in_band_failure(choice));
            }
            let reason = choice.get("finish_reason");
            missing_reason |= reason.is_none() || reason == Some(&json!(""));
            if finish.is_null() && reason.and_then(Value::as_str).is_some_and(|word| !word.is_empty()) {
                finish = choice["finish_reason"].clone();
            }
            let delta = &choice["delta"];
            if let (Some(parts), more) = (message["content"].as_array_mut(), &delta["content"]) {
                match more {
                    Value::String(text) => parts.push(json!({"type": "text", "text": text})),
                    more => parts.extend(list(more).cloned()),
                }
            }
            for field in ["reasoning_content", "reasoning", "refusal"] {
                append_text(&mut message, field, &delta[field]);
            }
            if let Some(more) = delta["reasoning_details"].as_array() {
                let mut details = message["reasoning_details"].as_array().cloned().unwrap_or_default();
                details.extend(more.iter().cloned());
                message["reasoning_details"] = Value::Array(details);
            }
            list(&delta["tool_calls"]).for_each(|piece| append_call_delta(&mut calls, piece));
        }
    }
    if finish.is_null() && !(frames.done && missing_reason) {
        return Err(truncated());
    }
    let word = if finish.is_null() { json!("missing_reason") } else { finish };
    message["tool_calls"] = calls.into_iter().map(|(_, call)| call).collect();
    Ok(json!({"choices": [{"message": message, "finish_reason": word}], "usage": usage}))
}

/// Appends to the call with the same index; a piece with a new ID and a name starts a new call.
fn append_call_delta(calls: &mut Vec<(Value, Value)>, piece: &Value) {
    let function = &piece["function"];
    let begins = !text(&piece["id"]).is_empty() && !text(&function["name"]).is_empty();
    let known = calls.iter_mut().rev().find(|(index, call)| {
        !index.is_null() && *index == piece["index"] && !(begins && call["id"] != piece["id"])
    });
    let written = match &function["arguments"] {
        Value::Null => Value::Null,
        Value::String(text) => json!(text),
        parsed => json!(parsed.to_string()),
    };
    match known {
        Some((_, call)) => append_text(&mut call["function"], "arguments", &written),
        None => {
            let function = json!({"name": function["name"], "arguments": text(&written)});
            calls.push((piece["index"].clone(), json!({"id": piece["id"], "function": function})));
        }
    }
}

pub(super) fn read(body: &Value) -> Result<Answer, ExpectedFailure> {
    let choice = list(&body["choices"]).find(|c| c["index"].as_u64().unwrap_or(0) == 0);
    let Some(choice) = choice.filter(|_| body["error"].is_null()) else { return Err(in_band_failure(body)) };
    if !choice["error"].is_null() {
        return Err(in_band_failure(choice));
    }
    let message = &choice["message"];
    let parts = match &message["content"] {
        Value::String(text) => json!([{"type": "text", "text": text}]),
        other => other.clone(),
    };
    let thinking = list(&parts).filter(|p| matches!(p["type"].as_str(), Some("thinking" | "reasoning")));
    let thinking_text: String = thinking
        .map(|p| texts(&p["thinking"], "text", |_| true) + &texts(&p["summary"], "text", |_| true))
        .collect();
    let details = list(&message["reasoning_details"]);
    let details: String = details.map(|d| text(&d["text"]) + &text(&d["summary"])).collect();
    let plain = [&message["reasoning_content"], &message["reasoning"]].map(text);
    let reasoning =
        plain.into_iter().chain([thinking_text, details]).find(|r| !r.is_empty()).unwrap_or_default();
    let mut calls: Vec<Call> = list(&message["tool_calls"]).filter_map(read_call).collect();
    let legacy = &message["function_call"];
    if legacy["name"].is_string() {
        calls.push((String::new(), text(&legacy["name"]), arguments(&legacy["arguments"])));
    }
    let refusal = text(&message["refusal"]);
    let finish = match choice["finish_reason"].as_str().unwrap_or_default() {
        "stop" | "eos" | "" if !refusal.is_empty() => FinishReason::Refusal,
        "stop" | "eos" | "" => FinishReason::Stop,
        "missing_reason" if !calls.is_empty() => FinishReason::ToolCalls,
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "error" => return Err(vec![FailureClass::ServerError]),
        _ => FinishReason::Other,
    };
    Ok(Answer {
        text: texts(&parts, "text", |p| p["type"] == "text") + &refusal,
        reasoning,
        finish: finish_with_calls(finish, &calls),
        calls,
        usage: read_usage(&body["usage"]),
    })
}

fn read_call(call: &Value) -> Option<Call> {
    let custom = &call["custom"];
    if custom["name"].is_string() {
        return Some((text(&call["id"]), text(&custom["name"]), arguments(&custom["input"])));
    }
    let function = &call["function"];
    let name = text(&function["name"]);
    (!name.is_empty()).then(|| (text(&call["id"]), name, arguments(&function["arguments"])))
}

fn read_usage(usage: &Value) -> [Option<u64>; 5] {
    let first = |paths: &[&str]| paths.iter().find_map(|path| count(usage.pointer(path)?));
    let (input, mut output) = (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]));
    let reasoning = first(&["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]);
    // xAI does not count reasoning as completion tokens, which shows in the total.
    if reasoning.is_some_and(|t| t > 0) && sum(&[input, output, reasoning]) == count(&usage["total_tokens"]) {
        output = sum(&[output, reasoning]);
    }
    let cached = first(&[
        "/prompt_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/cached_tokens",
        "/cache_read_input_tokens",
    ]);
    let written = first(&[
        "/prompt_tokens_details/cache_write_tokens",
        "/prompt_tokens_details/cache_creation_input_tokens",
        "/cache_creation_input_tokens",
    ]);
    [input, output, cached, written, reasoning]
}
