//! stdout and stderr, and what kind of thing they are.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::format::strip_control_chars;
use super::report::neutralize_workflow_commands;

/// How much room there is on stdout.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleWidths {
    /// Columns of a table.
    pub table: usize,
    /// Columns of a line, after which it goes on below. There is no end to it in a pipe, where lines are read as they are,
    /// unless `COLUMNS` says how wide they may be.
    pub line: usize,
}

/// A terminal that says that it is narrower says nothing: some say 0.
const MIN_TERMINAL_WIDTH: usize = 20;

/// Columns where nobody says how many there are.
const DEFAULT_WIDTH: usize = 120;

/// Where things are printed.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    is_quiet: bool,
    is_verbose: bool,
    has_color: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    is_github_actions: bool,
    widths: ConsoleWidths,
}

impl Console {
    /// The process's own streams.
    pub fn new(is_quiet: bool, is_verbose: bool, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let (stdout_is_terminal, stderr_is_terminal) =
            (io::stdout().is_terminal(), io::stderr().is_terminal());
        let no_color = environment("NO_COLOR").is_some_and(|v| !v.is_empty());
        let said = |columns: &usize| *columns >= MIN_TERMINAL_WIDTH;
        let columns = environment("COLUMNS").and_then(|v| v.parse().ok()).filter(said);
        let terminal =
            dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let columns = terminal.filter(|_| stdout_is_terminal).filter(said).or(columns);
        let widths = ConsoleWidths {
            table: columns.unwrap_or(DEFAULT_WIDTH).clamp(40, 240),
            line: columns.map_or(usize::MAX, |columns| columns.max(40)),
        };
        Self {
            is_quiet,
            is_verbose,
            has_color: stderr_is_terminal && !no_color,
            stdout_is_terminal,
            stderr_is_terminal,
            is_github_actions: environment("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            widths,
        }
    }

    /// Whether a person reads stdout.
    pub fn is_stdout_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether progress may be drawn.
    pub fn can_show_progress(&self) -> bool {
        self.stderr_is_terminal && !self.is_quiet
    }

    /// Whether more was asked for.
    pub fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Whether a runner of GitHub Actions reads both streams, and does what lines of a certain form command.
    pub fn is_github_actions(&self) -> bool {
        self.is_github_actions
    }

    /// Columns of the terminal; 120 where there is none.
    pub fn width(&self) -> usize {
        self.widths.table
    }

    /// How much room there is for tables and for the lines around them.
    pub fn widths(&self) -> ConsoleWidths {
        self.widths
    }

    /// Writes to stdout: as it is into a pipe or a file, without control characters to a terminal.
    ///
    /// # Errors
    /// When stdout cannot be written: a closed pipe among others.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let shown =
            if self.stdout_is_terminal { Cow::Owned(strip_control_chars(text)) } else { Cow::Borrowed(text) };
        let mut stdout = io::stdout().lock();
        stdout.write_all(shown.as_bytes())?;
        stdout.flush()
    }

    /// Writes a line to stdout, as [`out`](Self::out) does.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print_line(&self, text: &str) -> io::Result<()> {
        if text.ends_with('\n') { self.print(text) } else { self.print(&format!("{text}\n")) }
    }

    /// Something worth knowing, on stderr, unless quiet.
    pub fn note(&self, text: impl Display) {
        if !self.is_quiet {
            self.print_stderr(&format!("{}\n", strip_control_chars(&text.to_string())));
        }
    }

    /// Something worth knowing only to one who asked for more.
    pub fn note_verbose(&self, text: impl Display) {
        if self.is_verbose {
            self.print_stderr(&format!("{}\n", strip_control_chars(&text.to_string())));
        }
    }

    /// Something that is not as it should be, unless quiet.
    pub fn warn(&self, text: impl Display) {
        if !self.is_quiet {
            self.warn_always(text);
        }
    }

    /// Something that is not as it should be, and that money depends on: it is said to those who want quiet too.
    pub fn warn_always(&self, text: impl Display) {
        self.print_stderr(&format!(
            "{} {}\n",
            self.colorize("warning:", "33"),
            strip_control_chars(&text.to_string())
        ));
    }

    /// A command for the runner, on stderr, quiet or not.
    pub fn workflow_command(&self, line: &str) {
        write_stderr(&format!("{}\n", strip_control_chars(line)));
    }

    /// An error with its causes and what to do about it.
    pub fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let mut text = String::new();
        for (n, cause) in error.chain().enumerate() {
            let message = strip_control_chars(&cause.to_string());
            // Errors in files come with their own head, place and hint.
            match (n, message.starts_with("error: ")) {
                (_, true) => text.push_str(&message.replacen("error:", &self.colorize("error:", "31"), 1)),
                (0, false) => text.push_str(&format!("{} {message}", self.colorize("error:", "31"))),
                _ => text.push_str(&format!("caused by: {message}")),
            }
            text.push('\n');
        }
        if let Some(hint) = hint {
            text.push_str(&format!("{} {}\n", self.colorize("hint:", "36"), strip_control_chars(hint)));
        }
        self.print_stderr(&text);
    }

    fn colorize(&self, text: &str, color: &str) -> String {
        if self.has_color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn print_stderr(&self, text: &str) {
        if self.is_github_actions {
            write_stderr(&neutralize_workflow_commands(text));
        } else {
            write_stderr(text);
        }
    }
}

/// A stderr that cannot be written leaves nobody to tell.
fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
