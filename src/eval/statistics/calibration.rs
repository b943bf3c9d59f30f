//! Counts false alarms over 10,000 simulated swaps of a model for an equally good one, and the power behind what is
//! printed as detectable.
//!
//! At a rate of exactly 5 % the count of alarms in 10,000 is binomial with a standard deviation of 21.8; so the limit is
//! 500 + 3 · 21.8 = 565, and 250 + 3 · 15.6 = 297 for false `worse` alone, which is what fails a gate. Exact rates are
//! summed where there are few enough outcomes to sum.

use std::collections::HashMap;

use super::distribution::binomial_pmf;
use super::score::gaussian;
use super::*;

const SWAPS: usize = 10_000;

/// Better and worse among the swaps.
#[derive(Debug, Default)]
struct Alarms {
    better: usize,
    worse: usize,
}

impl Alarms {
    fn count(mut swap: impl FnMut(u64) -> Finding) -> Self {
        let mut alarms = Self::default();
        for seed in 0..SWAPS as u64 {
            alarms.add(swap(seed));
        }
        alarms
    }

    fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Better => self.better += 1,
            Finding::Worse => self.worse += 1,
            Finding::Equivalent | Finding::Unclear => {}
        }
    }

    #[track_caller]
    fn stay_nominal(&self, what: &str) {
        println!("{what}: {self:?} of {SWAPS}");
        assert!(self.better + self.worse <= 565, "{what}: {self:?}");
        assert!(self.worse <= 297 && self.better <= 297, "{what}: {self:?}");
    }
}

/// How likely a case is passed: most are easy, some hard, the same for both models.
fn easiness(chance: &mut fastrand::Rng) -> f64 {
    let hard = chance.f64() < 0.3;
    if hard { chance.f64() } else { 0.9 + 0.1 * chance.f64() }
}

fn pass(chance: &mut fastrand::Rng, easiness: f64) -> f64 {
    f64::from(u8::from(chance.f64() < easiness))
}

#[test]
fn pass_rates_raise_no_more_false_alarms_than_they_may() {
    for (n, challengers) in [(20, 1), (64, 1), (200, 1), (64, 4)] {
        let level = Level::for_challengers(challengers);
        let mut known = HashMap::new();
        let alarms = Alarms::count(|seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            let (mut b, mut c) = (0, 0);
            for _ in 0..n {
                let easiness = easiness(&mut chance);
                let moved = pass(&mut chance, easiness) - pass(&mut chance, easiness);
                b += u64::from(moved > 0.0);
                c += u64::from(moved < 0.0);
            }
            *known
                .entry((b, c))
                .or_insert_with(|| finding(paired_verdicts(b, c, n, level).unwrap().interval, None))
        });
        alarms.stay_nominal(&format!("{n} pass rates, {challengers} challengers"));
        assert!((alarms.better + alarms.worse) * challengers <= 565, "{alarms:?}");
    }
}

/// The rate of a verdict when each of `n` pairs is won or lost with these probabilities, summed over all outcomes.
fn rate_of(wanted: Finding, n: u64, won: f64, lost: f64, level: Level) -> f64 {
    let mut rate = 0.0;
    for disagree in 0..=n {
        let weight = binomial_pmf(disagree, n, won + lost);
        if weight < 1e-9 {
            continue;
        }
        for c in 0..=disagree {
            // Whether 0 is excluded does not hang on n, and is quick to say.
            let distance = (2.0 * c as f64 - disagree as f64).abs() - 0.125;
            let sure = distance > 0.0 && distance * distance > level.z().powi(2) * disagree as f64;
            let finding = match (sure, 2 * c > disagree) {
                (false, _) => Finding::Unclear,
                (true, false) => Finding::Better,
                (true, true) => Finding::Worse,
            };
            if finding == wanted {
                rate += weight * binomial_pmf(c, disagree, lost / (won + lost));
            }
        }
    }
    rate
}

#[test]
fn the_exact_false_alarm_rate_of_pass_rates_is_nominal() {
    let mut most = 0.0f64;
    for n in [5, 10, 16, 20, 43, 64, 96] {
        for share in [0.02, 0.05, 0.1, 0.2, 0.3, 0.5] {
            most = most.max(rate_of(Finding::Worse, n, share / 2.0, share / 2.0, Level::NOMINAL));
        }
    }
    println!("most: {most}");
    assert!(most <= 0.025, "{most}");
}

#[test]
fn what_is_detectable_is_found_in_four_of_five_runs() {
    for (n, disagree) in [(20, 4), (64, 0), (64, 6), (64, 18), (100, 30), (200, 20)] {
        let estimate = paired_verdicts(disagree / 2, disagree - disagree / 2, n, Level::NOMINAL).unwrap();
        let Power::Discordance(pairs) = estimate.power else { unreachable!() };
        let delta = estimate.power.detectable().unwrap();
        let share = pairs.share().max(delta);
        let power = rate_of(Finding::Worse, n, (share - delta) / 2.0, (share + delta) / 2.0, Level::NOMINAL);
        println!("{n} pairs, {disagree} disagree: {delta:.3} is found with {power:.3}");
        // Where few disagree, the steps of small counts make it more than was promised.
        assert!((0.795..=0.9).contains(&power), "{n} {disagree}: {delta} {power}");
        assert!(estimate.power.cases_needed(delta).unwrap().abs_diff(n) <= 1);
    }
}

/// A verdict on scores as 10,000 resamples would give it, from as few as leave it no doubt. A verdict needs a share of
/// 2.5 % at most beyond 0: 15 of 100 resamples there, or 18 of 300, are more than four, and nearly four, standard
/// deviations too many.
fn quick_verdict(differences: &[f64], seed: u64) -> Finding {
    let judge = |resamples| {
        let resampling = Resampling { seed, resamples };
        paired_scores(differences, Level::NOMINAL, resampling).unwrap()
    };
    if judge(100).p_value > 0.3 || judge(300).p_value > 0.12 {
        return Finding::Unclear;
    }
    finding(judge(1_000).interval, None)
}

/// Scores as assertions give them: mostly full marks, else a share of the weights.
fn score(chance: &mut fastrand::Rng, easiness: f64) -> f64 {
    let parts = 4;
    (0..parts).map(|_| pass(chance, easiness)).sum::<f64>() / f64::from(parts)
}

#[test]
fn scores_raise_no_more_false_alarms_than_they_may() {
    for n in [20, 40] {
        let alarms = Alarms::count(|seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            let differences: Vec<f64> = (0..n)
                .map(|_| {
                    let easiness = easiness(&mut chance);
                    score(&mut chance, easiness) - score(&mut chance, easiness)
                })
                .collect();
            quick_verdict(&differences, seed)
        });
        alarms.stay_nominal(&format!("{n} scores"));
    }
}

#[test]
fn what_is_detectable_of_means_is_found_in_four_of_five_runs() {
    let (level, width, n) = (Level::NOMINAL, 0.2, 40.0f64);
    let standard_error = width / n.sqrt();
    let spread = |degrees, widening| Power::Spread(Spread { standard_error, degrees, widening, n, level });
    let (scores, clusters) = (spread(None, score::widening(n)), spread(Some(n - 1.0), 1.0));
    let found = |power: Power, judge: fn(&[f64], u64) -> Finding| {
        let delta = power.detectable().unwrap();
        let worse = (0..1_000).filter(|seed| {
            let mut chance = fastrand::Rng::with_seed(*seed);
            let differences: Vec<f64> = (0..40).map(|_| width * gaussian(&mut chance) - delta).collect();
            judge(&differences, *seed) == Finding::Worse
        });
        let share = worse.count() as f64 / 1_000.0;
        println!("{delta:.3} is found with {share:.3}");
        // Three standard deviations of 800 in 1,000.
        assert!((share - 0.8).abs() < 0.038, "{delta} {share}");
    };
    found(scores, quick_verdict);
    found(clusters, |differences, _| {
        let keyed = differences.iter().copied().enumerate();
        finding(clustered_difference(keyed, Level::NOMINAL).unwrap().careful, None)
    });
}

#[test]
fn repeats_raise_no_more_false_alarms_than_they_may() {
    for cases in [10, 40] {
        let alarms = Alarms::count(|seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            let differences: Vec<_> = (0..cases)
                .flat_map(|case| {
                    let easiness = easiness(&mut chance);
                    let chance = &mut chance;
                    let repeat = |_| (case, pass(chance, easiness) - pass(chance, easiness));
                    (0..3).map(repeat).collect::<Vec<_>>()
                })
                .collect();
            finding(clustered_difference(differences, Level::NOMINAL).unwrap().interval, None)
        });
        alarms.stay_nominal(&format!("{cases} cases, 3 repeats"));
    }
}

#[test]
fn clusters_raise_no_more_false_alarms_than_they_may() {
    let (equal, mixed, uneven) = ([3; 10], [2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4], [1, 1, 1, 5]);
    for (sizes, clusters) in [(&equal[..], 10), (&mixed[..], 12), (&uneven[..], 24)] {
        let (mut usual, mut careful) = (Alarms::default(), Alarms::default());
        for seed in 0..SWAPS as u64 {
            let mut chance = fastrand::Rng::with_seed(seed);
            let mut differences = Vec::new();
            for cluster in 0..clusters {
                // What a cluster's cases share moves all of them one way or the other.
                let shared = 0.2 * gaussian(&mut chance);
                for _ in 0..sizes[cluster % sizes.len()] {
                    differences.push((cluster, (shared + 0.1 * gaussian(&mut chance)).clamp(-1.0, 1.0)));
                }
            }
            let estimate = clustered_difference(differences, Level::NOMINAL).unwrap();
            usual.add(finding(estimate.interval, None));
            careful.add(finding(estimate.careful, None));
        }
        println!("{clusters} clusters of {sizes:?}, by the interval alone: {usual:?}");
        careful.stay_nominal(&format!("{clusters} clusters of {sizes:?}"));
    }
}

/// Most cases pass as good as always, so that a fall shows as a few large differences and a rise as many small ones: false
/// falls, which are what fails a run, are the rarer of the two.
#[test]
fn a_history_of_several_runs_raises_no_more_false_alarms_than_it_may() {
    for (n, runs) in [(20, 3), (64, 2), (64, 10), (200, 5)] {
        let alarms = Alarms::count(|seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            let differences = (0..n).map(|case| {
                let easiness = easiness(&mut chance);
                let usual = (0..runs).map(|_| pass(&mut chance, easiness)).sum::<f64>() / f64::from(runs);
                (case, pass(&mut chance, easiness) - usual)
            });
            finding(clustered_difference(differences, Level::NOMINAL).unwrap().careful, None)
        });
        println!("{n} cases against {runs} earlier runs: {alarms:?} of {SWAPS}");
        assert!(alarms.worse <= 297, "{alarms:?}");
    }
}
