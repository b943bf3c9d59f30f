//! Counts false alarms over 10,000 simulated swaps of a model for an equally good one, and checks the power
//! behind the printed detectable difference.
//!
//! At a rate of exactly 5%, the number of alarms in 10,000 is binomial with a standard deviation of 21.8, so
//! the limit is 500 + 3 · 21.8 = 565, and 250 + 3 · 15.6 = 297 for false `worse` alone, which fails a gate.
//! Exact rates are summed if there are few enough outcomes.

use std::collections::HashMap;

use super::distribution::binomial_pmf;
use super::mean_score::sample_gaussian;
use super::*;

const SIMULATED_RUNS: usize = 10_000;

#[derive(Debug, Default)]
struct FalseAlarmCounts {
    better: usize,
    worse: usize,
}

impl FalseAlarmCounts {
    fn count(mut swap: impl FnMut(u64) -> ComparisonVerdict) -> Self {
        let mut alarms = Self::default();
        for seed in 0..SIMULATED_RUNS as u64 {
            alarms.record(swap(seed));
        }
        alarms
    }

    fn record(&mut self, verdict: ComparisonVerdict) {
        match verdict {
            ComparisonVerdict::Better => self.better += 1,
            ComparisonVerdict::Worse => self.worse += 1,
            ComparisonVerdict::Equivalent | ComparisonVerdict::Unclear => {}
        }
    }

    #[track_caller]
    fn assert_nominal(&self, what: &str) {
        println!("{what}: {self:?} of {SIMULATED_RUNS}");
        assert!(self.better + self.worse <= 565, "{what}: {self:?}");
        assert!(self.worse <= 297 && self.better <= 297, "{what}: {self:?}");
    }
}

/// Probability of passing a case: most cases are easy, some hard, and equally so for both models.
fn random_pass_probability(rng: &mut fastrand::Rng) -> f64 {
    let hard = rng.f64() < 0.3;
    if hard { rng.f64() } else { 0.9 + 0.1 * rng.f64() }
}

fn simulate_pass(rng: &mut fastrand::Rng, easiness: f64) -> f64 {
    f64::from(u8::from(rng.f64() < easiness))
}

#[test]
fn pass_rate_false_alarms_stay_nominal() {
    for (n, challengers) in [(20, 1), (64, 1), (200, 1), (64, 4)] {
        let level = ConfidenceLevel::for_challengers(challengers);
        let mut known = HashMap::new();
        let alarms = FalseAlarmCounts::count(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut b, mut c) = (0, 0);
            for _ in 0..n {
                let easiness = random_pass_probability(&mut rng);
                let moved = simulate_pass(&mut rng, easiness) - simulate_pass(&mut rng, easiness);
                b += u64::from(moved > 0.0);
                c += u64::from(moved < 0.0);
            }
            *known.entry((b, c)).or_insert_with(|| {
                classify_interval(compare_verdicts(b, c, n, level).unwrap().interval, None)
            })
        });
        alarms.assert_nominal(&format!("{n} pass rates, {challengers} challengers"));
        assert!((alarms.better + alarms.worse) * challengers <= 565, "{alarms:?}");
    }
}

/// The rate of a verdict if each of `n` pairs is won or lost with these probabilities, summed over all
/// outcomes.
fn exact_verdict_rate(wanted: ComparisonVerdict, n: u64, won: f64, lost: f64, level: ConfidenceLevel) -> f64 {
    let mut rate = 0.0;
    for disagree in 0..=n {
        let weight = binomial_pmf(disagree, n, won + lost);
        if weight < 1e-9 {
            continue;
        }
        for c in 0..=disagree {
            // Whether 0 is excluded does not depend on n, and is fast to compute.
            let distance = (2.0 * c as f64 - disagree as f64).abs() - 0.125;
            let excludes_zero = distance > 0.0 && distance * distance > level.z().powi(2) * disagree as f64;
            let verdict = match (excludes_zero, 2 * c > disagree) {
                (false, _) => ComparisonVerdict::Unclear,
                (true, false) => ComparisonVerdict::Better,
                (true, true) => ComparisonVerdict::Worse,
            };
            if verdict == wanted {
                rate += weight * binomial_pmf(c, disagree, lost / (won + lost));
            }
        }
    }
    rate
}

#[test]
fn pass_rate_exact_false_alarm_rate_is_nominal() {
    let mut max_rate = 0.0f64;
    for n in [5, 10, 16, 20, 43, 64, 96] {
        for share in [0.02, 0.05, 0.1, 0.2, 0.3, 0.5] {
            max_rate = max_rate.max(exact_verdict_rate(
                ComparisonVerdict::Worse,
                n,
                share / 2.0,
                share / 2.0,
                ConfidenceLevel::NOMINAL,
            ));
        }
    }
    println!("highest rate: {max_rate}");
    assert!(max_rate <= 0.025, "{max_rate}");
}

#[test]
fn pass_rate_detectable_drop_has_80_percent_power() {
    for (n, disagree) in [(20, 4), (64, 0), (64, 6), (64, 18), (100, 30), (200, 20)] {
        let estimate =
            compare_verdicts(disagree / 2, disagree - disagree / 2, n, ConfidenceLevel::NOMINAL).unwrap();
        let PowerAnalysis::Verdicts(pairs) = estimate.power else { unreachable!() };
        let delta = estimate.power.detectable().unwrap();
        let share = pairs.expected_share().max(delta);
        let power = exact_verdict_rate(
            ComparisonVerdict::Worse,
            n,
            (share - delta) / 2.0,
            (share + delta) / 2.0,
            ConfidenceLevel::NOMINAL,
        );
        println!("{n} pairs, {disagree} disagree: {delta:.3} is detected with probability {power:.3}");
        // If few pairs disagree, the discreteness of small counts adds power.
        assert!((0.795..=0.9).contains(&power), "{n} {disagree}: {delta} {power}");
        assert!(estimate.power.cases_needed(delta).unwrap().abs_diff(n) <= 1);
    }
}

/// The verdict on scores that 10,000 resamples would give, from fewer where the result is clear. A verdict
/// needs at most 2.5% of the means beyond 0: 15 of 100 resamples, or 18 of 300, are more than four, and
/// nearly four, standard deviations too many.
fn verdict_from_few_resamples(differences: &[f64], seed: u64) -> ComparisonVerdict {
    let judge = |resamples| {
        let resampling = BootstrapOptions { seed, resamples };
        compare_scores(differences, ConfidenceLevel::NOMINAL, resampling).unwrap()
    };
    if judge(100).p_value > 0.3 || judge(300).p_value > 0.12 {
        return ComparisonVerdict::Unclear;
    }
    classify_interval(judge(1_000).interval, None)
}

/// Scores like those of assertions: mostly full marks, else a share of the weights.
fn simulate_score(rng: &mut fastrand::Rng, easiness: f64) -> f64 {
    let parts = 4;
    (0..parts).map(|_| simulate_pass(rng, easiness)).sum::<f64>() / f64::from(parts)
}

#[test]
fn score_false_alarms_stay_nominal() {
    for n in [20, 40] {
        let alarms = FalseAlarmCounts::count(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let differences: Vec<f64> = (0..n)
                .map(|_| {
                    let easiness = random_pass_probability(&mut rng);
                    simulate_score(&mut rng, easiness) - simulate_score(&mut rng, easiness)
                })
                .collect();
            verdict_from_few_resamples(&differences, seed)
        });
        alarms.assert_nominal(&format!("{n} scores"));
    }
}

#[test]
fn mean_detectable_drop_has_80_percent_power() {
    let (level, width, n) = (ConfidenceLevel::NOMINAL, 0.2, 40.0f64);
    let standard_error = width / n.sqrt();
    let spread =
        |degrees, widening| PowerAnalysis::Means(MeanSpread { standard_error, degrees, widening, n, level });
    let (scores, clusters) = (spread(None, mean_score::bootstrap_widening(n)), spread(Some(n - 1.0), 1.0));
    let assert_power = |power: PowerAnalysis, judge: fn(&[f64], u64) -> ComparisonVerdict| {
        let delta = power.detectable().unwrap();
        let worse = (0..1_000).filter(|seed| {
            let mut rng = fastrand::Rng::with_seed(*seed);
            let differences: Vec<f64> = (0..40).map(|_| width * sample_gaussian(&mut rng) - delta).collect();
            judge(&differences, *seed) == ComparisonVerdict::Worse
        });
        let share = worse.count() as f64 / 1_000.0;
        println!("{delta:.3} is detected with probability {share:.3}");
        // Three standard deviations of 800 in 1,000.
        assert!((share - 0.8).abs() < 0.038, "{delta} {share}");
    };
    assert_power(scores, verdict_from_few_resamples);
    assert_power(clusters, |differences, _| {
        let keyed = differences.iter().copied().enumerate();
        classify_interval(
            clustered_difference(keyed, ConfidenceLevel::NOMINAL).unwrap().conservative_interval,
            None,
        )
    });
}

#[test]
fn repeat_false_alarms_stay_nominal() {
    for cases in [10, 40] {
        let alarms = FalseAlarmCounts::count(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let differences: Vec<_> = (0..cases)
                .flat_map(|case| {
                    let easiness = random_pass_probability(&mut rng);
                    let rng = &mut rng;
                    let repeat = |_| (case, simulate_pass(rng, easiness) - simulate_pass(rng, easiness));
                    (0..3).map(repeat).collect::<Vec<_>>()
                })
                .collect();
            classify_interval(
                clustered_difference(differences, ConfidenceLevel::NOMINAL).unwrap().interval,
                None,
            )
        });
        alarms.assert_nominal(&format!("{cases} cases, 3 repeats"));
    }
}

#[test]
fn cluster_false_alarms_stay_nominal() {
    let (equal, mixed, uneven) = ([3; 10], [2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4], [1, 1, 1, 5]);
    for (sizes, clusters) in [(&equal[..], 10), (&mixed[..], 12), (&uneven[..], 24)] {
        let (mut usual, mut conservative) = (FalseAlarmCounts::default(), FalseAlarmCounts::default());
        for seed in 0..SIMULATED_RUNS as u64 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut differences = Vec::new();
            for cluster in 0..clusters {
                // The effect shared by a cluster moves all its cases in the same direction.
                let shared = 0.2 * sample_gaussian(&mut rng);
                for _ in 0..sizes[cluster % sizes.len()] {
                    differences.push((cluster, (shared + 0.1 * sample_gaussian(&mut rng)).clamp(-1.0, 1.0)));
                }
            }
            let estimate = clustered_difference(differences, ConfidenceLevel::NOMINAL).unwrap();
            usual.record(classify_interval(estimate.interval, None));
            conservative.record(classify_interval(estimate.conservative_interval, None));
        }
        println!("{clusters} clusters of {sizes:?}, with the plain interval: {usual:?}");
        conservative.assert_nominal(&format!("{clusters} clusters of {sizes:?}"));
    }
}

/// Most cases almost always pass, so a drop shows as a few large differences and a rise as many small ones.
/// False drops, which fail a run, are the rarer of the two.
#[test]
fn multi_run_history_false_worse_stays_nominal() {
    for (n, runs) in [(20, 3), (64, 2), (64, 10), (200, 5)] {
        let alarms = FalseAlarmCounts::count(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let differences = (0..n).map(|case| {
                let easiness = random_pass_probability(&mut rng);
                let usual =
                    (0..runs).map(|_| simulate_pass(&mut rng, easiness)).sum::<f64>() / f64::from(runs);
                (case, simulate_pass(&mut rng, easiness) - usual)
            });
            classify_interval(
                clustered_difference(differences, ConfidenceLevel::NOMINAL).unwrap().conservative_interval,
                None,
            )
        });
        println!("{n} cases against {runs} earlier runs: {alarms:?} of {SIMULATED_RUNS}");
        assert!(alarms.worse <= 297, "{alarms:?}");
    }
}
