//! Errors in files: where, what, and what to do.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the file's text; `None` when it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(message: impl Into<String>, span: Option<Range<usize>>) -> Self {
        Self { message: message.into(), span, hint: None }
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All that is wrong in one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, as the user would name it.
    pub path: String,
    /// Its text, for the underlined lines.
    pub text: String,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// One problem about a file as a whole.
    pub fn whole(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), text: String::new(), problems: vec![Problem::new(message, None)] }
    }

    fn render(&self, problem: &Problem) -> String {
        let title = Level::ERROR.primary_title(printable(&problem.message));
        let Some(span) = problem.span.clone().filter(|s| s.start <= self.text.len()) else {
            return format!("error: {}\n  --> {}", printable(&problem.message), self.path);
        };
        let span = self.whole_characters(span);
        let snippet =
            Snippet::source(&self.text).path(&self.path).annotation(AnnotationKind::Primary.span(span));
        Renderer::plain().render(&[title.element(snippet)])
    }

    /// A span that cuts no character and is not empty where there is text.
    fn whole_characters(&self, span: Range<usize>) -> Range<usize> {
        let text = &self.text;
        let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = span.end.clamp(start, line_end.max(start));
        let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        start..end
    }
}

/// Control characters from a file must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.render(problem))?;
            if let Some(hint) = &problem.hint {
                write!(f, "\nhint: {}", printable(hint))?;
            }
        }
        Ok(())
    }
}

/// `, did you mean …?` for a word that is near one of the known ones.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    near.filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
