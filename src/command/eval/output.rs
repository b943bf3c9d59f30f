//! What is printed and written of a run, and how the command ends.

use super::baseline::{SaveBaselineError, save_baseline};
use super::execute::{EvalExecution, FinishedRun};
use super::{CommandContext, CommandError, CommandOutcome, PreparedRun, github_actions};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::command::outcome::check_printed;
use crate::eval::{GoldenSet, LimitHit, RunStopReason, SubjectResults};
use crate::view::{
    EvalRun, ReportFormat, eval_json, eval_table, neutralize_workflow_commands, probe_writable, replace_file,
};

/// Whether all reports can be written, before anything is paid for.
pub(super) fn check_output_paths(
    context: &CommandContext,
    args: &EvalArgs,
    sets: &[GoldenSet],
) -> Result<(), CommandError> {
    check_no_input_overwritten(context, args, sets)?;
    if args.gate.save_baseline.is_some() && args.sets.len() > 1 {
        return Err(CommandError::usage("--save-baseline keeps one set")
            .with_hint("run the sets one by one, each with a file of its own"));
    }
    if let Some(path) = &args.gate.save_baseline {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return Err(CommandError::usage(format!("{} would not be known as a baseline", path.display()))
                .with_hint("name a file that ends in .json: that is how --baseline knows one"));
        }
        check_writable(path)?;
    }
    for path in &args.output {
        let shown = path.display();
        if path.as_os_str() == "-" {
            return Err(CommandError::usage("`-o -` says no form that a report can have").with_hint(
                format!(
                    "--json prints JSON to standard output; a report goes to a file that ends in {}",
                    ReportFormat::EXTENSIONS
                ),
            ));
        }
        if ReportFormat::from_path(path).is_none() {
            let message = format!("{shown} says no form that a report can have");
            let hint = format!("name a file that ends in {}", ReportFormat::EXTENSIONS);
            return Err(CommandError::usage(message).with_hint(hint));
        }
        check_writable(path)?;
    }
    Ok(())
}

/// No report takes the place of what the command reads, nor of another report.
fn check_no_input_overwritten(
    context: &CommandContext,
    args: &EvalArgs,
    sets: &[GoldenSet],
) -> Result<(), CommandError> {
    let mut inputs: Vec<&Path> =
        sets.iter().flat_map(|set| &set.files).map(|file| Path::new(&**file)).collect();
    let (ledger, baseline) = (context.ledger_path(), args.gate.baseline.as_deref().map(Path::new));
    inputs.extend(ledger.as_deref());
    let whole = |path: &Path| path.canonicalize().ok();
    let inputs: HashSet<PathBuf> = inputs.into_iter().filter_map(whole).collect();
    let mut taken: HashSet<PathBuf> = HashSet::new();
    for path in args.output.iter().chain(&args.gate.save_baseline) {
        let file = whole(path).unwrap_or_else(|| path.clone());
        // A baseline may be replaced by a newer one, and by nothing else.
        let is_baseline = baseline.and_then(whole).is_some_and(|own| own == file);
        let hint = "name another file";
        let wrong = |why: &str| Err(CommandError::usage(format!("{} {why}", path.display())).with_hint(hint));
        if inputs.contains(&file) || is_baseline && args.output.contains(path) {
            return wrong("is read by this command, and would be overwritten");
        }
        if !taken.insert(file) {
            return wrong("is named for two files");
        }
    }
    Ok(())
}

/// Says now what would else be said after everything was paid for.
fn check_writable(path: &Path) -> Result<(), CommandError> {
    probe_writable(path).map_err(|error| {
        CommandError::usage(format!("{} cannot be written: {error}", path.display()))
            .with_hint("name a file in a folder that you may write to")
    })
}

/// Whether anything that is shown at the end wants all results whole, with their answers.
pub(super) fn needs_full_results(context: &CommandContext, args: &EvalArgs) -> bool {
    !args.output.is_empty() || context.console.is_verbose() || context.console.is_github_actions()
}

/// Prints the tables and writes the reports.
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
            repeats: prepared.spec.selection.repeat,
            min_pass: prepared.min_pass,
            is_complete: finished.is_complete,
            summaries: &finished.summaries,
            results: &finished.results,
            comparisons: &finished.comparisons,
            gate: &finished.gate,
        })
        .collect();
    warn_cost_limit_reached(context, finished);
    // Reports come first: whoever reads stdout may go away early.
    let mut unwritten = None;
    for path in &args.output {
        let Some(form) = ReportFormat::from_path(path) else { continue };
        match replace_file(path, |out| form.write(&runs, outcome.exit_code(), out)) {
            Ok(()) => context.console.note(format_args!("written: {}", path.display())),
            Err(error) => unwritten = Some(format!("{} cannot be written: {error}", path.display())),
        }
    }
    for (prepared, run) in prepared.iter().zip(finished) {
        match (save_baseline(context, args, prepared, run), &args.gate.save_baseline) {
            (Ok(()), Some(path)) => context.console.note(format_args!("written: {}", path.display())),
            (Ok(()), None) => {}
            (Err(SaveBaselineError::Rejected(why)), _) => context.console.warn(why),
            (Err(SaveBaselineError::WriteFailed(why)), _) => unwritten = Some(why),
        }
    }
    let in_github = context.console.is_github_actions();
    let text = if args.json {
        let json =
            eval_json(&runs, outcome.exit_code()).map_err(|error| CommandError::from_io(error.into()))?;
        // Within JSON, what stands for a character means the same as the character.
        format!("{}\n", if in_github { json.replace("##[", "#\\u0023[") } else { json })
    } else {
        let (room, verbose) = (context.console.widths(), context.console.is_verbose());
        let tables = runs.iter().map(|run| eval_table(run, room, verbose)).collect::<Vec<_>>().join("\n");
        if in_github { neutralize_workflow_commands(&tables) } else { tables }
    };
    let outcome = check_printed(context.console.print(&text), outcome)?;
    if in_github {
        github_actions::report_to_github(context, &runs);
    }
    print_missing_results(context, args, prepared, executed);
    match unwritten {
        None => Ok(outcome),
        Some(why) => Err(CommandError::new(CommandOutcome::NoAnswer.max_severity(outcome), why)
            .with_hint("the figures above stand; run again with another -o for the report")),
    }
}

/// The command that goes on with a run: as it was typed, so that it is judged as it was meant to be, with the id of the run.
fn resume_command_line(args: &EvalArgs, prepared: &PreparedRun, run: &FinishedRun) -> String {
    let own = &prepared.set.path;
    let is_set = |word: &str| args.sets.iter().any(|set| set.to_string_lossy() == word);
    let mut typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).peekable();
    let mut words = vec!["slalom".to_owned()];
    while let Some(word) = typed.next() {
        match word.as_str() {
            "eval" if !words.contains(own) => {
                words.extend([word, own.clone(), "--resume".to_owned(), run.id.clone()]);
            }
            // It may have been gone on with before, by its id or as the newest one.
            "--resume" => drop(typed.next_if(|next| ulid::Ulid::from_string(next).is_ok())),
            word if word.starts_with("--resume=") || is_set(word) => {}
            _ => words.push(word),
        }
    }
    shell_words::join(words)
}

/// Says what is missing, and how to get it.
fn print_missing_results(
    context: &CommandContext,
    args: &EvalArgs,
    prepared: &[PreparedRun],
    executed: &EvalExecution,
) {
    let console = &context.console;
    match executed.stop_reason {
        Some(RunStopReason::Interrupted) => console.warn("interrupted; every result that arrived is kept"),
        Some(RunStopReason::TooManyErrors(errors)) => console.warn(format_args!(
            "stopped by --max-errors: {} could not be scored",
            pluralize(errors, "answer")
        )),
        None => {}
    }
    if context.is_ledger_unavailable() {
        return;
    }
    for (prepared, run) in prepared.iter().zip(&executed.runs).filter(|(_, run)| run.missing_results > 0) {
        console.note(format_args!(
            "{} missing; to get {}: {}",
            pluralize(run.missing_results, "result"),
            if run.missing_results == 1 { "it" } else { "them" },
            resume_command_line(args, prepared, run)
        ));
    }
    for prepared in &prepared[executed.runs.len()..] {
        console.note(format_args!("not begun: {}", prepared.set.path));
    }
}

/// Says how many calls were not made for want of money.
fn warn_cost_limit_reached(context: &CommandContext, finished: &[FinishedRun]) {
    let results = || finished.iter().flat_map(|run| &run.results);
    // The last one knows best what was spent.
    if let Some(last) = results().filter_map(|of| of.cost_limit_hit).max_by_key(|over| over.spent) {
        let stopped: usize = results().map(|of| of.count_limit_hits(LimitHit::Cost)).sum();
        let all: usize = results().map(|of| of.stats.len()).sum();
        let were = if stopped == 1 { "was" } else { "were" };
        context.console.warn(format_args!("{stopped} of {} {were} stopped: {last}", pluralize(all, "case")));
    }
}

/// Too many unscored cases are no answer, or, where the caller's own limit cut them, that limit's. A run that money
/// stopped was stopped, however few its cases were.
fn run_outcome(run: &FinishedRun) -> CommandOutcome {
    let mut failed =
        if run.gate.reasons.is_empty() { CommandOutcome::Success } else { CommandOutcome::GateFailed };
    let cut_by = |cut| run.results.iter().any(|results: &SubjectResults| results.count_limit_hits(cut) > 0);
    if cut_by(LimitHit::Cost) {
        failed = failed.max_severity(CommandOutcome::LimitReached);
    }
    if run.gate.inconclusive.is_empty() {
        return failed;
    }
    failed.max_severity(if cut_by(LimitHit::Time) || cut_by(LimitHit::Cost) {
        CommandOutcome::LimitReached
    } else {
        CommandOutcome::NoAnswer
    })
}
