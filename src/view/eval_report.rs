//! The results of an eval as JSON and CSV.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::comparison::comparison_json;
use crate::catalog::Cost;
use crate::eval::{Case, CaseResult, Comparison, GateReport, Results, Set, Summary, Verdict};

/// One golden set, run against its subjects.
#[derive(Clone, Copy, Debug)]
pub struct EvalRun<'a> {
    /// The id of the run.
    pub id: &'a str,
    /// The set.
    pub set: &'a Set,
    /// Those of its cases that were run; figures name them by their place here.
    pub cases: &'a [Case],
    /// How often each of them was asked.
    pub repeats: u32,
    /// Whether all of that was done.
    pub is_whole: bool,
    /// The figures of each subject.
    pub summaries: &'a [Summary],
    /// The results of each subject, in the same order.
    pub results: &'a [Results],
    /// How subjects stand to the baseline, where there is one.
    pub comparisons: &'a [Comparison],
    /// What the gate says.
    pub gate: &'a GateReport,
}

/// `slalom.eval/1`: the figures, and with `results` every case.
pub fn eval_json(runs: &[EvalRun<'_>], exit_code: u8, results: bool) -> Value {
    let runs: Vec<Value> = runs.iter().map(|run| run_json(run, results)).collect();
    json!({"schema": "slalom.eval/1", "runs": runs, "exit_code": exit_code})
}

fn run_json(run: &EvalRun<'_>, results: bool) -> Value {
    let reasons: Vec<&str> = run.gate.words().collect();
    let cases: Vec<Value> = if results {
        run.summaries
            .iter()
            .zip(run.results)
            .flat_map(|(s, r)| r.whole.iter().map(|r| result_json(&s.subject, r)))
            .collect()
    } else {
        Vec::new()
    };
    json!({
        "run": run.id, "complete": run.is_whole, "repeats": run.repeats, "set": {"name": run.set.name, "description": run.set.description, "digest": run.set.digest, "cases": run.cases.len()},
        "subjects": run.summaries.iter().map(summary_json).collect::<Vec<_>>(),
        "comparison": run.comparisons.iter().map(comparison_json).collect::<Vec<_>>(),
        "gate": {"passed": run.gate.passed(), "reasons": reasons},
        "results": cases,
    })
}

fn summary_json(summary: &Summary) -> Value {
    json!({
        "subject": summary.subject, "simulated": summary.simulated, "passed": summary.passed, "failed": summary.failed,
        "unscored": summary.unscored, "pass_rate": summary.pass_rate, "interval": summary.interval.map(|(l, h)| [l, h]),
        "mean_score": summary.mean_score, "score_interval": summary.score_interval.map(|(l, h)| [l, h]), "cost_usd": summary.cost.usd(), "cost_source": summary.cost.source.name(),
        "judge_cost_usd": summary.judging.cost.usd(), "judge_cost_source": summary.judging.cost.source.name(),
        "judge_calls": summary.judging.calls, "judge_agreement": summary.judging.agreement(), "judged_by_family": summary.kin,
        "cached": summary.cached, "cached_cost_usd": summary.cached_cost.usd(), "failovers": summary.failovers,
        "latency_ms": summary.latency_ms.map(|[p50, p95, p99]| json!({"p50": p50, "p95": p95, "p99": p99})),
        "usage": {"input_tokens": summary.usage.input_tokens, "output_tokens": summary.usage.output_tokens},
    })
}

fn result_json(subject: &str, result: &CaseResult) -> Value {
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
        "case": result.case, "digest": result.digest, "subject": subject, "repeat": result.repeat, "verdict": result.verdict, "score": result.score,
        "text": result.text, "finish_reason": result.finish_reason.map(|f| f.name()), "assertions": assertions,
        "failure": result.failure.as_ref().map(|(class, message)| json!({"class": class.name(), "message": message})),
        "served_by": result.served_by.as_ref().map(ToString::to_string), "failovers": result.failovers,
        "cost_usd": Cost::usd(result.cost), "judge_cost_usd": result.judging.cost.usd(), "latency_ms": result.latency.map(milliseconds),
        "queued_ms": milliseconds(result.queued), "cached": result.cached.is_some(),
    })
}

/// Writes a report, its form by the file's extension.
///
/// # Errors
/// When the file cannot be written.
pub fn write_report(path: &Path, runs: &[EvalRun<'_>], exit_code: u8) -> io::Result<()> {
    match path.extension().and_then(|e| e.to_str()) {
        Some(extension) if extension.eq_ignore_ascii_case("csv") => fs::write(path, csv_report(runs)?),
        _ => fs::write(path, format!("{:#}\n", eval_json(runs, exit_code, true))),
    }
}

fn csv_report(runs: &[EvalRun<'_>]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "set",
        "case",
        "subject",
        "verdict",
        "score",
        "served_by",
        "failovers",
        "cost_usd",
        "latency_ms",
        "repeat",
        "cached",
        "reason",
        "text",
    ];
    writer.write_record(header)?;
    for run in runs {
        for (summary, results) in run.summaries.iter().zip(run.results) {
            for result in &results.whole {
                let failed = result.assertions.iter().find(|a| a.verdict == Verdict::Fail);
                let reason = match (&result.failure, failed) {
                    (Some((class, message)), _) => format!("{class}: {message}"),
                    (None, Some(assertion)) => format!("{}: {}", assertion.name, assertion.reason),
                    (None, None) => String::new(),
                };
                let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
                writer.write_record([
                    &run.set.name,
                    &result.case,
                    &summary.subject,
                    result.verdict.name(),
                    &number(result.score),
                    &result.served_by.as_ref().map(ToString::to_string).unwrap_or_default(),
                    &result.failovers.to_string(),
                    &number(result.cost.usd()),
                    &number(result.latency.map(|l| l.as_secs_f64() * 1000.0)),
                    &result.repeat.to_string(),
                    &result.cached.is_some().to_string(),
                    &reason,
                    &result.text,
                ])?;
            }
        }
    }
    writer.into_inner().map_err(|e| io::Error::other(e.to_string()))
}
