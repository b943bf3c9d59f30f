//! Conditions, requirements, and conversations.

use super::route_fixture::{route, route_with_windows, strategy, strategy_with_numbers};
use super::*;
use crate::catalog::{Capability, ModelFacts, Pricing, TokenPrices};
use crate::chat::{Message, NanoDollars, Part, Request, Role, TokenCount, Tool, Usage};
use crate::route::route_fixture::RouteFixture;
use crate::route::store::{CallChange, DecayedMean, HealthRow, PassRateRow};
use std::time::Duration;

const NOW_MS: i64 = 1_700_000_000_000;

/// One label per step: `a` is tried, `b:condition` is skipped.
fn step_labels(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step {
            PlanStep::Try { target, .. } => target.model_ref.provider.clone(),
            PlanStep::Skip { model_ref, skip } => format!("{}:{}", model_ref.provider, skip.code()),
        })
        .collect()
}

fn planned_labels(
    fixture: &RouteFixture,
    route: &Route,
    request: &Request,
    label: Option<&str>,
) -> Vec<String> {
    let hints = RoutingHints { label: label.map(str::to_owned), sticky_key: None };
    let options = CallOptions { hints, ..CallOptions::default() };
    step_labels(&fixture.router.plan(route, request, &options))
}

fn three_host_fixture() -> RouteFixture {
    RouteFixture::new([("a", vec![]), ("b", vec![]), ("c", vec![])])
}

fn edit_facts(route: &mut Route, n: usize, change: impl FnOnce(&mut ModelFacts)) {
    let target = route.candidates[n].target.as_mut().unwrap();
    let mut facts = target.facts.clone().unwrap_or_default();
    change(&mut facts);
    target.facts = Some(facts);
}

fn set_price(route: &mut Route, n: usize, input: u64) {
    let price = Some(NanoDollars::new(input));
    let base = TokenPrices { input: price, output: price, ..TokenPrices::default() };
    edit_facts(route, n, |facts| facts.pricing = Pricing { base, ..Pricing::default() });
}

#[tokio::test(start_paused = true)]
async fn condition_cases() {
    let fixture = three_host_fixture();
    let mut route = route(&["a", "b"], RoutePolicy::default());
    let mut check = |when: CandidateConditions, request: &Request, label: Option<&str>, is_tried: bool| {
        route.candidates[0].when = when.clone();
        let expected = if is_tried { vec!["a", "b"] } else { vec!["a:condition", "b"] };
        assert_eq!(planned_labels(&fixture, &route, request, label), expected, "{when:?}");
    };
    let short = Request::from_prompt("hi");
    let long = Request::from_prompt("x".repeat(4000));
    let any = CandidateConditions::default;
    check(CandidateConditions { max_input_tokens: Some(TokenCount::new(999)), ..any() }, &long, None, false);
    check(CandidateConditions { max_input_tokens: Some(TokenCount::new(1000)), ..any() }, &long, None, true);
    check(CandidateConditions { min_input_tokens: Some(TokenCount::new(2)), ..any() }, &short, None, false);
    check(CandidateConditions { min_input_tokens: Some(TokenCount::new(1)), ..any() }, &short, None, true);
    let labeled = CandidateConditions { label: Some("simple".into()), ..any() };
    check(labeled.clone(), &short, None, false);
    check(labeled.clone(), &short, Some("hard"), false);
    check(labeled, &short, Some("simple"), true);
    let mut with_tools = short.clone();
    with_tools.tools.push(Tool::ProviderSpecific(serde_json::json!({})));
    for (required, request, is_tried) in
        [(true, &short, false), (true, &with_tools, true), (false, &short, true), (false, &with_tools, false)]
    {
        check(CandidateConditions { tools: Some(required), ..any() }, request, None, is_tried);
    }
    check(CandidateConditions { attachments: Some(true), ..any() }, &short, None, false);
    check(CandidateConditions { schema: Some(false), ..any() }, &short, None, true);
}

#[tokio::test(start_paused = true)]
async fn duplicate_model_is_skipped() {
    let fixture = three_host_fixture();
    let mut duplicate = route(&["a", "a", "b"], RoutePolicy::default());
    duplicate.candidates[0].when.label = Some("x".into());
    let request = Request::from_prompt("hi");
    assert_eq!(planned_labels(&fixture, &duplicate, &request, Some("x")), ["a", "a:duplicate", "b"]);
    assert_eq!(planned_labels(&fixture, &duplicate, &request, None), ["a:condition", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn required_capability_skips_unknown_candidate() {
    let fixture = three_host_fixture();
    let requirements = CandidateRequirements {
        capabilities: vec![Capability::JsonSchema],
        ..CandidateRequirements::default()
    };
    let mut route = route(&["a", "b", "c"], RoutePolicy { requirements, ..RoutePolicy::default() });
    edit_facts(&mut route, 0, |facts| facts.capabilities.set(Capability::JsonSchema, false));
    edit_facts(&mut route, 1, |facts| facts.capabilities.set(Capability::JsonSchema, true));
    let request = Request::from_prompt("hi");
    assert_eq!(
        planned_labels(&fixture, &route, &request, None),
        ["a:lacks_capability", "b", "c:capability_unknown"]
    );
}

#[tokio::test(start_paused = true)]
async fn cost_strategy_cases() {
    let fixture = three_host_fixture();
    let mut route =
        route(&["a", "b", "c"], RoutePolicy { strategy: strategy("cheapest"), ..RoutePolicy::default() });
    set_price(&mut route, 0, 3_000_000_000);
    set_price(&mut route, 1, 1_000_000_000);
    let request = Request::from_prompt("hi");
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["b", "a", "c:price_unknown"]);
    route.policy.strategy = strategy("priority");
    assert_eq!(
        planned_labels(&fixture, &route, &request, None),
        ["a", "b", "c"],
        "the price does not matter"
    );
    // 1 input token and an assumed 400 output tokens, at $3 and $1 per million.
    route.policy.requirements.max_cost = Some(NanoDollars::new(1_000_000));
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a:max_cost", "b", "c:price_unknown"]);
    // The route's measured answers are short.
    let usage = Usage {
        input_tokens: Some(TokenCount::new(1)),
        output_tokens: Some(TokenCount::new(10)),
        ..Usage::default()
    };
    fixture.router.health().record_route_stats("test", &usage);
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a", "b", "c:price_unknown"]);
}

#[tokio::test(start_paused = true)]
async fn measured_latency_cases() {
    let fixture = three_host_fixture();
    let mut route =
        route(&["a", "b"], RoutePolicy { strategy: strategy("fastest"), ..RoutePolicy::default() });
    let request = Request::from_prompt("hi");
    let measured = |milliseconds: f64, weight| {
        let first_token = DecayedMean { mean: f64::ln(milliseconds), weight };
        move |row: &mut HealthRow| (row.first_token, row.measured_at) = (first_token, NOW_MS)
    };
    let put = |n: usize, milliseconds, weight| {
        let key = super::keys::health_key(route.candidates[n].target.as_ref().unwrap());
        let change = measured(milliseconds, weight);
        fixture.ledger.write(move |rows| {
            rows.update_health(&key, |row| change(row))?;
            Ok(())
        })
    };
    put(0, 900.0, 50.0).await;
    put(1, 300.0, 50.0).await;
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["b", "a"]);
    route.policy.strategy = strategy("priority");
    route.policy.requirements.max_p50 = Some(Duration::from_millis(800));
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a:max_p50", "b"]);
    route.policy.requirements.max_p50 = Some(Duration::from_millis(1000));
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn quality_floor_cases() {
    let fixture = three_host_fixture();
    let floor = |missing, max_age| QualityFloor {
        set: "/s.yaml".into(),
        digest: "d".into(),
        min_pass_rate: 0.8,
        max_age,
        on_missing: missing,
    };
    let mut route = route(&["a", "b", "c"], RoutePolicy::default());
    let (health, request) = (fixture.router.health(), Request::from_prompt("hi"));
    for (n, passed) in [(0, 79), (1, 80)] {
        let model = route.candidates[n].model_ref.clone();
        health.record_pass_rate(std::path::Path::new("/s.yaml"), "d", &model, passed, 100 - passed);
    }
    route.policy.requirements.quality = Some(floor(OnMissingPassRate::Warn, None));
    let plan = fixture.router.plan(&route, &request, &fixture.options);
    assert_eq!(step_labels(&plan), ["a:quality", "b", "c"]);
    assert_eq!(plan.missing_pass_rates.len(), 1, "c has no score");
    route.policy.requirements.quality = Some(floor(OnMissingPassRate::Skip, None));
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a:quality", "b", "c:quality_unknown"]);
    // An hour later, the scores are too old.
    tokio::time::advance(Duration::from_secs(3600)).await;
    route.policy.requirements.quality = Some(floor(OnMissingPassRate::Skip, Some(Duration::from_secs(3599))));
    let all = ["a:quality_unknown", "b:quality_unknown", "c:quality_unknown"];
    assert_eq!(planned_labels(&fixture, &route, &request, None), all);
    // Scores for an older version of the set do not count.
    let changed = QualityFloor { digest: "e".into(), ..floor(OnMissingPassRate::Skip, None) };
    route.policy.requirements.quality = Some(changed);
    assert_eq!(planned_labels(&fixture, &route, &request, None), all);
    // A run without scored cases does not count.
    let score = PassRateRow { measured_at: health.now() + 1, passed: 0, scored: 0, set_digest: "d".into() };
    let model = route.candidates[1].model_ref.to_string();
    fixture.ledger.write(move |rows| rows.put_pass_rate("/s.yaml", &model, &score, i64::MAX)).await;
    route.policy.requirements.quality = Some(floor(OnMissingPassRate::Warn, None));
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a:quality", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn conversation_stays_with_last_model() {
    let fixture = three_host_fixture();
    let mut route = route(&["a", "b", "c"], RoutePolicy::default());
    let answer =
        Message { role: Role::Assistant, parts: vec![Part::from_text("yes")], model_ref: Some("b/m".into()) };
    let mut request = Request::from_prompt("hi");
    request.messages.extend([answer, Message::from_user("go on")]);
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a:conversation", "b", "c:conversation"]);
    route.policy.on_conversation = StopOrContinue::Continue;
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["b", "a", "c"]);
    // A model outside the route cannot keep the conversation.
    request.messages[1].model_ref = Some("elsewhere/m".into());
    route.policy.on_conversation = StopOrContinue::Stop;
    assert_eq!(planned_labels(&fixture, &route, &request, None), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn balanced_strategy_keeps_leader_within_margin() {
    let fixture = three_host_fixture();
    let strategy = strategy_with_numbers("balanced", "weigh", &[("latency", 0.0), ("reliability", 0.0)]);
    let mut route = route(&["a", "b"], RoutePolicy { strategy, ..RoutePolicy::default() });
    let request = Request::from_prompt("hi");
    set_price(&mut route, 0, 100_000_000_000);
    set_price(&mut route, 1, 90_000_000_000);
    let first = |route: &Route| planned_labels(&fixture, route, &request, None)[0].clone();
    let change = CallChange::SetLeader { route: "test".into(), leader: "a/m".into() };
    fixture.router.health().store().enqueue(change);
    // Both candidates have enough measurements, so that none is explored.
    for candidate in &route.candidates {
        let key = super::keys::health_key(candidate.target.as_ref().unwrap());
        let first_token = DecayedMean { mean: 5.0, weight: 9.0 };
        let change = move |row: &mut HealthRow| (row.first_token, row.measured_at) = (first_token, NOW_MS);
        fixture.ledger.write(move |rows| rows.update_health(&key, change)).await;
    }
    assert_eq!(first(&route), "a", "11% more expensive");
    set_price(&mut route, 1, 80_000_000_000);
    assert_eq!(first(&route), "b", "25% more expensive");
}

#[tokio::test(start_paused = true)]
async fn sticky_key_keeps_first_choice() {
    let fixture = three_host_fixture();
    let strategy = strategy("weighted");
    let mut route =
        route_with_windows(&[("a", None), ("b", None)], RoutePolicy { strategy, ..RoutePolicy::default() });
    (route.candidates[0].weight, route.candidates[1].weight) = (1.0, 1.0);
    let first = |key: Option<&str>| {
        let hints = RoutingHints { label: None, sticky_key: key.map(str::to_owned) };
        let options = CallOptions { hints, ..CallOptions::default() };
        step_labels(&fixture.router.plan(&route, &Request::from_prompt("hi"), &options))[0].clone()
    };
    let seen: Vec<String> = (0..64).map(|_| first(Some("customer 1"))).collect();
    assert!(seen.iter().all(|provider| *provider == seen[0]));
    let first_choices: std::collections::BTreeSet<String> = (0..64).map(|_| first(None)).collect();
    assert_eq!(first_choices.len(), 2, "without a key, the order is random");
}

#[tokio::test(start_paused = true)]
async fn weight_comes_from_active_duplicate_entry() {
    let fixture = three_host_fixture();
    let strategy = strategy("weighted");
    let mut route = route(&["a", "a", "b"], RoutePolicy { strategy, ..RoutePolicy::default() });
    route.candidates[0].when.label = Some("x".into());
    (route.candidates[0].weight, route.candidates[1].weight, route.candidates[2].weight) = (0.0, 1.0, 0.0);
    for _ in 0..8 {
        assert_eq!(planned_labels(&fixture, &route, &Request::from_prompt("hi"), None)[0], "a");
    }
}

#[tokio::test(start_paused = true)]
async fn conversation_model_outside_route_is_reported() {
    let fixture = three_host_fixture();
    let mut request = Request::from_prompt("hi");
    let answer =
        Message { role: Role::Assistant, parts: vec![Part::from_text("yes")], model_ref: Some("z/m".into()) };
    request.messages.extend([answer, Message::from_user("go on")]);
    let mut route = route(&["a", "b"], RoutePolicy::default());
    let plan = fixture.router.plan(&route, &request, &fixture.options);
    assert_eq!(plan.foreign_model.as_deref(), Some("z/m"));
    route.name = None;
    assert_eq!(fixture.router.plan(&route, &request, &fixture.options).foreign_model, None);
}
