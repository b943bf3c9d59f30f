//! Prices per token, with tiers for long prompts.

use crate::chat::{NanoDollars, TokenCount};

/// Nano-dollars per million tokens. `None` is unknown, never free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// Input that is neither read from a cache nor written to one.
    pub input: Option<NanoDollars>,
    /// Input read from a cache.
    pub cached_input: Option<NanoDollars>,
    /// Input written to a cache with the default lifetime of a few minutes.
    pub cache_write: Option<NanoDollars>,
    /// Input written to a cache for one hour.
    pub cache_write_1h: Option<NanoDollars>,
    /// Output, including reasoning.
    pub output: Option<NanoDollars>,
    /// Reasoning; `None` if it has the output price.
    pub reasoning: Option<NanoDollars>,
}

impl TokenPrices {
    /// These prices, with unknown ones taken from `fallback`.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            input: self.input.or(fallback.input),
            cached_input: self.cached_input.or(fallback.cached_input),
            cache_write: self.cache_write.or(fallback.cache_write),
            cache_write_1h: self.cache_write_1h.or(fallback.cache_write_1h),
            output: self.output.or(fallback.output),
            reasoning: self.reasoning.or(fallback.reasoning),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    pub base: TokenPrices,
    /// Prices for the whole request above a number of input tokens, ascending. For a provider with price
    /// ranges, each range but the first is a tier, and a last tier of unknown prices follows the last range.
    pub tiers: Vec<(TokenCount, TokenPrices)>,
}

impl Pricing {
    /// The prices for a request of this size. Cached and written tokens count as input.
    pub fn for_input_tokens(&self, input_tokens: TokenCount) -> TokenPrices {
        self.tiers
            .iter()
            .rev()
            .find(|(above, _)| input_tokens > *above)
            .map_or(self.base, |(_, price)| *price)
    }

    /// Applies known prices of `overrides` to every tier.
    #[must_use]
    pub fn with_overrides(mut self, overrides: TokenPrices) -> Self {
        if overrides.output.is_some() && overrides.reasoning.is_none() {
            // An output price covers reasoning too.
            let clear = |price: &mut TokenPrices| price.reasoning = None;
            clear(&mut self.base);
            self.tiers.iter_mut().for_each(|(_, price)| clear(price));
        }
        self.base = overrides.or(self.base);
        self.tiers.iter_mut().for_each(|(_, price)| *price = overrides.or(*price));
        self
    }
}
