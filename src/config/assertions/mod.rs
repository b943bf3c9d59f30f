//! Assertions of golden sets as written, with their positions. `eval` parses them; this module locates its
//! errors in the file and gives it access to files and templates. Depends on `eval` and on the diagnostics
//! and spanned values of `config`.

mod resources;

use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub(super) use self::resources::{AssertionCaches, CaseResources};
use super::diagnostic::Diagnostic;
use super::spanned_value::SpannedValue;
use super::yaml::Spanned;
use crate::eval::{AssertionContext, AssertionError, AssertionPart, BuiltAssertion, parse_assertion};

/// An assertion as written: `- is-json`, `- contains: Paris`, or `- contains: {value: Paris, weight: 2}`.
#[derive(Clone, Debug)]
pub(super) enum AssertionEntry {
    /// In the set file, with positions.
    Located(Spanned<SpannedValue>),
    /// From a column of a CSV or JSONL file, or from a stored case.
    Unlocated(Value),
}

impl<'de> Deserialize<'de> for AssertionEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self::Located)
    }
}

impl Serialize for AssertionEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Located(entry) => entry.value.serialize(serializer),
            Self::Unlocated(value) => value.serialize(serializer),
        }
    }
}

impl AssertionEntry {
    /// From a column `assert:NAME` of a CSV or JSONL file.
    pub(super) fn from_column(name: &str, argument: Value) -> Self {
        Self::Unlocated(Value::Object(Map::from_iter([(name.to_owned(), argument)])))
    }

    /// The assertions of a case, as serialized.
    pub(super) fn deserialize_stored<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Self>, D::Error> {
        let values = Vec::<Value>::deserialize(deserializer)?;
        Ok(values.into_iter().map(Self::Unlocated).collect())
    }

    pub(super) fn parse(&self, context: AssertionContext<'_>) -> Result<BuiltAssertion, AssertionDiagnostic> {
        let value = match self {
            Self::Located(entry) => entry.value.to_json(),
            Self::Unlocated(value) => value.clone(),
        };
        parse_assertion(value, context).map_err(|error| {
            let AssertionError { message, hint, part, is_case_fault } = error;
            let span = match self {
                Self::Located(entry) => locate_part(entry, &part),
                Self::Unlocated(_) => None,
            };
            AssertionDiagnostic { problem: Diagnostic::new(message, span, hint), is_case_fault }
        })
    }
}

#[derive(Debug)]
pub(super) struct AssertionDiagnostic {
    pub problem: Diagnostic,
    /// Whether the case lacks something that the assertion needs; otherwise the assertion itself is wrong.
    pub is_case_fault: bool,
}

/// The position of a part of an assertion.
fn locate_part(entry: &Spanned<SpannedValue>, part: &AssertionPart) -> Option<Range<usize>> {
    let SpannedValue::Map(fields) = &entry.value else { return entry.span.clone() };
    let (name, argument) = fields.first()?;
    match part {
        AssertionPart::Whole => entry.span.clone(),
        AssertionPart::Name => name.span.clone(),
        AssertionPart::SecondName => fields.get(1)?.0.span.clone(),
        AssertionPart::Option(option) => match &argument.value {
            SpannedValue::Map(options) => find_option(options, option)?.0.span.clone(),
            _ => argument.span.clone(),
        },
        AssertionPart::Member(index, part) => {
            let members = match &argument.value {
                SpannedValue::Map(options) => &find_option(options, "value")?.1.value,
                members => members,
            };
            let SpannedValue::List(members) = members else { return None };
            locate_part(members.get(*index)?, part)
        }
    }
}

type SpannedField = (Spanned<String>, Spanned<SpannedValue>);

fn find_option<'a>(options: &'a [SpannedField], name: &str) -> Option<&'a SpannedField> {
    options.iter().find(|(key, _)| key.value == name)
}
