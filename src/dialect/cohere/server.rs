//! The half that answers.

use serde_json::{Value, json};

use super::{Cohere, request};
use crate::chat::{Event, FailureClass, FinishReason, Response, Usage};
use crate::dialect::functions::write_call;
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for Cohere {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(body)
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let mut content: Vec<Value> =
            response.reasoning.iter().map(|r| json!({"type": "thinking", "thinking": r})).collect();
        if !response.text.is_empty() {
            content.push(json!({"type": "text", "text": response.text}));
        }
        let mut message = json!({"role": "assistant", "content": content});
        if !response.tool_calls.is_empty() {
            message["tool_calls"] = response.tool_calls.iter().map(|c| write_call(&c.id, c)).collect();
        }
        wire::write(&json!({
            "id": serving.id, "finish_reason": finish_word(response.finish_reason), "message": message,
            "usage": usage(&response.usage),
        }))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let status = wire::status(class);
        let mut headers = vec![("x-debug-trace-id", "trace-sim".to_owned())];
        if class == FailureClass::RateLimited {
            headers.push(("retry-after", "1".to_owned()));
        }
        ServerReply { status, headers, body: wire::write(&json!({"id": "sim-error", "message": message})) }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder {
            serving: serving.clone(),
            usage: Usage::default(),
            open: None,
            blocks: 0,
            call: None,
        })
    }
}

fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        FinishReason::ContentFilter | FinishReason::Refusal => "ERROR_TOXIC",
        FinishReason::Error => "ERROR",
        FinishReason::Stop | FinishReason::Pause | FinishReason::Other => "COMPLETE",
    }
}

fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    let mut tokens = json!({"input_tokens": input, "output_tokens": output});
    if let Some(reasoning) = usage.reasoning_tokens {
        tokens["reasoning_tokens"] = json!(reasoning);
    }
    json!({
        "billed_units": {"input_tokens": input, "output_tokens": output}, "tokens": tokens,
        "cached_tokens": usage.cached_input_tokens.unwrap_or(0),
    })
}

struct Encoder {
    serving: Serving,
    usage: Usage,
    /// The kind of content block that is open.
    open: Option<&'static str>,
    blocks: usize,
    /// The tool call that is open.
    call: Option<usize>,
}

impl Encoder {
    fn frame(kind: &str, index: Option<usize>, delta: Option<&Value>) -> Vec<u8> {
        let mut event = json!({"type": kind});
        if let Some(index) = index {
            event["index"] = json!(index);
        }
        if let Some(delta) = delta {
            event["delta"] = delta.clone();
        }
        write_frame(Some(kind), &event)
    }

    /// Closes whatever is open.
    fn leave(&mut self) -> Vec<u8> {
        if self.open.take().is_some() {
            self.blocks += 1;
            return Self::frame("content-end", Some(self.blocks - 1), None);
        }
        self.call.take().map(|index| Self::frame("tool-call-end", Some(index), None)).unwrap_or_default()
    }

    fn piece(&mut self, kind: &'static str, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if self.open != Some(kind) {
            out = self.leave();
            self.open = Some(kind);
            let content = json!({"type": kind, kind: ""});
            out.extend(Self::frame(
                "content-start",
                Some(self.blocks),
                Some(&json!({"message": {"content": content}})),
            ));
        }
        let delta = json!({"message": {"content": {kind: text}}});
        out.extend(Self::frame("content-delta", Some(self.blocks), Some(&delta)));
        out
    }
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        let message =
            json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
        let event = json!({"type": "message-start", "id": self.serving.id, "delta": {"message": message}});
        write_frame(Some("message-start"), &event)
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        match event {
            Event::Text(text) => self.piece("text", text),
            Event::Reasoning(text) => self.piece("thinking", text),
            Event::ToolCall { index, id, name } => {
                let mut out = self.leave();
                self.call = Some(*index);
                let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                let delta = json!({"message": {"tool_calls": call}});
                out.extend(Self::frame("tool-call-start", Some(*index), Some(&delta)));
                out
            }
            Event::ToolArguments { index, piece } => {
                let delta = json!({"message": {"tool_calls": {"function": {"arguments": piece}}}});
                Self::frame("tool-call-delta", Some(*index), Some(&delta))
            }
            Event::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            Event::Finish(reason) => {
                let mut out = self.leave();
                let delta = json!({"finish_reason": finish_word(*reason), "usage": usage(&self.usage)});
                out.extend(Self::frame("message-end", None, Some(&delta)));
                out
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<u8> {
        b"data: [DONE]\n\n".to_vec()
    }

    fn error(&mut self, _class: FailureClass, message: &str) -> Vec<u8> {
        let delta = json!({"finish_reason": "ERROR", "error": message});
        Self::frame("message-end", None, Some(&delta))
    }
}
