//! Comparisons as a whole.

use proptest::prelude::*;

use super::*;
use crate::eval::Verdict;

fn terms(metric: Metric) -> Terms {
    Terms {
        metric,
        level: Level::NOMINAL,
        min_pass: None,
        margin: None,
        max_drop: Some(0.05),
        resampling: Resampling { seed: 7, resamples: 400 },
    }
}

/// Answers from a word: `p`ass, `f`ail, `u`nscored, one letter a repeat.
fn answers(word: &str) -> Vec<Outcome> {
    let outcome = |letter| match letter {
        'p' => Outcome { verdict: Verdict::Pass, score: Some(1.0) },
        'f' => Outcome { verdict: Verdict::Fail, score: Some(0.0) },
        _ => Outcome { verdict: Verdict::Unscored, score: None },
    };
    word.chars().map(outcome).collect()
}

/// A case: its id, its cluster, and the answers of the baseline and of the challenger.
type Case = (String, Option<String>, Vec<Outcome>, Vec<Outcome>);

fn pairs(cases: &[Case]) -> Vec<Pair<'_>> {
    cases.iter().map(pair_of).collect()
}

fn pair_of((case, cluster, baseline, challenger): &Case) -> Pair<'_> {
    Pair { case, cluster: cluster.as_deref(), baseline, challenger }
}

/// So many cases of each kind.
fn cases(kinds: &[(usize, &str, &str)]) -> Vec<Case> {
    let all = kinds.iter().flat_map(|(count, baseline, challenger)| {
        (0..*count).map(move |i| {
            (format!("{baseline}-{challenger}-{i}"), None, answers(baseline), answers(challenger))
        })
    });
    all.collect()
}

fn compared(cases: &[Case], terms: &Terms) -> PairedComparison {
    compare(&pairs(cases), terms).unwrap()
}

#[test]
fn verdicts_are_compared_pair_by_pair() {
    let set = cases(&[(58, "p", "p"), (2, "f", "p"), (4, "p", "f"), (3, "u", "p"), (1, "p", "u")]);
    let found = compared(&set, &terms(Metric::PassRate));
    assert_eq!((found.pairs, found.left_out, found.clusters), (64, 4, None));
    assert_eq!((found.method, found.verdict, found.doubt), (Method::Tango, Finding::Unclear, None));
    assert_eq!(found.difference, -2.0 / 64.0);
    assert!((found.interval.0 + 0.127_131_8).abs() < 1e-6 && (found.interval.1 - 0.057_619_4).abs() < 1e-6);
    assert!((found.p_value - 0.453_125).abs() < 1e-12);
    assert_eq!(found.largest_drop, -found.interval.0);
    assert_eq!((found.improved.len(), found.regressed.len()), (2, 4));
    assert_eq!(found.improved[0], "f-p-0");
    assert!((found.detectable.unwrap() - 0.118_188_7).abs() < 1e-6);
    assert_eq!(found.cases_needed, Some(331));
    let silent = compared(&set, &Terms { max_drop: None, ..terms(Metric::PassRate) });
    assert_eq!((silent.cases_needed, silent.false_trip_rate), (None, None));
}

#[test]
fn verdicts_come_in_their_order() {
    let found =
        |kinds: &[_], margin| compared(&cases(kinds), &Terms { margin, ..terms(Metric::PassRate) }).verdict;
    assert_eq!(found(&[(40, "p", "p"), (10, "p", "f")], None), Finding::Worse);
    assert_eq!(found(&[(40, "p", "p"), (10, "f", "p")], None), Finding::Better);
    assert_eq!(found(&[(400, "p", "p")], Some(0.05)), Finding::Equivalent);
    assert_eq!(found(&[(400, "p", "p")], None), Finding::Unclear);
}

#[test]
fn the_level_widens_for_several_challengers() {
    let set = cases(&[(50, "p", "p"), (6, "p", "f")]);
    let one = compared(&set, &terms(Metric::PassRate));
    let ten = compared(&set, &Terms { level: Level::for_challengers(10), ..terms(Metric::PassRate) });
    assert_eq!((one.verdict, ten.verdict), (Finding::Worse, Finding::Unclear));
    assert_eq!(one.p_value, ten.p_value);
}

#[test]
fn few_scores_are_unclear_whatever_they_say() {
    let drop = |n| cases(&[(n, "p", "f"), (2, "p", "p")]);
    let few = compared(&drop(17), &terms(Metric::Score));
    assert_eq!(
        (few.verdict, few.doubt, few.method),
        (Finding::Unclear, Some(Doubt::FewPairs), Method::Bootstrap)
    );
    let enough = compared(&drop(18), &terms(Metric::Score));
    assert_eq!((enough.verdict, enough.doubt), (Finding::Worse, None));
    assert_eq!(enough.regressed.len(), 18);
}

#[test]
fn repeats_are_clusters_unless_they_decide_together() {
    let set = cases(&[(12, "ppp", "ppp"), (6, "ppp", "ffp"), (2, "fpf", "ppp")]);
    let alone = compared(&set, &terms(Metric::PassRate));
    assert_eq!((alone.method, alone.clusters, alone.pairs), (Method::ClusterT, Some(20), 20));
    assert!((alone.difference - (-6.0 * 2.0 + 2.0 * 2.0) / 60.0).abs() < 1e-12);
    let together =
        compared(&set, &Terms { min_pass: Some(Quorum { pass: 2, of: 3 }), ..terms(Metric::PassRate) });
    assert_eq!((together.method, together.difference), (Method::Tango, -4.0 / 20.0));
    let few = compared(&cases(&[(9, "pp", "ff")]), &terms(Metric::PassRate));
    assert_eq!((few.verdict, few.doubt), (Finding::Unclear, Some(Doubt::FewClusters)));
}

#[test]
fn clusters_stand_together_and_uneven_ones_are_doubted() {
    let clustered = |sizes: &[usize], lost: usize| -> Vec<Case> {
        let cluster = |(cluster, size): (usize, &usize)| {
            let answer = if cluster < lost { "f" } else { "p" };
            let case =
                move |i| (format!("{cluster}-{i}"), Some(cluster.to_string()), answers("p"), answers(answer));
            (0..*size).map(case).collect::<Vec<_>>()
        };
        sizes.iter().enumerate().flat_map(cluster).collect()
    };
    let even = compared(&clustered(&[3; 20], 6), &terms(Metric::PassRate));
    assert_eq!((even.clusters, even.verdict, even.doubt), (Some(20), Finding::Worse, None));
    let mut sizes = [1; 30];
    sizes[29] = 12;
    let uneven = compared(&clustered(&sizes, 9), &terms(Metric::PassRate));
    assert!(uneven.interval.1 < 0.0, "{uneven:?}");
    assert_eq!((uneven.verdict, uneven.doubt), (Finding::Unclear, Some(Doubt::UnevenClusters)));
    // Clusters of one case each are no clusters.
    let single = compared(&clustered(&[1; 30], 2), &terms(Metric::PassRate));
    assert_eq!((single.method, single.clusters), (Method::Tango, None));
}

#[test]
fn repeats_decide_a_case_unless_the_unscored_could() {
    use Verdict::{Fail, Pass, Unscored};
    let two = Quorum { pass: 2, of: 3 };
    assert_eq!(verdict_of_repeats(&[Pass, Pass, Unscored], two), Pass);
    assert_eq!(verdict_of_repeats(&[Pass, Fail, Unscored], two), Unscored);
    assert_eq!(verdict_of_repeats(&[Fail, Fail, Unscored], two), Fail);
    assert_eq!(verdict_of_repeats(&[Unscored, Unscored], Quorum { pass: 0, of: 2 }), Unscored);
    assert_eq!(verdict_of_repeats(&[], Quorum { pass: 1, of: 0 }), Unscored);
    // What was never asked might have passed.
    assert_eq!(verdict_of_repeats(&[Pass], two), Unscored);
    assert_eq!(verdict_of_repeats(&[Fail], two), Unscored);
    assert_eq!(verdict_of_repeats(&[Fail, Fail], two), Fail);
    assert_eq!(verdict_of_repeats(&[Pass, Pass], two), Pass);
}

#[test]
fn nothing_and_no_scores_are_errors() {
    let nothing = compare(&pairs(&cases(&[(3, "u", "p")])), &terms(Metric::PassRate));
    assert_eq!(nothing, Err(CompareError::NothingScored(3)));
    let wrong = vec![Outcome { verdict: Verdict::Fail, score: Some(1.5) }];
    let set = [("a".to_owned(), None, wrong.clone(), wrong)];
    assert!(matches!(
        compare(&pairs(&set), &terms(Metric::Score)),
        Err(CompareError::NoScore { score: 1.5, .. })
    ));
}

#[test]
fn equal_scores_are_not_certain() {
    let mean = |score, n| mean_interval(&vec![score; n], Level::NOMINAL, Resampling::seeded(0));
    assert_eq!(mean(1.0, 30), wilson_interval(30, 30));
    assert_eq!(mean(0.0, 30), wilson_interval(0, 30));
    assert_eq!(mean(0.5, 30), wilson_interval(15, 30));
    assert_eq!(mean(0.5, 0), None);
    assert_eq!(mean(f64::NAN, 3), None);
    let same =
        paired_scores(&[0.8 - 0.7, 0.9 - 0.8, 0.2 - 0.1], Level::NOMINAL, Resampling::seeded(0)).unwrap();
    assert_eq!(same.method, Method::Equal);
    assert!(same.interval.0 < 0.0 && same.interval.1 > 0.1 && same.p_value > 0.05);
}

#[test]
fn the_margin_that_64_cases_clear_is_that_of_the_design() {
    let margin = |moved| paired_verdicts(moved, moved, 64, Level::NOMINAL).unwrap().power.clearable_margin();
    assert!((0.055..0.065).contains(&margin(0)), "{}", margin(0));
    assert!((0.10..0.12).contains(&margin(5)), "{}", margin(5));
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let verdict = prop_oneof![Just(Verdict::Pass), Just(Verdict::Fail), Just(Verdict::Unscored)];
    (verdict, prop::option::of(0.0..=1.0)).prop_map(|(verdict, score)| Outcome { verdict, score })
}

fn any_case() -> impl Strategy<Value = Case> {
    let answers = || prop::collection::vec(any_outcome(), 0..3);
    ("[a-d]", prop::option::of("[a-c]"), answers(), answers())
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let odd = || prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1.0..2.0];
    let metric = prop_oneof![Just(Metric::PassRate), Just(Metric::Score)];
    (
        metric,
        0usize..9,
        prop::option::of((0u32..4, 0u32..4)),
        prop::option::of(odd()),
        prop::option::of(odd()),
        0usize..60,
    )
        .prop_map(|(metric, challengers, min_pass, margin, max_drop, resamples)| Terms {
            metric,
            level: Level::for_challengers(challengers),
            min_pass: min_pass.map(|(pass, of)| Quorum { pass, of }),
            margin,
            max_drop,
            resampling: Resampling { seed: 3, resamples },
        })
}

proptest! {
    #[test]
    fn anything_can_be_compared(set in prop::collection::vec(any_case(), 0..40), terms in any_terms()) {
        let there = compare(&pairs(&set), &terms);
        let swapped: Vec<Case> = set.iter().cloned().map(|(id, cluster, b, c)| (id, cluster, c, b)).collect();
        let back = compare(&pairs(&swapped), &terms);
        let Ok(found) = there else {
            prop_assert!(back.is_err());
            return Ok(());
        };
        let back = back.unwrap();
        let (low, high) = found.interval;
        prop_assert!(-1.0 <= low && low <= high && high <= 1.0);
        prop_assert!((0.0..=1.0).contains(&found.p_value) && (0.0..=1.0).contains(&found.largest_drop));
        prop_assert!((0.0..=1.0).contains(&found.clearable_margin));
        prop_assert!(found.false_trip_rate.is_none_or(|rate| rate.is_nan() || (0.0..=1.0).contains(&rate)));
        prop_assert_eq!(found.pairs + found.left_out, set.len());
        prop_assert_eq!(&found.improved, &back.regressed);
        if found.method != Method::Bootstrap {
            prop_assert!(low - 1e-9 <= found.difference && found.difference <= high + 1e-9);
            prop_assert!((low + back.interval.1).abs() < 1e-9 && (high + back.interval.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_model_is_never_worse_than_itself(set in prop::collection::vec(any_case(), 1..40), terms in any_terms()) {
        let same: Vec<Case> = set.into_iter().map(|(id, cluster, b, _)| (id, cluster, b.clone(), b)).collect();
        if let Ok(found) = compare(&pairs(&same), &terms) {
            prop_assert_eq!((found.difference, found.improved.len(), found.regressed.len()), (0.0, 0, 0));
            prop_assert!(matches!(found.verdict, Finding::Unclear | Finding::Equivalent));
            prop_assert_eq!(found.p_value, 1.0);
        }
    }

    #[test]
    fn no_numbers_make_it_panic(values in prop::collection::vec(any::<f64>(), 0..30), a in any::<u64>(), b in any::<u64>(), n in any::<u64>(), x in any::<f64>()) {
        let resampling = Resampling { seed: a, resamples: 5 };
        mean_interval(&values, Level::NOMINAL, resampling);
        paired_scores(&values, Level::NOMINAL, resampling);
        clustered_mean(values.iter().map(|v| (v.to_bits() % 4, *v)), Level::NOMINAL);
        clustered_difference(values.iter().map(|v| (v.to_bits() % 4, *v)), Level::NOMINAL);
        percentile(&values, x);
        wilson_interval(a, n);
        tango_interval(a, b, n, Level::NOMINAL);
        mcnemar_mid_p(a % 5_000, b % 5_000);
        if let Some(found) = paired_verdicts(a % 50, b % 50, n % 5_000, Level::NOMINAL) {
            found.power.detectable();
            found.power.cases_needed(x);
            found.power.false_trip_rate(x);
        }
        normal_quantile(x);
        t_quantile(x, n as f64);
        t_cdf(x, n as f64);
    }
}
