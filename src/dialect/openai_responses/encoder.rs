//! Streams as the vendor sends them: every item and every part of one opens, grows and is closed whole.

use serde_json::{Value, json};

use super::items::write_call;
use super::server::{message_item, object, reasoning_item, with_id};
use crate::chat::{Event, FailureClass, FinishReason, ToolCall, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Serving, StreamEncoder};

/// The item under way, with what it holds so far.
enum Open {
    Text(String),
    Reasoning { text: String, state: Option<Value> },
    Call { index: usize, call: ToolCall, arguments: String },
}

/// Encodes one streamed answer.
pub(super) struct Encoder {
    serving: Serving,
    usage: Usage,
    open: Option<Open>,
    /// Items that are whole.
    items: Vec<Value>,
    sequence: u64,
}

impl Encoder {
    pub(super) fn new(serving: Serving) -> Self {
        Self { serving, usage: Usage::default(), open: None, items: Vec::new(), sequence: 0 }
    }

    fn frame(&mut self, kind: &str, mut event: Value) -> Vec<u8> {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        write_frame(Some(kind), &event)
    }

    /// A frame about the item under way.
    fn of_item(&mut self, kind: &str, mut event: Value) -> Vec<u8> {
        let at = self.items.len();
        let id = self.open.as_ref().map(|open| with_id(whole(open), at)["id"].clone());
        event["output_index"] = json!(at);
        event["item_id"] = json!(id);
        self.frame(kind, event)
    }

    /// Closes what is open and opens this item.
    fn enter(&mut self, open: Open) -> Vec<u8> {
        let mut out = self.leave();
        let at = self.items.len();
        let mut item = with_id(whole(&open), at);
        match &open {
            Open::Text(_) => (item["content"], item["status"]) = (json!([]), json!("in_progress")),
            Open::Reasoning { .. } => item["summary"] = json!([]),
            Open::Call { .. } => item["status"] = json!("in_progress"),
        }
        let part = match &open {
            Open::Text(_) => {
                Some(("response.content_part.added", json!({"content_index": 0, "part": text_part("")})))
            }
            Open::Reasoning { .. } => {
                let part = json!({"summary_index": 0, "part": summary_part("")});
                Some(("response.reasoning_summary_part.added", part))
            }
            Open::Call { .. } => None,
        };
        self.open = Some(open);
        out.extend(self.frame("response.output_item.added", json!({"output_index": at, "item": item})));
        if let Some((kind, part)) = part {
            out.extend(self.of_item(kind, part));
        }
        out
    }

    /// Closes what is open, part by part.
    fn leave(&mut self) -> Vec<u8> {
        let closing = match &self.open {
            None => return Vec::new(),
            Some(Open::Text(text)) => vec![
                ("response.output_text.done", json!({"content_index": 0, "text": text, "logprobs": []})),
                ("response.content_part.done", json!({"content_index": 0, "part": text_part(text)})),
            ],
            Some(Open::Reasoning { text, .. }) => vec![
                ("response.reasoning_summary_text.done", json!({"summary_index": 0, "text": text})),
                (
                    "response.reasoning_summary_part.done",
                    json!({"summary_index": 0, "part": summary_part(text)}),
                ),
            ],
            Some(Open::Call { call, arguments, .. }) => {
                vec![(
                    "response.function_call_arguments.done",
                    json!({"name": call.name, "arguments": arguments}),
                )]
            }
        };
        let mut out = Vec::new();
        for (kind, event) in closing {
            out.extend(self.of_item(kind, event));
        }
        if let Some(open) = self.open.take() {
            let at = self.items.len();
            let item = with_id(whole(&open), at);
            out.extend(self.frame("response.output_item.done", json!({"output_index": at, "item": item})));
            self.items.push(item);
        }
        out
    }
}

/// The item with what it holds so far.
fn whole(open: &Open) -> Value {
    match open {
        Open::Text(text) => message_item(text, false),
        Open::Reasoning { text, state } => reasoning_item(text, state.as_ref()),
        Open::Call { call, arguments, .. } => {
            let mut item = write_call(call);
            (item["arguments"], item["status"]) = (json!(arguments), json!("completed"));
            item
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        let mut response = object(&self.serving, &[], FinishReason::Stop, &Usage::default());
        response["status"] = json!("in_progress");
        response["usage"] = Value::Null;
        let mut out = self.frame("response.created", json!({"response": response.clone()}));
        out.extend(self.frame("response.in_progress", json!({"response": response})));
        out
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        let mut out = Vec::new();
        match event {
            Event::Text(more) => {
                if !matches!(self.open, Some(Open::Text(_))) {
                    out = self.enter(Open::Text(String::new()));
                }
                if let Some(Open::Text(text)) = &mut self.open {
                    text.push_str(more);
                }
                let delta = json!({"content_index": 0, "delta": more, "logprobs": []});
                out.extend(self.of_item("response.output_text.delta", delta));
            }
            Event::Reasoning(more) => {
                if !matches!(self.open, Some(Open::Reasoning { .. })) {
                    out = self.enter(Open::Reasoning { text: String::new(), state: None });
                }
                if let Some(Open::Reasoning { text, .. }) = &mut self.open {
                    text.push_str(more);
                }
                let delta = json!({"summary_index": 0, "delta": more});
                out.extend(self.of_item("response.reasoning_summary_text.delta", delta));
            }
            Event::ReasoningState(mark) => {
                if !matches!(self.open, Some(Open::Reasoning { .. })) {
                    out = self.enter(Open::Reasoning { text: String::new(), state: None });
                }
                if let Some(Open::Reasoning { state, .. }) = &mut self.open {
                    *state = Some(mark.clone());
                }
                out.extend(self.leave());
            }
            Event::ToolCall { index, id, name } => {
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: Value::Null };
                out = self.enter(Open::Call { index: *index, call, arguments: String::new() });
            }
            Event::ToolArguments { index, piece } => {
                match &mut self.open {
                    Some(Open::Call { index: open, arguments, .. }) if open == index => {
                        arguments.push_str(piece);
                    }
                    _ => return out,
                }
                out.extend(self.of_item("response.function_call_arguments.delta", json!({"delta": piece})));
            }
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish(reason) => {
                out = self.leave();
                let response = object(&self.serving, &self.items, *reason, &self.usage);
                let kind = format!("response.{}", response["status"].as_str().unwrap_or("completed"));
                out.extend(self.frame(&kind, json!({"response": response})));
            }
            _ => {}
        }
        out
    }

    fn close(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let code = match class {
            FailureClass::RateLimited => "rate_limit_exceeded",
            _ => "server_error",
        };
        self.frame("error", json!({"code": code, "message": message, "param": null}))
    }
}
