//! How many cases are in flight at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Semaphore;

use crate::provider::Target;
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
        match route.candidates.iter().find_map(|candidate| candidate.target.as_ref().ok()) {
            Some(target) => self.at(target),
            None => self.lane(String::new(), None),
        }
    }

    /// The places at a model's provider.
    pub(super) fn at(&self, target: &Target) -> Lane {
        self.lane(target.model_ref.provider.clone(), target.provider.limits.concurrency)
    }

    /// The places for programs on this machine.
    pub(super) fn of_programs(&self) -> Lane {
        // No provider is named like this.
        self.lane("(programs)".to_owned(), None)
    }

    fn lane(&self, name: String, limit: Option<u32>) -> Lane {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let places = self.asked.or(limit).unwrap_or(USUAL).max(1);
        let new = || Lane { places, free: Rc::new(Semaphore::new(places)) };
        self.lanes.borrow_mut().entry(name).or_insert_with(new).clone()
    }
}
