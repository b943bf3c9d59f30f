//! An answer on its way, and what happens to it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Console;
use crate::chat::StreamEvent;
use crate::route::{CallNotice, CallObserver};

/// Shows an answer as it arrives, or waits for its end; tells what fails on the way.
pub struct StreamPrinter {
    console: Console,
    is_streaming: bool,
    has_printed: bool,
    /// Whether the last text ended a line.
    is_at_line_start: bool,
    /// Told once when stdout turns out to be closed: nobody reads on.
    stdout_closed: Arc<Notify>,
    /// What stopped the writing, once something has.
    write_error: Option<std::io::Error>,
}

impl StreamPrinter {
    /// A listener that prints text as it comes when `shows`, and only notices otherwise. `closed` is notified when stdout
    /// is.
    pub fn new(console: Console, is_streaming: bool, stdout_closed: Arc<Notify>) -> Self {
        Self {
            console,
            is_streaming,
            has_printed: false,
            is_at_line_start: true,
            stdout_closed,
            write_error: None,
        }
    }

    /// Ends the line that an answer left open.
    pub fn end_line(&mut self) {
        if !self.is_at_line_start {
            self.print_text("\n");
        }
    }

    /// What stopped the writing, if anything did: a reader that went away, or a full disk.
    pub fn take_write_error(&mut self) -> Option<std::io::Error> {
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
}

impl CallObserver for StreamPrinter {
    fn is_live(&self) -> bool {
        self.is_streaming
    }

    fn on_event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::TextDelta(text) if self.is_streaming => self.print_text(text),
            StreamEvent::MessageRestart if self.is_streaming && self.has_printed => {
                self.end_line();
                self.console.warn("the provider begins its answer anew; what stands above is not part of it");
            }
            _ => {}
        }
    }

    fn on_notice(&mut self, notice: &CallNotice<'_>) {
        if self.is_streaming {
            self.end_line();
        }
        match notice {
            CallNotice::RequestAdjusted { adjustment, .. } if !adjustment.is_lossy() => {
                self.console.note_verbose(notice);
            }
            _ => self.console.warn(notice),
        }
    }
}
