use serde_json::{Value, json};

use super::{Ollama, request};
use crate::chat::{FailureClass, FinishReason, Response, StreamEvent, Usage};
use crate::dialect::{
    ResponseIdentity, ServerCodec, ServerErrorResponse, ServerRequest, StreamEncoder, wire_json,
};

/// Fixed, because simulated responses have no real date.
const FIXED_CREATED_AT: &str = "2026-01-01T00:00:00Z";

impl ServerCodec for Ollama {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn stream_content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8> {
        let mut message = json!({"role": "assistant", "content": response.text});
        if let Some(reasoning) = &response.reasoning {
            message["thinking"] = json!(reasoning);
        }
        if !response.tool_calls.is_empty() {
            let call = |c: &crate::chat::ToolCall| json!({"id": c.id, "function": {"name": c.name, "arguments": c.arguments}});
            message["tool_calls"] = response.tool_calls.iter().map(call).collect();
        }
        wire_json::encode_json(&encode_final_object(
            &identity.model,
            &message,
            response.finish_reason,
            &response.usage,
        ))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse {
        let status = wire_json::default_error_status(class);
        ServerErrorResponse {
            status,
            headers: Vec::new(),
            body: wire_json::encode_json(&json!({"error": message})),
        }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(OllamaEncoder {
            model: identity.model.clone(),
            usage: Usage::default(),
            pending_tool_calls: Vec::new(),
        })
    }
}

fn encode_final_object(model: &str, message: &Value, reason: FinishReason, usage: &Usage) -> Value {
    let word = if reason == FinishReason::Length { "length" } else { "stop" };
    json!({
        "model": model, "created_at": FIXED_CREATED_AT, "message": message, "done": true, "done_reason": word,
        "total_duration": 0, "load_duration": 0, "prompt_eval_count": usage.input_tokens, "prompt_eval_duration": 0,
        "eval_count": usage.output_tokens, "eval_duration": 0,
    })
}

struct OllamaEncoder {
    model: String,
    usage: Usage,
    /// Calls are sent complete, so ID, name, and arguments are buffered until the response ends.
    pending_tool_calls: Vec<(String, String, String)>,
}

impl OllamaEncoder {
    fn encode_line(&self, message: &Value) -> Vec<u8> {
        let line =
            json!({"model": self.model, "created_at": FIXED_CREATED_AT, "message": message, "done": false});
        terminate_line(&line)
    }
}

fn terminate_line(line: &Value) -> Vec<u8> {
    let mut out = wire_json::encode_json(line);
    out.push(b'\n');
    out
}

impl StreamEncoder for OllamaEncoder {
    fn encode_start(&mut self, _input: &Usage) -> Vec<u8> {
        Vec::new()
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        match event {
            StreamEvent::TextDelta(text) => self.encode_line(&json!({"role": "assistant", "content": text})),
            StreamEvent::ReasoningDelta(text) => {
                self.encode_line(&json!({"role": "assistant", "content": "", "thinking": text}))
            }
            StreamEvent::ToolCallStart { id, name, .. } => {
                self.pending_tool_calls.push((id.clone(), name.clone(), String::new()));
                Vec::new()
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => {
                if let Some((_, _, arguments)) = self.pending_tool_calls.get_mut(*index) {
                    arguments.push_str(piece);
                }
                Vec::new()
            }
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            StreamEvent::Finish(reason) => {
                let mut out = Vec::new();
                for (id, name, arguments) in &self.pending_tool_calls {
                    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                    let call = json!({"id": id, "function": {"name": name, "arguments": arguments}});
                    out.extend(
                        self.encode_line(&json!({"role": "assistant", "content": "", "tool_calls": [call]})),
                    );
                }
                let message = json!({"role": "assistant", "content": ""});
                out.extend(terminate_line(&encode_final_object(&self.model, &message, *reason, &self.usage)));
                out
            }
            _ => Vec::new(),
        }
    }

    fn encode_end(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn encode_error(&mut self, _class: FailureClass, message: &str) -> Vec<u8> {
        terminate_line(&json!({"error": message}))
    }
}
