//! One check on an answer.

use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::numbers::numbers_in;
use super::{AssertionResult, Graded, Verdict};

/// One check on an answer, with what it counts for.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The name as it is written, `not-` included.
    pub name: String,
    /// Whether it passes where the check fails.
    pub negated: bool,
    /// The check.
    pub check: Check,
    /// What it counts for in the case's score; never in whether it passes.
    pub weight: f64,
    /// Whether it is about the form of an answer or about what it says.
    pub kind: Kind,
}

/// What an assertion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The form.
    Format,
    /// What is said.
    Content,
}

/// A check without its weight.
#[derive(Clone, Debug)]
pub enum Check {
    /// The text is, contains, starts or ends with others.
    Text(Comparison),
    /// A regular expression is found in the text.
    Regex(regex::Regex),
    /// The text is JSON.
    IsJson,
    /// The text is JSON that fits a schema.
    JsonSchema(Arc<jsonschema::Validator>),
    /// A place in the JSON holds what it should.
    JsonPath(JsonPath, PathTest),
    /// The number of words is within bounds.
    WordCount {
        /// At least so many.
        min: Option<usize>,
        /// At most so many.
        max: Option<usize>,
    },
    /// One label out of several, tolerant of decoration.
    Choice {
        /// All labels.
        options: Vec<String>,
        /// The right one.
        equals: String,
    },
    /// The last number of the text.
    Numeric {
        /// The right one.
        equals: f64,
        /// How far off it may be.
        tolerance: Tolerance,
    },
    /// A figure of the call is at most so much.
    AtMost(Quantity, f64),
}

/// How a text is compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Where the needle must be.
    pub place: Place,
    /// Whether case and the kind of letter are passed over.
    pub ignore_case: bool,
    /// The texts to look for.
    pub needles: Vec<String>,
    /// Whether all of them must be there, or any.
    pub all: bool,
}

/// Where a text must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole answer, but for white space around it.
    Whole,
    /// Anywhere.
    Anywhere,
    /// At its start.
    Start,
    /// At its end.
    End,
}

/// What a place in the JSON must hold.
#[derive(Clone, Debug)]
pub enum PathTest {
    /// Something, or nothing.
    Exists(bool),
    /// This very value.
    Equals(Value),
    /// A string in which this is found.
    Matches(regex::Regex),
}

/// How far off a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// By so much.
    Absolute(f64),
    /// By that share of the right number.
    Share(f64),
}

/// A figure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Milliseconds from the request leaving to the last byte.
    LatencyMilliseconds,
    /// Dollars.
    CostUsd,
}

/// What a check found: a pass or not, and why; or why it cannot be said.
enum Found {
    Pass(String),
    Fail(String),
    Unknown(String),
}

impl Found {
    fn of(pass: bool, reason: impl Into<String>) -> Self {
        if pass { Self::Pass(reason.into()) } else { Self::Fail(reason.into()) }
    }
}

impl Assertion {
    /// Grades an answer.
    pub fn grade(&self, answer: &Graded<'_>) -> AssertionResult {
        let (verdict, reason) = match (self.check.look(answer), self.negated) {
            (Found::Pass(reason), false) | (Found::Fail(reason), true) => (Verdict::Pass, reason),
            (Found::Fail(reason), false) | (Found::Pass(reason), true) => (Verdict::Fail, reason),
            (Found::Unknown(reason), _) => (Verdict::Unscored, reason),
        };
        let score = if verdict == Verdict::Pass { 1.0 } else { 0.0 };
        AssertionResult {
            name: self.name.clone(),
            verdict,
            score,
            reason,
            kind: self.kind,
            weight: self.weight,
        }
    }
}

impl Check {
    fn look(&self, answer: &Graded<'_>) -> Found {
        let text = answer.text;
        match self {
            Self::Text(comparison) => comparison.look(text),
            Self::Regex(regex) => match regex.find(text) {
                Some(found) => Found::Pass(format!("found {}", quoted(found.as_str()))),
                None => Found::Fail(format!("nothing matches {}", shortened(regex.as_str()))),
            },
            Self::IsJson => match json(text) {
                Ok(_) => Found::Pass("the answer is JSON".into()),
                Err(why) => Found::Fail(why),
            },
            Self::JsonSchema(schema) => match json(text) {
                Err(why) => Found::Fail(why),
                Ok(value) => match schema.iter_errors(&value).next() {
                    None => Found::Pass("the answer fits the schema".into()),
                    Some(error) => {
                        let place = error.instance_path().to_string();
                        let place = if place.is_empty() { "the answer" } else { place.as_str() };
                        Found::Fail(format!("{place}: {error}"))
                    }
                },
            },
            Self::JsonPath(path, test) => match json(text) {
                Err(why) => Found::Fail(why),
                Ok(value) => look_at(path, test, &value),
            },
            Self::WordCount { min, max } => {
                let words = text.split_whitespace().count();
                let fits = min.is_none_or(|min| words >= min) && max.is_none_or(|max| words <= max);
                Found::of(fits, format!("{words} words"))
            }
            Self::Choice { options, equals } => chosen(text, options, equals),
            Self::Numeric { equals, tolerance } => match numbers_in(text).last() {
                None => Found::Fail("no number in the answer".into()),
                Some(number) => {
                    let allowed = match tolerance {
                        Tolerance::Absolute(by) => *by,
                        Tolerance::Share(share) => share * equals.abs(),
                    };
                    // A hair of slack for what binary fractions do to decimal ones.
                    let slack = 1e-9 * equals.abs().max(1.0);
                    Found::of(
                        (number - equals).abs() <= allowed + slack,
                        format!("the last number is {number}, expected {equals}"),
                    )
                }
            },
            Self::AtMost(Quantity::LatencyMilliseconds, limit) => {
                let took = answer.latency.as_secs_f64() * 1000.0;
                Found::of(took <= *limit, format!("{took:.0} ms, at most {limit} ms"))
            }
            Self::AtMost(Quantity::CostUsd, limit) => match answer.cost_usd {
                None => Found::Unknown("the cost of this answer is unknown".into()),
                Some(cost) => Found::of(cost <= *limit, format!("${cost:.6}, at most ${limit}")),
            },
        }
    }
}

impl Comparison {
    fn look(&self, text: &str) -> Found {
        let fold = |s: &str| if self.ignore_case { s.to_lowercase() } else { s.to_owned() };
        let text = fold(text);
        let is_there = |needle: &&String| {
            let needle = fold(needle);
            match self.place {
                Place::Whole => text.trim() == needle.trim(),
                Place::Anywhere => text.contains(&needle),
                Place::Start => text.trim_start().starts_with(&needle),
                Place::End => text.trim_end().ends_with(&needle),
            }
        };
        let wording = match self.place {
            Place::Whole => "is",
            Place::Anywhere => "contains",
            Place::Start => "starts with",
            Place::End => "ends with",
        };
        let (present, missing): (Vec<&String>, Vec<&String>) = self.needles.iter().partition(|n| is_there(n));
        if self.all && missing.is_empty() || !self.all && !present.is_empty() {
            let found: Vec<String> = present.iter().map(|n| quoted(n)).collect();
            return Found::Pass(format!("the answer {wording} {}", found.join(", ")));
        }
        let missing: Vec<String> = missing.iter().map(|n| quoted(n)).collect();
        let negation = wording.replacen("is", "is not", 1).replacen("contains", "does not contain", 1);
        let negation = negation.replacen("starts with", "does not start with", 1).replacen(
            "ends with",
            "does not end with",
            1,
        );
        Found::Fail(format!("the answer {negation} {}", missing.join(if self.all { ", " } else { " or " })))
    }
}

fn look_at(path: &JsonPath, test: &PathTest, value: &Value) -> Found {
    let nodes = path.query(value).all();
    match (test, nodes.as_slice()) {
        (PathTest::Exists(wanted), nodes) => Found::of(
            nodes.is_empty() != *wanted,
            format!("{} at that path", if nodes.is_empty() { "nothing" } else { "something" }),
        ),
        (_, []) => Found::Fail("nothing at that path".into()),
        (PathTest::Equals(wanted), nodes) => {
            let same = nodes.iter().any(|found| same_json(found, wanted));
            Found::of(same, format!("found {}, expected {wanted}", list(nodes)))
        }
        (PathTest::Matches(regex), nodes) => {
            let text = |node: &Value| node.as_str().map_or_else(|| node.to_string(), str::to_owned);
            let found = nodes.iter().any(|node| regex.is_match(&text(node)));
            Found::of(
                found,
                format!(
                    "{} {} {}",
                    list(nodes),
                    if found { "matches" } else { "does not match" },
                    shortened(regex.as_str())
                ),
            )
        }
    }
}

/// Equal as JSON means it: 1 and 1.0 are one number.
fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        _ => a == b,
    }
}

fn list(nodes: &[&Value]) -> String {
    nodes.iter().map(|node| shortened(&node.to_string())).collect::<Vec<_>>().join(", ")
}

/// One option named as a whole word, and no other: `**B**`, `Answer: B.` and `"b"` all choose B.
fn chosen(text: &str, options: &[String], equals: &str) -> Found {
    let lower = text.to_lowercase();
    let places = |option: &str| -> Vec<std::ops::Range<usize>> {
        let option = option.to_lowercase();
        let whole_word = |at: &usize| {
            let (before, after) =
                (lower[..*at].chars().next_back(), lower[at + option.len()..].chars().next());
            ![before, after].into_iter().flatten().any(|c| c.is_alphanumeric() || c == '_')
        };
        lower
            .match_indices(&option)
            .map(|(at, _)| at)
            .filter(whole_word)
            .map(|at| at..at + option.len())
            .collect()
    };
    let all: Vec<_> = options.iter().map(|option| places(option)).collect();
    // An option that stands only inside a longer one ("low" in "very low") is not named by that.
    let inside = |place: &std::ops::Range<usize>| {
        all.iter()
            .flatten()
            .any(|other| other.len() > place.len() && other.start <= place.start && place.end <= other.end)
    };
    let named =
        |(_, places): &(&String, &Vec<std::ops::Range<usize>>)| places.iter().any(|place| !inside(place));
    let found: Vec<&String> = options.iter().zip(&all).filter(named).map(|(option, _)| option).collect();
    match found.as_slice() {
        [] => Found::Fail("none of the options is named".into()),
        [one] => Found::of(one.eq_ignore_ascii_case(equals), format!("chose {}", quoted(one))),
        many => {
            let many: Vec<String> = many.iter().map(|option| quoted(option)).collect();
            Found::Fail(format!("more than one option is named: {}", many.join(", ")))
        }
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text.trim()).map_err(|error| format!("the answer is not JSON: {error}"))
}

fn quoted(text: &str) -> String {
    format!("“{}”", shortened(text))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_owned() } else { text.chars().take(79).chain(['…']).collect() }
}
