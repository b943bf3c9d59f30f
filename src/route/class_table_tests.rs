//! Tests every row of the failure table at every position in the route, streaming or not, live or not. The
//! expected outcome is computed here, not by the code under test.

use super::health_signal::HealthSignal;
use super::route_fixture::*;
use super::*;
use crate::chat::FailureClass;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};

struct ClassTableRow {
    class: FailureClass,
    retried: bool,
    /// Under a route's default policy, and under the inverted one.
    fails_over: [bool; 2],
    /// The reply that fails when streaming, before any text.
    streamed: ScriptedReply,
    /// The reply that fails when streaming, after half of the answer; `None` if the class cannot occur there.
    midstream: Option<ScriptedReply>,
    /// The reply that fails without streaming.
    complete: ScriptedReply,
}

const FAILS_OVER_ALWAYS: [bool; 2] = [true, true];
const FAILS_OVER_IF_OPTED_IN: [bool; 2] = [false, true];
const FAILS_OVER_UNLESS_OPTED_OUT: [bool; 2] = [true, false];

fn stream_reply(pieces: &[&str], ending: ScriptedEnding) -> ScriptedReply {
    ScriptedReply::Stream {
        pieces: pieces.iter().map(|piece| (NO_DELAY, (*piece).to_owned())).collect(),
        ending,
    }
}

fn complete_reply(body: &str) -> ScriptedReply {
    ScriptedReply::Reply { after: NO_DELAY, status: 200, headers: vec![], body: body.to_owned() }
}

/// The table in docs/architecture.md, with replies that produce each class.
fn class_table() -> Vec<ClassTableRow> {
    use FailureClass::*;
    let half = content_chunk("half");
    let error = |code: &str| format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}");
    let refused = |status, code: &str| status_reply_with(status, vec![], &error(code));
    let in_band = |code: &str| {
        Some(stream_reply(&[&half, &format!("data: {}\n\n", error(code))], ScriptedEnding::Clean))
    };
    let row = |class, retried, fails_over, reply: ScriptedReply, midstream| ClassTableRow {
        class,
        retried,
        fails_over,
        streamed: reply.clone(),
        midstream,
        complete: reply,
    };
    vec![
        row(Unreachable, true, FAILS_OVER_ALWAYS, ScriptedReply::RefuseConnection, None),
        row(ServerError, true, FAILS_OVER_ALWAYS, status_reply(503), in_band("server_error")),
        ClassTableRow {
            streamed: stream_reply(&[": wait\n\n"], ScriptedEnding::Hang),
            ..row(
                Timeout,
                false,
                FAILS_OVER_ALWAYS,
                status_reply(408),
                Some(stream_reply(&[&half], ScriptedEnding::Hang)),
            )
        },
        row(RateLimited, true, FAILS_OVER_ALWAYS, status_reply(429), in_band("rate_limit_exceeded")),
        row(
            QuotaExhausted,
            false,
            FAILS_OVER_ALWAYS,
            refused(429, "insufficient_quota"),
            in_band("insufficient_quota"),
        ),
        row(Auth, false, FAILS_OVER_ALWAYS, status_reply(401), in_band("invalid_api_key")),
        row(ModelUnavailable, false, FAILS_OVER_ALWAYS, status_reply(404), in_band("model_not_found")),
        row(
            ContextOverflow,
            false,
            FAILS_OVER_ALWAYS,
            refused(400, "context_length_exceeded"),
            in_band("context_length_exceeded"),
        ),
        row(
            ContentPolicy,
            false,
            FAILS_OVER_IF_OPTED_IN,
            refused(400, "content_filter"),
            in_band("content_filter"),
        ),
        row(BadRequest, false, FAILS_OVER_IF_OPTED_IN, status_reply(400), None),
        ClassTableRow {
            streamed: stream_reply(&["data: {oops\n\n"], ScriptedEnding::Clean),
            complete: complete_reply("<html>oops</html>"),
            ..row(
                Malformed,
                true,
                FAILS_OVER_ALWAYS,
                PLACEHOLDER_REPLY,
                Some(stream_reply(&[&half, "data: {oops\n\n"], ScriptedEnding::Clean)),
            )
        },
        ClassTableRow {
            streamed: stream_reply(&[], ScriptedEnding::Broken),
            complete: stream_reply(&["{\"choices\":[{\"mess"], ScriptedEnding::Broken),
            ..row(
                Truncated,
                true,
                FAILS_OVER_ALWAYS,
                PLACEHOLDER_REPLY,
                Some(stream_reply(&[&half], ScriptedEnding::Clean)),
            )
        },
        ClassTableRow {
            streamed: stream_reply(&[&finish_chunk()], ScriptedEnding::Clean),
            complete: complete_reply(r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#),
            ..row(Empty, true, FAILS_OVER_ALWAYS, PLACEHOLDER_REPLY, None)
        },
        row(Unknown, false, FAILS_OVER_UNLESS_OPTED_OUT, status_reply(424), None),
    ]
}

/// A placeholder for a reply that the row overrides.
const PLACEHOLDER_REPLY: ScriptedReply = ScriptedReply::RefuseConnection;

/// Position of the failing candidate. Candidates before it reply with 404, and candidates after it answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FailurePosition {
    Alone,
    First,
    Middle,
    Last,
}

impl FailurePosition {
    /// The number of candidates, and the index of the failing one.
    fn count_and_failing_index(self) -> (usize, usize) {
        match self {
            Self::Alone => (1, 0),
            Self::First => (3, 0),
            Self::Middle => (3, 1),
            Self::Last => (3, 2),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct ClassTableScenario {
    position: FailurePosition,
    stream: bool,
    is_live: bool,
    midstream: bool,
    /// Whether the route's policy is the opposite of the default.
    inverted_policy: bool,
    restarts: bool,
    retry: RetryPolicy,
}

fn all_scenarios() -> Vec<ClassTableScenario> {
    let retry = |retries, when| RetryPolicy { retries, when, ..RetryPolicy::default() };
    let retries = [retry(0, RetryWhen::Alone), retry(1, RetryWhen::Alone), retry(2, RetryWhen::First)];
    let both = [false, true];
    let mut scenarios = Vec::new();
    for position in
        [FailurePosition::Alone, FailurePosition::First, FailurePosition::Middle, FailurePosition::Last]
    {
        for (stream, midstream) in [(false, false), (true, false), (true, true)] {
            for is_live in both {
                for inverted_policy in both {
                    for restarts in if midstream { &both[..] } else { &both[..1] } {
                        let scenario = |retry| ClassTableScenario {
                            position,
                            stream,
                            is_live,
                            midstream,
                            inverted_policy,
                            restarts: *restarts,
                            retry,
                        };
                        scenarios.extend(retries.map(scenario));
                    }
                }
            }
        }
    }
    scenarios
}

#[derive(Debug, PartialEq)]
struct ClassTableOutcome {
    hosts_called: Vec<&'static str>,
    /// The host that answers, or why there is no answer.
    outcome: Result<&'static str, StopReason>,
    events: Vec<String>,
    /// The shown part of an answer that was never completed.
    shown: &'static str,
    not_tried: usize,
}

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn expected_outcome(row: &ClassTableRow, scenario: ClassTableScenario) -> ClassTableOutcome {
    let (count, failing) = scenario.position.count_and_failing_index();
    let seen = scenario.is_live && scenario.midstream;
    let can_fail_over = row.fails_over[usize::from(scenario.inverted_policy)] && (!seen || scenario.restarts);
    let has_next = failing + 1 < count;
    let attempts = match scenario.retry.when {
        _ if !can_fail_over || !row.retried => 1,
        RetryWhen::Alone if has_next => 1,
        _ => 1 + scenario.retry.retries as usize,
    };
    let answered = can_fail_over && has_next;
    let mut hosts_called = HOSTS[..failing].to_vec();
    hosts_called.extend(vec![HOSTS[failing]; attempts]);
    let mut events: Vec<String> =
        HOSTS[..failing].iter().map(|host| format!("attempt_failed {host}/m: model_unavailable")).collect();
    // The failure that ends a call is part of its error, not an event.
    for _ in 0..if answered { attempts } else { attempts - 1 } {
        events.push(format!("attempt_failed {}/m: {}", HOSTS[failing], row.class));
        if seen {
            events.push(format!("answer_restarted {}/m", HOSTS[failing]));
        }
    }
    let outcome = if answered {
        hosts_called.push(HOSTS[failing + 1]);
        Ok(HOSTS[failing + 1])
    } else if seen {
        Err(StopReason::AnswerInterrupted)
    } else if can_fail_over {
        Err(StopReason::AllAttemptsFailed)
    } else {
        Err(StopReason::FatalFailure)
    };
    ClassTableOutcome {
        hosts_called,
        outcome,
        events,
        shown: if seen && !answered { "half" } else { "" },
        not_tried: if answered { 0 } else { count - failing - 1 },
    }
}

async fn observed_outcome(row: &ClassTableRow, scenario: ClassTableScenario) -> ClassTableOutcome {
    let (count, failing) = scenario.position.count_and_failing_index();
    let failing_reply = match (&row.midstream, scenario.stream) {
        (Some(reply), true) if scenario.midstream => reply,
        (_, true) => &row.streamed,
        (_, false) => &row.complete,
    };
    let replies = (0..count).map(|index| match index {
        before if before < failing => status_reply(404),
        this if this == failing => failing_reply.clone(),
        _ if scenario.stream => text_reply("ok"),
        _ => complete_reply(r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}"#),
    });
    let mut fixture = RouteFixture::new(HOSTS.into_iter().zip(replies.map(|reply| vec![reply])));
    fixture.options.stream = scenario.stream;
    let choice = if scenario.inverted_policy { StopOrContinue::Continue } else { StopOrContinue::Stop };
    let policy = RoutePolicy {
        retry: scenario.retry,
        on_content_policy: choice,
        on_bad_request: choice,
        on_unknown: if scenario.inverted_policy { StopOrContinue::Stop } else { StopOrContinue::Continue },
        on_midstream: if scenario.restarts { StopOrContinue::Continue } else { StopOrContinue::Stop },
        ..RoutePolicy::default()
    };
    let mut observer = RecordingObserver::default();
    fixture.options.shows_text = scenario.is_live;
    let record = fixture.call_with_observer(&route(&HOSTS[..count], policy), &mut observer).await;
    let failed = record.attempts.iter().filter(|attempt| attempt.model_ref.provider == HOSTS[failing]);
    for attempt in failed {
        assert_eq!(attempt.failure.as_ref().unwrap().class, row.class, "{scenario:?}");
    }
    let name = |host: &str| HOSTS.into_iter().find(|known| *known == host).unwrap();
    ClassTableOutcome {
        hosts_called: fixture.transport.hosts_called().iter().map(|host| name(host)).collect(),
        shown: record
            .outcome
            .as_ref()
            .err()
            .map_or("", |error| if error.shown_text.is_empty() { "" } else { "half" }),
        outcome: record.outcome.map(|answer| name(&answer.model_ref.provider)).map_err(|error| error.reason),
        // The table says nothing about breakers.
        events: observer.events.into_iter().filter(|event| !event.starts_with("breaker_opened")).collect(),
        not_tried: record.untried.len(),
    }
}

#[tokio::test(start_paused = true)]
async fn outcome_matches_table_at_every_position() {
    for row in class_table() {
        for scenario in all_scenarios() {
            let same_choice = row.fails_over[0] == row.fails_over[1];
            if scenario.midstream && row.midstream.is_none() || scenario.inverted_policy && same_choice {
                continue;
            }
            assert_eq!(
                observed_outcome(&row, scenario).await,
                expected_outcome(&row, scenario),
                "{}: {scenario:?}",
                row.class
            );
        }
    }
}

#[test]
fn table_covers_every_failure_class() {
    let rows: Vec<FailureClass> = class_table().iter().map(|row| row.class).collect();
    let missing: Vec<_> = FailureClass::ALL.into_iter().filter(|class| !rows.contains(class)).collect();
    // No provider reports this class; it means that the caller gave up.
    assert_eq!(missing, [FailureClass::Cancelled]);
    let policy = RoutePolicy {
        on_unknown: StopOrContinue::Continue,
        on_bad_request: StopOrContinue::Continue,
        ..RoutePolicy::default()
    };
    let cancelled = reaction_to(FailureClass::Cancelled, &policy, false);
    assert_eq!(
        (cancelled.can_retry, cancelled.can_fail_over, cancelled.health_signal),
        (false, false, HealthSignal::Neutral)
    );
}
