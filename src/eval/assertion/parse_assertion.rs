//! Parses an assertion as written: `is-json`, `contains: Paris`, or `contains: {value: Paris, weight: 2}`.

use serde_json::Value;

use super::ASSERTIONS;
use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, BuiltAssertion, ScoringMode};
use super::check::Assertion;
use super::options::AssertionOptions;
use super::parse_error::{AssertionError, AssertionPart, OptionError};
use crate::chat::find_closest;
use crate::eval::verdict::AssertionKind;

/// Shown for an entry that has no name.
const ENTRY_HINT: &str = "write `- contains: Paris`, or `- contains: {value: Paris, weight: 2}`";

pub(crate) fn parse_assertion(
    entry: Value,
    context: AssertionContext<'_>,
) -> Result<BuiltAssertion, AssertionError> {
    let (name, argument) = split_name(entry)?;
    let (negated, plain) = match name.strip_prefix("not-") {
        Some(rest) => (true, rest),
        None => (false, name.as_str()),
    };
    let known = ASSERTIONS
        .iter()
        .find(|known| known.name == plain)
        .ok_or_else(|| unknown_assertion(&name, negated, plain))?;
    let parser = AssertionBuilder { known, name: &name, negated, context };
    parser.build(AssertionOptions::new(argument))
}

/// Splits an entry into the name of the assertion and its argument.
fn split_name(entry: Value) -> Result<(String, Option<Value>), AssertionError> {
    let wrong = |message: &str, part, hint: &str| {
        let (message, hint) = (message.to_owned(), hint.to_owned());
        Err(AssertionError { message, hint, part, is_case_fault: false })
    };
    match entry {
        Value::String(name) => Ok((name, None)),
        Value::Object(fields) if fields.len() > 1 => wrong(
            "an assertion must be a map with a single key",
            AssertionPart::SecondName,
            "start the next assertion with `- `, or put options in a map: `- contains: {value: Paris, weight: 2}`",
        ),
        Value::Object(fields) => match fields.into_iter().next() {
            Some((name, argument)) => Ok((name, Some(argument))),
            None => wrong("expected an assertion, found an empty map", AssertionPart::Whole, ENTRY_HINT),
        },
        _ => wrong("expected an assertion", AssertionPart::Whole, ENTRY_HINT),
    }
}

fn unknown_assertion(name: &str, negated: bool, plain: &str) -> AssertionError {
    let names = || ASSERTIONS.iter().map(|known| known.name);
    let hint = match find_closest(plain, names()) {
        _ if plain == "pairwise" => {
            "run `slalom compare -m MODEL,MODEL --judge MODEL` to compare two answers".to_owned()
        }
        Some(near) => format!("did you mean `{}{near}`?", if negated { "not-" } else { "" }),
        None => format!(
            "use one of {}, optionally with the prefix `not-`",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    let message = format!("unknown assertion `{name}`");
    AssertionError { message, hint, part: AssertionPart::Name, is_case_fault: false }
}

struct AssertionBuilder<'a> {
    known: &'a AssertionType,
    /// As written, including `not-`.
    name: &'a str,
    negated: bool,
    context: AssertionContext<'a>,
}

impl AssertionBuilder<'_> {
    fn build(&self, mut options: AssertionOptions) -> Result<BuiltAssertion, AssertionError> {
        // Report a misspelled option first, because it often makes another one look missing.
        self.reject_unknown(&options)?;
        let at_name = |error| self.locate_at_name(error);
        let weight = options.take_number("weight").map_err(at_name)?.unwrap_or(1.0);
        if !(0.0..=1e6).contains(&weight) {
            return Err(at_name("`weight` must be between 0 and 1,000,000".into()));
        }
        let kind = parse_kind(&mut options).map_err(at_name)?;
        let threshold = parse_threshold(&mut options, self.known.scoring).map_err(at_name)?;
        let parsed = match self.known.parser {
            AssertionParser::Options(parse) => parse(&mut options, self.context),
            AssertionParser::Members(parse) => parse(self.parse_members(&mut options)?, threshold),
        };
        let parsed = parsed.map_err(at_name)?;
        self.reject_unused(&options)?;
        let assertion = Assertion {
            name: self.name.to_owned(),
            negated: self.negated,
            check: parsed.check,
            threshold,
            weight,
            kind: kind.or(parsed.kind).unwrap_or(self.known.kind),
        };
        Ok(BuiltAssertion { assertion, check_identity: parsed.identity })
    }

    fn parse_members(&self, options: &mut AssertionOptions) -> Result<Vec<BuiltAssertion>, AssertionError> {
        let members = match options.take("value") {
            Some(Value::Array(members)) if !members.is_empty() => members,
            _ => return Err(self.locate_at_name("expected a list of assertions".into())),
        };
        let parse = |(index, member)| {
            parse_assertion(member, self.context).map_err(|error| {
                let part = AssertionPart::Member(index, Box::new(error.part));
                AssertionError { part, ..error }
            })
        };
        members.into_iter().enumerate().map(parse).collect()
    }

    fn reject_unknown(&self, options: &AssertionOptions) -> Result<(), AssertionError> {
        let common: &[&str] = match self.known.scoring {
            ScoringMode::PassFail => &["weight", "kind"],
            ScoringMode::Threshold(_) | ScoringMode::FromMembers => &["weight", "kind", "threshold"],
        };
        let known = || self.known.options.iter().chain(common).copied();
        let Some(unknown) = options.names().find(|name| known().all(|option| option != *name)) else {
            return Ok(());
        };
        let (message, hint) = match unknown {
            "value" => return Err(self.locate_at_name("expected a map of options".into())),
            "threshold" => (
                "takes no `threshold`: it only passes or fails".to_owned(),
                "remove it, or set `weight` to change the effect on the score".to_owned(),
            ),
            unknown => (
                format!("unknown option `{unknown}`"),
                match find_closest(unknown, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let shown: Vec<&str> = known().filter(|option| *option != "value").collect();
                        format!("use one of {}", shown.join(", "))
                    }
                },
            ),
        };
        Err(self.locate_at_option(unknown, &message, hint))
    }

    /// Rejects options that no parser took, because another option made them redundant.
    fn reject_unused(&self, options: &AssertionOptions) -> Result<(), AssertionError> {
        match options.names().next() {
            None => Ok(()),
            Some(unused) => {
                let message = format!("`{unused}` duplicates another option");
                Err(self.locate_at_option(unused, &message, "keep one of them".to_owned()))
            }
        }
    }

    fn locate_at_option(&self, option: &str, message: &str, hint: String) -> AssertionError {
        let message = format!("`{}`: {message}", self.name);
        AssertionError { message, hint, part: AssertionPart::Option(option.to_owned()), is_case_fault: false }
    }

    fn locate_at_name(&self, error: OptionError) -> AssertionError {
        let is_case_fault = matches!(error, OptionError::Case(_));
        let (why, hint) = match error {
            OptionError::Assertion(why) => (why, format!("write, for example, `- {}`", self.known.example)),
            OptionError::WithHint(why, hint) => (why, hint),
            OptionError::Case(why) => {
                let hint =
                    "add a suitable `reference:` to the case, or set the expected value in the assertion";
                (why, hint.to_owned())
            }
        };
        let message = format!("`{}`: {why}", self.name);
        AssertionError { message, hint, part: AssertionPart::Name, is_case_fault }
    }
}

fn parse_kind(options: &mut AssertionOptions) -> Result<Option<AssertionKind>, OptionError> {
    match options.take("kind") {
        None => Ok(None),
        Some(Value::String(kind)) if kind == "format" => Ok(Some(AssertionKind::Format)),
        Some(Value::String(kind)) if kind == "content" => Ok(Some(AssertionKind::Content)),
        Some(_) => Err("`kind` must be `format` or `content`".into()),
    }
}

fn parse_threshold(options: &mut AssertionOptions, scoring: ScoringMode) -> Result<Option<f64>, OptionError> {
    match options.take_number("threshold")? {
        Some(0.0) => Err("`threshold` must be above 0 and at most 1: every answer reaches 0".into()),
        Some(written) if !(0.0..=1.0).contains(&written) => {
            Err(OptionError::with_hint("`threshold` must be above 0 and at most 1", "use 0.8 for 80%"))
        }
        Some(written) => Ok(Some(written)),
        None => match scoring {
            ScoringMode::Threshold(default) => Ok(Some(default)),
            ScoringMode::PassFail | ScoringMode::FromMembers => Ok(None),
        },
    }
}
