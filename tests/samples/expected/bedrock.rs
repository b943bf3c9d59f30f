//! Independent parser for Bedrock Converse.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slalom::chat::{FailureClass, FinishReason};

use super::{
    Answer, Call, ExpectedFailure, append_text, arguments, count, in_band_failure, list, sum, text, truncated,
};

pub(super) fn fold(frames: &[Value]) -> Result<Value, ExpectedFailure> {
    let (mut blocks, mut body) = (BTreeMap::<u64, Value>::new(), json!({}));
    for frame in frames {
        let (kind, event) = frame.as_object().unwrap().iter().next().unwrap();
        if frame["failed"] == true {
            return Err(in_band_failure(&json!({"message": event["message"], "type": kind})));
        }
        let block = blocks.entry(event["contentBlockIndex"].as_u64().unwrap_or(0));
        match kind.as_str() {
            "contentBlockStart" => *block.or_default() = event["start"].clone(),
            "contentBlockDelta" => {
                let (block, delta) = (block.or_default(), &event["delta"]);
                append_text(block, "text", &delta["text"]);
                append_text(&mut block["toolUse"], "input", &delta["toolUse"]["input"]);
                append_text(
                    &mut block["reasoningContent"]["reasoningText"],
                    "text",
                    &delta["reasoningContent"]["text"],
                );
            }
            "messageStop" | "metadata" => {
                for (name, value) in event.as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
            }
            _ => {}
        }
    }
    if body["stopReason"].is_null() {
        return Err(truncated());
    }
    body["output"] = json!({"message": {"content": blocks.into_values().collect::<Vec<_>>()}});
    Ok(body)
}

pub(super) fn read(body: &Value) -> Result<Answer, ExpectedFailure> {
    if body["stopReason"].is_null() {
        return Err(in_band_failure(body));
    }
    let blocks = &body["output"]["message"]["content"];
    let block_text = |block: &Value| {
        let cited = list(&block["citationsContent"]["content"]).map(|cited| text(&cited["text"]));
        text(&block["text"]) + &cited.collect::<String>()
    };
    let used = list(blocks).map(|block| &block["toolUse"]);
    let used = used.filter(|tool| tool["name"].is_string() && tool["type"] != "server_tool_use");
    let calls: Vec<Call> =
        used.map(|tool| (text(&tool["toolUseId"]), text(&tool["name"]), arguments(&tool["input"]))).collect();
    let finish = match body["stopReason"].as_str().unwrap_or_default() {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => return Err(vec![FailureClass::Malformed]),
        _ => FinishReason::Other,
    };
    let usage = &body["usage"];
    let either = |name: &str| count(&usage[name]).or_else(|| count(&usage[format!("{name}Count")]));
    let (cached, written) = (either("cacheReadInputTokens"), either("cacheWriteInputTokens"));
    let input = sum(&[count(&usage["inputTokens"]), cached, written]);
    Ok(Answer {
        text: list(blocks).map(block_text).collect(),
        reasoning: list(blocks).map(|b| text(&b["reasoningContent"]["reasoningText"]["text"])).collect(),
        finish: super::finish_with_calls(finish, &calls),
        calls,
        usage: [input, count(&usage["outputTokens"]), cached, written, None],
    })
}
