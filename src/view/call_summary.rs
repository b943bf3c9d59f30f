//! The summary line after an answer.

use std::time::Duration;

use super::format::{format_cost, format_duration, pluralize};
use crate::chat::{FinishReason, TokenCount};
use crate::route::{CallAnswer, CallRecord};

/// `anthropic/claude-haiku-5-5 · 412 in, 96 out · $0.0009 · first token 0.31 s · 1.24 s · 1 failover`.
pub(crate) fn call_summary_line(record: &CallRecord, answer: &CallAnswer) -> String {
    let usage = answer.response.usage;
    let tokens = |count: Option<TokenCount>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let mut parts = vec![answer.model_ref.to_string()];
    if let Some(served) =
        answer.response.served_model.as_ref().filter(|served| **served != answer.model_ref.model)
    {
        parts[0].push_str(&format!(" (served by {served})"));
    }
    if record.is_simulated() {
        parts[0].push_str(" (simulated)");
    }
    parts.push(format!("{} in, {} out", tokens(usage.input_tokens), tokens(usage.output_tokens)));
    parts.push(format_cost(record.total_cost()));
    parts.extend(record.first_token.map(|first| format!("first token {}", format_duration(first))));
    parts.push(format_duration(record.latency));
    if record.queued_time >= Duration::from_millis(100) {
        parts.push(format!("{} queued", format_duration(record.queued_time)));
    }
    let retries = record.attempts.len() - 1 - record.failover_count();
    if retries > 0 {
        parts.push(if retries == 1 { "1 retry".to_owned() } else { format!("{retries} retries") });
    }
    if record.failover_count() > 0 {
        parts.push(pluralize(record.failover_count(), "failover"));
    }
    if !matches!(answer.response.finish_reason, FinishReason::Stop) {
        parts.push(format!("finish reason {}", answer.response.finish_reason.as_str()));
    }
    parts.join(" · ")
}
