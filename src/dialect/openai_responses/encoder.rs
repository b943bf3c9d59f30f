//! Encodes streams as the provider does: every item and each of its parts is opened, filled, and closed.

use serde_json::{Value, json};

use super::items::encode_tool_call;
use super::server::{assign_item_id, encode_message_item, encode_reasoning_item, encode_response_object};
use crate::chat::{FailureClass, FinishReason, StreamEvent, ToolCall, Usage};
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::{ResponseIdentity, ServerFailure, StreamEncoder};

/// The open item with its content so far.
enum OpenaiResponsesOpenItem {
    Text(String),
    Reasoning { text: String, state: Option<Value> },
    ToolCall { index: usize, call: ToolCall, arguments: String },
}

pub(super) struct OpenaiResponsesEncoder {
    identity: ResponseIdentity,
    usage: Usage,
    current_item: Option<OpenaiResponsesOpenItem>,
    /// Completed items.
    items: Vec<Value>,
    sequence_number: u64,
}

impl OpenaiResponsesEncoder {
    pub(super) fn new(identity: ResponseIdentity) -> Self {
        Self { identity, usage: Usage::default(), current_item: None, items: Vec::new(), sequence_number: 0 }
    }

    fn encode_frame(&mut self, kind: &str, mut event: Value) -> Vec<u8> {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sequence_number);
        self.sequence_number += 1;
        encode_sse_frame(Some(kind), &event)
    }

    /// Encodes a frame about the open item.
    fn encode_item_frame(&mut self, kind: &str, mut event: Value) -> Vec<u8> {
        let at = self.items.len();
        let id = self
            .current_item
            .as_ref()
            .map(|open| assign_item_id(encode_open_item(open), &self.identity, at)["id"].clone());
        event["output_index"] = json!(at);
        event["item_id"] = json!(id);
        self.encode_frame(kind, event)
    }

    /// Closes the open item and opens this one.
    fn open_item(&mut self, open: OpenaiResponsesOpenItem) -> Vec<u8> {
        let mut out = self.close_item();
        let at = self.items.len();
        let mut item = assign_item_id(encode_open_item(&open), &self.identity, at);
        match &open {
            OpenaiResponsesOpenItem::Text(_) => {
                (item["content"], item["status"]) = (json!([]), json!("in_progress"));
            }
            OpenaiResponsesOpenItem::Reasoning { .. } => item["summary"] = json!([]),
            OpenaiResponsesOpenItem::ToolCall { .. } => item["status"] = json!("in_progress"),
        }
        let part = match &open {
            OpenaiResponsesOpenItem::Text(_) => Some((
                "response.content_part.added",
                json!({"content_index": 0, "part": encode_text_part("")}),
            )),
            OpenaiResponsesOpenItem::Reasoning { .. } => {
                let part = json!({"summary_index": 0, "part": encode_summary_part("")});
                Some(("response.reasoning_summary_part.added", part))
            }
            OpenaiResponsesOpenItem::ToolCall { .. } => None,
        };
        self.current_item = Some(open);
        out.extend(
            self.encode_frame("response.output_item.added", json!({"output_index": at, "item": item})),
        );
        if let Some((kind, part)) = part {
            out.extend(self.encode_item_frame(kind, part));
        }
        out
    }

    /// Closes the open item and its parts.
    fn close_item(&mut self) -> Vec<u8> {
        let closing = match &self.current_item {
            None => return Vec::new(),
            Some(OpenaiResponsesOpenItem::Text(text)) => vec![
                ("response.output_text.done", json!({"content_index": 0, "text": text, "logprobs": []})),
                ("response.content_part.done", json!({"content_index": 0, "part": encode_text_part(text)})),
            ],
            Some(OpenaiResponsesOpenItem::Reasoning { text, .. }) => vec![
                ("response.reasoning_summary_text.done", json!({"summary_index": 0, "text": text})),
                (
                    "response.reasoning_summary_part.done",
                    json!({"summary_index": 0, "part": encode_summary_part(text)}),
                ),
            ],
            Some(OpenaiResponsesOpenItem::ToolCall { call, arguments, .. }) => {
                vec![(
                    "response.function_call_arguments.done",
                    json!({"name": call.name, "arguments": arguments}),
                )]
            }
        };
        let mut out = Vec::new();
        for (kind, event) in closing {
            out.extend(self.encode_item_frame(kind, event));
        }
        if let Some(open) = self.current_item.take() {
            let at = self.items.len();
            let item = assign_item_id(encode_open_item(&open), &self.identity, at);
            out.extend(
                self.encode_frame("response.output_item.done", json!({"output_index": at, "item": item})),
            );
            self.items.push(item);
        }
        out
    }
}

fn encode_open_item(open: &OpenaiResponsesOpenItem) -> Value {
    match open {
        OpenaiResponsesOpenItem::Text(text) => encode_message_item(text, false),
        OpenaiResponsesOpenItem::Reasoning { text, state } => encode_reasoning_item(text, state.as_ref()),
        OpenaiResponsesOpenItem::ToolCall { call, arguments, .. } => {
            let mut item = encode_tool_call(call);
            (item["arguments"], item["status"]) = (json!(arguments), json!("completed"));
            item
        }
    }
}

fn encode_text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn encode_summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

impl StreamEncoder for OpenaiResponsesEncoder {
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
        let mut response = encode_response_object(&self.identity, &[], FinishReason::Stop, &Usage::default());
        response["status"] = json!("in_progress");
        let mut out = self.encode_frame("response.created", json!({"response": response.clone()}));
        out.extend(self.encode_frame("response.in_progress", json!({"response": response})));
        out
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        let mut out = Vec::new();
        match event {
            StreamEvent::TextDelta(more) => {
                if !matches!(self.current_item, Some(OpenaiResponsesOpenItem::Text(_))) {
                    out = self.open_item(OpenaiResponsesOpenItem::Text(String::new()));
                }
                if let Some(OpenaiResponsesOpenItem::Text(text)) = &mut self.current_item {
                    text.push_str(more);
                }
                let delta = json!({"content_index": 0, "delta": more, "logprobs": []});
                out.extend(self.encode_item_frame("response.output_text.delta", delta));
            }
            StreamEvent::ReasoningDelta(more) => {
                if !matches!(self.current_item, Some(OpenaiResponsesOpenItem::Reasoning { .. })) {
                    out = self
                        .open_item(OpenaiResponsesOpenItem::Reasoning { text: String::new(), state: None });
                }
                if let Some(OpenaiResponsesOpenItem::Reasoning { text, .. }) = &mut self.current_item {
                    text.push_str(more);
                }
                let delta = json!({"summary_index": 0, "delta": more});
                out.extend(self.encode_item_frame("response.reasoning_summary_text.delta", delta));
            }
            StreamEvent::ReasoningState(new_state) => {
                if !matches!(self.current_item, Some(OpenaiResponsesOpenItem::Reasoning { .. })) {
                    out = self
                        .open_item(OpenaiResponsesOpenItem::Reasoning { text: String::new(), state: None });
                }
                if let Some(OpenaiResponsesOpenItem::Reasoning { state, .. }) = &mut self.current_item {
                    *state = Some(new_state.clone());
                }
                out.extend(self.close_item());
            }
            StreamEvent::ToolCallStart { index, id, name } => {
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: Value::Null };
                out = self.open_item(OpenaiResponsesOpenItem::ToolCall {
                    index: *index,
                    call,
                    arguments: String::new(),
                });
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => {
                match &mut self.current_item {
                    Some(OpenaiResponsesOpenItem::ToolCall { index: open, arguments, .. })
                        if open == index =>
                    {
                        arguments.push_str(piece);
                    }
                    _ => return out,
                }
                out.extend(
                    self.encode_item_frame("response.function_call_arguments.delta", json!({"delta": piece})),
                );
            }
            StreamEvent::Usage(usage) => self.usage.merge(usage),
            StreamEvent::Finish(reason) => {
                out = self.close_item();
                let response = encode_response_object(&self.identity, &self.items, *reason, &self.usage);
                let kind = format!("response.{}", response["status"].as_str().unwrap_or("completed"));
                out.extend(self.encode_frame(&kind, json!({"response": response})));
            }
            _ => {}
        }
        out
    }

    fn encode_end(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        let code = match failure.class {
            FailureClass::RateLimited => "rate_limit_exceeded",
            _ => "server_error",
        };
        self.encode_frame("error", json!({"code": code, "message": failure.message, "param": null}))
    }
}
