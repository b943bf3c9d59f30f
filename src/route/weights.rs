//! Weights after scores: who does worse on a golden set is asked less.

use super::{HealthStore, Route, Strategy};
use crate::ledger::WeightRow;
use crate::provider::ModelRef;

/// However bad its score, a candidate keeps this share of its weight: whoever wrote the route wants to hear of it.
const MIN_SHARE: f64 = 0.2;

/// What is left of a candidate's weight: its pass rate next to the best one's, and never less than [`LEAST_SHARE`]. Where
/// nobody passed anything, the scores tell nobody apart.
fn weight_share(pass_rate: f64, best: f64) -> f64 {
    if best > 0.0 { (pass_rate / best).clamp(MIN_SHARE, 1.0) } else { 1.0 }
}

impl Route {
    /// Whether its calls are shared out by weight.
    pub fn is_weighted(&self) -> bool {
        matches!(self.policy.strategy, Strategy::Weighted { .. })
    }
}

impl HealthStore {
    /// What scores left of the weights of a route's candidates.
    pub fn weights(&self, route: &str) -> Vec<WeightRow> {
        self.ledger().read(|rows| rows.weights(route))
    }

    /// Weighs the candidates of a route anew, by the pass rates of a golden set, and says what is left of each.
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
        let (route, put) = (route.to_owned(), weights.clone());
        self.ledger().enqueue(move |rows| put.iter().try_for_each(|row| rows.put_weight(&route, row)));
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
