use super::{NanoDollars, TokenCount};

/// Token counts of one exchange, by one convention for all providers. A count that the provider does not
/// report is `None`, not zero.
///
/// `input_tokens` includes cached and cache-write tokens, and `output_tokens` includes reasoning tokens. The
/// other counts are parts of these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: Option<TokenCount>,
    /// Input tokens read from a prompt cache.
    pub cached_input_tokens: Option<TokenCount>,
    /// Input tokens written to a prompt cache.
    pub cache_write_tokens: Option<TokenCount>,
    /// The part of `cache_write_tokens` that is kept for an hour, at a different price.
    #[serde(skip)]
    pub cache_write_1h_tokens: Option<TokenCount>,
    pub output_tokens: Option<TokenCount>,
    pub reasoning_tokens: Option<TokenCount>,
    /// Billed input and output tokens, where they differ from the reported counts (Cohere).
    #[serde(skip)]
    pub billed_tokens: Option<(TokenCount, TokenCount)>,
    /// Cost reported by the provider.
    #[serde(skip)]
    pub reported_cost_nano_usd: Option<NanoDollars>,
    /// Whether any count is our estimate instead of the provider's figure.
    #[serde(rename = "estimated")]
    pub is_estimated: bool,
}

impl Usage {
    /// Overwrites every count that is set in `newer` and keeps the others.
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

    /// The sum of the known counts; `None` if all are unknown.
    pub fn sum_known(counts: &[Option<TokenCount>]) -> Option<TokenCount> {
        counts.iter().flatten().copied().reduce(TokenCount::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_counts_are_not_zero() {
        let mut usage = Usage { input_tokens: Some(TokenCount::new(7)), ..Usage::default() };
        usage.merge(&Usage { output_tokens: Some(TokenCount::ZERO), ..Usage::default() });
        assert_eq!(
            (usage.input_tokens, usage.output_tokens),
            (Some(TokenCount::new(7)), Some(TokenCount::ZERO))
        );
        assert_eq!(Usage::sum_known(&[None, None]), None);
        assert_eq!(
            Usage::sum_known(&[None, Some(TokenCount::new(2)), Some(TokenCount::new(3))]),
            Some(TokenCount::new(5))
        );
    }
}
