//! `priority`: in file order.

use std::sync::Arc;

use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};

pub(super) static PRIORITY: StrategyType =
    StrategyType { name: "priority", options: &[], uses_weights: false, parse: |_| Arc::new(PriorityOrder) };

#[derive(Debug)]
struct PriorityOrder;

impl CandidateOrder for PriorityOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], _: &RankingContext<'_>) -> Ranking {
        Ranking { indices: (0..entries.len()).collect(), is_exploration: false }
    }

    fn summary(&self) -> String {
        "in the listed order".to_owned()
    }

    fn keeps_file_order(&self) -> bool {
        true
    }
}
