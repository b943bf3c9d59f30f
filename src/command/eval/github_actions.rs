//! What a job on GitHub Actions is told without asking: annotations, and a summary of the step.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::CommandContext;
use crate::provider::Environment;
use crate::view::{EvalRun, annotations, markdown_report};

/// Annotates the sets' files, and adds the report to the step's summary. Neither is worth an exit code.
pub(super) fn report_to_github(context: &CommandContext, runs: &[EvalRun<'_>]) {
    let environment = context.environment();
    let top = environment.variable("GITHUB_WORKSPACE").map(PathBuf::from);
    let top = top.and_then(|top| top.canonicalize().ok());
    for line in annotations(runs, &|path| path_from_workspace(top.as_deref(), path)) {
        context.console.workflow_command(&line);
    }
    let Some(summary) = environment.variable("GITHUB_STEP_SUMMARY") else { return };
    let added = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&summary)
        .and_then(|mut file| file.write_all(format!("{}\n", markdown_report(runs)).as_bytes()));
    if let Err(error) = added {
        context.console.warn(format_args!("the step's summary cannot be written to {summary}: {error}"));
    }
}

/// A file as the repository names it; as it was typed where it lies elsewhere.
fn path_from_workspace(top: Option<&Path>, path: &str) -> String {
    let whole = Path::new(path).canonicalize().ok();
    let below = top.zip(whole.as_deref()).and_then(|(top, whole)| whole.strip_prefix(top).ok());
    below.map_or_else(|| path.to_owned(), |below| below.to_string_lossy().into_owned())
}
