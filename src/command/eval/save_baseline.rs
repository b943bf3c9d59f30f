//! `--save-baseline`: saves the results of a run as a baseline file.

use std::io;
use std::path::Path;

use super::finished_run::FinishedRun;
use super::{BaselineSource, CommandContext, PreparedRun};
use crate::config::{BaselineSubject, render_baseline};
use crate::eval::{CaseOutcomes, SubjectResults, SubjectSummary};
use crate::view::{BaselineRejection, replace_file};

/// Why a baseline was not saved.
#[derive(Debug)]
pub(super) enum SaveBaselineError {
    Rejected(BaselineRejection),
    WriteFailed(io::Error),
}

/// Saves the results for `--save-baseline`. Rejects runs with too many unscored cases, and runs that just
/// failed the gate against a baseline, because they would lower the bar for the next run.
pub(super) fn save_baseline(
    context: &CommandContext,
    path: &Path,
    prepared: &PreparedRun,
    run: &FinishedRun,
) -> Result<(), SaveBaselineError> {
    if !run.gate.inconclusive.is_empty() {
        return Err(SaveBaselineError::Rejected(BaselineRejection::TooManyUnscored));
    }
    let own = prepared.spec.baseline.as_ref().and_then(BaselineSource::subject_in_run);
    if prepared.spec.baseline.is_some() && !run.gate.is_passed() {
        return Err(SaveBaselineError::Rejected(BaselineRejection::GateFailed));
    }
    let all = prepared.subjects.iter().zip(&run.summaries).zip(&run.results);
    let is_saved = |summary: &SubjectSummary| run.summaries.len() == 1 || own != Some(&*summary.subject);
    let answered: Vec<(&SubjectSummary, &SubjectResults, Vec<CaseOutcomes>)> = all
        .filter(|((_, summary), _)| is_saved(summary))
        .map(|((subject, summary), results)| {
            (
                summary,
                results,
                CaseOutcomes::group_by_case(&prepared.case_metadata_for(subject), &results.stats),
            )
        })
        .collect();
    let subjects: Vec<BaselineSubject<'_>> = answered
        .iter()
        .map(|(summary, results, answered)| BaselineSubject {
            summary,
            served_by: results.count_by_model(),
            answered,
        })
        .collect();
    let saved = jiff::Timestamp::from_millisecond(context.open_health().now())
        .map_err(|error| SaveBaselineError::WriteFailed(io::Error::other(error)))?;
    let set = (prepared.set.name.as_str(), prepared.set.digest.as_str());
    let text = render_baseline(set, &format!("{saved:.0}"), &subjects).map_err(io::Error::from);
    text.and_then(|text| replace_file(path, |out| out.write_all(text.as_bytes())))
        .map_err(SaveBaselineError::WriteFailed)
}
