//! `cheapest`: by expected cost, lowest first.

use std::sync::Arc;

use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};

pub(super) static CHEAPEST: StrategyType =
    StrategyType { name: "cheapest", options: &[], uses_weights: false, parse: |_| Arc::new(CheapestOrder) };

#[derive(Debug)]
struct CheapestOrder;

impl CandidateOrder for CheapestOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], _: &RankingContext<'_>) -> Ranking {
        Ranking::by_key(entries, |entry| entry.estimate.cost.map_or(f64::INFINITY, |cost| cost.get() as f64))
    }

    fn summary(&self) -> String {
        "by expected cost".to_owned()
    }

    fn needs_estimates(&self) -> bool {
        true
    }

    fn is_cost_based(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_ranking::{ranked_indices, ranking_entry};
    use super::*;

    #[test]
    fn lowest_cost_comes_first() {
        let mut entries =
            [ranking_entry("a", 900, 100), ranking_entry("b", 100, 900), ranking_entry("c", 500, 50)];
        assert_eq!(ranked_indices(&CheapestOrder, &entries, ""), [1, 2, 0]);
        entries[1].estimate.cost = None;
        assert_eq!(ranked_indices(&CheapestOrder, &entries, ""), [2, 0, 1], "an unknown cost comes last");
    }
}
