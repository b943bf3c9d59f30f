//! How a plan is made: each candidate held to the route's conditions and floors, the rest put in order.

use std::time::Duration;

use super::estimate::{cost, evidence, output_tokens, own_time, times};
use super::order::{Draw, Order, Runner, order};
use super::plan::{Caller, Candidate, Plan, PlanStep};
use super::{
    Choice, Conditions, Estimate, Missing, NoScore, Policy, QualityFloor, Route, Router, Skip, Standing,
    Strategy,
};
use crate::catalog::{estimated_input, most_tokens};
use crate::chat::Request;
use crate::ledger::{HealthRow, RouteRow, RowResult, ScoreRow};
use crate::provider::{ModelRef, Target};

/// Far more bytes than tokens have on average in any language: a text that overflows a window by this measure does so by
/// any other. (Single tokens may be longer: long words, runs of spaces.)
const MOST_BYTES_A_TOKEN: u64 = 16;

/// What earlier calls taught, as far as a plan hangs on it.
struct Known {
    habits: RouteRow,
    /// One a candidate; of one that cannot be called, or where nobody wants to know, an empty one.
    health: Vec<HealthRow>,
    scores: Vec<Option<ScoreRow>>,
    /// The share of its weight that each candidate has left.
    shares: Vec<f64>,
}

impl Router {
    /// Decides for each candidate whether it is tried for this request, and in which order.
    pub fn plan(&self, route: &Route, request: &Request, caller: &Caller) -> Plan {
        let floors = &route.policy.floors;
        let by_times = matches!(route.policy.strategy, Strategy::Fastest | Strategy::Balanced(_));
        let by_cost = route.policy.strategy.goes_by_cost() || floors.max_cost.is_some();
        let estimates = by_cost || by_times || floors.max_p50.is_some();
        self.planned(route, request, caller, estimates)
    }

    /// The same with what may be expected of every candidate, for somebody who wants to know.
    pub fn explained(&self, route: &Route, request: &Request, caller: &Caller) -> Plan {
        self.planned(route, request, caller, true)
    }

    /// How those stand that a plan would try, in their order; and why limits or money would not let them begin now.
    pub fn outlook(&self, route: &Route, plan: &Plan, request: &Request) -> Vec<(Standing, Option<Skip>)> {
        let standings = self.health().standings(plan.targets());
        let habits = route.habits();
        let held = plan.targets().map(|target| self.limiter.outlook(target, request, &habits));
        standings.into_iter().zip(held).collect()
    }

    fn planned(&self, route: &Route, request: &Request, caller: &Caller, estimates: bool) -> Plan {
        let now = self.health().now();
        let known = self.known(route, estimates);
        let estimates = estimates.then(|| estimated(route, request, &known, now));
        let mut plan =
            Plan { steps: Vec::new(), unscored: Vec::new(), stranger: None, explored: false, leader: None };
        let mut weights = Vec::new();
        for (n, candidate) in route.candidates.iter().enumerate() {
            let estimate = estimates.as_ref().map(|estimates| estimates[n]);
            let judged = floors_met(candidate, &route.policy, &known, n, estimate, now);
            let twice = plan.targets().any(|target| target.model_ref == candidate.model_ref);
            let target = callable(candidate, request, caller);
            let tried = target.and_then(|target| match judged {
                _ if twice => Err(Skip::Twice),
                Ok(unscored) => Ok((target, unscored)),
                Err(why) => Err(why),
            });
            plan.steps.push(match tried {
                Err(skip) => PlanStep::Skip { model_ref: candidate.model_ref.clone(), skip },
                Ok((target, unscored)) => {
                    plan.unscored.extend(unscored.map(|missing| (candidate.model_ref.clone(), missing)));
                    weights.push(candidate.weight * known.shares[n]);
                    let adjustments = target.adjustments(request);
                    PlanStep::Try { target: Box::new(target.clone()), adjustments, estimate }
                }
            });
        }
        self.put_in_order(&mut plan, &weights, route, caller, &known.habits.leader);
        keep_conversation(&mut plan, route, request);
        plan
    }

    fn known(&self, route: &Route, estimates: bool) -> Known {
        let (health, floors) = (self.health(), &route.policy.floors);
        let none = || Known {
            habits: RouteRow::default(),
            health: vec![HealthRow::default(); route.candidates.len()],
            scores: vec![None; route.candidates.len()],
            shares: vec![1.0; route.candidates.len()],
        };
        let weighted = route.name.as_ref().filter(|_| route.is_weighted());
        if !estimates && floors.quality.is_none() && weighted.is_none() {
            return none();
        }
        let found = health.ledger().read(|rows| {
            let mut known = none();
            if estimates {
                known.habits = rows.route(&route.habits())?;
            }
            let weights = weighted.map_or(Ok(Vec::new()), |name| rows.weights(name))?;
            for (n, candidate) in route.candidates.iter().enumerate() {
                let left = weights.iter().find(|row| row.model == candidate.model_ref.to_string());
                known.shares[n] = left.map_or(1.0, |row| row.share);
                if let Some(target) = candidate.target.as_ref().ok().filter(|_| estimates) {
                    known.health[n] = rows.health(&super::health::key(target))?;
                }
                if let Some(quality) = &floors.quality {
                    let model = candidate.model_ref.to_string();
                    known.scores[n] = rows.score(&quality.set.to_string_lossy(), &model)?;
                }
            }
            RowResult::Ok(Some(known))
        });
        // What could not be read is as if nothing were known.
        found.unwrap_or_else(none)
    }

    /// Puts those who are tried, with these weights, in the order of the strategy. Who is left out stands behind them.
    fn put_in_order(&self, plan: &mut Plan, weights: &[f64], route: &Route, caller: &Caller, leader: &str) {
        let strategy = &route.policy.strategy;
        if *strategy == Strategy::Priority {
            return;
        }
        let (tried, skipped): (Vec<PlanStep>, Vec<PlanStep>) =
            plan.steps.drain(..).partition(|step| matches!(step, PlanStep::Try { .. }));
        let names: Vec<String> = tried.iter().map(|step| step.model_ref().to_string()).collect();
        let runners: Vec<Runner<'_>> = tried
            .iter()
            .zip(&names)
            .zip(weights)
            .map(|((step, model), weight)| {
                let estimate = match step {
                    PlanStep::Try { estimate, .. } => estimate.unwrap_or_default(),
                    PlanStep::Skip { .. } => Estimate::default(),
                };
                Runner { model, weight: *weight, estimate }
            })
            .collect();
        let (chance, drawn) = self.chance();
        let key = caller.key.as_deref().unwrap_or(&drawn);
        let draw = Draw { route: route.name.as_deref().unwrap_or_default(), key, leader, chance };
        let Order { places, explored } = order(strategy, &runners, &draw);
        let first = places.get(usize::from(explored)).map(|place| names[*place].clone());
        plan.leader = first.filter(|first| matches!(strategy, Strategy::Balanced(_)) && first != leader);
        plan.explored = explored;
        let mut tried: Vec<Option<PlanStep>> = tried.into_iter().map(Some).collect();
        plan.steps.extend(places.into_iter().filter_map(|place| tried[place].take()));
        plan.steps.extend(skipped);
    }
}

impl PlanStep {
    /// The model that it is about.
    pub fn model_ref(&self) -> &ModelRef {
        match self {
            Self::Try { target, .. } => &target.model_ref,
            Self::Skip { model_ref, .. } => model_ref,
        }
    }
}

fn estimated(route: &Route, request: &Request, known: &Known, now: i64) -> Vec<Estimate> {
    let input_tokens = estimated_input(request);
    let (output_tokens, assumed) = output_tokens(&known.habits, request.max_tokens);
    let times = times(&known.health, output_tokens, now);
    let each = route.candidates.iter().zip(&known.health).zip(times);
    each.map(|((candidate, row), times)| {
        let facts = candidate.target.as_ref().ok().and_then(|target| target.facts.as_ref());
        let price = facts.map(|facts| &facts.price);
        Estimate {
            input_tokens,
            output_tokens,
            assumed,
            cost: cost(price, input_tokens, output_tokens, known.habits.cached_share),
            first_token: times.map(|(first, _)| milliseconds(first)),
            latency: times.map(|(_, last)| milliseconds(last)),
            evidence: evidence(row, now),
            trouble: super::breaker::trouble(row, now),
        }
    })
    .collect()
}

/// A figure of milliseconds, whatever it is.
fn milliseconds(figure: f64) -> Duration {
    Duration::try_from_secs_f64((figure / 1000.0).clamp(0.0, 1e9)).unwrap_or_default()
}

/// Whether it can be called with this request at all, and is there for it.
fn callable<'a>(candidate: &'a Candidate, request: &Request, caller: &Caller) -> Result<&'a Target, Skip> {
    let target = candidate.target.as_ref().map_err(|error| Skip::Target(error.clone()))?;
    if let Some(which) = unmet(&candidate.when, request, caller) {
        return Err(Skip::Condition(which));
    }
    let window = target.facts.as_ref().and_then(|facts| facts.context_tokens);
    // Most prompts fit by their bytes alone. Between the two bounds only the provider's own count could tell, and it
    // tells for free: an overflow fails over.
    if let Some(window) = window.filter(|window| most_tokens(request) > *window) {
        let least = request.text_bytes() as u64 / MOST_BYTES_A_TOKEN;
        if least > window {
            return Err(Skip::WindowTooSmall { least, window });
        }
    }
    match target.cannot_take(request) {
        Some(what) => Err(Skip::Lacks(what)),
        None => Ok(target),
    }
}

/// The first condition that the request does not meet, as what the candidate is there for.
fn unmet(when: &Conditions, request: &Request, caller: &Caller) -> Option<String> {
    let tokens = estimated_input(request);
    let attached = request.messages.iter().flat_map(|turn| &turn.parts).any(|part| part.is_attachment());
    let flags = [
        (when.tools, !request.tools.is_empty(), "tools"),
        (when.attachments, attached, "attachments"),
        (when.schema, request.schema.is_some(), "a schema"),
    ];
    if let Some(most) = when.max_input_tokens.filter(|most| tokens > *most) {
        return Some(format!("requests of up to {most} tokens, and this one has some {tokens}"));
    }
    if let Some(least) = when.min_input_tokens.filter(|least| tokens < *least) {
        return Some(format!("requests of {least} tokens and more, and this one has some {tokens}"));
    }
    if let Some(label) = when.label.as_ref().filter(|label| caller.label.as_ref() != Some(label)) {
        return Some(format!("requests with the label `{label}`"));
    }
    let unmet = flags.into_iter().find(|(wanted, is, _)| wanted.is_some_and(|wanted| wanted != *is));
    unmet.map(|(_, is, what)| format!("requests {} {what}", if is { "without" } else { "with" }))
}

/// Holds a candidate to the route's floors; says what is missing of its score where that does not matter.
fn floors_met(
    candidate: &Candidate,
    policy: &Policy,
    known: &Known,
    n: usize,
    estimate: Option<Estimate>,
    now: i64,
) -> Result<Option<NoScore>, Skip> {
    let floors = &policy.floors;
    let facts = candidate.target.as_ref().ok().and_then(|target| target.facts.as_ref());
    for capability in &floors.requires {
        let has = facts.and_then(|facts| facts.supports(*capability));
        if has != Some(true) {
            return Err(Skip::Requires { capability: *capability, known: has.is_some() });
        }
    }
    if let Some(estimate) = estimate {
        let expected = estimate.cost;
        if expected.is_none() && (floors.max_cost.is_some() || policy.strategy.goes_by_cost()) {
            return Err(Skip::NoPrice);
        }
        if let Some((expected, cap)) = expected.zip(floors.max_cost).filter(|(expected, cap)| expected > cap)
        {
            return Err(Skip::TooExpensive { expected, cap });
        }
        let typical = own_time(&known.health[n], estimate.output_tokens, now);
        let typical = typical.map(milliseconds);
        if let Some((typical, cap)) = typical.zip(floors.max_p50).filter(|(typical, cap)| typical > cap) {
            return Err(Skip::TooSlow { typical, cap });
        }
    }
    match &floors.quality {
        Some(quality) => good_enough(quality, known.scores[n].clone(), now),
        None => Ok(None),
    }
}

fn good_enough(floor: &QualityFloor, score: Option<ScoreRow>, now: i64) -> Result<Option<NoScore>, Skip> {
    let score = score.filter(|score| score.scored > 0);
    let age = score.as_ref().map(|score| Duration::from_millis(u64::try_from(now - score.at).unwrap_or(0)));
    let changed = score.as_ref().is_some_and(|score| score.digest != floor.digest);
    let fresh = !changed && age.is_some_and(|age| floor.max_age.is_none_or(|most| age <= most));
    let missing = NoScore { set: floor.set.clone(), age, changed };
    match (score, floor.missing) {
        (Some(score), _) if fresh => {
            let pass_rate = f64::from(score.passed) / f64::from(score.scored);
            if pass_rate < floor.min_pass_rate {
                return Err(Skip::Quality { pass_rate, floor: floor.min_pass_rate });
            }
            Ok(None)
        }
        (_, Missing::Warn) => Ok(Some(missing)),
        (_, Missing::Skip) => Err(Skip::NoScore(missing)),
    }
}

/// A conversation goes on with whoever spoke last in it: nobody else, or, where the route says so, that one first.
fn keep_conversation(plan: &mut Plan, route: &Route, request: &Request) {
    let Some(speaker) = request.messages.iter().rev().find_map(|turn| turn.from.as_deref()) else { return };
    let Some(at) = plan.steps.iter().position(|step| step.model_ref().to_string() == speaker) else {
        // One model named directly takes a conversation over on purpose.
        plan.stranger = route.name.as_ref().map(|_| speaker.to_owned());
        return;
    };
    if route.policy.on_conversation == Choice::GoOn {
        let step = plan.steps.remove(at);
        plan.steps.insert(0, step);
        plan.explored = false;
        return;
    }
    for (n, step) in plan.steps.iter_mut().enumerate() {
        if n != at && matches!(step, PlanStep::Try { .. }) {
            let model_ref = step.model_ref().clone();
            *step = PlanStep::Skip { model_ref, skip: Skip::Conversation(speaker.to_owned()) };
        }
    }
}
