//! Preconnecting to the next candidate during a slow attempt.

use std::sync::Arc;
use std::time::Duration;

use super::route_fixture::*;
use super::*;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};

/// Content after this many milliseconds, and the end 20 s later.
fn content_after(milliseconds: u64) -> ScriptedReply {
    let content = (Duration::from_millis(milliseconds), content_chunk("ok"));
    ScriptedReply::Stream {
        pieces: vec![content, (seconds(20), finish_chunk())],
        ending: ScriptedEnding::Clean,
    }
}

fn hanging_reply() -> ScriptedReply {
    ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang }
}

/// Preconnected hosts, with the time in milliseconds.
fn preconnected_hosts(fixture: &RouteFixture) -> Vec<(u128, String)> {
    fixture
        .transport
        .preconnects
        .lock()
        .unwrap()
        .iter()
        .map(|(at, host)| (at.as_millis(), host.clone()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn slow_attempt_preconnects_next_candidate() {
    for (first, first_token, expected) in [
        (content_after(900), None, vec![]),
        (content_after(1100), None, vec![(1000, "b".to_owned())]),
        (content_after(700), Some(seconds(2)), vec![(500, "b".to_owned())]),
        (status_reply(503), None, vec![]),
    ] {
        let fixture = RouteFixture::new([
            ("a", vec![first]),
            ("b", vec![text_reply("ok")]),
            ("c", vec![text_reply("ok")]),
        ]);
        let deadlines = CallTimeouts { first_token, ..CallTimeouts::default() };
        let record = fixture
            .call(&route(&["a", "b", "c"], RoutePolicy { timeouts: deadlines, ..RoutePolicy::default() }))
            .await;
        assert_eq!((response_text(&record), preconnected_hosts(&fixture)), ("ok", expected));
    }
}

#[tokio::test(start_paused = true)]
async fn each_available_candidate_is_preconnected_once() {
    let hosts = || {
        ["a", "b", "c"].map(|host| (host, vec![if host == "c" { text_reply("ok") } else { hanging_reply() }]))
    };
    let fixture = RouteFixture::new(hosts());
    let three = route(&["a", "b", "c"], RoutePolicy::default());
    assert_eq!(response_text(&fixture.call(&three).await), "ok");
    assert_eq!(preconnected_hosts(&fixture), [(1000, "b".to_owned()), (31_000, "c".to_owned())]);

    // The key of `b` is in cooldown, so `c` is next.
    let fixture = RouteFixture::new([
        ("a", vec![hanging_reply()]),
        ("b", vec![status_reply(401)]),
        ("c", vec![text_reply("ok")]),
    ]);
    fixture.call(&route(&["b"], RoutePolicy::default())).await;
    assert_eq!(response_text(&fixture.call(&three).await), "ok");
    assert_eq!(preconnected_hosts(&fixture), [(1010, "c".to_owned())]);
    // The last candidate has no successor.
    let fixture = RouteFixture::new([("a", vec![content_after(5000)])]);
    assert_eq!(response_text(&fixture.call(&route(&["a"], RoutePolicy::default())).await), "ok");
    assert_eq!(preconnected_hosts(&fixture), []);
}

#[tokio::test(start_paused = true)]
async fn preconnect_is_canceled_when_call_ends() {
    // A preconnect never ends by itself in this test.
    let fixture = RouteFixture::new([("a", vec![content_after(9000)]), ("b", vec![text_reply("never")])]);
    let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
    assert_eq!((response_text(&record), record.latency, record.attempts.len()), ("ok", seconds(29), 1));
    assert_eq!(fixture.transport.hosts_called(), ["a"], "a preconnect is not an attempt");
    assert_eq!(preconnected_hosts(&fixture).len(), 1);
    tokio::task::yield_now().await;
    // Held by the fixture and the router.
    assert_eq!(Arc::strong_count(&fixture.transport), 2, "the preconnect task was canceled");
}

#[tokio::test(start_paused = true)]
async fn non_streaming_call_preconnects_next_candidate() {
    let body = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}"#;
    let whole = |after| ScriptedReply::Reply { after, status: 200, headers: vec![], body: body.into() };
    let mut fixture = RouteFixture::new([("a", vec![whole(seconds(8))]), ("b", vec![whole(NO_DELAY)])]);
    fixture.options.stream = false;
    assert_eq!(response_text(&fixture.call(&route(&["a", "b"], RoutePolicy::default())).await), "ok");
    assert_eq!(preconnected_hosts(&fixture), [(1000, "b".to_owned())]);
}
