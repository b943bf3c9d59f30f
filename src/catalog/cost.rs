//! Money, in integers.

use super::{NanoDollars, Pricing};
use crate::chat::Usage;

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// The provider says so itself.
    Provider,
    /// Billed tokens at catalogue prices.
    #[serde(rename = "catalogue")]
    Catalog,
    /// At catalogue prices, with a token count that is an estimate.
    Estimated,
    /// The simulator's fictional prices.
    Simulated,
    /// The price or the tokens are unknown.
    Unknown,
}

impl CostSource {
    /// The envelope's word for it.
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

/// What something cost, if that is known, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// The sum; `None` is unknown.
    pub nano_dollars: Option<NanoDollars>,
    /// Where it comes from.
    pub source: CostSource,
}

impl Cost {
    /// A cost that nobody knows.
    pub const UNKNOWN: Self = Self { nano_dollars: None, source: CostSource::Unknown };

    /// Nothing was sent, so nothing is owed.
    pub const ZERO: Self = Self { nano_dollars: Some(0), source: CostSource::Catalog };

    /// What an exchange cost: what its provider says, else its tokens at these prices.
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

    /// The sum of several costs: unknown as soon as one is; from the weakest of their sources.
    pub fn sum(costs: impl IntoIterator<Item = Cost>) -> Cost {
        let owed = costs.into_iter().filter(|cost| *cost != Self::ZERO);
        let weaker = |a: CostSource, b: CostSource| if source_rank(a) >= source_rank(b) { a } else { b };
        owed.reduce(|sum, cost| Cost {
            nano_dollars: sum.nano_dollars.zip(cost.nano_dollars).map(|(a, b)| a.saturating_add(b)),
            source: weaker(sum.source, cost.source),
        })
        .unwrap_or(Self::ZERO)
    }

    /// In dollars, for people and JSON.
    pub fn usd(self) -> Option<f64> {
        self.nano_dollars.map(|nano| nano as f64 / 1e9)
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

/// The cost of billed tokens: each part of the usage at its own price, rounded once, half up. Unknown when a token
/// count is, or the price of a part that is not zero. What the provider says of the cost is not looked at.
pub fn cost_at_list_price(usage: &Usage, pricing: &Pricing) -> Option<NanoDollars> {
    let reported = usage.input_tokens.zip(usage.output_tokens);
    let (input, output) = usage.billed_tokens.or(reported)?;
    let price = pricing.for_input_tokens(input);
    // The parts are parts of what is reported, not of what is billed apart from it.
    let part = |tokens: Option<u64>| tokens.filter(|_| usage.billed_tokens.is_none()).unwrap_or(0);
    let cached = part(usage.cached_input_tokens);
    let long = part(usage.cache_write_1h_tokens);
    let short = part(usage.cache_write_tokens).saturating_sub(long);
    // Providers do report more cached tokens than input at times.
    let plain = input.saturating_sub(cached).saturating_sub(short).saturating_sub(long);
    // Reasoning is a part of the output, and where it has no price of its own it costs what output costs.
    let reasoned = price.reasoning.map_or(0, |_| part(usage.reasoning_tokens).min(output));
    let parts = [
        (plain, price.input),
        (cached, price.cached_input),
        (short, price.cache_write),
        (long, price.cache_write_1h),
        (output - reasoned, price.output),
        (reasoned, price.reasoning),
    ];
    let mut total: u128 = 0;
    for (tokens, per_million) in parts {
        if tokens > 0 {
            // A sum beyond 128 bits is no cost that anybody has.
            total = total.checked_add(u128::from(tokens) * u128::from(per_million?))?;
        }
    }
    u64::try_from(total.checked_add(500_000)? / 1_000_000).ok()
}

/// Three significant digits, at least two decimals; nothing is `0`.
pub fn format_usd_rounded(usd: f64) -> String {
    if usd <= 0.0 {
        return "0".to_owned();
    }
    // A nano-dollar is the smallest sum there is, so the exponent lies between -9 and 0.
    let decimals = if usd >= 1.0 { 2 } else { (2.0 - usd.log10().floor()).clamp(2.0, 11.0) as usize };
    format!("{usd:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_takes_least_reliable_source() {
        let known = Cost { nano_dollars: Some(5), source: CostSource::Catalog };
        let told = Cost { nano_dollars: Some(7), source: CostSource::Provider };
        assert_eq!(Cost::sum([known, Cost::UNKNOWN]), Cost::UNKNOWN);
        assert_eq!(Cost::sum([known, Cost::ZERO, known]).nano_dollars, Some(10));
        assert_eq!(Cost::sum([told, Cost::ZERO, told]).source, CostSource::Provider);
        assert_eq!(Cost::sum([told, known]), Cost { nano_dollars: Some(12), source: CostSource::Catalog });
        assert_eq!(Cost::sum([]), Cost::ZERO);
    }
}
