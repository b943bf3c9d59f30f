//! `least-busy`: by calls in flight relative to the concurrency of the provider, lowest first.

use std::sync::Arc;

use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};

pub(super) static LEAST_BUSY: StrategyType = StrategyType {
    name: "least-busy",
    options: &[],
    uses_weights: false,
    parse: |_| Arc::new(LeastBusyOrder),
};

/// Assumed for a provider without a limit, so that it can be compared with others.
const ASSUMED_CONCURRENCY: u64 = 8;

#[derive(Debug)]
struct LeastBusyOrder;

impl CandidateOrder for LeastBusyOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], _: &RankingContext<'_>) -> Ranking {
        Ranking::by_key(entries, utilization)
    }

    fn summary(&self) -> String {
        "by calls in flight relative to the concurrency of the provider".to_owned()
    }

    fn needs_load(&self) -> bool {
        true
    }
}

/// Calls in flight as a share of the possible ones; an unknown load comes last.
fn utilization(entry: &RankingEntry<'_>) -> f64 {
    entry.estimate.load.map_or(f64::INFINITY, |load| {
        load.in_flight as f64 / load.concurrency.unwrap_or(ASSUMED_CONCURRENCY).max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_ranking::{ranked_indices, ranking_entry};
    use super::*;
    use crate::route::ProviderLoad;

    fn ranked_by_load(loads: &[(u64, Option<u64>)]) -> Vec<usize> {
        let entry = |(in_flight, concurrency): &(u64, Option<u64>)| {
            let mut entry = ranking_entry("m", 1, 1);
            let load = ProviderLoad { in_flight: *in_flight, concurrency: *concurrency };
            entry.estimate.load = Some(load);
            entry
        };
        ranked_indices(&LeastBusyOrder, &loads.iter().map(entry).collect::<Vec<_>>(), "")
    }

    #[test]
    fn lowest_utilization_comes_first() {
        assert_eq!(ranked_by_load(&[(2, None), (0, None), (1, None)]), [1, 2, 0]);
        assert_eq!(ranked_by_load(&[(2, Some(4)), (3, Some(16)), (1, Some(1))]), [1, 0, 2]);
    }

    #[test]
    fn ties_keep_file_order() {
        assert_eq!(ranked_by_load(&[(0, Some(1)), (0, None), (0, Some(64))]), [0, 1, 2]);
        assert_eq!(ranked_by_load(&[(4, Some(8)), (1, Some(2)), (1, Some(4))]), [2, 0, 1]);
    }

    #[test]
    fn provider_without_limit_counts_as_8() {
        assert_eq!(ranked_by_load(&[(1, None), (1, Some(7)), (1, Some(9))]), [2, 0, 1]);
    }
}
