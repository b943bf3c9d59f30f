//! Health of each model, as learned from the calls of all processes that share a store.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::availability::{HealthReport, availability_at};
use super::breaker::{active_trips, decayed_counts, decayed_weight, error_rate};
use super::clock_skew;
use super::failure_reaction::Cooldown;
use super::health_signal::{AttemptRole, HealthSignal};
use super::keys::target_keys;
use super::plan::{Candidate, Route};
use super::spans::{Clock, utc_day};
use super::store::{
    CallChange, CallStore, CandidateKeys, CandidateRows, HealthFeedback, PassRateRow, Snapshot, SnapshotKeys,
    StoreError,
};
use crate::chat::{NanoDollars, TokenCount, Usage};
use crate::provider::{ModelRef, Target};

/// The shared data about calls, with the clock.
#[derive(Clone)]
pub struct HealthStore {
    store: Arc<dyn CallStore>,
    clock: Clock,
    rng: Arc<Mutex<fastrand::Rng>>,
}

impl HealthStore {
    pub fn new(store: Arc<dyn CallStore>, clock: Clock, rng: fastrand::Rng) -> Self {
        Self { store, clock, rng: Arc::new(Mutex::new(rng)) }
    }

    pub(super) fn store(&self) -> &Arc<dyn CallStore> {
        &self.store
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

    /// A separate store for a drill: it copies the measurements, treats every model as healthy, and is
    /// discarded afterwards.
    pub(super) fn for_drill(&self, route: &Route) -> Self {
        let store = self.store.copy_for_drill(&snapshot_keys(route));
        Self { store, clock: Arc::clone(&self.clock), rng: Arc::clone(&self.rng) }
    }

    /// What is known about a route. If that cannot be read, nothing is known.
    pub(super) fn snapshot(&self, keys: &SnapshotKeys) -> Arc<Snapshot> {
        let unknown = |_: StoreError| Arc::new(Snapshot::empty(keys.candidates.len()));
        self.store.snapshot(keys).unwrap_or_else(unknown)
    }

    /// What is known about one target.
    pub(super) fn known_rows(&self, target: &Target) -> CandidateRows {
        let keys = SnapshotKeys { candidates: vec![candidate_keys(target)], ..SnapshotKeys::default() };
        // A snapshot has rows for each candidate, which may say that nothing is known.
        self.snapshot(&keys).candidates.first().cloned().unwrap_or_default()
    }

    pub fn report(&self, target: &Target) -> HealthReport {
        let now = self.now();
        let rows = self.known_rows(target);
        let availability = availability_at(&rows, now);
        let row = clock_skew::correct_health(rows.health, now);
        let since = now - row.measured_at;
        let (errors, events) = decayed_counts(&row, now);
        let typical = |trend| (decayed_weight(trend, since) > 0.0).then(|| trend.mean.exp());
        HealthReport {
            availability,
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
        let (Some(input), Some(output_tokens)) = (usage.input_tokens, usage.output_tokens) else { return };
        // Providers that do not report cached tokens do not discount them either.
        let cached = usage.cached_input_tokens.map_or(0, TokenCount::get) as f64;
        let cached_share = (cached / input.get().max(1) as f64).min(1.0);
        self.store.enqueue(CallChange::AddRouteCall { route: route.to_owned(), output_tokens, cached_share });
    }

    /// Records a model's score from a run of a whole golden set.
    pub fn record_pass_rate(&self, set: &Path, digest: &str, model: &ModelRef, passed: u64, failed: u64) {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (passed, scored) = (count(passed), count(passed + failed));
        let pass_rate =
            PassRateRow { measured_at: self.now(), passed, scored, set_digest: digest.to_owned() };
        let (set_path, model) = (set.to_string_lossy().into_owned(), model.to_string());
        self.store.enqueue(CallChange::PutPassRate { set_path, model, pass_rate });
    }

    /// Today's spending: real, then simulated.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn spent_today(&self) -> Result<[NanoDollars; 2], StoreError> {
        Ok(self.store.spend_on_day(&utc_day(self.now()))?.map(|spend| spend.nano_dollars))
    }

    /// Removes the model's health, the cooldowns of its key that affect it, and its provider's rate buckets,
    /// leases, and adaptive concurrency.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub async fn reset(&self, target: &Target) -> Result<(), StoreError> {
        self.store.reset(target_keys(target)).await
    }

    /// The feedback of an attempt at this time, without a failure.
    pub(super) fn feedback(
        &self,
        target: &Target,
        role: AttemptRole,
        signal: HealthSignal,
    ) -> HealthFeedback {
        HealthFeedback {
            keys: target_keys(target),
            role,
            signal,
            cooldown: Cooldown::None,
            class: None,
            retry_after: None,
            latencies_ms: [None, None],
            now: self.now(),
            random: self.random(),
        }
    }
}

/// Names what the store knows about a route and its candidates.
pub(super) fn snapshot_keys(route: &Route) -> SnapshotKeys {
    let keys = |candidate: &Candidate| CandidateKeys {
        model: candidate.model_ref.to_string(),
        target: candidate.target.as_ref().ok().map(target_keys),
    };
    let quality = route.policy.requirements.quality.as_ref();
    SnapshotKeys {
        route_stats: route.stats_key(),
        weighted_route: route.name.clone().filter(|_| route.is_weighted()),
        set_path: quality.map(|quality| quality.set.to_string_lossy().into_owned()),
        candidates: route.candidates.iter().map(keys).collect(),
    }
}

pub(super) fn candidate_keys(target: &Target) -> CandidateKeys {
    CandidateKeys { model: target.model_ref.to_string(), target: Some(target_keys(target)) }
}
