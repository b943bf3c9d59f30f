//! Costs as integers, from usage and prices.

use super::Pricing;
use crate::chat::{NanoDollars, TokenCount, Usage};

/// How a cost was determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// Reported by the provider.
    Provider,
    /// Billed tokens at catalog prices.
    #[serde(rename = "catalogue")]
    Catalog,
    /// Catalog prices with an estimated token count.
    Estimated,
    /// The simulator's fictional prices.
    Simulated,
    /// The price or the token count is unknown.
    Unknown,
}

impl CostSource {
    /// The name in JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Catalog => "catalogue",
            Self::Estimated => "estimated",
            Self::Simulated => "simulated",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// `None` if unknown.
    pub nano_dollars: Option<NanoDollars>,
    pub source: CostSource,
}

impl Cost {
    pub const UNKNOWN: Self = Self { nano_dollars: None, source: CostSource::Unknown };

    /// For a call that sent nothing.
    pub const ZERO: Self = Self { nano_dollars: Some(NanoDollars::ZERO), source: CostSource::Catalog };

    /// The cost that the provider reports, else the tokens at these prices.
    pub fn from_usage(usage: &Usage, pricing: Option<&Pricing>) -> Self {
        if let Some(nano) = usage.reported_cost_nano_usd {
            return Self { nano_dollars: Some(nano), source: CostSource::Provider };
        }
        match pricing.and_then(|pricing| cost_at_list_price(usage, pricing)) {
            None => Self::UNKNOWN,
            Some(nano) => {
                let source = if usage.is_estimated { CostSource::Estimated } else { CostSource::Catalog };
                Self { nano_dollars: Some(nano), source }
            }
        }
    }

    /// The sum of several costs, with the least reliable of their sources. Unknown if one of them is.
    pub fn sum(costs: impl IntoIterator<Item = Cost>) -> Cost {
        let nonzero = costs.into_iter().filter(|cost| *cost != Self::ZERO);
        let less_reliable =
            |a: CostSource, b: CostSource| if source_rank(a) >= source_rank(b) { a } else { b };
        nonzero
            .reduce(|sum, cost| Cost {
                nano_dollars: sum.nano_dollars.zip(cost.nano_dollars).map(|(a, b)| a.saturating_add(b)),
                source: less_reliable(sum.source, cost.source),
            })
            .unwrap_or(Self::ZERO)
    }

    pub fn usd(self) -> Option<f64> {
        self.nano_dollars.map(NanoDollars::to_usd)
    }
}

fn source_rank(source: CostSource) -> u8 {
    match source {
        CostSource::Provider => 0,
        CostSource::Catalog => 1,
        CostSource::Simulated => 2,
        CostSource::Estimated => 3,
        CostSource::Unknown => 4,
    }
}

/// The billed tokens at these prices, rounded once, half up. `None` if a token count is unknown, or if the
/// price of a nonzero part is unknown. Ignores a cost that the provider reports.
pub fn cost_at_list_price(usage: &Usage, pricing: &Pricing) -> Option<NanoDollars> {
    let reported = usage.input_tokens.zip(usage.output_tokens);
    let (input, output) = usage.billed_tokens.or(reported)?;
    let price = pricing.for_input_tokens(input);
    // Cached, written, and reasoning tokens are parts of the reported counts, not of separately billed ones.
    // Providers omit a part that they do not count; its tokens then have the price of the rest.
    let part = |tokens: Option<TokenCount>| {
        tokens.filter(|_| usage.billed_tokens.is_none()).unwrap_or(TokenCount::ZERO)
    };
    let cached = part(usage.cached_input_tokens);
    let long = part(usage.cache_write_1h_tokens);
    let short = part(usage.cache_write_tokens).saturating_sub(long);
    // Some providers report more cached tokens than input.
    let plain = input.saturating_sub(cached).saturating_sub(short).saturating_sub(long);
    // Reasoning is part of the output and has its price unless it has one of its own.
    let reasoning = price.reasoning.map_or(TokenCount::ZERO, |_| part(usage.reasoning_tokens).min(output));
    let parts = [
        (plain, price.input),
        (cached, price.cached_input),
        (short, price.cache_write),
        (long, price.cache_write_1h),
        (output.saturating_sub(reasoning), price.output),
        (reasoning, price.reasoning),
    ];
    let mut total: u128 = 0;
    for (tokens, per_million) in parts {
        if tokens > TokenCount::ZERO {
            // Treat an overflow as an unknown cost.
            total = total.checked_add(u128::from(tokens) * u128::from(per_million?.get()))?;
        }
    }
    u64::try_from(total.checked_add(500_000)? / 1_000_000).ok().map(NanoDollars::new)
}

/// Three significant digits, at least two decimals; zero is `0`.
pub(crate) fn format_usd_rounded(amount: NanoDollars) -> String {
    if amount == NanoDollars::ZERO {
        return "0".to_owned();
    }
    let usd = amount.to_usd();
    // The smallest amount is one nano-dollar, so the exponent is between -9 and 0.
    let decimals = if usd >= 1.0 { 2 } else { (2.0 - usd.log10().floor()).clamp(2.0, 11.0) as usize };
    format!("{usd:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_takes_least_reliable_source() {
        let known = Cost { nano_dollars: Some(NanoDollars::new(5)), source: CostSource::Catalog };
        let reported = Cost { nano_dollars: Some(NanoDollars::new(7)), source: CostSource::Provider };
        assert_eq!(Cost::sum([known, Cost::UNKNOWN]), Cost::UNKNOWN);
        assert_eq!(Cost::sum([known, Cost::ZERO, known]).nano_dollars, Some(NanoDollars::new(10)));
        assert_eq!(Cost::sum([reported, Cost::ZERO, reported]).source, CostSource::Provider);
        assert_eq!(
            Cost::sum([reported, known]),
            Cost { nano_dollars: Some(NanoDollars::new(12)), source: CostSource::Catalog }
        );
        assert_eq!(Cost::sum([]), Cost::ZERO);
    }
}
