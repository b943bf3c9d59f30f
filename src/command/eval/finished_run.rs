//! The results of executed runs, for printing, comparing, and saving.

use crate::eval::{BaselineComparison, GateReport, Graders, RunStopReason, SubjectResults, SubjectSummary};

pub(super) struct FinishedRun {
    pub(super) id: String,
    pub(super) summaries: Vec<SubjectSummary>,
    pub(super) results: Vec<SubjectResults>,
    pub(super) comparisons: Vec<BaselineComparison>,
    pub(super) gate: GateReport,
    /// Results that are missing or unscored.
    pub(super) missing_results: usize,
    /// Whether every case and repeat was run.
    pub(super) is_complete: bool,
}

pub(super) struct EvalExecution {
    pub(super) runs: Vec<FinishedRun>,
    /// Why the execution ended early; `None` if it did not.
    pub(super) stop_reason: Option<RunStopReason>,
}

/// Whether the results measure a subject's current quality. Cached answers do not, and neither do verdicts of
/// a simulated judge on a real model.
pub(super) fn is_measured(graders: &Graders, summary: &SubjectSummary) -> bool {
    let has_simulated_grades =
        graders.has_simulated_model() && summary.grader_usage.calls > 0 && !summary.is_simulated;
    summary.cached_count == 0 && !has_simulated_grades
}
