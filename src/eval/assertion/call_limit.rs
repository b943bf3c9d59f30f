//! `cost`, `latency`, `first-token`, and `output-tokens`: limits on metrics of the call.

use std::time::Duration;

use serde_json::json;

use super::assertion_type::{AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CallMetric, CheckOutcome};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::pluralize;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const COST: AssertionType = AssertionType {
    name: "cost",
    example: "cost: {max_usd: 0.01}",
    options: &["max_usd", "value"],
    kind: AssertionKind::Format,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(|options, _| parse(options, "max_usd", CallMetric::CostUsd)),
};

pub(super) const LATENCY: AssertionType = AssertionType {
    name: "latency",
    example: "latency: {max_ms: 2000}",
    options: &["max_ms", "value"],
    parser: AssertionParser::Options(|options, _| parse(options, "max_ms", CallMetric::LatencyMilliseconds)),
    ..COST
};

pub(super) const FIRST_TOKEN: AssertionType = AssertionType {
    name: "first-token",
    example: "first-token: {max_ms: 800}",
    options: &["max_ms", "value"],
    parser: AssertionParser::Options(|options, _| {
        parse(options, "max_ms", CallMetric::FirstTokenMilliseconds)
    }),
    ..COST
};

pub(super) const OUTPUT_TOKENS: AssertionType = AssertionType {
    name: "output-tokens",
    example: "output-tokens: {max: 300}",
    options: &["max", "value"],
    parser: AssertionParser::Options(|options, _| parse(options, "max", CallMetric::OutputTokens)),
    ..COST
};

fn parse(options: &mut AssertionOptions, name: &str, metric: CallMetric) -> Result<ParsedCheck, OptionError> {
    let limit = match options.take_number(name)? {
        Some(limit) => Some(limit),
        None => options.take_number("value")?,
    };
    let limit = limit.ok_or_else(|| format!("missing `{name}`"))?;
    if limit < 0.0 {
        return Err(format!("`{name}` must not be negative").into());
    }
    // A free model costs 0, but every answer takes time and tokens.
    if limit == 0.0 && metric != CallMetric::CostUsd {
        return Err(format!("`{name}` must be above 0").into());
    }
    Ok(ParsedCheck::new(CallLimit { metric, limit }, json!([name, limit])))
}

#[derive(Debug)]
pub(super) struct CallLimit {
    pub(super) metric: CallMetric,
    pub(super) limit: f64,
}

impl CallLimit {
    fn measure(&self, answer: &GradableAnswer<'_>) -> Option<f64> {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        match self.metric {
            CallMetric::LatencyMilliseconds => answer.latency.map(milliseconds),
            CallMetric::FirstTokenMilliseconds => answer.first_token.map(milliseconds),
            CallMetric::CostUsd => answer.cost_usd,
            // An estimated count is not reliable enough.
            CallMetric::OutputTokens => answer
                .usage
                .output_tokens
                .filter(|_| !answer.usage.is_estimated)
                .map(|count| count.get() as f64),
        }
    }
}

impl AssertionCheck for CallLimit {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let limit = self.limit;
        let Some(value) = self.measure(answer) else {
            let why = match self.metric {
                CallMetric::LatencyMilliseconds => "the latency of this answer is unknown",
                CallMetric::FirstTokenMilliseconds => "the time to first token of this answer is unknown",
                CallMetric::CostUsd => "the cost of this answer is unknown",
                CallMetric::OutputTokens => "the provider did not report output tokens",
            };
            return CheckOutcome::Unscored(why.into());
        };
        let reason = match self.metric {
            CallMetric::LatencyMilliseconds | CallMetric::FirstTokenMilliseconds => {
                format!("{value:.0} ms (limit {limit} ms)")
            }
            CallMetric::CostUsd => format!("${value:.6} (limit ${limit})"),
            CallMetric::OutputTokens => {
                format!("{} (limit {limit})", pluralize(value as u64, "token"))
            }
        };
        CheckOutcome::PassFail(value <= limit, reason)
    }

    fn is_text_based(&self) -> bool {
        false
    }

    fn has_limit_on(&self, metric: CallMetric) -> bool {
        self.metric == metric
    }
}
