//! Who waits for what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::admission_request::AdmissionRequest;
use super::{CapacityLimit, LimiterState, lock};
use crate::ledger::Lease;

/// Whether other processes gave something back is looked at so often, and a little later by chance.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A ticket ends by itself after so many milliseconds, and is renewed well before.
const TICKET_MS: i64 = 3_000;
const TICKET_RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// A gate for each model that somebody waits for. Whoever is first in line holds it; the others come in their order.
#[derive(Default)]
pub(super) struct ModelQueues(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl ModelQueues {
    pub(super) fn queue_for(&self, model: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0).entry(model.to_owned()).or_default())
    }

    /// Whether somebody waits there.
    pub(super) fn has_waiters(&self, model: &str) -> bool {
        lock(&self.0).get(model).is_some_and(|gate| gate.try_lock().is_err())
    }
}

/// A place in the line of all processes. Without it, one with many calls would take up whatever it gives back, and another
/// one that looks in now and then would never find anything free.
pub(super) struct QueueTicket {
    common: Arc<LimiterState>,
    shown: Option<(Arc<AdmissionRequest>, Instant)>,
}

impl QueueTicket {
    pub(super) fn new(common: Arc<LimiterState>) -> Self {
        Self { common, shown: None }
    }

    /// Shows it to the others, again from time to time.
    pub(super) fn publish(&mut self, ask: &AdmissionRequest) {
        if self.shown.as_ref().is_some_and(|(_, at)| at.elapsed() < TICKET_RENEW_INTERVAL) {
            return;
        }
        let ask = Arc::new(ask.clone());
        self.shown = Some((Arc::clone(&ask), Instant::now()));
        let until = self.common.now() + TICKET_MS;
        self.common.ledger.enqueue(move |rows| {
            let (scope, holder, since, tokens) =
                (ask.queue_scope.clone(), ask.lease_holder.clone(), ask.queued_since, ask.expected_tokens);
            rows.acquire_lease(&Lease { scope, holder, since, until, nano_dollars: 0, tokens })
        });
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        if let Some((ask, _)) = self.shown.take() {
            self.common
                .ledger
                .enqueue(move |rows| rows.release_lease(&ask.queue_scope, &ask.lease_holder).map(drop));
        }
    }
}

/// How long until it is worth another look, where nothing of this process is given back before. `draw` is a number
/// between 0 and 1.
pub(super) fn poll_delay(full: &CapacityLimit, milliseconds: i64, draw: f64) -> Duration {
    let until = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    let poll = POLL_INTERVAL + POLL_INTERVAL.mul_f64(draw);
    match full {
        CapacityLimit::RequestsPerMinute(_) | CapacityLimit::TokensPerMinute(_) => {
            until.clamp(POLL_INTERVAL, TICKET_RENEW_INTERVAL)
        }
        CapacityLimit::Concurrency(_)
        | CapacityLimit::AdaptiveConcurrency(_)
        | CapacityLimit::RecoveryConcurrency(_)
        | CapacityLimit::BudgetReserved
        | CapacityLimit::QueueOccupied => poll,
    }
}
