//! Builds the request for the admission of a call.

use crate::catalog::{cost_at_list_price, estimate_input_tokens};
use crate::chat::{NanoDollars, Request, Usage};
use crate::provider::Target;
use crate::route::candidate_estimate::estimate_output_tokens;
use crate::route::daily_budget::DailyBudget;
use crate::route::keys::{model_scope, queue_scope, target_keys};
use crate::route::store::{AdmissionRequest, RouteStatsRow};

/// `stats` are those of the route; they give the expected output.
pub(super) fn admission_request(
    target: &Target,
    request: &Request,
    daily_budget: Option<DailyBudget>,
    has_run_budget: bool,
    stats: &RouteStatsRow,
) -> AdmissionRequest {
    let (keys, limits) = (target_keys(target), target.provider.limits);
    let needs_usage = limits.tokens_per_minute.is_some() || daily_budget.is_some() || has_run_budget;
    let expected = if needs_usage { expected_usage(request, stats) } else { Usage::default() };
    AdmissionRequest {
        lease_holder: String::new(),
        queued_since: i64::MAX,
        queue_scope: queue_scope(&keys.health),
        model_scope: model_scope(&keys.health),
        keys,
        limits,
        in_flight: 0,
        expected_tokens: [expected.input_tokens, expected.output_tokens].into_iter().flatten().sum(),
        expected_cost: expected_cost(target, &expected),
        daily_budget,
        is_simulated: target.provider.simulated,
    }
}

/// Expected usage: the input estimated from the text, and the output limit; without a limit, twice the
/// route's mean output.
fn expected_usage(request: &Request, stats: &RouteStatsRow) -> Usage {
    let (mean, is_assumed) = estimate_output_tokens(stats, None);
    let output = request.max_output_tokens.unwrap_or(if is_assumed { mean } else { mean.saturating_mul(2) });
    Usage {
        input_tokens: Some(estimate_input_tokens(request)),
        output_tokens: Some(output),
        is_estimated: true,
        ..Usage::default()
    }
}

fn expected_cost(target: &Target, usage: &Usage) -> Option<NanoDollars> {
    cost_at_list_price(usage, &target.facts.as_ref()?.pricing)
}
