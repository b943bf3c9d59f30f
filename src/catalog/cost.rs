//! Money, in integers.

use crate::chat::Usage;

/// Billionths of a US dollar.
pub type NanoDollars = u64;

/// Prices in nano-dollars per million tokens. `None` is unknown, never free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Input that was neither read from a cache nor written to one.
    pub input: Option<NanoDollars>,
    /// Input read from a cache.
    pub cached_input: Option<NanoDollars>,
    /// Input written to a cache.
    pub cache_write: Option<NanoDollars>,
    /// Output, reasoning included.
    pub output: Option<NanoDollars>,
}

/// A price with the ones that take its place for long prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    /// The price of an ordinary prompt.
    pub base: Price,
    /// Prices by the input tokens above which they hold for the whole request, ascending.
    pub tiers: Vec<(u64, Price)>,
}

impl Pricing {
    /// The price of a request with that much input, cached and written tokens included.
    pub fn at(&self, input_tokens: u64) -> Price {
        self.tiers
            .iter()
            .rev()
            .find(|(above, _)| input_tokens > *above)
            .map_or(self.base, |(_, price)| *price)
    }
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// Billed tokens at catalogue prices.
    Catalogue,
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
            Self::Catalogue => "catalogue",
            Self::Estimated => "estimated",
            Self::Simulated => "simulated",
            Self::Unknown => "unknown",
        }
    }
}

/// What something cost, if that is known, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub const NOTHING: Self = Self { nano_dollars: Some(0), source: CostSource::Catalogue };

    /// The sum of several costs: unknown as soon as one is; from the weakest of their sources.
    pub fn sum(costs: impl IntoIterator<Item = Cost>) -> Cost {
        costs.into_iter().fold(Self::NOTHING, |sum, cost| {
            if cost == Self::NOTHING {
                return sum;
            }
            let nano_dollars = sum.nano_dollars.zip(cost.nano_dollars).map(|(a, b)| a.saturating_add(b));
            let weaker = |a: CostSource, b: CostSource| if rank(a) >= rank(b) { a } else { b };
            Cost { nano_dollars, source: weaker(sum.source, cost.source) }
        })
    }

    /// In dollars, for people and JSON.
    pub fn usd(self) -> Option<f64> {
        self.nano_dollars.map(|nano| nano as f64 / 1e9)
    }
}

fn rank(source: CostSource) -> u8 {
    match source {
        CostSource::Catalogue => 0,
        CostSource::Simulated => 1,
        CostSource::Estimated => 2,
        CostSource::Unknown => 3,
    }
}

/// The cost of billed tokens: each part of the usage at its own price, rounded once, half up. Unknown when a token
/// count is, or the price of a part that is not zero.
pub fn price_of(usage: &Usage, pricing: &Pricing) -> Option<NanoDollars> {
    let reported = usage.input_tokens.zip(usage.output_tokens);
    let (input, output) = usage.billed.or(reported)?;
    let price = pricing.at(input);
    // Cached tokens are a part of what is reported, not of what is billed apart from it.
    let usage = if usage.billed.is_some() {
        &Usage { cached_input_tokens: None, cache_write_tokens: None, ..*usage }
    } else {
        usage
    };
    let cached = usage.cached_input_tokens.unwrap_or(0);
    let written = usage.cache_write_tokens.unwrap_or(0);
    // Providers do report more cached tokens than input at times.
    let plain = input.saturating_sub(cached).saturating_sub(written);
    let parts = [
        (plain, price.input),
        (cached, price.cached_input),
        (written, price.cache_write),
        (output, price.output),
    ];
    let mut total: u128 = 0;
    for (tokens, per_million) in parts {
        if tokens > 0 {
            total += u128::from(tokens) * u128::from(per_million?);
        }
    }
    u64::try_from((total + 500_000) / 1_000_000).ok()
}

/// A price in dollars per million tokens, as written (`0.075`), in nano-dollars. Exact to the ninth decimal.
pub fn usd_to_nano(text: &str) -> Option<NanoDollars> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if text.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || fraction.len() > 9
        || whole.is_empty() && fraction.is_empty()
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    whole.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input: Some(1_000_000_000),
        cached_input: Some(100_000_000),
        cache_write: Some(1_250_000_000),
        output: Some(5_000_000_000),
    };

    fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
        Usage {
            input_tokens: Some(input),
            cached_input_tokens: Some(cached),
            cache_write_tokens: Some(written),
            output_tokens: Some(output),
            ..Usage::default()
        }
    }

    fn price_of(usage: &Usage, price: &Price) -> Option<NanoDollars> {
        super::price_of(usage, &Pricing { base: *price, tiers: Vec::new() })
    }

    #[test]
    fn a_long_prompt_has_another_price_for_the_whole_request() {
        let dear = Price { input: Some(3_000_000_000), output: Some(9_000_000_000), ..Price::default() };
        let pricing = Pricing { base: PRICE, tiers: vec![(100, dear)] };
        assert_eq!(super::price_of(&usage(100, 0, 0, 10), &pricing), Some(100_000 + 50_000));
        assert_eq!(super::price_of(&usage(101, 0, 0, 10), &pricing), Some(303_000 + 90_000));
        assert_eq!(super::price_of(&usage(101, 1, 0, 10), &pricing), None, "the tier names no cached price");
    }

    #[test]
    fn worked_by_hand() {
        // 700 plain at $1, 200 cached at $0.10, 100 written at $1.25, 50 out at $5, each per million.
        assert_eq!(price_of(&usage(1000, 200, 100, 50), &PRICE), Some(700_000 + 20_000 + 125_000 + 250_000));
        // One cached token costs 100 nano-dollars; rounding happens once, at the end.
        assert_eq!(price_of(&usage(1, 1, 0, 0), &PRICE), Some(100));
    }

    #[test]
    fn what_is_billed_stands_before_what_is_reported() {
        let billed = Usage { billed: Some((8, 10)), ..usage(503, 400, 0, 12) };
        assert_eq!(price_of(&billed, &PRICE), Some(8_000 + 50_000));
    }

    #[test]
    fn unknown_is_not_free() {
        let no_cache_price = Price { cached_input: None, ..PRICE };
        assert_eq!(price_of(&usage(10, 1, 0, 1), &no_cache_price), None);
        assert_eq!(price_of(&usage(10, 0, 0, 1), &no_cache_price), Some(15_000));
        assert_eq!(price_of(&Usage::default(), &PRICE), None);
        let known = Cost { nano_dollars: Some(5), source: CostSource::Catalogue };
        assert_eq!(Cost::sum([known, Cost::UNKNOWN]), Cost::UNKNOWN);
        assert_eq!(Cost::sum([known, Cost::NOTHING, known]).nano_dollars, Some(10));
    }

    #[test]
    fn prices_as_written() {
        for (text, nano) in [
            ("0.075", Some(75_000_000)),
            ("12", Some(12_000_000_000)),
            (".5", Some(500_000_000)),
            ("", None),
            ("1e3", None),
            ("-1", None),
            (".", None),
        ] {
            assert_eq!(usd_to_nano(text), nano, "{text}");
        }
    }
}
