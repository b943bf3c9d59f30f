//! `slalom eval --dry-run`: counts calls and estimates costs.

use serde_json::{Value, json};

use super::{CommandContext, CommandError, CommandOutcome, PreparedRun};
use crate::catalog::{Cost, CostSource, cost_at_list_price, estimate_tokens};
use crate::chat::{NanoDollars, Request, TokenCount, Usage, format_times, pluralize};
use crate::command::outcome::check_printed;
use crate::eval::{
    Case, CaseFeature, Cases, EvalSubject, GradableAnswer, GraderTask, Graders, collect_grader_tasks,
    split_subject_name,
};
use crate::provider::Target;
use crate::route::{CallOptions, PlanStep, Route, Router, RoutingHints};
use crate::view::format_cost;

/// Assumed output tokens of an answer, unless its request allows fewer.
const DEFAULT_ANSWER_TOKENS: TokenCount = TokenCount::new(400);

/// Estimates the cost of a subject's calls. Answers are assumed to be as long as the route's
/// earlier ones, or 400 tokens, within the request's limit. `None` if a first candidate has no known price.
fn estimate_subject_cost(
    router: &Router,
    subject: &EvalSubject,
    cases: &Cases,
    repeat: u32,
) -> Option<NanoDollars> {
    let once = cases
        .prompts()
        .map(|case| estimate_request_cost(router, &subject.route, &case.request, &case.metadata.id));
    Some(once.sum::<Option<NanoDollars>>()?.saturating_mul(u64::from(repeat)))
}

fn estimate_request_cost(
    router: &Router,
    route: &Route,
    request: &Request,
    case: &str,
) -> Option<NanoDollars> {
    let hints = RoutingHints { label: None, sticky_key: Some(case.to_owned()) };
    let options = CallOptions { hints, ..CallOptions::default() };
    let plan = router.plan_with_estimates(route, request, &options);
    plan.steps.iter().find_map(|step| match step {
        PlanStep::Try { estimate, .. } => Some(estimate.and_then(|estimate| estimate.cost)),
        PlanStep::Skip { .. } => None,
    })?
}

/// Grading work for the answers of one subject.
#[derive(Clone, Copy)]
struct GradingEstimate {
    calls: u64,
    programs: u64,
    /// `None` if a price is unknown.
    cost: Option<NanoDollars>,
}

impl GradingEstimate {
    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            programs: self.programs + other.programs,
            cost: self.cost.zip(other.cost).map(|(a, b)| a.saturating_add(b)),
        }
    }
}

fn estimate_grading(router: &Router, graders: &Graders, cases: &Cases, repeat: u32) -> GradingEstimate {
    let (mut calls, mut programs, mut costs) = (0, 0, Vec::new());
    for case in cases.with_feature(CaseFeature::NeedsGrader) {
        let tokens = case
            .request
            .max_output_tokens
            .map_or(DEFAULT_ANSWER_TOKENS, |max| max.min(DEFAULT_ANSWER_TOKENS));
        let sample_answer = "word".repeat(usize::try_from(tokens.get()).unwrap_or_default());
        for task in collect_grader_tasks(&case.assertions) {
            match task {
                GraderTask::Judge { question, judge, votes } => {
                    let request = question.build_request(&case, &GradableAnswer::text(&sample_answer), None);
                    let route = graders.judges.get(judge);
                    let cost = route
                        .and_then(|route| estimate_request_cost(router, route, &request, &case.metadata.id));
                    costs.push(cost.map(|cost| cost.saturating_mul(u64::from(*votes))));
                    calls += u64::from(*votes);
                }
                GraderTask::Similarity { text, model } => {
                    let bytes = sample_answer.len() + text.len();
                    costs.push(
                        graders
                            .embedders
                            .get(model)
                            .and_then(|target| estimate_embedding_cost(target, bytes)),
                    );
                    calls += 1;
                }
                GraderTask::Program(_) => programs += 1,
            }
        }
    }
    let repeats = u64::from(repeat);
    let once = costs.into_iter().sum::<Option<NanoDollars>>();
    let cost = once.map(|once| once.saturating_mul(repeats));
    GradingEstimate { calls: calls * repeats, programs: programs * repeats, cost }
}

fn estimate_embedding_cost(target: &Target, bytes: usize) -> Option<NanoDollars> {
    let input_tokens = Some(estimate_tokens(bytes));
    let usage = Usage { input_tokens, output_tokens: Some(TokenCount::ZERO), ..Usage::default() };
    cost_at_list_price(&usage, &target.facts.as_ref()?.pricing)
}

/// The first case as rendered for each prompt that a subject uses; the name is `None` if the set has no
/// `prompts`.
fn first_case_per_prompt(prepared: &PreparedRun) -> Vec<(Option<&str>, Case)> {
    let mut firsts: Vec<(Option<&str>, Case)> = Vec::new();
    for subject in &prepared.subjects {
        let prompt = split_subject_name(&subject.name).1;
        if firsts.iter().all(|(known, _)| *known != prompt) {
            firsts.extend(prepared.cases_for(subject).first().map(|case| (prompt, case)));
        }
    }
    firsts
}

fn first_case_json(prompt: Option<&str>, case: &Case) -> Value {
    let request = &case.request;
    let mut first = json!({"case": case.metadata.id, "system": request.system_prompt, "prompt": request.last_user_text()});
    if let Some(prompt) = prompt {
        first["name"] = json!(prompt);
    }
    first
}

pub(super) fn print_dry_run(
    context: &CommandContext,
    router: &Router,
    graders: &Graders,
    prepared: &[PreparedRun],
    as_json: bool,
) -> Result<CommandOutcome, CommandError> {
    let mut text = String::new();
    let mut plans = Vec::new();
    for prepared in prepared {
        let PreparedRun { set, cases, subjects, spec, .. } = prepared;
        let names: Vec<&str> = subjects.iter().map(|s| s.name.as_str()).collect();
        let repeat = spec.repeat;
        let calls = prepared.results_per_subject() * names.len();
        let costs: Vec<Option<NanoDollars>> = subjects
            .iter()
            .map(|subject| estimate_subject_cost(router, subject, &prepared.cases_for(subject), repeat))
            .collect();
        let first_cases = first_case_per_prompt(prepared);
        let first_objects: Vec<_> =
            first_cases.iter().map(|(prompt, case)| first_case_json(*prompt, case)).collect();
        let estimates: Vec<_> = names
            .iter()
            .zip(&costs)
            .map(|(name, cost)| json!({"subject": name, "cost_usd": cost.map(NanoDollars::to_usd)}))
            .collect();
        let per_subject = subjects
            .iter()
            .map(|subject| estimate_grading(router, graders, &prepared.cases_for(subject), repeat));
        let grading = per_subject.fold(
            GradingEstimate { calls: 0, programs: 0, cost: Some(NanoDollars::ZERO) },
            GradingEstimate::add,
        );
        plans.push(json!({
            "set": set.name, "cases": cases.len(), "repeat": repeat, "subjects": names, "calls": calls,
            "estimates": estimates,
            "judging": {
                "calls": grading.calls, "programs": grading.programs,
                "cost_usd": grading.cost.map(NanoDollars::to_usd),
            },
            "first": first_objects.first(), "prompts": if set.prompts.is_empty() { &[] } else { first_objects.as_slice() },
        }));
        let repeats = if repeat > 1 { format!(" × {repeat} repeats") } else { String::new() };
        text += &format!(
            "{}: {}{repeats} × {} = {}\n",
            set.name,
            pluralize(cases.len(), "case"),
            names.join(", "),
            pluralize(calls, "call")
        );
        for ((name, cost), subject) in names.iter().zip(costs).zip(subjects) {
            let targets = subject.route.candidates.iter().filter_map(|c| c.target.as_ref().ok());
            let simulated = targets.into_iter().any(|target| target.provider.simulated);
            let mark = if simulated { " (simulated)" } else { "" };
            text += &format!(
                "  {name}: {}{mark}\n",
                format_cost(Cost { nano_dollars: cost, source: CostSource::Estimated })
            );
        }
        if grading.calls > 0 {
            let mark = if graders.has_simulated_model() { " (simulated)" } else { "" };
            let cost = format_cost(Cost { nano_dollars: grading.cost, source: CostSource::Estimated });
            text += &format!("  judging: {}: {cost}{mark}\n", pluralize(grading.calls, "more call"));
        }
        if grading.programs > 0 {
            text += &format!("  judging: programs run {}\n", format_times(grading.programs));
        }
        for (prompt, case) in first_cases {
            let (id, request) = (&case.metadata.id, &case.request);
            let prompt_label = prompt.map(|prompt| format!(" with prompt `{prompt}`")).unwrap_or_default();
            let system =
                request.system_prompt.as_ref().map(|s| format!("[system]\n{s}\n")).unwrap_or_default();
            text +=
                &format!("first case `{id}`{prompt_label}:\n{system}[user]\n{}\n", request.last_user_text());
        }
        text += "nothing was sent\n";
    }
    if as_json {
        text = format!("{}\n", json!({"schema": "slalom.eval-plan/1", "runs": plans}));
    }
    check_printed(context.console.print(&text), CommandOutcome::Success)
}
