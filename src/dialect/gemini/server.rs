//! The half that answers.

use serde_json::{Value, json};

use super::Gemini;
use super::wire::Body;
use crate::chat::{Event, FailureClass, FinishReason, Message, Request, Response, Role, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for Gemini {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, String> {
        let (model, method) = path
            .rsplit_once("models/")
            .and_then(|(_, rest)| rest.rsplit_once(':'))
            .ok_or("the path names no model and method")?;
        let body: Body = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let config = body.generation_config;
        let texts = |turn: super::wire::Turn| turn.parts.into_iter().map(|p| p.text).collect::<Vec<_>>();
        let request = Request {
            system: body.system_instruction.map(|turn| texts(turn).join("\n\n")),
            messages: body
                .contents
                .into_iter()
                .map(|turn| Message {
                    role: if turn.role.as_deref() == Some("model") { Role::Assistant } else { Role::User },
                    parts: texts(turn),
                })
                .collect(),
            temperature: config.temperature,
            top_p: config.top_p,
            max_tokens: config.max_output_tokens,
            stop: config.stop_sequences,
            seed: config.seed,
        };
        Ok(Asked { model: model.to_owned(), request, stream: method == "streamGenerateContent" })
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let mut parts = Vec::new();
        parts.extend(response.reasoning.iter().map(|r| json!({"text": r, "thought": true})));
        if !response.text.is_empty() {
            parts.push(json!({"text": response.text}));
        }
        parts.extend(
            response
                .tool_calls
                .iter()
                .map(|c| json!({"functionCall": {"id": c.id, "name": c.name, "args": c.arguments}})),
        );
        wire::write(&chunk(serving, &parts, Some(response.finish_reason), Some(&response.usage)))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let (status, word) = match class {
            FailureClass::RateLimited | FailureClass::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
            FailureClass::Auth
            | FailureClass::BadRequest
            | FailureClass::ContentPolicy
            | FailureClass::ContextOverflow => (400, "INVALID_ARGUMENT"),
            FailureClass::ModelUnavailable => (404, "NOT_FOUND"),
            FailureClass::Timeout => (504, "DEADLINE_EXCEEDED"),
            FailureClass::Unreachable => (500, "INTERNAL"),
            _ => (503, "UNAVAILABLE"),
        };
        let quota = |id: &str| json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]});
        let details = match class {
            FailureClass::RateLimited => json!([
                quota("GenerateRequestsPerMinutePerProjectPerModel"),
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.25s"},
            ]),
            FailureClass::QuotaExhausted => json!([quota("GenerateRequestsPerDayPerProjectPerModel")]),
            FailureClass::Auth => {
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}])
            }
            _ => json!([]),
        };
        let mut error = json!({"code": status, "message": message, "status": word});
        if details != json!([]) {
            error["details"] = details;
        }
        ServerReply { status, headers: Vec::new(), body: wire::write(&json!({"error": error})) }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { serving: serving.clone(), usage: Usage::default(), calls: Vec::new() })
    }
}

fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Pause => "CONTINUATION",
        FinishReason::Error => "MALFORMED_RESPONSE",
        FinishReason::Other => "OTHER",
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
    }
}

/// The vendor's convention: `candidatesTokenCount` leaves the thoughts out.
fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    let thoughts = usage.reasoning_tokens.unwrap_or(0);
    let mut wire = json!({
        "promptTokenCount": input, "candidatesTokenCount": output.saturating_sub(thoughts), "totalTokenCount": input + output,
    });
    if thoughts > 0 {
        wire["thoughtsTokenCount"] = json!(thoughts);
    }
    if let Some(cached) = usage.cached_input_tokens.filter(|c| *c > 0) {
        wire["cachedContentTokenCount"] = json!(cached);
    }
    wire
}

fn chunk(serving: &Serving, parts: &[Value], finish: Option<FinishReason>, counts: Option<&Usage>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(reason) = finish {
        candidate["finishReason"] = json!(finish_word(reason));
    }
    let mut chunk =
        json!({"candidates": [candidate], "modelVersion": serving.model, "responseId": serving.id});
    if let Some(counts) = counts {
        chunk["usageMetadata"] = usage(counts);
    }
    chunk
}

struct Encoder {
    serving: Serving,
    usage: Usage,
    /// Calls go out whole, so their pieces are held back: id, name, arguments.
    calls: Vec<(String, String, String)>,
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        Vec::new()
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        let part = match event {
            Event::Text(text) => json!({"text": text}),
            Event::Reasoning(text) => json!({"text": text, "thought": true}),
            Event::ToolCall { id, name, .. } => {
                self.calls.push((id.clone(), name.clone(), String::new()));
                return Vec::new();
            }
            Event::ToolArguments { index, piece } => {
                if let Some((_, _, arguments)) = self.calls.get_mut(*index) {
                    arguments.push_str(piece);
                }
                return Vec::new();
            }
            Event::Usage(usage) => {
                self.usage.merge(usage);
                return Vec::new();
            }
            Event::Finish(reason) => {
                let whole = |(id, name, arguments): &(String, String, String)| {
                    let args: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                    json!({"functionCall": {"id": id, "name": name, "args": args}})
                };
                let parts: Vec<Value> = self.calls.iter().map(whole).collect();
                return write_frame(None, &chunk(&self.serving, &parts, Some(*reason), Some(&self.usage)));
            }
            Event::Restart | Event::Model(_) | Event::ProviderField { .. } | Event::Unexpected(_) => {
                return Vec::new();
            }
        };
        write_frame(None, &chunk(&self.serving, &[part], None, None))
    }

    fn close(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = Gemini.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        write_frame(None, &value)
    }
}
