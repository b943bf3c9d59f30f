//! Limits among calls of one process, and of several that share a ledger, under a paused clock.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::*;
use crate::chat::FailureClass;
use crate::ledger::{HealthKey, Lease, Pace};
use crate::provider::scripted::{Ending, Scene};
use crate::provider::{Limits, Provider};
use crate::route::test_world::{
    World, answers, chunk, classes, finish, refuses, refuses_with, route, seconds,
};
use crate::route::{CallRecord, Policy, Retry, Route, Why};

/// The scope of the provider `a`, and of its model.
pub(super) const A: &str = "a at https://a/v1";
const A_M: &str = "a/m at https://a/v1";

/// When the paused clock begins: two hours before midnight, UTC, and a little less.
pub(super) const START: i64 = 1_700_000_000_000;

/// An answer that takes so long.
pub(super) fn slow(span: u64) -> Scene {
    Scene::Stream {
        pieces: vec![(seconds(span), chunk("ok")), (Duration::ZERO, finish())],
        ending: Ending::Clean,
    }
}

/// A whole answer of two tokens, after a second.
pub(super) fn counted() -> Scene {
    let body = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    Scene::Reply { after: seconds(1), status: 200, headers: vec![], body: body.into() }
}

/// Changes the providers of a route.
pub(super) fn changed(mut route: Route, change: impl Fn(&mut Provider)) -> Route {
    for target in route.candidates.iter_mut().filter_map(|c| c.target.as_mut().ok()) {
        let mut provider = (*target.provider).clone();
        change(&mut provider);
        target.provider = Arc::new(provider);
    }
    route
}

pub(super) fn limited(hosts: &[&'static str], limits: Limits) -> Route {
    changed(route(hosts, Policy::default()), |provider| {
        if provider.name == "a" {
            provider.limits = limits;
        }
    })
}

pub(super) fn at_once(n: u32) -> Limits {
    Limits { concurrency: Some(n), ..Limits::default() }
}

pub(super) fn patient(mut world: World) -> World {
    world.router = world.router.patient();
    world
}

pub(super) fn whole(mut world: World) -> World {
    world.stream = false;
    world
}

/// The seconds at which a host was asked.
pub(super) fn asked(world: &World) -> Vec<u64> {
    world.transport.asked.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
}

pub(super) async fn calls(world: &World, route: &Route, n: usize) -> Vec<CallRecord> {
    join_all((0..n).map(|_| world.call(route))).await
}

pub(super) fn leases(ledger: &Ledger, scope: &str) -> u64 {
    ledger.read(|rows| rows.leases(scope, START + 1..i64::MAX)).count
}

/// A lease at `a` that ends so many milliseconds after the beginning.
fn lease(holder: &str, end: i64) -> Lease {
    Lease { scope: A.into(), holder: holder.into(), since: START, until: START + end, ..Lease::default() }
}

pub(super) fn ledger(world: &World) -> &Arc<Ledger> {
    world.router.health().ledger()
}

#[tokio::test(start_paused = true)]
async fn many_calls_queue_and_none_fails_or_is_slower_for_it() {
    let world = patient(World::new([("a", vec![slow(25)])]));
    let records = calls(&world, &limited(&["a"], at_once(1)), 7).await;
    assert_eq!(asked(&world), [0, 25, 50, 75, 100, 125, 150], "beyond the deadline of 120 s");
    for (n, record) in records.iter().enumerate() {
        assert!(record.outcome.is_ok(), "{n}");
        assert_eq!((record.attempts[0].duration, record.latency), (seconds(25), seconds(25)), "{n}");
        assert_eq!(record.queued.as_secs(), 25 * n as u64);
    }
    assert_eq!(leases(ledger(&world), A), 0);
}

#[tokio::test(start_paused = true)]
async fn who_came_first_goes_first() {
    let world = &patient(World::new([("a", vec![slow(1)])]));
    let route = &limited(&["a"], at_once(2));
    let mut running: FuturesUnordered<_> = (0..20)
        .map(|n| async move {
            world.call(route).await;
            n
        })
        .collect();
    let mut ended = Vec::new();
    while let Some(n) = running.next().await {
        ended.push(n / 2);
    }
    assert!(ended.is_sorted(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn processes_share_a_limit() {
    let ledger = Arc::new(Ledger::in_memory());
    let worlds = [(); 2].map(|()| patient(World::sharing(&ledger, [("a", vec![slow(1)])])));
    let route = limited(&["a"], at_once(1));
    join_all(worlds.iter().map(|world| calls(world, &route, 4))).await;
    let mut all: Vec<Duration> = worlds
        .iter()
        .flat_map(|world| world.transport.asked.lock().unwrap().clone())
        .map(|(at, _)| at)
        .collect();
    all.sort();
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "{all:?}");
    assert!(all[7] < seconds(8), "nobody waits for long after something is free: {all:?}");
}

#[tokio::test(start_paused = true)]
async fn one_with_many_calls_leaves_others_their_turn() {
    let ledger = Arc::new(Ledger::in_memory());
    let [many, one] = [(); 2].map(|()| patient(World::sharing(&ledger, [("a", vec![slow(10)])])));
    let route = limited(&["a"], at_once(2));
    let late = async {
        tokio::time::sleep(seconds(35)).await;
        one.call(&route).await
    };
    let (_, late) = tokio::join!(calls(&many, &route, 40), late);
    assert_eq!(late.queued.as_secs(), 5, "it waits for one call, not for all that began to wait before it");
    // The minute has one line for all processes too, and a place in it ends with who had it.
    let limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let queued = Lease { scope: format!("waiting for {A}"), since: START - 1, ..lease("killed", 3000) };
    let world = World::new([("a", vec![answers("ok")])]);
    self::ledger(&world).post(move |rows| rows.put_lease(&queued));
    let record = world.call(&limited(&["a"], limits)).await;
    assert_eq!(record.queued.as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_holds_nothing_for_long() {
    let world = World::new([("a", vec![answers("ok")])]);
    // What a process that was killed left behind: its lease, which nobody renews.
    ledger(&world).post(|rows| rows.put_lease(&lease("killed", LEASE)));
    let record = world.call(&limited(&["a"], at_once(1))).await;
    assert!(record.outcome.is_ok());
    assert_eq!(asked(&world), [30]);
    assert_eq!(record.attempts[0].duration, Duration::ZERO, "waiting is no time of the provider's");
    assert_eq!(record.latency.as_secs(), 30, "but it is the user's");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_for_long_keeps_its_place() {
    let ledger = Arc::new(Ledger::in_memory());
    let long = Scene::Stream {
        pieces: (0..10).map(|_| (seconds(20), chunk("x"))).chain([(Duration::ZERO, finish())]).collect(),
        ending: Ending::Clean,
    };
    let first = World::sharing(&ledger, [("a", vec![long])]);
    let second = patient(World::sharing(&ledger, [("a", vec![answers("ok")])]));
    let route = limited(&["a"], at_once(1));
    let (one, two) = tokio::join!(first.call(&route), second.call(&route));
    assert!(one.outcome.is_ok() && two.outcome.is_ok());
    assert_eq!(asked(&second), [200]);
}

#[tokio::test(start_paused = true)]
async fn who_is_at_its_limit_stands_back_while_another_one_is_ready() {
    let world = World::new([("a", vec![answers("a")]), ("b", vec![answers("b")])]);
    ledger(&world).post(|rows| rows.put_lease(&lease("somebody", LEASE)));
    let record = world.call(&limited(&["a", "b"], at_once(1))).await;
    assert_eq!(world.transport.order(), ["b"]);
    assert_eq!((record.skipped[0].1.name(), record.queued), ("limited", Duration::ZERO));
    assert_eq!(record.skipped[0].1.to_string(), "it has its 1 call at once");
}

#[tokio::test(start_paused = true)]
async fn a_user_waits_for_half_of_the_time_at_most() {
    let shared = Arc::new(Ledger::in_memory());
    let world = World::sharing(&shared, [("a", vec![answers("a")])]);
    let busy = whole(World::sharing(&shared, [("a", vec![slow(100)])]));
    let mut shown = crate::route::test_world::Shown { shows: false, text: String::new(), notices: vec![] };
    let route = limited(&["a"], at_once(1));
    let (_, record) = tokio::join!(busy.call(&route), world.call_shown(&route, &mut shown));
    assert!(asked(&world).is_empty());
    assert_eq!(record.outcome.unwrap_err().why, Why::Limited);
    assert_eq!(record.latency.as_secs(), 60);
    assert_eq!(shown.notices, ["waiting for a/m: it has its 1 call at once"]);
    assert_eq!(record.skipped[0].1.name(), "limited");
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_was_ahead_left_behind_holds_nobody_up() {
    const AHEAD: i64 = 5 * 86_400_000;
    let limits = Limits { concurrency: Some(1), requests_per_minute: Some(1), ..Limits::default() };
    let world = World::new([("a", vec![answers("a"), refuses(429), answers("a")])]);
    let pace = Pace { second: (START + AHEAD) / 1000, requests: 1, tokens: 1 };
    ledger(&world).post(move |rows| {
        rows.put_lease(&lease("somebody", AHEAD))?;
        rows.put_lease(&Lease { scope: "waiting for a at https://a/v1".into(), ..lease("another", AHEAD) })?;
        rows.put_allowed(A, Some((1.0, START + AHEAD)))?;
        rows.add_pace(A, pace)
    });
    let record = world.call(&limited(&["a"], limits)).await;
    assert!(record.outcome.is_ok() && record.queued.is_zero(), "{record:?}");
    assert_eq!(ledger(&world).read(|rows| rows.pace(A, 0..i64::MAX)).len(), 1, "only what has begun");
    assert_eq!(
        ledger(&world).read(|rows| rows.leases("waiting for a at https://a/v1", 0..i64::MAX)).count,
        0
    );
    // A refusal counts, though one is written that would come later.
    let policy = Policy { retry: Retry { retries: 0, ..Retry::default() }, ..Policy::default() };
    world.call(&route(&["a"], policy)).await;
    assert!(ledger(&world).read(|rows| aimd::given(rows, A, START)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reset_frees_what_its_models_hold() {
    let world = World::new([("a", vec![answers("a")])]);
    let route = limited(&["a"], Limits { requests_per_minute: Some(1), ..at_once(1) });
    let pace = Pace { second: START / 1000, requests: 1, tokens: 1 };
    let scopes = [A, A_M, "waiting for a at https://a/v1", "money"];
    ledger(&world).post(move |rows| {
        rows.add_pace(A, pace)?;
        let at = |scope: &str| Lease { scope: scope.into(), ..lease("somebody", LEASE) };
        scopes.iter().try_for_each(|scope| rows.put_lease(&at(scope)))
    });
    world.router.health().reset(route.candidates[0].target.as_ref().unwrap()).await;
    assert_eq!(scopes.map(|scope| leases(ledger(&world), scope)), [0, 0, 0, 1], "money is not theirs");
    assert!(world.call(&route).await.queued.is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_gives_its_place_back() {
    let world = World::new([("a", vec![slow(20), answers("ok")])]);
    let route = limited(&["a"], at_once(1));
    assert!(tokio::time::timeout(seconds(5), world.call(&route)).await.is_err());
    assert_eq!(leases(ledger(&world), A), 0);
    assert!(world.call(&route).await.outcome.is_ok());
    assert_eq!(asked(&world), [0, 5]);
}

#[tokio::test(start_paused = true)]
async fn requests_a_minute() {
    let world = patient(World::new([("a", vec![slow(1)])]));
    let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    calls(&world, &limited(&["a"], limits), 5).await;
    assert_eq!(asked(&world), [0, 0, 61, 61, 122]);
}

#[tokio::test(start_paused = true)]
async fn tokens_a_minute_are_thought_before_and_known_after() {
    let limits = Limits { tokens_per_minute: Some(1000), ..Limits::default() };
    let route = limited(&["a"], limits);
    let world = patient(World::new([("a", vec![slow(1)])]));
    calls(&world, &route, 3).await;
    assert_eq!(asked(&world), [0, 0, 61], "nobody says what was used: it stays what was thought");
    let world = whole(patient(World::new([("a", vec![counted()])])));
    calls(&world, &route, 5).await;
    assert_eq!(asked(&world), [0, 0, 1, 1, 2], "three tokens each, as it turns out");
    // What no minute has room for goes alone.
    let limits = Limits { tokens_per_minute: Some(10), ..Limits::default() };
    let world = patient(World::new([("a", vec![slow(1)])]));
    calls(&world, &limited(&["a"], limits), 2).await;
    assert_eq!(asked(&world), [0, 61]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_refusals_halves_what_is_given_once() {
    let ledger = Arc::new(Ledger::in_memory());
    let scenes = [vec![refuses(429); 8], vec![slow(1)]].concat();
    let world = World::sharing(&ledger, [("a", scenes)]);
    let records = calls(&world, &route(&["a"], Policy::default()), 8).await;
    assert!(records.iter().all(|r| r.outcome.is_ok() && classes(r) == [FailureClass::RateLimited]));
    let asked: Vec<Duration> =
        world.transport.asked.lock().unwrap().iter().skip(8).map(|(at, _)| *at).collect();
    assert!(asked[3] < seconds(1) && asked[4] >= asked[0] + seconds(1), "four of eight at once: {asked:?}");
    // Another process learns of it, and each success gives a little back.
    let allowed = ledger.read(|rows| rows.allowed(A)).unwrap().0;
    assert!((5.0..6.0).contains(&allowed), "{allowed}");
    let other = patient(World::sharing(&ledger, [("a", vec![slow(1)])]));
    calls(&other, &route(&["a"], Policy::default()), 7).await;
    let asked = self::asked(&other);
    assert_eq!(asked.iter().filter(|at| **at == asked[0]).count(), 5, "{asked:?}");
    assert_eq!(leases(&ledger, A), 0);
    let route = route(&["a"], Policy::default());
    other.router.health().reset(route.candidates[0].target.as_ref().unwrap()).await;
    assert_eq!(ledger.read(|rows| rows.allowed(A)), None);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_a_refusal_count_too() {
    let scenes = [vec![slow(5); 4], vec![refuses(429); 12], vec![slow(5)]].concat();
    let world = patient(World::new([("a", scenes)]));
    let records = calls(&world, &route(&["a"], Policy::default()), 16).await;
    let asked = asked(&world);
    // Four of sixteen went through, and took no lease: nothing held then. Eight are given, so that four more begin.
    assert_eq!(asked[16..].iter().filter(|at| **at < 5).count(), 4, "{asked:?}");
    assert!(records.iter().all(|record| record.outcome.is_ok()), "none of them was a second try");
}

#[test]
fn what_is_given_grows_by_one_over_itself_and_is_forgotten() {
    let ledger = Ledger::in_memory();
    let refused =
        |began, in_flight, now| ledger.post(move |rows| aimd::refused(rows, A, began, in_flight, now));
    let succeeded = |now| ledger.post(move |rows| aimd::succeeded(rows, A, now));
    let allowed = |now| ledger.read(|rows| aimd::given(rows, A, now));
    succeeded(START);
    assert_eq!(allowed(START), None);
    refused(START, 9, START + 10);
    assert_eq!(allowed(START + 10), Some(4));
    refused(START + 5, 9, START + 20);
    assert_eq!(allowed(START + 20), Some(4), "it was under way already");
    refused(START + 30, 1, START + 40);
    refused(START + 50, 1, START + 60);
    assert_eq!(allowed(START + 60), Some(1), "never none");
    succeeded(START + 70);
    assert_eq!(allowed(START + 70), Some(2));
    assert_eq!(allowed(START + 60 + 600_000), None, "ten quiet minutes");
    refused(START + 700_000, 6, START + 700_001);
    assert_eq!(allowed(START + 700_001), Some(3), "of what was in flight, not of what was forgotten");
    (0..3_000).for_each(|_| succeeded(START + 700_002));
    assert_eq!(ledger.read(|rows| rows.allowed(A)), None, "so many are as many as there are");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_came_back_is_given_more_with_each_success() {
    let world = patient(World::new([("a", vec![slow(1)])]));
    let key = HealthKey { provider: "a".into(), base_url: "https://a/v1".into(), model: "m".into() };
    ledger(&world).post(move |rows| rows.update_health(&key, |row| (row.ramp, row.at) = (1, START)));
    calls(&world, &route(&["a"], Policy::default()), 8).await;
    assert_eq!(asked(&world), [0, 1, 1, 2, 2, 2, 2, 2], "one, then two, then eight would be");
    assert_eq!(leases(ledger(&world), A_M), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_over_something_dead_is_no_storm() {
    let retry = Retry { retries: 5, ..Retry::default() };
    let policy = Policy { retry, ..Policy::default() };
    let world = World::new([("a", vec![refuses(503)])]);
    calls(&world, &route(&["a"], policy.clone()), 200).await;
    let asked = asked(&world).len();
    assert!((200..=210).contains(&asked), "{asked}");
    // Nothing is left for second tries of the same, and another one is another one.
    let dead = || vec![Scene::Refuse];
    let world = World::new([("a", dead()), ("b", dead()), ("c", vec![answers("ok")])]);
    let records = calls(&world, &route(&["a", "b", "c"], policy), 100).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
}

#[test]
fn ten_successes_are_one_second_try() {
    let retries = RetryBudget::default();
    (0..10).for_each(|_| assert!(retries.take()));
    assert!(!retries.take());
    (0..9).for_each(|_| retries.add());
    assert!(!retries.take());
    retries.add();
    assert!(retries.take() && !retries.take());
    (0..1000).for_each(|_| retries.add());
    assert_eq!((0..100).filter(|_| retries.take()).count(), 10);
}

/// A provider that has too many says so, and says no more than that: nothing is used up by it.
#[tokio::test(start_paused = true)]
async fn a_patient_call_goes_back_in_line_as_often_as_it_is_refused() {
    let asks_for_less = || refuses_with(429, vec![("retry-after", "20".into())], "{}");
    let scenes: Vec<Scene> = (0..20).map(|_| asks_for_less()).chain([answers("ok")]).collect();
    let world = patient(World::new([("a", scenes)]));
    let record = world.call(&route(&["a"], Policy::default())).await;
    assert!(record.outcome.is_ok(), "after 400 s, beyond the deadline: {:?}", record.outcome);
    assert_eq!((record.attempts.len(), record.queued.as_secs() / 10), (21, 40));
    assert!(record.latency < seconds(1), "waiting is not the call's time: {:?}", record.latency);
    assert!((0..10).all(|_| world.router.retries.take()), "no second try was paid for");
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_waits_no_longer_than_its_caller() {
    let asks_for_less = || refuses_with(429, vec![("retry-after", "20".into())], "{}");
    let ends = async |timeout: Option<u64>| {
        let mut world = patient(World::new([("a", vec![asks_for_less()])]));
        world.timeout = timeout.map(seconds);
        let begun = tokio::time::Instant::now();
        let record = world.call(&route(&["a"], Policy::default())).await;
        let why = record.outcome.as_ref().unwrap_err().why;
        (why, begun.elapsed().as_secs(), classes(&record).len())
    };
    assert_eq!(ends(Some(50)).await, (Why::Timeout, 50, 3));
    assert_eq!(ends(None).await, (Why::Deadline, 600, 30));
}
