//! Named events to events, and whole answers through the same parts.

use serde_json::{Value, json};

use super::wire::{self, Answer, Delta, KNOWN, finish_reason};
use crate::chat::{Citation, Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::Progress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream::{FrameReader, truncated};
use crate::dialect::wire::read;

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The wire's index of each tool call, in order.
    calls: Vec<u64>,
    /// What the model said before it calls tools, not yet marked as such.
    has_plan: bool,
    finished: bool,
}

impl Reader {
    fn part(part: &Value, events: &mut Vec<Event>) {
        let text =
            |name: &str| part.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        events.extend(text("thinking").map(Event::Reasoning));
        events.extend(text("text").map(Event::Text));
    }

    /// A call, or the beginning of one.
    fn call(&mut self, at: u64, call: &Value, events: &mut Vec<Event>) {
        let text =
            |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.leave_plan(events);
        self.calls.push(at);
        let index = self.calls.len() - 1;
        events.push(Event::ToolCall { index, id: text("/id"), name: text("/function/name") });
        Self::arguments(index, call, events);
    }

    /// Marks what was said before the tools: it goes back in a field of its own.
    fn leave_plan(&mut self, events: &mut Vec<Event>) {
        if std::mem::take(&mut self.has_plan) {
            events.push(Event::ReasoningState(json!({"tool_plan": true})));
        }
    }

    fn plan(&mut self, plan: Option<String>, events: &mut Vec<Event>) {
        if let Some(plan) = plan.filter(|p| !p.is_empty()) {
            self.has_plan = true;
            events.push(Event::Reasoning(plan));
        }
    }

    fn arguments(index: usize, call: &Value, events: &mut Vec<Event>) {
        match call.pointer("/function/arguments") {
            None | Some(Value::Null) => {}
            Some(Value::String(piece)) if piece.is_empty() => {}
            Some(Value::String(piece)) => events.push(Event::ToolArguments { index, piece: piece.clone() }),
            Some(other) => events.push(Event::ToolArguments { index, piece: other.to_string() }),
        }
    }

    fn end_of_message(&mut self, delta: &Delta, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(usage) = &delta.usage {
            events.push(Event::Usage(usage.read()));
        }
        let word = delta.finish_reason.as_deref().unwrap_or_default();
        let reason = finish_reason(word).unwrap_or_else(|| {
            events.push(Event::Unexpected(format!("finish_reason={word}")));
            FinishReason::Other
        });
        if reason == FinishReason::Error {
            let mut failure = ErrorBody::in_band(&json!({"message": delta.error}));
            if failure.message.is_empty() {
                failure.message = format!("the provider ended the answer with finish reason `{word}`");
            }
            return Err(failure);
        }
        if !matches!(word, "COMPLETE" | "TOOL_CALL" | "MAX_TOKENS") {
            events.push(Event::ProviderField { name: "finish_reason", value: word.to_owned().into() });
        }
        let called = reason == FinishReason::Stop && !self.calls.is_empty();
        self.finished = true;
        events.push(Event::Finish(if called { FinishReason::ToolCalls } else { reason }));
        Ok(())
    }
}

impl FrameReader for Reader {
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if frame.data.trim() == "[DONE]" {
            return Ok(Progress::Done);
        }
        let event: wire::Event = read(frame.data.as_bytes(), KNOWN, events)?;
        let delta = event.delta.unwrap_or_default();
        let at = event.index.unwrap_or(0);
        let message = delta.message.as_ref();
        match event.kind.as_str() {
            "message-start" => {
                if let Some(Value::String(id)) = event.id {
                    events.push(Event::ProviderField { name: "id", value: id.into() });
                }
            }
            "content-start" | "content-delta" => {
                if let Some(content) = message.and_then(|m| m.content.as_ref()) {
                    Self::part(content, events);
                }
            }
            "tool-plan-delta" => {
                self.plan(message.and_then(|m| m.tool_plan.clone()), events);
            }
            "tool-call-start" => {
                if let Some(call) = message.and_then(|m| m.tool_calls.as_ref()) {
                    self.call(at, call, events);
                }
            }
            "tool-call-delta" => {
                let index = self.calls.iter().position(|known| *known == at);
                if let Some((index, call)) = index.zip(message.and_then(|m| m.tool_calls.as_ref())) {
                    Self::arguments(index, call, events);
                }
            }
            "message-end" => self.end_of_message(&delta, events)?,
            "citation-start" => {
                let cited = message.and_then(|m| m.citations.as_ref());
                events.extend(cited.into_iter().flat_map(citations).map(Event::Citation));
            }
            "content-end" | "tool-call-end" | "citation-end" | "debug" => {}
            "" if delta.finish_reason.is_none() => {
                return Err(ErrorBody::in_band(
                    &serde_json::from_str::<Value>(&frame.data).unwrap_or_default(),
                ));
            }
            kind => events.push(Event::Unexpected(format!("type={kind}"))),
        }
        Ok(Progress::More)
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let value: Value = read(body, KNOWN, events)?;
        if !value["message"].is_object() {
            let failure = ErrorBody::in_band(&value);
            let silent = failure.message.is_empty();
            return Err(if silent {
                Failure::new(FailureClass::Malformed, Phase::Body, "the answer has no `message`")
            } else {
                failure
            });
        }
        let answer: Answer = read(body, KNOWN, events)?;
        events.extend(answer.id.map(|id| Event::ProviderField { name: "id", value: id.into() }));
        let message = answer.message.unwrap_or_default();
        self.plan(message.tool_plan, events);
        match &message.content {
            Some(Value::Array(parts)) => parts.iter().for_each(|part| Self::part(part, events)),
            Some(Value::String(text)) if !text.is_empty() => events.push(Event::Text(text.clone())),
            _ => {}
        }
        for (at, call) in
            (0..).zip(message.tool_calls.as_ref().and_then(Value::as_array).into_iter().flatten())
        {
            self.call(at, call, events);
        }
        self.leave_plan(events);
        let cited = message.citations.iter().filter_map(Value::as_array).flatten();
        events.extend(cited.flat_map(citations).map(Event::Citation));
        let error = value.get("error").cloned();
        self.end_of_message(
            &Delta { finish_reason: answer.finish_reason, usage: answer.usage, error, message: None },
            events,
        )
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(truncated("message-end")) }
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// The sources of one marked stretch of the text.
fn citations(said: &Value) -> Vec<Citation> {
    let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    let quoted = text(said, "text");
    let sources = said.get("sources").and_then(Value::as_array).into_iter().flatten();
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
