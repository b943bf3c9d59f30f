//! All cases of a set against one subject, many at once, each result in the ledger as it arrives.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, SemaphorePermit, oneshot};
use tokio::time::Instant;

use super::answer_cache::CacheEntry;
use super::case_stats::{ResultRetention, SubjectResults};
use super::rate_limit_observer::RateLimitObserver;
use super::result_row::encode_result;
use super::{
    CachePolicy, Case, CaseResult, Cases, GradableAnswer, GraderUsage, Graders, ProviderSlots, ResumedRun,
    StopSignal, Verdict, collect_grader_tasks,
};
use crate::catalog::Cost;
use crate::chat::FailureClass;
use crate::ledger::LedgerTables;
use crate::route::{CallOptions, CallRecord, Route, Router, RoutingHints, StopReason, WarningFn};

/// Something that a set is run against.
#[derive(Clone, Debug)]
pub struct EvalSubject {
    /// Its name as it was typed, with the prompt that it is asked by behind `#`, where the set compares several.
    pub name: String,
    /// The route to it.
    pub route: Route,
}

/// How a set is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's id, under which the ledger keeps its results.
    pub run_id: String,
    /// How often each case is asked.
    pub repeats: u32,
    /// Whether to ask for streams on the wire.
    pub stream: bool,
    /// The limit of one call.
    pub timeout: Option<Duration>,
    /// What may be done with answers that were given before.
    pub cache: CachePolicy,
    /// Whether the run is one that is gone on with, which may have answers of its own without a result.
    pub is_resumed: bool,
    /// Which results are kept whole; of the others only their figures stay once the ledger has them.
    pub retention: ResultRetention,
}

impl RunOptions {
    /// How often each case is asked, at least once.
    pub(super) fn repeat_count(&self) -> usize {
        self.repeats.max(1) as usize
    }
}

/// What all subjects of a run share.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// Who carries out the calls.
    pub router: &'a Router,
    /// How many are in flight at once.
    pub slots: &'a ProviderSlots,
    /// Whether the run goes on.
    pub stop_signal: &'a StopSignal,
    /// Who finds out what assertions cannot tell by themselves.
    pub graders: &'a Graders,
    /// Told, once a subject, that a provider has too many of its cases.
    pub warn: &'a WarningFn,
}

/// Told of every result as it arrives.
pub trait RunProgress {
    /// One case is done.
    fn on_result(&mut self, result: &CaseResult);
}

/// One of so many results is waited for until the ledger has it.
const LEDGER_SYNC_INTERVAL: usize = 64;

/// How many first cases may end a run.
const EARLY_CASES: usize = 3;

/// The turn of one case.
#[derive(Clone, Copy)]
struct CaseRepeat {
    /// Which of the case's repeats, from 0.
    repeat: u32,
    /// Whether an answer from before will do.
    can_read_cache: bool,
    /// Whether it is one of the first, which may end the run.
    is_early: bool,
}

/// Where an answer is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerOrigin {
    /// From a call that was made now.
    Call,
    /// From this run, before it was cut short: it is paid for by this run.
    InterruptedRun,
    /// From before this run.
    Cache,
}

/// One subject on its way through the cases.
struct SubjectRun<'a> {
    bench: RunContext<'a>,
    subject: &'a EvalSubject,
    options: &'a RunOptions,
    cache: CachePolicy,
    started: Instant,
    /// Who failed on the first cases as on all others, if anybody did.
    fatal_party: OnceLock<&'static str>,
    /// Whether it ever answered.
    has_answered: AtomicBool,
    has_warned: AtomicBool,
}

/// Runs the cases against a subject. Results come back in the cases' order, the repeats of each next to each other; those
/// that are taken up from before are not asked for again. A subject that turns out to be hopeless on its first cases is not
/// asked the rest; these are unscored. What was not begun when the run ended early has no result.
pub async fn run_subject(
    bench: RunContext<'_>,
    subject: &EvalSubject,
    cases: &Cases,
    options: &RunOptions,
    taken: ResumedRun,
    progress: &mut dyn RunProgress,
) -> SubjectResults {
    let repeats = options.repeat_count();
    let ResumedRun { results, prior_spend: spent, .. } = taken;
    // Each case is asked once before any is asked again, so that a run that is cut short has seen most of the set.
    let in_turn = (0..repeats).flat_map(|repeat| (0..cases.len()).map(move |case| case * repeats + repeat));
    let open: Vec<u32> = in_turn
        .filter(|slot| !results.has_result(*slot))
        .filter_map(|slot| u32::try_from(slot).ok())
        .collect();
    let way = SubjectRun {
        bench,
        subject,
        options,
        cache: options.cache.restrict_for_route(&subject.route),
        started: Instant::now(),
        fatal_party: OnceLock::new(),
        has_answered: AtomicBool::new(false),
        has_warned: AtomicBool::new(false),
    };
    let lane = bench.slots.for_route(&subject.route);
    let next = AtomicUsize::new(0);
    let lost = AtomicBool::new(false);
    let door = Mutex::new(());
    let arrived = RefCell::new((results, progress));
    // Each takes one case after the other: what a call needs is there once for each place, and not once for each case.
    let worker = || async {
        while let Ok(place) = lane.semaphore.acquire().await {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = open.get(nth).filter(|_| bench.stop_signal.is_running()) else { return };
            let (case, repeat) =
                (*slot as usize / repeats, u32::try_from(*slot as usize % repeats).unwrap_or(0));
            let Some(asked) = cases.get(case) else {
                if !lost.swap(true, Ordering::Relaxed) {
                    let words =
                        "what was put aside of the cases cannot be read any more, so they have no result";
                    (bench.warn)(&format!("{}: {words}; --resume asks them", subject.name));
                }
                continue;
            };
            {
                // One after the other, and what has arrived is read in between: where many begin at once, the latency of the
                // first would count the time that it takes to send the others.
                let _turn = door.lock().await;
                tokio::task::yield_now().await;
            }
            let before = spent.get(&(*slot as usize));
            // What a result cost stands beside no answer that cost nothing.
            let reads = way.cache.can_read && before.is_none_or(|before| before.cost == Cost::ZERO);
            let turn = CaseRepeat { repeat, can_read_cache: reads, is_early: nth < EARLY_CASES };
            let (mut result, source) = way.run_case(&asked, turn, place).await;
            if let Some(before) = before {
                // Where its answer is what is judged again, it is paid for already.
                let is_paid = source == AnswerOrigin::InterruptedRun && before.has_answer;
                let own = if is_paid { Cost::ZERO } else { result.cost };
                result.cost = Cost::sum([before.cost, own]);
                result.grader_usage = GraderUsage::sum([before.judging, result.grader_usage]);
            }
            let receipt = way.record_result(&result, nth);
            {
                let (results, progress) = &mut *arrived.borrow_mut();
                progress.on_result(&result);
                results.add(case, result);
            }
            if let Some(receipt) = receipt {
                // Where nothing came of it, the ledger says so itself.
                let _ = receipt.await;
            }
        }
    };
    // While some answers are judged, others are asked for.
    let places = lane.capacity + bench.graders.max_slots(&bench, cases);
    let workers = join_all((0..places.min(open.len())).map(|_| worker()));
    tokio::select! {
        biased;
        _ = workers => {}
        () = bench.stop_signal.wait_for_abort() => {}
    }
    arrived.into_inner().0.finish()
}

impl SubjectRun<'_> {
    /// Asks for an answer, has it judged where its assertions want that, and grades it; and says where the answer is from.
    async fn run_case(
        &self,
        case: &Case,
        turn: CaseRepeat,
        place: SemaphorePermit<'_>,
    ) -> (CaseResult, AnswerOrigin) {
        let CaseRepeat { repeat, is_early: is_first, .. } = turn;
        let queued = self.started.elapsed();
        if let Some(who) = self.fatal_party.get() {
            let failure = (FailureClass::Cancelled, format!("not run: {who} failed on the first cases"));
            let result =
                CaseResult { repeat, failure: Some(failure), ..CaseResult::unscored(&case.metadata, queued) };
            return (result, AnswerOrigin::Call);
        }
        let (record, source) = self.fetch_answer(case, turn).await;
        // Answers come in bursts: the others that are there already are read first, or their latency would count the time
        // that this one's grading takes.
        tokio::task::yield_now().await;
        // Judges have places of their own, which may be at the same provider.
        drop(place);
        if record.outcome.is_ok() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        let (mut result, answer) = CaseResult::from_call(case, &record, queued + record.queued_time);
        result.repeat = repeat;
        if is_first && (result.is_fatal || self.is_blocked_by_rate_limit(&record)) {
            let _ = self.fatal_party.set("the subject");
        }
        if let Some(mut answer) = answer {
            if source == AnswerOrigin::Cache {
                // How long it took says nothing of now.
                (answer.latency, answer.first_token) = (None, None);
            }
            self.grade(&mut result, case, &answer, is_first).await;
        }
        if source == AnswerOrigin::Cache {
            // It was paid for when it was given.
            result.cached_cost = Some(std::mem::replace(&mut result.cost, Cost::ZERO));
            result.latency = None;
        }
        // Where the money ends, nothing went wrong.
        if result.verdict == Verdict::Unscored
            && !matches!(result.limit_hit, Some(StopReason::BudgetExceeded(_)))
        {
            self.bench.stop_signal.record_error();
        }
        (result, source)
    }

    /// Has an answer judged, and grades it.
    async fn grade(&self, result: &mut CaseResult, case: &Case, answer: &GradableAnswer<'_>, is_first: bool) {
        let judgement = self.bench.graders.run_tasks(&self.bench, self.options, case, answer).await;
        if is_first && judgement.is_fatal {
            let _ = self.fatal_party.set("its judge");
        }
        (result.grader_usage, result.limit_hit) = (judgement.usage, judgement.limit);
        result.grade(case, &GradableAnswer { grader_outcomes: &judgement.outcomes, ..*answer });
    }

    /// The call that answers a case, and where the answer is from.
    async fn fetch_answer(&self, case: &Case, turn: CaseRepeat) -> (CallRecord, AnswerOrigin) {
        let RunContext { router, warn: tell, .. } = self.bench;
        // A case always sees the same arm of a weighted route.
        let caller = RoutingHints { label: None, sticky_key: Some(case.metadata.id.to_string()) };
        let stream = self.options.stream;
        // Where a run was cut short, an answer that waited for its judge is kept, and has no result.
        let has_own = self.options.is_resumed && !collect_grader_tasks(&case.assertions).is_empty();
        let keeps = self.cache != CachePolicy::default() || has_own;
        let plan = keeps.then(|| router.plan(&self.subject.route, &case.request, &caller));
        let errand = plan.as_ref().map(|plan| {
            let asker = [&*self.options.run_id, &*self.subject.name, &*case.metadata.id].join("\n");
            CacheEntry { router, plan, request: &case.request, repeat: turn.repeat, stream, requester: asker }
        });
        let finds = has_own || turn.can_read_cache;
        match errand.as_ref().filter(|_| finds).and_then(CacheEntry::load) {
            Some((record, true)) if has_own => return (record, AnswerOrigin::InterruptedRun),
            Some((record, _)) if turn.can_read_cache => return (record, AnswerOrigin::Cache),
            _ => {}
        }
        let call = CallOptions {
            id: String::new(),
            requested_model: self.subject.name.clone(),
            stream,
            timeout: self.options.timeout,
            hints: caller,
        };
        let mut refusals = RateLimitObserver { has_warned: &self.has_warned, tell };
        let record = router.call(&self.subject.route, &case.request, &call, &mut refusals).await;
        if let Some(errand) = errand.filter(|_| self.cache.can_write) {
            errand.store(&record);
        }
        (record, AnswerOrigin::Call)
    }

    /// Who refuses its first cases for as long as they wait, and answers nobody meanwhile, will refuse the others too.
    fn is_blocked_by_rate_limit(&self, record: &CallRecord) -> bool {
        let refused = record.outcome.as_ref().is_err_and(|none| {
            let class = none.failure.as_ref().map(|failure| failure.class);
            class == Some(FailureClass::RateLimited)
                && matches!(none.reason, StopReason::CallerTimeout | StopReason::DeadlineExceeded)
        });
        refused && !self.has_answered.load(Ordering::Relaxed)
    }

    /// Hands a result to the ledger, whose writer has it on disk in a moment. Now and then somebody has to wait for that, so
    /// that a slow disk is never far behind.
    fn record_result(&self, result: &CaseResult, nth: usize) -> Option<oneshot::Receiver<()>> {
        let health = self.bench.router.health();
        // Nobody will ever go on with a run that is kept in memory alone.
        if health.ledger().disabled_reason().is_some() {
            return None;
        }
        let row = encode_result(&self.subject.name, result, health.now());
        let run = self.options.run_id.clone();
        let put = move |rows: &LedgerTables<'_>| rows.put_result(&run, &row);
        if nth % LEDGER_SYNC_INTERVAL == LEDGER_SYNC_INTERVAL - 1 {
            return Some(health.ledger().enqueue_with_ack(put));
        }
        health.ledger().enqueue(put);
        None
    }
}
