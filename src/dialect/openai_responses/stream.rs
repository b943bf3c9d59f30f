//! Events to events. Items of a whole answer, and those that a stream never showed in pieces, take the same way.

use std::collections::HashMap;

use serde_json::Value;

use super::wire::{self, KNOWN, KNOWN_OF_RESPONSE, WireUsage};
use crate::chat::{Citation, Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::Progress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream::{FrameReader, truncated};
use crate::dialect::wire::read;

/// Which of the two accounts of its reasoning a model gives. Where it gives both, the first one seen counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Summary,
    Raw,
}

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    model: Option<String>,
    has_id: bool,
    /// The tool calls by the wire's output index, and whether arguments of it came.
    calls: HashMap<u64, (usize, bool)>,
    /// Items whose text came in pieces.
    shown: Vec<u64>,
    /// Items that came whole: what goes back on the next turn is said once.
    settled: Vec<u64>,
    account: Option<Account>,
    has_refusal: bool,
    finished: bool,
}

impl Reader {
    fn identify(&mut self, response: &Value, events: &mut Vec<Event>) {
        let text = |name: &str| {
            response.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        if let Some(model) = text("model").filter(|m| self.model.as_ref() != Some(m)) {
            events.push(Event::Model(model.clone()));
            self.model = Some(model);
        }
        if let Some(value) = text("id").filter(|_| !self.has_id) {
            self.has_id = true;
            events.push(Event::ProviderField { name: "id", value: value.into() });
        }
    }

    /// Takes down that an item's text came in pieces.
    fn show(&mut self, at: u64) {
        if !self.shown.contains(&at) {
            self.shown.push(at);
        }
    }

    fn reasoning(&mut self, account: Account, piece: Option<&str>, events: &mut Vec<Event>) {
        let Some(piece) = piece.filter(|p| !p.is_empty()) else { return };
        if *self.account.get_or_insert(account) == account {
            events.push(Event::Reasoning(piece.to_owned()));
        }
    }

    fn call(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let index = self.calls.len();
        self.calls.insert(at, (index, false));
        let id = Some(text("call_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| text("id"));
        events.push(Event::ToolCall { index, id, name: text("name") });
    }

    fn arguments(&mut self, at: u64, piece: &Value, events: &mut Vec<Event>) {
        let Some((index, any)) = self.calls.get_mut(&at) else { return };
        let piece = piece.as_str().map_or_else(|| piece.to_string(), str::to_owned);
        if !piece.is_empty() {
            *any = true;
            events.push(Event::ToolArguments { index: *index, piece });
        }
    }

    /// A whole item; what its pieces showed already is left out.
    fn item(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        let parts = |name: &str| item.get(name).and_then(Value::as_array).into_iter().flatten();
        let text = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).map(str::to_owned);
        let shown = self.shown.contains(&at);
        let first = !self.settled.contains(&at);
        if first {
            self.settled.push(at);
        }
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "message" if !shown => {
                self.shown.push(at);
                for part in parts("content") {
                    let sources = part.get("annotations").and_then(Value::as_array).into_iter().flatten();
                    events.extend(sources.filter_map(annotation).map(Event::Citation));
                    let refusal = text(part, "refusal").filter(|r| !r.is_empty());
                    self.has_refusal |= refusal.is_some();
                    events.extend(text(part, "text").or(refusal).filter(|t| !t.is_empty()).map(Event::Text));
                }
            }
            "reasoning" if !shown => {
                self.shown.push(at);
                for part in parts("content") {
                    self.reasoning(Account::Raw, text(part, "text").as_deref(), events);
                }
                for part in parts("summary") {
                    self.reasoning(Account::Summary, text(part, "text").as_deref(), events);
                }
                events.extend(state(item).map(Event::ReasoningState));
            }
            "reasoning" if first => events.extend(state(item).map(Event::ReasoningState)),
            "function_call" | "custom_tool_call" => {
                if !self.calls.contains_key(&at) {
                    self.call(at, item, events);
                }
                let arguments = item.get("arguments").or(item.get("input"));
                if let (Some((_, false)), Some(arguments)) = (self.calls.get(&at).copied(), arguments) {
                    self.arguments(at, arguments, events);
                }
            }
            "message" | "reasoning" | "" => {}
            // What the vendor did on its own way to the answer.
            _ if first => events.push(Event::Own(item.clone())),
            _ => {}
        }
    }

    /// The response object that ends an answer, or is all of it.
    fn response(&mut self, response: &Value, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.identify(response, events);
        let status = response.get("status").and_then(Value::as_str).unwrap_or_default();
        if let Some(usage) = response.get("usage").filter(|u| u.is_object()) {
            let usage: WireUsage = serde_json::from_value(usage.clone()).unwrap_or_default();
            events.push(Event::Usage(usage.read()));
        }
        let error = response.get("error").filter(|e| !e.is_null());
        if error.is_some() || matches!(status, "failed" | "cancelled") {
            return Err(ErrorBody::in_band(&serde_json::json!({"error": error})));
        }
        for name in response.as_object().into_iter().flat_map(|o| o.keys()) {
            if KNOWN_OF_RESPONSE.binary_search(&name.as_str()).is_err() {
                events.push(Event::Unexpected(name.clone()));
            }
        }
        for (at, item) in (0..).zip(response.get("output").and_then(Value::as_array).into_iter().flatten()) {
            self.item(at, item, events);
        }
        let why = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let reason = match (status, why) {
            ("incomplete", Some("max_output_tokens")) => FinishReason::Length,
            ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
            ("incomplete", _) => FinishReason::Other,
            ("queued" | "in_progress", _) => FinishReason::Pause,
            _ if self.has_refusal => FinishReason::Refusal,
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        if let Some(why) = why.filter(|_| reason == FinishReason::Other) {
            events.push(Event::ProviderField { name: "incomplete_details", value: why.to_owned().into() });
        }
        self.finished = true;
        events.push(Event::Finish(reason));
        Ok(())
    }
}

impl FrameReader for Reader {
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if frame.data.trim() == "[DONE]" {
            return Ok(Progress::Done);
        }
        let event: wire::Event = read(frame.data.as_bytes(), KNOWN, events)?;
        let at = event.output_index.unwrap_or(0);
        let piece = event.delta.as_ref().and_then(Value::as_str).filter(|p| !p.is_empty());
        match event.kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = &event.response {
                    self.identify(response, events);
                }
            }
            "response.output_item.added" => {
                let item = event.item.unwrap_or_default();
                if matches!(item["type"].as_str(), Some("function_call" | "custom_tool_call")) {
                    self.call(at, &item, events);
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                self.has_refusal |= event.kind == "response.refusal.delta";
                self.show(at);
                events.extend(piece.map(|p| Event::Text(p.to_owned())));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.show(at);
                let raw = event.kind == "response.reasoning_text.delta";
                self.reasoning(if raw { Account::Raw } else { Account::Summary }, piece, events);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(piece) = &event.delta {
                    self.arguments(at, piece, events);
                }
            }
            "response.output_item.done" => self.item(at, &event.item.unwrap_or_default(), events),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.response(&event.response.unwrap_or_default(), events)?;
                return Ok(Progress::Done);
            }
            "error" => {
                let value: Value = serde_json::from_str(&frame.data).unwrap_or_default();
                // `type: error` names the event, not the kind of error.
                let inner = if event.error.as_ref().is_some_and(Value::is_object) {
                    value
                } else {
                    serde_json::json!({"code": event.code, "message": event.message})
                };
                return Err(ErrorBody::in_band(&inner));
            }
            _ if event.error.is_some() => {
                return Err(ErrorBody::in_band(
                    &serde_json::from_str::<Value>(&frame.data).unwrap_or_default(),
                ));
            }
            "response.output_text.annotation.added" => {
                events.extend(event.annotation.as_ref().and_then(annotation).map(Event::Citation));
            }
            "keepalive" | "ping" => {}
            kind if kind.starts_with("response.") => {}
            kind => events.push(Event::Unexpected(format!("type={kind}"))),
        }
        Ok(Progress::More)
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let response: Value = read(body, KNOWN, events)?;
        if response.get("output").is_none() && response.get("status").is_none() {
            let failure = ErrorBody::in_band(&response);
            let silent = failure.message.is_empty();
            return Err(if silent {
                Failure::new(FailureClass::Malformed, Phase::Body, "the answer has no `output`")
            } else {
                failure
            });
        }
        self.response(&response, events)
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(truncated("response.completed")) }
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// A reasoning item that the model can take up again: one that holds its thoughts, encrypted or plain.
fn state(item: &Value) -> Option<Value> {
    let plain = item.get("content").and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
    let encrypted = item.get("encrypted_content").is_some_and(Value::is_string);
    (plain || encrypted).then(|| item.clone())
}

fn annotation(annotation: &Value) -> Option<Citation> {
    let text = |name: &str| annotation.get(name).and_then(Value::as_str).map(str::to_owned);
    let citation =
        Citation { url: text("url"), title: text("title").or_else(|| text("filename")), text: None };
    (citation != Citation::default()).then_some(citation)
}
