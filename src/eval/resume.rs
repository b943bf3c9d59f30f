//! What of a run is there already.

use std::collections::HashMap;

use super::figure::Gathering;
use super::kept::{result_of, row_of};
use super::run::{Progress, RunOptions};
use super::{CaseResult, Cases, Digest, Judging};
use crate::catalog::Cost;
use crate::ledger::ResultRow;
use crate::route::Router;

/// So many results are read at once: a run may have more than memory should hold.
const PAGE: u32 = 256;

/// What a run has of a subject, held against the set as it is now.
pub struct Taken {
    /// Results that stand.
    pub(super) results: Gathering,
    /// What was spent on answers that could not be scored, by the slot that asks for another one.
    pub(super) spent: HashMap<usize, Spent>,
    /// Ids of cases that were scored and are other cases now.
    pub changed: Vec<String>,
}

/// What was spent on an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) cost: Cost,
    pub(super) judging: Judging,
    /// Whether there is an answer, that only judging could not score.
    pub(super) answered: bool,
}

/// The scored results of a run that still belong to a case of the set. Cases are paired by their digest, so that one with a
/// new id keeps its results, and one that asks for something else is run anew. Answers from before the run count where they
/// may still be used.
pub fn take_up(
    router: &Router,
    subject: &str,
    cases: &Cases,
    options: &RunOptions,
    takes_cached: bool,
    progress: &mut dyn Progress,
) -> Taken {
    let mut taking = Taking {
        takes_cached,
        subject,
        cases,
        options,
        progress,
        taken: Taken::none(cases, options),
        left: Vec::new(),
    };
    let mut places: Option<HashMap<u128, usize>> = None;
    let mut after = (String::new(), None);
    loop {
        let page = router
            .health()
            .ledger()
            .read(|rows| rows.results(&options.run, subject, (&after.0, after.1), PAGE));
        let Some(last) = page.last() else { break };
        after = (last.case_id.clone(), Some(last.repeat));
        let places = places.get_or_insert_with(|| {
            let heads = (0..cases.len()).filter_map(|at| Some((key(&cases.head(at)?.id), at)));
            heads.collect()
        });
        for row in page {
            if row.repeat < options.repeats {
                taking.take(row, places);
            }
        }
    }
    taking.find_others(router, &places.unwrap_or_default());
    taking.taken
}

fn key(id: &str) -> u128 {
    Digest::of([id]).prefix()
}

impl Taken {
    /// Nothing, of a run that begins.
    fn none(cases: &Cases, options: &RunOptions) -> Self {
        Self {
            results: Gathering::new(cases.len(), options.times(), options.keep),
            spent: HashMap::new(),
            changed: Vec::new(),
        }
    }
}

struct Taking<'a> {
    /// Whether results with answers from before stand.
    takes_cached: bool,
    subject: &'a str,
    cases: &'a Cases,
    options: &'a RunOptions,
    progress: &'a mut dyn Progress,
    taken: Taken,
    /// Scored results of cases that have another id now, or ask for something else.
    left: Vec<ResultRow>,
}

impl Taking<'_> {
    fn slot(&self, at: usize, repeat: u32) -> usize {
        at * self.options.times() + repeat as usize
    }

    /// Takes a row in where it belongs to the case of its id.
    fn take(&mut self, row: ResultRow, places: &HashMap<u128, usize>) {
        let at = places.get(&key(&row.case_id)).copied();
        let own = at.and_then(|at| Some((at, self.cases.head(at)?)));
        let own =
            own.filter(|(_, head)| *head.id == *row.case_id && head.digest.to_string() == row.case_digest);
        let is_scored = row.verdict != "unscored";
        if is_scored && row.cached && !self.takes_cached {
            return;
        }
        match own {
            Some((at, head)) => {
                let Some(result) = result_of(&head, &row) else { return };
                if is_scored {
                    self.keep(at, result);
                } else {
                    let answered = result.finish_reason.is_some();
                    let spent = Spent { cost: result.cost, judging: result.judging, answered };
                    self.taken.spent.insert(self.slot(at, row.repeat), spent);
                }
            }
            None if is_scored => self.left.push(row),
            None => {}
        }
    }

    /// Finds out which of the others are the results of a case that has another id now.
    fn find_others(&mut self, router: &Router, places: &HashMap<u128, usize>) {
        if self.left.is_empty() {
            return;
        }
        let mut alike: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (at, head) in self.cases.heads().enumerate() {
            alike.entry(head.digest).or_default().push(at);
        }
        let mut renamed: Vec<(ResultRow, ResultRow)> = Vec::new();
        for row in std::mem::take(&mut self.left) {
            let digest: Option<Digest> = row.case_digest.parse().ok();
            let alike = digest.and_then(|digest| alike.get(&digest)).map_or(&[][..], Vec::as_slice);
            let free = alike.iter().find(|at| !self.taken.results.has(self.slot(**at, row.repeat)));
            let found = free.and_then(|at| Some((*at, result_of(&self.cases.head(*at)?, &row)?)));
            if let Some((at, result)) = found {
                renamed.push((row.clone(), row_of(self.subject, &result, row.at)));
                self.keep(at, result);
            } else {
                self.left.push(row);
            }
        }
        for row in std::mem::take(&mut self.left) {
            let at = places.get(&key(&row.case_id)).copied();
            let is_open = at.is_some_and(|at| !self.taken.results.has(self.slot(at, row.repeat)));
            if is_open && self.taken.changed.last() != Some(&row.case_id) {
                self.taken.changed.push(row.case_id);
            }
        }
        if !renamed.is_empty() {
            let run = self.options.run.clone();
            // All old names go before any new one comes: two cases may have swapped theirs.
            router.health().ledger().post(move |rows| {
                renamed.iter().try_for_each(|(old, _)| rows.remove_result(&run, old))?;
                renamed.iter().try_for_each(|(_, new)| rows.put_result(&run, new))
            });
        }
    }

    fn keep(&mut self, at: usize, result: CaseResult) {
        self.progress.done(&result);
        self.taken.results.take(at, result);
    }
}
