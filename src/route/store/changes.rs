//! Changes to the shared data about calls.

use std::time::Duration;

use super::super::breaker::{add_measurement, apply_signal};
use super::super::clock_skew;
use super::super::failure_reaction::Cooldown;
use super::super::health_signal::{AttemptRole, BreakerTransition, HealthSignal};
use super::super::spans::to_millis;
use super::{HealthRow, Lease, PassRateRow, RateBucket, Spend, TargetKeys, WeightRow};
use crate::chat::{FailureClass, TokenCount};

/// The result of an attempt.
#[derive(Clone, Debug)]
pub struct HealthFeedback {
    pub keys: TargetKeys,
    pub role: AttemptRole,
    pub signal: HealthSignal,
    pub cooldown: Cooldown,
    /// `None` for an answer.
    pub class: Option<FailureClass>,
    pub retry_after: Option<Duration>,
    /// Milliseconds to the first token, and per token after it.
    pub latencies_ms: [Option<f64>; 2],
    pub now: i64,
    /// In 0..1.
    pub random: f64,
}

/// A request for the single probe of a half-open breaker.
#[derive(Clone, Debug)]
pub struct ProbeClaim {
    pub keys: TargetKeys,
    pub call_id: String,
    pub lease: Duration,
}

/// A change that no caller waits for.
#[derive(Clone, Debug)]
pub enum CallChange {
    Learn(Box<HealthFeedback>),
    /// Extends the lease of a probe that this call holds; 0 releases it.
    SetProbeLease {
        keys: TargetKeys,
        call_id: String,
        until: i64,
    },
    /// Adds a call to the running statistics of a route.
    AddRouteCall {
        route: String,
        output_tokens: TokenCount,
        cached_share: f64,
    },
    SetLeader {
        route: String,
        leader: String,
    },
    PutPassRate {
        set_path: String,
        model: String,
        pass_rate: PassRateRow,
    },
    PutWeights {
        route: String,
        weights: Vec<WeightRow>,
    },
    /// Acquires leases, or extends them if their holder has them.
    AcquireLeases(Vec<Lease>),
    /// Extends the leases of a running call. A reservation that was already counted as spent stays counted.
    RenewLeases(Vec<Lease>),
    ReleaseLeases {
        scopes: Vec<String>,
        holder: String,
    },
    AddToRateBucket {
        scope: String,
        amount: RateBucket,
    },
    AddSpend {
        day: String,
        is_simulated: bool,
        spend: Spend,
    },
    /// Records the actual cost of a call with a reservation. If its lease expired, this replaces the amount
    /// counted then.
    SettleReservation {
        reservation: Lease,
        day: String,
        is_simulated: bool,
        spend: Spend,
    },
    /// A 429 for a call that started at `started_at`, with `in_flight` calls of this process.
    LowerConcurrency {
        scope: String,
        started_at: i64,
        in_flight: u64,
        now: i64,
    },
    /// A success of a provider with an adaptive limit.
    RaiseConcurrency {
        scope: String,
        now: i64,
    },
}

impl HealthFeedback {
    /// The cooldown that the attempt started: the model it affects (empty for all models of the key), its
    /// end, and its reason.
    pub(crate) fn started_cooldown(&self) -> Option<(&str, i64, &'static str)> {
        let (model, span) = match self.cooldown {
            Cooldown::None => return None,
            Cooldown::Key(span) => ("", span),
            Cooldown::Model(span) => (self.keys.health.model.as_str(), span),
        };
        Some((model, self.now + to_millis(span), self.class.map_or("", FailureClass::as_str)))
    }

    pub(crate) fn apply_to(&self, row: &mut HealthRow) -> Option<BreakerTransition> {
        let now = self.now;
        *row = clock_skew::correct_health(std::mem::take(row), now);
        if let Some(class) = self.class {
            row.last_failed_at = row.last_failed_at.max(now);
            class.as_str().clone_into(&mut row.last_failure_class);
        }
        if let Some(wait) = self.retry_after {
            row.not_before = row.not_before.max(now + to_millis(wait).min(clock_skew::MAX_COOLDOWN_MS));
        }
        let since = now - row.measured_at;
        let [first, token] = self.latencies_ms;
        if let Some(first) = first {
            row.first_token = add_measurement(row.first_token, first, since);
        }
        if let Some(token) = token {
            row.token = add_measurement(row.token, token, since);
        }
        if first.is_some() || token.is_some() {
            row.measured_at = row.measured_at.max(now);
        }
        apply_signal(row, self.signal, self.role, now, self.random)
    }
}

impl ProbeClaim {
    /// Acquires the probe if no other call holds it at this time.
    pub(crate) fn apply_to(&self, row: &mut HealthRow, now: i64) -> bool {
        *row = clock_skew::correct_health(std::mem::take(row), now);
        let is_free = row.open_until == 0 || row.open_until <= now && row.probe_until <= now;
        if is_free && row.open_until != 0 {
            row.probe_until = now + to_millis(self.lease);
            row.probe_call_id.clone_from(&self.call_id);
        }
        is_free
    }
}

/// Sets the end of a probe's lease, if this call holds the probe. Extending never shortens it.
pub(crate) fn set_probe_lease(row: &mut HealthRow, call_id: &str, until: i64) {
    if row.probe_call_id == call_id && row.probe_until > 0 {
        row.probe_until = if until == 0 { 0 } else { until.max(row.probe_until) };
    }
}
