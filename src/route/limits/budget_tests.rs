//! Budgets: of the day, by the ledger, and of one run.

use std::time::Duration;

use futures_util::future::join_all;

use super::tests::*;
use super::*;
use crate::catalog::{ModelFacts, NanoDollars, Pricing, TokenPrices};
use crate::ledger::{Lease, Spend};
use crate::provider::scripted_transport::ScriptedReply;
use crate::route::route_fixture::{RouteFixture, route, seconds, text_reply};
use crate::route::{CallOptions, Route, RoutePolicy, RoutingHints, SilentObserver, StopReason};

/// The day on which the paused clock begins.
const START_DAY: &str = "2023-11-14";

/// A route whose output costs so many nano-dollars a token; `None` is not known.
fn priced_route(hosts: &[(&'static str, Option<NanoDollars>)]) -> Route {
    let names: Vec<&'static str> = hosts.iter().map(|(host, _)| *host).collect();
    let mut route = route(&names, RoutePolicy::default());
    for (candidate, (_, price)) in route.candidates.iter_mut().zip(hosts) {
        let price = TokenPrices {
            input: Some(0),
            output: price.map(|nano| nano * 1_000_000),
            ..TokenPrices::default()
        };
        let facts = ModelFacts { pricing: Pricing { base: price, tiers: vec![] }, ..ModelFacts::default() };
        candidate.target.as_mut().unwrap().facts = Some(facts);
    }
    route
}

/// The same whole answer, after so long.
fn delayed_reply_with_usage(span: u64) -> ScriptedReply {
    match reply_with_usage() {
        ScriptedReply::Reply { status, headers, body, .. } => {
            ScriptedReply::Reply { after: seconds(span), status, headers, body }
        }
        other => other,
    }
}

/// A world under a budget, and what it tells.
fn with_daily_budget(
    world: RouteFixture,
    daily: NanoDollars,
    on_exceeded: OnExceeded,
) -> (RouteFixture, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell: WarningFn = {
        let told = Arc::clone(&told);
        Arc::new(move |words: &str| told.lock().unwrap().push(words.to_owned()))
    };
    let router = world.router.with_daily_budget(Some(DailyBudget { limit: daily, on_exceeded }), tell);
    (RouteFixture { router, ..world }, told)
}

fn recorded_spend(world: &RouteFixture, simulated: bool) -> Spend {
    ledger(world).read(|rows| rows.spend(START_DAY, simulated))
}

#[tokio::test(start_paused = true)]
async fn daily_budget_stops_calls_until_next_day() {
    let (world, told) = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        500_000,
        OnExceeded::Stop,
    );
    let route = priced_route(&[("a", Some(1000))]);
    ledger(&world)
        .enqueue(|rows| rows.add_spend(START_DAY, false, Spend { nano_dollars: 200_000, unpriced_calls: 0 }));
    let record = world.call(&route).await;
    let over = BudgetExceeded {
        spent: 200_000,
        limit: 500_000,
        cost: Some(400_000),
        is_simulated: false,
        is_daily: true,
    };
    assert_eq!(
        (record.outcome.unwrap_err().reason, request_seconds(&world).len()),
        (StopReason::BudgetExceeded(over), 0)
    );
    assert_eq!(record.skipped[0].1.code(), "over_budget");
    let words = "today's budget: $0.0002 of $0.0005 is spent, and the call may cost $0.0004";
    assert_eq!(over.to_string(), words);
    tokio::time::advance(seconds(2 * 3600)).await;
    assert!(world.call(&route).await.outcome.is_ok());
    assert_eq!(ledger(&world).read(|rows| rows.spend("2023-11-15", false)).nano_dollars, 2000);
    assert!(told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn processes_reserve_daily_budget_in_turn() {
    let shared = Arc::new(Ledger::in_memory());
    let route = priced_route(&[("a", Some(1000))]);
    let worlds = [(); 3].map(|()| {
        let world =
            without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![reply_with_usage()])]));
        with_daily_budget(world, 500_000, OnExceeded::Stop).0
    });
    let records = join_all(worlds.iter().map(|world| world.call(&route))).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()), "they turned out to be cheap");
    let mut begun: Vec<u64> = worlds.iter().flat_map(request_seconds).collect();
    begun.sort_unstable();
    assert_eq!(begun, [0, 1, 2], "one at a time, since each could have used it up");
    assert_eq!((recorded_spend(&worlds[0], false).nano_dollars, lease_count(&shared, "money")), (6000, 0));
}

#[tokio::test(start_paused = true)]
async fn free_candidate_fits_any_budget() {
    let hosts = [("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])];
    let (world, _) = with_daily_budget(RouteFixture::new(hosts), 100, OnExceeded::Stop);
    let record = world.call(&priced_route(&[("a", Some(1000)), ("b", Some(0))])).await;
    assert_eq!(world.transport.hosts_called(), ["b"]);
    assert_eq!(record.skipped[0].1.code(), "over_budget");
}

#[tokio::test(start_paused = true)]
async fn on_exceeded_warn_warns_once() {
    let (world, told) = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        100,
        OnExceeded::Warn,
    );
    let records = run_calls(&world, &priced_route(&[("a", Some(1000))]), 3).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    assert_eq!(recorded_spend(&world, false), Spend { nano_dollars: 6000, unpriced_calls: 0 });
}

#[tokio::test(start_paused = true)]
async fn unknown_price_is_counted_as_unknown_spend() {
    let (world, told) = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        1000,
        OnExceeded::Stop,
    );
    let route = priced_route(&[("a", None)]);
    run_calls(&world, &route, 3).await;
    assert_eq!(recorded_spend(&world, false), Spend { nano_dollars: 0, unpriced_calls: 3 });
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains("its price is unknown"), "{told:?}");
    // Once nothing is left, it may cost something.
    ledger(&world)
        .enqueue(|rows| rows.add_spend(START_DAY, false, Spend { nano_dollars: 1000, unpriced_calls: 0 }));
    let why = world.call(&route).await.outcome.unwrap_err().reason;
    assert!(matches!(why, StopReason::BudgetExceeded(BudgetExceeded { cost: None, .. })), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn simulated_spend_is_tracked_separately() {
    let (world, _) = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        500_000,
        OnExceeded::Stop,
    );
    let real = priced_route(&[("a", Some(1000))]);
    let simulated = map_providers(real.clone(), |provider| provider.simulated = true);
    ledger(&world)
        .enqueue(|rows| rows.add_spend(START_DAY, false, Spend { nano_dollars: 500_000, unpriced_calls: 0 }));
    assert!(world.call(&real).await.outcome.is_err());
    assert!(world.call(&simulated).await.outcome.is_ok());
    assert_eq!(recorded_spend(&world, true).nano_dollars, 2000);
    ledger(&world)
        .enqueue(|rows| rows.add_spend(START_DAY, true, Spend { nano_dollars: 498_000, unpriced_calls: 0 }));
    // Two tokens came out, so twice as many are set aside.
    let why = world.call(&simulated).await.outcome.unwrap_err().reason;
    assert!(why.message().ends_with("the call may cost $0.000004 (simulated)"), "{}", why.message());
}

#[tokio::test(start_paused = true)]
async fn run_budget_caps_total_cost() {
    let purse = |world: RouteFixture, limit| RouteFixture {
        router: world.router.with_run_budget(Some(RunBudget::new(limit))),
        ..world
    };
    let route = priced_route(&[("a", Some(1000))]);
    let world = with_limit_waiting(without_streaming(purse(
        RouteFixture::new([("a", vec![reply_with_usage()])]),
        408_000,
    )));
    let records = run_calls(&world, &route, 10).await;
    // Each may cost 400,000 and costs 2,000: they wait for each other, and the fifth leaves too little for a sixth.
    assert_eq!(records.iter().filter(|record| record.outcome.is_ok()).count(), 5);
    let why = records[9].outcome.as_ref().unwrap_err().reason;
    assert!(
        matches!(why, StopReason::BudgetExceeded(BudgetExceeded { is_daily: false, spent: 10_000, .. })),
        "{why:?}"
    );
    assert_eq!(request_seconds(&world).len(), 5);

    let world =
        purse(RouteFixture::new([("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])]), 400_000);
    let record = world.call(&priced_route(&[("a", None), ("b", Some(1000))])).await;
    assert_eq!(
        (world.transport.hosts_called(), record.skipped[0].1.code()),
        (vec!["b".to_owned()], "price_unknown")
    );
    let record = world.call(&priced_route(&[("a", None)])).await;
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::NoCandidate);
}

#[tokio::test(start_paused = true)]
async fn canceled_call_spends_its_reservation() {
    let (world, _) =
        with_daily_budget(RouteFixture::new([("a", vec![slow_reply(20)])]), 1_000_000, OnExceeded::Stop);
    let route = priced_route(&[("a", Some(1000))]);
    assert!(tokio::time::timeout(seconds(5), world.call(&route)).await.is_err());
    assert_eq!(
        (recorded_spend(&world, false).nano_dollars, lease_count(ledger(&world), "money")),
        (400_000, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn expired_reservation_counts_as_spent() {
    let (world, _) = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        1_000_000,
        OnExceeded::Stop,
    );
    let killed = |holder: &str, until| Lease {
        scope: "money".into(),
        holder: holder.into(),
        since: START_MS - 31_000,
        until,
        nano_dollars: 300_000,
        tokens: 0,
    };
    // One has ended; of the other nobody can have meant the end that it has.
    let (ended, absurd) = (killed("x", START_MS - 1000), killed("y", START_MS + 5 * 86_400_000));
    ledger(&world)
        .enqueue(move |rows| [&ended, &absurd].into_iter().try_for_each(|lease| rows.acquire_lease(lease)));
    assert_eq!(recorded_spend(&world, false).nano_dollars, 0);
    assert!(world.call(&priced_route(&[("a", Some(1000))])).await.outcome.is_ok());
    assert_eq!(recorded_spend(&world, false).nano_dollars, 602_000, "once, and the call's own");
    ledger(&world)
        .enqueue(|rows| rows.add_spend(START_DAY, false, Spend { nano_dollars: 397_000, unpriced_calls: 0 }));
    let why = world.call(&priced_route(&[("a", Some(1000))])).await.outcome.unwrap_err().reason;
    assert!(matches!(why, StopReason::BudgetExceeded(BudgetExceeded { spent: 999_000, .. })), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn late_completion_corrects_expired_reservation() {
    let shared = Arc::new(Ledger::in_memory());
    let route = priced_route(&[("a", Some(1000))]);
    let sleeper = delayed_reply_with_usage(70);
    let sleeper = without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![sleeper])]));
    let (sleeper, _) = with_daily_budget(sleeper, 1_000_000, OnExceeded::Stop);
    let (other, _) = with_daily_budget(
        without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![reply_with_usage()])])),
        1_000_000,
        OnExceeded::Stop,
    );
    // From the same seed, each has the same names: one has used its first.
    assert!(other.call(&route).await.outcome.is_ok());
    let asleep = async {
        tokio::time::sleep(seconds(35)).await;
        // As if it had not been there to renew it.
        let holder = ledger(&other).read(|rows| rows.expired_leases("money", 0..1))[0].clone();
        ledger(&other)
            .enqueue(move |rows| rows.acquire_lease(&Lease { until: START_MS + 35_000, ..holder.clone() }));
        assert!(other.call(&route).await.outcome.is_ok());
        assert_eq!(
            recorded_spend(&other, false).nano_dollars,
            8000,
            "it is taken for dead: twice what such answers cost"
        );
    };
    let (record, ()) = tokio::join!(sleeper.call(&route), asleep);
    assert!(record.outcome.is_ok());
    assert_eq!(recorded_spend(&other, false).nano_dollars, 6000);
    assert_eq!((lease_count(&shared, "money"), lease_count(&shared, "money, counted")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn small_call_waits_behind_larger_reservation() {
    let world = without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])]));
    let router = &world.router.with_run_budget(Some(RunBudget::new(410_000))).wait_for_limits();
    let route = &priced_route(&[("a", Some(1000))]);
    let call = |max_tokens: Option<u64>, after: u64| async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let request = Request { max_output_tokens: max_tokens, ..Request::from_prompt("hi") };
        let options = CallOptions {
            id: "x".into(),
            requested_model: "t".into(),
            stream: false,
            timeout: None,
            hints: RoutingHints::default(),
        };
        assert!(router.call(route, &request, &options, &mut SilentObserver).await.outcome.is_ok());
        tokio::time::Instant::now()
    };
    // The second one has to wait for the first. The third would fit beside it, and waits for the second all the same.
    let (first, second, third) = tokio::join!(call(None, 0), call(None, 100), call(Some(5), 200));
    assert!(first < second && second <= third, "{first:?} {second:?} {third:?}");
}
