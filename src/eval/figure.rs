//! What stays of a result once the ledger has it: figures, and the words of those few that somebody will look at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CaseResult, Judging, Repairs, Verdict};
use crate::catalog::{Cost, CostSource};
use crate::provider::ModelRef;
use crate::route::{Over, Why};

/// A limit of the caller's own that ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Of time.
    Time,
    /// Of money.
    Money,
}

/// What summaries, gates and comparisons go by of one result. A run has one for each case and repeat, however large it is, so
/// all that can be looked up is left out: the case stands in the set.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The case's place among those that are run, from 0.
    pub case: u32,
    /// Which of its repeats, from 0.
    pub repeat: u32,
    /// Pass, fail or unscored.
    pub verdict: Verdict,
    /// What had to be put right in the form of a failed answer for it to pass.
    pub repaired_by: Option<Repairs>,
    /// The limit that ended the call.
    pub cut: Option<Cut>,
    /// Whether the model came to an end of its own.
    pub answered: bool,
    /// How often the call moved on to another candidate.
    pub failovers: u16,
    /// Whether the answer was given before.
    pub cached: bool,
    cost_source: CostSource,
    // What may be unknown: an `Option` of a number is twice as large as the number, so the last value stands for it.
    score: f64,
    nano_dollars: u64,
    latency: u32,
    input_tokens: u32,
    output_tokens: u32,
    served_by: u16,
}

/// What a result may weigh in memory, in bytes, beside the five that say whether it is there and which one is next.
const _: () = assert!(size_of::<Figure>() <= 48);

/// Latencies are kept in so many microseconds: up to twelve hours, to a hundredth of a millisecond.
const TICK: u32 = 10;

impl Figure {
    /// The weighted mean of the assertions' scores; `None` when unscored.
    pub fn score(&self) -> Option<f64> {
        (!self.score.is_nan()).then_some(self.score)
    }

    /// From the request leaving to the last byte.
    pub fn latency(&self) -> Option<Duration> {
        let ticks = known(self.latency)?;
        Some(Duration::from_micros(u64::from(ticks) * u64::from(TICK)))
    }

    /// Input tokens of the answer, where they are known.
    pub fn input_tokens(&self) -> Option<u32> {
        known(self.input_tokens)
    }

    /// Output tokens of the answer, where they are known.
    pub fn output_tokens(&self) -> Option<u32> {
        known(self.output_tokens)
    }

    /// What the call cost: nothing, where the answer was given before.
    pub fn cost(&self) -> Cost {
        if self.cached { Cost::NOTHING } else { self.price() }
    }

    /// What an answer that was given before would have cost.
    pub fn cached_cost(&self) -> Option<Cost> {
        self.cached.then(|| self.price())
    }

    fn price(&self) -> Cost {
        let nano_dollars = (self.nano_dollars != u64::MAX).then_some(self.nano_dollars);
        Cost { nano_dollars, source: self.cost_source }
    }
}

/// A number, where it is one.
fn known(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

/// Which results are kept whole, with their answer and what each assertion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them: a report shows them.
    All,
    /// The first so many that did not pass.
    FirstNotPassed(usize),
}

/// All results of one subject.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// One for each case and repeat that was run, in the cases' order, the repeats of each next to each other.
    pub figures: Vec<Figure>,
    /// Those that are kept whole, in the same order.
    pub whole: Vec<CaseResult>,
    /// What judging the answers took.
    pub judging: Judging,
    /// What was said when money ended a call and most of it was spent.
    pub over: Option<Over>,
    /// Who answered; figures name them by their place here.
    served: Vec<ModelRef>,
}

impl Results {
    /// Who answered, and how many of the cases, the most first.
    pub fn served(&self) -> Vec<(&ModelRef, usize)> {
        let mut counts: Vec<(&ModelRef, usize)> = self.served.iter().map(|model| (model, 0)).collect();
        for figure in &self.figures {
            if let Some((_, count)) = counts.get_mut(usize::from(figure.served_by)) {
                *count += 1;
            }
        }
        counts.sort_by_key(|(model, count)| (std::cmp::Reverse(*count), model.to_string()));
        counts
    }

    /// How many could be graded.
    pub fn scored(&self) -> usize {
        self.figures.iter().filter(|figure| figure.verdict != Verdict::Unscored).count()
    }

    /// How many calls such a limit ended.
    pub fn cut_by(&self, cut: Cut) -> usize {
        self.figures.iter().filter(|figure| figure.cut == Some(cut)).count()
    }
}

/// Results as they arrive, in whatever order.
pub(super) struct Gathering {
    repeats: usize,
    keep: Keep,
    /// Which are there: the repeats of a case stand next to each other.
    there: Vec<bool>,
    whole: BTreeMap<usize, CaseResult>,
    rest: Results,
}

impl Gathering {
    /// Room for the results of so many cases.
    pub(super) fn new(cases: usize, repeats: usize, keep: Keep) -> Self {
        let count = cases * repeats;
        let rest = Results { figures: Vec::with_capacity(count), ..Results::default() };
        Self { repeats, keep, there: vec![false; count], whole: BTreeMap::new(), rest }
    }

    /// Whether the result of a slot is there: the repeats of a case stand next to each other.
    pub(super) fn has(&self, slot: usize) -> bool {
        self.there.get(slot).is_some_and(|there| *there)
    }

    /// Takes in a result of the case at this place.
    pub(super) fn take(&mut self, case: usize, result: CaseResult) {
        let slot = case * self.repeats + result.repeat as usize;
        match self.there.get_mut(slot) {
            Some(there) if !*there => *there = true,
            _ => return,
        }
        let figure = self.figure(case, &result);
        self.rest.figures.push(figure);
        self.rest.judging = Judging::sum([self.rest.judging, result.judging]);
        if let Some(Why::Over(over)) = result.limit
            && self.rest.over.is_none_or(|known| over.spent >= known.spent)
        {
            self.rest.over = Some(over);
        }
        match self.keep {
            Keep::All => drop(self.whole.insert(slot, result)),
            Keep::FirstNotPassed(_) if result.verdict == Verdict::Pass => {}
            Keep::FirstNotPassed(most) => {
                self.whole.insert(slot, result);
                if self.whole.len() > most {
                    self.whole.pop_last();
                }
            }
        }
    }

    fn figure(&mut self, case: usize, result: &CaseResult) -> Figure {
        let cost = result.cached.unwrap_or(result.cost);
        // No answer has four thousand million tokens; one that says so says nothing.
        let count =
            |tokens: Option<u64>| tokens.and_then(|tokens| u32::try_from(tokens).ok()).unwrap_or(u32::MAX);
        let ticks =
            |latency: Duration| u32::try_from(latency.as_micros() / u128::from(TICK)).unwrap_or(u32::MAX - 1);
        Figure {
            case: u32::try_from(case).unwrap_or(u32::MAX),
            repeat: result.repeat,
            verdict: result.verdict,
            score: result.score.unwrap_or(f64::NAN),
            repaired_by: result.repaired_by,
            cut: result.limit.map(|why| if matches!(why, Why::Over(_)) { Cut::Money } else { Cut::Time }),
            answered: result.finish_reason.is_some(),
            latency: result.latency.map_or(u32::MAX, ticks),
            input_tokens: count(result.usage.input_tokens),
            output_tokens: count(result.usage.output_tokens),
            failovers: u16::try_from(result.failovers).unwrap_or(u16::MAX),
            cached: result.cached.is_some(),
            served_by: result.served_by.as_ref().and_then(|model| self.place_of(model)).unwrap_or(u16::MAX),
            cost_source: cost.source,
            nano_dollars: cost.nano_dollars.unwrap_or(u64::MAX),
        }
    }

    fn place_of(&mut self, model: &ModelRef) -> Option<u16> {
        let served = &mut self.rest.served;
        let place = served.iter().position(|known| known == model).unwrap_or_else(|| {
            served.push(model.clone());
            served.len() - 1
        });
        u16::try_from(place).ok()
    }

    /// What arrived.
    pub(super) fn done(mut self) -> Results {
        self.rest.figures.sort_unstable_by_key(|figure| (figure.case, figure.repeat));
        Results { whole: self.whole.into_values().collect(), ..self.rest }
    }
}

/// Figures of cases with these verdicts of their repeats; what passed scores 1.
#[cfg(test)]
pub(super) fn figures(cases: &[&[Verdict]]) -> Vec<Figure> {
    let mut gathering = Gathering::new(0, 1, Keep::FirstNotPassed(0));
    let mut figures = Vec::new();
    for (place, verdicts) in cases.iter().enumerate() {
        for (repeat, verdict) in (0..).zip(*verdicts) {
            let score =
                (*verdict != Verdict::Unscored).then_some(f64::from(u8::from(*verdict == Verdict::Pass)));
            let case = super::case::case("c");
            let result = CaseResult {
                repeat,
                verdict: *verdict,
                score,
                ..CaseResult::unscored(&case.head, Duration::ZERO)
            };
            figures.push(gathering.figure(place, &result));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Case;
    use crate::eval::case::case;

    fn result(case: &Case, repeat: u32, verdict: Verdict) -> CaseResult {
        CaseResult { repeat, verdict, ..CaseResult::unscored(&case.head, Duration::ZERO) }
    }

    /// In whatever order results arrive, the figures stand in the cases' order, and the words of the first ones are kept.
    #[test]
    fn the_first_that_did_not_pass_are_kept_whole() {
        let cases: Vec<Case> = (0..5).map(|n| case(&format!("c{n}"))).collect();
        let arrivals = [
            (4, 0, Verdict::Fail),
            (0, 1, Verdict::Pass),
            (3, 0, Verdict::Unscored),
            (1, 1, Verdict::Fail),
            (1, 0, Verdict::Fail),
        ];
        let gathered = |keep| {
            let mut gathering = Gathering::new(5, 2, keep);
            for (place, repeat, verdict) in arrivals {
                assert!(!gathering.has(place * 2 + repeat as usize));
                gathering.take(place, result(&cases[place], repeat, verdict));
            }
            gathering.done()
        };
        let few = gathered(Keep::FirstNotPassed(3));
        let places: Vec<(u32, u32)> = few.figures.iter().map(|figure| (figure.case, figure.repeat)).collect();
        assert_eq!(places, [(0, 1), (1, 0), (1, 1), (3, 0), (4, 0)]);
        let whole = |results: &Results| -> Vec<(String, u32)> {
            results.whole.iter().map(|result| (result.case.clone(), result.repeat)).collect()
        };
        assert_eq!(whole(&few), [("c1".to_owned(), 0), ("c1".to_owned(), 1), ("c3".to_owned(), 0)]);
        assert_eq!(whole(&gathered(Keep::All)).len(), 5);
        assert_eq!(few.scored(), 4);
    }

    #[test]
    fn a_figure_says_what_the_result_says() {
        let (paid, model) =
            (Cost { nano_dollars: Some(7), source: CostSource::Provider }, "a/b".parse().ok());
        let over = |spent| Over { spent, limit: 9, cost: None, simulated: false, daily: false };
        let base = result(&case("c"), 0, Verdict::Unscored);
        let mut gathering = Gathering::new(4, 1, Keep::FirstNotPassed(0));
        gathering.take(0, CaseResult { cost: paid, served_by: model.clone(), ..base.clone() });
        gathering.take(1, CaseResult { cached: Some(paid), served_by: model, ..base.clone() });
        gathering
            .take(2, CaseResult { limit: Some(Why::Over(over(8))), cost: Cost::UNKNOWN, ..base.clone() });
        gathering.take(3, CaseResult { limit: Some(Why::Over(over(5))), ..base });
        let results = gathering.done();
        let costs: Vec<Cost> = results.figures.iter().map(Figure::cost).collect();
        assert_eq!(costs, [paid, Cost::NOTHING, Cost::UNKNOWN, Cost::NOTHING]);
        assert_eq!(results.figures[1].cached_cost(), Some(paid));
        assert_eq!((results.cut_by(Cut::Money), results.cut_by(Cut::Time)), (2, 0));
        assert_eq!(results.over.map(|over| over.spent), Some(8));
        let served: Vec<String> =
            results.served().into_iter().map(|(model, count)| format!("{count} {model}")).collect();
        assert_eq!(served, ["2 a/b"]);
    }
}
