//! Whether a model can be called now.

use super::breaker::is_demoted;
use super::clock_skew;
use super::reasons::Unavailable;
use super::store::CandidateRows;

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

/// The availability of a candidate at a time, in milliseconds since 1970.
pub(super) fn availability_at(rows: &CandidateRows, now: i64) -> Availability {
    let row = clock_skew::correct_health(rows.health.clone(), now);
    let mut causes = vec![(row.not_before, Unavailable::RetryAfter)];
    if row.open_until != 0 {
        causes.push((row.open_until, Unavailable::BreakerOpen));
        if row.open_until <= now {
            causes.push((row.probe_until, Unavailable::BreakerProbing));
        }
    }
    let latest = clock_skew::latest_cooldown_end(now);
    let cooldowns = rows.cooldowns.iter().filter(|cooldown| cooldown.until <= latest);
    if let Some(cooldown) = cooldowns.max_by_key(|cooldown| cooldown.until) {
        causes.push((cooldown.until, Unavailable::Cooldown(cooldown.reason.clone())));
    }
    match causes.into_iter().filter(|(until, _)| *until > now).max_by_key(|(until, _)| *until) {
        Some((until, why)) => Availability::Unavailable { until, why },
        None if row.open_until != 0 => Availability::HalfOpen,
        None if is_demoted(&row, now) => Availability::Demoted,
        None => Availability::Ready,
    }
}
