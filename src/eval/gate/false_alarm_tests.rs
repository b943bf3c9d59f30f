//! Counts how often the gate fails a model that is as good as the baseline, over 10,000 simulated swaps.
//!
//! Only `worse` fails a gate, nominally in 2.5% of the swaps: 250, with a standard deviation of 15.6. The
//! limit is three standard deviations above. Bootstraps are covered in `statistics::false_alarm_tests`, with
//! fewer resamples.

use super::{Gate, evaluate_gate};
use crate::eval::case::case;
use crate::eval::statistics::{MinPass, RepeatOutcome};
use crate::eval::{
    Baseline, BaselineOrigin, CaseMetadata, CaseOutcomes, ComparisonContext, SubjectSummary, Verdict,
};

const SIMULATED_RUNS: u64 = 10_000;

/// `count` cases in clusters of `cluster` cases.
fn clustered_case_heads(count: usize, cluster: usize) -> Vec<CaseMetadata> {
    let head = |n: usize| CaseMetadata {
        cluster: (cluster > 1).then(|| format!("cluster {}", n / cluster).into()),
        ..case(&format!("c{n}")).metadata
    };
    (0..count).map(head).collect()
}

/// Random outcomes; `easiness` is the probability of passing each case.
fn simulate_outcomes(
    cases: &[CaseMetadata],
    easiness: &[f64],
    repeats: u32,
    rng: &mut fastrand::Rng,
) -> Vec<CaseOutcomes> {
    let mut simulated = Vec::with_capacity(cases.len());
    for (case, easiness) in cases.iter().zip(easiness) {
        let outcome = |_| {
            let pass = rng.f64() < *easiness;
            let verdict = if pass { Verdict::Pass } else { Verdict::Fail };
            RepeatOutcome { verdict, score: Some(f64::from(u8::from(pass))) }
        };
        let outcomes = (0..repeats).map(outcome).collect();
        simulated.push(CaseOutcomes { case_id: case.id.clone(), digest: case.digest, outcomes });
    }
    simulated
}

/// Number of failed gates among swaps of equally good models. The cases of a cluster are equally easy, but
/// each model's luck with a cluster differs.
fn count_failed_gates(
    count: usize,
    cluster: usize,
    repeats: u32,
    min_pass: Option<MinPass>,
    challengers: usize,
) -> u64 {
    let (cases, gate) = (clustered_case_heads(count, cluster), Gate::default());
    let context = ComparisonContext { cases: &cases, is_whole_set: true, min_pass, gate: &gate, challengers };
    let mut failed = 0;
    for seed in 0..SIMULATED_RUNS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut easy: Vec<f64> = Vec::with_capacity(count);
        for n in 0..count {
            let same = easy.last().copied().filter(|_| n % cluster > 0);
            easy.push(
                same.unwrap_or_else(|| if rng.f64() < 0.3 { rng.f64() } else { 0.9 + 0.1 * rng.f64() }),
            );
        }
        let mut simulate_subject = |subject: &str| {
            let mut probabilities = Vec::with_capacity(count);
            for (n, easiness) in easy.iter().enumerate() {
                let luck = if cluster == 1 || n % cluster == 0 { rng.f64() } else { 2.0 };
                // Four times in five, a cluster passes or fails as a whole.
                let own = match probabilities.last() {
                    Some(last) if luck > 1.0 => *last,
                    _ if cluster > 1 => 0.2 * easiness + 0.8 * f64::from(u8::from(luck < *easiness)),
                    _ => *easiness,
                };
                probabilities.push(own);
            }
            (subject.to_owned(), simulate_outcomes(&cases, &probabilities, repeats, &mut rng))
        };
        let (subject, outcomes) = simulate_subject("old");
        let baseline = Baseline { subject, origin: BaselineOrigin::SameRun, cases: outcomes };
        let comparisons: Vec<_> = (0..challengers)
            .map(|n| {
                let (subject, outcomes) = simulate_subject(&format!("new {n}"));
                context.compare(&baseline, &subject, &outcomes)
            })
            .collect();
        let nothing: [SubjectSummary; 0] = [];
        failed += u64::from(!evaluate_gate(&gate, &nothing, Some("old"), &comparisons).is_passed());
    }
    failed
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
    for (kind, failed) in kinds {
        println!("{kind}: {failed} of {SIMULATED_RUNS} gates failed");
        assert!(failed <= 297, "{kind}: {failed}");
    }
}
