use serde_json::Value;

use super::{
    Citation, Failure, FailureClass, FailurePhase, FinishReason, Part, Response, StreamEvent, ToolCall, Usage,
};

/// Folds [`StreamEvent`]s into a [`Response`]. Streamed and complete bodies both pass through it, so both
/// give the same result.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    served_model: Option<String>,
    parts: Vec<PartialPart>,
    /// Index in `parts` of each tool call, by the call's index.
    tool_call_positions: Vec<usize>,
    citations: Vec<Citation>,
    finish_reason: Option<FinishReason>,
    usage: Usage,
    unexpected: Vec<String>,
    provider_fields: serde_json::Map<String, Value>,
}

/// Bounds memory if a server invents a new field in every chunk.
const MAX_UNEXPECTED_FIELDS: usize = 100;

/// A part of the response that may still grow.
#[derive(Clone, Debug)]
enum PartialPart {
    Text(String),
    Reasoning { text: String, state: Option<Value> },
    ToolCall { id: String, name: String, arguments: String },
    ProviderSpecific(Value),
}

impl Assembler {
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::MessageRestart => self.discard_parts(),
            StreamEvent::ServedModel(model) => self.served_model = Some(model.clone()),
            StreamEvent::TextDelta(more) => match self.parts.last_mut() {
                Some(PartialPart::Text(text)) => text.push_str(more),
                _ => self.parts.push(PartialPart::Text(more.clone())),
            },
            StreamEvent::ReasoningDelta(more) => match self.parts.last_mut() {
                Some(PartialPart::Reasoning { text, state: None }) => text.push_str(more),
                _ => self.parts.push(PartialPart::Reasoning { text: more.clone(), state: None }),
            },
            StreamEvent::ReasoningState(value) => match self.parts.last_mut() {
                Some(PartialPart::Reasoning { state: state @ None, .. }) => *state = Some(value.clone()),
                _ => {
                    self.parts
                        .push(PartialPart::Reasoning { text: String::new(), state: Some(value.clone()) });
                }
            },
            StreamEvent::ToolCallStart { index, id, name } => {
                if let PartialPart::ToolCall { id: known_id, name: known_name, .. } =
                    self.tool_call_mut(*index)
                {
                    known_id.clone_from(id);
                    known_name.clone_from(name);
                }
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => {
                if let PartialPart::ToolCall { arguments, .. } = self.tool_call_mut(*index) {
                    arguments.push_str(piece);
                }
            }
            StreamEvent::ProviderSpecific(block) => {
                self.parts.push(PartialPart::ProviderSpecific(block.clone()));
            }
            StreamEvent::Citation(citation) => self.citations.push(citation.clone()),
            StreamEvent::Usage(usage) => self.usage.merge(usage),
            StreamEvent::ProviderField { name, value } => {
                self.provider_fields.insert((*name).to_owned(), value.clone());
            }
            StreamEvent::UnexpectedField(path) => {
                if self.unexpected.len() < MAX_UNEXPECTED_FIELDS && !self.unexpected.contains(path) {
                    self.unexpected.push(path.clone());
                }
            }
            StreamEvent::Finish(reason) => self.finish_reason = Some(*reason),
        }
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Bytes of all output so far, used to estimate tokens if the provider reports none.
    pub fn output_text_len(&self) -> usize {
        let bytes = |piece: &PartialPart| match piece {
            PartialPart::Text(text) | PartialPart::Reasoning { text, .. } => text.len(),
            PartialPart::ToolCall { name, arguments, .. } => name.len() + arguments.len(),
            PartialPart::ProviderSpecific(_) => 0,
        };
        self.parts.iter().map(bytes).sum()
    }

    /// Returns the complete response.
    ///
    /// # Errors
    /// `truncated` without a terminal event, `server_error` if the provider reports a broken response, and
    /// `empty` if there is no content and no finish reason that explains it.
    pub fn finish(self) -> Result<Response, Failure> {
        let finish_reason = self.check_complete()?;
        let mut unexpected = self.unexpected;
        let mut pieces = self.parts;
        // If the response was cut off, its last tool call may be incomplete, and an incomplete call must
        // never be passed on. A reported refusal can also be a filter that stopped the model midway.
        let truncated = matches!(
            finish_reason,
            FinishReason::Length | FinishReason::ContentFilter | FinishReason::Refusal
        );
        if let (true, Some(PartialPart::ToolCall { name, arguments, .. })) = (truncated, pieces.last())
            && serde_json::from_str::<Value>(arguments).is_err()
        {
            unexpected.push(format!("dropped the truncated call of tool `{name}`"));
            pieces.pop();
        }
        let parts: Vec<Part> = pieces.into_iter().filter_map(finish_part).collect();
        Ok(Response {
            served_model: self.served_model,
            citations: self.citations,
            usage: self.usage,
            unexpected_fields: unexpected,
            provider_fields: self.provider_fields,
            ..Response::from_parts(parts, finish_reason)
        })
    }

    /// Checks that the response is complete and returns its finish reason. Same errors as
    /// [`finish`](Self::finish), but keeps the content.
    pub fn check_complete(&self) -> Result<FinishReason, Failure> {
        let Some(finish_reason) = self.finish_reason else {
            return Err(Failure::new(
                FailureClass::Truncated,
                FailurePhase::Body,
                "the answer ended before its terminal event",
            ));
        };
        if finish_reason == FinishReason::Error {
            let reason = self.provider_fields.get("finish_reason").and_then(Value::as_str).unwrap_or("error");
            let message = format!("the provider ended the answer with finish reason `{reason}`");
            return Err(Failure::new(FailureClass::ServerError, FailurePhase::Body, message));
        }
        let unexplained =
            matches!(finish_reason, FinishReason::Stop | FinishReason::Other | FinishReason::ToolCalls);
        let has_content = |piece: &PartialPart| match piece {
            PartialPart::Text(text) => !text.trim().is_empty(),
            PartialPart::ToolCall { name, .. } => !name.is_empty(),
            PartialPart::Reasoning { .. } | PartialPart::ProviderSpecific(_) => false,
        };
        if unexplained && !self.parts.iter().any(has_content) {
            let message = format!(
                "empty answer: no text and no tool call (finish reason `{}`)",
                finish_reason.as_str()
            );
            return Err(Failure::new(FailureClass::Empty, FailurePhase::Body, message));
        }
        Ok(finish_reason)
    }

    fn discard_parts(&mut self) {
        self.parts.clear();
        self.tool_call_positions.clear();
        self.citations.clear();
    }

    fn tool_call_mut(&mut self, index: usize) -> &mut PartialPart {
        while self.tool_call_positions.len() <= index {
            self.tool_call_positions.push(self.parts.len());
            let (id, name, arguments) = Default::default();
            self.parts.push(PartialPart::ToolCall { id, name, arguments });
        }
        &mut self.parts[self.tool_call_positions[index]]
    }
}

/// Drops tool calls without a name and parts without content.
fn finish_part(piece: PartialPart) -> Option<Part> {
    match piece {
        PartialPart::Text(text) => (!text.is_empty()).then_some(Part::Text { text }),
        PartialPart::Reasoning { text, state } => {
            (!text.is_empty() || state.is_some()).then_some(Part::Reasoning { text, state })
        }
        PartialPart::ToolCall { name, .. } if name.is_empty() => None,
        PartialPart::ToolCall { id, name, arguments } => {
            Some(Part::ToolCall(ToolCall { id, name, arguments: parse_arguments(arguments) }))
        }
        PartialPart::ProviderSpecific(block) => Some(Part::ProviderSpecific { block }),
    }
}

fn parse_arguments(arguments: String) -> Value {
    match arguments.trim() {
        "" | "null" => Value::Object(serde_json::Map::new()),
        text => serde_json::from_str(text).unwrap_or(Value::String(arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(events: &[StreamEvent]) -> Result<Response, Failure> {
        let mut assembler = Assembler::default();
        events.iter().for_each(|e| assembler.push(e));
        assembler.finish()
    }

    #[test]
    fn missing_finish_event_is_truncated() {
        assert_eq!(
            assemble(&[StreamEvent::TextDelta("half".into())]).unwrap_err().class,
            FailureClass::Truncated
        );
    }

    #[test]
    fn response_without_content_is_empty_on_stop() {
        assert_eq!(
            assemble(&[StreamEvent::Finish(FinishReason::Stop)]).unwrap_err().class,
            FailureClass::Empty
        );
        assert!(assemble(&[StreamEvent::Finish(FinishReason::ContentFilter)]).is_ok());
        assert!(assemble(&[StreamEvent::Finish(FinishReason::Length)]).is_ok());
    }

    #[test]
    fn restart_discards_earlier_events() {
        let finish = StreamEvent::Finish(FinishReason::Stop);
        let events = [
            StreamEvent::TextDelta("old".into()),
            StreamEvent::MessageRestart,
            StreamEvent::TextDelta("new".into()),
            finish,
        ];
        assert_eq!(assemble(&events).unwrap().text, "new");
    }

    #[test]
    fn incomplete_tool_call_is_dropped() {
        let reasons = [FinishReason::Length, FinishReason::ContentFilter, FinishReason::Refusal];
        for (arguments, reason) in ["", "{\"path\": \"/"].into_iter().flat_map(|a| reasons.map(|r| (a, r))) {
            let events = [
                StreamEvent::TextDelta("I will".into()),
                StreamEvent::ToolCallStart { index: 0, id: "c".into(), name: "delete".into() },
                StreamEvent::ToolCallDelta { index: 0, arguments_delta: arguments.into() },
                StreamEvent::Finish(reason),
            ];
            let answer = assemble(&events).unwrap();
            assert!(answer.tool_calls.is_empty() && answer.parts.len() == 1);
            assert!(answer.unexpected_fields[0].contains("delete"));
        }
    }

    #[test]
    fn parts_keep_order_with_reasoning_state() {
        let state = |text: &str| StreamEvent::ReasoningState(Value::String(text.into()));
        let events = [
            StreamEvent::ReasoningDelta("a".into()),
            StreamEvent::ReasoningDelta("b".into()),
            state("1"),
            state("2"),
            StreamEvent::TextDelta("t".into()),
            StreamEvent::ToolCallStart { index: 0, id: "c".into(), name: "n".into() },
            StreamEvent::ReasoningDelta("c".into()),
            StreamEvent::Finish(FinishReason::ToolCalls),
        ];
        let answer = assemble(&events).unwrap();
        let reasoning = |text: &str, state: Option<&str>| Part::Reasoning {
            text: text.into(),
            state: state.map(Value::from),
        };
        let call = ToolCall { id: "c".into(), name: "n".into(), arguments: serde_json::json!({}) };
        let parts = [
            reasoning("ab", Some("1")),
            reasoning("", Some("2")),
            Part::from_text("t"),
            Part::ToolCall(call),
            reasoning("c", None),
        ];
        assert_eq!(answer.parts, parts);
        assert_eq!(answer.reasoning.as_deref(), Some("abc"));
    }

    #[test]
    fn tool_argument_cases() {
        let call = |i, n: &str| StreamEvent::ToolCallStart { index: i, id: String::new(), name: n.into() };
        let piece = |i, p: &str| StreamEvent::ToolCallDelta { index: i, arguments_delta: p.into() };
        let finish = StreamEvent::Finish(FinishReason::ToolCalls);
        let answer =
            assemble(&[call(0, "a"), piece(0, "{\"x\""), call(1, "b"), piece(0, ":1}"), finish]).unwrap();
        assert_eq!(answer.tool_calls[0].arguments, serde_json::json!({"x": 1}));
        assert_eq!(answer.tool_calls[1].arguments, serde_json::json!({}));
    }
}
