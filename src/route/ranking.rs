//! Ranks candidates in the order in which they are tried. Pure functions.

use sha2::{Digest, Sha256};

use super::candidate_estimate::{CandidateEstimate, MIN_MEASUREMENTS};
use super::policy::{BalanceWeights, Strategy};

/// Added to every cost, in nano-dollars, so that free models have a ratio too.
const MIN_COST: f64 = 1_000.0;

/// A balanced route changes its first choice only if another candidate is better by this factor.
const SWITCH_GAIN: f64 = 1.15;

/// Share of calls that first try a candidate with few measurements, and one without any.
const EXPLORE_RATE: f64 = 0.05;
const DISCOVER_RATE: f64 = 0.25;

pub(super) struct RankingEntry<'a> {
    /// `provider/model`.
    pub(super) model: &'a str,
    pub(super) weight: f64,
    pub(super) estimate: CandidateEstimate,
}

#[derive(Debug, PartialEq)]
pub(super) struct Ranking {
    /// Indices into the list of entries, best first.
    pub(super) indices: Vec<usize>,
    /// Whether the first candidate is first only to be measured.
    pub(super) is_exploration: bool,
}

/// What the order depends on besides the entries.
pub(super) struct RankingContext<'a> {
    pub(super) route_name: &'a str,
    /// The same key gets the same order.
    pub(super) sticky_key: &'a str,
    /// The route's current first choice.
    pub(super) leader: &'a str,
    /// In 0..1.
    pub(super) random: f64,
}

/// Ranks the candidates. Ties and unknown values keep the file's order.
pub(super) fn rank_candidates(
    strategy: &Strategy,
    entries: &[RankingEntry<'_>],
    context: &RankingContext<'_>,
) -> Ranking {
    let mut indices: Vec<usize> = (0..entries.len()).collect();
    let mut is_exploration = false;
    let sort_by_key = |indices: &mut Vec<usize>, key: &dyn Fn(&RankingEntry<'_>) -> f64| {
        indices.sort_by(|a, b| key(&entries[*a]).total_cmp(&key(&entries[*b])));
    };
    match strategy {
        Strategy::Priority => {}
        Strategy::Cheapest => sort_by_key(&mut indices, &|entry| cost_key(&entry.estimate)),
        Strategy::Fastest => {
            sort_by_key(&mut indices, &|entry| latency_key(&entry.estimate));
            is_exploration = explore(&mut indices, entries, context.random);
        }
        Strategy::Balanced(weights) => {
            let scores = balanced_scores(weights, entries);
            indices.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            keep_leader(&mut indices, &scores, entries, context.leader);
            is_exploration = explore(&mut indices, entries, context.random);
        }
        Strategy::Weighted { .. } => sort_by_key(&mut indices, &|entry| rendezvous_key(entry, context)),
    }
    Ranking { indices, is_exploration }
}

fn cost_key(estimate: &CandidateEstimate) -> f64 {
    estimate.cost.map_or(f64::INFINITY, |cost| cost.get() as f64)
}

fn latency_key(estimate: &CandidateEstimate) -> f64 {
    estimate.latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64())
}

/// Weighted mean of the logarithms of each metric's ratio to the best candidate: 0 is best in every metric.
fn balanced_scores(weights: &BalanceWeights, entries: &[RankingEntry<'_>]) -> Vec<f64> {
    type MetricFn = fn(&CandidateEstimate) -> Option<f64>;
    let metrics: [(f64, MetricFn); 3] = [
        (weights.cost, |e| e.cost.map(|cost| cost.get() as f64 + MIN_COST)),
        (weights.latency, |e| e.latency.map(|latency| latency.as_secs_f64().max(1e-4))),
        (weights.reliability, |e| Some(1.0 / (1.0 - e.error_rate).max(1e-3))),
    ];
    let sum: f64 = metrics.iter().map(|(weight, _)| weight).sum();
    let mut scores = vec![0.0; entries.len()];
    for (weight, metric) in metrics.into_iter().filter(|(weight, _)| *weight > 0.0) {
        let values: Vec<Option<f64>> = entries.iter().map(|entry| metric(&entry.estimate)).collect();
        let Some(best) = values.iter().flatten().copied().min_by(f64::total_cmp) else { continue };
        for (score, value) in scores.iter_mut().zip(values) {
            // An unknown value counts as the best one.
            *score += weight / sum * value.map_or(0.0, |value| (value / best).ln());
        }
    }
    scores
}

/// Keeps the current first choice unless another candidate is clearly better, so that noise does not make it
/// flap.
fn keep_leader(indices: &mut Vec<usize>, scores: &[f64], entries: &[RankingEntry<'_>], leader: &str) {
    let Some(at) = indices.iter().position(|index| entries[*index].model == leader) else { return };
    if scores[indices[at]] - scores[indices[0]] < SWITCH_GAIN.ln() {
        let index = indices.remove(at);
        indices.insert(0, index);
    }
}

/// Occasionally puts the candidate with the fewest measurements first, if it has too few for a reliable
/// estimate. Returns whether it did.
fn explore(indices: &mut Vec<usize>, entries: &[RankingEntry<'_>], random: f64) -> bool {
    let measurements = |index: usize| entries[index].estimate.measurements;
    let least_measured =
        (1..indices.len()).min_by(|a, b| measurements(indices[*a]).total_cmp(&measurements(indices[*b])));
    match least_measured {
        Some(at) if random < exploration_rate(measurements(indices[at])) => {
            let index = indices.remove(at);
            indices.insert(0, index);
            true
        }
        _ => false,
    }
}

fn exploration_rate(measurements: f64) -> f64 {
    match measurements {
        n if n < 0.5 => DISCOVER_RATE,
        n if n < MIN_MEASUREMENTS => EXPLORE_RATE,
        _ => 0.0,
    }
}

/// Weighted rendezvous hashing: −ln(u) / weight, with u from a hash of the sticky key and the candidate. Each
/// candidate comes first with a probability proportional to its weight, a key always gets the same order, and
/// a changed weight moves as few keys as possible. (Efraimidis & Spirakis 2006; Schindelhauer & Schomaker
/// 2005.)
fn rendezvous_key(entry: &RankingEntry<'_>, context: &RankingContext<'_>) -> f64 {
    if entry.weight <= 0.0 {
        return f64::INFINITY;
    }
    let hash = Sha256::new()
        .chain_update(context.route_name)
        .chain_update([0])
        .chain_update(context.sticky_key)
        .chain_update([0])
        .chain_update(entry.model)
        .finalize();
    let bits = hash.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) >> 11;
    let u = (bits as f64 + 0.5) / 2_f64.powi(53);
    -u.ln() / entry.weight
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chat::NanoDollars;

    fn ranking_entry(model: &str, cost: u64, latency: u64) -> RankingEntry<'_> {
        let estimate = CandidateEstimate {
            cost: Some(NanoDollars::new(cost)),
            latency: Some(Duration::from_millis(latency)),
            measurements: 10.0,
            ..CandidateEstimate::default()
        };
        RankingEntry { model, weight: 1.0, estimate }
    }

    fn ranked_indices(strategy: &Strategy, entries: &[RankingEntry<'_>], leader: &str) -> Vec<usize> {
        rank_candidates(
            strategy,
            entries,
            &RankingContext { route_name: "r", sticky_key: "k", leader, random: 0.5 },
        )
        .indices
    }

    #[test]
    fn strategy_cases() {
        let entries =
            [ranking_entry("a", 900, 100), ranking_entry("b", 100, 900), ranking_entry("c", 500, 50)];
        assert_eq!(ranked_indices(&Strategy::Priority, &entries, ""), [0, 1, 2]);
        assert_eq!(ranked_indices(&Strategy::Cheapest, &entries, ""), [1, 2, 0]);
        assert_eq!(ranked_indices(&Strategy::Fastest, &entries, ""), [2, 0, 1]);
        let balanced = |cost, latency| Strategy::Balanced(BalanceWeights { cost, latency, reliability: 0.0 });
        assert_eq!(ranked_indices(&balanced(1.0, 0.0), &entries, ""), [1, 2, 0]);
        assert_eq!(ranked_indices(&balanced(0.0, 1.0), &entries, ""), [2, 0, 1]);
    }

    #[test]
    fn leader_stays_until_clearly_beaten() {
        let entries = [ranking_entry("a", 0, 114), ranking_entry("b", 0, 100), ranking_entry("c", 0, 90)];
        let fast = Strategy::Balanced(BalanceWeights { cost: 0.0, latency: 1.0, reliability: 0.0 });
        assert_eq!(ranked_indices(&fast, &entries, "b"), [1, 2, 0], "11% slower than the best");
        assert_eq!(ranked_indices(&fast, &entries, "a"), [2, 1, 0], "27% slower");
        assert_eq!(ranked_indices(&fast, &entries, "gone"), [2, 1, 0]);
    }

    #[test]
    fn error_rate_lowers_rank() {
        let mut entries = [ranking_entry("a", 500_000, 100), ranking_entry("b", 500_000, 100)];
        entries[0].estimate.error_rate = 0.4;
        assert_eq!(ranked_indices(&Strategy::Balanced(BalanceWeights::default()), &entries, ""), [1, 0]);
        assert_eq!(ranked_indices(&Strategy::Balanced(BalanceWeights::default()), &entries, "a"), [1, 0]);
    }

    #[test]
    fn unmeasured_candidate_is_explored_by_chance() {
        let mut entries =
            [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200), ranking_entry("c", 1, 300)];
        entries[1].estimate.measurements = 0.0;
        entries[2].estimate.measurements = 1.0;
        let first = |random| {
            rank_candidates(
                &Strategy::Fastest,
                &entries,
                &RankingContext { route_name: "", sticky_key: "", leader: "", random },
            )
        };
        assert_eq!(first(0.24), Ranking { indices: vec![1, 0, 2], is_exploration: true });
        assert_eq!(first(0.26), Ranking { indices: vec![0, 1, 2], is_exploration: false });
        let few_measured = [
            ranking_entry("a", 1, 100),
            RankingEntry { estimate: entries[2].estimate, ..ranking_entry("c", 1, 300) },
        ];
        let first = |random| {
            rank_candidates(
                &Strategy::Fastest,
                &few_measured,
                &RankingContext { route_name: "", sticky_key: "", leader: "", random },
            )
        };
        assert_eq!(first(0.04).indices, [1, 0]);
        assert_eq!(first(0.06).indices, [0, 1]);
        let measured = [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200)];
        let context = RankingContext { route_name: "", sticky_key: "", leader: "", random: 0.0 };
        assert!(!rank_candidates(&Strategy::Fastest, &measured, &context).is_exploration);
    }

    #[test]
    fn sticky_keys_follow_weights() {
        let mut entries = [ranking_entry("a", 1, 1), ranking_entry("b", 1, 1), ranking_entry("c", 1, 1)];
        (entries[0].weight, entries[1].weight, entries[2].weight) = (95.0, 5.0, 0.0);
        let strategy = Strategy::Weighted { sticky_by: None };
        let first = |entries: &[RankingEntry<'_>], key: &str| {
            let context = RankingContext { route_name: "canary", sticky_key: key, leader: "", random: 0.0 };
            let indices = rank_candidates(&strategy, entries, &context).indices;
            assert_eq!(indices[2], 2, "weight 0 comes last");
            indices[0]
        };
        let keys: Vec<String> = (0..20_000).map(|n| format!("customer {n}")).collect();
        let before: Vec<usize> = keys.iter().map(|key| first(&entries, key)).collect();
        let share = before.iter().filter(|index| **index == 1).count();
        // 1,000 expected, with a standard deviation of 31.
        assert!((880..=1120).contains(&share), "{share}");
        assert_eq!(before, keys.iter().map(|key| first(&entries, key)).collect::<Vec<_>>());
        // A larger canary weight keeps every key that the canary had.
        entries[1].weight = 20.0;
        let kept = keys.iter().zip(&before).all(|(key, index)| *index == 0 || first(&entries, key) == 1);
        assert!(kept);
    }
}
