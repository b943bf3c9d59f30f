//! Loads the existing results of an interrupted run.

use std::collections::HashMap;

use super::case_stats::ResultCollector;
use super::result_row::{decode_result, encode_result};
use super::run_observer::{RunEvent, RunObserver};
use super::store::{ResultRow, RunStore};
use super::{CaseResult, Cases, Digest, GraderUsage, RunOptions};
use crate::catalog::Cost;
use crate::route::store::StoreError;

/// Results loaded at a time, because a run may have more than fit in memory.
const ROWS_PER_PAGE: u32 = 256;

/// A subject's existing results, matched with the current set.
pub(crate) struct ResumedRun {
    pub(super) results: ResultCollector,
    /// Amounts already spent on unscored answers, by the slot that runs again.
    pub(super) prior_spend: HashMap<usize, PriorSpend>,
    /// IDs of scored cases that have changed since.
    pub changed_case_ids: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PriorSpend {
    pub(super) cost: Cost,
    pub(super) grader_usage: GraderUsage,
    /// Whether there was an answer and only its grading failed.
    pub(super) has_answer: bool,
}

/// Loads the scored results that still belong to a case of the set; there are none unless the run is resumed. Cases match by digest: a renamed case
/// keeps its results, and a changed case runs again. Results of cached answers count only if the cache may be
/// used.
///
/// # Errors
/// If the results cannot be read: running their cases again would pay for them twice.
pub(crate) fn load_resumed_run(
    store: &dyn RunStore,
    subject: &str,
    cases: &Cases,
    options: &RunOptions,
    can_use_cached: bool,
    observer: &dyn RunObserver,
) -> Result<ResumedRun, StoreError> {
    if !options.is_resumed {
        return Ok(ResumedRun::empty(cases, options));
    }
    let mut loader = ResumeLoader {
        can_use_cached,
        subject,
        cases,
        options,
        observer,
        resumed: ResumedRun::empty(cases, options),
        unmatched_rows: Vec::new(),
    };
    let mut index_by_id: Option<HashMap<u128, usize>> = None;
    let mut after = (String::new(), None);
    loop {
        let page = store.results_page(&options.run_id, subject, (&after.0, after.1), ROWS_PER_PAGE)?;
        let Some(last) = page.last() else { break };
        after = (last.case_id.clone(), Some(last.repeat));
        let index_by_id = index_by_id.get_or_insert_with(|| {
            let heads =
                (0..cases.len()).filter_map(|index| Some((case_id_key(&cases.head(index)?.id), index)));
            heads.collect()
        });
        for row in page {
            if row.repeat < options.repeats {
                loader.add_row(row, index_by_id);
            }
        }
    }
    loader.match_renamed_cases(store, &index_by_id.unwrap_or_default());
    Ok(loader.resumed)
}

fn case_id_key(id: &str) -> u128 {
    Digest::of([id]).prefix()
}

impl ResumedRun {
    fn empty(cases: &Cases, options: &RunOptions) -> Self {
        Self {
            results: ResultCollector::new(cases.len(), options.repeat_count(), options.retention),
            prior_spend: HashMap::new(),
            changed_case_ids: Vec::new(),
        }
    }
}

struct ResumeLoader<'a> {
    can_use_cached: bool,
    subject: &'a str,
    cases: &'a Cases,
    options: &'a RunOptions,
    observer: &'a dyn RunObserver,
    resumed: ResumedRun,
    /// Scored results whose case was renamed or changed.
    unmatched_rows: Vec<ResultRow>,
}

impl ResumeLoader<'_> {
    fn slot(&self, index: usize, repeat: u32) -> usize {
        index * self.options.repeat_count() + repeat as usize
    }

    /// Adds a row if its case still has the same ID and digest; sets other scored rows aside.
    fn add_row(&mut self, row: ResultRow, index_by_id: &HashMap<u128, usize>) {
        let index = index_by_id.get(&case_id_key(&row.case_id)).copied();
        let matched = index.and_then(|index| Some((index, self.cases.head(index)?)));
        let matched = matched
            .filter(|(_, head)| *head.id == *row.case_id && head.digest.to_string() == row.case_digest);
        let is_scored = row.verdict != "unscored";
        if is_scored && row.cached && !self.can_use_cached {
            return;
        }
        match matched {
            Some((index, head)) => {
                let Some(result) = decode_result(&head, &row) else { return };
                if is_scored {
                    self.record_result(index, result);
                } else {
                    let has_answer = result.finish_reason.is_some();
                    let prior_spend =
                        PriorSpend { cost: result.cost, grader_usage: result.grader_usage, has_answer };
                    self.resumed.prior_spend.insert(self.slot(index, row.repeat), prior_spend);
                }
            }
            None if is_scored => self.unmatched_rows.push(row),
            None => {}
        }
    }

    /// Matches the remaining results with renamed cases.
    fn match_renamed_cases(&mut self, store: &dyn RunStore, index_by_id: &HashMap<u128, usize>) {
        if self.unmatched_rows.is_empty() {
            return;
        }
        let mut indexes_by_digest: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (index, head) in self.cases.heads().enumerate() {
            indexes_by_digest.entry(head.digest).or_default().push(index);
        }
        let mut renamed: Vec<(ResultRow, ResultRow)> = Vec::new();
        for row in std::mem::take(&mut self.unmatched_rows) {
            let digest: Option<Digest> = row.case_digest.parse().ok();
            let matching =
                digest.and_then(|digest| indexes_by_digest.get(&digest)).map_or(&[][..], Vec::as_slice);
            let free = matching
                .iter()
                .find(|index| !self.resumed.results.has_result(self.slot(**index, row.repeat)));
            let found =
                free.and_then(|index| Some((*index, decode_result(&self.cases.head(*index)?, &row)?)));
            if let Some((index, result)) = found {
                let failure = row.failure.clone();
                renamed.push((row.clone(), encode_result(self.subject, &result, failure, row.at)));
                self.record_result(index, result);
            } else {
                self.unmatched_rows.push(row);
            }
        }
        for row in std::mem::take(&mut self.unmatched_rows) {
            let index = index_by_id.get(&case_id_key(&row.case_id)).copied();
            let is_open =
                index.is_some_and(|index| !self.resumed.results.has_result(self.slot(index, row.repeat)));
            if is_open && self.resumed.changed_case_ids.last() != Some(&row.case_id) {
                self.resumed.changed_case_ids.push(row.case_id);
            }
        }
        if !renamed.is_empty() {
            store.replace_results(&self.options.run_id, renamed);
        }
    }

    fn record_result(&mut self, index: usize, result: CaseResult) {
        self.observer.on_event(&RunEvent::Result { subject: self.subject, result: &result });
        self.resumed.results.add(index, result);
    }
}
