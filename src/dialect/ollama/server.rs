use std::time::Duration;

use serde_json::{Value, json};

use super::{Ollama, request};
use crate::chat::{FinishReason, Response, StreamEvent, Usage};
use crate::dialect::{
    ResponseIdentity, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure, ServerRequest,
    StreamEncoder, wire_json,
};

impl ServerCodec for Ollama {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
        let mut message = json!({"role": "assistant", "content": response.text});
        if let Some(reasoning) = &response.reasoning {
            message["thinking"] = json!(reasoning);
        }
        if !response.tool_calls.is_empty() {
            let call = |c: &crate::chat::ToolCall| json!({"id": c.id, "function": {"name": c.name, "arguments": c.arguments}});
            message["tool_calls"] = response.tool_calls.iter().map(call).collect();
        }
        wire_json::encode_json(&encode_final_object(
            identity,
            &message,
            response.finish_reason,
            &response.usage,
            timing,
        ))
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        ServerErrorResponse {
            status: failure.status.unwrap_or(wire_json::default_error_status(failure.class)),
            headers: Vec::new(),
            body: wire_json::encode_json(&json!({"error": failure.message})),
        }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(OllamaEncoder {
            identity: identity.clone(),
            usage: Usage::default(),
            timing: None,
            pending_tool_calls: Vec::new(),
        })
    }
}

/// The last line of a stream, or a complete response. Durations are in nanoseconds.
fn encode_final_object(
    identity: &ResponseIdentity,
    message: &Value,
    reason: FinishReason,
    usage: &Usage,
    timing: Option<ResponseTiming>,
) -> Value {
    let word = if reason == FinishReason::Length { "length" } else { "stop" };
    let mut wire = json!({
        "model": identity.model, "created_at": identity.created_at.to_string(), "message": message, "done": true,
        "done_reason": word,
    });
    let total = timing.map(|timing| timing.total);
    let prompt = timing.and_then(|timing| timing.first_token);
    let generation = total.zip(prompt).map(|(total, prompt)| total.saturating_sub(prompt));
    // Durations of centuries do not occur.
    let nanoseconds =
        |time: Option<Duration>| Some(u64::try_from(time?.as_nanos()).unwrap_or(u64::MAX).into());
    for (name, number) in [
        ("total_duration", nanoseconds(total)),
        ("prompt_eval_count", usage.input_tokens.map(Value::from)),
        ("prompt_eval_duration", nanoseconds(prompt)),
        ("eval_count", usage.output_tokens.map(Value::from)),
        ("eval_duration", nanoseconds(generation)),
    ] {
        if let Some(number) = number {
            wire[name] = number;
        }
    }
    wire
}

struct OllamaEncoder {
    identity: ResponseIdentity,
    usage: Usage,
    timing: Option<ResponseTiming>,
    /// Calls are sent complete, so ID, name, and arguments are buffered until the response ends.
    pending_tool_calls: Vec<(String, String, String)>,
}

impl OllamaEncoder {
    fn encode_line(&self, message: &Value) -> Vec<u8> {
        let created_at = self.identity.created_at.to_string();
        let line = json!({"model": self.identity.model, "created_at": created_at, "message": message, "done": false});
        terminate_line(&line)
    }
}

fn terminate_line(line: &Value) -> Vec<u8> {
    let mut out = wire_json::encode_json(line);
    out.push(b'\n');
    out
}

impl StreamEncoder for OllamaEncoder {
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
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
                out.extend(terminate_line(&encode_final_object(
                    &self.identity,
                    &message,
                    *reason,
                    &self.usage,
                    self.timing,
                )));
                out
            }
            _ => Vec::new(),
        }
    }

    fn record_timing(&mut self, timing: ResponseTiming) {
        self.timing = Some(timing);
    }

    fn encode_end(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        terminate_line(&json!({"error": failure.message}))
    }
}
