//! The calls.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::baseline::compare_with_baseline;
use super::output::needs_full_results;
use super::resume::canonical_set_path;
use super::run_lease::RunLease;
use super::{BaselineSource, CommandContext, CommandError, PreparedRun};
use crate::cli::EvalArgs;
use crate::command::context::parse_timeout;
use crate::eval::{
    BaselineComparison, CachePolicy, GateReport, Graders, ProviderSlots, ResultRetention, RunContext,
    RunOptions, RunStopReason, StopSignal, SubjectResults, SubjectSummary, evaluate_gate, load_resumed_run,
    remove_expired_answers, run_subject,
};
use crate::ledger::RunRow;
use crate::route::{Router, WarningFn};
use crate::view::{Console, DEFAULT_SHOWN_CASES, EvalProgress};

/// Calls in flight may take so long to end when a run ends early.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// What came of a set.
pub(super) struct FinishedRun {
    pub(super) id: String,
    pub(super) summaries: Vec<SubjectSummary>,
    pub(super) results: Vec<SubjectResults>,
    /// How subjects stand to the baseline.
    pub(super) comparisons: Vec<BaselineComparison>,
    pub(super) gate: GateReport,
    /// Results that it does not have, or that could not be scored.
    pub(super) missing_results: usize,
    /// Whether every case was run.
    pub(super) is_complete: bool,
}

/// What came of all sets.
pub(super) struct EvalExecution {
    pub(super) runs: Vec<FinishedRun>,
    /// Why it ended early, if it did.
    pub(super) stop_reason: Option<RunStopReason>,
}

pub(super) async fn execute_runs(
    context: &CommandContext,
    args: &EvalArgs,
    router: &Router,
    jury: &Graders,
    prepared: &[PreparedRun],
    resumed: Option<(RunRow, RunLease)>,
) -> Result<EvalExecution, CommandError> {
    let timeout = args.timeout.as_deref().map(parse_timeout).transpose()?;
    let halt = StopSignal::new(args.max_errors);
    let lanes = ProviderSlots::new(args.concurrency.map(usize::from));
    let console = context.console;
    let tell: WarningFn = Arc::new(move |words: &str| console.warn(words));
    let bench = RunContext { router, slots: &lanes, stop_signal: &halt, graders: jury, warn: &tell };
    let mut signals = context.signals.subscribe();
    remove_expired_answers(router);
    let mut resumed = resumed;
    let work = async {
        let mut finished = Vec::new();
        for prepared in prepared {
            if !halt.is_running() {
                break;
            }
            // A run that goes on goes by what it has, and not by what others have.
            let goes_on = resumed.is_some();
            let reads = prepared.cache.can_read && (!goes_on || args.cache);
            let (row, hold) = begin_run(context, router, prepared, resumed.take());
            let options = RunOptions {
                is_resumed: goes_on,
                run_id: row.id,
                repeats: prepared.spec.selection.repeat,
                stream: !args.no_stream,
                timeout,
                cache: CachePolicy { can_read: reads, ..prepared.cache },
                retention: if needs_full_results(context, args) || prepared.min_pass.is_some() {
                    ResultRetention::All
                } else {
                    ResultRetention::FirstNotPassed(DEFAULT_SHOWN_CASES)
                },
            };
            let run = run_set(context, bench, prepared, &options, &hold).await;
            store_quality_scores(router, jury, prepared, &run);
            finished.push(run);
        }
        finished
    };
    let finished = tokio::select! {
        biased;
        finished = work => finished,
        never = stop_on_signal(&halt, &mut signals, context.console) => match never {},
    };
    Ok(EvalExecution { runs: finished, stop_reason: halt.stop_reason() })
}

/// Ends the run when its user wants that, and lets go of what takes too long to end then.
async fn stop_on_signal(
    halt: &StopSignal,
    signals: &mut watch::Receiver<u32>,
    console: Console,
) -> Infallible {
    tokio::select! {
        () = halt.wait_for_stop() => {}
        Ok(()) = signals.changed() => {
            console.note(format_args!(
                "ending: calls in flight have {} s to come to their end; Ctrl-C again lets them go",
                SHUTDOWN_GRACE.as_secs()
            ));
            halt.stop(RunStopReason::Interrupted);
        }
    }
    tokio::select! {
        () = sleep(SHUTDOWN_GRACE) => {}
        Ok(()) = signals.changed() => {}
    }
    halt.abort();
    std::future::pending().await
}

/// Writes down that a run begins, or that one goes on.
fn begin_run(
    context: &CommandContext,
    router: &Router,
    prepared: &PreparedRun,
    resumed: Option<(RunRow, RunLease)>,
) -> (RunRow, RunLease) {
    let (set, choice, health) = (&prepared.set, &prepared.spec, router.health());
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let (row, held) = match resumed {
        Some((row, hold)) => (RunRow { set_digest: set.digest.clone(), ..row }, Some(hold)),
        None => (
            RunRow {
                id: context.new_id(),
                set_name: set.name.clone(),
                set_path: canonical_set_path(set),
                set_digest: set.digest.clone(),
                subjects: json(serde_json::to_string(&choice.subjects)),
                options: json(serde_json::to_string(&choice.selection)),
                started_at: health.now(),
                finished_at: 0,
            },
            None,
        ),
    };
    let put = row.clone();
    health.ledger().enqueue(move |rows| rows.put_run(&put));
    let hold = held.unwrap_or_else(|| RunLease::acquire_new(context, health, &row.id));
    (row, hold)
}

async fn run_set(
    context: &CommandContext,
    bench: RunContext<'_>,
    prepared: &PreparedRun,
    options: &RunOptions,
    hold: &RunLease,
) -> FinishedRun {
    let progress = EvalProgress::new(&context.console);
    let PreparedRun { set, subjects, .. } = prepared;
    let mut changed: Vec<String> = Vec::new();
    let runs: Vec<_> = subjects
        .iter()
        .map(|subject| {
            let cases = prepared.cases_for(subject);
            let mut bar = progress.add_subject(&subject.name, prepared.results_per_subject());
            let takes_cached = prepared.cache.can_read;
            let mut taken =
                load_resumed_run(bench.router, &subject.name, &cases, options, takes_cached, &mut bar);
            changed.append(&mut taken.changed_case_ids);
            async move { run_subject(bench, subject, &cases, options, taken, &mut bar).await }
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
    let results: Vec<SubjectResults> = tokio::select! {
        results = join_all(runs) => results,
        never = hold.renew_forever() => match never {},
    };
    progress.clear();
    let clusters = prepared.cases.cluster_indices();
    let summaries: Vec<SubjectSummary> = subjects
        .iter()
        .zip(&results)
        .map(|(subject, results)| {
            let mut targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.any(|target| target.provider.simulated);
            let kin =
                bench.graders.same_family_judges(&subject.route, &prepared.cases.grader_models().judges);
            let (clusters, figures) = (clusters.as_deref(), results.stats.as_slice());
            let summary =
                SubjectSummary::summarize(&subject.name, simulated, clusters, figures, prepared.min_pass);
            SubjectSummary { grader_usage: results.grader_usage, same_family_judges: kin, ..summary }
        })
        .collect();
    let comparisons = compare_with_baseline(context, prepared, &options.run_id, &results);
    let against = prepared.spec.baseline.as_ref();
    let baseline = against.and_then(BaselineSource::subject_in_run);
    let mut gate = evaluate_gate(&prepared.gate, &summaries, baseline, &comparisons);
    let mut missing = 0;
    for (subject, results) in subjects.iter().zip(&results) {
        let run = results.stats.len();
        missing += prepared.results_per_subject() - results.scored_count();
        if run < prepared.results_per_subject() {
            let words = format!("{}: {run} of {} were run", subject.name, prepared.results_per_subject());
            gate.inconclusive.push(words);
        }
    }
    let is_whole = results.iter().all(|results| results.stats.len() == prepared.results_per_subject());
    if missing == 0 {
        let health = bench.router.health();
        let (run, now) = (options.run_id.clone(), health.now());
        health.ledger().enqueue(move |rows| rows.finish_run(&run, now));
    }
    FinishedRun {
        id: options.run_id.clone(),
        summaries,
        results,
        comparisons,
        gate,
        missing_results: missing,
        is_complete: is_whole,
    }
}

/// Whether its figures say how a subject does now: answers from before do not, nor does what a simulated judge thinks of a
/// real model.
pub(super) fn is_measured(jury: &Graders, summary: &SubjectSummary) -> bool {
    let is_rehearsed = jury.has_simulated_model() && summary.grader_usage.calls > 0 && !summary.is_simulated;
    summary.cached_count == 0 && !is_rehearsed
}

/// Keeps how models did, for routes that want to know. Only a run of the whole set says that, and where it compares prompts,
/// none does: a model would be as good as the prompt that came last.
fn store_quality_scores(router: &Router, jury: &Graders, prepared: &PreparedRun, run: &FinishedRun) {
    let whole = prepared.is_whole_set && prepared.set.prompts.is_empty() && run.gate.inconclusive.is_empty();
    let Some(path) = std::fs::canonicalize(&prepared.set.path).ok().filter(|_| whole) else { return };
    for (subject, summary) in prepared.subjects.iter().zip(&run.summaries) {
        if let (None, [candidate], true) =
            (&subject.route.name, subject.route.candidates.as_slice(), is_measured(jury, summary))
        {
            router.health().record_pass_rate(
                &path,
                &prepared.set.digest,
                &candidate.model_ref,
                summary.passed,
                summary.failed,
            );
        }
    }
}
