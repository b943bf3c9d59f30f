//! Queues of calls that wait for a limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{CapacityLimit, LimiterState, lock};
use crate::chat::NanoDollars;
use crate::route::store::{AdmissionRequest, CallChange, Lease};

/// Minimum interval for checking whether other processes have released capacity; jitter is added.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Tickets expire after this time, and are renewed well before that.
const TICKET_MS: i64 = 3_000;
const TICKET_RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// One queue per model, as a fair mutex. The call at the head holds it; the others follow in order.
#[derive(Default)]
pub(super) struct ModelQueues(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl ModelQueues {
    pub(super) fn queue_for(&self, model: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0).entry(model.to_owned()).or_default())
    }

    pub(super) fn has_waiters(&self, model: &str) -> bool {
        lock(&self.0).get(model).is_some_and(|queue| queue.try_lock().is_err())
    }
}

/// A place in the queue shared by all processes. Without it, a process with many calls would take back all
/// the capacity it releases, and another process that only polls would never find any.
pub(super) struct QueueTicket {
    limiter: Arc<LimiterState>,
    /// Scope and holder of the ticket, and when it was written.
    published: Option<(String, String, Instant)>,
}

impl QueueTicket {
    pub(super) fn new(limiter: Arc<LimiterState>) -> Self {
        Self { limiter, published: None }
    }

    /// Writes the ticket to the ledger, and renews it from time to time.
    pub(super) fn publish(&mut self, admission: &AdmissionRequest) {
        if self.published.as_ref().is_some_and(|(_, _, at)| at.elapsed() < TICKET_RENEW_INTERVAL) {
            return;
        }
        let ticket = Lease {
            scope: admission.queue_scope.clone(),
            holder: admission.lease_holder.clone(),
            since: admission.queued_since,
            until: self.limiter.now() + TICKET_MS,
            nano_dollars: NanoDollars::ZERO,
            tokens: admission.expected_tokens,
        };
        self.published = Some((ticket.scope.clone(), ticket.holder.clone(), Instant::now()));
        self.limiter.store.enqueue(CallChange::AcquireLeases(vec![ticket]));
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        if let Some((scope, holder, _)) = self.published.take() {
            self.limiter.store.enqueue(CallChange::ReleaseLeases { scopes: vec![scope], holder });
        }
    }
}

/// Time until the next check, if this process releases nothing before then. `random` is in 0..1.
pub(super) fn poll_delay(limit: &CapacityLimit, ms_until_free: i64, random: f64) -> Duration {
    let until_free = Duration::from_millis(u64::try_from(ms_until_free).unwrap_or(0));
    let poll = POLL_INTERVAL + POLL_INTERVAL.mul_f64(random);
    match limit {
        CapacityLimit::RequestsPerMinute(_) | CapacityLimit::TokensPerMinute(_) => {
            until_free.clamp(POLL_INTERVAL, TICKET_RENEW_INTERVAL)
        }
        CapacityLimit::Concurrency(_)
        | CapacityLimit::AdaptiveConcurrency(_)
        | CapacityLimit::RecoveryConcurrency(_)
        | CapacityLimit::BudgetReserved
        | CapacityLimit::QueueOccupied => poll,
    }
}
