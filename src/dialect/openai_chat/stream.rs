//! Chunks to events. A whole answer is read as one chunk that holds everything, so both mean the same.

use serde_json::{Value, json};

use super::sources::{annotation, sources};
use super::thoughts::Thoughts;
use super::wire::{CallDelta, Choice, Chunk, Delta, KNOWN, Said, finish_reason};
use crate::chat::{Event, Failure, FailureClass, FinishReason, Phase};
use crate::dialect::error_body::ErrorBody;
use crate::dialect::frame::SseFrame;
use crate::dialect::sse_stream::{FrameReader, truncated};
use crate::dialect::wire::{Content, read};
use crate::dialect::{Progress, Quirks};

/// What is known of the answer so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    completion_excludes_reasoning: bool,
    model: Option<String>,
    has_id: bool,
    /// The tool calls seen, in order: the wire's index, where it gives one, and the call's id.
    calls: Vec<(Option<u64>, String)>,
    has_content: bool,
    has_refusal: bool,
    /// The plain field in which reasoning came, so that the parts that repeat it are left out.
    plain_reasoning: Option<&'static str>,
    thoughts: Thoughts,
    has_sources: bool,
    finish: Option<FinishReason>,
    /// A finish reason was given as null and never as a word.
    finish_was_null: bool,
    done_marker: bool,
}

impl Reader {
    pub(super) fn new(quirks: &Quirks) -> Self {
        Self { completion_excludes_reasoning: quirks.completion_excludes_reasoning, ..Self::default() }
    }

    fn chunk(&mut self, json: &[u8], whole: bool, events: &mut Vec<Event>) -> Result<(), Failure> {
        let chunk: Chunk = read(json, KNOWN, events)?;
        let error = chunk.error.as_ref().or(chunk.x_groq.as_ref().and_then(|g| g.error.as_ref()));
        if let Some(error) = error.filter(|e| is_error(e)) {
            if !self.is_finished() || whole {
                // The code may stand beside the `error` string, so the whole chunk is read.
                let value: Value = serde_json::from_slice(json).unwrap_or_else(|_| error.clone());
                return Err(ErrorBody::in_band(&value));
            }
            events.push(Event::Unexpected("error after finish_reason".into()));
        }
        let flat = chunk.object.as_deref() == Some("error") || chunk.message.is_some();
        if flat && chunk.choices.is_none() && !self.is_finished() {
            return Err(ErrorBody::in_band(&serde_json::from_slice::<Value>(json).unwrap_or_default()));
        }
        self.identify(&chunk, events);
        if let Some(usage) = chunk.usage.as_ref().or(chunk.x_groq.as_ref().and_then(|g| g.usage.as_ref())) {
            events.push(Event::Usage(usage.read(self.completion_excludes_reasoning)));
        }
        if !self.has_sources {
            let sources = sources(chunk.search_results.as_deref(), chunk.citations.as_deref());
            self.has_sources = !sources.is_empty();
            events.extend(sources.into_iter().map(Event::Citation));
        }
        match chunk.choices {
            Some(choices) => {
                let first = choices.into_iter().find(|c| c.index.unwrap_or(0) == 0);
                match first {
                    Some(choice) => self.choice(choice, whole, events)?,
                    None if whole => return Err(no_choices(json)),
                    None => {}
                }
            }
            None if whole => return Err(no_choices(json)),
            None => {}
        }
        Ok(())
    }

    fn identify(&mut self, chunk: &Chunk, events: &mut Vec<Event>) {
        if let Some(model) = chunk.model.as_ref().filter(|m| !m.is_empty() && self.model.as_ref() != Some(m))
        {
            self.model = Some(model.clone());
            events.push(Event::Model(model.clone()));
        }
        if let Some(id) = chunk.id.as_ref().filter(|id| !id.is_empty() && !self.has_id) {
            self.has_id = true;
            events.push(Event::ProviderField { name: "id", value: id.clone().into() });
        }
    }

    fn choice(&mut self, choice: Choice, whole: bool, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(error) = choice.error.as_ref().filter(|e| is_error(e)) {
            return Err(ErrorBody::in_band(error));
        }
        // Perplexity sends both: in a chunk the message is cumulative, in a whole answer the delta is empty.
        let said = if whole { choice.message.or(choice.delta) } else { choice.delta.or(choice.message) };
        if let Some(said) = said {
            self.delta(said, events);
        }
        match choice.finish_reason {
            // OpenRouter repeats the reason in the chunk that carries usage.
            Said::Word(word) if self.finish.is_none() && !word.is_empty() => {
                self.finish(&word, choice.native_finish_reason, events);
            }
            Said::Null => self.finish_was_null = true,
            // An empty reason after nulls is a server's way of saying nothing in particular.
            Said::Word(_) => self.finish_was_null = false,
            Said::Absent => {}
        }
        Ok(())
    }

    fn delta(&mut self, delta: Delta, events: &mut Vec<Event>) {
        let field = if delta.reasoning_content.is_some() { "reasoning_content" } else { "reasoning" };
        let plain = delta.reasoning_content.or(delta.reasoning).map(|c| c.text()).filter(|t| !t.is_empty());
        if let Some(reasoning) = plain {
            self.plain_reasoning = Some(field);
            events.push(Event::Reasoning(reasoning));
        }
        for detail in delta.reasoning_details.into_iter().flatten() {
            let text = detail["text"].as_str().or(detail["summary"].as_str()).filter(|t| !t.is_empty());
            if self.plain_reasoning.is_none() {
                events.extend(text.map(|text| Event::Reasoning(text.to_owned())));
            }
            self.thoughts.push(detail);
        }
        events.extend(delta.annotations.iter().flatten().filter_map(annotation).map(Event::Citation));
        self.content(delta.content.unwrap_or_default(), events);
        if let Some(refusal) = delta.refusal.filter(|r| !r.is_empty()) {
            self.has_refusal = true;
            events.push(Event::Text(refusal));
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, events);
        }
        // The functions API of old: one call, without index or id.
        if let Some(function) = delta.function_call.filter(|f| f.name.is_some() || f.arguments.is_some()) {
            let (index, id, custom, extra_content) = (Some(0), None, None, None);
            self.call(CallDelta { index, id, function: Some(function), custom, extra_content }, events);
        }
    }

    fn content(&mut self, content: Content, events: &mut Vec<Event>) {
        for part in content.0 {
            match part.kind.as_str() {
                "thinking" | "reasoning" => {
                    let nested = part.thinking.or(part.summary).map(|c| c.text());
                    if let Some(text) = nested.or(part.text).filter(|t| !t.is_empty()) {
                        events.push(Event::Reasoning(text));
                    }
                }
                "text" | "output_text" | "" => {
                    if let Some(text) = part.text.filter(|t| !t.is_empty()) {
                        self.has_content = true;
                        events.push(Event::Text(text));
                    }
                }
                "reference" => {}
                other => events.push(Event::Unexpected(format!("choices[].delta.content[].type={other}"))),
            }
        }
    }

    /// Pieces of a call carry its index; the first one carries its id and name. Where the index is missing, or is used
    /// again for a call with another id, a new call begins.
    fn call(&mut self, call: CallDelta, events: &mut Vec<Event>) {
        let id = call.id.unwrap_or_default();
        let (name, arguments) = match (call.function, call.custom) {
            (Some(function), _) => (function.name.unwrap_or_default(), function.arguments),
            (None, Some(custom)) => (custom.name.unwrap_or_default(), custom.input.map(Value::String)),
            (None, None) => (String::new(), None),
        };
        let begins = !id.is_empty() && !name.is_empty();
        let known = self.calls.iter().rposition(|(index, known_id)| {
            call.index.is_some()
                && *index == call.index
                && !(begins && !known_id.is_empty() && *known_id != id)
        });
        // A piece without index and id belongs to the call before it.
        let known = known.or_else(|| {
            if call.index.is_none() && !begins && name.is_empty() {
                self.calls.len().checked_sub(1)
            } else {
                None
            }
        });
        let index = match known {
            Some(index) => index,
            None if name.is_empty() => return,
            None => {
                self.calls.push((call.index, id.clone()));
                events.extend(call.extra_content.map(|e| Event::ReasoningState(json!({"extra_content": e}))));
                events.push(Event::ToolCall { index: self.calls.len() - 1, id, name });
                self.calls.len() - 1
            }
        };
        let piece = match arguments {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => return,
            Some(other) => other.to_string(),
        };
        if !piece.is_empty() {
            events.push(Event::ToolArguments { index, piece });
        }
    }

    fn finish(&mut self, word: &str, native: Option<Value>, events: &mut Vec<Event>) {
        let reason = finish_reason(word).unwrap_or_else(|| {
            events.push(Event::Unexpected(format!("choices[].finish_reason={word}")));
            FinishReason::Other
        });
        if matches!(reason, FinishReason::Other | FinishReason::Error) {
            events.push(Event::ProviderField { name: "finish_reason", value: word.to_owned().into() });
        }
        if let Some(Value::String(native)) = native {
            events.push(Event::ProviderField { name: "native_finish_reason", value: native.into() });
        }
        self.finish = Some(reason);
        self.leave_thoughts(events);
        events.push(Event::Finish(self.meant(reason)));
    }

    /// Says what the model needs to take its thoughts up again.
    fn leave_thoughts(&mut self, events: &mut Vec<Event>) {
        events.extend(
            std::mem::take(&mut self.thoughts).state(self.plain_reasoning).map(Event::ReasoningState),
        );
    }

    /// A refusal arrives as `stop`; calls that a named tool choice forced do too.
    fn meant(&self, reason: FinishReason) -> FinishReason {
        match reason {
            FinishReason::Stop if self.has_refusal => FinishReason::Refusal,
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            other => other,
        }
    }
}

impl FrameReader for Reader {
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if frame.data.trim() == "[DONE]" {
            self.done_marker = true;
            return Ok(Progress::Done);
        }
        if frame.event == "error" && !self.is_finished() {
            let said =
                serde_json::from_str(&frame.data).unwrap_or_else(|_| Value::String(frame.data.clone()));
            return Err(ErrorBody::in_band(&said));
        }
        self.chunk(frame.data.as_bytes(), false, events)?;
        Ok(Progress::More)
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        self.chunk(body, true, events)?;
        if self.finish.is_none() {
            // A whole body has its own end; which one, some servers leave unsaid.
            self.finish = Some(FinishReason::Stop);
            self.leave_thoughts(events);
            events.push(Event::Finish(self.meant(FinishReason::Stop)));
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.finish.is_some() {
            return Ok(());
        }
        let any = self.has_content || self.has_refusal || !self.calls.is_empty();
        if self.done_marker && any && !self.finish_was_null {
            self.finish = Some(FinishReason::Other);
            self.leave_thoughts(events);
            events.push(Event::Finish(match self.meant(FinishReason::Stop) {
                FinishReason::Stop => FinishReason::Other,
                meant => meant,
            }));
            return Ok(());
        }
        Err(truncated("a finish_reason"))
    }

    fn is_finished(&self) -> bool {
        // An answer that broke is not finished: an error may follow that says why.
        self.finish.is_some_and(|reason| reason != FinishReason::Error)
    }
}

fn is_error(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// A 200 without choices: an error in some other shape, or nothing of this dialect.
fn no_choices(json: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let body = value.get("base_resp").unwrap_or(&value);
    let failure = ErrorBody::in_band(&match body.get("status_msg") {
        Some(message) => json!({"message": message, "code": body.get("status_code")}),
        None => body.clone(),
    });
    if failure.message.is_empty() {
        return Failure::new(FailureClass::Malformed, Phase::Body, "the answer has no `choices`");
    }
    failure
}
