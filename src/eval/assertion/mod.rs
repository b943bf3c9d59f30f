//! One check on an answer. Each family of checks has a file of its own.

mod behavior;
mod choice_and_numeric;
mod combination;
mod fold;
mod grader_task;
mod json;
mod json_diff;
mod refusal;
mod sequence_distance;
mod similarity;
mod text;

use std::sync::Arc;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

pub use choice_and_numeric::NumericTolerance;
pub use combination::Combination;
pub use grader_task::{
    GradeScale, GraderOutcome, GraderOutcomes, GraderProgram, GraderTask, JudgeQuestion, collect_grader_tasks,
};
pub use json::JsonPathTest;
pub use similarity::SimilarityMeasure;
pub use text::{LengthUnit, MatchPosition, TextMatch};

use super::{AssertionResult, GradableAnswer, Verdict};
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
    pub kind: AssertionKind,
}

/// What an assertion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionKind {
    /// The form.
    Format,
    /// What is said.
    Content,
}

/// A check without its weight.
#[derive(Clone, Debug)]
pub enum Check {
    /// The text is, contains, starts or ends with others.
    Text(TextMatch),
    /// A regular expression is found in the text.
    Regex(regex::Regex),
    /// The text is so long.
    Length {
        /// What is counted.
        unit: LengthUnit,
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
    JsonPath(JsonPath, JsonPathTest),
    /// How much of the JSON is as in this one. Scores.
    JsonDiff(Value),
    /// How like the text is to another. Scores.
    Similarity(SimilarityMeasure, String),
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
        tolerance: NumericTolerance,
    },
    /// A tool is called.
    ToolCall {
        /// The tool; any where there is no name.
        name: Option<String>,
        /// What its arguments must hold, beside whatever else they hold.
        arguments: Map<String, Value>,
    },
    /// The answer ended for one of these reasons.
    FinishReason(Vec<FinishReason>),
    /// The answer declines to answer.
    Refusal,
    /// A figure of the call is at most so much.
    UpperLimit(CallMetric, f64),
    /// What a judge, a program or vectors say. Scores.
    Grader(GraderTask),
    /// What several other assertions say together. Scores.
    Combined(Combination),
}

/// A figure of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMetric {
    /// Milliseconds from the request leaving to the last byte.
    LatencyMilliseconds,
    /// Milliseconds from the request leaving to the first content.
    FirstTokenMilliseconds,
    /// Dollars.
    CostUsd,
    /// Tokens that came out, reasoning included.
    OutputTokens,
}

impl CallMetric {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::LatencyMilliseconds, Self::FirstTokenMilliseconds, Self::CostUsd, Self::OutputTokens];
}

/// What a check found, and why.
enum CheckOutcome {
    /// Right or wrong, nothing between.
    PassFail(bool, String),
    /// 0 to 1, with whatever else there is to say; a threshold says what passes.
    Scored(f64, String),
    /// Right or wrong, with a score that says how far.
    ScoredPassFail(bool, f64, String),
    /// It cannot be said.
    Unscored(String),
}

impl Assertion {
    /// Grades an answer.
    pub fn grade(&self, answer: &GradableAnswer<'_>) -> AssertionResult {
        let share = |pass| f64::from(u8::from(pass));
        let (judged, reason) = match self.check.evaluate(answer) {
            CheckOutcome::PassFail(pass, reason) => (Some((pass, share(pass))), reason),
            CheckOutcome::ScoredPassFail(pass, score, reason) => (Some((pass, score)), reason),
            CheckOutcome::Scored(score, reason) => {
                let wanted = self.threshold.unwrap_or(1.0);
                let than = if self.negated { "under" } else { "at least" };
                let reason = if reason.is_empty() { reason } else { format!("; {reason}") };
                // Room for the last bit of a quotient.
                (
                    Some((score + 1e-12 >= wanted, score)),
                    format!("{score:.3}, wanted {than} {wanted}{reason}"),
                )
            }
            CheckOutcome::Unscored(reason) => (None, reason),
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
    pub fn has_limit_on(&self, quantity: CallMetric) -> bool {
        match &self.check {
            Check::UpperLimit(own, _) => *own == quantity,
            Check::Combined(combination) => {
                combination.members.iter().any(|member| member.has_limit_on(quantity))
            }
            _ => false,
        }
    }

    /// Whether it looks at the text at once, so that the same answer in another form may fare otherwise. What a repair
    /// cannot change stands as it was found.
    pub(super) fn is_text_based(&self) -> bool {
        match &self.check {
            Check::Text(_)
            | Check::Regex(_)
            | Check::Length { .. }
            | Check::IsJson
            | Check::ContainsJson(_)
            | Check::JsonSchema(_)
            | Check::JsonPath(..)
            | Check::JsonDiff(_)
            | Check::Similarity(..)
            | Check::Choice { .. }
            | Check::Numeric { .. }
            | Check::Refusal => true,
            // A judge has seen the answer as it came, and is not asked again.
            Check::ToolCall { .. } | Check::FinishReason(_) | Check::UpperLimit(..) | Check::Grader(_) => {
                false
            }
            Check::Combined(combination) => combination.members.iter().any(Self::is_text_based),
        }
    }
}

impl Check {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let text = answer.text;
        match self {
            Self::Text(comparison) => comparison.evaluate(text),
            Self::Regex(regex) => text::check_regex(regex, text),
            Self::Length { unit, min, max } => unit.check_length(*min, *max, text),
            Self::IsJson => json::check_is_json(text),
            Self::ContainsJson(schema) => json::check_contains_json(schema.as_deref(), text),
            Self::JsonSchema(schema) => json::check_schema(schema, text),
            Self::JsonPath(path, test) => test.evaluate(path, text),
            Self::JsonDiff(reference) => json_diff::evaluate(reference, text),
            Self::Similarity(measure, reference) => measure.evaluate(reference, text),
            Self::Choice { options, equals } => choice_and_numeric::check_choice(text, options, equals),
            Self::Numeric { equals, tolerance } => tolerance.evaluate(*equals, text),
            Self::ToolCall { name, arguments } => {
                behavior::check_tool_call(name.as_deref(), arguments, answer)
            }
            Self::FinishReason(reasons) => behavior::check_finish_reason(reasons, answer),
            Self::Refusal => refusal::check_refusal(answer),
            Self::UpperLimit(quantity, limit) => quantity.check_limit(*limit, answer),
            Self::Grader(task) => task.evaluate(answer),
            Self::Combined(combination) => combination.evaluate(answer),
        }
    }
}

fn quote(text: &str) -> String {
    format!("“{}”", truncate(text))
}

fn truncate(text: &str) -> String {
    if text.chars().nth(80).is_none() {
        text.to_owned()
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests;
