//! Prices, and which of them a request pays.

/// Billionths of a US dollar.
pub type NanoDollars = u64;

/// Prices in nano-dollars per million tokens. `None` is unknown, never free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// Input that was neither read from a cache nor written to one.
    pub input: Option<NanoDollars>,
    /// Input read from a cache.
    pub cached_input: Option<NanoDollars>,
    /// Input written to a cache for the usual few minutes.
    pub cache_write: Option<NanoDollars>,
    /// Input written to a cache that keeps it for an hour.
    pub cache_write_1h: Option<NanoDollars>,
    /// Output, reasoning included.
    pub output: Option<NanoDollars>,
    /// Reasoning, where it has a price of its own; `None` is that of other output.
    pub reasoning: Option<NanoDollars>,
}

impl TokenPrices {
    /// These prices where they are said, those of `under` where not.
    #[must_use]
    pub fn or(self, under: Self) -> Self {
        Self {
            input: self.input.or(under.input),
            cached_input: self.cached_input.or(under.cached_input),
            cache_write: self.cache_write.or(under.cache_write),
            cache_write_1h: self.cache_write_1h.or(under.cache_write_1h),
            output: self.output.or(under.output),
            reasoning: self.reasoning.or(under.reasoning),
        }
    }
}

/// A price with the ones that take its place for long prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    /// The price of an ordinary prompt.
    pub base: TokenPrices,
    /// Prices by the input tokens above which they hold for the whole request, ascending. A vendor that grades by ranges
    /// has a tier for each but the first, and a last one of unknown prices where its ranges end.
    pub tiers: Vec<(u64, TokenPrices)>,
}

impl Pricing {
    /// The price of a request with that much input, cached and written tokens included.
    pub fn for_input_tokens(&self, input_tokens: u64) -> TokenPrices {
        self.tiers
            .iter()
            .rev()
            .find(|(above, _)| input_tokens > *above)
            .map_or(self.base, |(_, price)| *price)
    }

    /// The same pricing where what is said anew holds at every length.
    #[must_use]
    pub fn with_overrides(mut self, said: TokenPrices) -> Self {
        if said.output.is_some() && said.reasoning.is_none() {
            // A price of output is one of all output, reasoning included.
            let no_own = |price: &mut TokenPrices| price.reasoning = None;
            no_own(&mut self.base);
            self.tiers.iter_mut().for_each(|(_, price)| no_own(price));
        }
        self.base = said.or(self.base);
        self.tiers.iter_mut().for_each(|(_, price)| *price = said.or(*price));
        self
    }
}
