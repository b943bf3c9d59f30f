//! Keys: where they come from, and a type that cannot be printed.

use secrecy::{ExposeSecret, SecretString};

/// Where `routes.yaml` says that a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In this environment variable.
    Variable(String),
    /// In this file, on its only line. `~/` stands for the home folder.
    File(String),
    /// What this command prints: a program and its arguments, never a line for a shell.
    Command(Vec<String>),
}

/// A key. Its only way out is [`Credential::expose`], which this room alone calls.
#[derive(Clone, Debug)]
pub struct Credential(SecretString);

impl Credential {
    /// A key, unless the text is blank: an empty variable counts as unset.
    pub fn new(key: &str) -> Option<Self> {
        let trimmed = key.trim();
        if trimmed.is_empty() {
            return None;
        }
        Some(Self(SecretString::from(trimmed.to_owned())))
    }

    /// Whether a header can carry it.
    pub(super) fn is_plain(&self) -> bool {
        self.expose().bytes().all(|b| (0x20..0x7f).contains(&b))
    }

    /// The key, for the header that carries it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text without the key, should a provider have quoted it, whole or cut off at the text's end.
    pub(super) fn redact(&self, text: &str) -> Option<String> {
        let key = self.expose();
        if key.len() < LEAST {
            return None;
        }
        if text.contains(key) {
            return Some(text.replace(key, REDACTED));
        }
        let body = text.trim_end_matches('…');
        let begun = (LEAST..key.len())
            .rev()
            .filter(|n| key.is_char_boundary(*n))
            .find(|n| body.ends_with(&key[..*n]))?;
        Some(format!("{}{REDACTED}", &body[..body.len() - begun]))
    }
}

/// What is shorter may be a word of any sentence.
const LEAST: usize = 6;

const REDACTED: &str = "[redacted]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cannot_be_printed_and_blank_is_unset() {
        let key = Credential::new(" planted-key-123 ").unwrap();
        assert!(!format!("{key:?}").contains("planted"));
        assert_eq!(key.expose(), "planted-key-123");
        assert_eq!(key.redact("bad planted-key-123!").as_deref(), Some("bad [redacted]!"));
        assert_eq!(key.redact("cut planted-key…").as_deref(), Some("cut [redacted]"));
        assert_eq!(key.redact("nothing of it"), None);
        assert!(Credential::new("  ").is_none());
    }
}
