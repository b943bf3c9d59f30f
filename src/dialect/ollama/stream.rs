//! Lines to events. A whole answer is one line.

use super::wire::{KNOWN, Line};
use crate::chat::{Event, Failure, FailureClass, FinishReason, Phase, Usage};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::LineDecoder;
use crate::dialect::sse_stream::truncated;
use crate::dialect::wire::{empty, read};
use crate::dialect::{Progress, StreamDecoder};

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    lines: LineDecoder,
    model: Option<String>,
    calls: usize,
    anything: bool,
    finished: bool,
}

impl Reader {
    /// Reads one object.
    pub(super) fn line(&mut self, json: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        self.anything = true;
        let line: Line = read(json, KNOWN, events)?;
        if line.error.as_ref().is_some_and(|error| !error.is_null()) {
            return Err(ErrorBody::in_band(&serde_json::from_slice(json).unwrap_or_default()));
        }
        if line.message.is_none() && !line.done {
            return Err(Failure::new(FailureClass::Malformed, Phase::Body, "the answer has no `message`"));
        }
        if let Some(model) = line.model.filter(|m| !m.is_empty() && self.model.as_ref() != Some(m)) {
            events.push(Event::Model(model.clone()));
            self.model = Some(model);
        }
        let message = line.message.unwrap_or_default();
        events.extend(message.thinking.filter(|t| !t.is_empty()).map(Event::Reasoning));
        events.extend(message.content.filter(|t| !t.is_empty()).map(Event::Text));
        for call in message.tool_calls.into_iter().flatten() {
            let index = self.calls;
            self.calls += 1;
            events.push(Event::ToolCall { index, id: call.id.unwrap_or_default(), name: call.function.name });
            let arguments = call.function.arguments;
            events.extend(arguments.map(|a| Event::ToolArguments { index, piece: a.to_string() }));
        }
        if line.done {
            self.finished = true;
            events.push(Event::Usage(Usage {
                input_tokens: line.prompt_eval_count,
                output_tokens: line.eval_count,
                ..Usage::default()
            }));
            let reason = self.reason(line.done_reason.as_deref(), events);
            events.push(Event::Finish(reason));
        }
        Ok(())
    }

    /// Calls end with `stop` too.
    fn reason(&self, word: Option<&str>, events: &mut Vec<Event>) -> FinishReason {
        match word.unwrap_or_default() {
            "stop" | "" if self.calls > 0 => FinishReason::ToolCalls,
            "stop" | "" => FinishReason::Stop,
            "length" => FinishReason::Length,
            other => {
                if !matches!(other, "load" | "unload") {
                    events.push(Event::Unexpected(format!("done_reason={other}")));
                }
                events.push(Event::ProviderField { name: "done_reason", value: other.to_owned().into() });
                FinishReason::Other
            }
        }
    }
}

impl StreamDecoder for Reader {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if self.finished {
            return Ok(Progress::Done);
        }
        let mut lines = Vec::new();
        let fed = self.lines.feed(bytes, &mut |line| lines.push(line));
        for line in lines {
            self.line(&line, events)?;
            if self.finished {
                return Ok(Progress::Done);
            }
        }
        fed.map_err(|error| Failure::new(FailureClass::Malformed, Phase::Body, error.to_string()))?;
        Ok(Progress::More)
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(last) = self.lines.end().filter(|_| !self.finished) {
            // The end may have cut this line: when it does not read, the stream was cut, not malformed.
            match self.line(&last, events) {
                Err(failure) if failure.class != FailureClass::Malformed => return Err(failure),
                _ => {}
            }
        }
        match (self.finished, self.anything) {
            (true, _) => Ok(()),
            (false, true) => Err(truncated("a line with `done`")),
            (false, false) => Err(empty()),
        }
    }
}
