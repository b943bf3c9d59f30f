//! The one file that touches the YAML parser.

use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::{Error, Location};

use super::diagnostic::{ConfigError, Problem, nearest};

/// A file may be this long, in bytes.
const LIMIT: usize = 64 << 20;

/// A value with its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub value: T,
    pub span: Option<Range<usize>>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_yaml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, span: span_of(spanned.referenced) })
    }
}

/// A map in the file's order, each key with its place.
#[derive(Clone, Debug)]
pub(super) struct Entries<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Entries(entries))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(Entries::default())
            }
        }
        deserializer.deserialize_any(InOrder(PhantomData))
    }
}

/// A word, or a map with one key: the short and the long form of the same thing.
#[derive(Clone, Debug)]
pub(super) struct ScalarOrMap {
    /// The word, or the key.
    pub name: Located<String>,
    /// What the key holds.
    pub argument: Option<Located<Value>>,
}

impl<'de> Deserialize<'de> for ScalarOrMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ScalarOrMap;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word, or a map with one key")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(ScalarOrMap { name: Located { value: word.to_owned(), span: None }, argument: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(name) = map.next_key()? else {
                    return Err(A::Error::custom("an empty map, where one key was expected"));
                };
                let argument = map.next_value()?;
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("a map with more than one key; put a `-` before each"));
                }
                Ok(ScalarOrMap { name, argument: Some(argument) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::custom("a list, where a word or a map with one key was expected"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A word, or a map that says more: the short and the long form of the same thing.
#[derive(Clone, Debug)]
pub(super) enum WordOr<T> {
    Word(String),
    Map(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word or a map")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Map)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// Reads YAML into a type.
pub(super) fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, ConfigError> {
    if text.len() > LIMIT {
        return Err(ConfigError::whole(
            path,
            format!("the file is larger than {} MiB", LIMIT >> 20),
            "split it",
        ));
    }
    // Large golden sets are honest uses of many nodes; the file size bounds them well enough. Aliases are not.
    let budget =
        serde_yaml::budget! { max_nodes: 20_000_000, max_events: 60_000_000, max_total_scalar_bytes: LIMIT };
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false, budget: budget };
    serde_yaml::from_str_with_options(text, options).map_err(|error| ConfigError {
        path: path.to_owned(),
        text: text.to_owned(),
        problems: vec![problem(&error, text)],
    })
}

fn problem(error: &Error, text: &str) -> Problem {
    let error = error.without_snippet();
    let span = error
        .location()
        .and_then(span_of)
        .or_else(|| first_tab(text).filter(|_| error.to_string().contains("tab")));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Problem::new(format!("unknown key `{field}`"), span, did_you_mean(field, expected, "keys"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Problem::new(format!("unknown word `{variant}`"), span, did_you_mean(variant, expected, "words"))
        }
        Error::SerdeMissingField { field, .. } => {
            Problem::new(format!("the key `{field}` is missing"), span, format!("add `{field}:`"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Problem::new(format!("the key `{key}` stands here twice"), span, "remove or rename one of them")
        }
        other => {
            let said = other.to_string();
            // The place is shown by the underline.
            let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
            if let Some(expected) = expected(message) {
                let found = span.clone().and_then(|s| text.get(s)).unwrap_or_default();
                let percent = found.strip_suffix('%').and_then(|found| found.trim().parse::<f64>().ok());
                let hint = match percent {
                    Some(percent) if expected == "a number" => {
                        format!("write {} for {percent} %", (percent * 1e7).round() / 1e9)
                    }
                    _ => format!("write {expected}"),
                };
                return Problem::new(format!("`{found}` is not {expected}"), span, hint);
            }
            match OWN_WORDS.iter().find(|(theirs, _, _)| message.contains(theirs)) {
                Some((_, ours, hint)) => Problem::new(*ours, span, *hint),
                None => Problem::new(message, span, "check the indentation, quotes and brackets there"),
            }
        }
    }
}

/// The first tab that indents a line: the parser names no place for it.
fn first_tab(text: &str) -> Option<Range<usize>> {
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
const OWN_WORDS: &[(&str, &str, &str)] = &[
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
fn expected(message: &str) -> Option<&'static str> {
    Some(match message.strip_prefix("invalid ")? {
        kind if kind.starts_with(['u', 'i']) => "a whole number in range",
        kind if kind.starts_with('f') => "a number",
        kind if kind.starts_with("bool") => "true or false",
        _ => return None,
    })
}

fn did_you_mean(word: &str, expected: &[&str], what: &str) -> String {
    match nearest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {what} known here are {}", expected.join(", ")),
    }
}

fn span_of(location: Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len().unwrap_or(1)).ok()?;
    Some(start..start.saturating_add(length.max(1)))
}
