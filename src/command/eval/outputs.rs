//! What is printed and written of a run, and how the command ends.

use super::baseline::{NotSaved, save};
use super::execute::{Executed, Finished};
use super::{CommandError, Context, Outcome, Prepared, github};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::chat::counted;
use crate::cli::EvalArgs;
use crate::command::outcome::printed;
use crate::eval::{Cut, Results, Set, Stop};
use crate::view::{EvalRun, Form, defused, eval_json, eval_table, replace_file, writable};

/// Whether all reports can be written, before anything is paid for.
pub(super) fn check(context: &Context, args: &EvalArgs, sets: &[Set]) -> Result<(), CommandError> {
    spare_inputs(context, args, sets)?;
    if args.gate.save_baseline.is_some() && args.sets.len() > 1 {
        return Err(CommandError::usage("--save-baseline keeps one set")
            .hint("run the sets one by one, each with a file of its own"));
    }
    if let Some(path) = &args.gate.save_baseline {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return Err(CommandError::usage(format!("{} would not be known as a baseline", path.display()))
                .hint("name a file that ends in .json: that is how --baseline knows one"));
        }
        check_writable(path)?;
    }
    for path in &args.output {
        let shown = path.display();
        if path.as_os_str() == "-" {
            return Err(CommandError::usage("`-o -` says no form that a report can have").hint(format!(
                "--json prints JSON to standard output; a report goes to a file that ends in {}",
                Form::EXTENSIONS
            )));
        }
        if Form::of(path).is_none() {
            let message = format!("{shown} says no form that a report can have");
            let hint = format!("name a file that ends in {}", Form::EXTENSIONS);
            return Err(CommandError::usage(message).hint(hint));
        }
        check_writable(path)?;
    }
    Ok(())
}

/// No report takes the place of what the command reads, nor of another report.
fn spare_inputs(context: &Context, args: &EvalArgs, sets: &[Set]) -> Result<(), CommandError> {
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
        let wrong = |why: &str| Err(CommandError::usage(format!("{} {why}", path.display())).hint(hint));
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
    writable(path).map_err(|error| {
        CommandError::usage(format!("{} cannot be written: {error}", path.display()))
            .hint("name a file in a folder that you may write to")
    })
}

/// Whether anything that is shown at the end wants all results whole, with their answers.
pub(super) fn wants_results(context: &Context, args: &EvalArgs) -> bool {
    !args.output.is_empty() || context.console.is_verbose() || context.console.is_in_github()
}

/// Prints the tables and writes the reports.
pub(super) fn show(
    context: &Context,
    args: &EvalArgs,
    prepared: &[Prepared],
    executed: &Executed,
) -> Result<Outcome, CommandError> {
    let finished = &executed.finished;
    let stopped = match executed.stopped {
        None => Outcome::Done,
        Some(Stop::Interrupted) => context.signals.last(),
        Some(Stop::Errors(_)) => Outcome::Limit,
    };
    let outcome = finished.iter().fold(stopped, |worst, run| worst.worse(outcome_of(run)));
    let runs: Vec<EvalRun<'_>> = prepared
        .iter()
        .zip(finished)
        .map(|(prepared, finished)| EvalRun {
            id: &finished.id,
            set: &prepared.set,
            cases: &prepared.cases,
            repeats: prepared.choice.selection.repeat,
            min_pass: prepared.min_pass,
            is_whole: finished.is_whole,
            summaries: &finished.summaries,
            results: &finished.results,
            comparisons: &finished.comparisons,
            gate: &finished.gate,
        })
        .collect();
    warn_of_money(context, finished);
    // Reports come first: whoever reads stdout may go away early.
    let mut unwritten = None;
    for path in &args.output {
        let Some(form) = Form::of(path) else { continue };
        match replace_file(path, |out| form.write(&runs, outcome.code(), out)) {
            Ok(()) => context.console.note(format_args!("written: {}", path.display())),
            Err(error) => unwritten = Some(format!("{} cannot be written: {error}", path.display())),
        }
    }
    for (prepared, run) in prepared.iter().zip(finished) {
        match (save(context, args, prepared, run), &args.gate.save_baseline) {
            (Ok(()), Some(path)) => context.console.note(format_args!("written: {}", path.display())),
            (Ok(()), None) => {}
            (Err(NotSaved::Unfit(why)), _) => context.console.warn(why),
            (Err(NotSaved::Unwritten(why)), _) => unwritten = Some(why),
        }
    }
    let in_github = context.console.is_in_github();
    let text = if args.json {
        let json = eval_json(&runs, outcome.code()).map_err(|error| CommandError::internal(error.into()))?;
        // Within JSON, what stands for a character means the same as the character.
        format!("{}\n", if in_github { json.replace("##[", "#\\u0023[") } else { json })
    } else {
        let (room, verbose) = (context.console.room(), context.console.is_verbose());
        let tables = runs.iter().map(|run| eval_table(run, room, verbose)).collect::<Vec<_>>().join("\n");
        if in_github { defused(&tables) } else { tables }
    };
    let outcome = printed(context.console.out(&text), outcome)?;
    if in_github {
        github::tell(context, &runs);
    }
    tell_of_rest(context, args, prepared, executed);
    match unwritten {
        None => Ok(outcome),
        Some(why) => Err(CommandError::no_answer(Outcome::NoAnswer.worse(outcome), why)
            .hint("the figures above stand; run again with another -o for the report")),
    }
}

/// The command that goes on with a run: as it was typed, so that it is judged as it was meant to be, with the id of the run.
fn going_on(args: &EvalArgs, prepared: &Prepared, run: &Finished) -> String {
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
fn tell_of_rest(context: &Context, args: &EvalArgs, prepared: &[Prepared], executed: &Executed) {
    let console = &context.console;
    match executed.stopped {
        Some(Stop::Interrupted) => console.warn("interrupted; every result that arrived is kept"),
        Some(Stop::Errors(errors)) => console
            .warn(format_args!("stopped by --max-errors: {} could not be scored", counted(errors, "answer"))),
        None => {}
    }
    if context.ledger_is_broken() {
        return;
    }
    for (prepared, run) in prepared.iter().zip(&executed.finished).filter(|(_, run)| run.missing > 0) {
        console.note(format_args!(
            "{} missing; to get {}: {}",
            counted(run.missing, "result"),
            if run.missing == 1 { "it" } else { "them" },
            going_on(args, prepared, run)
        ));
    }
    for prepared in &prepared[executed.finished.len()..] {
        console.note(format_args!("not begun: {}", prepared.set.path));
    }
}

/// Says how many calls were not made for want of money.
fn warn_of_money(context: &Context, finished: &[Finished]) {
    let results = || finished.iter().flat_map(|run| &run.results);
    // The last one knows best what was spent.
    if let Some(last) = results().filter_map(|of| of.over).max_by_key(|over| over.spent) {
        let stopped: usize = results().map(|of| of.cut_by(Cut::Money)).sum();
        let all: usize = results().map(|of| of.figures.len()).sum();
        let were = if stopped == 1 { "was" } else { "were" };
        context.console.warn(format_args!("{stopped} of {} {were} stopped: {last}", counted(all, "case")));
    }
}

/// Too many unscored cases are no answer, or, where the caller's own limit cut them, that limit's. A run that money
/// stopped was stopped, however few its cases were.
fn outcome_of(run: &Finished) -> Outcome {
    let mut failed = if run.gate.reasons.is_empty() { Outcome::Done } else { Outcome::GateFailed };
    let cut_by = |cut| run.results.iter().any(|results: &Results| results.cut_by(cut) > 0);
    if cut_by(Cut::Money) {
        failed = failed.worse(Outcome::Limit);
    }
    if run.gate.unsound.is_empty() {
        return failed;
    }
    failed.worse(if cut_by(Cut::Time) || cut_by(Cut::Money) { Outcome::Limit } else { Outcome::NoAnswer })
}
