//! Whatever goes wrong, in whatever order: what holds for every call.
//!
//! Faults, timers and pauses between calls are drawn; several calls share one health, so that breakers open and waits
//! are remembered. What an attempt may do is worked out from the script, not from the walk.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::strategy::Strategy as Drawn;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::time::Instant;

use super::limits::RetryBudget;
use super::route_fixture::*;
use super::*;
use crate::chat::StreamEvent;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};
use crate::provider::{ModelRef, Target};

/// What a host does with one request. Times are milliseconds.
#[derive(Clone, Debug)]
enum GeneratedFault {
    /// Nothing: content after a while, more of it every so often, and a proper end.
    Answers {
        after: u64,
        more: u64,
        every: u64,
    },
    Refuses,
    Status {
        status: u16,
        after: u64,
        retry_after: Option<u64>,
    },
    /// Ends without saying so, after some content or none.
    Ends {
        content: Option<u64>,
        how: ScriptedEnding,
    },
    /// Says nothing but that it is still there.
    KeepsAlive {
        content: Option<u64>,
    },
    Malformed {
        content: Option<u64>,
    },
    InBand {
        content: Option<u64>,
        code: &'static str,
    },
    /// A proper end of nothing.
    Empty,
}

const CONTENT_DELTA: &str = "ok ";

impl GeneratedFault {
    /// When content comes, from the request on.
    fn content_times(&self) -> Vec<Duration> {
        let at = Duration::from_millis;
        match self {
            Self::Answers { after, more, every } => (0..=*more).map(|n| at(after + n * every)).collect(),
            Self::Ends { content, .. }
            | Self::KeepsAlive { content }
            | Self::Malformed { content }
            | Self::InBand { content, .. } => content.iter().map(|after| at(*after)).collect(),
            Self::Refuses | Self::Status { .. } | Self::Empty => vec![],
        }
    }

    /// The text of a whole answer; `None` where there is none.
    fn complete_text(&self) -> Option<String> {
        matches!(self, Self::Answers { .. }).then(|| CONTENT_DELTA.repeat(self.content_times().len()))
    }

    fn scripted_reply(&self, stream: bool) -> ScriptedReply {
        let (rest, ending) = match self {
            Self::Refuses => return ScriptedReply::RefuseConnection,
            Self::Status { status, after, retry_after } => {
                let headers = retry_after.map(|wait| ("retry-after", wait.to_string())).into_iter().collect();
                let after = Duration::from_millis(*after);
                return ScriptedReply::Reply { after, status: *status, headers, body: "{}".into() };
            }
            Self::Answers { .. } | Self::Empty => (finish_chunk(), ScriptedEnding::Clean),
            Self::Ends { how, .. } => (String::new(), *how),
            Self::KeepsAlive { .. } => (": still there\n\n".repeat(3), ScriptedEnding::Hang),
            Self::Malformed { .. } => ("data: {oops\n\n".to_owned(), ScriptedEnding::Clean),
            Self::InBand { code, .. } => (
                format!("data: {{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}\n\n"),
                ScriptedEnding::Clean,
            ),
        };
        if !stream {
            return self.non_streaming_reply(ending);
        }
        let mut last = NO_DELAY;
        let mut pieces: Vec<(Duration, String)> = Vec::new();
        for at in self.content_times() {
            pieces.push((at - last, content_chunk(CONTENT_DELTA)));
            last = at;
        }
        pieces.push((NO_DELAY, rest));
        ScriptedReply::Stream { pieces, ending }
    }

    fn non_streaming_reply(&self, ending: ScriptedEnding) -> ScriptedReply {
        let after = self.content_times().last().copied().unwrap_or(NO_DELAY);
        let answer = |text: &str| {
            format!("{{\"choices\":[{{\"message\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}")
        };
        let body = match self {
            Self::Empty => answer(""),
            Self::Malformed { .. } => "<html>oops</html>".to_owned(),
            Self::InBand { code, .. } => format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}"),
            Self::Ends { .. } | Self::KeepsAlive { .. } => "{\"choi".to_owned(),
            _ => answer(&self.complete_text().unwrap_or_default()),
        };
        ScriptedReply::Stream { pieces: vec![(after, body)], ending }
    }
}

/// One drawn world, and the calls made in it.
#[derive(Clone, Debug)]
struct GeneratedCase {
    hosts: Vec<Vec<GeneratedFault>>,
    retry: RetryPolicy,
    deadlines: CallTimeouts,
    /// What the route chooses at midstream, content policy, bad request and unknown.
    fails_over: [bool; 4],
    stream: bool,
    shows: bool,
    timeout: Option<Duration>,
    /// Seconds before each call.
    pauses: Vec<u64>,
}

fn fault_strategy() -> impl Drawn<Value = GeneratedFault> {
    let after = || prop_oneof![4 => 0..3000_u64, 2 => 3000..40_000_u64, 1 => 40_000..150_000_u64];
    let content = move || proptest::option::of(after());
    let codes = vec!["server_error", "rate_limit_exceeded", "content_filter", "insufficient_quota", "odd"];
    let statuses = vec![400, 401, 404, 408, 424, 429, 429, 429, 500, 503, 503, 529];
    let wait = proptest::option::of(0..150_u64);
    let status = (proptest::sample::select(statuses), after(), wait)
        .prop_map(|(status, after, retry_after)| GeneratedFault::Status { status, after, retry_after });
    let endings = vec![ScriptedEnding::Clean, ScriptedEnding::Broken, ScriptedEnding::Hang];
    prop_oneof![
        4 => (after(), 0..4_u64, 0..20_000_u64).prop_map(|(after, more, every)| GeneratedFault::Answers { after, more, every }),
        2 => Just(GeneratedFault::Refuses),
        5 => status,
        3 => (content(), proptest::sample::select(endings)).prop_map(|(content, how)| GeneratedFault::Ends { content, how }),
        1 => content().prop_map(|content| GeneratedFault::KeepsAlive { content }),
        1 => content().prop_map(|content| GeneratedFault::Malformed { content }),
        1 => (content(), proptest::sample::select(codes))
            .prop_map(|(content, code)| GeneratedFault::InBand { content, code }),
        1 => Just(GeneratedFault::Empty),
    ]
}

fn case_strategy() -> impl Drawn<Value = GeneratedCase> {
    let hosts = proptest::collection::vec(proptest::collection::vec(fault_strategy(), 1..6), 1..5);
    let retry = (0..4_u32, any::<bool>(), 0..2000_u64).prop_map(|(retries, first, base)| RetryPolicy {
        retries,
        when: if first { RetryWhen::First } else { RetryWhen::Alone },
        base: Duration::from_millis(base),
        cap: seconds(8),
    });
    let deadlines =
        (1..130_u64, proptest::option::of(1..60_u64), 1..40_u64).prop_map(|(call, first_token, idle)| {
            CallTimeouts {
                deadline: seconds(call),
                first_token: first_token.map(seconds),
                idle: seconds(idle),
            }
        });
    let timeout = prop_oneof![3 => Just(None), 1 => (1..100_u64).prop_map(|limit| Some(seconds(limit)))];
    let pauses = proptest::collection::vec(prop_oneof![3 => 0..2_u64, 1 => 2..400_u64], 1..12);
    let stream = prop_oneof![3 => Just(true), 1 => Just(false)];
    (hosts, retry, deadlines, any::<[bool; 4]>(), stream, any::<bool>(), timeout, pauses).prop_map(
        |(hosts, retry, deadlines, goes_on, stream, shows, timeout, pauses)| GeneratedCase {
            hosts,
            retry,
            deadlines,
            fails_over: goes_on,
            stream,
            shows,
            timeout,
            pauses,
        },
    )
}

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// Writes down how everybody stood when the call went on from a failure.
struct AvailabilityRecorder<'a> {
    shows: bool,
    health: &'a HealthStore,
    retries: &'a RetryBudget,
    targets: Vec<&'a Target>,
    availability_snapshots: Vec<Vec<Availability>>,
    last_resort_count: usize,
}

impl AvailabilityRecorder<'_> {
    fn record_availability(&mut self) {
        self.availability_snapshots.push(self.health.availability(self.targets.iter().copied()));
    }
}

impl CallObserver for AvailabilityRecorder<'_> {
    fn is_live(&self) -> bool {
        self.shows
    }
    fn on_event(&mut self, _event: &StreamEvent) {}
    fn on_notice(&mut self, notice: &CallNotice<'_>) {
        match notice {
            CallNotice::AttemptFailed { .. } => self.record_availability(),
            CallNotice::LastResort { .. } => self.last_resort_count += 1,
            _ => {}
        }
    }
}

/// What was seen at all: a test of calls that never fail would prove nothing.
#[derive(Debug, Default)]
struct FaultTally {
    calls: usize,
    answers: usize,
    sleeps: usize,
    breaker_open: usize,
    retry_after: usize,
    demoted: usize,
    half_open: usize,
    last_resort: usize,
    cut_at_deadline: usize,
}

async fn run_case(case: &GeneratedCase, seen: &RefCell<FaultTally>) -> Result<(), TestCaseError> {
    let scenes = case
        .hosts
        .iter()
        .map(|faults| faults.iter().map(|fault| fault.scripted_reply(case.stream)).collect());
    let mut world = RouteFixture::new(HOSTS.into_iter().zip(scenes));
    (world.stream, world.timeout) = (case.stream, case.timeout);
    let choice =
        |at: usize| if case.fails_over[at] { StopOrContinue::Continue } else { StopOrContinue::Stop };
    let policy = RoutePolicy {
        retry: case.retry,
        timeouts: case.deadlines,
        on_midstream: choice(0),
        on_content_policy: choice(1),
        on_bad_request: choice(2),
        on_unknown: choice(3),
        ..RoutePolicy::default()
    };
    let route = route(&HOSTS[..case.hosts.len()], policy);
    for (n, pause) in case.pauses.iter().enumerate() {
        tokio::time::sleep(seconds(*pause)).await;
        let before = world.transport.hosts_called();
        let mut witness = AvailabilityRecorder {
            shows: case.shows,
            health: world.router.health(),
            retries: &world.router.retry_budget,
            targets: route.candidates.iter().filter_map(|c| c.target.as_ref().ok()).collect(),
            availability_snapshots: vec![],
            last_resort_count: 0,
        };
        witness.record_availability();
        let start = Instant::now();
        let options = world.call_options();
        let request = crate::chat::Request::from_prompt("hi");
        let record = world.router.call(&route, &request, &options, &mut witness).await;
        prop_assert_eq!(record.latency, start.elapsed());
        tally_call(&mut seen.borrow_mut(), &record, &witness);
        check_call_invariants(
            case,
            &record,
            &witness,
            &before,
            &world.transport.hosts_called()[before.len()..],
        )
        .map_err(|why| TestCaseError::fail(format!("call {n}: {why}\n{record:#?}")))?;
    }
    Ok(())
}

fn tally_call(seen: &mut FaultTally, record: &CallRecord, witness: &AvailabilityRecorder<'_>) {
    let stood = |is: fn(&Availability) -> bool| {
        witness.availability_snapshots.iter().flatten().filter(|s| is(s)).count()
    };
    seen.calls += 1;
    seen.answers += usize::from(record.outcome.is_ok());
    seen.sleeps += delays_before_attempts(record).filter(|pause| !pause.is_zero()).count();
    seen.breaker_open +=
        stood(|s| matches!(s, Availability::Unavailable { why: Unavailable::BreakerOpen, .. }));
    seen.retry_after +=
        stood(|s| matches!(s, Availability::Unavailable { why: Unavailable::RetryAfter, .. }));
    seen.demoted += stood(|s| *s == Availability::Demoted);
    seen.half_open += stood(|s| *s == Availability::HalfOpen);
    seen.last_resort += witness.last_resort_count;
    let at_deadline = |none: &CallError| none.reason == StopReason::DeadlineExceeded;
    seen.cut_at_deadline += usize::from(record.outcome.as_ref().err().is_some_and(at_deadline));
}

/// How long nothing was under way before each attempt.
fn delays_before_attempts(record: &CallRecord) -> impl Iterator<Item = Duration> {
    let mut free = NO_DELAY;
    record.attempts.iter().map(move |attempt| {
        let pause = attempt.start_offset - free;
        free = attempt.start_offset + attempt.duration;
        pause
    })
}

/// What must hold of every call. `before` and `asked` are the hosts asked before and during it.
fn check_call_invariants(
    case: &GeneratedCase,
    record: &CallRecord,
    witness: &AvailabilityRecorder<'_>,
    before: &[String],
    asked: &[String],
) -> Result<(), TestCaseError> {
    let candidates = case.hosts.len();
    let attempts = &record.attempts;
    let who: Vec<usize> = asked.iter().map(|host| HOSTS.iter().position(|h| h == host).unwrap()).collect();
    prop_assert!(attempts.iter().map(|a| &a.model_ref.provider).eq(asked), "every request is an attempt");
    prop_assert!(attempts.len() <= (candidates + 2).max(6), "too many attempts");
    for host in HOSTS {
        let times = asked.iter().filter(|asked| *asked == host).count();
        prop_assert!(times <= 1 + case.retry.retries as usize, "{host} was retried too often");
    }
    let first_success = attempts.iter().position(|attempt| attempt.failure.is_none());
    prop_assert!(first_success.is_none_or(|at| at + 1 == attempts.len()), "something came after the answer");
    prop_assert_eq!(first_success.is_some(), record.outcome.is_ok());
    if let Some(limit) = case.timeout {
        prop_assert!(record.latency <= limit, "longer than the caller's limit");
    }
    for (n, pause) in delays_before_attempts(record).enumerate() {
        let attempt = &attempts[n];
        let faults = &case.hosts[who[n]];
        let nth = before.iter().chain(&asked[..n]).filter(|host| *host == HOSTS[who[n]]).count();
        check_attempt_timing(case, attempt, &faults[nth.min(faults.len() - 1)])?;
        // Nobody is ready, or the one that comes is of those who are.
        let ready = |index: &usize| {
            !who[..n].contains(index)
                && !matches!(witness.availability_snapshots[n][*index], Availability::Unavailable { .. })
        };
        let retried = case.retry.when == RetryWhen::First && n > 0 && who[n] == who[n - 1];
        if (0..candidates).any(|index| ready(&index)) && !retried {
            prop_assert!(pause.is_zero(), "slept {pause:?} before attempt {n} while another one was ready");
            prop_assert!(ready(&who[n]), "attempt {n} went to one that was not ready");
        }
        let left =
            case.deadlines.deadline - attempt.start_offset.saturating_sub(pause).min(case.deadlines.deadline);
        prop_assert!(pause <= left / 2, "slept {pause:?} with {left:?} left");
    }
    match &record.outcome {
        Ok(answer) => {
            let faults = &case.hosts[who[who.len() - 1]];
            let nth = before.iter().chain(asked).filter(|host| *host == &asked[asked.len() - 1]).count() - 1;
            let text = faults[nth.min(faults.len() - 1)].complete_text();
            prop_assert_eq!(
                Some(&answer.response.text),
                text.as_ref(),
                "not what was sent as a whole answer"
            );
        }
        Err(none) if none.reason == StopReason::AllAttemptsFailed => {
            // Once a process has no second tries left, those who want to be left alone are.
            let left_alone = |index: usize| {
                let of = |(model, skip): &(ModelRef, SkipReason)| {
                    model.provider == HOSTS[index] && matches!(skip, SkipReason::Unavailable(..))
                };
                witness.retries.is_exhausted() && record.skipped.iter().any(of)
            };
            let all = (0..candidates).all(|index| who.contains(&index) || left_alone(index));
            prop_assert!(all || attempts.len() == (candidates + 2).max(6), "somebody was left out");
        }
        Err(none) if none.reason == StopReason::DeadlineExceeded => {
            prop_assert!(record.latency >= case.deadlines.deadline);
        }
        Err(_) => {}
    }
    Ok(())
}

/// An attempt that keeps to its timers, and whose answer counts when it keeps to them.
fn check_attempt_timing(
    case: &GeneratedCase,
    attempt: &Attempt,
    fault: &GeneratedFault,
) -> Result<(), TestCaseError> {
    let (start, end, deadline) =
        (attempt.start_offset, attempt.start_offset + attempt.duration, case.deadlines.deadline);
    let contents = fault.content_times();
    prop_assert!(start < deadline && case.timeout.is_none_or(|limit| start < limit), "began too late");
    let in_time = contents.first().is_some_and(|first| case.stream && start + *first <= deadline);
    prop_assert!(in_time || end <= deadline, "waited past the deadline: {attempt:?}");
    if let (Some(last), true) = (contents.last(), case.stream) {
        prop_assert!(attempt.duration <= *last + case.deadlines.idle, "waited past idle");
    }
    // No timer of an attempt is shorter than these: its own (a probe's at most 10 s), its share, what is left.
    let least = case.deadlines.first_token.unwrap_or(seconds(30)).min(seconds(5)).min(deadline - start);
    let steady = contents.windows(2).all(|pair| pair[1] - pair[0] < case.deadlines.idle);
    let quick = if case.stream {
        contents.first().is_some_and(|first| *first < least) && steady
    } else {
        contents.last().is_some_and(|last| *last < deadline - start)
    };
    let within = |limit: Duration| contents.last().is_some_and(|last| start + *last < limit);
    if fault.complete_text().is_some() && quick && case.timeout.is_none_or(within) {
        prop_assert!(attempt.failure.is_none(), "a good answer in time was refused: {attempt:?}");
    }
    prop_assert!(
        fault.complete_text().is_some() || attempt.failure.is_some(),
        "a fault passed for an answer"
    );
    Ok(())
}

#[test]
fn random_faults_keep_call_invariants() {
    let seen = RefCell::new(FaultTally::default());
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config).run(&case_strategy(), |case| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(run_case(&case, &seen))
    });
    let seen = seen.into_inner();
    println!("{seen:?}");
    if let Err(why) = played {
        panic!("{why}");
    }
    let FaultTally {
        calls,
        answers,
        sleeps,
        breaker_open: open,
        retry_after: asked_to_wait,
        demoted,
        half_open,
        last_resort: forced,
        cut_at_deadline,
    } = seen;
    let kinds = [calls, answers, sleeps, open, asked_to_wait, demoted, half_open, forced, cut_at_deadline];
    assert!(kinds.iter().all(|times| *times >= 10), "too little happened");
}
