use serde_json::{Value, json};

use super::messages::encode_block;
use super::{Bedrock, request};
use crate::chat::{FailureClass, FinishReason, Part, Response, StreamEvent, TokenCount, Usage};
use crate::dialect::frame::{AwsFrame, encode_aws_frame};
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder,
};

impl ServerCodec for Bedrock {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(path, body)
    }

    fn wrap_reasoning_state(&self, content: &str) -> Option<Value> {
        Some(json!({"signature": content}))
    }

    fn encode_headers(&self, metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        metadata.request_id.iter().map(|id| ("x-amzn-requestid", id.clone())).collect()
    }

    fn encode_response(
        &self,
        response: &Response,
        _identity: &ResponseIdentity,
        timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
        let unsigned = |part: &Part| match part {
            Part::Reasoning { text, state: None } => {
                Some(json!({"reasoningContent": {"reasoningText": {"text": text}}}))
            }
            other => encode_block(other),
        };
        let content: Vec<Value> = response.parts.iter().filter_map(unsigned).collect();
        let mut wire = json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": encode_finish_reason(response.finish_reason),
        });
        add_totals(&mut wire, &response.usage, timing);
        wire_json::encode_json(&wire)
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        let (status, name) = match failure.class {
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
        let error_type = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        let mut headers = vec![("x-amzn-errortype", error_type)];
        headers.extend(self.encode_headers(failure.metadata));
        let body = wire_json::encode_json(&json!({"message": failure.message}));
        ServerErrorResponse { status: failure.status.unwrap_or(status), headers, body }
    }

    fn stream_encoder(&self, _identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(BedrockEncoder {
            usage: Usage::default(),
            timing: None,
            current_block: None,
            block_index: 0,
        })
    }
}

fn encode_finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filtered",
        FinishReason::Error => "malformed_model_output",
        FinishReason::Stop | FinishReason::Pause | FinishReason::Other => "end_turn",
    }
}

/// Adds the usage and the latency, as far as they are known.
fn add_totals(wire: &mut Value, usage: &Usage, timing: Option<ResponseTiming>) {
    if let Some(counts) = encode_usage(usage) {
        wire["usage"] = counts;
    }
    if let Some(timing) = timing {
        // A latency beyond the range of this type is not possible in practice.
        wire["metrics"] = json!({"latencyMs": u64::try_from(timing.total.as_millis()).unwrap_or(u64::MAX)});
    }
}

/// In this dialect, `inputTokens` excludes both cache counts. `None` if no count is known.
fn encode_usage(usage: &Usage) -> Option<Value> {
    let (read, write) = (usage.cached_input_tokens, usage.cache_write_tokens);
    let cached = Usage::sum_known(&[read, write]).unwrap_or(TokenCount::ZERO);
    encode_known_counts(&[
        ("inputTokens", usage.input_tokens.map(|input| input.saturating_sub(cached))),
        ("outputTokens", usage.output_tokens),
        ("totalTokens", wire_json::sum_both(usage.input_tokens, usage.output_tokens)),
        ("cacheReadInputTokens", read),
        ("cacheWriteInputTokens", write),
    ])
}

#[derive(Clone, Copy, PartialEq)]
enum BedrockOpenBlock {
    Text,
    Reasoning,
    ToolUse(usize),
}

struct BedrockEncoder {
    usage: Usage,
    timing: Option<ResponseTiming>,
    current_block: Option<BedrockOpenBlock>,
    block_index: usize,
}

fn encode_event_frame(kind: &str, payload: &Value) -> Vec<u8> {
    encode_aws_frame(&AwsFrame {
        message_type: "event".to_owned(),
        event_type: kind.to_owned(),
        error_message: String::new(),
        payload: wire_json::encode_json(payload),
    })
}

impl BedrockEncoder {
    fn close_block(&mut self) -> Vec<u8> {
        if self.current_block.take().is_none() {
            return Vec::new();
        }
        self.block_index += 1;
        encode_event_frame("contentBlockStop", &json!({"contentBlockIndex": self.block_index - 1}))
    }

    /// Starts a block of this kind. Only tool calls have a start event.
    fn open_block(&mut self, open: BedrockOpenBlock) -> Vec<u8> {
        if self.current_block == Some(open) {
            return Vec::new();
        }
        let out = self.close_block();
        self.current_block = Some(open);
        out
    }

    fn encode_delta(&self, delta: &Value) -> Vec<u8> {
        encode_event_frame(
            "contentBlockDelta",
            &json!({"contentBlockIndex": self.block_index, "delta": delta}),
        )
    }
}

impl StreamEncoder for BedrockEncoder {
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
        encode_event_frame("messageStart", &json!({"role": "assistant"}))
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        match event {
            StreamEvent::TextDelta(text) => {
                let mut out = self.open_block(BedrockOpenBlock::Text);
                out.extend(self.encode_delta(&json!({"text": text})));
                out
            }
            StreamEvent::ReasoningDelta(text) => {
                let mut out = self.open_block(BedrockOpenBlock::Reasoning);
                out.extend(self.encode_delta(&json!({"reasoningContent": {"text": text}})));
                out
            }
            StreamEvent::ToolCallStart { index, id, name } => {
                let mut out = self.open_block(BedrockOpenBlock::ToolUse(*index));
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                out.extend(encode_event_frame(
                    "contentBlockStart",
                    &json!({"contentBlockIndex": self.block_index, "start": start}),
                ));
                out
            }
            StreamEvent::ToolCallDelta { arguments_delta: piece, .. } => {
                self.encode_delta(&json!({"toolUse": {"input": piece}}))
            }
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            StreamEvent::Finish(reason) => {
                let mut out = self.close_block();
                out.extend(encode_event_frame(
                    "messageStop",
                    &json!({"stopReason": encode_finish_reason(*reason)}),
                ));
                out
            }
            StreamEvent::ReasoningState(state) => match state.get("signature") {
                Some(signature) if self.current_block == Some(BedrockOpenBlock::Reasoning) => {
                    let mut out = self.encode_delta(&json!({"reasoningContent": {"signature": signature}}));
                    out.extend(self.close_block());
                    out
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn record_timing(&mut self, timing: ResponseTiming) {
        self.timing = Some(timing);
    }

    fn encode_end(&mut self) -> Vec<u8> {
        let mut metadata = json!({});
        add_totals(&mut metadata, &self.usage, self.timing);
        encode_event_frame("metadata", &metadata)
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        let kind = match failure.class {
            FailureClass::RateLimited => "throttlingException",
            _ => "internalServerException",
        };
        encode_aws_frame(&AwsFrame {
            message_type: "exception".to_owned(),
            event_type: kind.to_owned(),
            error_message: String::new(),
            payload: wire_json::encode_json(&json!({"message": failure.message})),
        })
    }
}
