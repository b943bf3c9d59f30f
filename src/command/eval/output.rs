//! Prints results, writes reports, and determines the exit code.

use super::finished_run::{EvalExecution, FinishedRun};
use super::resume_command::{limits_to_raise, resume_command_line};
use super::save_baseline::{SaveBaselineError, save_baseline};
use super::{CommandContext, CommandError, CommandOutcome, PreparedRun, github_actions};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::EvalArgs;
use crate::command::outcome::check_printed;
use crate::eval::{GoldenSet, LimitHit, RunStopReason, SubjectResults};
use crate::view::{
    EvalRun, ReportFormat, baseline_rejection_warning, cost_limit_warning, eval_json, eval_table,
    missing_results_note, neutralize_workflow_commands, probe_writable, replace_file, stop_warning,
};

/// Checks before any call is paid for that all reports can be written.
pub(super) fn check_output_paths(
    context: &CommandContext,
    args: &EvalArgs,
    sets: &[GoldenSet],
) -> Result<(), CommandError> {
    check_no_input_overwritten(context, args, sets)?;
    if args.gate.save_baseline.is_some() && args.sets.len() > 1 {
        return Err(CommandError::usage("--save-baseline takes exactly one set")
            .with_hint("run each set separately, with its own baseline file"));
    }
    if let Some(path) = &args.gate.save_baseline {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return Err(CommandError::usage(format!("invalid baseline file name `{}`", path.display()))
                .with_hint("use a file name that ends in .json"));
        }
        check_writable(path)?;
    }
    for path in &args.output {
        let display_path = path.display();
        if path.as_os_str() == "-" {
            return Err(CommandError::usage("cannot write a report to stdout with `-o -`").with_hint(
                format!(
                    "use --json for JSON on stdout, or a file name that ends in {}",
                    ReportFormat::EXTENSIONS
                ),
            ));
        }
        if ReportFormat::from_path(path).is_none() {
            let message = format!("unknown report format `{display_path}`");
            let hint = format!("use a file name that ends in {}", ReportFormat::EXTENSIONS);
            return Err(CommandError::usage(message).with_hint(hint));
        }
        check_writable(path)?;
    }
    Ok(())
}

/// Reports must not overwrite inputs of the command, nor each other.
fn check_no_input_overwritten(
    context: &CommandContext,
    args: &EvalArgs,
    sets: &[GoldenSet],
) -> Result<(), CommandError> {
    let mut inputs: Vec<&Path> =
        sets.iter().flat_map(|set| &set.files).map(|file| Path::new(&**file)).collect();
    let (ledger, baseline) = (context.ledger_path(), args.gate.baseline.as_deref().map(Path::new));
    inputs.extend(ledger.as_deref());
    let canonical = |path: &Path| path.canonicalize().ok();
    let inputs: HashSet<PathBuf> = inputs.into_iter().filter_map(canonical).collect();
    let mut outputs: HashSet<PathBuf> = HashSet::new();
    for path in args.output.iter().chain(&args.gate.save_baseline) {
        let file = canonical(path).unwrap_or_else(|| path.clone());
        // Only a new baseline may replace the old one.
        let is_baseline = baseline.and_then(canonical).is_some_and(|path| path == file);
        let hint = "choose another file";
        let reject =
            |why: &str| Err(CommandError::usage(format!("{} {why}", path.display())).with_hint(hint));
        if inputs.contains(&file) || is_baseline && args.output.contains(path) {
            return reject("is an input of this command and would be overwritten");
        }
        if !outputs.insert(file) {
            return reject("is used for two outputs");
        }
    }
    Ok(())
}

/// Finds unwritable files before any call is paid for.
fn check_writable(path: &Path) -> Result<(), CommandError> {
    probe_writable(path).map_err(|error| {
        CommandError::usage(format!("cannot write {}: {error}", path.display()))
            .with_hint("use a file in a writable folder")
    })
}

/// Whether the output needs all results in full, including their answers.
pub(super) fn needs_full_results(context: &CommandContext, args: &EvalArgs) -> bool {
    !args.output.is_empty() || context.console.is_verbose() || context.console.is_github_actions()
}

pub(super) fn print_runs(
    context: &CommandContext,
    args: &EvalArgs,
    prepared: &[PreparedRun],
    executed: &EvalExecution,
) -> Result<CommandOutcome, CommandError> {
    let finished = &executed.runs;
    let stopped = match executed.stop_reason {
        None => CommandOutcome::Success,
        Some(RunStopReason::Interrupted) => context.signals.last_outcome(),
        Some(RunStopReason::TooManyErrors(_)) => CommandOutcome::LimitReached,
    };
    let outcome = finished.iter().fold(stopped, |worst, run| worst.max_severity(run_outcome(run)));
    let runs: Vec<EvalRun<'_>> = prepared
        .iter()
        .zip(finished)
        .map(|(prepared, finished)| EvalRun {
            id: &finished.id,
            set: &prepared.set,
            cases: &prepared.cases,
            repeats: prepared.spec.repeat,
            min_pass: prepared.min_pass,
            is_complete: finished.is_complete,
            summaries: &finished.summaries,
            results: &finished.results,
            comparisons: &finished.comparisons,
            gate: &finished.gate,
        })
        .collect();
    warn_cost_limit_reached(context, finished);
    // Write reports first, because the reader of stdout may exit early.
    let mut write_error = None;
    for path in &args.output {
        let Some(format) = ReportFormat::from_path(path) else { continue };
        match replace_file(path, |out| format.write(&runs, outcome.exit_code(), out)) {
            Ok(()) => context.console.note(format_args!("wrote {}", path.display())),
            Err(error) => write_error = Some(format!("cannot write {}: {error}", path.display())),
        }
    }
    for (prepared, run) in prepared.iter().zip(finished) {
        let Some(path) = &args.gate.save_baseline else { continue };
        match save_baseline(context, path, prepared, run) {
            Ok(()) => context.console.note(format_args!("wrote {}", path.display())),
            Err(SaveBaselineError::Rejected(why)) => {
                context.console.warn(baseline_rejection_warning(path, why));
            }
            Err(SaveBaselineError::WriteFailed(error)) => {
                write_error = Some(format!("cannot write {}: {error}", path.display()));
            }
        }
    }
    let in_github = context.console.is_github_actions();
    let text = if args.json {
        let json =
            eval_json(&runs, outcome.exit_code()).map_err(|error| CommandError::from_io(error.into()))?;
        // Inside JSON, the escaped character is equivalent.
        format!("{}\n", if in_github { json.replace("##[", "#\\u0023[") } else { json })
    } else {
        let (widths, verbose) = (context.console.widths(), context.console.is_verbose());
        let tables = runs.iter().map(|run| eval_table(run, widths, verbose)).collect::<Vec<_>>().join("\n");
        if in_github { neutralize_workflow_commands(&tables) } else { tables }
    };
    let outcome = check_printed(context.console.print(&text), outcome)?;
    if in_github {
        github_actions::report_to_github(context, &runs);
    }
    print_missing_results(context, args, prepared, executed);
    match write_error {
        None => Ok(outcome),
        Some(why) => Err(CommandError::new(CommandOutcome::NoAnswer.max_severity(outcome), why)
            .with_hint("run again with another -o file (the results above are valid)")),
    }
}

/// Reports missing results and the command that completes them.
fn print_missing_results(
    context: &CommandContext,
    args: &EvalArgs,
    prepared: &[PreparedRun],
    executed: &EvalExecution,
) {
    let console = &context.console;
    if let Some(reason) = executed.stop_reason {
        console.warn(stop_warning(reason));
    }
    if context.is_ledger_unavailable() {
        return;
    }
    for (prepared, run) in prepared.iter().zip(&executed.runs).filter(|(_, run)| run.missing_results > 0) {
        let limits = limits_to_raise(args, run, executed.stop_reason);
        let command = resume_command_line(args, prepared, run);
        console.note(missing_results_note(run.missing_results, &limits, &command));
    }
    for prepared in &prepared[executed.runs.len()..] {
        console.note(format_args!("not started: {}", prepared.set.path));
    }
}

/// Warns about calls that were not made because of the cost limit.
fn warn_cost_limit_reached(context: &CommandContext, finished: &[FinishedRun]) {
    let results = || finished.iter().flat_map(|run| &run.results);
    // The hit with the highest spending has the latest total.
    if let Some(last) = results().filter_map(|results| results.cost_limit_hit).max_by_key(|hit| hit.spent) {
        let stopped: usize = results().map(|results| results.count_limit_hits(LimitHit::Cost)).sum();
        let all: usize = results().map(|results| results.stats.len()).sum();
        context.console.warn(cost_limit_warning(stopped, all, &last));
    }
}

/// Too many unscored cases give exit code 3, or 4 if the user's time or cost limit caused them. Reaching the
/// cost limit always gives at least 4, however few cases it stopped.
fn run_outcome(run: &FinishedRun) -> CommandOutcome {
    let mut failed =
        if run.gate.violations.is_empty() { CommandOutcome::Success } else { CommandOutcome::GateFailed };
    let hit_limit =
        |limit| run.results.iter().any(|results: &SubjectResults| results.count_limit_hits(limit) > 0);
    if hit_limit(LimitHit::Cost) {
        failed = failed.max_severity(CommandOutcome::LimitReached);
    }
    if run.gate.inconclusive.is_empty() {
        return failed;
    }
    failed.max_severity(if hit_limit(LimitHit::Time) || hit_limit(LimitHit::Cost) {
        CommandOutcome::LimitReached
    } else {
        CommandOutcome::NoAnswer
    })
}
