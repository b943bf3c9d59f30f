//! All answers to one prompt against each other, before a judge.

use futures_util::future::join_all;

use super::super::grade::why_silent;
use super::pair::{Contest, Pairwise, Preference, contest};
use crate::catalog::Cost;
use crate::chat::Response;
use crate::route::{CallOptions, CallRecord, Route, Router, Silent, Why};

/// What a judge said of two answers in one order.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Which of the answers stood first.
    pub first: usize,
    /// Which stood second.
    pub second: usize,
    /// What it said of these two, and why; or why nothing can be read.
    pub said: Result<(Preference, String), String>,
}

/// Two answers that were held against each other in both orders.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The two orders; the earlier answer stands first in the first one.
    pub orders: [Heard; 2],
    /// What they come to; `None` where one of them cannot be read.
    pub verdict: Option<Pairwise>,
}

impl Pair {
    /// The better answer; `None` for a tie, and where nobody knows.
    pub fn winner(&self) -> Option<usize> {
        self.orders[0].winner_of(self.verdict?.preference())
    }
}

impl Heard {
    /// The answer that was said to be the better one.
    pub fn winner(&self) -> Option<usize> {
        self.winner_of(self.said.as_ref().ok()?.0)
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
pub struct Contested {
    /// Every pair of answers.
    pub pairs: Vec<Pair>,
    /// How many calls the judge took.
    pub calls: usize,
    /// What they cost.
    pub cost: Cost,
    /// Whether any of it came from the simulator.
    pub simulated: bool,
    /// Whether the caller's own limit, of time or of money, kept it from a verdict.
    pub limited: bool,
}

impl Contested {
    /// Whether there is a verdict on every pair.
    pub fn is_settled(&self) -> bool {
        self.pairs.iter().all(|pair| pair.verdict.is_some())
    }
}

/// Holds every answer against every other one, in both orders. `answers` has each with its number.
pub async fn contested(
    router: &Router,
    judge: &Route,
    options: &CallOptions,
    asked: Contest<'_>,
    answers: &[(usize, &Response)],
) -> Contested {
    let later = |at: usize| answers.iter().skip(at + 1);
    let pairs = answers.iter().enumerate().flat_map(|(at, one)| later(at).map(move |other| (*one, *other)));
    let one = |first: (usize, &Response), second: (usize, &Response)| {
        let request = contest(asked, first.1, second.1);
        let (first, second) = (first.0, second.0);
        async move {
            let record = router.call(judge, &request, options, &mut Silent).await;
            let said = match &record.outcome {
                Ok(answer) => Preference::read(&answer.response.text)
                    .map_err(|why| format!("its verdict cannot be read: {why}")),
                Err(none) => Err(format!("it {}", why_silent(&record, none))),
            };
            (Heard { first, second, said }, record)
        }
    };
    let both = |(a, b)| async move { tokio::join!(one(a, b), one(b, a)) };
    let heard = join_all(pairs.map(both)).await;
    let mut records: Vec<CallRecord> = Vec::new();
    let mut pairs = Vec::new();
    for ((one, first), (other, second)) in heard {
        let said = |heard: &Heard| heard.said.as_ref().ok().map(|(preference, _)| *preference);
        let verdict = said(&one).zip(said(&other)).map(|(a, b)| Pairwise::of(a, b));
        pairs.push(Pair { orders: [one, other], verdict });
        records.extend([first, second]);
    }
    Contested {
        pairs,
        calls: records.len(),
        cost: Cost::sum(records.iter().map(CallRecord::cost)),
        simulated: records.iter().any(CallRecord::simulated),
        limited: records.iter().any(|record| {
            record.outcome.as_ref().is_err_and(|none| matches!(none.why, Why::Timeout | Why::Over(_)))
        }),
    }
}
