//! Limits within one process, and across processes that share a ledger, with a paused clock.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::*;
use crate::chat::{FailureClass, NanoDollars, TokenCount};
use crate::ledger::Ledger;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};
use crate::provider::{Provider, ProviderLimits};
use crate::route::route_fixture::{
    RecordingObserver, RouteFixture, content_chunk, failure_classes, finish_chunk, route, seconds,
    status_reply, status_reply_with, text_reply,
};
use crate::route::store::{CallChange, HealthKey, Lease, RateBucket};
use crate::route::{CallRecord, RetryPolicy, Route, RoutePolicy, StopReason};

pub(super) const PROVIDER_SCOPE: &str = "a at https://a/v1";
const MODEL_SCOPE: &str = "a/m at https://a/v1";

/// Less than two hours before midnight, UTC.
pub(super) const START_MS: i64 = 1_700_000_000_000;

pub(super) fn slow_reply(delay_secs: u64) -> ScriptedReply {
    ScriptedReply::Stream {
        pieces: vec![(seconds(delay_secs), content_chunk("ok")), (Duration::ZERO, finish_chunk())],
        ending: ScriptedEnding::Clean,
    }
}

pub(super) fn reply_with_usage() -> ScriptedReply {
    let body = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    ScriptedReply::Reply { after: seconds(1), status: 200, headers: vec![], body: body.into() }
}

pub(super) fn map_providers(mut route: Route, change: impl Fn(&mut Provider)) -> Route {
    for target in route.candidates.iter_mut().filter_map(|c| c.target.as_mut().ok()) {
        let mut provider = (*target.provider).clone();
        change(&mut provider);
        target.provider = Arc::new(provider);
    }
    route
}

pub(super) fn route_with_limits(hosts: &[&'static str], limits: ProviderLimits) -> Route {
    map_providers(route(hosts, RoutePolicy::default()), |provider| {
        if provider.name == "a" {
            provider.limits = limits;
        }
    })
}

pub(super) fn concurrency_limit(n: u32) -> ProviderLimits {
    ProviderLimits { concurrency: Some(n), ..ProviderLimits::default() }
}

pub(super) fn with_limit_waiting(mut fixture: RouteFixture) -> RouteFixture {
    fixture.options.wait_for_limits = true;
    fixture
}

pub(super) fn without_streaming(mut fixture: RouteFixture) -> RouteFixture {
    fixture.options.stream = false;
    fixture
}

pub(super) fn request_seconds(fixture: &RouteFixture) -> Vec<u64> {
    fixture.transport.requests.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
}

pub(super) async fn run_calls(fixture: &RouteFixture, route: &Route, n: usize) -> Vec<CallRecord> {
    join_all((0..n).map(|_| fixture.call(route))).await
}

pub(super) fn lease_count(ledger: &Ledger, scope: &str) -> u64 {
    ledger.read(|rows| rows.lease_totals(scope, START_MS + 1..i64::MAX)).count
}

fn lease_until(holder: &str, end: i64) -> Lease {
    Lease {
        scope: PROVIDER_SCOPE.into(),
        holder: holder.into(),
        since: START_MS,
        until: START_MS + end,
        nano_dollars: NanoDollars::ZERO,
        tokens: TokenCount::ZERO,
    }
}

pub(super) fn ledger(fixture: &RouteFixture) -> &Arc<Ledger> {
    &fixture.ledger
}

#[tokio::test(start_paused = true)]
async fn queue_time_is_excluded_from_latency() {
    let fixture = with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(25)])]));
    let records = run_calls(&fixture, &route_with_limits(&["a"], concurrency_limit(1)), 7).await;
    assert_eq!(request_seconds(&fixture), [0, 25, 50, 75, 100, 125, 150], "longer than the 120 s deadline");
    for (n, record) in records.iter().enumerate() {
        assert!(record.outcome.is_ok(), "{n}");
        assert_eq!((record.attempts[0].duration, record.latency), (seconds(25), seconds(25)), "{n}");
        assert_eq!(record.queued_time.as_secs(), 25 * n as u64);
    }
    assert_eq!(lease_count(ledger(&fixture), PROVIDER_SCOPE), 0);
}

#[tokio::test(start_paused = true)]
async fn queue_is_first_in_first_out() {
    let fixture = &with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(1)])]));
    let route = &route_with_limits(&["a"], concurrency_limit(2));
    let mut running: FuturesUnordered<_> = (0..20)
        .map(|n| async move {
            fixture.call(route).await;
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
async fn processes_share_concurrency_limit() {
    let ledger = Arc::new(Ledger::in_memory());
    let fixtures = [(); 2].map(|()| {
        with_limit_waiting(RouteFixture::with_shared_ledger(&ledger, [("a", vec![slow_reply(1)])]))
    });
    let route = route_with_limits(&["a"], concurrency_limit(1));
    join_all(fixtures.iter().map(|fixture| run_calls(fixture, &route, 4))).await;
    let mut all: Vec<Duration> = fixtures
        .iter()
        .flat_map(|fixture| fixture.transport.requests.lock().unwrap().clone())
        .map(|(at, _)| at)
        .collect();
    all.sort();
    assert_eq!(all.len(), 8);
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "{all:?}");
    assert!(all[7] < seconds(8), "released capacity is used soon: {all:?}");
}

#[tokio::test(start_paused = true)]
async fn queue_is_fair_across_processes() {
    let ledger = Arc::new(Ledger::in_memory());
    let [many, one] = [(); 2].map(|()| {
        with_limit_waiting(RouteFixture::with_shared_ledger(&ledger, [("a", vec![slow_reply(10)])]))
    });
    let route = route_with_limits(&["a"], concurrency_limit(2));
    let late = async {
        tokio::time::sleep(seconds(35)).await;
        one.call(&route).await
    };
    let (_, late) = tokio::join!(run_calls(&many, &route, 40), late);
    assert_eq!(late.queued_time.as_secs(), 5, "it waits for one call, not for the whole queue");
    // Rate limits have a shared queue too, and a ticket expires with its process.
    let limits = ProviderLimits { requests_per_minute: Some(1), ..ProviderLimits::default() };
    let queued = Lease {
        scope: format!("waiting for {PROVIDER_SCOPE}"),
        since: START_MS - 1,
        ..lease_until("killed", 3000)
    };
    let fixture = RouteFixture::new([("a", vec![text_reply("ok")])]);
    self::ledger(&fixture).enqueue(move |rows| rows.acquire_lease(&queued));
    let record = fixture.call(&route_with_limits(&["a"], limits)).await;
    assert_eq!(record.queued_time.as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn killed_process_lease_expires() {
    let fixture = RouteFixture::new([("a", vec![text_reply("ok")])]);
    // The lease of a killed process is not renewed.
    ledger(&fixture).enqueue(|rows| rows.acquire_lease(&lease_until("killed", LEASE_MS)));
    let record = fixture.call(&route_with_limits(&["a"], concurrency_limit(1))).await;
    assert!(record.outcome.is_ok());
    assert_eq!(request_seconds(&fixture), [30]);
    assert_eq!(record.attempts[0].duration, Duration::ZERO, "excludes the wait");
    assert_eq!(record.latency.as_secs(), 30, "includes the wait");
}

#[tokio::test(start_paused = true)]
async fn long_call_renews_its_lease() {
    let ledger = Arc::new(Ledger::in_memory());
    let long = ScriptedReply::Stream {
        pieces: (0..10)
            .map(|_| (seconds(20), content_chunk("x")))
            .chain([(Duration::ZERO, finish_chunk())])
            .collect(),
        ending: ScriptedEnding::Clean,
    };
    let first = RouteFixture::with_shared_ledger(&ledger, [("a", vec![long])]);
    let second =
        with_limit_waiting(RouteFixture::with_shared_ledger(&ledger, [("a", vec![text_reply("ok")])]));
    let route = route_with_limits(&["a"], concurrency_limit(1));
    let (one, two) = tokio::join!(first.call(&route), second.call(&route));
    assert!(one.outcome.is_ok() && two.outcome.is_ok());
    assert_eq!(request_seconds(&second), [200]);
}

#[tokio::test(start_paused = true)]
async fn candidate_at_limit_is_skipped() {
    let fixture = RouteFixture::new([("a", vec![text_reply("a")]), ("b", vec![text_reply("b")])]);
    ledger(&fixture).enqueue(|rows| rows.acquire_lease(&lease_until("somebody", LEASE_MS)));
    let record = fixture.call(&route_with_limits(&["a", "b"], concurrency_limit(1))).await;
    assert_eq!(fixture.transport.hosts_called(), ["b"]);
    assert_eq!((record.skipped[0].1.code(), record.queued_time), ("limited", Duration::ZERO));
    let limit = Unavailable::AtLimit(CapacityLimit::Concurrency(1));
    assert!(matches!(&record.skipped[0].1, SkipReason::Unavailable(why, _) if *why == limit));
}

#[tokio::test(start_paused = true)]
async fn limit_wait_is_capped_at_half_deadline() {
    let shared = Arc::new(Ledger::in_memory());
    let fixture = RouteFixture::with_shared_ledger(&shared, [("a", vec![text_reply("a")])]);
    let busy = without_streaming(RouteFixture::with_shared_ledger(&shared, [("a", vec![slow_reply(100)])]));
    let mut observer = RecordingObserver::default();
    let route = route_with_limits(&["a"], concurrency_limit(1));
    let (_, record) = tokio::join!(busy.call(&route), fixture.call_with_observer(&route, &mut observer));
    assert!(request_seconds(&fixture).is_empty());
    assert_eq!(record.outcome.unwrap_err().reason, StopReason::AtLimit);
    assert_eq!(record.latency.as_secs(), 60);
    assert_eq!(observer.events, ["waiting_for_limit a/m"]);
    assert_eq!(record.skipped[0].1.code(), "limited");
}

#[tokio::test(start_paused = true)]
async fn future_rows_from_clock_skew_are_ignored() {
    const CLOCK_AHEAD_MS: i64 = 5 * 86_400_000;
    let limits =
        ProviderLimits { concurrency: Some(1), requests_per_minute: Some(1), ..ProviderLimits::default() };
    let fixture = RouteFixture::new([("a", vec![text_reply("a"), status_reply(429), text_reply("a")])]);
    let bucket = RateBucket { second: (START_MS + CLOCK_AHEAD_MS) / 1000, requests: 1, tokens: 1 };
    ledger(&fixture).enqueue(move |rows| {
        rows.acquire_lease(&lease_until("somebody", CLOCK_AHEAD_MS))?;
        rows.acquire_lease(&Lease {
            scope: "waiting for a at https://a/v1".into(),
            ..lease_until("another", CLOCK_AHEAD_MS)
        })?;
        rows.put_adaptive_concurrency(PROVIDER_SCOPE, Some((1.0, START_MS + CLOCK_AHEAD_MS)))?;
        rows.add_to_rate_bucket(PROVIDER_SCOPE, bucket)
    });
    let record = fixture.call(&route_with_limits(&["a"], limits)).await;
    assert!(record.outcome.is_ok() && record.queued_time.is_zero(), "{record:?}");
    assert_eq!(
        ledger(&fixture).read(|rows| rows.rate_buckets(PROVIDER_SCOPE, 0..i64::MAX)).len(),
        1,
        "only past buckets"
    );
    assert_eq!(
        ledger(&fixture).read(|rows| rows.lease_totals("waiting for a at https://a/v1", 0..i64::MAX)).count,
        0
    );
    // A 429 counts despite a stored time in the future.
    let policy =
        RoutePolicy { retry: RetryPolicy { retries: 0, ..RetryPolicy::default() }, ..RoutePolicy::default() };
    fixture.call(&route(&["a"], policy)).await;
    let stored = ledger(&fixture).read(|rows| rows.adaptive_concurrency(PROVIDER_SCOPE));
    assert!(plausible_limit(stored, START_MS).is_some(), "{stored:?}");
}

#[tokio::test(start_paused = true)]
async fn reset_releases_provider_limits() {
    let fixture = RouteFixture::new([("a", vec![text_reply("a")])]);
    let route =
        route_with_limits(&["a"], ProviderLimits { requests_per_minute: Some(1), ..concurrency_limit(1) });
    let bucket = RateBucket { second: START_MS / 1000, requests: 1, tokens: 1 };
    let scopes = [PROVIDER_SCOPE, MODEL_SCOPE, "waiting for a at https://a/v1", "money"];
    ledger(&fixture).enqueue(move |rows| {
        rows.add_to_rate_bucket(PROVIDER_SCOPE, bucket)?;
        let at = |scope: &str| Lease { scope: scope.into(), ..lease_until("somebody", LEASE_MS) };
        scopes.iter().try_for_each(|scope| rows.acquire_lease(&at(scope)))
    });
    fixture.router.health().reset(route.candidates[0].target.as_ref().unwrap()).await.unwrap();
    assert_eq!(scopes.map(|scope| lease_count(ledger(&fixture), scope)), [0, 0, 0, 1], "reservations stay");
    assert!(fixture.call(&route).await.queued_time.is_zero());
}

#[tokio::test(start_paused = true)]
async fn canceled_call_releases_its_lease() {
    let fixture = RouteFixture::new([("a", vec![slow_reply(20), text_reply("ok")])]);
    let route = route_with_limits(&["a"], concurrency_limit(1));
    assert!(tokio::time::timeout(seconds(5), fixture.call(&route)).await.is_err());
    assert_eq!(lease_count(ledger(&fixture), PROVIDER_SCOPE), 0);
    assert!(fixture.call(&route).await.outcome.is_ok());
    assert_eq!(request_seconds(&fixture), [0, 5]);
}

#[tokio::test(start_paused = true)]
async fn requests_per_minute_delays_calls() {
    let fixture = with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(1)])]));
    let limits = ProviderLimits { requests_per_minute: Some(2), ..ProviderLimits::default() };
    run_calls(&fixture, &route_with_limits(&["a"], limits), 5).await;
    assert_eq!(request_seconds(&fixture), [0, 0, 61, 61, 122]);
}

#[tokio::test(start_paused = true)]
async fn tokens_per_minute_estimate_is_corrected_by_usage() {
    let limits =
        ProviderLimits { tokens_per_minute: Some(TokenCount::new(1000)), ..ProviderLimits::default() };
    let route = route_with_limits(&["a"], limits);
    let fixture = with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(1)])]));
    run_calls(&fixture, &route, 3).await;
    assert_eq!(request_seconds(&fixture), [0, 0, 61], "without usage, the estimate stays");
    let fixture = without_streaming(with_limit_waiting(RouteFixture::new([("a", vec![reply_with_usage()])])));
    run_calls(&fixture, &route, 5).await;
    assert_eq!(request_seconds(&fixture), [0, 0, 1, 1, 2], "three tokens each");
    // A request larger than the whole limit is sent alone.
    let limits = ProviderLimits { tokens_per_minute: Some(TokenCount::new(10)), ..ProviderLimits::default() };
    let fixture = with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(1)])]));
    run_calls(&fixture, &route_with_limits(&["a"], limits), 2).await;
    assert_eq!(request_seconds(&fixture), [0, 61]);
}

#[tokio::test(start_paused = true)]
async fn rate_limit_burst_halves_concurrency_once() {
    let ledger = Arc::new(Ledger::in_memory());
    let replies = [vec![status_reply(429); 8], vec![slow_reply(1)]].concat();
    let fixture = RouteFixture::with_shared_ledger(&ledger, [("a", replies)]);
    let records = run_calls(&fixture, &route(&["a"], RoutePolicy::default()), 8).await;
    assert!(records.iter().all(|r| r.outcome.is_ok() && failure_classes(r) == [FailureClass::RateLimited]));
    let starts: Vec<Duration> =
        fixture.transport.requests.lock().unwrap().iter().skip(8).map(|(at, _)| *at).collect();
    assert!(
        starts[3] < seconds(1) && starts[4] >= starts[0] + seconds(1),
        "half of eight at once: {starts:?}"
    );
    // Another process sees the limit, and each success raises it a little.
    let limit = ledger.read(|rows| rows.adaptive_concurrency(PROVIDER_SCOPE)).unwrap().0;
    assert!((5.0..6.0).contains(&limit), "{limit}");
    let other = with_limit_waiting(RouteFixture::with_shared_ledger(&ledger, [("a", vec![slow_reply(1)])]));
    run_calls(&other, &route(&["a"], RoutePolicy::default()), 7).await;
    let starts = self::request_seconds(&other);
    assert_eq!(starts.iter().filter(|at| **at == starts[0]).count(), 5, "{starts:?}");
    assert_eq!(lease_count(&ledger, PROVIDER_SCOPE), 0);
    let route = route(&["a"], RoutePolicy::default());
    other.router.health().reset(route.candidates[0].target.as_ref().unwrap()).await.unwrap();
    assert_eq!(ledger.read(|rows| rows.adaptive_concurrency(PROVIDER_SCOPE)), None);
}

#[tokio::test(start_paused = true)]
async fn calls_before_rate_limit_count_as_in_flight() {
    let replies = [vec![slow_reply(5); 4], vec![status_reply(429); 12], vec![slow_reply(5)]].concat();
    let fixture = with_limit_waiting(RouteFixture::new([("a", replies)]));
    let records = run_calls(&fixture, &route(&["a"], RoutePolicy::default()), 16).await;
    let starts = request_seconds(&fixture);
    // Four of sixteen calls run without a lease, because no limit was in force. The new limit is eight, so
    // four more start.
    assert_eq!(starts[16..].iter().filter(|at| **at < 5).count(), 4, "{starts:?}");
    assert!(records.iter().all(|record| record.outcome.is_ok()), "waiting for 429s uses no retries");
}

#[test]
fn aimd_limit_cases() {
    let ledger = Ledger::in_memory();
    let scope = || PROVIDER_SCOPE.to_owned();
    let store: &dyn CallStore = &ledger;
    let rate_limited = |started_at, in_flight, now| {
        store.enqueue(CallChange::LowerConcurrency { scope: scope(), started_at, in_flight, now });
    };
    let succeeded = |now| store.enqueue(CallChange::RaiseConcurrency { scope: scope(), now });
    let stored = || ledger.read(|rows| rows.adaptive_concurrency(PROVIDER_SCOPE));
    let limit = |now| active_limit(plausible_limit(stored(), now), now);
    succeeded(START_MS);
    assert_eq!(limit(START_MS), None);
    rate_limited(START_MS, 9, START_MS + 10);
    assert_eq!(limit(START_MS + 10), Some(4));
    rate_limited(START_MS + 5, 9, START_MS + 20);
    assert_eq!(limit(START_MS + 20), Some(4), "the call was already in flight");
    rate_limited(START_MS + 30, 1, START_MS + 40);
    rate_limited(START_MS + 50, 1, START_MS + 60);
    assert_eq!(limit(START_MS + 60), Some(1), "the minimum is 1");
    succeeded(START_MS + 70);
    assert_eq!(limit(START_MS + 70), Some(2));
    assert_eq!(limit(START_MS + 60 + 600_000), None, "ten minutes without a 429");
    rate_limited(START_MS + 700_000, 6, START_MS + 700_001);
    assert_eq!(limit(START_MS + 700_001), Some(3), "half of the calls in flight, not of the dropped limit");
    (0..3_000).for_each(|_| succeeded(START_MS + 700_002));
    assert_eq!(stored(), None, "a high limit is dropped");
}

#[tokio::test(start_paused = true)]
async fn recovered_model_ramps_up_with_successes() {
    let fixture = with_limit_waiting(RouteFixture::new([("a", vec![slow_reply(1)])]));
    let key = HealthKey { provider: "a".into(), base_url: "https://a/v1".into(), model: "m".into() };
    ledger(&fixture).enqueue(move |rows| {
        rows.update_health(&key, |row| (row.recovery_concurrency, row.updated_at) = (1, START_MS))
    });
    run_calls(&fixture, &route(&["a"], RoutePolicy::default()), 8).await;
    assert_eq!(request_seconds(&fixture), [0, 1, 1, 2, 2, 2, 2, 2], "one, then two, then the remaining five");
    assert_eq!(lease_count(ledger(&fixture), MODEL_SCOPE), 0);
}

#[tokio::test(start_paused = true)]
async fn retry_budget_bounds_retries_of_dead_provider() {
    let retry = RetryPolicy { retries: 5, ..RetryPolicy::default() };
    let policy = RoutePolicy { retry, ..RoutePolicy::default() };
    let fixture = RouteFixture::new([("a", vec![status_reply(503)])]);
    run_calls(&fixture, &route(&["a"], policy.clone()), 200).await;
    let requests = request_seconds(&fixture).len();
    assert!((200..=210).contains(&requests), "{requests}");
    // The retry budget is exhausted, but failover needs no retries.
    let dead = || vec![ScriptedReply::RefuseConnection];
    let fixture = RouteFixture::new([("a", dead()), ("b", dead()), ("c", vec![text_reply("ok")])]);
    let records = run_calls(&fixture, &route(&["a", "b", "c"], policy), 100).await;
    assert!(records.iter().all(|record| record.outcome.is_ok()));
}

#[test]
fn ten_successes_earn_one_retry() {
    let retries = RetryBudget::default();
    (0..10).for_each(|_| assert!(retries.try_spend()));
    assert!(!retries.try_spend());
    (0..9).for_each(|_| retries.credit_success());
    assert!(!retries.try_spend());
    retries.credit_success();
    assert!(retries.try_spend() && !retries.try_spend());
    (0..1000).for_each(|_| retries.credit_success());
    assert_eq!((0..100).filter(|_| retries.try_spend()).count(), 10);
}

/// Waiting for 429s spends no retry budget and does not count as latency.
#[tokio::test(start_paused = true)]
async fn waiting_call_requeues_after_each_rate_limit() {
    let rate_limited = || status_reply_with(429, vec![("retry-after", "20".into())], "{}");
    let replies: Vec<ScriptedReply> = (0..20).map(|_| rate_limited()).chain([text_reply("ok")]).collect();
    let fixture = with_limit_waiting(RouteFixture::new([("a", replies)]));
    let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
    assert!(record.outcome.is_ok(), "after 400 s: {:?}", record.outcome);
    assert_eq!((record.attempts.len(), record.queued_time.as_secs() / 10), (21, 40));
    assert!(record.latency < seconds(1), "excludes the wait: {:?}", record.latency);
    assert!((0..10).all(|_| fixture.router.retry_budget.try_spend()), "no retry was spent");
}

#[tokio::test(start_paused = true)]
async fn requeued_call_ends_at_timeout() {
    let rate_limited = || status_reply_with(429, vec![("retry-after", "20".into())], "{}");
    let ends = async |timeout: Option<u64>| {
        let mut fixture = with_limit_waiting(RouteFixture::new([("a", vec![rate_limited()])]));
        fixture.options.timeout = timeout.map(seconds);
        let start = tokio::time::Instant::now();
        let record = fixture.call(&route(&["a"], RoutePolicy::default())).await;
        let why = record.outcome.as_ref().unwrap_err().reason;
        (why, start.elapsed().as_secs(), failure_classes(&record).len())
    };
    assert_eq!(ends(Some(50)).await, (StopReason::CallerTimeout, 50, 3));
    assert_eq!(ends(None).await, (StopReason::DeadlineExceeded, 600, 30));
}
