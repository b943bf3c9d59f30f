//! All cases of a set against one subject, many at once, each result in the ledger as it arrives.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, SemaphorePermit, oneshot};
use tokio::time::Instant;

use super::cache::Errand;
use super::figure::{Keep, Results};
use super::kept::row_of;
use super::refusals::Refusals;
use super::{Cache, Case, CaseResult, Cases, Graded, Halt, Judging, Jury, Lanes, Taken, Verdict, tasks};
use crate::catalog::Cost;
use crate::chat::FailureClass;
use crate::ledger::Rows;
use crate::route::{CallOptions, CallRecord, Caller, Route, Router, Tell, Why};

/// Something that a set is run against.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name as it was typed, with the prompt that it is asked by behind `#`, where the set compares several.
    pub name: String,
    /// The route to it.
    pub route: Route,
}

/// How a set is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's id, under which the ledger keeps its results.
    pub run: String,
    /// How often each case is asked.
    pub repeats: u32,
    /// Whether to ask for streams on the wire.
    pub stream: bool,
    /// The limit of one call.
    pub timeout: Option<Duration>,
    /// What may be done with answers that were given before.
    pub cache: Cache,
    /// Whether the run is one that is gone on with, which may have answers of its own without a result.
    pub goes_on: bool,
    /// Which results are kept whole; of the others only their figures stay once the ledger has them.
    pub keep: Keep,
}

impl RunOptions {
    /// How often each case is asked, at least once.
    pub(super) fn times(&self) -> usize {
        self.repeats.max(1) as usize
    }
}

/// What all subjects of a run share.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Who carries out the calls.
    pub router: &'a Router,
    /// How many are in flight at once.
    pub lanes: &'a Lanes,
    /// Whether the run goes on.
    pub halt: &'a Halt,
    /// Who finds out what assertions cannot tell by themselves.
    pub jury: &'a Jury,
    /// Told, once a subject, that a provider has too many of its cases.
    pub tell: &'a Tell,
}

/// Told of every result as it arrives.
pub trait Progress {
    /// One case is done.
    fn done(&mut self, result: &CaseResult);
}

/// One of so many results is waited for until the ledger has it.
const AWAITED: usize = 64;

/// How many first cases may end a run.
const FIRST: usize = 3;

/// The turn of one case.
#[derive(Clone, Copy)]
struct Turn {
    /// Which of the case's repeats, from 0.
    repeat: u32,
    /// Whether an answer from before will do.
    reads: bool,
    /// Whether it is one of the first, which may end the run.
    is_first: bool,
}

/// Where an answer is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// From a call that was made now.
    Call,
    /// From this run, before it was cut short: it is paid for by this run.
    OwnRun,
    /// From before this run.
    Before,
}

/// One subject on its way through the cases.
struct Way<'a> {
    bench: Bench<'a>,
    subject: &'a Subject,
    options: &'a RunOptions,
    cache: Cache,
    begun: Instant,
    /// Who failed on the first cases as on all others, if anybody did.
    hopeless: OnceLock<&'static str>,
    /// Whether it ever answered.
    answered: AtomicBool,
    told: AtomicBool,
}

/// Runs the cases against a subject. Results come back in the cases' order, the repeats of each next to each other; those
/// that are taken up from before are not asked for again. A subject that turns out to be hopeless on its first cases is not
/// asked the rest; these are unscored. What was not begun when the run ended early has no result.
pub async fn run(
    bench: Bench<'_>,
    subject: &Subject,
    cases: &Cases,
    options: &RunOptions,
    taken: Taken,
    progress: &mut dyn Progress,
) -> Results {
    let repeats = options.times();
    let Taken { results, spent, .. } = taken;
    // Each case is asked once before any is asked again, so that a run that is cut short has seen most of the set.
    let in_turn = (0..repeats).flat_map(|repeat| (0..cases.len()).map(move |case| case * repeats + repeat));
    let open: Vec<u32> =
        in_turn.filter(|slot| !results.has(*slot)).filter_map(|slot| u32::try_from(slot).ok()).collect();
    let way = Way {
        bench,
        subject,
        options,
        cache: options.cache.for_route(&subject.route),
        begun: Instant::now(),
        hopeless: OnceLock::new(),
        answered: AtomicBool::new(false),
        told: AtomicBool::new(false),
    };
    let lane = bench.lanes.of(&subject.route);
    let next = AtomicUsize::new(0);
    let lost = AtomicBool::new(false);
    let door = Mutex::new(());
    let arrived = RefCell::new((results, progress));
    // Each takes one case after the other: what a call needs is there once for each place, and not once for each case.
    let worker = || async {
        while let Ok(place) = lane.free.acquire().await {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = open.get(nth).filter(|_| bench.halt.goes_on()) else { return };
            let (case, repeat) =
                (*slot as usize / repeats, u32::try_from(*slot as usize % repeats).unwrap_or(0));
            let Some(asked) = cases.get(case) else {
                if !lost.swap(true, Ordering::Relaxed) {
                    let words =
                        "what was put aside of the cases cannot be read any more, so they have no result";
                    (bench.tell)(&format!("{}: {words}; --resume asks them", subject.name));
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
            let reads = way.cache.reads && before.is_none_or(|before| before.cost == Cost::NOTHING);
            let turn = Turn { repeat, reads, is_first: nth < FIRST };
            let (mut result, source) = way.ask(&asked, turn, place).await;
            if let Some(before) = before {
                // Where its answer is what is judged again, it is paid for already.
                let is_paid = source == Source::OwnRun && before.answered;
                let own = if is_paid { Cost::NOTHING } else { result.cost };
                result.cost = Cost::sum([before.cost, own]);
                result.judging = Judging::sum([before.judging, result.judging]);
            }
            let receipt = way.keep(&result, nth);
            {
                let (results, progress) = &mut *arrived.borrow_mut();
                progress.done(&result);
                results.take(case, result);
            }
            if let Some(receipt) = receipt {
                // Where nothing came of it, the ledger says so itself.
                let _ = receipt.await;
            }
        }
    };
    // While some answers are judged, others are asked for.
    let places = lane.places + bench.jury.places(&bench, cases);
    let workers = join_all((0..places.min(open.len())).map(|_| worker()));
    tokio::select! {
        biased;
        _ = workers => {}
        () = bench.halt.ended() => {}
    }
    arrived.into_inner().0.done()
}

impl Way<'_> {
    /// Asks for an answer, has it judged where its assertions want that, and grades it; and says where the answer is from.
    async fn ask(&self, case: &Case, turn: Turn, place: SemaphorePermit<'_>) -> (CaseResult, Source) {
        let Turn { repeat, is_first, .. } = turn;
        let queued = self.begun.elapsed();
        if let Some(who) = self.hopeless.get() {
            let failure = (FailureClass::Cancelled, format!("not run: {who} failed on the first cases"));
            let result =
                CaseResult { repeat, failure: Some(failure), ..CaseResult::unscored(&case.head, queued) };
            return (result, Source::Call);
        }
        let (record, source) = self.answer(case, turn).await;
        // Answers come in bursts: the others that are there already are read first, or their latency would count the time
        // that this one's grading takes.
        tokio::task::yield_now().await;
        // Judges have places of their own, which may be at the same provider.
        drop(place);
        if record.outcome.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        let (mut result, answer) = CaseResult::of(case, &record, queued + record.queued);
        result.repeat = repeat;
        if is_first && (result.hopeless || self.is_shut(&record)) {
            let _ = self.hopeless.set("the subject");
        }
        if let Some(mut answer) = answer {
            if source == Source::Before {
                // How long it took says nothing of now.
                (answer.latency, answer.first_token) = (None, None);
            }
            self.grade(&mut result, case, &answer, is_first).await;
        }
        if source == Source::Before {
            // It was paid for when it was given.
            result.cached = Some(std::mem::replace(&mut result.cost, Cost::NOTHING));
            result.latency = None;
        }
        // Where the money ends, nothing went wrong.
        if result.verdict == Verdict::Unscored && !matches!(result.limit, Some(Why::Over(_))) {
            self.bench.halt.count_error();
        }
        (result, source)
    }

    /// Has an answer judged, and grades it.
    async fn grade(&self, result: &mut CaseResult, case: &Case, answer: &Graded<'_>, is_first: bool) {
        let judgement = self.bench.jury.judge(&self.bench, self.options, case, answer).await;
        if is_first && judgement.hopeless {
            let _ = self.hopeless.set("its judge");
        }
        (result.judging, result.limit) = (judgement.judging, judgement.limit);
        result.grade(case, &Graded { findings: &judgement.findings, ..*answer });
    }

    /// The call that answers a case, and where the answer is from.
    async fn answer(&self, case: &Case, turn: Turn) -> (CallRecord, Source) {
        let Bench { router, tell, .. } = self.bench;
        // A case always sees the same arm of a weighted route.
        let caller = Caller { label: None, key: Some(case.head.id.to_string()) };
        let stream = self.options.stream;
        // Where a run was cut short, an answer that waited for its judge is kept, and has no result.
        let has_own = self.options.goes_on && !tasks(&case.assertions).is_empty();
        let keeps = self.cache != Cache::default() || has_own;
        let plan = keeps.then(|| router.plan(&self.subject.route, &case.request, &caller));
        let errand = plan.as_ref().map(|plan| {
            let asker = [&*self.options.run, &*self.subject.name, &*case.head.id].join("\n");
            Errand { router, plan, request: &case.request, repeat: turn.repeat, stream, asker }
        });
        let finds = has_own || turn.reads;
        match errand.as_ref().filter(|_| finds).and_then(Errand::find) {
            Some((record, true)) if has_own => return (record, Source::OwnRun),
            Some((record, _)) if turn.reads => return (record, Source::Before),
            _ => {}
        }
        let call = CallOptions {
            id: String::new(),
            requested_model: self.subject.name.clone(),
            stream,
            timeout: self.options.timeout,
            caller,
        };
        let mut refusals = Refusals { told: &self.told, tell };
        let record = router.call(&self.subject.route, &case.request, &call, &mut refusals).await;
        if let Some(errand) = errand.filter(|_| self.cache.writes) {
            errand.keep(&record);
        }
        (record, Source::Call)
    }

    /// Who refuses its first cases for as long as they wait, and answers nobody meanwhile, will refuse the others too.
    fn is_shut(&self, record: &CallRecord) -> bool {
        let refused = record.outcome.as_ref().is_err_and(|none| {
            let class = none.failure.as_ref().map(|failure| failure.class);
            class == Some(FailureClass::RateLimited) && matches!(none.why, Why::Timeout | Why::Deadline)
        });
        refused && !self.answered.load(Ordering::Relaxed)
    }

    /// Hands a result to the ledger, whose writer has it on disk in a moment. Now and then somebody has to wait for that, so
    /// that a slow disk is never far behind.
    fn keep(&self, result: &CaseResult, nth: usize) -> Option<oneshot::Receiver<()>> {
        let health = self.bench.router.health();
        // Nobody will ever go on with a run that is kept in memory alone.
        if health.ledger().trouble().is_some() {
            return None;
        }
        let row = row_of(&self.subject.name, result, health.now());
        let run = self.options.run.clone();
        let put = move |rows: &Rows<'_>| rows.put_result(&run, &row);
        if nth % AWAITED == AWAITED - 1 {
            return Some(health.ledger().receipt(put));
        }
        health.ledger().post(put);
        None
    }
}
