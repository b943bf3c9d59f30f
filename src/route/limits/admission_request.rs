//! What admission needs to know about a call.

use super::permit::LEASE_MS;
use crate::catalog::{NanoDollars, cost_at_list_price, estimate_input_tokens};
use crate::chat::{Request, Usage};
use crate::ledger::{HealthKey, Lease, RouteStatsRow};
use crate::provider::{ProviderLimits, Target};
use crate::route::DailyBudget;
use crate::route::candidate_estimate::estimate_output_tokens;
use crate::route::health_store::health_key;

/// Scopes of budget reservations, and whether they hold simulated money.
pub(super) const RESERVATION_SCOPES: [(&str, bool); 2] = [("money", false), ("simulated money", true)];

#[derive(Clone, Debug)]
pub(super) struct AdmissionRequest {
    /// A new random name for each acquisition.
    pub(super) lease_holder: String,
    pub(super) health_key: HealthKey,
    /// When the call joined the queue; `i64::MAX` if it is not queued.
    pub(super) queued_since: i64,
    pub(super) provider_scope: String,
    /// Holds the tickets of the first call in each process's queue.
    pub(super) queue_scope: String,
    pub(super) model_scope: String,
    pub(super) limits: ProviderLimits,
    /// Calls of this process in flight at the provider; without an adaptive limit, they hold no leases.
    pub(super) in_flight: u64,
    pub(super) expected_tokens: u64,
    /// `None` if the price is unknown.
    pub(super) expected_cost: Option<NanoDollars>,
    pub(super) daily_budget: Option<DailyBudget>,
    pub(super) is_simulated: bool,
}

impl AdmissionRequest {
    /// `stats` is called only if the expected usage is needed.
    pub(super) fn new(
        target: &Target,
        request: &Request,
        daily_budget: Option<DailyBudget>,
        has_run_budget: bool,
        stats: impl FnOnce() -> RouteStatsRow,
    ) -> Self {
        let health_key = health_key(target);
        let limits = target.provider.limits;
        let needs_usage = limits.tokens_per_minute.is_some() || daily_budget.is_some() || has_run_budget;
        let expected = if needs_usage { expected_usage(request, &stats()) } else { Usage::default() };
        Self {
            lease_holder: String::new(),
            queued_since: i64::MAX,
            provider_scope: provider_scope(&health_key),
            queue_scope: queue_scope(&health_key),
            model_scope: model_scope(&health_key),
            health_key,
            limits,
            in_flight: 0,
            expected_tokens: expected.input_tokens.unwrap_or(0) + expected.output_tokens.unwrap_or(0),
            expected_cost: expected_cost(target, &expected),
            daily_budget,
            is_simulated: target.provider.simulated,
        }
    }

    pub(super) fn lease_in(&self, scope: &str, nano_dollars: NanoDollars, now: i64) -> Lease {
        let (scope, holder) = (scope.to_owned(), self.lease_holder.clone());
        Lease { scope, holder, since: now, until: now + LEASE_MS, nano_dollars, tokens: 0 }
    }

    pub(super) fn reservation_scope(&self) -> &'static str {
        RESERVATION_SCOPES[usize::from(self.is_simulated)].0
    }
}

pub(in crate::route) fn provider_scope(key: &HealthKey) -> String {
    format!("{} at {}", key.provider, key.base_url)
}

fn queue_scope(key: &HealthKey) -> String {
    format!("waiting for {} at {}", key.provider, key.base_url)
}

fn model_scope(key: &HealthKey) -> String {
    format!("{}/{} at {}", key.provider, key.model, key.base_url)
}

/// All scopes of a model's calls, except budget reservations.
pub(in crate::route) fn all_scopes(key: &HealthKey) -> [String; 3] {
    [provider_scope(key), queue_scope(key), model_scope(key)]
}

/// Expected usage: the input estimated from the text, and the output limit; without a limit, twice the
/// route's mean output.
pub(in crate::route) fn expected_usage(request: &Request, stats: &RouteStatsRow) -> Usage {
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
