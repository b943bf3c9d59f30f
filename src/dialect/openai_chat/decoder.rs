//! Decodes chunks. A complete body is decoded as one chunk, so both give the same result.

use serde_json::{Value, json};

use super::citations::{parse_annotation, parse_sources};
use super::reasoning_details::ReasoningDetails;
use super::wire::{
    IGNORED_FIELDS, NullableField, OpenaiChatChoice, OpenaiChatChunk, OpenaiChatDelta,
    OpenaiChatToolCallDelta, decode_finish_reason,
};
use crate::chat::{Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream_decoder::{SseResponseDecoder, truncated_failure};
use crate::dialect::wire_json::{TextOrParts, decode_json};
use crate::dialect::{DecodeProgress, Quirks};

#[derive(Debug, Default)]
pub(super) struct OpenaiChatDecoder {
    completion_excludes_reasoning: bool,
    model: Option<String>,
    has_id: bool,
    /// Tool calls in order: the wire index, if there is one, and the call's ID.
    tool_calls: Vec<(Option<u64>, String)>,
    has_content: bool,
    has_refusal: bool,
    /// The field that carried reasoning text, so that `reasoning_details` that repeat it are skipped.
    reasoning_field: Option<&'static str>,
    reasoning_details: ReasoningDetails,
    has_sources: bool,
    finish_reason: Option<FinishReason>,
    /// A finish reason was null and never a string.
    has_null_finish_reason: bool,
    has_done_marker: bool,
}

impl OpenaiChatDecoder {
    pub(super) fn new(quirks: &Quirks) -> Self {
        Self { completion_excludes_reasoning: quirks.completion_excludes_reasoning, ..Self::default() }
    }

    fn decode_chunk(
        &mut self,
        json: &[u8],
        is_complete: bool,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        let chunk: OpenaiChatChunk = decode_json(json, IGNORED_FIELDS, events)?;
        let error = chunk.error.as_ref().or(chunk.x_groq.as_ref().and_then(|g| g.error.as_ref()));
        if let Some(error) = error.filter(|e| is_error_value(e)) {
            if !self.is_finished() || is_complete {
                // The code may be next to an `error` string, so the whole chunk is parsed.
                let value: Value = serde_json::from_slice(json).unwrap_or_else(|_| error.clone());
                return Err(ErrorBody::decode_in_band_failure(&value));
            }
            events.push(StreamEvent::UnexpectedField("error after finish_reason".into()));
        }
        let flat = chunk.object.as_deref() == Some("error") || chunk.message.is_some();
        if flat && chunk.choices.is_none() && !self.is_finished() {
            return Err(ErrorBody::decode_in_band_failure(
                &serde_json::from_slice::<Value>(json).unwrap_or_default(),
            ));
        }
        self.emit_model_and_id(&chunk, events);
        if let Some(usage) = chunk.usage.as_ref().or(chunk.x_groq.as_ref().and_then(|g| g.usage.as_ref())) {
            events.push(StreamEvent::Usage(usage.to_usage(self.completion_excludes_reasoning)));
        }
        if !self.has_sources {
            let sources = parse_sources(chunk.search_results.as_deref(), chunk.citations.as_deref());
            self.has_sources = !sources.is_empty();
            events.extend(sources.into_iter().map(StreamEvent::Citation));
        }
        match chunk.choices {
            Some(choices) => {
                let first = choices.into_iter().find(|c| c.index.unwrap_or(0) == 0);
                match first {
                    Some(choice) => self.decode_choice(choice, is_complete, events)?,
                    None if is_complete => return Err(missing_choices_failure(json)),
                    None => {}
                }
            }
            None if is_complete => return Err(missing_choices_failure(json)),
            None => {}
        }
        Ok(())
    }

    fn emit_model_and_id(&mut self, chunk: &OpenaiChatChunk, events: &mut Vec<StreamEvent>) {
        if let Some(model) = chunk.model.as_ref().filter(|m| !m.is_empty() && self.model.as_ref() != Some(m))
        {
            self.model = Some(model.clone());
            events.push(StreamEvent::ServedModel(model.clone()));
        }
        if let Some(id) = chunk.id.as_ref().filter(|id| !id.is_empty() && !self.has_id) {
            self.has_id = true;
            events.push(StreamEvent::ProviderField { name: "id", value: id.clone().into() });
        }
    }

    fn decode_choice(
        &mut self,
        choice: OpenaiChatChoice,
        is_complete: bool,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        if let Some(error) = choice.error.as_ref().filter(|e| is_error_value(e)) {
            return Err(ErrorBody::decode_in_band_failure(error));
        }
        // Perplexity sends both: in a chunk the message is cumulative, in a complete body the delta is empty.
        let message =
            if is_complete { choice.message.or(choice.delta) } else { choice.delta.or(choice.message) };
        if let Some(message) = message {
            self.decode_delta(message, events);
        }
        match choice.finish_reason {
            // OpenRouter repeats the reason in the chunk with usage.
            NullableField::Value(word) if self.finish_reason.is_none() && !word.is_empty() => {
                self.emit_finish(&word, choice.native_finish_reason, events);
            }
            NullableField::Null => self.has_null_finish_reason = true,
            // Some servers end a series of nulls with an empty reason that means nothing in particular.
            NullableField::Value(_) => self.has_null_finish_reason = false,
            NullableField::Absent => {}
        }
        Ok(())
    }

    fn decode_delta(&mut self, delta: OpenaiChatDelta, events: &mut Vec<StreamEvent>) {
        let field = if delta.reasoning_content.is_some() { "reasoning_content" } else { "reasoning" };
        let plain =
            delta.reasoning_content.or(delta.reasoning).map(|c| c.joined_text()).filter(|t| !t.is_empty());
        if let Some(reasoning) = plain {
            self.reasoning_field = Some(field);
            events.push(StreamEvent::ReasoningDelta(reasoning));
        }
        for detail in delta.reasoning_details.into_iter().flatten() {
            let text = detail["text"].as_str().or(detail["summary"].as_str()).filter(|t| !t.is_empty());
            if self.reasoning_field.is_none() {
                events.extend(text.map(|text| StreamEvent::ReasoningDelta(text.to_owned())));
            }
            self.reasoning_details.push_delta(detail);
        }
        events.extend(
            delta.annotations.iter().flatten().filter_map(parse_annotation).map(StreamEvent::Citation),
        );
        self.decode_content(delta.content.unwrap_or_default(), events);
        if let Some(refusal) = delta.refusal.filter(|r| !r.is_empty()) {
            self.has_refusal = true;
            events.push(StreamEvent::TextDelta(refusal));
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.decode_tool_call_delta(call, events);
        }
        // The deprecated functions API: one call, without index or ID.
        if let Some(function) = delta.function_call.filter(|f| f.name.is_some() || f.arguments.is_some()) {
            let (index, id, custom, extra_content) = (Some(0), None, None, None);
            self.decode_tool_call_delta(
                OpenaiChatToolCallDelta { index, id, function: Some(function), custom, extra_content },
                events,
            );
        }
    }

    fn decode_content(&mut self, content: TextOrParts, events: &mut Vec<StreamEvent>) {
        for part in content.0 {
            match part.kind.as_str() {
                "thinking" | "reasoning" => {
                    let nested = part.thinking.or(part.summary).map(|c| c.joined_text());
                    if let Some(text) = nested.or(part.text).filter(|t| !t.is_empty()) {
                        events.push(StreamEvent::ReasoningDelta(text));
                    }
                }
                "text" | "output_text" | "" => {
                    if let Some(text) = part.text.filter(|t| !t.is_empty()) {
                        self.has_content = true;
                        events.push(StreamEvent::TextDelta(text));
                    }
                }
                "reference" => {}
                other => events
                    .push(StreamEvent::UnexpectedField(format!("choices[].delta.content[].type={other}"))),
            }
        }
    }

    /// Deltas of a call carry its index, and the first one carries its ID and name. A new call starts if the
    /// index is missing or is reused with another ID.
    fn decode_tool_call_delta(&mut self, call: OpenaiChatToolCallDelta, events: &mut Vec<StreamEvent>) {
        let id = call.id.unwrap_or_default();
        let (name, arguments) = match (call.function, call.custom) {
            (Some(function), _) => (function.name.unwrap_or_default(), function.arguments),
            (None, Some(custom)) => (custom.name.unwrap_or_default(), custom.input.map(Value::String)),
            (None, None) => (String::new(), None),
        };
        let is_new_call = !id.is_empty() && !name.is_empty();
        let known = self.tool_calls.iter().rposition(|(index, known_id)| {
            call.index.is_some()
                && *index == call.index
                && !(is_new_call && !known_id.is_empty() && *known_id != id)
        });
        // A delta without index and ID belongs to the last call.
        let known = known.or_else(|| {
            if call.index.is_none() && !is_new_call && name.is_empty() {
                self.tool_calls.len().checked_sub(1)
            } else {
                None
            }
        });
        let index = match known {
            Some(index) => index,
            None if name.is_empty() => return,
            None => {
                self.tool_calls.push((call.index, id.clone()));
                events.extend(
                    call.extra_content.map(|e| StreamEvent::ReasoningState(json!({"extra_content": e}))),
                );
                events.push(StreamEvent::ToolCallStart { index: self.tool_calls.len() - 1, id, name });
                self.tool_calls.len() - 1
            }
        };
        let piece = match arguments {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => return,
            Some(other) => other.to_string(),
        };
        if !piece.is_empty() {
            events.push(StreamEvent::ToolCallDelta { index, arguments_delta: piece });
        }
    }

    fn emit_finish(&mut self, word: &str, native: Option<Value>, events: &mut Vec<StreamEvent>) {
        let reason = decode_finish_reason(word).unwrap_or_else(|| {
            events.push(StreamEvent::UnexpectedField(format!("choices[].finish_reason={word}")));
            FinishReason::Other
        });
        if matches!(reason, FinishReason::Other | FinishReason::Error) {
            events.push(StreamEvent::ProviderField { name: "finish_reason", value: word.to_owned().into() });
        }
        if let Some(Value::String(native)) = native {
            events.push(StreamEvent::ProviderField { name: "native_finish_reason", value: native.into() });
        }
        self.finish_reason = Some(reason);
        self.emit_reasoning_state(events);
        events.push(StreamEvent::Finish(self.effective_finish_reason(reason)));
    }

    /// Emits the state that the model needs to continue its reasoning.
    fn emit_reasoning_state(&mut self, events: &mut Vec<StreamEvent>) {
        events.extend(
            std::mem::take(&mut self.reasoning_details)
                .into_state(self.reasoning_field)
                .map(StreamEvent::ReasoningState),
        );
    }

    /// Refusals and calls that a named tool choice forced both arrive as `stop`.
    fn effective_finish_reason(&self, reason: FinishReason) -> FinishReason {
        match reason {
            FinishReason::Stop if self.has_refusal => FinishReason::Refusal,
            FinishReason::Stop if !self.tool_calls.is_empty() => FinishReason::ToolCalls,
            other => other,
        }
    }
}

impl SseResponseDecoder for OpenaiChatDecoder {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        if frame.data.trim() == "[DONE]" {
            self.has_done_marker = true;
            return Ok(DecodeProgress::Done);
        }
        if frame.event == "error" && !self.is_finished() {
            let error =
                serde_json::from_str(&frame.data).unwrap_or_else(|_| Value::String(frame.data.clone()));
            return Err(ErrorBody::decode_in_band_failure(&error));
        }
        self.decode_chunk(frame.data.as_bytes(), false, events)?;
        Ok(DecodeProgress::More)
    }

    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        self.decode_chunk(body, true, events)?;
        if self.finish_reason.is_none() {
            // A complete body is finished even if the server omits the reason.
            self.finish_reason = Some(FinishReason::Stop);
            self.emit_reasoning_state(events);
            events.push(StreamEvent::Finish(self.effective_finish_reason(FinishReason::Stop)));
        }
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if self.finish_reason.is_some() {
            return Ok(());
        }
        let any = self.has_content || self.has_refusal || !self.tool_calls.is_empty();
        if self.has_done_marker && any && !self.has_null_finish_reason {
            self.finish_reason = Some(FinishReason::Other);
            self.emit_reasoning_state(events);
            events.push(StreamEvent::Finish(match self.effective_finish_reason(FinishReason::Stop) {
                FinishReason::Stop => FinishReason::Other,
                other => other,
            }));
            return Ok(());
        }
        Err(truncated_failure("a finish_reason"))
    }

    fn is_finished(&self) -> bool {
        // A broken response is not finished: an error that gives the reason may follow.
        self.finish_reason.is_some_and(|reason| reason != FinishReason::Error)
    }
}

fn is_error_value(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// A 200 without choices: an error in another format, or a response of another dialect.
fn missing_choices_failure(json: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let body = value.get("base_resp").unwrap_or(&value);
    let failure = ErrorBody::decode_in_band_failure(&match body.get("status_msg") {
        Some(message) => json!({"message": message, "code": body.get("status_code")}),
        None => body.clone(),
    });
    if failure.message.is_empty() {
        return Failure::new(FailureClass::Malformed, FailurePhase::Body, "the answer has no `choices`");
    }
    failure
}
