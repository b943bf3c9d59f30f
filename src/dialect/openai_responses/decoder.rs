//! Decodes named events. Items of a complete body, and items without deltas in a stream, go through the same
//! code.

use std::collections::HashMap;

use serde_json::Value;

use super::wire::{self, IGNORED_EVENT_FIELDS, KNOWN_RESPONSE_FIELDS, OpenaiResponsesUsage};
use crate::chat::{Citation, Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::DecodeProgress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream_decoder::{SseResponseDecoder, truncated_failure};
use crate::dialect::wire_json::decode_json;

/// A model may send a summary of its reasoning, the raw text, or both. The first one that arrives is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReasoningSource {
    Summary,
    Raw,
}

#[derive(Debug, Default)]
pub(super) struct OpenaiResponsesDecoder {
    model: Option<String>,
    has_id: bool,
    /// Tool calls by output index: the call's position, and whether arguments have arrived.
    tool_calls: HashMap<u64, (usize, bool)>,
    /// Output indices of items whose text arrived in deltas.
    streamed_items: Vec<u64>,
    /// Output indices of items that arrived complete, so that reasoning state and provider-specific items are
    /// emitted once.
    completed_items: Vec<u64>,
    reasoning_source: Option<ReasoningSource>,
    has_refusal: bool,
    is_finished: bool,
}

impl OpenaiResponsesDecoder {
    fn emit_model_and_id(&mut self, response: &Value, events: &mut Vec<StreamEvent>) {
        let text = |name: &str| {
            response.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        if let Some(model) = text("model").filter(|m| self.model.as_ref() != Some(m)) {
            events.push(StreamEvent::ServedModel(model.clone()));
            self.model = Some(model);
        }
        if let Some(value) = text("id").filter(|_| !self.has_id) {
            self.has_id = true;
            events.push(StreamEvent::ProviderField { name: "id", value: value.into() });
        }
    }

    fn mark_streamed(&mut self, at: u64) {
        if !self.streamed_items.contains(&at) {
            self.streamed_items.push(at);
        }
    }

    fn emit_reasoning(
        &mut self,
        source: ReasoningSource,
        piece: Option<&str>,
        events: &mut Vec<StreamEvent>,
    ) {
        let Some(piece) = piece.filter(|p| !p.is_empty()) else { return };
        if *self.reasoning_source.get_or_insert(source) == source {
            events.push(StreamEvent::ReasoningDelta(piece.to_owned()));
        }
    }

    fn start_tool_call(&mut self, at: u64, item: &Value, events: &mut Vec<StreamEvent>) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let index = self.tool_calls.len();
        self.tool_calls.insert(at, (index, false));
        let id = Some(text("call_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| text("id"));
        events.push(StreamEvent::ToolCallStart { index, id, name: text("name") });
    }

    fn emit_tool_call_delta(&mut self, at: u64, piece: &Value, events: &mut Vec<StreamEvent>) {
        let Some((index, any)) = self.tool_calls.get_mut(&at) else { return };
        let piece = piece.as_str().map_or_else(|| piece.to_string(), str::to_owned);
        if !piece.is_empty() {
            *any = true;
            events.push(StreamEvent::ToolCallDelta { index: *index, arguments_delta: piece });
        }
    }

    /// Decodes a complete item, without what its deltas already contained.
    fn decode_item(&mut self, at: u64, item: &Value, events: &mut Vec<StreamEvent>) {
        let parts = |name: &str| item.get(name).and_then(Value::as_array).into_iter().flatten();
        let text = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
        let streamed = self.streamed_items.contains(&at);
        let first = !self.completed_items.contains(&at);
        if first {
            self.completed_items.push(at);
        }
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "message" if !streamed => {
                self.streamed_items.push(at);
                for part in parts("content") {
                    let sources = part.get("annotations").and_then(Value::as_array).into_iter().flatten();
                    events.extend(sources.filter_map(parse_annotation).map(StreamEvent::Citation));
                    let refusal = text(part, "refusal").filter(|r| !r.is_empty());
                    self.has_refusal |= refusal.is_some();
                    events.extend(
                        text(part, "text").or(refusal).filter(|t| !t.is_empty()).map(StreamEvent::TextDelta),
                    );
                }
            }
            "reasoning" if !streamed => {
                self.streamed_items.push(at);
                for part in parts("content") {
                    self.emit_reasoning(ReasoningSource::Raw, text(part, "text").as_deref(), events);
                }
                for part in parts("summary") {
                    self.emit_reasoning(ReasoningSource::Summary, text(part, "text").as_deref(), events);
                }
                events.extend(reasoning_state(item).map(StreamEvent::ReasoningState));
            }
            "reasoning" if first => events.extend(reasoning_state(item).map(StreamEvent::ReasoningState)),
            "function_call" | "custom_tool_call" => {
                if !self.tool_calls.contains_key(&at) {
                    self.start_tool_call(at, item, events);
                }
                let arguments = item.get("arguments").or(item.get("input"));
                if let (Some((_, false)), Some(arguments)) = (self.tool_calls.get(&at).copied(), arguments) {
                    self.emit_tool_call_delta(at, arguments, events);
                }
            }
            "message" | "reasoning" | "" => {}
            // An item of a tool that the provider ran itself.
            _ if first => events.push(StreamEvent::ProviderSpecific(item.clone())),
            _ => {}
        }
    }

    /// Decodes the response object that ends a stream or is the complete body.
    fn decode_response_object(
        &mut self,
        response: &Value,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        self.emit_model_and_id(response, events);
        let status = response.get("status").and_then(Value::as_str).unwrap_or_default();
        if let Some(usage) = response.get("usage").filter(|u| u.is_object()) {
            events.push(match serde_json::from_value::<OpenaiResponsesUsage>(usage.clone()) {
                Ok(usage) => StreamEvent::Usage(usage.to_usage()),
                Err(_) => StreamEvent::UnexpectedField("usage".to_owned()),
            });
        }
        let error = response.get("error").filter(|e| !e.is_null());
        if error.is_some() || matches!(status, "failed" | "cancelled") {
            return Err(ErrorBody::decode_in_band_failure(&serde_json::json!({"error": error})));
        }
        for name in response.as_object().into_iter().flat_map(|o| o.keys()) {
            if KNOWN_RESPONSE_FIELDS.binary_search(&name.as_str()).is_err() {
                events.push(StreamEvent::UnexpectedField(name.clone()));
            }
        }
        for (at, item) in (0..).zip(response.get("output").and_then(Value::as_array).into_iter().flatten()) {
            self.decode_item(at, item, events);
        }
        let why = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let reason = match (status, why) {
            ("incomplete", Some("max_output_tokens")) => FinishReason::Length,
            ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
            ("incomplete", _) => FinishReason::Other,
            ("queued" | "in_progress", _) => FinishReason::Pause,
            _ if self.has_refusal => FinishReason::Refusal,
            _ if !self.tool_calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        if let Some(why) = why.filter(|_| reason == FinishReason::Other) {
            events.push(StreamEvent::ProviderField {
                name: "incomplete_details",
                value: why.to_owned().into(),
            });
        }
        self.is_finished = true;
        events.push(StreamEvent::Finish(reason));
        Ok(())
    }
}

impl SseResponseDecoder for OpenaiResponsesDecoder {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        if frame.data.trim() == "[DONE]" {
            return Ok(DecodeProgress::Done);
        }
        let event: wire::OpenaiResponsesEvent =
            decode_json(frame.data.as_bytes(), IGNORED_EVENT_FIELDS, events)?;
        let at = event.output_index.unwrap_or(0);
        let piece = event.delta.as_ref().and_then(Value::as_str).filter(|p| !p.is_empty());
        match event.kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = &event.response {
                    self.emit_model_and_id(response, events);
                }
            }
            "response.output_item.added" => {
                let item = event.item.unwrap_or_default();
                if matches!(item["type"].as_str(), Some("function_call" | "custom_tool_call")) {
                    self.start_tool_call(at, &item, events);
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                self.has_refusal |= event.kind == "response.refusal.delta";
                self.mark_streamed(at);
                events.extend(piece.map(|p| StreamEvent::TextDelta(p.to_owned())));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.mark_streamed(at);
                let raw = event.kind == "response.reasoning_text.delta";
                self.emit_reasoning(
                    if raw { ReasoningSource::Raw } else { ReasoningSource::Summary },
                    piece,
                    events,
                );
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(piece) = &event.delta {
                    self.emit_tool_call_delta(at, piece, events);
                }
            }
            "response.output_item.done" => self.decode_item(at, &event.item.unwrap_or_default(), events),
            "response.failed" if event.response.is_none() => {
                let message = "the response failed without a reason";
                return Err(Failure::new(FailureClass::ServerError, FailurePhase::Body, message));
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.decode_response_object(&event.response.unwrap_or_default(), events)?;
                return Ok(DecodeProgress::Done);
            }
            "error" => {
                let value: Value = serde_json::from_str(&frame.data).unwrap_or_default();
                // `type: error` names the event, not the kind of error.
                let inner = if event.error.as_ref().is_some_and(Value::is_object) {
                    value
                } else {
                    serde_json::json!({"code": event.code, "message": event.message})
                };
                return Err(ErrorBody::decode_in_band_failure(&inner));
            }
            _ if event.error.is_some() => {
                return Err(ErrorBody::decode_in_band_failure(
                    &serde_json::from_str::<Value>(&frame.data).unwrap_or_default(),
                ));
            }
            "response.output_text.annotation.added" => {
                events
                    .extend(event.annotation.as_ref().and_then(parse_annotation).map(StreamEvent::Citation));
            }
            "keepalive" | "ping" => {}
            kind if kind.starts_with("response.") => {}
            kind => events.push(StreamEvent::UnexpectedField(format!("type={kind}"))),
        }
        Ok(DecodeProgress::More)
    }

    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let response: Value = decode_json(body, IGNORED_EVENT_FIELDS, events)?;
        if response.get("output").is_none() && response.get("status").is_none() {
            let failure = ErrorBody::decode_in_band_failure(&response);
            let has_no_message = failure.message.is_empty();
            return Err(if has_no_message {
                Failure::new(FailureClass::Malformed, FailurePhase::Body, "the answer has no `output`")
            } else {
                failure
            });
        }
        self.decode_response_object(&response, events)
    }

    fn finish(&mut self, _events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.is_finished { Ok(()) } else { Err(truncated_failure("response.completed")) }
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

/// A reasoning item that the model can continue from, because it contains the reasoning in encrypted or plain
/// form.
fn reasoning_state(item: &Value) -> Option<Value> {
    let plain = item.get("content").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
    let encrypted = item.get("encrypted_content").is_some_and(Value::is_string);
    (plain || encrypted).then(|| item.clone())
}

fn parse_annotation(annotation: &Value) -> Option<Citation> {
    let text = |name: &str| annotation.get(name).and_then(Value::as_str).map(str::to_owned);
    let citation =
        Citation { url: text("url"), title: text("title").or_else(|| text("filename")), text: None };
    (citation != Citation::default()).then_some(citation)
}
