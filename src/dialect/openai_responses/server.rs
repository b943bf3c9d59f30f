//! The half that answers.

use serde_json::{Value, json};

use super::OpenaiResponses;
use super::wire::Body;
use crate::chat::{Event, FailureClass, FinishReason, Message, Request, Response, Role, ToolCall, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::wire::{self, Content};
use crate::dialect::{Asked, Dialect, Server, ServerReply, Serving, StreamEncoder};

impl Server for OpenaiResponses {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        let body: Body = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut request = Request {
            system: body.instructions,
            temperature: body.temperature,
            top_p: body.top_p,
            max_tokens: body.max_output_tokens,
            ..Request::default()
        };
        match body.input {
            Value::String(text) => request.messages.push(Message::user(text)),
            Value::Array(items) => {
                for item in items {
                    let content = item.get("content").cloned().unwrap_or_default();
                    let content: Content = serde_json::from_value(content).map_err(|e| e.to_string())?;
                    let parts: Vec<String> = content.0.into_iter().filter_map(|part| part.text).collect();
                    match item.get("role").and_then(Value::as_str) {
                        Some("system" | "developer") => request.system = Some(parts.join("\n\n")),
                        Some("assistant") => request.messages.push(Message { role: Role::Assistant, parts }),
                        Some(_) => request.messages.push(Message { role: Role::User, parts }),
                        None => {}
                    }
                }
            }
            _ => return Err("`input` must be a text or a list".to_owned()),
        }
        Ok(Asked { model: body.model, request, stream: body.stream })
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
            answer: Response::text(""),
            open: None,
            items: 0,
            sequence: 0,
        })
    }
}

fn items(response: &Response) -> Vec<Value> {
    let mut items: Vec<Value> = response.reasoning.iter().map(|text| reasoning_item(text)).collect();
    if !response.text.is_empty() {
        items.push(message_item(&response.text, response.finish_reason == FinishReason::Refusal));
    }
    items.extend(response.tool_calls.iter().map(call_item));
    items
}

fn reasoning_item(text: &str) -> Value {
    json!({"type": "reasoning", "id": "rs_sim", "summary": [{"type": "summary_text", "text": text}]})
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
    let arguments = call.arguments.to_string();
    json!({"type": "function_call", "id": "fc_sim", "call_id": call.id, "name": call.name, "arguments": arguments})
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
    answer: Response,
    open: Option<Open>,
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
        if self.open.is_some() {
            self.items += 1;
        }
        self.open = Some(open);
        self.frame("response.output_item.added", json!({"output_index": self.items, "item": item}))
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
        match event {
            Event::Text(text) => {
                self.answer.text.push_str(text);
                let mut out = self.enter(Open::Text, &message_item("", false));
                out.extend(self.delta("response.output_text.delta", text));
                out
            }
            Event::Reasoning(text) => {
                self.answer.reasoning.get_or_insert_default().push_str(text);
                let mut out = self.enter(Open::Reasoning, &reasoning_item(""));
                out.extend(self.delta("response.reasoning_summary_text.delta", text));
                out
            }
            Event::ToolCall { index, id, name } => {
                let call =
                    ToolCall { id: id.clone(), name: name.clone(), arguments: Value::String(String::new()) };
                let mut item = call_item(&call);
                item["arguments"] = json!("");
                self.answer.tool_calls.push(call);
                self.enter(Open::Call(*index), &item)
            }
            Event::ToolArguments { index, piece } => {
                if let Some(Value::String(arguments)) =
                    self.answer.tool_calls.get_mut(*index).map(|c| &mut c.arguments)
                {
                    arguments.push_str(piece);
                }
                self.delta("response.function_call_arguments.delta", piece)
            }
            Event::Usage(usage) => {
                self.answer.usage.merge(usage);
                Vec::new()
            }
            Event::Finish(reason) => {
                for call in &mut self.answer.tool_calls {
                    if let Value::String(text) = &call.arguments {
                        call.arguments = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
                    }
                }
                self.answer.finish_reason = *reason;
                let response = object(&self.serving, &items(&self.answer), *reason, &self.answer.usage);
                let kind = if response["status"] == "incomplete" {
                    "response.incomplete"
                } else {
                    "response.completed"
                };
                self.frame(kind, json!({"response": response}))
            }
            Event::Restart | Event::Model(_) | Event::ProviderField { .. } | Event::Unexpected(_) => {
                Vec::new()
            }
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
