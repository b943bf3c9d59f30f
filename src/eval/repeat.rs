//! Several answers to one case, and what they say of it together.

use super::statistics::{Quorum, verdict_of_repeats};
use super::{CaseResult, Figure, Repairs, Verdict};

/// What the repeats of one case come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Whether enough of them passed.
    pub verdict: Verdict,
    /// The mean score of those that were scored, where the case is.
    pub score: Option<f64>,
}

/// Decides each case: it passes where enough of its repeats did, and fails where they cannot any more. Where the ones that
/// could not be scored, or were never asked, might tip it, it is unscored. The results of a case stand next to each other.
pub fn decided(results: &[Figure], min_pass: Quorum) -> impl Iterator<Item = Decided> {
    let of = move |of: &[Figure]| decide(of.iter().map(|result| (result.verdict, result.score())), min_pass);
    results.chunk_by(|a, b| a.case == b.case).map(of)
}

/// Each case with its results, and what they come to.
pub fn decided_cases(
    results: &[CaseResult],
    min_pass: Quorum,
) -> impl Iterator<Item = (&[CaseResult], Decided)> {
    let cases = results.chunk_by(|a, b| a.digest == b.digest && a.case == b.case);
    cases.map(move |of| (of, decide(of.iter().map(|result| (result.verdict, result.score)), min_pass)))
}

/// For each case, the repairs of all its answers, where it passes with them.
pub(super) fn decided_after_repair(
    results: &[Figure],
    min_pass: Quorum,
) -> impl Iterator<Item = Option<Repairs>> {
    results.chunk_by(|a, b| a.case == b.case).map(move |of| {
        let after = |result: &Figure| result.repaired_by.map_or(result.verdict, |_| Verdict::Pass);
        let verdicts: Vec<Verdict> = of.iter().map(after).collect();
        let passes = verdict_of_repeats(&verdicts, min_pass) == Verdict::Pass;
        of.iter().filter_map(|result| result.repaired_by).reduce(Repairs::and).filter(|_| passes)
    })
}

fn decide(results: impl Iterator<Item = (Verdict, Option<f64>)>, min_pass: Quorum) -> Decided {
    let (verdicts, scores): (Vec<Verdict>, Vec<Option<f64>>) = results.unzip();
    let verdict = verdict_of_repeats(&verdicts, min_pass);
    let scores: Vec<f64> = scores.into_iter().flatten().collect();
    let mean = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    Decided { verdict, score: mean.filter(|_| verdict != Verdict::Unscored) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figure::figures;
    use crate::eval::{Repair, Summary};

    #[test]
    fn enough_of_the_repeats_decide() {
        use Verdict::{Fail, Pass, Unscored};
        let all = figures(&[
            &[Pass, Pass, Fail],
            &[Pass, Fail, Fail],
            &[Pass, Fail, Unscored],
            &[Pass, Pass, Unscored],
        ]);
        let quorum = |pass| Quorum { pass, of: 3 };
        let verdicts: Vec<Verdict> = decided(&all, quorum(2)).map(|decided| decided.verdict).collect();
        assert_eq!(verdicts, [Pass, Fail, Unscored, Pass]);
        let scores = |pass| -> Vec<Option<f64>> { decided(&all, quorum(pass)).map(|of| of.score).collect() };
        assert_eq!(scores(2)[3], Some(1.0));
        assert_eq!(scores(2)[2], None);
        assert_eq!(decided(&all, quorum(3)).nth(1).unwrap().verdict, Fail);

        // A failed answer that its form alone failed may make up what its case lacks.
        let mut repaired = all;
        repaired[4].repaired_by = Some(Repair::StripFences.into());
        repaired[5].repaired_by = Some(Repair::Fold.into());
        repaired[7].repaired_by = Some(Repair::Fold.into());
        let both = Repairs::from(Repair::StripFences).and(Repair::Fold.into());
        let after: Vec<Option<Repairs>> = decided_after_repair(&repaired, quorum(2)).collect();
        assert_eq!(after, [None, Some(both), Some(Repair::Fold.into()), None]);
        let summary = Summary::of("s", false, None, &repaired, Some(quorum(2)));
        assert_eq!((summary.passed, summary.failed, summary.unscored), (2, 1, 1));
        assert_eq!((summary.repairs, summary.repaired_pass_rate), (vec![(both, 1)], Some(1.0)));
        let each = Summary::of("s", false, None, &repaired, None);
        let fold = Repairs::from(Repair::Fold);
        assert_eq!(each.repairs, [(fold, 2), (Repair::StripFences.into(), 1)]);
        assert_eq!((each.pass_rate, each.repaired_pass_rate), (Some(0.6), Some(0.9)));
    }
}
