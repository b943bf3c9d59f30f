//! `fastest`: by expected time to the last token, shortest first.

use std::sync::Arc;

use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};

pub(super) static FASTEST: StrategyType =
    StrategyType { name: "fastest", options: &[], uses_weights: false, parse: |_| Arc::new(FastestOrder) };

#[derive(Debug)]
struct FastestOrder;

impl CandidateOrder for FastestOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], context: &RankingContext<'_>) -> Ranking {
        let seconds = |entry: &RankingEntry<'_>| {
            entry.estimate.latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64())
        };
        Ranking::by_key(entries, seconds).explore(entries, context.random)
    }

    fn summary(&self) -> String {
        "by expected total latency".to_owned()
    }

    fn needs_estimates(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_ranking::{ranked_indices, ranking_entry};
    use super::*;

    fn rank(entries: &[RankingEntry<'_>], random: f64) -> Ranking {
        let context = RankingContext { route_name: "", sticky_key: "", leader: "", random };
        FastestOrder.rank(entries, &context)
    }

    #[test]
    fn shortest_time_comes_first() {
        let entries =
            [ranking_entry("a", 900, 100), ranking_entry("b", 100, 900), ranking_entry("c", 500, 50)];
        assert_eq!(ranked_indices(&FastestOrder, &entries, ""), [2, 0, 1]);
    }

    #[test]
    fn unmeasured_candidate_is_explored_by_chance() {
        let mut entries =
            [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200), ranking_entry("c", 1, 300)];
        entries[1].estimate.measurements = 0.0;
        entries[2].estimate.measurements = 1.0;
        assert_eq!(rank(&entries, 0.24), Ranking { indices: vec![1, 0, 2], is_exploration: true });
        assert_eq!(rank(&entries, 0.26), Ranking { indices: vec![0, 1, 2], is_exploration: false });
        let few_measured = [
            ranking_entry("a", 1, 100),
            RankingEntry { estimate: entries[2].estimate, ..ranking_entry("c", 1, 300) },
        ];
        assert_eq!(rank(&few_measured, 0.04).indices, [1, 0]);
        assert_eq!(rank(&few_measured, 0.06).indices, [0, 1]);
        let measured = [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200)];
        assert!(!rank(&measured, 0.0).is_exploration);
    }
}
