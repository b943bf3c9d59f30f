//! Estimates of what a request will cost and how long it will take, and how busy its provider is. Unknown
//! values stay unknown, and assumed values are marked.

use std::time::Duration;

use super::breaker::decayed_weight;
use super::provider_load::ProviderLoad;
use super::store::{DecayedMean, HealthRow, RouteStatsRow};
use crate::catalog::{Cost, Pricing};
use crate::chat::{NanoDollars, TokenCount, Usage};

/// Output tokens assumed for a route that has no measured answers.
const ASSUMED_OUTPUT_TOKENS: TokenCount = TokenCount::new(400);

/// Weight of the peers' median in a candidate's latency, in measurements.
const PEER_WEIGHT: f64 = 3.0;

/// A latency with fewer measurements is not reliable.
pub(super) const MIN_MEASUREMENTS: f64 = 3.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidateEstimate {
    pub input_tokens: TokenCount,
    pub output_tokens: TokenCount,
    /// Whether the output tokens are an assumption because no answer of the route was measured.
    pub is_output_assumed: bool,
    /// `None` if the price is unknown.
    pub cost: Option<NanoDollars>,
    /// Time to the first token; `None` if neither the candidate nor a peer was measured.
    pub first_token: Option<Duration>,
    /// Time to the last token; `None` in the same case.
    pub latency: Option<Duration>,
    /// Number of the candidate's own measurements, decayed.
    pub measurements: f64,
    /// Decayed share of failures and 429s among its recent calls.
    pub error_rate: f64,
    /// `None` if the strategy does not need it.
    pub load: Option<ProviderLoad>,
}

impl Default for CandidateEstimate {
    /// The estimate for a candidate that is not called.
    fn default() -> Self {
        Self {
            input_tokens: TokenCount::ZERO,
            output_tokens: TokenCount::ZERO,
            is_output_assumed: false,
            cost: None,
            first_token: None,
            latency: None,
            measurements: 0.0,
            error_rate: 0.0,
            load: None,
        }
    }
}

/// Output tokens of a request with this limit, and whether they are an assumption.
pub(super) fn estimate_output_tokens(stats: &RouteStatsRow, limit: Option<TokenCount>) -> (TokenCount, bool) {
    let is_assumed = stats.calls < 1.0;
    let mean =
        if is_assumed { ASSUMED_OUTPUT_TOKENS } else { TokenCount::new(stats.output_tokens.round() as u64) };
    (limit.map_or(mean, |limit| mean.min(limit)), is_assumed)
}

/// Expected cost. `cached_share` of the input gets the cached-input price, if the model has one.
pub(super) fn estimate_cost(
    pricing: Option<&Pricing>,
    input: TokenCount,
    output: TokenCount,
    cached_share: f64,
) -> Option<NanoDollars> {
    let pricing = pricing?;
    let cached = pricing
        .for_input_tokens(input)
        .cached_input
        .map(|_| TokenCount::new((input.get() as f64 * cached_share.clamp(0.0, 1.0)) as u64));
    let usage = Usage {
        input_tokens: Some(input),
        cached_input_tokens: cached,
        output_tokens: Some(output),
        ..Usage::default()
    };
    Cost::from_usage(&usage, Some(pricing)).nano_dollars
}

/// The mean and its decayed weight; `None` without measurements.
fn decayed_mean(trend: DecayedMean, row: &HealthRow, now: i64) -> Option<(f64, f64)> {
    let weight = decayed_weight(trend, now - row.measured_at);
    (weight > 0.0).then_some((trend.mean, weight))
}

/// Decayed number of the candidate's own measurements.
pub(super) fn measurement_count(row: &HealthRow, now: i64) -> f64 {
    decayed_mean(row.first_token, row, now).map_or(0.0, |(_, weight)| weight)
}

/// Time to the first and to the last of `output` tokens per candidate, in milliseconds: the candidate's own
/// geometric mean, weighted with the median of its peers. A candidate without measurements is assumed to be
/// like its peers, so that it ranks neither always first nor always last.
pub(super) fn estimate_latencies(
    rows: &[&HealthRow],
    output: TokenCount,
    now: i64,
) -> Vec<Option<(f64, f64)>> {
    let firsts: Vec<_> = rows.iter().map(|row| decayed_mean(row.first_token, row, now)).collect();
    let tokens: Vec<_> = rows.iter().map(|row| decayed_mean(row.token, row, now)).collect();
    (0..rows.len())
        .map(|index| {
            let first = shrink_to_peers(&firsts, index)?.exp();
            // Very short answers do not yield a time per token, but then it hardly matters.
            let token = shrink_to_peers(&tokens, index).map_or(0.0, f64::exp);
            Some((first, first + token * output.get() as f64))
        })
        .collect()
}

/// The candidate's own typical time to the last of `output` tokens, in milliseconds; `None` without enough
/// measurements.
pub(super) fn measured_latency(row: &HealthRow, output: TokenCount, now: i64) -> Option<f64> {
    let (first, weight) = decayed_mean(row.first_token, row, now)?;
    let token = decayed_mean(row.token, row, now).map_or(0.0, |(mean, _)| mean.exp());
    (weight >= MIN_MEASUREMENTS).then(|| first.exp() + token * output.get() as f64)
}

/// A candidate's mean, with the median of its peers counted as [`PEER_WEIGHT`] measurements.
fn shrink_to_peers(means: &[Option<(f64, f64)>], index: usize) -> Option<f64> {
    let peers = means.iter().enumerate().filter(|(other, _)| *other != index);
    let mut peers: Vec<f64> = peers.filter_map(|(_, mean)| mean.map(|(mean, _)| mean)).collect();
    peers.sort_by(f64::total_cmp);
    let median = match peers.len() {
        0 => None,
        n if n % 2 == 1 => Some(peers[n / 2]),
        n => Some(f64::midpoint(peers[n / 2 - 1], peers[n / 2])),
    };
    match (means[index], median) {
        (Some((mean, weight)), Some(median)) => {
            Some((mean * weight + median * PEER_WEIGHT) / (weight + PEER_WEIGHT))
        }
        (own, median) => own.map(|(mean, _)| mean).or(median),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::TokenPrices;

    fn measured_row(first: f64, token: f64, weight: f64) -> HealthRow {
        let trend = |value: f64| DecayedMean { mean: value.ln(), weight };
        HealthRow {
            first_token: trend(first),
            token: trend(token),
            measured_at: 1000,
            ..HealthRow::default()
        }
    }

    #[test]
    fn unmeasured_candidate_uses_peer_latency() {
        let rows = [measured_row(100.0, 1.0, 30.0), HealthRow::default(), measured_row(400.0, 4.0, 30.0)];
        let found = estimate_latencies(&rows.iter().collect::<Vec<_>>(), TokenCount::new(100), 1000);
        let (first, last) = found[1].unwrap();
        assert!((first - 200.0).abs() < 1e-6, "the median of the logarithms: {first}");
        assert!((last - 400.0).abs() < 1e-6);
        assert!(found[0].unwrap().0 > 100.0 && found[0].unwrap().0 < 120.0, "two peers have little weight");
        assert_eq!(estimate_latencies(&[&HealthRow::default()], TokenCount::new(100), 1000), [None]);
        assert_eq!(measured_latency(&rows[1], TokenCount::new(100), 1000), None);
        assert_eq!(
            measured_latency(&measured_row(1.0, 1.0, 2.9), TokenCount::new(1), 1000),
            None,
            "two calls are not enough"
        );
        assert!((measured_latency(&rows[0], TokenCount::new(100), 1000).unwrap() - 200.0).abs() < 1e-6);
    }

    #[test]
    fn output_tokens_cases() {
        let mut stats = RouteStatsRow::default();
        assert_eq!(estimate_output_tokens(&stats, None), (TokenCount::new(400), true));
        assert_eq!(estimate_output_tokens(&stats, Some(TokenCount::new(50))), (TokenCount::new(50), true));
        stats.record_call(TokenCount::new(120), 0.0);
        assert_eq!(
            estimate_output_tokens(&stats, Some(TokenCount::new(1000))),
            (TokenCount::new(120), false)
        );
        assert_eq!(estimate_output_tokens(&stats, Some(TokenCount::new(64))), (TokenCount::new(64), false));
    }

    #[test]
    fn cached_input_price_lowers_cost() {
        let (input, output) = (TokenCount::new(1000), TokenCount::new(100));
        // Nano-dollars per million tokens.
        let base = TokenPrices {
            input: Some(NanoDollars::new(3_000_000_000)),
            output: Some(NanoDollars::new(15_000_000_000)),
            ..TokenPrices::default()
        };
        let plain = Pricing { base, ..Pricing::default() };
        assert_eq!(estimate_cost(Some(&plain), input, output, 0.5), Some(NanoDollars::new(4_500_000)));
        let cached = Pricing {
            base: TokenPrices { cached_input: Some(NanoDollars::new(300_000_000)), ..base },
            ..Pricing::default()
        };
        assert_eq!(estimate_cost(Some(&cached), input, output, 0.5), Some(NanoDollars::new(3_150_000)));
        assert_eq!(estimate_cost(Some(&Pricing::default()), input, output, 0.0), None);
        assert_eq!(estimate_cost(None, input, output, 0.0), None);
    }
}
