//! Invariants of every call under random faults.
//!
//! Faults, timeouts, and pauses are random. The calls of a case share a health store, so breakers and
//! cooldowns carry over. The expectations come from the scripted replies.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::strategy::Strategy as ProptestStrategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::time::Instant;

use super::limits::RetryBudget;
use super::route_fixture::*;
use super::*;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};
use crate::provider::{ModelRef, Target};

/// What a host does with one request. Times are in milliseconds.
#[derive(Clone, Debug)]
enum GeneratedFault {
    /// No fault: content after a while, `more` pieces at intervals, and a regular end.
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
    /// Ends abnormally, with or without content.
    Ends {
        content: Option<u64>,
        ending: ScriptedEnding,
    },
    /// Sends keep-alives without end, after the content if there is any.
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
    /// A regular end without content.
    Empty,
}

const CONTENT_DELTA: &str = "ok ";

impl GeneratedFault {
    /// Times of the content, from the start of the request.
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

    /// The text of a complete answer; `None` if the reply is not one.
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
            Self::Ends { ending, .. } => (String::new(), *ending),
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

/// A random setup and the calls made in it.
#[derive(Clone, Debug)]
struct GeneratedCase {
    hosts: Vec<Vec<GeneratedFault>>,
    retry: RetryPolicy,
    deadlines: CallTimeouts,
    /// Choices for midstream, content policy, bad request, and unknown.
    fails_over: [bool; 4],
    stream: bool,
    is_live: bool,
    timeout: Option<Duration>,
    /// Seconds before each call.
    pauses: Vec<u64>,
}

fn fault_strategy() -> impl ProptestStrategy<Value = GeneratedFault> {
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
        3 => (content(), proptest::sample::select(endings)).prop_map(|(content, ending)| GeneratedFault::Ends { content, ending }),
        1 => content().prop_map(|content| GeneratedFault::KeepsAlive { content }),
        1 => content().prop_map(|content| GeneratedFault::Malformed { content }),
        1 => (content(), proptest::sample::select(codes))
            .prop_map(|(content, code)| GeneratedFault::InBand { content, code }),
        1 => Just(GeneratedFault::Empty),
    ]
}

fn case_strategy() -> impl ProptestStrategy<Value = GeneratedCase> {
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
        |(hosts, retry, deadlines, fails_over, stream, is_live, timeout, pauses)| GeneratedCase {
            hosts,
            retry,
            deadlines,
            fails_over,
            stream,
            is_live,
            timeout,
            pauses,
        },
    )
}

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// Records the availability of every candidate whenever the call continues after a failure.
struct AvailabilityRecorder<'a> {
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

impl Observer for AvailabilityRecorder<'_> {
    fn on_event(&mut self, event: &CallEvent<'_>) {
        match event {
            CallEvent::AttemptFailed { .. } => self.record_availability(),
            CallEvent::LastResort { .. } => self.last_resort_count += 1,
            _ => {}
        }
    }
}

/// Counts what happened: a test in which no call fails would prove nothing.
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

async fn run_case(case: &GeneratedCase, tally: &RefCell<FaultTally>) -> Result<(), TestCaseError> {
    let replies = case
        .hosts
        .iter()
        .map(|faults| faults.iter().map(|fault| fault.scripted_reply(case.stream)).collect());
    let mut fixture = RouteFixture::new(HOSTS.into_iter().zip(replies));
    (fixture.options.stream, fixture.options.timeout) = (case.stream, case.timeout);
    fixture.options.shows_text = case.is_live;
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
        let before = fixture.transport.hosts_called();
        let mut observer = AvailabilityRecorder {
            health: fixture.router.health(),
            retries: &fixture.router.retry_budget,
            targets: route.candidates.iter().filter_map(|c| c.target.as_ref().ok()).collect(),
            availability_snapshots: vec![],
            last_resort_count: 0,
        };
        observer.record_availability();
        let start = Instant::now();
        let request = crate::chat::Request::from_prompt("hi");
        let plan = fixture.router.plan(&route, &request, &fixture.options);
        let record = fixture.router.run(plan, &mut observer).await;
        prop_assert_eq!(record.latency, start.elapsed());
        tally_call(&mut tally.borrow_mut(), &record, &observer);
        check_call_invariants(
            case,
            &record,
            &observer,
            &before,
            &fixture.transport.hosts_called()[before.len()..],
        )
        .map_err(|why| TestCaseError::fail(format!("call {n}: {why}\n{record:#?}")))?;
    }
    Ok(())
}

fn tally_call(tally: &mut FaultTally, record: &CallRecord, observer: &AvailabilityRecorder<'_>) {
    let count_states = |is: fn(&Availability) -> bool| {
        observer.availability_snapshots.iter().flatten().filter(|s| is(s)).count()
    };
    tally.calls += 1;
    tally.answers += usize::from(record.outcome.is_ok());
    tally.sleeps += delays_before_attempts(record).filter(|delay| !delay.is_zero()).count();
    tally.breaker_open +=
        count_states(|s| matches!(s, Availability::Unavailable { why: Unavailable::BreakerOpen, .. }));
    tally.retry_after +=
        count_states(|s| matches!(s, Availability::Unavailable { why: Unavailable::RetryAfter, .. }));
    tally.demoted += count_states(|s| *s == Availability::Demoted);
    tally.half_open += count_states(|s| *s == Availability::HalfOpen);
    tally.last_resort += observer.last_resort_count;
    let at_deadline = |error: &CallError| error.reason == StopReason::DeadlineExceeded;
    tally.cut_at_deadline += usize::from(record.outcome.as_ref().err().is_some_and(at_deadline));
}

/// Idle time before each attempt.
fn delays_before_attempts(record: &CallRecord) -> impl Iterator<Item = Duration> {
    let mut idle_since = NO_DELAY;
    record.attempts.iter().map(move |attempt| {
        let delay = attempt.start_offset - idle_since;
        idle_since = attempt.start_offset + attempt.duration;
        delay
    })
}

/// `before` and `called` are the hosts called before and during the call.
fn check_call_invariants(
    case: &GeneratedCase,
    record: &CallRecord,
    observer: &AvailabilityRecorder<'_>,
    before: &[String],
    called: &[String],
) -> Result<(), TestCaseError> {
    let candidates = case.hosts.len();
    let attempts = &record.attempts;
    let tried: Vec<usize> = called.iter().map(|host| HOSTS.iter().position(|h| h == host).unwrap()).collect();
    prop_assert!(attempts.iter().map(|a| &a.model_ref.provider).eq(called), "every request is an attempt");
    prop_assert!(attempts.len() <= (candidates + 2).max(6), "too many attempts");
    for host in HOSTS {
        let times = called.iter().filter(|called| *called == host).count();
        prop_assert!(times <= 1 + case.retry.retries as usize, "{host} got too many retries");
    }
    let first_success = attempts.iter().position(|attempt| attempt.failure.is_none());
    prop_assert!(first_success.is_none_or(|at| at + 1 == attempts.len()), "an attempt follows the answer");
    prop_assert_eq!(first_success.is_some(), record.outcome.is_ok());
    if let Some(limit) = case.timeout {
        prop_assert!(record.latency <= limit, "exceeds the caller's time limit");
    }
    for (n, delay) in delays_before_attempts(record).enumerate() {
        let attempt = &attempts[n];
        let faults = &case.hosts[tried[n]];
        let nth = before.iter().chain(&called[..n]).filter(|host| *host == HOSTS[tried[n]]).count();
        check_attempt_timing(case, attempt, &faults[nth.min(faults.len() - 1)])?;
        // If a candidate is available, an available one is tried immediately.
        let is_available = |index: &usize| {
            !tried[..n].contains(index)
                && !matches!(observer.availability_snapshots[n][*index], Availability::Unavailable { .. })
        };
        let retried = case.retry.when == RetryWhen::First && n > 0 && tried[n] == tried[n - 1];
        if (0..candidates).any(|index| is_available(&index)) && !retried {
            prop_assert!(delay.is_zero(), "waited {delay:?} before attempt {n} with a candidate available");
            prop_assert!(is_available(&tried[n]), "attempt {n} went to an unavailable candidate");
        }
        let left =
            case.deadlines.deadline - attempt.start_offset.saturating_sub(delay).min(case.deadlines.deadline);
        prop_assert!(delay <= left / 2, "waited {delay:?} with {left:?} left");
    }
    match &record.outcome {
        Ok(answer) => {
            let faults = &case.hosts[tried[tried.len() - 1]];
            let nth =
                before.iter().chain(called).filter(|host| *host == &called[called.len() - 1]).count() - 1;
            let text = faults[nth.min(faults.len() - 1)].complete_text();
            prop_assert_eq!(
                Some(&answer.response.text),
                text.as_ref(),
                "the text differs from the complete answer"
            );
        }
        Err(error) if error.reason == StopReason::AllAttemptsFailed => {
            // With an exhausted retry budget, unavailable candidates are skipped.
            let is_skipped = |index: usize| {
                let matches_index = |(model, skip): &(ModelRef, SkipReason)| {
                    model.provider == HOSTS[index] && matches!(skip, SkipReason::Unavailable(..))
                };
                observer.retries.is_exhausted() && record.skipped.iter().any(matches_index)
            };
            let all = (0..candidates).all(|index| tried.contains(&index) || is_skipped(index));
            prop_assert!(all || attempts.len() == (candidates + 2).max(6), "a candidate was not tried");
        }
        Err(error) if error.reason == StopReason::DeadlineExceeded => {
            prop_assert!(record.latency >= case.deadlines.deadline);
        }
        Err(_) => {}
    }
    Ok(())
}

/// Checks that the attempt respects its timeouts, and that a complete answer within them is accepted.
fn check_attempt_timing(
    case: &GeneratedCase,
    attempt: &Attempt,
    fault: &GeneratedFault,
) -> Result<(), TestCaseError> {
    let (start, end, deadline) =
        (attempt.start_offset, attempt.start_offset + attempt.duration, case.deadlines.deadline);
    let contents = fault.content_times();
    prop_assert!(start < deadline && case.timeout.is_none_or(|limit| start < limit), "started too late");
    let in_time = contents.first().is_some_and(|first| case.stream && start + *first <= deadline);
    prop_assert!(in_time || end <= deadline, "exceeded the deadline: {attempt:?}");
    if let (Some(last), true) = (contents.last(), case.stream) {
        prop_assert!(attempt.duration <= *last + case.deadlines.idle, "exceeded the idle timeout");
    }
    // Lower bound of the first-token timeout: own (probe: at most 10 s), minimum share, and remaining time.
    let min_first_token =
        case.deadlines.first_token.unwrap_or(seconds(30)).min(seconds(5)).min(deadline - start);
    let steady = contents.windows(2).all(|pair| pair[1] - pair[0] < case.deadlines.idle);
    let quick = if case.stream {
        contents.first().is_some_and(|first| *first < min_first_token) && steady
    } else {
        contents.last().is_some_and(|last| *last < deadline - start)
    };
    let within = |limit: Duration| contents.last().is_some_and(|last| start + *last < limit);
    if fault.complete_text().is_some() && quick && case.timeout.is_none_or(within) {
        prop_assert!(attempt.failure.is_none(), "a complete answer in time was rejected: {attempt:?}");
    }
    prop_assert!(
        fault.complete_text().is_some() || attempt.failure.is_some(),
        "a fault was accepted as an answer"
    );
    Ok(())
}

#[test]
fn random_faults_keep_call_invariants() {
    let tally = RefCell::new(FaultTally::default());
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&case_strategy(), |case| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(run_case(&case, &tally))
    });
    let tally = tally.into_inner();
    println!("{tally:?}");
    if let Err(why) = result {
        panic!("{why}");
    }
    let FaultTally {
        calls,
        answers,
        sleeps,
        breaker_open: open,
        retry_after,
        demoted,
        half_open,
        last_resort,
        cut_at_deadline,
    } = tally;
    let kinds = [calls, answers, sleeps, open, retry_after, demoted, half_open, last_resort, cut_at_deadline];
    assert!(kinds.iter().all(|times| *times >= 10), "some outcome occurred fewer than 10 times");
}
