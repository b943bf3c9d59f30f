//! Decodes named events, and complete bodies through the same functions.

use serde_json::{Value, json};

use super::wire::{self, CohereDelta, CohereResponse, IGNORED_FIELDS, decode_finish_reason};
use crate::chat::{Citation, Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::DecodeProgress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream_decoder::{SseResponseDecoder, truncated_failure};
use crate::dialect::wire_json::decode_json;

#[derive(Debug, Default)]
pub(super) struct CohereDecoder {
    /// Wire index of each tool call, in order.
    tool_call_indices: Vec<u64>,
    /// A tool plan was received, but its reasoning state is not emitted yet.
    has_pending_tool_plan: bool,
    is_finished: bool,
}

impl CohereDecoder {
    fn decode_part(part: &Value, events: &mut Vec<StreamEvent>) {
        let text =
            |name: &str| part.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        events.extend(text("thinking").map(StreamEvent::ReasoningDelta));
        events.extend(text("text").map(StreamEvent::TextDelta));
    }

    fn start_tool_call(&mut self, at: u64, call: &Value, events: &mut Vec<StreamEvent>) {
        let text =
            |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.emit_tool_plan_state(events);
        self.tool_call_indices.push(at);
        let index = self.tool_call_indices.len() - 1;
        events.push(StreamEvent::ToolCallStart { index, id: text("/id"), name: text("/function/name") });
        Self::emit_tool_call_delta(index, call, events);
    }

    /// Marks the preceding reasoning as a tool plan, which is sent back in its own field.
    fn emit_tool_plan_state(&mut self, events: &mut Vec<StreamEvent>) {
        if std::mem::take(&mut self.has_pending_tool_plan) {
            events.push(StreamEvent::ReasoningState(json!({"tool_plan": true})));
        }
    }

    fn emit_tool_plan(&mut self, plan: Option<String>, events: &mut Vec<StreamEvent>) {
        if let Some(plan) = plan.filter(|p| !p.is_empty()) {
            self.has_pending_tool_plan = true;
            events.push(StreamEvent::ReasoningDelta(plan));
        }
    }

    fn emit_tool_call_delta(index: usize, call: &Value, events: &mut Vec<StreamEvent>) {
        match call.pointer("/function/arguments") {
            None | Some(Value::Null) => {}
            Some(Value::String(piece)) if piece.is_empty() => {}
            Some(Value::String(piece)) => {
                events.push(StreamEvent::ToolCallDelta { index, arguments_delta: piece.clone() });
            }
            Some(other) => {
                events.push(StreamEvent::ToolCallDelta { index, arguments_delta: other.to_string() });
            }
        }
    }

    fn emit_finish(&mut self, delta: &CohereDelta, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if let Some(usage) = &delta.usage {
            events.push(StreamEvent::Usage(usage.to_usage()));
        }
        let word = delta.finish_reason.as_deref().unwrap_or_default();
        let reason = decode_finish_reason(word).unwrap_or_else(|| {
            events.push(StreamEvent::UnexpectedField(format!("finish_reason={word}")));
            FinishReason::Other
        });
        if reason == FinishReason::Error {
            let mut failure = ErrorBody::decode_in_band_failure(&json!({"message": delta.error}));
            if failure.message.is_empty() {
                failure.message = format!("the provider ended the answer with finish reason `{word}`");
            }
            return Err(failure);
        }
        if !matches!(word, "COMPLETE" | "TOOL_CALL" | "MAX_TOKENS") {
            events.push(StreamEvent::ProviderField { name: "finish_reason", value: word.to_owned().into() });
        }
        let called = reason == FinishReason::Stop && !self.tool_call_indices.is_empty();
        self.is_finished = true;
        events.push(StreamEvent::Finish(if called { FinishReason::ToolCalls } else { reason }));
        Ok(())
    }
}

impl SseResponseDecoder for CohereDecoder {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        if frame.data.trim() == "[DONE]" {
            return Ok(DecodeProgress::Done);
        }
        let event: wire::CohereEvent = decode_json(frame.data.as_bytes(), IGNORED_FIELDS, events)?;
        let delta = event.delta.unwrap_or_default();
        let at = event.index.unwrap_or(0);
        let message = delta.message.as_ref();
        match event.kind.as_str() {
            "message-start" => {
                if let Some(Value::String(id)) = event.id {
                    events.push(StreamEvent::ProviderField { name: "id", value: id.into() });
                }
            }
            "content-start" | "content-delta" => {
                if let Some(content) = message.and_then(|m| m.content.as_ref()) {
                    Self::decode_part(content, events);
                }
            }
            "tool-plan-delta" => {
                self.emit_tool_plan(message.and_then(|m| m.tool_plan.clone()), events);
            }
            "tool-call-start" => {
                if let Some(call) = message.and_then(|m| m.tool_calls.as_ref()) {
                    self.start_tool_call(at, call, events);
                }
            }
            "tool-call-delta" => {
                let index = self.tool_call_indices.iter().position(|known| *known == at);
                if let Some((index, call)) = index.zip(message.and_then(|m| m.tool_calls.as_ref())) {
                    Self::emit_tool_call_delta(index, call, events);
                }
            }
            "message-end" => self.emit_finish(&delta, events)?,
            "citation-start" => {
                let cited = message.and_then(|m| m.citations.as_ref());
                events.extend(cited.into_iter().flat_map(parse_citations).map(StreamEvent::Citation));
            }
            "content-end" | "tool-call-end" | "citation-end" | "debug" => {}
            "" if delta.finish_reason.is_none() => {
                return Err(ErrorBody::decode_in_band_failure(
                    &serde_json::from_str::<Value>(&frame.data).unwrap_or_default(),
                ));
            }
            kind => events.push(StreamEvent::UnexpectedField(format!("type={kind}"))),
        }
        Ok(DecodeProgress::More)
    }

    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let value: Value = decode_json(body, IGNORED_FIELDS, events)?;
        if !value["message"].is_object() {
            let failure = ErrorBody::decode_in_band_failure(&value);
            let has_no_message = failure.message.is_empty();
            return Err(if has_no_message {
                Failure::new(FailureClass::Malformed, FailurePhase::Body, "the answer has no `message`")
            } else {
                failure
            });
        }
        let answer: CohereResponse = decode_json(body, IGNORED_FIELDS, events)?;
        events.extend(answer.id.map(|id| StreamEvent::ProviderField { name: "id", value: id.into() }));
        let message = answer.message.unwrap_or_default();
        self.emit_tool_plan(message.tool_plan, events);
        match &message.content {
            Some(Value::Array(parts)) => parts.iter().for_each(|part| Self::decode_part(part, events)),
            Some(Value::String(text)) if !text.is_empty() => {
                events.push(StreamEvent::TextDelta(text.clone()));
            }
            _ => {}
        }
        for (at, call) in
            (0..).zip(message.tool_calls.as_ref().and_then(Value::as_array).into_iter().flatten())
        {
            self.start_tool_call(at, call, events);
        }
        self.emit_tool_plan_state(events);
        let cited = message.citations.iter().filter_map(Value::as_array).flatten();
        events.extend(cited.flat_map(parse_citations).map(StreamEvent::Citation));
        let error = value.get("error").cloned();
        self.emit_finish(
            &CohereDelta { finish_reason: answer.finish_reason, usage: answer.usage, error, message: None },
            events,
        )
    }

    fn finish(&mut self, _events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.is_finished { Ok(()) } else { Err(truncated_failure("message-end")) }
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

/// The sources of one cited passage.
fn parse_citations(value: &Value) -> Vec<Citation> {
    let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    let quoted = text(value, "text");
    let sources = value.get("sources").and_then(Value::as_array).into_iter().flatten();
    sources
        .map(|source| {
            let document = source.get("document").unwrap_or(source);
            Citation {
                url: text(document, "url"),
                title: text(document, "title").or_else(|| text(source, "id")),
                text: quoted.clone(),
            }
        })
        .collect()
}
