//! Runs all cases of a set against one subject concurrently and stores each result in the ledger as it
//! arrives.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError};

use futures_util::future::join_all;
use tokio::sync::{Mutex, SemaphorePermit};
use tokio::time::Instant;

use super::answer_cache::CacheEntry;
use super::case_stats::SubjectResults;
use super::result_row::encode_result;
use super::run_observer::{RunCallObserver, RunEvent};
use super::{
    CachePolicy, Case, CaseFailure, CaseResult, Cases, EvalSubject, FatalParty, GradableAnswer, GraderUsage,
    Graders, ResumedRun, RunContext, RunOptions, Verdict, collect_grader_tasks,
};
use crate::catalog::Cost;
use crate::chat::FailureClass;
use crate::route::store::StoreFuture;
use crate::route::{CallRecord, StopReason};

/// Every Nth result waits until the ledger has written it.
const LEDGER_SYNC_INTERVAL: usize = 64;

/// A fatal failure stops the subject only if it occurs in one of this many first cases.
const EARLY_CASES: usize = 3;

#[derive(Clone, Copy)]
struct CaseRepeat {
    /// 0-based.
    repeat: u32,
    can_read_cache: bool,
    /// Whether a fatal failure stops the subject.
    is_early: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerOrigin {
    /// A new call.
    Call,
    /// An earlier part of this run, which already paid for it.
    InterruptedRun,
    /// An earlier run.
    Cache,
}

struct SubjectRun<'a> {
    context: RunContext<'a>,
    graders: &'a Graders,
    subject: &'a EvalSubject,
    options: &'a RunOptions,
    cache: CachePolicy,
    started: Instant,
    /// The subject or its judge, if it failed fatally on the first cases.
    fatal_party: OnceLock<FatalParty>,
    has_answered: AtomicBool,
    has_reported_rate_limit: AtomicBool,
}

/// Runs the cases against a subject. Results come back in case order, with the repeats of a case adjacent;
/// results of a resumed run are not run again. If the first cases fail in a way that will repeat, the rest do
/// not run and stay unscored. Cases that did not start before an early stop have no result.
pub(crate) async fn run_subject(
    context: RunContext<'_>,
    graders: &Graders,
    subject: &EvalSubject,
    cases: &Cases,
    options: &RunOptions,
    resumed: ResumedRun,
) -> SubjectResults {
    let repeats = options.repeat_count();
    let ResumedRun { results, prior_spend, .. } = resumed;
    // Run each case once before any repeat, so that an interrupted run covers most of the set.
    let in_order = (0..repeats).flat_map(|repeat| (0..cases.len()).map(move |case| case * repeats + repeat));
    let pending: Vec<u32> = in_order
        .filter(|slot| !results.has_result(*slot))
        .filter_map(|slot| u32::try_from(slot).ok())
        .collect();
    let subject_run = SubjectRun {
        context,
        graders,
        subject,
        options,
        cache: options.cache.restrict_for_route(&subject.route),
        started: Instant::now(),
        fatal_party: OnceLock::new(),
        has_answered: AtomicBool::new(false),
        has_reported_rate_limit: AtomicBool::new(false),
    };
    let slots = context.slots.for_route(&subject.route);
    let next = AtomicUsize::new(0);
    let has_lost_cases = AtomicBool::new(false);
    let start_lock = Mutex::new(());
    let collected = std::sync::Mutex::new(results);
    // Each worker runs one case at a time, so memory for calls grows with the slots and not with the cases.
    let worker = || async {
        while let Ok(permit) = slots.semaphore.acquire().await {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = pending.get(nth).filter(|_| context.stop_signal.is_running()) else { return };
            let (case, repeat) =
                (*slot as usize / repeats, u32::try_from(*slot as usize % repeats).unwrap_or(0));
            let Some(rendered) = cases.get(case) else {
                if !has_lost_cases.swap(true, Ordering::Relaxed) {
                    context.observer.on_event(&RunEvent::CasesLost { subject: &subject.name });
                }
                continue;
            };
            {
                // Start calls one by one and process received data in between: if many started at once, the
                // latency of the first would include the time to send the others.
                let _guard = start_lock.lock().await;
                tokio::task::yield_now().await;
            }
            let before = prior_spend.get(&(*slot as usize));
            // A case that already cost money must not be paired with a free cached answer.
            let can_read_cache =
                subject_run.cache.can_read && before.is_none_or(|before| before.cost == Cost::ZERO);
            let case_repeat = CaseRepeat { repeat, can_read_cache, is_early: nth < EARLY_CASES };
            let (mut result, origin) = subject_run.run_case(&rendered, case_repeat, permit).await;
            if let Some(before) = before {
                // If only grading is repeated, the answer is already paid for.
                let is_already_paid = origin == AnswerOrigin::InterruptedRun && before.has_answer;
                let new_cost = if is_already_paid { Cost::ZERO } else { result.cost };
                result.cost = Cost::sum([before.cost, new_cost]);
                result.grader_usage = GraderUsage::sum([before.grader_usage, result.grader_usage]);
            }
            let receipt = subject_run.record_result(&result, nth);
            context.observer.on_event(&RunEvent::Result { subject: &subject.name, result: &result });
            collected.lock().unwrap_or_else(PoisonError::into_inner).add(case, result);
            if let Some(receipt) = receipt {
                // The ledger reports a failed write itself.
                let _ = receipt.await;
            }
        }
    };
    // While some answers are graded, others can be requested.
    let worker_count = slots.capacity + graders.max_slots(&context, cases);
    let workers = join_all((0..worker_count.min(pending.len())).map(|_| worker()));
    tokio::select! {
        biased;
        _ = workers => {}
        () = context.stop_signal.wait_for_abort() => {}
    }
    collected.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
}

impl SubjectRun<'_> {
    /// Gets an answer, runs its graders, and grades it. Also returns the origin of the answer.
    async fn run_case(
        &self,
        case: &Case,
        case_repeat: CaseRepeat,
        permit: SemaphorePermit<'_>,
    ) -> (CaseResult, AnswerOrigin) {
        let CaseRepeat { repeat, is_early, .. } = case_repeat;
        let queued = self.started.elapsed();
        if let Some(party) = self.fatal_party.get() {
            let failure = CaseFailure::SubjectStopped(*party);
            let result =
                CaseResult { repeat, failure: Some(failure), ..CaseResult::unscored(&case.metadata, queued) };
            return (result, AnswerOrigin::Call);
        }
        let (record, origin) = self.fetch_answer(case, case_repeat).await;
        // Answers arrive in bursts: process the others first, or their latency would include the grading of
        // this one.
        tokio::task::yield_now().await;
        // Graders have their own slots, possibly at the same provider.
        drop(permit);
        if record.outcome.is_ok() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        let (mut result, answer) = CaseResult::from_call(case, &record, queued + record.queued_time);
        result.repeat = repeat;
        if is_early && (result.is_fatal || self.is_blocked_by_rate_limit(&record)) {
            let _ = self.fatal_party.set(FatalParty::Subject);
        }
        if let Some(mut answer) = answer {
            if origin == AnswerOrigin::Cache {
                // The latency of a cached answer is out of date.
                (answer.latency, answer.first_token) = (None, None);
            }
            self.grade(&mut result, case, &answer, is_early).await;
        }
        if origin == AnswerOrigin::Cache {
            // An earlier run paid for it.
            result.cached_cost = Some(std::mem::replace(&mut result.cost, Cost::ZERO));
            result.latency = None;
        }
        // Reaching the cost limit is not an error.
        if result.verdict == Verdict::Unscored
            && !matches!(result.limit_hit, Some(StopReason::BudgetExceeded(_)))
        {
            self.context.stop_signal.record_error();
        }
        (result, origin)
    }

    async fn grade(&self, result: &mut CaseResult, case: &Case, answer: &GradableAnswer<'_>, is_early: bool) {
        let report = self.graders.run_tasks(&self.context, case, answer).await;
        if is_early && report.is_fatal {
            let _ = self.fatal_party.set(FatalParty::Judge);
        }
        (result.grader_usage, result.limit_hit) = (report.usage, report.limit);
        result.grade(case, &GradableAnswer { grader_outcomes: &report.outcomes, ..*answer });
    }

    async fn fetch_answer(&self, case: &Case, case_repeat: CaseRepeat) -> (CallRecord, AnswerOrigin) {
        let RunContext { router, store, observer, .. } = self.context;
        let call = self.context.call_options(&self.subject.name, &case.metadata.id);
        let plan = router.plan(&self.subject.route, &case.request, &call);
        // An interrupted run may have stored answers that were waiting for their judge.
        let may_have_stored_answer =
            self.options.is_resumed && !collect_grader_tasks(&case.assertions).is_empty();
        let uses_cache = self.cache != CachePolicy::default() || may_have_stored_answer;
        let cache_entry = uses_cache.then(|| {
            let requester = [&*self.options.run_id, &*self.subject.name, &*case.metadata.id].join("\n");
            CacheEntry::new(store, router.health().now(), &plan, case_repeat.repeat, requester)
        });
        let can_load = may_have_stored_answer || case_repeat.can_read_cache;
        match cache_entry.as_ref().filter(|_| can_load).and_then(CacheEntry::load) {
            Some((record, true)) if may_have_stored_answer => return (record, AnswerOrigin::InterruptedRun),
            Some((record, _)) if case_repeat.can_read_cache => return (record, AnswerOrigin::Cache),
            _ => {}
        }
        let has_reported_rate_limit = &self.has_reported_rate_limit;
        let record = router.run(plan, &mut RunCallObserver { observer, has_reported_rate_limit }).await;
        if let Some(cache_entry) = cache_entry.filter(|_| self.cache.can_write) {
            cache_entry.store(&record);
        }
        (record, AnswerOrigin::Call)
    }

    /// A subject that has never answered and whose first cases time out on rate limits will do the same for
    /// the rest.
    fn is_blocked_by_rate_limit(&self, record: &CallRecord) -> bool {
        let is_rate_limited = record.outcome.as_ref().is_err_and(|error| {
            let class = error.failure.as_ref().map(|failure| failure.class);
            class == Some(FailureClass::RateLimited)
                && matches!(error.reason, StopReason::CallerTimeout | StopReason::DeadlineExceeded)
        });
        is_rate_limited && !self.has_answered.load(Ordering::Relaxed)
    }

    /// Queues a result for the ledger. Every [`LEDGER_SYNC_INTERVAL`] results, returns a receipt to wait for,
    /// so that a slow disk does not fall far behind.
    fn record_result(&self, result: &CaseResult, nth: usize) -> Option<StoreFuture<()>> {
        let RunContext { router, store, wording, .. } = self.context;
        // A run that is only in memory cannot be resumed.
        if !store.is_durable() {
            return None;
        }
        let failure = result
            .failure
            .as_ref()
            .map_or_else(String::new, |failure| wording.describe_case_failure(failure));
        let row = encode_result(&self.subject.name, result, failure, router.health().now());
        let is_sync_point = nth % LEDGER_SYNC_INTERVAL == LEDGER_SYNC_INTERVAL - 1;
        store.put_result(&self.options.run_id, row, is_sync_point)
    }
}

/// A run can be spawned on a runtime with several threads.
const _: fn(RunContext<'_>, &Graders, &EvalSubject, &Cases, &RunOptions, ResumedRun) =
    |context, graders, subject, cases, options, resumed| {
        fn assert_send(_: impl Send) {}
        assert_send(run_subject(context, graders, subject, cases, options, resumed));
    };
