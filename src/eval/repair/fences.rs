//! Code fences.

/// The marker of a fence line: three or more backticks or tildes.
fn fence_marker(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let run = &line[..line.len() - line.trim_start_matches(sign).len()];
    (run.len() >= 3).then_some(run)
}

/// Offset of the first line that opens a fence.
pub(super) fn find_fence(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if fence_marker(line).is_some() {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Offset after the line that closes the fence at the start of `text`.
pub(super) fn find_fence_end(text: &str) -> Option<usize> {
    let mut lines = text.split_inclusive('\n');
    let opening = lines.next()?;
    let open = fence_marker(opening)?;
    let mut at = opening.len();
    for line in lines {
        at += line.len();
        if is_closing_line(line, open) {
            return Some(at);
        }
    }
    None
}

fn is_closing_line(line: &str, open: &str) -> bool {
    let line = line.trim();
    fence_marker(line).is_some_and(|run| run.len() == line.len() && run.starts_with(open))
}

/// The content, if the whole text is one fence. An unclosed fence ends with the text.
pub(super) fn strip_fence(text: &str) -> Option<&str> {
    let text = text.trim();
    let open = fence_marker(text)?;
    let body = match text.split_once('\n') {
        Some((opening, body)) if is_language_tag(&opening[open.len()..]) => body,
        _ => strip_language_tag(&text[open.len()..]),
    };
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        if is_closing_line(line, open) {
            return body[at + line.len()..].trim().is_empty().then(|| body[..at].trim_end_matches('\n'));
        }
        at += line.len();
    }
    let body = body.trim_end();
    Some(body.strip_suffix(open).unwrap_or(body))
}

/// Also true for an empty string.
fn is_language_tag(text: &str) -> bool {
    text.trim().chars().all(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | '_' | '#' | '.'))
}

/// The rest of a fence line after the language, as in `json {"a": 1}`.
fn strip_language_tag(line: &str) -> &str {
    let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    if rest.starts_with(['{', '[']) || rest.starts_with(char::is_whitespace) {
        rest.trim_start()
    } else {
        line
    }
}
