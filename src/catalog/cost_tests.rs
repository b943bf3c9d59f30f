//! Costs calculated by hand. The comment on each row shows the arithmetic; no expected value is computed by
//! the code under test.
//!
//! The rows use the prices of built-in models: if a price changes, its arithmetic has to change too. One
//! token at $1 per million costs 1,000 nano-dollars.

use super::{Catalog, Cost, CostSource, Pricing, TokenPrices};
use crate::chat::{NanoDollars, TokenCount, Usage};

enum ExamplePrices {
    /// A built-in model.
    Model(&'static str),
    /// Input, cached, cache write, one-hour cache write, output, reasoning: nano-dollars per million.
    Custom([Option<u64>; 6]),
}
use ExamplePrices::{Custom, Model};

/// Input, cached, cache write (in total), one-hour cache write, output, reasoning.
type ExampleTokens = [u64; 6];

const UNREPORTED: u64 = u64::MAX;

fn example_usage(tokens: ExampleTokens) -> Usage {
    let reported = |n: u64| (n != UNREPORTED).then_some(n);
    let [input, cached, written, long, output, reasoning] = tokens.map(reported);
    Usage {
        input_tokens: input.map(TokenCount::new),
        cached_input_tokens: cached.map(TokenCount::new),
        cache_write_tokens: written.map(TokenCount::new),
        cache_write_1h_tokens: long.map(TokenCount::new),
        output_tokens: output.map(TokenCount::new),
        reasoning_tokens: reasoning.map(TokenCount::new),
        ..Usage::default()
    }
}

const HALF_NANO_PER_TOKEN: ExamplePrices = Custom([Some(500_000), None, None, None, Some(500_000), None]);
const ONE_NANO_PER_MILLION: ExamplePrices = Custom([Some(1), None, None, None, Some(1), None]);
const FREE: ExamplePrices = Custom([Some(0), None, None, None, Some(0), None]);

/// Name, price, usage, nano-dollars.
const COST_EXAMPLES: &[(&str, ExamplePrices, ExampleTokens, Option<u64>)] = &[
    // 412 × 1,000 + 96 × 5,000 = 412,000 + 480,000
    ("plain", Model("anthropic/claude-haiku-4-5"), [412, 0, 0, 0, 96, 0], Some(892_000)),
    // 1 × 1,000
    ("one token in", Model("anthropic/claude-haiku-4-5"), [1, 0, 0, 0, 0, 0], Some(1_000)),
    // 0
    ("no tokens", Model("anthropic/claude-haiku-4-5"), [0, 0, 0, 0, 0, 0], Some(0)),
    // 26 × 750 + 10 × 3,750 = 19,500 + 37,500
    ("plain, gemini", Model("gemini/gemini-3.8-flash"), [26, 0, 0, 0, 10, 0], Some(57_000)),
    // 1,000 × 2,500 + 200 × 10,000 = 2,500,000 + 2,000,000
    ("plain, gpt-4o", Model("openai/gpt-4o"), [1_000, 0, 0, 0, 200, 0], Some(4_500_000)),
    // 300 × 1,000 + 700 × 100 + 50 × 5,000 = 300,000 + 70,000 + 250,000
    ("cached", Model("anthropic/claude-haiku-4-5"), [1_000, 700, 0, 0, 50, 0], Some(620_000)),
    // 1,000 × 100 + 1 × 5,000
    ("all cached", Model("anthropic/claude-haiku-4-5"), [1_000, 1_000, 0, 0, 1, 0], Some(105_000)),
    // (2,006 − 1,920) × 2,500 + 1,920 × 1,250 + 300 × 10,000 = 215,000 + 2,400,000 + 3,000,000
    ("cached, gpt-4o", Model("openai/gpt-4o"), [2_006, 1_920, 0, 0, 300, 0], Some(5_615_000)),
    // 100 × 1,000 + 900 × 1,250 + 10 × 5,000 = 100,000 + 1,125,000 + 50,000
    (
        "written for 5 minutes",
        Model("anthropic/claude-haiku-4-5"),
        [1_000, 0, 900, 0, 10, 0],
        Some(1_275_000),
    ),
    // 100 × 1,000 + 900 × 2,000 + 10 × 5,000 = 100,000 + 1,800,000 + 50,000
    (
        "written for an hour",
        Model("anthropic/claude-haiku-4-5"),
        [1_000, 0, 900, 900, 10, 0],
        Some(1_950_000),
    ),
    // 100 × 1,000 + 500 × 1,250 + 400 × 2,000 + 10 × 5,000 = 100,000 + 625,000 + 800,000 + 50,000
    ("written for both", Model("anthropic/claude-haiku-4-5"), [1_000, 0, 900, 400, 10, 0], Some(1_575_000)),
    // 100 × 4,000 + 300 × 200 + 400 × 5,000 + 200 × 8,000 + 10 × 20,000
    //   = 400,000 + 60,000 + 2,000,000 + 1,600,000 + 200,000
    ("all four kinds in", Model("anthropic/claude-opus-5-5"), [1_000, 300, 600, 200, 10, 0], Some(4_260_000)),
    // Only the one-hour part is reported: 100 × 1,000 + 900 × 2,000 + 10 × 5,000
    (
        "only the hour is reported",
        Model("anthropic/claude-haiku-4-5"),
        [1_000, UNREPORTED, UNREPORTED, 900, 10, 0],
        Some(1_950_000),
    ),
    // The one-hour part exceeds the total: 0 for 5 minutes, 900 × 2,000, (1,000 − 900) × 1,000, 10 × 5,000
    (
        "more for the hour than in total",
        Model("anthropic/claude-haiku-4-5"),
        [1_000, 0, 500, 900, 10, 0],
        Some(1_950_000),
    ),
    // The row has no one-hour price, so any one-hour write makes the cost unknown.
    ("no price for an hour", Model("openai/gpt-5.6"), [1_000, 0, 500, 500, 10, 0], None),
    // 50 × 2,000 + 400 × 10,000 with 350 of the 400 reasoning = 100,000 + 4,000,000
    (
        "reasoning is in the output",
        Model("anthropic/claude-sonnet-5-5"),
        [50, 0, 0, 0, 400, 350],
        Some(4_100_000),
    ),
    // 100 × 400 + 50 × 1,200 + 150 × 4,000 = 40,000 + 60,000 + 600,000
    (
        "reasoning has its own price",
        Model("dashscope/qwen-plus-latest"),
        [100, 0, 0, 0, 200, 150],
        Some(700_000),
    ),
    // 100 × 400 + 200 × 1,200 = 40,000 + 240,000
    (
        "its own price, no reasoning",
        Model("dashscope/qwen-plus-latest"),
        [100, 0, 0, 0, 200, UNREPORTED],
        Some(280_000),
    ),
    // More reasoning than output: 100 × 400 + 200 × 4,000
    (
        "its own price, too much reported",
        Model("dashscope/qwen-plus-latest"),
        [100, 0, 0, 0, 200, 999],
        Some(840_000),
    ),
    // 99,999 × 100 + 1,000 × 500 = 9,999,900 + 500,000
    ("tier, one below", Model("anthropic/claude-haiku-5-5"), [99_999, 0, 0, 0, 1_000, 0], Some(10_499_900)),
    // 100,000 × 100 + 1,000 × 500
    (
        "tier, at its edge",
        Model("anthropic/claude-haiku-5-5"),
        [100_000, 0, 0, 0, 1_000, 0],
        Some(10_500_000),
    ),
    // 100,001 × 500 + 1,000 × 2,500 = 50,000,500 + 2,500,000
    ("tier, one above", Model("anthropic/claude-haiku-5-5"), [100_001, 0, 0, 0, 1_000, 0], Some(52_500_500)),
    // The tier depends on all input, including cached tokens: 1 × 500 + 100,000 × 50 + 10 × 2,500 = 500 +
    // 5,000,000 + 25,000
    (
        "tier with cached input",
        Model("anthropic/claude-haiku-5-5"),
        [100_001, 100_000, 0, 0, 10, 0],
        Some(5_025_500),
    ),
    // 50,001 × 500 + 50,000 × 625 + 0 = 25,000,500 + 31,250,000
    ("tier, written", Model("anthropic/claude-haiku-5-5"), [100_001, 0, 50_000, 0, 0, 0], Some(56_250_500)),
    // The source has no one-hour price in this tier.
    ("tier, written for an hour", Model("anthropic/claude-haiku-5-5"), [100_001, 0, 9, 9, 0, 0], None),
    // 200,000 × 1,250 + 10 × 10,000 = 250,000,000 + 100,000
    ("200k, at its edge", Model("gemini/gemini-2.5-pro"), [200_000, 0, 0, 0, 10, 0], Some(250_100_000)),
    // 200,001 × 2,500 + 10 × 15,000 = 500,002,500 + 150,000
    ("200k, one above", Model("gemini/gemini-2.5-pro"), [200_001, 0, 0, 0, 10, 0], Some(500_152_500)),
    // 32,000 × 1,200 + 10 × 6,000 = 38,400,000 + 60,000
    ("range, the first", Model("dashscope/qwen3-max"), [32_000, 0, 0, 0, 10, 0], Some(38_460_000)),
    // 32,001 × 2,400 + 10 × 12,000 = 76,802,400 + 120,000
    ("range, the second", Model("dashscope/qwen3-max"), [32_001, 0, 0, 0, 10, 0], Some(76_922_400)),
    // 128,001 × 3,000 + 10 × 15,000 = 384,003,000 + 150,000
    ("range, the third", Model("dashscope/qwen3-max"), [128_001, 0, 0, 0, 10, 0], Some(384_153_000)),
    // 252,000 × 3,000
    ("range, its very end", Model("dashscope/qwen3-max"), [252_000, 0, 0, 0, 0, 0], Some(756_000_000)),
    ("range, beyond them all", Model("dashscope/qwen3-max"), [252_001, 0, 0, 0, 0, 0], None),
    // 256,001 × 1,200 + 100 × 3,600 + 100 × 12,000 = 307,201,200 + 360,000 + 1,200,000
    (
        "range with reasoning",
        Model("dashscope/qwen-plus-latest"),
        [256_001, 0, 0, 0, 200, 100],
        Some(308_761_200),
    ),
    // 100 × 1,000 + 31,901 × 180 + 10 × 9,000: (32,001 − 31,901) × 1,800 = 180,000; 5,742,180; 90,000
    ("range, cached", Model("dashscope/qwen3-coder-plus"), [32_001, 31_901, 0, 0, 10, 0], Some(6_012_180)),
    // 0 × anything
    ("a local model costs nothing", Model("ollama/llama3"), [9_000, 0, 0, 0, 900, 0], Some(0)),
    ("a zero price is unknown", Model("gemini/gemma-3-27b-it"), [10, 0, 0, 0, 10, 0], None),
    // 1,000,000 × 20 = 20,000,000: two cents per million
    ("embedding", Model("openai/text-embedding-3-small"), [1_000_000, 0, 0, 0, 0, 0], Some(20_000_000)),
    (
        "no price for cached tokens",
        Custom([Some(1), None, Some(1), None, Some(1), None]),
        [10, 1, 0, 0, 1, 0],
        None,
    ),
    (
        "no price for written tokens",
        Custom([Some(1), Some(1), None, None, Some(1), None]),
        [10, 0, 1, 0, 1, 0],
        None,
    ),
    ("no price for output", Custom([Some(1), None, None, None, None, None]), [10, 0, 0, 0, 1, 0], None),
    // An unknown price of an unused part does not matter: 10 × 1,000 = 10,000
    (
        "unknown and unused",
        Custom([Some(1_000_000_000), None, None, None, None, None]),
        [10, 0, 0, 0, 0, 0],
        Some(10_000),
    ),
    ("input not counted", FREE, [UNREPORTED, 0, 0, 0, 5, 0], None),
    ("output not counted", FREE, [5, 0, 0, 0, UNREPORTED, 0], None),
    // 0.5: rounds up
    ("exactly a half", HALF_NANO_PER_TOKEN, [1, 0, 0, 0, 0, 0], Some(1)),
    // 0.5 + 0.5 = 1: rounded once, not twice (which would be 2)
    ("two halves", HALF_NANO_PER_TOKEN, [1, 0, 0, 0, 1, 0], Some(1)),
    // 3 × 0.5 = 1.5: rounds up
    ("one and a half", HALF_NANO_PER_TOKEN, [3, 0, 0, 0, 0, 0], Some(2)),
    // 499,999 millionths: rounds down
    ("just under a half", ONE_NANO_PER_MILLION, [499_999, 0, 0, 0, 0, 0], Some(0)),
    // 499,999 + 1 = 500,000 millionths: rounds up
    ("a half of two parts", ONE_NANO_PER_MILLION, [499_999, 0, 0, 0, 1, 0], Some(1)),
    // 1,499,999 millionths: rounds down to 1
    ("just under one and a half", ONE_NANO_PER_MILLION, [1_499_999, 0, 0, 0, 0, 0], Some(1)),
    // 10^15 × 1,000
    (
        "huge",
        Custom([Some(1_000_000_000), None, None, None, None, None]),
        [1_000_000_000_000_000, 0, 0, 0, 0, 0],
        Some(1_000_000_000_000_000_000),
    ),
    // 10^18 × 1,000 = 10^21 does not fit in 64 bits
    (
        "beyond 64 bits",
        Custom([Some(1_000_000_000), None, None, None, None, None]),
        [1_000_000_000_000_000_000, 0, 0, 0, 0, 0],
        None,
    ),
    (
        "beyond 128 bits",
        Custom([Some(u64::MAX), Some(u64::MAX), None, None, Some(u64::MAX), None]),
        [UNREPORTED - 1, UNREPORTED - 1, 0, 0, UNREPORTED - 1, 0],
        None,
    ),
    // More cached than input: 0 plain, 150 × 100 + 10 × 5,000 = 15,000 + 50,000
    ("more cached than input", Model("anthropic/claude-haiku-4-5"), [100, 150, 0, 0, 10, 0], Some(65_000)),
    // More cached and written than input: 80 × 100 + 40 × 1,250 + 0 = 8,000 + 50,000
    ("more of both than input", Model("anthropic/claude-haiku-4-5"), [100, 80, 40, 0, 0, 0], Some(58_000)),
    // A provider that does not report caching: 412 × 1,000 + 96 × 5,000
    (
        "caches not counted",
        Model("anthropic/claude-haiku-4-5"),
        [412, UNREPORTED, UNREPORTED, UNREPORTED, 96, UNREPORTED],
        Some(892_000),
    ),
];

fn example_pricing(prices: &ExamplePrices) -> Pricing {
    match prices {
        Model(name) => {
            let (provider, model) = name.split_once('/').unwrap();
            Catalog::default().find(provider, model).unwrap_or_else(|| panic!("{name}")).pricing
        }
        Custom([input, cached_input, cache_write, cache_write_1h, output, reasoning]) => {
            let [input, cached_input, cache_write, cache_write_1h, output, reasoning] =
                [input, cached_input, cache_write, cache_write_1h, output, reasoning]
                    .map(|nano| nano.map(NanoDollars::new));
            let base = TokenPrices { input, cached_input, cache_write, cache_write_1h, output, reasoning };
            Pricing { base, tiers: Vec::new() }
        }
    }
}

#[test]
fn cost_matches_hand_calculation() {
    let mut mismatches = Vec::new();
    for (name, prices, tokens, expected) in COST_EXAMPLES {
        let cost = Cost::from_usage(&example_usage(*tokens), Some(&example_pricing(prices)));
        if cost.nano_dollars != expected.map(NanoDollars::new) {
            mismatches.push(format!("{name}: {:?}, by hand {expected:?}", cost.nano_dollars));
        }
        let source = if expected.is_some() { CostSource::Catalog } else { CostSource::Unknown };
        assert_eq!(cost.source, source, "{name}");
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    println!("{} costs calculated by hand", COST_EXAMPLES.len());
}

#[test]
fn billed_tokens_override_reported_usage() {
    let pricing = example_pricing(&Model("cohere/command-r7b-12-2024"));
    // 8 × 37.5 + 10 × 150 = 300 + 1,500; the 503 input tokens include Cohere's own template.
    let billed = Usage {
        billed_tokens: Some((TokenCount::new(8), TokenCount::new(10))),
        ..example_usage([503, 400, 0, 0, 12, 0])
    };
    assert_eq!(Cost::from_usage(&billed, Some(&pricing)).nano_dollars, Some(NanoDollars::new(1_800)));
    // 1 × 37.5 = 37.5: rounds up
    let one = Usage {
        billed_tokens: Some((TokenCount::new(1), TokenCount::ZERO)),
        ..example_usage([496, UNREPORTED, UNREPORTED, UNREPORTED, 0, UNREPORTED])
    };
    assert_eq!(Cost::from_usage(&one, Some(&pricing)).nano_dollars, Some(NanoDollars::new(38)));
    // Billed tokens suffice without reported ones.
    let alone = Usage { billed_tokens: Some((TokenCount::new(2), TokenCount::ZERO)), ..Usage::default() };
    assert_eq!(Cost::from_usage(&alone, Some(&pricing)).nano_dollars, Some(NanoDollars::new(75)));
}

#[test]
fn provider_cost_overrides_list_price() {
    let price = example_pricing(&Model("anthropic/claude-haiku-4-5"));
    // 412 × 1,000 + 96 × 5,000 would be 892,000; the provider says 900,001.
    let reported = Usage {
        reported_cost_nano_usd: Some(NanoDollars::new(900_001)),
        ..example_usage([412, 0, 0, 0, 96, 0])
    };
    let expected = Cost { nano_dollars: Some(NanoDollars::new(900_001)), source: CostSource::Provider };
    assert_eq!(Cost::from_usage(&reported, Some(&price)), expected);
    // The reported cost needs neither a price nor token counts.
    assert_eq!(Cost::from_usage(&reported, None), expected);
    assert_eq!(
        Cost::from_usage(
            &Usage { reported_cost_nano_usd: Some(NanoDollars::new(900_001)), ..Usage::default() },
            None
        ),
        expected
    );
    // A reported cost of zero counts.
    let free = Cost::from_usage(
        &Usage { reported_cost_nano_usd: Some(NanoDollars::ZERO), ..Usage::default() },
        Some(&price),
    );
    assert_eq!(free, Cost { nano_dollars: Some(NanoDollars::ZERO), source: CostSource::Provider });
    let estimated = Usage { is_estimated: true, ..example_usage([10, 0, 0, 0, 1, 0]) };
    assert_eq!(Cost::from_usage(&estimated, Some(&price)).source, CostSource::Estimated);
}

#[test]
fn price_override_applies_to_every_tier() {
    let overrides = TokenPrices { output: Some(NanoDollars::new(7_000_000_000)), ..TokenPrices::default() };
    let price = example_pricing(&Model("dashscope/qwen-plus-latest")).with_overrides(overrides);
    // 256,001 × 1,200 + 10 × 7,000 = 307,201,200 + 70,000; reasoning has the price of output.
    let long = Cost::from_usage(&example_usage([256_001, 0, 0, 0, 10, 5]), Some(&price));
    assert_eq!(long.nano_dollars, Some(NanoDollars::new(307_271_200)));
}
