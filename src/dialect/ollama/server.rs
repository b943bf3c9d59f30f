//! The half that answers.

use serde_json::{Value, json};

use super::{Ollama, request};
use crate::chat::{Event, FailureClass, FinishReason, Response, Usage};
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

/// The simulator's answers have no date of their own.
const CREATED: &str = "2026-01-01T00:00:00Z";

impl Server for Ollama {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(body)
    }

    fn stream_content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let mut message = json!({"role": "assistant", "content": response.text});
        if let Some(reasoning) = &response.reasoning {
            message["thinking"] = json!(reasoning);
        }
        if !response.tool_calls.is_empty() {
            let call = |c: &crate::chat::ToolCall| json!({"id": c.id, "function": {"name": c.name, "arguments": c.arguments}});
            message["tool_calls"] = response.tool_calls.iter().map(call).collect();
        }
        wire::write(&last(&serving.model, &message, response.finish_reason, &response.usage))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let status = wire::status(class);
        ServerReply { status, headers: Vec::new(), body: wire::write(&json!({"error": message})) }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { model: serving.model.clone(), usage: Usage::default(), calls: Vec::new() })
    }
}

fn last(model: &str, message: &Value, reason: FinishReason, usage: &Usage) -> Value {
    let word = if reason == FinishReason::Length { "length" } else { "stop" };
    json!({
        "model": model, "created_at": CREATED, "message": message, "done": true, "done_reason": word,
        "total_duration": 0, "load_duration": 0, "prompt_eval_count": usage.input_tokens, "prompt_eval_duration": 0,
        "eval_count": usage.output_tokens, "eval_duration": 0,
    })
}

struct Encoder {
    model: String,
    usage: Usage,
    /// Calls go out whole, so their pieces are held back: id, name, arguments.
    calls: Vec<(String, String, String)>,
}

impl Encoder {
    fn line(&self, message: &Value) -> Vec<u8> {
        let line = json!({"model": self.model, "created_at": CREATED, "message": message, "done": false});
        ended(&line)
    }
}

fn ended(line: &Value) -> Vec<u8> {
    let mut out = wire::write(line);
    out.push(b'\n');
    out
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        Vec::new()
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        match event {
            Event::Text(text) => self.line(&json!({"role": "assistant", "content": text})),
            Event::Reasoning(text) => {
                self.line(&json!({"role": "assistant", "content": "", "thinking": text}))
            }
            Event::ToolCall { id, name, .. } => {
                self.calls.push((id.clone(), name.clone(), String::new()));
                Vec::new()
            }
            Event::ToolArguments { index, piece } => {
                if let Some((_, _, arguments)) = self.calls.get_mut(*index) {
                    arguments.push_str(piece);
                }
                Vec::new()
            }
            Event::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            Event::Finish(reason) => {
                let mut out = Vec::new();
                for (id, name, arguments) in &self.calls {
                    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                    let call = json!({"id": id, "function": {"name": name, "arguments": arguments}});
                    out.extend(self.line(&json!({"role": "assistant", "content": "", "tool_calls": [call]})));
                }
                let message = json!({"role": "assistant", "content": ""});
                out.extend(ended(&last(&self.model, &message, *reason, &self.usage)));
                out
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn error(&mut self, _class: FailureClass, message: &str) -> Vec<u8> {
        ended(&json!({"error": message}))
    }
}
