//! Execution of plans: failure classes, retries, deadlines, cooldowns, and context windows.

use std::time::Duration;

use super::route_fixture::*;
use super::*;
use crate::chat::{FailureClass, Request};
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};

/// Replies that produce each class, and whether the call fails over.
fn failure_class_replies() -> Vec<(FailureClass, ScriptedReply, bool)> {
    let stream = |pieces: &[&str], ending| ScriptedReply::Stream {
        pieces: pieces.iter().map(|p| (NO_DELAY, (*p).to_owned())).collect(),
        ending,
    };
    let error = |code: &str| format!("{{\"error\":{{\"message\":\"no\",\"code\":\"{code}\"}}}}");
    vec![
        (FailureClass::Unreachable, ScriptedReply::RefuseConnection, true),
        (FailureClass::ServerError, status_reply(529), true),
        (FailureClass::Timeout, stream(&[": wait\n\n"], ScriptedEnding::Hang), true),
        (FailureClass::RateLimited, status_reply(429), true),
        (FailureClass::QuotaExhausted, status_reply_with(429, vec![], &error("insufficient_quota")), true),
        (FailureClass::Auth, status_reply(401), true),
        (FailureClass::ModelUnavailable, status_reply(404), true),
        (
            FailureClass::ContextOverflow,
            status_reply_with(400, vec![], &error("context_length_exceeded")),
            true,
        ),
        (FailureClass::ContentPolicy, status_reply_with(400, vec![], &error("content_filter")), false),
        (FailureClass::BadRequest, status_reply(400), false),
        (FailureClass::Malformed, stream(&["data: {oops\n\n"], ScriptedEnding::Clean), true),
        (FailureClass::Truncated, stream(&[&content_chunk("half")], ScriptedEnding::Clean), true),
        (FailureClass::Truncated, stream(&[&content_chunk("half")], ScriptedEnding::Broken), true),
        (FailureClass::Empty, stream(&[&finish_chunk()], ScriptedEnding::Clean), true),
        (FailureClass::Unknown, status_reply(424), true),
    ]
}

#[tokio::test(start_paused = true)]
async fn failure_class_decides_failover() {
    for (class, reply, fails_over) in failure_class_replies() {
        let fixture = RouteFixture::new([("a", vec![reply.clone()]), ("b", vec![text_reply("ok")])]);
        let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
        assert_eq!(record.attempts[0].failure.as_ref().unwrap().class, class, "{reply:?}");
        assert_eq!(record.outcome.is_ok(), fails_over, "{class}");
        assert_eq!(
            fixture.transport.hosts_called(),
            if fails_over { vec!["a", "b"] } else { vec!["a"] },
            "{class}"
        );
        if !fails_over {
            assert_eq!(record.untried.len(), 1, "{class}");
            assert_eq!(record.outcome.unwrap_err().reason, StopReason::FatalFailure);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn route_policy_overrides_failover() {
    let policy = RoutePolicy {
        on_bad_request: StopOrContinue::Continue,
        on_content_policy: StopOrContinue::Continue,
        on_unknown: StopOrContinue::Stop,
        ..RoutePolicy::default()
    };
    for (class, reply, _) in failure_class_replies() {
        let fixture = RouteFixture::new([("a", vec![reply]), ("b", vec![text_reply("ok")])]);
        let record = fixture.call(&route(&["a", "b"], policy.clone())).await;
        assert_eq!(record.outcome.is_ok(), class != FailureClass::Unknown, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_candidate_retries_transient_failures_once() {
    for (class, reply, _) in failure_class_replies() {
        let fixture = RouteFixture::new([("a", vec![reply, text_reply("second")])]);
        let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
        let is_retried = matches!(
            class,
            FailureClass::Unreachable
                | FailureClass::ServerError
                | FailureClass::RateLimited
                | FailureClass::Malformed
                | FailureClass::Truncated
                | FailureClass::Empty
        );
        assert_eq!(record.outcome.is_ok(), is_retried, "{class}");
        assert_eq!(record.attempts.len(), if is_retried { 2 } else { 1 }, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn failover_to_ready_candidate_is_immediate() {
    let fixture = RouteFixture::new([
        ("a", vec![status_reply(500)]),
        ("b", vec![status_reply(500)]),
        ("c", vec![text_reply("ok")]),
    ]);
    let record = fixture.call(&route(&["a", "b", "c"], RoutePolicy::default())).await;
    assert_eq!(response_text(&record), "ok");
    assert_eq!(record.latency, Duration::from_millis(20), "two failures of 10 ms and no delay");
    assert_eq!(record.failover_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_first_precedes_failover() {
    let retry = RetryPolicy { retries: 2, when: RetryWhen::First, ..RetryPolicy::default() };
    let fixture = RouteFixture::new([("a", vec![status_reply(500)]), ("b", vec![text_reply("ok")])]);
    let record = fixture.call(&route(&["a", "b"], RoutePolicy { retry, ..RoutePolicy::default() })).await;
    assert_eq!(fixture.transport.hosts_called(), ["a", "a", "a", "b"]);
    assert_eq!(response_text(&record), "ok");
}

#[tokio::test(start_paused = true)]
async fn attempt_count_is_capped() {
    let fixture = RouteFixture::new([("a", vec![status_reply(500)])]);
    let retry = RetryPolicy { retries: 10, when: RetryWhen::First, ..RetryPolicy::default() };
    let record = fixture.call(&route(&["a"], RoutePolicy { retry, ..RoutePolicy::default() })).await;
    assert_eq!(record.attempts.len(), 6);

    let hosts = ["a", "b", "c", "d", "e", "f", "g"];
    let fixture = RouteFixture::new(hosts.map(|h| (h, vec![status_reply(500)])));
    let record = fixture.call(&route(&hosts, RoutePolicy::default())).await;
    assert_eq!(record.attempts.len(), 9, "candidates + 2");
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::AllAttemptsFailed);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honored_within_deadline() {
    let limited = |after: &str| status_reply_with(429, vec![("retry-after", after.to_owned())], "{}");
    let fixture = RouteFixture::new([("a", vec![limited("20"), text_reply("ok")])]);
    let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
    assert_eq!(response_text(&record), "ok");
    assert!(record.latency >= seconds(20) && record.latency < seconds(21));

    let fixture = RouteFixture::new([("a", vec![limited("100"), text_reply("never")])]);
    let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
    assert_eq!(
        failure_classes(&record),
        [FailureClass::RateLimited],
        "100 s exceed half of the 120 s deadline"
    );
    assert!(record.latency < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn x_should_retry_false_prevents_retry() {
    let reply = status_reply_with(500, vec![("x-should-retry", "false".to_owned())], "{}");
    let fixture = RouteFixture::new([("a", vec![reply, text_reply("never")])]);
    assert_eq!(fixture.call(&route(&["a"], RoutePolicy::default())).await.attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn auth_cooldown_skips_candidate_in_later_calls() {
    let fixture =
        RouteFixture::new([("a", vec![status_reply(401), text_reply("a")]), ("b", vec![text_reply("b")])]);
    let both = route(&["a", "b"], RoutePolicy::default());
    assert_eq!(response_text(&fixture.call(&both).await), "b");
    assert_eq!(response_text(&fixture.call(&both).await), "b");
    assert_eq!(fixture.transport.hosts_called(), ["a", "b", "b"], "the second call skips `a`");
    // As the only candidate, it is called anyway, without a delay.
    let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
    assert_eq!(response_text(&record), "a");
    assert!(record.latency < seconds(1));
    tokio::time::sleep(seconds(301)).await;
    assert_eq!(response_text(&fixture.call(&both).await), "a", "the key's cooldown ends after five minutes");
}

#[tokio::test(start_paused = true)]
async fn call_deadline_bounds_time_to_first_token() {
    // Content arrives within the deadline, so the answer may continue after it.
    let pieces = vec![
        (seconds(100), content_chunk("slow")),
        (seconds(25), content_chunk("er")),
        (seconds(25), finish_chunk()),
    ];
    let timeouts = CallTimeouts { first_token: Some(seconds(110)), ..CallTimeouts::default() };
    let fixture =
        RouteFixture::new([("a", vec![ScriptedReply::Stream { pieces, ending: ScriptedEnding::Clean }])]);
    let record = fixture.call(&route(&["a"], RoutePolicy { timeouts, ..RoutePolicy::default() })).await;
    assert_eq!(response_text(&record), "slower");
    assert_eq!(record.latency, seconds(150));

    // Without content at the deadline, the attempt is cut off and no other one starts.
    let hang = || vec![ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang }];
    let fixture = RouteFixture::new([("a", hang()), ("b", hang()), ("c", hang())]);
    let short = CallTimeouts { deadline: seconds(8), ..CallTimeouts::default() };
    let record = fixture
        .call(&route(&["a", "b", "c"], RoutePolicy { timeouts: short, ..RoutePolicy::default() }))
        .await;
    assert_eq!(record.latency, seconds(8));
    assert_eq!(record.attempts.len(), 2, "5 s, then the remaining 3 s");
    assert_eq!(record.untried.len(), 1);
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_ignores_keep_alives() {
    let mut pieces = vec![(NO_DELAY, content_chunk("some"))];
    pieces.extend((0..20).map(|_| (seconds(10), ": keep-alive\n\n".to_owned())));
    let stalls = ScriptedReply::Stream { pieces, ending: ScriptedEnding::Hang };
    let fixture = RouteFixture::new([("a", vec![stalls]), ("b", vec![text_reply("ok")])]);
    let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
    let failure = record.attempts[0].failure.as_ref().unwrap();
    assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, crate::chat::FailurePhase::Idle));
    assert_eq!(record.attempts[0].duration, seconds(30));
    assert!(record.attempts[0].usage.unwrap().is_estimated, "a truncated answer is billed by an estimate");
    assert_eq!(response_text(&record), "ok", "the partial answer is discarded");
}

#[tokio::test(start_paused = true)]
async fn caller_timeout_ends_call() {
    let mut fixture = RouteFixture::new([(
        "a",
        vec![ScriptedReply::Stream {
            pieces: vec![(NO_DELAY, content_chunk("x"))],
            ending: ScriptedEnding::Hang,
        }],
    )]);
    fixture.options.timeout = Some(seconds(3));
    let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
    assert_eq!(record.latency, seconds(3));
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::CallerTimeout);
}

#[tokio::test(start_paused = true)]
async fn context_overflow_fails_over_to_larger_window() {
    let overflow =
        status_reply_with(400, vec![], r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#);
    let hosts = ["a", "b", "c"].map(|h| (h, vec![if h == "a" { overflow.clone() } else { text_reply(h) }]));
    let fixture = RouteFixture::new(hosts);
    let windows = [("a", Some(100_000)), ("b", Some(50_000)), ("c", Some(200_000))];
    let record = fixture.call(&route_with_windows(&windows, RoutePolicy::default())).await;
    assert_eq!(fixture.transport.hosts_called(), ["a", "c"]);
    assert_eq!(response_text(&record), "c");
}

#[tokio::test(start_paused = true)]
async fn oversized_prompt_skips_small_context_window() {
    let fixture = RouteFixture::new([("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])]);
    let windows = route_with_windows(&[("a", Some(10)), ("b", None)], RoutePolicy::default());
    let request = Request::from_prompt("x".repeat(500));
    let plan = fixture.router.plan(&windows, &request, &fixture.options);
    let record = fixture.router.run(plan, &mut SilentObserver).await;
    assert_eq!(fixture.transport.hosts_called(), ["b"]);
    assert_eq!(record.skipped[0].1.code(), "window_too_small");
}

#[tokio::test(start_paused = true)]
async fn non_streaming_call_ignores_first_token_timeout() {
    let body = r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let whole = ScriptedReply::Reply { after: seconds(40), status: 200, headers: vec![], body: body.into() };
    let mut fixture = RouteFixture::new([("a", vec![status_reply(503)]), ("b", vec![whole])]);
    fixture.options.stream = false;
    let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
    assert_eq!(response_text(&record), "whole", "without streaming, the first-token timeout does not apply");
    assert_eq!(record.first_token, None);
}

#[tokio::test(start_paused = true)]
async fn error_body_wait_is_capped() {
    let fixture =
        RouteFixture::new([("a", vec![ScriptedReply::Stall { status: 503 }]), ("b", vec![text_reply("ok")])]);
    let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
    assert_eq!((response_text(&record), record.attempts[0].duration), ("ok", Duration::from_secs(2)));
    assert_eq!(record.attempts[0].failure.as_ref().unwrap().status, Some(503));
}

#[cfg(unix)]
#[tokio::test]
async fn unsent_attempt_costs_nothing() {
    use std::sync::Arc;

    use crate::catalog::Cost;
    use crate::provider::{KeySource, ModelRef, Provider, Target, built_in_providers};
    let row = built_in_providers().unwrap().into_iter().find(|p| p.name == "openai").unwrap();
    let command = vec!["sleep".to_owned(), "60".to_owned()];
    let key_source = Some(KeySource::Command(command));
    let provider = Provider { base_url: "https://a/v1".into(), base_url_variable: None, key_source, ..row };
    let model_ref = ModelRef { provider: "openai".into(), model: "gpt-4o".into() };
    let catalog = crate::catalog::Catalog::default();
    let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &catalog, &|_: &str| None);
    let route = Route {
        name: None,
        candidates: vec![Candidate::new(model_ref, target)],
        policy: RoutePolicy::default(),
    };
    let mut fixture = RouteFixture::new([("a", vec![text_reply("ok")])]);
    fixture.options.timeout = Some(Duration::from_millis(30));
    let record = fixture.call(&route).await;
    assert!(fixture.transport.hosts_called().is_empty());
    let failure = record.attempts[0].failure.as_ref().unwrap();
    assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, crate::chat::FailurePhase::Connect));
    assert!(
        failure.message.starts_with("no credentials within ") && failure.message.ends_with(" ms"),
        "{failure}"
    );
    assert_eq!((record.attempts[0].usage, record.attempts[0].cost), (None, Cost::ZERO));
}
