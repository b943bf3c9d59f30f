//! Running statistics of routes, pass rates on golden sets, and weights set from them.

use crate::chat::TokenCount;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteStatsRow {
    /// Decayed mean of output tokens.
    pub output_tokens: f64,
    /// Decayed mean of the cached share of the input tokens.
    pub cached_share: f64,
    /// Number of calls behind the means, at most [`Self::MAX_CALLS`].
    pub calls: f64,
    /// The route's first choice, as `provider/model`; empty if there is none.
    pub leader: String,
}

impl RouteStatsRow {
    /// Beyond this many calls, older ones count less and less.
    pub const MAX_CALLS: f64 = 50.0;

    pub fn record_call(&mut self, output_tokens: TokenCount, cached_share: f64) {
        self.calls = (self.calls + 1.0).min(Self::MAX_CALLS);
        self.output_tokens += (output_tokens.get() as f64 - self.output_tokens) / self.calls;
        self.cached_share += (cached_share - self.cached_share) / self.calls;
    }
}

/// The latest full run of a model on a golden set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassRateRow {
    /// Milliseconds since 1970.
    pub measured_at: i64,
    pub passed: u32,
    pub scored: u32,
    /// Digest of the set at that time.
    pub set_digest: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightRow {
    /// `provider/model`
    pub model: String,
    /// Share of the configured weight, 0 to 1.
    pub share: f64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Absolute path of the golden set whose scores set the share.
    pub set_path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_follow_recent_calls() {
        let mut row = RouteStatsRow::default();
        row.record_call(TokenCount::new(100), 0.0);
        row.record_call(TokenCount::new(300), 1.0);
        assert_eq!((row.output_tokens, row.cached_share, row.calls), (200.0, 0.5, 2.0));
        for _ in 0..1000 {
            row.record_call(TokenCount::new(10), 0.0);
        }
        assert!((row.output_tokens - 10.0).abs() < 1.0 && row.calls == RouteStatsRow::MAX_CALLS);
    }
}
