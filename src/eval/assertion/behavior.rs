//! What an answer did rather than said: tools it called, why it ended, what it took.

use serde_json::{Map, Value};

use super::json::is_equal_json;
use super::{CallMetric, CheckOutcome, truncate};
use crate::chat::{FinishReason, ToolCall, pluralize};
use crate::eval::GradableAnswer;

/// One call must have the name and all the arguments; other calls and other arguments may be there too.
pub(super) fn check_tool_call(
    name: Option<&str>,
    arguments: &Map<String, Value>,
    answer: &GradableAnswer<'_>,
) -> CheckOutcome {
    let fits = |call: &&ToolCall| {
        name.is_none_or(|name| call.name == name)
            && arguments
                .iter()
                .all(|(key, wanted)| call.arguments.get(key).is_some_and(|v| is_equal_json(v, wanted)))
    };
    let Some(calls) = answer.tool_calls else {
        return CheckOutcome::Unscored("nobody said which tools this answer calls".into());
    };
    let shown = |call: &ToolCall| format!("{}({})", call.name, truncate(&call.arguments.to_string()));
    match calls.iter().find(fits) {
        Some(call) => CheckOutcome::PassFail(true, format!("called {}", shown(call))),
        None if calls.is_empty() => CheckOutcome::PassFail(false, "no tool was called".into()),
        None => {
            let calls: Vec<String> = calls.iter().take(5).map(shown).collect();
            CheckOutcome::PassFail(false, format!("called {}", calls.join(", ")))
        }
    }
}

pub(super) fn check_finish_reason(reasons: &[FinishReason], answer: &GradableAnswer<'_>) -> CheckOutcome {
    match answer.finish_reason {
        Some(reason) => CheckOutcome::PassFail(
            reasons.contains(&reason),
            format!("the finish reason is {}", reason.as_str()),
        ),
        None => CheckOutcome::Unscored("nobody said why this answer ended".into()),
    }
}

impl CallMetric {
    pub(super) fn check_limit(self, limit: f64, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let milliseconds = |took: std::time::Duration| took.as_secs_f64() * 1000.0;
        let found = match self {
            Self::LatencyMilliseconds => answer.latency.map(milliseconds),
            Self::FirstTokenMilliseconds => answer.first_token.map(milliseconds),
            Self::CostUsd => answer.cost_usd,
            // An estimate is no count.
            Self::OutputTokens => {
                answer.usage.output_tokens.filter(|_| !answer.usage.is_estimated).map(|count| count as f64)
            }
        };
        let Some(found) = found else {
            return CheckOutcome::Unscored(
                match self {
                    Self::LatencyMilliseconds => "the time of this answer is unknown",
                    Self::FirstTokenMilliseconds => "the time of this answer's first token is unknown",
                    Self::CostUsd => "the cost of this answer is unknown",
                    Self::OutputTokens => "the provider gave no count of output tokens",
                }
                .into(),
            );
        };
        let said = match self {
            Self::LatencyMilliseconds | Self::FirstTokenMilliseconds => {
                format!("{found:.0} ms, at most {limit} ms")
            }
            Self::CostUsd => format!("${found:.6}, at most ${limit}"),
            Self::OutputTokens => format!("{}, at most {limit}", pluralize(found as u64, "token")),
        };
        CheckOutcome::PassFail(found <= limit, said)
    }
}
