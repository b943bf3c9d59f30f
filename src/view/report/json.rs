//! The results of an eval as JSON, serialized without a copy of all results in memory.

use std::io::{self, Write};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::EvalRun;
use crate::catalog::Cost;
use crate::eval::{CaseResult, SubjectSummary, Verdict};
use crate::view::baseline_comparison::comparison_json;
use crate::view::eval_failures::describe_case_failure;

/// The object `slalom.eval/1`.
#[derive(Serialize)]
struct JsonReport<'a> {
    schema: &'static str,
    runs: Vec<JsonRun<'a>>,
    exit_code: u8,
}

struct JsonRun<'a> {
    run: &'a EvalRun<'a>,
    has_results: bool,
}

struct JsonResults<'a>(&'a EvalRun<'a>);

impl Serialize for JsonResults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.subjects().flat_map(|(summary, results)| {
            results.iter().map(move |result| result_json(&summary.subject, result))
        }))
    }
}

impl Serialize for JsonRun<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &run_header(self.run) {
            map.serialize_entry(key, value)?;
        }
        if self.has_results {
            map.serialize_entry("results", &JsonResults(self.run))?;
        } else {
            map.serialize_entry("results", &[(); 0])?;
        }
        map.end()
    }
}

/// Everything but the results.
fn run_header(run: &EvalRun<'_>) -> Map<String, Value> {
    let set = json!({
        "name": run.set.name, "description": run.set.description, "digest": run.set.digest, "cases": run.cases.len(),
    });
    [
        ("run", json!(run.id)),
        ("complete", json!(run.is_complete)),
        ("repeats", json!(run.repeats)),
        ("set", set),
        ("subjects", run.summaries.iter().map(summary_json).collect()),
        ("comparison", run.comparisons.iter().map(comparison_json).collect()),
        ("gate", gate_json(run)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The code of each reason has the same index in `codes` as its sentence in `reasons`.
fn gate_json(run: &EvalRun<'_>) -> Value {
    json!({
        "passed": run.gate.is_passed(), "reasons": run.reasons().collect::<Vec<_>>(), "codes": run.gate.codes().collect::<Vec<_>>(),
    })
}

fn build_report<'a>(runs: &'a [EvalRun<'a>], exit_code: u8, results: bool) -> JsonReport<'a> {
    let runs = runs.iter().map(|run| JsonRun { run, has_results: results }).collect();
    JsonReport { schema: "slalom.eval/1", runs, exit_code }
}

/// All runs on one line, without results.
pub(crate) fn eval_json(runs: &[EvalRun<'_>], exit_code: u8) -> serde_json::Result<String> {
    serde_json::to_string(&build_report(runs, exit_code, false))
}

/// All runs with their results.
pub(super) fn write(runs: &[EvalRun<'_>], exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &build_report(runs, exit_code, true))?;
    out.write_all(b"\n")
}

fn summary_json(summary: &SubjectSummary) -> Value {
    let repairs: Map<String, Value> =
        summary.repair_counts.iter().map(|(repairs, count)| (repairs.to_string(), json!(count))).collect();
    json!({
        "subject": summary.subject, "simulated": summary.is_simulated, "passed": summary.passed, "failed": summary.failed,
        "unscored": summary.unscored, "pass_rate": summary.pass_rate, "interval": summary.pass_rate_interval.map(|(l, h)| [l, h]),
        "repaired_pass_rate": summary.repaired_pass_rate, "repairs": repairs, "mean_score": summary.mean_score,
        "score_interval": summary.score_interval.map(|(l, h)| [l, h]), "cost_usd": summary.cost.usd(), "cost_source": summary.cost.source.name(),
        "judge_cost_usd": summary.grader_usage.cost.usd(), "judge_cost_source": summary.grader_usage.cost.source.name(),
        "judge_calls": summary.grader_usage.calls, "judge_agreement": summary.grader_usage.agreement(), "judged_by_family": summary.same_family_judges,
        "cached": summary.cached_count, "cached_cost_usd": summary.cached_cost.usd(), "failovers": summary.failovers,
        "latency_ms": summary.latency_ms.map(|[p50, p95, p99]| json!({"p50": p50, "p95": p95, "p99": p99})),
        "usage": {"input_tokens": summary.usage.input_tokens, "output_tokens": summary.usage.output_tokens},
    })
}

pub(super) fn result_json(subject: &str, result: &CaseResult) -> Value {
    let assertions: Vec<Value> = result
        .assertions
        .iter()
        .map(|a| {
            let passed = match a.verdict {
                Verdict::Pass => Some(true),
                Verdict::Fail => Some(false),
                Verdict::Unscored => None,
            };
            json!({"name": a.name, "passed": passed, "score": passed.map(|_| a.score), "reason": a.reason, "kind": a.kind})
        })
        .collect();
    let milliseconds = |d: std::time::Duration| d.as_secs_f64() * 1000.0;
    json!({
        "case": result.case_id, "digest": result.digest, "subject": subject, "repeat": result.repeat, "verdict": result.verdict, "score": result.score,
        "text": result.text, "finish_reason": result.finish_reason.map(|f| f.as_str()), "assertions": assertions,
        "repaired_by": result.repaired_by.map(|repairs| repairs.to_string()),
        "failure": result.failure.as_ref().map(|failure| json!({"class": failure.class().as_str(), "message": describe_case_failure(failure)})),
        "served_by": result.served_by.as_ref().map(ToString::to_string), "failovers": result.failovers,
        "cost_usd": Cost::usd(result.cost), "judge_cost_usd": result.grader_usage.cost.usd(), "latency_ms": result.latency.map(milliseconds),
        "queued_ms": milliseconds(result.queued), "cached": result.cached_cost.is_some(),
    })
}
