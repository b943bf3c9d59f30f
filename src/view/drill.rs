//! The results of a drill: one row for each simulated outage.

use std::time::Duration;

use serde_json::{Value, json};

use super::call_envelope::attempt_object;
use super::format::{format_cost, format_duration, pluralize, round_milliseconds, strip_control_chars};
use super::reasons::{describe_skip, describe_stop};
use super::table::new_table;
use crate::catalog::Cost;
use crate::chat::Failure;
use crate::eval::StructuredOutput;
use crate::provider::ModelRef;
use crate::route::{CallRecord, SkipReason, StopReason};

/// Width of all columns but the two with names, including borders.
const FIXED_COLUMNS_WIDTH: usize = 74;

/// Width of the schema column, if there is one.
const SCHEMA_COLUMN_WIDTH: usize = 9;

/// Why a drilled call failed.
#[derive(Clone, Debug)]
pub(crate) enum DrillFailure {
    NoAnswer {
        reason: StopReason,
        /// The last failure of a candidate that was not down.
        unplanned: Option<(ModelRef, Failure)>,
    },
    SchemaMismatch(String),
    DeadlineMissed {
        deadline: Duration,
    },
}

impl DrillFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::NoAnswer { .. } => "no_answer",
            Self::SchemaMismatch(_) => "schema_mismatch",
            Self::DeadlineMissed { .. } => "deadline_missed",
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::NoAnswer { reason, unplanned } => {
                let unplanned = unplanned.as_ref().map(|(model, failure)| format!("; {model}: {failure}"));
                format!("no answer: {}{}", describe_stop(*reason), unplanned.unwrap_or_default())
            }
            Self::SchemaMismatch(why) => format!("the answer does not match the schema: {why}"),
            Self::DeadlineMissed { deadline } => {
                format!("the first token arrived after the deadline of {} s", deadline.as_secs_f64())
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum DrillVerdict {
    /// The answer arrived in time and matches the schema.
    Passed,
    Failed(Box<DrillFailure>),
    /// Every candidate was down, so no answer was expected.
    NotApplicable,
}

/// One simulated outage.
#[derive(Clone, Debug)]
pub(crate) struct DrillResult {
    /// The candidates with an injected fault.
    pub down: Vec<ModelRef>,
    pub record: CallRecord,
    pub structured: Option<StructuredOutput>,
    /// Whether the first token arrived before the deadline; `None` if it did not arrive for another reason.
    pub deadline_met: Option<bool>,
    pub verdict: DrillVerdict,
}

impl DrillResult {
    fn answered_by(&self) -> Option<&ModelRef> {
        self.record.outcome.as_ref().ok().map(|answer| &answer.model_ref)
    }

    /// Time from the start of the call to the attempt that answered, waits included.
    fn failover_time(&self) -> Option<Duration> {
        self.answered_by().and(self.record.attempts.last()).map(|attempt| attempt.start_offset)
    }

    fn is_schema_valid(&self) -> Option<bool> {
        self.structured.as_ref().map(Result::is_ok)
    }

    fn describe_down(&self) -> String {
        match self.down.as_slice() {
            [model] => model.to_string(),
            all => format!("all {}", all.len()),
        }
    }

    fn describe_answered_by(&self) -> String {
        match self.answered_by() {
            Some(model) if self.record.is_simulated() => format!("{model} (sim)"),
            Some(model) => model.to_string(),
            None => "none".to_owned(),
        }
    }

    /// Attempts that failed without an injected fault.
    fn unplanned_failures(&self) -> impl Iterator<Item = (&ModelRef, &Failure)> {
        let not_down = self.record.attempts.iter().filter(|attempt| !self.down.contains(&attempt.model_ref));
        not_down.filter_map(|attempt| Some((&attempt.model_ref, attempt.failure.as_ref()?)))
    }
}

/// The table layout, chosen by the available width.
#[derive(Clone, Copy)]
struct DrillTableLayout {
    /// Both names share one column.
    is_stacked: bool,
    /// Latency, deadline, and schema are hidden.
    hides_details: bool,
    has_schema_column: bool,
}

impl DrillTableLayout {
    /// The layout with the most columns that breaks no name.
    fn fit(results: &[DrillResult], width: usize) -> Self {
        let longest = |cell: fn(&DrillResult) -> String| {
            results.iter().map(|result| cell(result).chars().count()).max().unwrap_or(0)
        };
        let (down, answered_by) =
            (longest(DrillResult::describe_down), longest(DrillResult::describe_answered_by));
        let has_schema_column = results.iter().any(|result| result.structured.is_some());
        let other_width = FIXED_COLUMNS_WIDTH + if has_schema_column { SCHEMA_COLUMN_WIDTH } else { 0 };
        let is_stacked = width < down + answered_by + other_width;
        let hides_details = is_stacked && width < down.max(answered_by + 2) + other_width;
        Self { is_stacked, hides_details, has_schema_column }
    }

    fn header(self) -> Vec<&'static str> {
        let names: &[&str] =
            if self.is_stacked { &["down\n→ answered by"] } else { &["down", "answered by"] };
        let mut header = [names, &["failover", "latency", "cost", "schema", "deadline", "result"]].concat();
        header.retain(|name| self.has_column(name));
        header
    }

    fn has_column(self, column: &str) -> bool {
        match column {
            "latency" | "deadline" => !self.hides_details,
            "schema" => !self.hides_details && self.has_schema_column,
            _ => true,
        }
    }

    fn row(self, result: &DrillResult) -> Vec<String> {
        let dash = || "–".to_owned();
        let met = |met: Option<bool>| match met {
            Some(true) => "met".to_owned(),
            Some(false) => "MISSED".to_owned(),
            None => dash(),
        };
        let verdict = match &result.verdict {
            DrillVerdict::Passed => "passed",
            DrillVerdict::Failed(_) => "FAILED",
            DrillVerdict::NotApplicable => "no answer (expected)",
        };
        let (down, answered_by) = (result.describe_down(), result.describe_answered_by());
        let names = if self.is_stacked {
            vec![format!("{down}\n→ {answered_by}")]
        } else {
            vec![down, answered_by]
        };
        let latency = result.answered_by().map_or_else(dash, |_| format_duration(result.record.latency));
        let figures = [
            ("failover", result.failover_time().map_or_else(dash, format_duration)),
            ("latency", latency),
            ("cost", format_cost(result.record.total_cost())),
            ("schema", met(result.is_schema_valid())),
            ("deadline", met(result.deadline_met)),
            ("result", verdict.to_owned()),
        ];
        let figures = figures.into_iter().filter(|(column, _)| self.has_column(column)).map(|(_, cell)| cell);
        names.into_iter().chain(figures).collect()
    }
}

pub(crate) fn drill_table(route: &str, results: &[DrillResult], width: usize) -> String {
    let layout = DrillTableLayout::fit(results, width);
    let header = layout.header();
    let is_number = |at: &usize| matches!(header[*at], "failover" | "latency" | "cost");
    let numbers: Vec<usize> = (0..header.len()).filter(is_number).collect();
    let mut table = new_table(width, &header, &numbers);
    for result in results {
        table.add_row(layout.row(result));
    }
    let calls = pluralize(results.len(), "call");
    let cost = format_cost(total_cost(results));
    let mut out = format!("drill of route `{route}` · {calls} with simulated outages · {cost}\n{table}\n");
    out.push_str(&describe_unplanned_failures(results));
    for (model, skip) in skipped_candidates(results) {
        out.push_str(&format!("not part of the drill: {model} skipped: {}\n", describe_skip(skip)));
    }
    if results.iter().any(|result| result.record.is_simulated()) {
        out.push_str(
            "(sim): answers, prices, and latencies come from slalom's simulator, not from a model\n",
        );
    }
    let failures: Vec<String> = results
        .iter()
        .filter_map(|result| match &result.verdict {
            DrillVerdict::Failed(why) => Some(format!(
                "drill: FAILED: with {} down: {}\n",
                result.describe_down(),
                strip_control_chars(&why.describe())
            )),
            DrillVerdict::Passed | DrillVerdict::NotApplicable => None,
        })
        .collect();
    if failures.is_empty() { out + "drill: passed\n" } else { out + &failures.concat() }
}

/// Candidates that failed without an injected fault, each with its first failure.
fn describe_unplanned_failures(results: &[DrillResult]) -> String {
    let mut seen: Vec<(&ModelRef, &Failure, usize)> = Vec::new();
    for (model, failure) in results.iter().flat_map(DrillResult::unplanned_failures) {
        match seen.iter_mut().find(|(other, _, _)| *other == model) {
            Some((_, _, times)) => *times += 1,
            None => seen.push((model, failure, 1)),
        }
    }
    seen.iter().fold(String::new(), |out, (model, failure, times)| {
        let failure = strip_control_chars(&failure.to_string());
        out + &format!(
            "not part of the drill: {model} failed on its own ({}): {failure}\n",
            pluralize(*times, "time")
        )
    })
}

/// Candidates that the plan skips in every call.
fn skipped_candidates(results: &[DrillResult]) -> &[(ModelRef, SkipReason)] {
    results.first().map_or(&[], |result| &result.record.skipped)
}

fn total_cost(results: &[DrillResult]) -> Cost {
    Cost::sum(results.iter().map(|result| result.record.total_cost()))
}

/// The object `slalom.drill/1`, with every attempt.
pub(crate) fn drill_json(route: &str, results: &[DrillResult], exit_code: u8) -> Value {
    let drills: Vec<Value> = results.iter().map(drill_result_json).collect();
    let left_out: Vec<Value> = skipped_candidates(results)
        .iter()
        .map(|(model, skip)| json!({"model": model.to_string(), "reason": skip.code()}))
        .collect();
    json!({
        "schema": "slalom.drill/1", "route": route, "simulated_outage": true, "drills": drills,
        "left_out": left_out, "cost_usd": total_cost(results).usd(), "exit_code": exit_code,
    })
}

fn drill_result_json(result: &DrillResult) -> Value {
    let record = &result.record;
    let (outcome, why) = match &result.verdict {
        DrillVerdict::Passed => ("kept", None),
        DrillVerdict::Failed(why) => ("broken", Some(why)),
        DrillVerdict::NotApplicable => ("no_answer", None),
    };
    json!({
        "down": result.down.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answered_by": result.answered_by().map(ToString::to_string),
        "switch_ms": result.failover_time().map(round_milliseconds), "latency_ms": round_milliseconds(record.latency),
        "cost_usd": record.total_cost().usd(), "cost_source": record.total_cost().source.name(),
        "schema_met": result.is_schema_valid(), "deadline_met": result.deadline_met,
        "attempts": record.attempts.iter().map(attempt_object).collect::<Vec<_>>(),
        "simulated": record.is_simulated(), "outcome": outcome,
        "why": why.map(|why| why.describe()), "why_code": why.map(|why| why.code()),
    })
}
