//! The half that answers.

use serde_json::{Value, json};

use super::items::write_call;
use super::{OpenaiResponses, request};
use crate::chat::{Assembler, Event, FailureClass, FinishReason, Part, Response, ToolCall, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Asked, Dialect, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for OpenaiResponses {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(body)
    }

    fn thought_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"type": "reasoning", "id": "rs_sim", "summary": [], "encrypted_content": seed}))
    }

    fn answer_headers(&self, serving: &Serving) -> Vec<(&'static str, String)> {
        Dialect::OpenaiChat.server().answer_headers(serving)
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        wire::write(&object(serving, &items(response), response.finish_reason, &response.usage))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        Dialect::OpenaiChat.server().encode_failure(class, message)
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder {
            serving: serving.clone(),
            answer: Assembler::default(),
            open: None,
            thoughts: String::new(),
            items: 0,
            sequence: 0,
        })
    }
}

/// An answer's items. What the model says between thoughts and calls is a message of its own.
fn items(response: &Response) -> Vec<Value> {
    let refusal = response.finish_reason == FinishReason::Refusal;
    let item = |part: &Part| match part {
        Part::Text { text } => Some(message_item(text, refusal)),
        Part::Reasoning { text, state } => Some(reasoning_item(text, state.as_ref())),
        Part::ToolCall(call) => Some(call_item(call)),
        Part::Own { block } => Some(block.clone()),
        Part::Image(_) | Part::Document(_) | Part::ToolResult(_) => None,
    };
    response.parts.iter().filter_map(item).collect()
}

fn reasoning_item(text: &str, state: Option<&Value>) -> Value {
    let mut item = state.cloned().unwrap_or_else(|| json!({"type": "reasoning", "id": "rs_sim"}));
    let shown = (!text.is_empty()).then(|| json!({"type": "summary_text", "text": text}));
    item["summary"] = shown.into_iter().collect();
    item
}

fn message_item(text: &str, refusal: bool) -> Value {
    let part = if refusal {
        json!({"type": "refusal", "refusal": text})
    } else {
        json!({"type": "output_text", "text": text, "annotations": []})
    };
    json!({"type": "message", "id": "msg_sim", "role": "assistant", "status": "completed", "content": [part]})
}

fn call_item(call: &ToolCall) -> Value {
    let mut item = write_call(call);
    item["id"] = json!("fc_sim");
    item
}

fn object(serving: &Serving, output: &[Value], reason: FinishReason, usage: &Usage) -> Value {
    let why = match reason {
        FinishReason::Length => Some("max_output_tokens"),
        FinishReason::ContentFilter => Some("content_filter"),
        _ => None,
    };
    let (input, out) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    json!({
        "id": serving.id, "object": "response", "created_at": 0, "model": serving.model, "error": null,
        "status": if why.is_some() { "incomplete" } else { "completed" },
        "incomplete_details": why.map(|reason| json!({"reason": reason})), "output": output,
        "usage": {
            "input_tokens": input, "input_tokens_details": {"cached_tokens": usage.cached_input_tokens.unwrap_or(0)},
            "output_tokens": out, "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens.unwrap_or(0)},
            "total_tokens": input + out,
        },
    })
}

/// What the item under way is.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Text,
    Reasoning,
    Call(usize),
}

struct Encoder {
    serving: Serving,
    /// The answer so far, for the object that ends the stream.
    answer: Assembler,
    open: Option<Open>,
    /// The thoughts of the item under way.
    thoughts: String,
    items: usize,
    sequence: u64,
}

impl Encoder {
    fn frame(&mut self, kind: &str, mut event: Value) -> Vec<u8> {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        write_frame(Some(kind), &event)
    }

    /// Opens an item unless it is open already.
    fn enter(&mut self, open: Open, item: &Value) -> Vec<u8> {
        if self.open == Some(open) {
            return Vec::new();
        }
        self.leave();
        self.open = Some(open);
        self.frame("response.output_item.added", json!({"output_index": self.items, "item": item}))
    }

    fn leave(&mut self) {
        if self.open.take().is_some() {
            self.items += 1;
        }
        self.thoughts.clear();
    }

    fn delta(&mut self, kind: &str, delta: &str) -> Vec<u8> {
        self.frame(kind, json!({"output_index": self.items, "item_id": "item_sim", "delta": delta}))
    }
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        let mut response = object(&self.serving, &[], FinishReason::Stop, &Usage::default());
        response["status"] = json!("in_progress");
        response["usage"] = Value::Null;
        self.frame("response.created", json!({"response": response}))
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        self.answer.push(event);
        match event {
            Event::Text(text) => {
                let mut out = self.enter(Open::Text, &message_item("", false));
                out.extend(self.delta("response.output_text.delta", text));
                out
            }
            Event::Reasoning(text) => {
                let mut out = self.enter(Open::Reasoning, &reasoning_item("", None));
                self.thoughts.push_str(text);
                out.extend(self.delta("response.reasoning_summary_text.delta", text));
                out
            }
            Event::ReasoningState(state) => {
                let mut out = self.enter(Open::Reasoning, &reasoning_item("", None));
                let item = reasoning_item(&self.thoughts, Some(state));
                let done = json!({"output_index": self.items, "item": item});
                out.extend(self.frame("response.output_item.done", done));
                self.leave();
                out
            }
            Event::ToolCall { index, id, name } => {
                let arguments = Value::String(String::new());
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments };
                self.enter(Open::Call(*index), &call_item(&call))
            }
            Event::ToolArguments { piece, .. } => self.delta("response.function_call_arguments.delta", piece),
            Event::Finish(reason) => {
                let usage = self.answer.usage();
                let items = std::mem::take(&mut self.answer).finish().map(|r| items(&r)).unwrap_or_default();
                let response = object(&self.serving, &items, *reason, &usage);
                let kind = if response["status"] == "incomplete" {
                    "response.incomplete"
                } else {
                    "response.completed"
                };
                self.frame(kind, json!({"response": response}))
            }
            _ => Vec::new(),
        }
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
