//! The daily budget and the run budget.

use std::time::Duration;

use futures_util::future::join_all;

use super::tests::*;
use super::*;
use crate::catalog::{ModelFacts, Pricing, TokenPrices};
use crate::chat::{NanoDollars, TokenCount};
use crate::ledger::Ledger;
use crate::provider::scripted_transport::ScriptedReply;
use crate::route::OnExceeded;
use crate::route::route_fixture::{RouteFixture, route, seconds, text_reply};
use crate::route::store::{Lease, Spend};
use crate::route::{BudgetWarning, CallOptions, Route, RoutePolicy, SilentObserver, StopReason};

/// The day on which the paused clock starts.
const START_DAY: &str = "2023-11-14";

/// A route with an output price in nano-dollars per token; `None` means unknown.
fn priced_route(hosts: &[(&'static str, Option<u64>)]) -> Route {
    let names: Vec<&'static str> = hosts.iter().map(|(host, _)| *host).collect();
    let mut route = route(&names, RoutePolicy::default());
    for (candidate, (_, price)) in route.candidates.iter_mut().zip(hosts) {
        let price = TokenPrices {
            input: Some(NanoDollars::ZERO),
            output: price.map(|nano| NanoDollars::new(nano * 1_000_000)),
            ..TokenPrices::default()
        };
        let facts = ModelFacts { pricing: Pricing { base: price, tiers: vec![] }, ..ModelFacts::default() };
        candidate.target.as_mut().unwrap().facts = Some(facts);
    }
    route
}

/// Like [`reply_with_usage`], after another delay.
fn delayed_reply_with_usage(delay_secs: u64) -> ScriptedReply {
    match reply_with_usage() {
        ScriptedReply::Reply { status, headers, body, .. } => {
            ScriptedReply::Reply { after: seconds(delay_secs), status, headers, body }
        }
        other => other,
    }
}

fn with_daily_budget(fixture: RouteFixture, limit: u64, on_exceeded: OnExceeded) -> RouteFixture {
    let limit = NanoDollars::new(limit);
    let router = fixture.router.with_daily_budget(Some(DailyBudget { limit, on_exceeded }));
    RouteFixture { router, ..fixture }
}

fn recorded_spend(fixture: &RouteFixture, simulated: bool) -> Spend {
    ledger(fixture).read(|rows| rows.spend(START_DAY, simulated)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn daily_budget_stops_calls_until_next_day() {
    let fixture = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        500_000,
        OnExceeded::Stop,
    );
    let route = priced_route(&[("a", Some(1000))]);
    ledger(&fixture).enqueue(|rows| {
        rows.add_spend(START_DAY, false, Spend { nano_dollars: NanoDollars::new(200_000), unpriced_calls: 0 })
    });
    let record = fixture.call(&route).await;
    let over = BudgetExceeded {
        spent: NanoDollars::new(200_000),
        limit: NanoDollars::new(500_000),
        cost: Some(NanoDollars::new(400_000)),
        is_simulated: false,
        is_daily: true,
    };
    assert_eq!(
        (record.outcome.unwrap_err().reason, request_seconds(&fixture).len()),
        (StopReason::BudgetExceeded(over), 0)
    );
    assert_eq!(record.skipped[0].1.code(), "over_budget");
    tokio::time::advance(seconds(2 * 3600)).await;
    assert!(fixture.call(&route).await.outcome.is_ok());
    assert_eq!(
        ledger(&fixture).read(|rows| rows.spend("2023-11-15", false)).unwrap().nano_dollars,
        NanoDollars::new(2000)
    );
    assert!(fixture.budget_warnings.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn processes_reserve_daily_budget_in_turn() {
    let shared = Arc::new(Ledger::in_memory());
    let route = priced_route(&[("a", Some(1000))]);
    let fixtures = [(); 3].map(|()| {
        let fixture =
            without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![reply_with_usage()])]));
        with_daily_budget(fixture, 500_000, OnExceeded::Stop)
    });
    let records = join_all(fixtures.iter().map(|fixture| fixture.call(&route))).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()), "the actual costs are low");
    let mut started: Vec<u64> = fixtures.iter().flat_map(request_seconds).collect();
    started.sort_unstable();
    assert_eq!(started, [0, 1, 2], "one at a time, because each could use up the budget");
    assert_eq!(
        (recorded_spend(&fixtures[0], false).nano_dollars, lease_count(&shared, "money")),
        (NanoDollars::new(6000), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn free_candidate_fits_any_budget() {
    let hosts = [("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])];
    let fixture = with_daily_budget(RouteFixture::new(hosts), 100, OnExceeded::Stop);
    let record = fixture.call(&priced_route(&[("a", Some(1000)), ("b", Some(0))])).await;
    assert_eq!(fixture.transport.hosts_called(), ["b"]);
    assert_eq!(record.skipped[0].1.code(), "over_budget");
}

#[tokio::test(start_paused = true)]
async fn on_exceeded_warn_warns_once() {
    let fixture = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        100,
        OnExceeded::Warn,
    );
    let records = run_calls(&fixture, &priced_route(&[("a", Some(1000))]), 3).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
    let warnings = fixture.budget_warnings.lock().unwrap().clone();
    assert!(matches!(warnings.as_slice(), [BudgetWarning::Exceeded(_)]), "{warnings:?}");
    assert_eq!(
        recorded_spend(&fixture, false),
        Spend { nano_dollars: NanoDollars::new(6000), unpriced_calls: 0 }
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_price_is_counted_as_unknown_spend() {
    let fixture = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        1000,
        OnExceeded::Stop,
    );
    let route = priced_route(&[("a", None)]);
    run_calls(&fixture, &route, 3).await;
    assert_eq!(recorded_spend(&fixture, false), Spend { nano_dollars: NanoDollars::ZERO, unpriced_calls: 3 });
    let warnings = fixture.budget_warnings.lock().unwrap().clone();
    let model = route.candidates[0].model_ref.clone();
    assert_eq!(warnings, [BudgetWarning::PriceUnknown(model)]);
    // With an exhausted budget, a call with an unknown price is not made.
    ledger(&fixture).enqueue(|rows| {
        rows.add_spend(START_DAY, false, Spend { nano_dollars: NanoDollars::new(1000), unpriced_calls: 0 })
    });
    let why = fixture.call(&route).await.outcome.unwrap_err().reason;
    assert!(matches!(why, StopReason::BudgetExceeded(BudgetExceeded { cost: None, .. })), "{why:?}");
}

#[tokio::test(start_paused = true)]
async fn simulated_spend_is_tracked_separately() {
    let fixture = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        500_000,
        OnExceeded::Stop,
    );
    let real = priced_route(&[("a", Some(1000))]);
    let simulated = map_providers(real.clone(), |provider| provider.simulated = true);
    ledger(&fixture).enqueue(|rows| {
        rows.add_spend(START_DAY, false, Spend { nano_dollars: NanoDollars::new(500_000), unpriced_calls: 0 })
    });
    assert!(fixture.call(&real).await.outcome.is_err());
    assert!(fixture.call(&simulated).await.outcome.is_ok());
    assert_eq!(recorded_spend(&fixture, true).nano_dollars, NanoDollars::new(2000));
    ledger(&fixture).enqueue(|rows| {
        rows.add_spend(START_DAY, true, Spend { nano_dollars: NanoDollars::new(498_000), unpriced_calls: 0 })
    });
    // The measured answer has two tokens, and twice the mean is reserved.
    let why = fixture.call(&simulated).await.outcome.unwrap_err().reason;
    assert!(
        matches!(
            why,
            StopReason::BudgetExceeded(BudgetExceeded { cost: Some(cost), is_simulated: true, .. }) if cost == NanoDollars::new(4000)
        ),
        "{why:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn run_budget_caps_total_cost() {
    let with_budget = |mut fixture: RouteFixture, limit| {
        fixture.options.run_budget = Some(RunBudget::new(NanoDollars::new(limit)));
        fixture
    };
    let route = priced_route(&[("a", Some(1000))]);
    let fixture = with_limit_waiting(without_streaming(with_budget(
        RouteFixture::new([("a", vec![reply_with_usage()])]),
        408_000,
    )));
    let records = run_calls(&fixture, &route, 10).await;
    // Each call may cost 400,000 and costs 2,000. They wait for each other, and after the fifth, the rest is
    // not enough for a sixth.
    assert_eq!(records.iter().filter(|record| record.outcome.is_ok()).count(), 5);
    let why = records[9].outcome.as_ref().unwrap_err().reason;
    assert!(
        matches!(why, StopReason::BudgetExceeded(BudgetExceeded { is_daily: false, spent, .. }) if spent == NanoDollars::new(10_000)),
        "{why:?}"
    );
    assert_eq!(request_seconds(&fixture).len(), 5);

    let fixture =
        with_budget(RouteFixture::new([("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])]), 400_000);
    let record = fixture.call(&priced_route(&[("a", None), ("b", Some(1000))])).await;
    assert_eq!(
        (fixture.transport.hosts_called(), record.skipped[0].1.code()),
        (vec!["b".to_owned()], "price_unknown")
    );
    let record = fixture.call(&priced_route(&[("a", None)])).await;
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::NoCandidate);
}

#[tokio::test(start_paused = true)]
async fn canceled_call_spends_its_reservation() {
    let fixture =
        with_daily_budget(RouteFixture::new([("a", vec![slow_reply(20)])]), 1_000_000, OnExceeded::Stop);
    let route = priced_route(&[("a", Some(1000))]);
    assert!(tokio::time::timeout(seconds(5), fixture.call(&route)).await.is_err());
    assert_eq!(
        (recorded_spend(&fixture, false).nano_dollars, lease_count(ledger(&fixture), "money")),
        (NanoDollars::new(400_000), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn expired_reservation_counts_as_spent() {
    let fixture = with_daily_budget(
        without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])])),
        1_000_000,
        OnExceeded::Stop,
    );
    let lease = |holder: &str, until| Lease {
        scope: "money".into(),
        holder: holder.into(),
        since: START_MS - 31_000,
        until,
        nano_dollars: NanoDollars::new(300_000),
        tokens: TokenCount::ZERO,
    };
    // One has expired, and the end of the other is implausible.
    let (expired, implausible) = (lease("x", START_MS - 1000), lease("y", START_MS + 5 * 86_400_000));
    ledger(&fixture).enqueue(move |rows| {
        [&expired, &implausible].into_iter().try_for_each(|lease| rows.acquire_lease(lease))
    });
    assert_eq!(recorded_spend(&fixture, false).nano_dollars, NanoDollars::ZERO);
    assert!(fixture.call(&priced_route(&[("a", Some(1000))])).await.outcome.is_ok());
    assert_eq!(
        recorded_spend(&fixture, false).nano_dollars,
        NanoDollars::new(602_000),
        "both leases, plus the call"
    );
    ledger(&fixture).enqueue(|rows| {
        rows.add_spend(START_DAY, false, Spend { nano_dollars: NanoDollars::new(397_000), unpriced_calls: 0 })
    });
    let why = fixture.call(&priced_route(&[("a", Some(1000))])).await.outcome.unwrap_err().reason;
    assert!(
        matches!(why, StopReason::BudgetExceeded(BudgetExceeded { spent, .. }) if spent == NanoDollars::new(999_000)),
        "{why:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn late_completion_corrects_expired_reservation() {
    let shared = Arc::new(Ledger::in_memory());
    let route = priced_route(&[("a", Some(1000))]);
    let reply = delayed_reply_with_usage(70);
    let suspended = without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![reply])]));
    let suspended = with_daily_budget(suspended, 1_000_000, OnExceeded::Stop);
    let other = with_daily_budget(
        without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![reply_with_usage()])])),
        1_000_000,
        OnExceeded::Stop,
    );
    // Both have the same seed and therefore the same holder names, so one uses up its first name.
    assert!(other.call(&route).await.outcome.is_ok());
    let while_suspended = async {
        tokio::time::sleep(seconds(35)).await;
        // Expire the lease as if its process had been suspended.
        let holder = ledger(&other).read(|rows| rows.expired_leases("money", 0..1))[0].clone();
        ledger(&other)
            .enqueue(move |rows| rows.acquire_lease(&Lease { until: START_MS + 35_000, ..holder.clone() }));
        assert!(other.call(&route).await.outcome.is_ok());
        assert_eq!(
            recorded_spend(&other, false).nano_dollars,
            NanoDollars::new(8000),
            "the expired reservation of twice the mean cost counts as spent"
        );
    };
    let (record, ()) = tokio::join!(suspended.call(&route), while_suspended);
    assert!(record.outcome.is_ok());
    assert_eq!(recorded_spend(&other, false).nano_dollars, NanoDollars::new(6000));
    assert_eq!((lease_count(&shared, "money"), lease_count(&shared, "money, counted")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn small_call_waits_behind_larger_reservation() {
    let fixture = without_streaming(RouteFixture::new([("a", vec![reply_with_usage()])]));
    let options = &CallOptions {
        run_budget: Some(RunBudget::new(NanoDollars::new(410_000))),
        wait_for_limits: true,
        ..fixture.options.clone()
    };
    let router = &fixture.router;
    let route = &priced_route(&[("a", Some(1000))]);
    let call = |max_tokens: Option<u64>, after: u64| async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let request =
            Request { max_output_tokens: max_tokens.map(TokenCount::new), ..Request::from_prompt("hi") };
        let plan = router.plan(route, &request, options);
        assert!(router.run(plan, &mut SilentObserver).await.outcome.is_ok());
        tokio::time::Instant::now()
    };
    // The second call waits for the first. The third would fit beside the first, but waits its turn.
    let (first, second, third) = tokio::join!(call(None, 0), call(None, 100), call(Some(5), 200));
    assert!(first < second && second <= third, "{first:?} {second:?} {third:?}");
}
