//! What a call asks for before it begins.

use super::permit::LEASE_MS;
use crate::catalog::{NanoDollars, cost_at_list_price, estimate_input_tokens};
use crate::chat::{Request, Usage};
use crate::ledger::{HealthKey, Lease, RouteStatsRow};
use crate::provider::{ProviderLimits, Target};
use crate::route::DailyBudget;
use crate::route::candidate_estimate::estimate_output_tokens;
use crate::route::health_store::health_key;

/// The scopes in which money is set aside, and whether it is the simulator's.
pub(super) const RESERVATION_SCOPES: [(&str, bool); 2] = [("money", false), ("simulated money", true)];

/// What a call asks for before it begins.
#[derive(Clone, Debug)]
pub(super) struct AdmissionRequest {
    /// Who asks: another name each time that something is to be taken.
    pub(super) lease_holder: String,
    /// The model's row of health.
    pub(super) health_key: HealthKey,
    /// Since when it waits for its turn; the end of time while it does not.
    pub(super) queued_since: i64,
    /// What all calls of a provider count against.
    pub(super) provider_scope: String,
    /// Where those wait that are first in line in their process.
    pub(super) queue_scope: String,
    /// What all calls of a model count against.
    pub(super) model_scope: String,
    pub(super) limits: ProviderLimits,
    /// Calls of this process in flight at the provider: before it complained, none of them took a lease.
    pub(super) in_flight: u64,
    /// Tokens that it is thought to use.
    pub(super) expected_tokens: u64,
    /// What it is thought to cost; `None` where nobody knows, or where it does not matter.
    pub(super) expected_cost: Option<NanoDollars>,
    pub(super) daily_budget: Option<DailyBudget>,
    pub(super) is_simulated: bool,
}

impl AdmissionRequest {
    /// `habits` says what the answers are like that such calls get, where that matters.
    pub(super) fn new(
        target: &Target,
        request: &Request,
        daily_budget: Option<DailyBudget>,
        purse: bool,
        habits: impl FnOnce() -> RouteStatsRow,
    ) -> Self {
        let health_key = health_key(target);
        let limits = target.provider.limits;
        let counts = limits.tokens_per_minute.is_some() || daily_budget.is_some() || purse;
        let expected = if counts { expected_usage(request, &habits()) } else { Usage::default() };
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

    /// A lease of it in one scope, from now on.
    pub(super) fn lease_in(&self, scope: &str, nano_dollars: NanoDollars, now: i64) -> Lease {
        let (scope, holder) = (scope.to_owned(), self.lease_holder.clone());
        Lease { scope, holder, since: now, until: now + LEASE_MS, nano_dollars, tokens: 0 }
    }

    /// The scope in which money is set aside.
    pub(super) fn reservation_scope(&self) -> &'static str {
        RESERVATION_SCOPES[usize::from(self.is_simulated)].0
    }
}

/// What all calls of a provider count against.
pub(in crate::route) fn provider_scope(key: &HealthKey) -> String {
    format!("{} at {}", key.provider, key.base_url)
}

fn queue_scope(key: &HealthKey) -> String {
    format!("waiting for {} at {}", key.provider, key.base_url)
}

fn model_scope(key: &HealthKey) -> String {
    format!("{}/{} at {}", key.provider, key.model, key.base_url)
}

/// Everything that calls of a model count against, but money.
pub(in crate::route) fn all_scopes(key: &HealthKey) -> [String; 3] {
    [provider_scope(key), queue_scope(key), model_scope(key)]
}

/// What a request is thought to use: its text by its size, and the most that it lets come out; where it bounds nothing,
/// twice what such answers have.
pub(in crate::route) fn expected_usage(request: &Request, habits: &RouteStatsRow) -> Usage {
    let (mean, assumed) = estimate_output_tokens(habits, None);
    let output = request.max_output_tokens.unwrap_or(if assumed { mean } else { mean.saturating_mul(2) });
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
