//! Weight shares from eval scores: candidates with a lower pass rate get fewer calls.

use super::health_store::HealthStore;
use super::store::{CallChange, StoreError, WeightRow};
use crate::provider::ModelRef;

/// A candidate keeps at least this share of its weight, because the route's author wants it to get some
/// calls.
const MIN_SHARE: f64 = 0.2;

/// Pass rate relative to the best one, at least [`MIN_SHARE`]. If the best pass rate is 0, the scores do not
/// distinguish the candidates and the share is 1.
fn weight_share(pass_rate: f64, best: f64) -> f64 {
    if best > 0.0 { (pass_rate / best).clamp(MIN_SHARE, 1.0) } else { 1.0 }
}

impl HealthStore {
    /// The stored weight shares of a route's candidates.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn weights(&self, route: &str) -> Result<Vec<WeightRow>, StoreError> {
        self.store().weights(route)
    }

    /// Restores the full weights of a route; returns the number of removed shares.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub async fn remove_weights(&self, route: &str) -> Result<usize, StoreError> {
        self.store().remove_weights(route).await
    }

    /// Computes, stores, and returns the candidates' weight shares from their pass rates on a golden set.
    pub fn reweight(&self, route: &str, set_path: &str, rates: &[(ModelRef, f64)]) -> Vec<WeightRow> {
        let best = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let at = self.now();
        let row = |(model, rate): &(ModelRef, f64)| WeightRow {
            model: model.to_string(),
            share: weight_share(*rate, best),
            at,
            set_path: set_path.to_owned(),
        };
        let weights: Vec<WeightRow> = rates.iter().map(row).collect();
        self.store().enqueue(CallChange::PutWeights { route: route.to_owned(), weights: weights.clone() });
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_pass_rate_lowers_share_to_minimum() {
        let shares = [1.0, 0.9, 0.45, 0.1, 0.0].map(|rate| weight_share(rate, 0.9));
        assert_eq!(shares, [1.0, 1.0, 0.5, MIN_SHARE, MIN_SHARE]);
        assert_eq!(weight_share(0.0, 0.0), 1.0);
    }
}
