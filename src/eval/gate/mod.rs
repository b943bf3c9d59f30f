//! Gates: the rule that turns the results of a run into pass or fail. It depends on `statistics` and on the
//! summaries and comparisons of its parent module.

mod count_or_share;
mod evaluate;
#[cfg(test)]
mod false_alarm_tests;
mod report;

pub(crate) use count_or_share::CountOrShare;
pub(crate) use evaluate::evaluate_gate;
pub(crate) use report::{ComparedFigures, GateReport, GateViolation, InconclusiveReason, LimitedFigure};

use super::statistics::ComparisonMetric;

/// Answers needed for a limit on the 95th percentile: with fewer, a single slow answer moves it.
pub(crate) const MIN_ANSWERS_FOR_P95: usize = 200;

/// Requirements for a run. Minimums and limits apply to every subject except the baseline; `metric`,
/// `max_drop`, and `margin` apply to comparisons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    /// `None` means the pass rate.
    pub metric: Option<ComparisonMetric>,
    /// 0 to 1.
    pub min_pass_rate: Option<f64>,
    /// 0 to 1.
    pub min_score: Option<f64>,
    /// Limit on the cost of all answers of a subject, including cached ones.
    pub max_cost_usd: Option<f64>,
    pub max_p50_ms: Option<f64>,
    pub max_p95_ms: Option<f64>,
    /// `None` means 0.
    pub max_unscored: Option<CountOrShare>,
    /// The largest observed drop allowed against a baseline, 0 to 1.
    pub max_drop: Option<f64>,
    /// Differences up to this size count as equivalent; 0 to 1.
    pub margin: Option<f64>,
    /// Requires the lower end of the interval to meet the minimums, and a drop above `max_drop` to be ruled
    /// out.
    pub strict: bool,
}

/// A field of a gate whose value is out of range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidGateField {
    pub name: &'static str,
    pub value: f64,
    /// What the value must be.
    pub requirement: &'static str,
    pub hint: &'static str,
}

impl Gate {
    /// Fields of `self`, falling back to those of `other`.
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

    /// The fields whose values are out of range.
    pub fn find_invalid_fields(&self) -> Vec<InvalidGateField> {
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        let is_amount = |value: f64| value.is_finite() && value >= 0.0;
        let shares = [
            ("min_pass_rate", self.min_pass_rate, "use 0.9 for 90%"),
            ("min_score", self.min_score, "use 0.9 for 90%"),
            ("max_drop", self.max_drop, "use 0.05 for 5 percentage points"),
            ("margin", self.margin, "use 0.05 for 5 percentage points"),
        ];
        let limit_hint = "use a limit of 0 or more, or remove it";
        let amounts = [
            ("max_cost_usd", self.max_cost_usd, limit_hint),
            ("max_p50_ms", self.max_p50_ms, limit_hint),
            ("max_p95_ms", self.max_p95_ms, limit_hint),
        ];
        let find_invalid = |fields: &[(&'static str, Option<f64>, &'static str)],
                            is_valid: fn(f64) -> bool,
                            requirement: &'static str| {
            let invalid = fields.iter().filter_map(|(name, value, hint)| {
                let value = value.filter(|value| !is_valid(*value))?;
                Some(InvalidGateField { name, value, requirement, hint })
            });
            invalid.collect::<Vec<_>>()
        };
        [find_invalid(&shares, is_share, "between 0 and 1"), find_invalid(&amounts, is_amount, "0 or more")]
            .concat()
    }

    pub fn has_floor(&self) -> bool {
        self.min_pass_rate.is_some() || self.min_score.is_some()
    }

    /// Whether it limits latency, which cached answers cannot show.
    pub fn has_latency_limit(&self) -> bool {
        self.max_p50_ms.is_some() || self.max_p95_ms.is_some()
    }

    /// How many of `cases` may be unscored.
    pub fn max_unscored_cases(&self, cases: u64) -> u64 {
        self.max_unscored.map_or(0, |limit| limit.to_count(cases))
    }
}
