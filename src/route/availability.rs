//! How a model stands, and why.

use super::CapacityLimit;

/// How a model stands at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Availability {
    /// It may be called.
    Ready,
    /// It may be called, behind those that do better.
    Demoted,
    /// Its breaker is half-open: one call may find out whether it is back.
    HalfOpen,
    /// It wants to be left alone.
    Unavailable {
        /// Until then, in milliseconds since 1970.
        until: i64,
        /// Why.
        why: Unavailable,
    },
}

/// Why a model wants to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Its breaker is open.
    BreakerOpen,
    /// Another call is finding out whether it is back.
    BreakerProbing,
    /// It said when it wants to be called again.
    RetryAfter,
    /// Its key, or the model behind it, was refused; the class of that failure.
    Cooldown(String),
    /// It would answer, but there is no more of it for now.
    AtLimit(CapacityLimit),
}

impl Availability {
    /// The word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Demoted => "demoted",
            Self::HalfOpen => "half_open",
            Self::Unavailable { why, .. } => why.code(),
        }
    }

    /// Until when it wants to be left alone, in milliseconds since 1970.
    pub fn unavailable_until(&self) -> Option<i64> {
        match self {
            Self::Unavailable { until, .. } => Some(*until),
            Self::Ready | Self::Demoted | Self::HalfOpen => None,
        }
    }

    /// Whose turn it is, of candidates in their order: the first one that is ready, else the first one that is demoted;
    /// nobody's, where all want to be left alone.
    pub fn pick_first<'a>(standings: impl Iterator<Item = (usize, &'a Self)>) -> Option<usize> {
        let mut demoted = None;
        for (index, standing) in standings {
            match standing {
                Self::Ready | Self::HalfOpen => return Some(index),
                Self::Demoted => demoted = demoted.or(Some(index)),
                Self::Unavailable { .. } => {}
            }
        }
        demoted
    }

    /// Whether it is called in its turn, and not left alone.
    pub fn is_available(&self) -> bool {
        !matches!(self, Self::Unavailable { .. })
    }
}

impl HealthReport {
    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        let never = self.last_failure.is_none() && self.trips == 0 && self.recent_calls == 0.0;
        never
            && self.availability == Availability::Ready
            && self.first_token_ms.is_none()
            && self.token_ms.is_none()
    }
}

impl Unavailable {
    /// The word for it.
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

/// What is known of one model, for whoever wants to see it.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthReport {
    /// How it stands.
    pub availability: Availability,
    /// The share of recent calls in trouble, shrunk towards none where few are known.
    pub error_rate: f64,
    /// How many recent calls are known, decayed until now.
    pub recent_calls: f64,
    /// How many of these were in trouble.
    pub recent_errors: f64,
    /// The trips of its breaker that still count.
    pub trips: u32,
    /// Its typical time until the first token, and for each token after it, in milliseconds, where measured.
    pub first_token_ms: Option<f64>,
    /// See there.
    pub token_ms: Option<f64>,
    /// When it failed last, in milliseconds since 1970, and the class of that failure.
    pub last_failure: Option<(i64, String)>,
}
