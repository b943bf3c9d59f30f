//! Conditions, floors and conversations, one at a time.

use super::test_world::{route, route_with_windows};
use super::*;
use crate::catalog::{Capability, ModelFacts, Price, Pricing};
use crate::chat::{Message, Part, Request, Role, Tool, Usage};
use crate::ledger::{HealthRow, ScoreRow, Trend};
use crate::route::test_world::World;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;

/// What becomes of each candidate, in the plan's order: `a` is tried, `b:condition` is left out.
fn words(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step {
            PlanStep::Try { target, .. } => target.model_ref.provider.clone(),
            PlanStep::Skip { model_ref, skip } => format!("{}:{}", model_ref.provider, skip.name()),
        })
        .collect()
}

fn planned(world: &World, route: &Route, request: &Request, label: Option<&str>) -> Vec<String> {
    let caller = Caller { label: label.map(str::to_owned), key: None };
    words(&world.router.plan(route, request, &caller))
}

fn hosts() -> World {
    World::new([("a", vec![]), ("b", vec![]), ("c", vec![])])
}

fn facts(route: &mut Route, n: usize, change: impl FnOnce(&mut ModelFacts)) {
    let target = route.candidates[n].target.as_mut().unwrap();
    let mut facts = target.facts.clone().unwrap_or_default();
    change(&mut facts);
    target.facts = Some(facts);
}

fn priced(route: &mut Route, n: usize, input: u64) {
    let base = Price { input: Some(input), output: Some(input), ..Price::default() };
    facts(route, n, |facts| facts.price = Pricing { base, ..Pricing::default() });
}

#[tokio::test(start_paused = true)]
async fn conditions_choose_by_the_request() {
    let world = hosts();
    let mut route = route(&["a", "b"], Policy::default());
    let mut check = |when: Conditions, request: &Request, label: Option<&str>, there: bool| {
        route.candidates[0].when = when.clone();
        let expected = if there { vec!["a", "b"] } else { vec!["a:condition", "b"] };
        assert_eq!(planned(&world, &route, request, label), expected, "{when:?}");
    };
    let short = Request::prompt("hi");
    let long = Request::prompt("x".repeat(4000));
    let any = Conditions::default;
    check(Conditions { max_input_tokens: Some(999), ..any() }, &long, None, false);
    check(Conditions { max_input_tokens: Some(1000), ..any() }, &long, None, true);
    check(Conditions { min_input_tokens: Some(2), ..any() }, &short, None, false);
    check(Conditions { min_input_tokens: Some(1), ..any() }, &short, None, true);
    let labelled = Conditions { label: Some("simple".into()), ..any() };
    check(labelled.clone(), &short, None, false);
    check(labelled.clone(), &short, Some("hard"), false);
    check(labelled, &short, Some("simple"), true);
    let mut with_tools = short.clone();
    with_tools.tools.push(Tool::Own(serde_json::json!({})));
    for (wanted, request, there) in
        [(true, &short, false), (true, &with_tools, true), (false, &short, true), (false, &with_tools, false)]
    {
        check(Conditions { tools: Some(wanted), ..any() }, request, None, there);
    }
    check(Conditions { attachments: Some(true), ..any() }, &short, None, false);
    check(Conditions { schema: Some(false), ..any() }, &short, None, true);
}

#[tokio::test(start_paused = true)]
async fn one_model_is_tried_once() {
    let world = hosts();
    let mut twice = route(&["a", "a", "b"], Policy::default());
    twice.candidates[0].when.label = Some("x".into());
    let request = Request::prompt("hi");
    assert_eq!(planned(&world, &twice, &request, Some("x")), ["a", "a:duplicate", "b"]);
    assert_eq!(planned(&world, &twice, &request, None), ["a:condition", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_required_must_be_known() {
    let world = hosts();
    let floors = Floors { requires: vec![Capability::JsonSchema], ..Floors::default() };
    let mut route = route(&["a", "b", "c"], Policy { floors, ..Policy::default() });
    facts(&mut route, 0, |facts| facts.capabilities.set(Capability::JsonSchema, false));
    facts(&mut route, 1, |facts| facts.capabilities.set(Capability::JsonSchema, true));
    let request = Request::prompt("hi");
    assert_eq!(planned(&world, &route, &request, None), ["a:lacks_capability", "b", "c:capability_unknown"]);
}

#[tokio::test(start_paused = true)]
async fn cost_orders_and_caps_and_is_never_guessed() {
    let world = hosts();
    let mut route = route(&["a", "b", "c"], Policy { strategy: Strategy::Cheapest, ..Policy::default() });
    priced(&mut route, 0, 3_000_000_000);
    priced(&mut route, 1, 1_000_000_000);
    let request = Request::prompt("hi");
    assert_eq!(planned(&world, &route, &request, None), ["b", "a", "c:price_unknown"]);
    route.policy.strategy = Strategy::Priority;
    assert_eq!(planned(&world, &route, &request, None), ["a", "b", "c"], "nothing hangs on the price");
    // 1 token in and 400 assumed out, at $3 and $1 a million.
    route.policy.floors.max_cost = Some(1_000_000);
    assert_eq!(planned(&world, &route, &request, None), ["a:max_cost", "b", "c:price_unknown"]);
    // The route's answers turn out to be short.
    let usage = Usage { input_tokens: Some(1), output_tokens: Some(10), ..Usage::default() };
    world.router.health().learn_habits("test", &usage);
    assert_eq!(planned(&world, &route, &request, None), ["a", "b", "c:price_unknown"]);
}

#[tokio::test(start_paused = true)]
async fn times_order_and_cap_where_they_were_measured() {
    let world = hosts();
    let mut route = route(&["a", "b"], Policy { strategy: Strategy::Fastest, ..Policy::default() });
    let request = Request::prompt("hi");
    let measured = |milliseconds: f64, weight| {
        let first_token = Trend { mean: f64::ln(milliseconds), weight };
        move |row: &mut HealthRow| (row.first_token, row.measured) = (first_token, NOW)
    };
    let put = |n: usize, milliseconds, weight| {
        let key = super::health::key(route.candidates[n].target.as_ref().unwrap());
        let change = measured(milliseconds, weight);
        world.router.health().ledger().write(move |rows| {
            rows.update_health(&key, |row| change(row))?;
            Ok(())
        })
    };
    put(0, 900.0, 50.0).await;
    put(1, 300.0, 50.0).await;
    assert_eq!(planned(&world, &route, &request, None), ["b", "a"]);
    route.policy.strategy = Strategy::Priority;
    route.policy.floors.max_p50 = Some(Duration::from_millis(800));
    assert_eq!(planned(&world, &route, &request, None), ["a:max_p50", "b"]);
    route.policy.floors.max_p50 = Some(Duration::from_millis(1000));
    assert_eq!(planned(&world, &route, &request, None), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn quality_is_held_to_its_floor() {
    let world = hosts();
    let floor = |missing, max_age| QualityFloor {
        set: "/s.yaml".into(),
        digest: "d".into(),
        min_pass_rate: 0.8,
        max_age,
        missing,
    };
    let mut route = route(&["a", "b", "c"], Policy::default());
    let (health, request) = (world.router.health(), Request::prompt("hi"));
    for (n, passed) in [(0, 79), (1, 80)] {
        let model = route.candidates[n].model_ref.clone();
        health.keep_score(std::path::Path::new("/s.yaml"), "d", &model, passed, 100 - passed);
    }
    route.policy.floors.quality = Some(floor(Missing::Warn, None));
    let plan = world.router.plan(&route, &request, &Caller::default());
    assert_eq!(words(&plan), ["a:quality", "b", "c"]);
    assert_eq!(plan.unscored.len(), 1, "nobody knows how c does");
    route.policy.floors.quality = Some(floor(Missing::Skip, None));
    assert_eq!(planned(&world, &route, &request, None), ["a:quality", "b", "c:quality_unknown"]);
    // An hour later the scores are too old to say anything.
    tokio::time::advance(Duration::from_secs(3600)).await;
    route.policy.floors.quality = Some(floor(Missing::Skip, Some(Duration::from_secs(3599))));
    let all = ["a:quality_unknown", "b:quality_unknown", "c:quality_unknown"];
    assert_eq!(planned(&world, &route, &request, None), all);
    // A set that was changed since says nothing either.
    let changed = QualityFloor { digest: "e".into(), ..floor(Missing::Skip, None) };
    route.policy.floors.quality = Some(changed);
    assert_eq!(planned(&world, &route, &request, None), all);
    // A run in which nothing could be scored says nothing.
    let score = ScoreRow { at: health.now() + 1, passed: 0, scored: 0, digest: "d".into() };
    let model = route.candidates[1].model_ref.to_string();
    health.ledger().write(move |rows| rows.put_score("/s.yaml", &model, &score)).await;
    route.policy.floors.quality = Some(floor(Missing::Warn, None));
    assert_eq!(planned(&world, &route, &request, None), ["a:quality", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_stays_with_who_spoke_last() {
    let world = hosts();
    let mut route = route(&["a", "b", "c"], Policy::default());
    let answer = Message { role: Role::Assistant, parts: vec![Part::text("yes")], from: Some("b/m".into()) };
    let mut request = Request::prompt("hi");
    request.messages.extend([answer, Message::user("go on")]);
    assert_eq!(planned(&world, &route, &request, None), ["a:conversation", "b", "c:conversation"]);
    route.policy.on_conversation = Choice::GoOn;
    assert_eq!(planned(&world, &route, &request, None), ["b", "a", "c"]);
    // Whom the route does not know cannot hold it.
    request.messages[1].from = Some("elsewhere/m".into());
    route.policy.on_conversation = Choice::Stop;
    assert_eq!(planned(&world, &route, &request, None), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_balanced_route_keeps_its_first_choice() {
    let world = hosts();
    let weigh = Weigh { cost: 1.0, latency: 0.0, reliability: 0.0 };
    let mut route = route(&["a", "b"], Policy { strategy: Strategy::Balanced(weigh), ..Policy::default() });
    let request = Request::prompt("hi");
    priced(&mut route, 0, 100_000_000_000);
    priced(&mut route, 1, 90_000_000_000);
    let first = |route: &Route| planned(&world, route, &request, None)[0].clone();
    world.router.health().put_leader("test", "a/m");
    // Enough of both is measured, so that nobody is tried for that alone.
    for candidate in &route.candidates {
        let key = super::health::key(candidate.target.as_ref().unwrap());
        let first_token = Trend { mean: 5.0, weight: 9.0 };
        let change = move |row: &mut HealthRow| (row.first_token, row.measured) = (first_token, NOW);
        world.router.health().ledger().write(move |rows| rows.update_health(&key, change)).await;
    }
    assert_eq!(first(&route), "a", "11 % dearer");
    priced(&mut route, 1, 80_000_000_000);
    assert_eq!(first(&route), "b", "25 % dearer");
}

#[tokio::test(start_paused = true)]
async fn one_key_sees_one_order() {
    let world = hosts();
    let strategy = Strategy::Weighted { sticky_by: None };
    let mut route = route_with_windows(&[("a", None), ("b", None)], Policy { strategy, ..Policy::default() });
    (route.candidates[0].weight, route.candidates[1].weight) = (1.0, 1.0);
    let first = |key: Option<&str>| {
        let caller = Caller { label: None, key: key.map(str::to_owned) };
        words(&world.router.plan(&route, &Request::prompt("hi"), &caller))[0].clone()
    };
    let seen: Vec<String> = (0..64).map(|_| first(Some("customer 1"))).collect();
    assert!(seen.iter().all(|provider| *provider == seen[0]));
    let drawn: std::collections::BTreeSet<String> = (0..64).map(|_| first(None)).collect();
    assert_eq!(drawn.len(), 2, "chance decides for whoever has no key");
}

#[tokio::test(start_paused = true)]
async fn a_weight_is_that_of_the_entry_that_is_there() {
    let world = hosts();
    let strategy = Strategy::Weighted { sticky_by: None };
    let mut route = route(&["a", "a", "b"], Policy { strategy, ..Policy::default() });
    route.candidates[0].when.label = Some("x".into());
    (route.candidates[0].weight, route.candidates[1].weight, route.candidates[2].weight) = (0.0, 1.0, 0.0);
    for _ in 0..8 {
        assert_eq!(planned(&world, &route, &Request::prompt("hi"), None)[0], "a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_in_the_conversation_is_told() {
    let world = hosts();
    let mut request = Request::prompt("hi");
    let answer = Message { role: Role::Assistant, parts: vec![Part::text("yes")], from: Some("z/m".into()) };
    request.messages.extend([answer, Message::user("go on")]);
    let mut route = route(&["a", "b"], Policy::default());
    let plan = world.router.plan(&route, &request, &Caller::default());
    assert_eq!(plan.stranger.as_deref(), Some("z/m"));
    route.name = None;
    assert_eq!(world.router.plan(&route, &request, &Caller::default()).stranger, None);
}
