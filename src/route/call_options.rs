use std::time::Duration;

use super::limits::RunBudget;

/// What a caller knows about a request beyond its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingHints {
    /// Matched against the candidates' `label` conditions.
    pub label: Option<String>,
    /// Calls with the same key get the same order on a weighted route; without a key, the order is random.
    pub sticky_key: Option<String>,
}

/// What the caller decides about one call. The route decides the rest.
#[derive(Clone, Debug)]
pub struct CallOptions {
    pub id: String,
    /// As the user typed it.
    pub requested_model: String,
    /// Whether to request a stream from the provider, so that stalls are detected.
    pub stream: bool,
    /// Whether the caller shows text as it arrives. Shown text cannot be taken back, so if the answer breaks
    /// off after that, the call fails over only if the route's `on_midstream` allows it.
    pub shows_text: bool,
    /// Limit for the whole call.
    pub timeout: Option<Duration>,
    /// Shared by all calls that may spend it.
    pub run_budget: Option<RunBudget>,
    /// Whether the call waits for limits without a time limit, and without counting the wait toward its
    /// timeouts. For callers that start many calls at once.
    pub wait_for_limits: bool,
    pub hints: RoutingHints,
}

impl Default for CallOptions {
    /// A streamed call without any limit.
    fn default() -> Self {
        Self {
            id: String::new(),
            requested_model: String::new(),
            stream: true,
            shows_text: false,
            timeout: None,
            run_budget: None,
            wait_for_limits: false,
            hints: RoutingHints::default(),
        }
    }
}
