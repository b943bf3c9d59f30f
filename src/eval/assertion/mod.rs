//! One check on an answer. Each family of checks has a file of its own.

mod behaviour;
mod combined;
mod fold;
mod json;
mod json_diff;
mod judged;
mod likeness;
mod pick;
mod refusal;
mod sequence;
mod text;

use std::sync::Arc;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

pub use combined::Combination;
pub use json::PathTest;
pub use judged::{Finding, Findings, Program, Question, Scale, Task, tasks};
pub use likeness::Measure;
pub use pick::Tolerance;
pub use text::{Place, TextTest, Unit};

use super::{AssertionResult, Graded, Verdict};
use crate::chat::FinishReason;

/// One check on an answer, with what it counts for.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The name as it is written, `not-` included.
    pub name: String,
    /// Whether it passes where the check fails.
    pub negated: bool,
    /// The check.
    pub check: Check,
    /// The score at which it passes, where it has one.
    pub threshold: Option<f64>,
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
    Text(TextTest),
    /// A regular expression is found in the text.
    Regex(regex::Regex),
    /// The text is so long.
    Length {
        /// What is counted.
        unit: Unit,
        /// At least so many.
        min: Option<usize>,
        /// At most so many.
        max: Option<usize>,
    },
    /// The text is JSON.
    IsJson,
    /// Somewhere in the text is JSON, which fits a schema where there is one.
    ContainsJson(Option<Arc<jsonschema::Validator>>),
    /// The text is JSON that fits a schema.
    JsonSchema(Arc<jsonschema::Validator>),
    /// A place in the JSON holds what it should.
    JsonPath(JsonPath, PathTest),
    /// How much of the JSON is as in this one. Scores.
    JsonDiff(Value),
    /// How like the text is to another. Scores.
    Likeness(Measure, String),
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
    /// A tool is called.
    ToolCall {
        /// The tool; any where there is no name.
        name: Option<String>,
        /// What its arguments must hold, beside whatever else they hold.
        arguments: Map<String, Value>,
    },
    /// The answer ended for one of these reasons.
    Finish(Vec<FinishReason>),
    /// The answer declines to answer.
    Refusal,
    /// A figure of the call is at most so much.
    AtMost(Quantity, f64),
    /// What a judge, a program or vectors say. Scores.
    Judged(Task),
    /// What several other assertions say together. Scores.
    Combined(Combination),
}

/// A figure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Milliseconds from the request leaving to the last byte.
    LatencyMilliseconds,
    /// Milliseconds from the request leaving to the first content.
    FirstTokenMilliseconds,
    /// Dollars.
    CostUsd,
    /// Tokens that came out, reasoning included.
    OutputTokens,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::LatencyMilliseconds, Self::FirstTokenMilliseconds, Self::CostUsd, Self::OutputTokens];
}

/// What a check found, and why.
enum Found {
    /// Right or wrong, nothing between.
    Plain(bool, String),
    /// 0 to 1, with whatever else there is to say; a threshold says what passes.
    Scored(f64, String),
    /// Right or wrong, with a score that says how far.
    Judged(bool, f64, String),
    /// It cannot be said.
    Unknown(String),
}

impl Assertion {
    /// Grades an answer.
    pub fn grade(&self, answer: &Graded<'_>) -> AssertionResult {
        let share = |pass| f64::from(u8::from(pass));
        let (judged, reason) = match self.check.look(answer) {
            Found::Plain(pass, reason) => (Some((pass, share(pass))), reason),
            Found::Judged(pass, score, reason) => (Some((pass, score)), reason),
            Found::Scored(score, reason) => {
                let wanted = self.threshold.unwrap_or(1.0);
                let than = if self.negated { "under" } else { "at least" };
                let reason = if reason.is_empty() { reason } else { format!("; {reason}") };
                // Room for the last bit of a quotient.
                (
                    Some((score + 1e-12 >= wanted, score)),
                    format!("{score:.3}, wanted {than} {wanted}{reason}"),
                )
            }
            Found::Unknown(reason) => (None, reason),
        };
        let (verdict, score) = match judged {
            None => (Verdict::Unscored, 0.0),
            Some((pass, score)) => (
                if pass == self.negated { Verdict::Fail } else { Verdict::Pass },
                if self.negated { 1.0 - score } else { score },
            ),
        };
        AssertionResult {
            name: self.name.clone(),
            verdict,
            score,
            reason,
            kind: self.kind,
            weight: self.weight,
        }
    }

    /// Whether it, or one within it, looks at this figure of the call.
    pub fn asks_for(&self, quantity: Quantity) -> bool {
        match &self.check {
            Check::AtMost(own, _) => *own == quantity,
            Check::Combined(combination) => {
                combination.members.iter().any(|member| member.asks_for(quantity))
            }
            _ => false,
        }
    }

    /// Whether it looks at the text at once, so that the same answer in another form may fare otherwise. What a repair
    /// cannot change stands as it was found.
    pub(super) fn reads_text(&self) -> bool {
        match &self.check {
            Check::Text(_)
            | Check::Regex(_)
            | Check::Length { .. }
            | Check::IsJson
            | Check::ContainsJson(_)
            | Check::JsonSchema(_)
            | Check::JsonPath(..)
            | Check::JsonDiff(_)
            | Check::Likeness(..)
            | Check::Choice { .. }
            | Check::Numeric { .. }
            | Check::Refusal => true,
            // A judge has seen the answer as it came, and is not asked again.
            Check::ToolCall { .. } | Check::Finish(_) | Check::AtMost(..) | Check::Judged(_) => false,
            Check::Combined(combination) => combination.members.iter().any(Self::reads_text),
        }
    }
}

impl Check {
    fn look(&self, answer: &Graded<'_>) -> Found {
        let text = answer.text;
        match self {
            Self::Text(comparison) => comparison.look(text),
            Self::Regex(regex) => text::matched(regex, text),
            Self::Length { unit, min, max } => unit.look(*min, *max, text),
            Self::IsJson => json::whole(text),
            Self::ContainsJson(schema) => json::somewhere(schema.as_deref(), text),
            Self::JsonSchema(schema) => json::fits(schema, text),
            Self::JsonPath(path, test) => test.look(path, text),
            Self::JsonDiff(reference) => json_diff::look(reference, text),
            Self::Likeness(measure, reference) => measure.look(reference, text),
            Self::Choice { options, equals } => pick::chosen(text, options, equals),
            Self::Numeric { equals, tolerance } => tolerance.look(*equals, text),
            Self::ToolCall { name, arguments } => behaviour::called(name.as_deref(), arguments, answer),
            Self::Finish(reasons) => behaviour::ended(reasons, answer),
            Self::Refusal => refusal::look(answer),
            Self::AtMost(quantity, limit) => quantity.look(*limit, answer),
            Self::Judged(task) => task.look(answer),
            Self::Combined(combination) => combination.look(answer),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("“{}”", shortened(text))
}

fn shortened(text: &str) -> String {
    if text.chars().nth(80).is_none() {
        text.to_owned()
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests;
