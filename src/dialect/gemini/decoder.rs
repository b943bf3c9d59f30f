//! Decodes chunks. A complete body is one chunk.

use serde_json::{Value, json};

use super::partial_call::PartialToolCall;
use super::wire::{
    GeminiCandidate, GeminiChunk, GeminiFinishReason, GeminiFunctionCall, GeminiPart, GeminiUsage,
    IGNORED_FIELDS, decode_finish_reason,
};
use crate::chat::{Citation, Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::DecodeProgress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream_decoder::{SseResponseDecoder, truncated_failure};
use crate::dialect::wire_json::decode_json;

#[derive(Debug, Default)]
pub(super) struct GeminiDecoder {
    model: Option<String>,
    has_id: bool,
    usage: GeminiUsage,
    tool_call_count: usize,
    /// A tool call whose arguments arrive in fragments.
    partial_call: Option<PartialToolCall>,
    finish_reason: Option<FinishReason>,
}

impl GeminiDecoder {
    fn decode_chunk(&mut self, json: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let chunk: GeminiChunk = decode_json(json, IGNORED_FIELDS, events)?;
        if chunk.error.as_ref().is_some_and(|e| !e.is_null()) {
            return Err(ErrorBody::decode_in_band_failure(
                &serde_json::from_slice::<Value>(json).unwrap_or_default(),
            ));
        }
        if let Some(model) = chunk.model_version.filter(|m| !m.is_empty() && self.model.as_ref() != Some(m)) {
            events.push(StreamEvent::ServedModel(model.clone()));
            self.model = Some(model);
        }
        if let Some(id) = chunk.response_id.filter(|id| !id.is_empty() && !self.has_id) {
            self.has_id = true;
            events.push(StreamEvent::ProviderField { name: "responseId", value: id.into() });
        }
        if let Some(usage) = &chunk.usage_metadata {
            self.usage.merge(usage);
            events.push(StreamEvent::Usage(self.usage.to_usage()));
        }
        match chunk.candidates.into_iter().flatten().next() {
            Some(candidate) => self.decode_candidate(candidate, events),
            None => match chunk.prompt_feedback.and_then(|f| Some((f.block_reason?, f.block_reason_message)))
            {
                Some((reason, message)) => {
                    let message =
                        format!("the prompt was blocked ({reason}) {}", message.unwrap_or_default());
                    Err(Failure::new(FailureClass::ContentPolicy, FailurePhase::Body, message.trim())
                        .with_code(reason))
                }
                None => Ok(()),
            },
        }
    }

    fn decode_candidate(
        &mut self,
        candidate: GeminiCandidate,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        for part in candidate.content.into_iter().flat_map(|c| c.parts) {
            self.decode_part(part, events);
        }
        for metadata in [&candidate.citation_metadata, &candidate.grounding_metadata].into_iter().flatten() {
            events.extend(parse_citations(metadata).map(StreamEvent::Citation));
        }
        // A chunk with only usage may follow the last one.
        let Some(word) = candidate.finish_reason.filter(|_| self.finish_reason.is_none()) else {
            return Ok(());
        };
        self.finish_partial_call(events);
        let reason = match decode_finish_reason(&word) {
            GeminiFinishReason::Known(FinishReason::Stop) if self.tool_call_count > 0 => {
                FinishReason::ToolCalls
            }
            GeminiFinishReason::Known(reason) => reason,
            GeminiFinishReason::MalformedOutput => {
                let detail = candidate.finish_message.unwrap_or_default();
                let message = format!("the model produced malformed output ({word}) {detail}");
                return Err(
                    Failure::new(FailureClass::Malformed, FailurePhase::Body, message.trim()).with_code(word)
                );
            }
            GeminiFinishReason::Unknown => {
                events.push(StreamEvent::UnexpectedField(format!("candidates[].finishReason={word}")));
                FinishReason::Other
            }
        };
        if !matches!(reason, FinishReason::Stop | FinishReason::Length | FinishReason::ToolCalls) {
            events.push(StreamEvent::ProviderField { name: "finishReason", value: word.into() });
        }
        self.finish_reason = Some(reason);
        events.push(StreamEvent::Finish(reason));
        Ok(())
    }

    fn decode_part(&mut self, mut part: GeminiPart, events: &mut Vec<StreamEvent>) {
        events.extend(part.take_provider_specific().map(StreamEvent::ProviderSpecific));
        let signature = part.thought_signature.take().filter(|s| !s.is_empty());
        let state = |on: &str| {
            let signature = signature.as_ref()?;
            Some(StreamEvent::ReasoningState(json!({"thoughtSignature": signature, "on": on})))
        };
        if part.thought {
            events.extend(part.text.filter(|t| !t.is_empty()).map(StreamEvent::ReasoningDelta));
            events.extend(signature.map(|s| StreamEvent::ReasoningState(json!({"thoughtSignature": s}))));
            return;
        }
        events.extend(part.text.filter(|t| !t.is_empty()).map(StreamEvent::TextDelta));
        if let Some(call) = part.function_call {
            events.extend(state("call"));
            self.decode_function_call(call, events);
        } else {
            events.extend(state("text"));
        }
    }

    /// A call arrives complete, or it starts with its name, continues in parts without a name, and ends with
    /// an empty part.
    fn decode_function_call(&mut self, call: GeminiFunctionCall, events: &mut Vec<StreamEvent>) {
        let pieces = call.partial_args.unwrap_or_default();
        if let Some(name) = call.name.filter(|n| !n.is_empty()) {
            self.finish_partial_call(events);
            let index = self.tool_call_count;
            self.tool_call_count += 1;
            events.push(StreamEvent::ToolCallStart { index, id: call.id.unwrap_or_default(), name });
            if !call.will_continue && pieces.is_empty() {
                events.extend(
                    call.args
                        .map(|args| StreamEvent::ToolCallDelta { index, arguments_delta: args.to_string() }),
                );
                return;
            }
            self.partial_call = Some(PartialToolCall::new(call.args));
        }
        if let Some(partial) = &mut self.partial_call {
            pieces.iter().for_each(|piece| partial.apply(piece));
        }
        if !call.will_continue && pieces.is_empty() {
            self.finish_partial_call(events);
        }
    }

    fn finish_partial_call(&mut self, events: &mut Vec<StreamEvent>) {
        if let Some(call) = self.partial_call.take() {
            events.push(StreamEvent::ToolCallDelta {
                index: self.tool_call_count - 1,
                arguments_delta: call.arguments_json(),
            });
        }
    }
}

impl SseResponseDecoder for GeminiDecoder {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        self.decode_chunk(frame.data.as_bytes(), events)?;
        Ok(DecodeProgress::More)
    }

    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        // Without `alt=sse`, a stream is an array of chunks. An error may be wrapped in an array too.
        if body.trim_ascii_start().starts_with(b"[") {
            let chunks: Vec<&serde_json::value::RawValue> = decode_json(body, IGNORED_FIELDS, events)?;
            for chunk in chunks {
                self.decode_chunk(chunk.get().as_bytes(), events)?;
            }
            return self.finish(events);
        }
        self.decode_chunk(body, events)?;
        if self.finish_reason.is_none() {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            if value.get("candidates").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return Err(Failure::new(
                    FailureClass::Malformed,
                    FailurePhase::Body,
                    "the answer has no `candidates`",
                ));
            }
            self.finish_reason = Some(FinishReason::Other);
            events.push(StreamEvent::Finish(FinishReason::Other));
        }
        Ok(())
    }

    fn finish(&mut self, _events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.finish_reason.is_some() { Ok(()) } else { Err(truncated_failure("a finishReason")) }
    }

    fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }
}

/// Cited sources: `citations` (formerly `citationSources`) or `groundingChunks`.
fn parse_citations(metadata: &Value) -> impl Iterator<Item = Citation> + '_ {
    let lists = ["citations", "citationSources", "groundingChunks"];
    lists.into_iter().filter_map(|name| metadata.get(name)?.as_array()).flatten().filter_map(|source| {
        let source = source.get("web").or(source.get("retrievedContext")).unwrap_or(source);
        let text = |name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
        let citation = Citation { url: text("uri"), title: text("title"), text: text("text") };
        (citation != Citation::default()).then_some(citation)
    })
}
