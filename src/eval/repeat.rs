//! Several answers to one case, and what they say of it together.

use super::statistics::verdict_of_repeats;
use super::{Figure, Verdict};

/// What the repeats of one case come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Whether enough of them passed.
    pub verdict: Verdict,
    /// The mean score of those that were scored, where the case is.
    pub score: Option<f64>,
}

/// Decides each case: it passes where `min_pass` of its repeats did, and fails where they cannot any more. Where the ones
/// that could not be scored might tip it, it is unscored. The results of a case stand next to each other.
pub fn decided(results: &[Figure], min_pass: u32) -> Vec<Decided> {
    results.chunk_by(|a, b| a.case == b.case).map(|of| decide(of, min_pass)).collect()
}

fn decide(results: &[Figure], min_pass: u32) -> Decided {
    let verdicts: Vec<Verdict> = results.iter().map(|result| result.verdict).collect();
    let verdict = verdict_of_repeats(&verdicts, min_pass as usize);
    let scores: Vec<f64> = results.iter().filter_map(|result| result.score).collect();
    let mean = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    Decided { verdict, score: mean.filter(|_| verdict != Verdict::Unscored) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figure::figures;

    #[test]
    fn enough_of_the_repeats_decide() {
        use Verdict::{Fail, Pass, Unscored};
        let all = figures(&[
            &[Pass, Pass, Fail],
            &[Pass, Fail, Fail],
            &[Pass, Fail, Unscored],
            &[Pass, Pass, Unscored],
        ]);
        let verdicts: Vec<Verdict> = decided(&all, 2).iter().map(|decided| decided.verdict).collect();
        assert_eq!(verdicts, [Pass, Fail, Unscored, Pass]);
        assert_eq!(decided(&all, 2)[3].score, Some(1.0));
        assert_eq!(decided(&all, 2)[2].score, None);
        assert_eq!(decided(&all, 3)[1].verdict, Fail);
    }
}
