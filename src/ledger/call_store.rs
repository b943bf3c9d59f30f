//! What routing reads and writes.

use std::sync::Arc;

use super::snapshot_cache::load_snapshot;
use super::{Ledger, LedgerTables, SqlResult};
use crate::route::store::{
    AdmissionDecision, AdmissionFacts, AdmissionRequest, CallChange, CallStore, HealthFeedback, ProbeClaim,
    RateBucket, Snapshot, SnapshotKeys, Spend, StoreError, StoreFuture, TargetKeys, WeightRow,
    set_probe_lease,
};
use crate::route::store_logic as logic;
use crate::route::store_logic::{live_lease_ends, seconds_since};
use crate::route::{BreakerTransition, Clock};

/// Old rows are removed after about one attempt in this many: those whose time in milliseconds is a multiple
/// of it.
const CLEANUP_INTERVAL: i64 = 100;

const DAY_MS: i64 = 86_400_000;

/// A model's health is forgotten if it has not been called for this long; its pass rates are kept for a year.
const HEALTH_RETENTION_MS: i64 = 90 * DAY_MS;
const PASS_RATE_RETENTION_MS: i64 = 366 * DAY_MS;

impl CallStore for Ledger {
    fn snapshot(&self, keys: &SnapshotKeys) -> Result<Arc<Snapshot>, StoreError> {
        self.cached_snapshot(keys)
    }

    fn admission_facts(&self, request: &AdmissionRequest, now: i64) -> Result<AdmissionFacts, StoreError> {
        self.read_tables(|rows| rows.admission_facts(request, now))
    }

    fn lease_count(&self, scope: &str, now: i64) -> Result<u64, StoreError> {
        self.read_tables(|rows| Ok(rows.lease_totals(scope, live_lease_ends(now))?.count))
    }

    fn acquire(&self, request: Arc<AdmissionRequest>, clock: Clock) -> StoreFuture<AdmissionDecision> {
        self.write_tables(move |rows| rows.decide_and_acquire(&request, clock()))
    }

    fn acquire_probe(&self, claim: ProbeClaim, clock: Clock) -> StoreFuture<bool> {
        // When this runs, another call's lease may have expired or its probe may have succeeded.
        self.write_tables(move |rows| {
            rows.update_health(&claim.keys.health, |row| claim.apply_to(row, clock()))
        })
    }

    fn learn(&self, feedback: HealthFeedback) -> StoreFuture<Option<BreakerTransition>> {
        self.write_tables(move |rows| rows.learn(&feedback))
    }

    fn enqueue(&self, change: CallChange) {
        self.enqueue_change(move |rows| rows.apply(&change));
    }

    fn reset(&self, keys: TargetKeys) -> StoreFuture<()> {
        self.write_tables(move |rows| {
            rows.remove_health(&keys.health)?;
            logic::all_scopes(&keys.health).iter().try_for_each(|scope| rows.clear_scope(scope))?;
            rows.put_adaptive_concurrency(&keys.provider_scope, None)?;
            rows.remove_cooldowns(&keys.cooldown, &keys.health.model)
        })
    }

    fn spend_on_day(&self, day: &str) -> Result<[Spend; 2], StoreError> {
        let read =
            |rows: &LedgerTables<'_>| Ok((rows.known_spend(day, false)?, rows.known_spend(day, true)?));
        match self.read_tables(read)? {
            (Some(real), Some(simulated)) => Ok([real, simulated]),
            _ => Err(StoreError("the spending cannot be read".into())),
        }
    }

    fn weights(&self, route: &str) -> Result<Vec<WeightRow>, StoreError> {
        self.read_tables(|rows| rows.weights(route))
    }

    fn remove_weights(&self, route: &str) -> StoreFuture<usize> {
        let route = route.to_owned();
        self.write_tables(move |rows| rows.remove_weights(&route))
    }

    fn copy_for_drill(&self, keys: &SnapshotKeys) -> Arc<dyn CallStore> {
        let copy = Self::in_memory();
        if let Ok(known) = self.read_tables(|rows| load_snapshot(rows, keys)) {
            let keys = keys.clone();
            copy.enqueue_change(move |rows| rows.put_measurements(&keys, &known));
        }
        Arc::new(copy)
    }

    fn is_writer_started(&self) -> bool {
        self.has_writer()
    }

    fn start_writer(&self) {
        self.open_writer();
    }
}

impl LedgerTables<'_> {
    fn admission_facts(&self, request: &AdmissionRequest, now: i64) -> SqlResult<AdmissionFacts> {
        let keys = &request.keys;
        let mut facts = AdmissionFacts {
            adaptive_concurrency: self.adaptive_concurrency(&keys.provider_scope)?,
            health: self.health(&keys.health)?,
            ..AdmissionFacts::default()
        };
        if request.daily_budget.is_some() {
            let spend = self.known_spend(&logic::utc_day(now), request.is_simulated)?;
            facts.spent_today = spend.map(|spend| spend.nano_dollars);
            facts.reserved = self.lease_totals(request.reservation_scope(), live_lease_ends(now))?;
        }
        let has_concurrency_limit =
            request.limits.concurrency.is_some() || facts.adaptive_concurrency.is_some();
        if has_concurrency_limit {
            facts.provider_leases = self.lease_totals(&keys.provider_scope, live_lease_ends(now))?;
        }
        if has_concurrency_limit || request.has_rate_limit() {
            let (since, holder) = (request.queued_since, &request.lease_holder);
            facts.queued_ahead =
                self.lease_totals_before(&request.queue_scope, live_lease_ends(now), since, holder)?;
        }
        if facts.health.recovery_concurrency > 0 {
            facts.model_leases = self.lease_totals(&request.model_scope, live_lease_ends(now))?;
        }
        if request.has_rate_limit() {
            let seconds = seconds_since(now / 1000 - logic::WINDOW_SECS + 1, now);
            facts.rate_buckets = self.rate_buckets(&keys.provider_scope, seconds)?;
        }
        Ok(facts)
    }

    fn decide_and_acquire(&self, request: &AdmissionRequest, now: i64) -> SqlResult<AdmissionDecision> {
        self.settle_expired_leases(now)?;
        let decision = logic::decide_admission(&self.admission_facts(request, now)?, request, now);
        let AdmissionDecision::Admit(grant) = &decision else { return Ok(decision) };
        self.release_lease(&request.queue_scope, &request.lease_holder)?;
        request.leases(*grant, now).iter().try_for_each(|lease| self.acquire_lease(lease))?;
        if grant.rate {
            let second = now / 1000;
            let tokens = i64::try_from(request.expected_tokens.get()).unwrap_or(i64::MAX / 2);
            let amount = RateBucket { second, requests: 1, tokens };
            self.add_to_rate_bucket(&request.keys.provider_scope, amount)?;
            self.retain_rate_buckets(seconds_since(second - logic::WINDOW_SECS, now))?;
        }
        Ok(decision)
    }

    /// Removes expired leases, and those of processes that died.
    fn settle_expired_leases(&self, now: i64) -> SqlResult<()> {
        self.release_dead_leases()?;
        for (scope, is_simulated) in logic::RESERVATION_SCOPES {
            for lease in self.expired_leases(scope, live_lease_ends(now))? {
                let holder = lease.holder.clone();
                let settled = logic::settle_expired_reservation(lease, now);
                self.add_spend(&settled.day, is_simulated, settled.spend)?;
                self.release_lease(scope, &holder)?;
                self.acquire_lease(&settled.counted)?;
            }
        }
        self.remove_expired_leases(live_lease_ends(now))
    }

    fn learn(&self, feedback: &HealthFeedback) -> SqlResult<Option<BreakerTransition>> {
        let now = feedback.now;
        if now % CLEANUP_INTERVAL == 0 {
            self.remove_stale_rows(now, now - HEALTH_RETENTION_MS)?;
            self.remove_pass_rates_before(now - PASS_RATE_RETENTION_MS)?;
        }
        if let Some((model, until, reason)) = feedback.started_cooldown() {
            let latest = logic::latest_cooldown_end(now);
            self.extend_cooldown(&feedback.keys.cooldown, model, until, reason, latest)?;
        }
        self.update_health(&feedback.keys.health, |row| feedback.apply_to(row))
    }

    fn apply(&self, change: &CallChange) -> SqlResult<()> {
        match change {
            CallChange::Learn(feedback) => self.learn(feedback).map(drop),
            CallChange::SetProbeLease { keys, call_id, until } => {
                self.update_health(&keys.health, |row| set_probe_lease(row, call_id, *until))
            }
            CallChange::AddRouteCall { route, output_tokens, cached_share } => {
                self.update_route_stats(route, |row| row.record_call(*output_tokens, *cached_share))
            }
            CallChange::SetLeader { route, leader } => {
                self.update_route_stats(route, |row| row.leader.clone_from(leader))
            }
            CallChange::PutPassRate { set_path, model, pass_rate } => {
                let latest = logic::latest_past_time(pass_rate.measured_at);
                self.put_pass_rate(set_path, model, pass_rate, latest)
            }
            CallChange::PutWeights { route, weights } => {
                weights.iter().try_for_each(|row| self.put_weight(route, row))
            }
            CallChange::AcquireLeases(leases) => {
                leases.iter().try_for_each(|lease| self.acquire_lease(lease))
            }
            CallChange::RenewLeases(leases) => leases.iter().try_for_each(|lease| {
                // A reservation that was already counted as spent stays counted.
                if self.extend_lease(&logic::counted_scope(&lease.scope), &lease.holder, lease.until)? {
                    return Ok(());
                }
                self.acquire_lease(lease)
            }),
            CallChange::ReleaseLeases { scopes, holder } => {
                scopes.iter().try_for_each(|scope| self.release_lease(scope, holder).map(drop))
            }
            CallChange::AddToRateBucket { scope, amount } => self.add_to_rate_bucket(scope, *amount),
            CallChange::AddSpend { day, is_simulated, spend } => self.add_spend(day, *is_simulated, *spend),
            CallChange::SettleReservation { reservation, day, is_simulated, spend } => {
                if self.release_lease(&logic::counted_scope(&reservation.scope), &reservation.holder)? {
                    let counted_on = logic::utc_day(reservation.since);
                    self.subtract_spend(&counted_on, *is_simulated, reservation.nano_dollars)?;
                }
                self.add_spend(day, *is_simulated, *spend)
            }
            CallChange::LowerConcurrency { scope, started_at, in_flight, now } => {
                let stored = logic::plausible_limit(self.adaptive_concurrency(scope)?, *now);
                let leases = self.lease_totals(scope, live_lease_ends(*now))?.count;
                match logic::limit_after_429(stored, *started_at, *in_flight, leases, *now) {
                    Some(limit) => self.put_adaptive_concurrency(scope, Some(limit)),
                    None => Ok(()),
                }
            }
            CallChange::RaiseConcurrency { scope, now } => {
                match logic::plausible_limit(self.adaptive_concurrency(scope)?, *now) {
                    Some(stored) => {
                        self.put_adaptive_concurrency(scope, logic::limit_after_success(stored, *now))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Stores the measurements of a snapshot, without what makes a model unavailable.
    fn put_measurements(&self, keys: &SnapshotKeys, known: &Snapshot) -> SqlResult<()> {
        self.update_route_stats(&keys.route_stats, |row| row.clone_from(&known.route_stats))?;
        if let Some(route) = &keys.weighted_route {
            known.weights.iter().try_for_each(|row| self.put_weight(route, row))?;
        }
        for (candidate, rows) in keys.candidates.iter().zip(&known.candidates) {
            if let Some(target) = &candidate.target {
                self.update_health(&target.health, |row| {
                    (row.first_token, row.token, row.measured_at) =
                        (rows.health.first_token, rows.health.token, rows.health.measured_at);
                })?;
            }
            if let (Some(set_path), Some(pass_rate)) = (&keys.set_path, &rows.pass_rate) {
                self.put_pass_rate(set_path, &candidate.model, pass_rate, pass_rate.measured_at)?;
            }
        }
        Ok(())
    }
}
