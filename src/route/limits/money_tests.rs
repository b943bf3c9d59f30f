//! Budgets: of the day, by the ledger, and of one run.

use std::time::Duration;

use futures_util::future::join_all;

use super::tests::*;
use super::*;
use crate::catalog::{ModelFacts, NanoDollars, Price, Pricing};
use crate::ledger::Spend;
use crate::route::test_world::{World, answers, route, seconds};
use crate::route::{CallOptions, Caller, Policy, Route, Silent, Why};

/// The day on which the paused clock begins.
const DAY: &str = "2023-11-14";

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
        let world = whole(World::sharing(&shared, [("a", vec![counted()])]));
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
    ledger(&world).post(|rows| rows.add_spend(DAY, true, Spend { nano_dollars: 498_000, unknown: 0 }));
    // Two tokens came out, so twice as many are set aside.
    let why = world.call(&simulated).await.outcome.unwrap_err().why;
    assert!(why.words().ends_with("the call may cost $0.000004 (simulated)"), "{}", why.words());
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
async fn a_small_call_does_not_jump_the_queue() {
    let world = whole(World::new([("a", vec![counted()])]));
    let router = &world.router.paying_from(Some(Purse::new(410_000))).patient();
    let route = &priced(&[("a", Some(1000))]);
    let call = |max_tokens: Option<u64>, after: u64| async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let request = Request { max_tokens, ..Request::prompt("hi") };
        let options = CallOptions {
            id: "x".into(),
            requested_model: "t".into(),
            stream: false,
            timeout: None,
            caller: Caller::default(),
        };
        assert!(router.call(route, &request, &options, &mut Silent).await.outcome.is_ok());
        tokio::time::Instant::now()
    };
    // The second one has to wait for the first. The third would fit beside it, and waits for the second all the same.
    let (first, second, third) = tokio::join!(call(None, 0), call(None, 100), call(Some(5), 200));
    assert!(first < second && second <= third, "{first:?} {second:?} {third:?}");
}
