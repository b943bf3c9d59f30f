//! The answer that assertions grade.

use std::time::Duration;

use super::grader_task::GraderOutcomes;
use crate::chat::{FinishReason, ToolCall, Usage};

/// What assertions can check. `None` means unknown.
#[derive(Clone, Copy, Debug)]
pub struct GradableAnswer<'a> {
    pub text: &'a str,
    pub tool_calls: Option<&'a [ToolCall]>,
    pub finish_reason: Option<FinishReason>,
    /// From sending the request to the last byte.
    pub latency: Option<Duration>,
    /// From sending the request to the first content.
    pub first_token: Option<Duration>,
    pub usage: Usage,
    pub cost_usd: Option<f64>,
    pub grader_outcomes: &'a GraderOutcomes,
}

impl<'a> GradableAnswer<'a> {
    /// An answer whose metadata is unknown.
    pub fn text(text: &'a str) -> Self {
        Self {
            text,
            tool_calls: None,
            finish_reason: None,
            latency: None,
            first_token: None,
            usage: Usage::default(),
            cost_usd: None,
            grader_outcomes: GraderOutcomes::NONE,
        }
    }
}
