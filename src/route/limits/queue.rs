//! Who waits for what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::ask::Ask;
use super::{Common, Full, lock};
use crate::ledger::Lease;

/// Whether other processes gave something back is looked at so often, and a little later by chance.
const POLL: Duration = Duration::from_millis(20);

/// A ticket ends by itself after so many milliseconds, and is renewed well before.
const TICKET: i64 = 3_000;
const RENEWAL: Duration = Duration::from_secs(1);

/// A gate for each model that somebody waits for. Whoever is first in line holds it; the others come in their order.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Gates {
    pub(super) fn of(&self, model: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0).entry(model.to_owned()).or_default())
    }

    /// Whether somebody waits there.
    pub(super) fn is_waited_at(&self, model: &str) -> bool {
        lock(&self.0).get(model).is_some_and(|gate| gate.try_lock().is_err())
    }
}

/// A place in the line of all processes. Without it, one with many calls would take up whatever it gives back, and another
/// one that looks in now and then would never find anything free.
pub(super) struct Ticket {
    common: Arc<Common>,
    shown: Option<(Arc<Ask>, Instant)>,
}

impl Ticket {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self { common, shown: None }
    }

    /// Shows it to the others, again from time to time.
    pub(super) fn show(&mut self, ask: &Ask) {
        if self.shown.as_ref().is_some_and(|(_, at)| at.elapsed() < RENEWAL) {
            return;
        }
        let ask = Arc::new(ask.clone());
        self.shown = Some((Arc::clone(&ask), Instant::now()));
        let until = self.common.now() + TICKET;
        self.common.ledger.post(move |rows| {
            let (scope, holder, since, tokens) =
                (ask.queue.clone(), ask.holder.clone(), ask.since, ask.tokens);
            rows.put_lease(&Lease { scope, holder, since, until, nano_dollars: 0, tokens })
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((ask, _)) = self.shown.take() {
            self.common.ledger.post(move |rows| rows.remove_lease(&ask.queue, &ask.holder).map(drop));
        }
    }
}

/// How long until it is worth another look, where nothing of this process is given back before. `draw` is a number
/// between 0 and 1.
pub(super) fn pause(full: &Full, milliseconds: i64, draw: f64) -> Duration {
    let until = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    let poll = POLL + POLL.mul_f64(draw);
    match full {
        Full::Requests(_) | Full::Tokens(_) => until.clamp(POLL, RENEWAL),
        Full::AtOnce(_) | Full::Eased(_) | Full::Returning(_) | Full::Money | Full::Queue => poll,
    }
}
