//! Combines the repeats of a case.

use super::statistics::{MinPass, combine_repeat_verdicts};
use super::{CaseResult, CaseStats, RepairSet, Verdict};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AggregateOutcome {
    pub verdict: Verdict,
    /// Mean of the scored repeats; `None` when the case is unscored.
    pub score: Option<f64>,
}

/// The outcome of each case: pass if enough repeats passed, fail if enough no longer can, and unscored if
/// unscored or missing repeats could still decide it. The results of a case must be adjacent.
pub(crate) fn aggregate_repeats(
    results: &[CaseStats],
    min_pass: MinPass,
) -> impl Iterator<Item = AggregateOutcome> {
    let aggregate = move |repeats: &[CaseStats]| {
        aggregate_outcomes(repeats.iter().map(|result| (result.verdict, result.score())), min_pass)
    };
    results.chunk_by(|a, b| a.case_index == b.case_index).map(aggregate)
}

/// The results of each case, with its outcome.
pub(crate) fn aggregate_full_results(
    results: &[CaseResult],
    min_pass: MinPass,
) -> impl Iterator<Item = (&[CaseResult], AggregateOutcome)> {
    let cases = results.chunk_by(|a, b| a.digest == b.digest && a.case_id == b.case_id);
    cases.map(move |repeats| {
        (repeats, aggregate_outcomes(repeats.iter().map(|result| (result.verdict, result.score)), min_pass))
    })
}

/// For each case, the combined repairs of its answers, if the case passes with them.
pub(super) fn find_case_repairs(
    results: &[CaseStats],
    min_pass: MinPass,
) -> impl Iterator<Item = Option<RepairSet>> {
    results.chunk_by(|a, b| a.case_index == b.case_index).map(move |repeats| {
        let repaired_verdict =
            |result: &CaseStats| result.repaired_by.map_or(result.verdict, |_| Verdict::Pass);
        let verdicts: Vec<Verdict> = repeats.iter().map(repaired_verdict).collect();
        let passes = combine_repeat_verdicts(&verdicts, min_pass) == Verdict::Pass;
        repeats.iter().filter_map(|result| result.repaired_by).reduce(RepairSet::union).filter(|_| passes)
    })
}

fn aggregate_outcomes(
    results: impl Iterator<Item = (Verdict, Option<f64>)>,
    min_pass: MinPass,
) -> AggregateOutcome {
    let (verdicts, scores): (Vec<Verdict>, Vec<Option<f64>>) = results.unzip();
    let verdict = combine_repeat_verdicts(&verdicts, min_pass);
    let scores: Vec<f64> = scores.into_iter().flatten().collect();
    let mean = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    AggregateOutcome { verdict, score: mean.filter(|_| verdict != Verdict::Unscored) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case_stats::stats_from_verdicts;
    use crate::eval::{Repair, SubjectSummary};

    #[test]
    fn min_pass_cases() {
        use Verdict::{Fail, Pass, Unscored};
        let all = stats_from_verdicts(&[
            &[Pass, Pass, Fail],
            &[Pass, Fail, Fail],
            &[Pass, Fail, Unscored],
            &[Pass, Pass, Unscored],
        ]);
        let quorum = |pass| MinPass { required: pass, repeats: 3 };
        let verdicts: Vec<Verdict> =
            aggregate_repeats(&all, quorum(2)).map(|outcome| outcome.verdict).collect();
        assert_eq!(verdicts, [Pass, Fail, Unscored, Pass]);
        let scores = |pass| -> Vec<Option<f64>> {
            aggregate_repeats(&all, quorum(pass)).map(|outcome| outcome.score).collect()
        };
        assert_eq!(scores(2)[3], Some(1.0));
        assert_eq!(scores(2)[2], None);
        assert_eq!(aggregate_repeats(&all, quorum(3)).nth(1).unwrap().verdict, Fail);

        // A repairable answer can supply a pass that its case lacks.
        let mut repaired = all;
        repaired[4].repaired_by = Some(Repair::StripFences.into());
        repaired[5].repaired_by = Some(Repair::Fold.into());
        repaired[7].repaired_by = Some(Repair::Fold.into());
        let both = RepairSet::from(Repair::StripFences).union(Repair::Fold.into());
        let after: Vec<Option<RepairSet>> = find_case_repairs(&repaired, quorum(2)).collect();
        assert_eq!(after, [None, Some(both), Some(Repair::Fold.into()), None]);
        let summary = SubjectSummary::summarize("s", false, None, &repaired, Some(quorum(2)));
        assert_eq!((summary.passed, summary.failed, summary.unscored), (2, 1, 1));
        assert_eq!((summary.repair_counts, summary.repaired_pass_rate), (vec![(both, 1)], Some(1.0)));
        let each = SubjectSummary::summarize("s", false, None, &repaired, None);
        let fold = RepairSet::from(Repair::Fold);
        assert_eq!(each.repair_counts, [(fold, 2), (Repair::StripFences.into(), 1)]);
        assert_eq!((each.pass_rate, each.repaired_pass_rate), (Some(0.6), Some(0.9)));
    }
}
