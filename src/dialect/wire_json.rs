//! JSON on the wire: decoding is lenient and reports unknown fields; encoding is strict.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_ignored::Path;
use serde_json::Value;

use crate::chat::{Failure, FailureClass, FailurePhase, Message, Role, StreamEvent, TokenCount};

/// Parses JSON into a wire struct. Fields that the struct lacks are reported as unexpected, unless `known`
/// (sorted) lists their path.
///
/// # Errors
/// `malformed`, with the path of the value that could not be parsed.
pub(super) fn decode_json<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    known: &[&str],
    events: &mut Vec<StreamEvent>,
) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let mut record_unknown = |path: Path<'_>| {
        let path = render_path(&path);
        if known.binary_search(&path.as_str()).is_err() {
            events.push(StreamEvent::UnexpectedField(path));
        }
    };
    let read = serde_ignored::deserialize(&mut deserializer, &mut record_unknown).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    read.map_err(|_| explain_decode_error::<T>(json))
}

/// Parses again with path tracking, which is slower, to report where the error is.
fn explain_decode_error<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Failure {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let reason = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.path().to_string().starts_with(|c: char| c.is_alphanumeric()) => {
            format!("{}: {}", error.path(), error.inner())
        }
        Err(error) => error.inner().to_string(),
        Ok(_) => "more than one JSON value".to_owned(),
    };
    let excerpt: String = String::from_utf8_lossy(json).chars().take(120).collect();
    let message = format!("cannot parse the answer ({reason}): {excerpt}");
    Failure::new(FailureClass::Malformed, FailurePhase::Body, message)
}

/// The fields that have a value, as an object; `None` if none has.
pub(super) fn encode_known_fields<'a>(
    fields: impl IntoIterator<Item = (&'a str, Option<Value>)>,
) -> Option<Value> {
    let known = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let known: serde_json::Map<String, Value> = known.collect();
    (!known.is_empty()).then_some(Value::Object(known))
}

/// The counts that are known, as an object; `None` if all are unknown.
pub(super) fn encode_known_counts(counts: &[(&'static str, Option<TokenCount>)]) -> Option<Value> {
    encode_known_fields(counts.iter().map(|(name, count)| (*name, count.map(Value::from))))
}

/// The sum of both counts; `None` if one is unknown.
pub(super) fn sum_both(first: Option<TokenCount>, second: Option<TokenCount>) -> Option<TokenCount> {
    first.zip(second).map(|(first, second)| first.saturating_add(second))
}

/// Wire structs always serialize. If one ever fails, the server rejects the empty body.
pub(super) fn encode_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// A path such as `choices[].delta.x`. Indices are omitted, so that a new field in a thousand chunks is
/// reported once.
fn render_path(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, .. } => render_path(parent) + "[]",
        Path::Map { parent, key } => {
            let mut out = render_path(parent);
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(key);
            out
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            render_path(parent)
        }
    }
}

/// Like [`deserialize_count`], for tokens.
pub(super) fn deserialize_token_count<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TokenCount>, D::Error> {
    Ok(deserialize_count(deserializer)?.map(TokenCount::new))
}

/// A count that some servers send as a float, a string, or a negative number.
pub(super) fn deserialize_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct LenientCountVisitor;
    impl<'de> Visitor<'de> for LenientCountVisitor {
        type Value = Option<u64>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an integer")
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value.max(0).unsigned_abs()))
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
            // Real counts are far below 2^53, and absurd values may saturate.
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
    deserializer.deserialize_any(LenientCountVisitor)
}

/// A string that some servers send as a number.
pub(super) fn deserialize_string_or_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// Text as a string, as an array of typed parts, or absent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TextOrParts(pub Vec<TextPart>);

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct TextPart {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    /// Mistral's reasoning: text parts nested inside a part.
    pub thinking: Option<TextOrParts>,
    /// Databricks' reasoning.
    pub summary: Option<TextOrParts>,
}

impl<'de> Deserialize<'de> for TextOrParts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrPartsVisitor;
        impl<'de> Visitor<'de> for TextOrPartsVisitor {
            type Value = TextOrParts;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of parts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrParts, E> {
                self.visit_string(text.to_owned())
            }
            fn visit_string<E: Error>(self, text: String) -> Result<TextOrParts, E> {
                Ok(TextOrParts(vec![TextPart {
                    kind: "text".into(),
                    text: Some(text),
                    ..TextPart::default()
                }]))
            }
            fn visit_unit<E: Error>(self) -> Result<TextOrParts, E> {
                Ok(TextOrParts::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TextOrParts, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element::<TextPart>()? {
                    parts.push(part);
                }
                Ok(TextOrParts(parts))
            }
        }
        deserializer.deserialize_any(TextOrPartsVisitor)
    }
}

impl TextOrParts {
    /// All text at any depth.
    pub(super) fn joined_text(&self) -> String {
        self.0.iter().filter_map(|part| part.text.as_deref()).collect()
    }
}

/// Percent-encodes a URL path segment, except for letters, digits, and `plain`.
pub(crate) fn percent_encode(text: &str, plain: &[u8]) -> String {
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

/// Whether a part is plain text, so that its string can replace it. Extra fields such as `cache_control`
/// prevent that.
pub(super) fn is_plain_text_part(part: &Value) -> bool {
    part["type"] == "text" && part.as_object().is_some_and(|fields| fields.len() == 2)
}

/// The role name that most dialects share.
pub(super) fn role_name(message: &Message) -> &'static str {
    match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The HTTP status for a class, unless the dialect defines its own.
pub(super) fn default_error_status(class: FailureClass) -> u16 {
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

/// The failure of a 200 with an empty body.
pub(super) fn empty_body_failure() -> Failure {
    Failure::new(FailureClass::Empty, FailurePhase::Body, "the response body is empty")
}
