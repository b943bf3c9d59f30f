//! Chunks to events. A whole answer is one chunk.

use serde_json::{Value, json};

use super::partial::PartialCall;
use super::wire::{Candidate, Chunk, Ending, FunctionCall, KNOWN, Part, WireUsage, finish_reason};
use crate::chat::{Citation, Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::Progress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream::{FrameReader, truncated};
use crate::dialect::wire::read;

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    model: Option<String>,
    has_id: bool,
    usage: WireUsage,
    calls: usize,
    /// A call whose arguments come in pieces.
    growing: Option<PartialCall>,
    finish: Option<FinishReason>,
}

impl Reader {
    fn chunk(&mut self, json: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let chunk: Chunk = read(json, KNOWN, events)?;
        if chunk.error.as_ref().is_some_and(|e| !e.is_null()) {
            return Err(ErrorBody::in_band(&serde_json::from_slice::<Value>(json).unwrap_or_default()));
        }
        if let Some(model) = chunk.model_version.filter(|m| !m.is_empty() && self.model.as_ref() != Some(m)) {
            events.push(Event::Model(model.clone()));
            self.model = Some(model);
        }
        if let Some(id) = chunk.response_id.filter(|id| !id.is_empty() && !self.has_id) {
            self.has_id = true;
            events.push(Event::ProviderField { name: "responseId", value: id.into() });
        }
        if let Some(usage) = &chunk.usage_metadata {
            self.usage.merge(usage);
            events.push(Event::Usage(self.usage.read()));
        }
        match chunk.candidates.into_iter().flatten().next() {
            Some(candidate) => self.candidate(candidate, events),
            None => match chunk.prompt_feedback.and_then(|f| Some((f.block_reason?, f.block_reason_message)))
            {
                Some((reason, message)) => {
                    let message =
                        format!("the prompt was blocked ({reason}) {}", message.unwrap_or_default());
                    Err(Failure::new(FailureClass::ContentPolicy, Phase::Body, message.trim())
                        .with_code(reason))
                }
                None => Ok(()),
            },
        }
    }

    fn candidate(&mut self, candidate: Candidate, events: &mut Vec<Event>) -> Result<(), Failure> {
        for part in candidate.content.into_iter().flat_map(|c| c.parts) {
            self.part(part, events);
        }
        for metadata in [&candidate.citation_metadata, &candidate.grounding_metadata].into_iter().flatten() {
            events.extend(sources(metadata).map(Event::Citation));
        }
        // An extra chunk with usage alone may follow the one that ends the answer.
        let Some(word) = candidate.finish_reason.filter(|_| self.finish.is_none()) else { return Ok(()) };
        self.close_call(events);
        let reason = match finish_reason(&word) {
            Ending::Reason(FinishReason::Stop) if self.calls > 0 => FinishReason::ToolCalls,
            Ending::Reason(reason) => reason,
            Ending::Broken => {
                let said = candidate.finish_message.unwrap_or_default();
                let message = format!("the model's own output was broken ({word}) {said}");
                return Err(
                    Failure::new(FailureClass::Malformed, Phase::Body, message.trim()).with_code(word)
                );
            }
            Ending::Unknown => {
                events.push(Event::Unexpected(format!("candidates[].finishReason={word}")));
                FinishReason::Other
            }
        };
        if !matches!(reason, FinishReason::Stop | FinishReason::Length | FinishReason::ToolCalls) {
            events.push(Event::ProviderField { name: "finishReason", value: word.into() });
        }
        self.finish = Some(reason);
        events.push(Event::Finish(reason));
        Ok(())
    }

    fn part(&mut self, mut part: Part, events: &mut Vec<Event>) {
        events.extend(part.own().map(Event::Own));
        let signature = part.thought_signature.take().filter(|s| !s.is_empty());
        let state = |on: &str| {
            let signature = signature.as_ref()?;
            Some(Event::ReasoningState(json!({"thoughtSignature": signature, "on": on})))
        };
        if part.thought {
            events.extend(part.text.filter(|t| !t.is_empty()).map(Event::Reasoning));
            events.extend(signature.map(|s| Event::ReasoningState(json!({"thoughtSignature": s}))));
            return;
        }
        events.extend(part.text.filter(|t| !t.is_empty()).map(Event::Text));
        if let Some(call) = part.function_call {
            events.extend(state("call"));
            self.call(call, events);
        } else {
            events.extend(state("text"));
        }
    }

    /// A call comes whole, or begins with its name, grows by parts without one, and ends with a part that holds nothing.
    fn call(&mut self, call: FunctionCall, events: &mut Vec<Event>) {
        let pieces = call.partial_args.unwrap_or_default();
        if let Some(name) = call.name.filter(|n| !n.is_empty()) {
            self.close_call(events);
            let index = self.calls;
            self.calls += 1;
            events.push(Event::ToolCall { index, id: call.id.unwrap_or_default(), name });
            if !call.will_continue && pieces.is_empty() {
                events.extend(call.args.map(|args| Event::ToolArguments { index, piece: args.to_string() }));
                return;
            }
            self.growing = Some(PartialCall::new(call.args));
        }
        if let Some(growing) = &mut self.growing {
            pieces.iter().for_each(|piece| growing.put(piece));
        }
        if !call.will_continue && pieces.is_empty() {
            self.close_call(events);
        }
    }

    fn close_call(&mut self, events: &mut Vec<Event>) {
        if let Some(whole) = self.growing.take() {
            events.push(Event::ToolArguments { index: self.calls - 1, piece: whole.arguments() });
        }
    }
}

impl FrameReader for Reader {
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure> {
        self.chunk(frame.data.as_bytes(), events)?;
        Ok(Progress::More)
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        // Streaming without `alt=sse` gives a list of chunks; one error may come wrapped the same way.
        if body.trim_ascii_start().starts_with(b"[") {
            let chunks: Vec<&serde_json::value::RawValue> = read(body, KNOWN, events)?;
            for chunk in chunks {
                self.chunk(chunk.get().as_bytes(), events)?;
            }
            return self.end(events);
        }
        self.chunk(body, events)?;
        if self.finish.is_none() {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            if value.get("candidates").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return Err(Failure::new(
                    FailureClass::Malformed,
                    Phase::Body,
                    "the answer has no `candidates`",
                ));
            }
            self.finish = Some(FinishReason::Other);
            events.push(Event::Finish(FinishReason::Other));
        }
        Ok(())
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.finish.is_some() { Ok(()) } else { Err(truncated("a finishReason")) }
    }

    fn is_finished(&self) -> bool {
        self.finish.is_some()
    }
}

/// What was searched or quoted: `citations` (older: `citationSources`), or `groundingChunks`.
fn sources(metadata: &Value) -> impl Iterator<Item = Citation> + '_ {
    let lists = ["citations", "citationSources", "groundingChunks"];
    lists.into_iter().filter_map(|name| metadata.get(name)?.as_array()).flatten().filter_map(|source| {
        let source = source.get("web").or(source.get("retrievedContext")).unwrap_or(source);
        let text = |name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
        let citation = Citation { url: text("uri"), title: text("title"), text: text("text") };
        (citation != Citation::default()).then_some(citation)
    })
}
