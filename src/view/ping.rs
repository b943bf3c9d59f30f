//! What came of asking providers whether they are there.

use serde_json::{Value, json};

use super::call_envelope::attempt_object;
use super::format::{
    format_cost, format_duration, pluralize, round_milliseconds, strip_control_chars, wrap_text,
};
use super::table::{BORDERLESS_WIDTH, new_table, reserve_name_column};
use crate::catalog::Cost;
use crate::provider::{ModelRef, TargetError};
use crate::route::{CallRecord, SkipReason};

/// One provider, and what came of asking it.
#[derive(Clone, Debug)]
pub struct PingResult {
    /// The model that was asked, or would have been.
    pub model: ModelRef,
    /// Whether it is the simulator's.
    pub is_simulated: bool,
    /// The call; or why there was none.
    pub record: Result<CallRecord, TargetError>,
}

impl PingResult {
    /// Whether it was asked and did not answer.
    pub fn has_failed(&self) -> bool {
        self.record.as_ref().is_ok_and(|record| record.outcome.is_err())
    }

    fn status(&self) -> &'static str {
        match &self.record {
            Err(_) => "not_pinged",
            Ok(record) if record.outcome.is_ok() => "ok",
            Ok(_) => "failed",
        }
    }

    /// What went wrong, in words.
    fn describe_failure(&self) -> Option<String> {
        match &self.record {
            Err(error) => {
                let words = error.to_string();
                // The provider's name stands before it already.
                Some(words.split_once(": ").map_or(words.clone(), |(_, rest)| rest.to_owned()))
            }
            Ok(record) => {
                let none = record.outcome.as_ref().err()?;
                let skipped = || record.skipped.first().map(|(_, skip)| skip.to_string());
                let failed = none.failure.as_ref().map(ToString::to_string);
                Some(failed.or_else(skipped).unwrap_or_else(|| none.reason.message()))
            }
        }
    }
}

/// What was owed for all of it; the simulator's prices are nobody's debt.
fn total_cost(pinged: &[PingResult]) -> Cost {
    let real = pinged.iter().filter(|ping| !ping.is_simulated).filter_map(|ping| ping.record.as_ref().ok());
    Cost::sum(real.map(CallRecord::total_cost))
}

/// One row a provider. Where the table is narrow, what came of it stands below the name.
pub fn ping_table(pinged: &[PingResult], width: usize) -> String {
    let wide = width >= BORDERLESS_WIDTH;
    let mut table = match wide {
        true => new_table(width, &["model", "result", "time", "cost"], &[2, 3]),
        false => new_table(width, &["model\n→ result", "time", "cost"], &[1, 2]),
    };
    let mut longest = 0;
    for ping in pinged {
        let mark = if ping.is_simulated { " (sim)" } else { "" };
        let name = format!("{}{mark}", ping.model);
        longest = longest.max(name.chars().count());
        let problem = ping.describe_failure().map(|words| strip_control_chars(&words)).unwrap_or_default();
        let result = match ping.status() {
            "ok" => "ok".to_owned(),
            "failed" => format!("FAILED: {problem}"),
            _ => format!("not pinged: {problem}"),
        };
        let dash = || "–".to_owned();
        let record = ping.record.as_ref().ok();
        let time = record.map_or_else(dash, |record| format_duration(record.latency));
        let cost = record.map_or_else(dash, |record| format_cost(record.total_cost()));
        match wide {
            true => table.add_row([name, result, time, cost]),
            false => table.add_row([format!("{name}\n→ {result}"), time, cost]),
        };
    }
    if wide {
        reserve_name_column(&mut table, longest, wide);
    }
    let asked = pinged.iter().filter(|ping| ping.record.is_ok()).count();
    let failed = pinged.iter().filter(|ping| ping.has_failed()).count();
    let providers = pluralize(pinged.len(), "provider");
    let simulated = pinged.iter().any(|ping| ping.is_simulated);
    let left_out = if simulated { " (the simulator's prices are left out)" } else { "" };
    let owed = format_cost(total_cost(pinged));
    let mut foot =
        wrap_text(&format!("pinged {asked} of {providers} · {failed} failed · {owed}{left_out}"), width);
    if simulated {
        let words = "(sim): answers, prices and latencies come from slalom's simulator, not from a model";
        foot.push_str(&wrap_text(words, width));
    }
    format!("{table}\n{foot}")
}

/// The same as JSON.
pub fn ping_json(pinged: &[PingResult], exit_code: u8) -> Value {
    let provider = |ping: &PingResult| {
        let record = ping.record.as_ref().ok();
        let cost = record.map(CallRecord::total_cost);
        let reason = match &ping.record {
            Err(error) => Some(SkipReason::TargetError(error.clone()).code()),
            Ok(_) => None,
        };
        json!({
            "provider": ping.model.provider, "model": ping.model.model, "simulated": ping.is_simulated,
            "result": ping.status(), "reason": reason, "problem": ping.describe_failure(),
            "latency_ms": record.map(|record| round_milliseconds(record.latency)),
            "first_token_ms": record.and_then(|record| record.first_token).map(round_milliseconds),
            "cost_usd": cost.and_then(Cost::usd), "cost_source": cost.map(|cost| cost.source.name()),
            "attempt": record.and_then(|record| record.attempts.last()).map(attempt_object),
        })
    };
    let providers: Vec<Value> = pinged.iter().map(provider).collect();
    json!({
        "schema": "slalom.ping/1", "providers": providers, "cost_usd": total_cost(pinged).usd(), "exit_code": exit_code,
    })
}
