//! The plan of a route for a request: candidates, estimates, and reactions to failures.

use std::time::Duration;

use serde_json::{Value, json};

use super::format::{format_duration, round_milliseconds};
use super::reasons::{describe_adjustment, describe_skip};
use super::table::new_table;
use crate::catalog::{estimate_input_tokens, format_usd_rounded};
use crate::chat::{FailureClass, NanoDollars, pluralize};
use crate::provider::{RequestAdjustment, Target};
use crate::route::{
    Availability, CandidateEstimate, Cooldown, FailureReaction, Plan, PlanStep, ProviderLoad, RetryWhen,
    Route, RoutePolicy, SkipReason, StopOrContinue, max_attempts, reaction_to,
};

/// A plan with the data that explains it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanView<'a> {
    pub plan: &'a Plan<'a>,
    /// State of the candidates that the plan tries, in order, with the reason if limits or the budget exclude
    /// one.
    pub availability: &'a [(Availability, Option<SkipReason>)],
    /// Unix time in milliseconds.
    pub now: i64,
}

impl PlanView<'_> {
    /// Every step, with the state of the candidates to try.
    fn steps_with_availability(
        &self,
    ) -> impl Iterator<Item = (&PlanStep<'_>, Option<&(Availability, Option<SkipReason>)>)> {
        let mut current = self.availability.iter();
        self.plan.steps.iter().map(move |step| match step {
            PlanStep::Try { .. } => (step, current.next()),
            PlanStep::Skip { .. } => (step, None),
        })
    }

    /// Index of the candidate that would be tried first now.
    fn first_available(&self) -> Option<usize> {
        let free = self.availability.iter().enumerate().filter(|(_, (_, blocked))| blocked.is_none());
        Availability::pick_first(free.map(|(index, (availability, _))| (index, availability)))
    }

    fn first_estimate(&self) -> Option<CandidateEstimate> {
        self.plan.steps.iter().find_map(|step| match step {
            PlanStep::Try { estimate, .. } => *estimate,
            PlanStep::Skip { .. } => None,
        })
    }

    /// Why a candidate would not be called now, and for how long if known.
    fn skip_now(
        &self,
        (availability, blocked): &(Availability, Option<SkipReason>),
    ) -> Option<(SkipReason, Option<Duration>)> {
        if let Availability::Unavailable { until, why } = availability {
            let wait = Duration::from_millis(u64::try_from(until - self.now).unwrap_or(0));
            return Some((SkipReason::Unavailable(why.clone(), wait), Some(wait)));
        }
        blocked.clone().map(|skip| match skip {
            SkipReason::Unavailable(_, wait) => (skip, Some(wait)),
            other => (other, None),
        })
    }
}

/// The plan as tables: the order of candidates, those that are skipped, and the next step after each failure.
pub(crate) fn plan_table(view: &PlanView<'_>, width: usize) -> String {
    let mut steps =
        new_table(width, &["", "candidate", "decision", "cost", "first token / total"], &[0, 3, 4]);
    let mut tried = 0;
    let first = view.first_available();
    for (n, (step, current)) in view.steps_with_availability().enumerate() {
        let number = (n + 1).to_string();
        match step {
            PlanStep::Try { target, adjustments, estimate, .. } => {
                let mut decision = describe_step(view, first == Some(tried), adjustments, current);
                decision.extend(describe_load(*estimate));
                tried += 1;
                let (cost, time) = (describe_cost(*estimate), describe_latency(*estimate));
                steps.add_row([number, target_name(target), decision, cost, time]);
            }
            PlanStep::Skip { model_ref, skip } => {
                let why = format!("skip: {}", describe_skip(skip));
                steps.add_row([number, model_ref.to_string(), why, String::new(), String::new()]);
            }
        }
    }
    if first.is_none() && tried > 0 {
        let is_denied = |current| view.skip_now(current).is_some_and(|(skip, _)| skip.is_budget_denial());
        let consequence = match view.availability.iter().all(is_denied) {
            true => "no candidate can be called: the call would fail",
            false => "no candidate is ready: the first to become available is tried",
        };
        steps.add_row(["", "", consequence, "", ""]);
    }
    if tried == 0 {
        return format!(
            "{}\n{steps}\n{}\n\nno candidate left to try: the call would fail (nothing was sent)\n",
            describe_order(view),
            describe_tokens(view)
        );
    }
    let mut failures = new_table(width, &["failure class", "next step"], &[]);
    for (classes, reaction) in group_reactions(&view.plan.route.policy) {
        let names: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
        failures.add_row([names.join(", "), describe_reaction(&classes, reaction, &view.plan.route.policy)]);
    }
    let shown = match view.plan.route.policy.on_midstream {
        StopOrContinue::Stop => "stop; keep the partial answer, marked as truncated",
        StopOrContinue::Continue => "restart the answer with the next candidate",
    };
    failures.add_row(["any, after output was shown", shown]);
    let mut text = format!("{}\n{steps}\n{}\n", describe_order(view), describe_tokens(view));
    text += &format!("\n{failures}\n{}\nnothing was sent\n", describe_limits(view.plan.route, tried));
    text
}

fn describe_step(
    view: &PlanView<'_>,
    first: bool,
    adjustments: &[RequestAdjustment],
    current: Option<&(Availability, Option<SkipReason>)>,
) -> String {
    let order = match first {
        true if view.plan.is_exploration => "try first, to measure it",
        true => "try first",
        false => "try if the previous ones fail",
    };
    let skipped = current.and_then(|current| view.skip_now(current));
    let mut text = match (skipped, current.map(|(availability, _)| availability)) {
        (Some((skip, _)), _) if skip.is_budget_denial() => format!("skip: {}", describe_skip(&skip)),
        (Some((why, _)), _) => {
            format!("skip while another candidate is ready: {}", describe_skip(&why))
        }
        (None, Some(Availability::HalfOpen)) => format!("{order}, as a probe (circuit breaker half-open)"),
        (None, Some(Availability::Demoted)) if first => {
            format!("{order} (demoted: too many recent failures)")
        }
        (None, Some(Availability::Demoted)) => {
            "try after the others (demoted: too many recent failures)".to_owned()
        }
        (None, _) => order.to_owned(),
    };
    for adjustment in adjustments {
        text.push_str(&format!("; {}", describe_adjustment(*adjustment)));
    }
    text
}

fn target_name(target: &Target) -> String {
    let mark = if target.provider.simulated { " (sim)" } else { "" };
    format!("{}{mark}", target.model_ref)
}

fn describe_cost(estimate: Option<CandidateEstimate>) -> String {
    match estimate.and_then(|estimate| estimate.cost) {
        Some(amount) => format!("~${}", format_usd_rounded(amount)),
        None => "unknown".to_owned(),
    }
}

fn describe_load(estimate: Option<CandidateEstimate>) -> Option<String> {
    let ProviderLoad { in_flight, concurrency } = estimate?.load?;
    Some(match concurrency {
        Some(max) => format!("; {in_flight} of {max} calls in flight"),
        None => format!("; {} in flight", pluralize(in_flight, "call")),
    })
}

fn describe_latency(estimate: Option<CandidateEstimate>) -> String {
    let times = estimate.and_then(|estimate| estimate.first_token.zip(estimate.latency));
    match (times, estimate) {
        (Some((first, total)), Some(estimate)) => {
            let note = if estimate.measurements > 0.0 { "" } else { "\n(from other models)" };
            format!("~{} / {}{note}", format_duration(first), format_duration(total))
        }
        _ => "unmeasured".to_owned(),
    }
}

fn describe_order(view: &PlanView<'_>) -> String {
    let strategy = &view.plan.route.policy.strategy;
    format!("order: {}, {}", strategy.name(), strategy.order().summary())
}

fn describe_tokens(view: &PlanView<'_>) -> String {
    let input = estimate_input_tokens(view.plan.request);
    match view.first_estimate() {
        None => format!("estimated input ~{}", pluralize(input, "token")),
        Some(estimate) => {
            let how = if estimate.is_output_assumed { "assumed" } else { "average of this route" };
            format!(
                "estimated input ~{}, output ~{} ({how})",
                pluralize(input, "token"),
                estimate.output_tokens
            )
        }
    }
}

fn describe_limits(route: &Route, tried: usize) -> String {
    let RoutePolicy { timeouts, .. } = &route.policy;
    let first = timeouts.first_token.map_or_else(
        || "default for the model".to_owned(),
        |first| format!("{} per attempt", format_duration(first)),
    );
    format!(
        "first-token timeout: {first}; deadline: {}\nidle timeout: {}; at most {} attempts",
        format_duration(timeouts.deadline),
        format_duration(timeouts.idle),
        max_attempts(tried)
    )
}

/// Failure classes grouped by reaction.
fn group_reactions(policy: &RoutePolicy) -> Vec<(Vec<FailureClass>, FailureReaction)> {
    let mut groups: Vec<(Vec<FailureClass>, FailureReaction)> = Vec::new();
    for class in FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Cancelled) {
        let reaction = reaction_to(class, policy, false);
        let same_group = |(classes, other): &(Vec<FailureClass>, FailureReaction)| {
            let outcome = |r: &FailureReaction| (r.can_retry, r.can_fail_over, r.cooldown);
            // These two choose the next candidate or the wait differently, so each has its own row.
            let special = [FailureClass::ContextOverflow, FailureClass::RateLimited];
            outcome(other) == outcome(&reaction)
                && !special.contains(&class)
                && classes.iter().all(|c| !special.contains(c))
        };
        match groups.iter_mut().find(|group| same_group(group)) {
            Some((classes, _)) => classes.push(class),
            None => groups.push((vec![class], reaction)),
        }
    }
    groups
}

fn describe_reaction(classes: &[FailureClass], reaction: FailureReaction, policy: &RoutePolicy) -> String {
    let retry = policy.retry;
    let retries = reaction.can_retry && retry.retries > 0;
    let wait = match classes {
        [FailureClass::RateLimited] => "after the wait that the provider requests".to_owned(),
        _ => format!("after up to {}", format_duration(retry.base)),
    };
    let times = if retry.retries == 1 { "once".to_owned() } else { format!("up to {} times", retry.retries) };
    let next = match classes {
        [FailureClass::ContextOverflow] => "fail over to the next candidate with a larger context window",
        _ => "fail over immediately",
    };
    let mut text = match (reaction.can_fail_over, retries, retry.when) {
        (false, ..) => "stop".to_owned(),
        (true, false, _) => next.to_owned(),
        (true, true, RetryWhen::Alone) => {
            format!("{next}; if no other candidate is ready, retry the same one {wait}, {times}")
        }
        (true, true, RetryWhen::First) => format!("retry the same one {wait}, {times}; then {next}"),
    };
    let (scope, span) = match reaction.cooldown {
        Cooldown::None => return text,
        Cooldown::Key(span) => ("this key", span),
        Cooldown::Model(span) => ("this model", span),
    };
    text.push_str(&format!("; {scope} is in cooldown for {} min", span.as_secs() / 60));
    text
}

pub(crate) fn plan_json(view: &PlanView<'_>) -> Value {
    let steps: Vec<Value> =
        view.steps_with_availability().map(|(step, current)| step_json(view, step, current)).collect();
    let policy = &view.plan.route.policy;
    let tried = view.plan.targets().count();
    let failures: Vec<Value> = group_reactions(policy)
        .into_iter()
        .map(|(classes, reaction)| {
            let (blocked, span) = match reaction.cooldown {
                Cooldown::None => (None, None),
                Cooldown::Key(span) => (Some("key"), Some(round_milliseconds(span))),
                Cooldown::Model(span) => (Some("model"), Some(round_milliseconds(span))),
            };
            json!({
                "classes": classes.iter().map(|class| class.as_str()).collect::<Vec<_>>(),
                "retries": if reaction.can_retry && reaction.can_fail_over { policy.retry.retries } else { 0 },
                "retry_when": match policy.retry.when { RetryWhen::Alone => "alone", RetryWhen::First => "first" },
                "fails_over": reaction.can_fail_over, "blocks": blocked, "blocked_ms": span,
            })
        })
        .collect();
    let estimate = view.first_estimate();
    json!({
        "schema": "slalom.plan/1", "route": view.plan.route.name, "strategy": policy.strategy.name(),
        "explored": view.plan.is_exploration,
        "estimated_input_tokens": estimate_input_tokens(view.plan.request),
        "estimated_output_tokens": estimate.map(|estimate| estimate.output_tokens),
        "output_assumed": estimate.map(|estimate| estimate.is_output_assumed),
        "candidates": steps, "on_failure": failures,
        "on_midstream": if policy.on_midstream == StopOrContinue::Stop { "stop" } else { "restart" },
        "deadline_ms": round_milliseconds(policy.timeouts.deadline), "idle_ms": round_milliseconds(policy.timeouts.idle),
        "first_token_ms": policy.timeouts.first_token.map(round_milliseconds),
        "most_attempts": max_attempts(tried),
    })
}

fn step_json(
    view: &PlanView<'_>,
    step: &PlanStep,
    current: Option<&(Availability, Option<SkipReason>)>,
) -> Value {
    match step {
        PlanStep::Try { target, adjustments, estimate, .. } => {
            let skipped = current.and_then(|current| view.skip_now(current));
            let load = estimate.and_then(|estimate| estimate.load);
            let state = match (&skipped, current) {
                (Some((skip, _)), _) => skip.code(),
                (None, current) => current.map_or("ready", |(availability, _)| availability.code()),
            };
            json!({
                "provider": target.model_ref.provider, "model": target.model_ref.model, "decision": "try", "reason": null,
                "adjusted": adjustments.iter().map(|a| json!({"what": a.name(), "code": a.code(), "how": describe_adjustment(*a)})).collect::<Vec<_>>(),
                "simulated": target.provider.simulated,
                "state": state, "ready_in_ms": skipped.and_then(|(_, wait)| wait).map(round_milliseconds),
                "cost_usd": estimate.and_then(|e| e.cost).map(NanoDollars::to_usd),
                "first_token_ms": estimate.and_then(|e| e.first_token).map(round_milliseconds),
                "latency_ms": estimate.and_then(|e| e.latency).map(round_milliseconds),
                "measured": estimate.is_some_and(|e| e.measurements > 0.0),
                "in_flight": load.map(|load| load.in_flight), "concurrency": load.and_then(|load| load.concurrency),
            })
        }
        PlanStep::Skip { model_ref, skip } => json!({
            "provider": model_ref.provider, "model": model_ref.model, "decision": "skip", "reason": skip.code(),
            "detail": describe_skip(skip),
        }),
    }
}
