//! The state of one model at one base URL, as learned from its calls.

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthKey {
    pub provider: String,
    pub base_url: String,
    pub model: String,
}

/// Times are milliseconds since 1970; 0 means never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthRow {
    /// Decayed sum of the weights of failures.
    pub failures: f64,
    /// Decayed number of 429s.
    pub throttled: f64,
    /// Decayed number of all events.
    pub events: f64,
    /// Sum of the weights of failures since the last success.
    pub consecutive_failures: f64,
    /// Time of the last event, for decay.
    pub updated_at: i64,
    pub is_demoted: bool,
    /// When the breaker becomes half-open; 0 if it is closed.
    pub open_until: i64,
    /// Number of breaker trips, as of the last one; older trips are forgotten over time.
    pub trips: u32,
    pub last_trip_at: i64,
    pub successes_since_open: u32,
    /// End of the lease of the current probe.
    pub probe_until: i64,
    /// The call that holds the probe.
    pub probe_call_id: String,
    /// Earliest next call, as requested by the provider.
    pub not_before: i64,
    /// Maximum number of calls in flight during recovery; 0 means no limit.
    pub recovery_concurrency: u32,
    /// Mean of the logarithm of the milliseconds to the first token.
    pub first_token: DecayedMean,
    /// Mean of the logarithm of the milliseconds per token after the first.
    pub token: DecayedMean,
    /// Time of the last measurement of these two.
    pub measured_at: i64,
    pub last_failed_at: i64,
    pub last_failure_class: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DecayedMean {
    pub mean: f64,
    /// Decayed number of measurements; 0 if there are none.
    pub weight: f64,
}
