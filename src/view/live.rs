//! An answer on its way, and what happens to it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Console;
use super::format::harmless;
use crate::chat::Event;
use crate::route::{Listener, Notice};

/// Shows an answer as it arrives, or waits for its end; tells what fails on the way.
pub struct Live {
    console: Console,
    shows: bool,
    /// Whether the last text ended a line.
    at_line_start: bool,
    /// Told once when stdout turns out to be closed: nobody reads on.
    closed: Arc<Notify>,
    is_closed: bool,
}

impl Live {
    /// A listener that prints text as it comes when `shows`, and only notices otherwise. `closed` is notified when stdout
    /// is.
    pub fn new(console: Console, shows: bool, closed: Arc<Notify>) -> Self {
        Self { console, shows, at_line_start: true, closed, is_closed: false }
    }

    /// Ends the line that an answer left open.
    pub fn end_line(&mut self) {
        if !self.at_line_start {
            self.write("\n");
        }
    }

    fn write(&mut self, text: &str) {
        if self.is_closed || text.is_empty() {
            return;
        }
        self.at_line_start = text.ends_with('\n');
        if self.console.out(text).is_err() {
            self.is_closed = true;
            self.closed.notify_one();
        }
    }
}

impl Listener for Live {
    fn shows(&self) -> bool {
        self.shows
    }

    fn event(&mut self, event: &Event) {
        if self.shows
            && let Event::Text(text) = event
        {
            let text = if self.console.stdout_is_terminal() { harmless(text) } else { text.clone() };
            self.write(&text);
        }
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        if self.shows {
            self.end_line();
        }
        self.console.warn(notice);
    }
}
