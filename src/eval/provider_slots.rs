//! Limits how many cases run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::provider::Target;
use crate::route::Route;

/// Concurrent cases per provider, unless a limit is set.
const DEFAULT_SLOTS: usize = 16;

/// Slots for concurrent cases, per provider; subjects of one provider share them. The router also applies
/// limits across processes and lowers concurrency after rate limits.
#[derive(Debug, Default)]
pub(crate) struct ProviderSlots {
    requested: Option<usize>,
    pools: Mutex<HashMap<String, SlotPool>>,
}

#[derive(Clone, Debug)]
pub(super) struct SlotPool {
    pub(super) capacity: usize,
    pub(super) semaphore: Arc<Semaphore>,
}

impl ProviderSlots {
    /// `requested` overrides each provider's own limit and the default.
    pub(crate) fn new(requested: Option<usize>) -> Self {
        Self { requested, pools: Mutex::default() }
    }

    /// The slots of the route's first candidate with a known provider.
    pub(super) fn for_route(&self, route: &Route) -> SlotPool {
        match route.candidates.iter().find_map(|candidate| candidate.target.as_ref().ok()) {
            Some(target) => self.for_target(target),
            None => self.get_or_create(String::new(), None),
        }
    }

    pub(super) fn for_target(&self, target: &Target) -> SlotPool {
        self.get_or_create(target.model_ref.provider.clone(), target.provider.limits.concurrency)
    }

    pub(super) fn for_programs(&self) -> SlotPool {
        // Parentheses keep this pool apart from those of providers.
        self.get_or_create("(programs)".to_owned(), None)
    }

    fn get_or_create(&self, name: String, limit: Option<u32>) -> SlotPool {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let capacity = self.requested.or(limit).unwrap_or(DEFAULT_SLOTS).max(1);
        let new = || SlotPool { capacity, semaphore: Arc::new(Semaphore::new(capacity)) };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(name).or_insert_with(new).clone()
    }
}
