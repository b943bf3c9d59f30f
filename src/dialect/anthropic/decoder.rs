//! Decodes named events. A complete body is decoded block by block through the same code.

use serde_json::{Value, json};

use super::wire::{
    self, AnthropicContentBlock, AnthropicDelta, AnthropicMessage, AnthropicUsage, IGNORED_FIELDS,
    decode_finish_reason,
};
use crate::chat::{Citation, Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::DecodeProgress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream_decoder::{SseResponseDecoder, truncated_failure};
use crate::dialect::wire_json::decode_json;

#[derive(Debug, Default)]
pub(super) struct AnthropicDecoder {
    has_started: bool,
    usage: AnthropicUsage,
    /// Wire index of each tool call's content block.
    tool_call_indices: Vec<u64>,
    /// An unfinished provider-specific block: its index, the block, and its input so far.
    provider_block: Option<(u64, Value, String)>,
    finish_reason: Option<FinishReason>,
    is_finished: bool,
}

impl AnthropicDecoder {
    fn start_message(&mut self, message: AnthropicMessage, events: &mut Vec<StreamEvent>) {
        if std::mem::replace(&mut self.has_started, true) {
            self.tool_call_indices.clear();
            events.push(StreamEvent::MessageRestart);
        }
        self.emit_model_and_id(&message, events);
        if let Some(usage) = message.usage {
            self.usage.merge(usage);
            events.push(StreamEvent::Usage(self.usage.to_usage()));
        }
    }

    fn emit_model_and_id(&self, message: &AnthropicMessage, events: &mut Vec<StreamEvent>) {
        if let Some(model) = message.model.as_ref().filter(|m| !m.is_empty()) {
            events.push(StreamEvent::ServedModel(model.clone()));
        }
        if let Some(id) = message.id.as_ref().filter(|id| !id.is_empty()) {
            events.push(StreamEvent::ProviderField { name: "id", value: id.clone().into() });
        }
    }

    /// Decodes a complete block or the start of one. `raw` returns the block as received.
    fn decode_block(
        &mut self,
        index: u64,
        block: AnthropicContentBlock,
        raw: impl FnOnce() -> Value,
        is_complete: bool,
        events: &mut Vec<StreamEvent>,
    ) {
        events.extend(block.citations.iter().flatten().filter_map(parse_citation).map(StreamEvent::Citation));
        match block.kind.as_str() {
            "text" => events.extend(block.text.filter(|t| !t.is_empty()).map(StreamEvent::TextDelta)),
            "thinking" => {
                events.extend(block.thinking.filter(|t| !t.is_empty()).map(StreamEvent::ReasoningDelta));
                events.extend(block.signature.as_deref().and_then(signature_event));
            }
            "redacted_thinking" => {
                events.extend(block.data.map(|data| StreamEvent::ReasoningState(json!({"data": data}))));
            }
            "tool_use" => {
                self.tool_call_indices.push(index);
                let call = self.tool_call_indices.len() - 1;
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                events.push(StreamEvent::ToolCallStart { index: call, id, name });
                // A stream starts with an empty input and sends the real one in deltas.
                let input =
                    block.input.filter(|i| is_complete || i.as_object().is_some_and(|o| !o.is_empty()));
                events.extend(
                    input.map(|i| StreamEvent::ToolCallDelta { index: call, arguments_delta: i.to_string() }),
                );
            }
            kind => {
                if !is_provider_block(kind) {
                    events.push(StreamEvent::UnexpectedField(format!("content[].type={kind}")));
                }
                self.emit_provider_block(events);
                self.provider_block = Some((index, raw(), String::new()));
                if is_complete {
                    self.emit_provider_block(events);
                }
            }
        }
    }

    /// Emits the finished provider-specific block, which must be sent back verbatim.
    fn emit_provider_block(&mut self, events: &mut Vec<StreamEvent>) {
        let Some((_, mut block, input)) = self.provider_block.take() else { return };
        if let Ok(input) = serde_json::from_str::<Value>(&input) {
            block["input"] = input;
        }
        events.push(StreamEvent::ProviderSpecific(block));
    }

    fn decode_delta(&mut self, index: u64, delta: AnthropicDelta, events: &mut Vec<StreamEvent>) {
        match delta.kind.as_str() {
            "text_delta" => events.extend(delta.text.map(StreamEvent::TextDelta)),
            "thinking_delta" => events.extend(delta.thinking.map(StreamEvent::ReasoningDelta)),
            "input_json_delta" => {
                let Some(piece) = delta.partial_json.filter(|p| !p.is_empty()) else { return };
                if let Some((_, _, input)) = self.provider_block.as_mut().filter(|(at, ..)| *at == index) {
                    input.push_str(&piece);
                } else if let Some(index) = self.tool_call_indices.iter().position(|at| *at == index) {
                    events.push(StreamEvent::ToolCallDelta { index, arguments_delta: piece });
                }
            }
            "signature_delta" => events.extend(delta.signature.as_deref().and_then(signature_event)),
            "citations_delta" => {
                events.extend(delta.citation.as_ref().and_then(parse_citation).map(StreamEvent::Citation));
            }
            "compaction_delta" => {
                if let Some((_, block, _)) = self.provider_block.as_mut().filter(|(at, ..)| *at == index) {
                    let fields = [("content", delta.content), ("encrypted_content", delta.encrypted_content)];
                    for (name, value) in fields {
                        if let Some(value) = value.filter(|value| !value.is_null()) {
                            block[name] = value;
                        }
                    }
                }
            }
            kind => events.push(StreamEvent::UnexpectedField(format!("delta.type={kind}"))),
        }
    }

    fn record_stop_reason(
        &mut self,
        word: Option<&str>,
        sequence: Option<&str>,
        events: &mut Vec<StreamEvent>,
    ) {
        let Some(word) = word else { return };
        let reason = decode_finish_reason(word).unwrap_or_else(|| {
            events.push(StreamEvent::UnexpectedField(format!("stop_reason={word}")));
            FinishReason::Other
        });
        if reason == FinishReason::Other || word != "end_turn" && word != "tool_use" {
            events.push(StreamEvent::ProviderField { name: "stop_reason", value: word.to_owned().into() });
        }
        if let Some(sequence) = sequence {
            events.push(StreamEvent::ProviderField {
                name: "stop_sequence",
                value: sequence.to_owned().into(),
            });
        }
        self.finish_reason = Some(reason);
    }

    fn emit_finish(&mut self, events: &mut Vec<StreamEvent>) {
        self.emit_provider_block(events);
        self.is_finished = true;
        let reason = match self.finish_reason {
            None if self.tool_call_indices.is_empty() => FinishReason::Other,
            None => FinishReason::ToolCalls,
            Some(FinishReason::Stop) if !self.tool_call_indices.is_empty() => FinishReason::ToolCalls,
            Some(reason) => reason,
        };
        events.push(StreamEvent::Finish(reason));
    }
}

impl SseResponseDecoder for AnthropicDecoder {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        let json = frame.data.as_bytes();
        let event: wire::AnthropicEvent = decode_json(json, IGNORED_FIELDS, events)?;
        let index = event.index.unwrap_or(0);
        match event.kind.as_str() {
            "message_start" => self.start_message(event.message.unwrap_or_default(), events),
            "content_block_start" => {
                let raw = || {
                    let event: Value = serde_json::from_slice(json).unwrap_or_default();
                    event["content_block"].clone()
                };
                self.decode_block(index, event.content_block.unwrap_or_default(), raw, false, events);
            }
            "content_block_delta" => self.decode_delta(index, event.delta.unwrap_or_default(), events),
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.usage.merge(usage);
                    events.push(StreamEvent::Usage(self.usage.to_usage()));
                }
                let delta = event.delta.unwrap_or_default();
                self.record_stop_reason(delta.stop_reason.as_deref(), delta.stop_sequence.as_deref(), events);
                emit_stop_details(delta.stop_details, events);
            }
            // A stop without a reason is unusual, but `message_stop` is the terminal event.
            "message_stop" => {
                self.emit_finish(events);
                return Ok(DecodeProgress::Done);
            }
            "content_block_stop" => self.emit_provider_block(events),
            "ping" => {}
            "error" => {
                return Err(ErrorBody::decode_in_band_failure(
                    &serde_json::from_slice::<Value>(json).unwrap_or_default(),
                ));
            }
            _ if event.error.is_some() => {
                return Err(ErrorBody::decode_in_band_failure(
                    &serde_json::from_slice::<Value>(json).unwrap_or_default(),
                ));
            }
            kind => events.push(StreamEvent::UnexpectedField(format!("type={kind}"))),
        }
        Ok(DecodeProgress::More)
    }

    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let mut message: AnthropicMessage = decode_json(body, IGNORED_FIELDS, events)?;
        if let Some(error) = message.error.take().filter(|e| !e.is_null()) {
            return Err(ErrorBody::decode_in_band_failure(&serde_json::from_slice(body).unwrap_or(error)));
        }
        if message.stop_reason.is_none() && message.content.is_empty() && message.usage.is_none() {
            return Err(Failure::new(
                FailureClass::Malformed,
                FailurePhase::Body,
                "the answer has neither content nor usage",
            ));
        }
        let blocks = std::mem::take(&mut message.content);
        self.record_stop_reason(message.stop_reason.as_deref(), message.stop_sequence.as_deref(), events);
        emit_stop_details(message.stop_details.take(), events);
        self.start_message(message, events);
        for (index, block) in (0..).zip(blocks) {
            let raw = || {
                let answer: Value = serde_json::from_slice(body).unwrap_or_default();
                usize::try_from(index).map(|at| answer["content"][at].clone()).unwrap_or_default()
            };
            self.decode_block(index, block, raw, true, events);
        }
        self.emit_finish(events);
        Ok(())
    }

    fn finish(&mut self, _events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.is_finished { Ok(()) } else { Err(truncated_failure("message_stop")) }
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

/// Tools that the provider runs itself, and markers between blocks.
fn is_provider_block(kind: &str) -> bool {
    kind.ends_with("_tool_result")
        || matches!(kind, "server_tool_use" | "mcp_tool_use" | "container_upload" | "compaction" | "fallback")
}

fn signature_event(signature: &str) -> Option<StreamEvent> {
    (!signature.is_empty()).then(|| StreamEvent::ReasoningState(json!({"signature": signature})))
}

fn emit_stop_details(details: Option<Value>, events: &mut Vec<StreamEvent>) {
    let details = details.filter(|d| !d.is_null());
    events.extend(details.map(|value| StreamEvent::ProviderField { name: "stop_details", value }));
}

fn parse_citation(value: &Value) -> Option<Citation> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let citation = Citation {
        url: text("url").or_else(|| text("source")),
        title: text("title").or_else(|| text("document_title")),
        text: text("cited_text"),
    };
    (citation != Citation::default()).then_some(citation)
}
