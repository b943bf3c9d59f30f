//! The calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::baseline::compare;
use super::hold::Hold;
use super::outputs::wants_results;
use super::resume::path_of;
use super::{Against, CommandError, Context, Prepared};
use crate::cli::EvalArgs;
use crate::command::context::time_limit;
use crate::eval::{
    Bench, Cache, Comparison, GateReport, Halt, Jury, Keep, Lanes, Results, RunOptions, Stop, Summary,
    forget_old_answers, judge, run, take_up,
};
use crate::ledger::RunRow;
use crate::route::{Router, Tell};
use crate::view::{Console, EvalProgress, SHOWN};

/// Calls in flight may take so long to end when a run ends early.
const GRACE: Duration = Duration::from_secs(5);

/// What came of a set.
pub(super) struct Finished {
    pub(super) id: String,
    pub(super) summaries: Vec<Summary>,
    pub(super) results: Vec<Results>,
    /// How subjects stand to the baseline.
    pub(super) comparisons: Vec<Comparison>,
    pub(super) gate: GateReport,
    /// Results that it does not have, or that could not be scored.
    pub(super) missing: usize,
    /// Whether every case was run.
    pub(super) is_whole: bool,
}

/// What came of all sets.
pub(super) struct Executed {
    pub(super) finished: Vec<Finished>,
    /// Why it ended early, if it did.
    pub(super) stopped: Option<Stop>,
}

pub(super) async fn execute(
    context: &Context,
    args: &EvalArgs,
    router: &Router,
    jury: &Jury,
    prepared: &[Prepared],
    resumed: Option<(RunRow, Hold)>,
) -> Result<Executed, CommandError> {
    let timeout = args.timeout.as_deref().map(time_limit).transpose()?;
    let halt = Halt::new(args.max_errors);
    let lanes = Lanes::new(args.concurrency.map(usize::from));
    let console = context.console;
    let tell: Tell = Arc::new(move |words: &str| console.warn(words));
    let bench = Bench { router, lanes: &lanes, halt: &halt, jury, tell: &tell };
    let mut signals = context.signals.listen();
    forget_old_answers(router);
    let mut resumed = resumed;
    let work = async {
        let mut finished = Vec::new();
        for prepared in prepared {
            if !halt.goes_on() {
                break;
            }
            // A run that goes on goes by what it has, and not by what others have.
            let goes_on = resumed.is_some();
            let reads = prepared.cache.reads && (!goes_on || args.cache);
            let (row, hold) = begin(context, router, prepared, resumed.take());
            let options = RunOptions {
                goes_on,
                run: row.id,
                repeats: prepared.choice.selection.repeat,
                stream: !args.no_stream,
                timeout,
                cache: Cache { reads, ..prepared.cache },
                keep: if wants_results(context, args) || prepared.min_pass.is_some() {
                    Keep::All
                } else {
                    Keep::FirstNotPassed(SHOWN)
                },
            };
            let run = run_set(context, bench, prepared, &options, &hold).await;
            keep_scores(router, jury, prepared, &run);
            finished.push(run);
        }
        finished
    };
    let finished = tokio::select! {
        biased;
        finished = work => finished,
        never = watch_over(&halt, &mut signals, context.console) => match never {},
    };
    Ok(Executed { finished, stopped: halt.why() })
}

/// Ends the run when its user wants that, and lets go of what takes too long to end then.
async fn watch_over(halt: &Halt, signals: &mut watch::Receiver<u32>, console: Console) -> Infallible {
    tokio::select! {
        () = halt.ending() => {}
        Ok(()) = signals.changed() => {
            console.note(format_args!(
                "ending: calls in flight have {} s to come to their end; Ctrl-C again lets them go",
                GRACE.as_secs()
            ));
            halt.end(Stop::Interrupted);
        }
    }
    tokio::select! {
        () = sleep(GRACE) => {}
        Ok(()) = signals.changed() => {}
    }
    halt.end_now();
    std::future::pending().await
}

/// Writes down that a run begins, or that one goes on.
fn begin(
    context: &Context,
    router: &Router,
    prepared: &Prepared,
    resumed: Option<(RunRow, Hold)>,
) -> (RunRow, Hold) {
    let (set, choice, health) = (&prepared.set, &prepared.choice, router.health());
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let (row, held) = match resumed {
        Some((row, hold)) => (RunRow { set_digest: set.digest.clone(), ..row }, Some(hold)),
        None => (
            RunRow {
                id: context.new_id(),
                set_name: set.name.clone(),
                set_path: path_of(set),
                set_digest: set.digest.clone(),
                subjects: json(serde_json::to_string(&choice.subjects)),
                options: json(serde_json::to_string(&choice.selection)),
                begun: health.now(),
                finished: 0,
            },
            None,
        ),
    };
    let put = row.clone();
    health.ledger().post(move |rows| rows.put_run(&put));
    let hold = held.unwrap_or_else(|| Hold::begin(context, health, &row.id));
    (row, hold)
}

async fn run_set(
    context: &Context,
    bench: Bench<'_>,
    prepared: &Prepared,
    options: &RunOptions,
    hold: &Hold,
) -> Finished {
    let progress = EvalProgress::new(&context.console);
    let Prepared { set, subjects, .. } = prepared;
    let mut changed: Vec<String> = Vec::new();
    let runs: Vec<_> = subjects
        .iter()
        .map(|subject| {
            let cases = prepared.cases_of(subject);
            let mut bar = progress.subject(&subject.name, prepared.results());
            let takes_cached = prepared.cache.reads;
            let mut taken = take_up(bench.router, &subject.name, &cases, options, takes_cached, &mut bar);
            changed.append(&mut taken.changed);
            async move { run(bench, subject, &cases, options, taken, &mut bar).await }
        })
        .collect();
    changed.sort_unstable();
    changed.dedup();
    if !changed.is_empty() {
        context.console.warn(format_args!(
            "{} changed since the run began; these cases are run anew: {}",
            set.path,
            changed.join(", ")
        ));
    }
    let results: Vec<Results> = tokio::select! {
        results = join_all(runs) => results,
        never = hold.keep() => match never {},
    };
    progress.clear();
    let clusters = prepared.cases.clusters();
    let summaries: Vec<Summary> = subjects
        .iter()
        .zip(&results)
        .map(|(subject, results)| {
            let mut targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.any(|target| target.provider.simulated);
            let kin = bench.jury.kin(&subject.route, &prepared.cases.asked_models().judges);
            let (clusters, figures) = (clusters.as_deref(), results.figures.as_slice());
            let summary = Summary::of(&subject.name, simulated, clusters, figures, prepared.min_pass);
            Summary { judging: results.judging, kin, ..summary }
        })
        .collect();
    let comparisons = compare(context, prepared, &options.run, &results);
    let against = prepared.choice.against.as_ref();
    let baseline = against.and_then(Against::subject);
    let mut gate = judge(&prepared.gate, &summaries, baseline, &comparisons);
    let mut missing = 0;
    for (subject, results) in subjects.iter().zip(&results) {
        let run = results.figures.len();
        missing += prepared.results() - results.scored();
        if run < prepared.results() {
            let words = format!("{}: {run} of {} were run", subject.name, prepared.results());
            gate.unsound.push(words);
        }
    }
    let is_whole = results.iter().all(|results| results.figures.len() == prepared.results());
    if missing == 0 {
        let health = bench.router.health();
        let (run, now) = (options.run.clone(), health.now());
        health.ledger().post(move |rows| rows.finish_run(&run, now));
    }
    Finished { id: options.run.clone(), summaries, results, comparisons, gate, missing, is_whole }
}

/// Whether its figures say how a subject does now: answers from before do not, nor does what a simulated judge thinks of a
/// real model.
pub(super) fn is_measured(jury: &Jury, summary: &Summary) -> bool {
    let is_rehearsed = jury.is_simulated() && summary.judging.calls > 0 && !summary.simulated;
    summary.cached == 0 && !is_rehearsed
}

/// Keeps how models did, for routes that want to know. Only a run of the whole set says that, and where it compares prompts,
/// none does: a model would be as good as the prompt that came last.
fn keep_scores(router: &Router, jury: &Jury, prepared: &Prepared, run: &Finished) {
    let whole = prepared.is_whole_set && prepared.set.prompts.is_empty() && run.gate.unsound.is_empty();
    let Some(path) = std::fs::canonicalize(&prepared.set.path).ok().filter(|_| whole) else { return };
    for (subject, summary) in prepared.subjects.iter().zip(&run.summaries) {
        if let (None, [candidate], true) =
            (&subject.route.name, subject.route.candidates.as_slice(), is_measured(jury, summary))
        {
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
