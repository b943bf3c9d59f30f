//! Health of each model, as learned from the calls of all processes that share a ledger.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::breaker::{
    AttemptRole, BreakerTransition, HealthSignal, active_trips, add_measurement, apply_signal,
    decayed_counts, decayed_weight, error_rate, is_demoted,
};
use super::limits::{all_scopes, provider_scope, spend_on_day};
use super::{Availability, Cooldown, HealthReport, Route, Unavailable, clock_skew, to_millis};
use crate::catalog::NanoDollars;
use crate::chat::{FailureClass, Usage};
use crate::ledger::{HealthKey, HealthRow, Ledger, LedgerTables, PassRateRow, SqlResult};
use crate::provider::{ModelRef, Target};

/// Returns the current time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
pub struct HealthStore {
    ledger: Arc<Ledger>,
    clock: Clock,
    rng: Arc<Mutex<fastrand::Rng>>,
}

/// The result of an attempt, for the health store.
pub(super) struct AttemptFeedback {
    pub(super) role: AttemptRole,
    pub(super) signal: HealthSignal,
    pub(super) cooldown: Cooldown,
    pub(super) class: Option<FailureClass>,
    pub(super) retry_after: Option<Duration>,
    /// Milliseconds to the first token, and per token after it.
    pub(super) latencies_ms: [Option<f64>; 2],
}

/// Old rows are removed after about one attempt in this many: those whose time in milliseconds is a multiple
/// of it.
const CLEANUP_INTERVAL: i64 = 100;

const DAY_MS: i64 = 86_400_000;

/// A model's health is forgotten if it has not been called for this long; its pass rates are kept for a year.
const HEALTH_RETENTION_MS: i64 = 90 * DAY_MS;
const PASS_RATE_RETENTION_MS: i64 = 366 * DAY_MS;

/// Base URL in the keys of all simulators, because their port changes with each start.
const SIMULATOR_BASE_URL: &str = "simulator";

/// The key of a model's row in the ledger.
pub(super) fn health_key(target: &Target) -> HealthKey {
    let base_url = if target.provider.simulated { SIMULATOR_BASE_URL } else { target.base_url() };
    let model = &target.model_ref;
    HealthKey { provider: model.provider.clone(), base_url: base_url.to_owned(), model: model.model.clone() }
}

fn cooldown_key(target: &Target) -> String {
    match target.key_fingerprint() {
        Some(fingerprint) => fingerprint,
        None => format!("{} at {}", target.model_ref.provider, health_key(target).base_url),
    }
}

impl HealthStore {
    pub fn new(ledger: Arc<Ledger>, clock: Clock, rng: fastrand::Rng) -> Self {
        Self { ledger, clock, rng: Arc::new(Mutex::new(rng)) }
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(super) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    fn random(&self) -> f64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// A separate in-memory store for a drill: it copies the latencies, pass rates, and route stats, treats
    /// every model as healthy, and is discarded afterwards.
    pub(super) fn for_drill(&self, route: &Route) -> Self {
        let ledger = Ledger::in_memory();
        let name = route.stats_key();
        let stats = self.ledger.read(|rows| rows.route_stats(&name));
        ledger.enqueue(move |rows| rows.update_route_stats(&name, |row| row.clone_from(&stats)));
        for target in route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().ok()) {
            let key = health_key(target);
            let source = self.ledger.read(|rows| rows.health(&key));
            let copy_latencies = move |row: &mut HealthRow| {
                (row.first_token, row.token, row.measured_at) =
                    (source.first_token, source.token, source.measured_at);
            };
            ledger.enqueue(move |rows| rows.update_health(&key, copy_latencies));
        }
        if let Some(floor) = &route.policy.requirements.quality {
            let set = floor.set.to_string_lossy().into_owned();
            for candidate in &route.candidates {
                let (set, model) = (set.clone(), candidate.model_ref.to_string());
                if let Some(score) = self.ledger.read(|rows| rows.pass_rate(&set, &model)) {
                    ledger.enqueue(move |rows| rows.put_pass_rate(&set, &model, &score, score.measured_at));
                }
            }
        }
        Self { ledger: Arc::new(ledger), clock: Arc::clone(&self.clock), rng: Arc::clone(&self.rng) }
    }

    /// The availability of each target, in the same order.
    pub fn availability<'a>(&self, targets: impl IntoIterator<Item = &'a Target>) -> Vec<Availability> {
        let now = self.now();
        let keys: Vec<(HealthKey, String)> =
            targets.into_iter().map(|target| (health_key(target), cooldown_key(target))).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let availabilities: Vec<Availability> = self.ledger.read(|rows| {
            keys.iter()
                .map(|(key, cooldown_key)| availability_from_rows(rows, key, cooldown_key, now))
                .collect::<SqlResult<_>>()
        });
        // If the ledger cannot be read, assume that every model is ready.
        if availabilities.len() == keys.len() {
            availabilities
        } else {
            vec![Availability::Ready; keys.len()]
        }
    }

    pub fn report(&self, target: &Target) -> HealthReport {
        let (now, key, cooldown_key) = (self.now(), health_key(target), cooldown_key(target));
        let (row, availability) = self.ledger.read(|rows| {
            Ok((rows.health(&key)?, Some(availability_from_rows(rows, &key, &cooldown_key, now)?)))
        });
        let row = clock_skew::correct_health(row, now);
        let since = now - row.measured_at;
        let (errors, events) = decayed_counts(&row, now);
        let typical = |trend| (decayed_weight(trend, since) > 0.0).then(|| trend.mean.exp());
        HealthReport {
            availability: availability.unwrap_or(Availability::Ready),
            error_rate: error_rate(&row, now),
            recent_calls: events,
            recent_errors: errors,
            trips: active_trips(&row, now),
            first_token_ms: typical(row.first_token),
            token_ms: typical(row.token),
            last_failure: (row.last_failed_at > 0).then_some((row.last_failed_at, row.last_failure_class)),
        }
    }

    pub(super) fn record_route_stats(&self, route: &str, usage: &Usage) {
        let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens) else { return };
        let share = usage.cached_input_tokens.unwrap_or(0) as f64 / input.max(1) as f64;
        let route = route.to_owned();
        self.ledger.enqueue(move |rows| {
            rows.update_route_stats(&route, |row| row.record_call(output, share.min(1.0)))
        });
    }

    /// Records a model's score from a run of a whole golden set.
    pub fn record_pass_rate(&self, set: &Path, digest: &str, model: &ModelRef, passed: u64, failed: u64) {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (passed, scored) = (count(passed), count(passed + failed));
        let score = PassRateRow { measured_at: self.now(), passed, scored, set_digest: digest.to_owned() };
        let (set, model) = (set.to_string_lossy().into_owned(), model.to_string());
        let latest = clock_skew::latest_past_time(score.measured_at);
        self.ledger.enqueue(move |rows| rows.put_pass_rate(&set, &model, &score, latest));
    }

    pub(super) fn record_leader(&self, route: &str, leader: &str) {
        let (route, leader) = (route.to_owned(), leader.to_owned());
        self.ledger
            .enqueue(move |rows| rows.update_route_stats(&route, |row| row.leader.clone_from(&leader)));
    }

    /// Today's spending in nano-dollars: real, then simulated.
    pub fn spent_today(&self) -> [NanoDollars; 2] {
        let now = self.now();
        self.ledger.read(|rows| spend_on_day(rows, now))
    }

    /// Removes the model's health, the cooldowns of its key that affect it, and its provider's rate buckets,
    /// leases, and adaptive concurrency.
    pub async fn reset(&self, target: &Target) {
        let (key, cooldown_key) = (health_key(target), cooldown_key(target));
        self.ledger
            .write(move |rows| {
                rows.remove_health(&key)?;
                all_scopes(&key).iter().try_for_each(|scope| rows.clear_scope(scope))?;
                rows.put_adaptive_concurrency(&provider_scope(&key), None)?;
                rows.remove_cooldowns(&cooldown_key, &key.model)
            })
            .await;
    }

    /// Records the result of an attempt; the receiver gets the breaker's transition, if any.
    pub(super) fn record_feedback_with_ack(
        &self,
        target: &Target,
        feedback: AttemptFeedback,
    ) -> oneshot::Receiver<Option<BreakerTransition>> {
        self.ledger.enqueue_with_ack(self.feedback_write(target, feedback))
    }

    /// Like [`Self::record_feedback_with_ack`], for callers that do not need the transition.
    pub(super) fn record_feedback(&self, target: &Target, feedback: AttemptFeedback) {
        let mut write = self.feedback_write(target, feedback);
        self.ledger.enqueue(move |rows| write(rows).map(drop));
    }

    fn feedback_write(
        &self,
        target: &Target,
        feedback: AttemptFeedback,
    ) -> impl FnMut(&LedgerTables<'_>) -> SqlResult<Option<BreakerTransition>> + Send + use<> {
        let (now, random, key, cooldown_key) =
            (self.now(), self.random(), health_key(target), cooldown_key(target));
        let model = key.model.clone();
        move |rows| {
            if now % CLEANUP_INTERVAL == 0 {
                rows.remove_stale_rows(now, now - HEALTH_RETENTION_MS)?;
                rows.remove_pass_rates_before(now - PASS_RATE_RETENTION_MS)?;
            }
            let latest = clock_skew::latest_cooldown_end(now);
            let reason = feedback.class.map_or("", FailureClass::as_str);
            let cooldown = match feedback.cooldown {
                Cooldown::None => None,
                Cooldown::Key(span) => Some(("", span)),
                Cooldown::Model(span) => Some((model.as_str(), span)),
            };
            if let Some((model, span)) = cooldown {
                rows.extend_cooldown(&cooldown_key, model, now + to_millis(span), reason, latest)?;
            }
            rows.update_health(&key, |row| feedback.apply_to(row, now, random))
        }
    }
}

impl AttemptFeedback {
    fn apply_to(&self, row: &mut HealthRow, now: i64, random: f64) -> Option<BreakerTransition> {
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
        apply_signal(row, self.signal, self.role, now, random)
    }
}

fn availability_from_rows(
    rows: &LedgerTables<'_>,
    key: &HealthKey,
    cooldown_key: &str,
    now: i64,
) -> SqlResult<Availability> {
    let row = clock_skew::correct_health(rows.health(key)?, now);
    let mut causes = vec![(row.not_before, Unavailable::RetryAfter)];
    if row.open_until != 0 {
        causes.push((row.open_until, Unavailable::BreakerOpen));
        if row.open_until <= now {
            causes.push((row.probe_until, Unavailable::BreakerProbing));
        }
    }
    if let Some((until, why)) =
        rows.cooldown(cooldown_key, &key.model, clock_skew::latest_cooldown_end(now))?
    {
        causes.push((until, Unavailable::Cooldown(why)));
    }
    Ok(match causes.into_iter().filter(|(until, _)| *until > now).max_by_key(|(until, _)| *until) {
        Some((until, why)) => Availability::Unavailable { until, why },
        None if row.open_until != 0 => Availability::HalfOpen,
        None if is_demoted(&row, now) => Availability::Demoted,
        None => Availability::Ready,
    })
}
