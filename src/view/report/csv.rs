//! The results of an eval as CSV.

use std::io::{self, Write};

use super::EvalRun;
use super::cases::failure_reasons;

const HEADER: [&str; 16] = [
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
    "repaired_by",
    "judge_calls",
    "judging_usd",
];

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADER)?;
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    for run in runs {
        for (summary, results) in run.subjects() {
            for result in results {
                let why = failure_reasons(result).into_iter().next();
                writer.write_record([
                    &run.set.name,
                    &result.case_id,
                    &summary.subject,
                    result.verdict.name(),
                    &number(result.score),
                    &result.served_by.as_ref().map(ToString::to_string).unwrap_or_default(),
                    &result.failovers.to_string(),
                    &number(result.cost.usd()),
                    &number(result.latency.map(|l| l.as_secs_f64() * 1000.0)),
                    &result.repeat.to_string(),
                    &result.cached_cost.is_some().to_string(),
                    &why.map(|why| format!("{}: {}", why.name, why.reason)).unwrap_or_default(),
                    &result.text,
                    &result.repaired_by.map(|repairs| repairs.to_string()).unwrap_or_default(),
                    &result.grader_usage.calls.to_string(),
                    &number(result.grader_usage.cost.usd()),
                ])?;
            }
        }
    }
    writer.flush()
}
