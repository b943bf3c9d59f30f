//! Compares two subjects on the same cases.

use std::collections::BTreeSet;

use super::{
    BootstrapOptions, ComparisonVerdict, ConfidenceInterval, ConfidenceLevel, IntervalMethod, MIN_CLUSTERS,
    MIN_PAIRS, PairedEstimate, UnclearReason, classify_interval, clustered_difference, compare_scores,
    compare_verdicts, largest_drop, sample_stats::ROUNDING_TOLERANCE,
};
use crate::eval::Verdict;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonMetric {
    PassRate,
    Score,
}

impl ComparisonMetric {
    pub fn name(self) -> &'static str {
        match self {
            Self::PassRate => "pass rate",
            Self::Score => "mean score",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RepeatOutcome {
    pub verdict: Verdict,
    /// 0 to 1; `None` when unscored.
    pub score: Option<f64>,
}

/// One case with the outcomes of both subjects, one per repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CasePair<'a> {
    pub case: &'a str,
    pub cluster: Option<&'a str>,
    pub baseline: &'a [RepeatOutcome],
    /// May differ in length from `baseline`.
    pub challenger: &'a [RepeatOutcome],
}

/// How many repeats of a case must pass for the case to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MinPass {
    pub required: u32,
    pub repeats: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CompareOptions {
    pub metric: ComparisonMetric,
    pub level: ConfidenceLevel,
    /// `None` counts repeats separately, clustered by case.
    pub min_pass: Option<MinPass>,
    /// Differences up to this size count as equivalent.
    pub margin: Option<f64>,
    /// The drop that the gate allows.
    pub max_drop: Option<f64>,
    pub resampling: BootstrapOptions,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PairedComparison {
    /// Cases scored for both subjects.
    pub pairs: usize,
    /// Cases unscored for either subject.
    pub left_out: usize,
    /// `None` if all pairs are independent.
    pub clusters: Option<usize>,
    pub method: IntervalMethod,
    /// Mean over the pairs.
    pub baseline: f64,
    /// Mean over the pairs.
    pub challenger: f64,
    /// Challenger minus baseline.
    pub difference: f64,
    /// At the level of the options.
    pub interval: ConfidenceInterval,
    /// Probability that equally good subjects differ at least this much.
    pub p_value: f64,
    pub verdict: ComparisonVerdict,
    /// Why the verdict is unclear regardless of the interval.
    pub unclear_reason: Option<UnclearReason>,
    /// The largest drop that the conservative interval does not rule out.
    pub largest_drop: f64,
    /// The difference that a set like this detects with 80% power; `None` if there is none.
    pub detectable: Option<f64>,
    /// Cases needed to detect a drop of `max_drop` with 80% power; `None` without a `max_drop` above 0.
    pub cases_needed: Option<u64>,
    /// Probability that an equally good model drops by more than `max_drop` on a set like this; `None`
    /// without `max_drop`.
    pub false_trip_rate: Option<f64>,
    /// The smallest `max_drop` that a set like this passes if no difference is observed.
    pub clearable_margin: f64,
    /// IDs of cases where the challenger is better.
    pub improved: Vec<String>,
    /// IDs of cases where the challenger is worse.
    pub regressed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum CompareError {
    #[error("none of {0} cases was scored for both subjects")]
    NothingScored(usize),
    #[error("case `{case}` has an invalid score of {score}: expected 0 to 1")]
    InvalidScore { case: String, score: f64 },
}

impl CompareError {
    /// The value in JSON output.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NothingScored(_) => "nothing_scored",
            Self::InvalidScore { .. } => "invalid_score",
        }
    }
}

/// Compares a challenger with a baseline, case by case. A case that is unscored for either is left out and
/// counted.
///
/// Verdicts are compared by [`compare_verdicts`], scores by [`compare_scores`]. If values depend on each
/// other (repeats without `min_pass`, or clusters of more than one case), both are compared by
/// [`clustered_difference`] of each case's mean. A case counts once, no matter how many repeats it has.
pub(crate) fn compare_paired(
    pairs: &[CasePair<'_>],
    options: &CompareOptions,
) -> Result<PairedComparison, CompareError> {
    let mut kept = Vec::with_capacity(pairs.len());
    let mut baseline_sum = 0.0;
    for pair in pairs {
        if let Some((baseline, challenger)) = compute_case_value(pair, pair.baseline, options)?
            .zip(compute_case_value(pair, pair.challenger, options)?)
        {
            kept.push((pair, challenger - baseline));
            baseline_sum += baseline;
        }
    }
    let nothing = CompareError::NothingScored(pairs.len());
    let clusters = count_clusters(&kept, options.min_pass.is_none());
    let estimate = match (clusters, options.metric) {
        (Some(_), _) => {
            let keyed = kept.iter().enumerate().map(|(index, (pair, d))| (ClusterKey::of(pair, index), *d));
            clustered_difference(keyed, options.level)
        }
        (None, ComparisonMetric::PassRate) => {
            let count = |moved: fn(f64) -> bool| kept.iter().filter(|(_, d)| moved(*d)).count() as u64;
            let (improved, regressed) =
                (count(|d| d > ROUNDING_TOLERANCE), count(|d| d < -ROUNDING_TOLERANCE));
            compare_verdicts(improved, regressed, kept.len() as u64, options.level)
        }
        (None, ComparisonMetric::Score) => {
            let differences: Vec<f64> = kept.iter().map(|(_, difference)| *difference).collect();
            compare_scores(&differences, options.level, options.resampling)
        }
    }
    .ok_or(nothing)?;
    let baseline = baseline_sum / kept.len() as f64;
    Ok(build_comparison(&estimate, &kept, pairs.len(), baseline, clusters, options))
}

fn build_comparison(
    estimate: &PairedEstimate,
    kept: &[(&CasePair<'_>, f64)],
    cases: usize,
    baseline: f64,
    clusters: Option<usize>,
    options: &CompareOptions,
) -> PairedComparison {
    let few = match clusters {
        Some(clusters) => (clusters < MIN_CLUSTERS).then_some(UnclearReason::FewClusters),
        None => (options.metric == ComparisonMetric::Score && kept.len() < MIN_PAIRS)
            .then_some(UnclearReason::FewPairs),
    };
    let (reported, conservative) = (
        classify_interval(estimate.interval, options.margin),
        classify_interval(estimate.conservative_interval, options.margin),
    );
    let unclear_reason = few.or_else(|| (reported != conservative).then_some(UnclearReason::UnevenClusters));
    // If the two intervals disagree, neither verdict is supported: a wider interval may turn equivalent into
    // worse.
    let verdict = if unclear_reason.is_some() { ComparisonVerdict::Unclear } else { conservative };
    let moved = |up: f64| {
        let ids = kept.iter().filter(|(_, difference)| up * difference > ROUNDING_TOLERANCE);
        ids.map(|(pair, _)| pair.case.to_owned()).collect()
    };
    PairedComparison {
        pairs: kept.len(),
        left_out: cases - kept.len(),
        clusters,
        method: estimate.method,
        baseline,
        challenger: baseline + estimate.difference,
        difference: estimate.difference,
        interval: estimate.interval,
        p_value: estimate.p_value,
        verdict,
        unclear_reason,
        largest_drop: largest_drop(estimate.conservative_interval),
        detectable: estimate.power.detectable(),
        cases_needed: options.max_drop.and_then(|drop| estimate.power.cases_needed(drop)),
        false_trip_rate: options.max_drop.map(|drop| estimate.power.false_trip_rate(drop)),
        clearable_margin: estimate.power.clearable_margin(),
        improved: moved(1.0),
        regressed: moved(-1.0),
    }
}

/// The cluster of a case: the declared one, or the case alone with its repeats.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ClusterKey<'a> {
    Cluster(&'a str),
    SingleCase(usize),
}

impl<'a> ClusterKey<'a> {
    fn of(pair: &CasePair<'a>, index: usize) -> Self {
        pair.cluster.map_or(Self::SingleCase(index), Self::Cluster)
    }
}

/// `None` if all values are independent.
fn count_clusters(kept: &[(&CasePair<'_>, f64)], repeats_count: bool) -> Option<usize> {
    let keys: BTreeSet<_> =
        kept.iter().enumerate().map(|(index, (pair, _))| ClusterKey::of(pair, index)).collect();
    let scored =
        |outcomes: &[RepeatOutcome]| outcomes.iter().filter(|o| o.verdict != Verdict::Unscored).count();
    let repeated = || kept.iter().any(|(pair, _)| scored(pair.baseline) > 1 || scored(pair.challenger) > 1);
    (keys.len() < kept.len() || repeats_count && repeated()).then_some(keys.len())
}

/// The value of a case for one subject: 0 or 1, or the mean of its repeats. `None` when unscored.
fn compute_case_value(
    pair: &CasePair<'_>,
    outcomes: &[RepeatOutcome],
    options: &CompareOptions,
) -> Result<Option<f64>, CompareError> {
    let pass = |verdict| match verdict {
        Verdict::Pass => Some(1.0),
        Verdict::Fail => Some(0.0),
        Verdict::Unscored => None,
    };
    if let (ComparisonMetric::PassRate, Some(min_pass)) = (options.metric, options.min_pass) {
        let verdicts: Vec<_> = outcomes.iter().map(|outcome| outcome.verdict).collect();
        return Ok(pass(combine_repeat_verdicts(&verdicts, min_pass)));
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for outcome in outcomes {
        let value = match options.metric {
            ComparisonMetric::PassRate => pass(outcome.verdict),
            ComparisonMetric::Score => outcome.score.filter(|_| outcome.verdict != Verdict::Unscored),
        };
        let Some(value) = value else { continue };
        if !(0.0..=1.0).contains(&value) {
            return Err(CompareError::InvalidScore { case: pair.case.to_owned(), score: value });
        }
        sum += value;
        count += 1.0;
    }
    Ok((count > 0.0).then(|| sum / count))
}

/// The verdict on a repeated case, which passes if enough repeats do. Unscored and missing repeats leave it
/// unscored only if they could decide it.
pub(crate) fn combine_repeat_verdicts(repeats: &[Verdict], quorum: MinPass) -> Verdict {
    let count = |verdict| repeats.iter().filter(|repeat| **repeat == verdict).count();
    let missing = (quorum.repeats as usize).saturating_sub(repeats.len());
    let (passed, unscored) = (count(Verdict::Pass), count(Verdict::Unscored) + missing);
    let min_pass = quorum.required as usize;
    if repeats.len() + missing == unscored {
        Verdict::Unscored
    } else if passed >= min_pass {
        Verdict::Pass
    } else if passed + unscored < min_pass {
        Verdict::Fail
    } else {
        Verdict::Unscored
    }
}
