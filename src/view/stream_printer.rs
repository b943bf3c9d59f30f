//! Prints an answer as it arrives, and notices about the call.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Console, describe_call_event};
use crate::chat::StreamEvent;
use crate::route::CallEvent;

/// Prints text while streaming, and messages about the call in any case.
pub(crate) struct StreamPrinter {
    console: Console,
    is_streaming: bool,
    has_printed: bool,
    /// Whether the last text ended with a line break.
    is_at_line_start: bool,
    /// Notified when stdout cannot be written.
    stdout_closed: Arc<Notify>,
    write_error: Option<std::io::Error>,
}

impl StreamPrinter {
    /// `stdout_closed` is notified when stdout cannot be written.
    pub(crate) fn new(console: Console, is_streaming: bool, stdout_closed: Arc<Notify>) -> Self {
        Self {
            console,
            is_streaming,
            has_printed: false,
            is_at_line_start: true,
            stdout_closed,
            write_error: None,
        }
    }

    /// Ends an unfinished line.
    pub(crate) fn end_line(&mut self) {
        if !self.is_at_line_start {
            self.print_text("\n");
        }
    }

    /// The error that stopped the output, such as a closed pipe or a full disk.
    pub(crate) fn take_write_error(&mut self) -> Option<std::io::Error> {
        self.write_error.take()
    }

    fn print_text(&mut self, text: &str) {
        if self.write_error.is_some() || text.is_empty() {
            return;
        }
        self.has_printed = true;
        self.is_at_line_start = text.ends_with('\n');
        if let Err(error) = self.console.print(text) {
            self.write_error = Some(error);
            self.stdout_closed.notify_one();
        }
    }

    pub(crate) fn print_event(&mut self, event: &CallEvent<'_>) {
        match event {
            CallEvent::Stream(StreamEvent::TextDelta(text)) if self.is_streaming => self.print_text(text),
            CallEvent::Stream(StreamEvent::MessageRestart) if self.is_streaming && self.has_printed => {
                self.end_line();
                self.console.warn("the provider restarted its answer; ignore the text above");
            }
            _ => {
                let Some(message) = describe_call_event(event) else { return };
                if self.is_streaming {
                    self.end_line();
                }
                match event {
                    CallEvent::RequestAdjusted { adjustment, .. } if !adjustment.is_lossy() => {
                        self.console.note_verbose(message);
                    }
                    _ => self.console.warn(message),
                }
            }
        }
    }
}
