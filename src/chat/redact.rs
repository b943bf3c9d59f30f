//! Messages of providers, made safe to show and to keep.

/// Longest message that is kept, in characters.
const LIMIT: usize = 500;

/// Beginnings that only keys have; what follows them without a break is taken out.
const KEY_BEGINNINGS: [&str; 12] =
    ["sk-", "sk_", "gsk_", "xai-", "AIza", "hf_", "r8_", "pplx-", "fw_", "csk-", "nvapi-", "key-"];

/// A provider's message, cut at 500 characters, with what looks like a key taken out and control characters replaced,
/// so that neither a terminal nor a log can be harmed by it.
pub fn clean_message(message: &str) -> String {
    let cleaned = redact_keys(message);
    let mut out: String = cleaned.chars().map(harmless).take(LIMIT).collect();
    out.truncate(out.trim_end().len());
    if cleaned.chars().count() > LIMIT {
        out.pop();
        out.push('…');
    }
    out
}

/// A text with everything that looks like a key taken out.
pub fn redact_keys(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !is_key_character(c)) {
        let body = word.trim_end_matches(|c: char| !is_key_character(c));
        if looks_like_key(body) {
            cleaned.push_str("[redacted]");
            cleaned.push_str(&word[body.len()..]);
        } else {
            cleaned.push_str(word);
        }
    }
    cleaned
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')
}

/// A key is long and starts as keys do. Starred-out remains of one (`sk-ab***yz`) count as well.
fn looks_like_key(word: &str) -> bool {
    let begins = KEY_BEGINNINGS.iter().find(|b| word.starts_with(*b));
    begins.is_some_and(|b| {
        word.len() >= b.len() + 8 && word[b.len()..].bytes().any(|c| c.is_ascii_digit() || c == b'*')
    })
}

/// A character that harms no terminal: line breaks and tabs become spaces, control characters and direction overrides
/// the replacement character.
pub fn harmless(c: char) -> char {
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
    fn keys_are_taken_out() {
        let cleaned = clean_message("Incorrect API key provided: sk-proj-a1b2c3d4e5f6. See the page.");
        assert_eq!(cleaned, "Incorrect API key provided: [redacted] See the page.");
        assert_eq!(clean_message("a task-list and sk-learn stay"), "a task-list and sk-learn stay");
    }

    #[test]
    fn terminals_are_safe_and_length_is_bounded() {
        assert_eq!(clean_message("a\x1b[31mb\nc"), "a\u{fffd}[31mb c");
        let long = clean_message(&"ä".repeat(900));
        assert_eq!(long.chars().count(), 500);
        assert!(long.ends_with('…'));
    }
}
