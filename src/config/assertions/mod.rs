//! Assertions, from one-key maps to checks.

mod checks;
mod file_cache;
mod grader_checks;
mod json_checks;
mod options;
mod specs;

use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

pub(super) use self::file_cache::AssertionFileCache;
use self::options::AssertionOptions;
use self::specs::{ASSERTIONS, AssertionSpec, ScoringMode, assertion_names};
use super::case_digest::canonicalize;
use super::diagnostic::{Diagnostic, find_closest};
use super::set_folder::SetFolder;
use super::spanned_value::SpannedValue;
use super::yaml::Spanned;
use crate::chat::Tool;
use crate::eval::{Assertion, AssertionKind, Check, Combination};

/// An assertion as it is written: `- is-json`, `- contains: Paris`, `- contains: {value: Paris, weight: 2}`.
#[derive(Clone, Debug)]
pub(super) struct AssertionEntry(Spanned<SpannedValue>);

impl<'de> Deserialize<'de> for AssertionEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl AssertionEntry {
    /// The assertion of a column `assert:NAME`.
    pub(super) fn from_column(name: &str, argument: Value) -> Self {
        let key = Spanned { value: name.to_owned(), span: None };
        Self(Spanned { value: SpannedValue::Map(vec![(key, SpannedValue::from_json(argument))]), span: None })
    }

    /// All that it says.
    pub(super) fn to_json(&self) -> Value {
        self.0.value.to_json()
    }

    /// One that says this.
    pub(super) fn from_json(value: Value) -> Self {
        Self(SpannedValue::from_json(value))
    }

    /// Its name and what stands after it.
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
                [] => wrong("an empty map, where an assertion was expected", self.0.span.clone(), hint),
                [_, (second, _), ..] => wrong(
                    "an assertion is a map with one key",
                    second.span.clone(),
                    "put a `- ` before the next assertion; options stand in a map, as in `- contains: {value: Paris, weight: 2}`",
                ),
            },
            SpannedValue::Scalar(_) | SpannedValue::List(_) => {
                wrong("an assertion was expected here", self.0.span.clone(), hint)
            }
        }
    }
}

/// An assertion that was read.
#[derive(Debug)]
pub(super) struct BuiltAssertion {
    /// The assertion.
    pub assertion: Assertion,
    /// All that identifies it: file contents, not paths, and nothing of how it is written.
    pub identity: Value,
    /// What decides whether an answer passes it, but for `not-`.
    pass_condition: Value,
}

/// Why an assertion was not read.
#[derive(Debug)]
pub(super) struct AssertionDiagnostic {
    /// What is wrong.
    pub problem: Diagnostic,
    /// Whether it is the case that lacks something, rather than the assertion.
    pub is_case_fault: bool,
}

/// What is wrong with an assertion, before it is known where to say so.
enum AssertionBuildError {
    /// The assertion itself.
    Assertion(String),
    /// The assertion itself, with what to do.
    WithHint(String, String),
    /// The case that it belongs to.
    Case(String),
    /// This.
    Diagnostic(Diagnostic),
    /// An assertion within it.
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

/// What an assertion is made from, beside its own words.
#[derive(Clone, Copy)]
pub(super) struct AssertionContext<'a> {
    /// The case's reference.
    pub reference: Option<&'a str>,
    /// The set's folder.
    pub folder: &'a SetFolder,
    /// The tools that the model may call.
    pub tools: &'a [Tool],
    /// The case's variables.
    pub variables: &'a Map<String, Value>,
    /// Who judges, where the assertion does not say.
    pub judge: Option<&'a str>,
    /// Who makes vectors, where the assertion does not say.
    pub embedding: Option<&'a str>,
    /// What was read for other cases.
    pub files_read: &'a AssertionFileCache,
}

/// Builds an assertion.
///
/// # Errors
/// What is wrong with it, at its name or at the option that is wrong.
pub(super) fn build_assertion(
    entry: &AssertionEntry,
    around: AssertionContext<'_>,
) -> Result<BuiltAssertion, AssertionDiagnostic> {
    let of_assertion = |problem| AssertionDiagnostic { problem, is_case_fault: false };
    let (name, argument) = entry.split_name().map_err(of_assertion)?;
    let (negated, plain) = match name.value.strip_prefix("not-") {
        Some(rest) => (true, rest),
        None => (false, name.value.as_str()),
    };
    let known = ASSERTIONS
        .iter()
        .find(|known| known.name == plain)
        .ok_or_else(|| of_assertion(unknown_assertion(&name, negated, plain)))?;
    let mut arguments = AssertionOptions::new(argument);
    parse_assertion(known, &name.value, negated, &mut arguments, around).map_err(|wrong| {
        let here = |why: String, hint: String| {
            Diagnostic::new(format!("`{}`: {why}", name.value), name.span.clone(), hint)
        };
        match wrong {
            AssertionBuildError::Assertion(why) => of_assertion(here(why, format!("write it as for example `- {}`", known.example))),
            AssertionBuildError::WithHint(why, hint) => of_assertion(here(why, hint)),
            AssertionBuildError::Diagnostic(problem) => of_assertion(problem),
            AssertionBuildError::Case(why) => {
                let hint = "give the case a fitting `reference:`, or say in the assertion what the answer is held against";
                AssertionDiagnostic { problem: here(why, hint.to_owned()), is_case_fault: true }
            }
            AssertionBuildError::Member(refused) => refused,
        }
    })
}

fn unknown_assertion(name: &Spanned<String>, negated: bool, plain: &str) -> Diagnostic {
    let hint = match find_closest(plain, assertion_names()) {
        _ if plain == "pairwise" => {
            "two answers are held against each other by `slalom compare -m MODEL,MODEL --judge MODEL`"
                .to_owned()
        }
        Some(near) => format!("did you mean `{}{near}`?", if negated { "not-" } else { "" }),
        None => format!(
            "the assertions are {}, each also with `not-` before it",
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
    around: AssertionContext<'_>,
) -> Result<BuiltAssertion, AssertionBuildError> {
    let common: &[&str] = if known.scores == ScoringMode::PassFail {
        &["weight", "kind"]
    } else {
        &["weight", "kind", "threshold"]
    };
    // A misspelt option is why another one seems to be missing, so it is named first.
    arguments.reject_unknown(name, &[known.options, common].concat())?;
    let weight = arguments.take_number("weight")?.unwrap_or(1.0);
    if !(0.0..=1e6).contains(&weight) {
        return Err("`weight` must be between 0 and a million".into());
    }
    let kind = match arguments.take("kind") {
        None => None,
        Some(Value::String(kind)) if kind == "format" => Some(AssertionKind::Format),
        Some(Value::String(kind)) if kind == "content" => Some(AssertionKind::Content),
        Some(_) => return Err("`kind` is `format` or `content`".into()),
    };
    let threshold = match arguments.take_number("threshold")? {
        Some(0.0) => {
            return Err(
                "every answer reaches a `threshold` of 0; it must be above that, and at most 1".into()
            );
        }
        Some(written) if !(0.0..=1.0).contains(&written) => {
            let why = "`threshold` must be above 0 and at most 1".to_owned();
            return Err(AssertionBuildError::WithHint(why, "write 0.8 for 80 %".to_owned()));
        }
        Some(written) => Some(written),
        None => match known.scores {
            ScoringMode::Threshold(usual) => Some(usual),
            ScoringMode::PassFail | ScoringMode::FromMembers => None,
        },
    };
    let (check, parts, usual_kind) = if known.scores == ScoringMode::FromMembers {
        parse_combination(known.name, arguments, threshold, around)?
    } else {
        let (check, parts) = checks::parse_check(known.name, arguments, around)?;
        (check, parts, known.kind)
    };
    arguments.reject_unused(name)?;
    let kind = kind.unwrap_or(usual_kind);
    let meaning = canonicalize(json!([known.name, threshold, parts]));
    let identity = canonicalize(json!([name, weight, kind, threshold, parts]));
    Ok(BuiltAssertion {
        assertion: Assertion { name: name.to_owned(), negated, check, threshold, weight, kind },
        identity,
        pass_condition: meaning,
    })
}

/// `any-of` and `all-of`: about the form where all of their members are.
fn parse_combination(
    name: &str,
    arguments: &mut AssertionOptions,
    threshold: Option<f64>,
    around: AssertionContext<'_>,
) -> Result<(Check, Value, AssertionKind), AssertionBuildError> {
    let any = name == "any-of";
    let members = match arguments.take_spanned("value") {
        Some(SpannedValue::List(members)) if !members.is_empty() => members,
        _ => return Err("it needs a list of assertions".into()),
    };
    let members: Vec<BuiltAssertion> = members
        .into_iter()
        .map(|member| build_assertion(&AssertionEntry(member), around).map_err(AssertionBuildError::Member))
        .collect::<Result<_, _>>()?;
    let opposites = members.iter().enumerate().any(|(n, one)| {
        members[..n].iter().any(|other| {
            one.pass_condition == other.pass_condition && one.assertion.negated != other.assertion.negated
        })
    });
    if opposites && threshold.is_none() {
        let which = if any { "every answer passes" } else { "no answer passes both" };
        return Err(format!("it lists an assertion and its opposite, of which {which}").into());
    }
    let weights: f64 = members.iter().map(|member| member.assertion.weight).sum();
    if threshold.is_some() && !any && weights == 0.0 {
        return Err("a `threshold` needs a member whose `weight` is not 0".into());
    }
    let identities: Vec<Value> = members.iter().map(|member| member.identity.clone()).collect();
    let is_format = members.iter().all(|member| member.assertion.kind == AssertionKind::Format);
    let members = members.into_iter().map(|member| member.assertion).collect();
    let check = Check::Combined(Combination { is_any_of: any, members, threshold });
    Ok((check, json!(identities), if is_format { AssertionKind::Format } else { AssertionKind::Content }))
}
