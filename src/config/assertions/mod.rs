//! Parses assertions of golden sets, from one-key maps to checks with an identity for the case digest.
//! Depends on the check types in `eval` and on the diagnostics and spanned values of `config`.

mod caches;
mod checks;
mod grader_checks;
mod json_checks;
mod options;
mod specs;

use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

pub(super) use self::caches::AssertionCaches;
use self::options::AssertionOptions;
use self::specs::{ASSERTIONS, AssertionSpec, ScoringMode, assertion_names};
use super::case_digest::canonicalize;
use super::diagnostic::{Diagnostic, find_closest};
use super::set_folder::SetFolder;
use super::spanned_value::SpannedValue;
use super::yaml::Spanned;
use crate::chat::Tool;
use crate::eval::{Assertion, AssertionKind, Check, Combination};

/// An assertion as written: `- is-json`, `- contains: Paris`, or `- contains: {value: Paris, weight: 2}`.
#[derive(Clone, Debug)]
pub(super) struct AssertionEntry(Spanned<SpannedValue>);

impl<'de> Deserialize<'de> for AssertionEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl AssertionEntry {
    /// From a column `assert:NAME` of a CSV or JSONL file.
    pub(super) fn from_column(name: &str, argument: Value) -> Self {
        let key = Spanned { value: name.to_owned(), span: None };
        Self(Spanned { value: SpannedValue::Map(vec![(key, SpannedValue::from_json(argument))]), span: None })
    }

    pub(super) fn to_json(&self) -> Value {
        self.0.value.to_json()
    }

    pub(super) fn from_json(value: Value) -> Self {
        Self(SpannedValue::from_json(value))
    }

    /// Splits the entry into the assertion's name and its options.
    fn split_name(&self) -> Result<(Spanned<String>, Option<Spanned<SpannedValue>>), Diagnostic> {
        let hint = "write `- contains: Paris`, or `- contains: {value: Paris, weight: 2}`";
        let wrong =
            |message: &str, span: Option<Range<usize>>, hint: &str| Err(Diagnostic::new(message, span, hint));
        match &self.0.value {
            SpannedValue::Scalar(Value::String(name)) => {
                Ok((Spanned { value: name.clone(), span: self.0.span.clone() }, None))
            }
            SpannedValue::Map(fields) => match fields.as_slice() {
                [(name, argument)] => Ok((name.clone(), Some(argument.clone()))),
                [] => wrong("expected an assertion, found an empty map", self.0.span.clone(), hint),
                [_, (second, _), ..] => wrong(
                    "an assertion must be a map with a single key",
                    second.span.clone(),
                    "start the next assertion with `- `, or put options in a map: `- contains: {value: Paris, weight: 2}`",
                ),
            },
            SpannedValue::Scalar(_) | SpannedValue::List(_) => {
                wrong("expected an assertion", self.0.span.clone(), hint)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct BuiltAssertion {
    pub assertion: Assertion,
    /// Identifies the assertion in the case digest: file contents instead of paths, independent of notation.
    pub identity: Value,
    /// What decides whether an answer passes, ignoring `not-`. Detects contradictory members.
    pass_condition: Value,
}

#[derive(Debug)]
pub(super) struct AssertionDiagnostic {
    pub problem: Diagnostic,
    /// Whether the case lacks something that the assertion needs; otherwise the assertion itself is wrong.
    pub is_case_fault: bool,
}

/// An error in an assertion, before it has a location.
enum AssertionBuildError {
    /// The assertion is wrong; the hint shows an example of it.
    Assertion(String),
    WithHint(String, String),
    /// The case is wrong: it lacks something that the assertion needs.
    Case(String),
    Diagnostic(Diagnostic),
    /// An error in a member of `any-of` or `all-of`.
    Member(AssertionDiagnostic),
}

impl From<String> for AssertionBuildError {
    fn from(why: String) -> Self {
        Self::Assertion(why)
    }
}

impl From<&str> for AssertionBuildError {
    fn from(why: &str) -> Self {
        Self::Assertion(why.to_owned())
    }
}

/// Everything besides its own options that an assertion is built from.
#[derive(Clone, Copy)]
pub(super) struct AssertionContext<'a> {
    pub reference: Option<&'a str>,
    pub folder: &'a SetFolder,
    /// The tools that the request offers.
    pub tools: &'a [Tool],
    pub variables: &'a Map<String, Value>,
    /// The set's default judge.
    pub judge: Option<&'a str>,
    /// The set's default embedding model.
    pub embedding: Option<&'a str>,
    pub caches: &'a AssertionCaches,
}

/// Errors point to the assertion's name or to the invalid option.
pub(super) fn build_assertion(
    entry: &AssertionEntry,
    context: AssertionContext<'_>,
) -> Result<BuiltAssertion, AssertionDiagnostic> {
    let assertion_fault = |problem| AssertionDiagnostic { problem, is_case_fault: false };
    let (name, argument) = entry.split_name().map_err(assertion_fault)?;
    let (negated, plain) = match name.value.strip_prefix("not-") {
        Some(rest) => (true, rest),
        None => (false, name.value.as_str()),
    };
    let known = ASSERTIONS
        .iter()
        .find(|known| known.name == plain)
        .ok_or_else(|| assertion_fault(unknown_assertion(&name, negated, plain)))?;
    let mut arguments = AssertionOptions::new(argument);
    parse_assertion(known, &name.value, negated, &mut arguments, context).map_err(|wrong| {
        let at_name = |why: String, hint: String| {
            Diagnostic::new(format!("`{}`: {why}", name.value), name.span.clone(), hint)
        };
        match wrong {
            AssertionBuildError::Assertion(why) => {
                assertion_fault(at_name(why, format!("write, for example, `- {}`", known.example)))
            }
            AssertionBuildError::WithHint(why, hint) => assertion_fault(at_name(why, hint)),
            AssertionBuildError::Diagnostic(problem) => assertion_fault(problem),
            AssertionBuildError::Case(why) => {
                let hint =
                    "add a suitable `reference:` to the case, or set the expected value in the assertion";
                AssertionDiagnostic { problem: at_name(why, hint.to_owned()), is_case_fault: true }
            }
            AssertionBuildError::Member(error) => error,
        }
    })
}

fn unknown_assertion(name: &Spanned<String>, negated: bool, plain: &str) -> Diagnostic {
    let hint = match find_closest(plain, assertion_names()) {
        _ if plain == "pairwise" => {
            "run `slalom compare -m MODEL,MODEL --judge MODEL` to compare two answers".to_owned()
        }
        Some(near) => format!("did you mean `{}{near}`?", if negated { "not-" } else { "" }),
        None => format!(
            "use one of {}, optionally with the prefix `not-`",
            assertion_names().collect::<Vec<_>>().join(", ")
        ),
    };
    Diagnostic::new(format!("unknown assertion `{}`", name.value), name.span.clone(), hint)
}

fn parse_assertion(
    known: &AssertionSpec,
    name: &str,
    negated: bool,
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<BuiltAssertion, AssertionBuildError> {
    let common: &[&str] = if known.scores == ScoringMode::PassFail {
        &["weight", "kind"]
    } else {
        &["weight", "kind", "threshold"]
    };
    // Report a misspelled option first, because it often makes another one look missing.
    arguments.reject_unknown(name, &[known.options, common].concat())?;
    let weight = arguments.take_number("weight")?.unwrap_or(1.0);
    if !(0.0..=1e6).contains(&weight) {
        return Err("`weight` must be between 0 and 1,000,000".into());
    }
    let kind = match arguments.take("kind") {
        None => None,
        Some(Value::String(kind)) if kind == "format" => Some(AssertionKind::Format),
        Some(Value::String(kind)) if kind == "content" => Some(AssertionKind::Content),
        Some(_) => return Err("`kind` must be `format` or `content`".into()),
    };
    let threshold = match arguments.take_number("threshold")? {
        Some(0.0) => {
            return Err("`threshold` must be above 0 and at most 1: every answer reaches 0".into());
        }
        Some(written) if !(0.0..=1.0).contains(&written) => {
            let why = "`threshold` must be above 0 and at most 1".to_owned();
            return Err(AssertionBuildError::WithHint(why, "use 0.8 for 80%".to_owned()));
        }
        Some(written) => Some(written),
        None => match known.scores {
            ScoringMode::Threshold(default) => Some(default),
            ScoringMode::PassFail | ScoringMode::FromMembers => None,
        },
    };
    let (check, parts, default_kind) = if known.scores == ScoringMode::FromMembers {
        parse_combination(known.name, arguments, threshold, context)?
    } else {
        let (check, parts) = checks::parse_check(known.name, arguments, context)?;
        (check, parts, known.kind)
    };
    arguments.reject_unused(name)?;
    let kind = kind.unwrap_or(default_kind);
    let pass_condition = canonicalize(json!([known.name, threshold, parts]));
    let identity = canonicalize(json!([name, weight, kind, threshold, parts]));
    Ok(BuiltAssertion {
        assertion: Assertion { name: name.to_owned(), negated, check, threshold, weight, kind },
        identity,
        pass_condition,
    })
}

/// `any-of` and `all-of`: the kind is format only if all members are about the format.
fn parse_combination(
    name: &str,
    arguments: &mut AssertionOptions,
    threshold: Option<f64>,
    context: AssertionContext<'_>,
) -> Result<(Check, Value, AssertionKind), AssertionBuildError> {
    let any = name == "any-of";
    let members = match arguments.take_spanned("value") {
        Some(SpannedValue::List(members)) if !members.is_empty() => members,
        _ => return Err("expected a list of assertions".into()),
    };
    let members: Vec<BuiltAssertion> = members
        .into_iter()
        .map(|member| build_assertion(&AssertionEntry(member), context).map_err(AssertionBuildError::Member))
        .collect::<Result<_, _>>()?;
    let opposites = members.iter().enumerate().any(|(n, one)| {
        members[..n].iter().any(|other| {
            one.pass_condition == other.pass_condition && one.assertion.negated != other.assertion.negated
        })
    });
    if opposites && threshold.is_none() {
        let which = if any { "every answer passes" } else { "no answer passes both" };
        return Err(format!("contains an assertion and its negation: {which}").into());
    }
    let weights: f64 = members.iter().map(|member| member.assertion.weight).sum();
    if threshold.is_some() && !any && weights == 0.0 {
        return Err("`threshold` needs at least one member with a `weight` above 0".into());
    }
    let identities: Vec<Value> = members.iter().map(|member| member.identity.clone()).collect();
    let is_format = members.iter().all(|member| member.assertion.kind == AssertionKind::Format);
    let members = members.into_iter().map(|member| member.assertion).collect();
    let check = Check::Combined(Combination { is_any_of: any, members, threshold });
    Ok((check, json!(identities), if is_format { AssertionKind::Format } else { AssertionKind::Content }))
}
