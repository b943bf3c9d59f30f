//! Limits among calls of one process, and of several that share a ledger, under a paused clock.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::*;
use crate::catalog::{ModelFacts, NanoDollars, Price, Pricing};
use crate::chat::FailureClass;
use crate::ledger::{HealthKey, Spend};
use crate::provider::scripted::{Ending, Scene};
use crate::provider::{Limits, Provider};
use crate::route::test_world::{World, answers, chunk, classes, finish, refuses, route, seconds};
use crate::route::{CallRecord, Policy, Retry, Route, Why};

/// The scope of the provider `a`, and of its model.
const A: &str = "a at https://a/v1";
const A_M: &str = "a/m at https://a/v1";

/// When the paused clock begins: two hours before midnight, UTC, and a little less.
const START: i64 = 1_700_000_000_000;
const DAY: &str = "2023-11-14";

/// An answer that takes so long.
fn slow(span: u64) -> Scene {
    Scene::Stream {
        pieces: vec![(seconds(span), chunk("ok")), (Duration::ZERO, finish())],
        ending: Ending::Clean,
    }
}

/// A whole answer of two tokens, after a second.
fn counted() -> Scene {
    let body = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    Scene::Reply { after: seconds(1), status: 200, headers: vec![], body: body.into() }
}

/// Changes the providers of a route.
fn changed(mut route: Route, change: impl Fn(&mut Provider)) -> Route {
    for target in route.candidates.iter_mut().filter_map(|c| c.target.as_mut().ok()) {
        let mut provider = (*target.provider).clone();
        change(&mut provider);
        target.provider = Arc::new(provider);
    }
    route
}

fn limited(hosts: &[&'static str], limits: Limits) -> Route {
    changed(route(hosts, Policy::default()), |provider| {
        if provider.name == "a" {
            provider.limits = limits;
        }
    })
}

fn at_once(n: u32) -> Limits {
    Limits { concurrency: Some(n), ..Limits::default() }
}

/// A route whose output costs so many nano-dollars a token; `None` is not known.
fn priced(hosts: &[(&'static str, Option<NanoDollars>)]) -> Route {
    let names: Vec<&'static str> = hosts.iter().map(|(host, _)| *host).collect();
    let mut route = route(&names, Policy::default());
    for (candidate, (_, price)) in route.candidates.iter_mut().zip(hosts) {
        let price = Price { input: Some(0), output: price.map(|nano| nano * 1_000_000), ..Price::default() };
        let facts = ModelFacts { price: Pricing { base: price, tiers: vec![] }, ..ModelFacts::default() };
        candidate.target.as_mut().unwrap().facts = Some(facts);
    }
    route
}

fn patient(mut world: World) -> World {
    world.router = world.router.patient();
    world
}

fn whole(mut world: World) -> World {
    world.stream = false;
    world
}

/// A world under a budget, and what it tells.
fn within(world: World, daily: NanoDollars, on_exceeded: Exceeded) -> (World, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell: Tell = {
        let told = Arc::clone(&told);
        Arc::new(move |words: &str| told.lock().unwrap().push(words.to_owned()))
    };
    let router = world.router.within(Some(Budget { daily, on_exceeded }), tell);
    (World { router, ..world }, told)
}

/// The seconds at which a host was asked.
fn asked(world: &World) -> Vec<u64> {
    world.transport.asked.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
}

async fn calls(world: &World, route: &Route, n: usize) -> Vec<CallRecord> {
    join_all((0..n).map(|_| world.call(route))).await
}

fn leases(ledger: &Ledger, scope: &str) -> u64 {
    ledger.read(|rows| rows.leases(scope, START)).count
}

fn ledger(world: &World) -> &Arc<Ledger> {
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
    let worlds = [(); 2].map(|()| patient(World::over(&ledger, [("a", vec![slow(1)])])));
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
async fn a_killed_process_holds_nothing_for_long() {
    let world = World::new([("a", vec![answers("ok")])]);
    // What a process that was killed left behind: its lease, which nobody renews.
    ledger(&world).post(|rows| rows.put_lease(A, "killed", START + LEASE, 0));
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
    let first = World::over(&ledger, [("a", vec![long])]);
    let second = patient(World::over(&ledger, [("a", vec![answers("ok")])]));
    let route = limited(&["a"], at_once(1));
    let (one, two) = tokio::join!(first.call(&route), second.call(&route));
    assert!(one.outcome.is_ok() && two.outcome.is_ok());
    assert_eq!(asked(&second), [200]);
}

#[tokio::test(start_paused = true)]
async fn who_is_at_its_limit_stands_back_while_another_one_is_ready() {
    let world = World::new([("a", vec![answers("a")]), ("b", vec![answers("b")])]);
    ledger(&world).post(|rows| rows.put_lease(A, "somebody", START + LEASE, 0));
    let record = world.call(&limited(&["a", "b"], at_once(1))).await;
    assert_eq!(world.transport.order(), ["b"]);
    assert_eq!((record.skipped[0].1.name(), record.queued), ("limited", Duration::ZERO));
    assert_eq!(record.skipped[0].1.to_string(), "it has its 1 call at once");
}

#[tokio::test(start_paused = true)]
async fn a_user_waits_for_half_of_the_time_at_most() {
    let world = World::new([("a", vec![answers("a")])]);
    ledger(&world).post(|rows| rows.put_lease(A, "somebody", START + 1_000_000, 0));
    let mut shown = crate::route::test_world::Shown { shows: false, text: String::new(), notices: vec![] };
    let record = world.call_shown(&limited(&["a"], at_once(1)), &mut shown).await;
    assert!(asked(&world).is_empty());
    assert_eq!(record.outcome.unwrap_err().why, Why::Limited);
    assert_eq!(record.latency.as_secs(), 60);
    assert_eq!(shown.notices, ["waiting for a/m: it has its 1 call at once"]);
    assert_eq!(record.skipped[0].1.name(), "limited");
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
    let world = World::over(&ledger, [("a", scenes)]);
    let records = calls(&world, &route(&["a"], Policy::default()), 8).await;
    assert!(records.iter().all(|r| r.outcome.is_ok() && classes(r) == [FailureClass::RateLimited]));
    let asked: Vec<Duration> =
        world.transport.asked.lock().unwrap().iter().skip(8).map(|(at, _)| *at).collect();
    assert!(asked[3] < seconds(1) && asked[4] >= asked[0] + seconds(1), "four of eight at once: {asked:?}");
    // Another process learns of it, and each success gives a little back.
    let allowed = ledger.read(|rows| rows.allowed(A)).unwrap().0;
    assert!((5.0..6.0).contains(&allowed), "{allowed}");
    let other = patient(World::over(&ledger, [("a", vec![slow(1)])]));
    calls(&other, &route(&["a"], Policy::default()), 7).await;
    let asked = self::asked(&other);
    assert_eq!(asked.iter().filter(|at| **at == asked[0]).count(), 5, "{asked:?}");
    assert_eq!(leases(&ledger, A), 0);
}

#[test]
fn what_is_given_grows_by_one_over_itself_and_is_forgotten() {
    let ledger = Ledger::in_memory();
    let refused =
        |began, in_flight, now| ledger.post(move |rows| aimd::refused(rows, A, began, in_flight, now));
    let succeeded = |now| ledger.post(move |rows| aimd::succeeded(rows, A, now));
    let allowed = |now| aimd::at_once(ledger.read(|rows| rows.allowed(A)), now);
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
    ledger(&world).post(move |rows| rows.update_health(&key, |row| row.ramp = 1));
    calls(&world, &route(&["a"], Policy::default()), 8).await;
    assert_eq!(asked(&world), [0, 1, 1, 2, 2, 2, 2, 2], "one, then two, then eight would be");
    assert_eq!(leases(ledger(&world), A_M), 0);
}

fn spend(world: &World, simulated: bool) -> Spend {
    ledger(world).read(|rows| rows.spend(DAY, simulated))
}

#[tokio::test(start_paused = true)]
async fn the_budget_stops_a_call_before_it_is_sent_and_a_new_day_frees_it() {
    let (world, told) = within(whole(World::new([("a", vec![counted()])])), 500_000, Exceeded::Stop);
    let route = priced(&[("a", Some(1000))]);
    ledger(&world).post(|rows| rows.add_spend(DAY, false, Spend { nano_dollars: 200_000, unknown: 0 }));
    let record = world.call(&route).await;
    let over = Over { spent: 200_000, limit: 500_000, cost: Some(400_000), simulated: false, daily: true };
    assert_eq!((record.outcome.unwrap_err().why, asked(&world).len()), (Why::Over(over), 0));
    assert_eq!(record.skipped[0].1.name(), "over_budget");
    let words = "today's budget: $0.0002 of $0.0005 is spent, and the call may cost $0.0004";
    assert_eq!(over.to_string(), words);
    tokio::time::advance(seconds(2 * 3600)).await;
    assert!(world.call(&route).await.outcome.is_ok());
    assert_eq!(ledger(&world).read(|rows| rows.spend("2023-11-15", false)).nano_dollars, 2000);
    assert!(told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn processes_cannot_all_spend_the_last_of_it() {
    let shared = Arc::new(Ledger::in_memory());
    let route = priced(&[("a", Some(1000))]);
    let worlds = [(); 3].map(|()| {
        let world = whole(World::over(&shared, [("a", vec![counted()])]));
        within(world, 500_000, Exceeded::Stop).0
    });
    let records = join_all(worlds.iter().map(|world| world.call(&route))).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()), "they turned out to be cheap");
    let mut begun: Vec<u64> = worlds.iter().flat_map(asked).collect();
    begun.sort_unstable();
    assert_eq!(begun, [0, 1, 2], "one at a time, since each could have used it up");
    assert_eq!((spend(&worlds[0], false).nano_dollars, leases(&shared, "money")), (6000, 0));
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_is_within_any_budget() {
    let hosts = [("a", vec![answers("a")]), ("b", vec![answers("b")])];
    let (world, _) = within(World::new(hosts), 100, Exceeded::Stop);
    let record = world.call(&priced(&[("a", Some(1000)), ("b", Some(0))])).await;
    assert_eq!(world.transport.order(), ["b"]);
    assert_eq!(record.skipped[0].1.name(), "over_budget");
}

#[tokio::test(start_paused = true)]
async fn a_budget_may_only_warn_and_does_so_once() {
    let (world, told) = within(whole(World::new([("a", vec![counted()])])), 100, Exceeded::Warn);
    let records = calls(&world, &priced(&[("a", Some(1000))]), 3).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    assert_eq!(spend(&world, false), Spend { nano_dollars: 6000, unknown: 0 });
}

#[tokio::test(start_paused = true)]
async fn an_unknown_price_is_counted_as_unknown_and_told_once() {
    let (world, told) = within(whole(World::new([("a", vec![counted()])])), 1000, Exceeded::Stop);
    let route = priced(&[("a", None)]);
    calls(&world, &route, 3).await;
    assert_eq!(spend(&world, false), Spend { nano_dollars: 0, unknown: 3 });
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains("its price is unknown"), "{told:?}");
    // Once nothing is left, it may cost something.
    ledger(&world).post(|rows| rows.add_spend(DAY, false, Spend { nano_dollars: 1000, unknown: 0 }));
    let why = world.call(&route).await.outcome.unwrap_err().why;
    assert!(matches!(why, Why::Over(Over { cost: None, .. })), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn simulated_money_is_counted_apart() {
    let (world, _) = within(whole(World::new([("a", vec![counted()])])), 500_000, Exceeded::Stop);
    let real = priced(&[("a", Some(1000))]);
    let simulated = changed(real.clone(), |provider| provider.simulated = true);
    ledger(&world).post(|rows| rows.add_spend(DAY, false, Spend { nano_dollars: 500_000, unknown: 0 }));
    assert!(world.call(&real).await.outcome.is_err());
    assert!(world.call(&simulated).await.outcome.is_ok());
    assert_eq!(spend(&world, true).nano_dollars, 2000);
    ledger(&world).post(|rows| rows.add_spend(DAY, true, Spend { nano_dollars: 400_000, unknown: 0 }));
    let why = world.call(&simulated).await.outcome.unwrap_err().why;
    assert!(why.words().ends_with("the call may cost $0.0004 (simulated)"), "{}", why.words());
}

#[tokio::test(start_paused = true)]
async fn a_run_costs_no_more_than_it_may() {
    let purse =
        |world: World, limit| World { router: world.router.paying_from(Some(Purse::new(limit))), ..world };
    let route = priced(&[("a", Some(1000))]);
    let world = patient(whole(purse(World::new([("a", vec![counted()])]), 408_000)));
    let records = calls(&world, &route, 10).await;
    // Each may cost 400,000 and costs 2,000: they wait for each other, and the fifth leaves too little for a sixth.
    assert_eq!(records.iter().filter(|record| record.outcome.is_ok()).count(), 5);
    let why = records[9].outcome.as_ref().unwrap_err().why;
    assert!(matches!(why, Why::Over(Over { daily: false, spent: 10_000, .. })), "{why:?}");
    assert_eq!(asked(&world).len(), 5);

    let world = purse(World::new([("a", vec![answers("a")]), ("b", vec![answers("b")])]), 400_000);
    let record = world.call(&priced(&[("a", None), ("b", Some(1000))])).await;
    assert_eq!(
        (world.transport.order(), record.skipped[0].1.name()),
        (vec!["b".to_owned()], "price_unknown")
    );
    let record = world.call(&priced(&[("a", None)])).await;
    assert_eq!(record.outcome.unwrap_err().why, Why::NobodyToTry);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_paid() {
    let (world, _) = within(World::new([("a", vec![slow(20)])]), 1_000_000, Exceeded::Stop);
    let route = priced(&[("a", Some(1000))]);
    assert!(tokio::time::timeout(seconds(5), world.call(&route)).await.is_err());
    assert_eq!((spend(&world, false).nano_dollars, leases(ledger(&world), "money")), (400_000, 0));
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
