//! Judges every pair of answers to one prompt.

use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;

use super::super::RunObserver;
use super::super::failures::JudgeFailure;
use super::super::run_observer::RunCallObserver;
use super::pairwise_verdict::{PairwiseQuestion, PairwiseVerdict, Preference, build_pairwise_request};
use crate::catalog::Cost;
use crate::chat::Response;
use crate::route::{CallOptions, CallRecord, Route, Router, StopReason};

/// A judge's preference between two answers in one order.
#[derive(Clone, Debug)]
pub(crate) struct OrderedPreference {
    /// Number of the answer shown first.
    pub first: usize,
    pub second: usize,
    /// The preference and its reason, or why there is none.
    pub preference: Result<(Preference, String), JudgeFailure>,
}

/// Two answers compared in both orders.
#[derive(Clone, Debug)]
pub(crate) struct JudgedPair {
    /// In the first order, the earlier answer comes first.
    pub orders: [OrderedPreference; 2],
    /// `None` when either order has no preference.
    pub verdict: Option<PairwiseVerdict>,
}

impl JudgedPair {
    /// `None` for a tie, and without a verdict.
    pub(crate) fn winner(&self) -> Option<usize> {
        self.orders[0].winner_of(self.verdict?.preference())
    }
}

impl OrderedPreference {
    pub(crate) fn winner(&self) -> Option<usize> {
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

#[derive(Clone, Debug)]
pub(crate) struct PairwiseResults {
    pub pairs: Vec<JudgedPair>,
    pub calls: usize,
    pub cost: Cost,
    pub is_simulated: bool,
    /// Whether the caller's own time or cost limit prevented a verdict.
    pub has_hit_limit: bool,
}

impl PairwiseResults {
    pub(crate) fn has_all_verdicts(&self) -> bool {
        self.pairs.iter().all(|pair| pair.verdict.is_some())
    }
}

/// Compares every pair of answers in both orders. `answers` pairs each answer with its number.
pub(crate) async fn judge_all_pairs(
    router: &Router,
    judge: &Route,
    options: &CallOptions,
    observer: &dyn RunObserver,
    question: PairwiseQuestion<'_>,
    answers: &[(usize, &Response)],
) -> PairwiseResults {
    let later = |at: usize| answers.iter().skip(at + 1);
    let pairs = answers.iter().enumerate().flat_map(|(at, one)| later(at).map(move |other| (*one, *other)));
    let judge_in_order = |first: (usize, &Response), second: (usize, &Response)| {
        let request = build_pairwise_request(question, first.1, second.1);
        let (first, second) = (first.0, second.0);
        async move {
            let plan = router.plan(judge, &request, options);
            let mut observer = RunCallObserver { observer, has_reported_rate_limit: &AtomicBool::new(true) };
            let record = router.run(plan, &mut observer).await;
            let preference = match &record.outcome {
                Ok(answer) => Preference::parse(&answer.response.text).map_err(JudgeFailure::InvalidVerdict),
                Err(error) => Err(JudgeFailure::new(&record, error)),
            };
            (OrderedPreference { first, second, preference }, record)
        }
    };
    let judge_both_orders = |(a, b)| async move { tokio::join!(judge_in_order(a, b), judge_in_order(b, a)) };
    let judged = join_all(pairs.map(judge_both_orders)).await;
    let mut records: Vec<CallRecord> = Vec::new();
    let mut pairs = Vec::new();
    for ((one, first), (other, second)) in judged {
        let preference_of =
            |judged: &OrderedPreference| judged.preference.as_ref().ok().map(|(preference, _)| *preference);
        let verdict =
            preference_of(&one).zip(preference_of(&other)).map(|(a, b)| PairwiseVerdict::combine(a, b));
        pairs.push(JudgedPair { orders: [one, other], verdict });
        records.extend([first, second]);
    }
    PairwiseResults {
        pairs,
        calls: records.len(),
        cost: Cost::sum(records.iter().map(CallRecord::total_cost)),
        is_simulated: records.iter().any(CallRecord::is_simulated),
        has_hit_limit: records.iter().any(|record| {
            record.outcome.as_ref().is_err_and(|error| {
                matches!(
                    error.reason,
                    StopReason::CallerTimeout | StopReason::BudgetExceeded(_) | StopReason::Undecided
                )
            })
        }),
    }
}
