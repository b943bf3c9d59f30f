//! Tokens, by one convention for every vendor.

/// Token counts of one exchange. What a vendor does not report is `None`: unknown is not zero.
///
/// `input_tokens` is everything that went in, cached and cache-write tokens included; `output_tokens` is everything
/// that came out, reasoning included; the other three say how much of those was which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Everything that went in.
    pub input_tokens: Option<u64>,
    /// The part of the input that was read from a prompt cache.
    pub cached_input_tokens: Option<u64>,
    /// The part of the input that was written to a prompt cache.
    pub cache_write_tokens: Option<u64>,
    /// The part of what was written to a cache that is kept for an hour, at a price of its own.
    #[serde(skip)]
    pub cache_write_1h_tokens: Option<u64>,
    /// Everything that came out.
    pub output_tokens: Option<u64>,
    /// The part of the output that was reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Input and output that are paid for, where the vendor bills other counts than it reports (Cohere).
    #[serde(skip)]
    pub billed_tokens: Option<(u64, u64)>,
    /// What the vendor itself says that the exchange cost, in billionths of a US dollar.
    #[serde(skip)]
    pub reported_cost_nano_usd: Option<u64>,
    /// Whether any count is an estimate of ours rather than the vendor's figure.
    #[serde(rename = "estimated")]
    pub is_estimated: bool,
}

impl Usage {
    /// Takes over every count that `newer` has: the last non-null value wins, an absent one changes nothing.
    pub fn merge(&mut self, newer: &Usage) {
        self.input_tokens = newer.input_tokens.or(self.input_tokens);
        self.cached_input_tokens = newer.cached_input_tokens.or(self.cached_input_tokens);
        self.cache_write_tokens = newer.cache_write_tokens.or(self.cache_write_tokens);
        self.cache_write_1h_tokens = newer.cache_write_1h_tokens.or(self.cache_write_1h_tokens);
        self.output_tokens = newer.output_tokens.or(self.output_tokens);
        self.reasoning_tokens = newer.reasoning_tokens.or(self.reasoning_tokens);
        self.billed_tokens = newer.billed_tokens.or(self.billed_tokens);
        self.reported_cost_nano_usd = newer.reported_cost_nano_usd.or(self.reported_cost_nano_usd);
        self.is_estimated |= newer.is_estimated;
    }

    /// The sum of counts that may each be unknown: unknown only when all are.
    pub fn sum_known(counts: &[Option<u64>]) -> Option<u64> {
        counts.iter().flatten().copied().reduce(u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_counts_are_not_zero() {
        let mut usage = Usage { input_tokens: Some(7), ..Usage::default() };
        usage.merge(&Usage { output_tokens: Some(0), ..Usage::default() });
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(7), Some(0)));
        assert_eq!(Usage::sum_known(&[None, None]), None);
        assert_eq!(Usage::sum_known(&[None, Some(2), Some(3)]), Some(5));
    }
}
