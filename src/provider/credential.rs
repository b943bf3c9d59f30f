//! API keys: their sources, and a type whose value cannot be printed.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::dialect::percent_encode;

/// Where `routes.yaml` says to find a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable.
    Variable(String),
    /// A file with a single line. `~/` is the home directory.
    File(String),
    /// A program and its arguments, run without a shell, that prints the key.
    Command(Vec<String>),
}

/// An API key. Only the `provider` module can read it, with [`Credential::expose`].
#[derive(Clone, Debug)]
pub(crate) struct Credential(SecretString);

impl Credential {
    /// `None` if the text is blank: an empty variable counts as unset.
    pub(crate) fn new(key: &str) -> Option<Self> {
        let trimmed = key.trim();
        if trimmed.is_empty() {
            return None;
        }
        Some(Self(SecretString::from(trimmed.to_owned())))
    }

    pub(super) fn is_header_safe(&self) -> bool {
        self.expose().bytes().all(|b| (0x20..0x7f).contains(&b))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Replaces the key in a text that may echo it, in full or cut off at the end of the text. `None` if the
    /// text does not contain the key.
    pub(super) fn redact(&self, text: &str) -> Option<String> {
        self.encoded_forms().iter().fold(None, |clean, form| {
            let clean_again = redact_form(clean.as_deref().unwrap_or(text), form);
            clean_again.or(clean)
        })
    }

    /// The forms in which a provider may echo the key: plain, percent-encoded, and base64.
    pub(super) fn encoded_forms(&self) -> Vec<String> {
        let key = self.expose();
        if key.len() < MIN_REDACTED_LEN {
            return Vec::new();
        }
        let escaped = percent_encode(key, b"-_.~");
        let mut forms = vec![key.to_owned(), lowercase_escapes(&escaped), escaped];
        forms.extend((0..3).flat_map(|lead| base64_forms(key, lead)));
        let mut seen = std::collections::HashSet::new();
        forms.retain(|form| seen.insert(form.clone()));
        forms
    }
}

/// The base64 of a key after `lead` other bytes, without the characters that also encode neighboring bytes.
fn base64_forms(key: &str, lead: usize) -> impl Iterator<Item = String> {
    let bytes = [&[0; 2][..lead.min(2)], key.as_bytes()].concat();
    let (from, to) = ((lead * 8).div_ceil(6), bytes.len() * 8 / 6);
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .into_iter()
        .filter_map(move |base64| Some(base64.encode(&bytes).get(from..to)?.to_owned()))
}

fn redact_form(text: &str, key: &str) -> Option<String> {
    if text.contains(key) {
        return Some(text.replace(key, REDACTED));
    }
    let body = text.trim_end_matches('…');
    let prefix_len = (MIN_REDACTED_LEN..key.len())
        .rev()
        .filter(|n| key.is_char_boundary(*n))
        .find(|n| body.ends_with(&key[..*n]))?;
    Some(format!("{}{REDACTED}", &body[..body.len() - prefix_len]))
}

/// Percent-encoded text with lowercase hex digits, as some hosts write it.
fn lowercase_escapes(escaped: &str) -> String {
    let mut parts = escaped.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at(part.len().min(2));
        format!("{text}%{}{rest}", digits.to_lowercase())
    })
}

/// Shorter keys could be ordinary words.
const MIN_REDACTED_LEN: usize = 6;

pub(super) const REDACTED: &str = "[redacted]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_cases() {
        let key = Credential::new(" planted-key-123 ").unwrap();
        assert!(!format!("{key:?}").contains("planted"));
        assert_eq!(key.expose(), "planted-key-123");
        assert_eq!(key.redact("bad planted-key-123!").as_deref(), Some("bad [redacted]!"));
        assert_eq!(key.redact("cut planted-key…").as_deref(), Some("cut [redacted]"));
        assert_eq!(key.redact("no key here"), None);
        let key = Credential::new("planted+key/123").unwrap();
        for quoted in
            ["?k=planted%2Bkey%2F123", "?k=planted%2bkey%2f123", "?k=planted+key/123", "?k=planted%2Bkey…"]
        {
            assert_eq!(key.redact(quoted).as_deref(), Some("?k=[redacted]"), "{quoted}");
        }
        assert!(Credential::new("  ").is_none());
        for around in ["", "B", "Be", "Bearer ", "key:"] {
            let quoted = STANDARD_NO_PAD.encode(format!("{around}planted+key/123?{around}"));
            let clean = key.redact(&quoted).unwrap_or_default();
            assert!(clean.contains(REDACTED) && clean.len() < REDACTED.len() + 24, "{quoted}: {clean}");
        }
    }
}
