//! What a route would do with a request: the plan, what may be expected of each candidate, and what becomes of failures.

use std::time::Duration;

use serde_json::{Value, json};

use super::format::{format_duration, round_milliseconds};
use super::table::new_table;
use crate::catalog::{estimate_input_tokens, format_usd_rounded};
use crate::chat::{FailureClass, Request, pluralize};
use crate::provider::{RequestAdjustment, Target};
use crate::route::{
    Availability, CandidateEstimate, Cooldown, FailureReaction, Plan, PlanStep, RetryWhen, Route,
    RoutePolicy, SkipReason, StopOrContinue, Strategy, max_attempts, reaction_to,
};

/// A plan with all that explains it.
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    /// The route.
    pub route: &'a Route,
    /// What it would do.
    pub plan: &'a Plan,
    /// With what.
    pub request: &'a Request,
    /// How those stand that are tried, in their order, and why limits or money would not let them begin.
    pub availability: &'a [(Availability, Option<SkipReason>)],
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

impl PlanView<'_> {
    /// Every step, with how it stands where it is tried.
    fn steps_with_availability(
        &self,
    ) -> impl Iterator<Item = (&PlanStep, Option<&(Availability, Option<SkipReason>)>)> {
        let mut outlook = self.availability.iter();
        self.plan.steps.iter().map(move |step| match step {
            PlanStep::Try { .. } => (step, outlook.next()),
            PlanStep::Skip { .. } => (step, None),
        })
    }

    /// Who of those that are tried would be first now.
    fn first_available(&self) -> Option<usize> {
        let free = self.availability.iter().enumerate().filter(|(_, (_, held))| held.is_none());
        Availability::pick_first(free.map(|(place, (standing, _))| (place, standing)))
    }

    fn first_estimate(&self) -> Option<CandidateEstimate> {
        self.plan.steps.iter().find_map(|step| match step {
            PlanStep::Try { estimate, .. } => *estimate,
            PlanStep::Skip { .. } => None,
        })
    }

    /// Why it would not be called now, and for how long where that is known.
    fn skip_now(
        &self,
        (standing, held): &(Availability, Option<SkipReason>),
    ) -> Option<(SkipReason, Option<Duration>)> {
        if let Availability::Unavailable { until, why } = standing {
            let wait = Duration::from_millis(u64::try_from(until - self.now).unwrap_or(0));
            return Some((SkipReason::Unavailable(why.clone(), wait), Some(wait)));
        }
        held.clone().map(|skip| match skip {
            SkipReason::Unavailable(_, wait) => (skip, Some(wait)),
            other => (other, None),
        })
    }
}

/// The plan as tables: who is tried in which order, who is left out and why, and what follows on which failure.
pub fn plan_table(explained: &PlanView<'_>, width: usize) -> String {
    let mut steps = new_table(width, &["", "candidate", "decision", "cost", "first / whole"], &[0, 3, 4]);
    let mut tried = 0;
    let first = explained.first_available();
    for (n, (step, outlook)) in explained.steps_with_availability().enumerate() {
        let number = (n + 1).to_string();
        match step {
            PlanStep::Try { target, adjustments, estimate } => {
                let decision = describe_step(explained, first == Some(tried), adjustments, outlook);
                tried += 1;
                let (cost, time) = (describe_cost(*estimate), describe_latency(*estimate));
                steps.add_row([number, target_name(target), decision, cost, time]);
            }
            PlanStep::Skip { model_ref, skip } => {
                let why = format!("skip: {skip}");
                steps.add_row([number, model_ref.to_string(), why, String::new(), String::new()]);
            }
        }
    }
    if first.is_none() && tried > 0 {
        steps.add_row(["", "", "nobody is ready: whoever frees first is tried", "", ""]);
    }
    if tried == 0 {
        return format!(
            "{}\n{steps}\n{}\n\nnobody is left to try: the call would end without an answer, and nothing was sent\n",
            describe_order(explained),
            describe_tokens(explained)
        );
    }
    let mut failures = new_table(width, &["a failure of class", "leads to"], &[]);
    for (classes, reaction) in group_reactions(&explained.route.policy) {
        let names: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
        failures.add_row([names.join(", "), describe_reaction(&classes, reaction, &explained.route.policy)]);
    }
    let shown = match explained.route.policy.on_midstream {
        StopOrContinue::Stop => "the end of the call; what was shown stands, marked as cut",
        StopOrContinue::Continue => "the next candidate, whose answer begins anew",
    };
    failures.add_row(["any, after a part was shown", shown]);
    let mut text = format!("{}\n{steps}\n{}\n", describe_order(explained), describe_tokens(explained));
    text += &format!("\n{failures}\n{}\nnothing was sent\n", describe_limits(explained.route, tried));
    text
}

fn describe_step(
    explained: &PlanView<'_>,
    first: bool,
    adjustments: &[RequestAdjustment],
    outlook: Option<&(Availability, Option<SkipReason>)>,
) -> String {
    let turn = match first {
        true if explained.plan.is_exploration => "try first, to measure it",
        true => "try first",
        false => "try if those before it fail",
    };
    let away = outlook.and_then(|outlook| explained.skip_now(outlook));
    let mut words = match (away, outlook.map(|(standing, _)| standing)) {
        (Some((over @ SkipReason::BudgetExceeded(_), _)), _) => format!("leave out: {over}"),
        (Some((why, _)), _) => format!("pass over while another one is ready: {why}"),
        (None, Some(Availability::HalfOpen)) => format!("{turn}; its breaker is half-open, so it is a probe"),
        (None, Some(Availability::Demoted)) => {
            format!("{turn}, behind the others: of late it fails too often")
        }
        (None, _) => turn.to_owned(),
    };
    for adjustment in adjustments {
        words.push_str(&format!("; {adjustment}"));
    }
    words
}

fn target_name(target: &Target) -> String {
    let mark = if target.provider.simulated { " (sim)" } else { "" };
    format!("{}{mark}", target.model_ref)
}

fn describe_cost(estimate: Option<CandidateEstimate>) -> String {
    match estimate.and_then(|estimate| estimate.cost) {
        Some(nano) => format!("~${}", format_usd_rounded(nano as f64 / 1e9)),
        None => "unknown".to_owned(),
    }
}

fn describe_latency(estimate: Option<CandidateEstimate>) -> String {
    let times = estimate.and_then(|estimate| estimate.first_token.zip(estimate.latency));
    match (times, estimate) {
        (Some((first, whole)), Some(estimate)) => {
            let like = if estimate.measurements > 0.0 { "" } else { "\nlike its peers" };
            format!("~{} / {}{like}", format_duration(first), format_duration(whole))
        }
        _ => "unmeasured".to_owned(),
    }
}

fn describe_order(explained: &PlanView<'_>) -> String {
    let strategy = &explained.route.policy.strategy;
    let how = match strategy {
        Strategy::Priority => "as written".to_owned(),
        Strategy::Cheapest => "by the expected cost of the request".to_owned(),
        Strategy::Fastest => "by the expected time until the last token".to_owned(),
        Strategy::Balanced(weigh) => {
            format!("by cost {}, latency {}, reliability {}", weigh.cost, weigh.latency, weigh.reliability)
        }
        Strategy::Weighted { sticky_by: Some(variable) } => {
            format!("by weight; the same `{variable}` always sees the same order")
        }
        Strategy::Weighted { sticky_by: None } => "by weight; chance decides anew for each call".to_owned(),
    };
    format!("order: {}, {how}", strategy.name())
}

fn describe_tokens(explained: &PlanView<'_>) -> String {
    let input = estimate_input_tokens(explained.request);
    match explained.first_estimate() {
        None => format!("the prompt has ~{}", pluralize(input, "token")),
        Some(estimate) => {
            let how = if estimate.is_output_assumed { "assumed" } else { "as the route's answers are" };
            format!(
                "the prompt has ~{}; ~{} come out ({how})",
                pluralize(input, "token"),
                estimate.output_tokens
            )
        }
    }
}

fn describe_limits(route: &Route, tried: usize) -> String {
    let RoutePolicy { timeouts: deadlines, .. } = &route.policy;
    let first = deadlines.first_token.map_or_else(
        || "as long as its kind of model needs".to_owned(),
        |first| format!("{} each", format_duration(first)),
    );
    format!(
        "first content is waited for {first}, {} in all\na stall ends after {}; at most {} attempts",
        format_duration(deadlines.deadline),
        format_duration(deadlines.idle),
        max_attempts(tried)
    )
}

/// The classes of failures in groups that lead to the same.
fn group_reactions(policy: &RoutePolicy) -> Vec<(Vec<FailureClass>, FailureReaction)> {
    let mut groups: Vec<(Vec<FailureClass>, FailureReaction)> = Vec::new();
    for class in FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Cancelled) {
        let reaction = reaction_to(class, policy, false);
        let alike = |(classes, other): &(Vec<FailureClass>, FailureReaction)| {
            let outcome = |r: &FailureReaction| (r.can_retry, r.can_fail_over, r.cooldown);
            // A window and a wait that the provider names make a difference to whom and when.
            let special = [FailureClass::ContextOverflow, FailureClass::RateLimited];
            outcome(other) == outcome(&reaction)
                && !special.contains(&class)
                && classes.iter().all(|c| !special.contains(c))
        };
        match groups.iter_mut().find(|group| alike(group)) {
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
        [FailureClass::RateLimited] => "after the wait that the provider names".to_owned(),
        _ => format!("after up to {}", format_duration(retry.base)),
    };
    let times = if retry.retries == 1 { "once".to_owned() } else { format!("up to {} times", retry.retries) };
    let next = match classes {
        [FailureClass::ContextOverflow] => "the next candidate with a larger window",
        _ => "the next candidate at once",
    };
    let mut words = match (reaction.can_fail_over, retries, retry.when) {
        (false, ..) => "the end of the call".to_owned(),
        (true, false, _) => next.to_owned(),
        (true, true, RetryWhen::Alone) => {
            format!("{next}; the same one again {wait}, {times}, when no other is ready")
        }
        (true, true, RetryWhen::First) => format!("the same one again {wait}, {times}; then {next}"),
    };
    let (whom, span) = match reaction.cooldown {
        Cooldown::None => return words,
        Cooldown::Key(span) => ("this key", span),
        Cooldown::Model(span) => ("this model", span),
    };
    words.push_str(&format!("; {whom} is left alone for {} min", span.as_secs() / 60));
    words
}

/// The same as JSON.
pub fn plan_json(explained: &PlanView<'_>) -> Value {
    let steps: Vec<Value> = explained
        .steps_with_availability()
        .map(|(step, outlook)| step_json(explained, step, outlook))
        .collect();
    let policy = &explained.route.policy;
    let tried = explained.plan.targets().count();
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
    let estimate = explained.first_estimate();
    json!({
        "schema": "slalom.plan/1", "route": explained.route.name, "strategy": policy.strategy.name(),
        "explored": explained.plan.is_exploration,
        "estimated_input_tokens": estimate_input_tokens(explained.request),
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
    explained: &PlanView<'_>,
    step: &PlanStep,
    outlook: Option<&(Availability, Option<SkipReason>)>,
) -> Value {
    match step {
        PlanStep::Try { target, adjustments, estimate } => {
            let away = outlook.and_then(|outlook| explained.skip_now(outlook));
            let state = match (&away, outlook) {
                (Some((skip, _)), _) => skip.code(),
                (None, outlook) => outlook.map_or("ready", |(standing, _)| standing.code()),
            };
            json!({
                "provider": target.model_ref.provider, "model": target.model_ref.model, "decision": "try", "reason": null,
                "adjusted": adjustments.iter().map(|a| json!({"what": a.name(), "how": a.to_string()})).collect::<Vec<_>>(),
                "simulated": target.provider.simulated,
                "state": state, "ready_in_ms": away.and_then(|(_, wait)| wait).map(round_milliseconds),
                "cost_usd": estimate.and_then(|e| e.cost).map(|nano| nano as f64 / 1e9),
                "first_token_ms": estimate.and_then(|e| e.first_token).map(round_milliseconds),
                "latency_ms": estimate.and_then(|e| e.latency).map(round_milliseconds),
                "measured": estimate.is_some_and(|e| e.measurements > 0.0),
            })
        }
        PlanStep::Skip { model_ref, skip } => json!({
            "provider": model_ref.provider, "model": model_ref.model, "decision": "skip", "reason": skip.code(),
            "detail": skip.to_string(),
        }),
    }
}
