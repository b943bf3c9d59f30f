//! What would be sent, and about what it would cost.

use serde_json::{Value, json};

use super::{CommandError, Context, Outcome, Prepared};
use crate::catalog::{Cost, CostSource};
use crate::command::outcome::printed;
use crate::eval::{Case, Subject, subject_halves};
use crate::route::{Caller, PlanStep, Router};
use crate::view::money;

/// What a subject's calls would cost: the prompt by its size, and the answer as its route's were, else 400 tokens, but never
/// more than the request allows. `None` where the price of somebody who would be asked first is unknown.
fn estimate(router: &Router, subject: &Subject, cases: &[Case], repeat: u32) -> Option<u64> {
    let cost = |case: &Case| {
        let caller = Caller { label: None, key: Some(case.id.to_string()) };
        let plan = router.explained(&subject.route, &case.request(), &caller);
        plan.steps.iter().find_map(|step| match step {
            PlanStep::Try { estimate, .. } => Some(estimate.and_then(|estimate| estimate.cost)),
            PlanStep::Skip { .. } => None,
        })?
    };
    let once = cases.iter().map(cost).sum::<Option<u64>>()?;
    Some(once.saturating_mul(u64::from(repeat)))
}

/// The first case, as each prompt asks it that a subject has.
fn first_of_each_prompt(prepared: &Prepared) -> Vec<(Option<&str>, &Case)> {
    let mut firsts: Vec<(Option<&str>, &Case)> = Vec::new();
    for subject in &prepared.subjects {
        let prompt = subject_halves(&subject.name).1;
        if firsts.iter().all(|(known, _)| *known != prompt) {
            firsts.extend(prepared.cases_of(subject).first().map(|case| (prompt, case)));
        }
    }
    firsts
}

fn first_json(prompt: Option<&str>, case: &Case) -> Value {
    let request = case.request();
    let mut first = json!({"case": case.id, "system": request.system, "prompt": request.last_user_text()});
    if let Some(prompt) = prompt {
        first["name"] = json!(prompt);
    }
    first
}

/// Counts, estimates, and shows one prompt.
pub(super) fn show(
    context: &Context,
    router: &Router,
    prepared: &[Prepared],
    as_json: bool,
) -> Result<Outcome, CommandError> {
    let mut text = String::new();
    let mut plans = Vec::new();
    for prepared in prepared {
        let Prepared { set, cases, subjects, choice, .. } = prepared;
        let names: Vec<&str> = subjects.iter().map(|s| s.name.as_str()).collect();
        let repeat = choice.selection.repeat;
        let calls = prepared.results() * names.len();
        let costs: Vec<Option<u64>> = subjects
            .iter()
            .map(|subject| estimate(router, subject, prepared.cases_of(subject), repeat))
            .collect();
        let shown = first_of_each_prompt(prepared);
        let firsts: Vec<_> = shown.iter().map(|(prompt, case)| first_json(*prompt, case)).collect();
        let estimates: Vec<_> = names
            .iter()
            .zip(&costs)
            .map(|(name, cost)| json!({"subject": name, "cost_usd": cost.map(|nano| nano as f64 / 1e9)}))
            .collect();
        plans.push(json!({
            "set": set.name, "cases": cases.len(), "repeat": repeat, "subjects": names, "calls": calls,
            "estimates": estimates,
            "first": firsts.first(), "prompts": if set.prompts.is_empty() { &[] } else { firsts.as_slice() },
        }));
        let repeats = if repeat > 1 { format!(" × {repeat} times") } else { String::new() };
        text +=
            &format!("{}: {} cases{repeats} × {} = {calls} calls\n", set.name, cases.len(), names.join(", "));
        for ((name, cost), subject) in names.iter().zip(costs).zip(subjects) {
            let targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.into_iter().any(|target| target.provider.simulated);
            let mark = if simulated { " (simulated)" } else { "" };
            text += &format!(
                "  {name}: {}{mark}\n",
                money(Cost { nano_dollars: cost, source: CostSource::Estimated })
            );
        }
        for (prompt, case) in shown {
            let (id, request) = (&case.id, case.request());
            let by = prompt.map(|prompt| format!(" by prompt `{prompt}`")).unwrap_or_default();
            let system = request.system.as_ref().map(|s| format!("[system]\n{s}\n")).unwrap_or_default();
            text += &format!("first case `{id}`{by}:\n{system}[user]\n{}\n", request.last_user_text());
        }
        text += "nothing was sent\n";
    }
    if as_json {
        text = format!("{}\n", json!({"schema": "slalom.eval-plan/1", "runs": plans}));
    }
    printed(context.console.out(&text), Outcome::Done)
}
