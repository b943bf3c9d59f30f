//! Exploration: some calls first try a candidate only to measure it.

use super::ranking::{Ranking, RankingEntry};
use crate::route::candidate_estimate::MIN_MEASUREMENTS;

/// Share of calls that first try a candidate with few measurements, and one without any.
const EXPLORE_RATE: f64 = 0.05;
const DISCOVER_RATE: f64 = 0.25;

impl Ranking {
    /// Occasionally puts the candidate with the fewest measurements first, if it has too few for a reliable
    /// estimate.
    pub(super) fn explore(mut self, entries: &[RankingEntry<'_>], random: f64) -> Self {
        let indices = &mut self.indices;
        let measurements = |index: usize| entries[index].estimate.measurements;
        let least_measured =
            (1..indices.len()).min_by(|a, b| measurements(indices[*a]).total_cmp(&measurements(indices[*b])));
        if let Some(at) = least_measured
            && random < exploration_rate(measurements(indices[at]))
        {
            let index = indices.remove(at);
            indices.insert(0, index);
            self.is_exploration = true;
        }
        self
    }
}

fn exploration_rate(measurements: f64) -> f64 {
    match measurements {
        n if n < 0.5 => DISCOVER_RATE,
        n if n < MIN_MEASUREMENTS => EXPLORE_RATE,
        _ => 0.0,
    }
}
