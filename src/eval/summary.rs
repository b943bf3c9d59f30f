//! Summarizes the results of a subject.

use std::collections::HashSet;

use super::baseline::BOOTSTRAP_SEED;
use super::repeat::find_case_repairs;
use super::statistics::{
    BootstrapOptions, ConfidenceInterval, ConfidenceLevel, MinPass, clustered_mean, mean_interval,
    percentile, wilson_interval,
};
use super::{AggregateOutcome, CaseStats, GraderUsage, RepairSet, Verdict, aggregate_repeats};
use crate::catalog::Cost;
use crate::chat::{TokenCount, Usage};

#[derive(Clone, Debug)]
pub(crate) struct SubjectSummary {
    pub subject: String,
    /// Whether any answer came from the simulator.
    pub is_simulated: bool,
    /// Passed cases, or passed answers when cases are repeated without `min_pass`.
    pub passed: u64,
    pub failed: u64,
    /// Never averaged in as zero.
    pub unscored: u64,
    /// Share of scored units that passed; `None` if nothing was scored.
    pub pass_rate: Option<f64>,
    /// 95% Wilson interval. With clusters, or repeats without `min_pass`, the cluster-robust interval:
    /// answers within a case or cluster are not independent.
    pub pass_rate_interval: Option<ConfidenceInterval>,
    /// Pass rate with repairable answers counted as passed. The gate does not use it.
    pub repaired_pass_rate: Option<f64>,
    /// Number of failed units by the repairs that make them pass, in descending order.
    pub repair_counts: Vec<(RepairSet, u64)>,
    pub mean_score: Option<f64>,
    /// 95% interval: smoothed bootstrap, or cluster-robust as for the pass rate.
    pub score_interval: Option<ConfidenceInterval>,
    /// Cost of all calls, excluding graders and cached answers.
    pub cost: Cost,
    /// Not part of `cost`.
    pub grader_usage: GraderUsage,
    /// Judges of the subject's model family, which may favor it.
    pub same_family_judges: Vec<String>,
    pub cached_count: usize,
    /// Original cost of the cached answers.
    pub cached_cost: Cost,
    pub failovers: usize,
    /// Median, 95th, and 99th percentile of the provider's latency; `None` if no latency is known.
    pub latency_ms: Option<[f64; 3]>,
    /// Totals over the answers that were not cached; unknown if the count of any of them is unknown.
    pub usage: Usage,
}

impl SubjectSummary {
    /// Summarizes a subject's results. `clusters` gives, for each case, the index of the first case in its
    /// cluster. With `min_pass`, that many repeats decide a case.
    pub(crate) fn summarize(
        subject: &str,
        is_simulated: bool,
        clusters: Option<&[u32]>,
        results: &[CaseStats],
        min_pass: Option<MinPass>,
    ) -> Self {
        // A run may have very many results, so iterate repeatedly instead of collecting the units.
        let units = || iter_scoring_units(results, min_pass);
        let keys = assign_cluster_keys(clusters, units);
        let count = |verdict| units().filter(|(_, found)| found.verdict == verdict).count() as u64;
        let (passed, failed, unscored) =
            (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Unscored));
        let scored = passed + failed;
        let repair_counts = count_repairs(results, min_pass);
        let repaired: u64 = repair_counts.iter().map(|(_, count)| count).sum();
        let clustered = |value: fn(&AggregateOutcome) -> Option<f64>| {
            let keyed = keys.as_ref()?.iter().zip(units());
            let estimate = clustered_mean(
                keyed.filter_map(|(key, (_, outcome))| Some((key, value(&outcome)?))),
                ConfidenceLevel::NOMINAL,
            )?;
            Some((estimate.conservative_interval.0.max(0.0), estimate.conservative_interval.1.min(1.0)))
        };
        let pass = |outcome: &AggregateOutcome| {
            (outcome.verdict != Verdict::Unscored)
                .then(|| f64::from(u8::from(outcome.verdict == Verdict::Pass)))
        };
        let scores: Vec<f64> = units().filter_map(|(_, found)| found.score).collect();
        let mean_score = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
        let (pass_rate_interval, score_interval) = match keys {
            Some(_) => (clustered(pass), clustered(|outcome| outcome.score)),
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
        // A sum with an unknown part is unknown.
        let total = |count: fn(&CaseStats) -> Option<TokenCount>| {
            let answered = results.iter().filter(|r| r.has_answer && !r.is_cached);
            answered.map(count).sum::<Option<TokenCount>>().filter(|_| scored > 0)
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

/// Scoring units with their case index: each answer, or each case when `min_pass` decides it.
fn iter_scoring_units(
    results: &[CaseStats],
    min_pass: Option<MinPass>,
) -> impl Iterator<Item = (u32, AggregateOutcome)> {
    let to_outcome = |result: &CaseStats| AggregateOutcome { verdict: result.verdict, score: result.score() };
    let each = if min_pass.is_none() { results } else { &[] };
    let cases = min_pass.into_iter().flat_map(|min_pass| {
        let case_indexes = results
            .chunk_by(|a, b| a.case_index == b.case_index)
            .filter_map(|repeats| repeats.first())
            .map(|repeats| repeats.case_index);
        case_indexes.zip(aggregate_repeats(results, min_pass))
    });
    each.iter().map(move |result| (result.case_index, to_outcome(result))).chain(cases)
}

/// Cluster key of each unit: the index of the first case of its cluster. `None` when all units are
/// independent.
fn assign_cluster_keys<I: Iterator<Item = (u32, AggregateOutcome)>>(
    clusters: Option<&[u32]>,
    units: impl Fn() -> I,
) -> Option<Vec<u32>> {
    let key = |case_index: u32| {
        clusters.and_then(|clusters| clusters.get(case_index as usize)).copied().unwrap_or(case_index)
    };
    let case_indexes = || units().map(|(case_index, _)| case_index);
    // Without clusters, only answers to the same case depend on each other, and they are adjacent.
    let is_one_each = clusters.is_none() && case_indexes().zip(case_indexes().skip(1)).all(|(a, b)| a != b);
    if is_one_each {
        return None;
    }
    let keys: Vec<u32> = case_indexes().map(key).collect();
    let distinct: HashSet<u32> = keys.iter().copied().collect();
    (distinct.len() < keys.len()).then_some(keys)
}

/// Counts failed units by the repairs that make them pass. When repeats decide a case, the repairs of all its
/// answers are combined.
fn count_repairs(results: &[CaseStats], min_pass: Option<MinPass>) -> Vec<(RepairSet, u64)> {
    let mut repaired: Vec<RepairSet> = Vec::new();
    match min_pass {
        None => repaired.extend(results.iter().filter_map(|result| result.repaired_by)),
        Some(min_pass) => {
            let cases = aggregate_repeats(results, min_pass).zip(find_case_repairs(results, min_pass));
            let failed = |case: AggregateOutcome| case.verdict == Verdict::Fail;
            repaired.extend(cases.filter_map(|(case, repairs)| repairs.filter(|_| failed(case))));
        }
    }
    let mut counts: Vec<(RepairSet, u64)> = Vec::new();
    repaired.sort_unstable();
    for repairs in repaired {
        match counts.last_mut() {
            Some((last, count)) if *last == repairs => *count += 1,
            _ => counts.push((repairs, 1)),
        }
    }
    counts.sort_by_key(|(repairs, count)| (std::cmp::Reverse(*count), *repairs));
    counts
}
