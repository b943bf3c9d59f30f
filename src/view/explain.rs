//! What a route would do with a request: the plan, what may be expected of each candidate, and what becomes of failures.

use std::time::Duration;

use serde_json::{Value, json};

use super::format::{milliseconds, seconds};
use super::table::table;
use crate::catalog::{dollars, estimated_input};
use crate::chat::{FailureClass, Request, counted};
use crate::provider::{Adjustment, Target};
use crate::route::{
    Block, Choice, Estimate, Plan, PlanStep, Policy, Reaction, RetryWhen, Route, Skip, Standing, Strategy,
    most_attempts, reaction,
};

/// A plan with all that explains it.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// The route.
    pub route: &'a Route,
    /// What it would do.
    pub plan: &'a Plan,
    /// With what.
    pub request: &'a Request,
    /// How those stand that are tried, in their order, and why limits or money would not let them begin.
    pub outlook: &'a [(Standing, Option<Skip>)],
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

impl Explained<'_> {
    /// Every step, with how it stands where it is tried.
    fn steps(&self) -> impl Iterator<Item = (&PlanStep, Option<&(Standing, Option<Skip>)>)> {
        let mut outlook = self.outlook.iter();
        self.plan.steps.iter().map(move |step| match step {
            PlanStep::Try { .. } => (step, outlook.next()),
            PlanStep::Skip { .. } => (step, None),
        })
    }

    /// Who of those that are tried would be first now.
    fn first(&self) -> Option<usize> {
        let free = self.outlook.iter().enumerate().filter(|(_, (_, held))| held.is_none());
        Standing::whose_turn(free.map(|(place, (standing, _))| (place, standing)))
    }

    fn estimate(&self) -> Option<Estimate> {
        self.plan.steps.iter().find_map(|step| match step {
            PlanStep::Try { estimate, .. } => *estimate,
            PlanStep::Skip { .. } => None,
        })
    }

    /// Why it would not be called now, and for how long where that is known.
    fn away(&self, (standing, held): &(Standing, Option<Skip>)) -> Option<(Skip, Option<Duration>)> {
        if let Standing::Away { until, why } = standing {
            let wait = Duration::from_millis(u64::try_from(until - self.now).unwrap_or(0));
            return Some((Skip::Away(why.clone(), wait), Some(wait)));
        }
        held.clone().map(|skip| match skip {
            Skip::Away(_, wait) => (skip, Some(wait)),
            other => (other, None),
        })
    }
}

/// The plan as tables: who is tried in which order, who is left out and why, and what follows on which failure.
pub fn plan_table(explained: &Explained<'_>, width: usize) -> String {
    let mut steps = table(width, &["", "candidate", "decision", "cost", "first / whole"], &[0, 3, 4]);
    let mut tried = 0;
    let first = explained.first();
    for (n, (step, outlook)) in explained.steps().enumerate() {
        let number = (n + 1).to_string();
        match step {
            PlanStep::Try { target, adjustments, estimate } => {
                let decision = decision(explained, first == Some(tried), adjustments, outlook);
                tried += 1;
                let (cost, time) = (cost_words(*estimate), time_words(*estimate));
                steps.add_row([number, name(target), decision, cost, time]);
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
            order_words(explained),
            token_words(explained)
        );
    }
    let mut failures = table(width, &["a failure of class", "leads to"], &[]);
    for (classes, reaction) in reactions(&explained.route.policy) {
        let names: Vec<&str> = classes.iter().map(|class| class.name()).collect();
        failures.add_row([names.join(", "), reaction_words(&classes, reaction, &explained.route.policy)]);
    }
    let shown = match explained.route.policy.on_midstream {
        Choice::Stop => "the end of the call; what was shown stands, marked as cut",
        Choice::GoOn => "the next candidate, whose answer begins anew",
    };
    failures.add_row(["any, after a part was shown", shown]);
    let mut text = format!("{}\n{steps}\n{}\n", order_words(explained), token_words(explained));
    text += &format!("\n{failures}\n{}\nnothing was sent\n", limit_words(explained.route, tried));
    text
}

fn decision(
    explained: &Explained<'_>,
    first: bool,
    adjustments: &[Adjustment],
    outlook: Option<&(Standing, Option<Skip>)>,
) -> String {
    let turn = match first {
        true if explained.plan.explored => "try first, to measure it",
        true => "try first",
        false => "try if those before it fail",
    };
    let away = outlook.and_then(|outlook| explained.away(outlook));
    let mut words = match (away, outlook.map(|(standing, _)| standing)) {
        (Some((over @ Skip::Over(_), _)), _) => format!("leave out: {over}"),
        (Some((why, _)), _) => format!("pass over while another one is ready: {why}"),
        (None, Some(Standing::HalfOpen)) => format!("{turn}; its breaker is half-open, so it is a probe"),
        (None, Some(Standing::Demoted)) => format!("{turn}, behind the others: of late it fails too often"),
        (None, _) => turn.to_owned(),
    };
    for adjustment in adjustments {
        words.push_str(&format!("; {adjustment}"));
    }
    words
}

fn name(target: &Target) -> String {
    let mark = if target.provider.simulated { " (sim)" } else { "" };
    format!("{}{mark}", target.model_ref)
}

fn cost_words(estimate: Option<Estimate>) -> String {
    match estimate.and_then(|estimate| estimate.cost) {
        Some(nano) => format!("~${}", dollars(nano as f64 / 1e9)),
        None => "unknown".to_owned(),
    }
}

fn time_words(estimate: Option<Estimate>) -> String {
    let times = estimate.and_then(|estimate| estimate.first_token.zip(estimate.latency));
    match (times, estimate) {
        (Some((first, whole)), Some(estimate)) => {
            let like = if estimate.evidence > 0.0 { "" } else { "\nlike its peers" };
            format!("~{} / {}{like}", seconds(first), seconds(whole))
        }
        _ => "unmeasured".to_owned(),
    }
}

fn order_words(explained: &Explained<'_>) -> String {
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

fn token_words(explained: &Explained<'_>) -> String {
    let input = estimated_input(explained.request);
    match explained.estimate() {
        None => format!("the prompt has ~{}", counted(input, "token")),
        Some(estimate) => {
            let how = if estimate.assumed { "assumed" } else { "as the route's answers are" };
            format!(
                "the prompt has ~{}; ~{} come out ({how})",
                counted(input, "token"),
                estimate.output_tokens
            )
        }
    }
}

fn limit_words(route: &Route, tried: usize) -> String {
    let Policy { deadlines, .. } = &route.policy;
    let first = deadlines.first_token.map_or_else(
        || "as long as its kind of model needs".to_owned(),
        |first| format!("{} each", seconds(first)),
    );
    format!(
        "first content is waited for {first}, {} in all\na stall ends after {}; at most {} attempts",
        seconds(deadlines.call),
        seconds(deadlines.idle),
        most_attempts(tried)
    )
}

/// The classes of failures in groups that lead to the same.
fn reactions(policy: &Policy) -> Vec<(Vec<FailureClass>, Reaction)> {
    let mut groups: Vec<(Vec<FailureClass>, Reaction)> = Vec::new();
    for class in FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Cancelled) {
        let reaction = reaction(class, policy, false);
        let alike = |(classes, other): &(Vec<FailureClass>, Reaction)| {
            let outcome = |r: &Reaction| (r.retry, r.fail_over, r.block);
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

fn reaction_words(classes: &[FailureClass], reaction: Reaction, policy: &Policy) -> String {
    let retry = policy.retry;
    let retries = reaction.retry && retry.retries > 0;
    let wait = match classes {
        [FailureClass::RateLimited] => "after the wait that the provider names".to_owned(),
        _ => format!("after up to {}", seconds(retry.base)),
    };
    let times = if retry.retries == 1 { "once".to_owned() } else { format!("up to {} times", retry.retries) };
    let next = match classes {
        [FailureClass::ContextOverflow] => "the next candidate with a larger window",
        _ => "the next candidate at once",
    };
    let mut words = match (reaction.fail_over, retries, retry.when) {
        (false, ..) => "the end of the call".to_owned(),
        (true, false, _) => next.to_owned(),
        (true, true, RetryWhen::Alone) => {
            format!("{next}; the same one again {wait}, {times}, when no other is ready")
        }
        (true, true, RetryWhen::First) => format!("the same one again {wait}, {times}; then {next}"),
    };
    let (whom, span) = match reaction.block {
        Block::None => return words,
        Block::Key(span) => ("this key", span),
        Block::Model(span) => ("this model", span),
    };
    words.push_str(&format!("; {whom} is left alone for {} min", span.as_secs() / 60));
    words
}

/// The same as JSON.
pub fn plan_json(explained: &Explained<'_>) -> Value {
    let steps: Vec<Value> =
        explained.steps().map(|(step, outlook)| step_json(explained, step, outlook)).collect();
    let policy = &explained.route.policy;
    let tried = explained.plan.targets().count();
    let failures: Vec<Value> = reactions(policy)
        .into_iter()
        .map(|(classes, reaction)| {
            let (blocked, span) = match reaction.block {
                Block::None => (None, None),
                Block::Key(span) => (Some("key"), Some(milliseconds(span))),
                Block::Model(span) => (Some("model"), Some(milliseconds(span))),
            };
            json!({
                "classes": classes.iter().map(|class| class.name()).collect::<Vec<_>>(),
                "retries": if reaction.retry && reaction.fail_over { policy.retry.retries } else { 0 },
                "retry_when": match policy.retry.when { RetryWhen::Alone => "alone", RetryWhen::First => "first" },
                "fails_over": reaction.fail_over, "blocks": blocked, "blocked_ms": span,
            })
        })
        .collect();
    let estimate = explained.estimate();
    json!({
        "schema": "slalom.plan/1", "route": explained.route.name, "strategy": policy.strategy.name(),
        "explored": explained.plan.explored,
        "estimated_input_tokens": estimated_input(explained.request),
        "estimated_output_tokens": estimate.map(|estimate| estimate.output_tokens),
        "output_assumed": estimate.map(|estimate| estimate.assumed),
        "candidates": steps, "on_failure": failures,
        "on_midstream": if policy.on_midstream == Choice::Stop { "stop" } else { "restart" },
        "deadline_ms": milliseconds(policy.deadlines.call), "idle_ms": milliseconds(policy.deadlines.idle),
        "first_token_ms": policy.deadlines.first_token.map(milliseconds),
        "most_attempts": most_attempts(tried),
    })
}

fn step_json(
    explained: &Explained<'_>,
    step: &PlanStep,
    outlook: Option<&(Standing, Option<Skip>)>,
) -> Value {
    match step {
        PlanStep::Try { target, adjustments, estimate } => {
            let away = outlook.and_then(|outlook| explained.away(outlook));
            let state = match (&away, outlook) {
                (Some((skip, _)), _) => skip.name(),
                (None, outlook) => outlook.map_or("ready", |(standing, _)| standing.name()),
            };
            json!({
                "provider": target.model_ref.provider, "model": target.model_ref.model, "decision": "try", "reason": null,
                "adjusted": adjustments.iter().map(|a| json!({"what": a.name(), "how": a.to_string()})).collect::<Vec<_>>(),
                "simulated": target.provider.simulated,
                "state": state, "ready_in_ms": away.and_then(|(_, wait)| wait).map(milliseconds),
                "cost_usd": estimate.and_then(|e| e.cost).map(|nano| nano as f64 / 1e9),
                "first_token_ms": estimate.and_then(|e| e.first_token).map(milliseconds),
                "latency_ms": estimate.and_then(|e| e.latency).map(milliseconds),
                "measured": estimate.is_some_and(|e| e.evidence > 0.0),
            })
        }
        PlanStep::Skip { model_ref, skip } => json!({
            "provider": model_ref.provider, "model": model_ref.model, "decision": "skip", "reason": skip.name(),
            "detail": skip.to_string(),
        }),
    }
}
