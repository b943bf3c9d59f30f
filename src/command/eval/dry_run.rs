//! What would be sent, and about what it would cost.

use serde_json::{Value, json};

use super::{CommandError, Context, Outcome, Prepared};
use crate::catalog::{Cost, CostSource, estimated_tokens, price_of};
use crate::chat::{Request, Usage, counted, times};
use crate::command::outcome::printed;
use crate::eval::{Case, Cases, Feature, Graded, Jury, Subject, Task, subject_halves, tasks};
use crate::provider::Target;
use crate::route::{Caller, PlanStep, Route, Router};
use crate::view::money;

/// An answer that is not there yet is taken for so many tokens, or for as many as its request allows.
const ANSWER: u64 = 400;

/// What a subject's calls would cost: the prompt by its size, and the answer as its route's were, else 400 tokens, but never
/// more than the request allows. `None` where the price of somebody who would be asked first is unknown.
fn estimate(router: &Router, subject: &Subject, cases: &Cases, repeat: u32) -> Option<u64> {
    let once = cases.iter().map(|case| one(router, &subject.route, &case.request, &case.head.id));
    Some(once.sum::<Option<u64>>()?.saturating_mul(u64::from(repeat)))
}

/// What one request would cost.
fn one(router: &Router, route: &Route, request: &Request, case: &str) -> Option<u64> {
    let caller = Caller { label: None, key: Some(case.to_owned()) };
    let plan = router.explained(route, request, &caller);
    plan.steps.iter().find_map(|step| match step {
        PlanStep::Try { estimate, .. } => Some(estimate.and_then(|estimate| estimate.cost)),
        PlanStep::Skip { .. } => None,
    })?
}

/// What judging one subject's answers would take.
#[derive(Clone, Copy)]
struct Judging {
    calls: u64,
    programs: u64,
    /// `None` where a price is unknown.
    cost: Option<u64>,
}

impl Judging {
    fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            programs: self.programs + other.programs,
            cost: self.cost.zip(other.cost).map(|(a, b)| a.saturating_add(b)),
        }
    }
}

fn judging(router: &Router, jury: &Jury, cases: &Cases, repeat: u32) -> Judging {
    let (mut calls, mut programs, mut costs) = (0, 0, Vec::new());
    for case in cases.with(Feature::Judged) {
        let tokens = case.request.max_tokens.map_or(ANSWER, |most| most.min(ANSWER));
        let words = "word".repeat(usize::try_from(tokens).unwrap_or_default());
        for task in tasks(&case.assertions) {
            match task {
                Task::Ask { question, judge, votes } => {
                    let request = question.request(&case, &Graded::text(&words), None);
                    let route = jury.judges.get(judge);
                    let cost = route.and_then(|route| one(router, route, &request, &case.head.id));
                    costs.push(cost.map(|cost| cost.saturating_mul(u64::from(*votes))));
                    calls += u64::from(*votes);
                }
                Task::Similar { text, model } => {
                    let bytes = words.len() + text.len();
                    costs.push(jury.embedders.get(model).and_then(|target| vectors(target, bytes)));
                    calls += 1;
                }
                Task::Run(_) => programs += 1,
            }
        }
    }
    let times = u64::from(repeat);
    let once = costs.into_iter().sum::<Option<u64>>();
    let cost = once.map(|once| once.saturating_mul(times));
    Judging { calls: calls * times, programs: programs * times, cost }
}

/// What the vectors of a text of so many bytes cost.
fn vectors(target: &Target, bytes: usize) -> Option<u64> {
    let input_tokens = Some(estimated_tokens(bytes));
    let usage = Usage { input_tokens, output_tokens: Some(0), ..Usage::default() };
    price_of(&usage, &target.facts.as_ref()?.price)
}

/// The first case, as each prompt asks it that a subject has.
fn first_of_each_prompt(prepared: &Prepared) -> Vec<(Option<&str>, Case)> {
    let mut firsts: Vec<(Option<&str>, Case)> = Vec::new();
    for subject in &prepared.subjects {
        let prompt = subject_halves(&subject.name).1;
        if firsts.iter().all(|(known, _)| *known != prompt) {
            firsts.extend(prepared.cases_of(subject).first().map(|case| (prompt, case)));
        }
    }
    firsts
}

fn first_json(prompt: Option<&str>, case: &Case) -> Value {
    let request = &case.request;
    let mut first =
        json!({"case": case.head.id, "system": request.system, "prompt": request.last_user_text()});
    if let Some(prompt) = prompt {
        first["name"] = json!(prompt);
    }
    first
}

/// Counts, estimates, and shows one prompt.
pub(super) fn show(
    context: &Context,
    router: &Router,
    jury: &Jury,
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
            .map(|subject| estimate(router, subject, &prepared.cases_of(subject), repeat))
            .collect();
        let shown = first_of_each_prompt(prepared);
        let firsts: Vec<_> = shown.iter().map(|(prompt, case)| first_json(*prompt, case)).collect();
        let estimates: Vec<_> = names
            .iter()
            .zip(&costs)
            .map(|(name, cost)| json!({"subject": name, "cost_usd": cost.map(|nano| nano as f64 / 1e9)}))
            .collect();
        let of_each =
            subjects.iter().map(|subject| judging(router, jury, &prepared.cases_of(subject), repeat));
        let judged = of_each.fold(Judging { calls: 0, programs: 0, cost: Some(0) }, Judging::and);
        plans.push(json!({
            "set": set.name, "cases": cases.len(), "repeat": repeat, "subjects": names, "calls": calls,
            "estimates": estimates,
            "judging": {
                "calls": judged.calls, "programs": judged.programs,
                "cost_usd": judged.cost.map(|nano| nano as f64 / 1e9),
            },
            "first": firsts.first(), "prompts": if set.prompts.is_empty() { &[] } else { firsts.as_slice() },
        }));
        let repeats = if repeat > 1 { format!(" × {repeat} times") } else { String::new() };
        text += &format!(
            "{}: {}{repeats} × {} = {}\n",
            set.name,
            counted(cases.len(), "case"),
            names.join(", "),
            counted(calls, "call")
        );
        for ((name, cost), subject) in names.iter().zip(costs).zip(subjects) {
            let targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.into_iter().any(|target| target.provider.simulated);
            let mark = if simulated { " (simulated)" } else { "" };
            text += &format!(
                "  {name}: {}{mark}\n",
                money(Cost { nano_dollars: cost, source: CostSource::Estimated })
            );
        }
        if judged.calls > 0 {
            let mark = if jury.is_simulated() { " (simulated)" } else { "" };
            let cost = money(Cost { nano_dollars: judged.cost, source: CostSource::Estimated });
            text += &format!("  judging: {}: {cost}{mark}\n", counted(judged.calls, "more call"));
        }
        if judged.programs > 0 {
            text += &format!("  judging: programs are run {}\n", times(judged.programs));
        }
        for (prompt, case) in shown {
            let (id, request) = (&case.head.id, &case.request);
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
