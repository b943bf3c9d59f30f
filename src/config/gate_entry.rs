//! The `gate:` of a golden set.

use serde::Deserialize;
use serde_json::Value;

use super::diagnostic::Diagnostic;
use super::yaml::Spanned;
use crate::eval::statistics::ComparisonMetric;
use crate::eval::{CountOrShare, Gate, MIN_ANSWERS_FOR_P95};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GateEntry {
    metric: Option<ComparisonMetric>,
    min_pass_rate: Option<Spanned<f64>>,
    min_score: Option<Spanned<f64>>,
    max_cost_usd: Option<Spanned<f64>>,
    max_p50_ms: Option<Spanned<f64>>,
    max_p95_ms: Option<Spanned<f64>>,
    max_unscored: Option<Spanned<Value>>,
    max_drop: Option<Spanned<f64>>,
    margin: Option<Spanned<f64>>,
    #[serde(default)]
    strict: bool,
}

impl GateEntry {
    /// `answers` is the number of answers, over all cases and repeats.
    pub(super) fn resolve(self, answers: usize, problems: &mut Vec<Diagnostic>) -> Gate {
        let value = |written: &Option<Spanned<f64>>| written.as_ref().map(|written| written.value);
        let gate = Gate {
            metric: self.metric,
            min_pass_rate: value(&self.min_pass_rate),
            min_score: value(&self.min_score),
            max_cost_usd: value(&self.max_cost_usd),
            max_p50_ms: value(&self.max_p50_ms),
            max_p95_ms: value(&self.max_p95_ms),
            max_unscored: self.max_unscored.as_ref().and_then(|limit| parse_max_unscored(limit, problems)),
            max_drop: value(&self.max_drop),
            margin: value(&self.margin),
            strict: self.strict,
        };
        for invalid in gate.find_invalid_fields() {
            let span = self.field(invalid.name).and_then(|written| written.span.clone());
            let message = format!("`{}` must be {}", invalid.name, invalid.requirement);
            problems.push(Diagnostic::new(message, span, invalid.hint));
        }
        if let Some(limit) = self.max_p95_ms.filter(|_| answers < MIN_ANSWERS_FOR_P95) {
            let message = format!(
                "`max_p95_ms` needs at least {MIN_ANSWERS_FOR_P95} answers, but this set produces {answers}"
            );
            let hint = "use `max_p50_ms` instead, add cases, or raise `repeat`";
            problems.push(Diagnostic::new(message, limit.span, hint));
        }
        gate
    }

    fn field(&self, name: &str) -> Option<&Spanned<f64>> {
        match name {
            "min_pass_rate" => self.min_pass_rate.as_ref(),
            "min_score" => self.min_score.as_ref(),
            "max_cost_usd" => self.max_cost_usd.as_ref(),
            "max_p50_ms" => self.max_p50_ms.as_ref(),
            "max_p95_ms" => self.max_p95_ms.as_ref(),
            "max_drop" => self.max_drop.as_ref(),
            "margin" => self.margin.as_ref(),
            _ => None,
        }
    }
}

fn parse_max_unscored(limit: &Spanned<Value>, problems: &mut Vec<Diagnostic>) -> Option<CountOrShare> {
    let text = limit.value.as_str().map_or_else(|| limit.value.to_string(), str::to_owned);
    let hint = "use a number of cases, or a percentage such as `1%`";
    let wrong = |why| Diagnostic::new(format!("`max_unscored`: {why}"), limit.span.clone(), hint);
    text.parse().map_err(|why: String| problems.push(wrong(why))).ok()
}
