//! What a call reads before it starts.

use super::{HealthKey, HealthRow, PassRateRow, RouteStatsRow, WeightRow};

/// Names the rows of a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SnapshotKeys {
    /// Key of the route's statistics.
    pub route_stats: String,
    /// The route whose weights are needed, if any.
    pub weighted_route: Option<String>,
    /// The golden set whose pass rates are needed, if any.
    pub set_path: Option<String>,
    pub candidates: Vec<CandidateKeys>,
}

/// Names the rows of one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CandidateKeys {
    /// `provider/model`.
    pub model: String,
    /// `None` for a candidate that cannot be called.
    pub target: Option<TargetKeys>,
}

/// Names the rows of a model that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetKeys {
    pub health: HealthKey,
    pub cooldown: String,
    pub provider_scope: String,
}

/// What all processes know about a route and its candidates, as of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub route_stats: RouteStatsRow,
    pub weights: Vec<WeightRow>,
    /// In the order of [`SnapshotKeys::candidates`].
    pub candidates: Vec<CandidateRows>,
}

/// What is known about one candidate; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateRows {
    pub health: HealthRow,
    pub cooldowns: Vec<CooldownRow>,
    /// The adaptive concurrency limit of its provider, and the time of the last 429 in milliseconds since
    /// 1970.
    pub adaptive_concurrency: Option<(f64, i64)>,
    pub pass_rate: Option<PassRateRow>,
}

/// A cooldown of a key, or of one model behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownRow {
    /// Milliseconds since 1970.
    pub until: i64,
    /// The class of the failure that started it.
    pub reason: String,
}

impl Snapshot {
    /// A snapshot in which nothing is known about any candidate.
    pub(crate) fn empty(candidates: usize) -> Self {
        Self { candidates: vec![CandidateRows::default(); candidates], ..Self::default() }
    }
}
