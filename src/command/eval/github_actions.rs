//! Output for GitHub Actions: annotations and the step summary.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::CommandContext;
use crate::provider::Environment;
use crate::view::{EvalRun, annotations, markdown_report};

/// Annotates the set files and adds the report to the step summary. A failure here only causes a warning.
pub(super) fn report_to_github(context: &CommandContext, runs: &[EvalRun<'_>]) {
    let environment = context.environment();
    let workspace = environment.variable("GITHUB_WORKSPACE").map(PathBuf::from);
    let workspace = workspace.and_then(|workspace| workspace.canonicalize().ok());
    for line in annotations(runs, &|path| path_from_workspace(workspace.as_deref(), path)) {
        context.console.workflow_command(&line);
    }
    let Some(summary) = environment.variable("GITHUB_STEP_SUMMARY") else { return };
    let added = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&summary)
        .and_then(|mut file| file.write_all(format!("{}\n", markdown_report(runs)).as_bytes()));
    if let Err(error) = added {
        context.console.warn(format_args!("cannot write the step summary to {summary}: {error}"));
    }
}

/// Returns a path relative to the workspace, or as given if it is outside.
fn path_from_workspace(workspace: Option<&Path>, path: &str) -> String {
    let absolute = Path::new(path).canonicalize().ok();
    let relative = workspace
        .zip(absolute.as_deref())
        .and_then(|(workspace, absolute)| absolute.strip_prefix(workspace).ok());
    relative.map_or_else(|| path.to_owned(), |relative| relative.to_string_lossy().into_owned())
}
