//! What stays of a result once the ledger has it: figures, and the words of those few that somebody will look at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CaseResult, GraderUsage, RepairSet, Verdict};
use crate::catalog::{Cost, CostSource};
use crate::provider::ModelRef;
use crate::route::{BudgetExceeded, StopReason};

/// A limit of the caller's own that ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitHit {
    /// Of time.
    Time,
    /// Of money.
    Cost,
}

/// What summaries, gates and comparisons go by of one result. A run has one for each case and repeat, however large it is, so
/// all that can be looked up is left out: the case stands in the set.
#[derive(Clone, Copy, Debug)]
pub struct CaseStats {
    /// The case's place among those that are run, from 0.
    pub case_index: u32,
    /// Which of its repeats, from 0.
    pub repeat: u32,
    /// Pass, fail or unscored.
    pub verdict: Verdict,
    /// What had to be put right in the form of a failed answer for it to pass.
    pub repaired_by: Option<RepairSet>,
    /// The limit that ended the call.
    pub limit_hit: Option<LimitHit>,
    /// Whether the model came to an end of its own.
    pub has_answer: bool,
    /// How often the call moved on to another candidate.
    pub failovers: u16,
    /// Whether the answer was given before.
    pub is_cached: bool,
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
const _: () = assert!(size_of::<CaseStats>() <= 48);

/// Latencies are kept in so many microseconds: up to twelve hours, to a hundredth of a millisecond.
const LATENCY_TICK_MICROS: u32 = 10;

impl CaseStats {
    /// The weighted mean of the assertions' scores; `None` when unscored.
    pub fn score(&self) -> Option<f64> {
        (!self.score.is_nan()).then_some(self.score)
    }

    /// From the request leaving to the last byte.
    pub fn latency(&self) -> Option<Duration> {
        let ticks = decode_optional(self.latency)?;
        Some(Duration::from_micros(u64::from(ticks) * u64::from(LATENCY_TICK_MICROS)))
    }

    /// Input tokens of the answer, where they are known.
    pub fn input_tokens(&self) -> Option<u32> {
        decode_optional(self.input_tokens)
    }

    /// Output tokens of the answer, where they are known.
    pub fn output_tokens(&self) -> Option<u32> {
        decode_optional(self.output_tokens)
    }

    /// What the call cost: nothing, where the answer was given before.
    pub fn cost(&self) -> Cost {
        if self.is_cached { Cost::ZERO } else { self.answer_cost() }
    }

    /// What an answer that was given before would have cost.
    pub fn cached_cost(&self) -> Option<Cost> {
        self.is_cached.then(|| self.answer_cost())
    }

    fn answer_cost(&self) -> Cost {
        let nano_dollars = (self.nano_dollars != u64::MAX).then_some(self.nano_dollars);
        Cost { nano_dollars, source: self.cost_source }
    }
}

/// A number, where it is one.
fn decode_optional(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

/// Which results are kept whole, with their answer and what each assertion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultRetention {
    /// All of them: a report shows them.
    All,
    /// The first so many that did not pass.
    FirstNotPassed(usize),
}

/// All results of one subject.
#[derive(Clone, Debug, Default)]
pub struct SubjectResults {
    /// One for each case and repeat that was run, in the cases' order, the repeats of each next to each other.
    pub stats: Vec<CaseStats>,
    /// Those that are kept whole, in the same order.
    pub full_results: Vec<CaseResult>,
    /// What judging the answers took.
    pub grader_usage: GraderUsage,
    /// What was said when money ended a call and most of it was spent.
    pub cost_limit_hit: Option<BudgetExceeded>,
    /// Who answered; figures name them by their place here.
    served: Vec<ModelRef>,
}

impl SubjectResults {
    /// Who answered, and how many of the cases, the most first.
    pub fn count_by_model(&self) -> Vec<(&ModelRef, usize)> {
        let mut counts: Vec<(&ModelRef, usize)> = self.served.iter().map(|model| (model, 0)).collect();
        for figure in &self.stats {
            if let Some((_, count)) = counts.get_mut(usize::from(figure.served_by)) {
                *count += 1;
            }
        }
        counts.sort_by_key(|(model, count)| (std::cmp::Reverse(*count), model.to_string()));
        counts
    }

    /// How many could be graded.
    pub fn scored_count(&self) -> usize {
        self.stats.iter().filter(|figure| figure.verdict != Verdict::Unscored).count()
    }

    /// How many calls such a limit ended.
    pub fn count_limit_hits(&self, cut: LimitHit) -> usize {
        self.stats.iter().filter(|figure| figure.limit_hit == Some(cut)).count()
    }
}

/// Results as they arrive, in whatever order.
pub(super) struct ResultCollector {
    repeats: usize,
    keep: ResultRetention,
    /// Which are there: the repeats of a case stand next to each other.
    is_filled: Vec<bool>,
    whole: BTreeMap<usize, CaseResult>,
    rest: SubjectResults,
}

impl ResultCollector {
    /// Room for the results of so many cases.
    pub(super) fn new(cases: usize, repeats: usize, keep: ResultRetention) -> Self {
        let count = cases * repeats;
        let rest = SubjectResults { stats: Vec::with_capacity(count), ..SubjectResults::default() };
        Self { repeats, keep, is_filled: vec![false; count], whole: BTreeMap::new(), rest }
    }

    /// Whether the result of a slot is there: the repeats of a case stand next to each other.
    pub(super) fn has_result(&self, slot: usize) -> bool {
        self.is_filled.get(slot).is_some_and(|there| *there)
    }

    /// Takes in a result of the case at this place.
    pub(super) fn add(&mut self, case: usize, result: CaseResult) {
        let slot = case * self.repeats + result.repeat as usize;
        match self.is_filled.get_mut(slot) {
            Some(there) if !*there => *there = true,
            _ => return,
        }
        let figure = self.compact(case, &result);
        self.rest.stats.push(figure);
        self.rest.grader_usage = GraderUsage::sum([self.rest.grader_usage, result.grader_usage]);
        if let Some(StopReason::BudgetExceeded(over)) = result.limit_hit
            && self.rest.cost_limit_hit.is_none_or(|known| over.spent >= known.spent)
        {
            self.rest.cost_limit_hit = Some(over);
        }
        match self.keep {
            ResultRetention::All => drop(self.whole.insert(slot, result)),
            ResultRetention::FirstNotPassed(_) if result.verdict == Verdict::Pass => {}
            ResultRetention::FirstNotPassed(most) => {
                self.whole.insert(slot, result);
                if self.whole.len() > most {
                    self.whole.pop_last();
                }
            }
        }
    }

    fn compact(&mut self, case: usize, result: &CaseResult) -> CaseStats {
        let cost = result.cached_cost.unwrap_or(result.cost);
        // No answer has four thousand million tokens; one that says so says nothing.
        let count =
            |tokens: Option<u64>| tokens.and_then(|tokens| u32::try_from(tokens).ok()).unwrap_or(u32::MAX);
        let ticks = |latency: Duration| {
            u32::try_from(latency.as_micros() / u128::from(LATENCY_TICK_MICROS)).unwrap_or(u32::MAX - 1)
        };
        CaseStats {
            case_index: u32::try_from(case).unwrap_or(u32::MAX),
            repeat: result.repeat,
            verdict: result.verdict,
            score: result.score.unwrap_or(f64::NAN),
            repaired_by: result.repaired_by,
            limit_hit: result.limit_hit.map(|why| {
                if matches!(why, StopReason::BudgetExceeded(_)) { LimitHit::Cost } else { LimitHit::Time }
            }),
            has_answer: result.finish_reason.is_some(),
            latency: result.latency.map_or(u32::MAX, ticks),
            input_tokens: count(result.usage.input_tokens),
            output_tokens: count(result.usage.output_tokens),
            failovers: u16::try_from(result.failovers).unwrap_or(u16::MAX),
            is_cached: result.cached_cost.is_some(),
            served_by: result
                .served_by
                .as_ref()
                .and_then(|model| self.model_index(model))
                .unwrap_or(u16::MAX),
            cost_source: cost.source,
            nano_dollars: cost.nano_dollars.unwrap_or(u64::MAX),
        }
    }

    fn model_index(&mut self, model: &ModelRef) -> Option<u16> {
        let served = &mut self.rest.served;
        let place = served.iter().position(|known| known == model).unwrap_or_else(|| {
            served.push(model.clone());
            served.len() - 1
        });
        u16::try_from(place).ok()
    }

    /// What arrived.
    pub(super) fn finish(mut self) -> SubjectResults {
        self.rest.stats.sort_unstable_by_key(|figure| (figure.case_index, figure.repeat));
        SubjectResults { full_results: self.whole.into_values().collect(), ..self.rest }
    }
}

/// Figures of cases with these verdicts of their repeats; what passed scores 1.
#[cfg(test)]
pub(super) fn stats_from_verdicts(cases: &[&[Verdict]]) -> Vec<CaseStats> {
    let mut gathering = ResultCollector::new(0, 1, ResultRetention::FirstNotPassed(0));
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
                ..CaseResult::unscored(&case.metadata, Duration::ZERO)
            };
            figures.push(gathering.compact(place, &result));
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
        CaseResult { repeat, verdict, ..CaseResult::unscored(&case.metadata, Duration::ZERO) }
    }

    /// In whatever order results arrive, the figures stand in the cases' order, and the words of the first ones are kept.
    #[test]
    fn first_not_passed_results_are_kept_in_order() {
        let cases: Vec<Case> = (0..5).map(|n| case(&format!("c{n}"))).collect();
        let arrivals = [
            (4, 0, Verdict::Fail),
            (0, 1, Verdict::Pass),
            (3, 0, Verdict::Unscored),
            (1, 1, Verdict::Fail),
            (1, 0, Verdict::Fail),
        ];
        let gathered = |keep| {
            let mut gathering = ResultCollector::new(5, 2, keep);
            for (place, repeat, verdict) in arrivals {
                assert!(!gathering.has_result(place * 2 + repeat as usize));
                gathering.add(place, result(&cases[place], repeat, verdict));
            }
            gathering.finish()
        };
        let few = gathered(ResultRetention::FirstNotPassed(3));
        let places: Vec<(u32, u32)> =
            few.stats.iter().map(|figure| (figure.case_index, figure.repeat)).collect();
        assert_eq!(places, [(0, 1), (1, 0), (1, 1), (3, 0), (4, 0)]);
        let whole = |results: &SubjectResults| -> Vec<(String, u32)> {
            results.full_results.iter().map(|result| (result.case_id.clone(), result.repeat)).collect()
        };
        assert_eq!(whole(&few), [("c1".to_owned(), 0), ("c1".to_owned(), 1), ("c3".to_owned(), 0)]);
        assert_eq!(whole(&gathered(ResultRetention::All)).len(), 5);
        assert_eq!(few.scored_count(), 4);
    }

    #[test]
    fn collected_stats_match_results() {
        let (paid, model) =
            (Cost { nano_dollars: Some(7), source: CostSource::Provider }, "a/b".parse().ok());
        let over =
            |spent| BudgetExceeded { spent, limit: 9, cost: None, is_simulated: false, is_daily: false };
        let base = result(&case("c"), 0, Verdict::Unscored);
        let mut gathering = ResultCollector::new(4, 1, ResultRetention::FirstNotPassed(0));
        gathering.add(0, CaseResult { cost: paid, served_by: model.clone(), ..base.clone() });
        gathering.add(1, CaseResult { cached_cost: Some(paid), served_by: model, ..base.clone() });
        gathering.add(
            2,
            CaseResult {
                limit_hit: Some(StopReason::BudgetExceeded(over(8))),
                cost: Cost::UNKNOWN,
                ..base.clone()
            },
        );
        gathering.add(3, CaseResult { limit_hit: Some(StopReason::BudgetExceeded(over(5))), ..base });
        let results = gathering.finish();
        let costs: Vec<Cost> = results.stats.iter().map(CaseStats::cost).collect();
        assert_eq!(costs, [paid, Cost::ZERO, Cost::UNKNOWN, Cost::ZERO]);
        assert_eq!(results.stats[1].cached_cost(), Some(paid));
        assert_eq!(
            (results.count_limit_hits(LimitHit::Cost), results.count_limit_hits(LimitHit::Time)),
            (2, 0)
        );
        assert_eq!(results.cost_limit_hit.map(|over| over.spent), Some(8));
        let served: Vec<String> =
            results.count_by_model().into_iter().map(|(model, count)| format!("{count} {model}")).collect();
        assert_eq!(served, ["2 a/b"]);
    }
}
