//! Messages of providers, made safe to show and to keep.

/// Longest message that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

/// Beginnings that only keys have; what follows them without a break is taken out.
const API_KEY_PREFIXES: [&str; 12] =
    ["sk-", "sk_", "gsk_", "xai-", "AIza", "hf_", "r8_", "pplx-", "fw_", "csk-", "nvapi-", "key-"];

/// A provider's message, cut at 500 characters, with what looks like a key taken out and control characters replaced,
/// so that neither a terminal nor a log can be harmed by it.
pub fn sanitize_message(message: &str) -> String {
    let cleaned = redact_api_keys(message);
    let mut out: String = cleaned.chars().map(sanitize_char).take(MAX_MESSAGE_CHARS).collect();
    out.truncate(out.trim_end().len());
    if cleaned.chars().count() > MAX_MESSAGE_CHARS {
        out.pop();
        out.push('…');
    }
    out
}

/// A text with everything that looks like a key taken out.
pub fn redact_api_keys(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !is_api_key_char(c)) {
        let body = word.trim_end_matches(|c: char| !is_api_key_char(c));
        if is_probable_api_key(body) {
            cleaned.push_str("[redacted]");
            cleaned.push_str(&word[body.len()..]);
        } else {
            cleaned.push_str(word);
        }
    }
    cleaned
}

fn is_api_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')
}

/// A key is long and starts as keys do. Starred-out remains of one (`sk-ab***yz`) count as well.
fn is_probable_api_key(word: &str) -> bool {
    let begins = API_KEY_PREFIXES.iter().find(|b| word.starts_with(*b));
    begins.is_some_and(|b| {
        word.len() >= b.len() + 8 && word[b.len()..].bytes().any(|c| c.is_ascii_digit() || c == b'*')
    })
}

/// A character that harms no terminal: line breaks and tabs become spaces, control characters and direction overrides
/// the replacement character.
pub fn sanitize_char(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        // Direction overrides can make a message read as something else.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_keys_are_redacted() {
        let cleaned = sanitize_message("Incorrect API key provided: sk-proj-a1b2c3d4e5f6. See the page.");
        assert_eq!(cleaned, "Incorrect API key provided: [redacted] See the page.");
        assert_eq!(sanitize_message("a task-list and sk-learn stay"), "a task-list and sk-learn stay");
    }

    #[test]
    fn message_sanitizing_cases() {
        assert_eq!(sanitize_message("a\x1b[31mb\nc"), "a\u{fffd}[31mb c");
        let long = sanitize_message(&"ä".repeat(900));
        assert_eq!(long.chars().count(), 500);
        assert!(long.ends_with('…'));
    }
}
