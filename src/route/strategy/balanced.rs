//! `balanced`: by the weighted combination of cost, latency, and reliability.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::options::{OptionForm, StrategyOption, StrategyOptions};
use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};
use crate::route::candidate_estimate::CandidateEstimate;

pub(super) static BALANCED: StrategyType = StrategyType {
    name: "balanced",
    options: &[StrategyOption { name: "weigh", form: OptionForm::Numbers }],
    uses_weights: false,
    parse: |options| Arc::new(BalancedOrder::parse(options)),
};

/// Added to every cost, in nano-dollars, so that free models have a ratio too.
const MIN_COST: f64 = 1_000.0;

/// A balanced route changes its first choice only if another candidate is better by this factor.
const SWITCH_GAIN: f64 = 1.15;

/// The weight of each metric; 0 ignores it.
#[derive(Debug)]
struct BalancedOrder {
    cost: f64,
    latency: f64,
    reliability: f64,
}

impl BalancedOrder {
    fn parse(options: &mut StrategyOptions) -> Self {
        let weights = options.take_weights("weigh", ["cost", "latency", "reliability"]);
        if let Some(weights) = &weights
            && weights.value.iter().sum::<f64>() <= 0.0
        {
            let hint = "set at least one of them above 0";
            options.report("all weights in `weigh` are 0", weights.span.clone(), hint);
        }
        let [cost, latency, reliability] = weights.map_or([1.0; 3], |weights| weights.value);
        Self { cost, latency, reliability }
    }

    /// Weighted mean of the logarithms of each metric's ratio to the best candidate: 0 is best in every
    /// metric.
    fn scores(&self, entries: &[RankingEntry<'_>]) -> Vec<f64> {
        type MetricFn = fn(&CandidateEstimate) -> Option<f64>;
        let metrics: [(f64, MetricFn); 3] = [
            (self.cost, |e| e.cost.map(|cost| cost.get() as f64 + MIN_COST)),
            (self.latency, |e| e.latency.map(|latency| latency.as_secs_f64().max(1e-4))),
            (self.reliability, |e| Some(1.0 / (1.0 - e.error_rate).max(1e-3))),
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
}

impl CandidateOrder for BalancedOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], context: &RankingContext<'_>) -> Ranking {
        let scores = self.scores(entries);
        let mut indices: Vec<usize> = (0..entries.len()).collect();
        indices.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        keep_leader(&mut indices, &scores, entries, context.leader);
        Ranking { indices, is_exploration: false }.explore(entries, context.random)
    }

    fn summary(&self) -> String {
        let Self { cost, latency, reliability } = self;
        format!("by cost {cost}, latency {latency}, reliability {reliability}")
    }

    fn options_summary(&self) -> Option<String> {
        let Self { cost, latency, reliability } = self;
        Some(format!("cost {cost}, latency {latency}, reliability {reliability}"))
    }

    fn options_json(&self) -> Map<String, Value> {
        let Self { cost, latency, reliability } = self;
        let weigh = json!({"cost": cost, "latency": latency, "reliability": reliability});
        Map::from_iter([("weigh".to_owned(), weigh)])
    }

    fn needs_estimates(&self) -> bool {
        true
    }

    fn is_cost_based(&self) -> bool {
        self.cost > 0.0
    }

    fn keeps_leader(&self) -> bool {
        true
    }
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

#[cfg(test)]
mod tests {
    use super::super::test_ranking::{ranked_indices, ranking_entry};
    use super::*;

    fn order(cost: f64, latency: f64, reliability: f64) -> BalancedOrder {
        BalancedOrder { cost, latency, reliability }
    }

    #[test]
    fn weight_0_ignores_a_metric() {
        let entries =
            [ranking_entry("a", 900, 100), ranking_entry("b", 100, 900), ranking_entry("c", 500, 50)];
        assert_eq!(ranked_indices(&order(1.0, 0.0, 0.0), &entries, ""), [1, 2, 0]);
        assert_eq!(ranked_indices(&order(0.0, 1.0, 0.0), &entries, ""), [2, 0, 1]);
        assert!(order(0.1, 1.0, 1.0).is_cost_based());
        assert!(!order(0.0, 1.0, 1.0).is_cost_based());
    }

    #[test]
    fn leader_stays_until_clearly_beaten() {
        let entries = [ranking_entry("a", 0, 114), ranking_entry("b", 0, 100), ranking_entry("c", 0, 90)];
        let fast = order(0.0, 1.0, 0.0);
        assert_eq!(ranked_indices(&fast, &entries, "b"), [1, 2, 0], "11% slower than the best");
        assert_eq!(ranked_indices(&fast, &entries, "a"), [2, 1, 0], "27% slower");
        assert_eq!(ranked_indices(&fast, &entries, "gone"), [2, 1, 0]);
    }

    #[test]
    fn error_rate_lowers_rank() {
        let mut entries = [ranking_entry("a", 500_000, 100), ranking_entry("b", 500_000, 100)];
        entries[0].estimate.error_rate = 0.4;
        assert_eq!(ranked_indices(&order(1.0, 1.0, 1.0), &entries, ""), [1, 0]);
        assert_eq!(ranked_indices(&order(1.0, 1.0, 1.0), &entries, "a"), [1, 0]);
    }
}
