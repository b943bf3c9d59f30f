//! Frames to events, and whole answers block by block.

use serde_json::json;

use super::wire::{self, Answer, Block, Ending, KNOWN, stop_reason};
use crate::chat::{Citation, Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::{AwsDecoder, AwsFrame};
use crate::dialect::sse_stream::{WHOLE_LIMIT, too_long, truncated};
use crate::dialect::wire::{empty, read};
use crate::dialect::{Progress, StreamDecoder};

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    frames: AwsDecoder,
    /// A whole body in place of a stream, as far as it came.
    body: Option<Vec<u8>>,
    /// Content blocks that are tool calls of ours: the wire's index of each.
    calls: Vec<u64>,
    anything: bool,
    finished: bool,
}

impl Reader {
    /// A block, or a piece of one.
    fn block(&mut self, at: u64, block: Block, events: &mut Vec<Event>) {
        let filled = |text: Option<String>| text.filter(|t| !t.is_empty());
        if let Some(reasoning) = block.reasoning_content {
            let whole = reasoning.reasoning_text.unwrap_or_default();
            let text = filled(reasoning.text).or(filled(whole.text));
            let signature = filled(reasoning.signature).or(filled(whole.signature));
            let redacted = filled(reasoning.redacted_content);
            let state = signature
                .map(|signature| json!({"signature": signature}))
                .or(redacted.map(|data| json!({"redactedContent": data})));
            events.extend(text.map(Event::Reasoning));
            events.extend(state.map(Event::ReasoningState));
        }
        events.extend(block.citation.as_ref().and_then(citation).map(Event::Citation));
        events.extend(filled(block.text).map(Event::Text));
        if let Some(cited) = block.citations_content {
            events.extend(cited.content.into_iter().filter_map(|c| filled(c.text)).map(Event::Text));
            events.extend(cited.citations.iter().filter_map(citation).map(Event::Citation));
        }
        let Some(call) = block.tool_use.filter(|call| call.kind.as_deref() != Some("server_tool_use")) else {
            return;
        };
        if !call.name.is_empty() {
            self.calls.push(at);
            let index = self.calls.len() - 1;
            events.push(Event::ToolCall { index, id: call.tool_use_id, name: call.name });
        }
        let piece = match call.input {
            None => return,
            Some(serde_json::Value::String(piece)) => piece,
            Some(whole) => whole.to_string(),
        };
        if let Some(index) = self.calls.iter().position(|known| *known == at).filter(|_| !piece.is_empty()) {
            events.push(Event::ToolArguments { index, piece });
        }
    }

    fn stop(&mut self, word: &str, events: &mut Vec<Event>) -> Result<(), Failure> {
        let reason = match stop_reason(word) {
            Ending::Reason(FinishReason::Stop) if !self.calls.is_empty() => FinishReason::ToolCalls,
            Ending::Reason(reason) => reason,
            Ending::Broken => {
                let message = format!("the model's own output was broken ({word})");
                return Err(Failure::new(FailureClass::Malformed, Phase::Body, message).with_code(word));
            }
            Ending::Unknown => {
                events.push(Event::Unexpected(format!("stopReason={word}")));
                FinishReason::Other
            }
        };
        if !matches!(word, "end_turn" | "tool_use" | "max_tokens") {
            events.push(Event::ProviderField { name: "stopReason", value: word.to_owned().into() });
        }
        self.finished = true;
        events.push(Event::Finish(reason));
        Ok(())
    }

    fn frame(&mut self, frame: &AwsFrame, events: &mut Vec<Event>) -> Result<(), Failure> {
        match frame.message_type.as_str() {
            "event" | "" => {}
            "error" => {
                return Err(ErrorBody::in_band(&json!({"message": frame.error_message, "type": frame.kind})));
            }
            _ => {
                let mut said: serde_json::Value =
                    serde_json::from_slice(&frame.payload).unwrap_or_else(|_| json!({}));
                said["type"] = json!(frame.kind);
                return Err(ErrorBody::in_band(&said));
            }
        }
        let event: wire::Event = read(&frame.payload, KNOWN, events)?;
        let at = event.content_block_index.unwrap_or(0);
        match frame.kind.as_str() {
            "contentBlockStart" => self.block(at, event.start.unwrap_or_default(), events),
            "contentBlockDelta" => self.block(at, event.delta.unwrap_or_default(), events),
            "messageStop" => self.stop(event.stop_reason.as_deref().unwrap_or_default(), events)?,
            "metadata" => events.extend(event.usage.map(|usage| Event::Usage(usage.read()))),
            "messageStart" | "contentBlockStop" => {}
            kind => events.push(Event::Unexpected(format!(":event-type={kind}"))),
        }
        Ok(())
    }

    /// Reads a whole answer.
    pub(super) fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let answer: Answer = read(body, KNOWN, events)?;
        let Some(word) = answer.stop_reason else {
            let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            return Err(match answer.message {
                Some(_) => ErrorBody::in_band(&value),
                None => Failure::new(FailureClass::Malformed, Phase::Body, "the answer has no `stopReason`"),
            });
        };
        events.extend(answer.usage.map(|usage| Event::Usage(usage.read())));
        for (at, block) in (0..).zip(answer.output.unwrap_or_default().message.content) {
            self.block(at, block, events);
        }
        self.stop(&word, events)
    }
}

impl StreamDecoder for Reader {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if let (false, Some(first)) = (self.anything, bytes.first()) {
            self.anything = true;
            match first {
                b'{' => self.body = Some(Vec::new()),
                // A frame begins with its length, and no frame is that long.
                2.. => {
                    let message = "the answer is no stream of events";
                    return Err(Failure::new(FailureClass::Malformed, Phase::Body, message));
                }
                _ => {}
            }
        }
        if let Some(body) = &mut self.body {
            body.extend_from_slice(bytes);
            return if body.len() > WHOLE_LIMIT { Err(too_long()) } else { Ok(Progress::More) };
        }
        let mut frames = Vec::new();
        let fed = self.frames.feed(bytes, &mut |frame| frames.push(frame));
        for frame in frames {
            match self.frame(&frame, events) {
                // After the terminal event the answer is whole; usage may follow, and noise undoes nothing.
                Err(_) if self.finished => {}
                other => other?,
            }
        }
        match fed {
            Err(error) if !self.finished => {
                Err(Failure::new(FailureClass::Malformed, Phase::Body, error.to_string()))
            }
            _ => Ok(Progress::More),
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(body) = self.body.take() {
            return self.whole(&body, events);
        }
        match (self.finished, self.anything) {
            (true, _) => Ok(()),
            (false, true) => Err(truncated("messageStop")),
            (false, false) => Err(empty()),
        }
    }
}

fn citation(said: &serde_json::Value) -> Option<Citation> {
    let text = |pointer: &str| said.pointer(pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
    let citation = Citation {
        url: text("/location/web/url"),
        title: text("/title").or_else(|| text("/source")),
        text: text("/sourceContent/0/text"),
    };
    (citation != Citation::default()).then_some(citation)
}
