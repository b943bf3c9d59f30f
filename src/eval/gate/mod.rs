//! The rule that turns a run into an exit code.

mod count_or_share;
mod evaluate;
#[cfg(test)]
mod false_alarm_tests;

pub use count_or_share::CountOrShare;
pub use evaluate::{GateReport, evaluate_gate};

use super::statistics::ComparisonMetric;

/// A limit on the 95th percentile takes so many answers: with fewer, one slow answer more or less moves it.
pub const MIN_ANSWERS_FOR_P95: usize = 200;

/// What is demanded of a run. Floors hold for every subject but a baseline; the rest is about how subjects stand to one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    /// What is compared with a baseline; the pass rate, where nothing is said.
    pub metric: Option<ComparisonMetric>,
    /// The least pass rate, 0 to 1.
    pub min_pass_rate: Option<f64>,
    /// The least mean score, 0 to 1.
    pub min_score: Option<f64>,
    /// The most that a subject's answers may cost together, in dollars.
    pub max_cost_usd: Option<f64>,
    /// The longest median latency, in milliseconds.
    pub max_p50_ms: Option<f64>,
    /// The longest 95th percentile of the latency, in milliseconds.
    pub max_p95_ms: Option<f64>,
    /// The most cases that may go unscored; none, where nothing is said.
    pub max_unscored: Option<CountOrShare>,
    /// The largest drop against a baseline that may be observed.
    pub max_drop: Option<f64>,
    /// The difference to a baseline that does not matter.
    pub margin: Option<f64>,
    /// Whether floors must be cleared by the lower end of the interval, and a drop beyond `max_drop` be ruled out.
    pub strict: bool,
}

impl Gate {
    /// This one, and what it does not say as the other has it.
    pub fn merge_over(&self, other: &Self) -> Self {
        Self {
            metric: self.metric.or(other.metric),
            min_pass_rate: self.min_pass_rate.or(other.min_pass_rate),
            min_score: self.min_score.or(other.min_score),
            max_cost_usd: self.max_cost_usd.or(other.max_cost_usd),
            max_p50_ms: self.max_p50_ms.or(other.max_p50_ms),
            max_p95_ms: self.max_p95_ms.or(other.max_p95_ms),
            max_unscored: self.max_unscored.or(other.max_unscored),
            max_drop: self.max_drop.or(other.max_drop),
            margin: self.margin.or(other.margin),
            strict: self.strict || other.strict,
        }
    }

    /// Figures that no run could be held to: each by its field, with what it must be.
    pub fn find_invalid_fields(&self) -> Vec<(&'static str, &'static str)> {
        let shares = [
            ("min_pass_rate", self.min_pass_rate),
            ("min_score", self.min_score),
            ("max_drop", self.max_drop),
            ("margin", self.margin),
        ];
        let amounts = [
            ("max_cost_usd", self.max_cost_usd),
            ("max_p50_ms", self.max_p50_ms),
            ("max_p95_ms", self.max_p95_ms),
        ];
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let amount = |value: f64| value.is_finite() && value >= 0.0;
        let wrong = |fields: &[(&'static str, Option<f64>)], fits: fn(f64) -> bool, must: &'static str| {
            let misfits = fields.iter().filter(|(_, value)| value.is_some_and(|value| !fits(value)));
            misfits.map(|(name, _)| (*name, must)).collect::<Vec<_>>()
        };
        [wrong(&shares, share, "between 0 and 1"), wrong(&amounts, amount, "0 or more")].concat()
    }

    /// Whether it has a floor for how well subjects do.
    pub fn has_floor(&self) -> bool {
        self.min_pass_rate.is_some() || self.min_score.is_some()
    }

    /// Whether it looks at time, of which answers from before say nothing.
    pub fn has_latency_limit(&self) -> bool {
        self.max_p50_ms.is_some() || self.max_p95_ms.is_some()
    }

    /// How many of so many cases may go unscored.
    pub fn max_unscored_cases(&self, cases: u64) -> u64 {
        self.max_unscored.map_or(0, |limit| limit.to_count(cases))
    }
}
