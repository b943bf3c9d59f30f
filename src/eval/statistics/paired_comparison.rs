//! Two subjects on the same cases.

use std::collections::BTreeSet;

use super::{
    BootstrapOptions, ComparisonVerdict, ConfidenceInterval, ConfidenceLevel, IntervalMethod, MIN_CLUSTERS,
    MIN_PAIRS, PairedEstimate, UnclearReason, classify_interval, clustered_difference, compare_scores,
    compare_verdicts, largest_drop, sample_stats::ROUNDING_TOLERANCE,
};
use crate::eval::Verdict;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonMetric {
    /// Whether cases pass.
    PassRate,
    /// How well they score.
    Score,
}

impl ComparisonMetric {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PassRate => "pass rate",
            Self::Score => "mean score",
        }
    }
}

/// One answer to a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RepeatOutcome {
    /// Pass, fail or unscored.
    pub verdict: Verdict,
    /// 0 to 1; `None` when unscored.
    pub score: Option<f64>,
}

/// A case as two subjects answered it: once each, or once per repeat.
#[derive(Clone, Copy, Debug)]
pub struct CasePair<'a> {
    /// The case's id.
    pub case: &'a str,
    /// What it stands or falls with, where the set says so.
    pub cluster: Option<&'a str>,
    /// The baseline's answers.
    pub baseline: &'a [RepeatOutcome],
    /// The challenger's answers; as many or not.
    pub challenger: &'a [RepeatOutcome],
}

/// So many of so many answers to a case must pass for it to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinPass {
    /// So many must pass.
    pub required: u32,
    /// So many are asked for.
    pub repeats: u32,
}

/// How two subjects are compared.
#[derive(Clone, Copy, Debug)]
pub struct CompareOptions {
    /// What is compared.
    pub metric: ComparisonMetric,
    /// The level of the interval and of the verdict.
    pub level: ConfidenceLevel,
    /// How many repeats must pass for the case to pass. Without it repeats count one by one, clustered by case.
    pub min_pass: Option<MinPass>,
    /// The difference that does not matter.
    pub margin: Option<f64>,
    /// The drop that the gate allows.
    pub max_drop: Option<f64>,
    /// The chance of a bootstrap.
    pub resampling: BootstrapOptions,
}

/// How a challenger stands to a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedComparison {
    /// The cases that both were scored on.
    pub pairs: usize,
    /// The cases left out, since one of them was not scored.
    pub left_out: usize,
    /// How many clusters the pairs make, where clusters or repeats make some stand together.
    pub clusters: Option<usize>,
    /// How the interval was found.
    pub method: IntervalMethod,
    /// What the baseline's cases come to in the mean, over the pairs.
    pub baseline: f64,
    /// The same of the challenger's.
    pub challenger: f64,
    /// Challenger less baseline.
    pub difference: f64,
    /// Its interval at the level of the terms.
    pub interval: ConfidenceInterval,
    /// How often equally good subjects would differ at least as much.
    pub p_value: f64,
    /// What it comes to.
    pub verdict: ComparisonVerdict,
    /// Why that is unclear whatever the interval says.
    pub unclear_reason: Option<UnclearReason>,
    /// The largest drop that cannot be ruled out, by the careful interval where clusters are uneven.
    pub largest_drop: f64,
    /// The difference that a set like this finds in four of five runs; `None` where there is none.
    pub detectable: Option<f64>,
    /// How many cases find a drop of `max_drop` in four of five runs, where it is given.
    pub cases_needed: Option<u64>,
    /// How often an equally good model would drop beyond `max_drop` on a set like this, where it is given.
    pub false_trip_rate: Option<f64>,
    /// The smallest `max_drop` that a set like this clears when no difference is observed.
    pub clearable_margin: f64,
    /// The cases that the challenger does better, by id.
    pub improved: Vec<String>,
    /// The cases that it does worse.
    pub regressed: Vec<String>,
}

/// Why there is nothing to compare.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// No case was scored with both.
    #[error("not one of {0} cases was scored with both subjects")]
    NothingScored(usize),
    /// A score that is none.
    #[error("case `{case}` has a score of {score}; scores are 0 to 1")]
    InvalidScore {
        /// The case's id.
        case: String,
        /// What it has.
        score: f64,
    },
}

/// Compares a challenger with a baseline, case by case. A case that either was not scored on is left out for both, and
/// counted.
///
/// Verdicts are compared by [`paired_verdicts`], scores by [`paired_scores`]; where repeats without `min_pass`, or
/// clusters of more than one case, make values stand together, both are compared by [`clustered_difference`] of each
/// case's mean. A case counts once however often it was repeated.
pub fn compare_paired(
    pairs: &[CasePair<'_>],
    terms: &CompareOptions,
) -> Result<PairedComparison, CompareError> {
    let mut kept = Vec::with_capacity(pairs.len());
    let mut sum_of_baseline = 0.0;
    for pair in pairs {
        if let Some((baseline, challenger)) = compute_case_value(pair, pair.baseline, terms)?
            .zip(compute_case_value(pair, pair.challenger, terms)?)
        {
            kept.push((pair, challenger - baseline));
            sum_of_baseline += baseline;
        }
    }
    let nothing = CompareError::NothingScored(pairs.len());
    let clusters = count_clusters(&kept, terms.min_pass.is_none());
    let estimate = match (clusters, terms.metric) {
        (Some(_), _) => {
            let keyed = kept.iter().enumerate().map(|(index, (pair, d))| (ClusterKey::of(pair, index), *d));
            clustered_difference(keyed, terms.level)
        }
        (None, ComparisonMetric::PassRate) => {
            let count = |moved: fn(f64) -> bool| kept.iter().filter(|(_, d)| moved(*d)).count() as u64;
            let (improved, regressed) =
                (count(|d| d > ROUNDING_TOLERANCE), count(|d| d < -ROUNDING_TOLERANCE));
            compare_verdicts(improved, regressed, kept.len() as u64, terms.level)
        }
        (None, ComparisonMetric::Score) => {
            let differences: Vec<f64> = kept.iter().map(|(_, difference)| *difference).collect();
            compare_scores(&differences, terms.level, terms.resampling)
        }
    }
    .ok_or(nothing)?;
    let baseline = sum_of_baseline / kept.len() as f64;
    Ok(build_comparison(&estimate, &kept, pairs.len(), baseline, clusters, terms))
}

fn build_comparison(
    estimate: &PairedEstimate,
    kept: &[(&CasePair<'_>, f64)],
    cases: usize,
    baseline: f64,
    clusters: Option<usize>,
    terms: &CompareOptions,
) -> PairedComparison {
    let few = match clusters {
        Some(clusters) => (clusters < MIN_CLUSTERS).then_some(UnclearReason::FewClusters),
        None => (terms.metric == ComparisonMetric::Score && kept.len() < MIN_PAIRS)
            .then_some(UnclearReason::FewPairs),
    };
    let (printed, careful) = (
        classify_interval(estimate.interval, terms.margin),
        classify_interval(estimate.conservative_interval, terms.margin),
    );
    let doubt = few.or_else(|| (printed != careful).then_some(UnclearReason::UnevenClusters));
    // Two intervals that agree on no verdict support none: a wider one may turn equivalent into worse.
    let verdict = if doubt.is_some() { ComparisonVerdict::Unclear } else { careful };
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
        unclear_reason: doubt,
        largest_drop: largest_drop(estimate.conservative_interval),
        detectable: estimate.power.detectable(),
        cases_needed: terms.max_drop.and_then(|drop| estimate.power.cases_needed(drop)),
        false_trip_rate: terms.max_drop.map(|drop| estimate.power.false_trip_rate(drop)),
        clearable_margin: estimate.power.clearable_margin(),
        improved: moved(1.0),
        regressed: moved(-1.0),
    }
}

/// What a case stands together with: its cluster, else nothing but its own repeats.
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

/// How many clusters there are; `None` where every value stands for itself.
fn count_clusters(kept: &[(&CasePair<'_>, f64)], repeats_count: bool) -> Option<usize> {
    let keys: BTreeSet<_> =
        kept.iter().enumerate().map(|(index, (pair, _))| ClusterKey::of(pair, index)).collect();
    let scored =
        |outcomes: &[RepeatOutcome]| outcomes.iter().filter(|o| o.verdict != Verdict::Unscored).count();
    let repeated = || kept.iter().any(|(pair, _)| scored(pair.baseline) > 1 || scored(pair.challenger) > 1);
    (keys.len() < kept.len() || repeats_count && repeated()).then_some(keys.len())
}

/// What a case is worth to a subject: 0 or 1, or the mean of its repeats. `None` when unscored.
fn compute_case_value(
    pair: &CasePair<'_>,
    outcomes: &[RepeatOutcome],
    terms: &CompareOptions,
) -> Result<Option<f64>, CompareError> {
    let pass = |verdict| match verdict {
        Verdict::Pass => Some(1.0),
        Verdict::Fail => Some(0.0),
        Verdict::Unscored => None,
    };
    if let (ComparisonMetric::PassRate, Some(min_pass)) = (terms.metric, terms.min_pass) {
        let verdicts: Vec<_> = outcomes.iter().map(|outcome| outcome.verdict).collect();
        return Ok(pass(combine_repeat_verdicts(&verdicts, min_pass)));
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for outcome in outcomes {
        let value = match terms.metric {
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

/// The verdict on a case that was asked several times and passes when enough of its repeats do. Repeats that could not be
/// scored, and those that were never asked, leave it unscored only where they could have decided it.
pub fn combine_repeat_verdicts(repeats: &[Verdict], quorum: MinPass) -> Verdict {
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
