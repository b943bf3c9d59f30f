//! Decodes lines. A complete body is one line.

use super::wire::{IGNORED_FIELDS, OllamaLine};
use crate::chat::{Failure, FailureClass, FailurePhase, FinishReason, StreamEvent, Usage};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::NdjsonDecoder;
use crate::dialect::sse_stream_decoder::truncated_failure;
use crate::dialect::wire_json::{decode_json, empty_body_failure};
use crate::dialect::{DecodeProgress, StreamDecoder};

#[derive(Debug, Default)]
pub(super) struct OllamaDecoder {
    line_decoder: NdjsonDecoder,
    model: Option<String>,
    tool_call_count: usize,
    has_input: bool,
    is_finished: bool,
}

impl OllamaDecoder {
    pub(super) fn decode_line(&mut self, json: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        self.has_input = true;
        let line: OllamaLine = decode_json(json, IGNORED_FIELDS, events)?;
        if line.error.as_ref().is_some_and(|error| !error.is_null()) {
            return Err(ErrorBody::decode_in_band_failure(&serde_json::from_slice(json).unwrap_or_default()));
        }
        if line.message.is_none() && !line.done {
            return Err(Failure::new(
                FailureClass::Malformed,
                FailurePhase::Body,
                "the answer has no `message`",
            ));
        }
        if let Some(model) = line.model.filter(|m| !m.is_empty() && self.model.as_ref() != Some(m)) {
            events.push(StreamEvent::ServedModel(model.clone()));
            self.model = Some(model);
        }
        let message = line.message.unwrap_or_default();
        events.extend(message.thinking.filter(|t| !t.is_empty()).map(StreamEvent::ReasoningDelta));
        events.extend(message.content.filter(|t| !t.is_empty()).map(StreamEvent::TextDelta));
        for call in message.tool_calls.into_iter().flatten() {
            let index = self.tool_call_count;
            self.tool_call_count += 1;
            events.push(StreamEvent::ToolCallStart {
                index,
                id: call.id.unwrap_or_default(),
                name: call.function.name,
            });
            let arguments = call.function.arguments;
            events.extend(
                arguments.map(|a| StreamEvent::ToolCallDelta { index, arguments_delta: a.to_string() }),
            );
        }
        if line.done {
            self.is_finished = true;
            events.push(StreamEvent::Usage(Usage {
                input_tokens: line.prompt_eval_count,
                output_tokens: line.eval_count,
                ..Usage::default()
            }));
            let reason = self.decode_finish_reason(line.done_reason.as_deref(), events);
            events.push(StreamEvent::Finish(reason));
        }
        Ok(())
    }

    /// Responses with tool calls end with `stop` too.
    fn decode_finish_reason(&self, word: Option<&str>, events: &mut Vec<StreamEvent>) -> FinishReason {
        match word.unwrap_or_default() {
            "stop" | "" if self.tool_call_count > 0 => FinishReason::ToolCalls,
            "stop" | "" => FinishReason::Stop,
            "length" => FinishReason::Length,
            other => {
                if !matches!(other, "load" | "unload") {
                    events.push(StreamEvent::UnexpectedField(format!("done_reason={other}")));
                }
                events
                    .push(StreamEvent::ProviderField { name: "done_reason", value: other.to_owned().into() });
                FinishReason::Other
            }
        }
    }
}

impl StreamDecoder for OllamaDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure> {
        if self.is_finished {
            return Ok(DecodeProgress::Done);
        }
        let mut lines = Vec::new();
        let fed = self.line_decoder.feed(bytes, &mut |line| lines.push(line));
        for line in lines {
            self.decode_line(&line, events)?;
            if self.is_finished {
                return Ok(DecodeProgress::Done);
            }
        }
        fed.map_err(|error| Failure::new(FailureClass::Malformed, FailurePhase::Body, error.to_string()))?;
        Ok(DecodeProgress::More)
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        if let Some(last) = self.line_decoder.finish().filter(|_| !self.is_finished) {
            // The end of the stream may have cut this line. If it cannot be parsed, the stream is truncated,
            // not malformed.
            match self.decode_line(&last, events) {
                Err(failure) if failure.class != FailureClass::Malformed => return Err(failure),
                _ => {}
            }
        }
        match (self.is_finished, self.has_input) {
            (true, _) => Ok(()),
            (false, true) => Err(truncated_failure("a line with `done`")),
            (false, false) => Err(empty_body_failure()),
        }
    }
}
