//! Entries and contexts for the tests of strategies.

use crate::chat::NanoDollars;
use std::time::Duration;

use super::ranking::{RankingContext, RankingEntry};
use super::strategy_type::CandidateOrder;
use crate::route::CandidateEstimate;

pub(super) fn ranking_entry(model: &str, cost: u64, latency: u64) -> RankingEntry<'_> {
    let estimate = CandidateEstimate {
        cost: Some(NanoDollars::new(cost)),
        latency: Some(Duration::from_millis(latency)),
        measurements: 10.0,
        ..CandidateEstimate::default()
    };
    RankingEntry { model, weight: 1.0, estimate }
}

pub(super) fn ranked_indices(
    order: &dyn CandidateOrder,
    entries: &[RankingEntry<'_>],
    leader: &str,
) -> Vec<usize> {
    let context = RankingContext { route_name: "r", sticky_key: "k", leader, random: 0.5 };
    order.rank(entries, &context).indices
}
