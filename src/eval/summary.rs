//! What all results of a subject come to.

use std::collections::HashSet;

use super::baseline::BOOTSTRAP_SEED;
use super::repeat::find_case_repairs;
use super::statistics::{
    BootstrapOptions, ConfidenceInterval, ConfidenceLevel, MinPass, clustered_mean, mean_interval,
    percentile, wilson_interval,
};
use super::{AggregateOutcome, CaseStats, GraderUsage, RepairSet, Verdict, aggregate_repeats};
use crate::catalog::Cost;
use crate::chat::Usage;

/// The figures of one subject on one set.
#[derive(Clone, Debug)]
pub struct SubjectSummary {
    /// The subject's name.
    pub subject: String,
    /// Whether any of it came from the simulator.
    pub is_simulated: bool,
    /// Cases that passed; where each was asked several times and nothing decides, answers that did.
    pub passed: u64,
    /// The same of those that failed.
    pub failed: u64,
    /// Those that could not be graded: counted, shown, never averaged in as zero.
    pub unscored: u64,
    /// Passed among the scored; `None` when none was scored.
    pub pass_rate: Option<f64>,
    /// Its 95 % interval, after Wilson. Where cases stand in clusters, or were asked several times and nothing decides, the one
    /// of cluster-robust means: the answers to one case, or cluster, are no independent trials.
    pub pass_rate_interval: Option<ConfidenceInterval>,
    /// The pass rate with those that pass once their form is put right. No gate goes by it.
    pub repaired_pass_rate: Option<f64>,
    /// How many of those that failed pass after which repairs, the most first.
    pub repair_counts: Vec<(RepairSet, u64)>,
    /// The mean score of the scored cases.
    pub mean_score: Option<f64>,
    /// Its 95 % interval: a smoothed bootstrap's, or in clusters as above.
    pub score_interval: Option<ConfidenceInterval>,
    /// What all calls cost.
    pub cost: Cost,
    /// What judging the answers took; no part of the cost.
    pub grader_usage: GraderUsage,
    /// Judges of the subject's own family, who tend to be kinder to it.
    pub same_family_judges: Vec<String>,
    /// Answers that were given before.
    pub cached_count: usize,
    /// What these would have cost.
    pub cached_cost: Cost,
    /// How often calls moved on to another candidate.
    pub failovers: usize,
    /// Median, 95th and 99th percentile of the provider's latency, in milliseconds.
    pub latency_ms: Option<[f64; 3]>,
    /// Input and output tokens, where they are known.
    pub usage: Usage,
}

impl SubjectSummary {
    /// Sums a subject's results up. Cases stand or fall with the one that clusters name for their place. With `min_pass`, so
    /// many of a case's repeats decide it.
    pub fn summarize(
        subject: &str,
        is_simulated: bool,
        clusters: Option<&[u32]>,
        results: &[CaseStats],
        min_pass: Option<MinPass>,
    ) -> Self {
        // A run may have very many results, so what is judged is told again and again, and never put beside them.
        let judged = || iter_scoring_units(results, min_pass);
        let keys = assign_cluster_keys(clusters, judged);
        let count = |verdict| judged().filter(|(_, found)| found.verdict == verdict).count() as u64;
        let (passed, failed, unscored) =
            (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Unscored));
        let scored = passed + failed;
        let repair_counts = count_repairs(results, min_pass);
        let repaired: u64 = repair_counts.iter().map(|(_, count)| count).sum();
        let clustered = |value: fn(&AggregateOutcome) -> Option<f64>| {
            let keyed = keys.as_ref()?.iter().zip(judged());
            let found = clustered_mean(
                keyed.filter_map(|(key, (_, of))| Some((key, value(&of)?))),
                ConfidenceLevel::NOMINAL,
            )?;
            Some((found.conservative_interval.0.max(0.0), found.conservative_interval.1.min(1.0)))
        };
        let pass = |of: &AggregateOutcome| {
            (of.verdict != Verdict::Unscored).then(|| f64::from(u8::from(of.verdict == Verdict::Pass)))
        };
        let scores: Vec<f64> = judged().filter_map(|(_, found)| found.score).collect();
        let mean_score = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
        let (pass_rate_interval, score_interval) = match keys {
            Some(_) => (clustered(pass), clustered(|of| of.score)),
            None => (
                wilson_interval(passed, scored),
                mean_interval(&scores, ConfidenceLevel::NOMINAL, BootstrapOptions::with_seed(BOOTSTRAP_SEED)),
            ),
        };
        drop(scores);
        let mut latencies: Vec<f64> = results
            .iter()
            .filter_map(CaseStats::latency)
            .map(|latency| latency.as_secs_f64() * 1000.0)
            .collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent| percentile(&latencies, percent);
        // Over the answers; a sum with an unknown part is unknown.
        let total = |count: fn(&CaseStats) -> Option<u32>| {
            let answered = results.iter().filter(|r| r.has_answer && !r.is_cached);
            answered.map(|r| count(r).map(u64::from)).sum::<Option<u64>>().filter(|_| scored > 0)
        };
        Self {
            subject: subject.to_owned(),
            is_simulated,
            passed,
            failed,
            unscored,
            pass_rate: (scored > 0).then(|| passed as f64 / scored as f64),
            pass_rate_interval,
            repaired_pass_rate: (scored > 0).then(|| (passed + repaired) as f64 / scored as f64),
            repair_counts,
            mean_score,
            score_interval,
            cost: Cost::sum(results.iter().map(CaseStats::cost)),
            grader_usage: GraderUsage::default(),
            same_family_judges: Vec::new(),
            cached_count: results.iter().filter(|r| r.is_cached).count(),
            cached_cost: Cost::sum(results.iter().filter_map(CaseStats::cached_cost)),
            failovers: results.iter().map(|r| usize::from(r.failovers)).sum(),
            latency_ms: at(50.0).zip(at(95.0)).zip(at(99.0)).map(|((p50, p95), p99)| [p50, p95, p99]),
            usage: Usage {
                input_tokens: total(CaseStats::input_tokens),
                output_tokens: total(CaseStats::output_tokens),
                ..Usage::default()
            },
        }
    }
}

/// What counts by itself, with its case's place: each answer, or each case where `min_pass` decides it.
fn iter_scoring_units(
    results: &[CaseStats],
    min_pass: Option<MinPass>,
) -> impl Iterator<Item = (u32, AggregateOutcome)> {
    let own = |result: &CaseStats| AggregateOutcome { verdict: result.verdict, score: result.score() };
    let each = if min_pass.is_none() { results } else { &[] };
    let cases = min_pass.into_iter().flat_map(|min_pass| {
        let places = results
            .chunk_by(|a, b| a.case_index == b.case_index)
            .filter_map(|of| of.first())
            .map(|of| of.case_index);
        places.zip(aggregate_repeats(results, min_pass))
    });
    each.iter().map(move |result| (result.case_index, own(result))).chain(cases)
}

/// What each of these stands or falls with, by the place of the first case of its kind; `None` where each stands for itself.
fn assign_cluster_keys<I: Iterator<Item = (u32, AggregateOutcome)>>(
    clusters: Option<&[u32]>,
    judged: impl Fn() -> I,
) -> Option<Vec<u32>> {
    let key = |place: u32| clusters.and_then(|of| of.get(place as usize)).copied().unwrap_or(place);
    let places = || judged().map(|(place, _)| place);
    // Without clusters, only answers to the same case belong together, and they stand next to each other.
    let is_one_each = clusters.is_none() && places().zip(places().skip(1)).all(|(a, b)| a != b);
    if is_one_each {
        return None;
    }
    let keys: Vec<u32> = places().map(key).collect();
    let different: HashSet<u32> = keys.iter().copied().collect();
    (different.len() < keys.len()).then_some(keys)
}

/// Which repairs make how many of the failed ones pass. Where repeats decide a case, it is those of all its answers.
fn count_repairs(results: &[CaseStats], min_pass: Option<MinPass>) -> Vec<(RepairSet, u64)> {
    let mut made: Vec<RepairSet> = Vec::new();
    match min_pass {
        None => made.extend(results.iter().filter_map(|result| result.repaired_by)),
        Some(min_pass) => {
            let cases = aggregate_repeats(results, min_pass).zip(find_case_repairs(results, min_pass));
            let failed = |case: AggregateOutcome| case.verdict == Verdict::Fail;
            made.extend(cases.filter_map(|(case, after)| after.filter(|_| failed(case))));
        }
    }
    let mut counts: Vec<(RepairSet, u64)> = Vec::new();
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
