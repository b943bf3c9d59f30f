//! Checks on tool calls, the finish reason, and metrics of the call.

use serde_json::{Map, Value};

use super::json::is_equal_json;
use super::{CallMetric, CheckOutcome, truncate};
use crate::chat::{FinishReason, ToolCall, pluralize};
use crate::eval::GradableAnswer;

/// Passes if one call matches the name and all arguments; other calls and arguments are allowed.
pub(super) fn check_tool_call(
    name: Option<&str>,
    arguments: &Map<String, Value>,
    answer: &GradableAnswer<'_>,
) -> CheckOutcome {
    let is_match = |call: &&ToolCall| {
        name.is_none_or(|name| call.name == name)
            && arguments
                .iter()
                .all(|(key, wanted)| call.arguments.get(key).is_some_and(|v| is_equal_json(v, wanted)))
    };
    let Some(calls) = answer.tool_calls else {
        return CheckOutcome::Unscored("the tool calls of this answer are unknown".into());
    };
    let format_call = |call: &ToolCall| format!("{}({})", call.name, truncate(&call.arguments.to_string()));
    match calls.iter().find(is_match) {
        Some(call) => CheckOutcome::PassFail(true, format!("called {}", format_call(call))),
        None if calls.is_empty() => CheckOutcome::PassFail(false, "no tool was called".into()),
        None => {
            let calls: Vec<String> = calls.iter().take(5).map(format_call).collect();
            CheckOutcome::PassFail(false, format!("called {}", calls.join(", ")))
        }
    }
}

pub(super) fn check_finish_reason(reasons: &[FinishReason], answer: &GradableAnswer<'_>) -> CheckOutcome {
    match answer.finish_reason {
        Some(reason) => {
            CheckOutcome::PassFail(reasons.contains(&reason), format!("finish reason {}", reason.as_str()))
        }
        None => CheckOutcome::Unscored("the finish reason of this answer is unknown".into()),
    }
}

impl CallMetric {
    pub(super) fn check_limit(self, limit: f64, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        let value = match self {
            Self::LatencyMilliseconds => answer.latency.map(milliseconds),
            Self::FirstTokenMilliseconds => answer.first_token.map(milliseconds),
            Self::CostUsd => answer.cost_usd,
            // An estimated count is not reliable enough.
            Self::OutputTokens => {
                answer.usage.output_tokens.filter(|_| !answer.usage.is_estimated).map(|count| count as f64)
            }
        };
        let Some(value) = value else {
            return CheckOutcome::Unscored(
                match self {
                    Self::LatencyMilliseconds => "the latency of this answer is unknown",
                    Self::FirstTokenMilliseconds => "the time to first token of this answer is unknown",
                    Self::CostUsd => "the cost of this answer is unknown",
                    Self::OutputTokens => "the provider did not report output tokens",
                }
                .into(),
            );
        };
        let reason = match self {
            Self::LatencyMilliseconds | Self::FirstTokenMilliseconds => {
                format!("{value:.0} ms (limit {limit} ms)")
            }
            Self::CostUsd => format!("${value:.6} (limit ${limit})"),
            Self::OutputTokens => format!("{} (limit {limit})", pluralize(value as u64, "token")),
        };
        CheckOutcome::PassFail(value <= limit, reason)
    }
}
