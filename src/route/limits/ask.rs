//! What a call asks for before it begins.

use super::permit::LEASE;
use crate::catalog::{NanoDollars, estimated_input, price_of};
use crate::chat::{Request, Usage};
use crate::ledger::{HealthKey, Lease, RouteRow};
use crate::provider::{Limits, Target};
use crate::route::Budget;
use crate::route::estimate::output_tokens;
use crate::route::health::key;

/// What a call asks for before it begins.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Who asks: another name each time that something is to be taken.
    pub(super) holder: String,
    /// The model's row of health.
    pub(super) key: HealthKey,
    /// Since when it waits for its turn; the end of time while it does not.
    pub(super) since: i64,
    /// What all calls of a provider count against.
    pub(super) provider: String,
    /// Where those wait that are first in line in their process.
    pub(super) queue: String,
    /// What all calls of a model count against.
    pub(super) model: String,
    pub(super) limits: Limits,
    /// Calls of this process in flight at the provider: before it complained, none of them took a lease.
    pub(super) in_flight: u64,
    /// Tokens that it is thought to use.
    pub(super) tokens: u64,
    /// What it is thought to cost; `None` where nobody knows, or where it does not matter.
    pub(super) cost: Option<NanoDollars>,
    pub(super) budget: Option<Budget>,
    pub(super) simulated: bool,
}

impl Ask {
    /// `habits` says what the answers are like that such calls get, where that matters.
    pub(super) fn new(
        target: &Target,
        request: &Request,
        budget: Option<Budget>,
        purse: bool,
        habits: impl FnOnce() -> RouteRow,
    ) -> Self {
        let key = key(target);
        let limits = target.provider.limits;
        let counts = limits.tokens_per_minute.is_some() || budget.is_some() || purse;
        let expected = if counts { expected_usage(request, &habits()) } else { Usage::default() };
        Self {
            holder: String::new(),
            since: i64::MAX,
            provider: provider_scope(&key),
            queue: format!("waiting for {} at {}", key.provider, key.base_url),
            model: format!("{}/{} at {}", key.provider, key.model, key.base_url),
            key,
            limits,
            in_flight: 0,
            tokens: expected.input_tokens.unwrap_or(0) + expected.output_tokens.unwrap_or(0),
            cost: expected_cost(target, &expected),
            budget,
            simulated: target.provider.simulated,
        }
    }

    /// A lease of it in one scope, from now on.
    pub(super) fn lease(&self, scope: &str, nano_dollars: NanoDollars, now: i64) -> Lease {
        let (scope, holder) = (scope.to_owned(), self.holder.clone());
        Lease { scope, holder, since: now, until: now + LEASE, nano_dollars, tokens: 0 }
    }

    /// The scope in which money is set aside.
    pub(super) fn money(&self) -> &'static str {
        if self.simulated { "simulated money" } else { "money" }
    }
}

/// What all calls of a provider count against.
pub(in crate::route) fn provider_scope(key: &HealthKey) -> String {
    format!("{} at {}", key.provider, key.base_url)
}

/// What a request is thought to use: its text by its size, and the most that it lets come out; where it bounds nothing,
/// twice what such answers have.
pub(in crate::route) fn expected_usage(request: &Request, habits: &RouteRow) -> Usage {
    let (mean, assumed) = output_tokens(habits, None);
    let output = request.max_tokens.unwrap_or(if assumed { mean } else { mean.saturating_mul(2) });
    Usage {
        input_tokens: Some(estimated_input(request)),
        output_tokens: Some(output),
        estimated: true,
        ..Usage::default()
    }
}

fn expected_cost(target: &Target, usage: &Usage) -> Option<NanoDollars> {
    price_of(usage, &target.facts.as_ref()?.price)
}
