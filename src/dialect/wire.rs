//! Reading and writing wire JSON: lenient on what is read, with a note of everything unknown; strict on what is sent.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_ignored::Path;

use crate::chat::{Event, Failure, FailureClass, Message, Phase, Role};

/// Reads JSON into a dialect's struct. A field that the struct lacks is noted as unexpected, unless `known` (sorted)
/// lists its path as one that the dialect has and this product has no use for.
///
/// # Errors
/// `malformed`, with the path of what did not fit.
pub(super) fn read<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    known: &[&str],
    events: &mut Vec<Event>,
) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let mut note = |path: Path<'_>| {
        let path = render(&path);
        if known.binary_search(&path.as_str()).is_err() {
            events.push(Event::Unexpected(path));
        }
    };
    let read = serde_ignored::deserialize(&mut deserializer, &mut note).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    read.map_err(|_| explain::<T>(json))
}

/// The slow way once more, for the path of what is wrong.
fn explain<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Failure {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let why = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.path().to_string().starts_with(|c: char| c.is_alphanumeric()) => {
            format!("{}: {}", error.path(), error.inner())
        }
        Err(error) => error.inner().to_string(),
        Ok(_) => "more than one JSON value".to_owned(),
    };
    let shown: String = String::from_utf8_lossy(json).chars().take(120).collect();
    let message = format!("the answer does not parse ({why}): {shown}");
    Failure::new(FailureClass::Malformed, Phase::Body, message)
}

/// JSON text of a value. Wire structs hold nothing that JSON cannot say, so this cannot fail; should a later one, an
/// empty body is what the server refuses.
pub(super) fn write(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `choices[].delta.x`: indices are left out, so that a field new in a thousand chunks is noted once.
fn render(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, .. } => render(parent) + "[]",
        Path::Map { parent, key } => {
            let mut out = render(parent);
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(key);
            out
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            render(parent)
        }
    }
}

/// A count that some servers send as a float, a string or a negative number.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Lenient;
    impl<'de> Visitor<'de> for Lenient {
        type Value = Option<u64>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a count")
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value.max(0).unsigned_abs()))
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
            // Counts are far below 2^53, and a saturating cast is what a wild value deserves.
            Ok(Some(value.max(0.0) as u64))
        }
        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok(value.parse().ok())
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
    }
    deserializer.deserialize_any(Lenient)
}

/// A word that some servers send as a number.
pub(super) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// Text that comes as a string, as a list of typed parts, or not at all.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Content(pub Vec<Part>);

/// One part of such a list.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    /// Mistral's reasoning: a list of text parts inside a part.
    pub thinking: Option<Content>,
    /// Databricks' reasoning.
    pub summary: Option<Content>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of parts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
                self.visit_string(text.to_owned())
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Content, E> {
                Ok(Content(vec![Part { kind: "text".into(), text: Some(text), ..Part::default() }]))
            }
            fn visit_unit<E: Error>(self) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element::<Part>()? {
                    parts.push(part);
                }
                Ok(Content(parts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Content {
    /// All text in it, at any depth.
    pub(super) fn text(&self) -> String {
        self.0.iter().filter_map(|part| part.text.as_deref()).collect()
    }
}

/// Dollars as a provider reports them, in nano-dollars; a negative or wild figure is none.
pub(super) fn nano_dollars(usd: f64) -> Option<u64> {
    // Below 2^53 every whole number of nano-dollars has a double of its own.
    (0.0..9e6).contains(&usd).then(|| (usd * 1e9).round() as u64)
}

/// A text for a URL's path, everything percent-encoded but letters, digits and `plain`.
pub fn escape(text: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether a part is words and nothing else, so that they can stand for it. One with a mark on it (`cache_control`) is
/// not.
pub(super) fn is_text(part: &serde_json::Value) -> bool {
    part["type"] == "text" && part.as_object().is_some_and(|fields| fields.len() == 2)
}

/// The word for a speaker that most dialects share.
pub(super) fn role(message: &Message) -> &'static str {
    match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The HTTP status of a class, where a dialect has none of its own.
pub(super) fn status(class: FailureClass) -> u16 {
    match class {
        FailureClass::RateLimited => 429,
        FailureClass::QuotaExhausted => 402,
        FailureClass::Auth => 401,
        FailureClass::ModelUnavailable => 404,
        FailureClass::BadRequest | FailureClass::ContextOverflow | FailureClass::ContentPolicy => 400,
        FailureClass::Timeout => 504,
        FailureClass::Unreachable => 503,
        _ => 500,
    }
}

/// The failure of a 200 with nothing in it.
pub(super) fn empty() -> Failure {
    Failure::new(FailureClass::Empty, Phase::Body, "the answer's body holds nothing")
}
