//! An answer that came as the arguments of a tool, turned back into words.

use crate::chat::{Event, Failure, FinishReason};
use crate::dialect::{Progress, StreamDecoder};

/// Rewrites the events of an answer that was asked for by a tool: its arguments are the text.
#[derive(Debug)]
pub(super) struct Shaping {
    tool: String,
    /// Which call of the answer it is.
    index: Option<usize>,
    others: bool,
}

impl Shaping {
    pub(super) fn new(tool: &str) -> Self {
        Self { tool: tool.to_owned(), index: None, others: false }
    }

    /// Rewrites all events from this place on.
    pub(super) fn rewrite(&mut self, events: &mut Vec<Event>, from: usize) {
        let rest: Vec<Event> = events.drain(from..).collect();
        events.extend(rest.into_iter().filter_map(|event| self.one(event)));
    }

    fn one(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Restart => {
                (self.index, self.others) = (None, false);
                Some(Event::Restart)
            }
            Event::ToolCall { index, ref name, .. } if *name == self.tool && self.index.is_none() => {
                self.index = Some(index);
                None
            }
            // A second answer is none.
            Event::ToolCall { ref name, .. } if *name == self.tool => None,
            Event::ToolCall { .. } => {
                self.others = true;
                Some(event)
            }
            Event::ToolArguments { index, piece } if Some(index) == self.index => Some(Event::Text(piece)),
            Event::Finish(FinishReason::ToolCalls) if self.index.is_some() && !self.others => {
                Some(Event::Finish(FinishReason::Stop))
            }
            event => Some(event),
        }
    }
}

/// A decoder whose events are rewritten.
pub(super) struct ShapedDecoder {
    inner: Box<dyn StreamDecoder>,
    shaping: Shaping,
}

impl ShapedDecoder {
    pub(super) fn new(inner: Box<dyn StreamDecoder>, tool: &str) -> Self {
        Self { inner, shaping: Shaping::new(tool) }
    }
}

impl StreamDecoder for ShapedDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<Progress, Failure> {
        let from = events.len();
        let fed = self.inner.feed(bytes, events);
        self.shaping.rewrite(events, from);
        fed
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        let from = events.len();
        let ended = self.inner.end(events);
        self.shaping.rewrite(events, from);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_the_text() {
        let call = |index, name: &str| Event::ToolCall { index, id: "c".into(), name: name.into() };
        let piece = |index, piece: &str| Event::ToolArguments { index, piece: piece.into() };
        let mut events = vec![
            call(0, "answer"),
            piece(0, "{\"a\""),
            call(1, "answer"),
            piece(1, "{}"),
            piece(0, ":1}"),
            Event::Finish(FinishReason::ToolCalls),
        ];
        Shaping::new("answer").rewrite(&mut events, 0);
        let text: String = events
            .iter()
            .filter_map(|event| match event {
                Event::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, "{\"a\":1}");
        assert_eq!(events.last(), Some(&Event::Finish(FinishReason::Stop)));
    }
}
