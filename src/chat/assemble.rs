//! Events, folded into the answer they make.

use serde_json::Value;

use super::{Citation, Event, Failure, FailureClass, FinishReason, Part, Phase, Response, ToolCall, Usage};

/// Folds [`Event`]s into a [`Response`]. Streamed and whole answers both pass through it, so both mean the same.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    served_model: Option<String>,
    parts: Vec<Piece>,
    /// Where in `parts` the calls stand, by their index.
    calls: Vec<usize>,
    citations: Vec<Citation>,
    finish: Option<FinishReason>,
    usage: Usage,
    unexpected: Vec<String>,
    provider_fields: serde_json::Map<String, Value>,
}

/// So many paths are noted; a server that invents more is beyond helping.
const MOST_UNEXPECTED: usize = 100;

/// A part of the answer that may still grow.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Reasoning { text: String, state: Option<Value> },
    Call { id: String, name: String, arguments: String },
    Own(Value),
}

impl Assembler {
    /// Takes one event in.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Restart => self.restart(),
            Event::Model(model) => self.served_model = Some(model.clone()),
            Event::Text(more) => match self.parts.last_mut() {
                Some(Piece::Text(text)) => text.push_str(more),
                _ => self.parts.push(Piece::Text(more.clone())),
            },
            Event::Reasoning(more) => match self.parts.last_mut() {
                Some(Piece::Reasoning { text, state: None }) => text.push_str(more),
                _ => self.parts.push(Piece::Reasoning { text: more.clone(), state: None }),
            },
            Event::ReasoningState(value) => match self.parts.last_mut() {
                Some(Piece::Reasoning { state: state @ None, .. }) => *state = Some(value.clone()),
                _ => {
                    self.parts.push(Piece::Reasoning { text: String::new(), state: Some(value.clone()) });
                }
            },
            Event::ToolCall { index, id, name } => {
                if let Piece::Call { id: known_id, name: known_name, .. } = self.call(*index) {
                    known_id.clone_from(id);
                    known_name.clone_from(name);
                }
            }
            Event::ToolArguments { index, piece } => {
                if let Piece::Call { arguments, .. } = self.call(*index) {
                    arguments.push_str(piece);
                }
            }
            Event::Own(block) => self.parts.push(Piece::Own(block.clone())),
            Event::Citation(citation) => self.citations.push(citation.clone()),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::ProviderField { name, value } => {
                self.provider_fields.insert((*name).to_owned(), value.clone());
            }
            Event::Unexpected(path) => {
                if self.unexpected.len() < MOST_UNEXPECTED && !self.unexpected.contains(path) {
                    self.unexpected.push(path.clone());
                }
            }
            Event::Finish(reason) => self.finish = Some(*reason),
        }
    }

    /// The token counts so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Bytes of everything that came out so far, for an estimate when the vendor gave no count.
    pub fn output_bytes(&self) -> usize {
        let bytes = |piece: &Piece| match piece {
            Piece::Text(text) | Piece::Reasoning { text, .. } => text.len(),
            Piece::Call { name, arguments, .. } => name.len() + arguments.len(),
            Piece::Own(_) => 0,
        };
        self.parts.iter().map(bytes).sum()
    }

    /// The whole answer.
    ///
    /// # Errors
    /// `truncated` when no terminal event came, `server_error` when the vendor says that the answer broke, `empty`
    /// when it holds nothing and gives no reason that explains it.
    pub fn finish(self) -> Result<Response, Failure> {
        let finish_reason = self.check()?;
        let mut unexpected = self.unexpected;
        let mut pieces = self.parts;
        // Where the answer was cut, so may its last call be: half a call is never handed on as a whole one. What is
        // called a refusal may be a filter that stopped the model in the middle.
        let cut = matches!(
            finish_reason,
            FinishReason::Length | FinishReason::ContentFilter | FinishReason::Refusal
        );
        if let (true, Some(Piece::Call { name, arguments, .. })) = (cut, pieces.last())
            && serde_json::from_str::<Value>(arguments).is_err()
        {
            unexpected.push(format!("the call of `{name}` was cut and left out"));
            pieces.pop();
        }
        let parts: Vec<Part> = pieces.into_iter().filter_map(whole_part).collect();
        Ok(Response {
            served_model: self.served_model,
            citations: self.citations,
            usage: self.usage,
            unexpected,
            provider_fields: self.provider_fields,
            ..Response::of_parts(parts, finish_reason)
        })
    }

    /// Whether what came so far is a whole answer, and why it ended.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), while everything that came stays at hand.
    pub fn check(&self) -> Result<FinishReason, Failure> {
        let Some(finish_reason) = self.finish else {
            return Err(Failure::new(
                FailureClass::Truncated,
                Phase::Body,
                "the answer ended before its terminal event",
            ));
        };
        if finish_reason == FinishReason::Error {
            let said = self.provider_fields.get("finish_reason").and_then(Value::as_str).unwrap_or("error");
            let message = format!("the provider ended the answer with finish reason `{said}`");
            return Err(Failure::new(FailureClass::ServerError, Phase::Body, message));
        }
        let unexplained =
            matches!(finish_reason, FinishReason::Stop | FinishReason::Other | FinishReason::ToolCalls);
        let says_something = |piece: &Piece| match piece {
            Piece::Text(text) => !text.trim().is_empty(),
            Piece::Call { name, .. } => !name.is_empty(),
            Piece::Reasoning { .. } | Piece::Own(_) => false,
        };
        if unexplained && !self.parts.iter().any(says_something) {
            let message =
                format!("an answer without text or tool call (finish reason `{}`)", finish_reason.name());
            return Err(Failure::new(FailureClass::Empty, Phase::Body, message));
        }
        Ok(finish_reason)
    }

    fn restart(&mut self) {
        self.parts.clear();
        self.calls.clear();
        self.citations.clear();
    }

    fn call(&mut self, index: usize) -> &mut Piece {
        while self.calls.len() <= index {
            self.calls.push(self.parts.len());
            let (id, name, arguments) = Default::default();
            self.parts.push(Piece::Call { id, name, arguments });
        }
        &mut self.parts[self.calls[index]]
    }
}

/// A part that will not grow any more. A call that never got a name, and words that never came, are none.
fn whole_part(piece: Piece) -> Option<Part> {
    match piece {
        Piece::Text(text) => (!text.is_empty()).then_some(Part::Text { text }),
        Piece::Reasoning { text, state } => {
            (!text.is_empty() || state.is_some()).then_some(Part::Reasoning { text, state })
        }
        Piece::Call { name, .. } if name.is_empty() => None,
        Piece::Call { id, name, arguments } => {
            Some(Part::ToolCall(ToolCall { id, name, arguments: parsed(arguments) }))
        }
        Piece::Own(block) => Some(Part::Own { block }),
    }
}

fn parsed(arguments: String) -> Value {
    match arguments.trim() {
        "" | "null" => Value::Object(serde_json::Map::new()),
        text => serde_json::from_str(text).unwrap_or(Value::String(arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(events: &[Event]) -> Result<Response, Failure> {
        let mut assembler = Assembler::default();
        events.iter().for_each(|e| assembler.push(e));
        assembler.finish()
    }

    #[test]
    fn no_terminal_event_is_truncated() {
        assert_eq!(fold(&[Event::Text("half".into())]).unwrap_err().class, FailureClass::Truncated);
    }

    #[test]
    fn nothing_said_is_empty_unless_explained() {
        assert_eq!(fold(&[Event::Finish(FinishReason::Stop)]).unwrap_err().class, FailureClass::Empty);
        assert!(fold(&[Event::Finish(FinishReason::ContentFilter)]).is_ok());
        assert!(fold(&[Event::Finish(FinishReason::Length)]).is_ok());
    }

    #[test]
    fn a_restart_drops_what_came_before() {
        let finish = Event::Finish(FinishReason::Stop);
        let events = [Event::Text("old".into()), Event::Restart, Event::Text("new".into()), finish];
        assert_eq!(fold(&events).unwrap().text, "new");
    }

    #[test]
    fn a_cut_call_is_never_handed_on() {
        let reasons = [FinishReason::Length, FinishReason::ContentFilter, FinishReason::Refusal];
        for (arguments, reason) in ["", "{\"path\": \"/"].into_iter().flat_map(|a| reasons.map(|r| (a, r))) {
            let events = [
                Event::Text("I will".into()),
                Event::ToolCall { index: 0, id: "c".into(), name: "delete".into() },
                Event::ToolArguments { index: 0, piece: arguments.into() },
                Event::Finish(reason),
            ];
            let answer = fold(&events).unwrap();
            assert!(answer.tool_calls.is_empty() && answer.parts.len() == 1);
            assert!(answer.unexpected[0].contains("delete"));
        }
    }

    #[test]
    fn parts_keep_their_order_and_thoughts_their_state() {
        let state = |text: &str| Event::ReasoningState(Value::String(text.into()));
        let events = [
            Event::Reasoning("a".into()),
            Event::Reasoning("b".into()),
            state("1"),
            state("2"),
            Event::Text("t".into()),
            Event::ToolCall { index: 0, id: "c".into(), name: "n".into() },
            Event::Reasoning("c".into()),
            Event::Finish(FinishReason::ToolCalls),
        ];
        let answer = fold(&events).unwrap();
        let thought = |text: &str, state: Option<&str>| Part::Reasoning {
            text: text.into(),
            state: state.map(Value::from),
        };
        let call = ToolCall { id: "c".into(), name: "n".into(), arguments: serde_json::json!({}) };
        let parts = [
            thought("ab", Some("1")),
            thought("", Some("2")),
            Part::text("t"),
            Part::ToolCall(call),
            thought("c", None),
        ];
        assert_eq!(answer.parts, parts);
        assert_eq!(answer.reasoning.as_deref(), Some("abc"));
    }

    #[test]
    fn arguments_are_parsed_and_empty_ones_are_an_object() {
        let call = |i, n: &str| Event::ToolCall { index: i, id: String::new(), name: n.into() };
        let piece = |i, p: &str| Event::ToolArguments { index: i, piece: p.into() };
        let finish = Event::Finish(FinishReason::ToolCalls);
        let answer =
            fold(&[call(0, "a"), piece(0, "{\"x\""), call(1, "b"), piece(0, ":1}"), finish]).unwrap();
        assert_eq!(answer.tool_calls[0].arguments, serde_json::json!({"x": 1}));
        assert_eq!(answer.tool_calls[1].arguments, serde_json::json!({}));
    }
}
