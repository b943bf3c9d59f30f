//! Waiting for limits, and releasing what a call did not use.

use std::sync::Arc;
use std::time::Duration;

use super::tests::*;
use super::*;
use crate::provider::ProviderLimits;
use crate::route::route_fixture::{RouteFixture, route, seconds, status_reply};
use crate::route::{Route, RoutePolicy, Router, StopReason};

#[tokio::test(start_paused = true)]
async fn call_waits_for_soonest_available_candidate() {
    let fixture = RouteFixture::new([("a", vec![slow_reply(20)]), ("b", vec![slow_reply(1)])]);
    let route = map_providers(route(&["a", "b"], RoutePolicy::default()), |provider| {
        provider.limits = if provider.name == "a" { concurrency_limit(1) } else { ProviderLimits::default() };
    });
    let key = crate::route::keys::health_key(route.candidates[1].target.as_ref().unwrap());
    let open = |row: &mut crate::route::store::HealthRow| {
        (row.open_until, row.last_trip_at) = (START_MS + 4_000, START_MS);
    };
    ledger(&fixture).write(move |rows| rows.update_health(&key, open)).await;
    let records = run_calls(&fixture, &route, 2).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
    assert_eq!(request_seconds(&fixture), [0, 4], "the second call waits for b's breaker, not for a's limit");
}

#[tokio::test(start_paused = true)]
async fn wait_beyond_deadline_fails_immediately() {
    let limits = ProviderLimits { requests_per_minute: Some(1), ..ProviderLimits::default() };
    let mut route = route_with_limits(&["a"], limits);
    route.policy.timeouts.deadline = seconds(30);
    let fixture = RouteFixture::new([("a", vec![slow_reply(1)])]);
    let first = fixture.call(&route).await;
    let second = fixture.call(&route).await;
    assert!(first.outcome.is_ok());
    assert_eq!((second.outcome.unwrap_err().reason, second.latency), (StopReason::AtLimit, Duration::ZERO));
    let limit = Unavailable::AtLimit(CapacityLimit::RequestsPerMinute(1));
    assert!(matches!(&second.skipped[0].1, SkipReason::Unavailable(why, _) if *why == limit));
}

#[tokio::test(start_paused = true)]
async fn dropped_permit_returns_requests_per_minute() {
    let limits = ProviderLimits { requests_per_minute: Some(9), ..ProviderLimits::default() };
    let route = route_with_limits(&["a"], limits);
    let fixture = RouteFixture::new([("a", vec![slow_reply(1)])]);
    let target = route.candidates[0].target.as_ref().unwrap();
    let request = Request::from_prompt("hi");
    let AdmissionOutcome::Admitted(permit) = fixture
        .router
        .limiter
        .try_admit(target, &request, &RouteStatsRow::default(), &CandidateRows::default(), None)
        .await
    else {
        panic!()
    };
    drop(permit);
    let buckets = ledger(&fixture).read(|rows| rows.rate_buckets(PROVIDER_SCOPE, 0..i64::MAX));
    assert_eq!(buckets.iter().map(|bucket| (bucket.requests, bucket.tokens)).collect::<Vec<_>>(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn drill_respects_limits_without_recording_state() {
    let fixture = RouteFixture::new([("a", vec![slow_reply(1), slow_reply(1), status_reply(429)])]);
    let route = route_with_limits(&["a"], concurrency_limit(1));
    let shared = Arc::clone(ledger(&fixture));
    let rng = fastrand::Rng::with_seed(1);
    let router = Router::for_drill(fixture.transport.clone(), fixture.router.health(), &route, rng);
    let drill = RouteFixture { router, ..fixture };
    run_calls(&drill, &route, 3).await;
    assert_eq!(request_seconds(&drill)[..3], [0, 1, 2], "a drill respects the concurrency limit");
    assert_eq!(
        shared.read(|rows| rows.adaptive_concurrency(PROVIDER_SCOPE)),
        None,
        "a simulated 429 does not change the limit"
    );
    let key = crate::route::keys::health_key(route.candidates[0].target.as_ref().unwrap());
    assert_eq!(shared.read(|rows| rows.health(&key)).events, 0.0);
    assert_eq!(lease_count(&shared, PROVIDER_SCOPE), 0);
}

#[tokio::test(start_paused = true)]
async fn load_counts_own_calls_and_leases_of_others() {
    let fixture = RouteFixture::new([("a", vec![slow_reply(9), slow_reply(9)])]);
    let other = RouteFixture::with_shared_ledger(&fixture.ledger, [("a", vec![])]);
    let load = |fixture: &RouteFixture, route: &Route| {
        let target = route.candidates[0].target.as_ref().unwrap();
        fixture.router.limiter.provider_load(target, &CandidateRows::default())
    };
    // Without a limit, calls hold no leases, so no other process can know them.
    let unlimited = route(&["a"], RoutePolicy::default());
    let loads = async {
        tokio::time::sleep(seconds(1)).await;
        (load(&fixture, &unlimited), load(&other, &unlimited))
    };
    let (record, (own, seen)) = tokio::join!(fixture.call(&unlimited), loads);
    assert!(record.outcome.is_ok());
    assert_eq!((own.in_flight, own.concurrency, seen.in_flight), (1, None, 0));
    let limited = route_with_limits(&["a"], concurrency_limit(4));
    let loads = async {
        tokio::time::sleep(seconds(1)).await;
        (load(&fixture, &limited), load(&other, &limited))
    };
    let (record, (own, seen)) = tokio::join!(fixture.call(&limited), loads);
    assert!(record.outcome.is_ok());
    assert_eq!(own, ProviderLoad { in_flight: 1, concurrency: Some(4) }, "its lease is not counted again");
    assert_eq!(seen, own);
}
