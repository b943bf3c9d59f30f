//! All answers to one prompt against each other, before a judge.

use futures_util::future::join_all;

use super::super::case_result::describe_grader_error;
use super::pairwise_verdict::{PairwiseQuestion, PairwiseVerdict, Preference, build_pairwise_request};
use crate::catalog::Cost;
use crate::chat::Response;
use crate::route::{CallOptions, CallRecord, Route, Router, SilentObserver, StopReason};

/// What a judge said of two answers in one order.
#[derive(Clone, Debug)]
pub struct OrderedPreference {
    /// Which of the answers stood first.
    pub first: usize,
    /// Which stood second.
    pub second: usize,
    /// What it said of these two, and why; or why nothing can be read.
    pub preference: Result<(Preference, String), String>,
}

/// Two answers that were held against each other in both orders.
#[derive(Clone, Debug)]
pub struct JudgedPair {
    /// The two orders; the earlier answer stands first in the first one.
    pub orders: [OrderedPreference; 2],
    /// What they come to; `None` where one of them cannot be read.
    pub verdict: Option<PairwiseVerdict>,
}

impl JudgedPair {
    /// The better answer; `None` for a tie, and where nobody knows.
    pub fn winner(&self) -> Option<usize> {
        self.orders[0].winner_of(self.verdict?.preference())
    }
}

impl OrderedPreference {
    /// The answer that was said to be the better one.
    pub fn winner(&self) -> Option<usize> {
        self.winner_of(self.preference.as_ref().ok()?.0)
    }

    fn winner_of(&self, preference: Preference) -> Option<usize> {
        match preference {
            Preference::First => Some(self.first),
            Preference::Tie => None,
            Preference::Second => Some(self.second),
        }
    }
}

/// What became of all pairs.
#[derive(Clone, Debug)]
pub struct PairwiseResults {
    /// Every pair of answers.
    pub pairs: Vec<JudgedPair>,
    /// How many calls the judge took.
    pub calls: usize,
    /// What they cost.
    pub cost: Cost,
    /// Whether any of it came from the simulator.
    pub is_simulated: bool,
    /// Whether the caller's own limit, of time or of money, kept it from a verdict.
    pub has_hit_limit: bool,
}

impl PairwiseResults {
    /// Whether there is a verdict on every pair.
    pub fn has_all_verdicts(&self) -> bool {
        self.pairs.iter().all(|pair| pair.verdict.is_some())
    }
}

/// Holds every answer against every other one, in both orders. `answers` has each with its number.
pub async fn judge_all_pairs(
    router: &Router,
    judge: &Route,
    options: &CallOptions,
    asked: PairwiseQuestion<'_>,
    answers: &[(usize, &Response)],
) -> PairwiseResults {
    let later = |at: usize| answers.iter().skip(at + 1);
    let pairs = answers.iter().enumerate().flat_map(|(at, one)| later(at).map(move |other| (*one, *other)));
    let one = |first: (usize, &Response), second: (usize, &Response)| {
        let request = build_pairwise_request(asked, first.1, second.1);
        let (first, second) = (first.0, second.0);
        async move {
            let record = router.call(judge, &request, options, &mut SilentObserver).await;
            let said = match &record.outcome {
                Ok(answer) => Preference::parse(&answer.response.text)
                    .map_err(|why| format!("its verdict cannot be read: {why}")),
                Err(none) => Err(format!("it {}", describe_grader_error(&record, none))),
            };
            (OrderedPreference { first, second, preference: said }, record)
        }
    };
    let both = |(a, b)| async move { tokio::join!(one(a, b), one(b, a)) };
    let heard = join_all(pairs.map(both)).await;
    let mut records: Vec<CallRecord> = Vec::new();
    let mut pairs = Vec::new();
    for ((one, first), (other, second)) in heard {
        let said =
            |heard: &OrderedPreference| heard.preference.as_ref().ok().map(|(preference, _)| *preference);
        let verdict = said(&one).zip(said(&other)).map(|(a, b)| PairwiseVerdict::combine(a, b));
        pairs.push(JudgedPair { orders: [one, other], verdict });
        records.extend([first, second]);
    }
    PairwiseResults {
        pairs,
        calls: records.len(),
        cost: Cost::sum(records.iter().map(CallRecord::total_cost)),
        is_simulated: records.iter().any(CallRecord::is_simulated),
        has_hit_limit: records.iter().any(|record| {
            record.outcome.as_ref().is_err_and(|none| {
                matches!(none.reason, StopReason::CallerTimeout | StopReason::BudgetExceeded(_))
            })
        }),
    }
}
