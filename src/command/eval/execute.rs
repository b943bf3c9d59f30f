//! Executes the prepared runs: calls, grading, and gates.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::comparison::compare_with_baseline;
use super::finished_run::{EvalExecution, FinishedRun, is_measured};
use super::history::{LEDGER_HINT, canonical_set_path};
use super::output::needs_full_results;
use super::run_lease::RunLease;
use super::saved_options::SavedRunOptions;
use super::{BaselineSource, CommandContext, CommandError, PreparedRun};
use crate::cli::EvalArgs;
use crate::command::observer::{CommandObserver, ProgressObserver};
use crate::eval::store::RunRow;
use crate::eval::{
    CachePolicy, Graders, InconclusiveReason, ProviderSlots, ResultRetention, RunContext, RunOptions,
    RunStopReason, StopSignal, SubjectResults, SubjectSummary, evaluate_gate, load_resumed_run,
    remove_expired_answers, run_subject,
};
use crate::route::store::StoreError;
use crate::route::{CallOptions, Router};
use crate::view::{Console, DEFAULT_SHOWN_CASES, EvalProgress, ResultWording};

/// How long calls in flight may take to finish when a run is stopped.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How the calls of an eval are made.
#[derive(Clone, Copy)]
pub(super) struct EvalCalls<'a> {
    pub(super) router: &'a Router,
    /// What all calls share.
    pub(super) options: &'a CallOptions,
    pub(super) observer: &'a CommandObserver,
}

pub(super) async fn execute_runs(
    context: &CommandContext,
    args: &EvalArgs,
    calls: EvalCalls<'_>,
    graders: &Graders,
    prepared: &[PreparedRun],
    resumed: Option<(RunRow, RunLease)>,
) -> Result<EvalExecution, CommandError> {
    let EvalCalls { router, options: call_options, observer } = calls;
    let stop_signal = StopSignal::new(args.max_errors);
    let store = context.open_run_store();
    let slots = ProviderSlots::new(args.concurrency.map(usize::from));
    let run_context = RunContext {
        router,
        store: &*store,
        slots: &slots,
        stop_signal: &stop_signal,
        observer,
        wording: &ResultWording,
        call_options,
    };
    let mut signals = context.signals.subscribe();
    remove_expired_answers(&*store, router.health().now());
    let mut resumed = resumed;
    let work = async {
        let mut finished = Vec::new();
        for prepared in prepared {
            if !stop_signal.is_running() {
                break;
            }
            // A resumed run reuses its own results, and cached answers only with `--cache`.
            let is_resuming = resumed.is_some();
            let can_read = prepared.cache.can_read && (!is_resuming || args.cache);
            let (row, lease) = begin_run(context, router, prepared, resumed.take());
            let options = RunOptions {
                is_resumed: is_resuming,
                run_id: row.id,
                repeats: prepared.spec.repeat,
                cache: CachePolicy { can_read, ..prepared.cache },
                retention: if needs_full_results(context, args) || prepared.min_pass.is_some() {
                    ResultRetention::All
                } else {
                    ResultRetention::FirstNotPassed(DEFAULT_SHOWN_CASES)
                },
            };
            let run = run_set(context, run_context, observer, graders, prepared, &options, &lease).await?;
            store_quality_scores(router, graders, prepared, &run);
            finished.push(run);
        }
        Ok::<_, CommandError>(finished)
    };
    let finished = tokio::select! {
        biased;
        finished = work => finished,
        never = stop_on_signal(&stop_signal, &mut signals, context.console) => match never {},
    };
    Ok(EvalExecution { runs: finished?, stop_reason: stop_signal.stop_reason() })
}

/// Stops the run on the user's request, and aborts calls that do not finish in time.
async fn stop_on_signal(
    stop_signal: &StopSignal,
    signals: &mut watch::Receiver<u32>,
    console: Console,
) -> Infallible {
    tokio::select! {
        () = stop_signal.wait_for_stop() => {}
        Ok(()) = signals.changed() => {
            console.note(format_args!(
                "stopping: waiting up to {} s for calls in flight (press Ctrl-C again to abort them)",
                SHUTDOWN_GRACE.as_secs()
            ));
            stop_signal.stop(RunStopReason::Interrupted);
        }
    }
    tokio::select! {
        () = sleep(SHUTDOWN_GRACE) => {}
        Ok(()) = signals.changed() => {}
    }
    stop_signal.abort();
    std::future::pending().await
}

/// Records the start or the continuation of a run in the ledger.
fn begin_run(
    context: &CommandContext,
    router: &Router,
    prepared: &PreparedRun,
    resumed: Option<(RunRow, RunLease)>,
) -> (RunRow, RunLease) {
    let (set, spec, health) = (&prepared.set, &prepared.spec, router.health());
    let (row, resumed_lease) = match resumed {
        Some((row, lease)) => (RunRow { set_digest: set.digest.clone(), ..row }, Some(lease)),
        None => (
            RunRow {
                id: context.new_id(),
                set_name: set.name.clone(),
                set_path: canonical_set_path(set),
                set_digest: set.digest.clone(),
                subjects: json!(spec.subjects).to_string(),
                options: json!(SavedRunOptions::of(spec)).to_string(),
                started_at: health.now(),
                finished_at: 0,
            },
            None,
        ),
    };
    context.open_run_store().put_run(row.clone());
    let lease = resumed_lease.unwrap_or_else(|| RunLease::acquire_new(context, health, &row.id));
    (row, lease)
}

async fn run_set(
    context: &CommandContext,
    run_context: RunContext<'_>,
    observer: &CommandObserver,
    graders: &Graders,
    prepared: &PreparedRun,
    options: &RunOptions,
    lease: &RunLease,
) -> Result<FinishedRun, CommandError> {
    let progress = EvalProgress::new(&context.console);
    let observer = ProgressObserver { command: observer, progress: &progress };
    let run_context = RunContext { observer: &observer, ..run_context };
    let PreparedRun { set, subjects, .. } = prepared;
    let unreadable = |error: StoreError| {
        CommandError::usage(format!("cannot read the results of this run: {error}")).with_hint(LEDGER_HINT)
    };
    let mut changed: Vec<String> = Vec::new();
    let runs: Vec<_> = subjects
        .iter()
        .map(|subject| {
            let cases = prepared.cases_for(subject);
            progress.add_subject(&subject.name, prepared.results_per_subject());
            let can_read_cache = prepared.cache.can_read;
            let mut resumed = load_resumed_run(
                run_context.store,
                &subject.name,
                &cases,
                options,
                can_read_cache,
                &observer,
            )
            .map_err(unreadable)?;
            changed.append(&mut resumed.changed_case_ids);
            Ok(async move { run_subject(run_context, graders, subject, &cases, options, resumed).await })
        })
        .collect::<Result<_, CommandError>>()?;
    changed.sort_unstable();
    changed.dedup();
    if !changed.is_empty() {
        context.console.warn(format_args!(
            "{} changed since the run started; rerunning these cases: {}",
            set.path,
            changed.join(", ")
        ));
    }
    let results: Vec<SubjectResults> = tokio::select! {
        results = join_all(runs) => results,
        never = lease.renew_forever() => match never {},
    };
    progress.clear();
    let clusters = prepared.cases.cluster_indices();
    let summaries: Vec<SubjectSummary> = subjects
        .iter()
        .zip(&results)
        .map(|(subject, results)| {
            let mut targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.any(|target| target.provider.simulated);
            let same_family =
                graders.same_family_judges(&subject.route, &prepared.cases.grader_models().judges);
            let (clusters, stats) = (clusters.as_deref(), results.stats.as_slice());
            let summary =
                SubjectSummary::summarize(&subject.name, simulated, clusters, stats, prepared.min_pass);
            SubjectSummary { grader_usage: results.grader_usage, same_family_judges: same_family, ..summary }
        })
        .collect();
    let (comparisons, unread_history) =
        match compare_with_baseline(context, prepared, &options.run_id, &results) {
            Ok(comparisons) => (comparisons, None),
            Err(error) => (Vec::new(), Some(error)),
        };
    let source = prepared.spec.baseline.as_ref();
    let baseline = source.and_then(BaselineSource::subject_in_run);
    let mut gate = evaluate_gate(&prepared.gate, &summaries, baseline, &comparisons);
    gate.inconclusive.extend(unread_history.map(InconclusiveReason::HistoryUnreadable));
    let mut missing = 0;
    for (subject, results) in subjects.iter().zip(&results) {
        let run = results.stats.len();
        missing += prepared.results_per_subject() - results.scored_count();
        if run < prepared.results_per_subject() {
            gate.inconclusive.push(InconclusiveReason::Incomplete {
                subject: subject.name.clone(),
                finished: run,
                cases: prepared.results_per_subject(),
            });
        }
    }
    let is_complete = results.iter().all(|results| results.stats.len() == prepared.results_per_subject());
    if missing == 0 {
        run_context.store.finish_run(&options.run_id, run_context.router.health().now());
    }
    Ok(FinishedRun {
        id: options.run_id.clone(),
        summaries,
        results,
        comparisons,
        gate,
        missing_results: missing,
        is_complete,
    })
}

/// Stores pass rates for routes with a quality floor. Only a complete run of a set with a single prompt
/// counts; with several prompts, the last one would decide.
fn store_quality_scores(router: &Router, graders: &Graders, prepared: &PreparedRun, run: &FinishedRun) {
    let is_representative =
        prepared.is_whole_set && prepared.set.prompts.is_empty() && run.gate.inconclusive.is_empty();
    let Some(path) = std::fs::canonicalize(&prepared.set.path).ok().filter(|_| is_representative) else {
        return;
    };
    for (subject, summary) in prepared.subjects.iter().zip(&run.summaries) {
        if let (None, [candidate], true) =
            (&subject.route.name, subject.route.candidates.as_slice(), is_measured(graders, summary))
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
