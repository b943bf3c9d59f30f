//! What of a run is there already.

use std::collections::HashMap;

use super::case_stats::ResultCollector;
use super::result_row::{decode_result, encode_result};
use super::run::{RunOptions, RunProgress};
use super::{CaseResult, Cases, Digest, GraderUsage};
use crate::catalog::Cost;
use crate::ledger::ResultRow;
use crate::route::Router;

/// So many results are read at once: a run may have more than memory should hold.
const ROWS_PER_PAGE: u32 = 256;

/// What a run has of a subject, held against the set as it is now.
pub struct ResumedRun {
    /// Results that stand.
    pub(super) results: ResultCollector,
    /// What was spent on answers that could not be scored, by the slot that asks for another one.
    pub(super) prior_spend: HashMap<usize, PriorSpend>,
    /// Ids of cases that were scored and are other cases now.
    pub changed_case_ids: Vec<String>,
}

/// What was spent on an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PriorSpend {
    pub(super) cost: Cost,
    pub(super) judging: GraderUsage,
    /// Whether there is an answer, that only judging could not score.
    pub(super) has_answer: bool,
}

/// The scored results of a run that still belong to a case of the set. Cases are paired by their digest, so that one with a
/// new id keeps its results, and one that asks for something else is run anew. Answers from before the run count where they
/// may still be used.
pub fn load_resumed_run(
    router: &Router,
    subject: &str,
    cases: &Cases,
    options: &RunOptions,
    takes_cached: bool,
    progress: &mut dyn RunProgress,
) -> ResumedRun {
    let mut taking = ResumeLoader {
        can_use_cached: takes_cached,
        subject,
        cases,
        options,
        progress,
        taken: ResumedRun::empty(cases, options),
        unmatched_rows: Vec::new(),
    };
    let mut places: Option<HashMap<u128, usize>> = None;
    let mut after = (String::new(), None);
    loop {
        let page = router
            .health()
            .ledger()
            .read(|rows| rows.results_page(&options.run_id, subject, (&after.0, after.1), ROWS_PER_PAGE));
        let Some(last) = page.last() else { break };
        after = (last.case_id.clone(), Some(last.repeat));
        let places = places.get_or_insert_with(|| {
            let heads = (0..cases.len()).filter_map(|at| Some((case_id_key(&cases.head(at)?.id), at)));
            heads.collect()
        });
        for row in page {
            if row.repeat < options.repeats {
                taking.add_row(row, places);
            }
        }
    }
    taking.match_renamed_cases(router, &places.unwrap_or_default());
    taking.taken
}

fn case_id_key(id: &str) -> u128 {
    Digest::of([id]).prefix()
}

impl ResumedRun {
    /// Nothing, of a run that begins.
    fn empty(cases: &Cases, options: &RunOptions) -> Self {
        Self {
            results: ResultCollector::new(cases.len(), options.repeat_count(), options.retention),
            prior_spend: HashMap::new(),
            changed_case_ids: Vec::new(),
        }
    }
}

struct ResumeLoader<'a> {
    /// Whether results with answers from before stand.
    can_use_cached: bool,
    subject: &'a str,
    cases: &'a Cases,
    options: &'a RunOptions,
    progress: &'a mut dyn RunProgress,
    taken: ResumedRun,
    /// Scored results of cases that have another id now, or ask for something else.
    unmatched_rows: Vec<ResultRow>,
}

impl ResumeLoader<'_> {
    fn result_index(&self, at: usize, repeat: u32) -> usize {
        at * self.options.repeat_count() + repeat as usize
    }

    /// Takes a row in where it belongs to the case of its id.
    fn add_row(&mut self, row: ResultRow, places: &HashMap<u128, usize>) {
        let at = places.get(&case_id_key(&row.case_id)).copied();
        let own = at.and_then(|at| Some((at, self.cases.head(at)?)));
        let own =
            own.filter(|(_, head)| *head.id == *row.case_id && head.digest.to_string() == row.case_digest);
        let is_scored = row.verdict != "unscored";
        if is_scored && row.cached && !self.can_use_cached {
            return;
        }
        match own {
            Some((at, head)) => {
                let Some(result) = decode_result(&head, &row) else { return };
                if is_scored {
                    self.record_result(at, result);
                } else {
                    let answered = result.finish_reason.is_some();
                    let spent =
                        PriorSpend { cost: result.cost, judging: result.grader_usage, has_answer: answered };
                    self.taken.prior_spend.insert(self.result_index(at, row.repeat), spent);
                }
            }
            None if is_scored => self.unmatched_rows.push(row),
            None => {}
        }
    }

    /// Finds out which of the others are the results of a case that has another id now.
    fn match_renamed_cases(&mut self, router: &Router, places: &HashMap<u128, usize>) {
        if self.unmatched_rows.is_empty() {
            return;
        }
        let mut alike: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (at, head) in self.cases.heads().enumerate() {
            alike.entry(head.digest).or_default().push(at);
        }
        let mut renamed: Vec<(ResultRow, ResultRow)> = Vec::new();
        for row in std::mem::take(&mut self.unmatched_rows) {
            let digest: Option<Digest> = row.case_digest.parse().ok();
            let alike = digest.and_then(|digest| alike.get(&digest)).map_or(&[][..], Vec::as_slice);
            let free =
                alike.iter().find(|at| !self.taken.results.has_result(self.result_index(**at, row.repeat)));
            let found = free.and_then(|at| Some((*at, decode_result(&self.cases.head(*at)?, &row)?)));
            if let Some((at, result)) = found {
                renamed.push((row.clone(), encode_result(self.subject, &result, row.at)));
                self.record_result(at, result);
            } else {
                self.unmatched_rows.push(row);
            }
        }
        for row in std::mem::take(&mut self.unmatched_rows) {
            let at = places.get(&case_id_key(&row.case_id)).copied();
            let is_open =
                at.is_some_and(|at| !self.taken.results.has_result(self.result_index(at, row.repeat)));
            if is_open && self.taken.changed_case_ids.last() != Some(&row.case_id) {
                self.taken.changed_case_ids.push(row.case_id);
            }
        }
        if !renamed.is_empty() {
            let run = self.options.run_id.clone();
            // All old names go before any new one comes: two cases may have swapped theirs.
            router.health().ledger().enqueue(move |rows| {
                renamed.iter().try_for_each(|(old, _)| rows.remove_result(&run, old))?;
                renamed.iter().try_for_each(|(_, new)| rows.put_result(&run, new))
            });
        }
    }

    fn record_result(&mut self, at: usize, result: CaseResult) {
        self.progress.on_result(&result);
        self.taken.results.add(at, result);
    }
}
