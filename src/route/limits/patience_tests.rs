//! What is worth waiting for, and what a call that is not made leaves behind.

use std::sync::Arc;
use std::time::Duration;

use super::tests::*;
use super::*;
use crate::provider::Limits;
use crate::route::test_world::{World, refuses, route, seconds};
use crate::route::{Policy, Router, Why};

#[tokio::test(start_paused = true)]
async fn nobody_queues_while_somebody_else_gets_ready() {
    let world = World::new([("a", vec![slow(20)]), ("b", vec![slow(1)])]);
    let route = changed(route(&["a", "b"], Policy::default()), |provider| {
        provider.limits = if provider.name == "a" { at_once(1) } else { Limits::default() };
    });
    let key = crate::route::health::key(route.candidates[1].target.as_ref().unwrap());
    let open = |row: &mut crate::ledger::HealthRow| (row.open_until, row.tripped) = (START + 4_000, START);
    ledger(&world).write(move |rows| rows.update_health(&key, open)).await;
    let records = calls(&world, &route, 2).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
    assert_eq!(asked(&world), [0, 4], "the second one waits for the breaker, and not for the place");
}

#[tokio::test(start_paused = true)]
async fn a_minute_that_is_longer_than_the_patience_is_not_waited_for() {
    let limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let mut route = limited(&["a"], limits);
    route.policy.deadlines.call = seconds(30);
    let world = World::new([("a", vec![slow(1)])]);
    let first = world.call(&route).await;
    let second = world.call(&route).await;
    assert!(first.outcome.is_ok());
    assert_eq!((second.outcome.unwrap_err().why, second.latency), (Why::Limited, Duration::ZERO));
    assert_eq!(second.skipped[0].1.to_string(), "it has had its one request a minute");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_uses_nothing_of_the_minute() {
    let limits = Limits { requests_per_minute: Some(9), ..Limits::default() };
    let route = limited(&["a"], limits);
    let world = World::new([("a", vec![slow(1)])]);
    let target = route.candidates[0].target.as_ref().unwrap();
    let request = Request::prompt("hi");
    let Admission::Go(permit) = world.router.limiter.admit(target, &request, "").await else { panic!() };
    drop(permit);
    let begun = ledger(&world).read(|rows| rows.pace(A, 0..i64::MAX));
    assert_eq!(begun.iter().map(|pace| (pace.requests, pace.tokens)).collect::<Vec<_>>(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_is_held_to_limits_and_leaves_nothing_behind() {
    let world = World::new([("a", vec![slow(1), slow(1), refuses(429)])]);
    let route = limited(&["a"], at_once(1));
    let shared = Arc::clone(ledger(&world));
    let draw = fastrand::Rng::with_seed(1);
    let router = Router::rehearsing(world.transport.clone(), world.router.health(), &route, draw);
    let rehearsed = World { router, ..world };
    calls(&rehearsed, &route, 3).await;
    assert_eq!(asked(&rehearsed)[..3], [0, 1, 2], "one at once, for a drill too");
    assert_eq!(shared.read(|rows| rows.allowed(A)), None, "a refusal that is played says nothing");
    let key = crate::route::health::key(route.candidates[0].target.as_ref().unwrap());
    assert_eq!(shared.read(|rows| rows.health(&key)).events, 0.0);
    assert_eq!(leases(&shared, A), 0);
}
