//! How many cases are in flight at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Semaphore;

use crate::route::Route;

/// So many at once at a provider, where nothing else is said.
const USUAL: usize = 16;

/// Places for cases, counted for each provider: subjects of one provider share them. Limits that hold for all processes,
/// and what a provider is given after it refused calls, come on top of this in the router.
#[derive(Debug, Default)]
pub struct Lanes {
    asked: Option<usize>,
    lanes: RefCell<HashMap<String, Lane>>,
}

/// The places at one provider.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// How many there are.
    pub(super) places: usize,
    pub(super) free: Rc<Semaphore>,
}

impl Lanes {
    /// So many places for each provider; without a number its own limit, or sixteen.
    pub fn new(asked: Option<usize>) -> Self {
        Self { asked, lanes: RefCell::default() }
    }

    /// The places for a route: those of its first provider, whom it asks first.
    pub(super) fn of(&self, route: &Route) -> Lane {
        let first = route.candidates.iter().find_map(|candidate| candidate.target.as_ref().ok());
        let (provider, limit) = match first {
            Some(target) => (target.model_ref.provider.clone(), target.provider.limits.concurrency),
            None => (String::new(), None),
        };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let places = self.asked.or(limit).unwrap_or(USUAL).max(1);
        let new = || Lane { places, free: Rc::new(Semaphore::new(places)) };
        self.lanes.borrow_mut().entry(provider).or_insert_with(new).clone()
    }
}
