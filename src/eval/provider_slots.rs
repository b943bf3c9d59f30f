//! How many cases are in flight at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Semaphore;

use crate::provider::Target;
use crate::route::Route;

/// So many at once at a provider, where nothing else is said.
const DEFAULT_SLOTS: usize = 16;

/// Places for cases, counted for each provider: subjects of one provider share them. Limits that hold for all processes,
/// and what a provider is given after it refused calls, come on top of this in the router.
#[derive(Debug, Default)]
pub struct ProviderSlots {
    requested: Option<usize>,
    pools: RefCell<HashMap<String, SlotPool>>,
}

/// The places at one provider.
#[derive(Clone, Debug)]
pub(super) struct SlotPool {
    /// How many there are.
    pub(super) capacity: usize,
    pub(super) semaphore: Rc<Semaphore>,
}

impl ProviderSlots {
    /// So many places for each provider; without a number its own limit, or sixteen.
    pub fn new(requested: Option<usize>) -> Self {
        Self { requested, pools: RefCell::default() }
    }

    /// The places for a route: those of its first provider, whom it asks first.
    pub(super) fn for_route(&self, route: &Route) -> SlotPool {
        match route.candidates.iter().find_map(|candidate| candidate.target.as_ref().ok()) {
            Some(target) => self.for_target(target),
            None => self.get_or_create(String::new(), None),
        }
    }

    /// The places at a model's provider.
    pub(super) fn for_target(&self, target: &Target) -> SlotPool {
        self.get_or_create(target.model_ref.provider.clone(), target.provider.limits.concurrency)
    }

    /// The places for programs on this machine.
    pub(super) fn for_programs(&self) -> SlotPool {
        // No provider is named like this.
        self.get_or_create("(programs)".to_owned(), None)
    }

    fn get_or_create(&self, name: String, limit: Option<u32>) -> SlotPool {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let places = self.requested.or(limit).unwrap_or(DEFAULT_SLOTS).max(1);
        let new = || SlotPool { capacity: places, semaphore: Rc::new(Semaphore::new(places)) };
        self.pools.borrow_mut().entry(name).or_insert_with(new).clone()
    }
}
