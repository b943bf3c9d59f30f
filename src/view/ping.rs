//! What came of asking providers whether they are there.

use serde_json::{Value, json};

use super::envelope::attempt;
use super::format::{counted, harmless, milliseconds, money, seconds, wrapped};
use super::table::{NARROW, table, whole_names};
use crate::catalog::Cost;
use crate::provider::{ModelRef, TargetError};
use crate::route::{CallRecord, Skip};

/// One provider, and what came of asking it.
#[derive(Clone, Debug)]
pub struct Pinged {
    /// The model that was asked, or would have been.
    pub model: ModelRef,
    /// Whether it is the simulator's.
    pub simulated: bool,
    /// The call; or why there was none.
    pub record: Result<CallRecord, TargetError>,
}

impl Pinged {
    /// Whether it was asked and did not answer.
    pub fn has_failed(&self) -> bool {
        self.record.as_ref().is_ok_and(|record| record.outcome.is_err())
    }

    fn result(&self) -> &'static str {
        match &self.record {
            Err(_) => "not_pinged",
            Ok(record) if record.outcome.is_ok() => "ok",
            Ok(_) => "failed",
        }
    }

    /// What went wrong, in words.
    fn problem(&self) -> Option<String> {
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
                Some(failed.or_else(skipped).unwrap_or_else(|| none.why.words()))
            }
        }
    }
}

/// What was owed for all of it; the simulator's prices are nobody's debt.
fn owed(pinged: &[Pinged]) -> Cost {
    let real = pinged.iter().filter(|ping| !ping.simulated).filter_map(|ping| ping.record.as_ref().ok());
    Cost::sum(real.map(CallRecord::cost))
}

/// One row a provider. Where the table is narrow, what came of it stands below the name.
pub fn ping_table(pinged: &[Pinged], width: usize) -> String {
    let wide = width >= NARROW;
    let mut table = match wide {
        true => table(width, &["model", "result", "time", "cost"], &[2, 3]),
        false => table(width, &["model\n→ result", "time", "cost"], &[1, 2]),
    };
    let mut longest = 0;
    for ping in pinged {
        let mark = if ping.simulated { " (sim)" } else { "" };
        let name = format!("{}{mark}", ping.model);
        longest = longest.max(name.chars().count());
        let problem = ping.problem().map(|words| harmless(&words)).unwrap_or_default();
        let result = match ping.result() {
            "ok" => "ok".to_owned(),
            "failed" => format!("FAILED: {problem}"),
            _ => format!("not pinged: {problem}"),
        };
        let dash = || "–".to_owned();
        let record = ping.record.as_ref().ok();
        let time = record.map_or_else(dash, |record| seconds(record.latency));
        let cost = record.map_or_else(dash, |record| money(record.cost()));
        match wide {
            true => table.add_row([name, result, time, cost]),
            false => table.add_row([format!("{name}\n→ {result}"), time, cost]),
        };
    }
    if wide {
        whole_names(&mut table, longest, wide);
    }
    let asked = pinged.iter().filter(|ping| ping.record.is_ok()).count();
    let failed = pinged.iter().filter(|ping| ping.has_failed()).count();
    let providers = counted(pinged.len(), "provider");
    let simulated = pinged.iter().any(|ping| ping.simulated);
    let left_out = if simulated { " (the simulator's prices are left out)" } else { "" };
    let owed = money(owed(pinged));
    let mut foot =
        wrapped(&format!("pinged {asked} of {providers} · {failed} failed · {owed}{left_out}"), width);
    if simulated {
        let words = "(sim): answers, prices and latencies come from slalom's simulator, not from a model";
        foot.push_str(&wrapped(words, width));
    }
    format!("{table}\n{foot}")
}

/// The same as JSON.
pub fn ping_json(pinged: &[Pinged], exit_code: u8) -> Value {
    let provider = |ping: &Pinged| {
        let record = ping.record.as_ref().ok();
        let cost = record.map(CallRecord::cost);
        let reason = match &ping.record {
            Err(error) => Some(Skip::Target(error.clone()).name()),
            Ok(_) => None,
        };
        json!({
            "provider": ping.model.provider, "model": ping.model.model, "simulated": ping.simulated,
            "result": ping.result(), "reason": reason, "problem": ping.problem(),
            "latency_ms": record.map(|record| milliseconds(record.latency)),
            "first_token_ms": record.and_then(|record| record.first_token).map(milliseconds),
            "cost_usd": cost.and_then(Cost::usd), "cost_source": cost.map(|cost| cost.source.name()),
            "attempt": record.and_then(|record| record.attempts.last()).map(attempt),
        })
    };
    let providers: Vec<Value> = pinged.iter().map(provider).collect();
    json!({
        "schema": "slalom.ping/1", "providers": providers, "cost_usd": owed(pinged).usd(), "exit_code": exit_code,
    })
}
