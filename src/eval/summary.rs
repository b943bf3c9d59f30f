//! What all results of a subject come to.

use super::{CaseResult, Verdict, percentile, wilson_interval};
use crate::catalog::Cost;
use crate::chat::Usage;

/// The figures of one subject on one set.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The subject's name.
    pub subject: String,
    /// Whether any of it came from the simulator.
    pub simulated: bool,
    /// Cases that passed.
    pub passed: u64,
    /// Cases that failed.
    pub failed: u64,
    /// Cases that could not be graded: counted, shown, never averaged in as zero.
    pub unscored: u64,
    /// Passed among the scored; `None` when none was scored.
    pub pass_rate: Option<f64>,
    /// Its 95 % Wilson interval.
    pub interval: Option<(f64, f64)>,
    /// The mean score of the scored cases.
    pub mean_score: Option<f64>,
    /// What all calls cost.
    pub cost: Cost,
    /// How often calls moved on to another candidate.
    pub failovers: usize,
    /// Median, 95th and 99th percentile of the provider's latency, in milliseconds.
    pub latency_ms: Option<[f64; 3]>,
    /// Input and output tokens, where they are known.
    pub usage: Usage,
}

impl Summary {
    /// Sums a subject's results up.
    pub fn of(subject: &str, simulated: bool, results: &[CaseResult]) -> Self {
        let count = |verdict| results.iter().filter(|r| r.verdict == verdict).count() as u64;
        let (passed, failed, unscored) =
            (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Unscored));
        let scored = passed + failed;
        let scores: Vec<f64> = results.iter().filter_map(|r| r.score).collect();
        let mut latencies: Vec<f64> =
            results.iter().filter_map(|r| r.latency).map(|latency| latency.as_secs_f64() * 1000.0).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent| percentile(&latencies, percent);
        // Over the answers; a sum with an unknown part is unknown.
        let total = |count: fn(&Usage) -> Option<u64>| {
            let answered = results.iter().filter(|r| r.finish_reason.is_some());
            answered.map(|r| count(&r.usage)).sum::<Option<u64>>().filter(|_| scored > 0)
        };
        Self {
            subject: subject.to_owned(),
            simulated,
            passed,
            failed,
            unscored,
            pass_rate: (scored > 0).then(|| passed as f64 / scored as f64),
            interval: wilson_interval(passed, scored),
            mean_score: (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64),
            cost: Cost::sum(results.iter().map(|r| r.cost)),
            failovers: results.iter().map(|r| r.failovers).sum(),
            latency_ms: at(50.0).zip(at(95.0)).zip(at(99.0)).map(|((p50, p95), p99)| [p50, p95, p99]),
            usage: Usage {
                input_tokens: total(|u| u.input_tokens),
                output_tokens: total(|u| u.output_tokens),
                ..Usage::default()
            },
        }
    }
}
