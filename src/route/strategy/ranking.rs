//! What strategies rank, and the order that they return.

use crate::route::candidate_estimate::CandidateEstimate;

pub(crate) struct RankingEntry<'a> {
    /// `provider/model`.
    pub(crate) model: &'a str,
    pub(crate) weight: f64,
    pub(crate) estimate: CandidateEstimate,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Ranking {
    /// Indices into the list of entries, best first.
    pub(crate) indices: Vec<usize>,
    /// Whether the first candidate is first only to be measured.
    pub(crate) is_exploration: bool,
}

/// What the order depends on besides the entries.
pub(crate) struct RankingContext<'a> {
    pub(crate) route_name: &'a str,
    /// The same key gets the same order.
    pub(crate) sticky_key: &'a str,
    /// The route's current first choice.
    pub(crate) leader: &'a str,
    /// In 0..1.
    pub(crate) random: f64,
}

impl Ranking {
    /// Sorts by a key, lowest first. Equal keys keep the file's order.
    pub(super) fn by_key(entries: &[RankingEntry<'_>], key: impl Fn(&RankingEntry<'_>) -> f64) -> Self {
        let mut indices: Vec<usize> = (0..entries.len()).collect();
        indices.sort_by(|a, b| key(&entries[*a]).total_cmp(&key(&entries[*b])));
        Self { indices, is_exploration: false }
    }
}
