//! What all results of a subject come to.

use super::repeat::decided_after_repair;
use super::statistics::{Level, clustered_mean};
use super::{CaseResult, Decided, Repairs, Verdict, decided, percentile, wilson_interval};
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
    /// The pass rate with those that pass once their form is put right. No gate goes by it.
    pub repaired_pass_rate: Option<f64>,
    /// How many of those that failed pass after which repairs, the most first.
    pub repairs: Vec<(Repairs, u64)>,
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
    pub fn of(subject: &str, simulated: bool, results: &[CaseResult], min_pass: Option<u32>) -> Self {
        let own = |result: &CaseResult| Decided { verdict: result.verdict, score: result.score };
        let cases: Vec<Decided> = match min_pass {
            Some(min_pass) => decided(results, min_pass),
            None => results.iter().map(own).collect(),
        };
        let independent = min_pass.is_some() || results.iter().all(|result| result.repeat == 0);
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count() as u64;
        let (passed, failed, unscored) =
            (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Unscored));
        let scored = passed + failed;
        let repairs = tally(results, &cases, min_pass);
        let repaired: u64 = repairs.iter().map(|(_, count)| count).sum();
        let scores: Vec<f64> = cases.iter().filter_map(|case| case.score).collect();
        let mut latencies: Vec<f64> =
            results.iter().filter_map(|r| r.latency).map(|latency| latency.as_secs_f64() * 1000.0).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent| percentile(&latencies, percent);
        // Over the answers; a sum with an unknown part is unknown.
        let total = |count: fn(&Usage) -> Option<u64>| {
            let answered = results.iter().filter(|r| r.finish_reason.is_some() && r.cached.is_none());
            answered.map(|r| count(&r.usage)).sum::<Option<u64>>().filter(|_| scored > 0)
        };
        Self {
            subject: subject.to_owned(),
            simulated,
            passed,
            failed,
            unscored,
            pass_rate: (scored > 0).then(|| passed as f64 / scored as f64),
            interval: if independent { wilson_interval(passed, scored) } else { clustered(results) },
            repaired_pass_rate: (scored > 0).then(|| (passed + repaired) as f64 / scored as f64),
            repairs,
            mean_score: (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64),
            cost: Cost::sum(results.iter().map(|r| r.cost)),
            cached: results.iter().filter(|r| r.cached.is_some()).count(),
            cached_cost: Cost::sum(results.iter().filter_map(|r| r.cached)),
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

/// Which repairs make how many of the failed ones pass. Where repeats decide a case, it is those of all its answers.
fn tally(results: &[CaseResult], cases: &[Decided], min_pass: Option<u32>) -> Vec<(Repairs, u64)> {
    let mut made: Vec<Repairs> = Vec::new();
    match min_pass {
        None => made.extend(results.iter().filter_map(|result| result.repaired_by)),
        Some(min_pass) => {
            let repaired = decided_after_repair(results, min_pass);
            let failed = |case: &Decided| case.verdict == Verdict::Fail;
            made.extend(
                cases.iter().zip(repaired).filter_map(|(case, after)| after.filter(|_| failed(case))),
            );
        }
    }
    let mut counts: Vec<(Repairs, u64)> = Vec::new();
    made.sort_unstable();
    for repairs in made {
        match counts.last_mut() {
            Some((last, count)) if *last == repairs => *count += 1,
            _ => counts.push((repairs, 1)),
        }
    }
    counts.sort_by_key(|(repairs, count)| (std::cmp::Reverse(*count), *repairs));
    counts
}

/// The interval of the share of answers that pass, the answers to one case as a cluster.
fn clustered(results: &[CaseResult]) -> Option<(f64, f64)> {
    let scored = results.iter().filter(|result| result.verdict != Verdict::Unscored);
    let value = |result: &CaseResult| f64::from(u8::from(result.verdict == Verdict::Pass));
    let found = clustered_mean(scored.map(|result| (result.case.clone(), value(result))), Level::NOMINAL)?;
    Some((found.careful.0.max(0.0), found.careful.1.min(1.0)))
}
