//! Turns structured output that arrives as a tool call's arguments back into text.

use crate::chat::{Failure, FinishReason, StreamEvent};
use crate::dialect::{DecodeProgress, StreamDecoder};

/// Rewrites events so that the arguments of the answer tool become the text.
#[derive(Debug)]
pub(super) struct ToolAnswerRewriter {
    tool: String,
    /// Index of the answer's tool call.
    index: Option<usize>,
    has_other_calls: bool,
}

impl ToolAnswerRewriter {
    pub(super) fn new(tool: &str) -> Self {
        Self { tool: tool.to_owned(), index: None, has_other_calls: false }
    }

    /// Rewrites all events from index `from` on.
    pub(super) fn rewrite(&mut self, events: &mut Vec<StreamEvent>, from: usize) {
        let rest: Vec<StreamEvent> = events.drain(from..).collect();
        events.extend(rest.into_iter().filter_map(|event| self.rewrite_event(event)));
    }

    fn rewrite_event(&mut self, event: StreamEvent) -> Option<StreamEvent> {
        match event {
            StreamEvent::MessageRestart => {
                (self.index, self.has_other_calls) = (None, false);
                Some(StreamEvent::MessageRestart)
            }
            StreamEvent::ToolCallStart { index, ref name, .. }
                if *name == self.tool && self.index.is_none() =>
            {
                self.index = Some(index);
                None
            }
            // Only the first call of the answer tool counts.
            StreamEvent::ToolCallStart { ref name, .. } if *name == self.tool => None,
            StreamEvent::ToolCallStart { .. } => {
                self.has_other_calls = true;
                Some(event)
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } if Some(index) == self.index => {
                Some(StreamEvent::TextDelta(piece))
            }
            StreamEvent::Finish(FinishReason::ToolCalls) if self.index.is_some() && !self.has_other_calls => {
                Some(StreamEvent::Finish(FinishReason::Stop))
            }
            event => Some(event),
        }
    }
}

/// A decoder whose events go through a [`ToolAnswerRewriter`].
pub(super) struct ToolAnswerDecoder {
    inner: Box<dyn StreamDecoder>,
    rewriter: ToolAnswerRewriter,
}

impl ToolAnswerDecoder {
    pub(super) fn new(inner: Box<dyn StreamDecoder>, tool: &str) -> Self {
        Self { inner, rewriter: ToolAnswerRewriter::new(tool) }
    }
}

impl StreamDecoder for ToolAnswerDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure> {
        let from = events.len();
        let result = self.inner.feed(bytes, events);
        self.rewriter.rewrite(events, from);
        result
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        let from = events.len();
        let result = self.inner.finish(events);
        self.rewriter.rewrite(events, from);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tool_arguments_become_text() {
        let call =
            |index, name: &str| StreamEvent::ToolCallStart { index, id: "c".into(), name: name.into() };
        let piece = |index, piece: &str| StreamEvent::ToolCallDelta { index, arguments_delta: piece.into() };
        let mut events = vec![
            call(0, "answer"),
            piece(0, "{\"a\""),
            call(1, "answer"),
            piece(1, "{}"),
            piece(0, ":1}"),
            StreamEvent::Finish(FinishReason::ToolCalls),
        ];
        ToolAnswerRewriter::new("answer").rewrite(&mut events, 0);
        let text: String = events
            .iter()
            .filter_map(|event| match event {
                StreamEvent::TextDelta(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, "{\"a\":1}");
        assert_eq!(events.last(), Some(&StreamEvent::Finish(FinishReason::Stop)));
    }
}
