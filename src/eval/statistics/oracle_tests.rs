//! Compares this module with SciPy, statsmodels, and evalstats: `oracle/expected.csv`, written once by
//! `oracle/make.py`.

use super::distribution::{normal_cdf, normal_quantile, t_cdf, t_quantile};
use super::paired_verdicts::{mcnemar_mid_p, tango_interval, tango_p_value};
use super::wilson_interval::wilson_interval_at;
use super::*;

const EXPECTED_CSV: &str = include_str!("oracle/expected.csv");

/// Input and expected output of every row of a kind.
fn expected_rows(kind: &str) -> Vec<(Vec<&'static str>, Vec<f64>)> {
    let rows: Vec<_> = EXPECTED_CSV
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row[0] == kind)
        .map(|row| (row[1].split(' ').collect(), parse_numbers(&row[2].split(' ').collect::<Vec<_>>())))
        .collect();
    assert!(!rows.is_empty(), "no row of {kind}");
    rows
}

fn parse_numbers(fields: &[&str]) -> Vec<f64> {
    fields.iter().map(|field| field.parse().unwrap()).collect()
}

fn assert_matches_oracle(kind: &str, tolerance: f64, ours: impl Fn(&[f64]) -> Vec<f64>) {
    for (given, theirs) in expected_rows(kind) {
        let found = ours(&parse_numbers(&given));
        assert_eq!(found.len(), theirs.len(), "{kind} {given:?}");
        let close = found.iter().zip(&theirs).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0));
        assert!(close, "{kind} {given:?}: {found:?}, theirs {theirs:?}");
    }
}

fn interval_bounds(interval: Option<ConfidenceInterval>) -> Vec<f64> {
    interval.map(|(low, high)| vec![low, high]).unwrap_or_default()
}

fn level_with_alpha(alpha: f64) -> ConfidenceLevel {
    ConfidenceLevel::with_alpha(alpha).unwrap()
}

#[test]
fn distributions_agree_with_scipy() {
    assert_matches_oracle("normal_cdf", 1e-10, |x| vec![normal_cdf(x[0])]);
    assert_matches_oracle("normal_quantile", 1e-10, |x| vec![normal_quantile(x[0])]);
    assert_matches_oracle("t_cdf", 1e-10, |x| vec![t_cdf(x[0], x[1])]);
    assert_matches_oracle("t_quantile", 1e-10, |x| vec![t_quantile(x[0], x[1])]);
}

#[test]
fn wilson_agrees_with_statsmodels() {
    assert_matches_oracle("wilson", 1e-10, |x| {
        interval_bounds(wilson_interval_at(x[0] as u64, x[1] as u64, level_with_alpha(x[2])))
    });
}

#[test]
fn tango_agrees_with_evalstats() {
    assert_matches_oracle("tango", 1e-9, |x| {
        interval_bounds(tango_interval(x[0] as u64, x[1] as u64, x[2] as u64, level_with_alpha(x[3])))
    });
}

#[test]
fn mid_p_agrees_with_statsmodels() {
    assert_matches_oracle("mid_p", 1e-10, |x| vec![mcnemar_mid_p(x[0] as u64, x[1] as u64)]);
}

/// Equal differences use the p-value of Tango's statistic, not mid-p; the two must stay close.
#[test]
fn tango_p_value_is_near_mid_p() {
    for (given, theirs) in expected_rows("mid_p") {
        let x = parse_numbers(&given);
        assert!((tango_p_value(x[0], x[1]) - theirs[0]).abs() < 0.16, "{given:?}");
    }
}

#[test]
fn clustered_estimates_agree_with_statsmodels() {
    for (given, theirs) in expected_rows("cluster") {
        let level = level_with_alpha(given[0].parse().unwrap());
        let values = || {
            given[1..].iter().map(|field| {
                let (key, value) = field.split_once(':').unwrap();
                (key, value.parse::<f64>().unwrap())
            })
        };
        let mean = clustered_mean(values(), level).unwrap();
        let difference = clustered_difference(values(), level).unwrap();
        let (low, high) = difference.interval;
        let found = [difference.difference, mean.standard_error.unwrap(), low, high, difference.p_value];
        for (index, (ours, theirs)) in found.iter().zip(&theirs).enumerate() {
            assert!((ours - theirs.clamp(-1.0, 1.0)).abs() < 1e-9, "{index} of {given:?}: {ours} {theirs}");
        }
        assert_eq!(mean.mean, difference.difference);
        assert_eq!(mean.interval, (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)));
    }
}

#[test]
fn mean_interval_agrees_with_scipy() {
    assert_matches_oracle("t_interval", 1e-9, |x| {
        let scores: Vec<f64> =
            (0..x[0] as u64).map(|i| (i * x[1] as u64 % x[2] as u64) as f64 / (x[2] - 1.0)).collect();
        interval_bounds(mean_interval(&scores, ConfidenceLevel::NOMINAL, BootstrapOptions::with_seed(0)))
    });
}

/// The percentile at p of B samples from a normal distribution of width s has the standard error s·√(p(1 −
/// p)/B) / φ(z): 0.027·s at 2.5% and 0.039·s at 0.83% for 10,000. The test allows four of them, plus a margin
/// for skewed samples.
#[test]
fn bootstrap_agrees_with_evalstats_within_sampling_error() {
    for (given, theirs) in expected_rows("bootstrap") {
        let x = parse_numbers(&given);
        let allowed = if x[0] < 0.05 { 0.2 } else { 0.13 } * theirs[2];
        let found = compare_scores(&x[1..], level_with_alpha(x[0]), BootstrapOptions::with_seed(1)).unwrap();
        assert_eq!(found.method, IntervalMethod::Bootstrap);
        let (low, high) = found.interval;
        for (ours, theirs) in [(low, theirs[0]), (high, theirs[1])] {
            assert!((ours - theirs.clamp(-1.0, 1.0)).abs() < allowed, "{given:?}: {ours}, theirs {theirs}");
        }
        if x[1..].iter().all(|value| *value >= 0.0) {
            let score =
                mean_interval(&x[1..], level_with_alpha(x[0]), BootstrapOptions::with_seed(1)).unwrap();
            assert_eq!(score, (low.max(0.0), high.min(1.0)));
        }
    }
}

#[test]
fn power_agrees_with_scipy() {
    let power = |x: &[f64]| {
        compare_verdicts(x[0] as u64, x[1] as u64, x[2] as u64, ConfidenceLevel::NOMINAL).unwrap().power
    };
    assert_matches_oracle("detectable", 1e-9, |x| {
        vec![power(x).detectable().unwrap(), power(x).cases_needed(0.05).unwrap() as f64]
    });
    assert_matches_oracle("false_trip", 1e-9, |x| vec![power(x).false_trip_rate(x[3])]);
}
