//! Assertions: single checks on an answer, with one file per family of checks. It depends on `chat` and on
//! the answer and verdict types of its parent module.

mod behavior;
mod choice_and_numeric;
mod combination;
mod compile_cache;
mod grader_task;
mod json;
mod json_diff;
mod normalize_text;
mod refusal;
mod sequence_distance;
mod similarity;
mod text;

use std::sync::Arc;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

pub(crate) use choice_and_numeric::NumericTolerance;
pub(crate) use combination::Combination;
pub(crate) use compile_cache::{CompileCache, Pattern};
pub(crate) use grader_task::{
    GradeScale, GraderOutcome, GraderOutcomes, GraderProgram, GraderTask, JudgeQuestion, collect_grader_tasks,
};
pub(crate) use json::JsonPathTest;
pub(crate) use similarity::SimilarityMeasure;
pub(crate) use text::{LengthUnit, MatchPosition, TextMatch};

use super::{AssertionResult, GradableAnswer, Verdict};
use crate::chat::FinishReason;

/// A check with its negation, threshold, and weight.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// As written, including `not-`.
    pub name: String,
    pub negated: bool,
    pub check: Check,
    /// Minimum score to pass, for checks that give a score; `None` means 1.
    pub threshold: Option<f64>,
    /// Weight in the case's score; it does not affect the verdict.
    pub weight: f64,
    pub kind: AssertionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionKind {
    /// The form of the answer.
    Format,
    /// What the answer says.
    Content,
}

#[derive(Clone, Debug)]
pub enum Check {
    Text(TextMatch),
    Regex(Arc<Pattern>),
    Length {
        unit: LengthUnit,
        min: Option<usize>,
        max: Option<usize>,
    },
    IsJson,
    /// JSON anywhere in the text; it must match the schema, if there is one.
    ContainsJson(Option<Arc<jsonschema::Validator>>),
    JsonSchema(Arc<jsonschema::Validator>),
    JsonPath(Arc<JsonPath>, JsonPathTest),
    /// Share of JSON leaves equal to those of this reference. Gives a score.
    JsonDiff(Value),
    /// Similarity to a reference text. Gives a score.
    Similarity(SimilarityMeasure, String),
    /// One label out of several, ignoring formatting and surrounding text.
    Choice {
        options: Vec<String>,
        equals: String,
    },
    /// The last number in the text.
    Numeric {
        equals: f64,
        tolerance: NumericTolerance,
    },
    ToolCall {
        /// `None` means any tool.
        name: Option<String>,
        /// Required arguments; others are allowed.
        arguments: Map<String, Value>,
    },
    FinishReason(Vec<FinishReason>),
    Refusal,
    UpperLimit(CallMetric, f64),
    /// Judge, program, or embeddings. Gives a score.
    Grader(GraderTask),
    /// Several assertions together. Gives a score.
    Combined(Combination),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMetric {
    /// From sending the request to the last byte.
    LatencyMilliseconds,
    /// From sending the request to the first content.
    FirstTokenMilliseconds,
    CostUsd,
    /// Includes reasoning tokens.
    OutputTokens,
}

impl CallMetric {
    pub const ALL: [Self; 4] =
        [Self::LatencyMilliseconds, Self::FirstTokenMilliseconds, Self::CostUsd, Self::OutputTokens];
}

enum CheckOutcome {
    PassFail(bool, String),
    /// 0 to 1, with optional details; the threshold decides what passes.
    Scored(f64, String),
    ScoredPassFail(bool, f64, String),
    Unscored(String),
}

impl Assertion {
    pub fn grade(&self, answer: &GradableAnswer<'_>) -> AssertionResult {
        let to_score = |pass| f64::from(u8::from(pass));
        let (judged, reason) = match self.check.evaluate(answer) {
            CheckOutcome::PassFail(pass, reason) => (Some((pass, to_score(pass))), reason),
            CheckOutcome::ScoredPassFail(pass, score, reason) => (Some((pass, score)), reason),
            CheckOutcome::Scored(score, reason) => {
                let wanted = self.threshold.unwrap_or(1.0);
                let relation = if self.negated { "below" } else { "at least" };
                let reason = if reason.is_empty() { reason } else { format!("; {reason}") };
                // Tolerates a rounding error in the last bit.
                (
                    Some((score + 1e-12 >= wanted, score)),
                    format!("{score:.3}, expected {relation} {wanted}{reason}"),
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

    /// Includes nested assertions.
    pub fn has_limit_on(&self, metric: CallMetric) -> bool {
        match &self.check {
            Check::UpperLimit(own, _) => *own == metric,
            Check::Combined(combination) => {
                combination.members.iter().any(|member| member.has_limit_on(metric))
            }
            _ => false,
        }
    }

    /// Whether the assertion reads the text itself, so that a repair may change its result.
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
            // Graders are not called again for a repaired answer.
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
            Self::Regex(pattern) => text::check_regex(pattern.regex(), text),
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
            Self::UpperLimit(metric, limit) => metric.check_limit(*limit, answer),
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
