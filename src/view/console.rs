//! stdout and stderr, and what kind of thing they are.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::format::harmless;
use super::report::defused;

/// How much room there is on stdout.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Columns of a table.
    pub table: usize,
    /// Columns of a line, after which it goes on below. There is no end to it in a pipe, where lines are read as they are,
    /// unless `COLUMNS` says how wide they may be.
    pub line: usize,
}

/// A terminal that says that it is narrower says nothing: some say 0.
const LEAST_SAID: usize = 20;

/// Columns where nobody says how many there are.
const UNSAID: usize = 120;

/// Where things are printed.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    quiet: bool,
    verbose: bool,
    color: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    in_github: bool,
    room: Room,
}

impl Console {
    /// The process's own streams.
    pub fn new(quiet: bool, verbose: bool, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let (stdout_is_terminal, stderr_is_terminal) =
            (io::stdout().is_terminal(), io::stderr().is_terminal());
        let no_color = environment("NO_COLOR").is_some_and(|v| !v.is_empty());
        let said = |columns: &usize| *columns >= LEAST_SAID;
        let columns = environment("COLUMNS").and_then(|v| v.parse().ok()).filter(said);
        let terminal =
            dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let columns = terminal.filter(|_| stdout_is_terminal).filter(said).or(columns);
        let room = Room {
            table: columns.unwrap_or(UNSAID).clamp(40, 240),
            line: columns.map_or(usize::MAX, |columns| columns.max(40)),
        };
        Self {
            quiet,
            verbose,
            color: stderr_is_terminal && !no_color,
            stdout_is_terminal,
            stderr_is_terminal,
            in_github: environment("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            room,
        }
    }

    /// Whether a person reads stdout.
    pub fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether progress may be drawn.
    pub fn shows_progress(&self) -> bool {
        self.stderr_is_terminal && !self.quiet
    }

    /// Whether more was asked for.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether a runner of GitHub Actions reads both streams, and does what lines of a certain form command.
    pub fn is_in_github(&self) -> bool {
        self.in_github
    }

    /// Columns of the terminal; 120 where there is none.
    pub fn width(&self) -> usize {
        self.room.table
    }

    /// How much room there is for tables and for the lines around them.
    pub fn room(&self) -> Room {
        self.room
    }

    /// Writes to stdout: as it is into a pipe or a file, without control characters to a terminal.
    ///
    /// # Errors
    /// When stdout cannot be written: a closed pipe among others.
    pub fn out(&self, text: &str) -> io::Result<()> {
        let shown = if self.stdout_is_terminal { Cow::Owned(harmless(text)) } else { Cow::Borrowed(text) };
        let mut stdout = io::stdout().lock();
        stdout.write_all(shown.as_bytes())?;
        stdout.flush()
    }

    /// Writes a line to stdout, as [`out`](Self::out) does.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn out_line(&self, text: &str) -> io::Result<()> {
        if text.ends_with('\n') { self.out(text) } else { self.out(&format!("{text}\n")) }
    }

    /// Something worth knowing, on stderr, unless quiet.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.err(&format!("{}\n", harmless(&text.to_string())));
        }
    }

    /// Something worth knowing only to one who asked for more.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.err(&format!("{}\n", harmless(&text.to_string())));
        }
    }

    /// Something that is not as it should be, unless quiet.
    pub fn warn(&self, text: impl Display) {
        if !self.quiet {
            self.alarm(text);
        }
    }

    /// Something that is not as it should be, and that money depends on: it is said to those who want quiet too.
    pub fn alarm(&self, text: impl Display) {
        self.err(&format!("{} {}\n", self.painted("warning:", "33"), harmless(&text.to_string())));
    }

    /// A command for the runner, on stderr, quiet or not.
    pub fn command(&self, line: &str) {
        write_err(&format!("{}\n", harmless(line)));
    }

    /// An error with its causes and what to do about it.
    pub fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let mut text = String::new();
        for (n, cause) in error.chain().enumerate() {
            let message = harmless(&cause.to_string());
            // Errors in files come with their own head, place and hint.
            match (n, message.starts_with("error: ")) {
                (_, true) => text.push_str(&message.replacen("error:", &self.painted("error:", "31"), 1)),
                (0, false) => text.push_str(&format!("{} {message}", self.painted("error:", "31"))),
                _ => text.push_str(&format!("caused by: {message}")),
            }
            text.push('\n');
        }
        if let Some(hint) = hint {
            text.push_str(&format!("{} {}\n", self.painted("hint:", "36"), harmless(hint)));
        }
        self.err(&text);
    }

    fn painted(&self, text: &str, color: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn err(&self, text: &str) {
        if self.in_github { write_err(&defused(text)) } else { write_err(text) }
    }
}

/// A stderr that cannot be written leaves nobody to tell.
fn write_err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
