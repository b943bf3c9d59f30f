//! A drill: one row for each rehearsed outage, and what the route made of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::envelope::attempt;
use super::format::{counted, harmless, milliseconds, money, seconds};
use super::table::table;
use crate::catalog::Cost;
use crate::chat::Failure;
use crate::eval::Structured;
use crate::provider::ModelRef;
use crate::route::{CallRecord, Skip};

/// What the columns beside the two of names need, lines between included.
const BESIDE_NAMES: usize = 81;

/// What one more column for the schema needs.
const SCHEMA_COLUMN: usize = 9;

/// What a rehearsal says of the route's promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Somebody answered, in time and in shape.
    Kept,
    /// It was not; in words.
    Broken(String),
    /// Nobody was up, so there is nothing to hold the route to.
    NoAnswer,
}

/// One rehearsed outage.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The candidates that were taken down.
    pub down: Vec<ModelRef>,
    /// The call.
    pub record: CallRecord,
    /// What came of the shape that was asked for.
    pub structured: Option<Structured>,
    /// Whether the first content came before the deadline; `None` where there was none for another reason.
    pub deadline_met: Option<bool>,
    /// What it says of the route's promise.
    pub promise: Promise,
}

impl Rehearsal {
    fn answered_by(&self) -> Option<&ModelRef> {
        self.record.outcome.as_ref().ok().map(|answer| &answer.model_ref)
    }

    /// From the call's start to the start of the attempt that answered: what failing before it took, waits included.
    fn switch(&self) -> Option<Duration> {
        self.answered_by().and(self.record.attempts.last()).map(|attempt| attempt.started)
    }

    fn schema_met(&self) -> Option<bool> {
        self.structured.as_ref().map(Result::is_ok)
    }

    /// Who was taken down, in words.
    fn who_is_down(&self) -> String {
        match self.down.as_slice() {
            [model] => model.to_string(),
            all => format!("all {}", all.len()),
        }
    }

    /// Who answered, in words.
    fn who_answers(&self) -> String {
        match self.answered_by() {
            Some(model) if self.record.simulated() => format!("{model} (sim)"),
            Some(model) => model.to_string(),
            None => "nobody".to_owned(),
        }
    }

    /// Attempts that failed although nobody had taken the candidate down.
    fn failed_by_itself(&self) -> impl Iterator<Item = (&ModelRef, &Failure)> {
        let up = self.record.attempts.iter().filter(|attempt| !self.down.contains(&attempt.model_ref));
        up.filter_map(|attempt| Some((&attempt.model_ref, attempt.failure.as_ref()?)))
    }
}

/// How the names stand, and how much stands beside them.
#[derive(Clone, Copy)]
struct Layout {
    /// Who answered stands below who was down.
    stacked: bool,
    /// What the promise is made of is left out.
    short: bool,
    with_schema: bool,
}

impl Layout {
    /// The one with the most in it that breaks no name in the middle.
    fn of(rehearsals: &[Rehearsal], width: usize) -> Self {
        let longest = |cell: fn(&Rehearsal) -> String| {
            rehearsals.iter().map(|rehearsal| cell(rehearsal).chars().count()).max().unwrap_or(0)
        };
        let (down, answered_by) = (longest(Rehearsal::who_is_down), longest(Rehearsal::who_answers));
        let with_schema = rehearsals.iter().any(|rehearsal| rehearsal.structured.is_some());
        let beside = BESIDE_NAMES + if with_schema { SCHEMA_COLUMN } else { 0 };
        let stacked = width < down + answered_by + beside;
        let short = stacked && width < down.max(answered_by + 2) + beside;
        Self { stacked, short, with_schema }
    }

    fn header(self) -> Vec<&'static str> {
        let names: &[&str] = if self.stacked { &["down\n→ answered by"] } else { &["down", "answered by"] };
        let mut header =
            [names, &["switch", "answer after", "cost", "schema", "deadline", "promise"]].concat();
        header.retain(|name| self.shows(name));
        header
    }

    fn shows(self, column: &str) -> bool {
        match column {
            "answer after" | "deadline" => !self.short,
            "schema" => !self.short && self.with_schema,
            _ => true,
        }
    }

    fn row(self, rehearsal: &Rehearsal) -> Vec<String> {
        let dash = || "–".to_owned();
        let met = |met: Option<bool>| match met {
            Some(true) => "met".to_owned(),
            Some(false) => "MISSED".to_owned(),
            None => dash(),
        };
        let promise = match &rehearsal.promise {
            Promise::Kept => "kept",
            Promise::Broken(_) => "BROKEN",
            Promise::NoAnswer => "no answer, as it must be",
        };
        let (down, answered_by) = (rehearsal.who_is_down(), rehearsal.who_answers());
        let names =
            if self.stacked { vec![format!("{down}\n→ {answered_by}")] } else { vec![down, answered_by] };
        let after = rehearsal.answered_by().map_or_else(dash, |_| seconds(rehearsal.record.latency));
        let figures = [
            ("switch", rehearsal.switch().map_or_else(dash, seconds)),
            ("answer after", after),
            ("cost", money(rehearsal.record.cost())),
            ("schema", met(rehearsal.schema_met())),
            ("deadline", met(rehearsal.deadline_met)),
            ("promise", promise.to_owned()),
        ];
        let figures = figures.into_iter().filter(|(column, _)| self.shows(column)).map(|(_, cell)| cell);
        names.into_iter().chain(figures).collect()
    }
}

/// The matrix of a drill: what was down, who answered, and whether the route kept its promise.
pub fn drill_table(route: &str, rehearsals: &[Rehearsal], width: usize) -> String {
    let layout = Layout::of(rehearsals, width);
    let header = layout.header();
    let is_number = |at: &usize| matches!(header[*at], "switch" | "answer after" | "cost");
    let numbers: Vec<usize> = (0..header.len()).filter(is_number).collect();
    let mut table = table(width, &header, &numbers);
    for rehearsal in rehearsals {
        table.add_row(layout.row(rehearsal));
    }
    let calls = counted(rehearsals.len(), "call");
    let cost = money(cost_of(rehearsals));
    let mut out =
        format!("drill of the route `{route}` · {calls} with simulated outages · {cost}\n{table}\n");
    out.push_str(&failed_by_themselves(rehearsals));
    for (model, skip) in left_out(rehearsals) {
        out.push_str(&format!("not part of the drill: {model} is left out: {skip}\n"));
    }
    if rehearsals.iter().any(|rehearsal| rehearsal.record.simulated()) {
        out.push_str("(sim): answers, prices and latencies come from slalom's simulator, not from a model\n");
    }
    let broken: Vec<String> = rehearsals
        .iter()
        .filter_map(|rehearsal| match &rehearsal.promise {
            Promise::Broken(why) => {
                Some(format!("drill: FAILED: with {} down: {}\n", rehearsal.who_is_down(), harmless(why)))
            }
            Promise::Kept | Promise::NoAnswer => None,
        })
        .collect();
    if broken.is_empty() { out + "drill: passed\n" } else { out + &broken.concat() }
}

/// Candidates that nobody took down and that failed all the same: each once, with its first failure.
fn failed_by_themselves(rehearsals: &[Rehearsal]) -> String {
    let mut seen: Vec<(&ModelRef, &Failure, usize)> = Vec::new();
    for (model, failure) in rehearsals.iter().flat_map(Rehearsal::failed_by_itself) {
        match seen.iter_mut().find(|(other, _, _)| *other == model) {
            Some((_, _, times)) => *times += 1,
            None => seen.push((model, failure, 1)),
        }
    }
    seen.iter().fold(String::new(), |out, (model, failure, times)| {
        let failure = harmless(&failure.to_string());
        out + &format!(
            "not part of the drill: {model} failed by itself, {}: {failure}\n",
            counted(*times, "time")
        )
    })
}

/// Candidates that the plan leaves out of every call.
fn left_out(rehearsals: &[Rehearsal]) -> &[(ModelRef, Skip)] {
    rehearsals.first().map_or(&[], |rehearsal| &rehearsal.record.skipped)
}

fn cost_of(rehearsals: &[Rehearsal]) -> Cost {
    Cost::sum(rehearsals.iter().map(|rehearsal| rehearsal.record.cost()))
}

/// `slalom.drill/1`: the same as JSON, with every attempt.
pub fn drill_json(route: &str, rehearsals: &[Rehearsal], exit_code: u8) -> Value {
    let drills: Vec<Value> = rehearsals.iter().map(rehearsal_json).collect();
    let left_out: Vec<Value> = left_out(rehearsals)
        .iter()
        .map(|(model, skip)| json!({"model": model.to_string(), "reason": skip.name()}))
        .collect();
    json!({
        "schema": "slalom.drill/1", "route": route, "simulated_outage": true, "drills": drills,
        "left_out": left_out, "cost_usd": cost_of(rehearsals).usd(), "exit_code": exit_code,
    })
}

fn rehearsal_json(rehearsal: &Rehearsal) -> Value {
    let record = &rehearsal.record;
    let (outcome, why) = match &rehearsal.promise {
        Promise::Kept => ("kept", None),
        Promise::Broken(why) => ("broken", Some(why)),
        Promise::NoAnswer => ("no_answer", None),
    };
    json!({
        "down": rehearsal.down.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answered_by": rehearsal.answered_by().map(ToString::to_string),
        "switch_ms": rehearsal.switch().map(milliseconds), "latency_ms": milliseconds(record.latency),
        "cost_usd": record.cost().usd(), "cost_source": record.cost().source.name(),
        "schema_met": rehearsal.schema_met(), "deadline_met": rehearsal.deadline_met,
        "attempts": record.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "simulated": record.simulated(), "outcome": outcome, "why": why,
    })
}
