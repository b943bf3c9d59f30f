//! Diagnostics for files: message, location, and hint.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::yaml::Spanned;
use crate::chat::{redact_api_keys, sanitize_char};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub message: String,
    /// Byte range in the file's text; `None` if the problem concerns the whole file.
    pub span: Option<Range<usize>>,
    pub hint: String,
}

impl Diagnostic {
    pub fn new(message: impl Into<String>, span: Option<Range<usize>>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), span, hint: hint.into() }
    }
}

/// All problems in one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file as the user names it.
    pub path: String,
    /// The file's text, to show the affected lines.
    pub text: String,
    /// Never empty.
    pub diagnostics: Vec<Diagnostic>,
}

/// What to do about a file, named on the command line, that cannot be read.
pub(crate) fn read_error_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "check the path (it is relative to the current folder)",
        std::io::ErrorKind::InvalidData => "save the file as UTF-8 text",
        _ => "check that it is a readable file",
    }
}

impl ConfigError {
    /// A single problem that concerns the whole file.
    pub fn for_file(path: impl Into<String>, message: impl Into<String>, hint: &str) -> Self {
        Self {
            path: path.into(),
            text: String::new(),
            diagnostics: vec![Diagnostic::new(message, None, hint)],
        }
    }

    pub(super) fn cannot_read(path: impl Into<String>, error: &std::io::Error) -> Self {
        Self::for_file(path, format!("cannot read the file: {error}"), read_error_hint(error))
    }

    fn render_diagnostic(&self, problem: &Diagnostic) -> String {
        let title = Level::ERROR.primary_title(replace_control_chars(&problem.message));
        let Some(span) = problem.span.clone().filter(|s| s.start <= self.text.len()) else {
            return format!("error: {}\n  --> {}", replace_control_chars(&problem.message), self.path);
        };
        let span = self.normalize_span(span);
        let line_start = self.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        if can_contain_key(self.text[line_start..].lines().next().unwrap_or_default())
            || self.is_in_secret_block(line_start)
        {
            // A key pasted where a variable's name belongs must not appear in the error about it.
            let row = self.text[..line_start].matches('\n').count() + 1;
            let column = self.text[line_start..span.start].chars().count() + 1;
            let (message, path) = (replace_control_chars(&redact_api_keys(&problem.message)), &self.path);
            return format!(
                "error: {message}\n --> {path}:{row}:{column} (line not shown: it may contain an API key)"
            );
        }
        let snippet =
            Snippet::source(&self.text).path(&self.path).annotation(AnnotationKind::Primary.span(span));
        Renderer::plain().render(&[title.element(snippet)])
    }

    /// Whether a line is inside a block of values that are sent. The nearest less indented line above names
    /// the block.
    fn is_in_secret_block(&self, line_start: usize) -> bool {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let own = self.text[line_start..].lines().next().map_or(0, indent);
        let above = self.text[..line_start].lines().rev().filter(|line| !line.trim().is_empty());
        let opener = above.into_iter().find(|line| indent(line) < own).unwrap_or_default().trim();
        ["headers:", "query:", "auth:", "api_key:"].iter().any(|name| opener.starts_with(name))
    }

    /// Aligns a span to character boundaries and extends an empty one to a word.
    fn normalize_span(&self, span: Range<usize>) -> Range<usize> {
        let text = &self.text;
        let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        // The parser gives only a scalar's first character; extend it to the whole word.
        let word_end = text[start..line_end].find([' ', ',', ']', '}']).map_or(line_end, |at| start + at);
        let word_end = start + text[start..word_end].trim_end_matches(':').len();
        let end =
            if span.end <= span.start + 1 { word_end } else { span.end.clamp(start, line_end.max(start)) };
        let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        start..end
    }
}

fn can_contain_key(line: &str) -> bool {
    // The `first_token` timeout and the `first-token` assertion are not keys.
    let lower = line.to_lowercase().replace("first_token:", "").replace("first-token:", "");
    let markers = [
        "api_key",
        "apikey",
        "api-key",
        "secret",
        "token:",
        "password",
        "authorization",
        "bearer ",
        "cookie",
        "-auth:",
        "security-token",
        "headers:",
        "query:",
        "auth:",
    ];
    let names_key = markers.iter().any(|word| lower.contains(word));
    let is_url_with_secret = lower.contains("url") && line.contains(['@', '?']);
    names_key
        || is_url_with_secret
        || redact_api_keys(line) != line
        || line.split(is_key_separator).any(is_random_looking)
}

fn is_key_separator(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// Whether a word is long and mixes letters and digits, as unlabeled keys do.
fn is_random_looking(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    word.len() >= 24 && digits >= 4 && digits < word.len()
}

/// Reports a file format version other than 1, the only one so far.
pub(super) fn check_version(version: &Spanned<u32>) -> Option<Diagnostic> {
    let message = || format!("unsupported file format version {}", version.value);
    (version.value != 1).then(|| Diagnostic::new(message(), version.span.clone(), "use `version: 1`"))
}

/// Control characters from a file must not reach the terminal.
fn replace_control_chars(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { sanitize_char(c) }).collect()
}

/// Problems shown per kind; the rest are only counted.
const MAX_SHOWN_PER_KIND: usize = 3;

/// The key that groups problems of one kind: message and hint, without digits and without the first value in
/// backticks, which is usually a case ID.
fn grouping_key(problem: &Diagnostic) -> String {
    let mut parts = problem.message.splitn(3, '`');
    let (before, _, after) = (parts.next(), parts.next(), parts.next());
    let text = [before.unwrap_or_default(), after.unwrap_or_default(), &problem.hint].concat();
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.diagnostics.iter().map(grouping_key).collect();
        let mut all: HashMap<&str, usize> = HashMap::new();
        kinds.iter().for_each(|kind| *all.entry(kind).or_default() += 1);
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (at, (problem, kind)) in self.diagnostics.iter().zip(&kinds).enumerate() {
            let nth = seen.entry(kind).or_default();
            *nth += 1;
            if *nth > MAX_SHOWN_PER_KIND {
                continue;
            }
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}\nhint: {}", self.render_diagnostic(problem), replace_control_chars(&problem.hint))?;
            let more = all.get(kind.as_str()).map_or(0, |all| all.saturating_sub(MAX_SHOWN_PER_KIND));
            if *nth == MAX_SHOWN_PER_KIND && more > 0 {
                write!(f, "\nand {more} more like it")?;
            }
        }
        Ok(())
    }
}
