//! The interface to the YAML parser, and the only file that uses it.

use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::{Error, Location};

use super::diagnostic::{ConfigError, Diagnostic};
use crate::chat::find_closest;

/// Maximum size of a file.
const MAX_FILE_BYTES: usize = 64 << 20;

/// A value with its byte range in the text; `None` if it did not come from the text.
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

/// A map in the file's order. Every key has its span.
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

/// The short form, a string, or the long form, a map with one key: `bearer` or `header: NAME`.
#[derive(Clone, Debug)]
pub(super) struct NameAndArgument {
    /// The string, or the key of the map.
    pub name: Spanned<String>,
    /// The value of the map's key.
    pub argument: Option<Spanned<Value>>,
}

impl<'de> Deserialize<'de> for NameAndArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameAndArgumentVisitor;
        impl<'de> Visitor<'de> for NameAndArgumentVisitor {
            type Value = NameAndArgument;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, or a map with one key")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(NameAndArgument { name: Spanned { value: word.to_owned(), span: None }, argument: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(name) = map.next_key()? else {
                    return Err(A::Error::custom("expected a map with one key, found an empty map"));
                };
                let argument = map.next_value()?;
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom(
                        "expected a map with one key, found several (start each with `- `)",
                    ));
                }
                Ok(NameAndArgument { name, argument: Some(argument) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom("expected a string or a map with one key, found a list"))
            }
        }
        deserializer.deserialize_any(NameAndArgumentVisitor)
    }
}

/// The short form, a string, or the long form, a map with details.
#[derive(Clone, Debug)]
pub(super) enum StringOrMap<T> {
    String(String),
    Map(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StringOrMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrMapVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for StringOrMapVisitor<T> {
            type Value = StringOrMap<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a map")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(StringOrMap::String(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(StringOrMap::Map)
            }
        }
        deserializer.deserialize_any(StringOrMapVisitor(PhantomData))
    }
}

pub(super) fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, ConfigError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(ConfigError::for_file(
            path,
            format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20),
            "split the file",
        ));
    }
    // Large golden sets legitimately have many nodes, and the file size already bounds them. The default
    // budget still limits aliases.
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
            format!("unknown value `{variant}`"),
            span,
            did_you_mean(variant, expected, "values"),
        ),
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::new(format!("missing key `{field}`"), span, format!("add `{field}:`"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Diagnostic::new(format!("duplicate key `{key}`"), span, "remove or rename one of them")
        }
        other => {
            let text_with_location = other.to_string();
            // The underline already shows the location.
            let message = text_with_location
                .rsplit_once(" at line ")
                .map_or(text_with_location.as_str(), |(message, _)| message);
            if let Some(expected) = expected_scalar(message) {
                let found = span.clone().and_then(|s| text.get(s)).unwrap_or_default();
                if found
                    .trim()
                    .parse::<i128>()
                    .is_ok_and(|found| found >= 0 && expected.starts_with("an integer"))
                {
                    let message = format!("invalid value `{found}`: the number is too large");
                    return Diagnostic::new(message, span, "use a smaller number");
                }
                let percent = found.strip_suffix('%').and_then(|found| found.trim().parse::<f64>().ok());
                let hint = match percent {
                    Some(percent) if expected == "a number" => {
                        format!("write {} for {percent}%", (percent * 1e7).round() / 1e9)
                    }
                    _ if expected.starts_with("an integer") => "use a whole number, for example 3".to_owned(),
                    _ => format!("use {expected}"),
                };
                return Diagnostic::new(format!("invalid value `{found}`: expected {expected}"), span, hint);
            }
            match PARSER_MESSAGES.iter().find(|(theirs, _, _)| message.contains(theirs)) {
                Some((_, ours, hint)) => Diagnostic::new(*ours, span, *hint),
                None => Diagnostic::new(message, span, "check the indentation, quotes, and brackets"),
            }
        }
    }
}

/// Finds the first tab that indents a line, because the parser reports no location for it.
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

/// Replaces parser messages that use internal terms: part of the parser's message, our message, and hint.
const PARSER_MESSAGES: &[(&str, &str, &str)] = &[
    (
        "expected a string or a map",
        "expected a model name or a map",
        "write provider/model, or {model: provider/model, …}",
    ),
    ("null into string", "missing value: expected a string", "add a string, or remove the key"),
    ("from_str_multiple", "the file contains more than one YAML document", "split it at the `---`"),
    ("non-finite", "expected a finite number", "write a number"),
    ("expected sequence start", "expected a list", "use [one, two], or a line with `- ` for each item"),
    ("expected mapping start", "expected a map", "use {key: value}, or indented lines of `key: value`"),
    (
        "expected string scalar",
        "expected a string",
        "use a string (quote values that look like another type)",
    ),
    (
        "unexpected end of input",
        "unexpected end of file, or the file is empty",
        "start the file with `version: 1`",
    ),
    ("unclosed bracket", "unclosed bracket", "add the missing `]` or `}`"),
    ("recursion limit", "the file is nested too deeply", "reduce the nesting"),
    ("tabs disallowed", "tabs cannot indent YAML", "indent with spaces"),
    ("found a tab", "tabs cannot indent YAML", "indent with spaces"),
];

/// What a parser message about an invalid scalar expected.
fn expected_scalar(message: &str) -> Option<&'static str> {
    Some(match message.strip_prefix("invalid ")? {
        kind if kind.starts_with('u') => "an integer of 0 or more",
        kind if kind.starts_with('i') => "an integer",
        kind if kind.starts_with('f') => "a number",
        kind if kind.starts_with("bool") => "true or false",
        _ => return None,
    })
}

fn did_you_mean(word: &str, expected: &[&str], what: &str) -> String {
    match find_closest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of these {what}: {}", expected.join(", ")),
    }
}

fn byte_span(location: Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len().unwrap_or(1)).ok()?;
    Some(start..start.saturating_add(length.max(1)))
}
