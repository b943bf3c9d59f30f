//! Broken streams: what is shown, what is billed, and what must not be shown.

use std::sync::Arc;

use super::route_fixture::*;
use super::*;
use crate::catalog::Catalog;
use crate::chat::{FailureClass, TokenCount};
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};
use crate::provider::{ModelRef, Provider, Target, built_in_providers};

/// A fixture whose calls show text as it arrives.
fn shown_fixture(hosts: impl IntoIterator<Item = (&'static str, Vec<ScriptedReply>)>) -> RouteFixture {
    let mut fixture = RouteFixture::new(hosts);
    fixture.options.shows_text = true;
    fixture
}

#[tokio::test(start_paused = true)]
async fn on_midstream_policy_decides_restart() {
    let half = ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk("half"))],
        ending: ScriptedEnding::Broken,
    };
    let hosts = || [("a", vec![half.clone()]), ("b", vec![text_reply("whole")])];
    let mut observer = RecordingObserver::default();
    let route_to = route(&["a", "b"], RoutePolicy::default());
    let record = shown_fixture(hosts()).call_with_observer(&route_to, &mut observer).await;
    let error = record.outcome.unwrap_err();
    assert_eq!(
        (error.reason, error.shown_text.as_str(), observer.text.as_str()),
        (StopReason::AnswerInterrupted, "half", "half")
    );

    let restart = RoutePolicy { on_midstream: StopOrContinue::Continue, ..RoutePolicy::default() };
    let mut observer = RecordingObserver::default();
    let record = shown_fixture(hosts()).call_with_observer(&route(&["a", "b"], restart), &mut observer).await;
    assert_eq!((response_text(&record), observer.text.as_str()), ("whole", "halfwhole"));
    assert!(observer.events.iter().any(|event| event == "answer_restarted a/m"), "{:?}", observer.events);
}

#[tokio::test(start_paused = true)]
async fn last_candidate_failure_sends_no_restart_event() {
    let half = ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk("half"))],
        ending: ScriptedEnding::Broken,
    };
    let refused = "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n".to_owned();
    let filtered = ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk("half")), (NO_DELAY, refused)],
        ending: ScriptedEnding::Clean,
    };
    let retry = RetryPolicy { retries: 0, ..RetryPolicy::default() };
    for reply in [half, filtered] {
        let restart = RoutePolicy { on_midstream: StopOrContinue::Continue, retry, ..RoutePolicy::default() };
        let mut observer = RecordingObserver::default();
        let fixture = shown_fixture([("a", vec![reply])]);
        let error =
            fixture.call_with_observer(&route(&["a"], restart), &mut observer).await.outcome.unwrap_err();
        assert_eq!(
            (error.reason, error.shown_text.as_str()),
            (StopReason::AnswerInterrupted, "half"),
            "{error:?}"
        );
        assert_eq!(observer.events, Vec::<String>::new(), "the failure that ends a call is not an event");
    }
}

#[tokio::test(start_paused = true)]
async fn error_finish_reason_interrupts_shown_response() {
    let error_finish =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n".to_owned();
    let half = ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk("half")), (NO_DELAY, error_finish)],
        ending: ScriptedEnding::Clean,
    };
    let fixture = shown_fixture([("a", vec![half]), ("b", vec![text_reply("whole")])]);
    let mut observer = RecordingObserver::default();
    let record = fixture.call_with_observer(&route(&["a", "b"], RoutePolicy::default()), &mut observer).await;
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::AnswerInterrupted);
    assert_eq!(observer.text, "half");
}

#[tokio::test(start_paused = true)]
async fn empty_response_keeps_reported_usage() {
    let empty = "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":5000}}\n\n";
    let whole = r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":5000}}"#;
    let streamed =
        ScriptedReply::Stream { pieces: vec![(NO_DELAY, empty.to_owned())], ending: ScriptedEnding::Clean };
    let replied =
        ScriptedReply::Reply { after: NO_DELAY, status: 200, headers: vec![], body: whole.to_owned() };
    for (reply, stream) in [(streamed, true), (replied, false)] {
        let mut fixture = RouteFixture::new([("a", vec![reply])]);
        fixture.options.stream = stream;
        let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
        assert_eq!(failure_classes(&record)[0], FailureClass::Empty);
        assert_eq!(
            record.attempts[0].usage.and_then(|u| u.output_tokens),
            Some(TokenCount::new(5000)),
            "streamed: {stream}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn caller_timeout_midstream_is_timeout() {
    let stalls = ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk("half"))],
        ending: ScriptedEnding::Hang,
    };
    let mut fixture = shown_fixture([("a", vec![stalls])]);
    fixture.options.timeout = Some(seconds(2));
    let mut observer = RecordingObserver::default();
    let error = fixture
        .call_with_observer(&route(&["a"], RoutePolicy::default()), &mut observer)
        .await
        .outcome
        .unwrap_err();
    assert_eq!((error.reason, error.shown_text.as_str()), (StopReason::CallerTimeout, "half"));
}

#[tokio::test(start_paused = true)]
async fn in_stream_error_formats_fail_over() {
    let bodies = [
        "event: error\ndata: {\"object\":\"error\",\"message\":\"broke\",\"code\":500}\n\ndata: [DONE]\n\n",
        "data: {\"object\":\"error\",\"message\":\"broke\",\"code\":500}\n\ndata: [DONE]\n\n",
        "data: {\"error\":{\"message\":\"broke\"}}\n\n",
    ];
    for body in bodies {
        let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}\n\n".to_owned();
        let reply = ScriptedReply::Stream {
            pieces: vec![(NO_DELAY, content), (NO_DELAY, body.to_owned())],
            ending: ScriptedEnding::Clean,
        };
        let fixture = RouteFixture::new([("a", vec![reply]), ("b", vec![text_reply("ok")])]);
        let record = fixture.call(&route(&["a", "b"], RoutePolicy::default())).await;
        assert_eq!(failure_classes(&record), [FailureClass::ServerError], "{body}");
        assert_eq!(response_text(&record), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_finish_reason_before_done_succeeds() {
    let chunk = |reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let pieces =
        vec![(NO_DELAY, chunk("null")), (NO_DELAY, chunk("\"\"")), (NO_DELAY, "data: [DONE]\n\n".to_owned())];
    let fixture =
        RouteFixture::new([("a", vec![ScriptedReply::Stream { pieces, ending: ScriptedEnding::Clean }])]);
    assert_eq!(response_text(&fixture.call(&route(&["a"], RoutePolicy::default())).await), "xx");
}

#[tokio::test(start_paused = true)]
async fn echoed_key_is_redacted_from_attempts() {
    let key = "planted5f2c9b7d-without-a-known-beginning";
    let row = built_in_providers().unwrap().into_iter().find(|p| p.name == "openai").unwrap();
    let provider = Provider { base_url: "https://a/v1".into(), base_url_variable: None, ..row };
    let model_ref = ModelRef { provider: "openai".into(), model: "m".into() };
    let lookup = |_: &str| Some(key.to_owned());
    let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &Catalog::default(), &lookup);
    let route = Route {
        name: None,
        candidates: vec![Candidate::new(model_ref, target)],
        policy: RoutePolicy::default(),
    };
    for padding in [0, 480] {
        let message = format!("{}{key}", "x ".repeat(padding / 2));
        let body = format!(
            "{{\"error\":{{\"message\":\"{message}\",\"code\":\"{key}\"}},\"request_id\":\"{key}\"}}"
        );
        let fixture = RouteFixture::new([(
            "a",
            vec![status_reply_with(400, vec![("x-request-id", key.to_owned())], &body)],
        )]);
        let attempts = format!("{:?}", fixture.call(&route).await.attempts);
        assert!(!attempts.contains("planted"), "{attempts}");
    }
}
