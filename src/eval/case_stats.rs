//! Compact statistics of each result, kept in memory after the full result is in the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CaseResult, GraderUsage, RepairSet, Verdict};
use crate::catalog::{Cost, CostSource};
use crate::chat::{NanoDollars, TokenCount};
use crate::provider::ModelRef;
use crate::route::{BudgetExceeded, StopReason};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitHit {
    Time,
    Cost,
}

/// The statistics of one result that summaries, gates, and comparisons need. A run keeps one per case and
/// repeat, so this type is compact and leaves out everything that the golden set already stores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaseStats {
    /// 0-based, among the cases that run.
    pub case_index: u32,
    /// 0-based.
    pub repeat: u32,
    pub verdict: Verdict,
    /// Repairs after which the failed answer passes.
    pub repaired_by: Option<RepairSet>,
    pub limit_hit: Option<LimitHit>,
    /// Whether the call produced an answer.
    pub has_answer: bool,
    pub failovers: u16,
    pub is_cached: bool,
    cost_source: CostSource,
    // Unknown values use a sentinel: an `Option` would double the size of each number.
    score: f64,
    nano_dollars: u64,
    latency: u32,
    input_tokens: u32,
    output_tokens: u32,
    served_by: u16,
}

/// Limits the memory use of large runs.
const _: () = assert!(size_of::<CaseStats>() <= 48);

/// Latencies are stored in ticks of 10 µs, up to about 12 hours.
const LATENCY_TICK_MICROS: u32 = 10;

impl CaseStats {
    /// Weighted mean of the assertion scores; `None` when unscored.
    pub(crate) fn score(&self) -> Option<f64> {
        (!self.score.is_nan()).then_some(self.score)
    }

    /// From sending the request to the last byte.
    pub(crate) fn latency(&self) -> Option<Duration> {
        let ticks = decode_optional(self.latency)?;
        Some(Duration::from_micros(u64::from(ticks) * u64::from(LATENCY_TICK_MICROS)))
    }

    pub(crate) fn input_tokens(&self) -> Option<TokenCount> {
        decode_optional(self.input_tokens).map(|count| TokenCount::new(count.into()))
    }

    pub(crate) fn output_tokens(&self) -> Option<TokenCount> {
        decode_optional(self.output_tokens).map(|count| TokenCount::new(count.into()))
    }

    /// Zero for a cached answer.
    pub(crate) fn cost(&self) -> Cost {
        if self.is_cached { Cost::ZERO } else { self.answer_cost() }
    }

    /// What a cached answer originally cost.
    pub(crate) fn cached_cost(&self) -> Option<Cost> {
        self.is_cached.then(|| self.answer_cost())
    }

    fn answer_cost(&self) -> Cost {
        let nano_dollars = (self.nano_dollars != u64::MAX).then_some(NanoDollars::new(self.nano_dollars));
        Cost { nano_dollars, source: self.cost_source }
    }
}

fn decode_optional(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

/// Which results keep their answer and the outcome of each assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultRetention {
    /// All, for a report.
    All,
    /// The first N that did not pass.
    FirstNotPassed(usize),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SubjectResults {
    /// One per case and repeat that ran, in case order; repeats of a case are adjacent.
    pub stats: Vec<CaseStats>,
    /// Results kept in full, in the same order.
    pub full_results: Vec<CaseResult>,
    pub grader_usage: GraderUsage,
    /// The budget error with the highest spend.
    pub cost_limit_hit: Option<BudgetExceeded>,
    /// The models that answered; `CaseStats::served_by` indexes this list.
    served: Vec<ModelRef>,
}

impl SubjectResults {
    /// Models with their number of answers, in descending order.
    pub(crate) fn count_by_model(&self) -> Vec<(&ModelRef, usize)> {
        let mut counts: Vec<(&ModelRef, usize)> = self.served.iter().map(|model| (model, 0)).collect();
        for stats in &self.stats {
            if let Some((_, count)) = counts.get_mut(usize::from(stats.served_by)) {
                *count += 1;
            }
        }
        counts.sort_by_key(|(model, count)| (std::cmp::Reverse(*count), model.to_string()));
        counts
    }

    pub(crate) fn scored_count(&self) -> usize {
        self.stats.iter().filter(|stats| stats.verdict != Verdict::Unscored).count()
    }

    pub(crate) fn count_limit_hits(&self, limit: LimitHit) -> usize {
        self.stats.iter().filter(|stats| stats.limit_hit == Some(limit)).count()
    }
}

/// Collects results, which may arrive in any order.
pub(super) struct ResultCollector {
    repeats: usize,
    retention: ResultRetention,
    /// One slot per case and repeat; the repeats of a case are adjacent.
    is_filled: Vec<bool>,
    /// By slot.
    full_results: BTreeMap<usize, CaseResult>,
    results: SubjectResults,
}

impl ResultCollector {
    pub(super) fn new(cases: usize, repeats: usize, retention: ResultRetention) -> Self {
        let count = cases * repeats;
        let results = SubjectResults { stats: Vec::with_capacity(count), ..SubjectResults::default() };
        Self { repeats, retention, is_filled: vec![false; count], full_results: BTreeMap::new(), results }
    }

    /// `slot` is `case * repeats + repeat`.
    pub(super) fn has_result(&self, slot: usize) -> bool {
        self.is_filled.get(slot).is_some_and(|filled| *filled)
    }

    /// Adds the result of the case at this index; a duplicate is ignored.
    pub(super) fn add(&mut self, case: usize, result: CaseResult) {
        let slot = case * self.repeats + result.repeat as usize;
        match self.is_filled.get_mut(slot) {
            Some(filled) if !*filled => *filled = true,
            _ => return,
        }
        let stats = self.compact(case, &result);
        self.results.stats.push(stats);
        self.results.grader_usage = GraderUsage::sum([self.results.grader_usage, result.grader_usage]);
        if let Some(StopReason::BudgetExceeded(over)) = result.limit_hit
            && self.results.cost_limit_hit.is_none_or(|known| over.spent >= known.spent)
        {
            self.results.cost_limit_hit = Some(over);
        }
        match self.retention {
            ResultRetention::All => drop(self.full_results.insert(slot, result)),
            ResultRetention::FirstNotPassed(_) if result.verdict == Verdict::Pass => {}
            ResultRetention::FirstNotPassed(max) => {
                self.full_results.insert(slot, result);
                if self.full_results.len() > max {
                    self.full_results.pop_last();
                }
            }
        }
    }

    fn compact(&mut self, case: usize, result: &CaseResult) -> CaseStats {
        let cost = result.cached_cost.unwrap_or(result.cost);
        // A count beyond `u32` is implausible, so it is stored as unknown.
        let count = |tokens: Option<TokenCount>| {
            tokens.and_then(|tokens| u32::try_from(tokens.get()).ok()).unwrap_or(u32::MAX)
        };
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
            nano_dollars: cost.nano_dollars.map_or(u64::MAX, NanoDollars::get),
        }
    }

    fn model_index(&mut self, model: &ModelRef) -> Option<u16> {
        let served = &mut self.results.served;
        let index = served.iter().position(|known| known == model).unwrap_or_else(|| {
            served.push(model.clone());
            served.len() - 1
        });
        u16::try_from(index).ok()
    }

    pub(super) fn finish(mut self) -> SubjectResults {
        self.results.stats.sort_unstable_by_key(|stats| (stats.case_index, stats.repeat));
        SubjectResults { full_results: self.full_results.into_values().collect(), ..self.results }
    }
}

/// Builds stats from the verdicts of the repeats of each case; a pass scores 1.
#[cfg(test)]
pub(super) fn stats_from_verdicts(cases: &[&[Verdict]]) -> Vec<CaseStats> {
    let mut collector = ResultCollector::new(0, 1, ResultRetention::FirstNotPassed(0));
    let mut stats = Vec::new();
    for (index, verdicts) in cases.iter().enumerate() {
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
            stats.push(collector.compact(index, &result));
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Case;
    use crate::eval::case::case;

    fn result(case: &Case, repeat: u32, verdict: Verdict) -> CaseResult {
        CaseResult { repeat, verdict, ..CaseResult::unscored(&case.metadata, Duration::ZERO) }
    }

    /// Stats end up in case order and the first failures are kept, regardless of the order of arrival.
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
        let collect = |retention| {
            let mut collector = ResultCollector::new(5, 2, retention);
            for (index, repeat, verdict) in arrivals {
                assert!(!collector.has_result(index * 2 + repeat as usize));
                collector.add(index, result(&cases[index], repeat, verdict));
            }
            collector.finish()
        };
        let few = collect(ResultRetention::FirstNotPassed(3));
        let positions: Vec<(u32, u32)> =
            few.stats.iter().map(|stats| (stats.case_index, stats.repeat)).collect();
        assert_eq!(positions, [(0, 1), (1, 0), (1, 1), (3, 0), (4, 0)]);
        let full_ids = |results: &SubjectResults| -> Vec<(String, u32)> {
            results.full_results.iter().map(|result| (result.case_id.clone(), result.repeat)).collect()
        };
        assert_eq!(full_ids(&few), [("c1".to_owned(), 0), ("c1".to_owned(), 1), ("c3".to_owned(), 0)]);
        assert_eq!(full_ids(&collect(ResultRetention::All)).len(), 5);
        assert_eq!(few.scored_count(), 4);
    }

    #[test]
    fn collected_stats_match_results() {
        let (paid, model) = (
            Cost { nano_dollars: Some(NanoDollars::new(7)), source: CostSource::Provider },
            "a/b".parse().ok(),
        );
        let over = |nano| BudgetExceeded {
            spent: NanoDollars::new(nano),
            limit: NanoDollars::new(9),
            cost: None,
            is_simulated: false,
            is_daily: false,
        };
        let base = result(&case("c"), 0, Verdict::Unscored);
        let mut collector = ResultCollector::new(4, 1, ResultRetention::FirstNotPassed(0));
        collector.add(0, CaseResult { cost: paid, served_by: model.clone(), ..base.clone() });
        collector.add(1, CaseResult { cached_cost: Some(paid), served_by: model, ..base.clone() });
        collector.add(
            2,
            CaseResult {
                limit_hit: Some(StopReason::BudgetExceeded(over(8))),
                cost: Cost::UNKNOWN,
                ..base.clone()
            },
        );
        collector.add(3, CaseResult { limit_hit: Some(StopReason::BudgetExceeded(over(5))), ..base });
        let results = collector.finish();
        let costs: Vec<Cost> = results.stats.iter().map(CaseStats::cost).collect();
        assert_eq!(costs, [paid, Cost::ZERO, Cost::UNKNOWN, Cost::ZERO]);
        assert_eq!(results.stats[1].cached_cost(), Some(paid));
        assert_eq!(
            (results.count_limit_hits(LimitHit::Cost), results.count_limit_hits(LimitHit::Time)),
            (2, 0)
        );
        assert_eq!(results.cost_limit_hit.map(|over| over.spent), Some(NanoDollars::new(8)));
        let served: Vec<String> =
            results.count_by_model().into_iter().map(|(model, count)| format!("{count} {model}")).collect();
        assert_eq!(served, ["2 a/b"]);
    }
}
