//! Events, folded into the answer they make.

use serde_json::Value;

use super::{Event, Failure, FailureClass, FinishReason, Phase, Response, ToolCall, Usage};

/// Folds [`Event`]s into a [`Response`]. Streamed and whole answers both pass through it, so both mean the same.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    served_model: Option<String>,
    text: String,
    reasoning: String,
    calls: Vec<PartialCall>,
    finish: Option<FinishReason>,
    usage: Usage,
    unexpected: Vec<String>,
    provider_fields: serde_json::Map<String, Value>,
}

/// So many paths are noted; a server that invents more is beyond helping.
const MOST_UNEXPECTED: usize = 100;

#[derive(Clone, Debug, Default)]
struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

impl Assembler {
    /// Takes one event in.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Restart => self.restart(),
            Event::Model(model) => self.served_model = Some(model.clone()),
            Event::Text(piece) => self.text.push_str(piece),
            Event::Reasoning(piece) => self.reasoning.push_str(piece),
            Event::ToolCall { index, id, name } => {
                let call = self.call(*index);
                call.id.clone_from(id);
                call.name.clone_from(name);
            }
            Event::ToolArguments { index, piece } => self.call(*index).arguments.push_str(piece),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::ProviderField { name, value } => {
                self.provider_fields.insert((*name).to_owned(), Value::String(value.clone()));
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
        let calls: usize = self.calls.iter().map(|c| c.name.len() + c.arguments.len()).sum();
        self.text.len() + self.reasoning.len() + calls
    }

    /// The whole answer.
    ///
    /// # Errors
    /// `truncated` when no terminal event came, `server_error` when the vendor says that the answer broke, `empty`
    /// when it holds nothing and gives no reason that explains it.
    pub fn finish(self) -> Result<Response, Failure> {
        let finish_reason = self.check()?;
        let calls: Vec<ToolCall> =
            self.calls.into_iter().filter(|c| !c.name.is_empty()).map(whole_call).collect();
        Ok(Response {
            served_model: self.served_model,
            text: self.text,
            reasoning: (!self.reasoning.is_empty()).then_some(self.reasoning),
            tool_calls: calls,
            finish_reason,
            usage: self.usage,
            unexpected: self.unexpected,
            provider_fields: self.provider_fields,
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
        let has_call = self.calls.iter().any(|call| !call.name.is_empty());
        if self.text.trim().is_empty() && !has_call && unexplained {
            let message =
                format!("an answer without text or tool call (finish reason `{}`)", finish_reason.name());
            return Err(Failure::new(FailureClass::Empty, Phase::Body, message));
        }
        Ok(finish_reason)
    }

    fn restart(&mut self) {
        self.text.clear();
        self.reasoning.clear();
        self.calls.clear();
    }

    fn call(&mut self, index: usize) -> &mut PartialCall {
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, PartialCall::default);
        }
        &mut self.calls[index]
    }
}

fn whole_call(call: PartialCall) -> ToolCall {
    let arguments = match call.arguments.trim() {
        "" | "null" => Value::Object(serde_json::Map::new()),
        text => serde_json::from_str(text).unwrap_or(Value::String(call.arguments)),
    };
    ToolCall { id: call.id, name: call.name, arguments }
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
