//! Output to stdout and stderr.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::format::strip_control_chars;
use super::report::neutralize_workflow_commands;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsoleWidths {
    pub table: usize,
    /// Lines are wrapped after this many columns; in a pipe, only if `COLUMNS` is set.
    pub line: usize,
}

/// Smaller reported widths are ignored: some terminals report 0.
const MIN_TERMINAL_WIDTH: usize = 20;

/// The width if it is unknown.
const DEFAULT_WIDTH: usize = 120;

/// stdout and stderr with width, color, and verbosity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    is_quiet: bool,
    is_verbose: bool,
    has_color: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    is_github_actions: bool,
    widths: ConsoleWidths,
}

impl Console {
    pub(crate) fn new(
        is_quiet: bool,
        is_verbose: bool,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let (stdout_is_terminal, stderr_is_terminal) =
            (io::stdout().is_terminal(), io::stderr().is_terminal());
        let no_color = environment("NO_COLOR").is_some_and(|v| !v.is_empty());
        let is_plausible = |columns: &usize| *columns >= MIN_TERMINAL_WIDTH;
        let columns = environment("COLUMNS").and_then(|v| v.parse().ok()).filter(is_plausible);
        let terminal =
            dialoguer::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let columns = terminal.filter(|_| stdout_is_terminal).filter(is_plausible).or(columns);
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

    pub(crate) fn is_stdout_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    pub(crate) fn can_show_progress(&self) -> bool {
        self.stderr_is_terminal && !self.is_quiet
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Whether the output is a GitHub Actions log, in which some lines are commands.
    pub(crate) fn is_github_actions(&self) -> bool {
        self.is_github_actions
    }

    /// Width of tables in columns; 120 without a terminal.
    pub(crate) fn width(&self) -> usize {
        self.widths.table
    }

    pub(crate) fn widths(&self) -> ConsoleWidths {
        self.widths
    }

    /// Writes to stdout. On a terminal, control characters are replaced.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        let shown =
            if self.stdout_is_terminal { Cow::Owned(strip_control_chars(text)) } else { Cow::Borrowed(text) };
        let mut stdout = io::stdout().lock();
        stdout.write_all(shown.as_bytes())?;
        stdout.flush()
    }

    /// Like [`print`](Self::print), and adds a final newline if there is none.
    pub(crate) fn print_line(&self, text: &str) -> io::Result<()> {
        if text.ends_with('\n') { self.print(text) } else { self.print(&format!("{text}\n")) }
    }

    /// Writes a note to stderr, unless quiet.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet {
            self.print_stderr(&format!("{}\n", strip_control_chars(&text.to_string())));
        }
    }

    /// Writes a note to stderr if verbose.
    pub(crate) fn note_verbose(&self, text: impl Display) {
        if self.is_verbose {
            self.print_stderr(&format!("{}\n", strip_control_chars(&text.to_string())));
        }
    }

    /// Writes a warning to stderr, unless quiet.
    pub(crate) fn warn(&self, text: impl Display) {
        if !self.is_quiet {
            self.warn_always(text);
        }
    }

    /// Writes a warning even if quiet, for problems that cost money.
    pub(crate) fn warn_always(&self, text: impl Display) {
        self.print_stderr(&format!(
            "{} {}\n",
            self.colorize("warning:", "33"),
            strip_control_chars(&text.to_string())
        ));
    }

    /// Writes a workflow command for GitHub Actions to stderr, even if quiet.
    pub(crate) fn workflow_command(&self, line: &str) {
        write_stderr(&format!("{}\n", strip_control_chars(line)));
    }

    /// Writes an error with its causes and its hint.
    pub(crate) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let mut text = String::new();
        for (n, cause) in error.chain().enumerate() {
            let message = strip_control_chars(&cause.to_string());
            // Errors in files contain their own prefix, location, and hint.
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

/// If stderr cannot be written, the error cannot be reported.
fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
