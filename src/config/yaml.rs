//! The one file that touches the YAML parser.

use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::{Error, Location};

use super::diagnostic::{ConfigError, Diagnostic, find_closest};

/// A file may be this long, in bytes.
const MAX_FILE_BYTES: usize = 64 << 20;

/// A value with its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub value: T,
    pub span: Option<Range<usize>>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_yaml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, span: byte_span(spanned.referenced) })
    }
}

/// A map in the file's order, each key with its place.
#[derive(Clone, Debug)]
pub(super) struct SpannedMap<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for SpannedMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for SpannedMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedMapVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedMapVisitor<T> {
            type Value = SpannedMap<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(SpannedMap(entries))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(SpannedMap::default())
            }
        }
        deserializer.deserialize_any(SpannedMapVisitor(PhantomData))
    }
}

/// A word, or a map with one key: the short and the long form of the same thing.
#[derive(Clone, Debug)]
pub(super) struct NameAndArgument {
    /// The word, or the key.
    pub name: Spanned<String>,
    /// What the key holds.
    pub argument: Option<Spanned<Value>>,
}

impl<'de> Deserialize<'de> for NameAndArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameAndArgumentVisitor;
        impl<'de> Visitor<'de> for NameAndArgumentVisitor {
            type Value = NameAndArgument;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word, or a map with one key")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(NameAndArgument { name: Spanned { value: word.to_owned(), span: None }, argument: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(name) = map.next_key()? else {
                    return Err(A::Error::custom("an empty map, where one key was expected"));
                };
                let argument = map.next_value()?;
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("a map with more than one key; put a `-` before each"));
                }
                Ok(NameAndArgument { name, argument: Some(argument) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom("a list, where a word or a map with one key was expected"))
            }
        }
        deserializer.deserialize_any(NameAndArgumentVisitor)
    }
}

/// A word, or a map that says more: the short and the long form of the same thing.
#[derive(Clone, Debug)]
pub(super) enum StringOrMap<T> {
    String(String),
    Map(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StringOrMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameAndArgumentVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for NameAndArgumentVisitor<T> {
            type Value = StringOrMap<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word or a map")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(StringOrMap::String(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(StringOrMap::Map)
            }
        }
        deserializer.deserialize_any(NameAndArgumentVisitor(PhantomData))
    }
}

/// Reads YAML into a type.
pub(super) fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, ConfigError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(ConfigError::for_file(
            path,
            format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20),
            "split it",
        ));
    }
    // Large golden sets are honest uses of many nodes; the file size bounds them well enough. Aliases are not.
    let budget = serde_yaml::budget! { max_nodes: 20_000_000, max_events: 60_000_000, max_total_scalar_bytes: MAX_FILE_BYTES };
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false, budget: budget };
    serde_yaml::from_str_with_options(text, options).map_err(|error| ConfigError {
        path: path.to_owned(),
        text: text.to_owned(),
        diagnostics: vec![explain_parse_error(&error, text)],
    })
}

fn explain_parse_error(error: &Error, text: &str) -> Diagnostic {
    let error = error.without_snippet();
    let span = error
        .location()
        .and_then(byte_span)
        .or_else(|| find_tab_indent(text).filter(|_| error.to_string().contains("tab")));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Diagnostic::new(format!("unknown key `{field}`"), span, did_you_mean(field, expected, "keys"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => Diagnostic::new(
            format!("unknown word `{variant}`"),
            span,
            did_you_mean(variant, expected, "words"),
        ),
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::new(format!("the key `{field}` is missing"), span, format!("add `{field}:`"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Diagnostic::new(
                format!("the key `{key}` stands here twice"),
                span,
                "remove or rename one of them",
            )
        }
        other => {
            let said = other.to_string();
            // The place is shown by the underline.
            let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
            if let Some(expected) = expected_scalar(message) {
                let found = span.clone().and_then(|s| text.get(s)).unwrap_or_default();
                let percent = found.strip_suffix('%').and_then(|found| found.trim().parse::<f64>().ok());
                let hint = match percent {
                    Some(percent) if expected == "a number" => {
                        format!("write {} for {percent} %", (percent * 1e7).round() / 1e9)
                    }
                    _ => format!("write {expected}"),
                };
                return Diagnostic::new(format!("`{found}` is not {expected}"), span, hint);
            }
            match PARSER_MESSAGES.iter().find(|(theirs, _, _)| message.contains(theirs)) {
                Some((_, ours, hint)) => Diagnostic::new(*ours, span, *hint),
                None => Diagnostic::new(message, span, "check the indentation, quotes and brackets there"),
            }
        }
    }
}

/// The first tab that indents a line: the parser names no place for it.
fn find_tab_indent(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = line.len() - line.trim_start_matches(' ').len();
        if line[at..].starts_with('\t') {
            return Some(start + at..start + at + 1);
        }
        start += line.len();
    }
    None
}

/// Messages of the parser that speak of its own affairs, in a reader's words: theirs, ours, what to do.
const PARSER_MESSAGES: &[(&str, &str, &str)] = &[
    (
        "expected a word or a map",
        "a name or a map was expected here",
        "write provider/model, or {model: provider/model, …}",
    ),
    ("null into string", "there is no text here", "write a text, or leave the key out"),
    ("from_str_multiple", "the file holds more than one document", "split it at the `---`"),
    ("non-finite", "this is no number", "write a number"),
    ("expected sequence start", "a list was expected here", "write [one, two], or a line with `- ` for each"),
    (
        "expected mapping start",
        "a map was expected here",
        "write {key: value}, or indented lines of `key: value`",
    ),
    (
        "expected string scalar",
        "a text was expected here",
        "write a text; quote it where it looks like something else",
    ),
    ("unexpected end of input", "the file ends too early, or is empty", "a file begins with `version: 1`"),
    ("recursion limit", "the file is nested too deeply", "no file needs more than a few levels"),
    ("tabs disallowed", "tabs cannot indent YAML", "indent with spaces"),
    ("found a tab", "tabs cannot indent YAML", "indent with spaces"),
];

/// What the parser's words for a wrong scalar ask for.
fn expected_scalar(message: &str) -> Option<&'static str> {
    Some(match message.strip_prefix("invalid ")? {
        kind if kind.starts_with(['u', 'i']) => "a whole number in range",
        kind if kind.starts_with('f') => "a number",
        kind if kind.starts_with("bool") => "true or false",
        _ => return None,
    })
}

fn did_you_mean(word: &str, expected: &[&str], what: &str) -> String {
    match find_closest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {what} known here are {}", expected.join(", ")),
    }
}

fn byte_span(location: Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len().unwrap_or(1)).ok()?;
    Some(start..start.saturating_add(length.max(1)))
}
