//! Assertions, from one-key maps to checks.

mod arguments;
mod checks;
mod files_read;
mod json;
mod judged;
mod table;

use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use self::arguments::Arguments;
pub(super) use self::files_read::FilesRead;
use self::table::{ASSERTIONS, Known, Scores, names};
use super::diagnostic::{Problem, nearest};
use super::identity::canonical;
use super::set_folder::SetFolder;
use super::tree::Tree;
use super::yaml::Located;
use crate::chat::Tool;
use crate::eval::{Assertion, Check, Combination, Kind};

/// An assertion as it is written: `- is-json`, `- contains: Paris`, `- contains: {value: Paris, weight: 2}`.
#[derive(Clone, Debug)]
pub(super) struct AssertionEntry(Located<Tree>);

impl<'de> Deserialize<'de> for AssertionEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Located::deserialize(deserializer).map(Self)
    }
}

impl AssertionEntry {
    /// The assertion of a column `assert:NAME`.
    pub(super) fn of_column(name: &str, argument: Value) -> Self {
        let key = Located { value: name.to_owned(), span: None };
        Self(Located { value: Tree::Map(vec![(key, Tree::without_place(argument))]), span: None })
    }

    /// All that it says.
    pub(super) fn value(&self) -> Value {
        self.0.value.value()
    }

    /// One that says this.
    pub(super) fn without_place(value: Value) -> Self {
        Self(Tree::without_place(value))
    }

    /// Its name and what stands after it.
    fn opened(&self) -> Result<(Located<String>, Option<Located<Tree>>), Problem> {
        let hint = "write `- contains: Paris`, or `- contains: {value: Paris, weight: 2}`";
        let wrong =
            |message: &str, span: Option<Range<usize>>, hint: &str| Err(Problem::new(message, span, hint));
        match &self.0.value {
            Tree::Scalar(Value::String(name)) => {
                Ok((Located { value: name.clone(), span: self.0.span.clone() }, None))
            }
            Tree::Map(fields) => match fields.as_slice() {
                [(name, argument)] => Ok((name.clone(), Some(argument.clone()))),
                [] => wrong("an empty map, where an assertion was expected", self.0.span.clone(), hint),
                [_, (second, _), ..] => wrong(
                    "an assertion is a map with one key",
                    second.span.clone(),
                    "put a `- ` before the next assertion; options stand in a map, as in `- contains: {value: Paris, weight: 2}`",
                ),
            },
            Tree::Scalar(_) | Tree::List(_) => {
                wrong("an assertion was expected here", self.0.span.clone(), hint)
            }
        }
    }
}

/// An assertion that was read.
#[derive(Debug)]
pub(super) struct Built {
    /// The assertion.
    pub assertion: Assertion,
    /// All that identifies it: file contents, not paths, and nothing of how it is written.
    pub identity: Value,
    /// What decides whether an answer passes it, but for `not-`.
    meaning: Value,
}

/// Why an assertion was not read.
#[derive(Debug)]
pub(super) struct Refused {
    /// What is wrong.
    pub problem: Problem,
    /// Whether it is the case that lacks something, rather than the assertion.
    pub of_case: bool,
}

/// What is wrong with an assertion, before it is known where to say so.
enum Wrong {
    /// The assertion itself.
    Here(String),
    /// The assertion itself, with what to do.
    Hinted(String, String),
    /// The case that it belongs to.
    Case(String),
    /// This.
    At(Problem),
    /// An assertion within it.
    Member(Refused),
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self::Here(why)
    }
}

impl From<&str> for Wrong {
    fn from(why: &str) -> Self {
        Self::Here(why.to_owned())
    }
}

/// What an assertion is made from, beside its own words.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
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
    pub files_read: &'a FilesRead,
}

/// Builds an assertion.
///
/// # Errors
/// What is wrong with it, at its name or at the option that is wrong.
pub(super) fn build(entry: &AssertionEntry, around: Surroundings<'_>) -> Result<Built, Refused> {
    let of_assertion = |problem| Refused { problem, of_case: false };
    let (name, argument) = entry.opened().map_err(of_assertion)?;
    let (negated, plain) = match name.value.strip_prefix("not-") {
        Some(rest) => (true, rest),
        None => (false, name.value.as_str()),
    };
    let known = ASSERTIONS
        .iter()
        .find(|known| known.name == plain)
        .ok_or_else(|| of_assertion(unknown(&name, negated, plain)))?;
    let mut arguments = Arguments::new(argument);
    read(known, &name.value, negated, &mut arguments, around).map_err(|wrong| {
        let here = |why: String, hint: String| {
            Problem::new(format!("`{}`: {why}", name.value), name.span.clone(), hint)
        };
        match wrong {
            Wrong::Here(why) => of_assertion(here(why, format!("write it as for example `- {}`", known.example))),
            Wrong::Hinted(why, hint) => of_assertion(here(why, hint)),
            Wrong::At(problem) => of_assertion(problem),
            Wrong::Case(why) => {
                let hint = "give the case a fitting `reference:`, or say in the assertion what the answer is held against";
                Refused { problem: here(why, hint.to_owned()), of_case: true }
            }
            Wrong::Member(refused) => refused,
        }
    })
}

fn unknown(name: &Located<String>, negated: bool, plain: &str) -> Problem {
    let hint = match nearest(plain, names()) {
        _ if plain == "pairwise" => {
            "two answers are held against each other by `slalom compare -m MODEL,MODEL --judge MODEL`"
                .to_owned()
        }
        Some(near) => format!("did you mean `{}{near}`?", if negated { "not-" } else { "" }),
        None => format!(
            "the assertions are {}, each also with `not-` before it",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    Problem::new(format!("unknown assertion `{}`", name.value), name.span.clone(), hint)
}

fn read(
    known: &Known,
    name: &str,
    negated: bool,
    arguments: &mut Arguments,
    around: Surroundings<'_>,
) -> Result<Built, Wrong> {
    let common: &[&str] =
        if known.scores == Scores::No { &["weight", "kind"] } else { &["weight", "kind", "threshold"] };
    // A misspelt option is why another one seems to be missing, so it is named first.
    arguments.only(name, &[known.options, common].concat())?;
    let weight = arguments.number("weight")?.unwrap_or(1.0);
    if !(0.0..=1e6).contains(&weight) {
        return Err("`weight` must be between 0 and a million".into());
    }
    let kind = match arguments.take("kind") {
        None => None,
        Some(Value::String(kind)) if kind == "format" => Some(Kind::Format),
        Some(Value::String(kind)) if kind == "content" => Some(Kind::Content),
        Some(_) => return Err("`kind` is `format` or `content`".into()),
    };
    let threshold = match arguments.number("threshold")? {
        Some(0.0) => {
            return Err(
                "every answer reaches a `threshold` of 0; it must be above that, and at most 1".into()
            );
        }
        Some(written) if !(0.0..=1.0).contains(&written) => {
            let why = "`threshold` must be above 0 and at most 1".to_owned();
            return Err(Wrong::Hinted(why, "write 0.8 for 80 %".to_owned()));
        }
        Some(written) => Some(written),
        None => match known.scores {
            Scores::From(usual) => Some(usual),
            Scores::No | Scores::AsMembers => None,
        },
    };
    let (check, parts, usual_kind) = if known.scores == Scores::AsMembers {
        combination(known.name, arguments, threshold, around)?
    } else {
        let (check, parts) = checks::read(known.name, arguments, around)?;
        (check, parts, known.kind)
    };
    arguments.all_taken(name)?;
    let kind = kind.unwrap_or(usual_kind);
    let meaning = canonical(json!([known.name, threshold, parts]));
    let identity = canonical(json!([name, weight, kind, threshold, parts]));
    Ok(Built {
        assertion: Assertion { name: name.to_owned(), negated, check, threshold, weight, kind },
        identity,
        meaning,
    })
}

/// `any-of` and `all-of`: about the form where all of their members are.
fn combination(
    name: &str,
    arguments: &mut Arguments,
    threshold: Option<f64>,
    around: Surroundings<'_>,
) -> Result<(Check, Value, Kind), Wrong> {
    let any = name == "any-of";
    let members = match arguments.take_tree("value") {
        Some(Tree::List(members)) if !members.is_empty() => members,
        _ => return Err("it needs a list of assertions".into()),
    };
    let members: Vec<Built> = members
        .into_iter()
        .map(|member| build(&AssertionEntry(member), around).map_err(Wrong::Member))
        .collect::<Result<_, _>>()?;
    let opposites = members.iter().enumerate().any(|(n, one)| {
        members[..n]
            .iter()
            .any(|other| one.meaning == other.meaning && one.assertion.negated != other.assertion.negated)
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
    let is_format = members.iter().all(|member| member.assertion.kind == Kind::Format);
    let members = members.into_iter().map(|member| member.assertion).collect();
    let check = Check::Combined(Combination { any, members, threshold });
    Ok((check, json!(identities), if is_format { Kind::Format } else { Kind::Content }))
}
