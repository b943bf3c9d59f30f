//! Compares the subjects of a run with a baseline, or with their own history.

use super::history::load_history;
use super::{BaselineSource, CommandContext, PreparedRun};
use crate::eval::{
    Baseline, BaselineComparison, BaselineOrigin, CaseOutcomes, ComparisonContext, EvalSubject, Gate,
    SubjectResults,
};
use crate::route::store::StoreError;

/// Compares the other subjects with the baseline. If the baseline is the only subject, it is compared with
/// itself.
///
/// # Errors
/// If earlier runs cannot be read.
pub(super) fn compare_with_baseline(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Result<Vec<BaselineComparison>, StoreError> {
    let Some(source) = &prepared.spec.baseline else { return Ok(Vec::new()) };
    let own = source.subject_in_run();
    let is_alone = prepared.subjects.iter().all(|subject| own == Some(&*subject.name));
    let is_other = |subject: &EvalSubject| is_alone || own != Some(&*subject.name);
    let challengers = prepared.subjects.iter().filter(|subject| is_other(subject)).count();
    let measured = |name: &str| {
        let at = prepared.subjects.iter().position(|subject| subject.name == name)?;
        let metadata = prepared.case_metadata_for(prepared.subjects.get(at)?);
        let answered = CaseOutcomes::group_by_case(&metadata, &results.get(at)?.stats);
        Some(Baseline { subject: name.to_owned(), origin: BaselineOrigin::SameRun, cases: answered })
    };
    let baseline = match source {
        BaselineSource::Subject(name) => measured(name),
        BaselineSource::Saved(baseline) => Some(baseline.clone()),
        BaselineSource::History => return compare_with_history(context, prepared, run, results),
    };
    let Some(baseline) = baseline else { return Ok(Vec::new()) };
    let subjects = prepared.subjects.iter().zip(results).filter(|(subject, _)| is_other(subject));
    let comparisons = subjects
        .map(|(subject, results)| {
            let metadata = prepared.case_metadata_for(subject);
            let comparison = ComparisonContext {
                cases: &metadata,
                is_whole_set: prepared.is_whole_set,
                min_pass: prepared.min_pass,
                gate: &prepared.gate,
                challengers,
            };
            comparison.compare(
                &baseline,
                &subject.name,
                &CaseOutcomes::group_by_case(&metadata, &results.stats),
            )
        })
        .collect();
    Ok(comparisons)
}

/// Compares each subject with its own history. Subjects without history are omitted with a note.
fn compare_with_history(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Result<Vec<BaselineComparison>, StoreError> {
    // `max_drop` is a tolerance between two models and does not apply to one model over time. Every answer
    // counts by itself (no `min_pass`), because each run has only a few answers per case.
    let gate = Gate { max_drop: None, ..prepared.gate.clone() };
    let mut comparisons = Vec::new();
    for (subject, results) in prepared.subjects.iter().zip(results) {
        let metadata = prepared.case_metadata_for(subject);
        match load_history(context, &prepared.set, &metadata, run, &subject.name)? {
            Some(history) => {
                let comparison = ComparisonContext {
                    cases: &metadata,
                    is_whole_set: prepared.is_whole_set,
                    min_pass: None,
                    gate: &gate,
                    challengers: prepared.subjects.len(),
                };
                let now = CaseOutcomes::group_by_case(&metadata, &results.stats);
                comparisons.push(comparison.compare(&history, &subject.name, &now));
            }
            None => context.console.note(format_args!(
                "{}: no earlier run of {} to compare with; this is the first",
                subject.name, prepared.set.path
            )),
        }
    }
    Ok(comparisons)
}
