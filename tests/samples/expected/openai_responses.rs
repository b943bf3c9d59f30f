//! Independent parser for OpenAI Responses.

use serde_json::{Value, json};
use slalom::chat::FinishReason;

use super::{Answer, Call, ExpectedFailure, arguments, count, in_band_failure, list, text, texts, truncated};

pub(super) fn fold(events: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut ended, mut items) = (None, Vec::new());
    for event in events {
        match event["type"].as_str().unwrap_or_default() {
            "error" => {
                // `type: error` is the event name, not the error type.
                let inner = if event["error"].is_object() { &event["error"] } else { event };
                return Err(in_band_failure(
                    &json!({"code": inner["code"], "message": inner["message"], "kind": inner["type"]}),
                ));
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                ended = Some(event["response"].clone());
            }
            "response.output_item.done" => items.push(event["item"].clone()),
            _ if event["error"].is_object() => return Err(in_band_failure(event)),
            _ => {}
        }
    }
    let mut ended = ended.ok_or_else(truncated)?;
    if list(&ended["output"]).next().is_none() {
        ended["output"] = Value::Array(items);
    }
    Ok(ended)
}

pub(super) fn read(body: &Value) -> Result<Answer, ExpectedFailure> {
    let status = body["status"].as_str().unwrap_or_default();
    if !body["error"].is_null() || matches!(status, "failed" | "cancelled") || body["output"].is_null() {
        return Err(in_band_failure(body));
    }
    let (mut output_text, mut calls, mut refused) = (String::new(), Vec::<Call>::new(), false);
    let (mut raw, mut summary) = (String::new(), String::new());
    for item in list(&body["output"]) {
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                for part in list(&item["content"]) {
                    refused |= part["refusal"].is_string();
                    output_text += part["text"].as_str().or(part["refusal"].as_str()).unwrap_or_default();
                }
            }
            "reasoning" => {
                raw += &texts(&item["content"], "text", |_| true);
                summary += &texts(&item["summary"], "text", |_| true);
            }
            "function_call" | "custom_tool_call" => {
                let written = if item["arguments"].is_null() { &item["input"] } else { &item["arguments"] };
                calls.push((text(&item["call_id"]), text(&item["name"]), arguments(written)));
            }
            _ => {}
        }
    }
    let finish = match (status, body["incomplete_details"]["reason"].as_str()) {
        ("incomplete", Some("max_output_tokens")) => FinishReason::Length,
        ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
        ("incomplete", _) => FinishReason::Other,
        // A background answer that is not complete yet.
        ("queued" | "in_progress", _) => FinishReason::Pause,
        _ if refused => FinishReason::Refusal,
        _ if !calls.is_empty() => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    };
    let usage = &body["usage"];
    let (input_details, output_details) = (&usage["input_tokens_details"], &usage["output_tokens_details"]);
    let counts = [
        &usage["input_tokens"],
        &usage["output_tokens"],
        &input_details["cached_tokens"],
        &input_details["cache_write_tokens"],
        &output_details["reasoning_tokens"],
    ];
    let reasoning = if raw.is_empty() { summary } else { raw };
    Ok(Answer { text: output_text, reasoning, calls, finish: Some(finish), usage: counts.map(count) })
}
