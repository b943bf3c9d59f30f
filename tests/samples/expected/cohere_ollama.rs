//! Independent parser for Cohere and Ollama.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slalom::chat::{FailureClass, FinishReason};

use super::{
    Answer, Call, ExpectedFailure, append_text, arguments, count, finish_with_calls, in_band_failure, list,
    text, texts, truncated,
};

pub(super) fn fold_cohere(events: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut content, mut calls) = (BTreeMap::<u64, Value>::new(), BTreeMap::<u64, Value>::new());
    let (mut plan, mut end) = (json!({}), None);
    for event in events {
        let (at, message) = (event["index"].as_u64().unwrap_or(0), &event["delta"]["message"]);
        match event["type"].as_str().unwrap_or_default() {
            "content-start" | "content-delta" => {
                let part = content.entry(at).or_insert_with(|| json!({}));
                for field in ["text", "thinking"] {
                    append_text(part, field, &message["content"][field]);
                }
            }
            "tool-plan-delta" => append_text(&mut plan, "text", &message["tool_plan"]),
            "tool-call-start" => {
                calls.insert(at, message["tool_calls"].clone());
            }
            "tool-call-delta" => {
                let more = &message["tool_calls"]["function"]["arguments"];
                append_text(&mut calls.entry(at).or_default()["function"], "arguments", more);
            }
            "message-end" => end = Some(event["delta"].clone()),
            _ => {}
        }
    }
    let mut body = end.ok_or_else(truncated)?;
    let content: Vec<Value> = content.into_values().collect();
    let calls: Vec<Value> = calls.into_values().collect();
    let error = body["error"].take();
    body["message"] = json!({"content": content, "tool_plan": plan["text"], "tool_calls": calls});
    if !error.is_null() {
        return Err(in_band_failure(&json!({"message": error})));
    }
    Ok(body)
}

pub(super) fn read_cohere(body: &Value) -> Result<Answer, ExpectedFailure> {
    let message = &body["message"];
    if !message.is_object() {
        return Err(in_band_failure(body));
    }
    let called = list(&message["tool_calls"]);
    let calls: Vec<Call> = called
        .map(|call| {
            let function = &call["function"];
            (text(&call["id"]), text(&function["name"]), arguments(&function["arguments"]))
        })
        .collect();
    let finish = match body["finish_reason"].as_str().unwrap_or_default() {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" => return Err(vec![FailureClass::ServerError]),
        "TIMEOUT" => return Err(vec![FailureClass::ServerError, FailureClass::Timeout]),
        _ => FinishReason::Other,
    };
    let usage = &body["usage"];
    let tokens = if usage["tokens"].is_object() { &usage["tokens"] } else { &usage["billed_units"] };
    Ok(Answer {
        text: texts(&message["content"], "text", |_| true),
        // The tool plan counts as reasoning.
        reasoning: text(&message["tool_plan"]) + &texts(&message["content"], "thinking", |_| true),
        finish: finish_with_calls(finish, &calls),
        calls,
        usage: [
            count(&tokens["input_tokens"]),
            count(&tokens["output_tokens"]),
            count(&usage["cached_tokens"]),
            None,
            count(&tokens["reasoning_tokens"]),
        ],
    })
}

pub(super) fn fold_ollama(lines: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut message, mut calls) = (json!({}), Vec::new());
    for line in lines {
        if !line["error"].is_null() {
            return Err(in_band_failure(line));
        }
        append_text(&mut message, "content", &line["message"]["content"]);
        append_text(&mut message, "thinking", &line["message"]["thinking"]);
        calls.extend(list(&line["message"]["tool_calls"]).cloned());
    }
    let mut last = lines.last().filter(|line| line["done"] == true).cloned().ok_or_else(truncated)?;
    message["tool_calls"] = Value::Array(calls);
    last["message"] = message;
    Ok(last)
}

pub(super) fn read_ollama(body: &Value) -> Result<Answer, ExpectedFailure> {
    if !body["error"].is_null() {
        return Err(in_band_failure(body));
    }
    let message = &body["message"];
    let called = list(&message["tool_calls"]);
    let calls: Vec<Call> = called
        .map(|call| {
            let function = &call["function"];
            (text(&call["id"]), text(&function["name"]), arguments(&function["arguments"]))
        })
        .collect();
    let finish = match body["done_reason"].as_str().unwrap_or_default() {
        "stop" | "" => FinishReason::Stop,
        "length" => FinishReason::Length,
        _ => FinishReason::Other,
    };
    Ok(Answer {
        text: text(&message["content"]),
        reasoning: text(&message["thinking"]),
        finish: finish_with_calls(finish, &calls),
        calls,
        usage: [count(&body["prompt_eval_count"]), count(&body["eval_count"]), None, None, None],
    })
}
