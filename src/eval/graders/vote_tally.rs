//! Combines several votes on one answer.

use super::super::failures::JudgeFailure;
use super::judge_prompt::JudgeVote;

/// A vote, or why there is none.
pub(super) type VoteResult = Result<JudgeVote, JudgeFailure>;

pub(super) struct VoteTally {
    /// The median score and its reason; `None` if votes are missing that could change it.
    pub(super) decided: Option<(f64, String)>,
    /// Number of readable votes.
    pub(super) readable: u64,
    /// Number of votes with the median score.
    pub(super) agreed: u64,
}

/// The median of an odd number of votes: if it passes, more than half of them do. An unreadable vote could
/// have been anything, so the result is unscored unless the other votes determine the median.
pub(super) fn tally_votes(ballots: &[VoteResult]) -> VoteTally {
    let mut votes: Vec<&JudgeVote> = ballots.iter().filter_map(|ballot| ballot.as_ref().ok()).collect();
    // The sort is stable, so the first vote's reason is reported.
    votes.sort_by(|a, b| a.score.total_cmp(&b.score));
    let readable = votes.len() as u64;
    let middle = ballots.len() / 2;
    // The median with all missing votes at the bottom, and at the top.
    let missing = ballots.len() - votes.len();
    let lowest = middle.checked_sub(missing).and_then(|at| votes.get(at));
    let median = lowest.zip(votes.get(middle)).filter(|(a, b)| a.score == b.score).map(|(a, _)| a.score);
    let Some(median) = median else {
        return VoteTally { decided: None, readable, agreed: 0 };
    };
    let agreeing = || votes.iter().filter(|vote| vote.score == median);
    let agreed = agreeing().count() as u64;
    let reason = agreeing().next().map(|vote| format_vote(vote)).unwrap_or_default();
    let reason = if ballots.len() > 1 {
        let labels: Vec<&str> = ballots
            .iter()
            .map(|ballot| ballot.as_ref().map_or("unreadable", |vote| vote.word.as_str()))
            .collect();
        format!("{agreed} of {} votes agree ({}); {reason}", ballots.len(), labels.join(", "))
    } else {
        reason
    };
    VoteTally { decided: Some((median, reason)), readable, agreed }
}

fn format_vote(vote: &JudgeVote) -> String {
    let JudgeVote { word, scale, reason, .. } = vote;
    if reason.is_empty() { format!("{word}{scale}") } else { format!("{word}{scale}: {reason}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vote_result(score: Option<f64>) -> VoteResult {
        let vote = |score| JudgeVote { score, word: "w".into(), scale: " of x".into(), reason: "r".into() };
        score.map(vote).ok_or_else(|| JudgeFailure::InvalidVerdict("no JSON".into()))
    }

    fn decided_score(scores: &[Option<f64>]) -> Option<f64> {
        let ballots: Vec<VoteResult> = scores.iter().copied().map(vote_result).collect();
        tally_votes(&ballots).decided.map(|(score, _)| score)
    }

    #[test]
    fn tally_votes_cases() {
        let (yes, no) = (Some(1.0), Some(0.0));
        assert_eq!(decided_score(&[yes]), yes);
        assert_eq!(decided_score(&[None]), None);
        assert_eq!(decided_score(&[]), None);
        assert_eq!(decided_score(&[yes, no, yes]), yes);
        assert_eq!(decided_score(&[Some(0.5), no, yes]), Some(0.5));
        assert_eq!(decided_score(&[yes, None, yes]), yes);
        assert_eq!(decided_score(&[yes, None, no]), None);
        assert_eq!(decided_score(&[None, None, yes]), None);
        assert_eq!(decided_score(&[no, None, no, None, no]), no);
        let ballots = [vote_result(yes), vote_result(no), vote_result(yes)];
        let result = tally_votes(&ballots);
        assert_eq!((result.readable, result.agreed), (3, 2));
        assert_eq!(result.decided.unwrap().1, "2 of 3 votes agree (w, w, w); w of x: r");
    }

    proptest! {
        /// A decision with missing votes does not depend on what they would have been.
        #[test]
        fn partial_votes_never_contradict_full_votes(
            scores in prop::collection::vec(0..5_u8, 5),
            missing in prop::collection::vec(any::<bool>(), 5),
        ) {
            let whole: Vec<Option<f64>> = scores.iter().map(|s| Some(f64::from(*s))).collect();
            let partly: Vec<Option<f64>> =
                whole.iter().zip(&missing).map(|(s, missing)| s.filter(|_| !missing)).collect();
            if let Some(score) = decided_score(&partly) {
                prop_assert_eq!(decided_score(&whole), Some(score));
            }
        }
    }
}
