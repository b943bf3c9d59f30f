//! Simulated outages at one request per second: how many calls reach the failing provider, how often the
//! order changes, and how soon it recovers.
//!
//! `cargo test --lib outage -- --nocapture` prints the numbers. With the paused clock, minutes pass
//! instantly.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::route_fixture::*;
use super::*;
use crate::chat::Request;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply, ScriptedTransport};

const MINUTE: u64 = 60;

struct OutageCall {
    /// When the request was sent, in seconds since the start.
    sent: u64,
    first_choice: String,
    calls_to_a: usize,
    answered_by: String,
    /// When the answer was complete, since the start.
    answered: Duration,
}

/// Sends one request per second for `length` seconds to the route `a`, `b`, where `b` is healthy. Requests do
/// not wait for each other.
async fn run_one_request_per_second(
    length: u64,
    a: impl Fn(u64) -> ScriptedReply + Send + Sync + 'static,
) -> Vec<OutageCall> {
    let script = move |host: &str, _: usize, now: Duration| match host {
        "a" => a(now.as_secs()),
        _ => healthy_reply(),
    };
    let fixture = Arc::new(RouteFixture::with_transport(ScriptedTransport::from_script(Box::new(script))));
    let route = Arc::new(route(&["a", "b"], RoutePolicy::default()));
    let start = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for sent in 0..length {
        tokio::time::sleep_until(start + seconds(sent)).await;
        let (fixture, route) = (Arc::clone(&fixture), Arc::clone(&route));
        calls.push(tokio::spawn(async move {
            let options = CallOptions { id: format!("call {sent}"), ..fixture.options.clone() };
            let request = Request::from_prompt("hi");
            let plan = fixture.router.plan(&route, &request, &options);
            let record = fixture.router.run(plan, &mut SilentObserver).await;
            OutageCall {
                sent,
                first_choice: record.attempts[0].model_ref.provider.clone(),
                calls_to_a: record.attempts.iter().filter(|a| a.model_ref.provider == "a").count(),
                answered_by: record.outcome.expect("b is healthy").model_ref.provider,
                answered: start.elapsed(),
            }
        }));
    }
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}

fn healthy_reply() -> ScriptedReply {
    ScriptedReply::Stream {
        pieces: vec![(Duration::from_millis(300), content_chunk("ok")), (NO_DELAY, finish_chunk())],
        ending: ScriptedEnding::Clean,
    }
}

fn count_changes<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    let names: Vec<&str> = names.into_iter().collect();
    names.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Changes of the answering provider between consecutive answers.
fn count_answering_provider_changes(results: &[OutageCall]) -> usize {
    let mut in_order: Vec<&OutageCall> = results.iter().collect();
    in_order.sort_by_key(|call| call.answered);
    count_changes(in_order.into_iter().map(|call| call.answered_by.as_str()))
}

/// Changes of the first choice between consecutive requests.
fn count_first_choice_changes(results: &[OutageCall]) -> usize {
    count_changes(results.iter().map(|call| call.first_choice.as_str()))
}

fn count_calls_to_a(results: &[OutageCall], from: u64, until: u64) -> usize {
    results.iter().filter(|call| (from..until).contains(&call.sent)).map(|call| call.calls_to_a).sum()
}

#[tokio::test(start_paused = true)]
async fn outage_switches_provider_once_until_recovery() {
    let hang = ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang };
    // A hanging host is detected only after the first timeout, when 30 requests are already in flight.
    for (name, dead, undetected) in
        [("refuses", ScriptedReply::RefuseConnection, 0), ("503", status_reply(503), 0), ("hangs", hang, 30)]
    {
        let (down, up) = (5 * MINUTE, 35 * MINUTE);
        let a = move |now| if (down..up).contains(&now) { dead.clone() } else { healthy_reply() };
        let results = run_one_request_per_second(50 * MINUTE, a).await;
        let calls = count_calls_to_a(&results, down, up);
        let changes = count_answering_provider_changes(&results);
        let last_of_b = results.iter().rev().find(|call| call.answered_by == "b").map_or(0, |call| call.sent);
        let recovered_after = (last_of_b + 1).saturating_sub(up);
        println!(
            "outage of 30 min ({name}): {calls} of 1800 calls reach it, {changes} changes of answering provider, recovered \
             after {recovered_after} s"
        );
        // Three failures open the breaker; the first probes follow after 15, 30, and 60 s, later ones every
        // 120 s.
        assert!(calls <= undetected + 3 + 3 + 30 * 60 * 13 / 10 / 120 + 1, "{name}: {calls} calls");
        assert_eq!(changes, 2, "{name}: one switch away and one back");
        // The breaker stays open for at most 144 s, and then needs two successful probes.
        assert!(
            recovered_after <= 144 + 2 && results.iter().any(|call| call.sent > up + recovered_after),
            "{name}: {recovered_after} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn partial_rate_limit_demotes_provider_until_recovery() {
    for (quiet, seed) in [(0, 1), (0, 3), (10 * MINUTE, 2), (10 * MINUTE, 3)] {
        let rng = Mutex::new(fastrand::Rng::with_seed(seed));
        let (start, end) = (quiet, quiet + 5 * MINUTE);
        let a = move |now| {
            let limited = (start..end).contains(&now) && rng.lock().unwrap().f64() < 0.2;
            if limited { status_reply(429) } else { healthy_reply() }
        };
        let results = run_one_request_per_second(end + 20 * MINUTE, a).await;
        let calls = count_calls_to_a(&results, start, end);
        let (order, answers) =
            (count_first_choice_changes(&results), count_answering_provider_changes(&results));
        let b_first = || results.iter().filter(|call| call.first_choice == "b").map(|call| call.sent);
        let demoted = b_first().next().expect("a is demoted");
        let recovered = b_first().next_back().map_or(0, |last| last + 1);
        println!(
            "429s for 20% of calls over 5 min, after {quiet} s of health: demoted after {} s, {calls} of 300 calls reach \
             it, {order} changes of order ({answers} of answering provider), first again {} s after the end",
            demoted - start,
            recovered - end
        );
        assert!((start..end).contains(&demoted), "demoted during the rate limiting");
        assert_eq!(order, 2, "one demotion and one promotion");
        assert!(recovered < end + 20 * MINUTE, "a is promoted again");
    }
}
