//! A drill: one row for each rehearsed outage, and what the route made of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::call_envelope::attempt_object;
use super::format::{format_cost, format_duration, pluralize, round_milliseconds, strip_control_chars};
use super::table::new_table;
use crate::catalog::Cost;
use crate::chat::Failure;
use crate::eval::StructuredOutput;
use crate::provider::ModelRef;
use crate::route::{CallRecord, SkipReason};

/// What the columns beside the two of names need, lines between included.
const FIXED_COLUMNS_WIDTH: usize = 81;

/// What one more column for the schema needs.
const SCHEMA_COLUMN_WIDTH: usize = 9;

/// What a rehearsal says of the route's promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillVerdict {
    /// Somebody answered, in time and in shape.
    Passed,
    /// It was not; in words.
    Failed(String),
    /// Nobody was up, so there is nothing to hold the route to.
    NotApplicable,
}

/// One rehearsed outage.
#[derive(Clone, Debug)]
pub struct DrillResult {
    /// The candidates that were taken down.
    pub down: Vec<ModelRef>,
    /// The call.
    pub record: CallRecord,
    /// What came of the shape that was asked for.
    pub structured: Option<StructuredOutput>,
    /// Whether the first content came before the deadline; `None` where there was none for another reason.
    pub deadline_met: Option<bool>,
    /// What it says of the route's promise.
    pub verdict: DrillVerdict,
}

impl DrillResult {
    fn answered_by(&self) -> Option<&ModelRef> {
        self.record.outcome.as_ref().ok().map(|answer| &answer.model_ref)
    }

    /// From the call's start to the start of the attempt that answered: what failing before it took, waits included.
    fn failover_time(&self) -> Option<Duration> {
        self.answered_by().and(self.record.attempts.last()).map(|attempt| attempt.start_offset)
    }

    fn is_schema_valid(&self) -> Option<bool> {
        self.structured.as_ref().map(Result::is_ok)
    }

    /// Who was taken down, in words.
    fn describe_down(&self) -> String {
        match self.down.as_slice() {
            [model] => model.to_string(),
            all => format!("all {}", all.len()),
        }
    }

    /// Who answered, in words.
    fn describe_answered_by(&self) -> String {
        match self.answered_by() {
            Some(model) if self.record.is_simulated() => format!("{model} (sim)"),
            Some(model) => model.to_string(),
            None => "nobody".to_owned(),
        }
    }

    /// Attempts that failed although nobody had taken the candidate down.
    fn unplanned_failures(&self) -> impl Iterator<Item = (&ModelRef, &Failure)> {
        let up = self.record.attempts.iter().filter(|attempt| !self.down.contains(&attempt.model_ref));
        up.filter_map(|attempt| Some((&attempt.model_ref, attempt.failure.as_ref()?)))
    }
}

/// How the names stand, and how much stands beside them.
#[derive(Clone, Copy)]
struct DrillTableLayout {
    /// Who answered stands below who was down.
    is_stacked: bool,
    /// What the promise is made of is left out.
    hides_details: bool,
    has_schema_column: bool,
}

impl DrillTableLayout {
    /// The one with the most in it that breaks no name in the middle.
    fn fit(rehearsals: &[DrillResult], width: usize) -> Self {
        let longest = |cell: fn(&DrillResult) -> String| {
            rehearsals.iter().map(|rehearsal| cell(rehearsal).chars().count()).max().unwrap_or(0)
        };
        let (down, answered_by) =
            (longest(DrillResult::describe_down), longest(DrillResult::describe_answered_by));
        let has_schema_column = rehearsals.iter().any(|rehearsal| rehearsal.structured.is_some());
        let beside = FIXED_COLUMNS_WIDTH + if has_schema_column { SCHEMA_COLUMN_WIDTH } else { 0 };
        let is_stacked = width < down + answered_by + beside;
        let hides_details = is_stacked && width < down.max(answered_by + 2) + beside;
        Self { is_stacked, hides_details, has_schema_column }
    }

    fn header(self) -> Vec<&'static str> {
        let names: &[&str] =
            if self.is_stacked { &["down\n→ answered by"] } else { &["down", "answered by"] };
        let mut header =
            [names, &["switch", "answer after", "cost", "schema", "deadline", "promise"]].concat();
        header.retain(|name| self.has_column(name));
        header
    }

    fn has_column(self, column: &str) -> bool {
        match column {
            "answer after" | "deadline" => !self.hides_details,
            "schema" => !self.hides_details && self.has_schema_column,
            _ => true,
        }
    }

    fn row(self, rehearsal: &DrillResult) -> Vec<String> {
        let dash = || "–".to_owned();
        let met = |met: Option<bool>| match met {
            Some(true) => "met".to_owned(),
            Some(false) => "MISSED".to_owned(),
            None => dash(),
        };
        let promise = match &rehearsal.verdict {
            DrillVerdict::Passed => "kept",
            DrillVerdict::Failed(_) => "BROKEN",
            DrillVerdict::NotApplicable => "no answer, as it must be",
        };
        let (down, answered_by) = (rehearsal.describe_down(), rehearsal.describe_answered_by());
        let names = if self.is_stacked {
            vec![format!("{down}\n→ {answered_by}")]
        } else {
            vec![down, answered_by]
        };
        let after = rehearsal.answered_by().map_or_else(dash, |_| format_duration(rehearsal.record.latency));
        let figures = [
            ("switch", rehearsal.failover_time().map_or_else(dash, format_duration)),
            ("answer after", after),
            ("cost", format_cost(rehearsal.record.total_cost())),
            ("schema", met(rehearsal.is_schema_valid())),
            ("deadline", met(rehearsal.deadline_met)),
            ("promise", promise.to_owned()),
        ];
        let figures = figures.into_iter().filter(|(column, _)| self.has_column(column)).map(|(_, cell)| cell);
        names.into_iter().chain(figures).collect()
    }
}

/// The matrix of a drill: what was down, who answered, and whether the route kept its promise.
pub fn drill_table(route: &str, rehearsals: &[DrillResult], width: usize) -> String {
    let layout = DrillTableLayout::fit(rehearsals, width);
    let header = layout.header();
    let is_number = |at: &usize| matches!(header[*at], "switch" | "answer after" | "cost");
    let numbers: Vec<usize> = (0..header.len()).filter(is_number).collect();
    let mut table = new_table(width, &header, &numbers);
    for rehearsal in rehearsals {
        table.add_row(layout.row(rehearsal));
    }
    let calls = pluralize(rehearsals.len(), "call");
    let cost = format_cost(total_cost(rehearsals));
    let mut out =
        format!("drill of the route `{route}` · {calls} with simulated outages · {cost}\n{table}\n");
    out.push_str(&describe_unplanned_failures(rehearsals));
    for (model, skip) in skipped_candidates(rehearsals) {
        out.push_str(&format!("not part of the drill: {model} is left out: {skip}\n"));
    }
    if rehearsals.iter().any(|rehearsal| rehearsal.record.is_simulated()) {
        out.push_str("(sim): answers, prices and latencies come from slalom's simulator, not from a model\n");
    }
    let broken: Vec<String> = rehearsals
        .iter()
        .filter_map(|rehearsal| match &rehearsal.verdict {
            DrillVerdict::Failed(why) => Some(format!(
                "drill: FAILED: with {} down: {}\n",
                rehearsal.describe_down(),
                strip_control_chars(why)
            )),
            DrillVerdict::Passed | DrillVerdict::NotApplicable => None,
        })
        .collect();
    if broken.is_empty() { out + "drill: passed\n" } else { out + &broken.concat() }
}

/// Candidates that nobody took down and that failed all the same: each once, with its first failure.
fn describe_unplanned_failures(rehearsals: &[DrillResult]) -> String {
    let mut seen: Vec<(&ModelRef, &Failure, usize)> = Vec::new();
    for (model, failure) in rehearsals.iter().flat_map(DrillResult::unplanned_failures) {
        match seen.iter_mut().find(|(other, _, _)| *other == model) {
            Some((_, _, times)) => *times += 1,
            None => seen.push((model, failure, 1)),
        }
    }
    seen.iter().fold(String::new(), |out, (model, failure, times)| {
        let failure = strip_control_chars(&failure.to_string());
        out + &format!(
            "not part of the drill: {model} failed by itself, {}: {failure}\n",
            pluralize(*times, "time")
        )
    })
}

/// Candidates that the plan leaves out of every call.
fn skipped_candidates(rehearsals: &[DrillResult]) -> &[(ModelRef, SkipReason)] {
    rehearsals.first().map_or(&[], |rehearsal| &rehearsal.record.skipped)
}

fn total_cost(rehearsals: &[DrillResult]) -> Cost {
    Cost::sum(rehearsals.iter().map(|rehearsal| rehearsal.record.total_cost()))
}

/// `slalom.drill/1`: the same as JSON, with every attempt.
pub fn drill_json(route: &str, rehearsals: &[DrillResult], exit_code: u8) -> Value {
    let drills: Vec<Value> = rehearsals.iter().map(drill_result_json).collect();
    let left_out: Vec<Value> = skipped_candidates(rehearsals)
        .iter()
        .map(|(model, skip)| json!({"model": model.to_string(), "reason": skip.code()}))
        .collect();
    json!({
        "schema": "slalom.drill/1", "route": route, "simulated_outage": true, "drills": drills,
        "left_out": left_out, "cost_usd": total_cost(rehearsals).usd(), "exit_code": exit_code,
    })
}

fn drill_result_json(rehearsal: &DrillResult) -> Value {
    let record = &rehearsal.record;
    let (outcome, why) = match &rehearsal.verdict {
        DrillVerdict::Passed => ("kept", None),
        DrillVerdict::Failed(why) => ("broken", Some(why)),
        DrillVerdict::NotApplicable => ("no_answer", None),
    };
    json!({
        "down": rehearsal.down.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answered_by": rehearsal.answered_by().map(ToString::to_string),
        "switch_ms": rehearsal.failover_time().map(round_milliseconds), "latency_ms": round_milliseconds(record.latency),
        "cost_usd": record.total_cost().usd(), "cost_source": record.total_cost().source.name(),
        "schema_met": rehearsal.is_schema_valid(), "deadline_met": rehearsal.deadline_met,
        "attempts": record.attempts.iter().map(attempt_object).collect::<Vec<_>>(),
        "simulated": record.is_simulated(), "outcome": outcome, "why": why,
    })
}
