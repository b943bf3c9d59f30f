//! What a user sees, what is billed, and what must not be said.

use std::sync::Arc;

use super::test_world::*;
use super::*;
use crate::catalog::Catalog;
use crate::chat::FailureClass;
use crate::provider::scripted::{Ending, Scene};
use crate::provider::{ModelRef, Provider, Target, built_in_providers};

#[tokio::test(start_paused = true)]
async fn a_shown_answer_that_breaks_off_stops_or_begins_anew() {
    let half = Scene::Stream { pieces: vec![(NOW, chunk("half"))], ending: Ending::Broken };
    let hosts = || [("a", vec![half.clone()]), ("b", vec![answers("whole")])];
    let mut shown = Shown { shows: true, text: String::new(), notices: vec![] };
    let record = World::new(hosts()).call_shown(&route(&["a", "b"], Policy::default()), &mut shown).await;
    let none = record.outcome.unwrap_err();
    assert_eq!((none.why, none.shown.as_str(), shown.text.as_str()), (Why::BrokeOff, "half", "half"));

    let restart = Policy { on_midstream: Choice::GoOn, ..Policy::default() };
    let mut shown = Shown { shows: true, text: String::new(), notices: vec![] };
    let record = World::new(hosts()).call_shown(&route(&["a", "b"], restart), &mut shown).await;
    assert_eq!((text(&record), shown.text.as_str()), ("whole", "halfwhole"));
    assert!(shown.notices.iter().any(|n| n.contains("begins anew")), "{:?}", shown.notices);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_to_begin_anew_when_nobody_is_left() {
    let half = Scene::Stream { pieces: vec![(NOW, chunk("half"))], ending: Ending::Broken };
    let refused = "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n".to_owned();
    let filtered =
        Scene::Stream { pieces: vec![(NOW, chunk("half")), (NOW, refused)], ending: Ending::Clean };
    let retry = Retry { retries: 0, ..Retry::default() };
    for scene in [half, filtered] {
        let restart = Policy { on_midstream: Choice::GoOn, retry, ..Policy::default() };
        let mut shown = Shown { shows: true, text: String::new(), notices: vec![] };
        let world = World::new([("a", vec![scene])]);
        let none = world.call_shown(&route(&["a"], restart), &mut shown).await.outcome.unwrap_err();
        assert_eq!((none.why, none.shown.as_str()), (Why::BrokeOff, "half"), "{none:?}");
        assert_eq!(shown.notices, Vec::<String>::new(), "what ends a call is told with its end");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_ends_a_shown_answer_breaks_it_off() {
    let ends = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n".to_owned();
    let half = Scene::Stream { pieces: vec![(NOW, chunk("half")), (NOW, ends)], ending: Ending::Clean };
    let world = World::new([("a", vec![half]), ("b", vec![answers("whole")])]);
    let mut shown = Shown { shows: true, text: String::new(), notices: vec![] };
    let record = world.call_shown(&route(&["a", "b"], Policy::default()), &mut shown).await;
    assert_eq!(record.outcome.unwrap_err().why, Why::BrokeOff);
    assert_eq!(shown.text, "half");
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_counted_is_billed_even_when_nothing_came_of_it() {
    let empty = "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":5000}}\n\n";
    let whole = r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":5000}}"#;
    let streamed = Scene::Stream { pieces: vec![(NOW, empty.to_owned())], ending: Ending::Clean };
    let replied = Scene::Reply { after: NOW, status: 200, headers: vec![], body: whole.to_owned() };
    for (scene, stream) in [(streamed, true), (replied, false)] {
        let mut world = World::new([("a", vec![scene])]);
        world.stream = stream;
        let record = world.call(&route(&["a"], Policy::default())).await;
        assert_eq!(classes(&record)[0], FailureClass::Empty);
        assert_eq!(record.attempts[0].usage.and_then(|u| u.output_tokens), Some(5000), "streamed: {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_that_cuts_a_shown_answer_is_the_limits() {
    let stalls = Scene::Stream { pieces: vec![(NOW, chunk("half"))], ending: Ending::Hang };
    let mut world = World::new([("a", vec![stalls])]);
    world.timeout = Some(seconds(2));
    let mut shown = Shown { shows: true, text: String::new(), notices: vec![] };
    let none = world.call_shown(&route(&["a"], Policy::default()), &mut shown).await.outcome.unwrap_err();
    assert_eq!((none.why, none.shown.as_str()), (Why::Timeout, "half"));
}

#[tokio::test(start_paused = true)]
async fn errors_inside_a_stream_are_failures_in_every_form() {
    let bodies = [
        "event: error\ndata: {\"object\":\"error\",\"message\":\"broke\",\"code\":500}\n\ndata: [DONE]\n\n",
        "data: {\"object\":\"error\",\"message\":\"broke\",\"code\":500}\n\ndata: [DONE]\n\n",
        "data: {\"error\":{\"message\":\"broke\"}}\n\n",
    ];
    for body in bodies {
        let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}\n\n".to_owned();
        let scene =
            Scene::Stream { pieces: vec![(NOW, content), (NOW, body.to_owned())], ending: Ending::Clean };
        let world = World::new([("a", vec![scene]), ("b", vec![answers("ok")])]);
        let record = world.call(&route(&["a", "b"], Policy::default())).await;
        assert_eq!(classes(&record), [FailureClass::ServerError], "{body}");
        assert_eq!(text(&record), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_reason_before_done_is_a_clean_end() {
    let chunk = |reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let pieces = vec![(NOW, chunk("null")), (NOW, chunk("\"\"")), (NOW, "data: [DONE]\n\n".to_owned())];
    let world = World::new([("a", vec![Scene::Stream { pieces, ending: Ending::Clean }])]);
    assert_eq!(text(&world.call(&route(&["a"], Policy::default())).await), "xx");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_provider_quotes_is_taken_out() {
    let key = "planted5f2c9b7d-without-a-known-beginning";
    let row = built_in_providers().into_iter().find(|p| p.name == "openai").unwrap();
    let provider = Provider { base_url: "https://a/v1".into(), base_url_variable: None, ..row };
    let model_ref = ModelRef { provider: "openai".into(), model: "m".into() };
    let look = |_: &str| Some(key.to_owned());
    let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &Catalog::default(), &look);
    let route =
        Route { name: None, candidates: vec![Candidate::new(model_ref, target)], policy: Policy::default() };
    for padding in [0, 480] {
        let message = format!("{}{key}", "x ".repeat(padding / 2));
        let body = format!(
            "{{\"error\":{{\"message\":\"{message}\",\"code\":\"{key}\"}},\"request_id\":\"{key}\"}}"
        );
        let world =
            World::new([("a", vec![refuses_with(400, vec![("x-request-id", key.to_owned())], &body)])]);
        let said = format!("{:?}", world.call(&route).await.attempts);
        assert!(!said.contains("planted"), "{said}");
    }
}
