//! What all results of a subject come to.

use super::statistics::{Level, clustered_mean};
use super::{Decided, Figure, Verdict, decided, percentile, wilson_interval};
use crate::catalog::Cost;
use crate::chat::Usage;

/// The figures of one subject on one set.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The subject's name.
    pub subject: String,
    /// Whether any of it came from the simulator.
    pub simulated: bool,
    /// Cases that passed; where each was asked several times and nothing decides, answers that did.
    pub passed: u64,
    /// The same of those that failed.
    pub failed: u64,
    /// Those that could not be graded: counted, shown, never averaged in as zero.
    pub unscored: u64,
    /// Passed among the scored; `None` when none was scored.
    pub pass_rate: Option<f64>,
    /// Its 95 % interval, after Wilson. Where cases were asked several times and nothing decides, the one that takes the answers
    /// to one case for a cluster: they are no independent trials.
    pub interval: Option<(f64, f64)>,
    /// The mean score of the scored cases.
    pub mean_score: Option<f64>,
    /// What all calls cost.
    pub cost: Cost,
    /// Answers that were given before.
    pub cached: usize,
    /// What these would have cost.
    pub cached_cost: Cost,
    /// How often calls moved on to another candidate.
    pub failovers: usize,
    /// Median, 95th and 99th percentile of the provider's latency, in milliseconds.
    pub latency_ms: Option<[f64; 3]>,
    /// Input and output tokens, where they are known.
    pub usage: Usage,
}

impl Summary {
    /// Sums a subject's results up. With `min_pass`, so many of a case's repeats decide it.
    pub fn of(subject: &str, simulated: bool, results: &[Figure], min_pass: Option<u32>) -> Self {
        let own = |result: &Figure| Decided { verdict: result.verdict, score: result.score };
        let cases: Vec<Decided> = match min_pass {
            Some(min_pass) => decided(results, min_pass),
            None => results.iter().map(own).collect(),
        };
        let independent = min_pass.is_some() || results.iter().all(|result| result.repeat == 0);
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count() as u64;
        let (passed, failed, unscored) =
            (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Unscored));
        let scored = passed + failed;
        let scores: Vec<f64> = cases.iter().filter_map(|case| case.score).collect();
        let mut latencies: Vec<f64> =
            results.iter().filter_map(|r| r.latency).map(|latency| latency.as_secs_f64() * 1000.0).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent| percentile(&latencies, percent);
        // Over the answers; a sum with an unknown part is unknown.
        let total = |count: fn(&Figure) -> Option<u32>| {
            let answered = results.iter().filter(|r| r.answered && !r.cached);
            answered.map(|r| count(r).map(u64::from)).sum::<Option<u64>>().filter(|_| scored > 0)
        };
        Self {
            subject: subject.to_owned(),
            simulated,
            passed,
            failed,
            unscored,
            pass_rate: (scored > 0).then(|| passed as f64 / scored as f64),
            interval: if independent { wilson_interval(passed, scored) } else { clustered(results) },
            mean_score: (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64),
            cost: Cost::sum(results.iter().map(Figure::cost)),
            cached: results.iter().filter(|r| r.cached).count(),
            cached_cost: Cost::sum(results.iter().filter_map(Figure::cached_cost)),
            failovers: results.iter().map(|r| usize::from(r.failovers)).sum(),
            latency_ms: at(50.0).zip(at(95.0)).zip(at(99.0)).map(|((p50, p95), p99)| [p50, p95, p99]),
            usage: Usage {
                input_tokens: total(|u| u.input_tokens),
                output_tokens: total(|u| u.output_tokens),
                ..Usage::default()
            },
        }
    }
}

/// The interval of the share of answers that pass, the answers to one case as a cluster.
fn clustered(results: &[Figure]) -> Option<(f64, f64)> {
    let scored = results.iter().filter(|result| result.verdict != Verdict::Unscored);
    let value = |result: &Figure| f64::from(u8::from(result.verdict == Verdict::Pass));
    let found = clustered_mean(scored.map(|result| (result.case, value(result))), Level::NOMINAL)?;
    Some((found.careful.0.max(0.0), found.careful.1.min(1.0)))
}
