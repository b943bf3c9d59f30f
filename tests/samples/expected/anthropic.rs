//! Independent parser for Anthropic Messages.

use std::collections::BTreeMap;

use serde_json::Value;
use slalom::chat::FinishReason;

use super::{
    Answer, Call, ExpectedFailure, append_text, arguments, count, finish_with_calls, in_band_failure, list,
    sum, text, texts, truncated,
};

pub(super) fn fold(events: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut body, mut blocks, mut stopped) = (Value::Null, BTreeMap::<u64, Value>::new(), false);
    for event in events {
        let at = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            // A second `message_start` restarts the message.
            "message_start" => (body, blocks) = (event["message"].clone(), BTreeMap::new()),
            "content_block_start" => {
                blocks.insert(at, event["content_block"].clone());
            }
            "content_block_delta" => {
                if let Some(block) = blocks.get_mut(&at) {
                    for field in ["text", "thinking", "partial_json"] {
                        append_text(block, field, &event["delta"][field]);
                    }
                }
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().into_iter().flatten() {
                    if !value.is_null() {
                        body["usage"][name] = value.clone();
                    }
                }
            }
            "message_stop" => stopped = true,
            "ping" | "content_block_stop" => {}
            _ if !event["error"].is_null() => return Err(in_band_failure(event)),
            _ => {}
        }
    }
    if !stopped {
        return Err(truncated());
    }
    let whole = |mut block: Value| {
        if !text(&block["partial_json"]).is_empty() {
            block["input"] = block["partial_json"].take();
        }
        block
    };
    body["content"] = blocks.into_values().map(whole).collect();
    Ok(body)
}

pub(super) fn read(body: &Value) -> Result<Answer, ExpectedFailure> {
    if !body["error"].is_null() {
        return Err(in_band_failure(body));
    }
    let blocks = &body["content"];
    let used = list(blocks).filter(|b| b["type"] == "tool_use");
    let calls: Vec<Call> = used.map(|b| (text(&b["id"]), text(&b["name"]), arguments(&b["input"]))).collect();
    let finish = match body["stop_reason"].as_str() {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("pause_turn" | "compaction") => FinishReason::Pause,
        Some("refusal") => FinishReason::Refusal,
        None if !calls.is_empty() => FinishReason::ToolCalls,
        _ => FinishReason::Other,
    };
    let usage = &body["usage"];
    let (cached, written) =
        (count(&usage["cache_read_input_tokens"]), count(&usage["cache_creation_input_tokens"]));
    let usage = [
        sum(&[count(&usage["input_tokens"]), cached, written]),
        count(&usage["output_tokens"]),
        cached,
        written,
        count(&usage["output_tokens_details"]["thinking_tokens"]),
    ];
    Ok(Answer {
        text: texts(blocks, "text", |b| b["type"] == "text"),
        reasoning: texts(blocks, "thinking", |b| b["type"] == "thinking"),
        finish: finish_with_calls(finish, &calls),
        calls,
        usage,
    })
}
