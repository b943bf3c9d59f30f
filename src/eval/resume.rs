//! What of a run is there already.

use std::collections::{HashMap, HashSet};

use super::kept::{result_of, row_of};
use super::{CaseHead, CaseResult, Cases};
use crate::ledger::ResultRow;
use crate::route::Router;

/// What a run has of a subject, held against the set as it is now.
#[derive(Debug, Default)]
pub struct Taken {
    /// Results that stand, each with its case's place.
    pub results: Vec<(usize, CaseResult)>,
    /// Ids of cases that were scored and are other cases now.
    pub changed: Vec<String>,
}

/// The scored results of a run that still belong to a case of the set. Cases are paired by their digest, so that one with a
/// new id keeps its results, and one that asks for something else is run anew.
pub fn take_up(router: &Router, run: &str, subject: &str, cases: &Cases, repeats: u32) -> Taken {
    let health = router.health();
    let rows = health.ledger().read(|rows| rows.results(run, subject));
    if rows.is_empty() {
        return Taken::default();
    }
    let cases: Vec<CaseHead> = cases.heads().collect();
    let scored = |row: &&ResultRow| row.verdict != "unscored" && row.repeat < repeats;
    let mut kept: HashMap<(String, u32), Vec<&ResultRow>> = HashMap::new();
    for row in rows.iter().filter(scored) {
        kept.entry((row.case_digest.clone(), row.repeat)).or_default().push(row);
    }
    let mut taken = Taken::default();
    let mut has: HashSet<(&str, u32)> = HashSet::new();
    let mut renamed: Vec<(ResultRow, ResultRow)> = Vec::new();
    // Whoever kept its id comes first: two cases may be alike but for that.
    for by_id in [true, false] {
        let all = cases.iter().enumerate().flat_map(|of| (0..repeats).map(move |repeat| (of, repeat)));
        for ((at_case, case), repeat) in all {
            let place = (&*case.id, repeat);
            let same = kept.get_mut(&(case.digest.to_string(), repeat)).filter(|_| !has.contains(&place));
            let at = |rows: &Vec<&ResultRow>| rows.iter().position(|row| (*row.case_id == *case.id) == by_id);
            let Some(row) = same.and_then(|rows| at(rows).map(|at| rows.swap_remove(at))) else { continue };
            let Some(result) = result_of(case, row) else { continue };
            if !by_id {
                renamed.push((row.clone(), row_of(subject, &result, row.at)));
            }
            has.insert(place);
            taken.results.push((at_case, result));
        }
    }
    let ids: HashSet<&str> = cases.iter().map(|case| &*case.id).collect();
    let mut told: HashSet<&str> = HashSet::new();
    for row in rows.iter().filter(scored) {
        let id = row.case_id.as_str();
        if ids.contains(id) && !has.contains(&(id, row.repeat)) && told.insert(id) {
            taken.changed.push(id.to_owned());
        }
    }
    if !renamed.is_empty() {
        let run = run.to_owned();
        // All old names go before any new one comes: two cases may have swapped theirs.
        health.ledger().post(move |rows| {
            renamed.iter().try_for_each(|(old, _)| rows.remove_result(&run, old))?;
            renamed.iter().try_for_each(|(_, new)| rows.put_result(&run, new))
        });
    }
    taken
}
