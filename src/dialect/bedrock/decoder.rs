//! Decodes event-stream frames, and complete bodies block by block.

use serde_json::json;

use super::wire::{
    self, BedrockContentBlock, BedrockFinishReason, BedrockResponse, IGNORED_FIELDS, decode_finish_reason,
};
use crate::chat::{Citation, Failure, FailureClass, FailurePhase, FinishReason, StreamEvent};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::{AwsDecoder, AwsFrame};
use crate::dialect::sse_stream_decoder::{MAX_BODY_BYTES, oversized_event_failure, truncated_failure};
use crate::dialect::wire_json::{decode_json, empty_body_failure};
use crate::dialect::{DecodeProgress, StreamDecoder};

#[derive(Debug, Default)]
pub(super) struct BedrockDecoder {
    frame_decoder: AwsDecoder,
    /// A complete body received instead of a stream, so far.
    body: Option<Vec<u8>>,
    /// Wire index of each tool call's content block.
    tool_call_indices: Vec<u64>,
    has_input: bool,
    is_finished: bool,
}

impl BedrockDecoder {
    /// Decodes a complete block, the start of one, or a delta.
    fn decode_block(&mut self, at: u64, block: BedrockContentBlock, events: &mut Vec<StreamEvent>) {
        let filled = |text: Option<String>| text.filter(|t| !t.is_empty());
        if let Some(reasoning) = block.reasoning_content {
            let complete = reasoning.reasoning_text.unwrap_or_default();
            let text = filled(reasoning.text).or(filled(complete.text));
            let signature = filled(reasoning.signature).or(filled(complete.signature));
            let redacted = filled(reasoning.redacted_content);
            let state = signature
                .map(|signature| json!({"signature": signature}))
                .or(redacted.map(|data| json!({"redactedContent": data})));
            events.extend(text.map(StreamEvent::ReasoningDelta));
            events.extend(state.map(StreamEvent::ReasoningState));
        }
        events.extend(block.citation.as_ref().and_then(parse_citation).map(StreamEvent::Citation));
        events.extend(filled(block.text).map(StreamEvent::TextDelta));
        if let Some(cited) = block.citations_content {
            events
                .extend(cited.content.into_iter().filter_map(|c| filled(c.text)).map(StreamEvent::TextDelta));
            events.extend(cited.citations.iter().filter_map(parse_citation).map(StreamEvent::Citation));
        }
        let Some(call) = block.tool_use.filter(|call| call.kind.as_deref() != Some("server_tool_use")) else {
            return;
        };
        if !call.name.is_empty() {
            self.tool_call_indices.push(at);
            let index = self.tool_call_indices.len() - 1;
            events.push(StreamEvent::ToolCallStart { index, id: call.tool_use_id, name: call.name });
        }
        let piece = match call.input {
            None => return,
            Some(serde_json::Value::String(piece)) => piece,
            Some(complete) => complete.to_string(),
        };
        if let Some(index) =
            self.tool_call_indices.iter().position(|known| *known == at).filter(|_| !piece.is_empty())
        {
            events.push(StreamEvent::ToolCallDelta { index, arguments_delta: piece });
        }
    }

    fn emit_finish(&mut self, word: &str, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let reason = match decode_finish_reason(word) {
            BedrockFinishReason::Known(FinishReason::Stop) if !self.tool_call_indices.is_empty() => {
                FinishReason::ToolCalls
            }
            BedrockFinishReason::Known(reason) => reason,
            BedrockFinishReason::MalformedOutput => {
                let message = format!("the model produced malformed output ({word})");
                return Err(
                    Failure::new(FailureClass::Malformed, FailurePhase::Body, message).with_code(word)
                );
            }
            BedrockFinishReason::Unknown => {
                events.push(StreamEvent::UnexpectedField(format!("stopReason={word}")));
                FinishReason::Other
            }
        };
        if !matches!(word, "end_turn" | "tool_use" | "max_tokens") {
            events.push(StreamEvent::ProviderField { name: "stopReason", value: word.to_owned().into() });
        }
        self.is_finished = true;
        events.push(StreamEvent::Finish(reason));
        Ok(())
    }

    fn decode_frame(&mut self, frame: &AwsFrame, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        match frame.message_type.as_str() {
            "event" | "" => {}
            "error" => {
                return Err(ErrorBody::decode_in_band_failure(
                    &json!({"message": frame.error_message, "type": frame.event_type}),
                ));
            }
            _ => {
                let mut error: serde_json::Value =
                    serde_json::from_slice(&frame.payload).unwrap_or_else(|_| json!({}));
                error["type"] = json!(frame.event_type);
                return Err(ErrorBody::decode_in_band_failure(&error));
            }
        }
        let event: wire::BedrockEvent = decode_json(&frame.payload, IGNORED_FIELDS, events)?;
        let at = event.content_block_index.unwrap_or(0);
        match frame.event_type.as_str() {
            "contentBlockStart" => self.decode_block(at, event.start.unwrap_or_default(), events),
            "contentBlockDelta" => self.decode_block(at, event.delta.unwrap_or_default(), events),
            "messageStop" => self.emit_finish(event.stop_reason.as_deref().unwrap_or_default(), events)?,
            "metadata" => events.extend(event.usage.map(|usage| StreamEvent::Usage(usage.to_usage()))),
            "messageStart" | "contentBlockStop" => {}
            kind => events.push(StreamEvent::UnexpectedField(format!(":event-type={kind}"))),
        }
        Ok(())
    }

    pub(super) fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let answer: BedrockResponse = decode_json(body, IGNORED_FIELDS, events)?;
        let Some(word) = answer.stop_reason else {
            let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            return Err(match answer.message {
                Some(_) => ErrorBody::decode_in_band_failure(&value),
                None => Failure::new(
                    FailureClass::Malformed,
                    FailurePhase::Body,
                    "the answer has no `stopReason`",
                ),
            });
        };
        events.extend(answer.usage.map(|usage| StreamEvent::Usage(usage.to_usage())));
        for (at, block) in (0..).zip(answer.output.unwrap_or_default().message.content) {
            self.decode_block(at, block, events);
        }
        self.emit_finish(&word, events)
    }
}

impl StreamDecoder for BedrockDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure> {
        if let (false, Some(first)) = (self.has_input, bytes.first()) {
            self.has_input = true;
            match first {
                b'{' => self.body = Some(Vec::new()),
                // A frame starts with its length as a big-endian `u32`, and no frame is that long.
                2.. => {
                    let message = "the response is not an event stream";
                    return Err(Failure::new(FailureClass::Malformed, FailurePhase::Body, message));
                }
                _ => {}
            }
        }
        if let Some(body) = &mut self.body {
            body.extend_from_slice(bytes);
            return if body.len() > MAX_BODY_BYTES {
                Err(oversized_event_failure())
            } else {
                Ok(DecodeProgress::More)
            };
        }
        let mut frames = Vec::new();
        let fed = self.frame_decoder.feed(bytes, &mut |frame| frames.push(frame));
        for frame in frames {
            match self.decode_frame(&frame, events) {
                // After the terminal event the response is complete. Usage may follow, but later errors do
                // not matter.
                Err(_) if self.is_finished => {}
                other => other?,
            }
        }
        match fed {
            Err(error) if !self.is_finished => {
                Err(Failure::new(FailureClass::Malformed, FailurePhase::Body, error.to_string()))
            }
            _ => Ok(DecodeProgress::More),
        }
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if let Some(body) = self.body.take() {
            return self.decode_body(&body, events);
        }
        match (self.is_finished, self.has_input) {
            (true, _) => Ok(()),
            (false, true) => Err(truncated_failure("messageStop")),
            (false, false) => Err(empty_body_failure()),
        }
    }
}

fn parse_citation(value: &serde_json::Value) -> Option<Citation> {
    let text = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
    let citation = Citation {
        url: text("/location/web/url"),
        title: text("/title").or_else(|| text("/source")),
        text: text("/sourceContent/0/text"),
    };
    (citation != Citation::default()).then_some(citation)
}
