//! Who waits for what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Full, lock};

/// Whether other processes gave something back is looked at so often, and a little later by chance.
const POLL: Duration = Duration::from_millis(20);

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

/// How long until it is worth another look, where nothing of this process is given back before. `draw` is a number
/// between 0 and 1.
pub(super) fn pause(full: &Full, milliseconds: i64, draw: f64) -> Duration {
    let until = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    let poll = POLL + POLL.mul_f64(draw);
    match full {
        Full::Requests(_) | Full::Tokens(_) => until.max(POLL),
        Full::AtOnce(_) | Full::Eased(_) | Full::Returning(_) | Full::Money | Full::Queue => poll,
    }
}
