//! Several votes on one answer.

use super::question::Vote;

/// What came of asking once: a vote, or why there is none.
pub(super) type Ballot = Result<Vote, String>;

/// What the votes come to.
pub(super) struct Counted {
    /// The score and why, or why there is none.
    pub(super) decided: Result<(f64, String), String>,
    /// How many votes could be read.
    pub(super) read: u64,
    /// How many of these gave the score that decided.
    pub(super) agreed: u64,
}

/// The median of an odd number of votes: wherever it passes, more than half of them do. A vote that cannot be read could
/// have been any: it leaves the whole open unless the others settle the median without it.
pub(super) fn counted(ballots: &[Ballot]) -> Counted {
    let mut votes: Vec<&Vote> = ballots.iter().filter_map(|ballot| ballot.as_ref().ok()).collect();
    // Votes with one score keep their order, so that the first one's reason is told.
    votes.sort_by(|a, b| a.score.total_cmp(&b.score));
    let read = votes.len() as u64;
    let middle = ballots.len() / 2;
    // With those that are missing below all others, and above.
    let missing = ballots.len() - votes.len();
    let least = middle.checked_sub(missing).and_then(|at| votes.get(at));
    let median = least.zip(votes.get(middle)).filter(|(a, b)| a.score == b.score).map(|(a, _)| a.score);
    let Some(median) = median else {
        let first = ballots.iter().find_map(|ballot| ballot.as_ref().err()).cloned();
        let why = first.unwrap_or_else(|| "nobody was asked".into());
        let are = if missing == 1 { "is" } else { "are" };
        let why = match ballots.len() {
            0 | 1 => why,
            all => format!("{missing} of {all} votes {are} missing: {why}"),
        };
        return Counted { decided: Err(why), read, agreed: 0 };
    };
    let agreeing = || votes.iter().filter(|vote| vote.score == median);
    let agreed = agreeing().count() as u64;
    let reason = agreeing().next().map(|vote| said(vote)).unwrap_or_default();
    let reason = if ballots.len() > 1 {
        let words: Vec<&str> = ballots
            .iter()
            .map(|ballot| ballot.as_ref().map_or("unreadable", |vote| vote.word.as_str()))
            .collect();
        format!("{agreed} of {} votes agree ({}); {reason}", ballots.len(), words.join(", "))
    } else {
        reason
    };
    Counted { decided: Ok((median, reason)), read, agreed }
}

fn said(vote: &Vote) -> String {
    let Vote { word, scale, reason, .. } = vote;
    if reason.is_empty() { format!("{word}{scale}") } else { format!("{word}{scale}: {reason}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ballot(score: Option<f64>) -> Ballot {
        let vote = |score| Vote { score, word: "w".into(), scale: " of x".into(), reason: "r".into() };
        score.map(vote).ok_or_else(|| "no JSON".into())
    }

    fn decided(scores: &[Option<f64>]) -> Option<f64> {
        let ballots: Vec<Ballot> = scores.iter().copied().map(ballot).collect();
        counted(&ballots).decided.ok().map(|(score, _)| score)
    }

    #[test]
    fn the_majority_decides_and_the_unreadable_is_open() {
        let (yes, no) = (Some(1.0), Some(0.0));
        assert_eq!(decided(&[yes]), yes);
        assert_eq!(decided(&[None]), None);
        assert_eq!(decided(&[]), None);
        assert_eq!(decided(&[yes, no, yes]), yes);
        assert_eq!(decided(&[Some(0.5), no, yes]), Some(0.5));
        assert_eq!(decided(&[yes, None, yes]), yes);
        assert_eq!(decided(&[yes, None, no]), None);
        assert_eq!(decided(&[None, None, yes]), None);
        assert_eq!(decided(&[no, None, no, None, no]), no);
        let ballots = [ballot(yes), ballot(no), ballot(yes)];
        let result = counted(&ballots);
        assert_eq!((result.read, result.agreed), (3, 2));
        assert_eq!(result.decided.unwrap().1, "2 of 3 votes agree (w, w, w); w of x: r");
    }

    proptest! {
        /// What is decided with votes missing is what would be decided whatever they had said.
        #[test]
        fn nothing_is_decided_too_early(
            scores in prop::collection::vec(0..5_u8, 5),
            gone in prop::collection::vec(any::<bool>(), 5),
        ) {
            let whole: Vec<Option<f64>> = scores.iter().map(|s| Some(f64::from(*s))).collect();
            let partly: Vec<Option<f64>> =
                whole.iter().zip(&gone).map(|(s, gone)| s.filter(|_| !gone)).collect();
            if let Some(score) = decided(&partly) {
                prop_assert_eq!(decided(&whole), Some(score));
            }
        }
    }
}
