//! How often the gate stops a model that is as good as the baseline, over 10,000 simulated swaps.
//!
//! What fails a gate is `worse` alone, which is nominal in 2.5 % of them: a count of 250, with a standard deviation of 15.6. The
//! limit is three of these above. Bootstraps are counted in `statistics::calibration`, with fewer draws each.

use super::{Gate, evaluate_gate};
use crate::eval::case::case;
use crate::eval::statistics::{MinPass, RepeatOutcome};
use crate::eval::{
    Baseline, BaselineOrigin, CaseMetadata, CaseOutcomes, ComparisonContext, SubjectSummary, Verdict,
};

const SIMULATED_RUNS: u64 = 10_000;

/// So many cases, in clusters of that many.
fn clustered_case_heads(count: usize, cluster: usize) -> Vec<CaseMetadata> {
    let head = |n: usize| CaseMetadata {
        cluster: (cluster > 1).then(|| format!("cluster {}", n / cluster).into()),
        ..case(&format!("c{n}")).metadata
    };
    (0..count).map(head).collect()
}

/// What a subject answers to cases that are so easy, each so often.
fn simulate_outcomes(
    cases: &[CaseMetadata],
    easiness: &[f64],
    repeats: u32,
    chance: &mut fastrand::Rng,
) -> Vec<CaseOutcomes> {
    let mut answered = Vec::with_capacity(cases.len());
    for (case, easiness) in cases.iter().zip(easiness) {
        let outcome = |_| {
            let pass = chance.f64() < *easiness;
            let verdict = if pass { Verdict::Pass } else { Verdict::Fail };
            RepeatOutcome { verdict, score: Some(f64::from(u8::from(pass))) }
        };
        let outcomes = (0..repeats).map(outcome).collect();
        answered.push(CaseOutcomes { case_id: case.id.clone(), digest: case.digest, outcomes });
    }
    answered
}

/// How many gates of swaps without a difference fail. Cases of one cluster are as easy as one another, and where one model
/// has a good day with it, the other may not.
fn count_failed_gates(
    count: usize,
    cluster: usize,
    repeats: u32,
    min_pass: Option<MinPass>,
    challengers: usize,
) -> u64 {
    let (cases, gate) = (clustered_case_heads(count, cluster), Gate::default());
    let terms = ComparisonContext { cases: &cases, is_whole_set: true, min_pass, gate: &gate, challengers };
    let mut stopped = 0;
    for seed in 0..SIMULATED_RUNS {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut easy: Vec<f64> = Vec::with_capacity(count);
        for n in 0..count {
            let same = easy.last().copied().filter(|_| n % cluster > 0);
            easy.push(
                same.unwrap_or_else(
                    || if chance.f64() < 0.3 { chance.f64() } else { 0.9 + 0.1 * chance.f64() },
                ),
            );
        }
        let mut of_a_day = |subject: &str| {
            let mut day = Vec::with_capacity(count);
            for (n, easiness) in easy.iter().enumerate() {
                let luck = if cluster == 1 || n % cluster == 0 { chance.f64() } else { 2.0 };
                // A cluster is passed or failed as one, by its easiness, four times in five.
                let own = match day.last() {
                    Some(last) if luck > 1.0 => *last,
                    _ if cluster > 1 => 0.2 * easiness + 0.8 * f64::from(u8::from(luck < *easiness)),
                    _ => *easiness,
                };
                day.push(own);
            }
            (subject.to_owned(), simulate_outcomes(&cases, &day, repeats, &mut chance))
        };
        let (subject, answered) = of_a_day("old");
        let baseline = Baseline { subject, origin: BaselineOrigin::SameRun, cases: answered };
        let comparisons: Vec<_> = (0..challengers)
            .map(|n| {
                let (subject, answered) = of_a_day(&format!("new {n}"));
                terms.compare(&baseline, &subject, &answered)
            })
            .collect();
        let nothing: [SubjectSummary; 0] = [];
        stopped += u64::from(!evaluate_gate(&gate, &nothing, Some("old"), &comparisons).is_passed());
    }
    stopped
}

#[test]
fn gate_fails_equal_models_within_nominal_rate() {
    let kinds = [
        ("64 cases", count_failed_gates(64, 1, 1, None, 1)),
        ("64 cases, two challengers", count_failed_gates(64, 1, 1, None, 2)),
        ("32 cases, three times each", count_failed_gates(32, 1, 3, None, 1)),
        (
            "32 cases, two of three must pass",
            count_failed_gates(32, 1, 3, Some(MinPass { required: 2, repeats: 3 }), 1),
        ),
        ("60 cases in 15 clusters", count_failed_gates(60, 4, 1, None, 1)),
    ];
    for (kind, stopped) in kinds {
        println!("{kind}: {stopped} of {SIMULATED_RUNS} gates failed");
        assert!(stopped <= 297, "{kind}: {stopped}");
    }
}
