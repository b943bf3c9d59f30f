//! The walk: every class, retries, deadlines, blocks, windows.

use std::time::Duration;

use super::test_world::*;
use super::*;
use crate::chat::{FailureClass, Request};
use crate::provider::scripted::{Ending, Scene};

/// Bodies and statuses that give each class, with whether the chain goes on.
fn every_class() -> Vec<(FailureClass, Scene, bool)> {
    let stream = |pieces: &[&str], ending| Scene::Stream {
        pieces: pieces.iter().map(|p| (NOW, (*p).to_owned())).collect(),
        ending,
    };
    let error = |code: &str| format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}");
    vec![
        (FailureClass::Unreachable, Scene::Refuse, true),
        (FailureClass::ServerError, refuses(529), true),
        (FailureClass::Timeout, stream(&[": wait\n\n"], Ending::Hang), true),
        (FailureClass::RateLimited, refuses(429), true),
        (FailureClass::QuotaExhausted, refuses_with(429, vec![], &error("insufficient_quota")), true),
        (FailureClass::Auth, refuses(401), true),
        (FailureClass::ModelUnavailable, refuses(404), true),
        (FailureClass::ContextOverflow, refuses_with(400, vec![], &error("context_length_exceeded")), true),
        (FailureClass::ContentPolicy, refuses_with(400, vec![], &error("content_filter")), false),
        (FailureClass::BadRequest, refuses(400), false),
        (FailureClass::Malformed, stream(&["data: {oops\n\n"], Ending::Clean), true),
        (FailureClass::Truncated, stream(&[&chunk("half")], Ending::Clean), true),
        (FailureClass::Truncated, stream(&[&chunk("half")], Ending::Broken), true),
        (FailureClass::Empty, stream(&[&finish()], Ending::Clean), true),
        (FailureClass::Unknown, refuses(424), true),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_class_fails_over_or_stops() {
    for (class, scene, goes_on) in every_class() {
        let world = World::new([("a", vec![scene.clone()]), ("b", vec![answers("ok")])]);
        let record = world.call(&route(&["a", "b"], Policy::default())).await;
        assert_eq!(record.attempts[0].failure.as_ref().unwrap().class, class, "{scene:?}");
        assert_eq!(record.outcome.is_ok(), goes_on, "{class}");
        assert_eq!(world.transport.order(), if goes_on { vec!["a", "b"] } else { vec!["a"] }, "{class}");
        if !goes_on {
            assert_eq!(record.not_tried.len(), 1, "{class}");
            assert_eq!(record.outcome.unwrap_err().why, Why::Stopped);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_routes_own_choices_turn_a_stop_into_a_failover_and_back() {
    let policy = Policy {
        on_bad_request: Choice::GoOn,
        on_content_policy: Choice::GoOn,
        on_unknown: Choice::Stop,
        ..Policy::default()
    };
    for (class, scene, _) in every_class() {
        let world = World::new([("a", vec![scene]), ("b", vec![answers("ok")])]);
        let record = world.call(&route(&["a", "b"], policy.clone())).await;
        assert_eq!(record.outcome.is_ok(), class != FailureClass::Unknown, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn alone_retries_once_and_only_where_that_helps() {
    for (class, scene, _) in every_class() {
        let world = World::new([("a", vec![scene, answers("second")])]);
        let record = world.call(&route(&["a"], Policy::default())).await;
        let helps = matches!(
            class,
            FailureClass::Unreachable
                | FailureClass::ServerError
                | FailureClass::RateLimited
                | FailureClass::Malformed
                | FailureClass::Truncated
                | FailureClass::Empty
        );
        assert_eq!(record.outcome.is_ok(), helps, "{class}");
        assert_eq!(record.attempts.len(), if helps { 2 } else { 1 }, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_sleeps_while_another_candidate_is_ready() {
    let world =
        World::new([("a", vec![refuses(500)]), ("b", vec![refuses(500)]), ("c", vec![answers("ok")])]);
    let record = world.call(&route(&["a", "b", "c"], Policy::default())).await;
    assert_eq!(text(&record), "ok");
    assert_eq!(record.latency, Duration::from_millis(20), "two refusals of 10 ms and no sleep");
    assert_eq!(record.failovers(), 2);
}

#[tokio::test(start_paused = true)]
async fn first_retries_before_failing_over() {
    let retry = Retry { retries: 2, when: RetryWhen::First, ..Retry::default() };
    let world = World::new([("a", vec![refuses(500)]), ("b", vec![answers("ok")])]);
    let record = world.call(&route(&["a", "b"], Policy { retry, ..Policy::default() })).await;
    assert_eq!(world.transport.order(), ["a", "a", "a", "b"]);
    assert_eq!(text(&record), "ok");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_rest_is_listed() {
    let world = World::new([("a", vec![refuses(500)])]);
    let retry = Retry { retries: 10, when: RetryWhen::First, ..Retry::default() };
    let record = world.call(&route(&["a"], Policy { retry, ..Policy::default() })).await;
    assert_eq!(record.attempts.len(), 6);

    let hosts = ["a", "b", "c", "d", "e", "f", "g"];
    let world = World::new(hosts.map(|h| (h, vec![refuses(500)])));
    let record = world.call(&route(&hosts, Policy::default())).await;
    assert_eq!(record.attempts.len(), 9, "candidates + 2");
    assert_eq!(record.outcome.unwrap_err().why, Why::AllFailed);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_when_alone_if_it_fits() {
    let limited = |after: &str| refuses_with(429, vec![("retry-after", after.to_owned())], "{}");
    let world = World::new([("a", vec![limited("20"), answers("ok")])]);
    let record = world.call(&route(&["a"], Policy::default())).await;
    assert_eq!(text(&record), "ok");
    assert!(record.latency >= seconds(20) && record.latency < seconds(21));

    let world = World::new([("a", vec![limited("100"), answers("never")])]);
    let record = world.call(&route(&["a"], Policy::default())).await;
    assert_eq!(classes(&record), [FailureClass::RateLimited], "100 s do not fit in half of 120 s");
    assert!(record.latency < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn the_provider_may_forbid_a_retry() {
    let scene = refuses_with(500, vec![("x-should-retry", "false".to_owned())], "{}");
    let world = World::new([("a", vec![scene, answers("never")])]);
    assert_eq!(world.call(&route(&["a"], Policy::default())).await.attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_block_moves_a_candidate_back_for_later_calls() {
    let world = World::new([("a", vec![refuses(401), answers("a")]), ("b", vec![answers("b")])]);
    let both = route(&["a", "b"], Policy::default());
    assert_eq!(text(&world.call(&both).await), "b");
    assert_eq!(text(&world.call(&both).await), "b");
    assert_eq!(world.transport.order(), ["a", "b", "b"], "the second call leaves `a` alone");
    // Named directly, it is called all the same, at once.
    let record = world.call(&route(&["a"], Policy::default())).await;
    assert_eq!(text(&record), "a");
    assert!(record.latency < seconds(1));
    tokio::time::sleep(seconds(301)).await;
    assert_eq!(text(&world.call(&both).await), "a", "a key's block ends after five minutes");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_wait_for_content_not_the_answer() {
    // Content within the deadline: the answer runs on past it.
    let pieces = vec![(seconds(100), chunk("slow")), (seconds(25), chunk("er")), (seconds(25), finish())];
    let patient = Deadlines { first_token: Some(seconds(110)), ..Deadlines::default() };
    let world = World::new([("a", vec![Scene::Stream { pieces, ending: Ending::Clean }])]);
    let record = world.call(&route(&["a"], Policy { deadlines: patient, ..Policy::default() })).await;
    assert_eq!(text(&record), "slower");
    assert_eq!(record.latency, seconds(150));

    // No content at it: cut, and nobody else is started.
    let hang = || vec![Scene::Stream { pieces: vec![], ending: Ending::Hang }];
    let world = World::new([("a", hang()), ("b", hang()), ("c", hang())]);
    let short = Deadlines { call: seconds(8), ..Deadlines::default() };
    let record = world.call(&route(&["a", "b", "c"], Policy { deadlines: short, ..Policy::default() })).await;
    assert_eq!(record.latency, seconds(8));
    assert_eq!(record.attempts.len(), 2, "5 s, then the 3 s that are left");
    assert_eq!(record.not_tried.len(), 1);
    assert_eq!(record.outcome.unwrap_err().why, Why::Deadline);
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_an_idle_timeout_and_keep_alives_reset_nothing() {
    let mut pieces = vec![(NOW, chunk("some"))];
    pieces.extend((0..20).map(|_| (seconds(10), ": keep-alive\n\n".to_owned())));
    let stalls = Scene::Stream { pieces, ending: Ending::Hang };
    let world = World::new([("a", vec![stalls]), ("b", vec![answers("ok")])]);
    let record = world.call(&route(&["a", "b"], Policy::default())).await;
    let failure = record.attempts[0].failure.as_ref().unwrap();
    assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, crate::chat::Phase::Idle));
    assert_eq!(record.attempts[0].duration, seconds(30));
    assert!(record.attempts[0].usage.unwrap().estimated, "what was cut off is billed as seen");
    assert_eq!(text(&record), "ok", "nothing of the dead candidate's half answer");
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_limit_ends_everything() {
    let mut world =
        World::new([("a", vec![Scene::Stream { pieces: vec![(NOW, chunk("x"))], ending: Ending::Hang }])]);
    world.timeout = Some(seconds(3));
    let record = world.call(&route(&["a"], Policy::default())).await;
    assert_eq!(record.latency, seconds(3));
    assert_eq!(record.outcome.unwrap_err().why, Why::Timeout);
}

#[tokio::test(start_paused = true)]
async fn an_overflow_goes_only_to_larger_windows() {
    let overflow = refuses_with(400, vec![], r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#);
    let hosts = ["a", "b", "c"].map(|h| (h, vec![if h == "a" { overflow.clone() } else { answers(h) }]));
    let world = World::new(hosts);
    let windows = [("a", Some(100_000)), ("b", Some(50_000)), ("c", Some(200_000))];
    let record = world.call(&route_with_windows(&windows, Policy::default())).await;
    assert_eq!(world.transport.order(), ["a", "c"]);
    assert_eq!(text(&record), "c");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_beyond_any_tokenizer_is_not_sent() {
    let world = World::new([("a", vec![answers("a")]), ("b", vec![answers("b")])]);
    let windows = route_with_windows(&[("a", Some(10)), ("b", None)], Policy::default());
    let options = CallOptions {
        id: "x".into(),
        requested_model: "t".into(),
        stream: true,
        timeout: None,
        caller: Caller::default(),
    };
    let request = Request::prompt("x".repeat(500));
    let record = world.router.call(&windows, &request, &options, &mut Silent).await;
    assert_eq!(world.transport.order(), ["b"]);
    assert_eq!(record.skipped[0].1.name(), "window_too_small");
}

#[tokio::test(start_paused = true)]
async fn whole_answers_take_the_same_way() {
    let body = r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let whole = Scene::Reply { after: seconds(40), status: 200, headers: vec![], body: body.into() };
    let mut world = World::new([("a", vec![refuses(503)]), ("b", vec![whole])]);
    world.stream = false;
    let record = world.call(&route(&["a", "b"], Policy::default())).await;
    assert_eq!(text(&record), "whole", "no first token to wait for, so 40 s are fine");
    assert_eq!(record.first_token, None);
}

#[tokio::test(start_paused = true)]
async fn an_errors_body_is_not_waited_for_long() {
    let world = World::new([("a", vec![Scene::Stall { status: 503 }]), ("b", vec![answers("ok")])]);
    let record = world.call(&route(&["a", "b"], Policy::default())).await;
    assert_eq!((text(&record), record.attempts[0].duration), ("ok", Duration::from_secs(2)));
    assert_eq!(record.attempts[0].failure.as_ref().unwrap().status, Some(503));
}

#[cfg(unix)]
#[tokio::test]
async fn an_attempt_that_never_left_costs_nothing() {
    use std::sync::Arc;

    use crate::catalog::Cost;
    use crate::provider::{KeySource, ModelRef, Provider, Target, built_in_providers};
    let row = built_in_providers().into_iter().find(|p| p.name == "openai").unwrap();
    let command = vec!["sleep".to_owned(), "60".to_owned()];
    let key_source = Some(KeySource::Command(command));
    let provider = Provider { base_url: "https://a/v1".into(), base_url_variable: None, key_source, ..row };
    let model_ref = ModelRef { provider: "openai".into(), model: "gpt-4o".into() };
    let catalog = crate::catalog::Catalog::default();
    let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &catalog, &|_: &str| None);
    let route =
        Route { name: None, candidates: vec![Candidate::new(model_ref, target)], policy: Policy::default() };
    let mut world = World::new([("a", vec![answers("ok")])]);
    world.timeout = Some(Duration::from_millis(30));
    let record = world.call(&route).await;
    assert!(world.transport.order().is_empty());
    let failure = record.attempts[0].failure.as_ref().unwrap();
    assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, crate::chat::Phase::Connect));
    assert!(
        failure.message.starts_with("no credentials within ") && failure.message.ends_with(" ms"),
        "{failure}"
    );
    assert_eq!((record.attempts[0].usage, record.attempts[0].cost), (None, Cost::NOTHING));
}
