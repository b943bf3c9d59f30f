//! The results of pinging providers.

use serde_json::{Value, json};

use super::call_envelope::attempt_object;
use super::format::{
    format_cost, format_duration, pluralize, round_milliseconds, strip_control_chars, wrap_text,
};
use super::reasons::{describe_skip, describe_stop};
use super::report::SIMULATED_NOTE;
use super::table::{BORDERLESS_WIDTH, new_table, reserve_name_column};
use crate::catalog::Cost;
use crate::provider::{ModelRef, TargetError};
use crate::route::{CallRecord, SkipReason};

#[derive(Clone, Debug)]
pub(crate) struct PingResult {
    /// The model that was called, or would have been.
    pub model: ModelRef,
    pub is_simulated: bool,
    /// An error if the model could not be called.
    pub record: Result<CallRecord, TargetError>,
}

impl PingResult {
    /// Whether it was called and did not answer.
    pub(crate) fn has_failed(&self) -> bool {
        self.record.as_ref().is_ok_and(|record| record.outcome.is_err())
    }

    fn status(&self) -> &'static str {
        match &self.record {
            Err(_) => "not_pinged",
            Ok(record) if record.outcome.is_ok() => "ok",
            Ok(_) => "failed",
        }
    }

    fn describe_failure(&self) -> Option<String> {
        match &self.record {
            Err(error) => {
                let message = error.to_string();
                // Drop the part before the colon: it repeats the provider's name.
                Some(message.split_once(": ").map_or(message.clone(), |(_, rest)| rest.to_owned()))
            }
            Ok(record) => {
                let no_answer = record.outcome.as_ref().err()?;
                let skipped = || record.skipped.first().map(|(_, skip)| describe_skip(skip));
                let failed = no_answer.failure.as_ref().map(ToString::to_string);
                Some(failed.or_else(skipped).unwrap_or_else(|| describe_stop(no_answer.reason)))
            }
        }
    }
}

/// The real cost, without simulated calls.
fn total_cost(pinged: &[PingResult]) -> Cost {
    let real = pinged.iter().filter(|ping| !ping.is_simulated).filter_map(|ping| ping.record.as_ref().ok());
    Cost::sum(real.map(CallRecord::total_cost))
}

/// One row per provider. In a narrow table the result is below the name.
pub(crate) fn ping_table(pinged: &[PingResult], width: usize) -> String {
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
        let problem = ping.describe_failure().map(|text| strip_control_chars(&text)).unwrap_or_default();
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
    let called = pinged.iter().filter(|ping| ping.record.is_ok()).count();
    let failed = pinged.iter().filter(|ping| ping.has_failed()).count();
    let providers = pluralize(pinged.len(), "provider");
    let simulated = pinged.iter().any(|ping| ping.is_simulated);
    let exclusion = if simulated { " (excluding simulated cost)" } else { "" };
    let total = format_cost(total_cost(pinged));
    let mut foot =
        wrap_text(&format!("pinged {called} of {providers} · {failed} failed · {total}{exclusion}"), width);
    if simulated {
        foot.push_str(&wrap_text(SIMULATED_NOTE, width));
    }
    format!("{table}\n{foot}")
}

pub(crate) fn ping_json(pinged: &[PingResult], exit_code: u8) -> Value {
    let provider = |ping: &PingResult| {
        let record = ping.record.as_ref().ok();
        let cost = record.map(CallRecord::total_cost);
        let reason = match &ping.record {
            Err(error) => Some(SkipReason::TargetError(error.clone()).code()),
            Ok(_) => None,
        };
        let stop_reason = record.and_then(|record| Some(record.outcome.as_ref().err()?.reason.code()));
        json!({
            "provider": ping.model.provider, "model": ping.model.model, "simulated": ping.is_simulated,
            "result": ping.status(), "reason": reason, "problem": ping.describe_failure(), "stop_reason": stop_reason,
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
