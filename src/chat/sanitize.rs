//! Makes provider messages safe to display and store.

const MAX_MESSAGE_CHARS: usize = 500;

/// Prefixes that only API keys have. The word that starts with one is redacted.
const API_KEY_PREFIXES: [&str; 12] =
    ["sk-", "sk_", "gsk_", "xai-", "AIza", "hf_", "r8_", "pplx-", "fw_", "csk-", "nvapi-", "key-"];

/// Truncates a provider's message to 500 characters, redacts probable API keys, and replaces control
/// characters, so that it cannot harm a terminal or a log.
pub(crate) fn sanitize_message(message: &str) -> String {
    let cleaned = redact_api_keys(message);
    let mut out: String = cleaned.chars().map(sanitize_char).take(MAX_MESSAGE_CHARS).collect();
    out.truncate(out.trim_end().len());
    if cleaned.chars().count() > MAX_MESSAGE_CHARS {
        out.pop();
        out.push('…');
    }
    out
}

pub(crate) fn redact_api_keys(text: &str) -> String {
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

/// An API key is long and has a known prefix. Masked keys (`sk-ab***yz`) count too.
fn is_probable_api_key(word: &str) -> bool {
    let prefix = API_KEY_PREFIXES.iter().find(|prefix| word.starts_with(**prefix));
    prefix.is_some_and(|prefix| {
        word.len() >= prefix.len() + 8
            && word[prefix.len()..].bytes().any(|c| c.is_ascii_digit() || c == b'*')
    })
}

/// Makes a character safe for terminals: line breaks and tabs become spaces; control characters and
/// bidirectional overrides become U+FFFD.
pub(crate) fn sanitize_char(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        // Bidirectional overrides can make a message read differently from its bytes.
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
