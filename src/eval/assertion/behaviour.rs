//! What an answer did rather than said: tools it called, why it ended, what it took.

use serde_json::{Map, Value};

use super::json::same;
use super::{Found, Quantity, shortened};
use crate::chat::{FinishReason, ToolCall, counted};
use crate::eval::Graded;

/// One call must have the name and all the arguments; other calls and other arguments may be there too.
pub(super) fn called(name: Option<&str>, arguments: &Map<String, Value>, answer: &Graded<'_>) -> Found {
    let fits = |call: &&ToolCall| {
        name.is_none_or(|name| call.name == name)
            && arguments.iter().all(|(key, wanted)| call.arguments.get(key).is_some_and(|v| same(v, wanted)))
    };
    let Some(calls) = answer.tool_calls else {
        return Found::Unknown("nobody said which tools this answer calls".into());
    };
    let shown = |call: &ToolCall| format!("{}({})", call.name, shortened(&call.arguments.to_string()));
    match calls.iter().find(fits) {
        Some(call) => Found::Plain(true, format!("called {}", shown(call))),
        None if calls.is_empty() => Found::Plain(false, "no tool was called".into()),
        None => {
            let calls: Vec<String> = calls.iter().take(5).map(shown).collect();
            Found::Plain(false, format!("called {}", calls.join(", ")))
        }
    }
}

pub(super) fn ended(reasons: &[FinishReason], answer: &Graded<'_>) -> Found {
    match answer.finish_reason {
        Some(reason) => {
            Found::Plain(reasons.contains(&reason), format!("the finish reason is {}", reason.name()))
        }
        None => Found::Unknown("nobody said why this answer ended".into()),
    }
}

impl Quantity {
    pub(super) fn look(self, limit: f64, answer: &Graded<'_>) -> Found {
        let milliseconds = |took: std::time::Duration| took.as_secs_f64() * 1000.0;
        let found = match self {
            Self::LatencyMilliseconds => answer.latency.map(milliseconds),
            Self::FirstTokenMilliseconds => answer.first_token.map(milliseconds),
            Self::CostUsd => answer.cost_usd,
            // An estimate is no count.
            Self::OutputTokens => {
                answer.usage.output_tokens.filter(|_| !answer.usage.estimated).map(|count| count as f64)
            }
        };
        let Some(found) = found else {
            return Found::Unknown(
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
            Self::OutputTokens => format!("{}, at most {limit}", counted(found as u64, "token")),
        };
        Found::Plain(found <= limit, said)
    }
}
