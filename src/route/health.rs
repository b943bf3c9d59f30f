//! What earlier calls taught: who wants to be left alone, and until when. Held in memory, for the life of a process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Block;
use crate::provider::{ModelRef, Target};

/// Blocks and waits of every provider and model that was called. One is shared by all calls of a process.
#[derive(Debug, Default)]
pub struct Health(Mutex<HashMap<Key, Instant>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Everything behind this provider's key and base URL.
    Provider(String, String),
    /// One model there.
    Model(String, ModelRef),
}

impl Key {
    fn provider(target: &Target) -> Self {
        Self::Provider(target.model_ref.provider.clone(), target.base_url().to_owned())
    }

    fn model(target: &Target) -> Self {
        Self::Model(target.base_url().to_owned(), target.model_ref.clone())
    }
}

impl Health {
    /// When the model may be called again; `None` when it may be now.
    pub fn blocked_until(&self, target: &Target, now: Instant) -> Option<Instant> {
        let until = self.lock();
        let times = [Key::provider(target), Key::model(target)].map(|key| until.get(&key).copied());
        times.into_iter().flatten().max().filter(|until| *until > now)
    }

    /// Notes a block. Blocks are extended, never shortened.
    pub(super) fn block(&self, target: &Target, block: Block, now: Instant) {
        match block {
            Block::None => {}
            Block::Key(span) => self.extend(Key::provider(target), now + span),
            Block::Model(span) => self.extend(Key::model(target), now + span),
        }
    }

    /// Notes that the model wants to be left alone for that long.
    pub(super) fn not_before(&self, target: &Target, wait: Duration, now: Instant) {
        self.extend(Key::model(target), now + wait);
    }

    fn extend(&self, key: Key, until: Instant) {
        self.lock().entry(key).and_modify(|old| *old = (*old).max(until)).or_insert(until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
