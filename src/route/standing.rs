//! How a model stands, and why.

use super::Full;

/// How a model stands at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It may be called.
    Ready,
    /// It may be called, behind those that do better.
    Demoted,
    /// Its breaker is half-open: one call may find out whether it is back.
    HalfOpen,
    /// It wants to be left alone.
    Away {
        /// Until then, in milliseconds since 1970.
        until: i64,
        /// Why.
        why: Away,
    },
}

/// Why a model wants to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// Its breaker is open.
    Open,
    /// Another call is finding out whether it is back.
    Probed,
    /// It said when it wants to be called again.
    Asked,
    /// Its key, or the model behind it, was refused; the class of that failure.
    Blocked(String),
    /// It would answer, but there is no more of it for now.
    Limited(Full),
}

impl Standing {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Demoted => "demoted",
            Self::HalfOpen => "half_open",
            Self::Away { why, .. } => why.name(),
        }
    }

    /// Until when it wants to be left alone, in milliseconds since 1970.
    pub fn until(&self) -> Option<i64> {
        match self {
            Self::Away { until, .. } => Some(*until),
            Self::Ready | Self::Demoted | Self::HalfOpen => None,
        }
    }

    /// Whose turn it is, of candidates in their order: the first one that is ready, else the first one that is demoted;
    /// nobody's, where all want to be left alone.
    pub fn whose_turn<'a>(standings: impl Iterator<Item = (usize, &'a Self)>) -> Option<usize> {
        let mut demoted = None;
        for (index, standing) in standings {
            match standing {
                Self::Ready | Self::HalfOpen => return Some(index),
                Self::Demoted => demoted = demoted.or(Some(index)),
                Self::Away { .. } => {}
            }
        }
        demoted
    }

    /// Whether it is called in its turn, and not left alone.
    pub fn is_ready(&self) -> bool {
        !matches!(self, Self::Away { .. })
    }
}

impl Report {
    /// Whether nothing is known of it.
    pub fn is_blank(&self) -> bool {
        let never = self.last_failure.is_none() && self.trips == 0 && self.events == 0.0;
        never && self.standing == Standing::Ready && self.first_token_ms.is_none() && self.token_ms.is_none()
    }
}

impl Away {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "breaker_open",
            Self::Probed => "breaker_probing",
            Self::Asked => "not_before",
            Self::Blocked(_) => "blocked",
            Self::Limited(_) => "limited",
        }
    }
}

/// What is known of one model, for whoever wants to see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it stands.
    pub standing: Standing,
    /// The share of recent calls in trouble, shrunk towards none where few are known.
    pub trouble: f64,
    /// How many recent calls are known, decayed until now.
    pub events: f64,
    /// How many of these were in trouble.
    pub troubled: f64,
    /// The trips of its breaker that still count.
    pub trips: u32,
    /// Its typical time until the first token, and for each token after it, in milliseconds, where measured.
    pub first_token_ms: Option<f64>,
    /// See there.
    pub token_ms: Option<f64>,
    /// When it failed last, in milliseconds since 1970, and the class of that failure.
    pub last_failure: Option<(i64, String)>,
}
