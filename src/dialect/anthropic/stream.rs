//! Named events to events. A whole answer is read block by block through the same code.

use serde_json::{Value, json};

use super::wire::{self, Block, Delta, KNOWN, Message, WireUsage, stop_reason};
use crate::chat::{Citation, Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::Progress;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream::{FrameReader, truncated};
use crate::dialect::wire::read;

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    begun: bool,
    usage: WireUsage,
    /// Content blocks that are tool calls of ours: the wire's index of each.
    calls: Vec<u64>,
    /// A block that only this vendor has, still to be filled: its index, the block, and its input so far.
    own: Option<(u64, Value, String)>,
    reason: Option<FinishReason>,
    finished: bool,
}

impl Reader {
    fn begin(&mut self, message: Message, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.begun, true) {
            self.calls.clear();
            events.push(Event::Restart);
        }
        self.identify(&message, events);
        if let Some(usage) = message.usage {
            self.usage.merge(usage);
            events.push(Event::Usage(self.usage.read()));
        }
    }

    fn identify(&self, message: &Message, events: &mut Vec<Event>) {
        if let Some(model) = message.model.as_ref().filter(|m| !m.is_empty()) {
            events.push(Event::Model(model.clone()));
        }
        if let Some(id) = message.id.as_ref().filter(|id| !id.is_empty()) {
            events.push(Event::ProviderField { name: "id", value: id.clone().into() });
        }
    }

    /// A block, or the beginning of one. `raw` is the block as it came.
    fn block(
        &mut self,
        index: u64,
        block: Block,
        raw: impl FnOnce() -> Value,
        whole: bool,
        events: &mut Vec<Event>,
    ) {
        events.extend(block.citations.iter().flatten().filter_map(citation).map(Event::Citation));
        match block.kind.as_str() {
            "text" => events.extend(block.text.filter(|t| !t.is_empty()).map(Event::Text)),
            "thinking" => {
                events.extend(block.thinking.filter(|t| !t.is_empty()).map(Event::Reasoning));
                events.extend(block.signature.as_deref().and_then(signed));
            }
            "redacted_thinking" => {
                events.extend(block.data.map(|data| Event::ReasoningState(json!({"data": data}))));
            }
            "tool_use" => {
                self.calls.push(index);
                let call = self.calls.len() - 1;
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                events.push(Event::ToolCall { index: call, id, name });
                // A stream opens with an empty input and sends the real one in pieces.
                let input = block.input.filter(|i| whole || i.as_object().is_some_and(|o| !o.is_empty()));
                events.extend(input.map(|i| Event::ToolArguments { index: call, piece: i.to_string() }));
            }
            kind => {
                if !is_own(kind) {
                    events.push(Event::Unexpected(format!("content[].type={kind}")));
                }
                self.leave_own(events);
                self.own = Some((index, raw(), String::new()));
                if whole {
                    self.leave_own(events);
                }
            }
        }
    }

    /// Says the vendor's own block that has come to its end: it must go back as it came.
    fn leave_own(&mut self, events: &mut Vec<Event>) {
        let Some((_, mut block, input)) = self.own.take() else { return };
        if let Ok(input) = serde_json::from_str::<Value>(&input) {
            block["input"] = input;
        }
        events.push(Event::Own(block));
    }

    fn delta(&mut self, index: u64, delta: Delta, events: &mut Vec<Event>) {
        match delta.kind.as_str() {
            "text_delta" => events.extend(delta.text.map(Event::Text)),
            "thinking_delta" => events.extend(delta.thinking.map(Event::Reasoning)),
            "input_json_delta" => {
                let Some(piece) = delta.partial_json.filter(|p| !p.is_empty()) else { return };
                if let Some((_, _, input)) = self.own.as_mut().filter(|(at, ..)| *at == index) {
                    input.push_str(&piece);
                } else if let Some(index) = self.calls.iter().position(|at| *at == index) {
                    events.push(Event::ToolArguments { index, piece });
                }
            }
            "signature_delta" => events.extend(delta.signature.as_deref().and_then(signed)),
            "citations_delta" => {
                events.extend(delta.citation.as_ref().and_then(citation).map(Event::Citation));
            }
            "compaction_delta" => {
                if let Some((_, block, _)) = self.own.as_mut().filter(|(at, ..)| *at == index) {
                    let fields = [("content", delta.content), ("encrypted_content", delta.encrypted_content)];
                    for (name, value) in fields {
                        if let Some(value) = value.filter(|value| !value.is_null()) {
                            block[name] = value;
                        }
                    }
                }
            }
            kind => events.push(Event::Unexpected(format!("delta.type={kind}"))),
        }
    }

    fn stop(&mut self, word: Option<&str>, sequence: Option<&str>, events: &mut Vec<Event>) {
        let Some(word) = word else { return };
        let reason = stop_reason(word).unwrap_or_else(|| {
            events.push(Event::Unexpected(format!("stop_reason={word}")));
            FinishReason::Other
        });
        if reason == FinishReason::Other || word != "end_turn" && word != "tool_use" {
            events.push(Event::ProviderField { name: "stop_reason", value: word.to_owned().into() });
        }
        if let Some(sequence) = sequence {
            events.push(Event::ProviderField { name: "stop_sequence", value: sequence.to_owned().into() });
        }
        self.reason = Some(reason);
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.leave_own(events);
        self.finished = true;
        let reason = match self.reason {
            None if self.calls.is_empty() => FinishReason::Other,
            None => FinishReason::ToolCalls,
            Some(FinishReason::Stop) if !self.calls.is_empty() => FinishReason::ToolCalls,
            Some(reason) => reason,
        };
        events.push(Event::Finish(reason));
    }
}

impl FrameReader for Reader {
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure> {
        let json = frame.data.as_bytes();
        let event: wire::Event = read(json, KNOWN, events)?;
        let index = event.index.unwrap_or(0);
        match event.kind.as_str() {
            "message_start" => self.begin(event.message.unwrap_or_default(), events),
            "content_block_start" => {
                let raw = || {
                    let event: Value = serde_json::from_slice(json).unwrap_or_default();
                    event["content_block"].clone()
                };
                self.block(index, event.content_block.unwrap_or_default(), raw, false, events);
            }
            "content_block_delta" => self.delta(index, event.delta.unwrap_or_default(), events),
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.usage.merge(usage);
                    events.push(Event::Usage(self.usage.read()));
                }
                let delta = event.delta.unwrap_or_default();
                self.stop(delta.stop_reason.as_deref(), delta.stop_sequence.as_deref(), events);
                details(delta.stop_details, events);
            }
            // A stop without a reason is no end that the model meant, yet it is the vendor's own terminal event.
            "message_stop" => {
                self.finish(events);
                return Ok(Progress::Done);
            }
            "content_block_stop" => self.leave_own(events),
            "ping" => {}
            "error" => {
                return Err(ErrorBody::in_band(&serde_json::from_slice::<Value>(json).unwrap_or_default()));
            }
            _ if event.error.is_some() => {
                return Err(ErrorBody::in_band(&serde_json::from_slice::<Value>(json).unwrap_or_default()));
            }
            kind => events.push(Event::Unexpected(format!("type={kind}"))),
        }
        Ok(Progress::More)
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let mut message: Message = read(body, KNOWN, events)?;
        if let Some(error) = message.error.take().filter(|e| !e.is_null()) {
            return Err(ErrorBody::in_band(&serde_json::from_slice(body).unwrap_or(error)));
        }
        if message.stop_reason.is_none() && message.content.is_empty() && message.usage.is_none() {
            return Err(Failure::new(
                FailureClass::Malformed,
                Phase::Body,
                "the answer has neither content nor usage",
            ));
        }
        let blocks = std::mem::take(&mut message.content);
        self.stop(message.stop_reason.as_deref(), message.stop_sequence.as_deref(), events);
        details(message.stop_details.take(), events);
        self.begin(message, events);
        for (index, block) in (0..).zip(blocks) {
            let raw = || {
                let answer: Value = serde_json::from_slice(body).unwrap_or_default();
                usize::try_from(index).map(|at| answer["content"][at].clone()).unwrap_or_default()
            };
            self.block(index, block, raw, true, events);
        }
        self.finish(events);
        Ok(())
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(truncated("message_stop")) }
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

/// Blocks of tools that the vendor runs itself, and marks between blocks.
fn is_own(kind: &str) -> bool {
    kind.ends_with("_tool_result")
        || matches!(kind, "server_tool_use" | "mcp_tool_use" | "container_upload" | "compaction" | "fallback")
}

fn signed(signature: &str) -> Option<Event> {
    (!signature.is_empty()).then(|| Event::ReasoningState(json!({"signature": signature})))
}

fn details(details: Option<Value>, events: &mut Vec<Event>) {
    let said = details.filter(|d| !d.is_null());
    events.extend(said.map(|value| Event::ProviderField { name: "stop_details", value }));
}

fn citation(said: &Value) -> Option<Citation> {
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    let citation = Citation {
        url: text("url").or_else(|| text("source")),
        title: text("title").or_else(|| text("document_title")),
        text: text("cited_text"),
    };
    (citation != Citation::default()).then_some(citation)
}
