//! Whole outages, a request a second: how often the dead are called, how often the order changes, how soon they return.
//!
//! `cargo test --lib outage -- --nocapture` prints the figures. Minutes pass at once: the clock is a paused runtime's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::route_fixture::*;
use super::*;
use crate::chat::Request;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply, ScriptedTransport};

const MINUTE: u64 = 60;

/// One request: when it was sent, whom it went to first, how often it asked `a`, and who answered when.
struct OutageCall {
    sent: u64,
    first_choice: String,
    calls_to_a: usize,
    answered_by: String,
    answered: Duration,
}

/// Sends a request a second for so long, to `a` and behind it `b`, which is well. Requests do not wait for each other.
async fn run_one_request_per_second(
    length: u64,
    a: impl Fn(u64) -> ScriptedReply + Send + Sync + 'static,
) -> Vec<OutageCall> {
    let script = move |host: &str, _: usize, now: Duration| match host {
        "a" => a(now.as_secs()),
        _ => healthy_reply(),
    };
    let world = Arc::new(RouteFixture::with_transport(ScriptedTransport::from_script(Box::new(script))));
    let route = Arc::new(route(&["a", "b"], RoutePolicy::default()));
    let start = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for sent in 0..length {
        tokio::time::sleep_until(start + seconds(sent)).await;
        let (world, route) = (Arc::clone(&world), Arc::clone(&route));
        calls.push(tokio::spawn(async move {
            let options = CallOptions { id: format!("call {sent}"), ..world.call_options() };
            let record =
                world.router.call(&route, &Request::from_prompt("hi"), &options, &mut SilentObserver).await;
            OutageCall {
                sent,
                first_choice: record.attempts[0].model_ref.provider.clone(),
                calls_to_a: record.attempts.iter().filter(|a| a.model_ref.provider == "a").count(),
                answered_by: record.outcome.expect("b is well").model_ref.provider,
                answered: start.elapsed(),
            }
        }));
    }
    let mut seen = Vec::new();
    for call in calls {
        seen.push(call.await.unwrap());
    }
    seen
}

fn healthy_reply() -> ScriptedReply {
    ScriptedReply::Stream {
        pieces: vec![(Duration::from_millis(300), content_chunk("ok")), (NO_DELAY, finish_chunk())],
        ending: ScriptedEnding::Clean,
    }
}

/// How often one differs from the one before it.
fn count_changes<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    let names: Vec<&str> = names.into_iter().collect();
    names.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Changes of who answered between consecutive answers.
fn count_answering_provider_changes(seen: &[OutageCall]) -> usize {
    let mut in_order: Vec<&OutageCall> = seen.iter().collect();
    in_order.sort_by_key(|call| call.answered);
    count_changes(in_order.into_iter().map(|call| call.answered_by.as_str()))
}

/// Changes of who is asked first between consecutive requests.
fn count_first_choice_changes(seen: &[OutageCall]) -> usize {
    count_changes(seen.iter().map(|call| call.first_choice.as_str()))
}

fn count_calls_to_a(seen: &[OutageCall], from: u64, until: u64) -> usize {
    seen.iter().filter(|call| (from..until).contains(&call.sent)).map(|call| call.calls_to_a).sum()
}

#[tokio::test(start_paused = true)]
async fn outage_switches_provider_once_until_recovery() {
    let hang = ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang };
    // Until the first timer of a host that hangs runs out, nobody can know: 30 requests are on their way by then.
    for (name, dead, unknowing) in
        [("refuses", ScriptedReply::RefuseConnection, 0), ("503", status_reply(503), 0), ("hangs", hang, 30)]
    {
        let (down, up) = (5 * MINUTE, 35 * MINUTE);
        let a = move |now| if (down..up).contains(&now) { dead.clone() } else { healthy_reply() };
        let seen = run_one_request_per_second(50 * MINUTE, a).await;
        let calls = count_calls_to_a(&seen, down, up);
        let changes = count_answering_provider_changes(&seen);
        let last_of_b = seen.iter().rev().find(|call| call.answered_by == "b").map_or(0, |call| call.sent);
        let back = (last_of_b + 1).saturating_sub(up);
        println!(
            "30 min down ({name}): {calls} of 1800 calls reach it, {changes} changes of who answers, back for good \
             after {back} s"
        );
        // Three open the breaker, the first probes come after 15, 30 and 60 s, later ones every 120 s at most.
        assert!(calls <= unknowing + 3 + 3 + 30 * 60 * 13 / 10 / 120 + 1, "{name}: {calls} calls");
        assert_eq!(changes, 2, "{name}: away once, and back once");
        // It stays open for two minutes and a fifth of that at most; then two probes in turn.
        assert!(back <= 144 + 2 && seen.iter().any(|call| call.sent > up + back), "{name}: {back} s");
    }
}

#[tokio::test(start_paused = true)]
async fn partial_rate_limit_demotes_provider_until_recovery() {
    for (quiet, seed) in [(0, 1), (0, 3), (10 * MINUTE, 2), (10 * MINUTE, 3)] {
        let draw = Mutex::new(fastrand::Rng::with_seed(seed));
        let (begins, ends) = (quiet, quiet + 5 * MINUTE);
        let a = move |now| {
            let limited = (begins..ends).contains(&now) && draw.lock().unwrap().f64() < 0.2;
            if limited { status_reply(429) } else { healthy_reply() }
        };
        let seen = run_one_request_per_second(ends + 20 * MINUTE, a).await;
        let calls = count_calls_to_a(&seen, begins, ends);
        let (order, answers) = (count_first_choice_changes(&seen), count_answering_provider_changes(&seen));
        let b_first = || seen.iter().filter(|call| call.first_choice == "b").map(|call| call.sent);
        let demoted = b_first().next().expect("it is demoted");
        let again = b_first().next_back().map_or(0, |last| last + 1);
        println!(
            "20 % of 429s for 5 min, after {quiet} s of health: behind the other after {} s, {calls} of 300 calls reach \
             it, {order} changes of order ({answers} of who answers), first again {} s after they end",
            demoted - begins,
            again - ends
        );
        assert!((begins..ends).contains(&demoted), "demoted while it lasts");
        assert_eq!(order, 2, "behind once, and in front once");
        assert!(again < ends + 20 * MINUTE, "it comes back");
    }
}
