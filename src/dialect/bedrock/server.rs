//! The half that answers.

use serde_json::{Value, json};

use super::turn::write_block;
use super::{Bedrock, request};
use crate::chat::{Event, FailureClass, FinishReason, Part, Response, Usage};
use crate::dialect::frame::{AwsFrame, write_aws_frame};
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for Bedrock {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(path, body)
    }

    fn thought_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"signature": seed}))
    }

    fn stream_content_type(&self) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    fn answer_headers(&self, serving: &Serving) -> Vec<(&'static str, String)> {
        vec![("x-amzn-requestid", serving.id.clone())]
    }

    fn encode_response(&self, response: &Response, _serving: &Serving) -> Vec<u8> {
        let unsigned = |part: &Part| match part {
            Part::Reasoning { text, state: None } => {
                Some(json!({"reasoningContent": {"reasoningText": {"text": text}}}))
            }
            other => write_block(other),
        };
        let content: Vec<Value> = response.parts.iter().filter_map(unsigned).collect();
        wire::write(&json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop_word(response.finish_reason), "usage": usage(&response.usage), "metrics": {"latencyMs": 0},
        }))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let (status, name) = match class {
            FailureClass::RateLimited => (429, "ThrottlingException"),
            FailureClass::QuotaExhausted => (400, "ServiceQuotaExceededException"),
            FailureClass::Auth => (403, "UnrecognizedClientException"),
            FailureClass::ModelUnavailable => (404, "ResourceNotFoundException"),
            FailureClass::BadRequest | FailureClass::ContextOverflow | FailureClass::ContentPolicy => {
                (400, "ValidationException")
            }
            FailureClass::Timeout => (408, "ModelTimeoutException"),
            FailureClass::Unreachable => (503, "ServiceUnavailableException"),
            _ => (500, "InternalServerException"),
        };
        let headers = vec![
            ("x-amzn-errortype", format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/")),
            ("x-amzn-requestid", "sim-error".to_owned()),
        ];
        ServerReply { status, headers, body: wire::write(&json!({"message": message})) }
    }

    fn stream_encoder(&self, _serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { usage: Usage::default(), open: None, blocks: 0 })
    }
}

fn stop_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filtered",
        FinishReason::Error => "malformed_model_output",
        FinishReason::Stop | FinishReason::Pause | FinishReason::Other => "end_turn",
    }
}

/// The vendor's convention: `inputTokens` leaves both cache figures out.
fn usage(usage: &Usage) -> Value {
    let (read, write) = (usage.cached_input_tokens.unwrap_or(0), usage.cache_write_tokens.unwrap_or(0));
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    json!({
        "inputTokens": input.saturating_sub(read + write), "outputTokens": output, "totalTokens": input + output,
        "cacheReadInputTokens": read, "cacheWriteInputTokens": write,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Open {
    Text,
    Reasoning,
    Call(usize),
}

struct Encoder {
    usage: Usage,
    open: Option<Open>,
    blocks: usize,
}

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    write_aws_frame(&AwsFrame {
        message_type: "event".to_owned(),
        kind: kind.to_owned(),
        error_message: String::new(),
        payload: wire::write(payload),
    })
}

impl Encoder {
    fn leave(&mut self) -> Vec<u8> {
        if self.open.take().is_none() {
            return Vec::new();
        }
        self.blocks += 1;
        event("contentBlockStop", &json!({"contentBlockIndex": self.blocks - 1}))
    }

    /// Moves on to a block of that kind. Only tool calls announce themselves.
    fn enter(&mut self, open: Open) -> Vec<u8> {
        if self.open == Some(open) {
            return Vec::new();
        }
        let out = self.leave();
        self.open = Some(open);
        out
    }

    fn delta(&self, delta: &Value) -> Vec<u8> {
        event("contentBlockDelta", &json!({"contentBlockIndex": self.blocks, "delta": delta}))
    }
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        event("messageStart", &json!({"role": "assistant"}))
    }

    fn event(&mut self, said: &Event) -> Vec<u8> {
        match said {
            Event::Text(text) => {
                let mut out = self.enter(Open::Text);
                out.extend(self.delta(&json!({"text": text})));
                out
            }
            Event::Reasoning(text) => {
                let mut out = self.enter(Open::Reasoning);
                out.extend(self.delta(&json!({"reasoningContent": {"text": text}})));
                out
            }
            Event::ToolCall { index, id, name } => {
                let mut out = self.enter(Open::Call(*index));
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                out.extend(event(
                    "contentBlockStart",
                    &json!({"contentBlockIndex": self.blocks, "start": start}),
                ));
                out
            }
            Event::ToolArguments { piece, .. } => self.delta(&json!({"toolUse": {"input": piece}})),
            Event::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            Event::Finish(reason) => {
                let mut out = self.leave();
                out.extend(event("messageStop", &json!({"stopReason": stop_word(*reason)})));
                out
            }
            Event::ReasoningState(state) => match state.get("signature") {
                Some(signature) if self.open == Some(Open::Reasoning) => {
                    let mut out = self.delta(&json!({"reasoningContent": {"signature": signature}}));
                    out.extend(self.leave());
                    out
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<u8> {
        event("metadata", &json!({"usage": usage(&self.usage), "metrics": {"latencyMs": 0}}))
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let kind = match class {
            FailureClass::RateLimited => "throttlingException",
            _ => "internalServerException",
        };
        write_aws_frame(&AwsFrame {
            message_type: "exception".to_owned(),
            kind: kind.to_owned(),
            error_message: String::new(),
            payload: wire::write(&json!({"message": message})),
        })
    }
}
