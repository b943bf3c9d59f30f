//! `slalom eval`: golden sets against models or routes.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::context::{Context, time_limit};
use super::outcome::{CommandError, Outcome, printed};
use super::{call, money, simulator};
use crate::cli::EvalArgs;
use crate::config::{Config, load_set};
use crate::eval::{
    Case, CaseResult, Gate, GateReport, Limit, Quantity, RunOptions, Set, Subject, Summary, judge, run,
};
use crate::route::{Caller, Route, Router, Why};
use crate::view::{EvalProgress, EvalRun, eval_json, eval_table, write_report};

/// One set with everything that was found out before the first call.
struct Prepared {
    set: Set,
    cases: Vec<Case>,
    subjects: Vec<Subject>,
    gate: Option<Gate>,
}

/// What came of a set.
struct Finished {
    id: String,
    summaries: Vec<Summary>,
    results: Vec<Vec<CaseResult>>,
    gate: GateReport,
}

pub(super) async fn eval(context: &Context, args: EvalArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    check_outputs(&args)?;
    // Everything that can be checked is checked before the first call, for all sets.
    let sets: Vec<Set> = args.sets.iter().map(|path| load_set(path)).collect::<Result<_, _>>()?;
    let named: Vec<String> =
        sets.iter().map(|set| names(&args, set, &config)).collect::<Result<Vec<_>, _>>()?.concat();
    let _simulator = simulator::start_if_named(context, &mut config, &named, || replies(&sets)).await?;
    let purse = money::purse(args.max_cost.as_deref())?;
    // One for all sets: what the run may cost, and how often anything is tried again, is counted over all of them.
    let router = context.router(&config).paying_from(purse).patient();
    let prepared: Vec<Prepared> = sets
        .into_iter()
        .map(|set| prepare(context, &args, &config, &router, set))
        .collect::<Result<_, _>>()?;
    if args.dry_run {
        return dry_run(context, &prepared, args.json);
    }
    let options = RunOptions {
        concurrency: usize::from(args.concurrency),
        stream: !args.no_stream,
        timeout: args.timeout.as_deref().map(time_limit).transpose()?,
    };
    let mut finished = Vec::new();
    for prepared in &prepared {
        let run = run_set(context, &router, prepared, &options).await;
        keep_scores(&router, prepared, &run);
        finished.push(run);
    }
    show(context, &args, &prepared, &finished)
}

/// The subjects: as typed, else as the set names them, else the default route.
fn names(args: &EvalArgs, set: &Set, config: &Config) -> Result<Vec<String>, CommandError> {
    let chosen = if args.models.is_empty() { &set.models } else { &args.models };
    let mut seen = std::collections::HashSet::new();
    let mut names: Vec<String> = chosen.iter().filter(|name| seen.insert(*name)).cloned().collect();
    if names.is_empty() {
        let route = config.default_route.as_ref().ok_or_else(|| {
            CommandError::usage(format!("{} names no models, and there is no default route", set.path))
                .hint("name one with -m")
        })?;
        names.push(format!("route:{route}"));
    }
    Ok(names)
}

/// What the simulator's models say: plain pairs of prompt and reply.
fn replies(sets: &[Set]) -> HashMap<String, String> {
    let cases = sets.iter().flat_map(|set| &set.cases);
    cases.filter_map(|case| Some((case.request.last_user_text(), case.reference.clone()?))).collect()
}

fn prepare(
    context: &Context,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    set: Set,
) -> Result<Prepared, CommandError> {
    let cases = chosen_cases(args, &set)?;
    let gate = gate(args, &set)?;
    if let Some(case) = asking_for(&cases, Quantity::FirstTokenMilliseconds).filter(|_| args.no_stream) {
        let message = format!(
            "{}: case `{}` limits the time to the first token, which only a stream has",
            set.path, case.id
        );
        return Err(
            CommandError::usage(message).hint("leave --no-stream out, or the `first-token` assertion")
        );
    }
    let environment = context.environment();
    let mut subjects = Vec::new();
    for name in names(args, &set, config)? {
        let from_set = args.models.is_empty();
        let subject = config.subject(&name, &environment).map_err(|error| {
            let place = if from_set { format!("{}, under `models:`: ", set.path) } else { String::new() };
            CommandError { error: anyhow::anyhow!("{place}{error}"), ..CommandError::from(error) }
        })?;
        let plan = router.plan(&subject.route, &cases[0].request, &Caller::default());
        call::check_callable(context, &subject.route, &plan, false)?;
        check_prices(&set, &cases, &name, &subject.route)?;
        money::check_priced(&plan, router.purse())?;
        subjects.push(Subject { name, route: subject.route });
    }
    Ok(Prepared { set, cases, subjects, gate })
}

fn chosen_cases(args: &EvalArgs, set: &Set) -> Result<Vec<Case>, CommandError> {
    let filter = args
        .filter
        .as_deref()
        .map(regex::Regex::new)
        .transpose()
        .map_err(|error| CommandError::usage(format!("--filter is no regular expression: {error}")))?;
    let wanted = |case: &&Case| {
        filter.as_ref().is_none_or(|filter| filter.is_match(&case.id))
            && (args.tags.is_empty() || args.tags.iter().any(|tag| case.tags.contains(tag)))
    };
    let cases: Vec<Case> = set.cases.iter().filter(wanted).cloned().collect();
    if !cases.is_empty() {
        return Ok(cases);
    }
    let mut tags: Vec<&str> = set.cases.iter().flat_map(|c| c.tags.iter().map(String::as_str)).collect();
    tags.sort_unstable();
    tags.dedup();
    Err(CommandError::usage(format!(
        "the filter selects none of the {} cases of {}",
        set.cases.len(),
        set.path
    ))
    .hint(format!("ids look like `{}`; the tags are {}", set.cases[0].id, tags.join(", "))))
}

/// The set's gate, with what was typed in place of what is written.
fn gate(args: &EvalArgs, set: &Set) -> Result<Option<Gate>, CommandError> {
    let share = |value: Option<f64>, name: &str| match value {
        Some(floor) if !(0.0..=1.0).contains(&floor) => {
            Err(CommandError::usage(format!("--{name} must be between 0 and 1, not {floor}")))
        }
        value => Ok(value),
    };
    let typed = Gate {
        min_pass_rate: share(args.min_pass_rate, "min-pass-rate")?,
        min_score: share(args.min_score, "min-score")?,
        max_unscored: args
            .max_unscored
            .as_deref()
            .map(str::parse::<Limit>)
            .transpose()
            .map_err(CommandError::usage)?,
    };
    let written = set.gate.clone().unwrap_or_default();
    let gate = Gate {
        min_pass_rate: typed.min_pass_rate.or(written.min_pass_rate),
        min_score: typed.min_score.or(written.min_score),
        max_unscored: typed.max_unscored.or(written.max_unscored),
    };
    Ok(Some(gate).filter(|gate| *gate != Gate::default()))
}

/// The first case that has an assertion about this figure of its call.
fn asking_for(cases: &[Case], quantity: Quantity) -> Option<&Case> {
    cases.iter().find(|case| case.assertions.iter().any(|assertion| assertion.asks_for(quantity)))
}

/// A limit on cost cannot be held against a model whose price nobody knows.
fn check_prices(set: &Set, cases: &[Case], name: &str, route: &Route) -> Result<(), CommandError> {
    let Some(case) = asking_for(cases, Quantity::CostUsd) else { return Ok(()) };
    for candidate in &route.candidates {
        let price = candidate
            .target
            .as_ref()
            .ok()
            .map(|target| target.facts.as_ref().map(|f| f.price.base).unwrap_or_default());
        if price.is_some_and(|price| price.input.is_none() || price.output.is_none()) {
            return Err(CommandError::usage(format!(
                "{}: case `{}` limits the cost, and the price of {} (subject {name}) is unknown",
                set.path, case.id, candidate.model_ref
            ))
            .hint("say the price under `models:` in routes.yaml, or leave the `cost` assertion out"));
        }
    }
    Ok(())
}

fn check_outputs(args: &EvalArgs) -> Result<(), CommandError> {
    for path in &args.output {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if !matches!(extension.as_deref(), Some("json" | "csv")) {
            return Err(CommandError::usage(format!(
                "{} says no form that a report can have",
                path.display()
            ))
            .hint("name a file that ends in .json or .csv"));
        }
        // Opening it changes nothing that is there, and says now what would else be said after everything was paid for.
        let existed = path.exists();
        std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            CommandError::usage(format!("{} cannot be written: {error}", path.display()))
                .hint("name a file in a folder that you may write to")
        })?;
        if !existed {
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(())
}

fn dry_run(context: &Context, prepared: &[Prepared], json: bool) -> Result<Outcome, CommandError> {
    let mut text = String::new();
    let mut plans = Vec::new();
    for Prepared { set, cases, subjects, .. } in prepared {
        let names: Vec<&str> = subjects.iter().map(|s| s.name.as_str()).collect();
        let (calls, first, request) = (cases.len() * names.len(), &cases[0].id, &cases[0].request);
        let prompt = request.last_user_text();
        plans.push(serde_json::json!({
            "set": set.name, "cases": cases.len(), "subjects": names, "calls": calls,
            "first": {"case": first, "system": request.system, "prompt": prompt},
        }));
        let system = request.system.as_ref().map(|s| format!("[system]\n{s}\n")).unwrap_or_default();
        text += &format!(
            "{}: {} cases × {} = {calls} calls\nfirst case `{first}`:\n{system}[user]\n{prompt}\nnothing was sent\n",
            set.name,
            cases.len(),
            names.join(", "),
        );
    }
    if json {
        text = format!("{}\n", serde_json::json!({"schema": "slalom.eval-plan/1", "runs": plans}));
    }
    printed(context.console.out(&text), Outcome::Done)
}

async fn run_set(context: &Context, router: &Router, prepared: &Prepared, options: &RunOptions) -> Finished {
    let progress = EvalProgress::new(&context.console);
    let runs = prepared.subjects.iter().map(|subject| {
        let mut bar = progress.subject(&subject.name, prepared.cases.len());
        async move { run(router, subject, &prepared.cases, options, &mut bar).await }
    });
    let results: Vec<Vec<CaseResult>> = join_all(runs).await;
    progress.clear();
    let summaries: Vec<Summary> = prepared
        .subjects
        .iter()
        .zip(&results)
        .map(|(subject, results)| {
            let mut targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.any(|target| target.provider.simulated);
            Summary::of(&subject.name, simulated, results)
        })
        .collect();
    let gate = judge(prepared.gate.as_ref(), &summaries);
    Finished { id: context.new_id(), summaries, results, gate }
}

/// Keeps how models did, for routes that want to know. Only a run of the whole set says that.
fn keep_scores(router: &Router, prepared: &Prepared, run: &Finished) {
    let whole = prepared.cases.len() == prepared.set.cases.len() && run.gate.unsound.is_empty();
    let Some(path) = std::fs::canonicalize(&prepared.set.path).ok().filter(|_| whole) else { return };
    for (subject, summary) in prepared.subjects.iter().zip(&run.summaries) {
        if let (None, [candidate]) = (&subject.route.name, subject.route.candidates.as_slice()) {
            router.health().keep_score(
                &path,
                &prepared.set.digest,
                &candidate.model_ref,
                summary.passed,
                summary.failed,
            );
        }
    }
}

fn show(
    context: &Context,
    args: &EvalArgs,
    prepared: &[Prepared],
    finished: &[Finished],
) -> Result<Outcome, CommandError> {
    let outcome = finished.iter().fold(Outcome::Done, |worst, run| worst.worse(outcome_of(run)));
    let runs: Vec<EvalRun<'_>> = prepared
        .iter()
        .zip(finished)
        .map(|(prepared, finished)| EvalRun {
            id: &finished.id,
            set: &prepared.set,
            cases: prepared.cases.len(),
            summaries: &finished.summaries,
            results: &finished.results,
            gate: &finished.gate,
        })
        .collect();
    warn_of_money(context, finished);
    // Reports come first: whoever reads stdout may go away early.
    let mut unwritten = None;
    for path in &args.output {
        match write_report(path, &runs, outcome.code()) {
            Ok(()) => context.console.note(format_args!("written: {}", path.display())),
            Err(error) => unwritten = Some(format!("{} cannot be written: {error}", path.display())),
        }
    }
    let text = if args.json {
        format!("{}\n", eval_json(&runs, outcome.code(), false))
    } else {
        let (width, verbose) = (context.console.width(), context.console.is_verbose());
        runs.iter().map(|run| eval_table(run, width, verbose)).collect::<Vec<_>>().join("\n")
    };
    let outcome = printed(context.console.out(&text), outcome)?;
    match unwritten {
        None => Ok(outcome),
        Some(why) => Err(CommandError::no_answer(Outcome::NoAnswer.worse(outcome), why)
            .hint("the figures above stand; run again with another -o for the report")),
    }
}

/// Says how many calls were not made for want of money.
fn warn_of_money(context: &Context, finished: &[Finished]) {
    let over = |result: &CaseResult| match result.limit {
        Some(Why::Over(over)) => Some(over),
        _ => None,
    };
    let results = || finished.iter().flat_map(|run| run.results.iter().flatten());
    // The last one knows best what was spent.
    if let Some(last) = results().filter_map(over).max_by_key(|over| over.spent) {
        let (stopped, all) = (results().filter_map(over).count(), results().count());
        context.console.warn(format_args!("{stopped} of {all} cases were stopped: {last}"));
    }
}

/// Too many unscored cases are no answer, or, where the caller's own limit cut them, that limit's. A run that money
/// stopped was stopped, however few its cases were.
fn outcome_of(run: &Finished) -> Outcome {
    let mut failed = if run.gate.reasons.is_empty() { Outcome::Done } else { Outcome::GateFailed };
    if run.results.iter().flatten().any(|result| matches!(result.limit, Some(Why::Over(_)))) {
        failed = failed.worse(Outcome::Limit);
    }
    if run.gate.unsound.is_empty() {
        return failed;
    }
    let cut = run.results.iter().flatten().any(|result| result.limit.is_some());
    failed.worse(if cut { Outcome::Limit } else { Outcome::NoAnswer })
}
