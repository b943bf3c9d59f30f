//! An answer on its way, and what happens to it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Console;
use crate::chat::Event;
use crate::route::{Listener, Notice};

/// Shows an answer as it arrives, or waits for its end; tells what fails on the way.
pub struct Live {
    console: Console,
    shows: bool,
    has_written: bool,
    /// Whether the last text ended a line.
    at_line_start: bool,
    /// Told once when stdout turns out to be closed: nobody reads on.
    closed: Arc<Notify>,
    /// What stopped the writing, once something has.
    broken: Option<std::io::Error>,
}

impl Live {
    /// A listener that prints text as it comes when `shows`, and only notices otherwise. `closed` is notified when stdout
    /// is.
    pub fn new(console: Console, shows: bool, closed: Arc<Notify>) -> Self {
        Self { console, shows, has_written: false, at_line_start: true, closed, broken: None }
    }

    /// Ends the line that an answer left open.
    pub fn end_line(&mut self) {
        if !self.at_line_start {
            self.write("\n");
        }
    }

    /// What stopped the writing, if anything did: a reader that went away, or a full disk.
    pub fn broken(&mut self) -> Option<std::io::Error> {
        self.broken.take()
    }

    fn write(&mut self, text: &str) {
        if self.broken.is_some() || text.is_empty() {
            return;
        }
        self.has_written = true;
        self.at_line_start = text.ends_with('\n');
        if let Err(error) = self.console.out(text) {
            self.broken = Some(error);
            self.closed.notify_one();
        }
    }
}

impl Listener for Live {
    fn shows(&self) -> bool {
        self.shows
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Text(text) if self.shows => self.write(text),
            Event::Restart if self.shows && self.has_written => {
                self.end_line();
                self.console.warn("the provider begins its answer anew; what stands above is not part of it");
            }
            _ => {}
        }
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        if self.shows {
            self.end_line();
        }
        match notice {
            Notice::Adjusted { adjustment, .. } if !adjustment.loses() => self.console.detail(notice),
            _ => self.console.warn(notice),
        }
    }
}
