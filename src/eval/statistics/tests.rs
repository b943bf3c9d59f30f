//! Tests of whole comparisons.

use proptest::prelude::*;

use super::distribution::{normal_quantile, t_cdf, t_quantile};
use super::paired_verdicts::{mcnemar_mid_p, tango_interval};
use super::*;
use crate::eval::Verdict;

fn options(metric: ComparisonMetric) -> CompareOptions {
    CompareOptions {
        metric,
        level: ConfidenceLevel::NOMINAL,
        min_pass: None,
        margin: None,
        max_drop: Some(0.05),
        resampling: BootstrapOptions { seed: 7, resamples: 400 },
    }
}

/// Outcomes from letters: `p`ass, `f`ail, `u`nscored, one per repeat.
fn parse_outcomes(letters: &str) -> Vec<RepeatOutcome> {
    let outcome = |letter| match letter {
        'p' => RepeatOutcome { verdict: Verdict::Pass, score: Some(1.0) },
        'f' => RepeatOutcome { verdict: Verdict::Fail, score: Some(0.0) },
        _ => RepeatOutcome { verdict: Verdict::Unscored, score: None },
    };
    letters.chars().map(outcome).collect()
}

/// ID, cluster, baseline outcomes, and challenger outcomes.
type PairedCase = (String, Option<String>, Vec<RepeatOutcome>, Vec<RepeatOutcome>);

fn pairs(cases: &[PairedCase]) -> Vec<CasePair<'_>> {
    cases.iter().map(to_pair).collect()
}

fn to_pair((case, cluster, baseline, challenger): &PairedCase) -> CasePair<'_> {
    CasePair { case, cluster: cluster.as_deref(), baseline, challenger }
}

/// `count` cases of each kind.
fn cases(kinds: &[(usize, &str, &str)]) -> Vec<PairedCase> {
    let all = kinds.iter().flat_map(|(count, baseline, challenger)| {
        (0..*count).map(move |i| {
            (
                format!("{baseline}-{challenger}-{i}"),
                None,
                parse_outcomes(baseline),
                parse_outcomes(challenger),
            )
        })
    });
    all.collect()
}

fn compare_cases(cases: &[PairedCase], options: &CompareOptions) -> PairedComparison {
    compare_paired(&pairs(cases), options).unwrap()
}

#[test]
fn pass_rate_comparison_matches_expected_values() {
    let set = cases(&[(58, "p", "p"), (2, "f", "p"), (4, "p", "f"), (3, "u", "p"), (1, "p", "u")]);
    let found = compare_cases(&set, &options(ComparisonMetric::PassRate));
    assert_eq!((found.pairs, found.left_out, found.clusters), (64, 4, None));
    assert_eq!(
        (found.method, found.verdict, found.unclear_reason),
        (IntervalMethod::Tango, ComparisonVerdict::Unclear, None)
    );
    assert_eq!(found.difference, -2.0 / 64.0);
    assert!((found.interval.0 + 0.127_131_8).abs() < 1e-6 && (found.interval.1 - 0.057_619_4).abs() < 1e-6);
    assert!((found.p_value - 0.453_125).abs() < 1e-12);
    assert_eq!(found.largest_drop, -found.interval.0);
    assert_eq!((found.improved.len(), found.regressed.len()), (2, 4));
    assert_eq!(found.improved[0], "f-p-0");
    assert!((found.detectable.unwrap() - 0.118_188_7).abs() < 1e-6);
    assert_eq!(found.cases_needed, Some(331));
    let silent =
        compare_cases(&set, &CompareOptions { max_drop: None, ..options(ComparisonMetric::PassRate) });
    assert_eq!((silent.cases_needed, silent.false_trip_rate), (None, None));
}

#[test]
fn comparison_verdict_cases() {
    let found = |kinds: &[_], margin| {
        compare_cases(&cases(kinds), &CompareOptions { margin, ..options(ComparisonMetric::PassRate) })
            .verdict
    };
    assert_eq!(found(&[(40, "p", "p"), (10, "p", "f")], None), ComparisonVerdict::Worse);
    assert_eq!(found(&[(40, "p", "p"), (10, "f", "p")], None), ComparisonVerdict::Better);
    assert_eq!(found(&[(400, "p", "p")], Some(0.05)), ComparisonVerdict::Equivalent);
    assert_eq!(found(&[(400, "p", "p")], None), ComparisonVerdict::Unclear);
}

#[test]
fn ten_challengers_make_worse_verdict_unclear() {
    let set = cases(&[(50, "p", "p"), (6, "p", "f")]);
    let one = compare_cases(&set, &options(ComparisonMetric::PassRate));
    let ten = compare_cases(
        &set,
        &CompareOptions {
            level: ConfidenceLevel::for_challengers(10),
            ..options(ComparisonMetric::PassRate)
        },
    );
    assert_eq!((one.verdict, ten.verdict), (ComparisonVerdict::Worse, ComparisonVerdict::Unclear));
    assert_eq!(one.p_value, ten.p_value);
}

#[test]
fn fewer_than_20_score_pairs_are_unclear() {
    let drop = |n| cases(&[(n, "p", "f"), (2, "p", "p")]);
    let few = compare_cases(&drop(17), &options(ComparisonMetric::Score));
    assert_eq!(
        (few.verdict, few.unclear_reason, few.method),
        (ComparisonVerdict::Unclear, Some(UnclearReason::FewPairs), IntervalMethod::Bootstrap)
    );
    let enough = compare_cases(&drop(18), &options(ComparisonMetric::Score));
    assert_eq!((enough.verdict, enough.unclear_reason), (ComparisonVerdict::Worse, None));
    assert_eq!(enough.regressed.len(), 18);
}

#[test]
fn repeats_without_min_pass_are_clusters() {
    let set = cases(&[(12, "ppp", "ppp"), (6, "ppp", "ffp"), (2, "fpf", "ppp")]);
    let alone = compare_cases(&set, &options(ComparisonMetric::PassRate));
    assert_eq!((alone.method, alone.clusters, alone.pairs), (IntervalMethod::ClusterT, Some(20), 20));
    assert!((alone.difference - (-6.0 * 2.0 + 2.0 * 2.0) / 60.0).abs() < 1e-12);
    let together = compare_cases(
        &set,
        &CompareOptions {
            min_pass: Some(MinPass { required: 2, repeats: 3 }),
            ..options(ComparisonMetric::PassRate)
        },
    );
    assert_eq!((together.method, together.difference), (IntervalMethod::Tango, -4.0 / 20.0));
    let few = compare_cases(&cases(&[(9, "pp", "ff")]), &options(ComparisonMetric::PassRate));
    assert_eq!(
        (few.verdict, few.unclear_reason),
        (ComparisonVerdict::Unclear, Some(UnclearReason::FewClusters))
    );
}

#[test]
fn cluster_size_cases() {
    let clustered = |sizes: &[usize], lost: usize| -> Vec<PairedCase> {
        let cluster = |(cluster, size): (usize, &usize)| {
            let answer = if cluster < lost { "f" } else { "p" };
            let case = move |i| {
                (
                    format!("{cluster}-{i}"),
                    Some(cluster.to_string()),
                    parse_outcomes("p"),
                    parse_outcomes(answer),
                )
            };
            (0..*size).map(case).collect::<Vec<_>>()
        };
        sizes.iter().enumerate().flat_map(cluster).collect()
    };
    let even = compare_cases(&clustered(&[3; 20], 6), &options(ComparisonMetric::PassRate));
    assert_eq!(
        (even.clusters, even.verdict, even.unclear_reason),
        (Some(20), ComparisonVerdict::Worse, None)
    );
    let mut sizes = [1; 30];
    sizes[29] = 12;
    let uneven = compare_cases(&clustered(&sizes, 9), &options(ComparisonMetric::PassRate));
    assert!(uneven.interval.1 < 0.0, "{uneven:?}");
    assert_eq!(
        (uneven.verdict, uneven.unclear_reason),
        (ComparisonVerdict::Unclear, Some(UnclearReason::UnevenClusters))
    );
    // Clusters of one case each do not count as clusters.
    let single = compare_cases(&clustered(&[1; 30], 2), &options(ComparisonMetric::PassRate));
    assert_eq!((single.method, single.clusters), (IntervalMethod::Tango, None));
}

#[test]
fn combine_repeat_verdicts_cases() {
    use Verdict::{Fail, Pass, Unscored};
    let two = MinPass { required: 2, repeats: 3 };
    assert_eq!(combine_repeat_verdicts(&[Pass, Pass, Unscored], two), Pass);
    assert_eq!(combine_repeat_verdicts(&[Pass, Fail, Unscored], two), Unscored);
    assert_eq!(combine_repeat_verdicts(&[Fail, Fail, Unscored], two), Fail);
    assert_eq!(combine_repeat_verdicts(&[Unscored, Unscored], MinPass { required: 0, repeats: 2 }), Unscored);
    assert_eq!(combine_repeat_verdicts(&[], MinPass { required: 1, repeats: 0 }), Unscored);
    // A missing repeat might have passed.
    assert_eq!(combine_repeat_verdicts(&[Pass], two), Unscored);
    assert_eq!(combine_repeat_verdicts(&[Fail], two), Unscored);
    assert_eq!(combine_repeat_verdicts(&[Fail, Fail], two), Fail);
    assert_eq!(combine_repeat_verdicts(&[Pass, Pass], two), Pass);
}

#[test]
fn rejects_unscored_pairs_or_invalid_scores() {
    let nothing = compare_paired(&pairs(&cases(&[(3, "u", "p")])), &options(ComparisonMetric::PassRate));
    assert_eq!(nothing, Err(CompareError::NothingScored(3)));
    let wrong = vec![RepeatOutcome { verdict: Verdict::Fail, score: Some(1.5) }];
    let set = [("a".to_owned(), None, wrong.clone(), wrong)];
    assert!(matches!(
        compare_paired(&pairs(&set), &options(ComparisonMetric::Score)),
        Err(CompareError::InvalidScore { score: 1.5, .. })
    ));
}

#[test]
fn equal_scores_have_nonzero_width_interval() {
    let mean =
        |score, n| mean_interval(&vec![score; n], ConfidenceLevel::NOMINAL, BootstrapOptions::with_seed(0));
    assert_eq!(mean(1.0, 30), wilson_interval(30, 30));
    assert_eq!(mean(0.0, 30), wilson_interval(0, 30));
    assert_eq!(mean(0.5, 30), wilson_interval(15, 30));
    assert_eq!(mean(0.5, 0), None);
    assert_eq!(mean(f64::NAN, 3), None);
    let same = compare_scores(
        &[0.8 - 0.7, 0.9 - 0.8, 0.2 - 0.1],
        ConfidenceLevel::NOMINAL,
        BootstrapOptions::with_seed(0),
    )
    .unwrap();
    assert_eq!(same.method, IntervalMethod::Equal);
    assert!(same.interval.0 < 0.0 && same.interval.1 > 0.1 && same.p_value > 0.05);
}

#[test]
fn clearable_margin_of_64_cases_matches_design() {
    let margin = |moved| {
        compare_verdicts(moved, moved, 64, ConfidenceLevel::NOMINAL).unwrap().power.clearable_margin()
    };
    assert!((0.055..0.065).contains(&margin(0)), "{}", margin(0));
    assert!((0.10..0.12).contains(&margin(5)), "{}", margin(5));
}

fn any_outcome() -> impl Strategy<Value = RepeatOutcome> {
    let verdict = prop_oneof![Just(Verdict::Pass), Just(Verdict::Fail), Just(Verdict::Unscored)];
    (verdict, prop::option::of(0.0..=1.0)).prop_map(|(verdict, score)| RepeatOutcome { verdict, score })
}

fn any_case() -> impl Strategy<Value = PairedCase> {
    let answers = || prop::collection::vec(any_outcome(), 0..3);
    ("[a-d]", prop::option::of("[a-c]"), answers(), answers())
}

fn any_options() -> impl Strategy<Value = CompareOptions> {
    let odd = || prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1.0..2.0];
    let metric = prop_oneof![Just(ComparisonMetric::PassRate), Just(ComparisonMetric::Score)];
    (
        metric,
        0usize..9,
        prop::option::of((0u32..4, 0u32..4)),
        prop::option::of(odd()),
        prop::option::of(odd()),
        0usize..60,
    )
        .prop_map(|(metric, challengers, min_pass, margin, max_drop, resamples)| CompareOptions {
            metric,
            level: ConfidenceLevel::for_challengers(challengers),
            min_pass: min_pass.map(|(pass, of)| MinPass { required: pass, repeats: of }),
            margin,
            max_drop,
            resampling: BootstrapOptions { seed: 3, resamples },
        })
}

proptest! {
    #[test]
    fn comparison_invariants_hold_for_any_cases(set in prop::collection::vec(any_case(), 0..40), options in any_options()) {
        let forward = compare_paired(&pairs(&set), &options);
        let swapped: Vec<PairedCase> = set.iter().cloned().map(|(id, cluster, b, c)| (id, cluster, c, b)).collect();
        let reverse = compare_paired(&pairs(&swapped), &options);
        let Ok(found) = forward else {
            prop_assert!(reverse.is_err());
            return Ok(());
        };
        let reverse = reverse.unwrap();
        let (low, high) = found.interval;
        prop_assert!(-1.0 <= low && low <= high && high <= 1.0);
        prop_assert!((0.0..=1.0).contains(&found.p_value) && (0.0..=1.0).contains(&found.largest_drop));
        prop_assert!((0.0..=1.0).contains(&found.clearable_margin));
        prop_assert!(found.false_trip_rate.is_none_or(|rate| rate.is_nan() || (0.0..=1.0).contains(&rate)));
        prop_assert_eq!(found.pairs + found.left_out, set.len());
        prop_assert_eq!(&found.improved, &reverse.regressed);
        if found.method != IntervalMethod::Bootstrap {
            prop_assert!(low - 1e-9 <= found.difference && found.difference <= high + 1e-9);
            prop_assert!((low + reverse.interval.1).abs() < 1e-9 && (high + reverse.interval.0).abs() < 1e-9);
        }
    }

    #[test]
    fn self_comparison_finds_zero_difference(set in prop::collection::vec(any_case(), 1..40), options in any_options()) {
        let same: Vec<PairedCase> = set.into_iter().map(|(id, cluster, b, _)| (id, cluster, b.clone(), b)).collect();
        if let Ok(found) = compare_paired(&pairs(&same), &options) {
            prop_assert_eq!((found.difference, found.improved.len(), found.regressed.len()), (0.0, 0, 0));
            prop_assert!(matches!(found.verdict, ComparisonVerdict::Unclear | ComparisonVerdict::Equivalent));
            prop_assert_eq!(found.p_value, 1.0);
        }
    }

    #[test]
    fn arbitrary_numbers_do_not_panic(values in prop::collection::vec(any::<f64>(), 0..30), a in any::<u64>(), b in any::<u64>(), n in any::<u64>(), x in any::<f64>()) {
        let resampling = BootstrapOptions { seed: a, resamples: 5 };
        mean_interval(&values, ConfidenceLevel::NOMINAL, resampling);
        compare_scores(&values, ConfidenceLevel::NOMINAL, resampling);
        clustered_mean(values.iter().map(|v| (v.to_bits() % 4, *v)), ConfidenceLevel::NOMINAL);
        clustered_difference(values.iter().map(|v| (v.to_bits() % 4, *v)), ConfidenceLevel::NOMINAL);
        percentile(&values, x);
        wilson_interval(a, n);
        tango_interval(a, b, n, ConfidenceLevel::NOMINAL);
        mcnemar_mid_p(a % 5_000, b % 5_000);
        if let Some(found) = compare_verdicts(a % 50, b % 50, n % 5_000, ConfidenceLevel::NOMINAL) {
            found.power.detectable();
            found.power.cases_needed(x);
            found.power.false_trip_rate(x);
        }
        normal_quantile(x);
        t_quantile(x, n as f64);
        t_cdf(x, n as f64);
    }
}
