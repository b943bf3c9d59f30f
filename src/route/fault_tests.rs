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
use super::test_world::*;
use super::*;
use crate::chat::Event;
use crate::provider::scripted::{Ending, Scene};
use crate::provider::{ModelRef, Target};

/// What a host does with one request. Times are milliseconds.
#[derive(Clone, Debug)]
enum Fault {
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
        how: Ending,
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

const PIECE: &str = "ok ";

impl Fault {
    /// When content comes, from the request on.
    fn contents(&self) -> Vec<Duration> {
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
    fn text(&self) -> Option<String> {
        matches!(self, Self::Answers { .. }).then(|| PIECE.repeat(self.contents().len()))
    }

    fn scene(&self, stream: bool) -> Scene {
        let (rest, ending) = match self {
            Self::Refuses => return Scene::Refuse,
            Self::Status { status, after, retry_after } => {
                let headers = retry_after.map(|wait| ("retry-after", wait.to_string())).into_iter().collect();
                let after = Duration::from_millis(*after);
                return Scene::Reply { after, status: *status, headers, body: "{}".into() };
            }
            Self::Answers { .. } | Self::Empty => (finish(), Ending::Clean),
            Self::Ends { how, .. } => (String::new(), *how),
            Self::KeepsAlive { .. } => (": still there\n\n".repeat(3), Ending::Hang),
            Self::Malformed { .. } => ("data: {oops\n\n".to_owned(), Ending::Clean),
            Self::InBand { code, .. } => {
                (format!("data: {{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}\n\n"), Ending::Clean)
            }
        };
        if !stream {
            return self.whole(ending);
        }
        let mut last = NOW;
        let mut pieces: Vec<(Duration, String)> = Vec::new();
        for at in self.contents() {
            pieces.push((at - last, chunk(PIECE)));
            last = at;
        }
        pieces.push((NOW, rest));
        Scene::Stream { pieces, ending }
    }

    fn whole(&self, ending: Ending) -> Scene {
        let after = self.contents().last().copied().unwrap_or(NOW);
        let answer = |text: &str| {
            format!("{{\"choices\":[{{\"message\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}")
        };
        let body = match self {
            Self::Empty => answer(""),
            Self::Malformed { .. } => "<html>oops</html>".to_owned(),
            Self::InBand { code, .. } => format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}"),
            Self::Ends { .. } | Self::KeepsAlive { .. } => "{\"choi".to_owned(),
            _ => answer(&self.text().unwrap_or_default()),
        };
        Scene::Stream { pieces: vec![(after, body)], ending }
    }
}

/// One drawn world, and the calls made in it.
#[derive(Clone, Debug)]
struct Case {
    hosts: Vec<Vec<Fault>>,
    retry: Retry,
    deadlines: Deadlines,
    /// What the route chooses at midstream, content policy, bad request and unknown.
    goes_on: [bool; 4],
    stream: bool,
    shows: bool,
    timeout: Option<Duration>,
    /// Seconds before each call.
    pauses: Vec<u64>,
}

fn faults() -> impl Drawn<Value = Fault> {
    let after = || prop_oneof![4 => 0..3000_u64, 2 => 3000..40_000_u64, 1 => 40_000..150_000_u64];
    let content = move || proptest::option::of(after());
    let codes = vec!["server_error", "rate_limit_exceeded", "content_filter", "insufficient_quota", "odd"];
    let statuses = vec![400, 401, 404, 408, 424, 429, 429, 429, 500, 503, 503, 529];
    let wait = proptest::option::of(0..150_u64);
    let status = (proptest::sample::select(statuses), after(), wait)
        .prop_map(|(status, after, retry_after)| Fault::Status { status, after, retry_after });
    let endings = vec![Ending::Clean, Ending::Broken, Ending::Hang];
    prop_oneof![
        4 => (after(), 0..4_u64, 0..20_000_u64).prop_map(|(after, more, every)| Fault::Answers { after, more, every }),
        2 => Just(Fault::Refuses),
        5 => status,
        3 => (content(), proptest::sample::select(endings)).prop_map(|(content, how)| Fault::Ends { content, how }),
        1 => content().prop_map(|content| Fault::KeepsAlive { content }),
        1 => content().prop_map(|content| Fault::Malformed { content }),
        1 => (content(), proptest::sample::select(codes))
            .prop_map(|(content, code)| Fault::InBand { content, code }),
        1 => Just(Fault::Empty),
    ]
}

fn cases() -> impl Drawn<Value = Case> {
    let hosts = proptest::collection::vec(proptest::collection::vec(faults(), 1..6), 1..5);
    let retry = (0..4_u32, any::<bool>(), 0..2000_u64).prop_map(|(retries, first, base)| Retry {
        retries,
        when: if first { RetryWhen::First } else { RetryWhen::Alone },
        base: Duration::from_millis(base),
        cap: seconds(8),
    });
    let deadlines =
        (1..130_u64, proptest::option::of(1..60_u64), 1..40_u64).prop_map(|(call, first_token, idle)| {
            Deadlines { call: seconds(call), first_token: first_token.map(seconds), idle: seconds(idle) }
        });
    let timeout = prop_oneof![3 => Just(None), 1 => (1..100_u64).prop_map(|limit| Some(seconds(limit)))];
    let pauses = proptest::collection::vec(prop_oneof![3 => 0..2_u64, 1 => 2..400_u64], 1..12);
    let stream = prop_oneof![3 => Just(true), 1 => Just(false)];
    (hosts, retry, deadlines, any::<[bool; 4]>(), stream, any::<bool>(), timeout, pauses).prop_map(
        |(hosts, retry, deadlines, goes_on, stream, shows, timeout, pauses)| Case {
            hosts,
            retry,
            deadlines,
            goes_on,
            stream,
            shows,
            timeout,
            pauses,
        },
    )
}

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// Writes down how everybody stood when the call went on from a failure.
struct Witness<'a> {
    shows: bool,
    health: &'a Health,
    retries: &'a RetryBudget,
    targets: Vec<&'a Target>,
    standings: Vec<Vec<Standing>>,
    forced: usize,
}

impl Witness<'_> {
    fn look(&mut self) {
        self.standings.push(self.health.standings(self.targets.iter().copied()));
    }
}

impl Listener for Witness<'_> {
    fn shows(&self) -> bool {
        self.shows
    }
    fn event(&mut self, _event: &Event) {}
    fn notice(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Failed { .. } => self.look(),
            Notice::NobodyReady { .. } => self.forced += 1,
            _ => {}
        }
    }
}

/// What was seen at all: a test of calls that never fail would prove nothing.
#[derive(Debug, Default)]
struct Seen {
    calls: usize,
    answers: usize,
    sleeps: usize,
    open: usize,
    asked_to_wait: usize,
    demoted: usize,
    half_open: usize,
    forced: usize,
    cut_at_deadline: usize,
}

async fn play(case: &Case, seen: &RefCell<Seen>) -> Result<(), TestCaseError> {
    let scenes =
        case.hosts.iter().map(|faults| faults.iter().map(|fault| fault.scene(case.stream)).collect());
    let mut world = World::new(HOSTS.into_iter().zip(scenes));
    (world.stream, world.timeout) = (case.stream, case.timeout);
    let choice = |at: usize| if case.goes_on[at] { Choice::GoOn } else { Choice::Stop };
    let policy = Policy {
        retry: case.retry,
        deadlines: case.deadlines,
        on_midstream: choice(0),
        on_content_policy: choice(1),
        on_bad_request: choice(2),
        on_unknown: choice(3),
        ..Policy::default()
    };
    let route = route(&HOSTS[..case.hosts.len()], policy);
    for (n, pause) in case.pauses.iter().enumerate() {
        tokio::time::sleep(seconds(*pause)).await;
        let before = world.transport.order();
        let mut witness = Witness {
            shows: case.shows,
            health: world.router.health(),
            retries: &world.router.retries,
            targets: route.candidates.iter().filter_map(|c| c.target.as_ref().ok()).collect(),
            standings: vec![],
            forced: 0,
        };
        witness.look();
        let start = Instant::now();
        let options = world.options();
        let request = crate::chat::Request::prompt("hi");
        let record = world.router.call(&route, &request, &options, &mut witness).await;
        prop_assert_eq!(record.latency, start.elapsed());
        count(&mut seen.borrow_mut(), &record, &witness);
        holds(case, &record, &witness, &before, &world.transport.order()[before.len()..])
            .map_err(|why| TestCaseError::fail(format!("call {n}: {why}\n{record:#?}")))?;
    }
    Ok(())
}

fn count(seen: &mut Seen, record: &CallRecord, witness: &Witness<'_>) {
    let stood = |is: fn(&Standing) -> bool| witness.standings.iter().flatten().filter(|s| is(s)).count();
    seen.calls += 1;
    seen.answers += usize::from(record.outcome.is_ok());
    seen.sleeps += pauses(record).filter(|pause| !pause.is_zero()).count();
    seen.open += stood(|s| matches!(s, Standing::Away { why: Away::Open, .. }));
    seen.asked_to_wait += stood(|s| matches!(s, Standing::Away { why: Away::Asked, .. }));
    seen.demoted += stood(|s| *s == Standing::Demoted);
    seen.half_open += stood(|s| *s == Standing::HalfOpen);
    seen.forced += witness.forced;
    let at_deadline = |none: &NoAnswer| none.why == Why::Deadline;
    seen.cut_at_deadline += usize::from(record.outcome.as_ref().err().is_some_and(at_deadline));
}

/// How long nothing was under way before each attempt.
fn pauses(record: &CallRecord) -> impl Iterator<Item = Duration> {
    let mut free = NOW;
    record.attempts.iter().map(move |attempt| {
        let pause = attempt.started - free;
        free = attempt.started + attempt.duration;
        pause
    })
}

/// What must hold of every call. `before` and `asked` are the hosts asked before and during it.
fn holds(
    case: &Case,
    record: &CallRecord,
    witness: &Witness<'_>,
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
    for (n, pause) in pauses(record).enumerate() {
        let attempt = &attempts[n];
        let faults = &case.hosts[who[n]];
        let nth = before.iter().chain(&asked[..n]).filter(|host| *host == HOSTS[who[n]]).count();
        in_time(case, attempt, &faults[nth.min(faults.len() - 1)])?;
        // Nobody is ready, or the one that comes is of those who are.
        let ready = |index: &usize| {
            !who[..n].contains(index) && !matches!(witness.standings[n][*index], Standing::Away { .. })
        };
        let retried = case.retry.when == RetryWhen::First && n > 0 && who[n] == who[n - 1];
        if (0..candidates).any(|index| ready(&index)) && !retried {
            prop_assert!(pause.is_zero(), "slept {pause:?} before attempt {n} while another one was ready");
            prop_assert!(ready(&who[n]), "attempt {n} went to one that was not ready");
        }
        let left = case.deadlines.call - attempt.started.saturating_sub(pause).min(case.deadlines.call);
        prop_assert!(pause <= left / 2, "slept {pause:?} with {left:?} left");
    }
    match &record.outcome {
        Ok(answer) => {
            let faults = &case.hosts[who[who.len() - 1]];
            let nth = before.iter().chain(asked).filter(|host| *host == &asked[asked.len() - 1]).count() - 1;
            let text = faults[nth.min(faults.len() - 1)].text();
            prop_assert_eq!(
                Some(&answer.response.text),
                text.as_ref(),
                "not what was sent as a whole answer"
            );
        }
        Err(none) if none.why == Why::AllFailed => {
            // Once a process has no second tries left, those who want to be left alone are.
            let left_alone = |index: usize| {
                let of = |(model, skip): &(ModelRef, Skip)| {
                    model.provider == HOSTS[index] && matches!(skip, Skip::Away(..))
                };
                witness.retries.is_used_up() && record.skipped.iter().any(of)
            };
            let all = (0..candidates).all(|index| who.contains(&index) || left_alone(index));
            prop_assert!(all || attempts.len() == (candidates + 2).max(6), "somebody was left out");
        }
        Err(none) if none.why == Why::Deadline => prop_assert!(record.latency >= case.deadlines.call),
        Err(_) => {}
    }
    Ok(())
}

/// An attempt that keeps to its timers, and whose answer counts when it keeps to them.
fn in_time(case: &Case, attempt: &Attempt, fault: &Fault) -> Result<(), TestCaseError> {
    let (start, end, deadline) = (attempt.started, attempt.started + attempt.duration, case.deadlines.call);
    let contents = fault.contents();
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
    if fault.text().is_some() && quick && case.timeout.is_none_or(within) {
        prop_assert!(attempt.failure.is_none(), "a good answer in time was refused: {attempt:?}");
    }
    prop_assert!(fault.text().is_some() || attempt.failure.is_some(), "a fault passed for an answer");
    Ok(())
}

#[test]
fn whatever_goes_wrong_a_call_keeps_its_promises() {
    let seen = RefCell::new(Seen::default());
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config).run(&cases(), |case| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(play(&case, &seen))
    });
    let seen = seen.into_inner();
    println!("{seen:?}");
    if let Err(why) = played {
        panic!("{why}");
    }
    let Seen { calls, answers, sleeps, open, asked_to_wait, demoted, half_open, forced, cut_at_deadline } =
        seen;
    let kinds = [calls, answers, sleeps, open, asked_to_wait, demoted, half_open, forced, cut_at_deadline];
    assert!(kinds.iter().all(|times| *times >= 10), "too little happened");
}
