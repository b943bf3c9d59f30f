use super::CapacityLimit;

/// Whether a model can be called now.
#[derive(Clone, Debug, PartialEq)]
pub enum Availability {
    Ready,
    /// Available, but ranked behind others because of its error rate.
    Demoted,
    /// Half-open breaker: one call may probe the model.
    HalfOpen,
    Unavailable {
        /// Milliseconds since 1970.
        until: i64,
        why: Unavailable,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    BreakerOpen,
    /// The breaker is half-open, and another call is probing it.
    BreakerProbing,
    /// The provider requested a delay before the next call.
    RetryAfter,
    /// Cooldown of the key or the model, with the class of the failure.
    Cooldown(String),
    /// A concurrency limit, rate limit, or budget is used up.
    AtLimit(CapacityLimit),
}

impl Availability {
    /// The value in JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Demoted => "demoted",
            Self::HalfOpen => "half_open",
            Self::Unavailable { why, .. } => why.code(),
        }
    }

    /// When the model becomes available, in milliseconds since 1970; `None` if it is available now.
    pub fn unavailable_until(&self) -> Option<i64> {
        match self {
            Self::Unavailable { until, .. } => Some(*until),
            Self::Ready | Self::Demoted | Self::HalfOpen => None,
        }
    }

    /// The index of the first candidate that is ready or half-open, else of the first demoted one; `None` if
    /// all are unavailable.
    pub fn pick_first<'a>(availabilities: impl Iterator<Item = (usize, &'a Self)>) -> Option<usize> {
        let mut demoted = None;
        for (index, availability) in availabilities {
            match availability {
                Self::Ready | Self::HalfOpen => return Some(index),
                Self::Demoted => demoted = demoted.or(Some(index)),
                Self::Unavailable { .. } => {}
            }
        }
        demoted
    }

    pub fn is_available(&self) -> bool {
        !matches!(self, Self::Unavailable { .. })
    }
}

impl HealthReport {
    /// Whether nothing is known about the model.
    pub fn is_empty(&self) -> bool {
        let has_no_calls = self.last_failure.is_none() && self.trips == 0 && self.recent_calls == 0.0;
        has_no_calls
            && self.availability == Availability::Ready
            && self.first_token_ms.is_none()
            && self.token_ms.is_none()
    }
}

impl Unavailable {
    /// The value in JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BreakerOpen => "breaker_open",
            Self::BreakerProbing => "breaker_probing",
            Self::RetryAfter => "not_before",
            Self::Cooldown(_) => "blocked",
            Self::AtLimit(_) => "limited",
        }
    }
}

/// The health of one model, according to the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthReport {
    pub availability: Availability,
    /// Share of failures and 429s among recent calls, including assumed successes that pull it toward 0.
    pub error_rate: f64,
    /// Decayed number of recent calls.
    pub recent_calls: f64,
    /// Decayed number of failures and 429s among them.
    pub recent_errors: f64,
    /// Number of breaker trips that still count.
    pub trips: u32,
    /// Typical time to the first token, in milliseconds; `None` if not measured.
    pub first_token_ms: Option<f64>,
    /// Typical time per token after the first, in milliseconds; `None` if not measured.
    pub token_ms: Option<f64>,
    /// Time of the last failure in milliseconds since 1970, and its class; `None` if there was none.
    pub last_failure: Option<(i64, String)>,
}
